"""Making valid payloads at random, by the matrix and the shapes as the oracle reads them.

Members come and go, lists have several items or none, texts are of any script and of any length up
to the longest, numbers and days stand at their bounds, and null stands where it removes a member.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from tests.support.oracle import IDENTIFIED, MATRIX, PROCESSES, _may_remove, shape_of

if TYPE_CHECKING:
    from random import Random

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
    match shape["type"]:
        case "array":
            count = draw.choice(ITEMS if solid else (0, *ITEMS))
            return [_object(shape["entity"], column, likely, draw) for _ in range(count)]
        case "object":
            return _object(shape["entity"], column, likely, draw)
        case "integer":
            ends = shape["minimum"], shape["maximum"]
            return draw.choice((*ends, draw.randint(*ends), float(draw.randint(*ends))))
    return _text(shape, draw, solid=solid)


def _text(shape: dict[str, Any], draw: Random, *, solid: bool) -> str:
    most = shape["maxLength"]
    if shape.get("format") == "byte":
        return base64.b64encode(draw.randbytes(draw.randrange(int(solid), 80))).decode()
    size = draw.choice((1, draw.randint(1, 40), draw.randint(1, 40), min(most, LONGEST)))
    if size > 40:
        text = draw.choice(draw.choice(LETTERS)) * size
    else:
        text = "".join(draw.choices(draw.choice(LETTERS), k=size))
    if not solid:
        return draw.choice((text, text, text, "", " \t"))
    return text if text.strip() else f"{text[1:]}x"
