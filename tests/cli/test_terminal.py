"""What the command line does on a terminal and nowhere else: colours, and a bar for what is large.

The programs run in processes of their own, whose outputs are a pseudo terminal or a file.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import pytest

from ttrules.checking.run import _BIG

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.command_line import File, Run

pytestmark = pytest.mark.slow

pty = pytest.importorskip("pty", reason="needs pseudo terminals")

#: Runs the command line with another notion of what is large.
BEGIN = (
    "import ttrules.checking.run as c; c._BIG = {big}; from ttrules.__main__ import main; main()"
)
SEQUENCE = re.compile(r"\x1b\[(\??[0-9;]*)([A-Za-z])")


#: What is typed after the name of the program.
Args: TypeAlias = "tuple[str | Path, ...]"


class Shown(NamedTuple):
    """What a run gave: its exit code, what went to the terminal, and what to standard output."""

    code: int
    raw: str
    out: bytes

    @property
    def screen(self) -> list[str]:
        """The lines that the terminal shows in the end, of those that are not empty."""
        return [line.rstrip() for line in screen(self.raw) if line.strip()]


def on_terminal(
    *args: str | Path,
    out: Path | None = None,
    stdin: bytes = b"",
    big: int = _BIG,
    begin: str = BEGIN,
    **env: str,
) -> Shown:
    """Run the command line on a terminal, its standard output in the file `out` if there is one."""
    ours, theirs = pty.openpty()
    options: dict[str, Any] = {"stdin": subprocess.PIPE, "stderr": theirs, "stdout": theirs}
    options["env"] = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "50", **env}
    for name in {"NO_COLOR", "FORCE_COLOR"} - env.keys():
        options["env"].pop(name, None)
    command = [sys.executable, "-c", begin.format(big=big), *map(str, args)]
    file = None if out is None else out.open("wb")
    options |= {} if file is None else {"stdout": file}
    with subprocess.Popen(command, **options) as process:
        os.close(theirs)
        assert process.stdin is not None
        process.stdin.write(stdin)
        process.stdin.close()
        raw = b"".join(iter(lambda: read(ours), b""))
    os.close(ours)
    if file is not None:
        file.close()
    return Shown(process.returncode, raw.decode(), b"" if out is None else out.read_bytes())


def read(terminal: int) -> bytes:
    """Return what a program has written to its terminal, and nothing once it has ended."""
    try:
        return os.read(terminal, 1 << 16)
    except OSError:
        return b""


def screen(raw: str) -> list[str]:
    """Return the lines that a terminal shows once it has been sent `raw`."""
    lines, row, column = [""], 0, 0
    for part in re.split(r"(\x1b\[\??[0-9;]*[A-Za-z]|\r|\n)", raw):
        sequence = SEQUENCE.fullmatch(part)
        if part == "\r":
            column = 0
        elif part == "\n":
            row += 1
            lines += [""] * (row == len(lines))
        elif sequence is None:
            line = lines[row].ljust(column)
            lines[row] = line[:column] + part + line[column + len(part) :]
            column += len(part)
        elif sequence[2] == "K":
            lines[row] = ""
        elif sequence[2] == "A":
            row -= int(sequence[1])
        else:
            assert sequence[2] in "mhl"
    return lines


def coloured(raw: str) -> bool:
    """Say whether a text sets a colour or a weight."""
    return any(sequence[2] == "m" for sequence in SEQUENCE.finditer(raw))


@pytest.fixture
def files(file: File, wrong: dict[str, Any]) -> list[Path]:
    """Give files with findings, so that a report is written while there is more to read."""
    return [file(f"{name}.json", [wrong] * 30) for name in "abc"]


class TestBar:
    """How far it is, is shown on the terminal while much is read, and leaves no trace."""

    @pytest.mark.parametrize("form", ["text", "json", "junit"])
    def test_beside_a_file(self, run: Run, files: list[Path], tmp_path: Path, form: str) -> None:
        """The bar goes to standard error alone: standard output is what it is without a bar."""
        args: Args = ("check", "--format", form, *files)
        shown = on_terminal(*args, out=tmp_path / "out", big=1)
        assert "payloads" in shown.raw
        assert (shown.code, shown.screen) == (1, [])
        assert shown.out.decode() == run(*args).out

    @pytest.mark.parametrize("form", ["text", "junit"])
    @pytest.mark.parametrize("unbuffered", ["", "1"])
    def test_among_the_report(
        self, run: Run, files: list[Path], form: str, unbuffered: str
    ) -> None:
        """Where the report goes to the same terminal, the bar stands aside for it."""
        args: Args = ("check", "--format", form, *files)
        shown = on_terminal(*args, big=1, NO_COLOR="1", PYTHONUNBUFFERED=unbuffered)
        lines = [line for line in run(*args).out.splitlines() if line.strip()]
        assert "━" in shown.raw
        assert (shown.code, shown.screen) == (1, lines)

    @pytest.mark.parametrize("columns", [40, 79, 80, 200])
    def test_width(self, files: list[Path], tmp_path: Path, columns: int) -> None:
        """It is one line however narrow the terminal is, with sizes and a rate where they fit."""
        args: Args = ("check", *files)
        shown = on_terminal(*args, out=tmp_path / "out", big=1, COLUMNS=str(columns))
        drawn = re.split(r"[\r\n]", SEQUENCE.sub("", shown.raw))
        assert max(map(len, drawn)) <= columns
        assert all("payload" in line for line in drawn if line.strip())
        assert ("B/s" in shown.raw) is (columns >= 80)
        assert shown.screen == []

    def test_language(self, files: list[Path], tmp_path: Path) -> None:
        """What it counts is called by the language that was asked for."""
        args: Args = ("check", "--lang", "pl", *files)
        assert "90 dokumentów" in on_terminal(*args, out=tmp_path / "out", big=1).raw

    def test_unknown_size(self, run: Run, tmp_path: Path, ticket: dict[str, Any]) -> None:
        """Standard input has no size, and is large once much has been read."""
        text = (json.dumps(ticket) + "\n").encode() * 3
        for big, is_shown in ((len(text), True), (len(text) + 1, False)):
            shown = on_terminal("check", "-", out=tmp_path / "out", stdin=text, big=big)
            assert bool(shown.raw) is is_shown
            assert shown.screen == []
            assert shown.out.decode() == run("check", "-", stdin=text).out

    def test_small_and_quiet(self, files: list[Path], tmp_path: Path) -> None:
        """Little input has no bar, nor has a quiet run, nor a terminal that cannot clear it."""
        out = tmp_path / "out"
        assert on_terminal("check", *files, out=out).raw == ""
        assert on_terminal("check", "--quiet", *files, out=out, big=1).raw == ""
        assert on_terminal("check", *files, out=out, big=1, TERM="dumb").raw == ""

    def test_no_terminal(self, ttrules: Run, file: File, ticket: dict[str, Any]) -> None:
        """Where standard error is no terminal there is no bar, however large the input is."""
        text = (json.dumps(ticket) + "\n") * (_BIG // len(json.dumps(ticket)) + 1)
        ran = ttrules("check", file("large.jsonl", text))
        assert (ran.code, ran.err) == (0, "")

    def test_ends_with_an_error(self, files: list[Path], tmp_path: Path) -> None:
        """The bar is gone before an error is told."""
        args: Args = ("check", *files, "-", "--process", "nonsense")
        shown = on_terminal(*args, out=tmp_path / "out", big=1)
        assert shown.code == 2
        assert shown.screen[0].startswith("Usage: ")


class TestColours:
    """Text is coloured on a terminal that takes colours, and says the same without."""

    @pytest.mark.parametrize(
        "args",
        [("matrix",), ("lint",), ("explain", "TroubleTicket.status"), ("check", "-")],
        ids=repr,
    )
    def test_coloured(
        self, run: Run, args: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without its colours the text is the one that goes to a pipe, whatever asks for them."""
        monkeypatch.setenv("COLUMNS", "100")
        plain = [line.rstrip() for line in run(*args, stdin=b"{}").out.splitlines() if line.strip()]
        for shown, is_coloured in (
            (on_terminal(*args, stdin=b"{}"), True),
            (on_terminal(*args, stdin=b"{}", NO_COLOR="1"), False),
            (on_terminal(*args, stdin=b"{}", TERM="dumb"), False),
        ):
            assert coloured(shown.raw) is is_coloured
            assert shown.screen == plain

    def test_forced_on_a_terminal(self) -> None:
        """NO_COLOR takes precedence over a request for colours."""
        for args in (("matrix",), ("lint",), ("explain", "TroubleTicket.status")):
            assert not coloured(on_terminal(*args, NO_COLOR="1", FORCE_COLOR="1").raw)
            assert not coloured(on_terminal(*args, TERM="dumb", FORCE_COLOR="1").raw)

    @pytest.mark.parametrize("columns", [40, 80, 200])
    def test_width(self, columns: int) -> None:
        """Tables and texts keep within the terminal, as far as no name is cut."""
        for args, least in (
            (("matrix", "--process", "complaint-add"), 40),
            (("lint",), 40),
            (("explain", "TroubleTicket.status"), 40),
            (("--help",), 80),
            (("check", "--help"), 80),
        ):
            shown = on_terminal(*args, COLUMNS=str(columns), NO_COLOR="1")
            assert max(map(len, shown.screen)) <= max(columns, least), args

    def test_server(self) -> None:
        """The commands of the server have no colours, on a terminal neither."""
        begin = "from server.cli.main import cli; cli()"
        for args in (("--help",), ("serve", "--workers", "0")):
            assert not coloured(on_terminal(*args, begin=begin, FORCE_COLOR="1").raw)

    def test_forced(self, run: Run) -> None:
        """What goes to a pipe has no colours, even where all programs are asked for them."""
        for args in (("matrix",), ("lint",), ("check", "-")):
            assert not coloured(run(*args, stdin=b"{}", FORCE_COLOR="1").out)

    def test_severities(self, file: File, wrong: dict[str, Any]) -> None:
        """Errors and warnings have their own colours, at their names and below their places.

        They are in the order of the file, where the warning comes first.
        """
        raw = on_terminal("check", file("a.json", wrong)).raw
        colours = {
            name: re.search(rf"\x1b\[(\d+)m\x1b\[1m{name} ", raw) for name in ("error", "warning")
        }
        assert {name: found and found[1] for name, found in colours.items()} == {
            "error": "31",
            "warning": "33",
        }
        assert re.findall(r"\x1b\[(\d+)m *\^+", raw) == ["33", "31"]
