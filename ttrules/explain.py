"""All that a book says of one field, told to a person: `ttrules explain TroubleTicket.status`.

Everything is looked up in the compiled book, and a sentence about a code or a relation is the one
that reports use, in the language of `words`; what a spec file says is told as it stands there, and
freed of everything that a terminal would obey.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ttrules.codes import KEYWORD_CODES
from ttrules.findings import Finding
from ttrules.report import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ttrules.book import Book
    from ttrules.languages import Catalogue
    from ttrules.report import Style

    #: Something that is so, and why ("" where no reason is given).
    Point: TypeAlias = tuple[str, str]

#: What a shape says that is told beside its type, as it stands there.
_LIMITS: Final = frozenset({*KEYWORD_CODES, "nullable"} - {"type", "enum"})
_NARROWEST: Final = 40


def rows_named(book: Book, name: str) -> list[str]:
    """Return the rows that `name` may mean, as Entity.field: by that, by field, or by entity.

    Case counts only where it makes a difference.
    """
    rows = [
        (f"{entity}.{field}", field, entity)
        for entity, fields in book.data["entities"].items()
        for field in fields
    ]
    for part in range(3):
        for same in (str, str.casefold):
            if named := [row[0] for row in rows if same(row[part]) == same(name)]:
                return named
    return []


def names_of(book: Book) -> list[str]:
    """Return every name by which a field can be asked for."""
    entities = book.data["entities"]
    rows = [f"{entity}.{field}" for entity, fields in entities.items() for field in fields]
    return [*rows, *dict.fromkeys(field for fields in entities.values() for field in fields)]


def explain(book: Book, row: str, style: Style, width: int, words: Catalogue) -> Iterator[str]:
    """Yield the lines that tell of a row, which is one that `rows_named` returned."""
    entity, field = next(
        (entity, field)
        for entity, fields in book.data["entities"].items()
        for field in fields
        if f"{entity}.{field}" == row
    )
    cells = [book.cell(entity, field, process) for process in book.processes()]
    yield style(printable(row), bold=True)
    yield from _lines(_type(book.data["entities"][entity][field], words), width, 2)
    yield from _lines(cells[0].description, width, 2)
    yield ""
    for cell in cells:
        yield from _lines(f"{cell.process}: {cell.requirement}", width, 2)
        yield from _lines(words.requirements[cell.requirement], width, 6)
    for title, points in (
        ("conditions", _conditions(book.data, entity, field, words)),
        ("selection", _selection(book.data, entity, field)),
        ("changes", _changes(book.data, entity, field, words)),
        ("decisions", _decisions(book.data, row)),
    ):
        told = list(points)
        yield from ["", style(words.text(title), bold=True)] if told else []
        for point, reason in told:
            yield from _lines(point, width, 2)
            yield from _lines(words.text("why", reason=reason) if reason else "", width, 6)
    yield ""
    yield from _lines(words.text("source", source=cells[0].source), width, 0)


def _lines(text: str, width: int, indent: int) -> list[str]:
    margin = " " * indent
    return textwrap.wrap(
        printable(" ".join(text.split())),
        max(width, _NARROWEST),
        initial_indent=margin,
        subsequent_indent=margin,
        break_on_hyphens=False,
    )


def _type(row: Mapping[str, Any], words: Catalogue) -> str:
    """Return the type of a field with its values and limits."""
    shape, item = row["shape"], row["shape"].get("items", {})
    limits = [
        f"{name} {value}"
        for part in (shape, item)
        for name, value in part.items()
        if name in _LIMITS
    ]
    text = ", ".join([row["type"] or words.text("no_type"), *limits])
    values = shape.get("enum") or item.get("enum")
    if not values:
        return text
    return words.text("one_of", type=text, values=", ".join(map(str, values)))


def _conditions(
    book: Mapping[str, Any], entity: str, field: str, words: Catalogue
) -> Iterator[Point]:
    for each in book["conditions"]:
        if each["entity"] == entity and field in each["fields"]:
            names = ", ".join(each["processes"])
            if each["relation"] == "optional":
                yield words.text("optional", processes=names), each["reason"]
            else:
                params = {key: each[key] for key in ("relation", "fields", "when")}
                told = Finding(
                    severity="error",
                    code="process_dependent",
                    pointer="",
                    entity=entity,
                    field=field,
                    requirement=None,
                    process=None,
                    params=params,
                )
                yield f"{words.message(told)} ({names})", each["reason"]


def _selection(book: Mapping[str, Any], entity: str, field: str) -> Iterator[Point]:
    if (entity, field) == (book["root"], book["selection"]["field"]):
        values = [
            f"{each['value']} ({each['operation']}): {each['name']}" for each in book["processes"]
        ]
        yield "; ".join(values) + ".", book["selection"]["reason"]


def _changes(book: Mapping[str, Any], entity: str, field: str, words: Catalogue) -> Iterator[Point]:
    if field in book["immutable"].get(entity, ()):
        yield words.text("immutable"), ""
    cycle = book["lifecycle"]
    if cycle is not None and (entity, field) == (book["root"], cycle["field"]):
        yield words.text("initial", status=cycle["initial"]), ""
        for status, following in cycle["moves"].items():
            after = ", ".join(move["to"] for move in following) or words.text("nothing")
            yield words.text("following", status=status, following=after), ""


def _decisions(book: Mapping[str, Any], row: str) -> Iterator[Point]:
    for each in book["decisions"]:
        if row in each.get("fields", ()):
            yield f"{each['topic']}: {each['decision']}", each["reason"]
