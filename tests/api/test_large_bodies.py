"""Bodies that cost much and are short: each operation bounds what it reads and what it answers."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from server.problems import MOST_FINDINGS
from tests.support.tickets import complaint
from ttrules.codes import MAX_DEPTH, MAX_OPERATIONS, MAX_VALUES

if TYPE_CHECKING:
    from tests.support.servers import Client

JSON = "application/json"
MERGE = "application/merge-patch+json"
OPERATIONS = "application/json-patch+json"
NOTE = {"op": "add", "path": "/note/-", "value": {"text": "x"}}
LIMIT = 64 << 10
#: The largest body that may be checked without being stored, in bytes (TTR_MAX_CHECKED_BODY).
CHECKED = 2 << 20


def sent(client: Client, way: str, ticket: str, body: bytes) -> Any:
    """Return the answer to a body that is sent to an operation."""
    method, _, media_type = way.partition(" ")
    path = "/check" if media_type == "check" else "/troubleTicket"
    path += f"/{ticket}" if method == "PATCH" else ""
    media_type = JSON if method == "POST" else media_type
    return client(method, path, data=body, headers={"Content-Type": media_type})


WAYS = ("POST ", f"PATCH {MERGE}", f"PATCH {OPERATIONS}", "POST check")


class TestTooMuch:
    """What is too much is refused before it is built, by every operation of both sides."""

    @pytest.mark.parametrize("way", WAYS)
    @pytest.mark.parametrize(
        "part",
        [
            b'{"note": [' + b"{}," * MAX_VALUES + b"{}]}",
            b'{"x": [' + b'"a",' * MAX_VALUES + b"1]}",
            b"{" + b",".join(b'"x%d":1' % at for at in range(MAX_VALUES + 1)) + b"}",
            b'{"x": ' + b"[" * MAX_VALUES + b"]" * MAX_VALUES + b"}",
        ],
    )
    def test_values(self, api: Client, way: str, part: bytes) -> None:
        """A body with more than MAX_VALUES values is a 413 that names the limit."""
        ticket = api.created()["id"]
        answer = sent(api, way, ticket, part)
        assert (answer.status_code, answer.json()["code"]) == (413, "contentTooLarge")
        assert f"{MAX_VALUES}" in answer.json()["message"]

    def test_provider(self, api: Client, backoffice: Client) -> None:
        """So is one of the provider's."""
        ticket = api.created()["id"]
        body = b"[" + b"1," * MAX_VALUES + b"1]"
        for way in (f"PATCH {MERGE}", f"PATCH {OPERATIONS}"):
            assert sent(backoffice, way, ticket, body).status_code == 413

    def test_operations(self, api: Client, backoffice: Client) -> None:
        """Of too many operations none is applied."""
        ticket = api.created()
        for client in (api, backoffice):
            body = json.dumps([NOTE] * (MAX_OPERATIONS + 1)).encode()
            answer = sent(client, f"PATCH {OPERATIONS}", ticket["id"], body)
            assert (answer.status_code, answer.json()["code"]) == (400, "invalidBody")
        assert api.get(f"/troubleTicket/{ticket['id']}").json() == ticket

    @pytest.mark.parametrize(
        "operations",
        [
            [{"op": "add", "path": "/note", "value": [{"text": "x"}]}]
            + [{"op": "copy", "from": "/note", "path": "/note/-"}] * 20,
            [{"op": "add", "path": "/x", "value": [1] * 9_000}]
            + [{"op": "copy", "from": "/x", "path": "/y"}] * 3,
            [{"op": "add", "path": "/x" * 2_000, "value": 1}],
        ],
    )
    def test_patches(self, api: Client, operations: Any) -> None:
        """Copies of copies and long pointers are refused; the ticket stays."""
        ticket = api.created()
        body = json.dumps(operations).encode()
        answer = sent(api, f"PATCH {OPERATIONS}", ticket["id"], body)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalidBody")
        assert api.get(f"/troubleTicket/{ticket['id']}").json() == ticket


class TestManyFindings:
    """An answer lists the first findings, counts all, and is at most 64 KB long."""

    @pytest.mark.parametrize(
        ("members", "count"),
        [
            ({"note": [{"text": 1, "author": [], "y": 2}] * 2_500}, 7_500),
            ({"note": [{}] * 2_501}, 1),
            ({"relatedEntity": [{"role": 1}] * 200}, 600),
            ({"severity": 1, **{f"x{at}": at for at in range(15_000)}}, 15_001),
            ({"severity": 1, **{"k" * 90_000 + str(at): at for at in range(90)}}, 91),
        ],
    )
    def test_errors(self, api: Client, members: dict[str, Any], count: int) -> None:
        """The errors of a ticket."""
        body = json.dumps({**complaint(), **members}).encode()
        for way in ("POST ", f"PATCH {MERGE}"):
            answer = sent(api, way, api.created()["id"], body)
            error = answer.json()
            listed = len(error["violations"]) + len(error.get("warnings", ()))
            assert (answer.status_code, error["code"]) == (400, "requirementsNotMet")
            assert len(answer.content) <= LIMIT
            assert 1 <= listed <= MOST_FINDINGS
            if way == "POST ":
                assert error.get("findingCount", listed) == count
                assert listed == min(count, MOST_FINDINGS) or len(answer.content) > LIMIT // 2
                report = sent(api, "POST check", "", body)
                if len(body) > CHECKED:
                    assert (report.status_code, len(report.content) <= LIMIT) == (413, True)
                    continue
                found = report.json()
                listed = sum(len(found[name]) for name in ("violations", "warnings"))
                assert listed + found["left_out"] == count
                assert listed <= MOST_FINDINGS
                assert len(report.content) <= LIMIT

    def test_operations(self, api: Client) -> None:
        """The errors of a JSON Patch that adds invalid notes before the stored ones."""
        body = json.dumps([{**NOTE, "path": "/note/0", "value": {}}] * MAX_OPERATIONS).encode()
        answer = sent(api, f"PATCH {OPERATIONS}", api.created()["id"], body)
        assert (answer.status_code, answer.json()["findingCount"]) == (400, MAX_OPERATIONS)
        assert len(answer.content) <= LIMIT
        assert len(answer.json()["violations"]) == MOST_FINDINGS

    def test_warnings(self, api: Client) -> None:
        """A ticket with very many unknown members is stored without them."""
        body = {**complaint(), **{f"x{at}": at for at in range(15_000)}}
        answer = api.post("/troubleTicket", json=body)
        assert answer.status_code == 201
        assert "x1" not in answer.json()
        assert len(answer.headers["Ticket-Unsupported-Members"]) <= 5_000
        assert len(answer.content) < 5_000


class TestSameAsLibrary:
    """What the library accepts the server accepts."""

    @pytest.mark.parametrize(
        "text", ["a\0b", "\0", "\x7f\x85", "\ufffe\uffff", "\U0010ffff", "\ufeff"]
    )
    def test_texts(self, api: Client, text: str) -> None:
        """Every text of JSON is stored and returned as it was sent, U+0000 included."""
        members = {"name": f"x{text}", "description": f"y{text}", "externalId": f"z{text}"}
        ticket = api.created(**members, note=[{"text": f"n{text}", "author": text}])
        found = api.get(f"/troubleTicket/{ticket['id']}").json()
        assert {name: found[name] for name in members} == members
        changed = api.patch(
            f"/troubleTicket/{ticket['id']}",
            json={"@type": "TroubleTicket", "description": f"{text}x"},
        )
        assert changed.json()["description"] == f"{text}x"

    def test_depth(self, api: Client) -> None:
        """Members that are not supported may be nested as deep as in the library."""
        for depth, status in ((MAX_DEPTH - 1, 201), (MAX_DEPTH, 400)):
            body = json.dumps(complaint())[:-1] + ', "channel": ' + "[" * depth + "]" * depth + "}"
            answer = sent(api, "POST ", "", body.encode())
            assert answer.status_code == status

    def test_byte_order_mark(self, api: Client) -> None:
        """A body may begin with a byte order mark; places are those of the text behind it."""
        body = json.dumps(complaint()).encode()
        assert sent(api, "POST ", "", b"\xef\xbb\xbf" + body).status_code == 201
        report = sent(api, "POST check", "", b'\xef\xbb\xbf{"ticketType": 1}').json()
        assert [(each["line"], each["column"]) for each in report["violations"]] == [(1, 16)]

    def test_compressed(self, api: Client) -> None:
        """A body that is compressed without saying so is refused with the name of its form."""
        error = sent(api, "POST ", "", gzip.compress(b"{}")).json()
        assert (error["code"], error["line"], error["column"]) == ("invalidBody", 1, 1)
        assert "gzip" in error["message"]
