"""One attempt to deliver, against receivers that behave badly and addresses that lead inside."""

from __future__ import annotations

import ipaddress
import socket
import struct
import threading
import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from server.callback_address import Policy
from server.delivery.sender import EventSender
from tests.delivery.receivers import read_request, receiving, sockets
from tests.support.exchanges import PRIVATE, PUBLIC

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.delivery.receivers import Behave

#: How long an attempt may take here, and how long until it is noticed that it took too long.
DEADLINE = 1.0
LATE = 10.0
#: Too long to be reached, however busy the machine is, by attempts that must not time out.
NEVER = 600.0
PAGES = 4_096
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def poster() -> Iterator[EventSender]:
    """Give a poster that may post to this machine."""
    made = EventSender(Policy(allow_loopback=True), deadline=DEADLINE)
    yield made
    made.close()


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> Iterator[EventSender]:
    """Return a sender that may post to this machine and never times out."""
    monkeypatch.setattr("server.delivery.sender.LOOK_UP", NEVER)
    made = EventSender(Policy(allow_loopback=True), deadline=NEVER)
    yield made
    made.close()


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> Iterator[EventSender]:
    """Return a sender with the default policy, which never times out."""
    monkeypatch.setattr("server.delivery.sender.LOOK_UP", NEVER)
    made = EventSender(deadline=NEVER)
    yield made
    made.close()


def resident() -> int:
    """Return how many bytes of memory this process has."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * PAGES


def dripping(head: bytes, drop: bytes) -> Behave:
    """Return what sends a head, and then one drop after the other."""

    def behave(connection: socket.socket, stopped: threading.Event) -> None:
        read_request(connection)
        connection.sendall(head)
        while not stopped.wait(0.1):
            connection.sendall(drop)

    return behave


def sending(*parts: bytes, times: int = 1) -> Behave:
    """Return what sends so much, and closes."""

    def behave(connection: socket.socket, _stopped: threading.Event) -> None:
        read_request(connection)
        for part in parts[:-1]:
            connection.sendall(part)
        for _ in range(times):
            connection.sendall(parts[-1])

    return behave


def interrupting(answer: bytes) -> Behave:
    """Return what answers as soon as anything comes, and closes."""

    def behave(connection: socket.socket, _stopped: threading.Event) -> None:
        connection.recv(65_536)
        connection.sendall(answer)

    return behave


def silent(connection: socket.socket, stopped: threading.Event) -> None:
    """Take a request, and answer nothing."""
    read_request(connection)
    stopped.wait(60)


def deaf(_connection: socket.socket, stopped: threading.Event) -> None:
    """Take a connection, and read nothing."""
    stopped.wait(60)


def resetting(connection: socket.socket, _stopped: threading.Event) -> None:
    """Take a request, and reset the connection."""
    read_request(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


HELLO = b"\x16\x03\x03\x40\x00\x02"  # the beginning of a long answer to a TLS client
BADLY: dict[str, tuple[str, Behave, int | None, str | None]] = {
    "silent": ("http", silent, None, "timeout"),
    "status drips": ("http", dripping(b"HTTP/1.1 ", b"2"), None, "timeout"),
    "headers drip": ("http", dripping(OK + b"X: ", b"x"), None, "timeout"),
    "many drip": ("http", dripping(OK, b"X: x\r\n"), None, "timeout"),
    "interim drip": ("http", dripping(b"", b"HTTP/1.1 100 C\r\n\r\n"), None, "timeout"),
    # The answer is known: what else comes, and how slowly, does not matter.
    "body drips": ("http", dripping(OK + b"Content-Length: 9999\r\n\r\n", b"x"), 200, None),
    "chunks drip": (
        "http",
        dripping(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        200,
        None,
    ),
    "gone drips": ("http", dripping(b"HTTP/1.1 410 Gone\r\n\r\n", b"x"), 410, None),
    "short": ("http", sending(OK + b"Content-Length: 9\r\n\r\nx"), 200, None),
    "bad chunk": ("http", sending(OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n"), 200, None),
    "bad gzip": ("http", sending(OK + b"Content-Encoding: gzip\r\n\r\nxyz"), 200, None),
    "nothing": ("http", sending(b""), None, "connection"),
    "reset": ("http", resetting, None, "connection"),
    "no HTTP": ("http", sending(b"\x00\xff\xfe\r\n\r\n"), None, "protocol"),
    "bad status": ("http", sending(b"HTTP/1.1 two hundred\r\n\r\n"), None, "protocol"),
    "large line": ("http", sending(OK + b"X: " + b"x" * 1_000_000), None, "protocol"),
    "TLS silent": ("https", deaf, None, "timeout"),
    "TLS drips": ("https", dripping(HELLO, b"x"), None, "timeout"),
    "no TLS": ("https", interrupting(OK + b"\r\n"), None, "TLS"),
    "TLS closes": ("https", interrupting(b""), None, "TLS"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", BADLY)
def test_badly(poster: EventSender, unhurried: EventSender, case: str) -> None:
    """Whatever a receiver does: the attempt ends by its deadline, and it is known how."""
    scheme, behave, status, error = BADLY[case]
    takes_long = error == "timeout" or "drip" in case
    sender = poster if takes_long else unhurried
    with sockets(behave) as receiver:
        outcome = sender.post(f"{scheme}://127.0.0.1:{receiver.port}/x", b"{}", {})
        assert receiver.accepted == 1
    assert (outcome.status, outcome.error) == (status, error)
    assert outcome.seconds < LATE
    assert outcome.seconds >= DEADLINE or not takes_long


@pytest.mark.parametrize(
    ("behave", "status", "errors"),
    [
        (
            sending(OK + b"Content-Length: 104857600\r\n\r\n", b"x" * 65_536, times=1600),
            200,
            {None},
        ),
        (sending(OK + b"\r\n", b"x" * 65_536, times=1600), 200, {None}),
        # Who closes first decides what is told of headers without end.
        (
            sending(OK, b"X: " + b"x" * 997 + b"\r\n", times=1_000),
            None,
            {"protocol", "connection"},
        ),
    ],
)
def test_memory(
    poster: EventSender, behave: Behave, status: int | None, errors: set[str | None]
) -> None:
    """A receiver that sends 100 MB, or 1 MB of headers, costs no memory."""
    most: list[int] = []

    def measured(connection: socket.socket, stopped: threading.Event) -> None:
        try:
            behave(connection, stopped)
        finally:
            most.append(resident())

    with sockets(measured) as receiver:
        url = f"http://127.0.0.1:{receiver.port}/x"
        poster.post(url, b"{}", {})
        before = resident()
        outcome = poster.post(url, b"{}", {})
        after = resident()
    assert outcome.status == status
    assert outcome.error in errors
    assert max(after, *most) - before < 20_000_000


def test_not_read(poster: EventSender) -> None:
    """A receiver that takes no more than the beginning of a large event is a timeout too."""
    with sockets(deaf) as receiver:
        outcome = poster.post(f"http://127.0.0.1:{receiver.port}/x", b"x" * 50_000_000, {})
    assert (outcome.status, outcome.error) == (None, "timeout")


def test_refused(unhurried: EventSender) -> None:
    """Where nobody listens there is no connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert unhurried.post(f"http://127.0.0.1:{port}/", b"{}", {}).error == "connection"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects(unhurried: EventSender, status: int) -> None:
    """No redirect is followed: where it leads gets no request."""
    with receiving() as elsewhere, receiving() as receiver:
        receiver.answer = lambda _: (status, {"Location": f"{elsewhere.url}/inside"})
        assert unhurried.post(receiver.url, b"{}", {}).status == status
        assert len(receiver.received) == 1
        assert elsewhere.received == []


def test_told(unhurried: EventSender) -> None:
    """The status and Retry-After are told; the event is posted with its headers, byte by byte."""
    with receiving() as receiver:
        receiver.answer = lambda _: (503, {"Retry-After": "7"})
        outcome = unhurried.post(
            f"{receiver.url}/a?b=c/Name", b'{"\xc3\xbc": 1}', {"webhook-id": "1"}
        )
        assert (outcome.status, outcome.error, outcome.retry_after) == (503, None, "7")
        (received,) = receiver.received
    assert (received.path, received.body) == ("/a?b=c/Name", b'{"\xc3\xbc": 1}')
    assert received.headers == {
        "host": f"127.0.0.1:{receiver.port}",
        "content-type": "application/json",
        "content-length": "9",
        "accept-encoding": "identity",
        "user-agent": "trouble-ticket-server",
        "webhook-id": "1",
    }


def test_kept(unhurried: EventSender) -> None:
    """A connection is used again, and one that the receiver has closed is not."""
    closed = threading.Semaphore(0)

    def behave(connection: socket.socket, _stopped: threading.Event) -> None:
        for _ in range(3):
            if read_request(connection):
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        connection.close()
        closed.release()

    with sockets(behave) as receiver:
        url = f"http://127.0.0.1:{receiver.port}/"
        for number in (1, 2):
            for _ in range(3):
                assert unhurried.post(url, b"", {}).status == 200
                assert receiver.accepted == number
            assert closed.acquire(timeout=60)


class Resolver:
    """In the place of socket.getaddrinfo: gives addresses of a name, and counts how often."""

    def __init__(self, *answers: list[str]) -> None:
        self.looked_up = 0
        self._answers = answers
        self._real = socket.getaddrinfo

    def __call__(self, host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        """Return the next answer for the name; an address is what it is."""
        if host != "h.example":
            return self._real(host, port, *rest, **more)
        answer = self._answers[self.looked_up % len(self._answers)]
        self.looked_up += 1
        return [
            (socket.AF_INET6, 1, 6, "", (each, port or 443, 0, 0))
            if ":" in each
            else (socket.AF_INET, 1, 6, "", (each, port or 443))
            for each in answer
        ]


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the addresses that a connection is asked for; none is made."""
    addresses: list[str] = []

    def connect(address: tuple[str, int], *_: object, **__: object) -> None:
        addresses.append(address[0])
        raise OSError

    monkeypatch.setattr("urllib3.util.connection.create_connection", connect)
    return addresses


class TestAddresses:
    """What is dialled is what was judged, and it is public."""

    @pytest.mark.parametrize("address", PRIVATE)
    def test_private(
        self, strict: EventSender, monkeypatch: pytest.MonkeyPatch, dialled: list[str], address: str
    ) -> None:
        """An address that leads inside is not dialled, though it was another one at POST /hub."""
        monkeypatch.setattr(socket, "getaddrinfo", Resolver([address]))
        assert strict.post("https://h.example/x", b"{}", {}).error == "address not allowed"
        assert dialled == []

    @pytest.mark.parametrize("address", PUBLIC)
    def test_public(
        self, strict: EventSender, monkeypatch: pytest.MonkeyPatch, dialled: list[str], address: str
    ) -> None:
        """A public one is, and that is the one that was looked up, once."""
        resolver = Resolver([address])
        monkeypatch.setattr(socket, "getaddrinfo", resolver)
        assert strict.post("https://h.example/x", b"{}", {}).error == "connection"
        assert ([each.strip("[]") for each in dialled], resolver.looked_up) == (
            [str(ipaddress.ip_address(address))],
            1,
        )

    @pytest.mark.parametrize("addresses", [["8.8.8.8", "10.0.0.1"], ["10.0.0.1", "8.8.8.8"]])
    def test_mixed(
        self,
        strict: EventSender,
        monkeypatch: pytest.MonkeyPatch,
        dialled: list[str],
        addresses: list[str],
    ) -> None:
        """Of a name with public and private addresses the private one is never dialled."""
        monkeypatch.setattr(socket, "getaddrinfo", Resolver(addresses))
        for _ in range(10):
            strict.post("https://h.example/x", b"{}", {})
        assert set(dialled) <= {"8.8.8.8"}

    def test_rebinding(
        self, strict: EventSender, monkeypatch: pytest.MonkeyPatch, dialled: list[str]
    ) -> None:
        """A name whose address changes with each look-up is looked up once for each attempt, and
        nothing inside is ever reached.
        """
        resolver = Resolver(["93.184.216.34"], ["127.0.0.1"])
        monkeypatch.setattr(socket, "getaddrinfo", resolver)
        words = [strict.post("https://h.example/x", b"{}", {}).error for _ in range(1_000)]
        assert words == ["connection", "address not allowed"] * 500
        assert resolver.looked_up == 1_000
        assert dialled == ["93.184.216.34"] * 500

    def test_look_up_hangs(self, poster: EventSender, monkeypatch: pytest.MonkeyPatch) -> None:
        """A look-up that does not end does not keep the attempt from its deadline."""
        ended = threading.Event()
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: ended.wait(60))
        begun = time.monotonic()
        try:
            outcome = poster.post("https://h.example/x", b"{}", {})
        finally:
            ended.set()
        assert outcome.error == "timeout"
        assert time.monotonic() - begun < LATE

    def test_no_name(self, unhurried: EventSender, monkeypatch: pytest.MonkeyPatch) -> None:
        """A name that has no address is not reached."""

        def fails(*_: object, **__: object) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "")

        monkeypatch.setattr(socket, "getaddrinfo", fails)
        assert unhurried.post("https://h.example/x", b"{}", {}).error == "connection"

    @pytest.mark.parametrize(
        ("url", "loopback", "word"),
        [
            ("http://h.example/", False, "address not allowed"),
            ("http://127.0.0.1:9/", False, "address not allowed"),
            ("https://127.0.0.1:9/", False, "address not allowed"),
            ("https://[::1]:9/", False, "address not allowed"),
            ("ftp://8.8.8.8/", True, "address not allowed"),
            ("http://10.0.0.1/", True, "address not allowed"),
            ("https://169.254.169.254/", True, "address not allowed"),
            ("http://0.0.0.0/", True, "address not allowed"),
            ("http://127.0.0.1:9/", True, "connection"),
            ("https://127.8.8.8:9/", True, "connection"),
        ],
    )
    def test_switch(
        self,
        monkeypatch: pytest.MonkeyPatch,
        dialled: list[str],
        url: str,
        word: str,
        *,
        loopback: bool,
    ) -> None:
        """Loopback and http are for development, and nothing else is allowed with them."""
        monkeypatch.setattr(socket, "getaddrinfo", Resolver(["8.8.8.8"]))
        monkeypatch.setattr("server.delivery.sender.LOOK_UP", NEVER)
        made = EventSender(Policy(allow_loopback=loopback), deadline=NEVER)
        assert made.post(url, b"{}", {}).error == word
        made.close()
        assert len(dialled) == (word == "connection")


@pytest.mark.parametrize("names", ["small", "LARGE"])
def test_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, names: str) -> None:
    """No proxy, no .netrc and no cookie has any effect."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login me password geheim\n", "ascii")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    cookies = (f"a={number}; Path=/" for number in count())
    with receiving() as proxy, receiving() as receiver:
        receiver.answer = lambda _: (200, {"Set-Cookie": next(cookies)})
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name if names == "small" else name.upper(), proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        made = EventSender(Policy(allow_loopback=True), deadline=DEADLINE)
        assert [made.post(receiver.url, b"{}", {}).status for _ in range(3)] == [200] * 3
        assert made.post("https://127.0.0.1:9/", b"{}", {}).error == "connection"
        made.close()
        assert proxy.received == []
        assert len(receiver.received) == 3
        for each in receiver.received:
            assert not {"authorization", "cookie", "proxy-authorization"} & each.headers.keys()
