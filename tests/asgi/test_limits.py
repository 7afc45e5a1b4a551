"""HTTP around the operations: media types, bodies, sizes, methods, headers and errors.

No body is ever stored unvalidated, and no input is ever answered with a 5xx.
"""

from __future__ import annotations

import base64
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.support.exchanges import MALFORMED, VALID, one_shape
from tests.support.servers import BASE
from ttrules.exports.matrix.page import page_of, policy
from ttrules.exports.matrix.view import MatrixView
from ttrules.rulebook import shipped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.servers import Client, Server

#: Content types as they are sent, and what is answered to a valid and to an empty object by POST.
MEDIA_TYPES: dict[str | None, tuple[int, int]] = {
    "application/json": (201, 400),
    "APPLICATION/JSON": (201, 400),
    "Application/Json; charset=UTF-8": (201, 400),
    'application/json;charset="utf-8"': (201, 400),
    "application/json; charset=us-ascii": (201, 400),
    "application/json; charset=utf-16": (415, 415),
    "application/json;charset=latin-1": (415, 415),
    "application/json; charset=bogus": (415, 415),
    "application/merge-patch+json": (415, 415),
    "Application/Merge-Patch+JSON": (415, 415),
    "application/json-patch+json": (415, 415),
    "application/problem+json": (415, 415),
    "application/x-www-form-urlencoded": (415, 415),
    "multipart/form-data; boundary=x": (415, 415),
    "text/plain": (415, 415),
    "text/json": (415, 415),
    "*/*": (415, 415),
    "application/*": (415, 415),
    "json": (415, 415),
    "": (415, 415),
    "application/json, text/plain": (415, 415),
    None: (415, 415),
}


def total(api: Client) -> int:
    """Return how many tickets an operator has."""
    return int(api.get("/troubleTicket?limit=1&fields=id").headers["X-Total-Count"])


@pytest.mark.parametrize("media_type", MEDIA_TYPES, ids=str)
def test_media_types(api: Client, media_type: str | None) -> None:
    """Media types compare without case; what is not taken is a 415, and never stored."""
    headers = {} if media_type is None else {"Content-Type": media_type}
    for body, status in zip((VALID, b"{}"), MEDIA_TYPES[media_type], strict=True):
        before = total(api)
        answer = api.post("/troubleTicket", data=body, headers=headers)
        assert answer.status_code == status
        assert total(api) == before + (status == 201)
        if status >= 400:
            one_shape(answer)


@pytest.mark.parametrize("name", MALFORMED)
@pytest.mark.parametrize("path", ["/troubleTicket", "/hub"])
def test_malformed(api: Client, name: str, path: str) -> None:
    """What is no JSON is a 400 that says what is wrong, and stores nothing."""
    before = total(api)
    headers = {"Content-Type": "application/json"}
    answer = api.post(path, data=MALFORMED[name], headers=headers)
    assert one_shape(answer)["code"] == "invalidBody"
    assert total(api) == before


@pytest.mark.parametrize("body", [b"[]", b"1", b'"text"', b"null", b"true", b"[{}]"])
def test_other_values(api: Client, body: bytes) -> None:
    """A JSON value that is no object is a finding."""
    answer = api.post("/troubleTicket", data=body, headers={"Content-Type": "application/json"})
    (violation,) = one_shape(answer)["violations"]
    assert violation["pointer"] == ""


def test_chunked(api: Client) -> None:
    """A body may come in chunks."""

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(VALID), 50):
            yield VALID[start : start + 50]

    headers = {"Content-Type": "application/json"}
    assert api.post("/troubleTicket", data=chunks(), headers=headers).status_code == 201


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/troubleTicket"),
        ("DELETE", "/troubleTicket/1"),
        ("OPTIONS", "/hub"),
        ("PATCH", "/hub/1"),
    ],
)
def test_methods(api: Client, method: str, path: str) -> None:
    """Another method is a 405 that names the methods there are."""
    answer = api(method, path)
    assert one_shape(answer)["code"] == "methodNotAllowed"
    allowed = {
        "/troubleTicket": "GET, POST, HEAD",
        "/troubleTicket/1": "GET, PATCH, HEAD",
        "/hub": "GET, POST, DELETE, HEAD",
        "/hub/1": "GET, DELETE, HEAD",
    }
    assert answer.headers["Allow"] == allowed[path]


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/troubleTicket/1/2", "//troubleTicket", "/troubleTicket//", "/hub/1/", "/%2e%2e"],
)
def test_unknown_paths(api: Client, path: str) -> None:
    """A path that is not in the document is a 404 in the one shape, never a redirect."""
    assert one_shape(api.get(path))["code"] in {"notFound", "methodNotAllowed"}


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/json", 200),
        ("*/*", 200),
        ("application/*;q=0.1", 200),
        ("text/html, application/json;q=0.5", 200),
        ("text/html", 406),
        ("application/json;q=0", 406),
        ("application/json;q=0.0, text/html", 406),
        ("", 200),
    ],
)
def test_accept(api: Client, accept: str, status: int) -> None:
    """Who does not accept JSON is told so."""
    assert api.get("/troubleTicket?limit=1", headers={"Accept": accept}).status_code == status


def test_every_answer(api: Client) -> None:
    """Every answer has a request id, its sender's when there is a sensible one."""
    for path in ("/troubleTicket?limit=1", "/nothing"):
        given = api.get(path, headers={"X-Request-Id": "abc-1"})
        made = api.get(path, headers={"X-Request-Id": 'a b"c'})
        assert given.headers["X-Request-Id"] == "abc-1"
        assert made.headers["X-Request-Id"] not in {"", 'a b"c'}
        assert given.headers["X-Content-Type-Options"] == "nosniff"
        assert given.headers["Cache-Control"] == "no-store"


def test_large(api: Client) -> None:
    """A body above the limit is a 413, whether its size is declared or not."""
    large = b"x" * (20 * 1024 * 1024 + 1)
    headers = {"Content-Type": "application/json"}
    for body in (large, iter([large[: 1 << 20]] * 21)):
        answer = api.post("/troubleTicket", data=body, headers=headers)
        assert one_shape(answer)["code"] == "contentTooLarge"
        assert answer.headers["Connection"] == "close"
    answer = api.post("/hub", data=b"x" * (64 * 1024 + 1), headers=headers)
    assert one_shape(answer)["code"] == "contentTooLarge"


def test_long_query_and_headers(api: Client) -> None:
    """So is a query a 414 and are headers a 431."""
    assert one_shape(api.get("/troubleTicket?name=" + "x" * 8_192))["code"] == "uriTooLong"
    answer = api.get("/troubleTicket", headers={"X-Long": "x" * 17_000})
    assert one_shape(answer)["code"] == "headersTooLarge"


def test_unauthenticated_pages(server: Server) -> None:
    """Health, numbers, the document and its page ask for no credentials."""
    stranger = server.stranger()
    assert stranger.get(f"{server.root}/health/live").json() == {"status": "live"}
    assert stranger.get(f"{server.root}/health/ready").json()["status"] == "ready"
    assert "ttr_requests_total" in stranger.get(f"{server.root}/metrics").text
    document = stranger.get("/openapi.json").json()
    assert document["openapi"] == "3.0.3"
    assert "ComplaintAdd" in document["components"]["schemas"]
    page = stranger.get(f"{server.root}/ui/")
    assert f"{BASE}/openapi.json" in page.text
    for name in ("swagger-ui.css", "swagger-ui-bundle.js"):
        assert stranger.get(f"{server.root}/ui/{name}").status_code == 200
    for outside in ("../__init__.py", "%2e%2e/__init__.py", "nothing"):
        assert stranger.get(f"{server.root}/ui/{outside}").status_code == 404


def test_matrix(server: Server) -> None:
    """The page of the matrix runs nothing but its own script, and is sent again when it changed."""
    stranger = server.stranger()
    page = stranger.get(f"{server.root}/matrix")
    assert page.content == page_of(MatrixView.of(shipped()))
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Content-Security-Policy"] == f"{policy()}; frame-ancestors 'none'"
    assert page.headers["Cache-Control"] == "no-cache"
    again = stranger.get(
        f"{server.root}/matrix?q=x", headers={"If-None-Match": page.headers["ETag"]}
    )
    assert (again.status_code, again.content) == (304, b"")
    assert stranger("HEAD", f"{server.root}/matrix").headers["ETag"] == page.headers["ETag"]


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET /troubleTicket%00 HTTP/1.1",
        b"GET /%ff%fe HTTP/1.1",
        b"GET /troubleTicket?%ff=%fe HTTP/1.1",
        b"GET /troubleTicket?name=%ed%a0%80 HTTP/1.1",
        b"GET /troubleTicket/%ed%a0%80 HTTP/1.1",
        b"GET /troubleTicket/a%00b HTTP/1.1",
        b"GET /troubleTicket/a%0A HTTP/1.1",
        b"DELETE /hub/a%0A HTTP/1.1",
        b"DELETE /hub%0A HTTP/1.1",
        b"GET /troubleTicket%0A HTTP/1.1",
        b"GET /troubleTicket?name.regex=%5B HTTP/1.1",
        b"FOO /troubleTicket HTTP/1.1",
    ],
)
def test_odd_lines(server: Server, request_line: bytes) -> None:
    """Odd request lines are refused by somebody, and break nothing."""
    method, path, version = request_line.split(b" ")
    address = urlsplit(server.root)
    name, secret = next(iter(server.secrets.items()))
    basic = base64.b64encode(f"{name}:{secret}".encode())
    with socket.create_connection((address.hostname, address.port or 80), timeout=30) as wire:
        wire.sendall(
            b"%b %b%b %b\r\nHost: x\r\nAuthorization: Basic %b\r\nConnection: close\r\n\r\n"
            % (method, BASE.encode(), path, version, basic)
        )
        answer = b"".join(iter(lambda: wire.recv(65_536), b""))
    assert 200 <= int(answer.split(b" ")[1]) < 500
