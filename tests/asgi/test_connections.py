"""Connections: what is not HTTP, what is too large or too slow, and how many there may be."""

from __future__ import annotations

import asyncio
import json
import re
import resource
import socket
import ssl
from contextlib import ExitStack
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import requests

from server.asgi import connections
from server.asgi.connections import Connections
from server.config import Config
from server.messages.en import sentence
from server.telemetry import Metrics
from tests.asgi.wires import PATIENCE, Wire, basic, request
from tests.support.servers import BASE, NAMES, serving
from tests.support.tickets import complaint
from tests.support.tls import certificate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.servers import Server

pytestmark = pytest.mark.slow

POST = f"{BASE}/troubleTicket"
JSON = b"Content-Type: application/json"
CHUNKED = b"Transfer-Encoding: chunked"
#: Settings that make a server impatient.
SHORT = {
    "TTR_HEADER_TIMEOUT": "0.5",
    "TTR_KEEP_ALIVE_TIMEOUT": "0.5",
    "TTR_BODY_TIMEOUT": "0.5",
    "TTR_SEND_TIMEOUT": "0.5",
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give a server with short timeouts."""
    folder = tmp_path_factory.mktemp("connections")
    with serving(f"sqlite:///{folder}/t.db", **SHORT) as running:
        yield running


def number(server: Server, name: str) -> float:
    """Return a number of /metrics."""
    text = requests.get(f"{server.root}/metrics", timeout=PATIENCE).text
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


#: What is sent, and the code and message of the answer.
NOT_HTTP: dict[str, tuple[bytes, str]] = {
    "no host": (b"GET /health/live HTTP/1.1\r\n\r\n", "host"),
    "two hosts": (request("GET", "/health/live", b"Host: x"), "host"),
    "two names in a host": (b"GET /health/live HTTP/1.1\r\nHost: x, y\r\n\r\n", "host"),
    "user in a host": (b"GET /health/live HTTP/1.1\r\nHost: u@x\r\n\r\n", "host"),
    "raw UTF-8": (request("GET", b"/\xc5\xbc"), "target"),
    "raw UTF-8 in a query": (request("GET", f"{POST}?name=".encode() + b"\xc5\xbc"), "target"),
    "control": (request("GET", b"/a\x01b"), "target"),
    "NUL": (request("GET", b"/a\x00b"), "target"),
    "no slash": (request("GET", b"health"), "target"),
    "CONNECT": (request("CONNECT", b"a:1"), "target"),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "tls"),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http"),
    "HTTP/9": (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", "http"),
    "HTTP/0.9": (b"GET /\r\n\r\n", "host"),
    "words": (b"hello there, who are you?\r\n\r\n", "http"),
    "bytes": (bytes(range(256)), "http"),
    "space in a name": (request("GET", "/health/live", b"X Y: z"), "http"),
    "space before a colon": (request("GET", "/health/live", b"X : z"), "http"),
    "folded": (request("GET", "/health/live", b"X: y\r\n z"), "http"),
    "no colon": (request("GET", "/health/live", b"Xyz"), "http"),
    "NUL in a value": (request("GET", "/health/live", b"X: a\x00b"), "http"),
    "length of words": (request("POST", POST, b"Content-Length: two"), "http"),
    "negative length": (request("POST", POST, b"Content-Length: -1"), "http"),
    "signed length": (request("POST", POST, b"Content-Length: +1"), "http"),
    "huge length": (request("POST", POST, b"Content-Length: " + b"9" * 40), "http"),
    "two lengths": (request("POST", POST, b"Content-Length: 1", b"Content-Length: 2"), "http"),
    "length and coding": (request("POST", POST, CHUNKED, b"Content-Length: 1"), "http"),
    "coding that is none": (request("POST", POST, b"Transfer-Encoding: gzip"), "http"),
    "WebSocket": (
        request("GET", "/health/live", b"Connection: Upgrade", b"Upgrade: websocket"),
        "websocket",
    ),
}


@pytest.mark.parametrize("name", NOT_HTTP)
def test_not_http(running: Server, name: str) -> None:
    """What is not HTTP gets an error in the one shape, with an id; the connection is closed."""
    data, key = NOT_HTTP[name]
    with Wire(running) as wire:
        wire.send(data)
        answer = wire.answer()
        error = answer.error()
    assert error["code"] == "invalidRequest"
    assert error["message"] == str(sentence(key))
    assert answer.headers["connection"] == "close"


def test_told_in_polish(running: Server) -> None:
    """Headers that came before the fault are read: the id, and the language."""
    lines = (b"X-Request-Id: mine", b"Accept-Language: pl")
    with Wire(running) as wire:
        answer = wire.ask(request("GET", "/health/live", *lines, b"Host: y"))
    assert answer.headers["x-request-id"] == "mine"
    assert answer.headers["content-language"] == "pl"


def test_counted(running: Server) -> None:
    """What is not HTTP is counted."""
    name = 'ttr_requests_total{operation="none",status="400"}'
    before = number(running, name)
    with Wire(running) as wire:
        wire.ask(b"nonsense\r\n\r\n").error()
    assert number(running, name) == before + 1


#: What never ends: how it begins, what follows, and the answer.
ENDLESS = {
    "target": (b"GET /", b"a", 414),
    "query": (b"GET /health/live?", b"a", 414),
    "name": (b"GET / HTTP/1.1\r\nHost: x\r\n", b"a", 431),
    "value": (b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"a", 431),
    "headers": (b"GET / HTTP/1.1\r\nHost: x\r\n", b"a: b\r\n", 431),
    "method": (b"", b"A", 400),
    "extension": (request("POST", POST, JSON, CHUNKED) + b"1;", b"a", 431),
    "trailers": (request("POST", POST, JSON, CHUNKED) + b"1\r\n{\r\n0\r\n", b"a: b\r\n", 431),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_endless(running: Server, name: str) -> None:
    """What never ends is refused while it arrives, long before 2 MB of it."""
    begin, more, status = ENDLESS[name]
    if name in {"extension", "trailers"}:
        auth = b"Authorization: " + basic(running, NAMES[0])
        begin = begin.replace(b"Host: x", b"Host: x\r\n" + auth)
    with Wire(running) as wire:
        wire.send(begin + more * ((2 << 20) // len(more)))
        answer = wire.answer()
    assert answer.status == status
    answer.error()


@pytest.mark.parametrize("sent", [b"", b"\r\n\r\n"], ids=["nothing", "blank lines"])
def test_nothing(running: Server, sent: bytes) -> None:
    """A connection that sends no request is closed."""
    with Wire(running) as wire:
        wire.send(sent)
        assert wire.rest() == b""


def test_between_requests(running: Server) -> None:
    """A connection that sends no other request is closed."""
    with Wire(running) as wire:
        assert wire.ask(request("GET", "/health/live")).status == 200
        assert wire.rest() == b""


@pytest.mark.parametrize("earlier", [b"", request("GET", "/health/live")], ids=["first", "second"])
def test_slow_headers(running: Server, earlier: bytes) -> None:
    """Headers that do not end are answered with 408."""
    with Wire(running) as wire:
        if earlier:
            assert wire.ask(earlier).status == 200
        wire.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-Sl")
        assert wire.answer().error()["code"] == "requestTimeout"


def test_slow_body(running: Server) -> None:
    """A body that does not come, or not fast enough, is answered with 408."""
    head = request("POST", POST, JSON, b"Content-Length: 99", auth=basic(running, NAMES[0]))
    with Wire(running) as wire:
        assert wire.ask(head + b"{", "POST").error()["code"] == "requestTimeout"
        wire.close()
        wire.send(head)
        wire.socket.settimeout(0.1)
        received = b""
        while not received:  # a byte now and then is less than the rate
            wire.send(b" ")
            try:
                received = wire.socket.recv(65_536)
            except TimeoutError:
                continue
        assert received.startswith(b"HTTP/1.1 408 ")


def test_unread_answers(running: Server) -> None:
    """A client that does not read its answers is cut off."""
    name = 'ttr_connections_cut_total{cause="unread answer"}'
    before = number(running, name)
    with Wire(running) as wire:
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        for _ in range(12):  # pages of 1.4 MB: more than any buffer of the system takes
            wire.send(request("GET", "/ui/swagger-ui-bundle.js"))
        while number(running, 'ttr_connections_cut_total{cause="unread answer"}') == before:
            pass


class TestBodies:
    """Bodies are read when an operation asks for them, and not before."""

    def test_after_credentials(self, running: Server) -> None:
        """Without credentials the answer comes before the body; the connection goes on."""
        with Wire(running) as wire:
            length = b"Content-Length: 1000000"
            answer = wire.ask(request("POST", POST, JSON, length), "POST")
            assert answer.error()["code"] == "missingCredentials"
            wire.send(b"x" * 1_000_000)
            assert wire.ask(request("GET", "/health/live")).status == 200

    @pytest.mark.parametrize(
        ("method", "target", "line", "status"),
        [
            ("POST", "/nothing", JSON, 404),
            ("PUT", POST, JSON, 405),
            ("POST", POST, b"Content-Type: text/plain", 415),
            ("POST", POST, b"Content-Type: application/json; charset=utf-16", 415),
            ("GET", POST, b"X: y", 200),
        ],
    )
    def test_not_read(
        self, running: Server, method: str, target: str, line: bytes, status: int
    ) -> None:
        """Who needs no body answers at once."""
        auth = basic(running, NAMES[0])
        with Wire(running) as wire:
            data = request(method, target, line, b"Content-Length: 10", auth=auth)
            assert wire.ask(data, method).status == status
            wire.send(b"0123456789")
            assert wire.ask(request("GET", "/health/live")).status == 200

    def test_not_sent(self, running: Server) -> None:
        """A body that was answered, and then does not come, is not waited for."""
        with Wire(running) as wire:
            wire.ask(request("POST", POST, JSON, b"Content-Length: 10"), "POST")
            assert wire.rest() == b""

    def test_too_large(self, running: Server) -> None:
        """The client can read a 413 although it sends on; then the connection is closed."""
        length = b"Content-Length: 99999999"
        with Wire(running) as wire:
            wire.send(request("POST", POST, JSON, length) + b"x" * 5_000_000)
            assert wire.answer().error()["code"] == "contentTooLarge"

    def test_expect(self, running: Server) -> None:
        """Who waits for 100 gets it when the body is read, and otherwise the answer."""
        body = json.dumps(complaint()).encode()
        lines = (JSON, b"Expect: 100-continue", b"Content-Length: %d" % len(body))
        with Wire(running) as wire:
            answer = wire.ask(request("POST", POST, *lines), "POST")
            assert (answer.status, answer.headers["connection"]) == (401, "close")
            wire.send(request("POST", POST, *lines, auth=basic(running, NAMES[0])))
            assert wire.socket.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
            assert wire.ask(body, "POST").status == 201
            assert wire.ask(request("GET", "/health/live")).status == 200

    def test_broken_chunks(self, running: Server) -> None:
        """A body whose chunks are no HTTP is a 400."""
        head = request("POST", POST, JSON, CHUNKED, auth=basic(running, NAMES[0]))
        with Wire(running) as wire:
            assert wire.ask(head + b"ZZ\r\n{}\r\n", "POST").error()["code"] == "invalidRequest"

    @pytest.mark.parametrize("is_chunked", [False, True])
    def test_upgrade(self, running: Server, *, is_chunked: bool) -> None:
        """An offer to upgrade to HTTP/2 is ignored, and its body is read."""
        body = json.dumps(complaint()).encode()
        length = b"Content-Length: %d" % len(body)
        offer = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAA")
        data = request(
            "POST", POST, JSON, CHUNKED if is_chunked else length, *offer,
            auth=basic(running, NAMES[0]),
        )  # fmt: skip
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if is_chunked else body
        with Wire(running) as wire:
            assert wire.ask(data + body, "POST").status == 201
            wire.send(data)
            assert wire.ask(body, "POST").status == 201
            assert wire.ask(request("GET", "/health/live", *offer)).status == 200
            assert wire.ask(request("GET", "/health/live")).status == 200

    def test_trailers(self, running: Server) -> None:
        """Trailers are not headers: they prove nothing."""
        trailer = b"Authorization: " + basic(running, NAMES[0])
        body = b"2\r\n{}\r\n0\r\n%b\r\n\r\n" % trailer
        with Wire(running) as wire:
            answer = wire.ask(request("POST", POST, JSON, CHUNKED) + body, "POST")
            assert answer.error()["code"] == "missingCredentials"


def test_pipelined(running: Server) -> None:
    """Requests that are sent together are answered in order; of too many the first ones."""
    asked = [request("GET", f"/health/live{'x' * n}") for n in range(40)]
    with Wire(running) as wire:
        wire.send(b"".join(asked[:8]))
        answers = wire.rest()
        assert len(re.findall(b"HTTP/1.1 ", answers)) == 8
        wire.close()
        wire.send(b"".join(asked))
        answers = wire.rest()
    assert 8 < len(re.findall(b"HTTP/1.1 ", answers)) < 40
    assert b"connection: close" in answers.rpartition(b"HTTP/1.1 ")[2]


def test_half_closed(running: Server) -> None:
    """A client that sends nothing more still gets its answer."""
    with Wire(running) as wire:
        wire.send(request("GET", "/health/live"))
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.rest().startswith(b"HTTP/1.1 200 ")


#: A request whose connection waits for another one as soon as the answer is there.
NOTHING = request("GET", "/nothing")
#: How many connections `crowded` may have.
MOST = 8


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give a server that may have few connections; at 127.0.0.1 it trusts a proxy."""
    limits = {"TTR_CONNECTIONS": str(MOST), "TTR_CONNECTIONS_PER_ADDRESS": "2"}
    with serving(f"sqlite:///{tmp_path_factory.mktemp('crowded')}/t.db", **limits) as running:
        yield running


def gone(wire: Wire) -> bool:
    """Say whether a server has ended a connection without a word."""
    try:
        return wire.rest() == b""
    except ConnectionResetError:
        return True


class TestLimits:
    """How many connections there may be."""

    def test_idle_make_room(self, crowded: Server) -> None:
        """At the limit the connection that has waited longest makes room for a new one."""
        with ExitStack() as stack:
            wires = [stack.enter_context(Wire(crowded)) for _ in range(2 * MOST)]
            for wire in wires[:MOST]:
                assert wire.ask(NOTHING).status == 404
            for wire in wires[MOST:]:
                wire.send(NOTHING[:-2])
            for wire in wires[:MOST]:
                assert gone(wire)
            for wire in wires[MOST:]:
                assert wire.ask(b"\r\n").status == 404

    def test_busy_do_not(self, crowded: Server) -> None:
        """Where all are busy a new connection gets a 503, and the others are served."""
        body = json.dumps(complaint()).encode()
        lines = (JSON, b"Content-Length: %d" % len(body), b"Expect: 100-continue")
        with ExitStack() as stack:
            busy = [stack.enter_context(Wire(crowded)) for _ in range(MOST)]
            for wire in busy:
                wire.send(request("POST", POST, *lines, auth=basic(crowded, NAMES[0])))
                assert wire.socket.recv(65_536).startswith(b"HTTP/1.1 100 ")
            with Wire(crowded) as wire:
                answer = wire.answer()
                assert answer.error()["code"] == "unavailable"
                assert answer.headers["retry-after"] == "1"
            for wire in busy:
                assert wire.ask(body, "POST").status == 201

    def test_per_address(self, crowded: Server) -> None:
        """One address has its share; a proxy that is trusted may have more."""
        with ExitStack() as stack:

            def statuses(source: str) -> list[int]:
                """Return the answers to four connections that are kept open."""
                wires = [stack.enter_context(Wire(crowded, source)) for _ in range(4)]
                return [each.ask(NOTHING).status for each in wires]

            assert statuses("127.0.0.2") == [404, 404, 503, 503]
            assert statuses("127.0.0.3") == [404, 404, 503, 503]
            assert statuses("127.0.0.1") == [404] * 4

    @pytest.mark.parametrize(
        ("address", "origin"),
        [
            ("192.0.2.1", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::/64"),
            ("2001:db8::ffff:1", "2001:db8::/64"),
            ("fe80::1%eth0", "fe80::/64"),
            ("", ""),
        ],
    )
    def test_origin(self, address: str, origin: str) -> None:
        """Addresses of one IPv6 network are one."""
        assert connections._origin(address) == origin

    def test_files(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """There are never more connections than the process may have files for."""
        limits = [(128, 256)]
        monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
        monkeypatch.setattr(resource, "setrlimit", lambda _, pair: limits.append(pair))
        assert Connections(Config(), Metrics())._most == 192
        assert limits == [(128, 256), (256, 256)]
        assert Connections(Config(connections=10), Metrics())._most == 10
        assert len(limits) == 2


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    """Give a server of HTTPS with short timeouts, and its certificate."""
    folder = tmp_path_factory.mktemp("tls")
    pem, key = certificate(folder, "own")
    settings = {"TTR_TLS_CERTIFICATE": pem, "TTR_TLS_KEY": key, "TTR_SHUTDOWN_TIMEOUT": "1"}
    with serving(f"sqlite:///{folder}/t.db", **settings, **SHORT) as running:
        yield running, pem


class TestTLS:
    """The same over TLS."""

    def test_handshakes(self, secure: tuple[Server, str]) -> None:
        """A handshake that does not begin, or does not end, is ended; so is one of nonsense."""
        running, _ = secure
        for data in (b"", b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/1.1\r\n\r\n"):
            with Wire(running) as wire:
                wire.send(data)
                assert gone(wire) or data

    def test_requests(self, secure: tuple[Server, str]) -> None:
        """Requests are answered, also when they come with the end of the handshake."""
        running, pem = secure
        context = ssl.create_default_context(cafile=pem)
        address = urlsplit(running.root)

        async def ask() -> bytes:
            """Send a request at once, and return what comes until the connection is closed."""
            reader, writer = await asyncio.open_connection(
                address.hostname, address.port, ssl=context
            )
            writer.write(request("GET", "/health/live"))
            answer = await reader.read()
            writer.close()
            return answer

        async def many() -> list[bytes]:
            """Ask many times at once."""
            return await asyncio.gather(*(ask() for _ in range(20)))

        assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in asyncio.run(many()))
