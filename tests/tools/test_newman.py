"""The files for Postman, run by newman against a sandbox and a listener: nothing is made up.

What the files hold is compared with what makes them in exports/test_postman.py.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from server.problems import KINDS, ApiError, error_body
from tests.support.apis import TMF621
from tests.support.profiles import SHIPPED, load
from tests.support.server_commands import listener
from tests.support.servers import BASE, started
from ttrules.rulebook import shipped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.profile.model import Profile
    from tests.support.server_commands import Running

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
POSTMAN = ROOT / "docs" / "postman"
MODULES = ROOT / "tests" / "node" / "node_modules"
#: What the page calls the copy of the environment that has the secrets in it.
_COPY = "environment.json"
API = POSTMAN / "Trouble Ticket Management API - 1.6.0.postman_collection.json"
AUTHORIZATION = POSTMAN / "Nexera Authorization.postman_collection.json"
ENVIRONMENT = POSTMAN / "Nexera TEST Environment.postman_environment.json"

PAGE = ROOT / "docs" / "howto" / "postman.md"
#: The commands of the page, in the order in which they stand there.
COMMANDS = re.findall(r"^newman (run .*)$", PAGE.read_text("utf-8"), re.MULTILINE)

# Where continuous integration runs there is a Node.js, or something is wrong with it.
needs_newman = pytest.mark.skipif(
    not (os.environ.get("CI") or (shutil.which("node") and (MODULES / ".made").exists())),
    reason="needs node and npm",
)


def requests_of(node: dict[str, Any], *above: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the requests of a collection with the names that lead to each."""
    for item in node["item"]:
        if "item" in item:
            yield from requests_of(item, *above, item["name"])
        else:
            yield (*above, item["name"]), item


class Ran(NamedTuple):
    """What newman did: its exit code, and its report."""

    code: int
    report: dict[str, Any]

    @property
    def sent(self) -> list[str]:
        """The identifiers of the requests, in the order in which they were sent."""
        return list(dict.fromkeys(each["item"]["id"] for each in self.report["executions"]))

    @property
    def hosts(self) -> set[str]:
        """The hosts that were asked."""
        return {".".join(e["request"]["url"]["host"]) for e in self.report["executions"]}

    @property
    def failed(self) -> list[tuple[str, str]]:
        """What did not hold: the request, and the test or the error."""
        return [
            (each["source"].get("name", ""), each["error"].get("test") or each["error"]["message"])
            for each in self.report["failures"]
        ]

    def answer(self, number: str) -> Any:
        """Return what was answered to a request, given by identifier."""
        (told,) = [e["response"] for e in self.report["executions"] if e["item"]["id"] == number]
        return json.loads(bytes(told["stream"]["data"]))


class Place(NamedTuple):
    """A sandbox and a listener that run, the environment with their addresses, and what came in."""

    environment: Path
    listener: Running
    events: list[dict[str, Any]]

    def run(self, collection: Path, *options: str) -> Ran:
        """Run a collection."""
        return self.type(shlex.join(["run", str(collection), "--environment", _COPY, *options]))

    def type(self, line: str) -> Ran:
        """Run newman with a line of arguments, in the project's folder."""
        report = self.environment.with_name("report.json")
        report.unlink(missing_ok=True)
        arguments = [str(self.environment) if e == _COPY else e for e in shlex.split(line)]
        command = ["node", str(MODULES / "newman/bin/newman.js"), *arguments]
        command += ["--reporters", "json", "--reporter-json-export", str(report)]
        ran = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
        )
        assert report.exists(), ran.stderr
        return Ran(ran.returncode, json.loads(report.read_text("utf-8"))["run"])

    def heard(self, ticket: str, many: int) -> list[dict[str, Any]]:
        """Return the events of a ticket, once so many have come, or none has for long."""
        for _ in range(100):
            found = [each for each in self.events if each["ticket"] == ticket]
            if len(found) >= many:
                break
            time.sleep(0.1)
        return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Give a sandbox and a listener that run."""
    with placed(tmp_path_factory.mktemp("postman"), ENVIRONMENT, SHIPPED) as made:
        yield made


@contextmanager
def placed(folder: Path, template: Path, profile: Profile) -> Iterator[Place]:
    """Run a sandbox of a profile and a listener, and fill in an environment, until it is left."""
    settings = {
        "TTR_DATABASE_URL": f"sqlite:///{folder}/var/tickets.db",
        "TTR_PROFILE": str(profile.directory),
        "TTR_SANDBOX": "1",
        "TTR_ALLOW_LOOPBACK_CALLBACKS": "1",
    }
    with started(**settings) as sandbox:
        assert sandbox.stdout is not None
        base = sandbox.stdout.readline().split()[1]
        secrets = json.loads((folder / "var/sandbox-operators.json").read_text("utf-8"))
        signing = secrets["signing"]["operator-a"]
        options = ("--json", "--secret", signing, "--profile", settings["TTR_PROFILE"])
        with listener(*options) as listening:
            given = {
                "baseUrl": base,
                "tokenUrl": base.removesuffix(profile.operator.base) + "/oauth2/token",
                "clientSecret": secrets["operator-a"],
                "listenerUrl": listening.root,
                "signingSecret": signing,
            }
            environment = json.loads(template.read_text("utf-8"))
            for each in environment["values"]:
                each["value"] = given.get(each["key"], each["value"])
            copy = folder / template.name
            copy.write_text(json.dumps(environment), "utf-8")
            events: list[dict[str, Any]] = []
            reading = threading.Thread(target=told_by, args=(listening, events))
            reading.start()
            yield Place(copy, listening, events)
            listening.process.terminate()
            reading.join(60)


def told_by(running: Running, events: list[dict[str, Any]]) -> None:
    """Take in what a listener says until it ends."""
    assert running.process.stdout is not None
    events.extend(json.loads(line) for line in running.process.stdout)


@pytest.mark.node
@needs_newman
class TestRun:
    """The collections, run as a person runs them."""

    def test_all(self, place: Place) -> None:
        """Every request of both collections is sent, and every test in them holds.

        Nobody but the sandbox and the listener is asked.
        """
        authorization, all_of_it, _ = COMMANDS
        ran = place.type(authorization)
        assert (ran.failed, ran.code, len(ran.sent), ran.hosts) == ([], 0, 2, {"127.0.0.1"})
        collection = json.loads(API.read_text("utf-8"))
        ran = place.type(all_of_it)
        assert (ran.failed, ran.code, ran.hosts) == ([], 0, {"127.0.0.1"})
        requests = dict(requests_of(collection))
        assert ran.sent == [item["id"] for item in requests.values()]
        for kind in ("assertions", "testScripts", "prerequestScripts"):
            assert ran.report["stats"][kind]["failed"] == 0
        assert ran.report["stats"]["assertions"]["total"] > 2 * len(requests) > 400
        self._events(place, ran.answer(requests["events", "[POST] /troubleTicket"]["id"])["id"])

    def test_tmf621(self, tmp_path: Path) -> None:
        """The collection of the other profile, too, against a sandbox that serves it."""
        folder = ROOT / "docs" / "tmf621-v4" / "postman"
        (environment,) = folder.glob("*environment.json")
        collection = next(each for each in folder.iterdir() if each.name.startswith("TMF621"))
        with placed(tmp_path, environment, TMF621.profile) as made:
            ran = made.run(collection)
        assert (ran.failed, ran.code, ran.hosts) == ([], 0, {"127.0.0.1"})
        assert ran.report["stats"]["assertions"]["total"] > 300

    def _events(self, place: Place, ticket: str) -> None:
        """Every event of the ticket that is led through its life arrives, signed and in order."""
        status = "TroubleTicketStatusChangeEvent"
        expected = [
            ("TroubleTicketAttributeValueChangeEvent", None),
            (status, "acknowledged"),
            (status, "inProgress"),
            (status, "resolved"),
            ("TroubleTicketResolvedEvent", "resolved"),
            (status, "inProgress"),
            (status, "pending"),
            ("TroubleTicketInformationRequiredEvent", "pending"),
        ]
        came = place.heard(ticket, len(expected))
        told = [(e["name"], e["body"]["event"]["troubleTicket"].get("status")) for e in came]
        assert told == expected
        assert all(each["verified"] and each["answered"] == 201 for each in came)
        refused = [each for each in place.events if each["refused"]]
        assert [each["answered"] for each in refused] == [401]

    def test_alone(self, place: Place) -> None:
        """A request runs alone: what it is about is made before, moved where it must be."""
        ran = place.type(f"{COMMANDS[-1]} --folder '[DELETE] /hub/{{id}}'")
        assert (ran.failed, ran.code, len(ran.sent)) == ([], 0, 2)

    def test_noticed(self, place: Place, tmp_path: Path) -> None:
        """An expectation that is not met, here a wrong code, is told, and newman ends with 1."""
        collection = json.loads(API.read_text("utf-8"))
        (folder,) = [each for each in collection["item"] if each["name"] == "Complaint Add"]
        wrong = next(each for each in folder["item"] if each["name"] == "required /origin")
        lines = wrong["event"][-1]["script"]["exec"]
        changed = [line.replace('code: "required"', 'code: "prohibited"') for line in lines]
        assert changed != lines
        wrong["event"][-1]["script"]["exec"] = changed
        (tmp_path / "wrong.json").write_text(json.dumps({**collection, "item": [wrong]}))
        ran = place.run(tmp_path / "wrong.json")
        assert (ran.code, ran.failed) == (1, [("required /origin", "required /origin")])

    def test_no_token(self, place: Place) -> None:
        """Without an access token nothing goes, and there is no other way to be let in."""
        wrong = ["--env-var", "clientSecret=wrong", "--env-var", "accessTokenExpires=0"]
        ran = place.run(
            API, "--folder", "[GET] /troubleTicket", "--env-var", "accessToken=", *wrong
        )
        assert ran.code == 1
        assert ("[GET] /troubleTicket", "an access token is granted") in ran.failed
        assert {each["response"]["code"] for each in ran.report["executions"]} == {401}


@pytest.mark.node
@needs_newman
@pytest.mark.parametrize("path", [API, AUTHORIZATION], ids=lambda path: path.name)
def test_read(path: Path) -> None:
    """Postman's own library reads a collection and drops nothing of it."""
    script = ROOT / "tests" / "node" / "collection.mjs"
    ran = subprocess.run(
        ["node", script, path],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == ""


@pytest.fixture(scope="module")
def requests() -> dict[tuple[str, ...], Any]:
    """Give the requests of the collection by the names that lead to them."""
    return dict(requests_of(json.loads(API.read_text("utf-8"))))


class TestHeld:
    """What the collection holds, as the document lists it."""

    def test_documented(self, requests: dict[tuple[str, ...], Any]) -> None:
        """The requests that the document names are where it says."""
        events = shipped().matrix.lifecycle["events"]
        assert requests.keys() >= {
            ("troubleTicket", "[GET] /troubleTicket"),
            ("troubleTicket", "[GET] /troubleTicket/{id}"),
            ("troubleTicket", "[POST] /troubleTicket"),
            ("troubleTicket", "[PATCH] /troubleTicket/{id}"),
            ("hub", "[POST] /hub"),
            ("hub", "[DELETE] /hub"),
            *(("listener", f"[POST]/{event}") for event in events),
        }
        for names, item in requests.items():
            if names[0] in {"troubleTicket", "hub", "listener"} and "," not in names[1]:
                assert item["response"], names
                assert item["request"]["method"] in {"GET", "DELETE"} or item["request"]["body"]

    def test_saved(self, requests: dict[tuple[str, ...], Any]) -> None:
        """There is a saved answer, with headers, for each process and each error."""
        saved = {
            (names, each["name"]): each
            for names, item in requests.items()
            for each in item["response"]
        }
        for process in shipped().processes():
            assert any(process in name for _, name in saved), process
        statuses = {each["code"] for each in saved.values()}
        assert statuses >= {kind.status for kind in KINDS.values()}
        assert all(each["header"] for (names, _), each in saved.items() if names[0] != "listener")

    def test_tests(self, requests: dict[tuple[str, ...], Any]) -> None:
        """Every request has tests, the status first."""
        for names, item in requests.items():
            assert item["event"][-1]["listen"] == "test", names
            assert "pm.response.to.have.status" in item["event"][-1]["script"]["exec"][0], names

    @pytest.mark.parametrize("process", shipped().processes())
    def test_cells(self, requests: dict[tuple[str, ...], Any], process: str) -> None:
        """A process has a request for each R and each P of the ticket, and for every code."""
        names = [name for folder, name in requests if folder == process]
        book = shipped()
        wanted = {"R": "required", "P": "prohibited"}
        for field in book.matrix.entities["TroubleTicket"]:
            code = book.cell("TroubleTicket", field, process).requirement
            # What the process is chosen by cannot be missing on a new ticket and leave one.
            if code in wanted and (field, code) != ("ticketType", "R"):
                assert f"{wanted[code]} /{field}" in names
        codes = Counter(name.partition(" ")[0] for name in names)
        known = {"required", "prohibited", "not_supported", "process_dependent", "unknown_field"}
        known |= {"null", "empty", "type", "enum", "format", "range", "length"}
        known |= {"immutable", "transition"} if process.endswith("Change") else set()
        assert codes.keys() == {*known, "valid:"}

    def test_secrets(self) -> None:
        """No secret is in a file; what is one is marked."""
        values = json.loads(ENVIRONMENT.read_text("utf-8"))["values"]
        secret = {each["key"]: each["value"] for each in values if each["type"] == "secret"}
        assert secret == {"clientSecret": "", "signingSecret": "", "accessToken": ""}
        text = "".join(path.read_text("utf-8") for path in POSTMAN.iterdir())
        assert re.findall(r"ttr_\w+|whsec_\w{8,}", text) == []


def test_addresses() -> None:
    """The environment speaks to the sandbox of `make run` on this machine."""
    values = json.loads(ENVIRONMENT.read_text("utf-8"))["values"]
    found = {each["key"]: each["value"] for each in values}
    assert urlsplit(found["baseUrl"]).path == BASE
    assert {urlsplit(found[name]).hostname for name in found if name.endswith("Url")} == {
        "127.0.0.1"
    }


def test_errors() -> None:
    """The examples of errors in the document are what the server answers, one for each code."""
    told = {
        name: example["value"]
        for response in load()["components"]["responses"].values()
        for name, example in response["content"]["application/json"]["examples"].items()
    }
    assert told == {code: error_body(ApiError(code)) for code in KINDS}
