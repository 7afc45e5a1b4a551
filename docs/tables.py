"""What all pages of the reference are made of: tables of Markdown, that GitHub and MkDocs both read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table; each cell becomes one line of text."""
    for row in (heads, ["---"] * len(heads), *rows):
        cells = (" ".join(cell.split()).replace("|", r"\|") for cell in row)
        yield f"| {' | '.join(cells)} |"


def slots(text: str) -> str:
    """Return a template of a sentence as a person reads it, its slots in italics."""
    return re.sub(r"\{(\w+)\}", r"*\1*", text)
