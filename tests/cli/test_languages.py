"""The language that commands speak: --lang or TTRULES_LANG, never the locale of the terminal."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from tests.support.oracle import FINAL
from ttrules.cli.check import FORMATS
from ttrules.messages.catalogue import catalogue
from ttrules.rulebook import shipped

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.command_line import File, Run

#: What is typed after the name of the program.
Args: TypeAlias = "tuple[str | Path, ...]"
#: What of each format programs read, and is the same in every language: the rest is put out.
SPOKEN = {
    "json": r'"message":"[^"]*"|"reason":"[^"]*"',
    "jsonl": r'"message":"[^"]*"|"reason":"[^"]*"',
    "junit": r'message="[^"]*"|(?<=[a-z]: )[^<]*',
    "sarif": r'"text":"[^"]*"|"language":"pl",',
    "github": r"(?<=[a-z]::).*|^[^\W\d]+ |(?<=[a-z]: ).*|^\d+ .*$",
}


@pytest.fixture
def files(file: File, wrong: dict[str, Any]) -> list[Path]:
    """Give a file with findings, one that is unreadable, and an array that is not closed."""
    return [file("a.json", wrong), file("b.json", b"\xff"), file("c.json", "[{}")]


class TestCheck:
    """Sentences of a report are of the language; codes, places and counts are the same."""

    def test_text(self, run: Run, files: list[Path]) -> None:
        """Text is in the language, its last line too."""
        told = run("check", "--lang", "pl", *files).out.splitlines()
        for beginning in (
            r"a\.json:1:\d+: błąd enum: Wpisz w polu origin jedną z wartości: ",
            r"a\.json:1:2: ostrzeżenie unknown_field: Sprawdź nazwę colour: ",
            r"b\.json:1:1: błąd unreadable: w tym miejscu to nie jest UTF-8",
            r"c\.json:1:\d: błąd unreadable: tablica nie jest zamknięta",
        ):
            assert any(re.search(beginning, line) for line in told), beginning
        assert told[-1] == "1 dokument, 1 niepoprawny, 1 błąd, 1 ostrzeżenie, 2 nieczytelne"

    @pytest.mark.parametrize("form", [form for form in FORMATS if form != "text"])
    def test_formats(self, run: Run, files: list[Path], form: str) -> None:
        """Every format has the sentences of the language, and else what it has in English."""
        polish = run("check", "--lang", "pl", "--format", form, *files)
        english = run("check", "--format", form, *files)
        assert polish.code == english.code == 3
        assert "Wpisz w polu origin" in polish.out
        assert "Set origin" not in polish.out
        assert "nie jest zamknięta" in polish.out
        for one, other in zip(polish.out.splitlines(), english.out.splitlines(), strict=True):
            assert re.sub(SPOKEN[form], "", one) == re.sub(SPOKEN[form], "", other)

    def test_sarif(self, run: Run, files: list[Path]) -> None:
        """SARIF says which language it is where it is not the usual one."""
        (polish,) = run("check", "--lang", "pl", "--format", "sarif", *files).json["runs"]
        (english,) = run("check", "--format", "sarif", *files).json["runs"]
        assert polish["language"] == "pl"
        assert "language" not in english
        rules = {each["id"]: each["shortDescription"] for each in polish["tool"]["driver"]["rules"]}
        assert rules["enum"] == {"text": "Wpisz w polu <field> jedną z wartości: <allowed>."}

    def test_several_processes(self, run: Run, files: list[Path]) -> None:
        """Processes that share the work find what is told in the one language."""
        args: Args = ("check", "--lang", "pl", *files)
        assert run(*args, "--jobs", "2").out == run(*args).out

    def test_nothing_there(self, run: Run) -> None:
        """An input without payloads is told so."""
        assert "nie zawiera dokumentu" in run("check", "--lang", "pl", "-").out

    @pytest.mark.parametrize(
        ("patch", "told"),
        [
            ([{"op": "remove", "path": "/x"}], "operacji 0 nie można wykonać: /x nie istnieje"),
            ([{"op": "copy", "path": "/x"}], "operacji 0 nie można wykonać: operacji copy brakuje"),
        ],
    )
    def test_patch(
        self, run: Run, file: File, stored: dict[str, Any], patch: list[Any], told: str
    ) -> None:
        """Why a JSON Patch has no meaning is told in the language."""
        args = ("--against", file("stored.json", stored), file("patch.json", patch))
        assert told in run("check", "--lang", "pl", *args).out


class TestOthers:
    """The other commands that tell sentences."""

    def test_explain(self, run: Run) -> None:
        """All but what spec files say is in the language."""
        told = run("explain", "--lang", "pl", "TroubleTicket.status", COLUMNS="200").out
        for text in (
            "jedna z wartości: submitted",
            catalogue("pl").requirements["P"],
            "Zmiany\n",
            "Nowe zgłoszenie ma status submitted.",
            f"{FINAL[0]}: potem brak dalszych",
            "Źródło: ",
        ):
            assert text in told
        told = run("explain", "--lang", "pl", "RelatedEntity.externalId", COLUMNS="200").out
        assert "W obiekcie RelatedEntity: wyślij co najmniej jedno z pól id, externalId." in told
        assert "Powód: " in told

    def test_matrix(self, run: Run) -> None:
        """The legend and the heading are in the language, the codes are what they are."""
        polish, english = (
            run("matrix", "--lang", each, COLUMNS="200").out for each in ("pl", "en")
        )
        for code in ("R", "O", "P", "-", "R/PD", "O/PD"):
            assert catalogue("pl").requirements[code][:40] in polish
        assert polish.splitlines()[1].split()[0] == "Pole"
        rows = [
            [line.split() for line in told.splitlines() if line.startswith("  ")]
            for told in (polish, english)
        ]
        assert rows[0] == rows[1]

    def test_lint(self, run: Run) -> None:
        """Oddities are told in the language, decisions as they were written."""
        told = run("lint", "--all", "--lang", "pl", COLUMNS="300").out
        assert told.splitlines()[1].split() == ["Rodzaj", "Dotyczy", "Opis", "Decyzja"]
        assert "Pole nie ma typu, więc pasuje każda wartość." in told
        assert shipped().matrix.decisions[-1]["decision"].split(".")[0] in " ".join(told.split())


class TestChoice:
    """How the language is chosen."""

    def test_variable(self, run: Run) -> None:
        """TTRULES_LANG chooses it, an option before it; without either it is English."""
        polish, english = "1 dokument, ", "1 payload, "
        assert run("check", "-", stdin=b"{}", TTRULES_LANG="pl").out.splitlines()[-1][:12] == polish
        args = ("check", "--lang", "en", "-")
        assert run(*args, stdin=b"{}", TTRULES_LANG="pl").out.splitlines()[-1][:11] == english
        assert run("check", "-", stdin=b"{}", TTRULES_LANG="").out.splitlines()[-1][:11] == english

    def test_not_the_locale(self, run: Run) -> None:
        """The locale chooses nothing: what programs and logs read does not depend on a terminal."""
        english = run("check", "-", stdin=b"{}").out
        assert (
            run("check", "-", stdin=b"{}", LANG="pl_PL.UTF-8", LC_ALL="pl_PL.UTF-8").out == english
        )

    def test_unknown(self, run: Run) -> None:
        """A language that there is not is wrong usage, and says where it was asked for."""
        ran = run("matrix", "--lang", "de")
        assert (ran.code, ran.out) == (2, "")
        assert "'en', 'pl'" in ran.err
        ran = run("matrix", TTRULES_LANG="de")
        assert ran.code == 2
        assert "TTRULES_LANG" in ran.err

    def test_ascii_terminal(self, ttrules: Run, files: list[Path]) -> None:
        """Where the output takes ASCII only, what it cannot show is escaped, and nothing fails."""
        every: tuple[Args, ...] = (
            ("check", *files),
            ("matrix",),
            ("lint",),
            ("explain", "Note.text"),
        )
        for args in every:
            ran = ttrules(*args, TTRULES_LANG="pl", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
            assert ran.code in {0, 3}
            assert ran.err == ""
            assert ran.out.isascii()
            assert "\\u" in ran.out or "\\x" in ran.out

    def test_json_is_utf8(self, ttrules: Run, files: list[Path]) -> None:
        """What programs read is UTF-8 whatever the output takes."""
        args: Args = ("check", "--format", "json", "--lang", "pl", *files)
        ran = ttrules(*args, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
        assert "jedną z wartości" in json.dumps(ran.json, ensure_ascii=False)
