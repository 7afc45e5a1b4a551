"""Read an edited table: CSV or XLSX in, the code of every cell out.

A table must be the whole matrix: each row and each process once, in any order, with a code in
every cell. Types and descriptions are ignored; an unknown column is an error, because somebody
added it for a reason. All errors are reported in one run, with row and column as a spreadsheet
shows them. CSV may use commas, semicolons or tabs, with or without a byte order mark, in UTF-8,
UTF-16 or Windows-1250.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ttrules.codes import REQUIREMENTS, slug
from ttrules.exports.matrix.csv import without_apostrophe
from ttrules.exports.matrix.view import COLUMNS, TableRefused, fit
from ttrules.exports.matrix.xlsx import NotAWorkbook, cells_of
from ttrules.messages.printable import lookalike
from ttrules.spec.yaml_source import nearest

if TYPE_CHECKING:
    from _csv import Reader as _Reader
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from os import PathLike

    from ttrules.exports.matrix.view import Grid
    from ttrules.matrix import Matrix

#: The key of a cell: entity, field, process.
Cell = tuple[str, str, str]

_MOST_BYTES: Final = 10 * 1024 * 1024
_MOST_PROBLEMS: Final = 20
_NAMES: Final = ("entity", "field")
_DELIMITERS: Final = (",", ";", "\t")
#: The first bytes of a file, and its format.
_XLSX: Final = b"PK\x03\x04"
_OLD: Final = b"\xd0\xcf\x11\xe0"
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")


def codes_in(path: str | PathLike[str], matrix: Mapping[str, Any]) -> dict[Cell, str]:
    """Return the codes of a table, which must be one of `matrix` (requirements.yaml).

    Raises TableRefused with all errors, and NoOpenpyxl if XLSX cannot be read.
    """
    table = str(path)
    grid = _grid(table)
    columns, problems = _columns(grid, matrix["processes"])
    if not problems:
        reading = _Reading(matrix, columns)
        problems = [*reading.problems(grid)]
    if len(problems) > _MOST_PROBLEMS:
        more = f"and {len(problems) - _MOST_PROBLEMS} more of the kind"
        problems = [*problems[:_MOST_PROBLEMS], more]
    if problems:
        raise TableRefused(table, problems)
    return reading.codes


def unread_in(path: str | PathLike[str], matrix: Matrix) -> Iterator[str]:
    """Yield what a table that `codes_in` accepts says differently and amend does not read.

    These are the types and descriptions of fields, which are defined in the OpenAPI document.
    """
    grid = _grid(str(path))
    before, after = COLUMNS
    folded = [head.strip().casefold() for head in grid[0]]
    at = {name: folded.index(name) for name in (*before, *after) if name in folded}
    for row in grid[1:]:
        texts = {name: row[column] if column < len(row) else "" for name, column in at.items()}
        entity, field = (texts[name].strip() for name in _NAMES)
        if entity:
            known = matrix.entities[entity][field]
            for name, own in (("type", known.type or ""), ("description", known.description)):
                if texts.get(name, own).split() != fit(own).split():
                    yield f"{entity}.{field}: the {name} differs"


class _Reading:
    """The reading of a table whose columns are known. `codes` is valid if there are no problems."""

    def __init__(self, matrix: Mapping[str, Any], columns: Mapping[str, int]) -> None:
        self.codes: dict[Cell, str] = {}
        self._matrix = matrix
        self._columns = columns
        self._seen: dict[tuple[str, str], int] = {}

    def problems(self, grid: Grid) -> Iterator[str]:
        """Read all rows below the headings, and yield their problems."""
        for number, row in enumerate(grid[1:], 2):
            if any(map(str.strip, row)):
                yield from self._row(number, row)
        for entity, fields in self._matrix["entities"].items():
            for field in fields:
                if (entity, field) not in self._seen:
                    yield f"there is no row for {entity}.{field}"

    def _row(self, number: int, row: Sequence[str]) -> Iterator[str]:
        texts = {
            name: row[column].strip() if column < len(row) else ""
            for name, column in self._columns.items()
        }
        entity, field = (texts[name] for name in _NAMES)
        entities = self._matrix["entities"]
        if entity not in entities:
            yield self._unknown(number, "entity", entity, entities)
        elif field not in entities[entity]:
            yield self._unknown(number, "field", field, entities[entity])
        elif (entity, field) in self._seen:
            first = self._seen[entity, field]
            yield f"row {number}: {entity}.{field} is already in row {first}"
        else:
            self._seen[entity, field] = number
            for process in self._matrix["processes"]:
                code = self.codes[entity, field, process] = texts[process]
                if code not in REQUIREMENTS:
                    yield self._unknown(number, process, code, REQUIREMENTS)

    def _unknown(self, number: int, column: str, text: str, known: Collection[str]) -> str:
        place = _place(number, self._columns[column], column)
        if not text:
            return f"{place}: the cell is empty"
        if text.startswith("="):
            return f"{place}: this is a formula; write its value"
        hint = nearest(text, known)
        if known is REQUIREMENTS and lookalike(text, known) is None:
            hint = f"; there are: {', '.join(known)}"
        if column in _NAMES and not hint:
            hint = f"; define a new {column} in the OpenAPI document and in the matrix file first"
        return f"{place}: {text[:80]!r} is not known{hint}"


def _grid(table: str) -> Grid:
    """Return the cells of a file as texts."""
    try:
        with Path(table).open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise TableRefused(table, [f"cannot be read: {error.strerror}"]) from error
    if len(content) > _MOST_BYTES:
        raise TableRefused(table, [f"is larger than the {_MOST_BYTES} bytes that are read"])
    if content.startswith(_OLD):
        raise TableRefused(table, ["is of an old kind; save it as XLSX or CSV"])
    try:
        if content.startswith(_XLSX) or table.lower().endswith(".xlsx"):
            return cells_of(content)
        reader, above = _csv(_decoded(content))
    except NotAWorkbook as error:
        raise TableRefused(table, [error.reason]) from error
    except (csv.Error, UnicodeError) as error:
        raise TableRefused(table, [f"is no table: {error}"]) from error
    try:
        return [[*map(without_apostrophe, row)] for row in reader]
    except csv.Error as error:
        raise TableRefused(
            table, [f"is no table: line {above + reader.line_num}: {error}"]
        ) from error


def _decoded(content: bytes) -> str:
    if content.startswith(_UTF_16):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1250")  # of Excel's CSV that is not called UTF-8


def _csv(text: str) -> tuple[_Reader, int]:
    """Return the rows of a CSV file, and the number of lines above them.

    The first line determines the separator.
    """
    first, _, rest = text.partition("\n")
    if first.startswith("sep=") and len(first.rstrip("\r")) == len("sep=") + 1:
        return csv.reader(io.StringIO(rest, newline=""), delimiter=first[4], strict=True), 1
    by = max(_DELIMITERS, key=lambda each: _known_in(first, each))
    return csv.reader(io.StringIO(text, newline=""), delimiter=by, strict=True), 0


def _known_in(line: str, delimiter: str) -> int:
    """Return how many of the required columns a line names."""
    named = [each.strip(' "\r').casefold() for each in line.split(delimiter)]
    return sum(name in named for name in _NAMES)


def _columns(grid: Grid, processes: Sequence[str]) -> tuple[dict[str, int], list[str]]:
    """Return the index of each column that is read, by its name, and the problems."""
    heads = [head.strip() for head in grid[0]] if grid else []
    folded = [head.casefold() for head in heads]
    if not set(_NAMES) <= {*folded}:
        wanted = ", ".join([*_NAMES, *processes])
        return {}, [f"is no table of the matrix: its first row must name {wanted}"]
    known = {slug(each): each for each in processes}
    known |= {name: name for part in COLUMNS for name in part}
    columns: dict[str, int] = {}
    problems = []
    for at, head in enumerate(heads):
        name = known.get(head.casefold()) or known.get(slug(head))
        if not head:
            if any(at < len(row) and row[at].strip() for row in grid):
                problems.append(f"row 1, column {_letters(at)}: the heading is missing")
        elif name is None:
            hint = nearest(head, known.values())
            problems.append(f"{_place(1, at, head)}: no process has this name{hint}")
        elif name in columns:
            problems.append(f"{_place(1, at, head)}: duplicate column")
        else:
            columns[name] = at
    missing = [name for name in processes if name not in columns]
    problems += [f"row 1: there is no column for {name}" for name in missing]
    return {name: columns[name] for name in (*_NAMES, *processes) if name in columns}, problems


def _place(row: int, column: int, name: str) -> str:
    return f"row {row}, column {_letters(column)} ({name[:80]})"


def _letters(column: int) -> str:
    """Return the letters of a column as spreadsheets show them; `column` counts from 0."""
    text = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        text = chr(ord("A") + rest) + text
    return text
