"""POST /check and its page: what is told of a payload, to whom, and what it never leaves behind."""

from __future__ import annotations

import asyncio
import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from server.api.check import Checker
from server.api.http import Request
from server.config import Config, read_config
from server.messages.catalogue import render
from server.messages.en import near, sentence
from server.problems import MOST_FINDINGS, ApiError
from server.validation import Validation
from server.web.checker import POLICY, facts
from tests.support.exchanges import MALFORMED, one_shape
from tests.support.profiles import SHIPPED
from tests.support.servers import BASE, Client, serving, started
from tests.support.tickets import complaint
from ttrules.checking.files import Payload
from ttrules.checking.reporters.base import findings_to_json
from ttrules.checking.results import CheckOptions
from ttrules.checking.worker import PayloadChecker
from ttrules.codes import MAX_VALUES
from ttrules.examples.generate import example
from ttrules.messages.catalogue import catalogue
from ttrules.messages.en import TEXTS
from ttrules.rulebook import shipped

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
PAGES = ROOT / "server" / "web" / "static"
BOOK = shipped()
SLUGS = [BOOK.slug(each) for each in BOOK.processes()]
JSON = {"Content-Type": "application/json"}
COMPLAINT = complaint()
#: In a payload, a word that must be found nowhere afterwards.
MARK = "Kowalskigeheim"


class Sandbox(NamedTuple):
    """A sandbox that runs: its root, its secrets, and the file that it logs to."""

    root: str
    secrets: dict[str, Any]
    log: Path

    def stranger(self) -> Client:
        """Return a client without credentials."""
        return Client(self.root, None)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Give a sandbox that logs all it ever logs."""
    folder = tmp_path_factory.mktemp("sandbox")
    settings = {"TTR_DATABASE_URL": f"sqlite:///{folder}/t.db", "TTR_SANDBOX": "1"}
    log = folder / "log"
    with (
        log.open("w") as stderr,
        started(stderr=stderr, **settings, TTR_LOG_LEVEL="DEBUG") as process,
    ):
        assert process.stdout is not None
        root = process.stdout.readline().split()[1].removesuffix(BASE)
        secrets = json.loads((folder / "sandbox-operators.json").read_text("utf-8"))
        yield Sandbox(root, secrets, log)


@pytest.fixture(scope="module")
def anybody(sandbox: Sandbox) -> Client:
    """Give somebody whom the sandbox does not know."""
    return sandbox.stranger()


def checked(client: Client, text: str | bytes, **query: str) -> dict[str, Any]:
    """Return the report on a text."""
    raw = text.encode() if isinstance(text, str) else text
    answer = client.post("/check", data=raw, headers=JSON, params=query)
    assert answer.status_code == 200, answer.text
    report: dict[str, Any] = answer.json()
    return report


def on_the_command_line(text: str, process: str) -> list[dict[str, Any]]:
    """Return the findings that `ttrules check` has on a text, with their places."""
    tally = PayloadChecker(CheckOptions(process=process)).judge([Payload(1, 1, text.encode())])
    return findings_to_json(tally.judged[0], "en") if tally.judged else []


class TestLanguage:
    """Sentences are in the language that is asked for, and nothing else changes."""

    def test_report(self, anybody: Client) -> None:
        """A report in Polish is the English one with other sentences."""
        text = (EXAMPLES / "complaint-add" / "broken.json").read_bytes()
        told = {}
        for language in ("en", "pl"):
            headers = {**JSON, "Accept-Language": language}
            answer = anybody.post("/check", data=text, headers=headers)
            assert answer.headers["Content-Language"] == language
            assert answer.headers["Vary"] == "Accept-Language"
            told[language] = answer.json()
        catalogues = {language: catalogue(language) for language in told}
        for english, polish in zip(told["en"]["violations"], told["pl"]["violations"], strict=True):
            assert english.pop("message") != polish.pop("message")
            meanings = [each["cell"].pop("meaning") for each in (english, polish)]
            code = english["requirement"]
            assert meanings == [catalogues[each].requirements[code] for each in told]
            for each in (english, polish):
                del each["cell"]["type"]
            assert english == polish

    def test_not_supported(self, anybody: Client) -> None:
        """What becomes of an unsupported member is told beside it, with the spec's reason."""
        report = checked(anybody, json.dumps({**COMPLAINT, "channel": {"id": "1"}}))
        (warning,) = report["warnings"]
        told = {"text": TEXTS["warn"], "reason": BOOK.matrix.reasons["unsupported"]}
        assert warning["cell"]["conditions"] == [told]

    def test_refusal(self, anybody: Client) -> None:
        """A parameter that there is not is refused in Polish."""
        headers = {**JSON, "Accept-Language": "pl"}
        answer = anybody.post("/check", data=b"{}", headers=headers, params={"proces": "x"})
        assert answer.status_code == 400
        assert answer.json()["message"] == render(
            sentence("parameter", name="'proces'", near=near("proces", ["process"])), "pl"
        )


class TestVerdict:
    """The report is that of the rules, with the place of each finding."""

    @pytest.mark.parametrize("slug", SLUGS)
    def test_valid(self, anybody: Client, slug: str) -> None:
        """What meets its process is valid, and nothing is found."""
        texts = [(EXAMPLES / slug / "valid.json").read_text("utf-8")]
        texts += [json.dumps(example(BOOK, slug, "full", seed)) for seed in range(3)]
        for text in texts:
            assert checked(anybody, text, process=slug) == {
                "valid": True,
                "process": BOOK.process(slug),
                "slug": slug,
                "violations": [],
                "warnings": [],
                "undetermined": [],
                "left_out": 0,
            }

    @pytest.mark.parametrize("slug", SLUGS)
    def test_broken(self, anybody: Client, slug: str) -> None:
        """What breaks it has the findings and places that the command line tells."""
        text = (EXAMPLES / slug / "broken.json").read_text("utf-8")
        report = checked(anybody, text, process=BOOK.process(slug))
        found = [*report["violations"], *report["warnings"], *report["undetermined"]]
        assert (report["valid"], report["slug"], report["left_out"]) == (False, slug, 0)
        without_cells = [{k: v for k, v in each.items() if k != "cell"} for each in found]
        expected = on_the_command_line(text, slug)
        assert sorted(without_cells, key=str) == sorted(expected, key=str)
        places = [(each["line"], each["column"]) for each in report["violations"]]
        assert places == sorted(places)

    @pytest.mark.parametrize("slug", [each for each in SLUGS if each.endswith("add")])
    def test_found(self, anybody: Client, slug: str) -> None:
        """A new ticket names its process itself, as it does when it is sent."""
        for name in ("valid", "broken"):
            text = (EXAMPLES / slug / f"{name}.json").read_text("utf-8")
            assert checked(anybody, text) == checked(anybody, text, process=slug)

    @pytest.mark.parametrize(
        ("text", "code", "place"),
        [
            ("{}", "required", (1, 1)),
            ('\n {"ticketType": null}', "null", (2, 17)),
            ('{"ticketType":\n "Wish"}', "enum", (2, 2)),
            ("[]", "type", (1, 1)),
            ("null", "null", (1, 1)),
        ],
    )
    def test_none(self, anybody: Client, text: str, code: str, place: tuple[int, int]) -> None:
        """What names no process has that as its one finding."""
        report = checked(anybody, text)
        (found,) = report["violations"]
        assert (report["process"], report["slug"], found["code"]) == (None, None, code)
        assert (found["line"], found["column"]) == place
        assert "cell" not in found

    def test_columns(self, anybody: Client) -> None:
        """Columns count characters, also where one takes two units of UTF-16 or four bytes."""
        text = '{"name":"\U0001f422ż","origin":"Fax",\n"priority":99}'
        places = {
            each["pointer"]: (each["line"], each["column"], each["end_column"])
            for each in checked(anybody, text, process="complaint-add")["violations"]
        }
        assert places["/origin"] == (1, 23, 28)
        assert places["/priority"] == (2, 12, 14)
        assert places["/ticketType"] == (1, 1, 2)

    def test_strict(self, anybody: Client) -> None:
        """Strictly, what is not supported or not known is an error."""
        text = json.dumps({**COMPLAINT, "channel": {}, "serverity": "Low"})
        mild = checked(anybody, text, strict="false")
        strict = checked(anybody, text, strict="true")
        assert mild == checked(anybody, text)
        assert (mild["valid"], strict["valid"]) == (True, False)
        codes = ["not_supported", "unknown_field"]
        assert [each["code"] for each in mild["warnings"]] == codes
        assert [each["code"] for each in strict["violations"]] == codes

    def test_cells(self, anybody: Client) -> None:
        """A finding has what the matrix says of its cell, and the cell's name."""
        payload = {**COMPLAINT, "status": "closed", "relatedEntity": [{"role": "x"}], "nme": 1}
        report = checked(anybody, json.dumps(payload))
        found = {each["pointer"]: each for each in [*report["violations"], *report["warnings"]]}
        for pointer, entity, field in (
            ("/status", "TroubleTicket", "status"),
            ("/relatedEntity/0/id", "RelatedEntity", "id"),
        ):
            told, cell = found[pointer]["cell"], BOOK.cell(entity, field, "complaint-add")
            assert told["anchor"] == f"{entity}.{field}/complaint-add"
            assert told["description"] == cell.description
            assert told["source"] == cell.source
        assert "closed" in found["/status"]["cell"]["type"]
        assert found["/status"]["cell"]["decisions"] != []
        (condition,) = found["/relatedEntity/0/id"]["cell"]["conditions"]
        assert condition["text"] == "In RelatedEntity, send at least one of id, externalId."
        assert condition["reason"] == BOOK.matrix.conditions[0].reason
        assert "cell" not in found["/nme"]

    def test_many(self, anybody: Client) -> None:
        """Of very many findings so many are told, and the others counted."""
        many = {f"x{number}": 1 for number in range(MOST_FINDINGS + 7)}
        report = checked(anybody, json.dumps({**COMPLAINT, **many}))
        assert report["valid"]
        assert (len(report["warnings"]), report["left_out"]) == (MOST_FINDINGS, 7)


class TestRefused:
    """What is no payload, and no request of this kind."""

    @pytest.mark.parametrize("name", MALFORMED)
    def test_malformed(self, anybody: Client, name: str) -> None:
        """A text that is no JSON is told as it is for a ticket, with its place where it has one."""
        raw = MALFORMED[name]
        answer = anybody.post("/check", data=raw, headers=JSON)
        error = one_shape(answer)
        assert (answer.status_code, error["code"]) == (400, "invalidBody")
        assert ("line" in error, "column" in error) == (bool(raw.strip()),) * 2

    def test_place(self, anybody: Client) -> None:
        """The place is the one in the text that was sent."""
        for text, place in (
            (b'{"a": 1,\n "b": }', (2, 7)),
            (b'{\n"a": 1,\n  "a": 2}', (3, 3)),
            ('{"ż": "\U0001f422", "b": NaN}'.encode(), (1, 17)),
            (b'{"x": "' + b"y" * 9 + b'",\n"z":"\xff"}', (2, 6)),
            (b'{"priority": ' + b"7" * 4_250 + b"}", (1, 14)),
        ):
            error = one_shape(anybody.post("/check", data=text, headers=JSON))
            assert (error["line"], error["column"]) == place, text

    @pytest.mark.parametrize(
        "query",
        [
            *("process=complaint", "process=", "process=Complaint%20add", "process=complaint-add&"),
            *("process=complaint-add&process=complaint-add", "strict=1", "strict=", "strict=True"),
            *("stric=true", "x", "%ff=1", "process=%ff", "a=&" * 20, "fields=name"),
        ],
    )
    def test_query(self, anybody: Client, query: str) -> None:
        """A parameter that is unknown, or is not what it should be, is an error."""
        answer = anybody.post(f"/check?{query}", data=b"{}", headers=JSON)
        if query.endswith("add&"):
            assert answer.status_code == 200
        else:
            assert one_shape(answer)["code"] == "invalidQuery"

    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
    def test_methods(self, anybody: Client, method: str) -> None:
        """It is a POST and nothing else."""
        answer = anybody(method, "/check", held=method != "HEAD")
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")

    @pytest.mark.parametrize("media_type", ["text/plain", "application/merge-patch+json", None])
    def test_media_types(self, anybody: Client, media_type: str | None) -> None:
        """It takes application/json alone."""
        headers = {} if media_type is None else {"Content-Type": media_type}
        answer = anybody.post("/check", data=b"{}", headers=headers)
        assert one_shape(answer)["code"] == "unsupportedMediaType"

    def test_large(self, anybody: Client) -> None:
        """A text may be as large as a ticket, and have MAX_VALUES values."""
        for raw in (b" " * (20 << 20) + b"1", b"[" + b"1," * MAX_VALUES + b"1]"):
            answer = anybody.post("/check", data=raw, headers=JSON)
            assert one_shape(answer)["code"] == "contentTooLarge"
        payload = example(BOOK, "complaint-add", "full")
        payload["attachment"][0]["content"] = "A" * (1 << 20)
        assert checked(anybody, json.dumps(payload))["valid"]

    def test_others_go_on(self, sandbox: Sandbox) -> None:
        """While one who means no good is answered, others are."""
        notes = [{"x": 1}] * 2_500
        hostile = json.dumps({**COMPLAINT, "note": notes})
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(checked, sandbox.stranger(), hostile)
            answered = 0
            while not asked.done():
                client = sandbox.stranger()
                assert client.get(f"{sandbox.root}/health/live").status_code == 200
                answered += not asked.done()
            assert asked.result()["left_out"] > 0
        assert answered >= 2


class TestBounds:
    """How much may be asked."""

    @staticmethod
    def asked(checker: Checker, address: str) -> int:
        """Return what a check is answered."""
        asked = Request(operator="", now=datetime.now(UTC), raw=b"{}", address=address)
        return asyncio.run(checker.check(asked)).status

    def test_rate(self) -> None:
        """An address has so many checks a minute; others have theirs."""
        checker = Checker(BOOK, Config(checks_per_minute=2), Validation())
        assert [self.asked(checker, "a"), self.asked(checker, "a")] == [200, 200]
        with pytest.raises(ApiError) as refused:
            self.asked(checker, "a")
        assert refused.value.code == "tooManyRequests"
        assert 1 <= int(refused.value.headers["Retry-After"]) <= 61
        assert self.asked(checker, "b") == 200


class TestTraces:
    """Anybody may ask, and nothing is left behind."""

    @pytest.mark.parametrize("auth", [None, ("operator-a", "wrong"), ("no\u00e9", "x")])
    def test_anybody(self, sandbox: Sandbox, auth: Any) -> None:
        """No credentials are asked for, and none are looked at."""
        client = Client(sandbox.root, auth)
        assert checked(client, json.dumps(COMPLAINT))["valid"]
        bearer = {**JSON, "Authorization": "Bearer nothing"}
        stranger = sandbox.stranger()
        assert stranger.post("/check", data=b"{}", headers=bearer).status_code == 200
        provider = Client(sandbox.root, ("provider", sandbox.secrets["provider"]))
        assert provider.post("/check", data=b"{}", headers=JSON).status_code == 200

    def test_nothing_kept(self, sandbox: Sandbox) -> None:
        """No ticket comes of it, and neither answer nor log repeats what a payload holds."""
        stranger = sandbox.stranger()
        payload = {**COMPLAINT, "name": MARK, "status": MARK, "origin": MARK, "priority": MARK}
        texts = [json.dumps({**COMPLAINT, "name": MARK}), json.dumps(payload)]
        texts += [json.dumps(payload)[:-1], f'{{"a": "{MARK}", "b": NaN}}']
        for text in texts:
            answer = stranger.post("/check", data=text.encode(), headers=JSON)
            assert MARK not in answer.text
            assert MARK not in str(answer.headers)
        for name in ("operator-a", "operator-b"):
            client = Client(sandbox.root, (name, sandbox.secrets[name]))
            assert client.get("/troubleTicket").json() == []
        logged = sandbox.log.read_text("utf-8")
        assert "checkTroubleTicket" in logged
        assert MARK not in logged


class TestOff:
    """Where TTR_CHECKER is off there is neither operation nor page."""

    def test_default(self) -> None:
        """It is on in a sandbox and off elsewhere, unless it is said."""
        for environment, is_on in (
            ({}, False),
            ({"TTR_SANDBOX": "1"}, True),
            ({"TTR_SANDBOX": "1", "TTR_CHECKER": "0"}, False),
            ({"TTR_CHECKER": "1"}, True),
        ):
            assert read_config(environment).has_checker is is_on

    def test_off(self, tmp_path: Path) -> None:
        """All of it is a 404, with credentials and without, and the document is silent."""
        with serving(f"sqlite:///{tmp_path}/t.db", TTR_CHECKER="0") as running:
            stranger = running.stranger()
            for client in (stranger, running.client()):
                answer = client.post("/check", data=b"{}", headers=JSON)
                assert one_shape(answer)["code"] == "notFound"
            for path in ("/", "/checker/check.js", "/checker/facts.json"):
                assert stranger.get(running.root + path).status_code == 404
            document = stranger.get("/openapi.json").json()
            assert "/check" not in document["paths"]
            assert "check" not in [each["name"] for each in document["tags"]]
            assert running.client().get("/troubleTicket").status_code == 200


class TestPage:
    """The page's files, and what they are told."""

    def test_files(self, sandbox: Sandbox) -> None:
        """Each file is served as what it is, and may do nothing but what the page needs."""
        stranger = sandbox.stranger()
        names = {
            "": "text/html; charset=utf-8",
            "checker/check.css": "text/css; charset=utf-8",
            "checker/check.js": "text/javascript; charset=utf-8",
            "checker/lines.js": "text/javascript; charset=utf-8",
            "checker/texts.js": "text/javascript; charset=utf-8",
            "checker/icon.svg": "image/svg+xml",
            "checker/facts.json": "application/json",
        }
        for name, media_type in names.items():
            answer = stranger.get(f"{sandbox.root}/{name}")
            assert (answer.status_code, answer.headers["Content-Type"]) == (200, media_type)
            assert answer.headers["Content-Security-Policy"] == POLICY
        served = {Path(name or "index.html").name for name in names} - {"facts.json"}
        assert served == {each.name for each in PAGES.iterdir()}
        for outside in ("index.html", "../index.html", "%2e%2e/checkpage.py", ""):
            assert stranger.get(f"{sandbox.root}/checker/{outside}").status_code == 404

    def test_nothing_inline(self) -> None:
        """The HTML contains no script, style or handler, and no address of another host."""
        html = (PAGES / "index.html").read_text("utf-8")
        assert re.findall(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=|https?:", html) == []
        for each in PAGES.iterdir():
            text = each.read_text("utf-8")
            assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text) == [], each
            assert re.findall(r"(?:local|session)Storage|indexedDB|cookie|innerHTML", text) == []

    def test_texts(self) -> None:
        """Every text that is asked for is in the table, in each language, and no other."""
        table = (PAGES / "texts.js").read_text("utf-8")
        languages = re.findall(r"^  (\w+): \{\n(.*?)^  \},$", table, re.MULTILINE | re.DOTALL)
        assert "en" in dict(languages)
        html, js = ((PAGES / name).read_text("utf-8") for name in ("index.html", "check.js"))
        asked = {*re.findall(r'data-(?:text|label|placeholder)="(\w+)"', html)}
        mentioned = {*re.findall(r'"(\w+)"', js)}
        severities = {"error", "warning", "undetermined"}
        kinds = {"valid", "broken"}
        for language, entries in languages:
            keys = {*re.findall(r"^    (\w+): ", entries, re.MULTILINE)}
            assert asked <= keys, language
            assert keys <= asked | mentioned | severities | kinds, language
            used = {*re.findall(r'say\(\s*"(\w+)"', js)} | severities | kinds
            assert used <= keys, language

    def test_facts(self, sandbox: Sandbox) -> None:
        """Addresses, processes and examples are those of the spec and of the documents."""
        given = sandbox.stranger().get(f"{sandbox.root}/checker/facts.json").json()
        assert given["check"] == f"{BASE}/check"
        assert given["operator"] == "operator-a"
        assert [each["slug"] for each in given["processes"]] == SLUGS
        for each in given["processes"]:
            for name, text in each["examples"].items():
                assert text == (EXAMPLES / each["slug"] / f"{name}.json").read_text("utf-8")
            assert list(each["examples"]) == ["valid", "broken"]

    def test_prefix(self) -> None:
        """Behind a prefix all addresses begin with it."""
        given = facts(SHIPPED, Config(path_prefix="/gateway"))
        addresses = [given[name] for name in ("check", "tickets", "document", "matrix", "try")]
        assert all(each.startswith("/gateway/") for each in addresses)
        assert given["operator"] == "OPERATOR"
