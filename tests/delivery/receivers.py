"""Receivers of events: sockets that behave well or badly, on this machine."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    #: What a receiver does with a connection until it is told to stop.
    Behave = Callable[[socket.socket, threading.Event], None]


class Sockets:
    """A receiver below HTTP. `accepted` counts the connections that it was given."""

    def __init__(self, listener: socket.socket, behave: Behave) -> None:
        self.port: int = listener.getsockname()[1]
        self.accepted = 0
        self._listener = listener
        self._behave = behave
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.accepted += 1
                thread = threading.Thread(target=self._served, args=(connection,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _served(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            self._behave(connection, self._stopped)

    def stop(self) -> None:
        """Take no more connections, and end those there are."""
        self._stopped.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(30)


@contextmanager
def sockets(behave: Behave) -> Iterator[Sockets]:
    """Run a receiver below HTTP on a free port of the loopback address, until it is left."""
    receiver = Sockets(socket.create_server(("127.0.0.1", 0)), behave)
    try:
        yield receiver
    finally:
        receiver.stop()


def read_request(connection: socket.socket) -> bytes:
    """Return the head of a request."""
    head = b""
    while b"\r\n\r\n" not in head and (more := connection.recv(65_536)):
        head += more
    return head


class Received(NamedTuple):
    """A request as it came: its path, its headers by their names in small letters, its body."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """A receiver of events over HTTP, which notes what comes and answers what it is told to.

    `answer` gives, for each request, the status and headers, or None to close without an answer.
    `arrived` is set, and to be cleared by whoever waits, at each request.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.received: list[Received] = []
        self.answer: Callable[[Received], tuple[int, dict[str, str]] | None] = lambda _: (201, {})
        self.arrived = threading.Condition()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            #: Headers and body leave together, as with other servers.
            wbufsize = -1
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer._answered(self, Received(self.path, headers, body))

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients hang up
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()

    def _answered(self, handler: BaseHTTPRequestHandler, received: Received) -> None:
        with self.arrived:
            self.received.append(received)
            self.arrived.notify_all()
        answer = self.answer(received)
        if answer is None:
            handler.close_connection = True
            return
        status, headers = answer
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    def wait_for(self, count: int, seconds: float = 60.0) -> list[Received]:
        """Return what has come, once it is so many requests."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.received) >= count, seconds), (
                f"{len(self.received)} of {count} came"
            )
            return list(self.received)

    def stop(self) -> None:
        """Take no more requests."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(30)


@contextmanager
def receiving(tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """Run a receiver over HTTP on a free port of the loopback address, until it is left."""
    receiver = Receiver(tls)
    try:
        yield receiver
    finally:
        receiver.stop()
