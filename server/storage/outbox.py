"""The outbox: events that wait for delivery, and all SQL about them.

An event is enqueued in the transaction of its change, after the ticket is locked. The events of a
ticket are therefore committed in the order of `seq`. A claim postpones the due time of an event and
stores the attempt that it is for; only that attempt may record the result. An event is not claimed
while an earlier event of its ticket is pending, so first arrivals are in order. Times are
microseconds since 1970 by one clock, that of the database (see `clock`). `correct_times` corrects
them after that clock was set.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import (
    Text,
    and_,
    bindparam,
    case,
    cast,
    delete,
    exists,
    func,
    insert,
    select,
    text,
    true,
    update,
)

from server.retry import GIVEN_UP, STEPS, longest
from server.setting_types import LONGEST_LEASE
from server.storage.statements import Prepared, insert_into
from server.storage.tables import event as events
from server.storage.tables import operator as operators
from server.storage.tables import subscription

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, RowMapping

    from server.retry import Decision, Outcome

#: The distance in `seq` between two versions of a ticket.
_PLACES: Final = 16
_LONGEST_ERROR: Final = 200


class Event(NamedTuple):
    """An event of a ticket: its id, its name, and its body."""

    id: str
    name: str
    body: bytes


class Subscribed(NamedTuple):
    """A subscription: the callback of an operator, and the events that it selects."""

    operator: str
    id: str
    callback: str
    query: str | None
    version: int
    since: int | None
    name: str


class Claimed(NamedTuple):
    """A claimed event and its subscription."""

    number: int
    id: str
    ticket: str
    name: str
    body: bytes
    attempts: int
    raised: int
    lease: str
    to: Subscribed


_SELECT_NOW: Final = Prepared(
    text("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)")
)


def clock(connection: Connection) -> int:
    """Return the time of the database; an embedded one uses the clock of this machine."""
    if connection.dialect.name == "sqlite":
        return time.time_ns() // 1_000
    now: int = _SELECT_NOW.run(connection).fetchone()[0]
    return now


_SELECT_SUBSCRIPTION: Final = Prepared(
    select(subscription.c.id, subscription.c.query)
    .where(subscription.c.operator == bindparam("operator"))
    # `unsubscribe` waits for this lock, so that it sees, and discards, the new events.
    .with_for_update(read=True, key_share=True)
)
_INSERT_EVENT: Final = Prepared(
    insert(events).values(
        {
            name: bindparam(name)
            for name in (
                *("id", "operator", "ticket", "seq", "name", "body"),
                *("raised", "state", "attempts", "due"),
            )
        }
    )
)


def query_of(connection: Connection, operator: str) -> tuple[bool, str | None]:
    """Return whether an operator has a subscription, and its query."""
    row = _SELECT_SUBSCRIPTION.run(connection, {"operator": operator}).fetchone()
    return (False, None) if row is None else (True, row[1])


def enqueue(
    connection: Connection,
    operator: str,
    ticket: str,
    version: int,
    *,
    raised: Iterable[Event],
    now: int,
) -> None:
    """Enqueue the events of one version of a ticket."""
    for place, each in enumerate(raised):
        row = {
            "id": each.id,
            "operator": operator,
            "ticket": ticket,
            "seq": version * _PLACES + place,
            "name": each.name,
            "body": each.body,
            "raised": now,
            "state": "pending",
            "attempts": 0,
            "due": 0,
        }
        _INSERT_EVENT.run(connection, row)


_earlier = events.alias("earlier")
_IS_DUE: Final = and_(
    events.c.operator == subscription.c.operator,
    events.c.state == text("'pending'"),
    events.c.due <= bindparam("now"),
)
_SELECT_SUBSCRIPTIONS_WITH_DUE_EVENTS: Final = Prepared(
    select(
        subscription.c.operator,
        subscription.c.id,
        subscription.c.callback,
        subscription.c.query,
        operators.c.signing_version,
        operators.c.signing_since,
        operators.c.name,
    )
    .join(operators, operators.c.id == subscription.c.operator)
    .where(
        subscription.c.disabled.is_(None),
        operators.c.disabled.is_(None),  # its events wait until it is enabled again
        exists().where(_IS_DUE),
    )
)
_due = (
    select(events.c.number)
    .where(
        events.c.operator == bindparam("operator_id"),
        events.c.state == text("'pending'"),
        events.c.due <= bindparam("now"),
        ~exists().where(
            _earlier.c.ticket == events.c.ticket,
            _earlier.c.state == text("'pending'"),
            _earlier.c.seq < events.c.seq,
        ),
    )
    .order_by(events.c.due, events.c.number)
    .limit(bindparam("most"))
    .with_for_update(of=events, skip_locked=True)
    .cte("due_now")
)
_CLAIM_EVENTS: Final = Prepared(
    update(events)
    .where(events.c.number == _due.c.number)
    .values(
        due=bindparam("until"),
        attempts=events.c.attempts + 1,
        # Unique for this attempt.
        lease=bindparam("by", type_=Text) + cast(events.c.number, Text),
    )
    .returning(
        events.c.number,
        events.c.id,
        events.c.ticket,
        events.c.name,
        events.c.body,
        events.c.attempts,
        events.c.raised,
        events.c.lease,
    )
)


def subscriptions_with_due_events(connection: Connection, now: int) -> list[Subscribed]:
    """Return the subscriptions for which events are due."""
    return [
        Subscribed(*row)
        for row in _SELECT_SUBSCRIPTIONS_WITH_DUE_EVENTS.run(connection, {"now": now}).fetchall()
    ]


def claim(
    connection: Connection, to: Subscribed, most: int, *, now: int, until: int, by: str
) -> list[Claimed]:
    """Claim up to `most` due events of an operator until the time `until`, for `by`."""
    values = {
        "operator_id": to.operator,
        "now": now,
        "most": most,
        "until": until,
        # The number of attempts restarts for a new callback, so it does not identify an attempt.
        "by": f"{by}/{secrets.token_hex(8)}/",
    }
    rows = sorted(_CLAIM_EVENTS.run(connection, values).fetchall())
    return [
        Claimed(number, name, ticket, kind, bytes(body), attempts, raised, lease, to)
        for number, name, ticket, kind, body, attempts, raised, lease in rows
    ]


_OWN_LEASE: Final = and_(events.c.number == bindparam("one"), events.c.lease == bindparam("by"))
_LAST_RESULT: Final[dict[str, Any]] = {
    "last_status": bindparam("status"),
    "last_error": bindparam("error"),
}
_SETTLE_EVENT: Final = Prepared(
    update(events)
    .where(_OWN_LEASE)
    .values(state=bindparam("fate"), settled=bindparam("now"), lease=None, **_LAST_RESULT)
)
#: For many events at once; a lease contains the number of its event.
_MARK_DELIVERED: Final = (
    update(events)
    .where(
        events.c.number.in_(bindparam("numbers", expanding=True)),
        events.c.lease.in_(bindparam("leases", expanding=True)),
    )
    .values(
        state="delivered",
        settled=bindparam("now"),
        lease=None,
        last_status=bindparam("status"),
        last_error=None,
    )
    .returning(events.c.number)
)
_RESCHEDULE: Final = Prepared(
    update(events).where(_OWN_LEASE).values(due=bindparam("due_at"), lease=None, **_LAST_RESULT)
)
_GIVE_BACK: Final = Prepared(
    update(events).where(_OWN_LEASE).values(due=0, lease=None, attempts=events.c.attempts - 1)
)
_IS_SUBSCRIPTION: Final = subscription.c.id == bindparam("subscribed")
_NOTE_SUCCESS: Final = Prepared(
    update(subscription)
    .where(_IS_SUBSCRIPTION)
    .values(failing=None, last_success=bindparam("now"), **{**_LAST_RESULT, "last_error": None})
)
_NOTE_FAILURE: Final = Prepared(
    update(subscription)
    .where(_IS_SUBSCRIPTION)
    .values(failing=func.coalesce(subscription.c.failing, bindparam("now")), **_LAST_RESULT)
)
_DISABLE_SUBSCRIPTION: Final = Prepared(
    update(subscription)
    .where(
        _IS_SUBSCRIPTION,
        subscription.c.disabled.is_(None),
        subscription.c.failing <= bindparam("since"),
    )
    .values(disabled=bindparam("now"))
)


def lock_subscriptions(connection: Connection, subscribed: set[str]) -> None:
    """Lock the rows of subscriptions before those of events, in the order of `unsubscribe`.

    Two processes that settle attempts for the same operators then take turns.
    """
    if subscribed and connection.dialect.name != "sqlite":
        rows = select(subscription.c.id).where(subscription.c.id.in_(sorted(subscribed)))
        connection.execute(rows.order_by(subscription.c.id).with_for_update(key_share=True)).all()


def settle(
    connection: Connection, claimed: Claimed, outcome: Outcome, decision: Decision, now: int
) -> bool:
    """Record the result of an attempt. Return False if the attempt has lost its lease."""
    mine = {"one": claimed.number, "by": claimed.lease}
    result = {"status": outcome.status, "error": outcome.error and outcome.error[:_LONGEST_ERROR]}
    about = {"subscribed": claimed.to.id}
    if decision.fate == "delivered":
        return bool(mark_delivered(connection, [claimed], outcome.status, now))
    if decision.fate == "dead":
        done = _SETTLE_EVENT.run(connection, {**mine, **result, "fate": "dead", "now": now})
    else:
        # Events for a callback that is gone wait for another callback.
        done = _RESCHEDULE.run(connection, {**mine, **result, "due_at": decision.due})
    if not done.rowcount:
        return False
    since = now if decision.fate == "gone" else now - GIVEN_UP
    _NOTE_FAILURE.run(connection, {**about, **result, "now": now})
    _DISABLE_SUBSCRIPTION.run(connection, {**about, "now": now, "since": since})
    return True


def mark_delivered(
    connection: Connection, claimed: Sequence[Claimed], status: int | None, now: int
) -> set[int]:
    """Record that attempts succeeded with a status; return the events whose lease was valid."""
    values = {
        "numbers": [each.number for each in claimed],
        "leases": [each.lease for each in claimed],
        "status": status,
        "now": now,
    }
    done = set(connection.execute(_MARK_DELIVERED, values).scalars())
    for subscribed in sorted({each.to.id for each in claimed if each.number in done}):
        _NOTE_SUCCESS.run(connection, {"subscribed": subscribed, "status": status, "now": now})
    return done


def give_back(connection: Connection, claimed: Claimed) -> None:
    """Release an event for which no attempt was made."""
    _GIVE_BACK.run(connection, {"one": claimed.number, "by": claimed.lease})


def release(connection: Connection) -> None:
    """Release all claimed events, because the process that claimed them has ended.

    It is not known whether attempts were made, so they are counted.
    """
    claimed = and_(events.c.state == "pending", events.c.lease.is_not(None))
    connection.execute(update(events).where(claimed).values(due=0, lease=None))


_IS_PENDING: Final = events.c.state == "pending"
_IS_CLAIMED: Final = and_(_IS_PENDING, events.c.lease.is_not(None))
_IS_FREE: Final = and_(_IS_PENDING, events.c.lease.is_(None))
#: The maximum wait of a pending event for its next attempt.
_LONGEST_WAIT: Final = case(
    {attempts: longest(attempts) for attempts in range(len(STEPS))},
    value=events.c.attempts,
    else_=longest(len(STEPS) - 1),
)


def correct_times(connection: Connection, now: int, step: int) -> None:
    """Correct stored times after the clock was set by `step` microseconds (0 if unknown).

    No event waits longer because of it, no attempt in progress is repeated, and no callback is
    disabled early. An event whose due time no wait can explain is due at once.
    """
    last = now + LONGEST_LEASE * 1_000_000
    failing = subscription.c.failing
    if step > 0:
        connection.execute(update(events).where(_IS_CLAIMED).values(due=events.c.due + step))
        connection.execute(
            update(subscription).where(failing.is_not(None)).values(failing=failing + step)
        )
    if step < 0:
        is_put_off = and_(_IS_FREE, events.c.due > now)
        connection.execute(update(events).where(is_put_off).values(due=events.c.due + step))
    connection.execute(update(events).where(_IS_CLAIMED, events.c.due > last).values(due=last))
    connection.execute(
        update(events).where(_IS_FREE, events.c.due > now + _LONGEST_WAIT).values(due=0)
    )
    connection.execute(update(subscription).where(failing > now).values(failing=now))


def subscribe(connection: Connection, operator: str, row: Mapping[str, Any]) -> None:
    """Set the callback of an operator; its waiting events start again at the first attempt."""
    # One statement, so that concurrent processes take turns.
    names = ("failing", "disabled", "last_success", "last_status", "last_error")
    changed = {**row, **dict.fromkeys(names)}
    connection.execute(
        insert_into(connection, subscription)
        .values(operator=operator, **row)
        .on_conflict_do_update(index_elements=["operator"], set_=changed)
    )
    waiting = and_(events.c.operator == operator, events.c.state == "pending")
    connection.execute(
        update(events).where(waiting, events.c.lease.is_(None)).values(due=0, attempts=0)
    )


def unsubscribe(connection: Connection, operator: str, number: str | None) -> bool:
    """Remove the callback of an operator, if it has this id, and discard its waiting events."""
    mine = subscription.c.operator == operator
    named = mine if number is None else and_(mine, subscription.c.id == number)
    if not connection.execute(delete(subscription).where(named)).rowcount:
        return False
    waiting = and_(events.c.operator == operator, events.c.state == "pending")
    connection.execute(delete(events).where(waiting))
    return True


_SELECT_EVENTS: Final = select(
    events.c.id,
    operators.c.name.label("operator"),
    events.c.ticket,
    events.c.name,
    events.c.state,
    events.c.attempts,
    events.c.raised,
    events.c.due,
    events.c.settled,
    events.c.last_status,
    events.c.last_error,
).join(operators, operators.c.id == events.c.operator)


def listed(
    connection: Connection,
    *,
    state: str | None,
    names: frozenset[str] | None = None,
    operator: str | None = None,
    most: int,
) -> Sequence[RowMapping]:
    """Return events as rows, newest first: of operators by name, of one operator, or of all."""
    statement = _SELECT_EVENTS.order_by(events.c.number.desc()).limit(most)
    if state is not None:
        statement = statement.where(events.c.state == state)
    if names is not None:
        statement = statement.where(operators.c.name.in_(sorted(names)))
    if operator is not None:
        statement = statement.where(events.c.operator == operator)
    return connection.execute(statement).mappings().all()


def one(connection: Connection, number: str, operator: str | None = None) -> RowMapping | None:
    """Return an event of an operator, or of any operator, as a row, or None."""
    statement = _SELECT_EVENTS.add_columns(events.c.body).where(_named(number, operator))
    return connection.execute(statement).mappings().first()


def redeliver(connection: Connection, number: str, operator: str | None = None) -> bool:
    """Schedule one more attempt for a settled event of an operator, or of any operator.

    Return False if there is no such event.
    """
    changed = connection.execute(
        update(events)
        .where(_named(number, operator), events.c.state != "pending")
        .values(state="pending", settled=None, due=0, attempts=len(STEPS) - 1)
    )
    return bool(changed.rowcount)


def _named(number: str, operator: str | None) -> ColumnElement[bool]:
    mine = true() if operator is None else events.c.operator == operator
    return and_(events.c.id == number, mine)


def purge(connection: Connection, before: int) -> int:
    """Delete the events that were settled before a time; return their number."""
    old = and_(events.c.state != "pending", events.c.settled < before)
    return connection.execute(delete(events).where(old)).rowcount


class Depth(NamedTuple):
    """The number of pending events, the age of the oldest in seconds, and of dead events."""

    pending: int
    oldest: float
    dead: int


def depth(connection: Connection) -> Depth:
    """Return the figures of the outbox, from partial indexes."""
    # Literals, because SQLite does not use these indexes for bound values.
    count = select(func.count(), func.min(events.c.raised)).where(
        events.c.state == text("'pending'")
    )
    pending, oldest = connection.execute(count).one()
    dead = connection.execute(
        select(func.count()).select_from(events).where(events.c.state == text("'dead'"))
    ).scalar_one()
    age = 0.0 if oldest is None else max(0.0, (clock(connection) - oldest) / 1_000_000)
    return Depth(pending, age, dead)
