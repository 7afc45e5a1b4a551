"""The provider's side: who may ask it, and what it may change in the tickets of operators."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import yaml

from tests.support.cells import ROOT, Cell, payload_of, route, sample, value_for
from tests.support.contract import BACKOFFICE_BASE, BASE, DOCUMENTS
from tests.support.databases import alternating
from tests.support.exchanges import MERGE, OPERATIONS, status_and_code, told
from tests.support.oracle import shape_of
from tests.support.profiles import provider_book
from tests.support.servers import NAMES, PROVIDER, Client, without_owner
from tests.support.tickets import complaint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.servers import Server

MATRIX = yaml.safe_load(
    (Path(__file__).parents[2] / "spec" / "backoffice-requirements.yaml").read_text("utf-8")
)
PROCESSES: list[str] = MATRIX["processes"]
GONE = object()
#: What the provider may send of a ticket, beside its status.
MEMBERS: dict[str, Any] = {
    "expectedResolutionDate": "2026-12-01T12:00:00Z",
    "correlationId": "NOC-17",
    "note": [{"author": "NOC", "text": "We look into it."}],
    "priority": 2,
    "severity": "High",
    "statusChangeReason": "The line card is broken.",
    "resolutionComment": "Replaced.",
    "resolutionResult": "The line is up.",
    "resolutionCode": "HW-17",
    "resolutionPaymentCode": {"chargeable": False},
    "troubleTicketRelationship": [{"name": "T-9", "relationshipType": "duplicates"}],
    "relatedEntity": [
        {
            "@referredType": "Service",
            "externalId": "S-1",
            "role": "affectedService",
            "newSerialNumber": "N-1",
            "oldSerialNumber": "O-1",
            "deviceType": "CPE",
            "provisioningStatus": "COMPLETED",
            "provisioningComment": "Provisioned anew.",
        }
    ],
}


CELLS = [
    Cell(entity, field, process, code)
    for entity, rows in MATRIX["entities"].items()
    for field, codes in rows.items()
    for process, code in zip(PROCESSES, codes, strict=True)
]


def theirs(cell: Cell) -> str:
    """Return the operators' process for the change of a cell of the provider."""
    return cell.process.removeprefix("Provider ")


def requested() -> Iterator[tuple[str, str, str]]:
    """Yield base path, method and a path of each operation of both sides that asks who asks."""
    for base, document in DOCUMENTS.items():
        for path, item in document["paths"].items():
            for method in item.keys() - {"parameters"}:
                if item[method].get("security") == []:
                    continue
                yield base, method.upper(), path.replace("{", "").replace("}", "")


class TestRoles:
    """Each side is for those who are on it."""

    @pytest.mark.parametrize(("base", "method", "path"), sorted(requested()))
    def test_sides(self, server: Server, base: str, method: str, path: str) -> None:
        """An operation of the other side is a 403, by a secret and by a token; without, a 401."""
        name = PROVIDER if base == BASE else NAMES[0]
        more: dict[str, Any] = {}
        if method in {"POST", "PATCH"}:
            more = {"data": b"{", "headers": {"Content-Type": "application/json"}}
        stranger = server.stranger()
        form = {"grant_type": "client_credentials"}
        credentials = (name, server.secrets[name])
        token = stranger.post(f"{server.root}/oauth2/token", data=form, auth=credentials).json()
        bearer = {"Authorization": f"Bearer {token['access_token']}"}
        denied = (403, "accessDenied")
        by_secret = Client(server.root, credentials, base)
        assert status_and_code(by_secret(method, path, **more)) == denied
        with_token = {**more, "headers": {**more.get("headers", {}), **bearer}}
        by_token = Client(server.root, None, base)
        assert status_and_code(by_token(method, path, **with_token)) == denied
        assert by_token(method, path, **more).status_code == 401

    def test_not_operations(self, server: Server) -> None:
        """What is no operation is answered alike on both sides."""
        for client in (server.client(), server.backoffice()):
            assert client.get("/nothing").status_code == 404
            answer = client.delete("/troubleTicket")
            assert (answer.status_code, "GET" in answer.headers["Allow"]) == (405, True)
            html = {"Accept": "text/html"}
            assert client.get("/troubleTicket", headers=html).status_code == 406
            assert client.get("/troubleTicket/?limit=1").status_code == 200

    def test_document(self, server: Server) -> None:
        """The side's document is given to anybody, and is not the operators'."""
        client = Client(server.root, None, BACKOFFICE_BASE)
        given = client.get("/openapi.json").json()
        assert given == json.loads(json.dumps(DOCUMENTS[BACKOFFICE_BASE]))
        mine = {each["operationId"] for each in operations(given)}
        assert not mine & {each["operationId"] for each in operations(DOCUMENTS[BASE])}
        assert f"{BACKOFFICE_BASE}/openapi.json" in client.get(f"{server.root}/ui/").text


def operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the operations of a document."""
    for item in document["paths"].values():
        yield from (each for verb, each in item.items() if verb != "parameters")


class TestReading:
    """GET /troubleTicket and /troubleTicket/{id}."""

    def test_all(self, server: Server, backoffice: Client) -> None:
        """The provider sees the tickets of all operators, as their operators see them."""
        mark = str(uuid4())
        tickets = {name: server.client(name).created(name=mark) for name in NAMES}
        listed = backoffice.get("/troubleTicket", params={"name": mark})
        assert listed.headers["X-Total-Count"] == str(len(NAMES))
        assert {each["id"] for each in listed.json()} == {each["id"] for each in tickets.values()}
        for name, ticket in tickets.items():
            one = backoffice.get(f"/troubleTicket/{ticket['id']}")
            assert one.json() == {**ticket, "operator": name}
            theirs = server.client(name).get(f"/troubleTicket/{ticket['id']}")
            assert one.headers["ETag"] == theirs.headers["ETag"]
            some = backoffice.get(f"/troubleTicket/{ticket['id']}", params={"fields": "status"})
            assert some.json().keys() == {"id", "href", "@type", "status", "operator"}
        for query in ({"name": mark}, {"name": mark, "fields": "status"}):
            found = backoffice.get("/troubleTicket", params=query).json()
            assert {each["operator"]: each["id"] for each in found} == {
                name: ticket["id"] for name, ticket in tickets.items()
            }

    def test_operator(self, server: Server, backoffice: Client) -> None:
        """`operator` chooses whose tickets, beside every other filter."""
        mark = str(uuid4())
        for name in NAMES:
            server.client(name).created(name=mark, externalId=name)
        for operator, found in (
            (NAMES[1], [NAMES[1]]),
            (f"{NAMES[2]},{NAMES[0]}", [NAMES[0], NAMES[2]]),
        ):
            for more in ({"name": mark}, {"name.regex": f"^{mark}$"}):
                query = {**more, "operator": operator, "sort": "externalId"}
                answer = backoffice.get("/troubleTicket", params=query)
                assert [each["externalId"] for each in answer.json()] == found
                assert answer.headers["X-Total-Count"] == str(len(found))
        for unknown in ("", "nobody", f"{NAMES[0]},operator-d", "provider"):
            answer = backoffice.get("/troubleTicket", params={"operator": unknown})
            assert status_and_code(answer) == (400, "invalidQuery")

    def test_pages(self, server: Server, backoffice: Client) -> None:
        """Pages of all operators' tickets do not overlap, and lead to one another."""
        mark = str(uuid4())
        made = [server.client(name).created(name=mark)["id"] for name in NAMES for _ in range(2)]
        seen = []
        for offset in range(0, len(made), 2):
            query = {"name": mark, "sort": "-creationDate", "offset": offset, "limit": 2}
            answer = backoffice.get("/troubleTicket", params=query)
            seen += [each["id"] for each in answer.json()]
            assert f"<{BACKOFFICE_BASE}/troubleTicket?" in answer.headers["Link"]
        assert sorted(seen) == sorted(made)

    def test_wrong(self, backoffice: Client, api: Client) -> None:
        """A query is read as strictly as the operators', who have no filter by operator."""
        refused = (400, "invalidQuery")
        assert status_and_code(api.get("/troubleTicket?operator=operator-a")) == refused
        for query in ("operator=a&operator=b", "operators=a", "operator.ne=a", "limit=0"):
            assert status_and_code(backoffice.get(f"/troubleTicket?{query}")) == refused
        one = f"/troubleTicket/{uuid4()}"
        assert status_and_code(backoffice.get(f"{one}?operator=a")) == refused
        assert status_and_code(backoffice.get(one)) == (404, "notFound")


class TestChanging:
    """PATCH /troubleTicket/{id}."""

    @pytest.mark.parametrize("name", MEMBERS)
    @pytest.mark.parametrize("process", ["Complaint Add", "Customer Trouble Ticket Add"])
    def test_member(self, api: Client, backoffice: Client, process: str, name: str) -> None:
        """A member that is the provider's is set by it, and the operator sees it."""
        ticket = api.created(**payload_of(process, "minimal"))
        address, sent = f"/troubleTicket/{ticket['id']}", {name: MEMBERS[name]}
        answer = backoffice.patch(address, data=json.dumps(sent), headers=MERGE)
        assert told(answer) == []
        shown = api.get(address)
        assert {**shown.json(), "operator": NAMES[0]} == answer.json()
        assert shown.headers["ETag"] == answer.headers["ETag"] == '"2"'
        value = shown.json()[name]
        if name == "note":
            assert value[0].keys() == {"id", "author", "text", "notedate"}
            value = [{key: value[0][key] for key in ("author", "text")}]
        assert value == MEMBERS[name]
        # The operator can go on with its ticket.
        further = api.patch(address, json={"@type": "TroubleTicket", "origin": "Web"})
        assert told(further) == []
        assert further.json()[name] == shown.json()[name]

    def test_serial_number(self, api: Client, backoffice: Client) -> None:
        """A list of operations reaches into an entity and leaves the rest of it as it was."""
        ticket = api.created(**payload_of("Customer Trouble Ticket Add", "minimal"))
        change = [{"op": "add", "path": "/relatedEntity/0/newSerialNumber", "value": "N-2"}]
        address = f"/troubleTicket/{ticket['id']}"
        answer = backoffice.patch(address, data=json.dumps(change), headers=OPERATIONS)
        (entity,) = answer.json()["relatedEntity"]
        assert entity == {**ticket["relatedEntity"][0], "newSerialNumber": "N-2"}
        undone = [{"op": "remove", "path": "/relatedEntity/0/newSerialNumber"}]
        answer = backoffice.patch(address, data=json.dumps(undone), headers=OPERATIONS)
        assert answer.json()["relatedEntity"] == ticket["relatedEntity"]

    @pytest.mark.parametrize(
        ("change", "finding"),
        [
            ({"relatedEntity": []}, "empty"),
            ({"relatedEntity": None}, "null"),
            ([{"op": "remove", "path": "/relatedEntity"}], "process_dependent"),
            ([{"op": "remove", "path": "/relatedEntity/0"}], "empty"),
        ],
    )
    def test_still_owed(
        self, api: Client, backoffice: Client, change: object, finding: str
    ) -> None:
        """What a Customer Trouble Ticket is about may not be taken from it."""
        ticket = api.created(**payload_of("Customer Trouble Ticket Add", "minimal"))
        headers = OPERATIONS if isinstance(change, list) else MERGE
        address = f"/troubleTicket/{ticket['id']}"
        answer = backoffice.patch(address, data=json.dumps(change), headers=headers)
        assert told(answer) == [(finding, "/relatedEntity")]
        assert api.get(address).json() == ticket

    def test_life(self, api: Client, backoffice: Client) -> None:
        """A ticket is moved along its lifecycle; the server dates each move and its resolution."""
        address = f"/troubleTicket/{api.created()['id']}"
        ticket: dict[str, Any] = {}
        for status in ("acknowledged", "inProgress", "held", "inProgress", "resolved", "closed"):
            answer = backoffice.patch(address, json={"status": status, "statusChangeReason": "So."})
            ticket = without_owner(answer.json())
            assert (ticket["status"], ticket["statusChangeReason"]) == (status, "So.")
            assert ticket["statusChangeDate"] == ticket["lastUpdate"]
            if status == "resolved":
                assert ticket["resolutionDate"] == ticket["lastUpdate"]
        answer = backoffice.patch(address, json={"status": "inProgress"})
        assert status_and_code(answer) == (409, "transitionNotAllowed")
        assert told(answer) == [("transition", "/status")]
        assert api.get(address).json() == ticket

    def test_conditions(self, api: Client, backoffice: Client) -> None:
        """If-Match, media types and bodies are as they are for operators."""
        address = f"/troubleTicket/{api.created()['id']}"
        for tag, status in (('"1"', 200), ('"1"', 412), ("*", 200), ("x", 400)):
            priority = {'"1"': 1, "*": 2}.get(tag, 3)
            headers = {"If-Match": tag}
            answer = backoffice.patch(address, json={"priority": priority}, headers=headers)
            assert answer.status_code == status
        for data, headers, code in (
            (b"[]", MERGE, "invalidBody"),
            (b"{}", OPERATIONS, "invalidBody"),
            (b"{", MERGE, "invalidBody"),
            (b"", MERGE, "invalidBody"),
            (b"{}", {"Content-Type": "text/plain"}, "unsupportedMediaType"),
        ):
            answer = backoffice.patch(address, data=data, headers=headers)
            assert answer.json()["code"] == code
        missing = backoffice.patch(f"/troubleTicket/{uuid4()}", json={"priority": 1})
        assert status_and_code(missing) == (404, "notFound")

    def test_operators_rules(self, api: Client, backoffice: Client) -> None:
        """What the provider has set stays prohibited for the operator, and stays as it is."""
        address = f"/troubleTicket/{api.created()['id']}"
        set_by_provider = {"correlationId": "NOC-1", "resolutionCode": "X"}
        backoffice.patch(address, json=set_by_provider)
        answer = api.patch(address, json={"@type": "TroubleTicket", "correlationId": "mine"})
        assert told(answer) == [("prohibited", "/correlationId")]
        kept = api.patch(address, json={"@type": "TroubleTicket", "severity": "Low"}).json()
        assert {name: kept[name] for name in set_by_provider} == set_by_provider


@pytest.fixture(scope="module")
def stored() -> dict[tuple[str, str], dict[str, Any]]:
    """Give a place for one stored ticket of each type and server."""
    return {}


def variants(cell: Cell, ticket: dict[str, Any]) -> Iterator[tuple[dict[str, Any], object, str]]:
    """Yield changes with the field, without it, null and empty; the value; the field's pointer."""
    good = value_for(cell.entity, cell.field, theirs(cell))
    if cell.entity == ROOT and cell.field in {"status", "href", "@type"}:
        good = ticket[cell.field]  # a move, and what may not be altered, are no matter of a cell
    for value in (good, GONE, None, "", []):
        payload: dict[str, Any] = {}
        owner, of, at = payload, ROOT, ""
        for name in route(cell.entity):
            shape = shape_of(of, name)
            of, is_list = shape["entity"], shape["type"] == "array"
            made = {**sample(of, theirs(cell)), **REQUIRED.get(of, {})}
            owner[name] = [made] if is_list else made
            owner, at = made, f"{at}/{name}{'/0' if is_list else ''}"
        if value is GONE:
            owner.pop(cell.field, None)
        else:
            owner[cell.field] = value
            if cell == Cell(ROOT, "relatedEntity", cell.process, cell.code) and value:
                owner[cell.field][0] |= REQUIRED["RelatedEntity"]
            if cell == Cell(ROOT, "troubleTicketRelationship", cell.process, cell.code) and value:
                owner[cell.field][0] |= REQUIRED["TroubleTicketRelationship"]
        yield payload, value, f"{at}/{cell.field}"


#: What the provider's matrix requires and that of the operators does not.
REQUIRED = {
    "RelatedEntity": {"role": "affectedService"},
    "TroubleTicketRelationship": {"name": "T-9", "relationshipType": "duplicates"},
}


def barred(cell: Cell) -> str | None:
    """Return the pointer of the first member on the way to a cell that is prohibited, if any.

    None too where one that is not supported comes before it.
    """
    column, of, at = PROCESSES.index(cell.process), ROOT, ""
    for name in (*route(cell.entity), cell.field):
        at, code = f"{at}/{name}", MATRIX["entities"][of][name][column]
        if code in {"P", "-"}:
            return at if code == "P" else None
        shape = shape_of(of, name)
        of, at = shape.get("entity", of), f"{at}/0" if shape.get("type") == "array" else at
    return None


@alternating("cell", CELLS)
def test_cell(cell: Cell, server: Server, stored: dict[tuple[str, str], dict[str, Any]]) -> None:
    """The verdict on each way to send a field, or not to, is that of ttrules; a field that may be
    sent arrives, and one that may not is the one finding.
    """
    api, provider = server.client(), server.backoffice()
    key = server.root, cell.process
    if key not in stored:
        stored[key] = api.created(**payload_of(theirs(cell).replace("Change", "Add"), "minimal"))
    for number, (payload, value, pointer) in enumerate(variants(cell, stored[key])):
        ticket = stored[key]
        report, _ = provider_book().validate_change(ticket, payload, by="provider")
        address = f"/troubleTicket/{ticket['id']}"
        answer = provider.patch(address, data=json.dumps(payload), headers=MERGE)
        assert told(answer) == [(each.code, each.pointer) for each in report.violations]
        assert all(each.process == cell.process for each in report.violations)
        if number == 0:
            prohibited = barred(cell)
            assert told(answer) == ([("prohibited", prohibited)] if prohibited else [])
        if value is GONE and cell.code == "R" and barred(cell) is None:
            assert told(answer) == [("required", pointer)]
        if answer.ok:
            stored[key] = without_owner(answer.json())


def test_complaint_is_no_model(api: Client) -> None:
    """The provider's rules are its own: what it may send is refused in a new ticket."""
    answer = api.post("/troubleTicket", json={**complaint(), "correlationId": "NOC-17"})
    assert told(answer) == [("prohibited", "/correlationId")]
