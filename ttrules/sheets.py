"""The matrix as a table for other programs: Markdown, and CSV that comes back as it went.

A Part is what of a matrix is written, and in which order; each format is a function of a Part. The
columns are those of COLUMNS with the processes among them. CSV (RFC 4180) knows no types, so a
spreadsheet takes text that begins like a formula for one: such text has an apostrophe put before
it, which is taken off again when the table is read. XLSX, which knows types, is written by
workbook; tables for a terminal are in tables.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ttrules.codes import REQUIREMENTS
from ttrules.errors import NoSuchCell, TTRulesError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ttrules.book import Book

    #: A table as it was read: its rows from the first on, each as the texts of its cells.
    Grid: TypeAlias = Sequence[Sequence[str]]

#: The columns before and after the processes; what is read back needs the first two.
COLUMNS: Final = (("entity", "field", "type"), ("description",))

#: What neither XML nor UTF-8 can hold, and no spec file may; a book made by others might.
_UNFIT: Final = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
#: Text that spreadsheets compute, or that would be mistaken for such text once it is read back.
#: A name behind a single @ computes nothing, and the matrix has many of them.
_COMPUTED: Final = re.compile(r"'*(?:[=+\t\r]|-.|@(?![A-Za-z0-9_]*\Z))", re.DOTALL)
_ESCAPED: Final = re.compile(r"'+[=+\-@\t\r]")


class TableRefused(TTRulesError, ValueError):  # noqa: N818 - a statement, as the house style asks
    """A table is not one of the matrix. `problems` has all that is wrong, each with its place."""

    def __init__(self, table: str, problems: Sequence[str]) -> None:
        super().__init__(table, tuple(problems))
        self.table = table
        self.problems = tuple(problems)

    def __str__(self) -> str:
        """One line a problem."""
        return "\n".join(f"{self.table}: {each}" for each in self.problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A field with its codes, one for each process of the Part."""

    entity: str
    field: str
    type: str
    codes: tuple[str, ...]
    description: str

    def cells(self) -> tuple[str, ...]:
        """Return what stands in the columns of the row."""
        return (self.entity, self.field, self.type, *self.codes, self.description)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some entities and processes of a book's matrix, by name and in an order."""

    book: Book
    entities: tuple[str, ...]
    processes: tuple[str, ...]

    @classmethod
    def of(cls, book: Book, entities: Iterable[str] = (), processes: Iterable[str] = ()) -> Part:
        """Return a part of a matrix, all of it where nothing is named.

        Processes are given by name or slug. Raises NoSuchCell and NoSuchProcess.
        """
        known = tuple(book.data["entities"])
        for entity in entities:
            if entity not in known:
                raise NoSuchCell(entity, known)
        return cls(
            book=book,
            entities=tuple(dict.fromkeys(entities)) or known,
            processes=tuple(dict.fromkeys(map(book.process, processes))) or book.processes(),
        )

    @property
    def data(self) -> Mapping[str, Any]:
        """The compiled book."""
        return self.book.data

    def rows(self) -> Iterator[Row]:
        """Yield the rows, with what no file can hold escaped."""
        columns = [self.book.processes().index(name) for name in self.processes]
        for entity in self.entities:
            for field, row in self.data["entities"][entity].items():
                yield Row(
                    entity=fit(entity),
                    field=fit(field),
                    type=fit(row["type"] or ""),
                    codes=tuple(row["requirements"][column] for column in columns),
                    description=fit(row["description"]),
                )

    def headings(self) -> tuple[str, ...]:
        """Return the headings of the columns."""
        before, after = COLUMNS
        return (*before, *map(fit, self.processes), *after)

    def used(self) -> dict[str, str]:
        """Return the codes that the rows have, with their meaning."""
        codes = {code for row in self.rows() for code in row.codes}
        return {code: text for code, text in REQUIREMENTS.items() if code in codes}


def fit(text: str) -> str:
    r"""Return a text with what no file can hold escaped, as ``\x1b``."""
    return _UNFIT.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def csv_of(part: Part) -> bytes:
    """Return a part as CSV: RFC 4180, UTF-8, a row a field, the first row its headings.

    A byte order mark stands before it where there is more than ASCII, or Excel takes it for another
    encoding.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    for cells in (part.headings(), *(row.cells() for row in part.rows())):
        writer.writerow(map(_not_computed, cells))
    text = out.getvalue()
    return text.encode("ascii" if text.isascii() else "utf-8-sig")


def _not_computed(text: str) -> str:
    return f"'{text}" if _COMPUTED.match(text) else text


def as_meant(text: str) -> str:
    """Return what a cell of CSV says, without the apostrophe that keeps it from computing."""
    return text[1:] if _ESCAPED.match(text) else text


def markdown_of(part: Part) -> bytes:
    """Return a part as Markdown: a title, the codes, and a table for each entity."""
    title = f"# The matrix of the {escaped(part.data['title'])} {escaped(part.data['version'])}"
    return "\n".join([title, "", *sections(part), ""]).encode()


def sections(part: Part) -> Iterator[str]:
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
    """Return a text as Markdown that holds no element of HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _quoted(text: str) -> str:
    """Return a text as code; in the words of CommonMark, between backticks that it has none of."""
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"
