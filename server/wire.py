"""What a request and an answer are, once HTTP has been taken off them.

An operation is a function from Asked to Answer; it knows no framework. JSON is read here, strictly
(RFC 8259 and what its sections 4, 6 and 8 advise): one value of UTF-8, no member name twice in an
object, no NaN, no text that a database could not hold; and written, as one line.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

import orjson

from server.errors import Refused, error_body
from server.languages import language_of, spoken
from server.sentences import Told

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    from server.languages import Headers

#: Arrays and objects may stand this deep in one another; a ticket needs five.
MAX_DEPTH: Final = 32

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
FORM: Final = "application/x-www-form-urlencoded"

#: How U+0000 is written: a backslash that none before it takes away, and its number.
_NUL: Final = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_BRACKETS: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request to one operation, authenticated.

    `operator` is the id of the operator that asks, `path` the parameters of the path, `query` the
    raw query string, `headers` those of the request by their names in small letters, `body` the
    parsed body (None where there is none), `media_type` its type without parameters. `base` is what
    stands before the paths of the document: the proxy's prefix and the API's base path.
    """

    operator: str
    now: datetime
    path: Mapping[str, str] = field(default_factory=dict)
    query: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    media_type: str = JSON
    base: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is answered: status, headers beside the usual ones, and a body of JSON as bytes."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


Operation: TypeAlias = "Callable[[Asked], Awaitable[Answer]]"


def refusal(refused: Refused, headers: Headers) -> Answer:
    """Return the answer to a request with these headers that is refused, in its language."""
    language = language_of(headers)
    told = {**refused.headers, **spoken(language)}
    return Answer(status=refused.status, headers=told, body=dumps(error_body(refused, language)))


def dumps(value: object) -> bytes:
    """Return a value as one line of JSON."""
    return orjson.dumps(value)


def loads(raw: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value that a body holds. Raises Refused(invalidBody) that says what is wrong."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        _refuse(Told("utf8_at", at=error.start))
    if len(raw) > MAX_DEPTH:
        _refuse_depth(raw)
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        _refuse(Told("json_at", line=error.lineno, column=error.colno))
    except ValueError:  # an integer of thousands of digits
        _refuse(Told("digits"))
    if "\\u" in text or "\0" in text:
        written = json.dumps(value, ensure_ascii=False)
        if _NUL.search(written):
            _refuse(Told("nul"))
        try:
            written.encode()
        except UnicodeEncodeError:
            _refuse(Told("surrogate"))
    return value


def _refuse_depth(raw: bytes) -> None:
    """Refuse deep nesting before anything descends into it."""
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return
    depth = 0
    for match in _BRACKETS.finditer(raw):
        sign = match[0]
        if sign in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                _refuse(Told("depth", most=MAX_DEPTH))
        elif sign in b"]}":
            depth -= 1


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        _refuse(Told("member_once", name=repr(twice[:64])))
    return members


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        _refuse(Told("smaller"))
    return number


def _constant(name: str) -> NoReturn:
    _refuse(Told("constant", name=name))


def _refuse(message: Told) -> NoReturn:
    raise Refused("invalidBody", message)


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_members, parse_float=_finite, parse_constant=_constant
)
