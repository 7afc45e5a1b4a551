"""The settings: one table, read from the environment once, checked before anything starts.

Each field of Config is a variable: TTR_ and the field's name, with its default, how its text is
read, and what it means; docs/reference/settings.md is that table. An invalid value stops the start
with one sentence, which never contains a secret. Variables that Kubernetes and Docker set for a
service or a link are ignored.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field, fields
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from server import setting_types as types
from ttrules.codes import closest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: The parts of an address that can contain a password: up to the last @, and the query.
_PASSWORD: Final = re.compile(r"(?<=:)(?!//).+?(?=@[^@]*$|$)|(?<=\?).+", re.DOTALL)
#: By how many seconds a claim of an event outlives the attempt that it is for.
_MARGIN: Final = 1.0


class BadSetting(Exception):  # noqa: N818 - a statement
    """A variable has an invalid value, or is not a setting.

    `value` is None if the variable is not a setting, or its value is a secret.
    """

    def __init__(self, name: str, value: str | None, expected: str) -> None:
        super().__init__(name, value, expected)
        self.name, self.value, self.expected = name, value, expected

    def __str__(self) -> str:
        """Return the sentence that names the variable; a password in an address is masked."""
        if self.name not in SETTINGS:
            nearest = closest(self.name, SETTINGS)
            hint = f" Did you mean {nearest}?" if nearest else ""
            name = self.name if self.name.isprintable() else repr(self.name)
            return f"Unset {name}: there is no such setting.{hint}"
        if self.value is None:
            return f"Set {self.name} to {self.expected}."
        is_address = SETTINGS[self.name][1].is_address
        value = _PASSWORD.sub("***", self.value) if is_address else self.value
        return f"Set {self.name} to {self.expected}: {value!r} is not."


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How a variable of the environment is read, and how it is documented.

    A value that `is_secret` is in no message; of an `is_address` the password is masked.
    """

    default: str
    read: Callable[[str], Any]
    expected: str
    meaning: str
    is_secret: bool = False
    is_address: bool = False


def _setting(  # noqa: PLR0913 - as Setting has
    default: str,
    read: Callable[[str], Any],
    expected: str,
    meaning: str,
    *,
    is_secret: bool = False,
    is_address: bool = False,
) -> Any:  # noqa: ANN401 - as field()
    setting = Setting(
        default=default,
        read=read,
        expected=expected,
        meaning=meaning,
        is_secret=is_secret,
        is_address=is_address,
    )
    return field(default=read(default), metadata={"setting": setting})


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The values of all settings."""

    database_url: str = _setting(
        "sqlite:///var/tickets.db",
        types.database,
        "sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME",
        "Where tickets are kept. Write what an address reserves in a password as %40 and so on.",
        is_secret=True,
    )
    database_timeout: float = _setting(
        "3",
        types.seconds,
        "seconds",
        "How long the server waits for the database: to connect, for a statement, for a lock. After"
        " that it answers 503.",
    )
    query_timeout: float = _setting(
        "2",
        types.seconds,
        "seconds",
        "How long one query of a list may take. After that it is answered with 503.",
    )
    max_answer: int = _setting(
        "8M",
        types.size,
        "a size such as 8M",
        "The most that a list answers at a time: its page ends before the ticket that would exceed"
        " it. One ticket is always answered.",
    )
    host: str = _setting(
        "127.0.0.1",
        types.host,
        "an address or a host name; 0.0.0.0 or :: for all addresses",
        "The address to listen at.",
    )
    port: int = _setting("8080", types.port, "a port", "The port; 0 takes any that is free.")
    workers: int = _setting(
        "1",
        partial(types.count, most=types.MOST_WORKERS),
        f"a whole number from 1 to {types.MOST_WORKERS}",
        "How many processes answer. More than one needs PostgreSQL.",
    )
    path_prefix: str = _setting(
        "",
        types.matching(r"(?:/(?!\.\.?(?:/|$))[A-Za-z0-9_.~-]+)*"),
        "nothing, or a path such as /gateway",
        "What a proxy in front takes off the path; addresses that are given out begin with it.",
    )
    forwarded_allow_ips: str = _setting(
        "127.0.0.1",
        types.proxies,
        "addresses or networks, separated by commas; * for all, nothing for none",
        "The proxies whose X-Forwarded-For and X-Forwarded-Proto are believed.",
    )
    tls_certificate: str = _setting(
        "", types.file, "a file", "The certificate chain (PEM), to serve HTTPS."
    )
    tls_key: str = _setting("", types.file, "a file", "The key of the certificate (PEM).")
    max_body: int = _setting(
        "20M", types.size, "a size such as 20M", "The largest ticket or patch."
    )
    max_small_body: int = _setting(
        "64K", types.size, "a size such as 64K", "The largest body of any other request."
    )
    max_checked_body: int = _setting(
        "2M",
        types.size,
        "a size such as 2M",
        "The largest ticket that is checked for callers without credentials.",
    )
    max_query: int = _setting("8K", types.size, "a size such as 8K", "The longest query string.")
    max_headers: int = _setting(
        "16K", types.size, "a size such as 16K", "The most that all headers together may take."
    )
    header_timeout: float = _setting(
        "10",
        types.seconds,
        "seconds",
        "How long the headers of a request, and the first byte of a connection, may take to"
        " arrive.",
    )
    body_timeout: float = _setting(
        "10",
        types.seconds,
        "seconds",
        "How long a body may take to arrive, beside the time that TTR_MIN_RATE allows.",
    )
    min_rate: int = _setting(
        "32K",
        types.size,
        "a size such as 32K",
        "How many bytes of a body must arrive in a second; also of an answer, where the client is"
        " slow to read it.",
    )
    send_timeout: float = _setting(
        "20",
        types.seconds,
        "seconds",
        "How long a client may leave an answer unread before the connection is closed.",
    )
    keep_alive_timeout: float = _setting(
        "15",
        types.seconds,
        "seconds",
        "How long a connection stays open between two requests.",
    )
    connections: int = _setting(
        "4000",
        types.count,
        "a whole number from 1",
        "How many connections may be open in a process. For one more, the connection that has"
        " waited longest for a request is closed; if none waits, the new one gets a 503.",
    )
    connections_per_address: int = _setting(
        "200",
        types.count,
        "a whole number from 1",
        "How many connections one address (IPv6: one /64) may have in a process; another one gets"
        " a 503. The addresses in TTR_FORWARDED_ALLOW_IPS have no such limit.",
    )
    shutdown_timeout: float = _setting(
        "30",
        types.seconds,
        "seconds",
        "How long requests may take to finish once the server is told to stop.",
    )
    cors_origins: tuple[str, ...] = _setting(
        "",
        types.origins,
        "nothing, *, or origins such as https://app.example.com, separated by commas",
        "The origins whose pages may use the API in a browser (CORS); * allows all. Credentials are"
        " only what a page sends itself, never what the browser has stored.",
    )
    failed_logins: int = _setting(
        "10",
        types.count,
        "a whole number from 1",
        "How many secrets are tried for one name from one address in a minute.",
    )
    failed_logins_per_address: int = _setting(
        "100",
        types.count,
        "a whole number from 1",
        "How many secrets are tried from one address in a minute, whatever the name.",
    )
    token_lifetime: int = _setting(
        "3600",
        partial(types.count, most=types.DAY),
        "a whole number of seconds from 1 to 86400",
        "How long an access token is valid.",
    )
    allow_loopback_callbacks: bool = _setting(
        "0",
        types.flag,
        "0 or 1",
        "Let callbacks be http or https on this machine's loopback addresses. For development, and"
        " only where the server itself listens at such an address.",
    )
    callback_ca: str = _setting(
        "",
        types.authorities,
        "a file of PEM certificates",
        "Certificate authorities that callbacks may use besides the public ones.",
    )
    callback_ports: frozenset[int] = _setting(
        "443,8443", types.ports, "ports, separated by commas", "The ports that callbacks may use."
    )
    callback_networks: tuple[types.Network, ...] = _setting(
        "",
        types.networks,
        "networks in CIDR notation such as 10.20.0.0/16, separated by commas",
        "Private networks that callbacks may lead into. Loopback, link-local, multicast and cloud"
        " metadata addresses stay closed unless the network listed is a part of theirs.",
    )
    signing_key: bytes = _setting(
        "",
        types.key,
        "at least 32 random bytes in base64",
        "What the keys that sign events are derived from; all processes need the same. With SQLite"
        " one is made beside the database when there is none.",
        is_secret=True,
    )
    events_kept: int = _setting(
        "30",
        types.count,
        "a whole number of days from 1",
        "For how many days events that were delivered, or given up, are kept.",
    )
    tickets_kept: int = _setting(
        "0",
        partial(types.count, least=0),
        "a whole number of days, 0 for ever",
        "For how many days tickets in a final status are kept after their last change; the process"
        " that delivers events deletes them.",
    )
    event_deadline: float = _setting(
        "15",
        types.seconds,
        "seconds",
        "How long one attempt to deliver an event may take altogether.",
    )
    event_lease: float = _setting(
        "60",
        partial(types.seconds, most=types.LONGEST_LEASE + 0.001),
        f"seconds, more than TTR_EVENT_DEADLINE and one, up to {types.LONGEST_LEASE}",
        "After how long without a word of it an attempt counts as lost, as when its process died;"
        " then another one is made.",
    )
    metrics_port: int = _setting(
        "0",
        types.port,
        "a port",
        "Where a process that only delivers shows its numbers; 0 for nowhere.",
    )
    public: tuple[str, ...] = _setting(
        "all",
        types.pages,
        f"all, none, or some of {', '.join(types.PAGES)}, separated by commas (ui needs documents)",
        "What the server shows without credentials: the OpenAPI documents, the page to try them,"
        " the page of the matrix, the metrics. A page that is not in the list is a 404. `/health`"
        " is always shown; for the checker see TTR_CHECKER.",
    )
    log_level: int = _setting(
        "INFO",
        types.level,
        "DEBUG, INFO, WARNING or ERROR",
        "What is logged, to standard error, one JSON object a line.",
    )
    sandbox: bool = _setting(
        "0",
        types.flag,
        "0 or 1",
        "Make two operators to try things with, and print a command that works.",
    )
    checker: bool | None = _setting(
        "",
        types.choice,
        "0 or 1; nothing for 1 in a sandbox and else 0",
        "Offer a page that checks payloads, and the operation behind it, to anybody.",
    )
    checks_per_minute: int = _setting(
        "600",
        types.count,
        "a whole number from 1",
        "How many payloads are checked for one address in a minute.",
    )
    backoffice_url: str = _setting(
        "http://127.0.0.1:8080",
        types.web_address,
        "an address such as https://tickets.example.com",
        "Where the commands `ticket` and `events` find the server.",
        is_address=True,
    )
    backoffice_user: str = _setting(
        "",
        types.matching(r"(?:[^:\s]+:.*)?"),
        "NAME:SECRET",
        "As whom these commands ask; on a sandbox's machine as `provider` when it is not set.",
        is_secret=True,
    )

    backoffice_ca: str = _setting(
        "",
        types.authorities,
        "a file of PEM certificates",
        "The certificate authorities that these commands trust, in place of the public ones.",
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
    for variable, text in environment.items():
        if not variable.startswith("TTR_") or types.is_link(variable, text):
            continue
        if variable not in SETTINGS:
            raise BadSetting(variable, None, f"one of {', '.join(SETTINGS)}")
        name, setting = SETTINGS[variable]
        try:
            if not text.isprintable() or text != text.strip():
                raise ValueError  # noqa: TRY301 - told as any other value that is invalid
            values[name] = setting.read(text)
        except (ValueError, KeyError):
            told = None if setting.is_secret else text
            raise BadSetting(variable, told, setting.expected) from None
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
    if config.tls_certificate and not types.is_pair(config.tls_certificate, config.tls_key):
        expected = "a PEM certificate with its key, which no password protects"
        raise BadSetting("TTR_TLS_CERTIFICATE", config.tls_certificate, expected)
    return config


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
