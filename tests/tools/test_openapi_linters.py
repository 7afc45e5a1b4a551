"""The OpenAPI documents hold against all that two linters of other people know, and rules of ours.

What is off, and why, stands in .spectral.yaml and redocly.yaml. Neither linter may reach for the
network: offline.cjs ends one that does.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from server.documents import served
from tests.support.profiles import OPERATOR, PROVIDER

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
NODE = ROOT / "tests" / "node"
PUBLISHED = ROOT / "docs" / "openapi.json"
OTHER = ROOT / "docs" / "tmf621-v4" / "openapi.json"
WRITTEN = ROOT / "spec" / "openapi.yaml"
ENVIRONMENT: Final = {
    "REDOCLY_TELEMETRY": "off",
    "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true",
    "NODE_OPTIONS": f"--require={NODE / 'offline.cjs'}",
}
SPECTRAL = ("spectral", "lint", "--fail-severity=hint", "--quiet", "--format=json")
REDOCLY = ("redocly", "lint", f"--config={ROOT / 'redocly.yaml'}", "--format=json")

pytestmark = [
    pytest.mark.node,
    # Continuous integration must have Node.js.
    pytest.mark.skipif(
        not (
            os.environ.get("CI")
            or (shutil.which("node") and (NODE / "node_modules/.made").exists())
        ),
        reason="needs node and npm",
    ),
]


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Give what is published, what each side of the server gives, and what is written by hand."""
    folder = tmp_path_factory.mktemp("served")
    sides = {
        "operators": served(OPERATOR, "/gateway"),
        "backoffice": served(PROVIDER, ""),
    }
    for name, document in sides.items():
        (folder / f"{name}.json").write_text(json.dumps(document, indent=1), "utf-8")
    return [PUBLISHED, OTHER, *(folder / f"{name}.json" for name in sides), WRITTEN]


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the published document with a defect for each rule that is to find one."""
    document: dict[str, Any] = json.loads(PUBLISHED.read_text("utf-8"))
    paths, shapes = document["paths"], document["components"]["schemas"]
    listing = paths["/troubleTicket"]["get"]
    del listing["summary"], listing["responses"]["401"], listing["tags"]
    new = paths["/troubleTicket"]["post"]
    new["requestBody"]["content"]["application/json"]["examples"]["complaint"]["value"]["name"] = 7
    new["responses"]["403"] = {"description": "No.", "content": {"text/plain": {}}}
    change = paths["/troubleTicket/{troubleTicketId}"]["patch"]["requestBody"]["content"]
    change["application/json"]["schema"] = {"$ref": "#/components/schemas/TroubleTicket"}
    del change["application/json-patch+json"]["examples"]
    del shapes["ComplaintAdd"]["x-ttrules"]["process"]
    del shapes["ComplaintAdd"]["properties"]["creationDate"]["not"]
    del shapes["ComplaintAdd"]["properties"]["id"]["readOnly"]
    paths["/hub"]["delete"]["operationId"] = new["operationId"]
    path = tmp_path_factory.mktemp("broken") / "openapi.json"
    path.write_text(json.dumps(document, indent=1), "utf-8")
    return path


def lint(command: Sequence[str], *files: Path) -> tuple[int, list[Any]]:
    """Return the exit code of a linter and what it prints, one value of JSON after the other."""
    program, *options = command
    ran = subprocess.run(
        ["node", NODE / "node_modules/.bin" / program, *options, *files],
        cwd=ROOT,
        env={**os.environ, **ENVIRONMENT},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "offline.cjs" not in ran.stderr
    told: list[Any] = []
    rest = ran.stdout.strip()
    while rest:
        value, end = json.JSONDecoder().raw_decode(rest)
        told, rest = [*told, value], rest[end:].strip()
    return ran.returncode, told


def test_spectral(documents: list[Path]) -> None:
    """Spectral finds nothing, not even a hint."""
    assert lint(SPECTRAL, *documents) == (0, [[]])


def test_redocly(documents: list[Path]) -> None:
    """Redocly finds nothing, not even a warning."""
    code, told = lint(REDOCLY, *documents)
    nothing = {"errors": 0, "warnings": 0, "ignored": 0}
    assert (code, [each["totals"] for each in told]) == (0, [nothing] * len(documents))


def test_spectral_finds(broken: Path) -> None:
    """A defect of each kind that we have a rule for is found, and ends Spectral with 1."""
    code, (found,) = lint(SPECTRAL, broken)
    assert code == 1
    assert {each["code"] for each in found} >= {
        "operation-operationId-unique",
        "operation-tags",
        "oas3-valid-media-example",
        "ttr-operation-summary",
        "ttr-operation-errors",
        "ttr-error-shape",
        "ttr-body-example",
        "ttr-body-process",
        "ttr-body-ruled",
        "ttr-prohibited",
    }
    at = [each["path"] for each in found if each["code"] == "ttr-prohibited"]
    assert {tuple(path)[:5] for path in at} == {
        ("components", "schemas", "ComplaintAdd", "properties", "creationDate"),
        ("components", "schemas", "ComplaintAdd", "properties", "id"),
    }


def test_redocly_finds(broken: Path) -> None:
    """So are defects that Redocly knows of."""
    code, (told,) = lint(REDOCLY, broken)
    assert code == 1
    assert {each["ruleId"] for each in told["problems"]} >= {
        "operation-operationId-unique",
        "no-invalid-media-type-examples",
        "operation-summary",
    }


def test_offline(tmp_path: Path) -> None:
    """What reaches for the network is noticed."""
    program = tmp_path / "ask.cjs"
    program.write_text('require("node:http").get("http://127.0.0.1:9/");', "utf-8")
    ran = subprocess.run(
        ["node", program],
        env={**os.environ, **ENVIRONMENT},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, "offline.cjs" in ran.stderr) == (97, True)
