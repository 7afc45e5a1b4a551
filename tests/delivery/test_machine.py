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
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select, update

from server.api.hrefs import Hrefs
from server.api.http import Request
from server.api.ticket_events import Events
from server.api.tickets import Tickets
from server.problems import ApiError
from server.retry import GIVEN_UP, Outcome, decide
from server.storage import outbox
from server.storage.database import Database
from server.storage.tables import TABLES, document, subscription
from server.storage.tables import operator as all_operators
from server.validation import Validation
from tests.support.profiles import OPERATOR, PROVIDER, SHIPPED
from tests.support.tickets import complaint
from tests.support.turns import (
    SECOND,
    Clock,
    addresses,
    claim,
    operator,
    rows,
    subscribe,
    unsubscribe,
)
from ttrules.rulebook import shipped

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from server.api.http import Response
    from server.storage.outbox import Claimed

pytestmark = pytest.mark.slow

LIFECYCLE = shipped().matrix.lifecycle
MOVES = {status: {each["to"] for each in moves} for status, moves in LIFECYCLE["moves"].items()}
#: Where no move leads out: of such a ticket only notes are accepted.
FINAL = {status for status, moves in MOVES.items() if not moves}
EVENTS = Events(SHIPPED)
HREFS = Hrefs("", SHIPPED)
LEASE = 60 * SECOND
STATUSES = st.sampled_from([200, 200, 200, 500, 500, 410])
RESOLVED = "eventType=TroubleTicketResolvedEvent"
QUERIES = (None, None, RESOLVED, f"eventType={','.join(EVENTS.names[:3])}")
#: Members that the provider may change, and values that they may have.
MEMBERS = st.fixed_dictionaries(
    {},
    optional={
        "correlationId": st.sampled_from("ab"),
        "statusChangeReason": st.sampled_from("ab"),
        "resolutionCode": st.sampled_from("ab"),
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
    #: The subscription, as it is stored.
    address: dict[str, Any] | None = None
    #: Whether the operator is disabled.
    suspended: bool = False

    def due(self, now: int, most: int) -> list[Told]:
        """Return the events that may be claimed."""
        if self.address is None or self.address["disabled"] is not None or self.suspended:
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

    store: Database
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
        self.tickets, self.all = (
            Tickets(
                self.store,
                SHIPPED,
                side,
                events=EVENTS,
                wake=lambda: None,
                validation=Validation(),
                hrefs=HREFS,
            )
            for side in (OPERATOR, PROVIDER)
        )
        self.model = Model()
        self.claims: list[Claimed] = []
        self.changes = 0

    def run(self, asked: Coroutine[Any, Any, Response]) -> dict[str, Any]:
        """Return the ticket that is answered."""
        ticket: dict[str, Any] = json.loads(self.loop.run_until_complete(asked).body)
        return ticket

    def tried(self, number: str, sent: dict[str, Any]) -> tuple[dict[str, Any], Exception | None]:
        """Return the ticket as the provider has changed it, or what speaks against that."""
        asked = self.asked(path={"troubleTicketId": number}, body=sent)
        try:
            after = self.run(self.all.patch(asked))
        except (ApiError, ZeroDivisionError) as failure:
            return {}, failure
        assert after.pop("operator") == "one"
        return after, None

    def asked(self, **more: Any) -> Request:
        """Return a request at this moment."""
        now = datetime.fromtimestamp(self.clock.now / SECOND, UTC)
        return Request(operator=self.operator, now=now, **more)

    @initialize(count=st.integers(1, 3), query=st.sampled_from(QUERIES))
    def begin(self, count: int, query: str | None) -> None:
        """Begin with tickets, which raise nothing, and an address."""
        for _ in range(count):
            ticket = self.run(self.tickets.create(self.asked(body=complaint())))
            self.model.tickets[ticket["id"]] = ticket
        self.subscribe(query)

    @rule(
        data=st.data(), patch=MEMBERS, moves=st.booleans(), statuses=st.lists(STATUSES, max_size=3)
    )
    def change(
        self, *, data: st.DataObject, patch: dict[str, Any], moves: bool, statuses: list[int]
    ) -> None:
        """Change a ticket by what is allowed: it is as it should be, and so are its events."""
        number = data.draw(st.sampled_from([*self.model.tickets]))
        before = self.model.tickets[number]
        self.changes += 1
        sent = patch or {"correlationId": f"C-{self.changes}"}  # which is another one
        if moves and (to := sorted(MOVES[before["status"]])):
            sent = {**sent, "status": data.draw(st.sampled_from(to))}
        after, failure = self.tried(number, sent)
        if before["status"] in FINAL and any(before.get(name) != sent[name] for name in sent):
            assert isinstance(failure, ApiError)
            return
        assert failure is None
        assert all(after[name] == value for name, value in sent.items())
        self.model.tickets[number] = after
        names: list[str] = []
        if self.model.address is not None:
            wanted = EVENTS.wanted(self.model.address["query"])
            names = [name for name in EVENTS.raised(before, after) if name in wanted]
        new = rows(self.store)[len(self.model.events) :]
        assert [row["name"] for row in new] == names
        assert {row["ticket"] for row in new} <= {number}
        self.model.events += [Told(row["id"], row["ticket"], row["body"]) for row in new]
        for status in statuses:
            self.attempt(1, status)

    @rule(data=st.data(), patch=MEMBERS, status=st.sampled_from([*MOVES]))
    def refuse(self, data: st.DataObject, patch: dict[str, Any], status: str) -> None:
        """Change a ticket by what is not allowed: a move that is not listed, or no value."""
        number = data.draw(st.sampled_from([*self.model.tickets]))
        before = self.model.tickets[number]["status"]
        is_listed = status == before or status in MOVES[before]
        sent = {**patch, **({"severity": "None"} if is_listed else {"status": status})}
        assert isinstance(self.tried(number, sent)[1], ApiError)

    @rule(data=st.data(), patch=MEMBERS)
    def break_off(self, data: st.DataObject, patch: dict[str, Any]) -> None:
        """Let a change break once its events are in the outbox: neither is there afterwards."""
        number = data.draw(st.sampled_from([*self.model.tickets]))
        before = self.model.tickets[number]
        sent = {**patch, "correlationId": "c" if before.get("correlationId") != "c" else "d"}
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(outbox, "enqueue", self.breaking)
            failure = self.tried(number, sent)[1]
        if failure is None:  # nobody hears of it
            assert self.model.address is None or self.model.address["query"] is not None
            text = self.store.read_now(
                lambda c: self.store.rows.one(c, self.operator, number, whole=True)
            )
            assert text is not None
            self.model.tickets[number] = text.ticket()
        else:
            expected = ApiError if before["status"] in FINAL else ZeroDivisionError
            assert isinstance(failure, expected)

    @staticmethod
    def breaking(*arguments: Any, raised: Any, **more: Any) -> None:
        """Enqueue, and break."""
        if raised:
            _enqueue(*arguments, raised=raised, **more)
            raise ZeroDivisionError

    @rule(most=st.integers(1, 3), status=STATUSES)
    def attempt(self, most: int, status: int) -> None:
        """Claim what is due, and let the attempts end."""
        for claimed in self.claimed(most):
            self.ended(claimed, status)

    @rule()
    def look(self) -> None:
        """Claim what is due, or find that nothing is."""
        self.claimed(3)

    def claimed(self, most: int) -> list[Claimed]:
        """Return what is due, claimed: the first of each ticket, the same as ever."""
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
        return claimed

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), status=STATUSES)
    def settle(self, data: st.DataObject, status: int) -> None:
        """End any attempt that was ever made."""
        self.ended(data.draw(st.sampled_from(self.claims)), status)

    def ended(self, claimed: Claimed, status: int) -> None:
        """End an attempt; only that of the last claim says how."""
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
        address["last_status"] = status
        if decision.fate == "delivered":
            address["failing"], address["last_success"] = None, now
            return
        address["failing"] = now if address["failing"] is None else address["failing"]
        if decision.fate == "gone" or address["failing"] <= now - GIVEN_UP:
            address["disabled"] = now if address["disabled"] is None else address["disabled"]

    @rule(seconds=st.sampled_from([1, 61, 301, 90_001, 500_000]))
    def wait(self, seconds: int) -> None:
        """Let time pass: attempts become due, and claims run out."""
        self.clock.move(seconds)

    @rule()
    def suspend(self) -> None:
        """Disable the operator, or enable it again."""
        self.model.suspended = not self.model.suspended
        disabled = self.clock.now if self.model.suspended else None
        self.store.submit(
            lambda c: c.execute(update(all_operators).values(disabled=disabled))
        ).result(30)

    @rule(query=st.sampled_from(QUERIES))
    def subscribe(self, query: str | None) -> None:
        """Set an address, or another one."""
        number = subscribe(self.store, self.operator, query=query)
        self.model.address = {
            **dict.fromkeys(("failing", "disabled", "last_success", "last_status", "last_error")),
            "id": number,
            "query": query,
        }
        for each in self.model.events:
            if each.state == "pending" and each.lease is None:
                each.due = each.attempts = 0

    @precondition(lambda self: self.clock.now // SECOND % 3 == 1)  # now and then
    @rule()
    def unsubscribe(self) -> None:
        """Take the address away."""
        assert unsubscribe(self.store, self.operator) == (self.model.address is not None)
        if self.model.address is not None:
            self.model.events = [each for each in self.model.events if each.state != "pending"]
        self.model.address = None

    @precondition(lambda self: self.model.events)
    @rule(data=st.data())
    def redeliver(self, data: st.DataObject) -> None:
        """Let an event that is settled be sent once more."""
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
        columns = {*subscription.c.keys()} - {"operator", "callback"}
        stored = [{name: row[name] for name in columns} for row in addresses(self.store)]
        assert stored == ([] if self.model.address is None else [self.model.address])
        texts = self.store.read_now(lambda c: c.execute(select(document)).all())
        stored_tickets = {row.id: json.loads(row.document) for row in texts}
        without_address = {
            number: {name: value for name, value in ticket.items() if name != "href"}
            for number, ticket in self.model.tickets.items()
        }
        assert stored_tickets == without_address


_enqueue = outbox.enqueue


def test_laws(tmp_path: Path) -> None:
    """They hold."""
    loop = asyncio.new_event_loop()
    store = Database(f"sqlite:///{tmp_path}/t.db").open()
    kept = {"store": store, "loop": loop}
    few = settings(stateful_step_count=60)
    try:
        run_state_machine_as_test(type("Held", (Laws,), kept), settings=few)
    finally:
        store.close()
        loop.close()
