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
from ttrules.sentences import Said

Path: TypeAlias = tuple[str | int, ...]

#: A payload holds no more values than this; what occurs twice in it counts twice.
MAX_PARTS: Final = 1_000_000
_FEW_PARTS: Final = 10_000
#: Python writes no integer of more than 4,300 digits, nor does json.
_MAX_BITS: Final = 14_000

_CONTAINERS: Final = (dict, list, tuple)
#: Types of nothing but values without parts. A look-up here is quicker than isinstance.
_LEAVES: Final = frozenset({str, int, float, bool, type(None)})
_NOT_FINITE: Final = Said("not_finite")


def to_plain(value: object, path: Path = ()) -> Any:  # noqa: ANN401 - any JSON value
    """Return a copy of `value` made of dict, list, str, int, float, bool and None alone.

    `path` is where the value stands in its payload; depth counts from the payload's top. A part
    that occurs twice in `value` is one part of the copy, so that a small value never makes a huge
    one.
    Raises NotJSON, with the pointer of the first offending part, or of the whole where it holds
    more than MAX_PARTS values.
    """
    copy, _, size = _plain(value, path, {})
    if size > MAX_PARTS:
        raise NotJSON(pointer(path), Said("too_many", most=MAX_PARTS))
    return copy


def to_tree(value: object) -> Any:  # noqa: ANN401 - any JSON value
    """Return a plain copy of `value` no part of which is shared, so that it may be changed.

    Raises NotJSON as `to_plain` does.
    """
    return json.loads(json.dumps(to_plain(value)))


def is_small(value: object) -> bool:
    """Say whether `value` is no more than a small tree, without looking at any of its values.

    What is not, may be a huge one made of few parts; `to_plain` can tell, which sees a part once.
    """
    left, parts = _FEW_PARTS, [value]
    for part in parts:
        if isinstance(part, _CONTAINERS):
            left -= len(part)
            if left <= 0:
                return False
            for each in part.values() if isinstance(part, dict) else part:
                if type(each) not in _LEAVES:
                    parts.append(each)  # noqa: PERF401 - to be met in this very loop
    return True


#: What one value becomes: its copy, how many levels of arrays and objects, how many values.
_Made: TypeAlias = tuple[Any, int, int]


def _plain(value: object, path: Path, done: dict[int, _Made]) -> _Made:
    if isinstance(value, Enum):
        value = value.value
    kind = type(value)
    if value is None or kind is bool:
        return value, 0, 1
    if kind is int:
        return _integer(value, path), 0, 1  # type: ignore[arg-type]  # narrowed by kind
    if kind is str:
        return _text(value, path), 0, 1  # type: ignore[arg-type]  # narrowed by kind
    if kind is float or isinstance(value, Decimal):
        return _number(value, path), 0, 1  # type: ignore[arg-type]  # narrowed by kind
    if not isinstance(value, _CONTAINERS):
        raise NotJSON(pointer(path), Said("no_form", kind=kind.__name__))
    height = done[id(value)][1] if id(value) in done else 1
    if len(path) + height > MAX_DEPTH:
        raise NotJSON(pointer(path), Said("too_deep", most=MAX_DEPTH))
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
                raise NotJSON(pointer(path), Said("no_name", kind=type(key).__name__))
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
            raise NotJSON(pointer(path), Said("surrogate", at=error.start)) from None
    return text


def _integer(number: int, path: Path) -> int:
    if number.bit_length() > _MAX_BITS:
        raise NotJSON(pointer(path), Said("many_digits"))
    return number


def _number(number: float | Decimal, path: Path) -> float:
    if isinstance(number, Decimal):
        return _of_decimal(number, path)
    if not math.isfinite(number):
        raise NotJSON(pointer(path), _NOT_FINITE)
    return number


def _of_decimal(number: Decimal, path: Path) -> float:
    """Return the whole number that a Decimal is, or else the nearest float that is none either."""
    if not number.is_finite():
        raise NotJSON(pointer(path), _NOT_FINITE)
    nearest = float(number)
    if math.isinf(nearest):
        raise NotJSON(pointer(path), Said("decimal"))
    if number == number.to_integral_value():
        return int(number)
    if nearest.is_integer():
        return math.nextafter(nearest, math.inf if number > nearest else -math.inf)
    return nearest


def value_at(payload: Any, path: Path) -> Any:  # noqa: ANN401 - any JSON value
    """Return the part of `payload` at `path`, members of an Enum as their values."""
    for part in path:
        payload = payload[part]
    return payload.value if type(payload) not in _LEAVES and isinstance(payload, Enum) else payload
