"""Queries of a list of tickets, as SQL: filters, order and pages.

OPERATOR_MEANINGS is the table of operators; the profile says which members are filters, and the
functions get their columns as a TicketTable. The values of a condition are bound parameters.
Regular expressions are not part of the SQL: re2 evaluates them in linear time. LIKE is not used,
because it backtracks over its wildcards.

A page begins at an offset or after a position: the values by which the last ticket of the previous
page was sorted, and its id. A position stays valid while tickets are added and changed.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sqlalchemy import String, and_, or_, select, true

from server.storage.tables import operator as operators

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sqlalchemy import ColumnElement

    from server.profile.model import Sort
    from server.storage.tables import TicketTable

DEFAULT_LIMIT: Final = 100
#: How many values one parameter may have.
MOST_VALUES: Final = 200
#: The bound of integers in SQLite and PostgreSQL.
_WHOLE: Final = (1 << 63) - 1
INSTANT: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d(?::\d\d)?)(\.\d+)?([Zz]|[+ -]\d\d:\d\d)?", re.ASCII
)
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
#: Every operator, with its condition on a member.
OPERATOR_MEANINGS: Final[dict[str, str]] = {
    "eq": "it is one of the values; the same as `name=value`",
    "ne": "it is missing or differs from all values",
    "gt": "it is greater",
    "gte": "it is greater or equal",
    "lt": "it is less",
    "lte": "it is less or equal",
    "regex": "its text contains a match of the expression (RE2 syntax); a comma is part of it",
}


#: The lowest and the highest value to compare with: a day is a range of instants.
Range: TypeAlias = tuple[Any, Any]
#: The values by which a ticket is sorted, the id last.
Position: TypeAlias = tuple[Any, ...]


#: The operators that compare by order, each as a function of a value and a range. The functions
#: work on columns and on Python values.
OPERATORS: Final[dict[str, Callable[[Any, Range], Any]]] = {
    "eq": lambda value, span: (value >= span[0]) & (value <= span[1]),
    "gt": lambda value, span: value > span[1],
    "gte": lambda value, span: value >= span[0],
    "lt": lambda value, span: value < span[0],
    "lte": lambda value, span: value <= span[1],
}


def column_value(value: Any, sort: Sort) -> Any:
    """Return the column value of a member: None if it cannot be compared.

    PostgreSQL does not store U+0000 in text; the column has U+FFFD instead, the document keeps it.
    """
    if value is None or isinstance(value, dict | list):
        return None
    if sort == "text":
        text = value if isinstance(value, str) else json.dumps(value)
        return text.replace("\0", "\ufffd") if "\0" in text else text
    if sort == "instant" and isinstance(value, str):
        return instant_of(value)
    if sort == "number" and isinstance(value, int | float):
        return min(max(int(value), -_WHOLE), _WHOLE)
    return value if sort == "decimal" and isinstance(value, int | float) else None


def instant_of(text: str) -> int:
    """Return a date-time of a ticket in microseconds since 1970 (UTC)."""
    found = INSTANT.fullmatch(text)
    assert found is not None, "the rules accept only a date-time"
    return microseconds(found)


def microseconds(found: re.Match[str]) -> int:
    """Return a match of INSTANT in microseconds since 1970 (UTC)."""
    day, time, fraction, zone = found.groups()
    leap = time.endswith(":60")
    time = time[:-2] + "59" if leap else time
    zone = "+00:00" if zone in {None, "Z", "z"} else zone.replace(" ", "+")
    fraction = (fraction or "")[:7]
    moment = datetime.fromisoformat(f"{day}T{time}{zone}") + timedelta(seconds=leap)
    since = (moment - EPOCH) // MICROSECOND
    return since + (int(fraction[1:].ljust(6, "0")) if fraction else 0)


def select_fields(document: Mapping[str, Any], fields: frozenset[str] | None) -> Mapping[str, Any]:
    """Return a document with the selected first-level members; None selects all."""
    if fields is None:
        return document
    return {name: value for name, value in document.items() if name in fields}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A condition on one member: an operator and the values or patterns to compare with."""

    member: str
    operator: str
    ranges: tuple[Range, ...] = ()
    patterns: tuple[Any, ...] = ()

    def clause(self, tickets: TicketTable) -> ColumnElement[bool]:
        """Return the condition as SQL; for a regular expression only that the member is present."""
        column = tickets.columns[self.member]
        if self.operator == "regex":
            return column.is_not(None)
        if self.operator == "ne":
            return or_(column.is_(None), ~_any_of(column, self.ranges))
        if self.operator == "eq":
            return _any_of(column, self.ranges)
        return or_(*(OPERATORS[self.operator](column, each) for each in self.ranges))

    def matches(self, value: str) -> bool:
        """Return whether a text matches any of the regular expressions."""
        # A loop, because any() with a generator takes longer than most expressions.
        encoded = value.encode()  # for a str, re2 would also compute offsets that are not used
        for pattern in self.patterns:  # noqa: SIM110 - see above
            if pattern.search(encoded):
                return True
        return False


def _any_of(column: ColumnElement[Any], ranges: Iterable[Range]) -> ColumnElement[bool]:
    """Return that a column is in one of the ranges; single values become one IN."""
    points = [low for low, high in ranges if low == high]
    spans = [span for span in ranges if span[0] != span[1]]
    return or_(column.in_(points), *(OPERATORS["eq"](column, span) for span in spans))


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A query of a list.

    `sort` contains pairs of a member and whether its order is descending. Without it the member
    `default` is the order, or the id. `operators` are the names of the operators whose tickets are
    listed, None for all visible ones. The page begins at `offset` or after `after`. A position that
    is an id alone is the current position of that ticket.
    """

    conditions: tuple[Condition, ...] = ()
    sort: tuple[tuple[str, bool], ...] = ()
    default: str | None = None
    offset: int = 0
    limit: int = DEFAULT_LIMIT
    fields: frozenset[str] | None = None
    operators: frozenset[str] | None = None
    after: Position | None = None

    @property
    def sorting(self) -> tuple[tuple[str, bool], ...]:
        """The sort order before the id: `sort`, or the default order."""
        return self.sort or (() if self.default is None else ((self.default, False),))

    @property
    def meaning(self) -> str:
        """A text that is equal for queries that list the same tickets in the same order."""
        conditions = sorted(
            (each.member, each.operator, each.ranges, [one.pattern for one in each.patterns])
            for each in self.conditions
        )
        return repr((conditions, self.sorting, sorted(self.operators or ())))

    @property
    def matching(self) -> tuple[Condition, ...]:
        """The conditions that are regular expressions."""
        return tuple(each for each in self.conditions if each.operator == "regex")

    def where(self, tickets: TicketTable, operator: str | None) -> ColumnElement[bool]:
        """Return the conditions as SQL, for the tickets of one operator or of all."""
        clauses = [each.clause(tickets) for each in self.conditions]
        if operator is not None:
            clauses.insert(0, tickets.table.c.operator == operator)
        if self.operators is not None:
            named = select(operators.c.id).where(operators.c.name.in_(sorted(self.operators)))
            clauses.append(tickets.table.c.operator.in_(named))
        return and_(true(), *clauses)

    def order(self, tickets: TicketTable, *, by_index: bool = True) -> list[ColumnElement[Any]]:
        """Return the columns of the sort order; the id comes last, so that pages never overlap.

        Without `by_index` the database does not use an index for the order. If all tickets are read
        anyway, reading them in storage order and sorting them takes half the time.
        """
        order = []
        for member, down in self.sorting:
            column: ColumnElement[Any] = tickets.columns[member]
            if not by_index:
                column = column.concat("") if isinstance(column.type, String) else column + 0
            order.append(column.desc().nulls_last() if down else column.asc().nulls_last())
        return [*order, tickets.table.c.id]

    def keys(self, tickets: TicketTable) -> list[ColumnElement[Any]]:
        """Return the columns that make up the position of a ticket."""
        return [*(tickets.columns[member] for member, _ in self.sorting), tickets.table.c.id]

    def behind(self, tickets: TicketTable, position: Position) -> ColumnElement[bool]:
        """Return that a ticket comes after a position; missing values come last."""
        *values, number = position
        clause: ColumnElement[bool] = tickets.table.c.id > number
        for (member, down), value in reversed([*zip(self.sorting, values, strict=True)]):
            column = tickets.columns[member]
            if value is None:
                clause = and_(column.is_(None), clause)
                continue
            further = column < value if down else column > value
            clause = or_(further, column.is_(None), and_(column == value, clause))
        return clause
