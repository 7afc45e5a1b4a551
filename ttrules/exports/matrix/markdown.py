"""The matrix as Markdown: a table of codes, and one table for each entity."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ttrules.exports.matrix.view import fit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ttrules.exports.matrix.view import MatrixView


def markdown_of(part: MatrixView) -> bytes:
    """Return a part as Markdown: a title, the codes, and a table for each entity."""
    title = f"# The matrix of the {escaped(part.matrix.title)} {escaped(part.matrix.version)}"
    return "\n".join([title, "", *sections(part), ""]).encode()


def sections(part: MatrixView) -> Iterator[str]:
    """Yield the lines of a part as Markdown: its codes, and a section for each entity."""
    codes = part.used().items()
    yield from markdown_table(("code", "meaning"), ((_quoted(c), m) for c, m in codes))
    rows = [*part.rows()]
    heads = ("field", "type", *map(escaped, map(fit, part.processes)), "description")
    for entity in map(fit, part.entities):
        yield f"\n## {escaped(entity)}\n"
        yield from markdown_table(
            heads,
            (
                (
                    _quoted(row.field),
                    _quoted(row.type) if row.type else "",
                    *row.codes,
                    escaped(row.description),
                )
                for row in rows
                if row.entity == entity
            ),
        )


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table whose cells are Markdown."""
    for row in (heads, ["---"] * len(heads), *rows):
        cells = (" ".join(cell.split()).replace("|", r"\|") for cell in row)
        yield f"| {' | '.join(cells)} |"


def escaped(text: str) -> str:
    """Return a text as Markdown without HTML elements."""
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _quoted(text: str) -> str:
    """Return a text as a code span (CommonMark), between more backticks than it contains."""
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"
