"""Clocks that are set: no event is delayed, none is made twice, no date goes backwards."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, select, text

from server.config import read_config
from server.delivery.worker import Seen
from server.retry import GIVEN_UP, STEPS, Outcome
from server.storage.tables import subscription
from tests.support.databases import DATABASES, postgresql
from tests.support.servers import serving
from tests.support.turns import SECOND, START, Clock, Turning, claim, enqueue, rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from server.storage.database import Database

pytestmark = pytest.mark.slow

HOUR = 3_600
YEAR = 365 * 24 * HOUR


@pytest.fixture
def turning(store: Database) -> Iterator[Turning]:
    """Give a delivery by hand."""
    made = Turning(store)
    yield made
    made.close()


def fail(turning: Turning, times: int) -> None:
    """Let the first attempts of an event fail, each when it is due."""
    turning.posted.ends = lambda _: Outcome(500)
    turning.turn()
    for _ in range(times - 1):
        turning.to_next()
        turning.turn()
    assert len(turning.posted.attempts) == times


@pytest.mark.parametrize("seconds", [-1.5, -HOUR, -YEAR, -50 * YEAR])
@pytest.mark.parametrize("made", [1, 3, len(STEPS) - 1])
def test_back(turning: Turning, one: str, made: int, seconds: float) -> None:
    """The next attempt is made after the same wait when the clock is set back meanwhile."""
    enqueue(turning.store, one, "t", 1)
    fail(turning, made)
    (before,) = rows(turning.store)
    wait = before["due"] - turning.clock.now
    turning.clock.set(seconds)
    assert turning.turn() == []
    (after,) = rows(turning.store)
    assert after["due"] - turning.clock.now == pytest.approx(wait, abs=2)
    turning.clock.move(wait / SECOND + 0.001)
    assert len(turning.turn()) == 1


@pytest.mark.parametrize("made", [1, 3, len(STEPS) - 1])
def test_back_while_stopped(store: Database, one: str, made: int) -> None:
    """What was noted by a clock far ahead is due at once for a delivery that starts later."""
    ahead = Clock()
    ahead.set(YEAR)
    turning = Turning(store, clock=ahead)
    enqueue(store, one, "t", 1)
    fail(turning, made)
    turning.close()
    other = Turning(store)
    assert len(other.turn()) == 1
    other.close()


def test_claim_ahead(store: Database, one: str) -> None:
    """A claim by a clock far ahead, whose process died, runs out in ten minutes at most."""
    enqueue(store, one, "t", 1)
    assert claim(store, START, until=START + YEAR * SECOND)
    turning = Turning(store)
    turning.delivery._is_heir = False  # as on a database that others share
    assert turning.turn() == []
    turning.clock.move(601)
    assert len(turning.turn()) == 1
    turning.close()


def test_forward(turning: Turning, one: str) -> None:
    """A clock set forward lets no claim run out, and gives up no address."""
    enqueue(turning.store, one, "t", 1)
    fail(turning, 1)
    claimed = turning.clock.now + 10 * SECOND
    enqueue(turning.store, one, "u", 1)
    assert claim(turning.store, turning.clock.now, until=claimed)
    turning.clock.set(YEAR)
    turning.turn()
    states = {row["ticket"]: row for row in rows(turning.store)}
    assert states["u"]["attempts"] == 1, "under way, so no second attempt"
    with turning.store._reading.connect() as connection:
        row = connection.execute(select(subscription)).mappings().one()
    assert row["disabled"] is None
    assert turning.clock.now - row["failing"] < GIVEN_UP
    turning.clock.move(11)
    assert "u-1-0" in {each.id for each in turning.turn()}


def test_forward_and_back(turning: Turning, one: str) -> None:
    """After a clock was set forward and back again, events are sent at once and in order."""
    turning.turn()
    turning.clock.set(YEAR)
    sent = enqueue(turning.store, one, "t", 1, 2)
    fail(turning, 2)
    turning.clock.set(-YEAR)
    turning.posted.ends = lambda _: Outcome(201)
    turning.turn()
    while turning.to_next() and turning.turn():
        pass
    assert [each.id for each in turning.posted.attempts][-2:] == sent
    assert {row["state"] for row in rows(turning.store)} == {"delivered"}


def test_slow_turns(turning: Turning, one: str) -> None:
    """Time that passes between two turns is no step, however long they take."""
    enqueue(turning.store, one, "t", 1)
    fail(turning, 1)
    (before,) = rows(turning.store)
    turning.clock.move(2)
    turning.turn()
    (after,) = rows(turning.store)
    assert after["due"] == before["due"]


@pytest.mark.parametrize(
    ("later", "step"),
    [
        (Seen(70 * SECOND, 60.0, 90.0), 0),  # the clock was read within these thirty seconds
        (Seen(105 * SECOND, 60.0, 90.0), 5),
        (Seen(50 * SECOND, 60.0, 90.0), -10),
        (Seen(-3_590 * SECOND, 10.0, 10.0), -3_600),
        (Seen(10_900_000, 10.0, 10.0), 0),
    ],
)
def test_step(later: Seen, step: int) -> None:
    """A slow database is no step of its clock; the least step that explains a reading is one."""
    first = Seen(0, -10.0, 0.0)
    assert later.step_since(first) == step * SECOND


@pytest.mark.parametrize("kind", DATABASES)
def test_dates(kind: str, tmp_path: Path) -> None:
    """No date of a ticket or of an event about it is before the last change of the ticket.

    The ticket has dates from the future, as after a clock was an hour ahead.
    """
    address = f"sqlite:///{tmp_path}/t.db" if kind == "sqlite" else postgresql()
    with serving(address, TTR_ALLOW_LOOPBACK_CALLBACKS="1") as running:
        api, backoffice = running.client(), running.backoffice()
        api.post("/hub", json={"callback": "http://127.0.0.1:9/"})
        number = api.created()["id"]
        path = f"/troubleTicket/{number}"
        ahead = (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="milliseconds")
        ahead = ahead.replace("+00:00", "Z")
        put_ahead(address, number, ahead)
        for change in (
            {"status": "acknowledged"},
            {"status": "inProgress"},
            {"note": [{"text": "n"}]},
            {"status": "resolved", "statusChangeReason": "r"},
        ):
            answer = backoffice.patch(path, json=change)
            assert answer.status_code == 200, answer.text
            changed = answer.json()
            dates = [changed["creationDate"], changed["lastUpdate"], changed["statusChangeDate"]]
            dates += [note["notedate"] for note in changed.get("note", [])]
            assert min(dates) == ahead
        assert changed["resolutionDate"] == ahead
        told = backoffice.get("/event").json()
        whole = [backoffice.get(f"/event/{each['id']}").json() for each in told]
        assert whole
        assert all(each["event"]["eventTime"] >= ahead for each in whole)


def put_ahead(address: str, number: str, moment: str) -> None:
    """Give a ticket dates that are later than now."""
    engine = create_engine(read_config({"TTR_DATABASE_URL": address}).database_url)
    with engine.begin() as connection:
        found = connection.execute(
            text("SELECT document FROM document WHERE id = :n"), {"n": number}
        )
        document: dict[str, Any] = json.loads(found.scalar_one())
        for name in ("creationDate", "lastUpdate", "statusChangeDate"):
            document[name] = moment
        connection.execute(
            text("UPDATE document SET document = :d WHERE id = :n"),
            {"d": json.dumps(document, separators=(",", ":")), "n": number},
        )
    engine.dispose()
