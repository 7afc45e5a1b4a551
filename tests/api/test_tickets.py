"""The operations on tickets, over HTTP, on both databases."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import RFC_4122, UUID, uuid4

import pytest

from server.api.tickets import new_number
from server.storage import tickets as ticket_rows
from tests.support.servers import BASE
from tests.support.tickets import complaint

if TYPE_CHECKING:
    from tests.support.servers import Client

MERGE = {"@type": "TroubleTicket"}


class TestCreate:
    """POST /troubleTicket."""

    def test_whole(self, api: Client) -> None:
        """The answer is 201 with the address, and the whole ticket with what the server sets."""
        sent = complaint()
        answer = api.post("/troubleTicket", json=sent)
        ticket = answer.json()
        assert answer.status_code == 201
        assert (
            answer.headers["Location"] == ticket["href"] == f"{BASE}/troubleTicket/{ticket['id']}"
        )
        assert answer.headers["ETag"] == '"1"'
        assert {name: ticket[name] for name in sent} == sent
        assert ticket["status"] == "submitted"
        set_by_server = {"id", "href", "status", "creationDate", "lastUpdate", "statusChangeDate"}
        assert ticket.keys() - sent.keys() == set_by_server
        assert ticket["creationDate"] == ticket["lastUpdate"] == ticket["statusChangeDate"]
        assert datetime.fromisoformat(ticket["creationDate"]).utcoffset() is not None
        assert api.get(f"/troubleTicket/{ticket['id']}").json() == ticket

    def test_slash(self, api: Client) -> None:
        """A path may end in a slash."""
        number = api.post("/troubleTicket/", json=complaint()).json()["id"]
        assert api.get(f"/troubleTicket/{number}/").json()["id"] == number
        assert api.get("/troubleTicket/", params={"id": number}).json()[0]["id"] == number

    def test_all_findings(self, api: Client) -> None:
        """Every violation and warning is told at once, in the one shape."""
        broken = {**complaint(), "status": "submitted", "serverity": "Low", "origin": "Fax"}
        answer = api.post("/troubleTicket", json=broken)
        error = answer.json()
        assert (answer.status_code, error["code"]) == (400, "requirementsNotMet")
        assert [(each["code"], each["pointer"]) for each in error["violations"]] == [
            ("enum", "/origin"),
            ("prohibited", "/status"),
        ]
        assert [each["pointer"] for each in error["warnings"]] == ["/serverity"]
        assert error["@type"] == "Error"

    def test_unsupported(self, api: Client) -> None:
        """What is not supported is not stored, and is named in a header."""
        sent = {**complaint(), "channel": {"id": "1"}, "no such": 1, "@schemaLocation": "x"}
        answer = api.post("/troubleTicket", json=sent)
        named = answer.headers["Ticket-Unsupported-Members"]
        assert sorted(named.split(", ")) == ["/@schemaLocation", "/channel", "/no%20such"]
        assert not {"channel", "no such", "@schemaLocation"} & answer.json().keys()

    def test_nested_unsupported(self, api: Client) -> None:
        """The same below: an attachment keeps what is supported."""
        attachment = {
            "@referredType": "Attachment",
            "name": "a.txt",
            "mimeType": "text/plain",
            "content": "QQ==",
            "url": "https://example.com",
            "size": {"amount": 1, "units": "B"},
        }
        ticket = api.created(attachment=[attachment])
        kept = {key: attachment[key] for key in ("@referredType", "name", "mimeType", "content")}
        assert ticket["attachment"] == [{**kept, "size": {}}]
        assert api.get(f"/troubleTicket/{ticket['id']}").json() == ticket

    def test_notes(self, api: Client) -> None:
        """A note gets its id and date from the server; an id that was sent stays."""
        ticket = api.created(note=[{"text": "one"}, {"text": "two", "id": "mine"}])
        assert [note["text"] for note in ticket["note"]] == ["one", "two"]
        assert ticket["note"][1]["id"] == "mine"
        assert ticket["note"][0]["id"]
        assert {note["notedate"] for note in ticket["note"]} == {ticket["creationDate"]}


class TestRetrieve:
    """GET /troubleTicket/{id}."""

    def test_fields(self, api: Client) -> None:
        """First-level members can be selected; id, href and the @-members always come along."""
        ticket = api.created()
        answer = api.get(f"/troubleTicket/{ticket['id']}", params={"fields": "name, status"})
        wanted = {"id", "href", "@type", "name", "status"}
        assert answer.json() == {name: ticket[name] for name in wanted}
        assert answer.headers["ETag"] == '"1"'
        unknown = api.get(f"/troubleTicket/{ticket['id']}", params={"fields": "name,none"})
        assert (unknown.status_code, unknown.json()["code"]) == (400, "invalidQuery")

    def test_no_filters(self, api: Client) -> None:
        """A single ticket takes no filters."""
        number = api.created()["id"]
        assert api.get(f"/troubleTicket/{number}?status=closed").status_code == 400

    def test_head(self, api: Client) -> None:
        """HEAD answers as GET does, without a body."""
        number = api.created()["id"]
        whole, head = api.get(f"/troubleTicket/{number}"), api("HEAD", f"/troubleTicket/{number}")
        assert head.content == b""
        for name in ("Content-Length", "ETag", "Content-Type"):
            assert head.headers[name] == whole.headers[name]

    def test_unknown(self, api: Client) -> None:
        """A ticket that is not there is a 404 in the one shape."""
        answer = api.get(f"/troubleTicket/{uuid4()}")
        assert (answer.status_code, answer.json()["code"]) == (404, "notFound")


def test_numbers() -> None:
    """A ticket's id is a UUID of version 7: first in the order of time, then by chance."""
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    moments = [noon + timedelta(milliseconds=number) for number in range(100)]
    numbers = [UUID(new_number(moment)) for moment in moments]
    assert numbers == sorted(numbers)
    assert {(each.version, each.variant) for each in numbers} == {(7, RFC_4122)}
    assert [each.int >> 80 for each in numbers] == [
        ticket_rows.micros(each) // 1000 for each in moments
    ]
    drawn = {UUID(new_number(noon)).int & (1 << 76) - 1 for _ in range(1_000)}
    assert len(drawn) == 1_000
    # Every bit that chance decides on is sometimes set and sometimes not.
    never, ever = 0, (1 << 76) - 1
    for each in drawn:
        never, ever = never | each, ever & each
    assert (never & ~ever).bit_count() == 74


class TestPatch:
    """PATCH /troubleTicket/{id}."""

    def test_merge(self, api: Client) -> None:
        """A merge patch changes what it names, sets lastUpdate, and counts the version."""
        ticket = api.created()
        answer = api.patch(f"/troubleTicket/{ticket['id']}", json={**MERGE, "severity": "High"})
        after = answer.json()
        assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
        assert after == {**ticket, "severity": "High", "lastUpdate": after["lastUpdate"]}
        assert after["lastUpdate"] > ticket["lastUpdate"]
        assert api.get(f"/troubleTicket/{ticket['id']}").json() == after

    @pytest.mark.parametrize("media_type", ["application/merge-patch+json", "application/json"])
    def test_media_types(self, api: Client, media_type: str) -> None:
        """Both media types of a merge patch are taken."""
        number = api.created()["id"]
        body = json.dumps({**MERGE, "severity": "Low"})
        headers = {"Content-Type": media_type}
        answer = api.patch(f"/troubleTicket/{number}", data=body, headers=headers)
        assert answer.json()["severity"] == "Low"

    def test_operations(self, api: Client) -> None:
        """A JSON Patch may add one note to those that are there."""
        ticket = api.created(note=[{"text": "one"}])
        body = json.dumps([{"op": "add", "path": "/note/-", "value": {"text": "two"}}])
        headers = {"Content-Type": "application/json-patch+json"}
        after = api.patch(f"/troubleTicket/{ticket['id']}", data=body, headers=headers).json()
        assert after["note"][0] == ticket["note"][0]
        assert after["note"][1]["text"] == "two"
        assert after["note"][1]["notedate"] == after["lastUpdate"]

    def test_nothing_changed(self, api: Client) -> None:
        """A patch that changes nothing is no new version."""
        ticket = api.created()
        answer = api.patch(f"/troubleTicket/{ticket['id']}", json=MERGE)
        assert (answer.json(), answer.headers["ETag"]) == (ticket, '"1"')

    def test_status(self, api: Client) -> None:
        """A move that the lifecycle lists is made, and dated."""
        ticket = api.created()
        after = api.patch(f"/troubleTicket/{ticket['id']}", json={**MERGE, "status": "cancelled"})
        assert after.json()["status"] == "cancelled"
        assert after.json()["statusChangeDate"] == after.json()["lastUpdate"]

    def test_illegal_move(self, api: Client) -> None:
        """Another move is a 409 that names those there are, and changes nothing."""
        ticket = api.created()
        answer = api.patch(f"/troubleTicket/{ticket['id']}", json={**MERGE, "status": "closed"})
        assert (answer.status_code, answer.json()["code"]) == (409, "transitionNotAllowed")
        (violation,) = answer.json()["violations"]
        assert violation["params"]["allowed"] == ["acknowledged", "rejected", "cancelled"]
        assert api.get(f"/troubleTicket/{ticket['id']}").json() == ticket

    def test_move_and_more(self, api: Client) -> None:
        """An illegal move among other violations is a 400 that tells them all."""
        ticket = api.created()
        patch = {**MERGE, "status": "closed", "origin": "Fax"}
        answer = api.patch(f"/troubleTicket/{ticket['id']}", json=patch)
        assert answer.status_code == 400
        assert [each["code"] for each in answer.json()["violations"]] == ["enum", "transition"]

    @pytest.mark.parametrize(
        ("media_type", "body"),
        [
            ("application/json", [{"op": "remove", "path": "/note"}]),
            ("application/json-patch+json", {"severity": "Low"}),
            ("application/json-patch+json", [{"op": "fly", "path": "/note"}]),
            ("application/json-patch+json", [{"op": "remove", "path": "/none"}]),
            ("application/merge-patch+json", "text"),
        ],
    )
    def test_no_patch(self, api: Client, media_type: str, body: Any) -> None:
        """A body that is no patch of its media type, or one without meaning here, is a 400."""
        ticket = api.created()
        headers = {"Content-Type": media_type}
        answer = api.patch(f"/troubleTicket/{ticket['id']}", data=json.dumps(body), headers=headers)
        assert answer.status_code == 400
        assert api.get(f"/troubleTicket/{ticket['id']}").json() == ticket

    @pytest.mark.parametrize(
        ("tag", "status"),
        [('"1"', 200), ("*", 200), ('"7", "1"', 200), ('"2"', 412), ("1", 400), ("W/1", 400)],
    )
    def test_if_match(self, api: Client, tag: str, status: int) -> None:
        """If-Match lets a change pass only for the version it was made from (RFC 9110, 13.1.1)."""
        number = api.created()["id"]
        patch = {**MERGE, "severity": "Low"}
        answer = api.patch(f"/troubleTicket/{number}", json=patch, headers={"If-Match": tag})
        assert answer.status_code == status

    def test_attachments(self, api: Client) -> None:
        """Attachments are added with their contents; those that are stored stay as they are."""

        def attachment(content: str) -> dict[str, str]:
            about = {"@referredType": "Attachment", "name": "a", "mimeType": "text/plain"}
            return {**about, "content": content}

        ticket = api.created(attachment=[attachment("QQ=="), attachment("Qg==")])
        path = f"/troubleTicket/{ticket['id']}"
        patch = {**MERGE, "attachment": [attachment("Qg=="), attachment("Qw==")]}
        after = api.patch(path, json=patch).json()
        assert [each["content"] for each in after["attachment"]] == ["QQ==", "Qg==", "Qw=="]
        assert api.get(path).json() == after
        refused = api.patch(path, json={**MERGE, "attachment": None})
        assert refused.status_code == 400
        assert api.get(path).json() == after


class TestIdempotency:
    """Idempotency-Key on POST."""

    def test_repeated(self, api: Client) -> None:
        """The same request with the same key is answered as the first, and creates nothing."""
        headers, sent = {"Idempotency-Key": str(uuid4())}, {**complaint(), "channel": {}}
        first = api.post("/troubleTicket", json=sent, headers=headers)
        again = api.post("/troubleTicket", json=sent, headers=headers)
        assert (again.status_code, again.content) == (201, first.content)
        for name in ("Location", "ETag", "Ticket-Unsupported-Members"):
            assert again.headers[name] == first.headers[name]

    def test_other_body(self, api: Client) -> None:
        """Another body under the same key is a 422."""
        headers = {"Idempotency-Key": str(uuid4())}
        api.post("/troubleTicket", json=complaint(), headers=headers)
        other = api.post("/troubleTicket", json={**complaint(), "name": "x"}, headers=headers)
        assert (other.status_code, other.json()["code"]) == (422, "keyReused")

    def test_other_operator(self, api: Client, other: Client) -> None:
        """A key is its operator's own."""
        headers = {"Idempotency-Key": str(uuid4())}
        mine = api.post("/troubleTicket", json=complaint(), headers=headers).json()
        theirs = other.post("/troubleTicket", json=complaint(), headers=headers)
        assert theirs.status_code == 201
        assert theirs.json()["id"] != mine["id"]

    def test_refused(self, api: Client) -> None:
        """A request that was refused leaves its key free."""
        headers = {"Idempotency-Key": str(uuid4())}
        assert api.post("/troubleTicket", json={}, headers=headers).status_code == 400
        assert api.post("/troubleTicket", json=complaint(), headers=headers).status_code == 201

    @pytest.mark.parametrize("key", ["", "x" * 256])
    def test_no_key(self, api: Client, key: str) -> None:
        """A key has 1 to 255 characters."""
        headers = {"Idempotency-Key": key}
        assert api.post("/troubleTicket", json=complaint(), headers=headers).status_code == 400
