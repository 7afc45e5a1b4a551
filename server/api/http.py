"""Requests, responses and error responses, independent of any web framework.

An operation is an async function from Request to Response. Bodies are parsed in json_body.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from server.messages.catalogue import language_of, render, spoken
from server.messages.en import token_error
from server.problems import ApiError, error_body
from server.validation import to_json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    from server.messages.catalogue import Headers
    from ttrules.message import Message

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An authenticated request to one operation.

    `operator` is the id of the calling operator, `path` are the path parameters, `query` is the raw
    query string, `headers` have lower-case names. `body` is the parsed body (None without a body),
    `media_type` its type without parameters. `base` comes before the paths of the document: the
    prefix of the proxy and the base path of the API. For an operation without credentials
    `operator` is empty, and the body is not parsed: `raw` contains it. `address` is the address of
    the client. `is_small` says whether the event loop may handle the body itself.
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
class Response:
    """A response: its status, its headers besides the common ones, and its JSON body as bytes."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


Operation: TypeAlias = "Callable[[Request], Awaitable[Response]]"


def refusal(error: ApiError, headers: Headers) -> Response:
    """Return the error response to a request with these headers, in its language."""
    language = language_of(headers)
    added = {**error.headers, **spoken(language)}
    return Response(status=error.status, headers=added, body=dumps(error_body(error, language)))


#: The paths of OAuth 2.0, where errors have the form of RFC 6749.
TOKEN_PATH: Final = "/oauth2/token"  # noqa: S105 - a path
REVOKE_PATH: Final = "/oauth2/revoke"
_OAUTH_PATHS: Final = frozenset({TOKEN_PATH, REVOKE_PATH})
#: The headers that RFC 6749 (section 5.1) requires in every response of the token endpoint.
UNCACHED: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}
#: The OAuth error code and description, by status.
_OAUTH_ERRORS: Final[dict[int, tuple[str, Message]]] = {
    401: ("invalid_client", token_error("unknown")),
    405: ("invalid_request", token_error("method")),
    408: ("invalid_request", token_error("slow")),
    413: ("invalid_request", token_error("large")),
    414: ("invalid_request", token_error("large")),
    415: ("invalid_request", token_error("form", media_type=FORM)),
    429: ("temporarily_unavailable", token_error("wait")),
    431: ("invalid_request", token_error("large")),
    500: ("server_error", token_error("failed")),
    503: ("temporarily_unavailable", token_error("wait")),
}
_OAUTH_ERROR: Final = ("invalid_request", token_error("readable"))


def refusal_at(path: str, error: ApiError, headers: Headers, challenge: str = "") -> Response:
    """Return the error response to a request, in the form that its path requires.

    `challenge` is that of a 401 of the token endpoint.
    """
    if path not in _OAUTH_PATHS:
        return refusal(error, headers)
    code, description = _OAUTH_ERRORS.get(error.status, _OAUTH_ERROR)
    response = oauth_answer(code, description, language_of(headers), challenge, error.status)
    return replace(response, headers={**error.headers, **response.headers})


def oauth_answer(
    code: str, description: Message, language: str, challenge: str, status: int | None = None
) -> Response:
    """Return an OAuth 2.0 error (RFC 6749, section 5.2), by default with the status of its code."""
    status = status or (401 if code == "invalid_client" else 400)
    headers = {**UNCACHED, "Content-Type": JSON, **spoken(language)}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = challenge
    body = {"error": code, "error_description": render(description, language)}
    return Response(status=status, headers=headers, body=dumps(body))


#: Return a value as one line of JSON.
dumps: Final = to_json
