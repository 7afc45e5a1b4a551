"""Callback URLs: which URLs an operator may register, and where the server may connect to.

When an operator registers a URL, `check` validates its text and the current addresses of its host
name. The addresses can change later, so the sender calls `Policy.refusal` again with the address
that it is about to connect to. Python's is_global is not sufficient: addresses that embed others
(IPv4 in IPv6, NAT64, 6to4, Teredo) are unpacked, and further networks are listed here. Sources:
IANA's special-purpose registries, RFC 6890.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from server.config import Config
from server.messages.en import sentence
from server.problems import ApiError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from urllib.parse import SplitResult

    from server.setting_types import Network
    from ttrules.message import Message

    #: Returns the addresses of a host name; raises OSError if it has none.
    Resolve: TypeAlias = Callable[[str, int], Iterable[str]]
    #: The same, without blocking the event loop.
    LookUp: TypeAlias = Callable[[str, int], Awaitable[Iterable[str]]]

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

LONGEST: Final = 2_048
#: The maximum time of a DNS lookup, and the maximum wait of a request for its turn, in seconds.
LOOK_UP: Final = 5.0
#: How many lookups run at the same time: for one operator, and in this process.
_TOGETHER_OF_ONE: Final = 2
_TOGETHER: Final = 32
#: Networks that are not public in any Python release.
_DENIED: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
        "::/96",
        "::ffff:0:0:0/96",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
#: Networks that a wider network in Policy.networks does not open: this machine, the local link with
#: the metadata services of cloud providers, their other metadata addresses, and multicast.
_SENSITIVE: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "100.100.100.200/32",
        "192.0.0.192/32",
        "224.0.0.0/3",
        "::/96",
        "fd00:ec2::254/128",
        "fe80::/10",
        "ff00::/8",
    )
)
#: The characters of RFC 3986, with complete percent-encodings.
_CHARACTERS: Final = re.compile(r"(?:[A-Za-z0-9._~:/?#@!$&'()*+,;=\[\]-]|%[0-9A-Fa-f]{2})*")
_HOST: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::.*)?")
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}


def is_public(address: Address) -> bool:
    """Return whether an address is public."""
    address = _unpacked(address)
    return address.is_global and not any(address in network for network in _DENIED)


def _unpacked(address: Address) -> Address:
    """Return the IPv4 address that is embedded in an IPv6 address, or the address itself."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The targets that callbacks may have in addition to https on public addresses.

    `networks` are allowed private networks. A network that includes a sensitive one, such as
    0.0.0.0/0, does not open it: the sensitive network, or a part of it, must be listed itself.
    `allow_loopback` allows http and https on any port of this machine.
    """

    allow_loopback: bool = False
    ports: frozenset[int] = Config().callback_ports
    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, config: Config) -> Policy:
        """Return the policy of the settings."""
        return cls(
            allow_loopback=config.allow_loopback_callbacks,
            ports=config.callback_ports,
            networks=config.callback_networks,
        )

    def refusal(self, scheme: str, port: int, addresses: Sequence[Address] = ()) -> Message | None:
        """Return why a target is not allowed, or None; without addresses check scheme and port."""
        is_http = scheme in _DEFAULT_PORTS
        if self.allow_loopback and is_http and all(each.is_loopback for each in addresses):
            return None
        if scheme != "https":
            return sentence("callback_scheme")
        if port not in self.ports:
            return sentence("callback_port", ports=self._ports)
        return None if all(map(self._permits, addresses)) else sentence("callback_private")

    @property
    def _ports(self) -> str:
        return ", ".join(map(str, sorted(self.ports)))

    def _permits(self, address: Address) -> bool:
        address = _unpacked(address)
        return is_public(address) or any(
            address in network
            and all(
                address not in sensitive or _is_within(network, sensitive)
                for sensitive in _SENSITIVE
            )
            for network in self.networks
        )

    def flaw(self, url: str) -> Message | None:
        """Return the error in the text of a callback URL, or None."""
        return flaw if (flaw := _flaw(url)) else self._flaw_of_port(urlsplit(url))

    def _flaw_of_port(self, parts: SplitResult) -> Message | None:
        try:
            port = parts.port
        except ValueError:  # not a port
            return sentence("callback_port", ports=self._ports)
        return self.refusal(parts.scheme, _DEFAULT_PORTS[parts.scheme] if port is None else port)


def _is_within(network: Network, other: Network) -> bool:
    return network.version == other.version and network.subnet_of(other)  # type: ignore[arg-type]  # of one version


def _flaw(url: str) -> Message | None:
    """Return the error in a callback URL that no policy allows, or None."""
    if len(url) > LONGEST:
        return sentence("callback_long", most=LONGEST)
    if _CHARACTERS.fullmatch(url) is None:
        return sentence("callback_characters")
    try:
        parts = urlsplit(url)
    except ValueError:
        return sentence("callback_url")
    flaws = {
        "callback_credentials": "@" in parts.netloc,
        "callback_fragment": "#" in url,
        "callback_scheme": bool(parts.scheme) and parts.scheme not in _DEFAULT_PORTS,
        "callback_url": not parts.scheme or not parts.hostname,
        "callback_characters": _HOST.fullmatch(parts.netloc) is None,
    }
    return next((sentence(key) for key, is_so in flaws.items() if is_so), None)


async def check(url: str, policy: Policy, look_up: LookUp) -> None:
    """Raise ApiError(invalidCallback) that says why a callback URL is not allowed.

    Looks up the addresses of its host. The response never contains them.
    """
    if flaw := policy.flaw(url):
        raise ApiError("invalidCallback", flaw)
    parts = urlsplit(url)
    port = _DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
    try:
        found = await look_up(parts.hostname or "", port)
        addresses = [ipaddress.ip_address(each.partition("%")[0]) for each in found]
    except (OSError, UnicodeError, ValueError):
        addresses = []
    if not addresses:
        raise ApiError("invalidCallback", sentence("callback_unresolved"))
    if refusal := policy.refusal(parts.scheme, port, addresses):
        raise ApiError("invalidCallback", refusal)


def event_url(callback: str, place: str) -> str:
    """Return the URL of an event: its place is added to the callback's path, if it has one."""
    path, sign, query = callback.partition("?")
    place = f"{path.rstrip('/')}/{place}" if place else path
    return f"{place}{sign}{query}"


def resolve(host: str, port: int) -> list[str]:
    """Return the current addresses of a host name."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


class LookUps:
    """Looks up host names in separate threads, a few at a time for each operator.

    A lookup cannot be interrupted. It occupies its place until it returns, even if its request has
    timed out. Slow names therefore delay only the operator that sends them.
    """

    def __init__(self, resolve: Resolve = resolve, seconds: float = LOOK_UP) -> None:
        self._resolve = resolve
        self._seconds = seconds
        self._running = 0
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def find(self, operator: str, host: str, port: int) -> list[str]:
        """Return the addresses of a host name.

        Raises OSError if it has none. Raises ApiError: invalidCallback if the lookup takes too
        long, tooManyRequests or unavailable if too many lookups are running.
        """
        if _is_address(host):  # nothing to look up
            return [host]
        turns = self._turns.setdefault(operator, asyncio.Semaphore(_TOGETHER_OF_ONE))
        later = {"Retry-After": str(round(self._seconds) or 1)}
        try:
            async with asyncio.timeout(self._seconds):
                await turns.acquire()
        except TimeoutError:
            raise ApiError("tooManyRequests", sentence("look_ups"), headers=later) from None
        if self._running >= _TOGETHER:
            turns.release()
            raise ApiError("unavailable", headers=later)
        try:
            async with asyncio.timeout(self._seconds):
                return await self._start(turns, host, port)
        except TimeoutError:
            message = sentence("callback_slow", seconds=f"{self._seconds:g}")
            raise ApiError("invalidCallback", message) from None

    def _start(self, turns: asyncio.Semaphore, host: str, port: int) -> asyncio.Future[list[str]]:
        """Start a lookup in a thread of its own, and return its future result."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[str]] = loop.create_future()

        def ended(found: list[str], error: Exception | None) -> None:
            self._running -= 1
            turns.release()
            if future.done():
                return
            if error is None:
                future.set_result(found)
            else:
                future.set_exception(error)

        def run() -> None:
            found: list[str] = []
            failure: Exception | None = None
            try:
                found = list(self._resolve(host, port))
            except Exception as error:  # noqa: BLE001 - raised where the result is awaited
                failure = error
            with suppress(RuntimeError):  # the server has stopped
                loop.call_soon_threadsafe(ended, found, failure)

        # A daemon thread: a server that stops does not wait for a resolver.
        threading.Thread(target=run, name="look-up", daemon=True).start()
        self._running += 1
        return future


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
