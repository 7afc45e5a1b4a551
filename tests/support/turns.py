"""Delivery by hand: turn by turn in this thread, by a clock that is set, to receivers made up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast
from uuid import uuid4

from sqlalchemy import select

from server.config import Config
from server.delivery.worker import Delivery
from server.retry import Decision, Outcome
from server.storage import operators, outbox
from server.storage.outbox import Event
from server.storage.tables import event as events
from server.storage.tables import subscription
from server.telemetry import Metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection, RowMapping

    from server.delivery.sender import EventSender
    from server.storage.database import Database
    from server.storage.outbox import Claimed, Subscribed

#: When the clock starts, in microseconds since 1970.
START = 1_800_000_000_000_000
SECOND = 1_000_000
#: When a claim that is made then runs out, a moment after that, and one far from it.
UNTIL = START + 60 * SECOND
LATER = UNTIL + 1
FUTURE = START + 3_600 * SECOND
MASTER = bytes(range(32))
URL = "https://h.example/listener"
NAME = "TroubleTicketStatusChangeEvent"


class Clock:
    """A clock that stands until it is moved, and may be set; `steady` never is."""

    def __init__(self) -> None:
        self.now = START
        self._steady = 0.0

    def __call__(self, _connection: object = None) -> int:
        """Return the moment in microseconds."""
        return self.now

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.now += round(seconds * SECOND)
        self._steady += seconds

    def set(self, seconds: float) -> None:
        """Set the clock by so many seconds while no time passes."""
        self.now += round(seconds * SECOND)

    def steady(self) -> float:
        """Return the time that has passed, in seconds."""
        return self._steady


class Attempt(NamedTuple):
    """An attempt that was made: when, where to, with what."""

    at: int
    url: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """Which event it was made for."""
        return self.headers["webhook-id"]


class Posted:
    """In the place of a EventSender: notes attempts, and lets each end as it is told."""

    def __init__(self, clock: Clock) -> None:
        self.attempts: list[Attempt] = []
        self.ends: Callable[[Attempt], Outcome] = lambda _: Outcome(201)
        self._clock = clock

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Outcome:
        """Return how the attempt ends."""
        attempt = Attempt(self._clock.now, url, headers, body)
        self.attempts.append(attempt)
        return self.ends(attempt)

    def close(self) -> None:
        """There is nothing to close."""


class AtOnce:
    """In the place of a pool of threads: what is handed to it is done at once."""

    def submit(self, function: Callable[..., object], *arguments: object) -> None:
        """Do it."""
        function(*arguments)

    def shutdown(self) -> None:
        """There is nothing to wait for."""


class Turning:
    """A delivery over a store, by hand."""

    def __init__(
        self,
        store: Database,
        *,
        dice: float = 0.5,
        clock: Clock | None = None,
        config: Config | None = None,
    ) -> None:
        self.store = store
        self.clock = clock or Clock()
        self.posted = Posted(self.clock)
        self.delivery = Delivery(
            store,
            config or Config(),
            Metrics(),
            master=MASTER,
            poster=cast("EventSender", self.posted),
            clock=self.clock,
            steady=self.clock.steady,
            dice=lambda: dice,
        )
        self.delivery._senders.shutdown()
        self.delivery._senders = cast("Any", AtOnce())

    def turn(self) -> list[Attempt]:
        """Make the attempts that are due until there are none, and return them."""
        before = len(self.posted.attempts)
        while self.delivery.turn() or self.delivery._ended:
            pass
        return self.posted.attempts[before:]

    def to_next(self) -> bool:
        """Move the clock to when the next event is due; say whether there is one."""
        first: dict[str, int] = {}
        for row in rows(self.store):
            if row["state"] == "pending":
                first.setdefault(row["ticket"], row["due"])
        wait = min(first.values(), default=0) - self.clock.now
        self.clock.move(max(0, wait) / SECOND)
        return bool(first)

    def close(self) -> None:
        """Let the threads go that would have been used."""
        self.delivery.stop()


def operator(store: Database, name: str = "one") -> str:
    """Add an operator, and return its id."""

    def job(connection: Connection) -> str:
        operators.add(connection, name, 0)
        found = operators.named(connection, name)
        assert found is not None
        return found.id

    return store.submit(job).result(30)


def subscribe(store: Database, to: str, *, url: str = URL, query: str | None = None) -> str:
    """Set the address of an operator, and return its subscription's id."""
    row = {"id": str(uuid4()), "callback": url, "query": query}
    store.submit(lambda c: outbox.subscribe(c, to, row)).result(30)
    return row["id"] or ""


def unsubscribe(store: Database, to: str, number: str | None = None) -> bool:
    """Take the address of an operator away."""
    return store.submit(lambda c: outbox.unsubscribe(c, to, number)).result(30)


def enqueue(store: Database, to: str, ticket: str, version: int, count: int = 1) -> list[str]:
    """Enqueue the events of a version of a ticket, and return their ids."""
    raised = [
        Event(f"{ticket}-{version}-{place}", NAME, f'{{"{version}": {place}}}'.encode())
        for place in range(count)
    ]
    store.submit(lambda c: outbox.enqueue(c, to, ticket, version, raised=raised, now=START)).result(
        30
    )
    return [each.id for each in raised]


def claim(
    store: Database, now: int, *, until: int, most: int = 100, by: str = "w", to: str | None = None
) -> list[Claimed]:
    """Claim what is due, of one operator or of all."""

    def job(connection: Connection) -> list[Claimed]:
        waiting: list[Subscribed] = outbox.subscriptions_with_due_events(connection, now)
        return [
            claimed
            for each in waiting
            if to in {None, each.operator}
            for claimed in outbox.claim(connection, each, most, now=now, until=until, by=by)
        ]

    return store.submit(job).result(30)


def settle(
    store: Database, claimed: Claimed, fate: Any, due: int = 0, *, now: int = START, **outcome: Any
) -> bool:
    """Say what came of an attempt."""
    return store.submit(
        lambda c: outbox.settle(c, claimed, Outcome(**outcome), Decision(fate, due), now)
    ).result(30)


def give_back(store: Database, claimed: Claimed) -> None:
    """Say that no attempt was made."""
    store.submit(lambda c: outbox.give_back(c, claimed)).result(30)


def ids(claimed: list[Claimed]) -> list[str]:
    """Return the ids of claimed events."""
    return [each.id for each in claimed]


def rows(store: Database) -> list[RowMapping]:
    """Return the events as they stand, in their order."""
    return list(
        store.read_now(lambda c: c.execute(select(events).order_by("number")).mappings().all())
    )


def addresses(store: Database) -> list[RowMapping]:
    """Return the subscriptions as they stand."""
    return list(store.read_now(lambda c: c.execute(select(subscription)).mappings().all()))
