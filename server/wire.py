"""What a request and an answer are, once HTTP has been taken off them.

An operation is a function from Asked to Answer; it knows no framework. JSON is read here, strictly
(RFC 8259 and what its sections 4, 6 and 8 advise): one value of UTF-8, no member name twice in an
object, no NaN; and written, as one line. What is wrong with a body is told with its place: the
quick parser says only that something is, and a strict one reads the text once more to say where.

What a body may cost is bounded before anything is built: its values are counted in its bytes. No
step takes long without letting other threads run.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

import orjson

from server.errors import Refused, error_body
from server.languages import granting_in, language_of, spoken
from server.sentences import Grant, Told
from ttrules.codes import MAX_DEPTH, MAX_VALUES, path_of
from ttrules.positions import line_and_column, repeated
from ttrules.reading import BOM, coding_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping
    from datetime import datetime

    from server.languages import Headers

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
FORM: Final = "application/x-www-form-urlencoded"

_HALF: Final = re.compile("[\ud800-\udfff]")
#: How much of a body one call looks through.
_STRETCH: Final = 1 << 18
#: What begins a text, or separates or surrounds values.
_SIGN: Final = re.compile(rb'["\[\]{},]')
_REST_OF_TEXT: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_QUOTE: Final = ord('"')
_CLOSING: Final = re.compile(rb"[ \t\r\n]*+[\]}]")
#: Numbers from here on are a float to the quick parser, whole or not (RFC 8259, section 6).
_WIDE: Final = 2**63
#: A text, or the beginning of a number or literal name, which may be too long.
_SCALAR: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[^][{},:"\s]{1,8192}+', re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request to one operation, authenticated.

    `operator` is the id of the operator that asks, `path` the parameters of the path, `query` the
    raw query string, `headers` those of the request by their names in small letters, `body` the
    parsed body (None where there is none), `media_type` its type without parameters. `base` is what
    stands before the paths of the document: the proxy's prefix and the API's base path. Of an
    operation that asks for no credentials `operator` is empty and the body unread; as it was sent
    it is in `raw`. `address` is where the request comes from, and `is_small` says whether the event
    loop may handle the body itself.
    """

    operator: str
    now: datetime
    path: Mapping[str, str] = field(default_factory=dict)
    query: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    media_type: str = JSON
    base: str = ""
    raw: bytes = b""
    address: str = ""
    is_small: bool = True


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


#: The addresses of OAuth 2.0, whose errors have the form of RFC 6749.
TOKEN_PATH: Final = "/oauth2/token"  # noqa: S105 - an address
REVOKE_PATH: Final = "/oauth2/revoke"
_OAUTH_PATHS: Final = frozenset({TOKEN_PATH, REVOKE_PATH})
#: What RFC 6749 (section 5.1) asks for in every answer of the token endpoint.
UNCACHED: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}
#: The challenge of an answer to a client that is not authenticated.
BASIC_CHALLENGE: Final = 'Basic realm="Trouble tickets", charset="UTF-8"'
#: The error code and the description of a refusal there, by its status.
_OAUTH_ERRORS: Final[dict[int, tuple[str, Grant]]] = {
    401: ("invalid_client", Grant("unknown")),
    405: ("invalid_request", Grant("method")),
    408: ("invalid_request", Grant("slow")),
    413: ("invalid_request", Grant("large")),
    414: ("invalid_request", Grant("large")),
    415: ("invalid_request", Grant("form", media_type=FORM)),
    429: ("temporarily_unavailable", Grant("wait")),
    431: ("invalid_request", Grant("large")),
    500: ("server_error", Grant("failed")),
    503: ("temporarily_unavailable", Grant("wait")),
}
_OAUTH_ERROR: Final = ("invalid_request", Grant("readable"))


def refusal_at(path: str, refused: Refused, headers: Headers) -> Answer:
    """Return the answer to a refused request, in the form that its path has for errors."""
    if path not in _OAUTH_PATHS:
        return refusal(refused, headers)
    code, description = _OAUTH_ERRORS.get(refused.status, _OAUTH_ERROR)
    answer = oauth_answer(code, description, language_of(headers), refused.status)
    return replace(answer, headers={**refused.headers, **answer.headers})


def oauth_answer(code: str, description: Grant, language: str, status: int | None = None) -> Answer:
    """Return an error of OAuth 2.0 (RFC 6749, section 5.2), with the usual status of its code."""
    status = status or (401 if code == "invalid_client" else 400)
    headers = {**UNCACHED, "Content-Type": JSON, **spoken(language)}
    if status == 401:  # noqa: PLR2004
        headers["WWW-Authenticate"] = BASIC_CHALLENGE
    body = {"error": code, "error_description": granting_in(description, language)}
    return Answer(status=status, headers=headers, body=dumps(body))


def dumps(value: object) -> bytes:
    """Return a value as one line of JSON."""
    return orjson.dumps(value)


def without_mark(raw: bytes) -> bytes:
    """Return a body without the byte order mark that it may begin with."""
    return raw.removeprefix(BOM)


def loads(raw: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value that a body holds.

    Raises Refused(invalidBody) that says what is wrong with it, and at which line and column, and
    Refused(contentTooLarge) when it has more than MAX_VALUES values.
    """
    raw = without_mark(raw)
    if not raw or raw.isspace():
        raise Refused("invalidBody", Told("body"))
    coding = coding_of(raw)
    if coding is not None:
        raise Refused("invalidBody", Told("coded", coding=coding), at=(1, 1))
    if _most_values(raw) > MAX_VALUES and _values(raw) > MAX_VALUES:
        raise Refused("contentTooLarge", Told("values", most=MAX_VALUES))
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return _strictly(raw)
    return value if _is_faithful(raw, value) else _strictly(raw)


def _most_values(raw: bytes) -> int:
    """Return how many values a body has at most: one, and one for each sign before another."""
    stretches = range(0, len(raw), _STRETCH)
    return 1 + sum(
        raw.count(sign, start, start + _STRETCH)
        for start in stretches
        for sign in (b",", b"[", b"{")
    )


def _values(raw: bytes) -> int:
    """Return how many values a body has; where there are more than MAX_VALUES, one more."""
    values = 1
    for sign, end in _signs(raw):
        if sign == b"," or (sign in b"[{" and _CLOSING.match(raw, end) is None):
            values += 1
            if values > MAX_VALUES:
                break
    return values


def _signs(raw: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield each comma and bracket of a body that is in no text, and the offset behind it.

    Ends where three texts follow one another: no JSON has a name and two values without a sign
    between them.
    """
    at = texts = 0
    while at < len(raw) and texts < 3:  # noqa: PLR2004 - told above
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
    """Return the offset behind a text, `at` being one within it."""
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
    """Say whether the quick parser read a body as the strict one would.

    It keeps the last of several members of one name, reads large whole numbers as floats, and
    nests deeper.
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
            # Each member that was dropped took quotes along.
            is_written = is_escaped and b"\\u0022" in raw
            return not is_written and quotes == raw.count(b'"')
        level = below
    return False


def _strictly(raw: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Return what `loads` does, slowly. Raises Refused(invalidBody)."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode()
        _refuse(Told("utf8_at", at=error.start), before, len(before))
    _refuse_depth(raw)
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        message = Told("json_at", line=error.lineno, column=error.colno)
        raise Refused("invalidBody", message, at=(error.lineno, error.colno)) from None
    except _Odd as odd:
        _refuse(odd.message, text, odd.offset(text))
    except ValueError:  # an integer of thousands of digits
        _refuse(Told("digits"), text, _first(text, _is_too_long))
    if "\\u" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            _refuse(Told("surrogate"), text, _first(text, _holds_half))
    return value


def _refuse_depth(raw: bytes) -> None:
    """Refuse deep nesting before anything descends into it."""
    depth = 0
    for sign, end in _signs(raw):
        if sign in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                before = raw[: end - 1].decode()
                _refuse(Told("depth", most=MAX_DEPTH), before, len(before))
        elif sign in b"]}":
            depth -= 1


class _Odd(Exception):  # noqa: N818 - a statement
    """What the decoder meets and JSON is not; `offset` finds it in the text."""

    def __init__(self, message: Told, offset: Callable[[str], int]) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        message = Told("member_once", name=repr(twice[:64]))
        raise _Odd(message, lambda text: _repeated(text, twice))
    return members


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _Odd(
            Told("smaller"), lambda whole: _first(whole, lambda token: token.startswith(text))
        )
    return number


def _constant(name: str) -> NoReturn:
    raise _Odd(
        Told("constant", name=name), lambda text: _first(text, lambda token: token.startswith(name))
    )


def _repeated(text: str, name: str) -> int:
    """Return where a member name stands for the second time, in an object that ends first."""
    # What stands before the end of that object has been read, so that the walk gets there.
    return next(key.start for at, key in repeated(text) if path_of(at)[-1] == name)


def _first(text: str, is_meant: Callable[[str], bool]) -> int:
    """Return where the first text, number or name stands that is meant."""
    return next(each.start() for each in _SCALAR.finditer(text) if is_meant(each[0]))


def _is_too_long(token: str) -> bool:
    return len(token) - len(token.lstrip("-0123456789")) > sys.get_int_max_str_digits()


def _holds_half(token: str) -> bool:
    return token[0] == '"' and _HALF.search(json.loads(token)) is not None


def _refuse(message: Told, text: str, offset: int) -> NoReturn:
    raise Refused("invalidBody", message, at=line_and_column(text, offset))


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_members, parse_float=_finite, parse_constant=_constant
)
