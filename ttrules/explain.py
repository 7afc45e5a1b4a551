"""All that a book says of one field, told to a person: `ttrules explain TroubleTicket.status`.

Everything is looked up in the compiled book, and a sentence about a code or a relation is the one
that reports use, in the language of `words`; what a spec file says is told as it stands there, and
freed of everything that a terminal would obey.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ttrules.codes import KEYWORD_CODES
from ttrules.findings import of_condition
from ttrules.report import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ttrules.book import Book
    from ttrules.languages import Catalogue
    from ttrules.report import Style

#: What a shape says that is told beside its type, as it stands there.
_LIMITS: Final = frozenset({*KEYWORD_CODES, "nullable"} - {"type", "enum"})
_NARROWEST: Final = 40


class Point(NamedTuple):
    """Something that is so, why (empty where no reason is given), and where it is so.

    `processes` are the names of those that it holds in; all of them where there are none.
    """

    text: str
    reason: str = ""
    processes: tuple[str, ...] = ()


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
    yield from _lines(type_of(book.data["entities"][entity][field], words), width, 2)
    yield from _lines(cells[0].description, width, 2)
    yield ""
    for cell in cells:
        yield from _lines(f"{cell.process}: {cell.requirement}", width, 2)
        yield from _lines(words.requirements[cell.requirement], width, 6)
    for title, points in points_on(book.data, entity, field, words).items():
        yield from ["", style(title, bold=True)]
        for each in points:
            where = f" ({', '.join(each.processes)})" if each.processes else ""
            why = words.text("why", reason=each.reason) if each.reason else ""
            yield from _lines(each.text + where, width, 2)
            yield from _lines(why, width, 6)
    yield ""
    yield from _lines(words.text("source", source=cells[0].source), width, 0)


def points_on(
    book: Mapping[str, Any], entity: str, field: str, words: Catalogue
) -> dict[str, list[Point]]:
    """Return what a compiled book says of a field beside its codes, by the title it goes under."""
    told = {
        "conditions": list(conditions(book, entity, field, words)),
        "unsupported": list(unsupported(book, entity, field, words)),
        "selection": list(_selection(book, entity, field)),
        "changes": list(_changes(book, entity, field, words)),
        "decisions": list(decisions(book, f"{entity}.{field}")),
    }
    return {words.text(title): points for title, points in told.items() if points}


def shape_of(row: Mapping[str, Any]) -> tuple[str | None, list[str], list[str]]:
    """Return the type of a row of a compiled book, its limits, and the values it is bound to."""
    shape, item = row["shape"], row["shape"].get("items", {})
    limits = [
        f"{name} {value}"
        for part in (shape, item)
        for name, value in part.items()
        if name in _LIMITS
    ]
    values = shape.get("enum") or item.get("enum") or ()
    return row["type"], limits, [*map(str, values)]


def _lines(text: str, width: int, indent: int) -> list[str]:
    margin = " " * indent
    return textwrap.wrap(
        printable(" ".join(text.split())),
        max(width, _NARROWEST),
        initial_indent=margin,
        subsequent_indent=margin,
        break_on_hyphens=False,
    )


def type_of(row: Mapping[str, Any], words: Catalogue) -> str:
    """Return the type of a row of a compiled book with its values and limits, in a line."""
    name, limits, values = shape_of(row)
    text = ", ".join([name or words.text("no_type"), *limits])
    return words.text("one_of", type=text, values=", ".join(values)) if values else text


def conditions(
    book: Mapping[str, Any], entity: str, field: str, words: Catalogue
) -> Iterator[Point]:
    """Yield each condition on a field of a compiled book as a sentence."""
    for each in book["conditions"]:
        if each["entity"] == entity and field in each["fields"]:
            if each["relation"] == "optional":
                text = words.text("optional")
            else:
                text = words.message(of_condition(each, field, None, None))
            yield Point(text, each["reason"], tuple(each["processes"]))


def unsupported(
    book: Mapping[str, Any], entity: str, field: str, words: Catalogue
) -> Iterator[Point]:
    """Yield what becomes of a field of a compiled book where it is not supported, if it is not."""
    codes = book["entities"][entity][field]["requirements"]
    where = tuple(
        process["name"]
        for process, code in zip(book["processes"], codes, strict=True)
        if code == "-"
    )
    if where:
        yield Point(words.text(book["unsupported"]), _reason(book, "unsupported"), where)


def _reason(book: Mapping[str, Any], section: str) -> str:
    """Return why a section of the interpretation is as it is; nothing where nobody says."""
    reason: str = book.get("reasons", {}).get(section, "")
    return reason


def _selection(book: Mapping[str, Any], entity: str, field: str) -> Iterator[Point]:
    if (entity, field) == (book["root"], book["selection"]["field"]):
        values = [
            f"{each['value']} ({each['operation']}): {each['name']}" for each in book["processes"]
        ]
        yield Point("; ".join(values) + ".", book["selection"]["reason"])


def _changes(book: Mapping[str, Any], entity: str, field: str, words: Catalogue) -> Iterator[Point]:
    if field in book["immutable"].get(entity, ()):
        yield Point(words.text("immutable"), _reason(book, "immutable"))
    if field in book["append_only"].get(entity, ()):
        yield Point(words.text("append_only"), _reason(book, "append_only"))
    if (value := book["defaults"].get(entity, {}).get(field)) is not None:
        yield Point(words.text("default", value=value), _reason(book, "append_only"))
    cycle = book["lifecycle"]
    if cycle is not None and (entity, field) == (book["root"], cycle["field"]):
        yield Point(words.text("initial", status=cycle["initial"]))
        for status, following in cycle["moves"].items():
            after = ", ".join(move["to"] for move in following) or words.text("nothing")
            yield Point(words.text("following", status=status, following=after))
        if "final" in cycle:
            members = ", ".join(cycle["final"]["accepts"]) or words.text("nothing")
            yield Point(words.text("accepts", members=members))


def decisions(book: Mapping[str, Any], row: str) -> Iterator[Point]:
    """Yield each decision that concerns a row, given as Entity.field."""
    for each in book["decisions"]:
        if row in each.get("fields", ()):
            yield Point(f"{each['topic']}: {each['decision']}", each["reason"])
