"""`python -m server listen`: a receiver of events to test a sender with.

Connexion mounts the callbacks of the document, so there is one path for each event type. journal
checks the events. The ASGI layer applies --delay and --drop: a delay must not block one of Flask's
few threads, and only this layer has the connection.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import click
import flask
import uvicorn
from connexion import FlaskApp
from connexion.exceptions import ProblemException
from connexion.lifecycle import ConnexionResponse
from connexion.options import SwaggerUIOptions
from connexion.resolver import Resolver
from starlette.exceptions import HTTPException
from uvicorn.protocols.http.h11_impl import H11Protocol

from server import documents
from server.api.http import JSON, refusal
from server.asgi.limits import NOTED
from server.cli.journal import Journal, as_json, as_text
from server.problems import BY_STATUS, ApiError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from connexion.lifecycle import ConnexionRequest

    from server.asgi.limits import App, Message, Receive, Scope, Send
    from server.cli.journal import Received
    from server.profile.model import Profile

log = logging.getLogger(__name__)

_LARGEST: Final = 1 << 20
#: How long responses in progress may take after a stop signal, in seconds.
_PATIENCE: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How to respond to events: with which status, after which delay, or not at all (`drop`).

    `status` is None for the status that the event deserves. `times` is the number of events to
    which this applies, None for all.
    """

    status: int | None = None
    delay: float = 0.0
    drop: bool = False
    times: int | None = None


class Listener:
    """Responds to events. `say` is called with a text for each event."""

    def __init__(
        self, journal: Journal, manner: Manner, say: Callable[[str], None], *, is_json: bool
    ) -> None:
        self._journal = journal
        self._manner = manner
        self._say = say
        self._as = as_json if is_json else as_text
        self._count = 0
        self._lock = threading.Lock()

    def answer(self) -> flask.Response:
        """Respond to the current request."""
        request = flask.request
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = request.get_data()
        with self._lock:  # so that the output is in the order of the count
            received = self._journal.receive(request.path[1:], headers, body, datetime.now(UTC))
            manner = self._next()
            request.environ["asgi.scope"][NOTED]["manner"] = manner
            response = _response(received, manner)
            self._say(self._as(received, None if manner.drop else response.status_code))
        return response

    def _next(self) -> Manner:
        self._count += 1
        times = self._manner.times
        return self._manner if times is None or self._count <= times else Manner()


def _response(received: Received, manner: Manner) -> flask.Response:
    if manner.status is not None:
        response = flask.Response(status=manner.status)
    elif received.refused is not None:
        answer = refusal(received.refused, flask.request.environ["asgi.scope"]["headers"])
        return flask.Response(answer.body, answer.status, {**answer.headers, "Content-Type": JSON})
    else:
        response = flask.Response(status=201)
    del response.headers["Content-Type"]
    return response


def make(listener: Listener, described: dict[str, Any]) -> App:
    """Return the ASGI application of a listener for its document."""
    app = FlaskApp("server", swagger_ui_options=SwaggerUIOptions(swagger_ui=False))
    app.app.config["MAX_CONTENT_LENGTH"] = _LARGEST
    app.add_api(
        described,
        resolver=Resolver(lambda _: listener.answer),
        validator_map={"body": {}, "response": {}},  # the journal validates bodies
        swagger_ui_options=SwaggerUIOptions(swagger_ui=False, serve_spec=False),
    )
    for kind in (ProblemException, HTTPException, Exception):
        app.add_error_handler(kind, _refused)
    # Built now, so that an invalid document stops the start and not the first request.
    stack = app.middleware
    stack.app, stack.middleware_stack = stack._build_middleware_stack()  # noqa: SLF001 - there is no public way
    return _Edge(app)


async def _refused(request: ConnexionRequest, error: Exception) -> ConnexionResponse:
    """Return any error as an Error object."""
    status = getattr(error, "status_code", getattr(error, "status", 500))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("the listener failed", exc_info=error)
    answer = refusal(ApiError(BY_STATUS.get(status, "notFound")), request.scope["headers"])
    return ConnexionResponse(
        status_code=answer.status,
        headers=dict(answer.headers),
        content_type=JSON,
        body=answer.body,
    )


class _Protocol(H11Protocol):
    """A connection that can be found, and closed, by the address of its client."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Register the connection."""
        super().connection_made(transport)
        _OPEN[self.client] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the connection."""
        _OPEN.pop(self.client, None)
        super().connection_lost(exc)


_OPEN: Final[dict[tuple[str, int] | None, asyncio.Transport]] = {}


class _Edge:
    """An ASGI application around the listener that applies its manner."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a request: at once, after a delay, or not at all."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope[NOTED] = {}
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            """Store a part of the response."""
            messages.append(message)

        await self._app(scope, receive, keep)
        manner = scope[NOTED].get("manner", Manner())
        await asyncio.sleep(manner.delay)
        if manner.drop:
            _OPEN[scope["client"]].abort()
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        for message in messages:
            await send(message)


def run(
    taken: socket.socket, profile: Profile, keys: Sequence[bytes], manner: Manner, *, is_json: bool
) -> None:
    """Listen on a socket until stopped, and print the events."""
    described = documents.listening(profile)
    listener = Listener(Journal(profile, keys), manner, _say, is_json=is_json)
    config = uvicorn.Config(
        make(listener, described),
        http=_Protocol,
        lifespan="on",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_PATIENCE,
    )
    # It finishes the requests in progress, then restores the previous signal handlers.
    uvicorn.Server(config).run(sockets=[taken])


def _say(text: str) -> None:
    click.echo(text)
    sys.stdout.flush()
