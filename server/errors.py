"""What a request may be refused for, and the one shape in which that is told.

KINDS is the table: a kind's code is stable, its status and sentences are looked up. Refused carries
a kind with what is particular to one request; everything that the server answers with a status
of 400 or more goes through `error_body`, whoever noticed, and is told there in a language. The
shape is TM Forum's Error (TMF630 part 1, error representation) with `violations`, `warnings` and
`findingCount` added. However many findings there are, the body lists MOST_FINDINGS of them at most,
and is no longer than MOST_BYTES.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from server.languages import kind_in, told_in
from server.sentences import Told
from ttrules.languages import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ttrules import Finding

#: How many findings an answer lists, and how long they may be together, in bytes. The rest of an
#: Error needs less than MOST_BYTES leave of 64 KB.
MOST_FINDINGS: Final = 100
MOST_BYTES: Final = 60_000
#: How many characters an answer repeats of a name; a longer one is cut and ends in an ellipsis.
_MOST_CHARACTERS: Final = 1_024


class Kind(NamedTuple):
    """A reason to refuse a request: its HTTP status, and what is told of it."""

    status: int
    reason: str
    message: str


#: Every kind by its code, in the order of the statuses.
KINDS: Final[dict[str, Kind]] = {
    "invalidBody": Kind(400, "The body is not what it should be", "Correct the body."),
    "requirementsNotMet": Kind(
        400, "The ticket does not meet the rules of its process", "Mend each violation listed."
    ),
    "invalidRequest": Kind(400, "The request is not valid HTTP", "Send a valid HTTP/1.1 request."),
    "invalidQuery": Kind(400, "A parameter is not what it should be", "Correct the parameter."),
    "invalidHeader": Kind(400, "A header is not what it should be", "Correct the header."),
    "invalidCallback": Kind(
        400, "The callback's address is not allowed", "Name a public https address."
    ),
    "missingCredentials": Kind(401, "Credentials are missing", "Send Basic or Bearer credentials."),
    "invalidCredentials": Kind(401, "The credentials are not valid", "Send valid credentials."),
    "accessDenied": Kind(403, "This is not allowed", "Ask the wholesaler for access."),
    "notFound": Kind(404, "There is nothing here", "Check the address."),
    "methodNotAllowed": Kind(
        405, "The method is not one for this address", "Use one of the methods in Allow."
    ),
    "notAcceptable": Kind(406, "Nothing acceptable can be sent", "Accept application/json."),
    "requestTimeout": Kind(408, "The request took too long to arrive", "Send it again."),
    "transitionNotAllowed": Kind(
        409,
        "The status of the ticket does not allow this change",
        "Send only changes that `violations` lists as allowed.",
    ),
    "conflict": Kind(409, "The request meets another one", "Try again in a moment."),
    "patchTestFailed": Kind(
        409,
        "A test operation of the JSON Patch failed",
        "Read the ticket again and compute the patch anew.",
    ),
    "preconditionFailed": Kind(
        412, "The ticket has changed since", "Read the ticket again and repeat the change."
    ),
    "contentTooLarge": Kind(413, "The body is too large", "Send less."),
    "uriTooLong": Kind(414, "The query is too long", "Ask for less at a time."),
    "unsupportedMediaType": Kind(
        415, "The body is of a type that is not taken", "Send one of the documented media types."
    ),
    "keyReused": Kind(
        422,
        "The Idempotency-Key was used for another request",
        "Use a new key for each ticket.",
    ),
    "tooManyRequests": Kind(429, "Too many requests", "Wait as long as Retry-After says."),
    "headersTooLarge": Kind(431, "The headers are too large", "Send fewer or shorter headers."),
    "internalError": Kind(500, "The server failed", "Tell the wholesaler the X-Request-Id."),
    "unavailable": Kind(503, "The server is busy", "Try again in a moment."),
}

#: The kind that stands for a status which somebody else has decided on.
BY_STATUS: Final[dict[int, str]] = {
    **{kind.status: code for code, kind in reversed(KINDS.items())},
    401: "invalidCredentials",
    409: "conflict",
}


#: The kinds that are one finding, which says it best.
_FINDINGS: Final = frozenset({"transitionNotAllowed"})


class Refused(Exception):  # noqa: N818 - a statement
    """A request is refused. Equal when code and particulars are.

    `code` is one of KINDS, `message` what to do in this case (None: what the kind says, or, where
    the kind is one finding, what that says), `headers` go along with the answer, `violations` and
    `warnings` are findings of ttrules, `at` is the line and the column of the body, from 1, that it
    is about.
    """

    def __init__(  # noqa: PLR0913 - a table of what may be particular
        self,
        code: str,
        message: Told | None = None,
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


def error_body(refused: Refused, language: str = DEFAULT) -> dict[str, Any]:
    """Return the Error object of a refusal, its sentences in a language."""
    kind = KINDS[refused.code]
    reason, message = kind_in(language, refused.code, kind.reason, kind.message)
    if refused.message is not None:
        message = told_in(refused.message, language)
    elif refused.code in _FINDINGS and refused.violations:
        message = refused.violations[0].message_in(language)
    body: dict[str, Any] = {
        "code": refused.code,
        "reason": reason,
        "message": message,
        "status": str(kind.status),
        "@type": "Error",
    }
    if refused.at is not None:
        body["line"], body["column"] = refused.at
    findings = refused.violations + refused.warnings
    listed = list(fitting(each.to_dict(language) for each in findings))
    violations = len(refused.violations)
    if refused.violations:
        body["violations"] = listed[:violations]
    if refused.warnings:
        body["warnings"] = listed[violations:]
    if len(listed) < len(findings):
        body["findingCount"] = len(findings)
        if refused.message is None:
            told = Told("some_listed", listed=len(listed), count=len(findings))
            body["message"] = told_in(told, language)
    return body


def fitting(findings: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the first findings, as many as an answer may list."""
    left = MOST_BYTES
    for finding in islice(findings, MOST_FINDINGS):
        short = {name: _cut(value) for name, value in finding.items()}
        left -= len(orjson.dumps(short)) + 1
        if left < 0:
            return
        yield short


def _cut(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    is_long = isinstance(value, str) and len(value) > _MOST_CHARACTERS
    return f"{value[:_MOST_CHARACTERS]}…" if is_long else value
