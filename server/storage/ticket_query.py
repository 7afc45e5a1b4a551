"""Queries of a list of tickets, as SQL: filters, order and pages.

FIELDS and OPERATOR_MEANINGS are the tables of filters. The values of a condition are bound
parameters. Regular expressions are not part of the SQL: re2 evaluates them in linear time. LIKE is
not used, because it backtracks over its wildcards.

A page begins at an offset or after a position: the values by which the last ticket of the previous
page was sorted, and its id. A position stays valid while tickets are added and changed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from sqlalchemy import and_, or_, select, true

from server.storage.tables import FILTERED, ticket
from server.storage.tables import operator as operators

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from sqlalchemy import ColumnElement

DEFAULT_LIMIT: Final = 100
#: How many values one parameter may have.
MOST_VALUES: Final = 200
#: The parameter that selects operators, for the provider.
OPERATOR: Final = "operator"
#: The filter parameters, and the member that each one compares.
FIELDS: Final[dict[str, str]] = {
    "id": "id",
    **{name: name for name in FILTERED},
    "ticketSubType": "ticketSubtype",
}
#: The members that `fields` never removes, besides those that begin with @.
ALWAYS: Final = ("id", "href")
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


class Known(NamedTuple):
    """The members of a ticket in the document, and the values of the members that are enums.

    Nothing is rejected if the members or values are unknown (empty).
    """

    members: Collection[str] = ()
    values: Mapping[str, Collection[str]] = {}


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
    """Return a document with the selected first-level members, and those of ALWAYS."""
    if fields is None:
        return document
    return {
        name: value
        for name, value in document.items()
        if name in fields or name in ALWAYS or name.startswith("@")
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A condition on one member: an operator and the values or patterns to compare with."""

    member: str
    operator: str
    ranges: tuple[Range, ...] = ()
    patterns: tuple[Any, ...] = ()

    def clause(self) -> ColumnElement[bool]:
        """Return the condition as SQL; for a regular expression only that the member is present."""
        column = ticket.c[self.member]
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
        for pattern in self.patterns:  # noqa: SIM110
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
    """A query of a list. `sort` contains pairs of a member and whether its order is descending.

    `operators` are the names of the operators whose tickets are listed, None for all visible ones.
    The page begins at `offset` or after `after`. A position that is an id alone is the current
    position of that ticket.
    """

    conditions: tuple[Condition, ...] = ()
    sort: tuple[tuple[str, bool], ...] = ()
    offset: int = 0
    limit: int = DEFAULT_LIMIT
    fields: frozenset[str] | None = None
    operators: frozenset[str] | None = None
    after: Position | None = None

    @property
    def sorting(self) -> tuple[tuple[str, bool], ...]:
        """The sort order before the id: `sort`, or the creation date."""
        return self.sort or (("creationDate", False),)

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

    def where(self, operator: str | None) -> ColumnElement[bool]:
        """Return the conditions as SQL, for the tickets of one operator or of all."""
        clauses = [each.clause() for each in self.conditions]
        if operator is not None:
            clauses.insert(0, ticket.c.operator == operator)
        if self.operators is not None:
            named = select(operators.c.id).where(operators.c.name.in_(sorted(self.operators)))
            clauses.append(ticket.c.operator.in_(named))
        return and_(true(), *clauses)

    def order(self, *, by_index: bool = True) -> list[ColumnElement[Any]]:
        """Return the columns of the sort order; the id comes last, so that pages never overlap.

        Without `by_index` the database does not use an index for the order. If all tickets are read
        anyway, reading them in storage order and sorting them takes half the time.
        """
        columns = []
        for member, down in self.sorting:
            column: ColumnElement[Any] = ticket.c[member]
            if not by_index:
                column = column.concat("") if FILTERED.get(member, "text") == "text" else column + 0
            columns.append(column.desc().nulls_last() if down else column.asc().nulls_last())
        return [*columns, ticket.c.id]

    def keys(self) -> list[ColumnElement[Any]]:
        """Return the columns that make up the position of a ticket."""
        return [*(ticket.c[member] for member, _ in self.sorting), ticket.c.id]

    def behind(self, position: Position) -> ColumnElement[bool]:
        """Return that a ticket comes after a position; missing values come last."""
        *values, number = position
        clause: ColumnElement[bool] = ticket.c.id > number
        for (member, down), value in reversed([*zip(self.sorting, values, strict=True)]):
            column: ColumnElement[Any] = ticket.c[member]
            if value is None:
                clause = and_(column.is_(None), clause)
                continue
            further = column < value if down else column > value
            clause = or_(further, column.is_(None), and_(column == value, clause))
        return clause
