"""Delivery from end to end: a server that runs, on both databases, and receivers over HTTP."""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine

from server.callback_address import Policy
from server.config import Config
from server.delivery.sender import EventSender
from server.delivery.worker import Delivery
from server.storage import operators
from server.telemetry import Metrics
from tests.delivery.receivers import receiving
from tests.support.databases import DATABASES, postgresql
from tests.support.server_commands import delivering
from tests.support.servers import NAMES, serving
from tests.support.turns import MASTER, enqueue, rows, subscribe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from server.storage.database import Database
    from tests.delivery.receivers import Received, Receiver
    from tests.support.servers import Client, Server

pytestmark = pytest.mark.slow

#: An attempt outlasts what these tests wait for.
PATIENT = {"TTR_EVENT_DEADLINE": "100", "TTR_EVENT_LEASE": "200"}
VALUE = "TroubleTicketAttributeValueChangeEvent"


@pytest.fixture(scope="module", params=DATABASES)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Return a server that delivers its events itself, or on PostgreSQL by another process."""
    environment = {
        "TTR_ALLOW_LOOPBACK_CALLBACKS": "1",
        "TTR_SIGNING_KEY": b64encode(MASTER).decode(),
        **PATIENT,
    }
    if request.param == "sqlite":
        address = f"sqlite:///{tmp_path_factory.mktemp('delivery')}/t.db"
        with serving(address, **environment) as running:
            yield running
        return
    address = postgresql()
    with serving(address, **environment) as running, delivering(address, environment):
        yield running


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Give a receiver over HTTP."""
    with receiving() as made:
        yield made


@pytest.fixture
def second() -> Iterator[Receiver]:
    """Give another one."""
    with receiving() as made:
        yield made


class Changes:
    """A ticket of an operator, which the provider changes."""

    def __init__(self, server: Server, client: Client) -> None:
        self.number: str = client.created()["id"]
        self._provider = server.backoffice()

    def make(self, reason: str) -> None:
        """Change the ticket."""
        answer = self._provider.patch(
            f"/troubleTicket/{self.number}", json={"statusChangeReason": reason}
        )
        assert answer.status_code == 200


def reason(received: Received) -> str:
    """Return what an event says of the change that raised it."""
    text: str = json.loads(received.body)["event"]["troubleTicket"]["statusChangeReason"]
    return text


def set_address(client: Client, receiver: Receiver) -> str:
    """Let an operator's events be sent to a receiver; return the subscription's id."""
    answer = client.post("/hub", json={"callback": f"{receiver.url}/listener"})
    assert answer.status_code == 201
    number: str = answer.json()["id"]
    return number


def test_order(server: Server, receiver: Receiver) -> None:
    """The events of a ticket are taken in its order though some fail first; an event that is sent
    again has the same identifier and bytes, and a new time.
    """
    client = server.client()
    failed: set[str] = set()

    def answer(received: Received) -> tuple[int, dict[str, str]]:
        number = received.headers["webhook-id"]
        if reason(received) == "1" and number not in failed:
            failed.add(number)
            return 500, {}
        return 201, {}

    receiver.answer = answer
    set_address(client, receiver)
    changes = Changes(server, client)
    for number in range(5):
        changes.make(str(number))
    received = receiver.wait_for(6)
    assert [reason(each) for each in received] == ["0", "1", "1", "2", "3", "4"]
    first, again = received[1:3]
    assert (again.body, again.path) == (first.body, first.path)
    assert again.headers["webhook-id"] == first.headers["webhook-id"]
    assert int(again.headers["webhook-timestamp"]) > int(first.headers["webhook-timestamp"])
    assert len({each.headers["webhook-id"] for each in received}) == 5
    for each in received:
        assert each.path == f"/listener/{VALUE}"
        assert each.headers["content-type"] == "application/json"
        body = json.loads(each.body)
        assert body["eventId"] == each.headers["webhook-id"]
        assert body["event"]["troubleTicket"]["id"] == changes.number
    client.delete("/hub")


def test_hangs(server: Server, receiver: Receiver, second: Receiver) -> None:
    """A receiver that hangs delays its own operator alone: every event of another arrives, in its
    order, before the first attempt there has ended.
    """
    hangs, works = (server.client(name) for name in NAMES[:2])
    go_on = threading.Event()
    ended: list[int] = []

    def answer(_: Received) -> tuple[int, dict[str, str]]:
        go_on.wait(90)
        ended.append(len(second.received))
        return 201, {}

    receiver.answer = answer
    set_address(hangs, receiver)
    set_address(works, second)
    stuck = [Changes(server, hangs) for _ in range(6)]
    for each in stuck:
        each.make("stuck")
    receiver.wait_for(1)
    changes = [Changes(server, works) for _ in range(4)]
    try:
        for number in range(20):
            changes[number % 4].make(str(number))
        received = second.wait_for(20)
        assert ended == []
    finally:
        go_on.set()
    receiver.wait_for(6)
    for at in range(4):
        tickets = [json.loads(each.body)["event"]["troubleTicket"] for each in received]
        told = [each["statusChangeReason"] for each in tickets if each["id"] == changes[at].number]
        assert told == [str(number) for number in range(at, 20, 4)]
    for client in (hangs, works):
        client.delete("/hub")


def test_removed(server: Server, receiver: Receiver, second: Receiver) -> None:
    """Once the address is taken away no attempt begins, nor with another address: what waited is
    discarded.
    """
    client = server.client()
    receiver.answer = lambda _: (500, {})
    number = set_address(client, receiver)
    changes = Changes(server, client)
    changes.make("discarded")
    receiver.wait_for(1)
    assert client.delete(f"/hub/{number}").status_code == 204
    changes.make("not heard")
    set_address(client, second)
    changes.make("heard")
    assert [reason(each) for each in second.wait_for(1)] == ["heard"]
    assert len(receiver.received) == 1
    client.delete("/hub")


def test_replaced(server: Server, receiver: Receiver, second: Receiver) -> None:
    """What waits for an address goes to the one that replaces it, and there alone."""
    client = server.client()
    go_on = threading.Event()

    def answer(_: Received) -> tuple[int, dict[str, str]]:
        assert go_on.wait(60)
        return 500, {}

    receiver.answer = answer
    set_address(client, receiver)
    changes = Changes(server, client)
    for number in range(3):
        changes.make(str(number))
    (tried,) = receiver.wait_for(1)
    set_address(client, second)
    go_on.set()
    received = second.wait_for(3)
    assert [reason(each) for each in received] == ["0", "1", "2"]
    assert received[0].body == tried.body
    assert len(receiver.received) == 1
    client.delete("/hub")


def test_gone(server: Server, receiver: Receiver, second: Receiver) -> None:
    """An address that is gone is sent nothing more; the next one gets what waits."""
    client = server.client()
    receiver.answer = lambda _: (410, {})
    set_address(client, receiver)
    changes = Changes(server, client)
    for number in range(3):
        changes.make(str(number))
    receiver.wait_for(1)
    set_address(client, second)
    assert [reason(each) for each in second.wait_for(3)] == ["0", "1", "2"]
    assert len(receiver.received) == 1
    client.delete("/hub")


@pytest.mark.parametrize(
    ("behind", "path"),
    [
        ("/hook?token=abc", f"/hook/{VALUE}?token=abc"),
        ("/hook/?a=/b/&c=%20", f"/hook/{VALUE}?a=/b/&c=%20"),
        ("?token=abc", f"/{VALUE}?token=abc"),
        ("", f"/{VALUE}"),
        ("/a%2Fb%3Fc/", f"/a%2Fb%3Fc/{VALUE}"),
    ],
)
def test_query(server: Server, receiver: Receiver, behind: str, path: str) -> None:
    """The name of an event is added to the callback's path; a query stays behind it."""
    client = server.client()
    answer = client.post("/hub", json={"callback": receiver.url + behind})
    assert (answer.status_code, answer.json()["callback"]) == (201, receiver.url + behind)
    Changes(server, client).make("once")
    assert receiver.wait_for(1)[0].path == path
    client.delete("/hub")


def settled(server: Server, client: Client, event: str, state: str) -> dict[str, Any]:
    """Return an operator's event once it is in a state; it was sent already."""
    while (shown := client.get(f"/event/{event}").json())["state"] != state:
        assert server.process.poll() is None
    found: dict[str, Any] = shown
    return found


def test_state(server: Server, receiver: Receiver) -> None:
    """Both sides see what became of a callback: whether events arrive, since when they do not, how
    many wait; and both can have an event sent again.
    """
    client, provider = server.client(), server.backoffice()
    number = set_address(client, receiver)
    fresh = client.get("/hub").json()
    assert fresh == {
        "id": number,
        "callback": f"{receiver.url}/listener",
        "state": "active",
        "pending": 0,
    }
    changes = Changes(server, client)
    changes.make("arrives")
    (first,) = receiver.wait_for(1)
    event = first.headers["webhook-id"]
    shown = settled(server, client, event, "delivered")
    assert (shown["ticket"], shown["attempts"], shown["lastStatus"]) == (changes.number, 1, 201)
    assert shown["event"] == json.loads(first.body)
    state = client.get(f"/hub/{number}").json()
    assert state == {**fresh, "lastSuccess": shown["settled"], "lastStatus": 201}
    for again in (client, provider):
        assert again.post(f"/event/{event}/redelivery").status_code == 202
        assert settled(server, client, event, "delivered")
    assert [each.body for each in receiver.wait_for(3)] == [first.body] * 3

    receiver.answer = lambda _: (410, {})
    changes.make("is refused")
    receiver.wait_for(4)
    changes.make("waits")
    while (state := client.get("/hub").json())["state"] != "givenUp":
        assert server.process.poll() is None
    assert (state["pending"], state["lastStatus"]) == (2, 410)
    assert state["failingSince"] == state["givenUpSince"] >= state["lastSuccess"]
    theirs = {**state, "operator": NAMES[0]}
    assert provider.get(f"/hub/{number}").json() == theirs
    assert provider.get("/hub", params={"operator": NAMES[0]}).json() == [theirs]
    states = [each["state"] for each in client.get("/event").json() if each["id"] != event]
    assert states[:2] == ["pending", "pending"]
    assert provider.delete(f"/hub/{number}").status_code == 204
    assert client.get("/hub").status_code == 404
    assert client.get("/event", params={"state": "pending"}).json() == []


def test_disabled(server: Server, receiver: Receiver, second: Receiver) -> None:
    """Nothing is sent to a disabled operator; what is raised for it waits, and arrives in its order
    once the operator is enabled again. The provider can remove its callback.
    """
    name = NAMES[2]
    engine = create_engine(server.database)
    changes = Changes(server, server.client(name))
    number = set_address(server.client(name), receiver)
    set_address(server.client(), second)
    with engine.begin() as connection:
        operators.disable(connection, name, 1)
    for text in ("0", "1", "2"):
        changes.make(text)
    another = Changes(server, server.client())
    for count in range(1, 4):  # each of them a turn of delivery, or more
        another.make(str(count))
        second.wait_for(count)
    assert receiver.received == []
    provider = server.backoffice()
    state = provider.get(f"/hub/{number}").json()
    assert (state["state"], state["pending"], state["operator"]) == ("suspended", 3, name)

    with engine.begin() as connection:
        server.secrets[name] = operators.rotate(connection, name)
    assert [reason(each) for each in receiver.wait_for(3)] == ["0", "1", "2"]

    with engine.begin() as connection:
        operators.disable(connection, name, 1)
    changes.make("discarded")
    assert provider.delete(f"/hub/{number}").status_code == 204
    with engine.begin() as connection:
        server.secrets[name] = operators.rotate(connection, name)
    engine.dispose()
    assert server.client(name).get("/hub").status_code == 404
    assert set_address(server.client(name), receiver)
    changes.make("3")
    assert [reason(each) for each in receiver.wait_for(4)][3:] == ["3"]
    for client in (server.client(), server.client(name)):
        client.delete("/hub")


def test_heir(tmp_path: Path, receiver: Receiver) -> None:
    """An embedded server that is killed during an attempt makes it again when it is back, long
    before the claim runs out.
    """
    environment = {"TTR_ALLOW_LOOPBACK_CALLBACKS": "1", **PATIENT}
    go_on = threading.Event()
    receiver.answer = lambda _: (201, {}) if go_on.wait(60) else None
    address = f"sqlite:///{tmp_path}/t.db"
    with serving(address, **environment) as running:
        set_address(running.client(), receiver)
        Changes(running, running.client()).make("once")
        receiver.wait_for(1)
        running.process.kill()
        running.process.wait(60)
    go_on.set()
    with serving(address, **environment):
        first, again = receiver.wait_for(2)
    assert first.headers["webhook-id"] == again.headers["webhook-id"]
    assert first.body == again.body


class TestStop:
    """A delivery that is stopped finishes what is under way, and begins nothing."""

    @pytest.fixture
    def delivery(self, store: Database, one: str, receiver: Receiver) -> Delivery:
        """Give a delivery with threads, to a receiver on this machine."""
        subscribe(store, one, url=receiver.url)
        poster = EventSender(Policy(allow_loopback=True))
        return Delivery(store, Config(), Metrics(), master=MASTER, poster=poster)

    def test_finishes(
        self, store: Database, one: str, receiver: Receiver, delivery: Delivery
    ) -> None:
        """Attempts under way end and are settled; what waits behind them goes on waiting."""
        go_on = threading.Event()
        receiver.answer = lambda _: (201, {}) if go_on.wait(60) else None
        enqueue(store, one, "t1", 2, count=2)
        delivery.start()
        receiver.wait_for(1)
        stopping = threading.Thread(target=delivery.stop)
        stopping.start()
        assert [row["state"] for row in rows(store)] == ["pending", "pending"]
        go_on.set()
        stopping.join(60)
        assert not stopping.is_alive()
        assert [row["state"] for row in rows(store)] == ["delivered", "pending"]
        assert [row["attempts"] for row in rows(store)] == [1, 0]
        assert len(receiver.received) == 1

    @pytest.mark.parametrize("is_under_way", [False, True])
    def test_away(
        self,
        store: Database,
        one: str,
        receiver: Receiver,
        delivery: Delivery,
        monkeypatch: pytest.MonkeyPatch,
        *,
        is_under_way: bool,
    ) -> None:
        """It stops, too, while the database is away; the claim of what it sent runs out."""
        away = threading.Event()
        submit = store.submit

        def failing(job: Any) -> Any:
            if away.is_set():
                raise ConnectionError
            return submit(job)

        def answer(_: Received) -> tuple[int, dict[str, str]]:
            away.set()
            return 201, {}

        monkeypatch.setattr(store, "submit", failing)
        receiver.answer = answer
        if is_under_way:
            enqueue(store, one, "t1", 2)
        else:
            away.set()
        delivery.start()
        if is_under_way:
            receiver.wait_for(1)
        stopping = threading.Thread(target=delivery.stop)
        stopping.start()
        stopping.join(60)
        assert not stopping.is_alive()
        assert all(row["lease"] is not None for row in rows(store))
