"""The language of errors of the server: chosen by Accept-Language, in every layer."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from server.messages import en, pl
from server.messages.catalogue import language_of, render, spoken
from server.messages.en import GRANT, SENTENCES, sentence, token_error
from server.problems import KINDS
from tests.support.servers import PROVIDER, Server, serving
from tests.support.tickets import complaint
from ttrules.messages.catalogue import TABLES, catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

POLISH = {"Accept-Language": "pl"}
JSON = {"Content-Type": "application/json"}
SLOT = re.compile(r"\{\w+\}")

#: What a header asks for (None: that it is not sent), by RFC 9110, section 12.5.4.
WANTED = [
    (None, "en"),
    ("", "en"),
    ("pl", "pl"),
    ("PL", "pl"),
    ("pl-PL", "pl"),
    ("pl-Latn-PL", "pl"),
    ("en", "en"),
    ("en-GB, pl", "en"),
    ("pl, en", "pl"),
    ("en, pl", "en"),
    ("en;q=0.5, pl", "pl"),
    ("en; q=0.5 , pl;q=0.7", "pl"),
    ("en;Q=0.5,pl;q=0.4", "en"),
    ("pl;q=0.001", "pl"),
    ("pl;q=0", "en"),
    ("pl;q=0.000, *", "en"),
    ("de, pl;q=0.1", "pl"),
    ("de, fr", "en"),
    ("*", "en"),
    ("en;q=0, *", "pl"),
    ("en;q=0", "en"),
    ("en;q=0, pl;q=0", "en"),
    ("*;q=0.5, pl;q=0.4", "en"),
    ("*;q=0.4, pl;q=0.5", "pl"),
    ("pl-PL,pl;q=0.9,en-US;q=0.8,en;q=0.7", "pl"),
    (", ,pl,,", "pl"),
    ("pl;q=2, en;q=0.1", "en"),
    ("pl;q=0.1234, en;q=0.1", "en"),
    ("pl;q=, en;q=0.1", "en"),
    ("pl;level=1, en;q=0.1", "en"),
    ("pl_PL, en;q=0.1", "en"),
    ("polish", "en"),
    ("plt, en;q=0.1", "en"),
    ("\u00f3, pl", "pl"),
    ("pl " * 400, "en"),
    (",".join(["de"] * 64) + ",pl", "en"),
    (",".join(["de"] * 63) + ",pl", "pl"),
    ("pl" + "-a" * 600, "en"),
]


class TestChoice:
    """A request is answered in the language that its header asks for most."""

    @pytest.mark.parametrize(("header", "language"), WANTED)
    def test_wanted(self, header: str | None, language: str) -> None:
        """By weight, then by place; what is no range does not count, nor what is too long."""
        pairs = [(b"host", b"pl")]
        pairs += [] if header is None else [(b"accept-language", header.encode("latin-1"))]
        assert language_of(pairs) == language
        assert language_of({} if header is None else {"accept-language": header}) == language

    def test_several(self) -> None:
        """A header that stands twice is one list (RFC 9110, section 5.3)."""
        pairs = [(b"accept-language", b"en;q=0.1"), (b"accept-language", b"pl")]
        assert language_of(pairs) == "pl"

    @given(st.binary(max_size=200) | st.from_regex(rb"([a-z*-]{1,4}(;q=[0-9.]{1,4})?,?){1,8}"))
    def test_any(self, header: bytes) -> None:
        """Whatever the header holds, the language is one that there is."""
        assert language_of([(b"accept-language", header)]) in TABLES

    def test_hostile(self) -> None:
        """A header of any size is read in no time: one that is too long is not read."""
        code = (
            "import time; from server.messages.catalogue import language_of\n"
            "for text in ('pl-' * 500_000, 'pl;q=0.' * 99, '-a' * 511, 'pl,' * 341, ' ' * 999):\n"
            "    begun = time.perf_counter()\n"
            "    for _ in range(20): language_of({'accept-language': text})\n"
            "    assert time.perf_counter() - begun < 1\n"
        )
        subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("language", [each for each in TABLES if each != "en"])
class TestWhole:
    """Each language has all sentences, and nothing else."""

    def test_every_language(self, language: str) -> None:
        """There are sentences of the server for each language that ttrules has."""
        told = render(sentence("body"), language)
        assert told
        assert told != SENTENCES["body"]

    def test_kinds(self, language: str) -> None:
        """Every kind has a reason and a message."""
        assert language == "pl"
        assert list(pl.KINDS) == list(KINDS)
        for code, (reason, message) in pl.KINDS.items():
            assert reason not in {"", KINDS[code].reason}
            assert message.endswith(".")
            assert message != KINDS[code].message

    @pytest.mark.parametrize("name", ["SENTENCES", "GRANT"])
    def test_sentences(self, language: str, name: str) -> None:
        """Every sentence has the slots of the English one and ends as it does."""
        assert language == "pl"
        table, english = getattr(pl, name), getattr(en, name)
        assert list(table) == list(english)
        for key, text in table.items():
            assert sorted(SLOT.findall(text)) == sorted(SLOT.findall(english[key])), key
            assert text != english[key]
            assert text[-1] == english[key][-1]


@pytest.mark.parametrize("table", [GRANT, pl.GRANT], ids=["en", "pl"])
def test_grant_is_ascii(table: dict[str, str]) -> None:
    """An error_description holds ASCII without quotes and backslashes (RFC 6749, section 5.2)."""
    for text in table.values():
        assert re.fullmatch(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+", text), text


def test_imperative() -> None:
    """No sentence to a person states what is: each begins with what to do."""
    for text in [*SENTENCES.values(), *GRANT.values(), *(kind.message for kind in KINDS.values())]:
        assert not re.match(r" ?(The|A|An|There|It|This|No|Only|Not)\b", text), text


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give a server with small limits."""
    path: Path = tmp_path_factory.mktemp("languages")
    limits = {"TTR_MAX_QUERY": "1K", "TTR_MAX_HEADERS": "4K", "TTR_MAX_SMALL_BODY": "1K"}
    with serving(f"sqlite:///{path}/t.db", TTR_FAILED_LOGINS="3", **limits) as server:
        yield server


#: Requests that are refused: method, path, and what else is sent.
REFUSED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "body": ("POST", "/troubleTicket", {"headers": JSON}),
    "json": ("POST", "/troubleTicket", {"data": b"{", "headers": JSON}),
    "utf8": ("POST", "/troubleTicket", {"data": b'"\xff"', "headers": JSON}),
    "digits": ("POST", "/troubleTicket", {"data": b"1" * 5_000, "headers": JSON}),
    "smaller": ("POST", "/troubleTicket", {"data": b"1e999", "headers": JSON}),
    "constant": ("POST", "/troubleTicket", {"data": b"NaN", "headers": JSON}),
    "coded": ("POST", "/troubleTicket", {"data": b"\x1f\x8b\x08", "headers": JSON}),
    "surrogate": ("POST", "/troubleTicket", {"data": b'"\\ud800"', "headers": JSON}),
    "depth": ("POST", "/troubleTicket", {"data": b"[" * 40, "headers": JSON}),
    "twice": ("POST", "/troubleTicket", {"data": b'{"a":1,"a":1}', "headers": JSON}),
    "rules": ("POST", "/troubleTicket", {"json": {"ticketType": "Complaint", "nam": 1}}),
    "no object": ("POST", "/troubleTicket", {"json": []}),
    "key": ("POST", "/troubleTicket", {"json": {}, "headers": {"Idempotency-Key": "a b"}}),
    "no type": ("POST", "/troubleTicket", {"data": b"{}"}),
    "charset": (
        "POST",
        "/troubleTicket",
        {"data": b"{}", "headers": {"Content-Type": "application/json; charset=latin2"}},
    ),
    "text": ("POST", "/troubleTicket", {"data": b"x", "headers": {"Content-Type": "text/plain"}}),
    "hub": ("POST", "/hub", {"json": {}}),
    "hub member": ("POST", "/hub", {"json": {"callback": 1}}),
    "hub whole": ("POST", "/hub", {"json": []}),
    "hub query": ("POST", "/hub", {"json": {"callback": "https://a.example", "query": "a=b"}}),
    "hub event": (
        "POST",
        "/hub",
        {"json": {"callback": "https://a.example", "query": "eventType=TroubleTicketResolved"}},
    ),
    "callback": ("POST", "/hub", {"json": {"callback": "https://127.0.0.1"}}),
    "no hub": ("DELETE", "/hub", {}),
    "large": ("POST", "/hub", {"data": b" " * 2_000, "headers": JSON}),
    "parameter": ("GET", "/troubleTicket?stauts=closed", {}),
    "no such parameter": ("GET", "/troubleTicket?zzzzzz=1", {}),
    "once": ("GET", "/troubleTicket?sort=name&sort=name", {}),
    "operator": ("GET", "/troubleTicket?name.like=a", {}),
    "no text": ("GET", "/troubleTicket?priority.regex=1", {}),
    "nul in": ("GET", "/troubleTicket?name=%00", {}),
    "whole": ("GET", "/troubleTicket?priority=x", {}),
    "between": ("GET", "/troubleTicket?limit=0", {}),
    "instant": ("GET", "/troubleTicket?creationDate=x", {}),
    "long pattern": ("GET", f"/troubleTicket?name.regex={'a' * 600}", {}),
    "pattern": ("GET", "/troubleTicket?name.regex=(", {}),
    "sort": ("GET", "/troubleTicket?sort=nam", {}),
    "long query": ("GET", f"/troubleTicket?name={'a' * 1_100}", {}),
    "headers": ("GET", "/troubleTicket", {"headers": {"X": "x" * 5_000}}),
    "accept": ("GET", "/troubleTicket", {"headers": {"Accept": "text/html"}}),
    "nothing": ("GET", "/nothing", {}),
    "no ticket": ("GET", "/troubleTicket/none", {}),
    "fields only": ("GET", "/troubleTicket/none?status=closed", {}),
    "method": ("PUT", "/troubleTicket", {"json": {}}),
    "without": ("GET", "/troubleTicket", {"auth": None}),
    "wrong": ("GET", "/troubleTicket", {"auth": ("nobody", "x")}),
    "token": ("GET", "/troubleTicket", {"headers": {"Authorization": "Bearer x"}, "auth": None}),
}


def pattern(template: str) -> str:
    """Return what matches a sentence however it is filled."""
    return re.sub(r"\\\{\w+\\\}", ".*", re.escape(template))


#: What matches every sentence that may be told in Polish.
TOLD = re.compile(
    "|".join(
        map(
            pattern,
            [
                *pl.SENTENCES.values(),
                *(message for _, message in pl.KINDS.values()),
                *catalogue("pl").messages.values(),
                catalogue("pl").words["final"],
            ],
        )
    ),
    re.DOTALL,
)


def in_polish(answer: requests.Response) -> dict[str, Any]:
    """Return the Error that an answer is, once all that it tells is seen to be Polish."""
    error: dict[str, Any] = answer.json()
    assert answer.headers["Content-Language"] == "pl"
    assert answer.headers["Vary"] == "Accept-Language"
    assert error["reason"] == pl.KINDS[error["code"]][0]
    found = [*error.get("violations", ()), *error.get("warnings", ())]
    for text in (error["message"], *(each["message"] for each in found)):
        assert TOLD.match(text), text
        assert not re.search(r"\b(the|is|it|Did|of|payload|not)\b", text), text
    return error


class TestRefused:
    """Every layer that rejects a request does so in the language of the request."""

    @pytest.mark.parametrize("name", REFUSED)
    def test_polish(self, running: Server, name: str) -> None:
        """Every sentence is Polish; codes, places and statuses are those of English."""
        method, path, more = REFUSED[name]
        api = running.client()
        headers = more.get("headers", {})
        if name == "wrong":
            more = {**more, "auth": (f"nobody-{name}", "x")}
        polish_one = api(method, path, held=False, **{**more, "headers": {**headers, **POLISH}})
        english = api(method, path, held=False, **more)
        assert polish_one.status_code == english.status_code >= 400
        error, same = in_polish(polish_one), english.json()
        assert english.headers["Content-Language"] == "en"
        assert english.headers["Vary"] == "Accept-Language"
        for each in (error, same):
            for part in (each, *each.get("violations", ()), *each.get("warnings", ())):
                part.pop("message")
        assert error.pop("reason") != same.pop("reason")
        assert error == same

    def test_changes(self, running: Server) -> None:
        """A change is refused in the language too: by a rule, a move, a patch or an entity tag."""
        api = running.client()
        path = f"/troubleTicket/{api.created()['id']}"
        patch = {"Content-Type": "application/json-patch+json", **POLISH}
        for headers, body in (
            (POLISH, {"@type": "TroubleTicket", "id": "2"}),
            (POLISH, {"@type": "TroubleTicket", "status": "closed"}),
            (POLISH, []),
            (patch, {}),
            (patch, [{"op": "remove", "path": "/nothing"}]),
            (patch, [{"op": "add", "path": "/note/7", "value": {}}]),
            ({**POLISH, "If-Match": '"9"'}, {"@type": "TroubleTicket"}),
            ({**POLISH, "If-Match": "9"}, {"@type": "TroubleTicket"}),
        ):
            in_polish(api.patch(path, json=body, headers=headers))
        moved = api.patch(path, json={"@type": "TroubleTicket", "status": "closed"}, headers=POLISH)
        error = moved.json()
        assert error["code"] == "transitionNotAllowed"
        assert error["message"] == error["violations"][0]["message"]
        key = {"Idempotency-Key": "one", **POLISH}
        assert api.post("/troubleTicket", json=complaint(), headers=key).status_code == 201
        other = {**complaint(), "name": "another"}
        assert in_polish(api.post("/troubleTicket", json=other, headers=key))["code"] == "keyReused"

    def test_provider(self, running: Server) -> None:
        """The provider's side speaks it as well."""
        provider = running.backoffice(PROVIDER)
        for method, path in (
            ("GET", "/event?state=x"),
            ("GET", "/event?stat=x"),
            ("GET", "/event?limit=1&limit=1"),
            ("GET", "/event/none"),
            ("DELETE", "/event"),
            ("DELETE", "/event?before=x"),
            ("POST", "/event/none/redelivery"),
        ):
            in_polish(provider(method, path, headers=POLISH))
        assert in_polish(running.client().get("/nothing", headers=POLISH))["code"] == "notFound"

    def test_attempts(self, running: Server) -> None:
        """Too many tries are refused in it."""
        api = running.client()
        codes = [
            in_polish(api.get("/troubleTicket", auth=("somebody", f"{n}"), headers=POLISH))["code"]
            for n in range(4)
        ]
        assert codes == ["invalidCredentials"] * 3 + ["tooManyRequests"]

    def test_head(self, running: Server) -> None:
        """HEAD says which language it would be."""
        answer = running.client()("HEAD", "/troubleTicket/none", headers=POLISH)
        assert (answer.status_code, answer.content) == (404, b"")
        assert answer.headers["Content-Language"] == "pl"

    def test_elsewhere(self, running: Server) -> None:
        """What is not below the API's path is told in it too."""
        for path in ("/nothing", "/ui/nothing", "/health/nothing"):
            in_polish(requests.get(f"{running.root}{path}", headers=POLISH, timeout=60))

    def test_success(self, running: Server) -> None:
        """What succeeds depends on no language, and does not say that it does."""
        api = running.client()
        one = api.created()
        for answer in (
            api.get(f"/troubleTicket/{one['id']}", headers=POLISH),
            api.get("/troubleTicket", headers=POLISH),
            api.post("/troubleTicket", json={**complaint(), "nam": 1}, headers=POLISH),
        ):
            assert answer.status_code < 300
            assert "Content-Language" not in answer.headers
            assert "Accept-Language" not in answer.headers.get("Vary", "")
        english = api.get(f"/troubleTicket/{one['id']}")
        assert english.content == api.get(f"/troubleTicket/{one['id']}", headers=POLISH).content


class TestGrant:
    """The token endpoint answers in the shape of RFC 6749, in the language."""

    @pytest.mark.parametrize(
        ("body", "key"),
        [
            ({"grant_type": "password"}, "only"),
            ({}, "type"),
            ({"grant_type": "client_credentials", "scope": 'a"b'}, "scope"),
            ({"grant_type": "client_credentials", "client_secret": "x"}, "twice"),
            ({"grant_type": "client_credentials", "client_id": "x"}, "another"),
            ([("grant_type", "a"), ("grant_type", "a")], "once"),
        ],
    )
    def test_description(self, running: Server, body: Any, key: str) -> None:
        """The description is in the language, the code is what it is."""
        told = {}
        for language in TABLES:
            answer = requests.post(
                f"{running.root}/oauth2/token",
                data=body,
                auth=("operator-a", running.secrets["operator-a"]),
                headers={
                    "Accept-Language": language,
                    "Content-Type": "application/x-www-form-urlencoded",
                },
                timeout=60,
            )
            assert answer.status_code == 400
            assert answer.headers["Content-Language"] == language
            assert answer.headers["Vary"] == "Accept-Language"
            told[language] = answer.json()
        assert told["en"]["error_description"] == GRANT[key]
        assert told["pl"]["error_description"] == pl.GRANT[key]
        assert told["en"]["error"] == told["pl"]["error"]

    def test_others(self, running: Server) -> None:
        """So it is where the client or the body is not what it should be."""
        address = f"{running.root}/oauth2/token"
        for more, key in (
            ({"json": {}}, "form"),
            ({"data": {"grant_type": "client_credentials"}}, "client"),
            ({"data": {"grant_type": "client_credentials"}, "auth": ("someone", "x")}, "unknown"),
        ):
            answer = requests.post(address, headers=POLISH, timeout=60, **more)
            told = pl.GRANT[key].format(media_type="application/x-www-form-urlencoded")
            assert answer.json()["error_description"] == told
        for answer, key in (
            (requests.get(address, headers=POLISH, timeout=60), "method"),
            (requests.post(address, headers={**POLISH, "X": "x" * 20_000}, timeout=60), "large"),
            (requests.post(address, data=b"x" * 70_000, headers=POLISH, timeout=60), "large"),
        ):
            assert answer.json()["error_description"] == pl.GRANT[key]
            assert answer.headers["Content-Language"] == "pl"


def test_reuse() -> None:
    """An operation that returns findings chooses their language by the headers of the request."""
    assert spoken(language_of({"accept-language": "pl"})) == {
        "Content-Language": "pl",
        "Vary": "Accept-Language",
    }
    assert str(token_error("type")) == GRANT["type"]
