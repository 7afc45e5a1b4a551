"""One routing table: a path that is not spelled as in the table reaches nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from server import documents
from server.asgi.routing import Route, Routes
from server.messages.en import sentence
from server.problems import ApiError
from tests.asgi.wires import Wire, basic, request
from tests.support.contract import BACKOFFICE_BASE
from tests.support.profiles import load, load_backoffice
from tests.support.servers import BASE, NAMES, PROVIDER, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.servers import Server

pytestmark = pytest.mark.slow

#: The operations of each path of a side.
SIDES = {
    BASE: documents.operations(load()),
    BACKOFFICE_BASE: documents.operations(load_backoffice()),
}
PUBLIC = documents.public(load())
PAGES = [
    *("/health/live", "/health/ready", "/metrics", "/openapi.json", "/matrix", "/ui", "/ui/", "/"),
    *(f"{base}/openapi.json" for base in SIDES),
    *("/ui/swagger-ui.css", "/ui/swagger-ui-bundle.js", "/ui/swagger-ui-standalone-preset.js"),
    *("/ui/favicon-32x32.png", "/checker/check.js", "/checker/facts.json"),
]
TOKEN = "/oauth2/token"
ID = "2c7a0f5e-0000-4000-8000-000000000000"
OPERATIONS = {
    base + template.replace("{", "").replace("troubleTicketId}", ID).replace("}", ""): operations
    for base, side in SIDES.items()
    for template, operations in side.items()
}
EXACT = [*PAGES, TOKEN, *OPERATIONS]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
UNKNOWN_METHODS = ["PROPFIND", "get", "Post", "FOO", "GET-IT"]


def spellings(path: str) -> Iterator[str]:
    """Yield other spellings of a path, which some program reads as the same one."""
    slashes = [at for at, sign in enumerate(path) if sign == "/"]
    for odd in (
        "//",
        "///",
        "/./",
        "/x/../",
        "/%2e/",
        "/%2F",
        "%2F",
        "%2f",
        "%5C",
        "/%252F",
        "/%00",
    ):
        for at in {slashes[0], slashes[len(slashes) // 2], slashes[-1]}:
            yield path[:at] + odd + path[at + 1 :]
    yield f"{path[:-1]}%{ord(path[-1]):02x}"
    yield path.upper()
    for odd in (
        "//",
        "/.",
        "/..",
        "/%2e%2e",
        "/%2F",
        "%2F",
        "%5C",
        "%20",
        "%0A",
        "%00",
        "%",
        "%zz",
    ):
        yield path + odd
    for odd in (";v=1", ";", ".json", "%3F", "%23", "\\", "|", "x"):
        yield path + odd
    yield "/" + path.replace("/", "\\")[1:]
    yield "/gateway" + path
    yield "/" + BASE + path


def odd_paths() -> list[str]:
    """Return the spellings of all paths that are not themselves in the table."""
    slashed = {f"{path}/" for path in OPERATIONS}  # a path of a document may end in one
    found = {odd: None for path in EXACT for odd in spellings(path)}
    return [odd for odd in found if odd not in EXACT and odd not in slashed]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give a server."""
    with serving(f"sqlite:///{tmp_path_factory.mktemp('routing')}/t.db") as running:
        yield running


def is_parameter(path: str) -> bool:
    """Say whether a path ends in what may be any id."""
    return any(
        path.startswith(f"{base}/{kind}/")
        for base in SIDES
        for kind in ("troubleTicket", "hub", "event")
    )


def test_odd_paths(running: Server) -> None:
    """Every other spelling of a path is an error in the one shape, with and without credentials."""
    paths = odd_paths()
    assert len(paths) > 1_000
    with Wire(running) as wire:
        for turn, path in enumerate(paths):
            name = PROVIDER if path.startswith(BACKOFFICE_BASE) else NAMES[0]
            other = [*METHODS, *UNKNOWN_METHODS][turn % 13]
            for method, auth in (("GET", None), (other, basic(running, name))):
                answer = wire.ask(request(method, path, auth=auth), method)
                expected = {400, 404}
                if is_parameter(path):  # it may be an id, of nothing
                    expected |= {405} if auth else {405, 401}
                assert answer.status in expected, (method, path, answer)
                if method != "HEAD":
                    answer.error()


@pytest.mark.parametrize("path", EXACT)
def test_exact_paths(running: Server, path: str) -> None:
    """A path of the table answers its methods, to those who may ask; others get 405 with Allow."""
    operations = OPERATIONS.get(path, {"POST": "grantToken"} if path == TOKEN else {"GET": ""})
    names = [*operations, *(["HEAD"] if "GET" in operations else [])]
    side = BACKOFFICE_BASE if path.startswith(BACKOFFICE_BASE) else BASE
    own, foreign = (NAMES[0], PROVIDER) if side == BASE else (PROVIDER, NAMES[0])
    is_open = path not in OPERATIONS or operations.get("POST") in PUBLIC
    with Wire(running) as wire:
        for method in [*METHODS, *UNKNOWN_METHODS]:
            for name in (None, own, foreign):
                auth = basic(running, name) if name and path != TOKEN else None
                answer = wire.ask(request(method, path, auth=auth), method)
                assert answer.status < 500
                if method not in names:
                    assert answer.status == 405, (method, answer)
                    assert answer.headers["allow"] == ", ".join(names)
                elif path == TOKEN:
                    assert answer.status == 400  # the shape is that of OAuth
                elif is_open:
                    assert answer.status not in {401, 403, 404, 405}
                elif name != own:
                    assert answer.status == (403 if name else 401), (method, name, answer)
                else:
                    assert answer.status not in {401, 403, 405}
                if answer.status >= 400 and method != "HEAD" and path != TOKEN:
                    answer.error()


def test_labels(running: Server) -> None:
    """Rejected requests are counted under the operation that their path and method name."""
    path = f"{BASE}/troubleTicket"
    json_type = b"Content-Type: application/json"
    refused = {
        "retrieveTroubleTicket": (401, request("GET", f"{path}/1")),
        "createTroubleTicket": (413, request("POST", path, json_type, b"Content-Length: 99999999")),
        "patchTroubleTicket": (415, request("PATCH", f"{path}/1", b"Content-Type: x", body=b"1")),
        "grantToken": (413, request("POST", TOKEN, b"Content-Length: 99999999")),
        "purgeEvent": (401, request("DELETE", f"{BACKOFFICE_BASE}/event")),
    }
    with Wire(running) as wire:
        for status, data in refused.values():
            wire.send(data)
            assert wire.answer().status == status
            wire.close()
        numbers = wire.ask(request("GET", "/metrics")).body.decode()
    for operation, (status, _) in refused.items():
        assert f'ttr_requests_total{{operation="{operation}",status="{status}"}}' in numbers


class TestTable:
    """The table itself."""

    ROUTES = Routes(
        [
            Route("/api/a", {"GET": "list", "POST": "create"}, 1, is_api=True),
            Route("/api/a/{id}", {"GET": "read"}, 1, is_api=True),
            Route("/page", {"GET": ""}, 1),
        ],
        "/proxy/x",
    )

    @pytest.mark.parametrize(
        ("target", "path", "operation", "parameters"),
        [
            (b"/api/a", "/api/a", "list", {}),
            (b"/api/a/", "/api/a", "list", {}),
            (b"/proxy/x/api/a", "/api/a", "list", {}),
            (b"/proxy/x/page", "/page", "", {}),
            (b"/api/a/1", "/api/a/1", "read", {"id": "1"}),
            (b"/api/a/1/", "/api/a/1", "read", {"id": "1"}),
            (b"/api/a/%C5%BC%20%25", "/api/a/\u017c %", "read", {"id": "\u017c %"}),
            (b"/api/a/...", "/api/a/...", "read", {"id": "..."}),
        ],
    )
    def test_found(
        self, target: bytes, path: str, operation: str, parameters: dict[str, str]
    ) -> None:
        """What is found has the path of the table, decoded, and its parameters."""
        match = self.ROUTES.match(target, "GET")
        assert (match.path, match.operation, match.parameters) == (path, operation, parameters)

    @pytest.mark.parametrize(
        "target",
        [
            *(b"", b"/", b"*", b"/api", b"/api/a//", b"//api/a", b"/page/", b"/PAGE", b"/p%61ge"),
            *(b"/api/a/.", b"/api/a/..", b"/api/a/%2E%2e", b"/api/a/1%2F2", b"/api/a/1%5c2"),
            *(b"/api/a/%ff", b"/api/a/%00", b"/api/a/%0a", b"/api/a/%7f", b"/api/a/\xff"),
            *(b"/api/a/%", b"/api/a/%1", b"/api/a/a b", b"/api/a/1/2", b"/proxy/x", b"/proxy/xapi"),
            b"/proxy/x/proxy/x/api/a",
        ],
    )
    def test_not_found(self, target: bytes) -> None:
        """What is not in the table is not found."""
        with pytest.raises(ApiError) as refused:
            self.ROUTES.match(target, "GET")
        assert refused.value.code == "notFound"

    def test_refused(self) -> None:
        """The answer to a wrong method names the right ones; a target has an end."""
        with pytest.raises(ApiError) as refused:
            self.ROUTES.match(b"/api/a", "PUT")
        assert refused.value == ApiError("methodNotAllowed", headers={"Allow": "GET, POST, HEAD"})
        with pytest.raises(ApiError) as refused:
            self.ROUTES.match(b"/" + b"a" * 1_024, "GET")
        assert refused.value.code == "uriTooLong"

    @pytest.mark.parametrize("target", [b"/api//a", b"//api/a", b"/api///a", b"//api//a"])
    def test_hint(self, target: bytes) -> None:
        """Where only a slash is too many, the answer names the right path."""
        with pytest.raises(ApiError) as refused:
            self.ROUTES.match(target, "GET")
        assert refused.value == ApiError("notFound", sentence("one_slash", path="/api/a"))
