"""One attempt to deliver: a POST to an address that somebody else chose.

The host name is resolved once, and the very address that the policy of `callbacks` has judged is
dialled. Nothing of this machine's surroundings is
used (no proxy, no .netrc, no cookie), no redirect is followed, and little of the answer is read.
The timeouts of requests begin anew with every byte, so the whole attempt has a deadline besides: at
that moment its connection is shut down from outside. To look a name up has no timeout at all and
cannot be ended, so that is done in a thread of its own, which is left behind when that takes long.
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

from server.callbacks import LOOK_UP, Policy, resolve
from server.config import Config
from server.retrying import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: How long an attempt may take altogether where nothing else is said.
DEADLINE: Final = Config().event_deadline
#: How long a connection may take, or silence, in seconds.
_CONNECT: Final = 5.0
_SILENCE: Final = 10.0
#: How much of an answer is read, so that its connection can be used again.
_READ: Final = 16 << 10
#: Connections that are kept, to so many addresses and so many to each.
_KEPT: Final = 64
#: How often deadlines are looked at, in seconds.
_TICK: Final = 0.25

#: What every attempt says beside its signature.
_HEADERS: Final = {"User-Agent": "trouble-ticket-server", "Content-Type": "application/json"}

_STRICT: Final = Policy()

T = TypeVar("T")
_attempt = threading.local()


class _Noted:
    """A connection that tells the attempt at hand of its socket, so that it can be shut down."""

    timeout: Any  # urllib3's, as is `sock`
    sock: Any

    def _new_conn(self) -> socket.socket:
        """Connect, and shake hands, in what is left of the attempt's time."""
        under_way: _UnderWay = _attempt.under_way
        self.timeout = under_way.left(_CONNECT)
        opened: socket.socket = super()._new_conn()  # type: ignore[misc]  # as below
        opened.settimeout(under_way.left(_CONNECT))
        under_way.hold(opened)
        return opened

    def request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - urllib3's
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
    """The policy does not allow to connect to the address that a host name has."""


class _Adapter(HTTPAdapter):
    """Dials only addresses that the policy allows."""

    def __init__(self, policy: Policy, authorities: str) -> None:
        self._policy = policy
        self._authorities = authorities
        super().__init__()

    def init_poolmanager(self, *_: Any, **__: Any) -> None:  # noqa: ANN401 - urllib3's
        """Make pools whose connections are noted."""
        super().init_poolmanager(_KEPT, _KEPT, block=False)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}

    def build_connection_pool_key_attributes(
        self,
        request: requests.PreparedRequest,
        *rest: Any,  # noqa: ANN401 - requests'
        **more: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Return what chooses the connection: the address that was judged.

        Raises NotAllowed. The certificate must be that of the host name, not of the address.
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
            if self._authorities:  # besides those that requests brings
                pool["ca_cert_data"] = self._authorities
        host["host"] = f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004
        return host, pool


def _resolved(name: str, port: int) -> list[str]:
    """Return the addresses of a host name. Raises requests.ConnectionError where it has none."""
    try:
        return resolve(name, port)
    except (OSError, UnicodeError) as error:
        raise requests.ConnectionError from error


class _UnderWay:
    """An attempt: when it must have ended, and what it waits for."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self._opened: socket.socket | None = None

    @property
    def is_overdue(self) -> bool:
        """Whether it must have ended by now."""
        return self.deadline <= time.monotonic()

    def left(self, most: float) -> float:
        """Return for how many seconds something may be waited for. Raises requests.Timeout."""
        seconds = min(most, self.deadline - time.monotonic())
        if seconds <= 0:
            raise requests.Timeout
        return seconds

    def hold(self, opened: socket.socket) -> None:
        """Keep a way to the socket, which is there whoever holds it, below TLS or a response."""
        self.let_go()
        self._opened = socket.socket(fileno=os.dup(opened.fileno()))

    def shut_down(self) -> None:
        """Let whatever waits for the socket wait no more."""
        if self._opened is not None:
            with suppress(OSError):
                self._opened.shutdown(socket.SHUT_RDWR)

    def let_go(self) -> None:
        """Shut nothing down any more."""
        if self._opened is not None:
            self._opened.close()


class Poster:
    """Makes attempts, from any number of threads. `close` it.

    `policy` says where they may lead, `deadline` is how long an attempt may take altogether, in
    seconds, `authorities` a file of certificate authorities to trust besides the public ones.
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
        """Let all connections go."""
        self._closed.set()
        self._watch.join()
        self._session.close()

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Outcome:
        """Return how a POST ended. Raises nothing: whatever goes wrong is an outcome."""
        begun = time.monotonic()
        under_way = _attempt.under_way = _UnderWay(begun + self._deadline)
        with self._lock:
            self._under_way.add(under_way)
        try:
            outcome = self._posted(url, body, headers, under_way)
        except Exception as error:  # noqa: BLE001 - told, and decided on elsewhere
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
        # Prepared by itself: to merge it with what a session has takes as long as to send it.
        prepared = requests.PreparedRequest()
        prepared.prepare("POST", url, headers={**_HEADERS, **headers}, data=body)
        with self._session.send(
            prepared,
            timeout=(min(_CONNECT, self._deadline), _SILENCE),
            allow_redirects=False,
            stream=True,
        ) as answer:
            if under_way.is_overdue:  # what was shut down may look like the end of the headers
                raise requests.Timeout
            # A status that is known counts, whatever becomes of the rest.
            with suppress(Exception):
                answer.raw.read(_READ, decode_content=False)
            return Outcome(answer.status_code, retry_after=answer.headers.get("Retry-After"))

    def _watched(self) -> None:
        while not self._closed.wait(_TICK):
            with self._lock:
                for each in self._under_way:
                    if each.is_overdue:
                        each.shut_down()


def _in_time(ask: Callable[[], T], seconds: float) -> T:
    """Return what `ask` returns, in a thread of its own. Raises requests.Timeout."""
    future: Future[T] = Future()

    def asked() -> None:
        try:
            future.set_result(ask())
        except BaseException as error:  # noqa: BLE001 - told to whoever waits
            future.set_exception(error)

    # As many are left behind as attempts begin while a resolver is waited for, which gives up too.
    threading.Thread(target=asked, name="look-up", daemon=True).start()
    try:
        return future.result(seconds)
    except TimeoutError:
        raise requests.Timeout from None


def _word(error: Exception) -> str:
    """Return in a word why there is no status; what else an error says may hold an address."""
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
    """Say whether an error comes of an answer that is no HTTP, rather than of the connection."""
    while error is not None and not isinstance(error, HTTPException):
        error = error.__cause__ or error.__context__
    # Where nothing was answered http.client says both.
    return error is not None and not isinstance(error, OSError)
