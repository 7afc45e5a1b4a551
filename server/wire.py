"""What a request and an answer are, once HTTP has been taken off them.

An operation is a function from Asked to Answer; it knows no framework. JSON is read here, strictly
(RFC 8259 and what its sections 4, 6 and 8 advise): one value of UTF-8, no member name twice in an
object, no NaN, no text that a database could not hold; and written, as one line. What is wrong with
a body is told with its place: the decoder says only that something is, and the text is looked
through once more for where.
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
from ttrules.codes import path_of
from ttrules.positions import line_and_column, repeated

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
_HALF: Final = re.compile("[\ud800-\udfff]")
_BRACKETS: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{}]', re.DOTALL)
#: A text, or a number or literal name.
_SCALAR: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[^][{},:"\s]++', re.DOTALL)


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


def loads(raw: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value that a body holds.

    Raises Refused(invalidBody) that says what is wrong with it, and at which line and column.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode()
        _refuse(Told("utf8_at", at=error.start), before, len(before))
    if not raw.strip():
        raise Refused("invalidBody", Told("body"))
    if len(raw) > MAX_DEPTH:
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
    if "\\u" in text or "\0" in text:
        written = json.dumps(value, ensure_ascii=False)
        if _NUL.search(written):
            _refuse(Told("nul"), text, _first(text, _holds_nul))
        try:
            written.encode()
        except UnicodeEncodeError:
            _refuse(Told("surrogate"), text, _first(text, _holds_half))
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
                before = raw[: match.start()].decode()
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


def _holds_nul(token: str) -> bool:
    return token[0] == '"' and "\0" in json.loads(token)


def _holds_half(token: str) -> bool:
    return token[0] == '"' and _HALF.search(json.loads(token)) is not None


def _refuse(message: Told, text: str, offset: int) -> NoReturn:
    raise Refused("invalidBody", message, at=line_and_column(text, offset))


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_members, parse_float=_finite, parse_constant=_constant
)
