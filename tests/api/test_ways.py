"""The short way to an operation says what the long way through Connexion says."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import pytest

from server import dispatch, operators
from server.app import make
from server.config import Config
from server.store import Store
from tests.api.conftest import BASE, complaint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.limits import App

KNOWN = "a-known-ticket"
#: What differs between any two answers.
OWN = {b"x-request-id"}


class Request(NamedTuple):
    """A request as ASGI has it; `auth` is what Authorization says, None that it is not sent."""

    method: str
    path: str
    auth: str | None = "right"
    query: bytes = b""
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()


JSON = ((b"content-type", b"application/json"),)
POLISH = ((b"accept-language", b"pl"),)
POST = ("POST", "/troubleTicket")
VALID = json.dumps(complaint()).encode()
REQUESTS = {
    "get": Request("GET", f"/troubleTicket/{KNOWN}"),
    "head": Request("HEAD", f"/troubleTicket/{KNOWN}"),
    "get with a slash": Request("GET", f"/troubleTicket/{KNOWN}/"),
    "get fields": Request("GET", f"/troubleTicket/{KNOWN}", query=b"fields=name"),
    "get filtered": Request("GET", f"/troubleTicket/{KNOWN}", query=b"status=closed"),
    "get html": Request("GET", f"/troubleTicket/{KNOWN}", headers=((b"accept", b"text/html"),)),
    "get nothing": Request("GET", "/troubleTicket/none"),
    "get encoded": Request("GET", "/troubleTicket/\u00e9 %"),
    "get without": Request("GET", f"/troubleTicket/{KNOWN}", auth=None),
    "get wrong": Request("GET", f"/troubleTicket/{KNOWN}", auth="wrong"),
    "get nonsense": Request("GET", f"/troubleTicket/{KNOWN}", auth="Basic ???"),
    "get digest": Request("GET", f"/troubleTicket/{KNOWN}", auth="Digest x"),
    "get bearer": Request("GET", f"/troubleTicket/{KNOWN}", auth="Bearer none"),
    "get empty bearer": Request("GET", f"/troubleTicket/{KNOWN}", auth="Bearer"),
    "post": Request(*POST, body=VALID, headers=JSON),
    "post broken": Request(*POST, body=b'{"origin":"Fax"}', headers=JSON),
    "post no JSON": Request(*POST, body=b"{", headers=JSON),
    "post nothing": Request(*POST, headers=JSON),
    "post no type": Request(*POST, body=VALID),
    "post text": Request(*POST, body=VALID, headers=((b"content-type", b"text/plain"),)),
    "post patch": Request(
        *POST, body=VALID, headers=((b"content-type", b"application/merge-patch+json"),)
    ),
    "post loud": Request(*POST, body=VALID, headers=((b"content-type", b"APPLICATION/JSON"),)),
    "post bad key": Request(*POST, body=VALID, headers=(*JSON, (b"idempotency-key", b""))),
    "post without": Request(*POST, auth=None, body=VALID, headers=JSON),
    "get by a provider": Request("GET", f"/troubleTicket/{KNOWN}", auth="provider"),
    "post by a provider": Request(*POST, auth="provider", body=b"{", headers=JSON),
    "get nothing in Polish": Request("GET", "/troubleTicket/none", headers=POLISH),
    "get filtered in Polish": Request("GET", "/troubleTicket/1", query=b"x=1", headers=POLISH),
    "get without in Polish": Request("GET", "/troubleTicket/none", auth=None, headers=POLISH),
    "get html in Polish": Request(
        "GET", "/troubleTicket/none", headers=(*POLISH, (b"accept", b"text/html"))
    ),
    "post broken in Polish": Request(*POST, body=b'{"origin":"Fax"}', headers=(*JSON, *POLISH)),
    "post no JSON in Polish": Request(*POST, body=b"{", headers=(*JSON, *POLISH)),
    "post in Polish": Request(*POST, body=VALID, headers=(*JSON, *POLISH)),
    "post by a provider in Polish": Request(
        *POST, auth="provider", body=VALID, headers=(*JSON, *POLISH)
    ),
    "post wrong and broken": Request(*POST, auth="wrong", body=b"{", headers=JSON),
}


class Ways(NamedTuple):
    """An application that has the short way, one that has not, and who may ask them."""

    short: App
    long: App
    pairs: dict[str, str]


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ways]:
    """Give both ways over one store."""
    store = Store(f"sqlite:///{tmp_path_factory.mktemp('ways')}/t.db").open()
    secret = store.submit(lambda c: operators.add(c, "one", 0)).result(30)
    other = store.submit(lambda c: operators.add(c, "noc", 0, "provider")).result(30)
    pairs = {"right": f"one:{secret}", "wrong": "one:wrong", "provider": f"noc:{other}"}
    lenient = Config(failed_logins=1000)
    short = make(lenient, store)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dispatch, "_SHORT", frozenset())
        long = make(lenient, store)
    yield Ways(short, long, pairs)
    store.close()


async def answered(app: App, request: Request, pairs: dict[str, str]) -> tuple[Any, ...]:
    """Return status, headers and body of an answer, without what differs anyway."""
    auth = request.auth
    if auth in pairs:
        auth = f"Basic {base64.b64encode(pairs[auth].encode()).decode()}"
    headers = [*request.headers, (b"content-length", str(len(request.body)).encode())]
    if auth is not None:
        headers.append((b"authorization", auth.encode()))
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        """Give the body."""
        return {"type": "http.request", "body": request.body, "more_body": False}

    async def send(message: Any) -> None:
        """Keep a part of the answer."""
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "method": request.method,
        "path": f"{BASE}{request.path}",
        "raw_path": quote(f"{BASE}{request.path}").encode(),
        "root_path": "",
        "query_string": request.query,
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    await app(scope, receive, send)
    kept = sorted((k, v) for k, v in sent[0]["headers"] if k not in OWN)
    return sent[0]["status"], kept, b"".join(each.get("body", b"") for each in sent[1:])


def same(answer: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return an answer with what is new in each ticket taken out."""
    status, headers, body = answer
    if status != 201:
        return answer
    ticket = json.loads(body)
    new = [ticket["id"], ticket["creationDate"]]
    for each in new:
        body = body.replace(each.encode(), b"NEW")
        headers = [(name, value.replace(each.encode(), b"NEW")) for name, value in headers]
    return status, headers, body


@pytest.mark.parametrize("name", REQUESTS)
def test_same(name: str, ways: Ways, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status, headers and body are the same by both ways, and the short one is really taken."""
    short, long, pairs = ways
    taken: list[bool] = []
    find = dispatch.Shortcut._is_short

    def is_short(self: dispatch.Shortcut, scope: Any) -> bool:
        """Say whether the short way is taken, and note it."""
        taken.append(find(self, scope))
        return taken[-1]

    monkeypatch.setattr(dispatch.Shortcut, "_is_short", is_short)

    async def ask() -> list[tuple[Any, ...]]:
        """Create the known ticket, and ask by both ways."""
        first = await answered(short, REQUESTS["post"], pairs)
        number = json.loads(first[2])["id"]
        request = REQUESTS[name]
        asked = request._replace(path=request.path.replace(KNOWN, number))
        return [same(await answered(app, asked, pairs)) for app in (short, long)]

    by_short, by_long = asyncio.run(ask())
    assert by_short == by_long
    is_told = by_short[0] >= 400
    language = b"pl" if name.endswith("Polish") else b"en"
    assert ((b"content-language", language) in by_short[1]) is is_told
    assert (by_short[0] == 403) is (REQUESTS[name].auth == "provider")
    assert taken[0], "a plain POST takes the short way"
    assert not any(taken[2:]), "the other application has none"
