"""The kinds of errors that the API answers, and the one shape of an error.

KINDS is the table: a code is stable, and its status, reason and message are looked up. ApiError
contains a code and the details of one request. Every response with a status of 400 or more is made
by `error_body`, in the language of the request. The shape is TM Forum's Error (TMF630 part 1, error
representation) with `violations`, `warnings` and `findingCount` added. The body lists at most
MOST_FINDINGS findings and is never longer than MOST_BYTES allow.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from server.messages.catalogue import kind_in, render
from server.messages.en import sentence
from ttrules.messages.catalogue import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ttrules import Finding
    from ttrules.message import Message

#: How many findings a response lists at most, and their total size in bytes. MOST_BYTES and the
#: rest of an Error fit into 64 KB.
MOST_FINDINGS: Final = 100
MOST_BYTES: Final = 60_000
#: How many characters of a name a response repeats; a longer name is cut and ends in an ellipsis.
_MOST_CHARACTERS: Final = 1_024


class Kind(NamedTuple):
    """A kind of error: its HTTP status, its reason and its usual message."""

    status: int
    reason: str
    message: str


#: Every kind by its code, ordered by status.
KINDS: Final[dict[str, Kind]] = {
    "invalidBody": Kind(400, "Invalid request body", "Correct the request body."),
    "requirementsNotMet": Kind(
        400,
        "The request does not meet the rules of its process",
        "Fix every entry in `violations`.",
    ),
    "invalidRequest": Kind(400, "Invalid HTTP request", "Send a valid HTTP/1.1 request."),
    "invalidQuery": Kind(400, "Invalid query parameter", "Correct the parameter."),
    "invalidHeader": Kind(400, "Invalid header", "Correct the header."),
    "invalidCallback": Kind(400, "Callback URL not allowed", "Use a public https URL."),
    "missingCredentials": Kind(401, "Missing credentials", "Send Basic or Bearer credentials."),
    "invalidCredentials": Kind(401, "Invalid credentials", "Send valid credentials."),
    "accessDenied": Kind(403, "Access denied", "Ask the wholesale operator for access."),
    "notFound": Kind(404, "Resource not found", "Check the URL."),
    "methodNotAllowed": Kind(
        405, "Method not allowed", "Use one of the methods in the Allow header."
    ),
    "notAcceptable": Kind(
        406, "Unsupported Accept header", "Set the Accept header to application/json."
    ),
    "requestTimeout": Kind(
        408, "Request timeout", "Send the request again: it took too long to arrive."
    ),
    "transitionNotAllowed": Kind(
        409,
        "The current status does not allow this change",
        "Send only changes that `violations` lists as allowed.",
    ),
    "conflict": Kind(409, "Conflict with another request", "Retry in a moment."),
    "patchTestFailed": Kind(
        409,
        "A test operation of the JSON Patch failed",
        "Read the resource again and create a new patch.",
    ),
    "preconditionFailed": Kind(
        412, "The resource has changed", "Read the resource again and repeat the change."
    ),
    "contentTooLarge": Kind(413, "Request body too large", "Send a smaller body."),
    "uriTooLong": Kind(414, "Query too long", "Send a shorter query."),
    "unsupportedMediaType": Kind(
        415, "Unsupported media type", "Send one of the documented media types."
    ),
    "keyReused": Kind(
        422, "Idempotency-Key already used for another request", "Use a new key for each request."
    ),
    "tooManyRequests": Kind(
        429, "Too many requests", "Wait for the number of seconds in Retry-After."
    ),
    "headersTooLarge": Kind(431, "Request headers too large", "Send fewer or shorter headers."),
    "internalError": Kind(
        500, "Internal server error", "Report the X-Request-Id to the wholesale operator."
    ),
    "unavailable": Kind(503, "Service unavailable", "Retry in a moment."),
}

#: The kind of an error of which only the status is known.
BY_STATUS: Final[dict[int, str]] = {
    **{kind.status: code for code, kind in reversed(KINDS.items())},
    401: "invalidCredentials",
    409: "conflict",
}


#: The kinds whose message is that of their first finding.
_FINDINGS: Final = frozenset({"transitionNotAllowed"})


class ApiError(Exception):
    """An error response to a request. Two are equal if their code and details are equal.

    `code` is a key of KINDS. `message` says what to do in this case; without it the response has
    the message of the kind or, for a kind of _FINDINGS, of the first finding. `headers` are added
    to the response. `violations` and `warnings` are findings of ttrules. `at` is the line and the
    column in the request body, counted from 1.
    """

    def __init__(
        self,
        code: str,
        message: Message | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        violations: Iterable[Finding] = (),
        warnings: Iterable[Finding] = (),
        at: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.headers = dict(headers or {})
        self.violations = tuple(violations)
        self.warnings = tuple(warnings)
        self.at = at

    @property
    def status(self) -> int:
        """The HTTP status."""
        return KINDS[self.code].status

    def __eq__(self, other: object) -> bool:
        """Compare type and attributes."""
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        """Agree with equality."""
        return hash((type(self), self.code, self.message))


def error_body(error: ApiError, language: str = DEFAULT) -> dict[str, Any]:
    """Return the Error object of an error, with its messages in a language."""
    kind = KINDS[error.code]
    reason, message = kind_in(language, error.code, kind.reason, kind.message)
    if error.message is not None:
        message = render(error.message, language)
    elif error.code in _FINDINGS and error.violations:
        message = error.violations[0].message_in(language)
    body: dict[str, Any] = {
        "code": error.code,
        "reason": reason,
        "message": message,
        "status": str(kind.status),
        "@type": "Error",
    }
    if error.at is not None:
        body["line"], body["column"] = error.at
    findings = error.violations + error.warnings
    listed = list(fitting(each.to_dict(language) for each in findings))
    violations = len(error.violations)
    if error.violations:
        body["violations"] = listed[:violations]
    if error.warnings:
        body["warnings"] = listed[violations:]
    if len(listed) < len(findings):
        body["findingCount"] = len(findings)
        if error.message is None:
            shortened = sentence("some_listed", listed=len(listed), count=len(findings))
            body["message"] = render(shortened, language)
    return body


def fitting(findings: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the first findings, up to the limits of a response."""
    left = MOST_BYTES
    for finding in islice(findings, MOST_FINDINGS):
        short = {name: _cut(value) for name, value in finding.items()}
        left -= len(orjson.dumps(short)) + 1
        if left < 0:
            return
        yield short


def _cut(value: Any) -> Any:
    is_long = isinstance(value, str) and len(value) > _MOST_CHARACTERS
    return f"{value[:_MOST_CHARACTERS]}…" if is_long else value
