"""How the command line ends: the exit codes, and that nobody is shown a traceback unasked."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ttrules import __main__ as begin
from ttrules.checking.reporters.base import tool
from ttrules.cli.exit_codes import EXITS
from ttrules.cli.main import cli
from ttrules.rulebook import Rulebook

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.command_line import File, Run, Spec

pytestmark = pytest.mark.slow

FULL = Path("/dev/full")
CONTRADICTION = (
    {"Order": {"a": {"type": "string", "minLength": 3, "pattern": "^a?$"}}},
    {"Order": {"a": ["R"]}},
)


def started(*args: str | Path, **options: Any) -> subprocess.Popen[bytes]:
    """Return a process that runs the command line, its outputs piped where nothing else is said."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    options["env"] = {**os.environ, "PYTHONUNBUFFERED": ""}  # as users have it
    return subprocess.Popen([sys.executable, "-m", "ttrules", *map(str, args)], **options)


class TestExitCodes:
    """Each code says one thing, and nothing on standard error is a traceback."""

    def test_documented(self, run: Run) -> None:
        """The codes that a user must know are told by --help, each with its meaning."""
        told = run("--help").out
        for code in range(6):
            assert f"  {code}  {EXITS[code]}" in told
        assert list(EXITS) == [0, 1, 2, 3, 4, 5, 130, 141]

    def test_each(
        self, ttrules: Run, file: File, ticket: dict[str, Any], wrong: dict[str, Any]
    ) -> None:
        """A process of its own ends with 0 to 4 as documented."""
        rules = file("book.json", "{}").parent
        ends: dict[tuple[str | Path, ...], int] = {
            ("check", file("a.json", ticket)): 0,
            ("check", file("b.json", {**ticket, "colour": 1})): 0,
            ("check", file("c.json", wrong)): 1,
            ("check", "--process", "nonsense", "-"): 2,
            ("check", file("d.json", "{")): 3,
            ("check", "--rules", rules, "-"): 4,
        }
        rans = {args: ttrules(*args) for args in ends}
        assert {args: ran.code for args, ran in rans.items()} == ends
        assert not any("Traceback" in ran.err for ran in rans.values())

    def test_greater_one(
        self, run: Run, file: File, ticket: dict[str, Any], wrong: dict[str, Any]
    ) -> None:
        """Where a payload is invalid and another one unreadable, the code is that of unreadable."""
        good, bad, broken = file("a", ticket), file("b", wrong), file("c", "{")
        for files, code in (
            ((good, bad), 1),
            ((bad, good), 1),
            ((bad, broken), 3),
            ((broken, bad), 3),
        ):
            assert run("check", *files).code == code

    @pytest.mark.parametrize(
        "args",
        [
            (),
            ("nonsense",),
            ("check",),
            ("check", "--nonsense", "-"),
            ("check", "--format", "xml", "-"),
            ("check", "--engine", "slow", "-"),
            ("check", "--process", "", "-"),
            ("schema", "nonsense"),
            ("matrix", "--entity", "nonsense"),
            ("matrix", "--process", "nonsense"),
            ("explain", "nonsense"),
            ("explain", "status"),
            ("example", "nonsense"),
            ("example", "complaint-add", "--seed", "x"),
            ("compile", "--out", "x"),
            ("lint", "--openapi", "x"),
            ("lint", "--rules", "x", "--openapi", "x", "--requirements", "x"),
        ],
        ids=repr,
    )
    def test_usage(self, run: Run, args: Sequence[str]) -> None:
        """Asking for what there is not is a wrong use, and nothing goes to standard output."""
        ran = run(*args)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith("Usage: ttrules")

    def test_bad_spec(self, run: Run, spec: Spec, file: File, tmp_path: Path) -> None:
        """Rules that cannot be loaded, compiled or met end with 4, and say where they are wrong."""
        files = spec({"Order": {"a": {"type": "string"}}}, {"Order": {"b": ["R"]}})
        compiled = run("compile", *files, "--out", tmp_path / "rules")
        assert (compiled.code, (tmp_path / "rules").exists()) == (4, False)
        assert [line.partition(":")[0] for line in compiled.err.splitlines()] == ["ttrules"] * 2
        assert run("lint", *files).code == 4
        assert run("compile", *files[:-1], tmp_path / "none", "--out", tmp_path / "rules").code == 4
        file("book.json", b"{")
        for rules in (tmp_path, tmp_path / "none"):
            for args in (
                ("check", "-"),
                ("schema", "x"),
                ("matrix",),
                ("explain", "x"),
                ("lint",),
                ("example", "x"),
            ):
                ran = run(*args, "--rules", rules)
                assert (ran.code, ran.out) == (4, "")
                assert "book.json:1:1: " in ran.err

    def test_no_example(self, run: Run, spec: Spec, tmp_path: Path) -> None:
        """Rules that contradict themselves have no example, and that is a bad spec."""
        run("compile", *spec(*CONTRADICTION), "--out", tmp_path)
        ran = run("example", "order-add", "--rules", tmp_path)
        assert (ran.code, ran.out) == (4, "")
        assert "Order Add" in ran.err


class TestInternal:
    """An error in this program is one line; an option adds the traceback."""

    @pytest.mark.parametrize("debug", ["", "1"])
    def test_broken(self, run: Run, monkeypatch: pytest.MonkeyPatch, debug: str) -> None:
        """The code is 5; the environment decides whether a traceback is shown."""

        def broken(*_: object) -> None:
            """Fail."""
            raise RuntimeError(1, "\n", "two\x1b")

        monkeypatch.setattr(Rulebook, "schema", broken)
        ran = run("schema", "complaint-add", TTRULES_DEBUG=debug)
        assert (ran.code, ran.out) == (5, "")
        assert ("Traceback" in ran.err) is bool(debug)
        last = ran.err.splitlines()[-1]
        assert last.startswith("ttrules: internal error: RuntimeError: ")
        assert debug or ran.err == f"{last}\n"

    @pytest.mark.skipif(not FULL.exists(), reason="needs a device that is always full")
    def test_full_disk(self, wrong: dict[str, Any]) -> None:
        """Output that cannot be written is an error, whichever command writes it."""
        for args in (("check", "-"), ("schema", "complaint-add"), ("matrix",)):
            with FULL.open("wb") as full, started(*args, stdin=-1, stdout=full) as process:
                _, err = process.communicate(json.dumps(wrong).encode())
            assert process.returncode == 5
            assert b"Traceback" not in err
            assert len(err.splitlines()) == 1


@pytest.mark.skipif(os.name != "posix", reason="needs a shell that closes outputs")
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_output(
    file: File, ticket: dict[str, Any], wrong: dict[str, Any], closed: str
) -> None:
    """Outputs that are closed get nothing; the exit code says what there is to say."""
    script = f'"$0" -m ttrules check "$1" {closed}'
    for path, code in ((file("a", ticket), 0), (file("b", wrong), 1), (file("c", "{"), 3)):
        ran = subprocess.run(
            ["/bin/sh", "-c", script, sys.executable, path], capture_output=True, check=False
        )
        assert (ran.returncode, ran.stderr) == (code, b"")


class TestNobodyReads:
    """A reader that goes away ends the program, silently."""

    @pytest.mark.parametrize(
        "args",
        [
            ("check", "-"),
            ("check", "--jobs", "2", "-"),
            ("schema", "complaint-add"),
            ("matrix",),
            ("explain", "Note.text"),
            ("example", "complaint-add"),
            ("lint",),
        ],
        ids=repr,
    )
    def test_gone(self, args: Sequence[str]) -> None:
        """Where nobody reads at all, the code is that of a pipe that is broken."""
        reading, writing = os.pipe()
        os.close(reading)
        with started(*args, stdin=-1, stdout=writing) as process:
            os.close(writing)
            _, err = process.communicate(b"1")
        assert (process.returncode, err) == (141, b"")

    def test_goes(self, file: File, wrong: dict[str, Any]) -> None:
        """A reader may go after the first line of many."""
        path = file("a.jsonl", (json.dumps(wrong) + "\n") * 600)
        with started("check", path) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.readline()
            process.stdout.close()
            assert (process.stderr.read(), process.wait()) == (b"", 141)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a named pipe")
class TestInterrupt:
    """Ctrl-C ends the program with 130 and one line."""

    def test_alone(self, tmp_path: Path) -> None:
        """A program that waits for its input is interrupted."""
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        with started("check", pipe) as process, pipe.open("wb"):
            # The pipe is open here once it is open there.
            process.send_signal(signal.SIGINT)
            assert process.communicate() == (b"", b"ttrules: interrupted\n")
        assert process.returncode == 130

    def test_with_workers(
        self, tmp_path: Path, wrong: dict[str, Any], ticket: dict[str, Any]
    ) -> None:
        """The whole group is interrupted, as a terminal does it; no worker says a word."""
        pipe = tmp_path / "pipe.jsonl"
        os.mkfifo(pipe)
        # Few findings, so that the report fits the pipe that it is not yet read from.
        lines = [json.dumps(ticket)] * 29 + [json.dumps(wrong), ""]
        text = "\n".join(lines).encode() * 40
        args = ("check", "--jobs", "2", "--format", "jsonl", pipe)
        with started(*args, start_new_session=True) as process, pipe.open("wb") as source:
            source.write(text)
            source.flush()
            assert process.stdout is not None
            assert process.stdout.readline()
            os.killpg(process.pid, signal.SIGINT)
            _, err = process.communicate()
        assert (process.returncode, err) == (130, b"ttrules: interrupted\n")


class TestBegin:
    """The command line may be started without its packages, and says which it lacks."""

    @pytest.mark.parametrize("missing", [("click",), ("click", "orjson", "rich"), ("orjson",)])
    def test_missing(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        missing: tuple[str, ...],
    ) -> None:
        """What is not installed is named, with the extra that installs it."""
        monkeypatch.setattr(begin, "find_spec", lambda name: None if name in missing else name)
        with pytest.raises(SystemExit) as ended:
            begin.main()
        told = capsys.readouterr()
        assert (ended.value.code, told.out) == (2, "")
        assert all((name in told.err) is (name in missing) for name in ("click", "orjson", "rich"))
        assert 'pip install "ttrules[cli]"' in told.err

    def test_in_this_process(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """With its packages the command line runs."""
        monkeypatch.setattr(sys, "argv", ["x", "check", "/nowhere"])
        with pytest.raises(SystemExit) as ended:
            begin.main()
        assert ended.value.code == 3
        assert "/nowhere:1:1: error unreadable: " in capsys.readouterr().out

    def test_called_from_python(self) -> None:
        """Output that goes to anything which takes text is written there."""
        with redirect_stdout(io.StringIO()) as told:
            cli.main(["explain", "Note.text"], standalone_mode=False)
        assert told.getvalue().startswith("Note.text\n")

    def test_command(self) -> None:
        """The command `ttrules` is the same as `python -m ttrules`."""
        command = Path(sys.executable).parent / "ttrules"
        ran = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
        assert (ran.stdout, ran.stderr) == (" ".join(tool().values()) + "\n", "")
