"""Conventions that no linter checks."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = [
    path
    for folder in ("docs", "server", "tests", "ttrules")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "node_modules" not in path.parts
]


def lines_with(pattern: str) -> list[tuple[str, int]]:
    """Return file and line of each match of a regular expression in our code."""
    return [
        (str(path.relative_to(ROOT)), number)
        for path in FILES
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if re.search(pattern, line)
    ]


def test_independent_tests() -> None:
    """No test imports another one: what they share is in tests/support/."""
    assert lines_with(r"^\s*(from|import) tests\.\w+\.(test_\w+|conftest)\b") == []


def test_reasons() -> None:
    """An exception from a linter's rule names the rule, and has a reason beside it."""
    directive = "# no" + "qa"
    assert lines_with(rf"{directive}(?!: [A-Z]+\d+(, [A-Z]+\d+)* - \S)") == []
