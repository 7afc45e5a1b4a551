"""The provider's side: what became of events, sending one again, and forgetting them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, update

from server.storage.tables import event as events
from tests.support.databases import DATABASES, postgresql
from tests.support.servers import NAMES, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

    from tests.support.servers import Client, Server

pytestmark = pytest.mark.slow

#: Where nobody listens, so that what is sent there waits.
DEAF = "http://127.0.0.1:9/listener"
STATUS = "TroubleTicketStatusChangeEvent"
OTHER = "TroubleTicketAttributeValueChangeEvent"


@pytest.fixture(scope="module", params=DATABASES)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Give a server of its own, whose operators may listen on this machine."""
    folder = tmp_path_factory.mktemp("events")
    address = f"sqlite:///{folder}/t.db" if request.param == "sqlite" else postgresql()
    with serving(address, TTR_ALLOW_LOOPBACK_CALLBACKS="1") as running:
        yield running


@pytest.fixture
def ticket(server: Server, api: Client, backoffice: Client) -> dict[str, Any]:
    """Give a ticket of an operator with an address, which the provider has acknowledged."""
    for name in NAMES[:2]:
        server.client(name).post("/hub", json={"callback": DEAF})
    number = api.created()["id"]
    answer = backoffice.patch(
        f"/troubleTicket/{number}", json={"status": "acknowledged", "correlationId": "NOC-1"}
    )
    changed: dict[str, Any] = answer.json()
    return changed


def of(ticket: dict[str, Any], listed: requests.Response) -> list[dict[str, Any]]:
    """Return the events of a list that tell of a ticket."""
    return [each for each in listed.json() if each["ticket"] == ticket["id"]]


def settle(server: Server, number: str, state: str) -> None:
    """Let an event be settled, as delivery does."""
    engine = create_engine(server.database)
    with engine.begin() as connection:
        done = update(events).where(events.c.id == number)
        connection.execute(done.values(state=state, settled=1_000_000, lease=None, last_status=500))
    engine.dispose()


class TestReading:
    """GET /event and /event/{id}."""

    def test_owner(self, ticket: dict[str, Any], backoffice: Client) -> None:
        """A change by the provider raises events to the ticket's operator, the newest first."""
        found = of(ticket, backoffice.get("/event", params={"operator": NAMES[0]}))
        assert [each["name"] for each in found] == [OTHER, STATUS]
        for each in found:
            assert (each["operator"], each["state"]) == (NAMES[0], "pending")
            assert each["raised"] == ticket["lastUpdate"]
            assert datetime.fromisoformat(each["due"]) >= datetime.fromisoformat(each["raised"])
            assert not each.keys() & {"settled", "event"}
        assert of(ticket, backoffice.get("/event", params={"operator": NAMES[1]})) == []
        both = {"operator": f"{NAMES[1]},{NAMES[0]}"}
        assert len(of(ticket, backoffice.get("/event", params=both))) == 2

    def test_one(self, ticket: dict[str, Any], backoffice: Client) -> None:
        """One event is told with what it says."""
        other, status = of(ticket, backoffice.get("/event"))
        told = backoffice.get(f"/event/{status['id']}").json()
        assert told["event"]["eventId"] == told["id"] == status["id"]
        assert told["event"]["event"]["troubleTicket"]["status"] == "acknowledged"
        told = backoffice.get(f"/event/{other['id']}").json()
        assert told["event"]["fieldPath"] == "correlationId"
        assert backoffice.get(f"/event/{uuid4()}").status_code == 404

    def test_own_change(self, ticket: dict[str, Any], api: Client, backoffice: Client) -> None:
        """A change by an operator raises events to the operator too."""
        change = {"@type": "TroubleTicket", "origin": "Web"}
        api.patch(f"/troubleTicket/{ticket['id']}", json=change)
        first, *rest = of(ticket, backoffice.get("/event"))
        assert (first["name"], len(rest)) == (OTHER, 2)

    def test_no_address(self, server: Server, backoffice: Client) -> None:
        """Where an operator has no address none are raised."""
        silent = server.client(NAMES[2]).created()
        backoffice.patch(f"/troubleTicket/{silent['id']}", json={"status": "acknowledged"})
        assert of(silent, backoffice.get("/event")) == []

    def test_states(self, server: Server, ticket: dict[str, Any], backoffice: Client) -> None:
        """Events are listed by what became of them, and how many are listed is bounded."""
        other, status = of(ticket, backoffice.get("/event"))
        settle(server, status["id"], "dead")
        settle(server, other["id"], "delivered")
        for state, found in (("dead", status), ("delivered", other), ("pending", None)):
            listed = of(ticket, backoffice.get("/event", params={"state": state}))
            assert [each["id"] for each in listed] == ([found["id"]] if found else [])
            for each in listed:
                assert (each["state"], each["lastStatus"]) == (state, 500)
                assert each["settled"] == "1970-01-01T00:00:01.000Z"
                assert "due" not in each
        (first,) = backoffice.get("/event", params={"limit": 1}).json()
        assert first["id"] == other["id"]

    @pytest.mark.parametrize(
        "query",
        ["state=lost", "state=", "limit=0", "limit=1001", "limit=x", "sort=id", "limit=1&limit=1"],
    )
    def test_wrong(self, backoffice: Client, query: str) -> None:
        """A parameter that is unknown, repeated or wrong is refused."""
        answer = backoffice.get(f"/event?{query}")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalidQuery")


class TestRedelivery:
    """POST /event/{id}/redelivery."""

    @pytest.mark.parametrize("state", ["dead", "delivered"])
    def test_again(
        self, server: Server, ticket: dict[str, Any], backoffice: Client, state: str
    ) -> None:
        """An event that is settled waits again; one that waits is a 409, none a 404."""
        status = of(ticket, backoffice.get("/event"))[1]
        address = f"/event/{status['id']}/redelivery"
        answer = backoffice.post(address)
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        settle(server, status["id"], state)
        before = backoffice.get(f"/event/{status['id']}").json()
        answer = backoffice.post(address)
        assert answer.status_code == 202
        after = answer.json()
        assert (after["state"], after["event"]) == ("pending", before["event"])
        assert "settled" not in after
        assert backoffice.post(f"/event/{uuid4()}/redelivery").status_code == 404

    def test_body(self, server: Server, ticket: dict[str, Any], backoffice: Client) -> None:
        """A body is not looked at; a parameter is refused."""
        status = of(ticket, backoffice.get("/event"))[1]
        settle(server, status["id"], "dead")
        address = f"/event/{status['id']}/redelivery"
        headers = {"Content-Type": "application/json"}
        assert backoffice.post(f"{address}?x=1").json()["code"] == "invalidQuery"
        assert backoffice.post(address, data=b"{", headers=headers).status_code == 202


class TestPurge:
    """DELETE /event."""

    def test_settled(self, server: Server, ticket: dict[str, Any], backoffice: Client) -> None:
        """Events that were settled before the moment are forgotten, and no others."""
        backoffice.delete("/event?before=9999-01-01")
        other, status = of(ticket, backoffice.get("/event"))
        settle(server, status["id"], "delivered")
        for before, purged in (
            ("1970-01-01", 0),
            ("1970-01-01T00:00:01Z", 0),
            ("1970-01-01T00:00:01.000001Z", 1),
            ("1970-01-02", 0),
        ):
            answer = backoffice.delete("/event", params={"before": before})
            assert (answer.status_code, answer.json()) == (200, {"purged": purged})
        assert [each["id"] for each in of(ticket, backoffice.get("/event"))] == [other["id"]]

    @pytest.mark.parametrize(
        "query", ["", "before=", "before=yesterday", "before=1&before=2", "after=2026-01-01"]
    )
    def test_wrong(self, backoffice: Client, query: str) -> None:
        """The moment must be given, once, as a date or a date-time."""
        answer = backoffice.delete(f"/event?{query}")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalidQuery")


def test_operators_see_their_own(ticket: dict[str, Any], api: Client, other: Client) -> None:
    """What an operator sees of the provider's work is its own ticket and the events about it."""
    found = of(ticket, api.get("/event", params={"state": "pending", "limit": 1000}))
    assert [each["name"] for each in found] == [OTHER, STATUS]
    assert not any(each.keys() & {"operator", "event"} for each in found)
    whole = api.get(f"/event/{found[1]['id']}").json()
    assert whole["event"]["event"]["troubleTicket"]["status"] == "acknowledged"
    answer = api.post(f"/event/{found[1]['id']}/redelivery")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert of(ticket, other.get("/event", params={"limit": 1000})) == []
    address = f"/troubleTicket/{ticket['id']}"
    assert {**api.get(address).json(), "operator": NAMES[0]} == ticket
    assert other.get(address).status_code == 404
    listed = other.get("/troubleTicket", params={"correlationId": "NOC-1"})
    assert ticket["id"] not in {each["id"] for each in listed.json()}


@pytest.mark.parametrize("query", ["state=lost", "limit=0", "operator=operator-a", "sort=id"])
def test_operators_query(api: Client, query: str) -> None:
    """An operator's list of events takes `state` and `limit` only."""
    answer = api.get(f"/event?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalidQuery")
