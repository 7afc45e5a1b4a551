"""The types that ttrules declares, held against mypy."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
EXPECTED = re.compile(r"  # error: ([a-z-]+)$")
TOLD = re.compile(r"wrong\.py:(\d+): error: .*\[([a-z-]+)\]$")


def mypy(file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Return what mypy says of a file, as strict as it is on everything else."""
    return subprocess.run(
        [sys.executable, "-m", "mypy", *options, str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_right_uses() -> None:
    """What the documentation shows is accepted, with the types that it promises."""
    ran = mypy(HERE / "right.py")
    assert ran.returncode == 0, ran.stdout


def test_wrong_uses() -> None:
    """Each wrong line is refused for its reason, and no other line is."""
    lines = (HERE / "wrong.py").read_text("utf-8").splitlines()
    expected = {
        (number, found[1])
        for number, line in enumerate(lines, 1)
        if (found := EXPECTED.search(line)) is not None
    }
    ran = mypy(HERE / "wrong.py", "--show-error-codes", "--no-pretty")
    told = {
        (int(found[1]), found[2]) for found in map(TOLD.search, ran.stdout.splitlines()) if found
    }
    assert told == expected
    assert len(expected) > 20


def test_typed_package() -> None:
    """The package says that its types are meant for others (PEP 561)."""
    assert (ROOT / "ttrules" / "py.typed").exists()
