"""The outbox: events that wait beside the tickets they tell of, and the only SQL about them.

An event is enqueued in the transaction of its change, once the ticket is locked, so that the events
of a ticket are committed in the order of `seq`. It is claimed by putting off when it is due and
noting whose attempt it is, and settled by that attempt alone. An event that an earlier one of its
ticket is still before, claimed or not, is never claimed: first arrivals are in order. Times are
microseconds since 1970 by one clock, the database's (see `clock`); `follow` corrects them after
that clock was set.
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

from server.prepared import Prepared, insert_into
from server.retrying import GIVEN_UP, STEPS, longest
from server.schema import event as events
from server.schema import operator as operators
from server.schema import subscription
from server.setting_types import LONGEST_LEASE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, RowMapping

    from server.events import Event
    from server.retrying import Decision, Outcome

#: Between the events of one version of a ticket and those of the next.
_PLACES: Final = 16
_LONGEST_ERROR: Final = 200


class Subscribed(NamedTuple):
    """Where an operator has its events sent, and which of them."""

    operator: str
    id: str
    callback: str
    query: str | None
    version: int
    since: int | None
    name: str


class Claimed(NamedTuple):
    """An event that an attempt may be made for, and to whom."""

    number: int
    id: str
    ticket: str
    name: str
    body: bytes
    attempts: int
    raised: int
    lease: str
    to: Subscribed


_NOW: Final = Prepared(
    text("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)")
)


def clock(connection: Connection) -> int:
    """Return the moment as the database has it; an embedded one has that of this machine."""
    if connection.dialect.name == "sqlite":
        return time.time_ns() // 1_000
    now: int = _NOW.run(connection).fetchone()[0]
    return now


_SUBSCRIBED: Final = Prepared(
    select(subscription.c.id, subscription.c.query)
    .where(subscription.c.operator == bindparam("operator"))
    # Whoever takes the address away waits until what is raised for it can be seen, and discarded.
    .with_for_update(read=True, key_share=True)
)
_ENQUEUE: Final = Prepared(
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
    """Return whether an operator has an address for events, and the query it set with it."""
    row = _SUBSCRIBED.run(connection, {"operator": operator}).fetchone()
    return (False, None) if row is None else (True, row[1])


def enqueue(  # noqa: PLR0913 - a row, and those like it
    connection: Connection,
    operator: str,
    ticket: str,
    version: int,
    *,
    raised: Iterable[Event],
    now: int,
) -> None:
    """Put the events of one version of a ticket behind those that wait."""
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
        _ENQUEUE.run(connection, row)


_earlier = events.alias("earlier")
_IS_DUE: Final = and_(
    events.c.operator == subscription.c.operator,
    events.c.state == text("'pending'"),
    events.c.due <= bindparam("now"),
)
_WAITED_FOR: Final = Prepared(
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
        operators.c.disabled.is_(None),  # what it is owed waits until it is enabled again
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
_CLAIM: Final = Prepared(
    update(events)
    .where(events.c.number == _due.c.number)
    .values(
        due=bindparam("until"),
        attempts=events.c.attempts + 1,
        # Of this attempt alone, whoever makes the next one.
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


def waited_for(connection: Connection, now: int) -> list[Subscribed]:
    """Return the operators that events are due for, and where these are to be sent."""
    return [Subscribed(*row) for row in _WAITED_FOR.run(connection, {"now": now}).fetchall()]


def claim(  # noqa: PLR0913 - a claim is a row
    connection: Connection, to: Subscribed, most: int, *, now: int, until: int, by: str
) -> list[Claimed]:
    """Claim up to so many events that are due for an operator, until a moment, for `by`."""
    asked = {
        "operator_id": to.operator,
        "now": now,
        "most": most,
        "until": until,
        # Attempts are counted anew for a new address, so that a number of them names no attempt.
        "by": f"{by}/{secrets.token_hex(8)}/",
    }
    rows = sorted(_CLAIM.run(connection, asked).fetchall())
    return [
        Claimed(number, name, ticket, kind, bytes(body), attempts, raised, lease, to)
        for number, name, ticket, kind, body, attempts, raised, lease in rows
    ]


_MINE: Final = and_(events.c.number == bindparam("one"), events.c.lease == bindparam("by"))
_TOLD: Final[dict[str, Any]] = {
    "last_status": bindparam("status"),
    "last_error": bindparam("error"),
}
_ENDED: Final = Prepared(
    update(events)
    .where(_MINE)
    .values(state=bindparam("fate"), settled=bindparam("now"), lease=None, **_TOLD)
)
#: Of many at once; a lease holds the number of its event.
_ARRIVED: Final = (
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
_AGAIN: Final = Prepared(
    update(events).where(_MINE).values(due=bindparam("due_at"), lease=None, **_TOLD)
)
_UNMADE: Final = Prepared(
    update(events).where(_MINE).values(due=0, lease=None, attempts=events.c.attempts - 1)
)
_SAME: Final = subscription.c.id == bindparam("subscribed")
_WORKS: Final = Prepared(
    update(subscription)
    .where(_SAME)
    .values(failing=None, last_success=bindparam("now"), **{**_TOLD, "last_error": None})
)
_FAILS: Final = Prepared(
    update(subscription)
    .where(_SAME)
    .values(failing=func.coalesce(subscription.c.failing, bindparam("now")), **_TOLD)
)
_GIVE_UP: Final = Prepared(
    update(subscription)
    .where(_SAME, subscription.c.disabled.is_(None), subscription.c.failing <= bindparam("since"))
    .values(disabled=bindparam("now"))
)


def hold(connection: Connection, subscribed: set[str]) -> None:
    """Lock the rows of subscriptions, before those of events as `unsubscribe` does.

    Two processes that settle attempts for the same operators then take turns.
    """
    if subscribed and connection.dialect.name != "sqlite":
        rows = select(subscription.c.id).where(subscription.c.id.in_(sorted(subscribed)))
        connection.execute(rows.order_by(subscription.c.id).with_for_update(key_share=True)).all()


def settle(
    connection: Connection, claimed: Claimed, outcome: Outcome, decision: Decision, now: int
) -> bool:
    """Say what came of an attempt. False when it was no longer this attempt's to say."""
    mine = {"one": claimed.number, "by": claimed.lease}
    told = {"status": outcome.status, "error": outcome.error and outcome.error[:_LONGEST_ERROR]}
    about = {"subscribed": claimed.to.id}
    if decision.fate == "delivered":
        return bool(arrived(connection, [claimed], outcome.status, now))
    if decision.fate == "dead":
        done = _ENDED.run(connection, {**mine, **told, "fate": "dead", "now": now})
    else:
        # What waits for an address that is gone goes on waiting, for another one.
        done = _AGAIN.run(connection, {**mine, **told, "due_at": decision.due})
    if not done.rowcount:
        return False
    since = now if decision.fate == "gone" else now - GIVEN_UP
    _FAILS.run(connection, {**about, **told, "now": now})
    _GIVE_UP.run(connection, {**about, "now": now, "since": since})
    return True


def arrived(
    connection: Connection, claimed: Sequence[Claimed], status: int | None, now: int
) -> set[int]:
    """Say that attempts have succeeded, all with one status; return whose it still was to say."""
    values = {
        "numbers": [each.number for each in claimed],
        "leases": [each.lease for each in claimed],
        "status": status,
        "now": now,
    }
    done = set(connection.execute(_ARRIVED, values).scalars())
    for subscribed in sorted({each.to.id for each in claimed if each.number in done}):
        _WORKS.run(connection, {"subscribed": subscribed, "status": status, "now": now})
    return done


def give_back(connection: Connection, claimed: Claimed) -> None:
    """Let an event be claimed again at once: no attempt was made."""
    _UNMADE.run(connection, {"one": claimed.number, "by": claimed.lease})


def release(connection: Connection) -> None:
    """Let every event that is claimed be claimed again at once: whoever claimed it is gone.

    Whether an attempt was made is not known, so it is counted.
    """
    claimed = and_(events.c.state == "pending", events.c.lease.is_not(None))
    connection.execute(update(events).where(claimed).values(due=0, lease=None))


_IS_PENDING: Final = events.c.state == "pending"
_IS_CLAIMED: Final = and_(_IS_PENDING, events.c.lease.is_not(None))
_IS_FREE: Final = and_(_IS_PENDING, events.c.lease.is_(None))
#: The longest that a pending event can wait for its next attempt.
_LONGEST: Final = case(
    {attempts: longest(attempts) for attempts in range(len(STEPS))},
    value=events.c.attempts,
    else_=longest(len(STEPS) - 1),
)


def follow(connection: Connection, now: int, step: int) -> None:
    """Correct noted moments after the clock was set by `step` microseconds; 0 if that is not known.

    No event waits longer because of it, no attempt under way is made a second time, and no address
    is given up early. What is noted for a moment that no wait can reach is due at once.
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
    connection.execute(update(events).where(_IS_FREE, events.c.due > now + _LONGEST).values(due=0))
    connection.execute(update(subscription).where(failing > now).values(failing=now))


def subscribe(connection: Connection, operator: str, row: Mapping[str, Any]) -> None:
    """Set the one address of an operator; what waits for it goes there, from the first step on."""
    # One statement: processes that set it at once take turns at the row.
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
    """Take an operator's address away, if it has this number, and discard what waits for it."""
    mine = subscription.c.operator == operator
    named = mine if number is None else and_(mine, subscription.c.id == number)
    if not connection.execute(delete(subscription).where(named)).rowcount:
        return False
    waiting = and_(events.c.operator == operator, events.c.state == "pending")
    connection.execute(delete(events).where(waiting))
    return True


_SHOWN: Final = select(
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
    """Return events as rows, the newest first, of operators by their names, of one, or of all."""
    statement = _SHOWN.order_by(events.c.number.desc()).limit(most)
    if state is not None:
        statement = statement.where(events.c.state == state)
    if names is not None:
        statement = statement.where(operators.c.name.in_(sorted(names)))
    if operator is not None:
        statement = statement.where(events.c.operator == operator)
    return connection.execute(statement).mappings().all()


def one(connection: Connection, number: str, operator: str | None = None) -> RowMapping | None:
    """Return one event, of an operator or of any, as a row, or None."""
    statement = _SHOWN.add_columns(events.c.body).where(_named(number, operator))
    return connection.execute(statement).mappings().first()


def redeliver(connection: Connection, number: str, operator: str | None = None) -> bool:
    """Let one more attempt be made for a settled event of an operator, or of any.

    False where there is none.
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
    """Forget events that were settled before a moment; return how many."""
    old = and_(events.c.state != "pending", events.c.settled < before)
    return connection.execute(delete(events).where(old)).rowcount


class Depth(NamedTuple):
    """How many events wait, how old the oldest of them is in seconds, and how many are dead."""

    pending: int
    oldest: float
    dead: int


def depth(connection: Connection) -> Depth:
    """Return how full the outbox is, by indexes that hold only what is counted."""
    # Written out, since a bound value would keep SQLite from these indexes.
    count = select(func.count(), func.min(events.c.raised)).where(
        events.c.state == text("'pending'")
    )
    pending, oldest = connection.execute(count).one()
    dead = connection.execute(
        select(func.count()).select_from(events).where(events.c.state == text("'dead'"))
    ).scalar_one()
    age = 0.0 if oldest is None else max(0.0, (clock(connection) - oldest) / 1_000_000)
    return Depth(pending, age, dead)
