"""The settings: what each may be, what it is where nothing is set, and how a mistake is told."""

from __future__ import annotations

from dataclasses import fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from server.config import SETTINGS, BadSetting, Config, read_config
from tests.support.tls import certificate, openssl

#: A file that is there.
FILE = __file__
SPEC = Path(__file__).parents[2] / "spec"
#: Of every variable: the default, texts with what they mean, texts that mean nothing.
TABLE: dict[str, tuple[Any, dict[str, Any], list[str]]] = {
    "TTR_DATABASE_URL": (
        "sqlite:///var/tickets.db",
        {
            "sqlite:///a.db": "sqlite:///a.db",
            "sqlite:////var/a.db": "sqlite:////var/a.db",
            "postgresql://u:p@h/n": "postgresql+psycopg://u:p@h/n",
            "postgres://h/n": "postgresql+psycopg://h/n",
            "postgresql+psycopg://h/n": "postgresql+psycopg://h/n",
        },
        [
            *("", "a.db", "mysql://h/n", "postgresql+asyncpg://h/n", "postgresql://h:x/n", "://"),
            *("sqlite://", "sqlite:///", "sqlite:///:memory:", "postgresql://[h/n"),
            *("sqlite:///a.db?timeout=soon", "sqlite://host/a.db", "sqlite:a.db"),
        ],
    ),
    "TTR_PROFILE": ("", {"spec": "spec", f"{SPEC}": f"{SPEC}"}, ["/none", "tests", FILE]),
    "TTR_DATABASE_TIMEOUT": (3.0, {"0.5": 0.5}, ["", "0", "-1", "86400", "x", "nan"]),
    "TTR_QUERY_TIMEOUT": (2.0, {"0.5": 0.5}, ["", "0", "-1", "86400", "x", "nan"]),
    "TTR_MAX_ANSWER": (8 << 20, {"1K": 1024}, ["", "0", "8X"]),
    "TTR_HOST": (
        "127.0.0.1",
        {each: each for each in ("0.0.0.0", "::1", "localhost", "a-1.example.com", "fe80::1%eth0")},  # noqa: S104 - a value
        # A resolver would read some of these numbers as all addresses.
        ["", "0", "00.0", "127.1", "0x0", "*", "[::1]", "localhost:80", "http://h", "a b", "a..b"],
    ),
    "TTR_PORT": (8080, {"0": 0, "65535": 65535}, ["", "-1", "65536", "http", "1.5"]),
    "TTR_WORKERS": (1, {"1": 1}, ["", "0", "-1", "two", "1.5", "257", "9999999"]),
    "TTR_PATH_PREFIX": (
        "",
        {"": "", "/gateway": "/gateway", "/a/b-c.d~e_f": "/a/b-c.d~e_f"},
        [
            "/",
            "gateway",
            "/gateway/",
            "//a",
            "/a b",
            "/a?b",
            "https://h/a",
            '/a"',
            "/..",
            "/a/./b",
            "/\u017c",
        ],
    ),
    "TTR_FORWARDED_ALLOW_IPS": (
        "127.0.0.1",
        {each: each for each in ("", "*", "10.0.0.1,10.0.0.2", "10.0.0.0/8, ::1", "fd00::/8")},
        ["foo", "10.0.0.1;10.0.0.2", "10.0.0.1/8", "*,10.0.0.1", ",", "10.0.0", "10.0.0.1:80"],
    ),
    "TTR_TLS_CERTIFICATE": ("", {"": ""}, ["/no/such/file", "/", FILE]),
    "TTR_TLS_KEY": ("", {"": ""}, ["/no/such/file", "/", FILE]),
    "TTR_MAX_BODY": (20 << 20, {"1": 1, "2K": 2048, "3M": 3 << 20, "1G": 1 << 30}, ["2G"]),
    "TTR_MAX_SMALL_BODY": (64 << 10, {"1K": 1024}, []),
    "TTR_MAX_CHECKED_BODY": (2 << 20, {"1M": 1 << 20}, []),
    "TTR_MAX_QUERY": (8 << 10, {"1K": 1024}, []),
    "TTR_MAX_HEADERS": (16 << 10, {"1K": 1024}, []),
    "TTR_HEADER_TIMEOUT": (10.0, {"0.5": 0.5}, []),
    "TTR_BODY_TIMEOUT": (10.0, {"0.5": 0.5, "86399": 86_399.0}, ["0.09"]),
    "TTR_MIN_RATE": (32 << 10, {"1": 1, "1M": 1 << 20}, ["", "0", "-1", "1.5"]),
    "TTR_SEND_TIMEOUT": (20.0, {"1": 1.0}, []),
    "TTR_KEEP_ALIVE_TIMEOUT": (15.0, {"60": 60.0}, []),
    "TTR_CONNECTIONS": (4000, {"1": 1}, ["0", "-1", "many"]),
    "TTR_CONNECTIONS_PER_ADDRESS": (200, {"1": 1}, ["0", ""]),
    "TTR_SHUTDOWN_TIMEOUT": (30.0, {"1": 1.0}, []),
    "TTR_CORS_ORIGINS": (
        (),
        {
            "": (),
            "*": ("*",),
            "https://a.example": ("https://a.example",),
            "https://A.example:8443, http://localhost:3000": (
                *("https://a.example:8443", "http://localhost:3000"),
            ),
            "http://[::1]:3000": ("http://[::1]:3000",),
        },
        [
            *("a.example", "https://a.example/", "https://a.example/x", "https://*.example", ","),
            *("null", "https://a.example,", "file:///", "https://u:p@a.example", "https://a b"),
        ],
    ),
    "TTR_FAST_PATH": (True, {"0": False, "1": True}, ["on", "2", ""]),
    "TTR_FAILED_LOGINS": (10, {"1": 1, "999999": 999_999}, ["0", "-1", "many", "1000000"]),
    "TTR_FAILED_LOGINS_PER_ADDRESS": (100, {"1": 1}, ["0", ""]),
    "TTR_TOKEN_LIFETIME": (3600, {"1": 1, "86400": 86_400}, ["0.5", "1.0", "0", "86401", ""]),
    "TTR_ALLOW_LOOPBACK_CALLBACKS": (False, {"1": True, "YES": True, "no": False}, []),
    "TTR_CALLBACK_CA": (
        "",
        {"": "", DEFAULT_CA_BUNDLE_PATH: DEFAULT_CA_BUNDLE_PATH},
        ["/no/such/file", "/", FILE],
    ),
    "TTR_CALLBACK_PORTS": (
        frozenset({443, 8443}),
        {"443": frozenset({443}), "1, 65535": frozenset({1, 65_535})},
        ["", "0", "443,", "-1", "65536", "https", "443;444"],
    ),
    "TTR_CALLBACK_NETWORKS": (
        (),
        {
            "": (),
            "10.20.0.0/16, fd12::/16": (ip_network("10.20.0.0/16"), ip_network("fd12::/16")),
            "10.1.2.3": (ip_network("10.1.2.3/32"),),
        },
        ["10.20.0.1/16", "10.0.0.0/33", "10.0.0.0/8,", ",", "host", "10.0.0.0-10.0.0.9", "10"],
    ),
    "TTR_SIGNING_KEY": (
        b"",
        {"": b"", "QUFB" * 11: b"A" * 33},
        ["QUFB" * 10, "geheim", "QUFB" * 11 + "A", "QUFB" * 11 + "\n", "\u00e9"],
    ),
    "TTR_EVENTS_KEPT": (30, {"1": 1, "365": 365}, ["", "0", "-1", "1.5", "for ever"]),
    "TTR_TICKETS_KEPT": (0, {"0": 0, "365": 365}, ["", "-1", "1.5", "1000000"]),
    "TTR_EVENT_DEADLINE": (15.0, {"2": 2.0}, []),
    "TTR_EVENT_LEASE": (
        60.0,
        {"16.5": 16.5, "600": 600.0},
        ["15", "16", "601"],
    ),  # beside the default deadline
    "TTR_METRICS_PORT": (0, {"9090": 9090}, ["", "-1", "65536"]),
    "TTR_PUBLIC": (
        ("documents", "ui", "matrix", "metrics"),
        {
            "all": ("documents", "ui", "matrix", "metrics"),
            "none": (),
            "matrix": ("matrix",),
            "documents, ui": ("documents", "ui"),
        },
        ["", "ui", "All", "documents;ui", "documents,", "all,ui", "health", "checker"],
    ),
    "TTR_LOG_LEVEL": (20, {"DEBUG": 10, "WARNING": 30, "ERROR": 40}, ["", "debug", "CRITICAL"]),
    "TTR_SANDBOX": (False, {"true": True, "False": False, "0": False}, []),
    "TTR_CHECKER": (None, {"": None, "1": True, "no": False}, ["2", "on", "-", " "]),
    "TTR_CHECKS_PER_MINUTE": (600, {"1": 1, "999999": 999_999}, ["0", "-1", ""]),
    "TTR_BACKOFFICE_URL": (
        "http://127.0.0.1:8080",
        {"https://h/gateway": "https://h/gateway", "http://[::1]:1": "http://[::1]:1"},
        [
            *("", "h", "ftp://h", "http://", "https://h/a?b", "https://h/a b", "http://h:65536"),
            *(
                "http://h:http",
                "http://:80",
                "http://[::1",
                "https://me:geheim@h",
                "https://\u017c",
            ),
        ],
    ),
    "TTR_BACKOFFICE_USER": ("", {"": "", "a:b:c": "a:b:c", "a:": "a:"}, ["a", ":b", "a b:c"]),
    "TTR_BACKOFFICE_CA": (
        "",
        {"": "", DEFAULT_CA_BUNDLE_PATH: DEFAULT_CA_BUNDLE_PATH},
        ["/none.pem", "/", FILE],
    ),
}
SIZES = ["", "0", "-1", "1.5M", "1m", "1 M", "1T", "M", "1234567890"]
SECONDS = ["", "0", "-1", "86400", "soon", "nan", "inf", "1e3", "1_0", "0x10", "1,5", ".5", "1."]
FLAGS = ["", "2", "on", "-"]
#: More texts that mean nothing, by the type of the default.
BAD: dict[type, list[str]] = {float: SECONDS, bool: FLAGS}


#: Texts that no setting takes, around its default: white space, control characters, other digits.
ODD = [
    " {}",
    "{} ",
    "{}\n",
    "\t{}",
    "{}\r\n",
    "{}\x7f",
    "{}\u00a0",
    "{}\u200b",
    "{}\udcff",
    "\u0663{}",
]


def bad_values(variable: str) -> list[str]:
    """Return texts that a variable cannot have."""
    default, _, bad = TABLE[variable]
    sizes = SIZES if variable.startswith("TTR_MAX_") else []
    return bad + sizes + BAD.get(type(default), [])


def test_complete() -> None:
    """Every field of Config is a variable, and every variable is in the table of these tests."""
    assert [f"TTR_{each.name.upper()}" for each in fields(Config)] == list(SETTINGS)
    assert list(SETTINGS) == list(TABLE)


@pytest.mark.parametrize("variable", TABLE)
def test_default(variable: str) -> None:
    """Where nothing is set the default holds, and the text that is told of it means the same."""
    name, setting = SETTINGS[variable]
    assert getattr(read_config({}), name) == TABLE[variable][0]
    assert setting.read(setting.default) == TABLE[variable][0]


@pytest.mark.parametrize(
    ("variable", "text"), [(name, text) for name, row in TABLE.items() for text in row[1]]
)
def test_good(variable: str, text: str) -> None:
    """A text that means something sets that, and nothing else."""
    name, value = SETTINGS[variable][0], TABLE[variable][1][text]
    read = read_config({variable: text, "PATH": "/bin"})
    assert read == Config(**{name: value})
    assert type(getattr(read, name)) is type(value)


@pytest.mark.parametrize(
    ("variable", "text"), [(name, text) for name in TABLE for text in bad_values(name)]
)
def test_bad(variable: str, text: str) -> None:
    """Another text is refused with the name of its variable."""
    with pytest.raises(BadSetting) as refused:
        read_config({variable: text})
    named = {"TTR_TLS_CERTIFICATE": "TTR_TLS_KEY"} if text == FILE else {}  # one without the other
    assert refused.value.name == named.get(variable, variable)


@pytest.mark.parametrize("variable", TABLE)
def test_odd(variable: str) -> None:
    """Odd texts around a valid value are rejected, in one line that names the variable."""
    valid = SETTINGS[variable][1].default or next(iter(TABLE[variable][1]))
    for form in ODD:
        with pytest.raises(BadSetting) as refused:
            read_config({variable: form.format(valid)})
        assert refused.value.name == variable, form
        assert str(refused.value).startswith(f"Set {variable} to ")
        assert str(refused.value).isprintable()


@pytest.mark.parametrize("variable", TABLE)
def test_numbers(variable: str) -> None:
    """A number in another notation is rejected wherever a number is expected."""
    if type(TABLE[variable][0]) in {int, float} and variable != "TTR_LOG_LEVEL":
        for text in ("+80", "-80", "8_0", "8e1", "80e0", "0x50", "NaN", "Infinity", "9" * 400):
            with pytest.raises(BadSetting) as refused:
                read_config({variable: text})
            assert refused.value.name == variable, text


SECRETS = {
    "TTR_DATABASE_URL": [
        "mysql://me:{}@host/name",
        "mysql://me:a/b@{}@host/name",
        "mysql://me:{}#host/name",
        "mysql://host/name?password={}",
        "postgresql://me:{}@host:port/name",
    ],
    "TTR_SIGNING_KEY": ["{}", "{}!"],
    "TTR_BACKOFFICE_USER": ["{}", ":{}", "a b:{}", "provider {}"],
    "TTR_BACKOFFICE_URL": ["http://me:{}@host", "http://h?key={}"],
}


@pytest.mark.parametrize("variable", SECRETS)
def test_secrets(variable: str) -> None:
    """No message contains a secret, in whatever way the value is malformed."""
    for form in SECRETS[variable]:
        for text in (form.format("geheim"), form.format("geheim") + "\n"):
            with pytest.raises(BadSetting) as refused:
                read_config({variable: text})
            assert refused.value.name == variable
            assert "geheim" not in str(refused.value), text


#: What Kubernetes sets for the services ttr, ttr-metrics and ttr-db, and Docker for a link `ttr`.
LINKS = {
    "TTR_SERVICE_HOST": "10.0.0.1",
    "TTR_SERVICE_PORT": "80",
    "TTR_SERVICE_PORT_HTTP_ALT": "80",
    "TTR_PORT": "tcp://10.0.0.1:80",
    "TTR_PORT_80_TCP": "tcp://10.0.0.1:80",
    "TTR_PORT_80_TCP_PROTO": "tcp",
    "TTR_PORT_80_TCP_PORT": "80",
    "TTR_PORT_80_TCP_ADDR": "10.0.0.1",
    "TTR_PORT_53_UDP": "udp://[fd00::1]:53",
    "TTR_METRICS_SERVICE_HOST": "10.0.0.2",
    "TTR_METRICS_PORT": "tcp://10.0.0.2:9090",
    "TTR_METRICS_PORT_9090_TCP": "tcp://10.0.0.2:9090",
    "TTR_DB_PORT": "tcp://10.0.0.3:5432",
    "TTR_NAME": "/web/ttr",
    "TTR_ENV_LANG": "C",
}


def test_links() -> None:
    """Variables of a Kubernetes Service or a Docker link are ignored; settings still count."""
    assert read_config(LINKS) == Config()
    assert read_config({**LINKS, "TTR_PORT": "8081"}) == Config(port=8081)


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("TTR_SERVICE", None),
        ("TTR_PROT", "TTR_PORT"),
        ("TTR_WORKER", "TTR_WORKERS"),
        ("TTR_METRIC_PORT", "TTR_METRICS_PORT"),
    ],
)
def test_misspelled(variable: str, nearest: str | None) -> None:
    """A misspelled setting is still rejected, with the nearest one if there is one."""
    with pytest.raises(BadSetting) as refused:
        read_config({**LINKS, variable: "80"})
    assert refused.value.name == variable
    assert nearest is None or str(refused.value).endswith(f"Did you mean {nearest}?")


def test_unknown() -> None:
    """An unknown variable with the prefix TTR_ is an error, and its value is not printed."""
    with pytest.raises(BadSetting) as refused:
        read_config({"TTR_DATABASE_PASSWORD": "geheim"})
    assert (refused.value.name, refused.value.value) == ("TTR_DATABASE_PASSWORD", None)
    assert "geheim" not in str(refused.value)


def test_password() -> None:
    """No part of a setting that contains a secret is repeated, however it is malformed."""
    for variable, text in MALFORMED:
        with pytest.raises(BadSetting) as refused:
            read_config({variable: text})
        assert refused.value.name == variable
        assert "geheim" not in f"{refused.value} {refused.value!r}", text


#: Malformed settings that contain a secret.
MALFORMED = (
    ("TTR_SIGNING_KEY", "geheim"),
    ("TTR_BACKOFFICE_USER", "geheim"),
    ("TTR_BACKOFFICE_USER", "my name:geheim"),
    ("TTR_BACKOFFICE_USER", ":geheim"),
    ("TTR_BACKOFFICE_USER", "provider:geheim\n"),
    *(
        ("TTR_DATABASE_URL", text)
        for text in (
            "mysql://me:geheim@host/name",
            "mysql://me:ge@geheim@host/name",
            "postgresql://me:x@geheim@host/name",
            "postgresql://me:ge/geheim@host:x/name",
            "postgresql:me:geheim@host/name",
            "postgresql//me:geheim@host/name",
            "postgresql://me:geheim@host:port/name",
            "postgresql://host/name?password=geheim&port=x",
            "mysql://host/name?password=geheim",
        )
    ),
)


def test_credentials_in_an_address() -> None:
    """Credentials in another address are masked."""
    with pytest.raises(BadSetting) as refused:
        read_config({"TTR_BACKOFFICE_URL": "http://me:geheim@host"})
    assert "'http://me:***@host'" in str(refused.value)


def test_workers() -> None:
    """Only PostgreSQL has several workers."""
    with pytest.raises(BadSetting) as refused:
        read_config({"TTR_WORKERS": "2"})
    assert refused.value.name == "TTR_WORKERS"
    shared = {"TTR_WORKERS": "2", "TTR_DATABASE_URL": "postgresql://h/n"}
    assert read_config(shared).workers == 2


class TestCertificate:
    """A certificate comes with its key, as PEM."""

    def test_pair(self, tmp_path: Path) -> None:
        """Both together are taken; one alone, or one that is not the other's, is not."""
        one, key = certificate(tmp_path, "one")
        _, other = certificate(tmp_path, "other")
        read = read_config({"TTR_TLS_CERTIFICATE": one, "TTR_TLS_KEY": key})
        assert (read.tls_certificate, read.tls_key) == (one, key)
        for name, environment in (
            ("TTR_TLS_KEY", {"TTR_TLS_CERTIFICATE": one}),
            ("TTR_TLS_KEY", {"TTR_TLS_KEY": key}),
            ("TTR_TLS_CERTIFICATE", {"TTR_TLS_CERTIFICATE": one, "TTR_TLS_KEY": other}),
            ("TTR_TLS_CERTIFICATE", {"TTR_TLS_CERTIFICATE": FILE, "TTR_TLS_KEY": key}),
        ):
            with pytest.raises(BadSetting) as refused:
                read_config(environment)
            assert refused.value.name == name

    def test_protected(self, tmp_path: Path) -> None:
        """A key that a password protects is refused, rather than the password asked for."""
        one, _ = certificate(tmp_path, "one")
        key = tmp_path / "protected.key"
        openssl("genrsa", "-aes256", "-passout", "pass:geheim", "-out", str(key), "2048")
        with pytest.raises(BadSetting) as refused:
            read_config({"TTR_TLS_CERTIFICATE": one, "TTR_TLS_KEY": str(key)})
        assert refused.value.name == "TTR_TLS_CERTIFICATE"
