"""The Flask views of the operations: Flask's request becomes a Request, a Response Flask's.

Connexion has routed the request and checked its credentials when a view runs. The view runs in a
thread, the operation on the event loop of the application's lifespan. Errors are raised, and
`error_response_of`, Connexion's error handler, turns each into the one shape of errors.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from http import HTTPStatus
from inspect import Signature
from typing import TYPE_CHECKING, Final

import flask
from connexion.context import context
from connexion.lifecycle import ConnexionResponse

from server.api.http import JSON, Request, refusal
from server.asgi.limits import NOTED, joined, with_media_types
from server.asgi.routing import MATCH
from server.problems import BY_STATUS, ApiError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from connexion.lifecycle import ConnexionRequest

    from server.api.operations import Operations
    from server.asgi.security import Challenges

    View = Callable[..., flask.Response]

log = logging.getLogger(__name__)
#: The key of the event loop in the state of the application's lifespan.
LOOP: Final = "ttr.loop"


def operation_views(operations: Operations) -> dict[str, View]:
    """Return the view of each operation by operationId."""
    return {name: _view(name, operations) for name in operations}


def _view(name: str, operations: Operations) -> View:
    def view(**path: str) -> flask.Response:
        given, scope = flask.request, flask.request.environ["asgi.scope"]
        if scope[MATCH].operation != name:
            raise ApiError("notFound")  # Flask and the routing table read the path differently
        caller = context.get("token_info", {}).get("operator")
        if caller is not None:
            scope[NOTED]["operator"] = caller.name
        operations.admit(name, caller, given.query_string)
        headers = joined(scope["headers"])  # Flask's do not distinguish - from _ in names
        answer = operations.answer(
            name,
            Request(
                operator=caller.id if caller is not None else "",
                now=datetime.now(UTC),
                path=path,
                query=given.query_string,
                headers=headers,
                media_type=headers.get("content-type", ""),
                base=operations.base(name),
                raw=given.get_data(cache=False) if operations.takes_body(name) else b"",
                address=given.remote_addr or "",
            ),
        )
        response = asyncio.run_coroutine_threadsafe(answer, scope["state"][LOOP]).result()
        headers = {"Content-Type": JSON, **response.headers}
        return flask.Response(response.body, response.status, headers)

    # Connexion passes a view what its signature names: here the parameters of the path only.
    view.__signature__ = Signature()  # type: ignore[attr-defined]  # as functools.wraps sets it
    return view


def mark_end_of_body() -> None:
    """Tell Flask that the server ends the body: a chunked one has no Content-Length."""
    flask.request.environ["wsgi.input_terminated"] = True


def error_response_of(
    challenges: Challenges,
) -> Callable[[ConnexionRequest, Exception], Awaitable[ConnexionResponse]]:
    """Return Connexion's error handler; `challenges` are sent with a 401."""

    async def error_response(request: ConnexionRequest, error: Exception) -> ConnexionResponse:
        """Return the answer to any error, in the one shape of errors."""
        problem = error if isinstance(error, ApiError) else _as_problem(error, challenges)
        problem = with_media_types(problem, request.scope)
        if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR and problem is not error:
            log.error("a request failed", exc_info=error, extra=request.scope[NOTED])
        answer = refusal(problem, request.scope["headers"])
        return ConnexionResponse(
            status_code=answer.status,
            headers=dict(answer.headers),
            content_type=JSON,
            body=answer.body,
        )

    return error_response


def _as_problem(error: Exception, challenges: Challenges) -> ApiError:
    status = getattr(error, "status_code", getattr(error, "status", 500))
    is_unauthorized = status == HTTPStatus.UNAUTHORIZED
    headers = {"WWW-Authenticate": challenges.every} if is_unauthorized else {}
    return ApiError(BY_STATUS.get(status, "notFound"), headers=headers)


class Unparsed:
    """Replaces Connexion's parser and validator of parameters: the operations parse the query."""

    def __init__(self, *_: object, **__: object) -> None:
        """Ignore the parameters of the document."""

    def resolve_path(self, given: Mapping[str, str]) -> Mapping[str, str]:
        """Return the parameters of the path as they are."""
        return given

    def resolve_query(self, _given: object) -> Mapping[str, str]:
        """Return no parameters."""
        return {}

    def validate(self, _scope: object) -> None:
        """Accept any parameters."""
