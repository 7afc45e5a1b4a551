"""What becomes of events when their address is set, or taken away, or several processes deliver."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from server.storage import outbox
from server.storage.database import Database
from server.storage.outbox import Event
from tests.support.databases import postgresql
from tests.support.turns import (
    FUTURE,
    START,
    UNTIL,
    addresses,
    claim,
    enqueue,
    ids,
    operator,
    rows,
    settle,
    subscribe,
    unsubscribe,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection


@pytest.fixture
def other(store: Database) -> Iterator[Database]:
    """Give a second store on the same PostgreSQL, as another process has it."""
    second = Database(store.url.render_as_string(hide_password=False)).open()
    yield second
    second.close()


@pytest.mark.postgres
class TestTogether:
    """Several processes share a PostgreSQL."""

    @pytest.fixture
    def address(self) -> str:
        """Give the address of an empty database that can be shared."""
        return postgresql("+psycopg")

    def test_concurrent_claims_do_not_overlap(
        self, store: Database, other: Database, one: str
    ) -> None:
        """Of many that claim at once each gets others, and together they get all."""
        for number in range(60):
            enqueue(store, one, f"t{number}", 2)
        with ThreadPoolExecutor(8) as pool:
            found = pool.map(
                lambda n: claim((store, other)[n % 2], START, until=UNTIL, most=5, by=str(n)),
                range(40),
            )
            claimed = [name for each in found for name in ids(each)]
        claimed += ids(claim(store, START, until=UNTIL))
        assert sorted(claimed) == sorted(f"t{number}-2-0" for number in range(60))

    def test_strict_ordering_under_concurrent_claims(
        self, store: Database, other: Database, one: str
    ) -> None:
        """Two that race for one ticket never get two of its events."""
        for version in range(2, 12):
            enqueue(store, one, "t1", version)
        got = []
        with ThreadPoolExecutor(2) as pool:
            for _ in range(10):
                both = pool.map(lambda s: claim(s, START, until=UNTIL), (store, other))
                (claimed,) = [each for found in both for each in found]
                got.append(claimed.id)
                assert settle(store, claimed, "delivered", status=200)
        assert got == [f"t1-{version}-0" for version in range(2, 12)]

    def test_removed_meanwhile(self, store: Database, other: Database, one: str) -> None:
        """An event that is raised while its address is taken away does not outlive it."""
        raised, go_on = threading.Event(), threading.Event()

        def job(connection: Connection) -> None:
            """Ask for the address, raise an event, and take a while."""
            assert outbox.query_of(connection, one) == (True, None)
            raised.set()
            assert go_on.wait(30)
            raised_now = [Event("e1", "n", b"{}")]
            outbox.enqueue(connection, one, "t1", 2, raised=raised_now, now=START)

        change = store.submit(job)
        assert raised.wait(30)
        removal = other.submit(lambda c: outbox.unsubscribe(c, one, None))
        with pytest.raises(TimeoutError):
            removal.result(1)
        go_on.set()
        change.result(30)
        assert removal.result(30)
        assert rows(store) == []
        assert other.submit(lambda c: outbox.query_of(c, one)).result(30) == (False, None)


class TestAddress:
    """What becomes of what waits when the address is set, or taken away."""

    def test_replaced(self, store: Database, one: str) -> None:
        """What waits is due at once for the new address, from the first step on; what is under way
        is not.
        """
        enqueue(store, one, "t1", 2)
        enqueue(store, one, "t2", 2)
        first, second = claim(store, START, until=UNTIL)
        settle(store, first, "again", FUTURE, status=500)
        number = subscribe(store, one, url="https://new.example/")
        (again,) = claim(store, START, until=UNTIL)
        assert (again.id, again.attempts) == (first.id, 1)
        assert (again.to.id, again.to.callback) == (number, "https://new.example/")
        assert settle(store, second, "delivered", status=200)
        (address,) = addresses(store)
        assert (address["failing"], address["disabled"]) == (None, None)

    def test_removed(self, store: Database, one: str) -> None:
        """What waits is discarded, under way or not; what is settled is kept, and so is what
        is another's.
        """
        two = operator(store, "two")
        subscribe(store, two)
        enqueue(store, one, "t1", 2, count=3)
        enqueue(store, two, "t2", 2)
        (first,) = claim(store, START, until=UNTIL, to=one)
        settle(store, first, "delivered", status=200)
        (second,) = claim(store, START, until=UNTIL, to=one)
        assert not unsubscribe(store, one, "another")
        assert unsubscribe(store, one)
        assert not unsubscribe(store, one)
        assert [row["id"] for row in rows(store)] == [first.id, "t2-2-0"]
        assert not settle(store, second, "again", FUTURE)
        assert [row["operator"] for row in addresses(store)] == [two]

    def test_removed_by_number(self, store: Database) -> None:
        """An address is taken away by its own number."""
        one = operator(store)
        old, new = subscribe(store, one), subscribe(store, one)
        assert not unsubscribe(store, one, old)
        assert unsubscribe(store, one, new)

    def test_late_for_old(self, store: Database, one: str) -> None:
        """That the old address is gone says nothing of the new one."""
        enqueue(store, one, "t1", 2)
        (late,) = claim(store, START, until=UNTIL)
        subscribe(store, one)
        assert settle(store, late, "gone", status=410)
        (address,) = addresses(store)
        assert (address["failing"], address["disabled"]) == (None, None)
        assert ids(claim(store, START, until=UNTIL)) == [late.id]
