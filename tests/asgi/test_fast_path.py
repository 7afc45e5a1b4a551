"""Every operation answers the same with the fast path and without it, through Flask."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import flask
import pytest
from sqlalchemy import update

from server import documents
from server.app import create_app
from server.asgi.views import LOOP
from server.config import Config
from server.storage import operators
from server.storage.database import Database
from server.storage.tables import event as events
from tests.support.contract import BACKOFFICE_BASE
from tests.support.profiles import base_path, load, load_backoffice
from tests.support.servers import BASE
from tests.support.tickets import complaint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from server.asgi.limits import App
    from server.profile.model import Role

#: Stands for the id of an object that exists.
KNOWN = "a-known-id"
#: An hour in microseconds.
HOUR = 3_600_000_000
#: What differs between any two answers.
OWN = {b"x-request-id"}


class Request(NamedTuple):
    """A request as ASGI has it; `auth` is what Authorization says, None that it is not sent."""

    method: str
    path: str
    auth: str | None = "operator"
    query: bytes = b""
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    base: str = BASE
    is_chunked: bool = False


JSON = ((b"content-type", b"application/json"),)
MERGE = ((b"content-type", b"application/merge-patch+json"),)
JSON_PATCH = ((b"content-type", b"application/json-patch+json"),)
TEXT = ((b"content-type", b"text/plain"),)
POLISH = ((b"accept-language", b"pl"),)
POST = ("POST", "/troubleTicket")
ONE = f"/troubleTicket/{KNOWN}"
VALID = json.dumps(complaint()).encode()
LARGE = json.dumps({**complaint(), "note": [{"text": "x" * 900}] * 60}).encode()
HOOK = b'{"callback":"http://127.0.0.1:9/hook"}'

CHANGE = b'{"@type":"TroubleTicket","origin":"Web"}'

REQUESTS = {
    "get": Request("GET", ONE),
    "head": Request("HEAD", ONE),
    "get with a slash": Request("GET", f"{ONE}/"),
    "get fields": Request("GET", ONE, query=b"fields=name"),
    "get filtered": Request("GET", ONE, query=b"status=closed"),
    "get html": Request("GET", ONE, headers=((b"accept", b"text/html"),)),
    "get nothing": Request("GET", "/troubleTicket/none"),
    "get encoded": Request("GET", "/troubleTicket/\u00e9 %"),
    "get punctuation": Request("GET", "/troubleTicket/a;b=c,d+e&f:g@h!$'()*~"),
    "get known by ETag": Request("GET", ONE, headers=((b"if-none-match", b"*"),)),
    "get without": Request("GET", ONE, auth=None),
    "get wrong": Request("GET", ONE, auth="wrong"),
    "get nonsense": Request("GET", ONE, auth="Basic ???"),
    "get digest": Request("GET", ONE, auth="Digest x"),
    "get bearer": Request("GET", ONE, auth="Bearer none"),
    "get empty bearer": Request("GET", ONE, auth="Bearer"),
    "list": Request("GET", "/troubleTicket"),
    "list a page": Request("GET", "/troubleTicket", query=b"limit=1&sort=-creationDate"),
    "list odd names": Request("GET", "/troubleTicket", query=b"request=1&request[a]=2"),
    "list twice": Request("GET", "/troubleTicket", query=b"limit=1&limit=2"),
    "list encoded": Request("GET", "/troubleTicket", query=b"name=%C5%BC%2C%ED%A0%80"),
    "list not encoded": Request("GET", "/troubleTicket", query="name=\u017c".encode()),
    "list half an escape": Request("GET", "/troubleTicket", query=b"name=%&=&&status=%zz"),
    "post": Request(*POST, body=VALID, headers=JSON),
    "post large": Request(*POST, body=LARGE, headers=JSON),
    "post chunked": Request(*POST, body=VALID, headers=JSON, is_chunked=True),
    "post large chunked": Request(*POST, body=LARGE, headers=JSON, is_chunked=True),
    "post chunked without a type": Request(*POST, body=VALID, is_chunked=True),
    "post chunked nothing": Request(*POST, headers=JSON, is_chunked=True),
    "post broken": Request(*POST, body=b'{"origin":"Fax"}', headers=JSON),
    "post no JSON": Request(*POST, body=b"{", headers=JSON),
    "post no UTF-8": Request(*POST, body=b'"\xff"', headers=JSON),
    "post nothing": Request(*POST, headers=JSON),
    "post no type": Request(*POST, body=VALID),
    "post nothing of no type": Request(*POST),
    "post text": Request(*POST, body=VALID, headers=TEXT),
    "post patch": Request(*POST, body=VALID, headers=MERGE),
    "post a form": Request(
        *POST, body=b"a=b", headers=((b"content-type", b"application/x-www-form-urlencoded"),)
    ),
    "post a multipart form": Request(
        *POST, body=b"--b--\r\n", headers=((b"content-type", b"multipart/form-data; boundary=b"),)
    ),
    "post loud": Request(*POST, body=VALID, headers=((b"content-type", b"APPLICATION/JSON"),)),
    "post charset": Request(
        *POST, body=VALID, headers=((b"content-type", b"application/json; charset=UTF-8"),)
    ),
    "post bad key": Request(*POST, body=VALID, headers=(*JSON, (b"idempotency-key", b""))),
    "post two keys": Request(
        *POST, body=VALID, headers=(*JSON, *((b"idempotency-key", each) for each in (b"a", b"b")))
    ),
    "post a key with an underscore": Request(
        *POST, body=VALID, headers=(*JSON, (b"idempotency_key", b""))
    ),
    "post without": Request(*POST, auth=None, body=VALID, headers=JSON),
    "post too large": Request(*POST, body=b" " * (20 << 20), headers=JSON),
    "post too large in the end": Request(
        *POST, body=b" " * ((20 << 20) + 1), headers=JSON, is_chunked=True
    ),
    "patch": Request("PATCH", ONE, body=CHANGE, headers=MERGE),
    "patch by operations": Request(
        "PATCH",
        ONE,
        body=b'[{"op":"add","path":"/origin","value":"Web"}]',
        headers=JSON_PATCH,
    ),
    "patch as JSON": Request("PATCH", ONE, body=CHANGE, headers=JSON),
    "patch another version": Request(
        "PATCH", ONE, body=CHANGE, headers=(*MERGE, (b"if-match", b'"0"'))
    ),
    "delete with a body": Request("DELETE", "/hub/none", body=b"x", headers=TEXT),
    "redeliver with a body": Request("POST", "/event/none/redelivery", body=b"x", headers=TEXT),
    "check": Request("POST", "/check", auth=None, body=VALID, headers=JSON),
    "check large": Request("POST", "/check", auth=None, body=LARGE, headers=JSON),
    "check chunked": Request(
        "POST", "/check", auth=None, body=VALID, headers=JSON, is_chunked=True
    ),
    "check text": Request("POST", "/check", auth=None, body=VALID, headers=TEXT),
    "check with credentials": Request("POST", "/check", auth="wrong", body=VALID, headers=JSON),
    "get by a provider": Request("GET", ONE, auth="provider"),
    "post by a provider": Request(*POST, auth="provider", body=b"{", headers=JSON),
    "get nothing in Polish": Request("GET", "/troubleTicket/none", headers=POLISH),
    "get filtered in Polish": Request("GET", "/troubleTicket/1", query=b"x=1", headers=POLISH),
    "get without in Polish": Request("GET", "/troubleTicket/none", auth=None, headers=POLISH),
    "get html in Polish": Request(
        "GET", "/troubleTicket/none", headers=(*POLISH, (b"accept", b"text/html"))
    ),
    "post broken in Polish": Request(*POST, body=b'{"origin":"Fax"}', headers=(*JSON, *POLISH)),
    "post no JSON in Polish": Request(*POST, body=b"{", headers=(*JSON, *POLISH)),
    "post text in Polish": Request(*POST, body=VALID, headers=(*TEXT, *POLISH)),
    "post in Polish": Request(*POST, body=VALID, headers=(*JSON, *POLISH)),
    "post by a provider in Polish": Request(
        *POST, auth="provider", body=VALID, headers=(*JSON, *POLISH)
    ),
    "post wrong and broken": Request(*POST, auth="wrong", body=b"{", headers=JSON),
}
#: A good body of each operation that takes one, with its media type.
BODIES = {
    "createTroubleTicket": (VALID, JSON),
    "checkTroubleTicket": (VALID, JSON),
    "patchTroubleTicket": (CHANGE, MERGE),
    "patchAnyTroubleTicket": (b'{"priority":2}', MERGE),
    "registerListener": (HOOK, JSON),
}
#: The query of each operation that needs one.
QUERIES = {"purgeEvent": b"before=2020-01-01T00:00:00Z"}


class Operation(NamedTuple):
    """An operation of a document."""

    name: str
    method: str
    path: str
    base: str
    is_public: bool


def all_operations() -> Iterator[Operation]:
    """Yield the operations of both documents."""
    for document in (load(), load_backoffice()):
        public, base = documents.public(document), base_path(document)
        for template, methods in documents.operations(document).items():
            for method, name in methods.items():
                yield Operation(name, method, template, base, name in public)


OPERATIONS = {each.name: each for each in all_operations()}


def requests_to(operation: Operation) -> dict[str, Request]:
    """Return the requests that each operation gets."""
    right, other = "operator", "provider"
    if operation.base == BACKOFFICE_BASE:
        right, other = other, right
    body, headers = BODIES.get(operation.name, (b"", ()))
    good = Request(
        operation.method,
        re.sub("{.*?}", KNOWN, operation.path),
        right,
        QUERIES.get(operation.name, b""),
        body,
        headers,
        operation.base,
    )
    return {
        "good": good,
        "good in Polish": good._replace(headers=(*headers, *POLISH)),
        "by a token": good._replace(auth="token" if right == "operator" else "provider's token"),
        "chunked": good._replace(is_chunked=bool(body)),
        "no JSON": good._replace(body=b'{"a":1,}', headers=headers or JSON),
        "not an object": good._replace(body=b"[1]", headers=headers or JSON),
        "another media type": good._replace(body=b"x", headers=TEXT),
        "no media type": good._replace(body=b"x", headers=()),
        "no body": good._replace(body=b""),
        "a query": good._replace(query=b"no-such-parameter=1"),
        "wrong secret": good._replace(auth="wrong"),
        "wrong token": good._replace(auth="Bearer none"),
        "no credentials": good._replace(auth=None),
        "the other side": good._replace(auth=other),
        "not found": good._replace(path=good.path.replace(KNOWN, "none")),
    }


class Ways(NamedTuple):
    """An application with the fast path, one without it, and the credentials for both."""

    fast: App
    flask: App
    pairs: dict[str, str]
    store: Database


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ways]:
    """Give both ways over one store."""
    store = Database(f"sqlite:///{tmp_path_factory.mktemp('ways')}/t.db").open()
    pairs: dict[str, str] = {}
    roles: tuple[tuple[Role, str], ...] = (("operator", "token"), ("provider", "provider's token"))
    for role, token in roles:
        pairs[role], pairs[token] = store.submit(partial(added, role)).result(30)
    pairs["wrong"] = basic("operator:wrong")
    config = Config(
        failed_logins=10_000,
        failed_logins_per_address=10_000,
        checker=True,
        allow_loopback_callbacks=True,
    )
    slow = replace(config, fast_path=False)
    yield Ways(create_app(config, store), create_app(slow, store), pairs, store)
    store.close()


def added(role: Role, connection: Connection) -> tuple[str, str]:
    """Add a caller of a role; return its Authorization headers, for Basic and for a token."""
    secret = operators.add(connection, role, 0, role)
    caller = operators.named(connection, role)
    assert caller is not None
    token = operators.grant(connection, caller, time.time_ns() // 1000, HOUR)
    return basic(f"{role}:{secret}"), f"Bearer {token}"


def basic(pair: str) -> str:
    """Return the Authorization header of a name and a secret."""
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


async def answered(app: App, request: Request, pairs: dict[str, str]) -> tuple[Any, ...]:
    """Return status, headers and body of an answer, without what differs anyway."""
    auth = pairs.get(request.auth or "", request.auth)
    headers = list(request.headers)
    if request.is_chunked:
        headers.append((b"transfer-encoding", b"chunked"))
    else:
        headers.append((b"content-length", str(len(request.body)).encode()))
    if auth is not None:
        headers.append((b"authorization", auth.encode()))
    middle = len(request.body) // 2
    parts = [request.body[:middle], request.body[middle:]]
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        """Give the next part of the body."""
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def send(message: Any) -> None:
        """Keep a part of the answer."""
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "method": request.method,
        "path": f"{request.base}{request.path}",
        "raw_path": quote(f"{request.base}{request.path}", safe="/;=,+&:@!$'()*~").encode(),
        "root_path": "",
        "query_string": request.query,
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "state": {LOOP: asyncio.get_running_loop()},
    }
    await app(scope, receive, send)
    kept = sorted((k, v) for k, v in sent[0]["headers"] if k not in OWN)
    return sent[0]["status"], kept, b"".join(each.get("body", b"") for each in sent[1:])


#: What is new in each answer: ids, instants, versions and secrets, in bodies and headers.
_NEW = re.compile(
    rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    rb"|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z"
    rb'|whsec_[\w+/=]+|W?/?"[\w-]+"(?=$)'
)


def same(answer: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return an answer with what is new in each answer taken out."""
    status, headers, body = answer
    masked = [(name, _NEW.sub(b"NEW", value)) for name, value in headers]
    return status, masked, _NEW.sub(b"NEW", body)


@pytest.fixture
def views() -> Iterator[list[str]]:
    """Give the names of the views that Flask has called."""
    called: list[str] = []

    def note(_: flask.Flask, **__: Any) -> None:
        """Note the view; those of operations are named blueprint.operationId."""
        called.append((flask.request.endpoint or "").rpartition(".")[2])

    flask.request_started.connect(note)
    yield called
    flask.request_started.disconnect(note)


async def asked(app: App, request: Request, ways: Ways) -> tuple[Any, ...]:
    """Return the answer to a request whose object has just been created, without its id."""
    known = await known_id(request.path, ways)
    request = request._replace(path=request.path.replace(KNOWN, known))
    status, headers, body = await answered(app, request, ways.pairs)
    masked = [(name, value.replace(known.encode(), b"KNOWN")) for name, value in headers]
    return same((status, masked, body.replace(known.encode(), b"KNOWN")))


async def known_id(path: str, ways: Ways) -> str:
    """Return the id of what a path needs: a new ticket, the only subscription, or a settled event.

    The operator has one subscription, and no object is created that the path does not need, so that
    lists stay the same.
    """

    async def send(request: Request) -> Any:
        """Return the body of an answer, if it has one."""
        body = (await answered(ways.fast, request, ways.pairs))[2]
        return json.loads(body) if body else None

    kind = path.split("/")[1]
    if kind == "hub":
        await send(Request("DELETE", "/hub"))
    if kind == "hub" or KNOWN not in path:
        return str((await send(Request("POST", "/hub", body=HOOK, headers=JSON)))["id"])
    ticket: str = (await send(REQUESTS["post"]))["id"]
    if kind == "troubleTicket":
        return ticket
    change = Request("PATCH", f"/troubleTicket/{ticket}", body=CHANGE, headers=MERGE)
    await send(change)
    event, *_ = (each for each in await send(Request("GET", "/event")) if each["ticket"] == ticket)
    settled = update(events).where(events.c.id == event["id"])
    settled = settled.values(state="delivered", settled=time.time_ns() // 1000)
    ways.store.submit(lambda c: c.execute(settled)).result(30)
    return str(event["id"])


@pytest.mark.parametrize("name", REQUESTS)
def test_same(name: str, ways: Ways) -> None:
    """Status, headers and body are the same with and without the fast path."""
    request = REQUESTS[name]

    async def ask() -> list[tuple[Any, ...]]:
        """Send the request both ways."""
        return [await asked(app, request, ways) for app in (ways.fast, ways.flask)]

    fast, slow = asyncio.run(ask())
    assert fast == slow
    language = b"pl" if name.endswith("Polish") else b"en"
    has_language = fast[0] >= 400 or request.path == "/check"
    assert ((b"content-language", language) in fast[1]) is has_language
    assert (fast[0] == 403) is (request.auth == "provider")
    assert fast[0] < 500


@pytest.mark.parametrize("kind", requests_to(OPERATIONS["createTroubleTicket"]))
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation(name: str, kind: str, ways: Ways, views: list[str]) -> None:
    """Every operation answers the same both ways; without the fast path, Flask answers it."""
    operation = OPERATIONS[name]
    request = requests_to(operation)[kind]

    fast = asyncio.run(asked(ways.fast, request, ways))
    assert views == [], "the fast path answers before Flask, Connexion what is not allowed"
    slow = asyncio.run(asked(ways.flask, request, ways))
    assert fast == slow
    status = fast[0]
    assert status < 500
    assert views == ([] if status in {401, 415} else [name])
    if kind in {"good", "good in Polish", "by a token", "chunked"}:
        assert status < 300
    if kind in {"wrong secret", "wrong token", "no credentials"} and not operation.is_public:
        assert status == 401
    if kind == "the other side" and not operation.is_public:
        assert status == 403
    if kind == "not found" and "{" in operation.path:
        assert status == 404


def test_security() -> None:
    """The documents ask for Basic or a token everywhere, or for nothing: the fast path does too."""
    for document in (load(), load_backoffice()):
        assert document["security"] == [{"basicAuth": []}, {"oauth2": []}]
        for item in document["paths"].values():
            for operation in item.values():
                if isinstance(operation, dict):
                    assert operation.get("security", []) == []
