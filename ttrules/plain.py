"""What JSON is, of what Python can hold: the one check of payloads that knows no rule.

RFC 8259 knows objects with text for keys, arrays, text, finite numbers, true, false and null.
Tuples count as arrays, members of an Enum as their values, Decimals as numbers; everything else
(NaN, bytes, dates, subclasses of str and int, lone surrogates, cycles, nesting without end) is
NotJSON, with its place. Nothing here decides whether a payload is valid.
"""

from __future__ import annotations

import json
import math
from decimal import Decimal
from enum import Enum
from typing import Any, Final, TypeAlias

from ttrules.codes import MAX_DEPTH, pointer
from ttrules.errors import NotJSON

Path: TypeAlias = tuple[str | int, ...]

#: A tree that is to be changed holds no more values than this.
MAX_PARTS: Final = 1_000_000


def to_plain(value: object, path: Path = ()) -> Any:  # noqa: ANN401 - any JSON value
    """Return a copy of `value` made of dict, list, str, int, float, bool and None alone.

    `path` is where the value stands in its payload; depth counts from the payload's top. A part
    that occurs twice in `value` is one part of the copy, so that a small value never makes a huge
    one.
    Raises NotJSON, with the pointer of the first offending part.
    """
    return _plain(value, path, {})[0]


def to_tree(value: object) -> Any:  # noqa: ANN401 - any JSON value
    """Return a plain copy of `value` no part of which is shared, so that it may be changed.

    Raises NotJSON as `to_plain` does, and when the tree would hold more than MAX_PARTS values.
    """
    copy, _, size = _plain(value, (), {})
    if size > MAX_PARTS:
        raise NotJSON("", f"more than {MAX_PARTS} values")
    return json.loads(json.dumps(copy))


#: What one value becomes: its copy, how many levels of arrays and objects, how many values.
_Made: TypeAlias = tuple[Any, int, int]


def _plain(value: object, path: Path, done: dict[int, _Made]) -> _Made:
    if isinstance(value, Enum):
        value = value.value
    kind = type(value)
    if value is None or kind is bool or kind is int:
        return value, 0, 1
    if kind is str:
        return _text(value, path), 0, 1  # type: ignore[arg-type]  # narrowed by kind
    if kind is float or isinstance(value, Decimal):
        return _number(value, path), 0, 1  # type: ignore[arg-type]  # narrowed by kind
    if not isinstance(value, dict | list | tuple):
        raise NotJSON(pointer(path), f"a value of type {kind.__name__} has no JSON form")
    height = done[id(value)][1] if id(value) in done else 1
    if len(path) + height > MAX_DEPTH:
        reason = f"arrays and objects are nested more than {MAX_DEPTH} deep"
        raise NotJSON(pointer(path), reason)
    if id(value) not in done:
        done[id(value)] = _container(value, path, done)
    return done[id(value)]


def _container(
    value: dict[Any, Any] | list[Any] | tuple[Any, ...], path: Path, done: dict[int, _Made]
) -> _Made:
    made: list[_Made] = []
    keys: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
    for key in keys:
        if isinstance(value, dict):
            if type(key) is not str:
                reason = f"a member name of type {type(key).__name__} has no JSON form"
                raise NotJSON(pointer(path), reason)
            _text(key, path)
        made.append(_plain(value[key], (*path, key), done))
    copies = [copy for copy, _, _ in made]
    copy = dict(zip(keys, copies, strict=True)) if isinstance(value, dict) else copies
    height = 1 + max((height for _, height, _ in made), default=0)
    return copy, height, 1 + sum(size for _, _, size in made)


def _text(text: str, path: Path) -> str:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            reason = f"a lone surrogate at character {error.start}"
            raise NotJSON(pointer(path), reason) from None
    return text


def _number(number: float | Decimal, path: Path) -> float:
    if not math.isfinite(number):
        raise NotJSON(pointer(path), "JSON has no NaN and no infinity")
    if isinstance(number, Decimal):
        return int(number) if number == number.to_integral_value() else float(number)
    return number


def value_at(payload: Any, path: Path) -> Any:  # noqa: ANN401 - any JSON value
    """Return the part of `payload` at `path`, members of an Enum as their values."""
    for part in path:
        payload = payload[part]
    return payload.value if isinstance(payload, Enum) else payload
