"""What a payload owes to a process, read directly from the matrix: no JSON Schema, no ttrules.

`oracle` is the third reading that the two engines are held against. It knows the shipped spec only
and says no more of a finding than its pointer and its code.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

SPEC = Path(__file__).parents[1] / "spec"
MATRIX = yaml.safe_load((SPEC / "requirements.yaml").read_text("utf-8"))
SHAPES = yaml.safe_load((SPEC / "openapi.yaml").read_text("utf-8"))["components"]["schemas"]
DECIDED = yaml.safe_load((SPEC / "interpretation.yaml").read_text("utf-8"))
PROCESSES: list[str] = MATRIX["processes"]
SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(
    map(chr, range(0x2000, 0x200B))
)
TYPES = {"string": str, "integer": int, "number": (int, float), "array": list, "object": dict}


def shape_of(entity: str, field: str) -> dict[str, Any]:
    """Return the shape of a field with its reference followed, `entity` added where it is one."""
    shape: dict[str, Any] = SHAPES[entity]["properties"][field]
    if "$ref" in shape:
        name = shape["$ref"].rpartition("/")[2]
        return {"type": "object", "entity": name} if name in MATRIX["entities"] else SHAPES[name]
    if shape.get("type") == "array":
        return {**shape, "entity": shape["items"]["$ref"].rpartition("/")[2]}
    return shape


def oracle(payload: object, process: str) -> set[tuple[str, str]]:
    """Return the pointer and code of every finding on a payload, warnings included."""
    return set(_object(payload, "TroubleTicket", "", PROCESSES.index(process)))


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
        elif code in {"P", "-"}:
            yield here, "prohibited" if code == "P" else "not_supported"
        elif not (value[name] is None and not at and _may_remove(entity, name, column)):
            yield from _value(value[name], entity, name, here, column)
    for rule in DECIDED["conditions"]:
        one_of = rule["entity"] == entity and rule["relation"] == "at_least_one"
        if one_of and not any(name in value for name in rule["fields"]):
            yield f"{at}/{rule['fields'][0]}", "process_dependent"


def _may_remove(entity: str, name: str, column: int) -> bool:
    is_change, codes = PROCESSES[column].endswith(" Change"), MATRIX["entities"][entity][name]
    fixed = DECIDED["immutable"]["fields"].get(entity, [])
    return is_change and codes[column - 1] == codes[column] == "O" and name not in fixed


def _value(value: Any, entity: str, name: str, at: str, column: int) -> Iterator[tuple[str, str]]:
    shape, code = shape_of(entity, name), MATRIX["entities"][entity][name][column]
    allowed = shape.get("enum", [value])
    if name == "ticketType":
        allowed = [DECIDED["selection"]["processes"][PROCESSES[column]]["value"]]
    if value is None:
        yield at, "null"
    elif isinstance(value, bool) or not _is_a(value, shape["type"]):
        yield at, "type"
    elif (code.startswith("R") and value in ("", [])) or (
        _is_blank(value) and code.startswith("R")
    ):
        yield at, "empty"
    elif value not in allowed:
        yield at, "enum"
    elif "format" in shape and not _is_well_formed(value, shape["format"]):
        yield at, "format"
    elif not isinstance(value, (str, list, dict)):
        if not shape.get("minimum", value) <= value <= shape.get("maximum", value):
            yield at, "range"
    elif len(value) > shape.get("maxLength", shape.get("maxItems", len(value))):
        yield at, "length"
    if isinstance(value, list) and shape.get("type") == "array":
        for index, item in enumerate(value):
            yield from _object(item, shape["entity"], f"{at}/{index}", column)
    elif isinstance(value, dict) and shape.get("type") == "object":
        yield from _object(value, shape["entity"], at, column)


def _is_a(value: object, kind: str) -> bool:
    is_whole = isinstance(value, float) and value.is_integer()
    return isinstance(value, TYPES[kind]) or (kind == "integer" and is_whole)  # type: ignore[arg-type]


def _is_blank(value: object) -> bool:
    return isinstance(value, str) and not value.strip(SPACE)


def _is_well_formed(text: str, form: str) -> bool:
    if form == "byte":
        try:
            return text.isascii() and base64.b64decode(text, validate=True) is not None
        except binascii.Error:
            return False
    if form != "date-time":
        return True
    date_time = r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:)(\d\d)(?:\.\d+)?(?:[Zz]|[+-](\d\d:\d\d))"
    found = re.fullmatch(date_time, text, re.ASCII)
    if found is None:
        return False
    try:
        # A leap second is allowed wherever a second is; the year 0000 is one that datetime lacks.
        day = found[1].replace("0000-", "2000-", 1) if found[1].startswith("0000-") else found[1]
        datetime.fromisoformat(f"{day}T{found[2]}{'59' if found[3] == '60' else found[3]}")
        datetime.fromisoformat(f"2000-01-01T{found[4] or '00:00'}")
    except ValueError:
        return False
    return True
