"""`ttrules compile`: spec files in, a directory of rules out."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.command_line import FILES, NAMES, OTHER
from ttrules.errors import SpecError
from ttrules.rulebook import Rulebook

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.command_line import Run, Spec

SHIPPED = OTHER.parents[2] / "ttrules" / "schemas"


def contents(directory: Path) -> dict[str, bytes]:
    """Return the files of a directory by name."""
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_shipped(run: Run, tmp_path: Path) -> None:
    """The shipped spec compiles to the shipped rules."""
    spec = OTHER.parents[2] / "spec"
    files = [part for name in NAMES for part in (f"--{name}", spec / f"{name}.yaml")]
    shipped = OTHER.parents[2] / "ttrules" / "schemas"
    assert run("compile", *files, "--out", tmp_path / "rules").code == 0
    assert all((shipped / name).is_file() for name in contents(tmp_path / "rules"))
    assert run("compile", *files, "--out", shipped, "--check").out == ""


def test_written(run: Run, other: Path, tmp_path: Path) -> None:
    """A schema is written for each process and a book for all; twice changes nothing."""
    out = tmp_path / "new" / "rules"
    first = run("compile", *FILES, "--out", out)
    assert (first.code, first.out) == (0, f"{out}: 9 files, 9 of them changed\n")
    assert contents(out) == contents(other)
    second = run("compile", *FILES, "--out", out)
    assert (second.code, second.out) == (0, f"{out}: 9 files, 0 of them changed\n")


def test_check(run: Run, tmp_path: Path) -> None:
    """Check writes nothing, tells each difference, and ends with 1 where there is one."""
    out = tmp_path / "rules"
    missing = run("compile", *FILES, "--out", out, "--check")
    assert (missing.code, len(missing.out.splitlines()), out.exists()) == (1, 9, False)
    run("compile", *FILES, "--out", out)
    assert run("compile", *FILES, "--out", out, "--check") == (0, "", "")
    (out / "burst-report.json").write_text("{}")
    (out / "book.json").unlink()
    before = contents(out)
    ran = run("compile", *FILES, "--out", out, "--check")
    told = {line.partition(": ")[0] for line in ran.out.splitlines()}
    assert (ran.code, told) == (1, {f"{out}/burst-report.json", f"{out}/book.json"})
    assert contents(out) == before


def test_not_written(run: Run, tmp_path: Path) -> None:
    """A place where nothing can be written is a wrong use."""
    (tmp_path / "file").write_text("")
    ran = run("compile", *FILES, "--out", tmp_path / "file")
    assert (ran.code, ran.out) == (2, "")
    assert "--out" in ran.err


@pytest.mark.parametrize("name", ["openapi", "requirements"])
def test_needed(run: Run, tmp_path: Path, name: str) -> None:
    """Shapes and matrix are needed; what is left open may be left open."""
    at = FILES.index(f"--{name}")
    assert run("compile", *FILES[:at], *FILES[at + 2 :], "--out", tmp_path).code == 2
    assert [*tmp_path.iterdir()] == []


def test_no_interpretation(run: Run, spec: Spec, tmp_path: Path) -> None:
    """Without an interpretation the matrix alone is compiled, and can be checked against."""
    files = spec({"Order": {"a": {"type": "string"}}}, {"Order": {"a": ["R"]}})
    out = tmp_path / "rules"
    assert run("compile", *files[:4], "--out", out).code == 0
    args = ("check", "--rules", out, "--process", "order-add", "-")
    assert [run(*args, stdin=text).code for text in (b'{"a":"b"}', b"{}")] == [0, 1]


class TestDamaged:
    """Compiled rules that were edited are rejected, and the remedy is named."""

    @pytest.fixture
    def rules(self, tmp_path: Path) -> Path:
        """Give a directory of compiled rules."""
        shutil.copytree(
            SHIPPED, tmp_path / "rules", ignore=shutil.ignore_patterns("form", "report")
        )
        return tmp_path / "rules"

    @pytest.mark.parametrize("name", ["complaint-add.json", "book.json"])
    @pytest.mark.parametrize(
        "text", ["{}", "[]", "null", "5", "", '{"type": "object"}', '{"book": 1}']
    )
    @pytest.mark.parametrize("command", [("check", "-"), ("example", "complaint-add")])
    def test_replaced(
        self, run: Run, rules: Path, name: str, text: str, command: tuple[str, ...]
    ) -> None:
        """A file that is something else."""
        (rules / name).write_text(text)
        ran = run(*command, "--rules", rules, stdin=b"{}")
        assert ran.code == 4
        assert name in ran.err

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('"maxLength": 256', '"maxLength": "x"'),
            ('"maxLength": 256', '"maxLength": 255'),
            ('"not": {}', '"const": 5'),
            ('"x-ttrules"', '"x-other"'),
            ('"type": "string"', '"type": "banana"'),
            ('"required"', '"desired"'),
        ],
    )
    def test_edited(self, run: Run, rules: Path, old: str, new: str) -> None:
        """A schema with one difference: an edit that weakens a rule is not accepted in silence."""
        path = rules / "complaint-add.json"
        path.write_text(path.read_text("utf-8").replace(old, new, 1), "utf-8")
        ran = run("check", "-", "--rules", rules, stdin=b"{}")
        assert ran.code == 4
        assert "compile them again" in ran.err

    def test_edited_book(self, run: Run, rules: Path) -> None:
        """So is a book that cannot be compiled, or whose schemas are others."""
        path = rules / "book.json"
        book = json.loads(path.read_bytes())
        parts: list[dict[str, object]] = [
            {"root": "x"},
            {"entities": {}},
            {"conditions": [5]},
            {"selection": {}},
            {"conditions": [{**book["conditions"][0], "relation": "x"}]},
        ]
        for part in parts:
            path.write_text(json.dumps({**book, **part}), "utf-8")
            assert run("check", "-", "--rules", rules, stdin=b"{}").code == 4

    def test_read(self, rules: Path) -> None:
        """The library says so when the rules are used."""
        (rules / "complaint-add.json").write_text("{}")
        book = Rulebook.read(rules)
        with pytest.raises(SpecError):
            book.validate({}, "complaint-add")

    def test_line_ends(self, run: Run, rules: Path) -> None:
        """Line ends do not matter, neither to the check nor to the rules."""
        for path in rules.glob("*.json"):
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
        spec = OTHER.parents[2] / "spec"
        files = [part for name in NAMES for part in (f"--{name}", spec / f"{name}.yaml")]
        assert run("compile", *files, "--out", rules, "--check") == (0, "", "")
        assert run("check", "-", "--rules", rules, stdin=b"{}").code == 1
