"""What is asked of a list of tickets, as SQL: filters, order, and where a page begins.

A condition becomes SQL with its values bound, never written into it. Regular expressions run in
re2 alone, which takes linear time, so they are no part of the SQL; no LIKE either, which backtracks
over its wildcards.

A page begins at an offset, or behind a position: the values that the last ticket of the page before
was sorted by, and its id. A position stays where it is while tickets are added and changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sqlalchemy import and_, or_, select, true

from server.schema import FILTERED, ticket
from server.schema import operator as operators

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy import ColumnElement

DEFAULT_LIMIT: Final = 100

#: A value to compare with, from its first to its last point: a day is a range of instants.
Range: TypeAlias = tuple[Any, Any]
#: The values that a ticket is sorted by, the id last.
Position: TypeAlias = tuple[Any, ...]


#: The operators that compare by order: what each asks of a value and the range that it is compared
#: with, on columns and on Python's values alike.
OPERATORS: Final[dict[str, Callable[[Any, Range], Any]]] = {
    "eq": lambda value, span: (value >= span[0]) & (value <= span[1]),
    "gt": lambda value, span: value > span[1],
    "gte": lambda value, span: value >= span[0],
    "lt": lambda value, span: value < span[0],
    "lte": lambda value, span: value <= span[1],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What is asked of one member: that it compares so with any of some values."""

    member: str
    operator: str
    ranges: tuple[Range, ...] = ()
    patterns: tuple[Any, ...] = ()

    def clause(self) -> ColumnElement[bool]:
        """Return the condition as SQL; of a regular expression only that there is a text."""
        column = ticket.c[self.member]
        if self.operator == "regex":
            return column.is_not(None)
        if self.operator == "ne":
            return or_(column.is_(None), ~_any_of(column, self.ranges))
        if self.operator == "eq":
            return _any_of(column, self.ranges)
        return or_(*(OPERATORS[self.operator](column, each) for each in self.ranges))

    def matches(self, value: str) -> bool:
        """Say whether a text matches any of the regular expressions."""
        # A loop, since any() with a generator takes longer than most expressions do.
        encoded = value.encode()  # of a str re2 would work out places that nobody asks for
        for pattern in self.patterns:  # noqa: SIM110
            if pattern.search(encoded):
                return True
        return False


def _any_of(column: ColumnElement[Any], ranges: Iterable[Range]) -> ColumnElement[bool]:
    """Return that a column is in one of some ranges; single points are told together."""
    points = [low for low, high in ranges if low == high]
    spans = [span for span in ranges if span[0] != span[1]]
    return or_(column.in_(points), *(OPERATORS["eq"](column, span) for span in spans))


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is asked of a list. `sort` has members with whether each is sorted downwards.

    `operators` are the names of those whose tickets are asked for, None for all that are seen. The
    page begins at `offset`, or behind `after`; a position that is an id alone is that of its ticket
    as it is now.
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
        """What the list is sorted by before the id: `sort`, or by creation."""
        return self.sort or (("creationDate", False),)

    @property
    def meaning(self) -> str:
        """A text that two queries share when they list the same tickets in the same order."""
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
        """Return what is asked, of the tickets of one operator or of all, as SQL."""
        clauses = [each.clause() for each in self.conditions]
        if operator is not None:
            clauses.insert(0, ticket.c.operator == operator)
        if self.operators is not None:
            named = select(operators.c.id).where(operators.c.name.in_(sorted(self.operators)))
            clauses.append(ticket.c.operator.in_(named))
        return and_(true(), *clauses)

    def order(self, *, by_index: bool = True) -> list[ColumnElement[Any]]:
        """Return what to sort by; the id comes last, so that pages never overlap.

        Without `by_index` no index is followed: where all tickets are read in any case, to read
        them as they lie and to sort them then takes half the time.
        """
        columns = []
        for member, down in self.sorting:
            column: ColumnElement[Any] = ticket.c[member]
            if not by_index:
                column = column.concat("") if FILTERED.get(member, "text") == "text" else column + 0
            columns.append(column.desc().nulls_last() if down else column.asc().nulls_last())
        return [*columns, ticket.c.id]

    def keys(self) -> list[ColumnElement[Any]]:
        """Return the columns whose values are the position of a ticket."""
        return [*(ticket.c[member] for member, _ in self.sorting), ticket.c.id]

    def behind(self, position: Position) -> ColumnElement[bool]:
        """Return that a ticket comes behind a position; what is missing comes last."""
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
