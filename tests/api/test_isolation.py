"""An operator sees its own tickets only; another's is as one that is not there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.support.servers import NAMES
from tests.support.tickets import complaint

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from tests.support.servers import Client, Server

MERGE = {"@type": "TroubleTicket", "severity": "Low"}
#: What may be asked of one thing by its id, and how: ticket or subscription.
ASKED: dict[str, Callable[[Client, str], requests.Response]] = {
    "retrieve": lambda api, number: api.get(f"/troubleTicket/{number}"),
    "retrieve fields": lambda api, number: api.get(f"/troubleTicket/{number}?fields=name"),
    "head": lambda api, number: api("HEAD", f"/troubleTicket/{number}"),
    "patch": lambda api, number: api.patch(f"/troubleTicket/{number}", json=MERGE),
    "patch broken": lambda api, number: api.patch(f"/troubleTicket/{number}", json={"id": 1}),
    "patch if-match": lambda api, number: api.patch(
        f"/troubleTicket/{number}", json=MERGE, headers={"If-Match": '"9"'}
    ),
    "patch operations": lambda api, number: api.patch(
        f"/troubleTicket/{number}",
        data=json.dumps([{"op": "remove", "path": "/severity"}]),
        headers={"Content-Type": "application/json-patch+json"},
    ),
    "unregister": lambda api, number: api.delete(f"/hub/{number}"),
    "subscription": lambda api, number: api.get(f"/hub/{number}"),
    "event": lambda api, number: api.get(f"/event/{number}"),
    "redeliver": lambda api, number: api.post(f"/event/{number}/redelivery"),
}


def made(server: Server, client: Client, name: str) -> str:
    """Return the id of something of a client's that may be asked for so."""
    if name in {"unregister", "subscription"}:
        number: str = client.post("/hub", json={"callback": "https://8.8.8.8/x"}).json()["id"]
        return number
    ticket: str = client.created()["id"]
    if name not in {"event", "redeliver"}:
        return ticket
    client.post("/hub", json={"callback": "https://8.8.8.8/x"})
    server.backoffice().patch(f"/troubleTicket/{ticket}", json={"statusChangeReason": "so"})
    (event,) = (each for each in client.get("/event").json() if each["ticket"] == ticket)
    found: str = event["id"]
    return found


def shown(answer: requests.Response, number: str) -> tuple[Any, ...]:
    """Return all that an answer shows, but for what differs anyway, and the id asked for."""
    headers = {
        name: value.replace(number, "ID")
        for name, value in answer.headers.items()
        if name.lower() not in {"date", "x-request-id"}
    }
    return answer.status_code, headers, answer.content.replace(number.encode(), b"ID")


@pytest.mark.parametrize("name", ASKED)
def test_another_is_unknown(server: Server, name: str) -> None:
    """Whatever is asked, another's is answered to the byte as what is not there."""
    clients = [server.client(each) for each in NAMES]
    numbers = [made(server, client, name) for client in clients]
    for client in clients:
        for theirs, number in zip(clients, numbers, strict=True):
            if theirs is not client:
                unknown = str(uuid4())
                answer = ASKED[name](client, number)
                assert answer.status_code == 404
                assert shown(answer, number) == shown(ASKED[name](client, unknown), unknown)
    for client, number in zip(clients, numbers, strict=True):
        assert ASKED[name](client, number).status_code != 404


def test_lists(server: Server) -> None:
    """Lists, counts and filters know the operator's own tickets only."""
    clients = [server.client(each) for each in NAMES]
    mark = f"isolation {uuid4()}"
    for count, client in enumerate(clients, 1):
        for _ in range(count):
            client.created(name=mark, externalId=mark)
    for count, client in enumerate(clients, 1):
        for query in (
            {"name": mark},
            {"externalId.regex": f"^{mark}$"},
            {"name.gte": mark, "name.lte": mark},
            {"externalId": f"{mark},x", "sort": "-name", "limit": "1"},
        ):
            answer = client.get("/troubleTicket", params=query)
            assert answer.headers["X-Total-Count"] == str(count)
        mine = client.get("/troubleTicket", params={"name": mark}).json()
        for other in clients:
            if other is not client:
                theirs = other.get("/troubleTicket", params={"name": mark}).json()
                assert not {each["id"] for each in mine} & {each["id"] for each in theirs}
                asked = other.get("/troubleTicket", params={"id": mine[0]["id"]})
                assert (asked.json(), asked.headers["X-Total-Count"]) == ([], "0")


def test_keys_and_tags(server: Server) -> None:
    """Idempotency keys and entity tags tell nothing of another's tickets."""
    one, two = server.client(NAMES[0]), server.client(NAMES[1])
    headers = {"Idempotency-Key": str(uuid4())}
    first = one.post("/troubleTicket", json=complaint(), headers=headers)
    other = {**complaint(), "name": "another"}
    second = two.post("/troubleTicket", json=other, headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json()["name"] == "another"
    assert first.headers["ETag"] == second.headers["ETag"]


def test_hub(server: Server) -> None:
    """An address is its operator's own; resetting it touches no other's."""
    one, two = server.client(NAMES[0]), server.client(NAMES[1])
    for client in (one, two):
        client.post("/hub", json={"callback": "https://8.8.8.8/x"})
    assert one.delete("/hub").status_code == 204
    assert one.delete("/hub").status_code == 404
    assert one.get("/hub").status_code == 404
    assert two.get("/hub").json()["callback"] == "https://8.8.8.8/x"
    assert two.delete("/hub").status_code == 204


def test_events(server: Server) -> None:
    """An operator lists the events about its own tickets only, and cannot ask for another's."""
    clients = [server.client(each) for each in NAMES]
    events = [made(server, client, "event") for client in clients]
    for client, event in zip(clients, events, strict=True):
        listed = {each["id"]: each for each in client.get("/event").json()}
        assert listed.keys() & {*events} == {event}
        assert not any("operator" in each for each in listed.values())
        assert client.get("/event", params={"operator": NAMES[0]}).status_code == 400
        client.delete("/hub")
