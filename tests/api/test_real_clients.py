"""The habits of real clients: conditional requests, wrapped tickets, wrong types, other origins."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests
from sqlalchemy import create_engine, text

from server.api.hrefs import Hrefs
from server.api.wrappers import wrapper_hint
from tests.support.databases import DATABASES, postgresql
from tests.support.profiles import OPERATOR, SHIPPED, load, load_backoffice
from tests.support.servers import BASE, NAMES, Client, serving, without_owner
from tests.support.tickets import complaint

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

MERGE: Final = {"@type": "TroubleTicket"}
OPERATIONS: Final = {"Content-Type": "application/json-patch+json"}
#: If-None-Match on a ticket whose tag is "1", and whether it names that version.
TAGS: Final = {
    '"1"': True,
    'W/"1"': True,
    "*": True,
    '"7", W/"1"': True,
    '"1-gzip"': True,
    'W/"1;br"': True,
    '"1--gzip"': True,
    '"2"': False,
    'W/"2"': False,
    '"1-x"': False,
    '"1gzip"': False,
    '"01"': False,
    '"11", "10"': False,
    '""': False,
}


class TestConditional:
    """Entity tags (RFC 9110, section 13)."""

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_if_none_match(self, api: Client, backoffice: Client, method: str) -> None:
        """A client that has the present version gets a 304 without a body, on either side."""
        path = f"/troubleTicket/{api.created()['id']}"
        for client in (api, backoffice):
            for tags, is_known in TAGS.items():
                answer = client(method, path, headers={"If-None-Match": tags})
                assert answer.status_code == (304 if is_known else 200), tags
                assert bool(answer.content) is (method == "GET" and not is_known)
                assert answer.headers["ETag"] == '"1"'
            some = client(method, f"{path}?fields=name", headers={"If-None-Match": '"1"'})
            assert some.status_code == 304

    def test_changed(self, api: Client) -> None:
        """After a change the tag is another, and the ticket is sent again."""
        path = f"/troubleTicket/{api.created()['id']}"
        api.patch(path, json={**MERGE, "severity": "Low"})
        answer = api.get(path, headers={"If-None-Match": '"1"'})
        assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
        assert answer.json()["severity"] == "Low"

    def test_precedence(self, api: Client, other: Client) -> None:
        """A request that is refused without the header is refused with it, too."""
        number = api.created()["id"]
        known = {"If-None-Match": "*"}
        assert other.get(f"/troubleTicket/{number}", headers=known).status_code == 404
        answer = api.get(f"/troubleTicket/{number}?offset=1", headers=known)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalidQuery")
        answer = api.get(f"/troubleTicket/{number}", headers={"If-None-Match": "1"}, held=False)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalidHeader")

    @pytest.mark.parametrize("tag", [tag for tag, is_known in TAGS.items() if tag != '""'])
    def test_altered(self, api: Client, tag: str) -> None:
        """If-Match with a tag that a compressing proxy altered names the original version."""
        path = f"/troubleTicket/{api.created()['id']}"
        change = {**MERGE, "severity": "Low"}
        answer = api.patch(path, json=change, headers={"If-Match": tag})
        assert answer.status_code == (200 if TAGS[tag] else 412)
        again = api.patch(path, json={**MERGE, "severity": "High"}, headers={"If-None-Match": tag})
        assert again.status_code == (412 if tag == "*" else 200 if TAGS[tag] else again.status_code)

    def test_failed_test(self, api: Client, backoffice: Client) -> None:
        """A failed test operation of a JSON Patch is a 409 that says where; others are a 400."""
        path = f"/troubleTicket/{api.created()['id']}"
        cases: list[tuple[list[dict[str, Any]], int, str]] = [
            ([{"op": "test", "path": "/status", "value": "closed"}], 409, "patchTestFailed"),
            ([{"op": "test", "path": "/note/0/text", "value": "x"}], 409, "patchTestFailed"),
            ([{"op": "test", "path": "/nosuch", "value": None}], 409, "patchTestFailed"),
            ([{"op": "remove", "path": "/nosuch"}], 400, "invalidBody"),
            ([{"op": "test", "path": "/status"}], 400, "invalidBody"),
            ([{"op": "nosuch", "path": "/status"}], 400, "invalidBody"),
        ]
        for client in (api, backoffice):
            for operations, status, code in cases:
                answer = client.patch(path, data=json.dumps(operations), headers=OPERATIONS)
                told = answer.json()
                assert (answer.status_code, told["code"]) == (status, code), operations
                assert operations[0]["path"] in told["message"] or status == 400
            assert client.get(path).headers["ETag"] == '"1"'


class TestAddresses:
    """`href`, Location and events: computed when they are sent, from the present settings."""

    @pytest.mark.parametrize("kind", DATABASES)
    def test_prefix(self, kind: str, tmp_path: Path) -> None:
        """Another prefix is in every address at once, also of tickets that had a stored one."""
        address = f"sqlite:///{tmp_path}/t.db" if kind == "sqlite" else postgresql()
        key = {"Idempotency-Key": "k"}
        with serving(address) as first:
            new, old = (first.client().created() for _ in range(2))
            kept = first.client().post("/troubleTicket", json=complaint(), headers=key).json()
        stored = documents(address)
        assert not any('"href":"' in each for each in stored.values())
        as_before = stored[old["id"]].replace('",', f'","href":"{old["href"]}",', 1)
        documents(address, old["id"], as_before)
        with serving(address, TTR_PATH_PREFIX="/gateway", **LOOPBACK) as second:
            api, backoffice = second.client(), second.backoffice()
            api.post("/hub", json={"callback": "http://127.0.0.1:9/hook"})
            for ticket in (new, old):
                path, href = f"/troubleTicket/{ticket['id']}", f"/gateway{ticket['href']}"
                expected = {**ticket, "href": href}
                assert api.get(path).json() == expected
                assert without_owner(backoffice.get(path).json()) == expected
                assert api.get(f"{path}?fields=name").json()["href"] == href
                for client in (api, backoffice):
                    (listed,) = client.get(f"/troubleTicket?id={ticket['id']}").json()
                    assert without_owner(listed) == expected
                sent = [ticket["href"], href, f"/other{ticket['href']}"]
                for number, each in enumerate(sent):
                    severity = ("Low", "Medium", "High")[number]
                    change = {**MERGE, "severity": severity, "href": each}
                    changed = api.patch(path, json=change)
                    assert (changed.status_code, changed.json()["href"]) == (200, href)
                operations = [
                    {"op": "test", "path": "/href", "value": ticket["href"]},
                    {"op": "replace", "path": "/href", "value": ticket["href"]},
                ]
                same = api.patch(path, data=json.dumps(operations), headers=OPERATIONS)
                assert (same.status_code, same.headers["ETag"]) == (200, '"4"')
                wrongs: list[Any] = [f"x{href}", f"{href}/", new["id"], "", None, 5, {}]
                for wrong in wrongs:
                    refused = api.patch(path, json={**MERGE, "href": wrong})
                    assert refused.status_code == 400, wrong
                    assert refused.json()["violations"][0]["pointer"] == "/href"
            again = api.post("/troubleTicket", json=complaint(), headers=key)
            assert again.headers["Location"] == again.json()["href"] == f"/gateway{kept['href']}"
            assert again.json() == {**kept, "href": f"/gateway{kept['href']}"}
            events = backoffice.get("/event").json()
            assert len(events) == 6
            for each in events:
                whole = backoffice.get(f"/event/{each['id']}").json()["event"]
                assert whole["event"]["troubleTicket"]["href"].startswith("/gateway/api/")
                assert whole.get("fieldPath") == "severity"
        assert not any('"href":"' in each for each in documents(address).values())

    def test_spelled(self) -> None:
        """An address is one of the ticket if it ends as the present one does, behind a path."""
        hrefs, base = Hrefs("/g", SHIPPED), OPERATOR.base
        for sent, is_own in (
            (f"{base}/troubleTicket/1", True),
            (f"/g{base}/troubleTicket/1", True),
            (f"/g/h-2{base}/troubleTicket/1", True),
            (f"{base}/troubleTicket/11", False),
            (f"{base}/troubleTicket/2", False),
            (f"https://h{base}/troubleTicket/1", False),
            (f"g{base}/troubleTicket/1", False),
            (f"/{base}/troubleTicket/1", False),
            ([f"{base}/troubleTicket/1"], False),
        ):
            expected = sent if is_own else f"/g{base}/troubleTicket/1"
            assert hrefs.as_sent("1", {"href": sent}) == expected
            assert hrefs.as_sent("1", [{}, 5, {"path": "/href", "value": sent}]) == expected
        assert hrefs.as_sent("1", 5) == hrefs.as_sent("1", {}) == hrefs.of("1")


LOOPBACK: Final = {"TTR_ALLOW_LOOPBACK_CALLBACKS": "1"}


def documents(address: str, number: str = "", document: str = "") -> dict[str, str]:
    """Return the stored documents by id, once that of `number` is replaced."""
    engine = create_engine(address.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE document SET document = :document WHERE id = :number"),
            {"document": document, "number": number},
        )
        rows = connection.execute(text("SELECT id, document FROM document")).all()
    engine.dispose()
    return {row[0]: row[1] for row in rows}


class TestWrapped:
    """A ticket inside something else."""

    def test_hint(self, api: Client) -> None:
        """The message says where the ticket is, beside the findings."""
        number, ticket = api.created()["id"], complaint()
        for body, place in (
            ({"troubleTicket": ticket}, "/troubleTicket"),
            ({"data": {"a/b~": ticket}}, "/data/a~1b~0"),
            ([ticket], "/0"),
            ({"@type": "x", "tickets": [ticket]}, "/tickets/0"),
        ):
            answer = api.post("/troubleTicket", json=body).json()
            assert (answer["code"], place in answer["message"]) == ("requirementsNotMet", True)
            assert answer["violations"]
        wrapped = {"troubleTicket": {"status": "acknowledged"}}
        answer = api.patch(f"/troubleTicket/{number}", json=wrapped).json()
        assert answer["code"] == "requirementsNotMet"
        assert "/troubleTicket" in answer["message"]

    @pytest.mark.parametrize(
        ("body", "key"),
        [
            ('{"ticketType": "Complaint"}', "json_string"),
            ([{"name": "x"}, {"name": "y"}], "one_object"),
            ({"a": {"b": {"c": {"name": "x"}}}}, "wrapped"),
            ({"a": {"b": {"c": {"d": {"name": "x"}}}}}, "wrapped"),
            ({"a": {"b": {"c": {"d": {"e": {"name": "x"}}}}}}, None),
            ({"name": "x", "severity": "y", "a": {"name": "x"}}, None),
            ({"a": {"name": "x"}, "b": {"name": "x"}}, None),
            ({"a": {"name": "x", "other": "y"}}, None),
            ({"note": [{"name": "x"}]}, None),
            ({"a": {}}, None),
            ([[]], None),
            ([], None),
            ({}, None),
            ("text", None),
            ("", None),
            (None, None),
            (5, None),
        ],
    )
    def test_found(self, body: object, key: str | None) -> None:
        """Only what looks like a ticket is one; another body gets no hint."""
        hint = wrapper_hint(body, frozenset({"name", "severity", "note"}))
        assert (hint and hint.key) == key


class TestMediaTypes:
    """What a path takes is said where something else was sent."""

    def test_unsupported(self, api: Client, backoffice: Client) -> None:
        """A 415 names the types that the document has, in the message and in headers."""
        for client, document in ((api, load()), (backoffice, load_backoffice())):
            paths: dict[str, Any] = document["paths"]
            for template, item in paths.items():
                path = template.replace("{troubleTicketId}", "1")
                for method in ("post", "patch"):
                    content = item.get(method, {}).get("requestBody", {}).get("content")
                    if content is None or item[method].get("security") == []:
                        continue
                    types = ", ".join(content)
                    for sent in ("text/plain", "nonsense", None):
                        headers = {"Content-Type": sent} if sent else {}
                        answer = client(method.upper(), path, data=b"{}", headers=headers)
                        assert answer.status_code == 415
                        assert types in answer.json()["message"]
                        assert answer.headers["Accept"] == types
                        assert answer.headers.get("Accept-Patch") == (
                            types if method == "patch" else None
                        )

    def test_accept_patch(self, api: Client) -> None:
        """Each answer to a PATCH, and a 405, says which patches the path takes (RFC 5789, 3.1)."""
        path, types = f"/troubleTicket/{api.created()['id']}", ", ".join(PATCHES)
        answers = [
            api.patch(path, json={**MERGE, "severity": "Low"}),
            api.patch(path, json={}),
            api.patch("/troubleTicket/1", json=MERGE),
            api("PUT", path),
            api("OPTIONS", path),
        ]
        assert [each.status_code for each in answers] == [200, 400, 404, 405, 405]
        assert {each.headers["Accept-Patch"] for each in answers} == {types}
        assert "Accept-Patch" not in api.get(path).headers
        assert "Accept-Patch" not in api("PUT", "/hub").headers


PATCHES: Final = (
    "application/json",
    "application/merge-patch+json",
    "application/json-patch+json",
)


class TestOrigins:
    """Pages of other origins (CORS), and what is logged of requests."""

    def test_origins(self, tmp_path: Path) -> None:
        """Only allowed origins may use the API and read its headers; other paths stay closed."""
        allowed, origin = "https://a.example", {"Origin": "https://a.example"}
        log = tmp_path / "log"
        settings = {"TTR_CORS_ORIGINS": f"{allowed},http://localhost:1", "TTR_LOG_LEVEL": "INFO"}
        with (
            log.open("w") as stderr,
            serving(
                f"sqlite:///{tmp_path}/t.db", stderr=stderr, TTR_PATH_PREFIX="/gateway", **settings
            ) as running,
        ):
            address = f"{running.root}{BASE}/troubleTicket"
            asked = {
                "Access-Control-Request-Method": "PATCH",
                "Access-Control-Request-Headers": "authorization, content-type, if-match",
            }
            for path in (f"{BASE}/troubleTicket/1", f"/gateway{BASE}/hub", "/oauth2/token"):
                preflight = requests.options(
                    running.root + path, headers={**origin, **asked}, timeout=9
                )
                told = preflight.headers
                assert preflight.status_code == 200
                assert told["Access-Control-Allow-Origin"] == allowed
                assert "PATCH" in told["Access-Control-Allow-Methods"]
                assert "Access-Control-Allow-Credentials" not in told
            pair = (NAMES[0], running.secrets[NAMES[0]])
            for auth, status in ((pair, 200), (None, 401)):
                answer = requests.get(address, auth=auth, headers=origin, timeout=9)
                assert answer.status_code == status
                assert answer.headers["Access-Control-Allow-Origin"] == allowed
                exposed = answer.headers["Access-Control-Expose-Headers"]
                assert {"ETag", "Location", "Link", "X-Request-Id"} <= {*exposed.split(", ")}
                assert "Origin" in answer.headers["Vary"]
            large = requests.get(address, headers={**origin, "X": "x" * 20_000}, timeout=9)
            assert (large.status_code, large.headers["Access-Control-Allow-Origin"]) == (
                431,
                allowed,
            )
            evil = {"Origin": "https://evil.example"}
            assert (
                "Access-Control-Allow-Origin"
                not in requests.get(address, headers=evil, timeout=9).headers
            )
            refused = requests.options(address, headers={**evil, **asked}, timeout=9)
            assert refused.status_code == 400
            for path in ("/metrics", "/health/live", "/ui/"):
                inside = requests.get(running.root + path, headers=origin, timeout=9)
                assert (inside.status_code, "Access-Control-Allow-Origin" in inside.headers) == (
                    200,
                    False,
                )
        lines = [json.loads(each) for each in log.read_text("utf-8").splitlines()]
        lists = [each for each in lines if each.get("path") == f"{BASE}/troubleTicket"]
        answered = {each["status"]: each for each in reversed(lists)}
        assert (answered[200]["operator"], answered[200]["client"]) == (NAMES[0], "127.0.0.1")
        assert "operator" not in answered[401]
        assert not any("/health" in each.get("path", "") for each in lines)

    def test_off(self, api: Client) -> None:
        """Without the setting no answer is for pages of other origins."""
        answer = api.get("/troubleTicket?limit=1", headers={"Origin": "https://a.example"})
        assert not any(name.startswith("Access-Control") for name in answer.headers)
