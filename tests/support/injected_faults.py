"""Breaking a valid payload in known ways, by the matrix and the shapes as the oracle reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tests.support.oracle import (
    IDENTIFIED,
    MATRIX,
    PROCESSES,
    UNWANTED,
    _may_remove,
    has_format,
    shape_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

GONE = object()
#: No member of anything, with both characters that a JSON Pointer escapes.
UNKNOWN = "no such/member~"
WRONG: dict[str, list[Any]] = {
    "string": [7, 1.5, True, ["x"], {"x": 1}],
    "integer": ["7", 7.5, False, []],
    "number": ["7", False, []],
    "boolean": ["true", 0, 1, []],
    "array": ["x", {"x": 1}, 3],
    "object": ["x", [], 3],
}
ANY: list[Any] = [None, "", "x", [1], {"a": {}}]


class Spot(NamedTuple):
    """Where a payload can be broken: a field of an object, or a relation on its fields."""

    owner: dict[str, Any]
    entity: str
    at: str
    fields: tuple[str, ...]


def inject(payload: dict[str, Any], process: str, count: int, draw: Random) -> set[tuple[str, str]]:
    """Break a payload, in place, in `count` independent ways; return what is to be found.

    One way more is the same ways and another one, when `draw` is at the same point. There are
    fewer where a payload has no more to break.
    """
    spots = list(_spots(payload, MATRIX["root"], ""))
    draw.shuffle(spots)
    found: set[tuple[str, str]] = set()
    broken: list[str] = []
    for spot in spots:
        here = [f"{spot.at}/{_escaped(name)}" for name in spot.fields]
        if len(found) == count:
            break
        if any(_meet(one, other) for one in here for other in broken):
            continue
        ways = list(_ways(spot, PROCESSES.index(process)))
        if not ways:
            continue
        code = draw.choice(sorted({code for _, code in ways}))
        value = draw.choice([value for value, each in ways if each == code])
        for name in spot.fields:
            if value is GONE:
                spot.owner.pop(name, None)
            else:
                spot.owner[name] = value
        found.add((here[0], code))
        broken += here
    return found


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _meet(one: str, other: str) -> bool:
    return (one + "/").startswith(other + "/") or (other + "/").startswith(one + "/")


def _spots(owner: dict[str, Any], entity: str, at: str) -> Iterator[Spot]:
    """Yield every spot of an object and of what it holds."""
    for name in (*MATRIX["entities"][entity], UNKNOWN):
        yield Spot(owner, entity, at, (name,))
        below = None if name == UNKNOWN else shape_of(entity, name).get("entity")
        value, here = owner.get(name), f"{at}/{name}"
        items = (
            [(f"{here}/{index}", each) for index, each in enumerate(value)]
            if isinstance(value, list)
            else [(here, value)]
        )
        for place, item in items:
            if below is not None and isinstance(item, dict):
                yield from _spots(item, below, place)
    for rule in IDENTIFIED:
        if rule["entity"] == entity:
            yield Spot(owner, entity, at, tuple(rule["fields"]))


def _ways(spot: Spot, column: int) -> Iterator[tuple[Any, str]]:
    """Yield values that are wrong at a spot, each with the code of its finding."""
    name, owner = spot.fields[0], spot.owner
    if name == UNKNOWN:
        yield 1, "unknown_field"
        return
    if spot.fields[1:]:
        yield GONE, "process_dependent"
        return
    code, shape = MATRIX["entities"][spot.entity][name][column], shape_of(spot.entity, name)
    if code in UNWANTED:
        yield from ((value, UNWANTED[code]) for value in ANY)
    elif name in owner:
        if code == "R":
            yield GONE, "required"
        may_be_null = code != "R" and (shape.get("nullable") or "type" not in shape)
        removes = not spot.at and _may_remove(spot.entity, name, column)
        if not (may_be_null or removes):
            yield None, "null"
        yield from _spoilt(shape, code)


def _spoilt(shape: dict[str, Any], code: str) -> Iterator[tuple[Any, str]]:
    kind = shape.get("type")
    for value in WRONG.get(kind or "", ()):
        yield value, "type"
    if code.startswith("R"):
        if kind == "string":
            yield from ((blank, "empty") for blank in ("", "  \t\n", "\u3000\u2009\xa0"))
        elif kind == "array":
            yield [], "empty"
    if "enum" in shape:
        yield "neither of them" if kind == "string" else 10**9, "enum"
        return
    if "format" in shape or "pattern" in shape:
        for text in ("QQ=", "QQ==\n", "Ä===", "#", "a b"):
            if not has_format(text, shape):
                yield text, "format"
        return
    for bound, beyond in (("maximum", (1, 10**30)), ("minimum", (-1, -(10**30)))):
        yield from ((shape[bound] + each, "range") for each in beyond if bound in shape)
    if shape.get("maxLength", 10**6) < 10**6:
        yield "é" * (shape["maxLength"] + 1), "length"
    if shape.get("minLength", 0) > 1:
        yield "é" * (shape["minLength"] - 1), "length"
