"""The commands `ticket`, `events` and `hub` against real servers: what they do, and what they say
when something was not done.
"""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from click.testing import CliRunner

from server.cli.main import cli
from tests.support.server_commands import closed_port
from tests.support.servers import NAMES, PROVIDER, serving
from tests.support.tls import DAY, made

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

    from tests.support.servers import Client, Server
    from tests.support.tls import Authority

pytestmark = pytest.mark.slow


class Provider(NamedTuple):
    """Somebody of the provider's at a terminal."""

    root: str
    secret: str

    def __call__(self, *arguments: str, answer: str = "", **environment: str) -> Result:
        """Run a command; `answer` is what is typed when it asks."""
        given = {
            "TTR_BACKOFFICE_URL": self.root,
            "TTR_BACKOFFICE_USER": f"{PROVIDER}:{self.secret}",
        }
        return CliRunner().invoke(cli, arguments, input=answer, env={**given, **environment})


@pytest.fixture
def provider(server: Server) -> Provider:
    """Give a terminal of the provider's."""
    return Provider(server.root, server.secrets[PROVIDER])


@pytest.fixture
def number(api: Client) -> str:
    """Give the id of a new ticket."""
    found: str = api.created()["id"]
    return found


def ended(result: Result) -> tuple[int, bool, int]:
    """Return the exit code, whether something was done, and how many lines say what was not."""
    return result.exit_code, bool(result.stdout), len(result.stderr.splitlines())


class TestDone:
    """A command that did not do all that was asked says so, and ends with 1."""

    def test_unsupported(self, provider: Provider, backoffice: Client, number: str) -> None:
        """Members that are not stored are named, and the others are set."""
        result = provider("ticket", "set", number, "nosuch=1")
        assert ended(result) == (1, False, 1)
        assert "/nosuch" in result.stderr
        result = provider("ticket", "set", number, "correlationId=N-1", "no/such=1", "a~b=1")
        assert ended(result) == (1, True, 1)
        assert result.stdout.split()[1:] == ["correlationId", "set"]
        assert backoffice.get(f"/troubleTicket/{number}").json()["correlationId"] == "N-1"
        result = provider("ticket", "set", number, 'note=[{"text": "a", "nosuch": 1}]')
        assert (result.exit_code, "/note/0/nosuch" in result.stderr) == (1, True)

    def test_same(self, provider: Provider, number: str) -> None:
        """A member that has its value already is named; nothing is said to be set."""
        assert ended(provider("ticket", "set", number, "correlationId=N-1")) == (0, True, 0)
        assert ended(provider("ticket", "set", number, "correlationId=N-1")) == (1, False, 1)
        result = provider("ticket", "set", number, "correlationId=N-1", "resolutionCode=H")
        assert ended(result) == (1, True, 1)
        assert result.stdout.split()[1:] == ["resolutionCode", "set"]

    def test_move_to_itself(self, provider: Provider, backoffice: Client, number: str) -> None:
        """A move to the status that a ticket has changes nothing, nor what is said with it."""
        assert ended(provider("ticket", "acknowledge", number)) == (0, True, 0)
        before = backoffice.get(f"/troubleTicket/{number}").json()
        result = provider("ticket", "acknowledge", number, "--reason", "again")
        assert ended(result) == (1, False, 1)
        assert backoffice.get(f"/troubleTicket/{number}").json() == before

    def test_note(self, provider: Provider, backoffice: Client, number: str) -> None:
        """A note is added, whether there are notes or not."""
        for count in (1, 2):
            assert provider("ticket", "note", number, str(count)).stdout.endswith(f"{count}\n")
        notes = backoffice.get(f"/troubleTicket/{number}").json()["note"]
        assert [each["text"] for each in notes] == ["1", "2"]

    @pytest.mark.parametrize(
        "arguments",
        [
            ["events", "list", "--operator", "nosuch"],
            ["ticket", "list", "--operator", "nosuch"],
            ["hub", "list", "--operator", "nosuch"],
            ["events", "show", "nosuch"],
            ["events", "redeliver", "nosuch"],
            ["hub", "show", "nosuch"],
            ["hub", "remove", "nosuch", "--yes"],
            ["ticket", "show", "nosuch"],
        ],
        ids=" ".join,
    )
    def test_unknown(self, provider: Provider, arguments: list[str]) -> None:
        """A name that nothing has is named, rather than answered with nothing."""
        result = provider(*arguments)
        assert ended(result) == (1, False, 1)
        assert "nosuch" in result.stderr

    def test_near(self, provider: Provider) -> None:
        """An operator's name that is nearly right is suggested."""
        assert NAMES[0] in provider("ticket", "list", "--operator", "operator-aa").stderr

    def test_nothing(self, provider: Provider) -> None:
        """A list without entries says so, where people look, and is no failure."""
        result = provider("events", "list", "--operator", NAMES[2], "--state", "dead")
        assert ended(result) == (0, False, 1)

    def test_owner(self, provider: Provider, number: str) -> None:
        """The list says whose each ticket is."""
        result = provider("ticket", "list", "--operator", NAMES[0], "--limit", "1000")
        (line,) = (each for each in result.stdout.splitlines() if each.startswith(number[:13]))
        assert NAMES[0] in line.split()
        assert json.loads(provider("ticket", "show", number).stdout)["operator"] == NAMES[0]

    def test_hub(self, provider: Provider, other: Client) -> None:
        """Subscriptions are listed, shown, and removed after a confirmation."""
        made = other.post("/hub", json={"callback": "https://8.8.8.8/hook?token=abc"}).json()
        listed = provider("hub", "list", "--operator", NAMES[1]).stdout.split()
        assert listed[:4] == [made["id"], NAMES[1], "active", "0"]
        assert json.loads(provider("hub", "show", made["id"]).stdout)["operator"] == NAMES[1]
        assert provider("hub", "remove", made["id"], answer="n\n").exit_code == 1
        assert other.get("/hub").status_code == 200
        assert provider("hub", "remove", made["id"], answer="y\n").exit_code == 0
        assert other.get("/hub").status_code == 404
        assert ended(provider("hub", "list", "--operator", NAMES[1])) == (0, False, 1)


class Page(BaseHTTPRequestHandler):
    """A page of HTML, as a proxy answers it, at whatever address; /moved is elsewhere."""

    def do_GET(self) -> None:
        """Redirect, succeed or fail, depending on the path."""
        is_moved = self.path.startswith("/moved")
        self.send_response(302 if is_moved else 200 if self.path.startswith("/ok") else 502)
        if is_moved:
            self.send_header("Location", "https://elsewhere.example/login")
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<html></html>")

    def log_message(self, *_: object) -> None:
        """Be silent."""


@contextmanager
def paging() -> Iterator[str]:
    """Serve pages of HTML, until it is left."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as pages:
        thread = threading.Thread(target=pages.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{pages.server_port}"
        pages.shutdown()
        thread.join()


def closing(listener: socket.socket) -> None:
    """Take one connection, and close it."""
    listener.accept()[0].close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Give a private certificate authority."""
    return made(tmp_path_factory.mktemp("ca"), "tests.example")


@pytest.fixture(scope="module")
def secure(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give a server with a certificate of the private authority for 127.0.0.1."""
    authority.signed("server", "127.0.0.1", *DAY, kind="IP")
    folder = tmp_path_factory.mktemp("secure")
    files = {
        "TTR_TLS_CERTIFICATE": str(authority.folder / "server.pem"),
        "TTR_TLS_KEY": str(authority.folder / "server.key"),
    }
    with serving(f"sqlite:///{folder}/t.db", **files) as running:
        yield running


class TestReached:
    """Why a server was not reached is told apart, with what to do."""

    def test_private_ca(self, secure: Server, authority: Authority) -> None:
        """A private authority is trusted by an option or a setting, which the message names."""
        provider = Provider(secure.root, secure.secrets[PROVIDER])
        trusted = str(authority.certificate)
        assert provider("ticket", "list", "--ca", trusted).exit_code == 0
        assert provider("ticket", "list", TTR_BACKOFFICE_CA=trusted).exit_code == 0
        result = provider("ticket", "list")
        assert ended(result) == (3, False, 1)
        assert "TTR_BACKOFFICE_CA" in result.stderr

    def test_kinds(self, secure: Server, server: Server, authority: Authority) -> None:
        """Each kind of failure has a sentence of its own, and exit code 3."""
        trusted = {"TTR_BACKOFFICE_CA": str(authority.certificate)}
        port = secure.root.rpartition(":")[2]
        roots = {
            "certificate": f"https://127.0.0.1:{port}",
            "host name": f"https://localhost:{port}",
            "TLS": server.root.replace("http:", "https:"),
            "plain": f"http://127.0.0.1:{port}",
            "refused": f"http://127.0.0.1:{closed_port()}",
            "unknown": "http://no-such-host.invalid",
        }
        told = {}
        for kind, root in roots.items():
            more = {} if kind == "certificate" else trusted
            result = Provider(root, "s")("events", "list", **more)
            assert ended(result) == (3, False, 1), kind
            told[kind] = result.stderr
        assert len({*told.values()}) == len(told)

    def test_silent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A server that does not answer in time is told apart from one that is not there."""
        monkeypatch.setattr("server.cli.client._TIMEOUT", (5, 0.2))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            root = f"http://127.0.0.1:{listener.getsockname()[1]}"
            result = Provider(root, "s")("ticket", "list")
        assert ended(result) == (3, False, 1)
        assert "did not respond" in result.stderr

    @pytest.mark.parametrize("path", ["", "/ok", "/moved"])
    def test_pages(self, path: str) -> None:
        """An answer that is a page or a redirect is named as one, whatever its status."""
        with paging() as root:
            result = Provider(root + path, "s")("ticket", "list")
        assert ended(result) == (1, False, 1)
        assert "text/html" in result.stderr
        assert ("elsewhere.example" in result.stderr) is (path == "/moved")

    def test_closes(self) -> None:
        """A server that closes the connection without an answer is not one of HTTP."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=closing, args=(listener,))
            thread.start()
            root = f"http://127.0.0.1:{listener.getsockname()[1]}"
            result = Provider(root, "s")("ticket", "list")
            thread.join()
        assert ended(result) == (3, False, 1)

    def test_settings(self, tmp_path: Path) -> None:
        """A file without certificates is a wrong setting."""
        empty = tmp_path / "empty.pem"
        empty.write_text("nothing")
        for value in (str(empty), str(tmp_path / "none.pem"), str(tmp_path)):
            result: Any = Provider("http://127.0.0.1:9", "s")("ticket", "list", "--ca", value)
            assert (result.exit_code, result.stdout) == (2, "")
            assert "TTR_BACKOFFICE_CA" in result.stderr
