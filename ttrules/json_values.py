"""Which Python values are JSON: the one check of payloads that knows no rules.

RFC 8259 knows objects with text for keys, arrays, text, finite numbers, true, false and null.
Tuples count as arrays, members of an Enum as their values, Decimals as numbers; everything else
(NaN, bytes, dates, subclasses of str and int, lone surrogates, cycles, deep nesting) raises NotJSON
with its place. Nothing here decides whether a payload is valid.

No method that a payload's class may override is called: a subclass of dict, list or tuple is read
by its stored items, not by its methods.
"""

from __future__ import annotations

import json
import math
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ttrules.codes import MAX_DEPTH, MAX_VALUES
from ttrules.errors import NotJSON
from ttrules.message import reason
from ttrules.pointers import pointer

if TYPE_CHECKING:
    from ttrules.pointers import Path

#: A JSON value as Python has it. The type is not checked: its parts are read without casts.
JSONValue: TypeAlias = Any
#: A payload with fewer values is validated in one call of an engine.
_FEW_VALUES: Final = 300
#: Python writes no integer of more than 4,300 digits, nor does json.
_MAX_BITS: Final = 14_000

_CONTAINERS: Final = (dict, list, tuple)
_ARRAYS: Final = frozenset({list, tuple})
#: Types of values without parts. A look-up here is quicker than isinstance.
_LEAVES: Final = frozenset({str, int, float, bool, type(None)})
_NOT_FINITE: Final = reason("not_finite")


def to_plain(value: object, path: Path = ()) -> JSONValue:
    """Return a copy of `value` that consists of dict, list, str, int, float, bool and None.

    `path` is the place of the value in its payload; depth counts from the payload's top. A part
    that occurs twice in `value` is one part of the copy, so a small value never becomes a huge one.

    Raises NotJSON with the pointer of the first offending part, or of the whole if it has more than
    MAX_VALUES values.
    """
    return measured(value, path)[0]


def measured(value: object, path: Path = ()) -> tuple[Any, int, int]:
    """Return a plain copy of `value`, its levels of arrays and objects, and its number of values.

    Arguments and errors are those of `to_plain`.
    """
    made = _Copying(path).copied(value, path)
    if made[2] > MAX_VALUES:
        raise NotJSON(pointer(path), reason("too_many", most=MAX_VALUES))
    return made


def to_tree(value: object) -> JSONValue:
    """Return a plain copy of `value` without shared parts, which may be changed.

    Raises NotJSON as `to_plain` does.
    """
    return json.loads(json.dumps(to_plain(value)))


def is_small(value: object) -> bool:
    """Return whether `value` is a small tree of exact dicts, lists and tuples.

    Only types and lengths are read. A value that is not small may be huge but have few parts, so
    `to_plain` copies each part once.
    """
    left = _FEW_VALUES
    parts: list[Any] = [value]
    for part in parts:
        kind = type(part)
        if kind is dict or kind in _ARRAYS:
            left -= len(part)
            if left <= 0:
                return False
            for each in part.values() if kind is dict else part:
                if type(each) not in _LEAVES:
                    parts.append(each)  # noqa: PERF401 - the loop iterates over it
        elif kind not in _LEAVES:
            return False
    return True


def is_shallow(value: object) -> bool:
    """Return whether a small tree (see `is_small`) has no more levels than MAX_DEPTH."""
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            each
            for part in level
            if type(part) not in _LEAVES
            for each in (part.values() if type(part) is dict else part)
        ]
        if not level:
            return True
    return all(type(each) in _LEAVES for each in level)


#: The result for one value: its copy, the levels of arrays and objects, the number of values.
_Made: TypeAlias = tuple[Any, int, int]


class _Copying:
    """The copying of one payload. `top` is its path."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.met = 1
        #: The result for each array or object, by its id. The object is kept, so that no other one
        #: gets the same id.
        self.done: dict[int, tuple[object, _Made]] = {}

    def copied(self, value: JSONValue, path: Path) -> _Made:
        """Return the result for a value at a path. Raises NotJSON."""
        kind = type(value)
        if kind in _LEAVES:
            return _leaf(value, path), 0, 1
        if issubclass(kind, Enum):
            value = _value_of(value, path)
            kind = type(value)
            if kind in _LEAVES:
                return _leaf(value, path), 0, 1
        if kind is Decimal:
            return _of_decimal(value, path), 0, 1
        # By its type, because __class__ can be overridden.
        if not issubclass(kind, _CONTAINERS):
            raise NotJSON(pointer(path), reason("no_form", kind=kind.__name__))
        known = self.done.get(id(value))
        if len(path) + (1 if known is None else known[1][1]) > MAX_DEPTH:
            raise NotJSON(pointer(path), reason("too_deep", most=MAX_DEPTH))
        if known is None:
            make = self._object if issubclass(kind, dict) else self._array
            known = self.done[id(value)] = value, make(value, path)
        return known[1]

    def _object(self, value: dict[Any, Any], path: Path) -> _Made:
        members = list(dict.items(value))
        self._meet(len(members))
        copy, height, size = {}, 0, 1
        for name, each in members:
            if type(name) is not str:
                raise NotJSON(pointer(path), reason("no_name", kind=type(name).__name__))
            _text(name, path)
            if type(each) is str and each.isascii():  # the most frequent case
                copy[name] = each
                size += 1
                continue
            copy[name], levels, values = self.copied(each, (*path, name))
            height, size = max(height, levels), size + values
        return copy, height + 1, size

    def _array(self, value: list[Any] | tuple[Any, ...], path: Path) -> _Made:
        base: Any = list if issubclass(type(value), list) else tuple
        items = base.__getitem__(value, slice(None))
        self._meet(len(items))
        copy, height, size = [], 0, 1
        for index, each in enumerate(items):
            part, levels, values = self.copied(each, (*path, index))
            copy.append(part)
            height, size = max(height, levels), size + values
        return copy, height + 1, size

    def _meet(self, values: int) -> None:
        """Count values before they are copied. Raises NotJSON if there are too many."""
        self.met += values
        if self.met > MAX_VALUES:
            raise NotJSON(pointer(self.top), reason("too_many", most=MAX_VALUES))


def _value_of(member: Enum, path: Path) -> JSONValue:
    """Return the value of a member of an Enum, which may be another member.

    Its class may compute the value, so it may raise or return itself.
    """
    value: Any = member
    try:
        for _ in range(MAX_DEPTH):
            value = value.value
            if not issubclass(type(value), Enum):
                return value
    except Exception as error:
        raise NotJSON(pointer(path), reason("no_form", kind=type(member).__name__)) from error
    raise NotJSON(pointer(path), reason("no_form", kind=type(member).__name__))


def _leaf(value: JSONValue, path: Path) -> JSONValue:
    kind = type(value)
    if kind is str:
        return _text(value, path)
    if kind is int:
        return _integer(value, path)
    if kind is float and not math.isfinite(value):
        raise NotJSON(pointer(path), _NOT_FINITE)
    return value


def _text(text: str, path: Path) -> str:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise NotJSON(pointer(path), reason("surrogate", at=error.start)) from None
    return text


def _integer(number: int, path: Path) -> int:
    if number.bit_length() > _MAX_BITS:
        raise NotJSON(pointer(path), reason("many_digits"))
    return number


def _of_decimal(number: Decimal, path: Path) -> float:
    """Return a Decimal as an int if it is a whole number, else as the nearest fractional float."""
    if not number.is_finite():
        raise NotJSON(pointer(path), _NOT_FINITE)
    nearest = float(number)
    if math.isinf(nearest):
        raise NotJSON(pointer(path), reason("decimal"))
    if number == number.to_integral_value():
        return int(number)
    if nearest.is_integer():
        return math.nextafter(nearest, math.inf if number > nearest else -math.inf)
    return nearest


def exact(value: JSONValue) -> JSONValue:
    """Return a plain value with its numbers as the decimals that are written for them.

    A whole number is an int, another one a Fraction: 0.1 is one tenth, and 1e22 is 10**22.
    """
    if type(value) is float:
        number = Fraction(repr(value))
        return int(number) if number.denominator == 1 else number
    if isinstance(value, dict):
        return {name: exact(each) for name, each in value.items()}
    if isinstance(value, list):
        return [exact(each) for each in value]
    return value


def rounded(number: Fraction) -> int | float:
    """Return a number as an int if it is whole, else as the nearest float."""
    if number.denominator == 1:
        return int(number)
    return float(Decimal(number.numerator) / Decimal(number.denominator))


def size_of(value: object) -> tuple[int, int]:
    """Return the number of values in a plain value, and of characters of text."""
    values = characters = 0
    left = [value]
    while left:
        each = left.pop()
        values += 1
        if isinstance(each, str):
            characters += len(each)
        elif isinstance(each, dict):
            characters += sum(map(len, each))
            left.extend(each.values())
        elif isinstance(each, list):
            left.extend(each)
    return values, characters


def value_at(payload: JSONValue, path: Path) -> JSONValue:
    """Return the part of a plain payload at `path`."""
    for part in path:
        payload = payload[part]
    return payload
