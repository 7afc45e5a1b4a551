"""The files for Postman are made of the document and of the book, of any API; and nothing in them
is more than text.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import ttrules
from tests.support.other_spec import PATHS as OTHER_PATHS
from tests.support.small_spec import loaded
from tests.support.specs import ODD
from ttrules.codes import ANNOTATION
from ttrules.examples import defective
from ttrules.exports.openapi.draft7 import as_schema
from ttrules.exports.postman.files import files_of
from ttrules.exports.postman.scripts import filled
from ttrules.lifecycle import Lifecycle
from ttrules.matrix import Field, Process
from ttrules.rulebook import Rulebook, shipped
from ttrules.spec.compiler import compile_schemas
from ttrules.spec.yaml_source import Source

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

NODE = Path(__file__).parents[1] / "node"
#: Words that mean something to Postman, to JavaScript, to Markdown or to a file system.
HOSTILE = "a/b\\c {{baseUrl}} `x` </script> \"'${y}\u2028 :id\n@@title"


def parts(files: dict[str, bytes]) -> dict[str, Any]:
    """Return the files by what they are: collection, environment, Authorization."""
    found = {}
    for name, content in files.items():
        kind = "Authorization" if "Authorization" in name else name.split(".postman_")[1][:-5]
        found[kind] = json.loads(content)
    return found


def items(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the requests of a collection."""
    for each in node["item"]:
        yield from items(each) if "item" in each else (each,)


def orders(example: Any = None) -> dict[str, Any]:
    """Return a document of the water works with operations, as few words as it may have."""
    document: dict[str, Any] = deepcopy(Source(OTHER_PATHS["openapi"]).value)
    order = {"$ref": "#/components/schemas/ServiceOrder"}
    content = {"application/json": {"schema": order}}
    identifier = {"name": "order", "in": "path", "required": True, "schema": {"type": "string"}}
    done: dict[str, Any] = {
        "200": {"description": "Done.", "content": content},
        "default": {"description": "No."},
    }
    refused: dict[str, Any] = {
        "400": {"description": "No.", "content": {"application/json": {"schema": {}}}}
    }
    callback = {"post": {"requestBody": {"content": content}, "responses": done}}
    watched = {"application/json": {"schema": {}, "examples": {"here": {"value": {"url": "x"}}}}}
    document["paths"] = {
        "/orders": {
            "post": {"requestBody": {"content": content}, "responses": {**done, **refused}},
            "get": {"responses": done},
        },
        "/orders/{order}": {
            "parameters": [identifier],
            "patch": {"requestBody": {"content": content}, "responses": {**done, **refused}},
        },
        "/watch": {
            "post": {
                "requestBody": {"content": watched},
                "responses": {"204": {"description": "Watched."}},
                "callbacks": {
                    name: {f"{{$request.body#/url}}/{name}": callback}
                    for name in ("ServiceOrderMoved", "ServiceOrderDone", "ServiceOrderEdited")
                },
            }
        },
    }
    if example is not None:
        shown = {"shown": {"summary": HOSTILE, "value": example}}
        told = {"application/json": {"schema": order, "examples": shown}}
        document["paths"]["/orders"]["post"]["requestBody"]["content"] = told
    return document


@pytest.fixture(scope="module")
def other() -> Rulebook:
    """Give the book of the water works."""
    return ttrules.load(**OTHER_PATHS)


@pytest.fixture(scope="module")
def hostile(other: Rulebook) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Give a body of the water works, and the files of a document whose words are hostile."""
    example = {**defective.valid(other, "Repair Add")[0], "nickname": HOSTILE}
    document = orders(example)
    document["info"]["title"] = HOSTILE
    document["tags"] = [{"name": HOSTILE}]
    for item in document["paths"].values():
        for operation in (each for each in item.values() if isinstance(each, dict)):
            operation |= {"tags": [HOSTILE]}
            operation["responses"]["200"] = {"description": HOSTILE}
    return example, files_of(document, other)


class TestOther:
    """An API that is not the shipped one."""

    def test_folders(self, other: Rulebook, hostile: tuple[Any, dict[str, bytes]]) -> None:
        """Operations have a folder for each tag, and processes that can be tried one each."""
        made = parts(hostile[1])
        assert made.keys() == {"collection", "environment"}
        names = [each["name"] for each in made["collection"]["item"]]
        tried = [name for name in other.processes() if name != "Legacy Correction"]
        assert (names[0], set(names[1:])) == (HOSTILE, {"events", "requests", *tried})
        assert "auth" not in made["collection"]

    def test_findings(self, other: Rulebook) -> None:
        """A payload that is to be refused is, for the one thing that is told."""
        for process in ("Repair Add", "Repair Change", "Legacy Correction"):
            made = list(defective.broken(other, process))
            assert {each.code for each in made} >= {"required", "type"}
            for each in made:
                ticket = defective.changed(other, process)
                if ticket is None:
                    report = other.validate(each.payload, process)
                else:
                    stored = defective.stored(other, ticket, "/orders")
                    report = other.validate_change(stored, each.payload, by="operator").report
                (finding,) = [*report.violations, *report.warnings]
                assert (finding.code, finding.pointer) == (each.code, each.pointer)
                assert report.valid is not each.is_error

    def test_little(self, tmp_path: Path) -> None:
        """Without an interpretation and a lifecycle nothing is tried, and nothing is sent."""
        spec = loaded(tmp_path, without=("interpretation", "lifecycle"))
        book = Rulebook(spec, compile_schemas(spec))
        document = orders()
        document["components"]["schemas"]["Parcel"] = {}
        (folder,) = parts(files_of(document, book))["collection"]["item"]
        assert folder["name"] == "requests"

    def test_nothing(self, other: Rulebook) -> None:
        """A document without operations gives a collection without requests."""
        document = Source(OTHER_PATHS["openapi"]).value
        assert parts(files_of(document, other))["collection"]["item"] == []

    def test_odd(self) -> None:
        """Where no payload has all that may be sent, what can be made without is made."""
        process = ODD.processes()[0]
        assert len(defective.valid(ODD, process)) == 1
        assert list(defective.broken(ODD, process))


class TestText:
    """Any text of a document stays text."""

    def test_body(self, hostile: tuple[dict[str, Any], dict[str, bytes]]) -> None:
        """A body is sent as it is in the document: no variable is read into it."""
        example, files = hostile
        bodies = [
            each["request"]["body"]["raw"]
            for each in items(parts(files)["collection"])
            if each["name"] == "[POST] /orders"
        ]
        assert len(bodies) > 1
        for raw in bodies:
            assert "{{" not in raw
            assert json.loads(raw) == example

    def test_names(self, hostile: tuple[Any, dict[str, bytes]]) -> None:
        """Names of files stay in their folder."""
        assert all(Path(name).name == name and name.isprintable() for name in hostile[1])

    @pytest.mark.node
    @pytest.mark.skipif(
        not (
            os.environ.get("CI")
            or (shutil.which("node") and (NODE / "node_modules" / ".made").exists())
        ),
        reason="needs node and npm",
    )
    def test_scripts(self, hostile: tuple[Any, dict[str, bytes]], tmp_path: Path) -> None:
        """Every script is JavaScript, and Postman's library reads all that there is."""
        (content,) = [each for name, each in hostile[1].items() if "collection" in name]
        (tmp_path / "c.json").write_bytes(content)
        ran = subprocess.run(
            ["node", NODE / "collection.mjs", tmp_path / "c.json"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert ran.stdout == ""

    def test_filled(self) -> None:
        """A value in a script is JSON, and no slot is read into a value."""
        assert filled("\nx(@@a);\n", a=HOSTILE) == [f"x({json.dumps(HOSTILE)});"]
        with pytest.raises(KeyError):
            filled("@@b", a=1)


@pytest.mark.parametrize(
    ("shape", "schema"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"minimum": 1, "exclusiveMinimum": True}, {"exclusiveMinimum": 1}),
        ({"maximum": 1, "exclusiveMaximum": False}, {"maximum": 1}),
        ({"exclusiveMaximum": True}, {}),
        ({"format": "byte", "x-ours": True, "description": "a"}, {}),
        ({"format": "date"}, {"format": "date"}),
        (
            {"properties": {"format": {"type": "string"}, "example": {}, "description": {}}},
            {"properties": {"format": {"type": "string"}, "example": {}, "description": {}}},
        ),
        ({"items": {"$ref": "#/components/schemas/A"}}, {"items": {"$ref": "#/definitions/A"}}),
    ],
)
def test_schema(shape: Any, schema: Any) -> None:
    """A shape of OpenAPI 3.0 is told in the words of JSON Schema, draft 7."""
    assert as_schema(shape) == schema


def test_way() -> None:
    """The way between two statuses is a shortest one, and there may be none."""
    cycle = shipped().lifecycle
    assert cycle is not None
    assert cycle.way("submitted", "closed") == ("acknowledged", "inProgress", "resolved", "closed")
    assert cycle.way("submitted", "submitted") == ()
    assert cycle.way("closed", "submitted") == cycle.way("closed", None) == ()
    narrow = Lifecycle(field="s", initial="a", moves={"a": {"b": ("provider",)}, "b": {}})
    assert (narrow.way("a", "b", "operator"), narrow.way("a", "b")) == ((), ("b",))


def test_unbreakable() -> None:
    """What no value breaks, here a pattern that everything meets, is not broken."""
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string", "pattern": "^", ANNOTATION: cell_of("a", "R")}},
        "required": ["a"],
        ANNOTATION: {"entity": "Order"},
    }
    field = Field(
        name="a",
        shape={"type": "string"},
        entity=None,
        many=False,
        description="",
        requirements={"Order Add": "R"},
    )
    matrix = replace(
        shipped().matrix,
        root="Order",
        processes=(Process(name="Order Add", slug="order-add", operation=None),),
        entities={"Order": {"a": field}},
        conditions=(),
        lifecycle={},
    )
    made = list(defective.broken(Rulebook(matrix, {"order-add": schema}), "order-add"))
    assert [each.code for each in made] == ["required", "null", "type", "unknown_field"]


def cell_of(field: str, code: str) -> dict[str, str]:
    """Return the annotation of a cell."""
    return {"entity": "Order", "field": field, "requirement": code}
