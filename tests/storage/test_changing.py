"""A change is stored only as the version after the one that it was computed from.

Two Tickets with stores of their own on one PostgreSQL are two processes here, so that what one does
between the reading and the storing of the other is certain.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text

import server.api.tickets
from server.api.hrefs import Hrefs
from server.api.http import JSON_PATCH, Request
from server.api.ticket_events import Events
from server.api.tickets import Tickets
from server.problems import ApiError
from server.retry import Decision, Outcome
from server.storage import operators, outbox
from server.storage.database import Database
from server.storage.tickets import TicketRows
from server.validation import Validation
from tests.support.databases import postgresql
from tests.support.profiles import OPERATOR, PROVIDER, SHIPPED
from tests.support.tickets import complaint
from tests.support.turns import START, UNTIL, claim, enqueue, operator, rows, subscribe

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from sqlalchemy import Connection, CursorResult, TextClause

pytestmark = pytest.mark.postgres

MOMENT = datetime(2026, 1, 2, tzinfo=UTC)


class Process:
    """What a server process has to change tickets with."""

    def __init__(self, url: str) -> None:
        self.store = Database(url).open()
        self.validation = Validation()
        self.tickets, self.all = (
            Tickets(
                self.store,
                SHIPPED,
                side,
                events=Events(SHIPPED),
                wake=lambda: None,
                validation=self.validation,
                hrefs=Hrefs("", SHIPPED),
            )
            for side in (OPERATOR, PROVIDER)
        )

    def close(self) -> None:
        """Let all go."""
        self.validation.close()
        self.store.close()


class Site:
    """Two processes, an operator of its own with a subscription, and one of its tickets."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.one, self.two = Process(url), Process(url)
        self.name = uuid4().hex
        self.operator = operator(self.one.store, self.name)
        subscribe(self.one.store, self.operator)
        attachment = {"@referredType": "Attachment", "name": "a", "mimeType": "text/plain"}
        body = {
            **complaint(),
            "note": [{"text": "first"}],
            "attachment": [{**attachment, "content": "QQ=="}],
        }
        self.number = self.body(asyncio.run(self.one.tickets.create(self.asked(body))))["id"]

    @staticmethod
    def body(answer: Any) -> Any:
        """Return the ticket of an answer."""
        return json.loads(answer.body)

    def asked(self, body: Any, **headers: str) -> Request:
        """Return a request about the ticket."""
        return Request(
            operator=self.operator,
            now=MOMENT,
            path={"troubleTicketId": getattr(self, "number", "")},
            headers=headers,
            body=body,
            media_type=JSON_PATCH if isinstance(body, list) else "application/json",
        )

    def get(self) -> tuple[str, Any]:
        """Return the entity tag of the ticket, and the ticket."""
        answer = asyncio.run(self.two.tickets.retrieve(self.asked(None)))
        return answer.headers["ETag"], self.body(answer)


@pytest.fixture(scope="module")
def url() -> str:
    """Give the address of a database."""
    address = postgresql("+psycopg")
    store = Database(address)
    store.migrate()
    store.close()
    return address


@pytest.fixture
def site(url: str) -> Iterator[Site]:
    """Give a site."""
    made = Site(url)
    yield made
    made.one.close()
    made.two.close()


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give what lets the second process do something just before the first one stores a change."""
    real = TicketRows.update

    def arrange(do: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        todo = [do]

        def update(*arguments: Any) -> bool:
            if todo:
                asyncio.run(todo.pop()())
            return real(*arguments)

        monkeypatch.setattr(TicketRows, "update", update)

    return arrange


def merge(**members: Any) -> dict[str, Any]:
    """Return a merge patch."""
    return {"@type": "TroubleTicket", **members}


def add(name: str, value: Any) -> list[dict[str, Any]]:
    """Return a JSON Patch that adds to a list."""
    return [{"op": "add", "path": f"/{name}/-", "value": value}]


class TestTwoProcesses:
    """Another process is quicker."""

    @pytest.mark.parametrize(
        ("mine", "others"),
        [
            (merge(name="mine"), merge(description="other")),
            (add("note", {"text": "mine"}), add("note", {"text": "other"})),
            (merge(name="mine"), add("note", {"text": "other"})),
        ],
    )
    def test_both(self, site: Site, meanwhile: Any, mine: Any, others: Any) -> None:
        """The change is computed again from the ticket as it is then: nothing is lost, and the
        events are in the order of the versions.
        """
        meanwhile(lambda: site.two.tickets.patch(site.asked(others)))
        answer = asyncio.run(site.one.tickets.patch(site.asked(mine)))
        tag, ticket = site.get()
        assert (answer.headers["ETag"], tag, site.body(answer)) == ('"3"', '"3"', ticket)
        written = json.dumps([ticket["name"], ticket["description"], ticket["note"]])
        assert written.count("mine") == written.count("other") == 1
        assert versions(site) == [2, 3]

    def test_if_match(self, site: Site, meanwhile: Any) -> None:
        """With If-Match it is refused, and nothing of it is stored, nor an event."""
        meanwhile(lambda: site.two.tickets.patch(site.asked(merge(name="other"))))
        asked = site.asked(merge(name="mine"), **{"if-match": '"1"'})
        with pytest.raises(ApiError) as refused:
            asyncio.run(site.one.tickets.patch(asked))
        assert refused.value == ApiError("preconditionFailed")
        tag, ticket = site.get()
        assert (tag, ticket["name"]) == ('"2"', "other")
        assert versions(site) == [2]

    def test_rules(self, site: Site, meanwhile: Any) -> None:
        """The rules are those of the ticket as it is then: a move that it can no longer make is
        refused.
        """
        meanwhile(lambda: site.two.all.patch(site.asked(merge(status="rejected"))))
        with pytest.raises(ApiError) as refused:
            asyncio.run(site.one.all.patch(site.asked(merge(status="acknowledged"))))
        assert refused.value.status == 409
        assert site.get()[1]["status"] == "rejected"

    def test_attachments(self, site: Site, meanwhile: Any) -> None:
        """Attachments that both add are there with their contents, and no content is left over."""
        attachment = {"@referredType": "Attachment", "name": "b", "mimeType": "text/plain"}
        others = site.asked(add("attachment", {**attachment, "content": "Qg=="}))
        meanwhile(lambda: site.two.tickets.patch(others))
        mine = site.asked(add("attachment", {**attachment, "content": "Qw=="}))
        asyncio.run(site.one.tickets.patch(mine))
        assert [each["content"] for each in site.get()[1]["attachment"]] == ["QQ==", "Qg==", "Qw=="]
        assert count(site, "content WHERE ticket = :number") == 3

    def test_gone(self, site: Site, meanwhile: Any) -> None:
        """A ticket that is deleted meanwhile is not found."""

        async def erase() -> None:
            """Delete the ticket."""
            for table in ("document", "ticket"):
                gone = text(f"DELETE FROM {table} WHERE id = :it")  # noqa: S608 - our own words
                await site.two.store.write(partial(run, gone, it=site.number))

        meanwhile(erase)
        with pytest.raises(ApiError) as refused:
            asyncio.run(site.one.tickets.patch(site.asked(merge(name="mine"))))
        assert refused.value == ApiError("notFound")


class TestLarge:
    """Large bodies, and small bodies for large tickets, are handled beside the event loop."""

    CONTENT = "QUJD" * 8_000

    def test_same(self, site: Site) -> None:
        """They are created, repeated, read, changed and refused as small ones are."""
        attachment = {"@referredType": "Attachment", "name": "a", "mimeType": "text/plain"}
        body = {**complaint(), "attachment": [{**attachment, "content": self.CONTENT}]}
        key = {"idempotency-key": uuid4().hex}
        asked = replace(site.asked(body, **key), is_small=False)
        one, again = (asyncio.run(site.one.tickets.create(asked)) for _ in range(2))
        assert one == again
        site.number = site.body(one)["id"]
        assert site.get()[1]["attachment"][0]["content"] == self.CONTENT
        fields = replace(site.asked(None), query=b"fields=attachment,name")
        assert site.body(asyncio.run(site.two.tickets.retrieve(fields)))["name"] == body["name"]
        patches: list[Any] = [
            merge(name="merged"),
            add("attachment", {**attachment, "content": self.CONTENT[4:]}),
            [{"op": "copy", "from": "/name", "path": "/description"}],
        ]
        for patch in patches:
            asyncio.run(site.one.tickets.patch(site.asked(patch)))
        ticket = site.get()[1]
        assert (ticket["name"], ticket["description"]) == ("merged", "merged")
        contents = [each["content"] for each in ticket["attachment"]]
        assert contents == [self.CONTENT, self.CONTENT[4:]]
        with pytest.raises(ApiError) as refused:
            asyncio.run(site.one.tickets.patch(site.asked(merge(name=""))))
        assert refused.value.code == "requirementsNotMet"
        unmade = replace(site.asked({**body, "name": ""}), is_small=False)
        with pytest.raises(ApiError) as refused:
            asyncio.run(site.one.tickets.create(unmade))
        assert refused.value.code == "requirementsNotMet"


class TestHeld:
    """A ticket is locked by somebody else, for longer than anybody waits."""

    def test_held(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its changes are refused, to be tried again; the writer goes on with other tickets, and
        reading goes on. Once it is free it is changed.
        """
        monkeypatch.setattr(server.api.tickets, "_PAUSES", [0.001] * 3)
        other = asyncio.run(site.one.tickets.create(site.asked(complaint())))
        with held(site, "SELECT * FROM ticket WHERE id = :it FOR UPDATE"):
            with pytest.raises(ApiError) as refused:
                asyncio.run(site.one.tickets.patch(site.asked(merge(name="mine"))))
            assert refused.value == ApiError("unavailable", headers={"Retry-After": "1"})
            assert site.get()[0] == '"1"'
            asked = site.asked(merge(name="mine"))
            about = {"troubleTicketId": site.body(other)["id"]}
            free = Request(operator=site.operator, now=MOMENT, path=about, body=asked.body)
            assert asyncio.run(site.one.tickets.patch(free)).headers["ETag"] == '"2"'
        asyncio.run(site.one.tickets.patch(site.asked(merge(name="mine"))))
        assert site.get()[0] == '"2"'


@contextmanager
def held(site: Site, statement: str) -> Iterator[None]:
    """Lock rows meanwhile."""
    engine = create_engine(site.url)
    with engine.begin() as connection:
        assert connection.execute(text(statement), {"it": site.number}).all()
        yield
    engine.dispose()


class TestAtOnce:
    """Statements of two processes that meet at the same row."""

    def test_keys(self, site: Site) -> None:
        """Two creations with one Idempotency-Key make one ticket, and both are answered with it.
        A key that has expired may be used again by both, once.
        """
        headers = {"idempotency-key": "k"}
        for now in (MOMENT, MOMENT.replace(year=2027)):
            before = count(site, "ticket WHERE operator = :operator")
            asked = site.asked(complaint(), **headers)
            asked = Request(operator=asked.operator, now=now, headers=headers, body=asked.body)

            async def both(asked: Request = asked) -> list[Any]:
                """Create tickets in both processes at once."""
                creations = [each.tickets.create(asked) for each in (site.one, site.two)]
                return await asyncio.gather(*creations)

            one, two = asyncio.run(both())
            assert one == two
            assert count(site, "ticket WHERE operator = :operator") == before + 1

    def test_operators(self, site: Site) -> None:
        """Every change of an operator counts: its versions say how many there were."""

        def change(store: Database) -> Any:
            def job(connection: Connection) -> None:
                operators.rotate(connection, site.name)
                operators.rotate_signing(connection, site.name, 0)

            return store.submit(job)

        stores = [site.one.store, site.two.store]
        for each in [change(store) for _ in range(4) for store in stores]:
            each.result(60)
        found = site.one.store.read_now(lambda c: operators.named(c, site.name))
        assert found is not None
        assert (found.version, found.signing_version) == (9, 9)

    def test_added(self, site: Site) -> None:
        """Of two that add an operator by one name, one does; the other gets OperatorExists."""

        def added(connection: Connection) -> str:
            return operators.add(connection, f"{site.name}-2", 0)

        futures = [each.store.submit(added) for each in (site.one, site.two)]
        failures = [each.exception(60) for each in futures]
        assert sorted(type(each).__name__ for each in failures) == ["NoneType", "OperatorExists"]

    def test_hub(self, site: Site) -> None:
        """Setting and resetting an address at once never fails."""

        def job(turn: int, connection: Connection) -> None:
            """Reset the address each third time, else set it."""
            if turn % 3:
                row = {"id": f"{turn}", "callback": "https://8.8.8.8/", "query": None}
                outbox.subscribe(connection, site.operator, row)
            else:
                outbox.unsubscribe(connection, site.operator, None)

        stores = [site.one.store, site.two.store]
        futures = [store.submit(partial(job, turn)) for turn in range(60) for store in stores]
        assert [each.exception(60) for each in futures] == [None] * 120

    def test_settled(self, site: Site) -> None:
        """An address may be taken away while an attempt to it is settled: one waits for the other,
        and neither is carried out twice.
        """
        enqueue(site.one.store, site.operator, site.number, 2)
        (claimed,) = claim(site.one.store, START, until=UNTIL, to=site.operator)
        holds = threading.Event()
        runs: list[str] = []

        def settling(connection: Connection) -> bool:
            runs.append("settle")
            outbox.lock_subscriptions(connection, {claimed.to.id})
            holds.set()
            assert wait_for_lock(site)
            outcome, again = Outcome(status=500), Decision("again", UNTIL)
            return outbox.settle(connection, claimed, outcome, again, START)

        def removing(connection: Connection) -> bool:
            runs.append("remove")
            return outbox.unsubscribe(connection, site.operator, None)

        settled = site.one.store.submit(settling)
        assert holds.wait(30)
        removed = site.two.store.submit(removing)
        assert settled.result(60)
        assert removed.result(60)
        assert (runs, versions(site)) == (["settle", "remove"], [])


def wait_for_lock(site: Site) -> bool:
    """Wait until a transaction waits for a lock; say whether one does."""
    engine = create_engine(site.url)
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    until = time.monotonic() + 30
    try:
        while time.monotonic() < until:
            with engine.connect() as connection:
                if connection.execute(waiting).scalar_one():
                    return True
        return False
    finally:
        engine.dispose()


def run(statement: TextClause, connection: Connection, **values: str) -> CursorResult[Any]:
    """Run a statement."""
    return connection.execute(statement, values)


def count(site: Site, where: str) -> int:
    """Return how many rows there are of the operator, or of the ticket."""
    statement = text(f"SELECT count(*) FROM {where}")  # noqa: S608 - our own words
    values = {"operator": site.operator, "number": site.number}
    return int(site.one.store.read_now(lambda c: c.execute(statement, values).scalar_one()))


def versions(site: Site) -> list[int]:
    """Return the versions of the ticket that there are events of, in the order of these."""
    return [row["seq"] // 16 for row in rows(site.one.store) if row["ticket"] == site.number]
