"""Subscriptions as they are shown: the callback of an operator, and what became of its events.

Only the SQL that reads them is here; `outbox` sets and removes them, with the events that wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select

from server.schema import event as events
from server.schema import operator as operators
from server.schema import subscription

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, RowMapping

_PENDING: Final = (
    select(func.count())
    .where(events.c.operator == subscription.c.operator, events.c.state == "pending")
    .scalar_subquery()
)
_SHOWN: Final = select(
    subscription,
    operators.c.name.label("name"),
    operators.c.disabled.label("suspended"),
    _PENDING.label("pending"),
).join(operators, operators.c.id == subscription.c.operator)


def listed(
    connection: Connection, *, names: frozenset[str] | None, most: int
) -> Sequence[RowMapping]:
    """Return subscriptions as rows, by the names of their operators, None for all."""
    statement = _SHOWN.order_by(operators.c.name).limit(most)
    if names is not None:
        statement = statement.where(operators.c.name.in_(sorted(names)))
    return connection.execute(statement).mappings().all()


def one(
    connection: Connection, *, operator: str | None = None, number: str | None = None
) -> RowMapping | None:
    """Return the subscription of an operator, or of this id, or of both, as a row, or None."""
    statement = _SHOWN
    if operator is not None:
        statement = statement.where(subscription.c.operator == operator)
    if number is not None:
        statement = statement.where(subscription.c.id == number)
    return connection.execute(statement).mappings().first()
