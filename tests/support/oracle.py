"""What a payload owes to a process, read directly from the matrix: no JSON Schema, no ttrules.

`oracle` is the third reading that the two engines are held against. It knows of the shipped
spec what a payload can reach, and says no more of a finding than its pointer and its code.
"""

from __future__ import annotations

from base64 import b64decode
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

SPEC = Path(__file__).parents[2] / "spec"
MATRIX = yaml.safe_load((SPEC / "requirements.yaml").read_text("utf-8"))
SHAPES = yaml.safe_load((SPEC / "openapi.yaml").read_text("utf-8"))["components"]["schemas"]
DECIDED = yaml.safe_load((SPEC / "interpretation.yaml").read_text("utf-8"))
LIFECYCLE = yaml.safe_load((SPEC / "lifecycle.yaml").read_text("utf-8"))
PROCESSES: list[str] = MATRIX["processes"]
IDENTIFIED = [each for each in DECIDED["conditions"] if each["relation"] == "at_least_one"]
UNWANTED = {"P": "prohibited", "-": "not_supported"}
TYPES: dict[str, type] = {"string": str, "integer": int, "array": list}
SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(
    map(chr, range(0x2000, 0x200B))
)


def oracle(payload: object, process: str) -> set[tuple[str, str]]:
    """Return the pointer and code of every finding on a payload, warnings included."""
    return set(_object(payload, MATRIX["root"], "", PROCESSES.index(process)))


def _object(value: Any, entity: str, at: str, column: int) -> Iterator[tuple[str, str]]:
    if not isinstance(value, dict):
        yield at, "null" if value is None else "type"
        return
    rows = MATRIX["entities"][entity]
    for name in value.keys() - rows.keys():
        yield f"{at}/{name.replace('~', '~0').replace('/', '~1')}", "unknown_field"
    for name, codes in rows.items():
        here, code = f"{at}/{name}", codes[column]
        if name not in value:
            if code == "R":
                yield here, "required"
        elif code in UNWANTED:
            yield here, UNWANTED[code]
        elif value[name] is not None or at or not _may_remove(entity, name, column):
            yield from _value(value[name], shape_of(entity, name, column), code, here, column)
    for rule in IDENTIFIED:
        if rule["entity"] == entity and not any(name in value for name in rule["fields"]):
            yield f"{at}/{rule['fields'][0]}", "process_dependent"


def _value(
    value: Any, shape: dict[str, Any], code: str, at: str, column: int
) -> Iterator[tuple[str, str]]:
    if shape["type"] == "object":
        yield from _object(value, shape["entity"], at, column)
    elif value is None:
        yield at, "null"
    elif isinstance(value, bool) or not _is_a(value, shape["type"]):
        yield at, "type"
    elif code.startswith("R") and (value == [] or _is_blank(value)):
        yield at, "empty"
    elif value not in shape.get("enum", [value]):
        yield at, "enum"
    elif shape.get("format") == "byte" and not _is_base64(value):
        yield at, "format"
    elif not isinstance(value, (str, list)):
        if not shape.get("minimum", value) <= value <= shape.get("maximum", value):
            yield at, "range"
    elif len(value) > shape.get("maxLength", shape.get("maxItems", len(value))):
        yield at, "length"
    # Of a list that is too long only that is reported.
    is_short = isinstance(value, list) and len(value) <= shape.get("maxItems", len(value))
    if shape["type"] == "array" and is_short:
        for index, item in enumerate(value):
            yield from _object(item, shape["entity"], f"{at}/{index}", column)


@cache
def shape_of(entity: str, field: str, column: int | None = None) -> dict[str, Any]:
    """Return the shape of a field with its reference followed, `entity` added where it is one.

    In a column the field that selects the process has that process's value only.
    """
    shape: dict[str, Any] = SHAPES[entity]["properties"][field]
    if "$ref" in shape:
        name = shape["$ref"].rpartition("/")[2]
        return {"type": "object", "entity": name} if name in MATRIX["entities"] else SHAPES[name]
    if shape.get("type") == "array":
        return {**shape, "entity": shape["items"]["$ref"].rpartition("/")[2]}
    if column is not None and (entity, field) == (MATRIX["root"], DECIDED["selection"]["field"]):
        return {**shape, "enum": [DECIDED["selection"]["processes"][PROCESSES[column]]["value"]]}
    return shape


@cache
def _may_remove(entity: str, name: str, column: int) -> bool:
    """Say whether null removes a field: O on change and on add, and not immutable."""
    codes, fixed = MATRIX["entities"][entity][name], DECIDED["immutable"]["fields"].get(entity, [])
    is_change = PROCESSES[column].endswith(" Change")
    return is_change and codes[column - 1] == codes[column] == "O" and name not in fixed


def _is_a(value: object, kind: str) -> bool:
    is_whole = isinstance(value, float) and value.is_integer()
    return isinstance(value, TYPES[kind]) or (kind == "integer" and is_whole)


def _is_blank(value: object) -> bool:
    return isinstance(value, str) and not value.strip(SPACE)


def _is_base64(text: str) -> bool:
    try:
        b64decode(text, validate=True)  # it reads ASCII only
    except ValueError:
        return False
    return len(text) % 4 == 0  # which it does not ask for behind padding
