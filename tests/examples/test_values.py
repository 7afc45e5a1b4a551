"""Made-up values: they fit their schema, and look like what their field is called."""

from __future__ import annotations

import math
import re
from base64 import b64decode
from random import Random
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from ttrules.codes import FORMATS, NON_BLANK
from ttrules.examples.values import LOOKS, Likeness, realistic
from ttrules.rulebook import shipped

if TYPE_CHECKING:
    from collections.abc import Mapping

BASE64 = {"type": "string", "contentEncoding": "base64", "pattern": FORMATS["byte"][0]}

#: Schemas of plain values, as they are compiled, which some value meets.
SCHEMAS: list[dict[str, Any]] = [
    {},
    {"type": "string"},
    {"type": ["string", "null"]},
    {"type": ["string", "number", "integer", "boolean", "array", "object"], "minItems": 1},
    {"type": "string", "minLength": 200},
    {"type": "string", "maxLength": 3},
    {"type": "string", "maxLength": 0},
    {"type": "string", "minLength": 5, "maxLength": 5},
    {"type": "string", "pattern": NON_BLANK},
    *({"type": "string", "format": name, "pattern": FORMATS[name][0]} for name in ("date", "uuid")),
    {"type": "string", "format": "date-time", "pattern": FORMATS["date-time"][0]},
    {
        "type": "string",
        "format": "date",
        "pattern": FORMATS["date"][0],
        "allOf": [{"pattern": "0"}],
    },
    {"enum": ["a", None, 3]},
    {"type": "string", "enum": ["only"]},
    {"type": "boolean"},
    {"type": "integer"},
    {"type": ["integer", "null"], "minimum": 5, "maximum": 5},
    {"type": "integer", "exclusiveMinimum": 5, "exclusiveMaximum": 7},
    {"type": "integer", "maximum": -1000},
    {"type": "integer", "multipleOf": 7, "minimum": 50, "maximum": 60},
    {"type": "integer", "multipleOf": 0.5, "minimum": 1, "maximum": 2},
    {"type": "number"},
    {"type": "number", "minimum": 0, "maximum": 1},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.001},
    {"type": "number", "minimum": 2.5, "maximum": 2.5},
    {"type": "number", "exclusiveMaximum": -3},
    {"type": "number", "multipleOf": 0.01, "exclusiveMinimum": 0, "maximum": 0.05},
    {"type": "number", "multipleOf": 250, "minimum": 100},
    *({**BASE64, **size} for size in ({}, {"minLength": 1}, {"maxLength": 0}, {"maxLength": 7})),
    {**BASE64, "minLength": 1_000},
    {**BASE64, "minLength": 8, "maxLength": 8},
]

#: Patterns of the kind that a spec may have.
PATTERNS = [
    "^[A-Z]{2}-[0-9]{4}$",
    "^(?:abc|de*|f+?)(x|y)$",
    r"^\d{3}\D\w+\W$",
    "^[^a-z]$",
    "^[^a]b$",
    r"^[^\n\r\u2028\u2029]{3}$",
    "^a.c$",
    r"^[\d]{2}[\D]$",
    r"^[^\W\d]$",
    "^[^A-Za-z0-9]$",
    r"^a\.b\/c$",
    "^x{2,3}y{2,}$",
    "",
]


def drawn(schema: Mapping[str, Any], field: str = "x", times: int = 30) -> list[Any]:
    """Return values that were made for a schema."""
    likeness = Likeness(Random(1))
    return [likeness.value("Thing", field, schema) for _ in range(times)]


@pytest.mark.parametrize("schema", SCHEMAS, ids=repr)
def test_fits(schema: dict[str, Any]) -> None:
    """A value meets its schema, whatever asks for it: type, bound, step, size, format or value."""
    validator = jsonschema.Draft202012Validator(schema)
    for value in drawn(schema):
        assert value is not None
        assert validator.is_valid(value), value


@pytest.mark.parametrize("pattern", PATTERNS)
def test_pattern(pattern: str) -> None:
    """A value matches the pattern that it must match."""
    made = drawn({"type": "string", "pattern": pattern})
    assert all(re.search(pattern, value, re.ASCII) for value in made)
    assert all(value.isprintable() for value in made)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "minLength": 3, "maxLength": 2},
        {"type": "integer", "minimum": 1.2, "maximum": 1.8},
        {"type": "number", "minimum": 2, "maximum": 1},
        {"enum": [None]},
        {"type": "string", "pattern": "^[^ -~ éßłжλ中]$"},
        {**BASE64, "minLength": 5, "maxLength": 7},
    ],
)
def test_none(schema: dict[str, Any]) -> None:
    """If no value is found, none is returned."""
    assert drawn(schema, times=2) == [None, None]


def test_unreadable() -> None:
    """A shape that no engine reads, as a response may have one, gives no value."""
    assert realistic("Thing", "x", {"type": "string", "pattern": "("}) is None


def test_variety() -> None:
    """Values differ where they may, and are spread over their range."""
    whole = drawn({"type": "integer", "minimum": 1, "maximum": 3}, times=60)
    assert set(whole) == {1, 2, 3}
    assert all(type(value) is int for value in whole)
    assert {*drawn({"type": "boolean"})} == {True, False}
    assert {*drawn({"enum": ["a", "b"]})} == {"a", "b"}
    assert len({*drawn({"type": "number", "minimum": 0, "maximum": 1})}) == 9
    assert any(math.modf(value)[0] for value in drawn({"type": "number"}))


def test_content() -> None:
    """Base64 holds a text that can be read."""
    for value in drawn(BASE64):
        assert b64decode(value, validate=True).decode().startswith("Line test ")


def test_same_chance() -> None:
    """All chance is that which is handed in."""
    for schema in SCHEMAS:
        assert drawn(schema) == drawn(schema)


@pytest.mark.parametrize(
    ("field", "pattern"),
    [
        ("@type", "^Thing$"),
        ("@baseType", "^Thing$"),
        ("serialNumber", r"^SN\d{5}$"),
        ("eMail", r"^desk\d{5}@example\.com$"),
        ("phone", r"^\+15550\d{5}$"),
        ("externalId", r"^EXT-\d{5}$"),
        ("url", r"^https://example\.com/Thing/\d{5}$"),
        ("href", r"^/Thing/\d{5}$"),
        ("id", r"^ID-\d{5}$"),
        ("somethingElse", r"^Example \d{5}$"),
    ],
)
def test_looks(field: str, pattern: str) -> None:
    """A text looks like what its field is called."""
    assert all(re.search(pattern, value) for value in drawn({"type": "string"}, field))


def test_every_look() -> None:
    """Each row of the looks is one that some field has, of the shipped rules or named here."""
    rows = [
        f"{entity}.{field}".casefold()
        for entity, fields in shipped().matrix.entities.items()
        for field in fields
    ]
    others = ["site.@referredtype", "desk.email", "desk.phone", "box.unit", "x.y", "role.name"]
    met = {
        next(pattern for pattern, _ in LOOKS if re.search(pattern, about))
        for about in [*rows, *others]
    }
    assert {pattern for pattern, _ in LOOKS} == met
