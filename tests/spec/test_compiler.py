"""From a shape and a code to a property of the compiled schema, keyword by keyword."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.small_spec import Edit, loaded
from ttrules.codes import FORMATS, KINDS, NON_BLANK
from ttrules.spec.compiler import compile_schemas

if TYPE_CHECKING:
    from pathlib import Path

ANY = list(KINDS)
DATE = FORMATS["date"][0]
BASE64 = FORMATS["byte"][0]

#: A code, a shape, and what is compiled from them.
SHAPES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("O", {"type": "string"}, {"type": "string"}),
    ("R", {"type": "string"}, {"type": "string", "pattern": NON_BLANK}),
    ("P", {"type": "string", "maxLength": 5}, {"not": {}}),
    ("-", {"type": "string", "maxLength": 5}, {}),
    ("PD", {"type": "string"}, {"type": "string"}),
    ("R/PD", {"type": "string"}, {"type": "string"}),
    ("O", {}, {}),
    ("R", {}, {"type": ANY, "pattern": NON_BLANK, "minItems": 1}),
    ("R", {"minItems": 0}, {"type": ANY, "minItems": 1, "pattern": NON_BLANK}),
    ("R", {"minItems": 3}, {"type": ANY, "minItems": 3, "pattern": NON_BLANK}),
    # What says nothing about a value is left out.
    ("O", {"type": "integer", "title": "a", "example": 1, "default": 2, "x-a": 3,
           "format": "colour", "readOnly": True, "writeOnly": False, "deprecated": True},
     {"type": "integer"}),
    # Null.
    ("O", {"type": "string", "nullable": True}, {"type": ["string", "null"]}),
    ("O", {"type": "string", "nullable": False}, {"type": "string"}),
    ("R", {"type": "integer", "nullable": True}, {"type": "integer"}),
    ("O", {"enum": ["a"], "nullable": True}, {"enum": ["a"]}),
    ("O", {"type": "string", "enum": ["a"], "nullable": True}, {"type": "string", "enum": ["a"]}),
    ("O", {"nullable": True}, {}),
    ("O", {"type": "string", "enum": ["a", None], "nullable": True},
     {"type": ["string", "null"], "enum": ["a", None]}),
    # Values that are listed are no content when they are blank.
    ("R", {"type": "string", "enum": ["a", "b"]}, {"type": "string", "enum": ["a", "b"]}),
    ("R", {"type": "string", "enum": ["a", " "]},
     {"type": "string", "enum": ["a", " "], "pattern": NON_BLANK}),
    ("R", {"type": "integer", "enum": [1]}, {"type": "integer", "enum": [1]}),
    # Bounds.
    ("O", {"type": "integer", "minimum": 1, "maximum": 2, "multipleOf": 1},
     {"type": "integer", "minimum": 1, "maximum": 2, "multipleOf": 1}),
    ("O", {"type": "number", "minimum": 1, "exclusiveMinimum": True},
     {"type": "number", "exclusiveMinimum": 1}),
    ("O", {"type": "number", "maximum": 1, "exclusiveMaximum": True},
     {"type": "number", "exclusiveMaximum": 1}),
    ("O", {"type": "number", "maximum": 1, "exclusiveMaximum": False},
     {"type": "number", "maximum": 1}),
    ("O", {"type": "number", "exclusiveMaximum": 1}, {"type": "number", "exclusiveMaximum": 1}),
    ("O", {"type": "number", "exclusiveMinimum": True}, {"type": "number"}),
    ("R", {"type": "string", "minLength": 2, "maxLength": 3},
     {"type": "string", "minLength": 2, "maxLength": 3, "pattern": NON_BLANK}),
    # Formats and patterns.
    ("O", {"type": "string", "format": "date"},
     {"type": "string", "format": "date", "pattern": DATE}),
    ("O", {"type": "string", "format": "byte"},
     {"type": "string", "contentEncoding": "base64", "pattern": BASE64}),
    ("O", {"type": "string", "format": "password"}, {"type": "string"}),
    ("O", {"type": "integer", "format": "date"}, {"type": "integer"}),
    ("O", {"type": "number", "format": "int32"},
     {"type": "integer", "format": "int32", "minimum": -(2**31), "maximum": 2**31 - 1}),
    ("O", {"type": "integer", "format": "int32", "minimum": 0, "maximum": 2**40},
     {"type": "integer", "format": "int32", "minimum": 0, "maximum": 2**31 - 1}),
    ("R", {"type": "string", "format": "date", "pattern": "^2"},
     {"type": "string", "format": "date", "pattern": DATE,
      "allOf": [{"pattern": "^2"}, {"pattern": NON_BLANK}]}),
    # Lists.
    ("O", {"type": "array", "items": {"type": "integer", "minimum": 1}, "maxItems": 2},
     {"type": "array", "items": {"type": "integer", "minimum": 1}, "maxItems": 2}),
    ("R", {"type": "array", "items": {"type": "string"}},
     {"type": "array", "items": {"type": "string"}, "minItems": 1}),
    ("R", {"type": "array", "items": {}, "minItems": 2, "uniqueItems": True},
     {"type": "array", "items": {}, "minItems": 2, "uniqueItems": True}),
    ("R", {"type": "array", "items": {}, "minItems": 0},
     {"type": "array", "items": {}, "minItems": 1}),
    ("O", {"type": "array", "items": {"type": "string", "nullable": True}, "nullable": True},
     {"type": ["array", "null"], "items": {"type": ["string", "null"]}}),
    ("R", {"type": "array", "items": {"type": "array", "minItems": 1, "items": {}}},
     {"type": "array", "items": {"type": "array", "items": {}, "minItems": 1}, "minItems": 1}),
    ("O", {"type": "array"}, {"type": "array", "items": {}}),
    # Maps.
    ("R", {"type": "object"}, {"type": "object", "additionalProperties": {}}),
    ("O", {"additionalProperties": {"type": "integer", "nullable": True}, "minProperties": 2},
     {"type": "object", "additionalProperties": {"type": ["integer", "null"]}, "minProperties": 2}),
    ("O", {"type": "object", "additionalProperties": False},
     {"type": "object", "additionalProperties": {}, "maxProperties": 0}),
    # Several types.
    ("R", {"type": ["string", "array", "null"], "maxItems": 3},
     {"type": ["string", "array"], "maxItems": 3, "minItems": 1, "pattern": NON_BLANK}),
    ("O", {"type": ["string", "null"]}, {"type": ["string", "null"]}),
    ("O", {"type": ["string", "integer", "null"]}, {"type": ["string", "integer", "null"]}),
    ("O", {"const": 5}, {"enum": [5]}),
    # allOf.
    ("O", {"allOf": [{"type": "string", "pattern": "a"}, {"pattern": "b", "maxLength": 4}],
           "minLength": 1, "maxLength": 9},
     {"type": "string", "pattern": "a", "allOf": [{"pattern": "b"}], "maxLength": 4,
      "minLength": 1}),
    ("O", {"allOf": [{"type": "number", "multipleOf": 4}, {"type": "integer", "multipleOf": 6}]},
     {"type": "integer", "multipleOf": 12}),
    ("O", {"allOf": [{"multipleOf": 0.5}, {"multipleOf": 0.75}], "type": "number"},
     {"type": "number", "multipleOf": 1.5}),
    ("O", {"allOf": [{"enum": [1, True, "a", None]}, {"enum": ["a", 1.0, True]}]},
     {"enum": [1, True, "a"]}),
    ("O", {"allOf": [{"format": "password"}, {"format": "date"}, {"format": "date"},
                     {"format": "x"}], "type": "string"},
     {"type": "string", "format": "date", "pattern": DATE}),
    ("O", {"allOf": [{"uniqueItems": True}, {"uniqueItems": False}], "type": "array", "items": {}},
     {"type": "array", "items": {}, "uniqueItems": True}),
]  # fmt: skip


def schemas(folder: Path, code: str, shape: dict[str, Any], *more: Edit) -> dict[str, Any]:
    """Return the compiled schemas of parcels whose label has a shape, and a code on Letter Add."""
    spec = loaded(
        folder,
        Edit("openapi", '{type: string, pattern: "^[A-Z]+$"}', json.dumps(shape)),
        Edit("requirements", "label: [O,", f"label: [{code},".replace("[-,", '["-",')),
        *more,
    )
    return compile_schemas(spec)


@pytest.mark.parametrize(("code", "shape", "compiled"), SHAPES)
def test_shape(code: str, shape: dict[str, Any], compiled: dict[str, Any], tmp_path: Path) -> None:
    """A shape is compiled to what it says of a value, and the code to what it asks of content."""
    label = schemas(tmp_path, code, shape)["letter-add"]["properties"]["label"]
    assert label.pop("x-ttrules") == {"cell": "Parcel.label", "requirement": code}
    assert label == compiled


def test_description(tmp_path: Path) -> None:
    """A description is kept, whatever the code."""
    for code in ("R", "O", "P", "-"):
        made = schemas(tmp_path, code, {"type": "string", "description": "As printed."})
        assert made["letter-add"]["properties"]["label"]["description"] == "As printed."


def test_object(tmp_path: Path) -> None:
    """An object has its members, what is required of them, and the cell of where it stands."""
    size = schemas(tmp_path, "O", {})["letter-add"]["properties"]["size"]
    assert size["type"] == "object"
    assert size["required"] == ["width"]
    assert list(size["properties"]) == ["width", "height"]
    assert size["x-ttrules"] == {"entity": "Size", "cell": "Parcel.size", "requirement": "O"}


def test_selecting_value(tmp_path: Path) -> None:
    """The field that selects the process takes the one value that selects it."""
    made = schemas(tmp_path, "O", {})
    assert {slug: each["properties"]["kind"]["enum"] for slug, each in made.items()} == {
        "letter-add": ["letter"],
        "letter-change": ["letter"],
        "box-add": ["box"],
    }


def test_title(tmp_path: Path) -> None:
    """A schema is called by the API, its version and the process."""
    assert schemas(tmp_path, "O", {})["box-add"]["title"] == "Parcels 7: Box Add"


class TestRemoval:
    """Null removes a member in a change, where that is allowed."""

    ALLOWED = Edit("interpretation", "allowed_when: never", "allowed_when: optional_in_both")
    TEXT: dict[str, Any] = {"type": "string"}

    def type_of(self, folder: Path, code: str, *more: Edit) -> Any:
        """Return what type a label takes in Letter Change."""
        made = schemas(folder, code, self.TEXT, *more)["letter-change"]
        return made["properties"]["label"]["type"]

    def test_optional_in_both(self, tmp_path: Path) -> None:
        """It is optional on change, and was optional on add; and it is not immutable."""
        mutable = Edit("interpretation", "{Parcel: [label]}", "{Parcel: [kind]}")
        assert self.type_of(tmp_path, "O", mutable, self.ALLOWED) == ["string", "null"]
        assert self.type_of(tmp_path, "R", mutable, self.ALLOWED) == "string"
        assert self.type_of(tmp_path, "O", self.ALLOWED) == "string"
        assert self.type_of(tmp_path, "O", mutable) == "string"

    def test_below(self, tmp_path: Path) -> None:
        """Below a member that may go, its own members may; in a list, only the list may."""
        made = schemas(tmp_path, "O", self.TEXT, self.ALLOWED)["letter-change"]["properties"]
        assert made["size"]["type"] == ["object", "null"]
        assert made["size"]["properties"]["height"]["type"] == ["integer", "null"]
        assert made["size"]["properties"]["width"]["type"] == "integer"
        assert made["stops"]["type"] == ["array", "null"]
        assert made["stops"]["items"]["type"] == "object"
        assert made["stops"]["items"]["properties"]["code"]["type"] == "string"

    def test_without_a_type(self, tmp_path: Path) -> None:
        """A value of any type may be null, also if values are listed."""
        mutable = Edit("interpretation", "{Parcel: [label]}", "{Parcel: [kind]}")
        for shape, found in (({}, {}), ({"const": 5}, {"enum": [5, None]})):
            made = schemas(tmp_path, "O", shape, mutable, self.ALLOWED)["letter-change"]
            label = made["properties"]["label"]
            assert label.pop("x-ttrules") == {"cell": "Parcel.label", "requirement": "O"}
            assert label == found

    def test_add(self, tmp_path: Path) -> None:
        """On add there is nothing to remove."""
        made = schemas(tmp_path, "O", self.TEXT, self.ALLOWED)["letter-add"]["properties"]
        assert made["size"]["type"] == "object"


class TestConditions:
    """A condition is one keyword in the object that it relates, wherever its test stands."""

    NOTE: dict[str, Any] = {
        "relation": "at_least_one",
        "entity": "Stop",
        "fields": ["code", "sign"],
    }
    WHEN = "    when: {field: weight, of: parent, exists: true}\n"

    def test_without_a_test(self, tmp_path: Path) -> None:
        """Without a test it is in the object itself."""
        made = schemas(tmp_path, "O", {}, Edit("interpretation", self.WHEN, ""))["letter-add"]
        stop = made["properties"]["stops"]["items"]
        assert stop["allOf"] == [
            {"anyOf": [{"required": ["code"]}, {"required": ["sign"]}], "x-ttrules": self.NOTE}
        ]
        assert "allOf" not in made

    def test_of_parent(self, tmp_path: Path) -> None:
        """With a test of the parent it is in the parent, and applies to each item."""
        made = schemas(tmp_path, "O", {})["letter-add"]
        (rule,) = made["allOf"]
        assert rule["if"] == {"required": ["weight"]}
        (below,) = rule["then"]["properties"]["stops"]["items"]["allOf"]
        assert below["x-ttrules"] == {
            **self.NOTE,
            "when": {"of": "parent", "field": "weight", "exists": True},
        }
        assert "allOf" not in made["properties"]["stops"]["items"]

    def test_undetermined(self, tmp_path: Path) -> None:
        """A PD cell that no condition binds is noted in its object, process by process."""
        made = schemas(tmp_path, "R/PD", {})
        assert made["letter-add"]["x-ttrules"] == {"entity": "Parcel", "undetermined": ["label"]}
        assert made["box-add"]["x-ttrules"] == {"entity": "Parcel"}
        stop = made["letter-change"]["properties"]["stops"]["items"]
        assert stop["x-ttrules"] == {"entity": "Stop", "undetermined": ["code", "sign"]}


def test_book(tmp_path: Path) -> None:
    """The book holds what the engine needs beside the schemas, and whatever was decided."""
    book = loaded(tmp_path).to_json()
    assert json.loads(json.dumps(book)) == book
    assert book["root"] == "Parcel"
    assert book["unsupported"] == "warn"
    assert book["selection"] == {"field": "kind", "reason": "A parcel is of a kind."}
    assert book["processes"][1] == {
        "name": "Letter Change",
        "slug": "letter-change",
        "operation": "change",
        "value": "letter",
    }
    assert book["identity"] == ["place", "code"]
    assert book["immutable"] == {"Parcel": ["label"]}
    assert list(book["entities"]) == ["Parcel", "Size", "Stop"]
    assert book["entities"]["Parcel"]["stops"] == {
        "type": "Stop[]",
        "entity": "Stop",
        "many": True,
        "description": "",
        "shape": {"type": "array", "items": {"type": "object"}},
        "requirements": ["O", "O", "O"],
    }
    assert [each["processes"] for each in book["conditions"]] == [["Letter Add"]]
    assert [each["topic"] for each in book["decisions"]] == ["Signs"]
    assert book["lifecycle"]["initial"] == "posted"
