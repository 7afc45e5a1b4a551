"""Parse request bodies strictly (RFC 8259, with the advice of its sections 4, 6 and 8).

A body is one JSON value in UTF-8, without NaN and without two members of the same name in one
object. A fast parser reads every body. If it fails, or if it may have read the body differently, a
strict parser reads the body again and reports the line and column of the error.

The values of a body are counted in its bytes before any object is built. Long bodies are searched
in steps, so that other threads can run in between.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NoReturn

import orjson

from server.messages.en import sentence
from server.problems import ApiError
from ttrules.checking.files import BOM, coding_of
from ttrules.checking.json_text import line_and_column, repeated
from ttrules.codes import MAX_DEPTH, MAX_VALUES
from ttrules.pointers import path_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ttrules.message import Message

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
#: How many bytes of a body one call searches.
_STRETCH: Final = 1 << 18
#: The characters that begin a string, or separate or enclose values.
_SIGN: Final = re.compile(rb'["\[\]{},]')
_REST_OF_TEXT: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_QUOTE: Final = ord('"')
_CLOSING: Final = re.compile(rb"[ \t\r\n]*+[\]}]")
#: From here on the fast parser returns floats for integers (RFC 8259, section 6).
_WIDE: Final = 2**63
#: A string, or the first characters of a number or literal name.
_SCALAR: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[^][{},:"\s]{1,8192}+', re.DOTALL)


def without_mark(raw: bytes) -> bytes:
    """Return a body without a byte order mark."""
    return raw.removeprefix(BOM)


def loads(raw: bytes) -> Any:
    """Return the JSON value of a body.

    Raises ApiError(invalidBody) with the error and its line and column, and
    ApiError(contentTooLarge) for more than MAX_VALUES values.
    """
    raw = without_mark(raw)
    if not raw or raw.isspace():
        raise ApiError("invalidBody", sentence("body"))
    coding = coding_of(raw)
    if coding is not None:
        raise ApiError("invalidBody", sentence("coded", coding=coding), at=(1, 1))
    if _most_values(raw) > MAX_VALUES and _values(raw) > MAX_VALUES:
        raise ApiError("contentTooLarge", sentence("values", most=MAX_VALUES))
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return _parse_strictly(raw)
    return value if _is_faithful(raw, value) else _parse_strictly(raw)


def _most_values(raw: bytes) -> int:
    """Return an upper bound of the number of values: one, plus one for each comma and bracket."""
    stretches = range(0, len(raw), _STRETCH)
    return 1 + sum(
        raw.count(sign, start, start + _STRETCH)
        for start in stretches
        for sign in (b",", b"[", b"{")
    )


def _values(raw: bytes) -> int:
    """Return the number of values of a body, counted up to MAX_VALUES + 1."""
    values = 1
    for sign, end in _signs(raw):
        if sign == b"," or (sign in b"[{" and _CLOSING.match(raw, end) is None):
            values += 1
            if values > MAX_VALUES:
                break
    return values


def _signs(raw: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield each comma and bracket outside strings, and the offset after it.

    Stops after three strings in a row: in valid JSON a comma or bracket follows a name and a value.
    """
    at = texts = 0
    while at < len(raw) and texts < 3:  # noqa: PLR2004 - see above
        match = _SIGN.search(raw, at, at + _STRETCH)
        if match is None:
            at += _STRETCH
        elif match[0] == b'"':
            at = _end_of_text(raw, match.end())
            texts += 1
        else:
            at, texts = match.end(), 0
            yield match[0], at


def _end_of_text(raw: bytes, at: int) -> int:
    """Return the offset after the string that contains the offset `at`."""
    while at < len(raw):
        match = _REST_OF_TEXT.match(raw, at, at + _STRETCH)
        end = at if match is None else match.end()
        if end < len(raw) and raw[end] == _QUOTE:
            return end + 1
        if end == at:  # a backslash ends the body
            break
        at = end
    return len(raw)


def _is_faithful(raw: bytes, value: object) -> bool:
    """Return whether the fast parser read a body as the strict one would.

    The fast parser keeps only the last of several members with the same name, reads large integers
    as floats, and accepts deeper nesting.
    """
    is_escaped = b"\\" in raw
    quotes = 0
    level: list[Any] = [value]
    for depth in range(MAX_DEPTH + 1):
        below: list[Any] = []
        for each in level:
            kind = type(each)
            if kind is str:
                quotes += 2 + (each.count('"') if is_escaped else 0)
            elif depth == MAX_DEPTH and kind in {dict, list}:
                return False
            elif kind is dict:
                quotes += 2 * len(each)
                quotes += sum(name.count('"') for name in each) if is_escaped else 0
                below.extend(each.values())
            elif kind is list:
                below.extend(each)
            elif kind is float and not -_WIDE < each < _WIDE:
                return False
        if not below:
            # A duplicate member that was dropped makes the number of quotes differ.
            is_written = is_escaped and b"\\u0022" in raw
            return not is_written and quotes == raw.count(b'"')
        level = below
    return False


def _parse_strictly(raw: bytes) -> Any:
    """Parse a body with the strict parser. Raises ApiError(invalidBody)."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode()
        _refuse(sentence("utf8_at", at=error.start), before, len(before))
    _refuse_depth(raw)
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        message = sentence("json_at", line=error.lineno, column=error.colno)
        raise ApiError("invalidBody", message, at=(error.lineno, error.colno)) from None
    except _NotJSON as error:
        _refuse(error.message, text, error.offset(text))
    except ValueError:  # an integer of thousands of digits
        _refuse(sentence("digits"), text, _first(text, _is_too_long))
    if "\\u" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            _refuse(sentence("surrogate"), text, _first(text, _has_half))
    return value


def _refuse_depth(raw: bytes) -> None:
    """Reject deep nesting before a parser descends into it. Raises ApiError(invalidBody)."""
    depth = 0
    for sign, end in _signs(raw):
        if sign in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                before = raw[: end - 1].decode()
                _refuse(sentence("depth", most=MAX_DEPTH), before, len(before))
        elif sign in b"]}":
            depth -= 1


class _NotJSON(Exception):
    """The decoder read something that JSON does not allow; `offset` finds it in the text."""

    def __init__(self, message: Message, offset: Callable[[str], int]) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        message = sentence("member_once", name=repr(twice[:64]))
        raise _NotJSON(message, lambda text: _repeated(text, twice))
    return members


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _NotJSON(
            sentence("smaller"), lambda whole: _first(whole, lambda token: token.startswith(text))
        )
    return number


def _constant(name: str) -> NoReturn:
    raise _NotJSON(
        sentence("constant", name=name),
        lambda text: _first(text, lambda token: token.startswith(name)),
    )


def _repeated(text: str, name: str) -> int:
    """Return the offset of a duplicate member name in the first object that ends with one."""
    # The decoder has read everything up to the end of that object, so the walk reaches it.
    return next(key.start for at, key in repeated(text) if path_of(at)[-1] == name)


def _first(text: str, is_meant: Callable[[str], bool]) -> int:
    """Return the offset of the first string, number or name that `is_meant` accepts."""
    return next(each.start() for each in _SCALAR.finditer(text) if is_meant(each[0]))


def _is_too_long(token: str) -> bool:
    return len(token) - len(token.lstrip("-0123456789")) > sys.get_int_max_str_digits()


def _has_half(token: str) -> bool:
    return token[0] == '"' and _SURROGATE.search(json.loads(token)) is not None


def _refuse(message: Message, text: str, offset: int) -> NoReturn:
    raise ApiError("invalidBody", message, at=line_and_column(text, offset))


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_members, parse_float=_finite, parse_constant=_constant
)
