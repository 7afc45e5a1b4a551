"""The settings: one table, read from the environment once, checked before anything starts.

Each field of Config is a variable: TTR_ and the field's name, with its default, how its text is
read, and what it means; docs/reference/settings.md is that table. A bad value stops the start with
a sentence.
"""

from __future__ import annotations

import ipaddress
import re
import ssl
from base64 import b64decode
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from ttrules.codes import closest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: What stands between the user and the host of an address.
_PASSWORD: Final = re.compile(r"(?<=:)[^/]*(?=@)")
#: How many bytes a key must have that signatures are made with (RFC 2104, section 3).
_KEY_SIZE: Final = 32
#: By how many seconds a claim of an event outlives the attempt that it is for.
_MARGIN: Final = 1.0
_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class BadSetting(Exception):  # noqa: N818 - a statement
    """A variable has a value that it cannot have, or is none.

    `value` is None then, and where it is a secret.
    """

    def __init__(self, name: str, value: str | None, expected: str) -> None:
        super().__init__(name, value, expected)
        self.name, self.value, self.expected = name, value, expected

    def __str__(self) -> str:
        """Say what to set; a password in an address is not told."""
        if self.name not in SETTINGS:
            nearest = closest(self.name, SETTINGS)
            hint = f" Did you mean {nearest}?" if nearest else ""
            return f"Unset {self.name}: there is no such setting.{hint}"
        if self.value is None:
            return f"Set {self.name} to {self.expected}."
        value = _PASSWORD.sub("***", self.value)
        return f"Set {self.name} to {self.expected}: {value!r} is not."


def _flag(value: str) -> bool:
    return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[
        value.casefold()
    ]


def _choice(value: str) -> bool | None:
    return _flag(value) if value else None


def _size(value: str) -> int:
    found = re.fullmatch(r"([0-9]{1,9})([KMG]?)", value)
    if found is None or int(found[1]) == 0:
        raise ValueError
    return int(found[1]) * _UNITS[found[2]]


def _count(value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", value) or int(value) == 0:
        raise ValueError
    return int(value)


def _port(value: str) -> int:
    if not 0 <= int(value) < 1 << 16:
        raise ValueError
    return int(value)


def _seconds(value: str) -> float:
    seconds = float(value)
    if not 0 < seconds < 86_400:  # noqa: PLR2004 - a day
        raise ValueError
    return seconds


def _file(value: str) -> str:
    if value and not Path(value).is_file():
        raise ValueError
    return value


def _level(value: str) -> int:
    return {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40}[value]


def _key(value: str) -> bytes:
    key = b64decode(value, validate=True)
    if value and len(key) < _KEY_SIZE:
        raise ValueError
    return key


def _matching(pattern: str) -> Callable[[str], str]:
    """Return what takes texts that match."""

    def read(value: str) -> str:
        """Return the text itself."""
        if not re.fullmatch(pattern, value):
            raise ValueError
        return value

    return read


def _database(value: str) -> str:
    scheme = urlsplit(value).scheme
    if scheme in {"postgresql", "postgres"}:
        value = "postgresql+psycopg" + value[len(scheme) :]
    elif scheme not in {"sqlite", "postgresql+psycopg"}:
        raise ValueError
    try:
        url = make_url(value)
    except ArgumentError:
        raise ValueError from None
    # In memory each connection would have tickets of its own; options could name another file.
    if scheme == "sqlite" and (url.database in {None, "", ":memory:"} or url.query):
        raise ValueError
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How a variable of the environment is read, and what is told of it."""

    default: str
    read: Callable[[str], Any]
    expected: str
    meaning: str


def _setting(default: str, read: Callable[[str], Any], expected: str, meaning: str) -> Any:  # noqa: ANN401 - as field()
    setting = Setting(default=default, read=read, expected=expected, meaning=meaning)
    return field(default=read(default), metadata={"setting": setting})


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The values of all settings."""

    database_url: str = _setting(
        "sqlite:///var/tickets.db",
        _database,
        "sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME",
        "Where tickets are kept.",
    )
    database_timeout: float = _setting(
        "3",
        _seconds,
        "seconds",
        "How long the server waits for the database: to connect, for a statement, for a lock. After"
        " that it answers 503.",
    )
    query_timeout: float = _setting(
        "2",
        _seconds,
        "seconds",
        "How long one query of a list may take. After that it is answered with 503.",
    )
    max_answer: int = _setting(
        "8M",
        _size,
        "a size such as 8M",
        "The most that a list answers at a time: its page ends before the ticket that would exceed"
        " it. One ticket is always answered.",
    )
    host: str = _setting("127.0.0.1", str, "an address", "The address to listen at.")
    port: int = _setting("8080", _port, "a port", "The port; 0 takes any that is free.")
    workers: int = _setting(
        "1",
        _count,
        "a whole number from 1",
        "How many processes answer. More than one needs PostgreSQL.",
    )
    path_prefix: str = _setting(
        "",
        _matching(r"(?:/[\w.~-]+)*"),
        "nothing, or a path such as /gateway",
        "What a proxy in front takes off the path; addresses that are given out begin with it.",
    )
    forwarded_allow_ips: str = _setting(
        "127.0.0.1",
        str,
        "addresses, separated by commas",
        "The proxies whose X-Forwarded-For and X-Forwarded-Proto are believed.",
    )
    tls_certificate: str = _setting(
        "", _file, "a file", "The certificate chain (PEM), to serve HTTPS."
    )
    tls_key: str = _setting("", _file, "a file", "The key of the certificate (PEM).")
    max_body: int = _setting("20M", _size, "a size such as 20M", "The largest ticket or patch.")
    max_small_body: int = _setting(
        "64K", _size, "a size such as 64K", "The largest body of any other request."
    )
    max_query: int = _setting("8K", _size, "a size such as 8K", "The longest query string.")
    max_headers: int = _setting(
        "16K", _size, "a size such as 16K", "The most that all headers together may take."
    )
    body_timeout: float = _setting("10", _seconds, "seconds", "How long a body may take to arrive.")
    shutdown_timeout: float = _setting(
        "30",
        _seconds,
        "seconds",
        "How long requests may take to finish once the server is told to stop.",
    )
    failed_logins: int = _setting(
        "10",
        _count,
        "a whole number from 1",
        "How many secrets are tried for one name from one address in a minute.",
    )
    failed_logins_per_address: int = _setting(
        "100",
        _count,
        "a whole number from 1",
        "How many secrets are tried from one address in a minute, whatever the name.",
    )
    token_lifetime: float = _setting(
        "3600", _seconds, "seconds", "How long an access token is valid."
    )
    allow_loopback_callbacks: bool = _setting(
        "0",
        _flag,
        "0 or 1",
        "Let callbacks be http or https on this machine's loopback addresses. For development, and"
        " only where the server itself listens at such an address.",
    )
    signing_key: bytes = _setting(
        "",
        _key,
        "at least 32 random bytes in base64",
        "What the keys that sign events are derived from; all processes need the same. With SQLite"
        " one is made beside the database when there is none.",
    )
    events_kept: int = _setting(
        "30",
        _count,
        "a whole number of days from 1",
        "For how many days events that were delivered, or given up, are kept.",
    )
    event_deadline: float = _setting(
        "15", _seconds, "seconds", "How long one attempt to deliver an event may take altogether."
    )
    event_lease: float = _setting(
        "60",
        _seconds,
        "seconds, more than TTR_EVENT_DEADLINE and one",
        "After how long without a word of it an attempt counts as lost, as when its process died;"
        " then another one is made.",
    )
    metrics_port: int = _setting(
        "0",
        _port,
        "a port",
        "Where a process that only delivers shows its numbers; 0 for nowhere.",
    )
    log_level: int = _setting(
        "INFO",
        _level,
        "DEBUG, INFO, WARNING or ERROR",
        "What is logged, to standard error, one JSON object a line.",
    )
    sandbox: bool = _setting(
        "0",
        _flag,
        "0 or 1",
        "Make two operators to try things with, and print a command that works.",
    )
    checker: bool | None = _setting(
        "",
        _choice,
        "0 or 1; nothing for 1 in a sandbox and else 0",
        "Offer a page that checks payloads, and the operation behind it, to anybody.",
    )
    checks_per_minute: int = _setting(
        "600",
        _count,
        "a whole number from 1",
        "How many payloads are checked for one address in a minute.",
    )
    backoffice_url: str = _setting(
        "http://127.0.0.1:8080",
        _matching(r"https?://[\w.:\[\]-]+(?:/[^\s?#]*)?"),
        "an address such as https://tickets.example.com",
        "Where the commands `ticket` and `events` find the server.",
    )
    backoffice_user: str = _setting(
        "",
        _matching(r"(?:[^:\s]+:.*)?"),
        "NAME:SECRET",
        "As whom these commands ask; on a sandbox's machine as `provider` when it is not set.",
    )

    @property
    def has_checker(self) -> bool:
        """Whether anybody may have payloads checked."""
        return self.sandbox if self.checker is None else self.checker

    @property
    def switches(self) -> dict[str, bool]:
        """What a document may hang on by `x-setting`, by variable."""
        return {"TTR_CHECKER": self.has_checker}


#: Every setting by its variable, with the name that its value has in Config.
SETTINGS: Final[dict[str, tuple[str, Setting]]] = {
    f"TTR_{each.name.upper()}": (each.name, each.metadata["setting"]) for each in fields(Config)
}


def read_config(environment: Mapping[str, str]) -> Config:
    """Return the Config that an environment asks for. Raises BadSetting."""
    values: dict[str, Any] = {}
    for variable, (name, setting) in SETTINGS.items():
        if variable in environment:
            try:
                values[name] = setting.read(environment[variable])
            except (ValueError, KeyError):
                told = None if setting.read is _key else environment[variable]
                raise BadSetting(variable, told, setting.expected) from None
    for variable in environment:
        if variable.startswith("TTR_") and variable not in SETTINGS:
            raise BadSetting(variable, None, f"one of {', '.join(SETTINGS)}")
    config = Config(**values)
    if config.workers > 1 and config.database_url.startswith("sqlite"):
        raise BadSetting("TTR_WORKERS", str(config.workers), "1, since SQLite serves one process")
    if config.allow_loopback_callbacks and not _is_loopback(config.host):
        expected = "0, since others can reach the server at TTR_HOST"
        raise BadSetting("TTR_ALLOW_LOOPBACK_CALLBACKS", "1", expected)
    if config.event_lease <= config.event_deadline + _MARGIN:
        expected = "more than TTR_EVENT_DEADLINE and one"
        raise BadSetting("TTR_EVENT_LEASE", f"{config.event_lease:g}", expected)
    if bool(config.tls_certificate) != bool(config.tls_key):
        raise BadSetting(
            "TTR_TLS_KEY", config.tls_key, "the key of TTR_TLS_CERTIFICATE, or set neither"
        )
    if config.tls_certificate and not _is_pair(config.tls_certificate, config.tls_key):
        expected = "a PEM certificate with its key, which no password protects"
        raise BadSetting("TTR_TLS_CERTIFICATE", config.tls_certificate, expected)
    return config


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_pair(certificate: str, key: str) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, OSError, ValueError):
        return False
    return True
