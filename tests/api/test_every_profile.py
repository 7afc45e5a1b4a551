"""What the server does for every API that a profile describes, on both databases.

APIS has the facts of each API; the tests here have none. What only one API has is tested elsewhere.
"""

from __future__ import annotations

import json
from itertools import product
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import uuid4

import pytest

from tests.delivery.receivers import receiving
from tests.support.apis import APIS
from tests.support.databases import DATABASES, postgresql
from tests.support.servers import LISTENING, NAMES, delivering, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.apis import Api
    from tests.support.servers import Client, Server

pytestmark = pytest.mark.slow

#: The media type of a body.
JSON: Final = "application/json"
_SERVED: Final = [
    pytest.param(
        (api, "sqlite" if kind == "sqlite" else "postgresql"),
        id=f"{api.name}-{'sqlite' if kind == 'sqlite' else 'postgresql'}",
        marks=() if kind == "sqlite" else pytest.mark.postgres,
    )
    for api, kind in product(APIS, DATABASES)
]


class Served(NamedTuple):
    """A running server, the API that it serves, and a client of the first operator."""

    server: Server
    facts: Api
    client: Client

    def created(self, **members: Any) -> dict[str, Any]:
        """Create a resource and return it as the server returned it."""
        answer = self.client.post(self.facts.resources, json={**self.facts.new, **members})
        assert answer.status_code == 201, answer.text
        resource: dict[str, Any] = answer.json()
        return resource

    def path(self, resource: dict[str, Any]) -> str:
        """Return the path of a resource."""
        return f"{self.facts.resources}/{resource[self.facts.identifier]}"


@pytest.fixture(scope="module", params=_SERVED)
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """Give a server of each API on each database, whose operators may listen on this machine."""
    facts, kind = request.param
    folder = tmp_path_factory.mktemp("profile")
    address = f"sqlite:///{folder}/t.db" if kind == "sqlite" else postgresql()
    with serving(address, facts.profile, **LISTENING) as running:
        yield Served(running, facts, running.client())


def test_create(served: Served) -> None:
    """A new resource has an identifier and the initial status, and is stored as it was answered."""
    facts = served.facts
    resource = served.created()
    assert resource[facts.identifier]
    assert facts.profile.lifecycle is not None
    assert resource[facts.status] == facts.profile.lifecycle.initial
    scalars = {k: v for k, v in facts.new.items() if not isinstance(v, list)}
    assert scalars.items() <= resource.items()
    assert served.client.get(served.path(resource)).json() == resource


def test_invalid(served: Served) -> None:
    """A body that breaks a rule is refused with the violation; one that is no JSON, too."""
    facts = served.facts
    body = {name: value for name, value in facts.new.items() if name != facts.required}
    answer = served.client.post(facts.resources, json=body)
    assert answer.status_code == 400
    found = [(each["code"], each["pointer"]) for each in answer.json()["violations"]]
    assert found == [("required", f"/{facts.required}")]
    answer = served.client.post(facts.resources, data="{", headers={"Content-Type": JSON})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalidBody")


def test_list(served: Served) -> None:
    """A list is filtered, sorted, paged and reduced to fields."""
    facts, mark = served.facts, uuid4().hex
    made = [served.created(**{facts.filtered: f"{mark}{number}"}) for number in range(3)]
    values = [each[facts.filtered] for each in made]
    here = ",".join(values)

    def listed(**query: Any) -> list[Any]:
        """Return the filtered member of the resources of a list."""
        answer = served.client.get(facts.resources, params=query)
        assert answer.status_code == 200, answer.text
        return [each[facts.filtered] for each in answer.json()]

    assert listed(**{facts.filtered: values[1]}) == values[1:2]
    assert sorted(listed(**{facts.filtered: here})) == values
    assert listed(**{facts.filtered: here, "sort": f"-{facts.filtered}"}) == values[::-1]
    page = {facts.filtered: here, "sort": facts.filtered, "offset": 1, "limit": 1}
    answer = served.client.get(facts.resources, params=page)
    assert [each[facts.filtered] for each in answer.json()] == values[1:2]
    assert answer.headers["X-Total-Count"] == "3"
    assert listed(**{f"{facts.filtered}.regex": f"^{mark}[02]$", "sort": facts.filtered}) == [
        values[0],
        values[2],
    ]
    query = {facts.filtered: values[0], "fields": facts.status}
    (reduced,) = served.client.get(facts.resources, params=query).json()
    assert facts.status in reduced
    assert facts.filtered not in reduced
    answer = served.client.get(facts.resources, params={"no such filter": "1"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalidQuery")


def test_change(served: Served) -> None:
    """A merge patch changes members; an old entity tag is refused."""
    resource, path = (made := served.created()), served.path(made)
    answer = served.client.patch(path, json=served.facts.change)
    assert answer.status_code == 200, answer.text
    changed = answer.json()
    assert served.facts.change.items() <= changed.items()
    assert changed.keys() >= resource.keys()
    assert served.client.get(path).json() == changed
    answer = served.client.patch(path, json=served.facts.change, headers={"If-Match": '"1"'})
    assert answer.status_code == 412


def test_moves(served: Served) -> None:
    """The status follows the lifecycle, and nothing else."""
    facts, path = served.facts, served.path(served.created())
    base = {name: value for name, value in facts.change.items() if name.startswith("@")}
    answer = served.client.patch(path, json={**base, facts.status: facts.no_move})
    assert answer.status_code == 409
    for status in facts.moves:
        answer = served.client.patch(path, json={**base, facts.status: status})
        assert (answer.status_code, answer.json()[facts.status]) == (200, status)


def test_isolation(served: Served) -> None:
    """An operator does not see the resources of another; without credentials nobody sees any."""
    path = served.path(served.created())
    other = served.server.client(NAMES[1])
    assert other.get(path).status_code == 404
    assert other.patch(path, json=served.facts.change).status_code == 404
    assert served.server.stranger().get(path).status_code == 401
    assert served.client.get(f"{served.facts.resources}/none").status_code == 404
    assert served.client("PUT", path, json={}).status_code == 405


def test_repeated(served: Served) -> None:
    """A request that is repeated with its key creates nothing."""
    headers = {"Idempotency-Key": uuid4().hex}
    answers = [
        served.client.post(served.facts.resources, json=served.facts.new, headers=headers)
        for _ in range(2)
    ]
    assert [each.status_code for each in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()


def test_delete(served: Served) -> None:
    """Who may delete a resource does so once; who may not gets a 405."""
    path = served.path(served.created())
    clients = {
        side.role: served.server.client() if side.role == "operator" else served.server.backoffice()
        for side in served.facts.profile.sides
    }
    for side in served.facts.profile.sides:
        if side.find("delete") is None:
            assert clients[side.role].delete(path).status_code == 405
            assert served.client.get(path).status_code == 200
    for side in served.facts.profile.sides:
        if side.find("delete") is not None:
            assert clients[side.role].delete(path).status_code == 204
            assert clients[side.role].delete(path).status_code == 404
            assert served.client.get(path).status_code == 404


def test_provider(served: Served) -> None:
    """A provider, if the API has one, sees and changes the resources of all operators."""
    if served.facts.profile.provider is None:
        return
    resource, path = (made := served.created()), served.path(made)
    provider = served.server.backoffice()
    assert provider.get(path).json() == {**resource, "operator": NAMES[0]}
    change = {served.facts.status: served.facts.moves[0]}
    assert provider.patch(path, json=change).status_code == 200
    assert served.client.get(path).json()[served.facts.status] == served.facts.moves[0]


def test_events(served: Served) -> None:
    """Each change raises the events of the lifecycle, at the paths of the document, in order."""
    facts, client = served.facts, served.server.client(NAMES[2])
    base = {name: value for name, value in facts.change.items() if name.startswith("@")}
    with receiving() as receiver, delivering(served.server, facts.profile, **LISTENING):
        assert client.post(facts.hub, json={"callback": f"{receiver.url}/x"}).status_code == 201
        resource = client.post(facts.resources, json=facts.new).json()
        path = served.path(resource)
        client.patch(path, json=facts.change)
        client.patch(path, json={**base, facts.status: facts.moves[0]})
        arrived = receiver.wait_for(len(facts.told))
    assert [each.path for each in arrived] == [f"/x{added}" for _, added in facts.told]
    bodies: list[Any] = [json.loads(each.body) for each in arrived]
    for body, (name, _) in zip(bodies, facts.told, strict=True):
        assert name in body.values()
        inner = body
        for part in facts.place:
            inner = inner[part]
        assert inner[facts.identifier] == resource[facts.identifier]
    assert inner[facts.status] == facts.moves[0]
