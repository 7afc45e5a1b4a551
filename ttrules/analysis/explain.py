"""Explain one field: its type, its codes, its conditions and the decisions about it.

Everything is read from the matrix. Sentences about codes and relations are those of the reports, in
the language of the catalogue; texts from spec files stay as they are written. Control characters
are escaped before anything is printed.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final, NamedTuple

from ttrules.codes import KEYWORD_CODES
from ttrules.findings import of_condition
from ttrules.messages.catalogue import shown
from ttrules.messages.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ttrules.matrix import Field, Matrix
    from ttrules.messages.catalogue import Catalogue
    from ttrules.messages.printable import Style
    from ttrules.rulebook import Rulebook

#: The keywords of a shape that are shown after its type.
_LIMITS: Final = frozenset({*KEYWORD_CODES, "nullable"} - {"type", "enum", "anyOf"})
_NARROWEST: Final = 40


class Point(NamedTuple):
    """A fact about a field, its reason (may be empty), and the processes that it applies to.

    No `processes` means all.
    """

    text: str
    reason: str = ""
    processes: tuple[str, ...] = ()


def rows_named(book: Rulebook, name: str) -> list[str]:
    """Return the rows that `name` may mean, as Entity.field: by that, by field, or by entity.

    Case is ignored unless it distinguishes two names.
    """
    rows = [
        (f"{entity}.{field}", field, entity)
        for entity, fields in book.matrix.entities.items()
        for field in fields
    ]
    for part in range(3):
        for same in (str, str.casefold):
            if named := [row[0] for row in rows if same(row[part]) == same(name)]:
                return named
    return []


def names_of(book: Rulebook) -> list[str]:
    """Return all names of fields that `rows_named` knows."""
    entities = book.matrix.entities
    rows = [f"{entity}.{field}" for entity, fields in entities.items() for field in fields]
    return [*rows, *dict.fromkeys(field for fields in entities.values() for field in fields)]


def explain(book: Rulebook, row: str, style: Style, width: int, words: Catalogue) -> Iterator[str]:
    """Yield the lines about a row, which is one that `rows_named` returned."""
    entity, field = next(
        (entity, field)
        for entity, fields in book.matrix.entities.items()
        for field in fields
        if f"{entity}.{field}" == row
    )
    cells = [book.cell(entity, field, process) for process in book.processes()]
    yield style(printable(row), bold=True)
    yield from _lines(type_of(book.matrix.entities[entity][field], words), width, 2)
    yield from _lines(cells[0].description, width, 2)
    yield ""
    for cell in cells:
        yield from _lines(f"{cell.process}: {cell.requirement}", width, 2)
        yield from _lines(words.requirements[cell.requirement], width, 6)
    for title, points in points_on(book.matrix, entity, field, words).items():
        yield from ["", style(title, bold=True)]
        for each in points:
            where = f" ({', '.join(each.processes)})" if each.processes else ""
            why = words.text("why", reason=each.reason) if each.reason else ""
            yield from _lines(each.text + where, width, 2)
            yield from _lines(why, width, 6)
    yield ""
    yield from _lines(words.text("source", source=cells[0].source), width, 0)


def points_on(matrix: Matrix, entity: str, field: str, words: Catalogue) -> dict[str, list[Point]]:
    """Return the points about a field besides its codes, by title."""
    told = {
        "conditions": list(conditions(matrix, entity, field, words)),
        "unsupported": list(unsupported(matrix, entity, field, words)),
        "selection": list(_selection(matrix, entity, field, words)),
        "changes": list(_changes(matrix, entity, field, words)),
        "decisions": list(decisions(matrix, f"{entity}.{field}")),
    }
    return {words.text(title): points for title, points in told.items() if points}


def shape_of(row: Field) -> tuple[str | None, list[str], list[str]]:
    """Return the type of a row, its limits, and its allowed values."""
    shape, item = row.shape, row.shape.get("items", {})
    parts = (shape, item, *shape.get("anyOf", ()), *item.get("anyOf", ()))
    limits = [
        f"{name} {value}" for part in parts for name, value in part.items() if name in _LIMITS
    ]
    values = [value for part in parts for value in part.get("enum", ())]
    return row.type, limits, [*map(shown, values)]


def _lines(text: str, width: int, indent: int) -> list[str]:
    margin = " " * indent
    return textwrap.wrap(
        printable(" ".join(text.split())),
        max(width, _NARROWEST),
        initial_indent=margin,
        subsequent_indent=margin,
        break_on_hyphens=False,
    )


def type_of(row: Field, words: Catalogue) -> str:
    """Return the type of a row with its values and limits, in one line."""
    name, limits, values = shape_of(row)
    text = ", ".join([name or words.text("no_type"), *limits])
    return words.text("one_of", type=text, values=", ".join(values)) if values else text


def conditions(matrix: Matrix, entity: str, field: str, words: Catalogue) -> Iterator[Point]:
    """Yield each condition on a field as a sentence."""
    for each in matrix.conditions:
        if each.entity == entity and field in each.fields:
            if each.relation == "optional":
                text = words.text("optional")
            else:
                text = of_condition(each, field, None, None).message_in(words.language)
            yield Point(text, each.reason, each.processes)


def unsupported(matrix: Matrix, entity: str, field: str, words: Catalogue) -> Iterator[Point]:
    """Yield how a field is handled where it is not supported."""
    codes = matrix.entities[entity][field].requirements
    where = tuple(process for process, code in codes.items() if code == "-")
    if where:
        yield Point(words.text(matrix.unsupported), matrix.reasons.get("unsupported", ""), where)


def _selection(matrix: Matrix, entity: str, field: str, words: Catalogue) -> Iterator[Point]:
    """Yield which values of a selecting field select which process."""
    listed = []
    for each in matrix.processes:
        values = [shown(value) for value in each.values]
        if each.otherwise and not values:
            values = [words.text("others")]
        if values and matrix.selecting_cells(each.name)[-1:] == [(entity, field)]:
            listed.append(f"{', '.join(values)} ({each.operation}): {each.name}")
    if listed:
        yield Point("; ".join(listed) + ".", matrix.selection_reason)


def _changes(matrix: Matrix, entity: str, field: str, words: Catalogue) -> Iterator[Point]:
    if field in matrix.immutable.get(entity, ()):
        yield Point(words.text("immutable"), matrix.reasons.get("immutable", ""))
    if field in matrix.append_only.get(entity, ()):
        yield Point(words.text("append_only"), matrix.reasons.get("append_only", ""))
    if (value := matrix.defaults.get(entity, {}).get(field)) is not None:
        yield Point(words.text("default", value=value), matrix.reasons.get("append_only", ""))
    cycle = matrix.lifecycle
    if cycle and entity in matrix.roots and field == cycle["field"]:
        yield Point(words.text("initial", status=cycle["initial"]))
        for status, following in cycle["moves"].items():
            after = ", ".join(move["to"] for move in following) or words.text("nothing")
            yield Point(words.text("following", status=status, following=after))
        if "final" in cycle:
            members = ", ".join(cycle["final"]["accepts"]) or words.text("nothing")
            yield Point(words.text("accepts", members=members))


def decisions(matrix: Matrix, row: str) -> Iterator[Point]:
    """Yield each decision that concerns a row, given as Entity.field."""
    for each in matrix.decisions:
        if row in each.get("fields", ()):
            yield Point(f"{each['topic']}: {each['decision']}", each["reason"])
