"""The connections of a process: how many are open, and from which addresses.

There are no timers for single requests: once a second, or more often if a timeout is short, all
connections are compared with the clock.
"""

from __future__ import annotations

import ipaddress
import resource
import ssl
from collections import Counter
from enum import IntEnum
from typing import TYPE_CHECKING, Final, Protocol

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from server.messages.en import sentence
from server.problems import ApiError

if TYPE_CHECKING:
    import asyncio

    from server.config import Config
    from server.telemetry import Metrics

#: The key of the Connections of a process in the state of the application.
CONNECTIONS: Final = "ttr.connections"
#: How often the connections are compared with the clock, at least, in seconds.
_INTERVAL: Final = 1.0
#: How many file descriptors a process needs beside those of its clients.
_OTHER_FILES: Final = 64
#: The IP version of which a client usually has one address.
_IPV4: Final = 4


class State(IntEnum):
    """What a connection is doing."""

    WAITING = 0  #: No byte of a request has arrived.
    HEADERS = 1  #: The request line and the headers are arriving.
    BODY = 2  #: The body is arriving; the request may be in progress.
    ANSWERING = 3  #: The request has arrived.
    DRAINING = 4  #: The request is answered; what is left of its body is discarded.
    BROKEN = 5  #: The request is not HTTP: it gets an error, and what follows is discarded.
    LINGERING = 6  #: Everything is sent; input is discarded until the client closes.
    CLOSING = 7  #: The rest of the output is sent, then the connection closes.


class Limited(Protocol):
    """What `Connections` needs of a connection; `protocol.Connection` implements it."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Return the event loop of the connection."""

    def check(self, now: float) -> None:
        """Close the connection if one of its times is over."""

    def cut(self, cause: str) -> None:
        """Close the connection at once."""


class Connections:
    """The connections of a process."""

    def __init__(self, config: Config, metrics: Metrics) -> None:
        self.config = config
        self.metrics = metrics
        self.now = 0.0
        #: The idle connections, the longest idle first.
        self.idle: dict[Limited, None] = {}
        self.largest_head = config.max_headers + config.max_query
        self._all: dict[Limited, str | None] = {}
        self._by_origin: Counter[str] = Counter()
        self._trusted = ProxyHeadersMiddleware(_nothing, config.forwarded_allow_ips).trusted_hosts
        self._most = min(config.connections, _raise_file_limit(config.connections))
        times = config.header_timeout, config.keep_alive_timeout, config.send_timeout
        self._interval = min(_INTERVAL, min(times) / 4)
        self._is_sweeping = False
        self.tls: ssl.SSLContext | None = None
        if config.tls_certificate:
            self.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self.tls.load_cert_chain(config.tls_certificate, config.tls_key)

    def add(self, connection: Limited, address: str) -> ApiError | None:
        """Add a new connection; return the error if it must be refused, or None."""
        self.now = connection.loop.time()
        if not self._is_sweeping:
            self._is_sweeping = True
            connection.loop.call_later(self._interval, self._sweep, connection.loop)
        origin = None if address in self._trusted else _origin(address)
        if len(self._all) >= self._most and self.idle:
            next(iter(self.idle)).cut("displaced")
        refused = len(self._all) >= self._most
        if origin is not None:
            self._by_origin[origin] += 1
            refused |= self._by_origin[origin] > self.config.connections_per_address
        self._all[connection] = origin
        self.metrics.connections.set(len(self._all))
        if not refused:
            return None
        self.metrics.cut.labels("refused").inc()
        return ApiError("unavailable", sentence("connections"), headers={"Retry-After": "1"})

    def remove(self, connection: Limited) -> None:
        """Remove a connection that has closed or is about to."""
        self.idle.pop(connection, None)
        if connection not in self._all:
            return
        origin = self._all.pop(connection)
        if origin is not None:
            self._by_origin[origin] -= 1
            if not self._by_origin[origin]:
                del self._by_origin[origin]
        self.metrics.connections.set(len(self._all))

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Compare all connections with the clock."""
        self.now = loop.time()
        for connection in list(self._all):
            connection.check(self.now)
        self._is_sweeping = bool(self._all)
        if self._all:
            loop.call_later(self._interval, self._sweep, loop)


async def _nothing(*_: object) -> None:
    """Do nothing: a placeholder for an application."""


def _origin(address: str) -> str:
    """Return the address of a client, or the /64 network of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == _IPV4:
        return address
    return str(ipaddress.ip_network((int(parsed), 64), strict=False))


def _raise_file_limit(connections: int) -> int:
    """Raise the limit of open files if needed; return how many connections are possible."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return connections if soft == resource.RLIM_INFINITY else max(1, soft - _OTHER_FILES)
