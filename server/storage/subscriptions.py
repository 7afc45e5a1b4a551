"""Subscriptions: the callbacks of operators with their delivery state, read-only.

`outbox` contains the SQL that sets and removes them together with the waiting events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select

from server.storage.tables import event as events
from server.storage.tables import operator as operators
from server.storage.tables import subscription

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, RowMapping

_PENDING: Final = (
    select(func.count())
    .where(events.c.operator == subscription.c.operator, events.c.state == "pending")
    .scalar_subquery()
)
_SELECT_SUBSCRIPTIONS: Final = select(
    subscription,
    operators.c.name.label("name"),
    operators.c.disabled.label("suspended"),
    _PENDING.label("pending"),
).join(operators, operators.c.id == subscription.c.operator)


def listed(
    connection: Connection, *, names: frozenset[str] | None, most: int
) -> Sequence[RowMapping]:
    """Return the subscriptions of operators (None for all) as rows, ordered by name."""
    statement = _SELECT_SUBSCRIPTIONS.order_by(operators.c.name).limit(most)
    if names is not None:
        statement = statement.where(operators.c.name.in_(sorted(names)))
    return connection.execute(statement).mappings().all()


def one(
    connection: Connection, *, operator: str | None = None, number: str | None = None
) -> RowMapping | None:
    """Return the subscription with this operator, this id, or both, as a row, or None."""
    statement = _SELECT_SUBSCRIPTIONS
    if operator is not None:
        statement = statement.where(subscription.c.operator == operator)
    if number is not None:
        statement = statement.where(subscription.c.id == number)
    return connection.execute(statement).mappings().first()
