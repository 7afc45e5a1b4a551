"""The settings: one table that is read from the environment once and checked before the start.

Each field of Config is a variable: TTR_ and the field's name, with its default, the function that
parses its text, and its meaning. docs/reference/settings.md is generated from this table. An
invalid value stops the start with one sentence, which never contains a secret. Variables that
Kubernetes and Docker set for a service or a link are ignored.
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

#: The parts of a URL that can contain a password: up to the last @, and the query.
_PASSWORD: Final = re.compile(r"(?<=:)(?!//).+?(?=@[^@]*$|$)|(?<=\?).+", re.DOTALL)
#: By how many seconds the lease of an event must exceed the time of an attempt.
_MARGIN: Final = 1.0


class BadSetting(Exception):
    """A variable has an invalid value, or is not a setting.

    `value` is None if the variable is not a setting, or its value is a secret.
    """

    def __init__(self, name: str, value: str | None, expected: str) -> None:
        super().__init__(name, value, expected)
        self.name, self.value, self.expected = name, value, expected

    def __str__(self) -> str:
        """Return the message; it names the variable and masks a password in a URL."""
        if self.name not in SETTINGS:
            nearest = closest(self.name, SETTINGS)
            hint = f" Did you mean {nearest}?" if nearest else ""
            name = self.name if self.name.isprintable() else repr(self.name)
            return f"Unset {name}: unknown setting.{hint}"
        if self.value is None:
            return f"Set {self.name} to {self.expected}."
        is_address = SETTINGS[self.name][1].is_address
        value = _PASSWORD.sub("***", self.value) if is_address else self.value
        return f"Set {self.name} to {self.expected}; invalid value: {value!r}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How an environment variable is parsed, and how it is documented.

    A message never contains a value with `is_secret`. It masks the password of an `is_address`.
    """

    default: str
    read: Callable[[str], Any]
    expected: str
    meaning: str
    is_secret: bool = False
    is_address: bool = False


def _setting(
    default: str,
    read: Callable[[str], Any],
    expected: str,
    meaning: str,
    *,
    is_secret: bool = False,
    is_address: bool = False,
) -> Any:
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
        "URL of the database. Percent-encode reserved characters in the password (@ as %40).",
        is_secret=True,
    )
    profile: str = _setting(
        "",
        types.profile,
        "a directory with profile.yaml",
        "Profile of the API to serve: its documents, matrices and lifecycle. Without it the server"
        " serves the Trouble Ticket API, spec/.",
    )
    database_timeout: float = _setting(
        "3",
        types.seconds,
        "seconds",
        "Maximum wait for the database: for a connection, a statement or a lock. After that the"
        " server responds with 503.",
    )
    query_timeout: float = _setting(
        "2",
        types.seconds,
        "seconds",
        "Maximum time of one list query. After that the server responds with 503.",
    )
    max_answer: int = _setting(
        "8M",
        types.size,
        "a size such as 8M",
        "Maximum size of a page of tickets. The page ends before the ticket that would exceed it,"
        " but always contains at least one ticket.",
    )
    host: str = _setting(
        "127.0.0.1",
        types.host,
        "an address or a host name; 0.0.0.0 or :: for all addresses",
        "Address to listen on.",
    )
    port: int = _setting("8080", types.port, "a port", "Port to listen on; 0 selects a free port.")
    workers: int = _setting(
        "1",
        partial(types.count, most=types.MOST_WORKERS),
        f"an integer from 1 to {types.MOST_WORKERS}",
        "Number of worker processes. More than one requires PostgreSQL.",
    )
    path_prefix: str = _setting(
        "",
        types.matching(r"(?:/(?!\.\.?(?:/|$))[A-Za-z0-9_.~-]+)*"),
        "nothing, or a path such as /gateway",
        "Path prefix that a reverse proxy removes. URLs in responses begin with it.",
    )
    forwarded_allow_ips: str = _setting(
        "127.0.0.1",
        types.proxies,
        "addresses or networks, separated by commas; * for all, nothing for none",
        "Proxies whose X-Forwarded-For and X-Forwarded-Proto headers are trusted.",
    )
    tls_certificate: str = _setting(
        "", types.file, "a file", "Certificate chain (PEM) to serve HTTPS."
    )
    tls_key: str = _setting("", types.file, "a file", "Private key of the certificate (PEM).")
    max_body: int = _setting(
        "20M", types.size, "a size such as 20M", "Maximum size of a ticket or patch."
    )
    max_small_body: int = _setting(
        "64K", types.size, "a size such as 64K", "Maximum body size of other requests."
    )
    max_checked_body: int = _setting(
        "2M",
        types.size,
        "a size such as 2M",
        "Maximum size of a ticket that is checked for clients without credentials.",
    )
    max_query: int = _setting(
        "8K", types.size, "a size such as 8K", "Maximum length of a query string."
    )
    max_headers: int = _setting(
        "16K", types.size, "a size such as 16K", "Maximum total size of the request headers."
    )
    header_timeout: float = _setting(
        "10",
        types.seconds,
        "seconds",
        "Maximum time until the headers of a request, or the first byte of a connection, arrive.",
    )
    body_timeout: float = _setting(
        "10",
        types.seconds,
        "seconds",
        "Maximum time until a body arrives, in addition to the time that TTR_MIN_RATE allows.",
    )
    min_rate: int = _setting(
        "32K",
        types.size,
        "a size such as 32K",
        "Minimum number of bytes per second: of a body that a client sends, and of a response that"
        " it reads.",
    )
    send_timeout: float = _setting(
        "20",
        types.seconds,
        "seconds",
        "How long a client may leave a response unread before the server closes the connection.",
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
        "an integer from 1",
        "Maximum number of open connections per process. If it is reached, the connection that has"
        " been idle longest is closed; if none is idle, the new connection gets a 503.",
    )
    connections_per_address: int = _setting(
        "200",
        types.count,
        "an integer from 1",
        "Maximum number of connections of one address (IPv6: one /64) per process; further ones get"
        " a 503. Addresses in TTR_FORWARDED_ALLOW_IPS are exempt.",
    )
    shutdown_timeout: float = _setting(
        "30",
        types.seconds,
        "seconds",
        "How long requests in progress may take to finish after the server receives a stop signal.",
    )
    cors_origins: tuple[str, ...] = _setting(
        "",
        types.origins,
        "nothing, *, or origins such as https://app.example.com, separated by commas",
        "Origins whose pages may use the API in a browser (CORS); * allows all. A page must send"
        " credentials itself; those stored by the browser are not used.",
    )
    fast_path: bool = _setting(
        "1",
        types.flag,
        "0 or 1",
        "Answer operations on the event loop, before Connexion and Flask. 0 sends every request"
        " through both: the answers are the same, but slower, and ten requests at most run at a"
        " time.",
    )
    failed_logins: int = _setting(
        "10",
        types.count,
        "an integer from 1",
        "Maximum number of failed logins per minute for one name from one address.",
    )
    failed_logins_per_address: int = _setting(
        "100",
        types.count,
        "an integer from 1",
        "Maximum number of failed logins per minute from one address, for all names together.",
    )
    token_lifetime: int = _setting(
        "3600",
        partial(types.count, most=types.DAY),
        "an integer of seconds from 1 to 86400",
        "Lifetime of an access token.",
    )
    allow_loopback_callbacks: bool = _setting(
        "0",
        types.flag,
        "0 or 1",
        "Allow http and https callbacks to loopback addresses of this machine. For development"
        " only; the server itself must listen on a loopback address.",
    )
    callback_ca: str = _setting(
        "",
        types.authorities,
        "a file of PEM certificates",
        "Certificate authorities that callbacks may use in addition to the public ones.",
    )
    callback_ports: frozenset[int] = _setting(
        "443,8443", types.ports, "ports, separated by commas", "The ports that callbacks may use."
    )
    callback_networks: tuple[types.Network, ...] = _setting(
        "",
        types.networks,
        "networks in CIDR notation such as 10.20.0.0/16, separated by commas",
        "Private networks that callbacks may use. Loopback, link-local, multicast and cloud"
        " metadata addresses remain blocked unless the listed network is inside their range.",
    )
    signing_key: bytes = _setting(
        "",
        types.key,
        "at least 32 random bytes in base64",
        "Master key from which the keys that sign events are derived. All processes need the same"
        " key. With SQLite, a key file is created next to the database if this is not set.",
        is_secret=True,
    )
    events_kept: int = _setting(
        "30",
        types.count,
        "an integer of days from 1",
        "Number of days for which delivered and failed events are kept.",
    )
    tickets_kept: int = _setting(
        "0",
        partial(types.count, least=0),
        "an integer of days, 0 to keep them indefinitely",
        "Number of days for which tickets in a final status are kept after their last change. The"
        " process that delivers events deletes them.",
    )
    event_deadline: float = _setting(
        "15",
        types.seconds,
        "seconds",
        "Maximum total time of one delivery attempt.",
    )
    event_lease: float = _setting(
        "60",
        partial(types.seconds, most=types.LONGEST_LEASE + 0.001),
        f"seconds, more than TTR_EVENT_DEADLINE plus one, up to {types.LONGEST_LEASE}",
        "Time after which a delivery attempt without a result counts as lost, for example because"
        " its process died. The event is then sent again.",
    )
    metrics_port: int = _setting(
        "0",
        types.port,
        "a port",
        "Port of the metrics of a process that only delivers events; 0 disables it.",
    )
    public: tuple[str, ...] = _setting(
        "all",
        types.pages,
        f"all, none, or some of {', '.join(types.PAGES)}, separated by commas (ui needs documents)",
        "Pages that are public: the OpenAPI documents, Swagger UI, the matrix page, the metrics."
        " Other pages respond with 404. `/health` is always public; for the checker see"
        " TTR_CHECKER.",
    )
    log_level: int = _setting(
        "INFO",
        types.level,
        "DEBUG, INFO, WARNING or ERROR",
        "Minimum level of log records. They are JSON lines on standard error.",
    )
    sandbox: bool = _setting(
        "0",
        types.flag,
        "0 or 1",
        "Create two test operators and a provider, and print an example command.",
    )
    checker: bool | None = _setting(
        "",
        types.choice,
        "0 or 1; empty for 1 in a sandbox and 0 otherwise",
        "Enable the page that checks payloads, and its operation, for everyone.",
    )
    checks_per_minute: int = _setting(
        "600",
        types.count,
        "an integer from 1",
        "Maximum number of checked payloads per minute for one address.",
    )
    backoffice_url: str = _setting(
        "http://127.0.0.1:8080",
        types.web_address,
        "an address such as https://tickets.example.com",
        "URL of the server for the commands `ticket`, `events` and `hub`.",
        is_address=True,
    )
    backoffice_user: str = _setting(
        "",
        types.matching(r"(?:[^:\s]+:.*)?"),
        "NAME:SECRET",
        "Credentials of these commands. On the machine of a sandbox the default is `provider`.",
        is_secret=True,
    )

    backoffice_ca: str = _setting(
        "",
        types.authorities,
        "a file of PEM certificates",
        "Certificate authorities that these commands trust instead of the public ones.",
    )

    @property
    def has_checker(self) -> bool:
        """Whether the checker is public."""
        return self.sandbox if self.checker is None else self.checker

    @property
    def switches(self) -> dict[str, bool]:
        """The switches that `x-setting` in a document may name, by variable."""
        return {"TTR_CHECKER": self.has_checker}


#: Every setting by its variable, with the name that its value has in Config.
SETTINGS: Final[dict[str, tuple[str, Setting]]] = {
    f"TTR_{each.name.upper()}": (each.name, each.metadata["setting"]) for each in fields(Config)
}


def read_config(environment: Mapping[str, str]) -> Config:
    """Return the Config of an environment. Raises BadSetting."""
    values: dict[str, Any] = {}
    for variable, text in environment.items():
        if not variable.startswith("TTR_") or types.is_link(variable, text):
            continue
        if variable not in SETTINGS:
            raise BadSetting(variable, None, f"one of {', '.join(SETTINGS)}")
        name, setting = SETTINGS[variable]
        try:
            if not text.isprintable() or text != text.strip():
                raise ValueError  # noqa: TRY301 - reported like any other invalid value
            values[name] = setting.read(text)
        except (ValueError, KeyError):
            shown = None if setting.is_secret else text
            raise BadSetting(variable, shown, setting.expected) from None
    config = Config(**values)
    if config.workers > 1 and config.database_url.startswith("sqlite"):
        raise BadSetting(
            "TTR_WORKERS", str(config.workers), "1, because SQLite allows one process only"
        )
    if config.allow_loopback_callbacks and not _is_loopback(config.host):
        expected = "0, because other machines can reach the server at TTR_HOST"
        raise BadSetting("TTR_ALLOW_LOOPBACK_CALLBACKS", "1", expected)
    if config.event_lease <= config.event_deadline + _MARGIN:
        expected = "more than TTR_EVENT_DEADLINE plus one"
        raise BadSetting("TTR_EVENT_LEASE", f"{config.event_lease:g}", expected)
    if bool(config.tls_certificate) != bool(config.tls_key):
        raise BadSetting(
            "TTR_TLS_KEY", config.tls_key, "the key of TTR_TLS_CERTIFICATE, or set neither"
        )
    if config.tls_certificate and not types.is_pair(config.tls_certificate, config.tls_key):
        expected = "a PEM certificate with an unencrypted private key"
        raise BadSetting("TTR_TLS_CERTIFICATE", config.tls_certificate, expected)
    return config


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
