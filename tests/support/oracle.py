"""The findings on a payload, read directly from spec/: without JSON Schema and without ttrules.

`oracle` is the third reading, which the two engines are compared with. It returns the pointer and
code of each finding. Types, sizes, ranges and choices are those of openapi.yaml, so an edit of
spec/ needs no edit here. Formats other than dates and base64 are read from the table of ttrules.
"""

from __future__ import annotations

import re
from base64 import b64decode
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ttrules.codes import FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterator

SPEC = Path(__file__).parents[2] / "spec"
MATRIX = yaml.safe_load((SPEC / "requirements.yaml").read_text("utf-8"))
SHAPES = yaml.safe_load((SPEC / "openapi.yaml").read_text("utf-8"))["components"]["schemas"]
DECIDED = yaml.safe_load((SPEC / "interpretation.yaml").read_text("utf-8"))
LIFECYCLE = yaml.safe_load((SPEC / "lifecycle.yaml").read_text("utf-8"))
#: The statuses that no move leads from.
FINAL: list[str] = [status for status, moves in LIFECYCLE["moves"].items() if not moves]
PROCESSES: list[str] = MATRIX["processes"]
SELECTED: dict[str, dict[str, str]] = DECIDED["selection"]["processes"]
IDENTIFIED = [each for each in DECIDED["conditions"] if each["relation"] == "at_least_one"]
UNWANTED = {"P": "prohibited", "-": "not_supported"}
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
_DATE_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?"
    r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
)
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
    if shape.get("type") == "object" and "entity" in shape:
        yield from _object(value, shape["entity"], at, column)
    elif value is None:
        if code.startswith("R") or not (shape.get("nullable") or "type" not in shape):
            yield at, "null"
    elif not _is_a(value, shape.get("type")):
        yield at, "type"
    elif code.startswith("R") and (value == [] or _is_blank(value)):
        yield at, "empty"
    elif value not in shape.get("enum", [value]):
        yield at, "enum"
    elif isinstance(value, str):
        if not has_format(value, shape):
            yield at, "format"
        elif not shape.get("minLength", 0) <= len(value) <= shape.get("maxLength", len(value)):
            yield at, "length"
    elif isinstance(value, list):
        yield from _list(value, shape, at, column)
    elif not isinstance(value, (bool, dict)) and not _is_in_range(value, shape):
        yield at, "range"


def _list(
    value: list[Any], shape: dict[str, Any], at: str, column: int
) -> Iterator[tuple[str, str]]:
    texts = [repr(item) for item in value]
    is_unique = not shape.get("uniqueItems") or len(set(texts)) == len(texts)
    if len(value) > shape.get("maxItems", len(value)):
        yield at, "length"  # only this is reported of a list that is too long
        return
    if len(value) < shape.get("minItems", 0) or not is_unique:
        yield at, "length"
    for index, item in enumerate(value):
        if "entity" in shape:
            yield from _object(item, shape["entity"], f"{at}/{index}", column)
        else:
            yield from _value(item, shape.get("items", {}), "O", f"{at}/{index}", column)


@cache
def shape_of(entity: str, field: str, column: int | None = None) -> dict[str, Any]:
    """Return the shape of a field with its reference followed, `entity` added where it is one.

    In a column the field that selects the process has that process's value only.
    """
    shape = _followed(SHAPES[entity]["properties"][field])
    if shape.get("type") == "array":
        items = _followed(shape["items"])
        return {**shape, "items": items, **{k: items[k] for k in ("entity",) if k in items}}
    if column is not None and (entity, field) == (MATRIX["root"], DECIDED["selection"]["field"]):
        return {**shape, "enum": [SELECTED[PROCESSES[column]]["value"]]}
    return shape


def _followed(shape: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in shape:
        return shape
    name = shape["$ref"].rpartition("/")[2]
    if name in MATRIX["entities"]:
        return {"type": "object", "entity": name}
    return _followed(SHAPES[name])


def column_of_add(column: int) -> int:
    """Return the column of the process that adds the tickets which that of a column changes."""
    value = SELECTED[PROCESSES[column]]["value"]
    return next(
        PROCESSES.index(name)
        for name, each in SELECTED.items()
        if (each["operation"], each["value"]) == ("add", value)
    )


@cache
def _may_remove(entity: str, name: str, column: int) -> bool:
    """Say whether null removes a field: O on change and on add, and not immutable."""
    codes, fixed = MATRIX["entities"][entity][name], DECIDED["immutable"]["fields"].get(entity, [])
    if SELECTED[PROCESSES[column]]["operation"] != "change" or name in fixed:
        return False
    return bool(codes[column_of_add(column)] == codes[column] == "O")


def has_format(text: str, shape: dict[str, Any]) -> bool:
    """Say whether a text has the format and matches the pattern of a shape."""
    if "pattern" in shape and re.search(shape["pattern"], text) is None:
        return False
    match shape.get("format"):
        case "byte":
            return _is_base64(text)
        case "date":
            return _is_day(text)
        case "date-time":
            found = _DATE_TIME.fullmatch(text)
            return found is not None and _is_day(found[1])
        case other if other in FORMATS:
            return re.fullmatch(FORMATS[other][0], text) is not None
    return True


def _is_day(text: str) -> bool:
    if re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text) is None:
        return False
    year, month, day = map(int, text.split("-"))
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    longest = (31, 28 + is_leap, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    return 1 <= month <= 12 and 1 <= day <= longest[month - 1]


def _is_in_range(value: float, shape: dict[str, Any]) -> bool:
    lowest, highest = shape.get("minimum", value), shape.get("maximum", value)
    if (shape.get("exclusiveMinimum") is True and value == lowest) or (
        shape.get("exclusiveMaximum") is True and value == highest
    ):
        return False
    is_multiple = "multipleOf" not in shape or value % shape["multipleOf"] == 0
    return bool(lowest <= value <= highest) and is_multiple


def _is_a(value: object, kind: str | None) -> bool:
    if kind is None:
        return True
    if isinstance(value, bool):
        return kind == "boolean"
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
