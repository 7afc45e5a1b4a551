"""The connections of a process: how many there are, and from where.

Nothing is timed per request: once a second, or more often where a timeout is short, all connections
are compared with the clock.
"""

from __future__ import annotations

import ipaddress
import resource
import ssl
from collections import Counter
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from server.errors import Refused
from server.sentences import Told

if TYPE_CHECKING:
    import asyncio

    from server.config import Config
    from server.observe import Metrics
    from server.protocol import Connection

#: Where in the state of the application the Connections of its process are.
CONNECTIONS: Final = "ttr.connections"
#: How often the connections are compared with the clock, at least, in seconds.
_INTERVAL: Final = 1.0
#: How many file descriptors a process needs for other things than its clients.
_OTHER_FILES: Final = 64
#: The version of addresses that one client has one of.
_IPV4: Final = 4


class State(IntEnum):
    """What a connection is doing."""

    WAITING = 0  #: No byte of a request has arrived.
    HEADERS = 1  #: The request line and the headers are arriving.
    BODY = 2  #: The body is arriving; the request may be in progress.
    ANSWERING = 3  #: The request has arrived.
    DRAINING = 4  #: The request is answered; what is left of its body is discarded.
    BROKEN = 5  #: What arrived is not HTTP: the answer says so, and all else is discarded.
    LINGERING = 6  #: Nothing more is sent; what arrives is discarded until the client closes.
    CLOSING = 7  #: What was written is sent, then the connection ends.


class Connections:
    """The connections of a process."""

    def __init__(self, config: Config, metrics: Metrics) -> None:
        self.config = config
        self.metrics = metrics
        self.now = 0.0
        #: Those that are not needed for a request, in the order in which they became so.
        self.idle: dict[Connection, None] = {}
        self.largest_head = config.max_headers + config.max_query
        self._all: dict[Connection, str | None] = {}
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

    def add(self, connection: Connection, address: str) -> Refused | None:
        """Note a new connection; return why it must be refused, or None."""
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
        return Refused("unavailable", Told("connections"), headers={"Retry-After": "1"})

    def remove(self, connection: Connection) -> None:
        """Forget a connection that has ended, or that is about to."""
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
    """Stand for an application."""


def _origin(address: str) -> str:
    """Return what the connections of one client have in common."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == _IPV4:
        return address
    return str(ipaddress.ip_network((int(parsed), 64), strict=False))


def _raise_file_limit(connections: int) -> int:
    """Let the process have as many connections, if it may; return how many it can have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return connections if soft == resource.RLIM_INFINITY else max(1, soft - _OTHER_FILES)
