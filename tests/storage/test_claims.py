"""Delivery turn by turn, by a clock that is set: what is tried, when, and how often."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert, select
from standardwebhooks import Webhook

from server.config import Config
from server.delivery.signing import key_of, shown
from server.delivery.worker import TOGETHER
from server.retry import STEPS, Outcome
from server.storage import outbox
from server.storage.tables import content, document
from tests.support.oracle import FINAL
from tests.support.turns import (
    MASTER,
    NAME,
    SECOND,
    START,
    URL,
    Turning,
    addresses,
    enqueue,
    operator,
    rows,
    subscribe,
    unsubscribe,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from server.storage.database import Database

DAY = 86_400


@pytest.fixture
def turning(store: Database) -> Iterator[Turning]:
    """Give a delivery by hand."""
    made = Turning(store)
    yield made
    made.close()


def failing(_: object) -> Outcome:
    """Let an attempt fail."""
    return Outcome(500)


def exhaust(turning: Turning) -> list[float]:
    """Make attempts until nothing waits; return when they were made, in seconds from the start."""
    before = len(turning.posted.attempts)
    turning.turn()
    while turning.to_next() and turning.turn():
        pass
    return [(each.at - START) / SECOND for each in turning.posted.attempts[before:]]


@pytest.mark.parametrize("dice", [0.0, 0.5, 1.0])
def test_schedule(store: Database, one: str, dice: float) -> None:
    """A receiver that always fails is tried ten times at the steps, each within a fifth of it; then
    the event is dead, and sent again it is tried exactly once more, as the same event.
    """
    turning = Turning(store, dice=dice)
    turning.posted.ends = failing
    (number,) = enqueue(store, one, "t1", 2)
    moments = exhaust(turning)
    waits = [later - earlier for earlier, later in pairwise(moments)]
    assert moments[0] == 0
    assert waits == [pytest.approx(step * (0.8 + 0.4 * dice)) for step in STEPS[1:]]
    (row,) = rows(store)
    assert (row["state"], row["attempts"], row["last_status"]) == ("dead", 10, 500)
    turning.clock.move(DAY)
    assert turning.turn() == []
    for attempts in (11, 12):
        assert store.submit(lambda c: outbox.redeliver(c, number)).result(30)
        assert not store.submit(lambda c: outbox.redeliver(c, number)).result(30)
        exhaust(turning)
        assert len(turning.posted.attempts) == attempts
        assert rows(store)[0]["state"] == "dead"
    assert {(each.id, each.body, each.url) for each in turning.posted.attempts} == {
        (number, b'{"2": 0}', f"{URL}/{NAME}")
    }
    turning.posted.ends = lambda _: Outcome(200)
    store.submit(lambda c: outbox.redeliver(c, number)).result(30)
    exhaust(turning)
    assert rows(store)[0]["state"] == "delivered"
    assert store.submit(lambda c: outbox.redeliver(c, number)).result(30)
    assert not store.submit(lambda c: outbox.redeliver(c, "another")).result(30)
    turning.close()


def test_goes_on(turning: Turning, store: Database, one: str) -> None:
    """An event that fails keeps back its ticket's others, and once it is dead they go, in order."""
    turning.posted.ends = lambda each: Outcome(500 if each.id == "t1-2-0" else 200)
    for version in (2, 3, 4):
        enqueue(store, one, "t1", version)
    enqueue(store, one, "t2", 2)
    assert [each.id for each in turning.turn()] == ["t1-2-0", "t2-2-0"]
    exhaust(turning)
    tried = [each.id for each in turning.posted.attempts if each.id.startswith("t1")]
    assert tried == ["t1-2-0"] * 10 + ["t1-3-0", "t1-4-0"]


def test_gone(turning: Turning, store: Database, one: str) -> None:
    """A 410 ends all attempts; what waits goes on waiting, and goes to the next address."""
    turning.posted.ends = lambda _: Outcome(410)
    enqueue(store, one, "t1", 2)
    assert len(turning.turn()) == 1
    enqueue(store, one, "t1", 3)
    enqueue(store, one, "t2", 2)
    turning.clock.move(30 * DAY)
    assert turning.turn() == []
    assert [row["state"] for row in rows(store)] == ["pending"] * 3
    (address,) = addresses(store)
    assert address["disabled"] == START
    turning.posted.ends = lambda _: Outcome(201)
    subscribe(store, one, url="https://new.example/x/")
    assert [each.id for each in turning.turn()] == ["t1-2-0", "t2-2-0", "t1-3-0"]
    assert {each.url for each in turning.posted.attempts[1:]} == {f"https://new.example/x/{NAME}"}


@pytest.mark.parametrize("succeeds", [False, True])
def test_given_up(turning: Turning, store: Database, one: str, *, succeeds: bool) -> None:
    """An address that has failed for five days is given up; one success begins the days anew."""
    turning.posted.ends = failing
    for day in range(5):
        enqueue(store, one, f"t{day}", 2)
        assert f"t{day}-2-0" in [each.id for each in turning.turn()]
        if day == 3 and succeeds:
            turning.posted.ends = lambda _: Outcome(200)
            enqueue(store, one, "good", 2)
            turning.turn()
            turning.posted.ends = failing
            assert addresses(store)[0]["failing"] is None
        assert addresses(store)[0]["disabled"] is None
        turning.clock.move(DAY)
    enqueue(store, one, "last", 2)
    assert turning.turn() != []
    assert (addresses(store)[0]["disabled"] is None) == succeeds
    turning.clock.move(DAY)
    assert (turning.turn() == []) == (not succeeds)
    assert {row["state"] for row in rows(store)} >= {"pending"}


def test_removed(turning: Turning, store: Database, one: str) -> None:
    """Once the address is taken away nothing is sent, nor when there is one again."""
    turning.posted.ends = failing
    enqueue(store, one, "t1", 2, count=2)
    turning.turn()
    unsubscribe(store, one)
    turning.clock.move(DAY)
    assert turning.turn() == []
    subscribe(store, one)
    assert turning.turn() == []


def test_signed(turning: Turning, store: Database, one: str) -> None:
    """Each attempt is signed by its operator's own key, so that a standard verifier takes it."""
    two = operator(store, "two")
    subscribe(store, two, url="https://two.example/")
    enqueue(store, one, "t1", 2)
    enqueue(store, two, "t2", 2)
    for attempt in turning.turn():
        to = one if attempt.url.startswith(URL) else two
        verifier = Webhook(shown(key_of(MASTER, to, 1)))
        assert verifier.verify(attempt.body, dict(attempt.headers)) == json.loads(attempt.body)


def test_fails_inside(turning: Turning, store: Database, one: str) -> None:
    """An attempt that could not be made at all is one that failed, and is not made for ever."""

    def raises(_: object) -> Outcome:
        raise ZeroDivisionError

    turning.posted.ends = raises
    enqueue(store, one, "t1", 2)
    exhaust(turning)
    assert len(turning.posted.attempts) == 10
    (row,) = rows(store)
    assert (row["state"], row["last_error"]) == ("dead", "ZeroDivisionError")


def test_asleep(
    turning: Turning, store: Database, one: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a long sleep of the process a claim may be another's: no attempt is made by it, none
    is counted, and the event is claimed anew.
    """
    enqueue(store, one, "t1", 2)
    at_once = turning.delivery._senders.submit
    monkeypatch.setattr(
        turning.delivery._senders,
        "submit",
        lambda function, claimed, _until: at_once(function, claimed, 0.0),
    )
    assert turning.delivery.turn() == 1
    monkeypatch.undo()
    assert turning.posted.attempts == []
    assert len(turning.turn()) == 1
    assert rows(store)[0]["attempts"] == 1


def test_again_after_failure(
    turning: Turning, store: Database, one: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be said of an attempt, since the database was away, is said later."""
    enqueue(store, one, "t1", 2)
    assert turning.delivery.turn() == 1

    def away(_: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(store, "submit", away)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            turning.delivery.turn()
    monkeypatch.undo()
    assert turning.delivery.turn() == 0
    assert rows(store)[0]["state"] == "delivered"


def test_fair(turning: Turning, store: Database, one: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator with many events, whose listener does not answer, leaves room for others."""
    two = operator(store, "two")
    subscribe(store, two, url="https://two.example/")
    for number in range(3 * TOGETHER):
        enqueue(store, one, f"a{number}", 2)
    # No attempt ends.
    begun: list[str] = []
    monkeypatch.setattr(
        turning.delivery._senders,
        "submit",
        lambda _function, claimed, _until: begun.append(claimed.to.operator),
    )
    while turning.delivery.turn():
        pass
    assert 0 < len(begun) < TOGETHER / 2
    enqueue(store, two, "b", 2)
    assert turning.delivery.turn() == 1
    assert begun[-1] == two
    turning.delivery._under_way.clear()


def test_forgotten(turning: Turning, store: Database, one: str) -> None:
    """What was settled longer ago than events are kept is forgotten, now and then."""
    enqueue(store, one, "t1", 2)
    turning.turn()
    turning.clock.move(31 * DAY)
    turning.turn()
    assert len(rows(store)) == 1
    turning.delivery._purged -= 3_600
    turning.turn()
    assert rows(store) == []


@pytest.mark.parametrize("days", [0, 30])
def test_tickets_kept(store: Database, one: str, days: int) -> None:
    """Tickets in a final status are deleted so many days after their last change; 0 keeps all."""
    turning, tickets = Turning(store, config=Config(tickets_kept=days)), store.rows.table
    statuses = (*FINAL, "resolved", "submitted")
    moments = {"old": START - 30 * DAY * SECOND - 1, "new": START - 30 * DAY * SECOND}

    def fill(connection: Connection) -> None:
        """Insert tickets of each status, old ones and new ones, and many of one status."""
        made = [(f"{status}-{age}", status, age) for status in statuses for age in moments]
        made += [(f"many-{number}", FINAL[0], "old") for number in range(250)]
        for number, status, age in made:
            row = {"operator": one, "id": number, "version": 1, "status": status}
            connection.execute(insert(tickets).values({**row, "lastUpdate": moments[age]}))
            connection.execute(insert(document).values(id=number, document="{}"))
            connection.execute(insert(content).values(ticket=number, digest="d", text="t"))

    store.submit(fill).result(30)
    turning.delivery._purged -= 3_600
    turning.turn()
    turning.turn()
    gone = {f"{status}-old" for status in FINAL} if days else set()
    kept = {f"{status}-{age}" for status in statuses for age in moments} - gone
    kept |= set() if days else {f"many-{number}" for number in range(250)}
    with store._reading.connect() as connection:
        for column in (tickets.c.id, document.c.id, content.c.ticket):
            assert set(connection.execute(select(column)).scalars()) == kept
    turning.close()
