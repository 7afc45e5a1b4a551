"""The files for Postman, run by newman against the sandbox and a listener, with nothing made up.

A run needs Node.js; see tests/node. What the files hold is compared with what makes them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.api.conftest import BASE, started
from tests.api.test_listener import listener

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
POSTMAN = ROOT / "docs" / "postman"
NODE = ROOT / "tests" / "node" / "node_modules"
API = "Trouble Ticket Management API - 1.6.0.postman_collection.json"
AUTHORIZATION = "Nexera Authorization.postman_collection.json"
ENVIRONMENT = "Nexera TEST Environment.postman_environment.json"

# Where continuous integration runs there is a Node.js, or something is wrong with it.
needs_newman = pytest.mark.skipif(
    not (os.environ.get("CI") or (shutil.which("node") and (NODE / ".made").exists())),
    reason="needs node and npm",
)


def read(name: str) -> Any:
    """Return what a file for Postman holds."""
    return json.loads((POSTMAN / name).read_text("utf-8"))


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
    def executed(self) -> list[str]:
        """The names of the requests, in the order in which they were sent."""
        return [each["item"]["name"] for each in self.report["executions"]]

    @property
    def failures(self) -> list[str]:
        """What failed: the request, and what was expected."""
        return [
            f"{each['source'].get('name')}: {each['error']['test']}: {each['error']['message']}"
            for each in self.report["failures"]
        ]


class Place(NamedTuple):
    """A sandbox and a listener that run, and the environment with their addresses."""

    folder: Path
    listener: Any

    def run(self, collection: Path, *options: str) -> Ran:
        """Run a collection; what it puts into the environment is there for the next one."""
        report, kept = self.folder / "report.json", self.folder / ENVIRONMENT
        command = ["node", str(NODE / "newman/bin/newman.js"), "run", str(collection)]
        command += ["-e", str(kept), "--export-environment", str(kept)]
        command += ["--reporters", "json", "--reporter-json-export", str(report), *options]
        ran = subprocess.run(  # noqa: S603 - our own files
            command, capture_output=True, text=True, timeout=100, check=False, cwd=self.folder
        )
        assert report.exists(), ran.stderr
        return Ran(ran.returncode, json.loads(report.read_text("utf-8"))["run"])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Give a sandbox and a listener that run."""
    folder = tmp_path_factory.mktemp("postman")
    database = {"TTR_DATABASE_URL": f"sqlite:///{folder}/var/tickets.db"}
    with started(**database, TTR_SANDBOX="1", TTR_ALLOW_LOOPBACK_CALLBACKS="1") as sandbox:
        assert sandbox.stdout is not None
        base = sandbox.stdout.readline().split()[1]
        secrets = json.loads((folder / "var/sandbox-operators.json").read_text("utf-8"))
        signing = secrets["signing"]["operator-a"]
        with listener("--json", "--secret", signing) as listening:
            given = {
                "baseUrl": base,
                "tokenUrl": base.removesuffix(BASE) + "/oauth2/token",
                "clientSecret": secrets["operator-a"],
                "listenerUrl": listening.root,
                "signingSecret": signing,
            }
            environment = read(ENVIRONMENT)
            for each in environment["values"]:
                each["value"] = given.get(each["key"], each["value"])
            (folder / ENVIRONMENT).write_text(json.dumps(environment), "utf-8")
            yield Place(folder, listening)


@needs_newman
def test_run(place: Place) -> None:
    """Every request of both collections is sent, and every test in them holds."""
    ran = place.run(POSTMAN / AUTHORIZATION)
    assert (ran.code, ran.failures) == (0, [])
    ran = place.run(POSTMAN / API)
    assert (ran.failures, ran.code) == ([], 0)
