"""`ttrules compile`: spec files in, a directory of rules out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.command_line import OTHER

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.command_line import Run, Spec

NAMES = ("openapi", "requirements", "interpretation", "lifecycle")
FILES = [part for name in NAMES for part in (f"--{name}", str(OTHER / f"{name}.yaml"))]


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
