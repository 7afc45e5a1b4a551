"""The commands `ticket` and `events`: what they ask of the provider's API, and what they print.

The API is played here by a server that answers what a test gives it; howto/receive-events.md is run
against the real one.
"""

from __future__ import annotations

import base64
import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import pytest
from click.testing import CliRunner

from server.cli.main import cli
from server.cli.provider import STATES
from tests.support.profiles import PROVIDER, SHIPPED
from tests.support.server_commands import closed_port, is_sentence
from ttrules.rulebook import shipped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

BASE = PROVIDER.base
#: The commands that change the status: the new status of each.
MOVES = {each.name: each.to for each in SHIPPED.commands if each.to is not None}
ID = "019ab3f2-7c1d-7000-8000-000000000001"
TICKET = {
    "operator": "operator-a",
    "id": ID,
    "status": "submitted",
    "ticketType": "Complaint",
    "name": "Fee",
}
ERROR = {
    "code": "requirementsNotMet",
    "reason": "The ticket does not meet the rules",
    "message": "Mend each violation.",
    "violations": [{"code": "prohibited", "pointer": "/name", "message": "Remove name."}],
}


class Asked(NamedTuple):
    """A request that came: what it is for, its query, its headers, its body."""

    line: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


class Played(ThreadingHTTPServer):
    """The provider's API: a ticket, and answers for what else may be asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[Asked] = []
        self.answers: dict[str, tuple[int, Any]] = {
            "GET /troubleTicket": (200, [{"id": ID}]),
            f"GET /troubleTicket/{ID}": (200, TICKET),
            f"PATCH /troubleTicket/{ID}": (200, {**TICKET, "status": "moved", "note": [{}]}),
        }

    @property
    def root(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}"

    def run(self, *arguments: str, answer: str = "", **environment: str) -> Result:
        """Run a command of a client of it, which is provider with the secret s:1.

        `answer` is what the terminal sends to the command.
        """
        given = {"TTR_BACKOFFICE_URL": self.root, "TTR_BACKOFFICE_USER": "provider:s:1"}
        return CliRunner().invoke(cli, arguments, input=answer, env={**given, **environment})


class Handler(BaseHTTPRequestHandler):
    """One request of a client."""

    server: Played

    def answer(self) -> None:
        """Note the request, and answer as the test says."""
        parts = urlsplit(self.path)
        line = f"{self.command} {parts.path.removeprefix(BASE)}"
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = json.loads(raw) if raw else None
        self.server.asked.append(Asked(line, dict(parse_qsl(parts.query)), headers, body))
        status, value = self.server.answers.get(line, (404, {"reason": "Nothing is here"}))
        told = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("ETag", '"7"')
        self.send_header("X-Total-Count", "9")
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    do_GET = do_PATCH = do_POST = do_DELETE = answer  # noqa: N815 - the names that it has to have

    def log_message(self, *_: object) -> None:
        """Be silent."""


@pytest.fixture
def played() -> Iterator[Played]:
    """Give a server that plays the provider's API."""
    with Played() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def added(name: str, value: Any) -> dict[str, Any]:
    """Return the operation that sets a member."""
    return {"op": "add", "path": f"/{name}", "value": value}


class TestTicket:
    """`ticket`: a change is a JSON Patch of the ticket as it was read."""

    @pytest.mark.parametrize(
        ("word", "status"),
        [
            ("acknowledge", "acknowledged"),
            ("start", "inProgress"),
            ("hold", "held"),
            ("resolve", "resolved"),
            ("reject", "rejected"),
            ("cancel", "cancelled"),
            ("close", "closed"),
        ],
    )
    def test_move(self, played: Played, word: str, status: str) -> None:
        """A move sets the status and its reason, unless somebody was quicker."""
        result = played.run("ticket", word, ID[:6], "--reason", "so")
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout == f"{ID[:13]}: submitted -> moved\n"
        found, _, changed = played.asked
        assert found.query["id.regex"] == f"^{ID[:6]}"
        assert changed.body == [added("status", status), added("statusChangeReason", "so")]
        assert changed.headers["content-type"] == "application/json-patch+json"
        assert changed.headers["if-match"] == '"7"'

    def test_moves(self) -> None:
        """Each command leads to a status that a ticket can have; `set` reaches the others."""
        lifecycle = shipped().matrix.lifecycle
        targets = {move["to"] for moves in lifecycle["moves"].values() for move in moves}
        assert {*MOVES.values()} == targets

    def test_ask(self, played: Played) -> None:
        """To ask is to set pending and to add a note, whether there are notes or not."""
        assert played.run("ticket", "ask", ID, "When?").exit_code == 0
        note = {"text": "When?"}
        assert played.asked[-1].body == [added("status", "pending"), added("note/-", note)]

    def test_resolve(self, played: Played) -> None:
        """A resolution has a comment and a result."""
        played.run("ticket", "resolve", ID, "--comment", "c", "--result", "r")
        more = [added("resolutionComment", "c"), added("resolutionResult", "r")]
        assert played.asked[-1].body == [added("status", "resolved"), *more]

    def test_note(self, played: Played) -> None:
        """A note is added, and how many there are is told."""
        assert played.run("ticket", "note", ID, "a").stdout == f"{ID[:13]}: note 1\n"
        assert played.asked[-1].body == [added("note/-", {"text": "a"})]

    def test_set(self, played: Played) -> None:
        """Members are set to JSON, or to what is no JSON as a text."""
        after = {**TICKET, "priority": 2, "severity": "High", "a/~b": "x=y", "correlationId": ""}
        played.answers[f"PATCH /troubleTicket/{ID}"] = (200, after)
        played.run("ticket", "set", ID, "priority=2", "severity=High", "a/~b=x=y", "correlationId=")
        assert played.asked[-1].body == [
            added("priority", 2),
            added("severity", "High"),
            added("a~1~0b", "x=y"),
            added("correlationId", ""),
        ]

    def test_list(self, played: Played) -> None:
        """The list has a line for each ticket, and says when there are more."""
        played.answers["GET /troubleTicket"] = (200, [TICKET, {**TICKET, "name": "\x1b[2J"}])
        result = played.run("ticket", "list", "--status", "held", "--operator", "a", "--limit", "2")
        assert [line.split() for line in result.stdout.splitlines()] == [
            [ID[:13], "operator-a", "submitted", "Complaint", "Fee"],
            [ID[:13], "operator-a", "submitted", "Complaint", r'"\u001b[2J"'],
            ["2", "of", "9", "tickets"],
        ]
        wanted = {"status": "held", "operator": "a", "limit": "2", "sort": "-creationDate"}
        assert played.asked[-1].query == wanted

    def test_show(self, played: Played) -> None:
        """A ticket is shown as it is."""
        assert json.loads(played.run("ticket", "show", ID).stdout) == TICKET

    def test_beginning(self, played: Played) -> None:
        """What is the beginning of no identifier, or of several, changes nothing."""
        for found in ([], [{"id": ID}, {"id": "019ab3f3"}]):
            played.answers["GET /troubleTicket"] = (200, found)
            assert played.run("ticket", "close", "019ab3f").exit_code == 1
        assert played.run("ticket", "close", ".*").exit_code == 1
        assert [each.line for each in played.asked] == ["GET /troubleTicket"] * 2


class TestEvents:
    """`events`."""

    EVENT: dict[str, Any] = {
        "id": "e1",
        "operator": "operator-a",
        "ticket": ID,
        "name": "TroubleTicketStatusChangeEvent",
        "state": "dead",
        "attempts": 10,
        "lastError": "timeout",
    }

    def test_list(self, played: Played) -> None:
        """The list has a line for each event: what became of it, and how the last attempt ended."""
        arrived = {**self.EVENT, "state": "delivered", "lastStatus": 201}
        waits = {name: value for name, value in self.EVENT.items() if name != "lastError"}
        played.answers["GET /event"] = (200, [self.EVENT, arrived, {**waits, "state": "pending"}])
        result = played.run("events", "list", "--state", "dead", "--operator", "operator-a")
        shown = [line.split() for line in result.stdout.splitlines()]
        assert [line[:4] for line in shown] == [
            ["e1", "dead", "10", "timeout"],
            ["e1", "delivered", "10", "201"],
            ["e1", "pending", "10", "-"],
        ]
        assert shown[0][4:] == ["operator-a", ID[:13], "TroubleTicketStatusChangeEvent"]
        wanted = {"state": "dead", "operator": "operator-a", "limit": "20"}
        assert played.asked[-1].query == wanted

    def test_one(self, played: Played) -> None:
        """An event is shown, and sent again."""
        played.answers["GET /event/e%2F1"] = (200, self.EVENT)
        played.answers["POST /event/e%2F1/redelivery"] = (202, self.EVENT)
        assert json.loads(played.run("events", "show", "e/1").stdout) == self.EVENT
        assert played.run("events", "redeliver", "e/1").exit_code == 0
        assert played.run("events", "redeliver", "e2").exit_code == 1

    def test_purge(self, played: Played) -> None:
        """Events are forgotten that were settled before a day, a moment, or so many days ago."""
        played.answers["DELETE /event"] = (200, {"purged": 3})
        for given, moment in (
            ("2026-01-31", "2026-01-31T00:00:00Z"),
            ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
            ("2026-01-31T12:00:00+01:00", "2026-01-31T12:00:00+01:00"),
        ):
            result = played.run("events", "purge", "--yes", "--before", given)
            assert result.stdout == "3 events purged\n"
            assert played.asked[-1].query == {"before": moment}
        played.run("events", "purge", "--days", "2", "--yes")
        passed = datetime.now(UTC) - datetime.fromisoformat(played.asked[-1].query["before"])
        assert timedelta(days=2) <= passed < timedelta(days=2, minutes=1)

    def test_confirmed(self, played: Played) -> None:
        """Without --yes a purge asks first; without an answer nothing is forgotten."""
        played.answers["DELETE /event"] = (200, {"purged": 3})
        for answer, code in (("n\n", 1), ("", 1), ("y\n", 0)):
            assert not played.asked
            result = played.run("events", "purge", "--days", "2", answer=answer)
            assert result.exit_code == code
        assert [each.line for each in played.asked] == ["DELETE /event"]


class TestAsking:
    """Where a command asks, as whom, and how it ends when it is refused."""

    def test_address(self) -> None:
        """The API is where its document says, and events have the states that it says."""
        document = PROVIDER.document
        assert document["components"]["schemas"]["EventState"]["enum"] == list(STATES)

    def test_refusal(self, played: Played) -> None:
        """A refusal is told with its violations, and ends the command with 1."""
        played.answers[f"PATCH /troubleTicket/{ID}"] = (400, ERROR)
        result = played.run("ticket", "set", ID, "name=x")
        assert (result.exit_code, result.stdout) == (1, "")
        told = result.stderr.splitlines()
        assert len(told) == 2
        assert told[0].startswith(f"server: {ERROR['reason']}")
        assert told[1].split()[:2] == ["prohibited", "/name:"]

    @pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"reason": 1, "violations": 1}'])
    def test_stranger(self, played: Played, body: bytes) -> None:
        """So does what is no answer of the API, such as that of a proxy."""
        played.answers["GET /troubleTicket"] = (502, body)
        result = played.run("ticket", "list")
        assert (result.exit_code, result.stdout) == (1, "")
        assert len(result.stderr.splitlines()) == 1

    def test_unreached(self, played: Played) -> None:
        """A server that is not there ends it with 3 and a sentence."""
        nowhere = f"http://127.0.0.1:{closed_port()}"
        for command in (["ticket", "close", ID], ["events", "list"]):
            result = played.run(*command, "--url", nowhere)
            assert (result.exit_code, result.stdout) == (3, "")
            assert len(result.stderr.splitlines()) == 1

    def test_user(self, played: Played, tmp_path: Path) -> None:
        """Credentials are those of the option, of the setting, or of the sandbox's file."""
        database = {"TTR_DATABASE_URL": f"sqlite:///{tmp_path}/t.db"}
        (tmp_path / "sandbox-operators.json").write_text('{"provider": "kept"}')
        played.run("ticket", "list", "--user", "a:b")
        played.run("ticket", "list", **database)
        played.run("ticket", "list", **database, TTR_BACKOFFICE_USER="")
        sent = [each.headers["authorization"].removeprefix("Basic ") for each in played.asked]
        told = [base64.b64decode(each).decode() for each in sent]
        assert told == ["a:b", "provider:s:1", "provider:kept"]

    def test_nobody(self, played: Played, tmp_path: Path) -> None:
        """Without any of them, and with settings that mean nothing, it says so and asks nobody."""
        database = {"TTR_DATABASE_URL": f"sqlite:///{tmp_path}/t.db", "TTR_BACKOFFICE_USER": ""}
        assert is_sentence(played.run("ticket", "list", **database))
        assert is_sentence(played.run("ticket", "list", "--url", "localhost"))
        assert is_sentence(played.run("ticket", "list", "--user", "provider"))
        assert not played.asked

    @pytest.mark.parametrize(
        "arguments",
        [
            ["ticket", "set", ID],
            ["ticket", "set", ID, "name"],
            ["ticket", "set", ID, "=x"],
            ["ticket", "fly", ID],
            ["ticket", "ask", ID],
            ["ticket", "list", "--limit", "0"],
            ["events", "list", "--state", "lost"],
            ["events", "purge"],
            ["events", "purge", "--days", "1", "--before", "2026-01-01"],
            ["events", "purge", "--before", "yesterday"],
            ["ticket", "list", "--ca", "no-such-file.pem"],
        ],
        ids=" ".join,
    )
    def test_mistakes(self, played: Played, arguments: list[str]) -> None:
        """Wrong use ends it with 2, and asks nobody."""
        result = played.run(*arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert not played.asked
