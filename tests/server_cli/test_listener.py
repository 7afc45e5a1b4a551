"""`python -m server listen`: what it makes of events, and how it misbehaves when it is told to."""

from __future__ import annotations

import json
import re
import signal
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import requests
from click.testing import CliRunner
from openapi_spec_validator import OpenAPIV30SpecValidator

from server.cli.journal import readable
from server.cli.main import cli
from server.delivery.signing import (
    TOLERANCE,
    NotVerified,
    headers,
    key_of,
    keys_of,
    read_key,
    shown,
    verify,
)
from server.documents import listening
from tests.support.profiles import SHIPPED, load
from tests.support.server_commands import NAME, Running, listener

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.slow

MASTER = b"m" * 32
NEW, OLD = (key_of(MASTER, "operator", version) for version in (2, 1))
BODY = b'{"a": 1}'


def event(number: str = "e1", ticket: str = "t1", **members: Any) -> dict[str, Any]:
    """Return an event about a ticket with these members."""
    return {
        "id": ticket,
        "eventId": number,
        "eventTime": "2026-01-31T12:00:00Z",
        "eventType": NAME,
        "event": {"troubleTicket": {"id": ticket, **members}},
    }


def signed(body: bytes, *keys: bytes, number: str = "e1", seconds: int | None = None) -> Any:
    """Return the headers of an event that is signed now, or at another moment."""
    return headers(number, int(time.time()) if seconds is None else seconds, body, keys)


def fault_of(given: Mapping[str, str], body: bytes, *keys: bytes, now: int = 1_000) -> str | None:
    """Return what is wrong with a signature, or None."""
    try:
        verify(given, body, keys, now)
    except NotVerified as error:
        return error.fault
    return None


class TestVerify:
    """`signing.verify`, the other side of `signing.headers`."""

    def test_right(self) -> None:
        """What is signed with a key verifies with it, whatever other keys are known."""
        given = headers("e1", 1_000, BODY, [NEW])
        assert fault_of(given, BODY, NEW) is None
        assert fault_of(given, BODY, OLD, NEW) is None

    def test_rotated(self) -> None:
        """While two keys sign, who knows either of them verifies it."""
        given = headers("e1", 1_000, BODY, keys_of(MASTER, "operator", version=2, since=0, now=1))
        assert (fault_of(given, BODY, NEW), fault_of(given, BODY, OLD)) == (None, None)

    def test_wrong(self) -> None:
        """Another key, body, identifier or time is noticed, and so is another scheme."""
        given = headers("e1", 1_000, BODY, [NEW])
        assert fault_of(given, BODY, OLD) == "wrong"
        assert fault_of(given, BODY) == "wrong"
        assert fault_of(given, BODY + b" ", NEW) == "wrong"
        assert fault_of({**given, "webhook-id": "e2"}, BODY, NEW) == "wrong"
        assert fault_of({**given, "webhook-timestamp": "1001"}, BODY, NEW) == "wrong"
        other = given["webhook-signature"].replace("v1,", "v1a,")
        assert fault_of({**given, "webhook-signature": other}, BODY, NEW) == "wrong"
        assert fault_of({**given, "webhook-signature": "v1,\udcffé"}, BODY, NEW) == "wrong"

    def test_missing(self) -> None:
        """Without one of the headers, or with an invalid time, an event is not verified."""
        given = headers("e1", 1_000, BODY, [NEW])
        for name in given:
            assert fault_of({**given, name: ""}, BODY, NEW) == "missing"
            assert fault_of({n: v for n, v in given.items() if n != name}, BODY, NEW) == "missing"
        for seconds in ("now", "-1", "1e3", "\u0661", "9" * 99):
            assert fault_of({**given, "webhook-timestamp": seconds}, BODY, NEW) == "missing"

    @pytest.mark.parametrize("sign", [-1, 1])
    def test_time(self, sign: int) -> None:
        """A signature counts for five minutes before and after its time."""
        given = headers("e1", 1_000, BODY, [NEW])
        assert fault_of(given, BODY, NEW, now=1_000 + sign * TOLERANCE) is None
        assert fault_of(given, BODY, NEW, now=1_000 + sign * (TOLERANCE + 1)) == "untimely"

    def test_key(self) -> None:
        """A key is read as it is shown, and nothing else is one."""
        assert read_key(shown(NEW)) == NEW
        for text in ("", "whsec_", shown(NEW)[6:], "whsec_*", shown(NEW) + "=", "ttr_AAAA"):
            with pytest.raises(ValueError):  # noqa: PT011 - it is the contract
                read_key(text)


class TestDocument:
    """The document of a listener, which is made of the callbacks."""

    def test_valid(self) -> None:
        """It is OpenAPI 3.0 and has a path for each event that the lifecycle raises."""
        document = listening(SHIPPED)
        OpenAPIV30SpecValidator(document).validate()
        assert {path[1:] for path in document["paths"]} == set(
            load()["paths"]["/hub"]["post"]["callbacks"]
        )


class TestEvents:
    """What is answered to an event, and what is told of it."""

    def test_fine(self) -> None:
        """An event is answered 201 with nothing in it; the status of its ticket is remembered.

        That of a repeat is not, since it may be older than the last one.
        """
        with listener("--json") as running:
            answer = running.post(event("e1", status="submitted"), {"webhook-id": "e1"})
            assert (answer.status_code, answer.content) == (201, b"")
            assert "Content-Type" not in answer.headers
            first = running.said()
            assert (first["id"], first["ticket"], first["answered"]) == ("e1", "t1", 201)
            assert (first["verified"], first["before"]) == (None, None)
            assert first["body"] == event("e1", status="submitted")
            running.post(event("e2", status="acknowledged"), {"webhook-id": "e2"})
            assert running.said()["before"] == "submitted"
            running.post(event("e1", status="submitted"), {"webhook-id": "e1"})
            assert running.said()["before"] is None
            running.post(event("e3", status="inProgress"), {"webhook-id": "e3"})
            assert running.said()["before"] == "acknowledged"

    def test_repeat(self) -> None:
        """An event that came before is called a repeat, and is answered as the first time."""
        with listener("--json") as running:
            repeats = []
            for number in ("e1", "e1", "e2", "e1"):
                assert running.post(event(number)).status_code == 201
                repeats.append(running.said()["repeats"])
        assert repeats == [0, 1, 0, 2]

    def test_signature(self) -> None:
        """With secrets an event is answered 201 only when it is signed with one of them, now."""
        body = json.dumps(event()).encode()
        with listener("--json", "--secret", shown(OLD), "--secret", shown(NEW)) as running:
            for given, status, fault in (
                (signed(body, NEW), 201, None),
                (signed(body, key_of(MASTER, "other", 1), OLD), 201, None),
                (signed(body, key_of(MASTER, "other", 1)), 401, "invalidCredentials"),
                (signed(body, NEW, seconds=int(time.time()) - 400), 401, "invalidCredentials"),
                ({}, 401, "invalidCredentials"),
            ):
                answer = running.post(body, given)
                told = running.said()
                assert (answer.status_code, told["refused"]) == (status, fault)
                assert told["verified"] is (status == 201)
                assert (told["body"] is None) is (status == 401)
                if fault:
                    assert answer.json()["code"] == fault

    def test_shape(self) -> None:
        """An event that is not what the document says is answered 400 in the shape of errors."""
        wrong: list[Any] = [
            b"",
            b"{",
            [],
            {},
            {**event(), "eventTime": "yesterday"},
            {**event(), "event": {}},
            {**event(), "event": {"troubleTicket": {"id": "t", "status": "lost"}}},
            {**event(), "id": 1},
        ]
        with listener("--json") as running:
            for each in wrong:
                answer = running.post(each)
                assert answer.status_code == 400, each
                assert answer.json()["code"] == running.said()["refused"] == "invalidBody"
                assert answer.json()["@type"] == "Error"

    def test_elsewhere(self) -> None:
        """What is no event's address, method, media type or size is refused, and not told of."""
        with listener("--json") as running:
            assert running.post(event(), name="TroubleTicketLostEvent").status_code == 404
            assert running.post(event(), {"Content-Type": "text/plain"}).status_code == 415
            assert running.post(b" " * (2 << 20)).status_code == 413
            got = requests.get(f"{running.root}/{NAME}", timeout=60)
            assert (got.status_code, got.json()["code"]) == (405, "methodNotAllowed")
            running.post(event("e9"))
            assert running.said()["id"] == "e9"


class TestManner:
    """How it misbehaves on purpose."""

    def test_fail(self) -> None:
        """--fail answers so, for --times events; what was answered so comes again as a repeat."""
        with listener("--json", "--fail", "503", "--times", "2") as running:
            statuses = [running.post(event()).status_code for _ in range(3)]
            told = [running.said() for _ in range(3)]
        assert statuses == [each["answered"] for each in told] == [503, 503, 201]
        assert [each["repeats"] for each in told] == [0, 1, 2]

    def test_drop(self) -> None:
        """--drop closes the connection without an answer."""
        with listener("--json", "--drop", "--times", "1") as running:
            with pytest.raises(requests.ConnectionError):
                running.post(event())
            assert running.said()["answered"] is None
            assert running.post(event()).status_code == 201

    def test_delay(self) -> None:
        """--delay answers later, and tells of the event at once; other events are not held up."""
        with listener("--json", "--delay", "1000", "--times", "40") as running:
            for number in range(40):
                waiting = threading.Thread(target=unanswered, args=(running, number), daemon=True)
                waiting.start()
            assert {running.said()["id"] for _ in range(40)} == {str(n) for n in range(40)}
            assert running.post(event("after")).status_code == 201


def unanswered(running: Running, number: int) -> None:
    """Send an event whose answer is long in coming."""
    with suppress(requests.ConnectionError):
        requests.post(f"{running.root}/{NAME}", json=event(str(number)), timeout=60)


class TestText:
    """What people read."""

    def test_lines(self) -> None:
        """A line says which event of which ticket, the lines below what it tells of it."""
        ticket = "019ab3f2-7c1d-7000-8000-000000000000"
        with listener() as running:
            running.post(event("1", ticket, status="submitted", lastUpdate="2026-01-31T12:00:00Z"))
            running.post(event("2", ticket, status="pending", note=[{"text": "a"}, {"text": "b"}]))
            running.post(event("2", ticket, status="pending"))
            changed = {**event("3", ticket), "fieldPath": "severity"}
            running.post(changed, name="TroubleTicketAttributeValueChangeEvent")
            lines = [running.line() for _ in range(8)]
        told = [re.sub("^[0-9]{2}:[0-9]{2}:[0-9]{2} ", "", line) for line in lines]
        assert told == [
            f"{NAME}, ticket 019ab3f2-7c1d, not checked",
            "         status: submitted",
            f"{NAME}, ticket 019ab3f2-7c1d, not checked",
            "         status: submitted -> pending",
            "         note: b (the last of 2)",
            f"{NAME}, ticket 019ab3f2-7c1d, not checked, repeat 1",
            "         status: pending",
            "TroubleTicketAttributeValueChangeEvent, ticket 019ab3f2-7c1d, not checked",
        ]

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ("a\x1b[2Jb\n", r'"a\u001b[2Jb\n"'),
            ([], "[]"),
            ([1, 2], "2 (the last of 2)"),
            ([{"role": "x"}], '{"role": "x"}'),
            (None, "null"),
            ("é" * 200, "é" * 159 + "…"),
        ],
    )
    def test_readable(self, value: Any, text: str) -> None:
        """A value is a few words on one line, and nothing in it reaches the terminal as a code."""
        assert readable(value) == text


class TestCommand:
    """The command itself."""

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_stop(self, number: signal.Signals) -> None:
        """It ends with 0 when it is told to stop, and says no more."""
        with listener() as running:
            running.process.send_signal(number)
            out, err = running.process.communicate(timeout=60)
            assert (running.process.returncode, out, err) == (0, "", "")

    @pytest.mark.parametrize(
        "options",
        [
            ["--secret", "ttr_AAAA"],
            ["--fail", "99"],
            ["--delay", "-1"],
            ["--times", "2"],
            ["--times", "0", "--drop"],
            ["--drop", "--fail", "500"],
            ["--port", "65536"],
            ["--host", "203.0.113.1"],
        ],
        ids=" ".join,
    )
    def test_mistakes(self, options: list[str]) -> None:
        """Options that make no sense, or an address that is not this machine's, end it with 2."""
        result = CliRunner().invoke(cli, ["listen", *options])
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr
