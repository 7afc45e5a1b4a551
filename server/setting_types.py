"""The types of settings: each function parses the text of a variable.

All raise ValueError or KeyError if the text is invalid. The text has no white space around it and
no control characters: `config` checks that for every setting.
"""

from __future__ import annotations

import ipaddress
import re
import ssl
from base64 import b64decode
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import urlsplit

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable

    Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Variables that Kubernetes sets for each Service, and Docker for each link, with their values.
_LINKS: Final = (
    (re.compile(r"TTR_(?:\w+_)?SERVICE_(?:HOST|PORT(?:_\w+)?)"), re.compile(r".*")),
    (re.compile(r"TTR_(?:\w+_)?PORT"), re.compile(r"(?:tcp|udp|sctp)://.*")),
    (
        re.compile(r"TTR_(?:\w+_)?PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?"),
        re.compile(r".*"),
    ),
    (re.compile(r"TTR_(?:\w+_)?NAME"), re.compile(r"/[^/]+/[^/]+")),
    (re.compile(r"TTR_(?:\w+_)?ENV_\w+"), re.compile(r".*")),
)
#: The minimum number of bytes of a signing key (RFC 2104, section 3).
_KEY_SIZE: Final = 32
_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_LARGEST: Final = 1 << 30
#: The maximum of a setting in seconds.
DAY: Final = 86_400
#: How many worker processes a server can have.
MOST_WORKERS: Final = 256
#: The longest lease of an event, in seconds; `outbox` relies on it after a clock was set back.
LONGEST_LEASE: Final = 600
#: A host name whose last label is not a number: a resolver reads `0` as all addresses.
_HOST: Final = re.compile(r"(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z][A-Za-z0-9-]{0,62}\.?")
#: A scheme, a host and perhaps a port, as browsers send it (RFC 6454, section 6.2).
_ORIGIN: Final = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::[0-9]{1,5})?")
#: What a server can show without credentials.
PAGES: Final = ("documents", "ui", "matrix", "metrics")


def flag(value: str) -> bool:
    """Return whether a flag is set."""
    return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[
        value.casefold()
    ]


def choice(value: str) -> bool | None:
    """Return whether a flag is set; None for an empty text."""
    return flag(value) if value else None


def size(value: str) -> int:
    """Return a number of bytes, from 1 to 1G."""
    found = re.fullmatch(r"([0-9]{1,9})([KMG]?)", value)
    amount = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < amount <= _LARGEST:
        raise ValueError
    return amount


def count(value: str, most: int = 999_999, *, least: int = 1) -> int:
    """Return an integer from `least` to `most`."""
    if not re.fullmatch(r"[0-9]{1,6}", value) or not least <= int(value) <= most:
        raise ValueError
    return int(value)


def port(value: str) -> int:
    """Return a port; 0 is valid."""
    if not re.fullmatch(r"[0-9]{1,5}", value) or int(value) >= 1 << 16:
        raise ValueError
    return int(value)


def seconds(value: str, most: float = DAY) -> float:
    """Return seconds from 0.1 to less than `most`."""
    if not re.fullmatch(r"[0-9]{1,5}(?:\.[0-9]{1,3})?", value):
        raise ValueError
    amount = float(value)
    if not 0.1 <= amount < most:  # noqa: PLR2004 - nothing finishes in less time
        raise ValueError
    return amount


def host(value: str) -> str:
    """Return an IP address or a host name."""
    if _HOST.fullmatch(value) is None:
        ipaddress.ip_address(value)
    return value


def proxies(value: str) -> str:
    """Return a list of proxies as uvicorn reads it; an entry that it would ignore is invalid."""
    if value not in {"", "*"}:
        for each in value.split(","):
            ipaddress.ip_network(each.strip())
    return value


def origins(value: str) -> tuple[str, ...]:
    """Return the origins of a list, in lower case; `*` stands for all."""
    found = tuple(each.strip().lower() for each in value.split(",")) if value.strip() else ()
    if not all(each == "*" or _ORIGIN.fullmatch(each) for each in found):
        raise ValueError
    return found


def web_address(value: str) -> str:
    """Return the URL of a server, without a query."""
    parts = urlsplit(value)
    is_plain = re.fullmatch(r"https?://[A-Za-z0-9_.:\[\]-]+(?:/[!-~]*)?", value) is not None
    # The property `port` raises ValueError if the port is invalid.
    if not is_plain or not parts.hostname or parts.port == 0 or parts.query or parts.fragment:
        raise ValueError
    return value


def pages(value: str) -> tuple[str, ...]:
    """Return which pages are public."""
    if value in {"all", "none"}:
        return PAGES if value == "all" else ()
    names = tuple(each.strip() for each in value.split(","))
    if not set(PAGES).issuperset(names) or ("ui" in names and "documents" not in names):
        raise ValueError
    return names


def profile(text: str) -> str:
    """Return the path of a directory with a profile, or an empty text. Raises ValueError."""
    if text and not Path(text, "profile.yaml").is_file():
        raise ValueError
    return text


def file(value: str) -> str:
    """Return the path of a file, or nothing."""
    if value and not Path(value).is_file():
        raise ValueError
    return value


def authorities(value: str) -> str:
    """Return the path of a file of PEM certificates, or nothing."""
    if value:
        try:
            ssl.create_default_context(cafile=value)
        except OSError:  # also ssl.SSLError: the file contains no certificate
            raise ValueError from None
    return value


def ports(value: str) -> frozenset[int]:
    """Return the ports of a list; 0 is invalid."""
    found = frozenset(port(each.strip()) for each in value.split(","))
    if 0 in found:
        raise ValueError
    return found


def networks(value: str) -> tuple[Network, ...]:
    """Return the networks of a list in CIDR notation."""
    return tuple(ipaddress.ip_network(each.strip()) for each in value.split(",")) if value else ()


def level(value: str) -> int:
    """Return a log level."""
    return {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40}[value]


def key(value: str) -> bytes:
    """Return the key that a text encodes."""
    decoded = b64decode(value, validate=True)
    if value and len(decoded) < _KEY_SIZE:
        raise ValueError
    return decoded


def matching(pattern: str) -> Callable[[str], str]:
    """Return a parser that accepts the texts which match a pattern."""

    def read(value: str) -> str:
        """Return the text itself."""
        if not re.fullmatch(pattern, value):
            raise ValueError
        return value

    return read


def database(value: str) -> str:
    """Return the URL of a database in the form of SQLAlchemy."""
    scheme = urlsplit(value).scheme
    if scheme == "sqlite" and ("?" in value or not value.startswith("sqlite:///")):
        raise ValueError  # the driver's own options, or a host
    if scheme in {"postgresql", "postgres"}:
        value = "postgresql+psycopg" + value[len(scheme) :]
    elif scheme not in {"sqlite", "postgresql+psycopg"}:
        raise ValueError
    try:
        url = make_url(value)
        url.get_dialect()().create_connect_args(url)
    except ArgumentError:
        raise ValueError from None
    if scheme == "sqlite" and url.database in {None, "", ":memory:"}:
        raise ValueError  # each connection would have its own tickets
    if "@" in (url.host or ""):
        raise ValueError  # the end of a password in which @ is not written as %40
    return value


def is_link(variable: str, text: str) -> bool:
    """Return whether Kubernetes or Docker sets this variable for a service or a link."""
    return any(name.fullmatch(variable) and value.fullmatch(text) for name, value in _LINKS)


def is_pair(certificate: str, key: str) -> bool:
    """Return whether a certificate and its key can be loaded, without a password."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, OSError, ValueError):
        return False
    return True
