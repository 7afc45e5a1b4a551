"""Making valid payloads at random, by the matrix and the shapes as the oracle reads them.

Members come and go, lists have several items or none, texts are of any script and of any length up
to the longest, numbers and days stand at their bounds, and null stands where it removes a member.
"""

from __future__ import annotations

import base64
from random import Random
from typing import Any

from rstr import Rstr

from tests.support.oracle import IDENTIFIED, MATRIX, PROCESSES, _may_remove, shape_of

#: How likely optional members are sent: none, some, most, all.
LIKELY = (0.0, 0.3, 0.7, 1.0)
#: How many items a list has; an optional one may also be empty.
ITEMS = (1, 1, 1, 2, 2, 3, 5)
LETTERS = (
    "abcdefghij KLMNOP 0123456789",
    "éßñç œ Ħ‰€",
    "жλџ αβγ שלום مرحبا",
    "中文 かな 한국",
    "\U0001f4de\U0001f468\u200d\U0001f527 x\u0301 \u202e",
    "\"'\\/~#{}[]<>&\t\n\0\x7f \u2028",
)
#: Valid texts of a format.
SAMPLES = {
    "date-time": ("2026-03-01T09:00:00Z", "2024-02-29T23:59:60.5+01:00"),
    "date": ("2026-03-01", "2024-02-29"),
    "time": ("09:00:00Z", "23:59:59+01:00"),
    "duration": ("P1D", "PT15M"),
    "uuid": ("019ab3f2-7c1d-7000-8000-000000000001",),
    "email": ("a.b@example.com",),
    "hostname": ("a-1.example.com",),
    "ipv4": ("192.0.2.1",),
    "ipv6": ("2001:db8::1",),
    "uri": ("https://example.com/a?b=c#d",),
}
#: Above this a longest text is not written out: it would say no more and take long.
LONGEST = 4_096


def make(process: str, draw: Random) -> dict[str, Any]:
    """Return a valid payload of a process, which has nothing to report."""
    likely = draw.choice(LIKELY)
    return _object(MATRIX["root"], PROCESSES.index(process), likely, draw, is_top=True)


def _object(
    entity: str, column: int, likely: float, draw: Random, *, is_top: bool = False
) -> dict[str, Any]:
    made: dict[str, Any] = {}
    asked = {draw.choice(rule["fields"]) for rule in IDENTIFIED if rule["entity"] == entity}
    for name, codes in MATRIX["entities"][entity].items():
        code = codes[column]
        is_open = code not in {"P", "-"} and draw.random() < likely
        if is_top and is_open and _may_remove(entity, name, column) and draw.random() < 0.05:
            made[name] = None
        elif code == "R" or name in asked or is_open:
            shape = shape_of(entity, name, column)
            made[name] = _value(shape, column, likely, draw, solid=code.startswith("R"))
    return made


def _value(shape: dict[str, Any], column: int, likely: float, draw: Random, *, solid: bool) -> Any:
    if "enum" in shape:
        return draw.choice(shape["enum"])
    match shape.get("type"):
        case "array":
            made: Any = _list(shape, column, likely, draw, solid=solid)
        case "object" if "entity" in shape:
            made = _object(shape["entity"], column, likely, draw)
        case "boolean":
            made = draw.choice((True, False))
        case "integer" | "number":
            made = _number(shape, draw)
        case "string":
            made = _text(shape, draw, solid=solid)
        case _:
            made = draw.choice(("x", 5, {"a": [1]}, [1]))
    return made


def plain(shape: dict[str, Any]) -> Any:
    """Return a valid value of a shape that is not an object: the same one each time."""
    return _value(shape, 0, 0.0, Random(1), solid=True)


def _list(
    shape: dict[str, Any], column: int, likely: float, draw: Random, *, solid: bool
) -> list[Any]:
    least, most = shape.get("minItems", 0), shape.get("maxItems", max(ITEMS))
    count = min(most, max(least, draw.choice(ITEMS if solid else (0, *ITEMS))))
    if "entity" in shape:
        return [_object(shape["entity"], column, likely, draw) for _ in range(count)]
    items = [_value(shape["items"], column, likely, draw, solid=False) for _ in range(count)]
    return items[:least] or items[:1] if shape.get("uniqueItems") else items


def _number(shape: dict[str, Any], draw: Random) -> float:
    step = shape.get("multipleOf", 1)
    lowest = shape.get("minimum", shape.get("maximum", 9) - 9 * step)
    highest = shape.get("maximum", lowest + 9 * step)
    lowest += step * (shape.get("exclusiveMinimum") is True)
    highest -= step * (shape.get("exclusiveMaximum") is True)
    between = draw.randrange(lowest // step * step, highest + 1, step)
    ends = [each for each in (lowest, highest) if each % step == 0]
    numbers: list[float] = [*ends, between, float(between)]
    return draw.choice(numbers)


def _text(shape: dict[str, Any], draw: Random, *, solid: bool) -> str:
    if shape.get("format") == "byte":
        return base64.b64encode(draw.randbytes(draw.randrange(int(solid), 80))).decode()
    if shape.get("format") in SAMPLES:
        return draw.choice(SAMPLES[shape["format"]])
    if "pattern" in shape:
        return str(Rstr(draw).xeger(shape["pattern"]))
    least, most = shape.get("minLength", 0), min(shape.get("maxLength", LONGEST), LONGEST)
    size = draw.choice((1, draw.randint(1, 40), draw.randint(1, 40), most))
    size = max(1, least, min(size, most))
    if size > 40:
        text = draw.choice(draw.choice(LETTERS)) * size
    else:
        text = "".join(draw.choices(draw.choice(LETTERS), k=size))
    if not solid and least == 0:
        return draw.choice((text, text, text, "", " \t"[:most]))
    return text if text.strip() or not solid else f"{text[1:]}x"
