"""The laws of changes and events, whatever happens in whatever order, against a plain model.

Only listed moves of a ticket succeed; what is refused, or breaks, changes nothing and raises
nothing; no committed change is without its events and no event without its change; an event is the
same at every attempt; first arrivals are in the order of their ticket.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import select

from server import backoffice, outbox
from server.document import load
from server.errors import Refused
from server.events import Events
from server.retrying import GIVEN_UP, Outcome, decide
from server.schema import TABLES, document
from server.store import Store
from server.tickets import Tickets
from server.wire import Asked
from tests.api.conftest import complaint
from tests.delivery.turning import (
    SECOND,
    Clock,
    addresses,
    claim,
    operator,
    rows,
    subscribe,
    unsubscribe,
)
from ttrules.book import shipped

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from server.outbox import Claimed
    from server.wire import Answer

LIFECYCLE = shipped().data["lifecycle"]
MOVES = {status: {each["to"] for each in moves} for status, moves in LIFECYCLE["moves"].items()}
EVENTS = Events(LIFECYCLE, load()["components"]["schemas"])
LEASE = 60 * SECOND
QUERIES = (None, "eventType=TroubleTicketResolvedEvent", f"eventType={','.join(EVENTS.names[:3])}")
#: Members that the provider may change, and values that they may have.
MEMBERS = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from([*MOVES]),
        "correlationId": st.sampled_from("ab"),
        "statusChangeReason": st.sampled_from("ab"),
        "resolutionCode": st.sampled_from(["a", None]),
    },
)


@dataclass
class Told:
    """An event as the model has it."""

    id: str
    ticket: str
    body: bytes
    state: str = "pending"
    attempts: int = 0
    due: int = 0
    lease: str | None = None
    #: Whether an attempt was ever begun.
    tried: bool = False


@dataclass
class Model:
    """What should be in the database."""

    tickets: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: list[Told] = field(default_factory=list)
    #: The query of the address, since when it fails, and whether it is given up.
    address: dict[str, Any] | None = None

    def due(self, now: int, most: int) -> list[Told]:
        """Return the events that may be claimed."""
        if self.address is None or self.address["disabled"] is not None:
            return []
        first: dict[str, Told] = {}
        for each in self.events:
            if each.state == "pending":
                first.setdefault(each.ticket, each)
        return sorted(
            (each for each in first.values() if each.due <= now), key=lambda each: each.due
        )[:most]


class Laws(RuleBasedStateMachine):
    """Everything that may happen to the tickets of one operator, and to its events."""

    store: Store
    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        super().__init__()

        def empty(connection: Any) -> None:
            for table in reversed(TABLES.sorted_tables):
                if table.name != "schema_version":
                    connection.execute(table.delete())

        self.store.submit(empty).result(30)
        self.operator = operator(self.store)
        self.clock = Clock()
        self.tickets = Tickets(self.store, shipped(), EVENTS, lambda: None)
        self.all = Tickets(self.store, backoffice.book(), EVENTS, lambda: None, by="provider")
        self.model = Model()
        self.claims: list[Claimed] = []

    def run(self, asked: Coroutine[Any, Any, Answer]) -> dict[str, Any]:
        """Return the ticket that is answered."""
        ticket: dict[str, Any] = json.loads(self.loop.run_until_complete(asked).body)
        return ticket

    def tried(self, asked: Asked) -> tuple[dict[str, Any], Exception | None]:
        """Return the ticket as the provider has changed it, or what speaks against that."""
        try:
            return self.run(self.all.patch(asked)), None
        except (Refused, ZeroDivisionError) as failure:
            return {}, failure

    def asked(self, **more: Any) -> Asked:
        """Return a request at this moment."""
        now = datetime.fromtimestamp(self.clock.now / SECOND, UTC)
        return Asked(operator=self.operator, now=now, **more)

    @rule()
    def create(self) -> None:
        """Make a ticket, which raises nothing."""
        if len(self.model.tickets) < 4:
            ticket = self.run(self.tickets.create(self.asked(body=complaint())))
            self.model.tickets[ticket["id"]] = ticket

    @rule(data=st.data(), patch=MEMBERS, is_broken=st.booleans(), is_bad=st.booleans())
    def change(
        self, *, data: st.DataObject, patch: dict[str, Any], is_broken: bool, is_bad: bool
    ) -> None:
        """Change a ticket: as a whole, with its events, or not at all."""
        if not self.model.tickets:
            return
        number = data.draw(st.sampled_from([*self.model.tickets]))
        before = self.model.tickets[number]
        sent = {**patch, "severity": "None"} if is_bad else patch
        asked = self.asked(path={"troubleTicketId": number}, body=sent)
        status = patch.get("status", before["status"])
        is_listed = status == before["status"] or status in MOVES[before["status"]]
        with pytest.MonkeyPatch.context() as patched:
            if is_broken:
                patched.setattr(outbox, "enqueue", self.breaking)
            after, failure = self.tried(asked)
        if failure is not None:
            assert is_broken or not is_listed or is_bad
            assert is_broken or isinstance(failure, Refused)
            return
        assert is_listed
        assert not is_bad
        assert all(after.get(name) == value for name, value in patch.items())
        self.model.tickets[number] = after
        names: list[str] = []
        if self.model.address is not None:
            wanted = EVENTS.wanted(self.model.address["query"])
            names = [name for name in EVENTS.raised(before, after) if name in wanted]
        assert not (is_broken and names)
        new = rows(self.store)[len(self.model.events) :]
        assert [row["name"] for row in new] == names
        assert {row["ticket"] for row in new} <= {number}
        self.model.events += [Told(row["id"], row["ticket"], row["body"]) for row in new]

    @staticmethod
    def breaking(*arguments: Any, raised: Any, **more: Any) -> None:
        """Enqueue, and break."""
        if raised:
            _enqueue(*arguments, raised=raised, **more)
            raise ZeroDivisionError

    @rule(most=st.integers(1, 3))
    def claim(self, most: int) -> None:
        """Claim what is due: the first of each ticket, the same as ever."""
        until = self.clock.now + LEASE
        expected = self.model.due(self.clock.now, most)
        claimed = claim(self.store, self.clock.now, until=until, most=most)
        assert {each.id for each in claimed} == {each.id for each in expected}
        by_id = {each.id: each for each in expected}
        for each in claimed:
            told = by_id[each.id]
            assert (each.body, each.attempts) == (told.body, told.attempts + 1)
            of_ticket = [one for one in self.model.events if one.ticket == each.ticket]
            if not told.tried:
                assert not any(one.tried for one in of_ticket[of_ticket.index(told) :])
            told.tried, told.attempts, told.due, told.lease = True, each.attempts, until, each.lease
        self.claims += claimed

    @rule(data=st.data(), status=st.sampled_from([200, 200, 500, 410]))
    def settle(self, data: st.DataObject, status: int) -> None:
        """End any attempt that was ever made; only that of the last claim says how."""
        if not self.claims:
            return
        claimed = data.draw(st.sampled_from(self.claims))
        decision = decide(Outcome(status), claimed.attempts, now=self.clock.now, dice=0.5)
        now = self.clock.now
        is_ours = self.store.submit(
            lambda c: outbox.settle(c, claimed, Outcome(status), decision, now)
        ).result(30)
        told = next((each for each in self.model.events if each.lease == claimed.lease), None)
        assert is_ours == (told is not None)
        if told is None:
            return
        told.lease = None
        if decision.fate in {"delivered", "dead"}:
            told.state = decision.fate
        else:
            told.due = decision.due
        address = self.model.address
        if address is None or address["id"] != claimed.to.id:
            return
        if decision.fate == "delivered":
            address["failing"] = None
            return
        address["failing"] = now if address["failing"] is None else address["failing"]
        if decision.fate == "gone" or address["failing"] <= now - GIVEN_UP:
            address["disabled"] = now if address["disabled"] is None else address["disabled"]

    @rule(seconds=st.sampled_from([1, 61, 7_200, 90_000, 500_000]))
    def wait(self, seconds: int) -> None:
        """Let time pass: attempts become due, and claims run out."""
        self.clock.move(seconds)

    @rule(query=st.sampled_from(QUERIES))
    def subscribe(self, query: str | None) -> None:
        """Set an address, or another one."""
        number = subscribe(self.store, self.operator, query=query)
        self.model.address = {"id": number, "query": query, "failing": None, "disabled": None}
        for each in self.model.events:
            if each.state == "pending" and each.lease is None:
                each.due = each.attempts = 0

    @rule()
    def unsubscribe(self) -> None:
        """Take the address away."""
        assert unsubscribe(self.store, self.operator) == (self.model.address is not None)
        if self.model.address is not None:
            self.model.events = [each for each in self.model.events if each.state != "pending"]
        self.model.address = None

    @rule(data=st.data())
    def redeliver(self, data: st.DataObject) -> None:
        """Let an event that is settled be sent once more."""
        if not self.model.events:
            return
        told = data.draw(st.sampled_from(self.model.events))
        done = self.store.submit(lambda c: outbox.redeliver(c, told.id)).result(30)
        assert done == (told.state != "pending")
        if done:
            told.state, told.due, told.attempts = "pending", 0, 9

    @invariant()
    def same(self) -> None:
        """Hold the database against the model."""
        found = [
            Told(*(row[name] for name in ("id", "ticket", "body", "state", "attempts")))
            for row in rows(self.store)
        ]
        for each, row in zip(found, rows(self.store), strict=True):
            each.due, each.lease = row["due"], row["lease"]
        for each, told in zip(found, self.model.events, strict=True):
            each.tried = told.tried
            assert told.state != "pending" or each == told
            assert (each.id, each.state, each.body) == (told.id, told.state, told.body)
        columns = ("id", "query", "failing", "disabled")
        stored = [{name: row[name] for name in columns} for row in addresses(self.store)]
        assert stored == ([] if self.model.address is None else [self.model.address])
        texts = self.store.read_now(lambda c: c.execute(select(document)).all())
        assert {row.id: json.loads(row.document) for row in texts} == self.model.tickets


_enqueue = outbox.enqueue


def test_laws(tmp_path: Path) -> None:
    """They hold."""
    loop = asyncio.new_event_loop()
    store = Store(f"sqlite:///{tmp_path}/t.db").open()
    kept = {"store": store, "loop": loop}
    few = settings(stateful_step_count=30)
    try:
        run_state_machine_as_test(type("Held", (Laws,), kept), settings=few)
    finally:
        store.close()
        loop.close()
