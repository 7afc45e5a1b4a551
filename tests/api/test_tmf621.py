"""The profile of plain TMF621 v4, as its conformance profile requires, on both databases.

TM Forum's conformance kit is not part of this project. The tests ask for the same facts, in our own
words: what a new ticket needs, which members the server sets, filters, `fields`, changes, deletion,
and the events with the paths of their listeners.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.delivery.receivers import receiving
from tests.support.apis import TMF621
from tests.support.databases import DATABASES, postgresql
from tests.support.servers import LISTENING, NAMES, delivering, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.servers import Client, Server

pytestmark = pytest.mark.slow

TICKETS: Final = "/troubleTicket"
MINIMAL: Final = {"description": "No signal", "severity": "High", "ticketType": "device"}
NOTED: Final = {
    "description": "Slow line",
    "severity": "Low",
    "ticketType": "connectivity",
    "externalId": "123",
    "note": [{"author": "A", "text": "First"}, {"author": "B", "text": "Second"}],
}
#: The members that the server sets in a new ticket.
SET_BY_SERVER: Final = {
    *("id", "href", "status", "creationDate", "lastUpdate", "statusChangeDate", "@type"),
}


@pytest.fixture(scope="module", params=DATABASES)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Give a server of the profile, whose operators may listen on this machine."""
    folder = tmp_path_factory.mktemp("tmf621")
    address = f"sqlite:///{folder}/t.db" if request.param == "sqlite" else postgresql()
    with serving(address, TMF621.profile, **LISTENING) as running:
        yield running


@pytest.fixture
def provider(server: Server) -> Client:
    """Give a client of the provider."""
    return server.backoffice()


def created(api: Client, **members: Any) -> dict[str, Any]:
    """Create a ticket and return it as the server returned it."""
    answer = api.post(TICKETS, json={**MINIMAL, **members})
    assert answer.status_code == 201, answer.text
    ticket: dict[str, Any] = answer.json()
    return ticket


class TestCreate:
    """POST /troubleTicket."""

    def test_minimal(self, api: Client) -> None:
        """Three members make a ticket; the server sets the others, and the address is the href."""
        answer = api.post(TICKETS, json=MINIMAL)
        ticket = answer.json()
        assert answer.status_code == 201
        assert answer.headers["Location"] == ticket["href"]
        assert ticket["href"] == f"/tmf-api/troubleTicket/v4/troubleTicket/{ticket['id']}"
        assert ticket.keys() == {*MINIMAL, *SET_BY_SERVER}
        assert MINIMAL.items() <= ticket.items()
        assert (ticket["status"], ticket["@type"]) == ("acknowledged", "TroubleTicket")
        assert api.get(f"{TICKETS}/{ticket['id']}").json() == ticket

    def test_status(self, api: Client) -> None:
        """A status that is sent with a new ticket is accepted, reported and not used."""
        answer = api.post(TICKETS, json={**NOTED, "status": "none", "statusChange": []})
        assert answer.status_code == 201
        assert answer.json()["status"] == "acknowledged"
        assert "statusChange" not in answer.json()
        named = answer.headers["Ticket-Unsupported-Members"]
        assert sorted(named.split(", ")) == ["/status", "/statusChange"]

    def test_notes(self, api: Client) -> None:
        """A note gets the id and the date that its sender left out, and keeps those that it has."""
        dated = {"id": "n", "date": "2026-01-31T10:15:02Z", "text": "Third"}
        ticket = created(api, note=[*NOTED["note"], dated])
        assert [note["text"] for note in ticket["note"]] == ["First", "Second", "Third"]
        assert {note["date"] for note in ticket["note"][:2]} == {ticket["creationDate"]}
        assert len({note["id"] for note in ticket["note"]}) == 3
        assert ticket["note"][2] == dated

    @pytest.mark.parametrize("member", MINIMAL)
    def test_mandatory(self, api: Client, member: str) -> None:
        """Each of the three members is mandatory."""
        answer = api.post(TICKETS, json={k: v for k, v in MINIMAL.items() if k != member})
        assert answer.status_code == 400
        assert found(answer) == [("required", f"/{member}")]

    @pytest.mark.parametrize(
        ("member", "value", "code", "pointer"),
        [
            ("id", "1", "prohibited", "/id"),
            ("href", "/x", "prohibited", "/href"),
            ("creationDate", "2026-01-31T10:15:02Z", "prohibited", "/creationDate"),
            ("lastUpdate", "2026-01-31T10:15:02Z", "prohibited", "/lastUpdate"),
            ("statusChangeDate", "2026-01-31T10:15:02Z", "prohibited", "/statusChangeDate"),
            ("resolutionDate", "2026-01-31T10:15:02Z", "prohibited", "/resolutionDate"),
            ("note", [{"author": "A"}], "required", "/note/0/text"),
            ("note", {"author": "A"}, "type", "/note"),
            ("relatedParty", [{"id": "1"}], "required", "/relatedParty/0/@referredType"),
            ("channel", {"name": "Web"}, "required", "/channel/id"),
            ("expectedResolutionDate", "tomorrow", "format", "/expectedResolutionDate"),
        ],
    )
    def test_refused(self, api: Client, member: str, value: Any, code: str, pointer: str) -> None:
        """What the server sets, and an incomplete object, is a violation with its place."""
        answer = api.post(TICKETS, json={**MINIMAL, member: value})
        assert answer.status_code == 400
        assert found(answer) == [(code, pointer)]


def found(answer: Any) -> list[tuple[str, str]]:
    """Return the violations of an answer."""
    return [(each["code"], each["pointer"]) for each in answer.json()["violations"]]


class TestRead:
    """GET /troubleTicket and /troubleTicket/{id}."""

    @pytest.mark.parametrize("fields", ["description", "severity,status", "id", "@type,note"])
    def test_fields(self, api: Client, fields: str) -> None:
        """Exactly the named members are returned, for one ticket and in a list."""
        ticket = created(api, **NOTED)
        wanted = {name: ticket[name] for name in fields.split(",")}
        one = api.get(f"{TICKETS}/{ticket['id']}", params={"fields": fields})
        assert one.json() == wanted
        listed = api.get(TICKETS, params={"fields": fields, "id": ticket["id"]})
        assert listed.json() == [wanted]

    def test_filters(self, api: Client) -> None:
        """Every first-level member that is not a list or an object is a filter, except href."""
        day = "2026-03-01T08:00:00Z"
        sent = {
            "name": "A name",
            "priority": "Critical",
            "externalId": "X-1",
            "expectedResolutionDate": day,
            "requestedResolutionDate": day,
            "@baseType": "Entity",
            "@schemaLocation": "https://example.com/ticket.json",
            "@type": "SpecialTicket",
        }
        first, second = created(api, **{**NOTED, **sent}), created(api)
        change = {"status": "inProgress", "statusChangeReason": "Started", "resolutionDate": day}
        first = api.patch(f"{TICKETS}/{first['id']}", json=change).json()
        names = first.keys() - {"href", "note"}
        assert len(names) == 18
        for name in sorted(names):
            assert ids(api, name, first[name]) >= {first["id"]}, name
            if first[name] != second.get(name):
                assert second["id"] not in ids(api, name, first[name]), name

    def test_combined(self, api: Client) -> None:
        """Filters are combined, and select members too."""
        first, second = created(api, externalId="C-1"), created(api, **NOTED)
        both = f"{first['id']},{second['id']}"
        query = {"id": both, "severity": "High", "fields": "description"}
        assert api.get(TICKETS, params=query).json() == [{"description": first["description"]}]
        query = {"id": both, "ticketType": "connectivity", "fields": "id"}
        assert api.get(TICKETS, params=query).json() == [{"id": second["id"]}]

    @pytest.mark.parametrize("query", ["href=x", "note=x", "fields=nothing", "status=submitted"])
    def test_refused(self, api: Client, query: str) -> None:
        """A member that is computed or a list is no filter; unknown names and values are errors."""
        answer = api.get(f"{TICKETS}?{query}")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalidQuery")

    def test_unknown(self, api: Client) -> None:
        """A ticket that does not exist is a 404."""
        assert api.get(f"{TICKETS}/46846846846").status_code == 404


def ids(api: Client, name: str, value: str) -> set[str]:
    """Return the identifiers of the tickets that a filter finds."""
    return {each["id"] for each in api.get(TICKETS, params={name: value, "limit": 1000}).json()}


class TestChange:
    """PATCH /troubleTicket/{id}."""

    def test_merge_patch(self, api: Client) -> None:
        """A merge patch replaces the members that it has, lists included."""
        ticket = created(api, **NOTED)
        change = {"note": [{"text": "Only"}], "severity": "Critical", "externalId": None}
        answer = api.patch(f"{TICKETS}/{ticket['id']}", json=change)
        changed = answer.json()
        assert answer.status_code == 200
        assert [note["text"] for note in changed["note"]] == ["Only"]
        assert changed["note"][0]["date"] == changed["lastUpdate"]
        assert changed["severity"] == "Critical"
        assert "externalId" not in changed
        assert api.get(f"{TICKETS}/{ticket['id']}").json() == changed

    def test_json_patch(self, api: Client) -> None:
        """A JSON Patch adds one note."""
        ticket = created(api, **NOTED)
        answer = api(
            "PATCH",
            f"{TICKETS}/{ticket['id']}",
            data='[{"op": "add", "path": "/note/-", "value": {"text": "Third"}}]',
            headers={"Content-Type": "application/json-patch+json"},
        )
        assert answer.status_code == 200
        assert answer.json()["note"][:2] == ticket["note"]
        assert answer.json()["note"][2]["text"] == "Third"

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            *(
                ({name: "2026-01-31T10:15:02Z"}, "prohibited")
                for name in ("id", "href", "creationDate", "lastUpdate", "statusChangeDate")
            ),
            *(({name: "urn:other"}, "immutable") for name in ("@type",)),
        ],
    )
    def test_not_patchable(self, api: Client, change: dict[str, Any], code: str) -> None:
        """What the server sets, and the class of a ticket, cannot be changed."""
        answer = api.patch(f"{TICKETS}/{created(api)['id']}", json=change)
        assert answer.status_code == 400
        assert found(answer) == [(code, f"/{name}") for name in change]

    def test_status(self, api: Client) -> None:
        """A status follows the lifecycle; a resolution has the date of the change, or its own."""
        path = f"{TICKETS}/{created(api)['id']}"
        assert api.patch(path, json={"status": "closed"}).status_code == 409
        begun = api.patch(path, json={"status": "inProgress"}).json()
        assert begun["statusChangeDate"] == begun["lastUpdate"]
        resolved = api.patch(path, json={"status": "resolved"}).json()
        assert resolved["resolutionDate"] == resolved["lastUpdate"]
        api.patch(path, json={"status": "inProgress"})
        own = {"status": "resolved", "resolutionDate": "2026-01-31T10:15:02Z"}
        assert api.patch(path, json=own).json()["resolutionDate"] == own["resolutionDate"]
        assert api.patch(path, json={"status": "closed"}).json()["status"] == "closed"
        assert api.patch(path, json={"name": "Too late"}).status_code == 409


class TestDelete:
    """DELETE /troubleTicket/{id}."""

    def test_provider(self, api: Client, provider: Client) -> None:
        """The provider deletes a ticket, once; nobody finds it any more."""
        path = f"{TICKETS}/{created(api)['id']}"
        answer = provider.delete(path)
        assert (answer.status_code, answer.content) == (204, b"")
        assert [each.get(path).status_code for each in (api, provider)] == [404, 404]
        assert provider.delete(path).status_code == 404

    def test_client(self, api: Client) -> None:
        """A client cannot."""
        path = f"{TICKETS}/{created(api)['id']}"
        assert api.delete(path).status_code == 405
        assert api.get(path).status_code == 200

    def test_version(self, api: Client, provider: Client) -> None:
        """If-Match names the version to delete."""
        path = f"{TICKETS}/{created(api)['id']}"
        api.patch(path, json={"name": "Another version"})
        assert provider.delete(path, headers={"If-Match": '"1"'}).status_code == 412
        assert provider.delete(path, headers={"If-Match": '"2"'}).status_code == 204


class TestHub:
    """POST /hub, GET and DELETE /hub/{id}."""

    def test_subscription(self, api: Client) -> None:
        """A callback is registered, read and removed by its id."""
        sent = {"callback": "http://127.0.0.1:9/x", "query": "eventType=TroubleTicketDeleteEvent"}
        answer = api.post("/hub", json=sent)
        number = answer.json()["id"]
        assert (answer.status_code, answer.json()) == (201, {"id": number, **sent})
        assert answer.headers["Location"] == f"/tmf-api/troubleTicket/v4/hub/{number}"
        assert sent.items() <= api.get(f"/hub/{number}").json().items()
        assert api.delete(f"/hub/{number}").status_code == 204
        assert api.delete(f"/hub/{number}").status_code == 404

    def test_events(self, server: Server, provider: Client) -> None:
        """A new, changed and deleted ticket raises events at the paths of the listeners."""
        api = server.client(NAMES[1])
        with receiving() as receiver, delivering(server, TMF621.profile, **LISTENING):
            api.post("/hub", json={"callback": f"{receiver.url}/client"})
            ticket = created(api, **NOTED)
            path = f"{TICKETS}/{ticket['id']}"
            changed = api.patch(path, json={"priority": "Critical"}).json()
            begun = provider.patch(path, json={"status": "inProgress"}).json()
            waits = provider.patch(path, json={"status": "pending"}).json()
            provider.delete(path)
            arrived = receiver.wait_for(6)
        told = [(each.path, json.loads(each.body)) for each in arrived]
        assert [path for path, _ in told] == [
            f"/client/listener/troubleTicket{name}Event"
            for name in (
                *("Create", "AttributeValueChange", "StatusChange", "StatusChange"),
                *("InformationRequired", "Delete"),
            )
        ]
        bodies = [event["event"]["troubleTicket"] for _, event in told]
        always = {name: ticket[name] for name in ("id", "href", "@type")}
        assert bodies[0] == ticket
        assert bodies[1] == {**always, "lastUpdate": changed["lastUpdate"], "priority": "Critical"}
        for body, after in zip(bodies[2:4], (begun, waits), strict=True):
            names = ("lastUpdate", "status", "statusChangeDate")
            assert body == {**always, **{name: after[name] for name in names}}
        assert bodies[4]["note"] == ticket["note"]
        assert always.items() <= bodies[5].items()
        assert "description" not in bodies[5]
        assert told[1][1]["fieldPath"] == "priority"
        for path, event in told:
            assert path.endswith(event["eventType"][1:])
