"""One delivery attempt: a POST to a URL that an operator chose.

The host name is resolved once, and the connection goes to the address that the policy of
callback_address has checked. Proxies, .netrc and cookies of this machine are not used. Redirects
are not followed, and only the beginning of a response is read. The timeouts of requests restart
with every byte, so each attempt also has a deadline: then another thread shuts its connection
down. A DNS lookup has no timeout and cannot be interrupted, so it runs in a separate thread, which
is abandoned when it takes too long.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from http.client import HTTPException
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from server.callback_address import LOOK_UP, Policy, resolve
from server.config import Config
from server.retry import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: The default for the maximum total time of an attempt.
DEADLINE: Final = Config().event_deadline
#: The timeouts of the connection and of a read, in seconds.
_CONNECT: Final = 5.0
_SILENCE: Final = 10.0
#: How many bytes of a response are read, so that its connection can be reused.
_READ: Final = 16 << 10
#: The maximum number of addresses with open connections, and of connections to each.
_KEPT: Final = 64
#: How often deadlines are checked, in seconds.
_TICK: Final = 0.25

#: The headers of every attempt besides its signature.
_HEADERS: Final = {"User-Agent": "trouble-ticket-server", "Content-Type": "application/json"}

_STRICT: Final = Policy()

T = TypeVar("T")
_attempt = threading.local()


class _Noted:
    """A connection that registers its socket with the current attempt, for the deadline."""

    timeout: Any  # urllib3's, as is `sock`
    sock: Any

    def _new_conn(self) -> socket.socket:
        """Connect, with the TLS handshake, within the remaining time of the attempt."""
        under_way: _UnderWay = _attempt.under_way
        self.timeout = under_way.left(_CONNECT)
        opened: socket.socket = super()._new_conn()  # type: ignore[misc]  # as below
        opened.settimeout(under_way.left(_CONNECT))
        under_way.hold(opened)
        return opened

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send a request."""
        if self.sock is not None:  # of an earlier attempt
            _attempt.under_way.hold(self.sock)
        super().request(*args, **kwargs)  # type: ignore[misc]  # of the connection beside


class _Plain(_Noted, HTTPConnection):
    pass


class _Secure(_Noted, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


class NotAllowed(requests.RequestException):
    """The policy does not allow a connection to the address of a host name."""


class _Adapter(HTTPAdapter):
    """Connects only to addresses that the policy allows."""

    def __init__(self, policy: Policy, authorities: str) -> None:
        self._policy = policy
        self._authorities = authorities
        super().__init__()

    def init_poolmanager(self, *_: Any, **__: Any) -> None:
        """Create pools whose connections register their sockets."""
        super().init_poolmanager(_KEPT, _KEPT, block=False)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}

    def build_connection_pool_key_attributes(
        self,
        request: requests.PreparedRequest,
        *rest: Any,
        **more: Any,
    ) -> Any:
        """Return the key of the connection pool, with the checked address in place of the name.

        Raises NotAllowed. The certificate must match the host name, not the address.
        """
        found: Any = super().build_connection_pool_key_attributes(request, *rest, **more)
        host, pool = found
        name, scheme = host["host"], host["scheme"]
        port = (443 if scheme == "https" else 80) if host["port"] is None else host["port"]
        addresses = _in_time(partial(_resolved, name, port), _attempt.under_way.left(LOOK_UP))
        address = ipaddress.ip_address(addresses[0].partition("%")[0])
        if self._policy.refusal(scheme, port, [address]):
            raise NotAllowed
        request.headers["Host"] = urlsplit(request.url or "").netloc
        if scheme == "https":
            pool["assert_hostname"] = pool["server_hostname"] = name
            if self._authorities:  # besides those of requests
                pool["ca_cert_data"] = self._authorities
        host["host"] = f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004 - IPv6
        return host, pool


def _resolved(name: str, port: int) -> list[str]:
    """Return the addresses of a host name. Raises requests.ConnectionError if it has none."""
    try:
        return resolve(name, port)
    except (OSError, UnicodeError) as error:
        raise requests.ConnectionError from error


class _UnderWay:
    """An attempt in progress: its deadline and its socket."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self._opened: socket.socket | None = None

    @property
    def is_overdue(self) -> bool:
        """Whether the deadline has passed."""
        return self.deadline <= time.monotonic()

    def left(self, most: float) -> float:
        """Return the remaining seconds, at most `most`. Raises requests.Timeout."""
        seconds = min(most, self.deadline - time.monotonic())
        if seconds <= 0:
            raise requests.Timeout
        return seconds

    def hold(self, opened: socket.socket) -> None:
        """Keep a duplicate of the socket, which works below TLS and below a response."""
        self.let_go()
        self._opened = socket.socket(fileno=os.dup(opened.fileno()))

    def shut_down(self) -> None:
        """Shut the socket down, which ends every wait for it."""
        if self._opened is not None:
            with suppress(OSError):
                self._opened.shutdown(socket.SHUT_RDWR)

    def let_go(self) -> None:
        """Close the duplicate of the socket."""
        if self._opened is not None:
            self._opened.close()


class EventSender:
    """Makes attempts. Thread-safe. `close` it.

    `policy` says which targets are allowed. `deadline` is the maximum total time of an attempt in
    seconds. `authorities` is a file of certificate authorities to trust besides the public ones.
    """

    def __init__(
        self, policy: Policy = _STRICT, *, deadline: float = DEADLINE, authorities: str = ""
    ) -> None:
        self._deadline = deadline
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        trusted = Path(authorities).read_text("ascii", "ignore") if authorities else ""
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, _Adapter(policy, trusted))
        self._under_way: set[_UnderWay] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._watch = threading.Thread(target=self._watched, name="deadlines", daemon=True)
        self._watch.start()

    def close(self) -> None:
        """Close all connections."""
        self._closed.set()
        self._watch.join()
        self._session.close()

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Outcome:
        """Return the outcome of a POST. Raises nothing: an error is an outcome."""
        begun = time.monotonic()
        under_way = _attempt.under_way = _UnderWay(begun + self._deadline)
        with self._lock:
            self._under_way.add(under_way)
        try:
            outcome = self._posted(url, body, headers, under_way)
        except Exception as error:  # noqa: BLE001 - becomes an outcome
            word = "timeout" if under_way.is_overdue else _word(error)
            outcome = Outcome(error=word)
        finally:
            with self._lock:
                self._under_way.discard(under_way)
                under_way.let_go()
            _attempt.under_way = None
        return outcome._replace(seconds=time.monotonic() - begun)

    def _posted(
        self, url: str, body: bytes, headers: Mapping[str, str], under_way: _UnderWay
    ) -> Outcome:
        # Not prepared by the session: merging its settings takes as long as sending.
        prepared = requests.PreparedRequest()
        prepared.prepare("POST", url, headers={**_HEADERS, **headers}, data=body)
        with self._session.send(
            prepared,
            timeout=(min(_CONNECT, self._deadline), _SILENCE),
            allow_redirects=False,
            stream=True,
        ) as response:
            if (
                under_way.is_overdue
            ):  # a connection that was shut down may look like the end of the headers
                raise requests.Timeout
            # A known status counts even if reading the body fails.
            with suppress(Exception):
                response.raw.read(_READ, decode_content=False)
            return Outcome(response.status_code, retry_after=response.headers.get("Retry-After"))

    def _watched(self) -> None:
        while not self._closed.wait(_TICK):
            with self._lock:
                for each in self._under_way:
                    if each.is_overdue:
                        each.shut_down()


def _in_time(ask: Callable[[], T], seconds: float) -> T:
    """Return the result of `ask`, which runs in a thread of its own. Raises requests.Timeout."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(ask())
        except BaseException as error:  # noqa: BLE001 - raised by future.result
            future.set_exception(error)

    # Abandoned threads end when the resolver itself times out.
    threading.Thread(target=run, name="look-up", daemon=True).start()
    try:
        return future.result(seconds)
    except TimeoutError:
        raise requests.Timeout from None


def _word(error: Exception) -> str:
    """Return the reason why there is no status, without the message: it may contain an address."""
    if isinstance(error, NotAllowed):
        return "address not allowed"
    if isinstance(error, requests.exceptions.SSLError):
        return "TLS"
    if isinstance(error, requests.Timeout):
        return "timeout"
    if isinstance(error, requests.exceptions.InvalidSchema | requests.exceptions.InvalidURL):
        return "address not allowed"
    if isinstance(error, requests.ConnectionError) and not _is_bad_http(error):
        return "connection"
    return "protocol"


def _is_bad_http(error: BaseException | None) -> bool:
    """Return whether an error is caused by an invalid HTTP response, not by the connection."""
    while error is not None and not isinstance(error, HTTPException):
        error = error.__cause__ or error.__context__
    # Without any response the exception of http.client is of both classes.
    return error is not None and not isinstance(error, OSError)
