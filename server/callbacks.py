"""Which addresses an operator may have events sent to: none that leads into a private network.

`checked` reads an address as text and by the addresses that its name has now. A name may have
others tomorrow, so whoever connects asks `is_public` of what it connects to, each time. Python's
is_global is not enough: addresses that embed others (IPv4 in IPv6, NAT64, 6to4, Teredo) are taken
apart, and networks that it lets through are listed. Sources: IANA's special-purpose registries,
RFC 6890.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import TYPE_CHECKING, Final, NoReturn, TypeAlias
from urllib.parse import urlsplit

from server.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    #: Gives the addresses of a host name; raises OSError where it has none.
    Resolve: TypeAlias = Callable[[str, int], Iterable[str]]

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

PORTS: Final = frozenset({443, 8443})
LONGEST: Final = 2_048
#: Networks that are not public, whatever Python's release says of them.
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
_HOST: Final = re.compile(r"[A-Za-z0-9.:_\[\]-]+")


def is_public(address: Address) -> bool:
    """Say whether an address is one of the public internet."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    return address.is_global and not any(address in network for network in _DENIED)


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses that a host name has now."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


def checked(url: str, *, allow_loopback: bool, addresses: Resolve = resolve) -> str:
    """Return a callback's address as it was given, once it is known to be allowed.

    Asks for the addresses of its host, which may take a while. Raises Refused(invalidCallback);
    what the addresses are is told to nobody.
    """
    if len(url) > LONGEST or not url.isascii() or not url.isprintable() or " " in url:
        _refuse()
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        _refuse()
    host = parts.hostname
    if not host or "@" in parts.netloc or "\\" in url or parts.fragment or "#" in url:
        _refuse()
    if _HOST.fullmatch(parts.netloc) is None:
        _refuse()
    try:
        found = [ipaddress.ip_address(each.partition("%")[0]) for each in addresses(host, port)]
    except (OSError, UnicodeError, ValueError):
        found = []
    if not found:
        _refuse()
    if (
        allow_loopback
        and parts.scheme in {"http", "https"}
        and all(each.is_loopback for each in found)
    ):
        return url
    if parts.scheme != "https" or port not in PORTS or not all(map(is_public, found)):
        _refuse()
    return url


def _refuse() -> NoReturn:
    raise Refused("invalidCallback")
