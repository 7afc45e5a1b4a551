"""The proxies of the docs: what they are told to send is what the server goes by."""

from __future__ import annotations

import http.client
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest

from server.config import Config
from tests.support.docs_runner import DOCS, blocks
from tests.support.servers import NAMES, Client, serving
from tests.support.tickets import complaint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.servers import Server

pytestmark = pytest.mark.slow

_PAGE: Final = (DOCS / "howto/tls-and-a-proxy.md").read_text("utf-8")
NGINX, CADDY = (
    next(block.text for block in blocks(_PAGE) if block.kind == kind) for kind in ("nginx", "caddy")
)
_PREFIX: Final = "/gateway"
#: Where a request came from, as the proxy sees it.
_CLIENT: Final = "203.0.113.7"


class Told(NamedTuple):
    """What a configuration tells a proxy: which paths go on, and with which headers."""

    paths: re.Pattern[str]
    headers: dict[str, str]
    largest: str


def told() -> Told:
    """Read the configuration of nginx."""
    (path,) = re.findall(r"location ~ (\S+) {", NGINX)
    headers = dict(re.findall(r'proxy_set_header (\S+) (\S+|"");', NGINX))
    (largest,) = re.findall(r"client_max_body_size (\w+);", NGINX)
    assert re.findall(r"proxy_pass (\S+);", NGINX) == ["http://127.0.0.1:8080"]
    return Told(re.compile(path), headers, largest)


class _Handler(BaseHTTPRequestHandler):
    """Does with a request what nginx is told to do."""

    protocol_version = "HTTP/1.1"
    root: str
    client: str

    def handle_one(self) -> None:
        """Send a request on, if its path is one of those that go on."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if told().paths.match(self.path) is None:
            self._answer(404, [], b"")
            return
        before = self.headers.get("X-Forwarded-For")
        known = {
            "$proxy_add_x_forwarded_for": f"{before}, {self.client}" if before else self.client,
            "$scheme": "https",
            "$request_id": "made-by-the-proxy",
            '""': "",
        }
        sent = {name: value for name, value in self.headers.items() if name != "Host"}
        sent |= {name: known[value] for name, value in told().headers.items()}
        connection = http.client.HTTPConnection(self.root.removeprefix("http://"))
        sent = {name: value for name, value in sent.items() if value}
        connection.request(self.command, self.path, body, sent)
        answer = connection.getresponse()
        self._answer(answer.status, answer.getheaders(), answer.read())
        connection.close()

    do_GET = do_POST = handle_one  # noqa: N815 - the names that http.server looks for

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            if name.lower() != "content-length":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def proxied(root: str, client: str = _CLIENT) -> Iterator[str]:
    """Give the address of a proxy in front of a server, to which `client` connects."""
    handler = type("Handler", (_Handler,), {"root": root, "client": client})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{proxy.server_address[1]}"
        proxy.shutdown()


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give a server that knows of the prefix, and lets two secrets be tried."""
    folder: Path = tmp_path_factory.mktemp("behind")
    settings = {"TTR_PATH_PREFIX": _PREFIX, "TTR_FAILED_LOGINS": "2"}
    with serving(f"sqlite:///{folder}/tickets.db", **settings) as running:
        yield running


def _statuses(root: str, tries: int, **headers: str) -> list[int]:
    """Return what guessing secrets is answered with."""
    client = Client(root + _PREFIX, (NAMES[1], "guessed"))
    return [client.get("/troubleTicket", headers=headers).status_code for _ in range(tries)]


def test_addresses(behind: Server) -> None:
    """Behind the proxy a ticket is found at the address that it was given."""
    with proxied(behind.root) as root:
        client = Client(root + _PREFIX, (NAMES[0], behind.secrets[NAMES[0]]))
        made = client.post("/troubleTicket", json=complaint())
        assert made.status_code == 201
        assert made.headers["X-Request-Id"] == "made-by-the-proxy"
        assert made.headers["Location"].startswith(f"{_PREFIX}/api/")
        assert client.get(root + made.headers["Location"]).json() == made.json()


def test_guessing(behind: Server) -> None:
    """Guesses are counted by where they come from, whatever a client says of that."""
    with proxied(behind.root) as one, proxied(behind.root, "203.0.113.8") as other:
        assert _statuses(one, 3) == [401, 401, 429]
        assert _statuses(one, 1, **{"X-Forwarded-For": "198.51.100.1"}) == [429]
        assert _statuses(other, 1) == [401]


@pytest.mark.parametrize("path", ["/backoffice/v1/troubleTicket", "/metrics", "/health/live"])
def test_kept_inside(path: str, behind: Server) -> None:
    """What is not for operators is not reached from outside."""
    with proxied(behind.root) as root:
        client = Client(root, None)
        assert [client.get(f"{root}{each}{path}").status_code for each in ("", _PREFIX)] == [
            404
        ] * 2


def test_sizes() -> None:
    """The largest ticket gets through both proxies."""
    assert told().largest == "20m"
    assert re.findall(r"max_size (\w+)", CADDY) == ["20MiB"]
    assert Config().max_body == 20 << 20


def test_same_paths() -> None:
    """Both proxies send the same paths on, to the same address."""
    (paths,) = re.findall(r"@operators path (.+)", CADDY)
    parts = re.findall(r"\((.*)\)", told().paths.pattern)[0].split("|")
    assert paths.split() == [f"{_PREFIX}/{each}/*" for each in parts]
    assert re.findall(r"reverse_proxy (\S+)", CADDY) == ["127.0.0.1:8080"]
