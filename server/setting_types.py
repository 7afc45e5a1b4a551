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
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable

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
#: The least bytes of a signing key (RFC 2104, section 3).
_KEY_SIZE: Final = 32
_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_LARGEST: Final = 1 << 30
#: The most seconds of a setting.
DAY: Final = 86_400
#: How many worker processes a server can have.
MOST_WORKERS: Final = 256
#: The longest lease of an event, in seconds; `outbox` relies on it after a clock was set back.
LONGEST_LEASE: Final = 600
#: A host name whose last label is not a number: a resolver reads `0` as all addresses.
_HOST: Final = re.compile(r"(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z][A-Za-z0-9-]{0,62}\.?")
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
    """Return a whole number from `least` to `most`."""
    if not re.fullmatch(r"[0-9]{1,6}", value) or not least <= int(value) <= most:
        raise ValueError
    return int(value)


def port(value: str) -> int:
    """Return a port; 0 is allowed."""
    if not re.fullmatch(r"[0-9]{1,5}", value) or int(value) >= 1 << 16:
        raise ValueError
    return int(value)


def seconds(value: str, most: float = DAY) -> float:
    """Return seconds from 0.1 to less than `most`."""
    if not re.fullmatch(r"[0-9]{1,5}(?:\.[0-9]{1,3})?", value):
        raise ValueError
    amount = float(value)
    if not 0.1 <= amount < most:  # noqa: PLR2004 - a shorter time lets nothing finish
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


def web_address(value: str) -> str:
    """Return an address of a server, without a query."""
    parts = urlsplit(value)
    is_plain = re.fullmatch(r"https?://[A-Za-z0-9_.:\[\]-]+(?:/[!-~]*)?", value) is not None
    # Reading the port raises ValueError unless it is one.
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


def file(value: str) -> str:
    """Return the path of a file, or nothing."""
    if value and not Path(value).is_file():
        raise ValueError
    return value


def level(value: str) -> int:
    """Return a level of logging."""
    return {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40}[value]


def key(value: str) -> bytes:
    """Return the key that a text encodes."""
    decoded = b64decode(value, validate=True)
    if value and len(decoded) < _KEY_SIZE:
        raise ValueError
    return decoded


def matching(pattern: str) -> Callable[[str], str]:
    """Return a type of texts that match a pattern."""

    def read(value: str) -> str:
        """Return the text itself."""
        if not re.fullmatch(pattern, value):
            raise ValueError
        return value

    return read


def database(value: str) -> str:
    """Return the address of a database as SQLAlchemy reads it."""
    scheme = urlsplit(value).scheme
    if scheme == "sqlite" and ("?" in value or not value.startswith("sqlite:///")):
        raise ValueError  # the driver's own options, or a host
    if scheme in {"postgresql", "postgres"}:
        value = "postgresql+psycopg" + value[len(scheme) :]
    elif scheme not in {"sqlite", "postgresql+psycopg"}:
        raise ValueError
    try:
        name = make_url(value).database
    except ArgumentError:
        raise ValueError from None
    if scheme == "sqlite" and name in {None, "", ":memory:"}:
        raise ValueError  # each connection would have tickets of its own
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
