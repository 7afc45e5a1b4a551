"""The outbox on both databases: what is claimed, by whom, and what is said of it afterwards.

The cases of txoutbox's StorageContract are here, among others, by their names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import DBAPIError

from server.retry import GIVEN_UP
from server.storage import outbox
from server.storage.outbox import Event
from tests.support.turns import (
    FUTURE,
    LATER,
    SECOND,
    START,
    UNTIL,
    addresses,
    claim,
    enqueue,
    give_back,
    ids,
    operator,
    rows,
    settle,
    subscribe,
    unsubscribe,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from server.storage.database import Database


class TestClaim:
    """An event is claimed by one, for a while."""

    def test_empty_claim(self, store: Database, one: str) -> None:
        """Where nothing waits nothing is claimed, and no operator is waited for."""
        assert claim(store, START, until=UNTIL, to=one) == []

    def test_claim_returns_in_insertion_order_with_attempt_one(
        self, store: Database, one: str
    ) -> None:
        """Events come in their order, with all that an attempt needs, as their first attempt."""
        made = [*enqueue(store, one, "t1", 2), *enqueue(store, one, "t2", 2)]
        claimed = claim(store, START, until=UNTIL)
        assert ids(claimed) == made
        assert [(each.attempts, each.ticket, each.body, each.raised) for each in claimed] == [
            (1, "t1", b'{"2": 0}', START),
            (1, "t2", b'{"2": 0}', START),
        ]
        assert {each.to.operator for each in claimed} == {one}
        assert len({each.lease for each in claimed}) == 2

    def test_claim_respects_batch_size(self, store: Database, one: str) -> None:
        """No more are claimed than are asked for."""
        for number in range(5):
            enqueue(store, one, f"t{number}", 2)
        sizes = [len(claim(store, START, until=UNTIL, most=2)) for _ in range(4)]
        assert sizes == [2, 2, 1, 0]

    def test_leased_rows_are_invisible_to_other_workers(self, store: Database, one: str) -> None:
        """What one has claimed another does not get, until the claim runs out."""
        enqueue(store, one, "t1", 2)
        assert len(claim(store, START, until=UNTIL)) == 1
        assert claim(store, UNTIL - 1, until=UNTIL, by="v") == []

    def test_expired_lease_is_reclaimable_and_counts_an_attempt(
        self, store: Database, one: str
    ) -> None:
        """Then it is claimed again, as the next attempt; so a process that dies loses nothing."""
        made = enqueue(store, one, "t1", 2)
        (first,) = claim(store, START, until=UNTIL)
        (second,) = claim(store, UNTIL, until=LATER, by="v")
        assert (ids([second]), second.attempts, second.body) == (made, 2, first.body)

    def test_others(self, store: Database, one: str) -> None:
        """Each operator's events are claimed for that operator alone; those of one without an
        address, or with one that is given up, wait.
        """
        two, three = operator(store, "two"), operator(store, "three")
        subscribe(store, two, url="https://two.example/")
        for each in (one, two, three):
            enqueue(store, each, f"of {each}", 2)
        claimed = claim(store, START, until=UNTIL)
        assert {(each.to.operator, each.ticket) for each in claimed} == {
            (one, f"of {one}"),
            (two, f"of {two}"),
        }
        assert {each.to.callback for each in claimed if each.to.operator == two} == {
            "https://two.example/"
        }

    def test_lease_fits(self, store: Database, one: str) -> None:
        """The mark of an attempt has room in its column, however many events there have been."""
        enqueue(store, one, "t1", 2)
        text = "UPDATE event SET number = 999999999999999999, attempts = 99999"
        store.submit(lambda c: c.exec_driver_sql(text)).result(30)
        (claimed,) = claim(store, START, until=UNTIL, by="f" * 16)
        assert len(claimed.lease) <= 64
        assert settle(store, claimed, "delivered", status=200)


class TestSettle:
    """What came of an attempt is said by that attempt alone."""

    def test_acked_rows_are_never_claimed_again(self, store: Database, one: str) -> None:
        """What was delivered is not delivered again; how it ended is kept."""
        enqueue(store, one, "t1", 2)
        (claimed,) = claim(store, START, until=UNTIL)
        assert settle(store, claimed, "delivered", now=LATER, status=204)
        assert claim(store, FUTURE, until=FUTURE) == []
        (row,) = rows(store)
        assert (row["state"], row["settled"], row["lease"]) == ("delivered", LATER, None)
        assert (row["last_status"], row["last_error"]) == (204, None)

    def test_ack_and_release_empty_are_noops(self, store: Database, one: str) -> None:
        """What is said of an event that is gone meanwhile is said of nothing."""
        enqueue(store, one, "t1", 2)
        (claimed,) = claim(store, START, until=UNTIL)
        unsubscribe(store, one)
        assert not settle(store, claimed, "delivered", status=200)
        give_back(store, claimed)
        assert rows(store) == []

    def test_nack_schedules_retry(self, store: Database, one: str) -> None:
        """What failed is claimed again when it is due, and not before."""
        enqueue(store, one, "t1", 2)
        (claimed,) = claim(store, START, until=UNTIL)
        assert settle(store, claimed, "again", FUTURE, status=500, error="x" * 1_000)
        assert claim(store, FUTURE - 1, until=FUTURE) == []
        (again,) = claim(store, FUTURE, until=FUTURE + 1)
        assert (again.id, again.attempts, again.body) == (claimed.id, 2, claimed.body)
        (row,) = rows(store)
        assert (row["last_status"], row["last_error"]) == (500, "x" * 200)

    def test_nack_in_the_past_is_claimable_now_and_counts(self, store: Database, one: str) -> None:
        """What is due again at once is claimed at once, as the next attempt."""
        enqueue(store, one, "t1", 2)
        (claimed,) = claim(store, START, until=UNTIL)
        settle(store, claimed, "again", START - 1)
        assert [each.attempts for each in claim(store, START, until=UNTIL)] == [2]

    def test_release_gives_back_without_burning_an_attempt(self, store: Database, one: str) -> None:
        """Claims that nothing was made of are given back, each by itself."""
        enqueue(store, one, "t1", 2)
        enqueue(store, one, "t2", 2)
        kept, given = claim(store, START, until=UNTIL)
        give_back(store, given)
        assert [row["attempts"] for row in rows(store)] == [1, 0]
        assert ids(claim(store, START, until=UNTIL)) == [given.id]
        assert settle(store, kept, "delivered", status=200)

    def test_release_in_the_past_is_claimable_with_same_attempt(
        self, store: Database, one: str
    ) -> None:
        """What was given back is the same attempt once more, of another mark."""
        enqueue(store, one, "t1", 2)
        (first,) = claim(store, START, until=UNTIL)
        give_back(store, first)
        (second,) = claim(store, START, until=UNTIL)
        assert (second.attempts, second.id) == (1, first.id)
        assert second.lease != first.lease

    def test_dead_letter_is_never_claimed_again(self, store: Database, one: str) -> None:
        """What is given up is kept, and not tried again."""
        enqueue(store, one, "t1", 2)
        (claimed,) = claim(store, START, until=UNTIL)
        assert settle(store, claimed, "dead", error="timeout")
        assert claim(store, FUTURE, until=FUTURE) == []
        (row,) = rows(store)
        assert (row["state"], row["settled"], row["last_error"]) == ("dead", START, "timeout")


class TestStale:
    """A result that arrives after its claim has expired is ignored."""

    @pytest.mark.parametrize("fate", ["delivered", "again", "dead", "gone"])
    @pytest.mark.parametrize("by", ["v", "w"])
    def test_stale_settle(self, store: Database, one: str, fate: str, by: str) -> None:
        """A claim that ran out settles nothing, once another has the event: it says False, and
        neither the event nor the address changes. (The contract's stale_ack, stale_nack and
        stale_dead_letter.)
        """
        enqueue(store, one, "t1", 2)
        (late,) = claim(store, START, until=UNTIL)
        (present,) = claim(store, LATER, until=FUTURE, by=by)
        before = rows(store), addresses(store)
        assert not settle(store, late, fate, now=START + 2 * GIVEN_UP, status=500)
        give_back(store, late)
        assert (rows(store), addresses(store)) == before
        assert settle(store, present, "again", LATER)
        assert ids(claim(store, LATER, until=FUTURE)) == [present.id]

    def test_twice(self, store: Database, one: str) -> None:
        """Nobody settles an event twice."""
        enqueue(store, one, "t1", 2)
        (claimed,) = claim(store, START, until=UNTIL)
        assert settle(store, claimed, "delivered", status=200)
        before = rows(store)
        assert not settle(store, claimed, "dead")
        give_back(store, claimed)
        assert rows(store) == before

    def test_counted_anew(self, store: Database, one: str) -> None:
        """An attempt from before a new address is not one of those after it, though they are
        counted alike.
        """
        enqueue(store, one, "t1", 2)
        (late,) = claim(store, START, until=UNTIL)
        (lost,) = claim(store, LATER, until=LATER + 1)
        settle(store, lost, "again", LATER)
        subscribe(store, one)
        (present,) = claim(store, LATER, until=FUTURE)
        assert present.attempts == late.attempts == 1
        assert not settle(store, late, "delivered", status=200)
        assert settle(store, present, "delivered", status=200)


class TestOrder:
    """The events of one ticket go one after the other; those of others go by."""

    def test_strict_ordering_holds_back_successors_of_a_retrying_message(
        self, store: Database, one: str
    ) -> None:
        """Behind one that waits for its next attempt the others of its ticket wait."""
        enqueue(store, one, "t1", 2)
        enqueue(store, one, "t1", 3)
        others = enqueue(store, one, "t2", 2)
        (first,) = claim(store, START, until=UNTIL, most=1)
        settle(store, first, "again", FUTURE)
        assert ids(claim(store, START, until=UNTIL)) == others
        assert claim(store, FUTURE - 1, until=FUTURE)[0].ticket == "t2"
        assert first.id in ids(claim(store, FUTURE, until=FUTURE + 1))

    def test_strict_ordering_holds_back_successors_of_a_leased_message(
        self, store: Database, one: str
    ) -> None:
        """Behind one whose attempt is under way, or lost, they wait, too."""
        enqueue(store, one, "t1", 2, count=2)
        enqueue(store, one, "t1", 3)
        for now in (START, LATER):
            (first,) = claim(store, now, until=now + 60 * SECOND)
            assert first.id == "t1-2-0"
            assert claim(store, now, until=UNTIL) == []
        settle(store, first, "delivered", status=200)
        (second,) = claim(store, LATER, until=FUTURE)
        assert second.id == "t1-2-1"
        settle(store, second, "dead")
        assert ids(claim(store, LATER, until=FUTURE)) == ["t1-3-0"]

    def test_by_version(self, store: Database, one: str) -> None:
        """What counts is the order of the ticket's versions, the tenth behind the second."""
        for version in (2, 9, 10, 11, 100):
            enqueue(store, one, "t1", version)
        found = []
        while claimed := claim(store, START, until=UNTIL):
            found += ids(claimed)
            settle(store, claimed[0], "delivered", status=200)
        assert found == [f"t1-{version}-0" for version in (2, 9, 10, 11, 100)]

    def test_once(self, store: Database, one: str) -> None:
        """A version of a ticket raises its events once."""
        enqueue(store, one, "t1", 2)
        with pytest.raises(DBAPIError):
            enqueue(store, one, "t1", 2)
        assert len(rows(store)) == 1


def test_rolled_back(store: Database, one: str) -> None:
    """A change that is rolled back raises no event."""

    def job(connection: Connection) -> None:
        """Raise an event, and fail."""
        raised = [Event("e1", "n", b"{}")]
        outbox.enqueue(connection, one, "t1", 2, raised=raised, now=START)
        raise KeyError

    with pytest.raises(KeyError):
        store.submit(job).result(30)
    assert rows(store) == []
    enqueue(store, one, "t1", 2)


def test_stats(store: Database, one: str) -> None:
    """It is known how many wait, how old the oldest is, and how many are dead."""
    assert store.read_now(outbox.depth) == (0, 0.0, 0)
    now = store.read_now(outbox.clock)
    for ticket in ("t1", "t2", "t3"):
        enqueue(store, one, ticket, 2)
    text = f"UPDATE event SET raised = {now - 90 * SECOND} WHERE ticket = 't1'"  # noqa: S608 - our own words
    store.submit(lambda c: c.exec_driver_sql(text)).result(30)
    first, second, _ = claim(store, START, until=UNTIL)
    depth = store.read_now(outbox.depth)
    assert (depth.pending, depth.dead) == (3, 0)
    assert depth.oldest >= 90
    settle(store, first, "dead")
    settle(store, second, "delivered", status=200)
    depth = store.read_now(outbox.depth)
    assert (depth.pending, depth.oldest, depth.dead) == (1, 0.0, 1)


def test_purge(store: Database, one: str) -> None:
    """What was settled before a moment is forgotten; what waits never is."""
    for ticket in ("t1", "t2", "t3"):
        enqueue(store, one, ticket, 2)
    first, second, third = claim(store, START, until=UNTIL)
    settle(store, first, "delivered", now=START, status=200)
    settle(store, second, "dead", now=START + 1)
    assert store.submit(lambda c: outbox.purge(c, START)).result(30) == 0
    assert store.submit(lambda c: outbox.purge(c, START + 1)).result(30) == 1
    assert [row["id"] for row in rows(store)] == [second.id, third.id]
    assert store.submit(lambda c: outbox.purge(c, 2 * START)).result(30) == 1
    assert [row["id"] for row in rows(store)] == [third.id]
