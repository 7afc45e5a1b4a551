"""The published schemas, and those in the OpenAPI document, give the same verdict elsewhere.

Elsewhere is Ajv, in another language, and a reader of OpenAPI 3.0's dialect of JSON Schema.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
from openapi_schema_validator import OAS30WriteValidator, oas30_format_checker

import ttrules
from tests.support.injected_faults import inject
from tests.support.small_matrix import PROCESSES, book_of, payload
from tests.support.variants import MATRICES
from ttrules.examples.generate import Extent, example
from ttrules.rulebook import shipped

NODE = Path(__file__).parents[1] / "node"
ROOT = NODE.parents[1]
OPENAPI = ROOT / "docs" / "openapi.json"
SCHEMAS = Path(ttrules.__file__).parent / "schemas"
EXTENTS: tuple[Extent, ...] = ("minimal", "typical", "full")
PAYLOADS = 1_500
FEW = 250

# Where continuous integration runs there is a Node.js, or something is wrong with it.
needs_ajv = pytest.mark.skipif(
    not (os.environ.get("CI") or (shutil.which("node") and (NODE / "node_modules/.made").exists())),
    reason="needs node and npm",
)


@cache
def payloads_of(process: str, count: int) -> list[dict[str, Any]]:
    """Return payloads of a process, valid ones and such as are broken in up to three ways."""
    payloads = []
    for number in range(count):
        draw = Random(f"ajv {process} {number}")
        payload = example(shipped(), process, EXTENTS[number % 3], number)
        inject(payload, process, number % 4, draw)
        payloads.append(payload)
    return payloads


def verdicts_of_ajv(schema: Path, payloads: list[dict[str, Any]]) -> list[bool]:
    """Return what Ajv, in its strict mode, says of each payload."""
    ran = subprocess.run(
        ["node", NODE / "verdicts.mjs", schema],
        input="\n".join(map(json.dumps, payloads)),
        capture_output=True,
        check=True,
        text=True,
    )
    return [verdict == "1" for verdict in ran.stdout.split()]


@pytest.mark.node
@needs_ajv
@pytest.mark.parametrize("process", ttrules.processes())
def test_same_verdict(process: str) -> None:
    """Ajv, in its strict mode, finds valid what ttrules finds valid, and nothing else."""
    payloads = payloads_of(process, PAYLOADS)
    verdicts = verdicts_of_ajv(SCHEMAS / f"{shipped().slug(process)}.json", payloads)
    assert verdicts == [ttrules.is_valid(payload, process) for payload in payloads]
    assert 0 < sum(verdicts) < PAYLOADS


@pytest.mark.node
@needs_ajv
@pytest.mark.parametrize("name", ["expressions", "optional discriminator", "conditions"])
def test_definitions(name: str, tmp_path: Path) -> None:
    """So it does for schemas with definitions: of recursive entities, and of variants."""
    book, process = book_of(MATRICES[name]), PROCESSES[1]
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps(book.schema(process)), "utf-8")
    made = [payload(book.matrix, process, Random(number), number % 3 / 20) for number in range(FEW)]
    verdicts = verdicts_of_ajv(schema, made)
    assert verdicts == [book.is_valid(each, process) for each in made]
    assert 0 < sum(verdicts) < FEW


@pytest.mark.parametrize("process", ttrules.processes())
class TestOpenAPI:
    """The request schemas of docs/openapi.json alone say what ttrules says: no rule is left out."""

    def test_dialect(self, process: str) -> None:
        """A reader of OpenAPI 3.0's own dialect finds valid what ttrules finds valid."""
        read = OAS30WriteValidator(schema_of(process), format_checker=oas30_format_checker)
        payloads = payloads_of(process, FEW)
        verdicts = [read.is_valid(payload) for payload in payloads]
        assert verdicts == [ttrules.is_valid(payload, process) for payload in payloads]
        assert 0 < sum(verdicts) < FEW

    @pytest.mark.node
    @needs_ajv
    def test_ajv(self, process: str, tmp_path: Path) -> None:
        """So does a reader of JSON Schema, once `nullable` is said in its words."""
        schema = tmp_path / "schema.json"
        schema.write_text(json.dumps(in_json_schema(schema_of(process))), "utf-8")
        payloads = payloads_of(process, FEW)
        verdicts = verdicts_of_ajv(schema, payloads)
        assert verdicts == [ttrules.is_valid(payload, process) for payload in payloads]


def schema_of(process: str) -> dict[str, Any]:
    """Return the schema of the process in the document, by what it says of itself."""
    shapes = json.loads(OPENAPI.read_text("utf-8"))["components"]["schemas"]
    (found,) = (s for s in shapes.values() if s.get("x-ttrules", {}).get("process") == process)
    schema: dict[str, Any] = found
    return schema


def in_json_schema(node: Any) -> Any:
    """Return a part of a schema of OpenAPI 3.0 in the words of JSON Schema."""
    if isinstance(node, list):
        return [in_json_schema(each) for each in node]
    if not isinstance(node, dict):
        return node
    schema = {key: in_json_schema(value) for key, value in node.items()}
    if schema.pop("nullable", None) is True:
        schema["type"] = [schema["type"], "null"]
    return schema
