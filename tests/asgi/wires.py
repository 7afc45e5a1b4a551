"""Raw connections: requests that no HTTP client would send, and the answers to them."""

from __future__ import annotations

import base64
import json
import socket
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import urlsplit

from server.problems import KINDS

if TYPE_CHECKING:
    from types import TracebackType

    from tests.support.servers import Server

#: How long a test waits for what must come, in seconds; no test measures it.
PATIENCE = 60


class Answer(NamedTuple):
    """An answer: its status, its headers by their names in small letters, and its body."""

    status: int
    headers: dict[str, str]
    body: bytes

    def error(self) -> dict[str, Any]:
        """Return the error that the answer is, once it is seen to have the one shape."""
        error: dict[str, Any] = json.loads(self.body)
        kind = KINDS[error["code"]]
        assert self.headers["content-type"] == "application/json", self
        assert self.headers["x-request-id"], self
        assert error["status"] == str(self.status) == str(kind.status), self
        assert error["@type"] == "Error", self
        return error


class Wire:
    """A connection to a server; it is made again when the server has closed it."""

    def __init__(self, server: Server, source: str = "127.0.0.1") -> None:
        self._address = urlsplit(server.root)
        self._source = source
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self.close()

    @property
    def socket(self) -> socket.socket:
        """The connection."""
        if self._socket is None:
            address = (self._address.hostname or "", self._address.port or 80)
            self._socket = socket.create_connection(address, PATIENCE, (self._source, 0))
        return self._socket

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def send(self, data: bytes) -> None:
        """Send bytes; a server that closes first is seen when its answer is read."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return

    def answer(self, method: str = "GET") -> Answer:
        """Return the next answer."""
        response = HTTPResponse(self.socket, method=method)
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        answer = Answer(response.status, headers, response.read())
        if headers.get("connection") == "close":
            self.close()
        return answer

    def ask(self, data: bytes, method: str = "GET") -> Answer:
        """Send a request, and return its answer."""
        self.send(data)
        return self.answer(method)

    def rest(self) -> bytes:
        """Return what still comes until the server closes the connection."""
        return b"".join(iter(lambda: self.socket.recv(65_536), b""))


def request(
    method: str, target: bytes | str, *lines: bytes, auth: bytes | None = None, body: bytes = b""
) -> bytes:
    """Return a request as it is sent. `lines` are more header lines."""
    target = target.encode() if isinstance(target, str) else target
    head = [b"%b %b HTTP/1.1" % (method.encode(), target), b"Host: x", *lines]
    head += [b"Authorization: " + auth] if auth else []
    head += [b"Content-Length: %d" % len(body)] if body else []
    return b"\r\n".join([*head, b"", body])


def basic(server: Server, name: str) -> bytes:
    """Return the credentials of somebody."""
    return b"Basic " + base64.b64encode(f"{name}:{server.secrets[name]}".encode())
