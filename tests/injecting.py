"""Breaking a valid payload in known ways, by the matrix and the shapes as the oracle reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tests.oracle import MATRIX, PROCESSES, _may_remove, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

GONE = object()
WRONG: dict[str, list[Any]] = {
    "string": [7, 1.5, True, ["x"], {"x": 1}],
    "integer": ["7", 7.5, False, []],
    "number": ["7", True, []],
    "array": ["x", {"x": 1}, 3],
    "object": ["x", [], 3],
}


class Defect(NamedTuple):
    """A change of one member of one object, and the finding that it causes.

    `also` names members that go away with it.
    """

    owner: dict[str, Any]
    name: str
    value: Any
    pointer: str
    code: str
    also: tuple[str, ...] = ()


def inject(payload: dict[str, Any], process: str, count: int, draw: Random) -> set[tuple[str, str]]:
    """Break a payload, in place, in up to `count` independent ways; return what is to be found."""
    found: dict[str, str] = {}
    for _ in range(count):
        choices = [
            each
            for each in _defects(payload, "TroubleTicket", "", PROCESSES.index(process))
            if not any(_meet(each.pointer, other) for other in found)
            and not any(_meet(_sibling(each, name), other) for name in each.also for other in found)
        ]
        if not choices:
            break
        chosen = draw.choice(choices)
        if chosen.value is GONE:
            for name in (chosen.name, *chosen.also):
                chosen.owner.pop(name, None)
        else:
            chosen.owner[chosen.name] = chosen.value
        found[chosen.pointer] = chosen.code
        for name in chosen.also:
            found[_sibling(chosen, name)] = ""
    return {(pointer, code) for pointer, code in found.items() if code}


def _sibling(defect: Defect, name: str) -> str:
    return defect.pointer.rpartition("/")[0] + "/" + name


def _meet(one: str, other: str) -> bool:
    return (one + "/").startswith(other + "/") or (other + "/").startswith(one + "/")


def _defects(owner: dict[str, Any], entity: str, at: str, column: int) -> Iterator[Defect]:
    value: Any
    for name, codes in MATRIX["entities"][entity].items():
        here, code, shape = f"{at}/{name}", codes[column], shape_of(entity, name)
        if code in {"P", "-"}:
            finding = "prohibited" if code == "P" else "not_supported"
            for value in (None, "", "x", [1], {"a": {}}):
                yield Defect(owner, name, value, here, finding)
        elif name in owner:
            if code == "R":
                yield Defect(owner, name, GONE, here, "required")
            if at or not _may_remove(entity, name, column):
                yield Defect(owner, name, None, here, "null")
            for value, finding in _spoilt(shape, code):
                yield Defect(owner, name, value, here, finding)
            value = owner[name]
            if isinstance(value, dict) and shape["type"] == "object":
                yield from _defects(value, shape["entity"], here, column)
            elif isinstance(value, list) and shape["type"] == "array":
                for index, item in enumerate(value):
                    if isinstance(item, dict):
                        yield from _defects(item, shape["entity"], f"{here}/{index}", column)
    yield Defect(owner, "no such/member~", 1, f"{at}/no such~1member~0", "unknown_field")
    if entity == "RelatedEntity":
        yield Defect(owner, "id", GONE, f"{at}/id", "process_dependent", ("externalId",))


def _spoilt(shape: dict[str, Any], code: str) -> Iterator[tuple[Any, str]]:
    for value in WRONG[shape["type"]]:
        yield value, "type"
    if code.startswith("R"):
        if shape["type"] == "string":
            yield from ((blank, "empty") for blank in ("", "  \t\n", "\u3000\u2009\xa0"))
        elif shape["type"] == "array":
            yield [], "empty"
    if "enum" in shape:
        yield "neither of them", "enum"
    if shape.get("format") == "date-time":
        yield from ((text, "format") for text in ("yesterday", "2026-02-29T00:00:00Z"))
    elif shape.get("format") == "byte":
        yield from ((text, "format") for text in ("QQ=", "QQ==\n", "Ä==="))
    if "maximum" in shape:
        yield from ((value, "range") for value in (0, 11, -1, 10**30))
    if shape.get("maxLength", 10**6) < 10**6:
        yield "é" * (shape["maxLength"] + 1), "length"
