"""`python -m server listen`: a receiver of events to try a sender with.

Connexion mounts the callbacks of the document, so that there is one path for each event that the
document knows; what an event is held against stands in received. How the listener misbehaves on
purpose is decided with the event, and done at the edge: a wait must not hold one of Flask's few
threads, and a connection can only be closed by who has it.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
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

from server import document
from server.errors import BY_STATUS, Refused
from server.limits import NOTED
from server.received import Journal, as_json, as_text
from server.wire import JSON, refusal

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from connexion.lifecycle import ConnexionRequest

    from server.limits import App, Message, Receive, Scope, Send
    from server.received import Received

log = logging.getLogger(__name__)

_LARGEST: Final = 1 << 20
#: How long answers that are under way may take once the listener is told to stop, in seconds.
_PATIENCE: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How events are answered: with which status or none at all (`drop`), and how late.

    `status` is None where an event gets what it deserves. `times` says for how many events this
    holds, None for all.
    """

    status: int | None = None
    delay: float = 0.0
    drop: bool = False
    times: int | None = None


class Listener:
    """What answers events. `say` takes a text for each."""

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
        """Answer the request at hand."""
        request = flask.request
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = request.get_data()
        with self._lock:  # so that what is said is in the order of the count
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
    """Return the listener as an ASGI application, over the document of a listener."""
    app = FlaskApp("server", swagger_ui_options=SwaggerUIOptions(swagger_ui=False))
    app.app.config["MAX_CONTENT_LENGTH"] = _LARGEST
    app.add_api(
        described,
        resolver=Resolver(lambda _: listener.answer),
        validator_map={"body": {}, "response": {}},  # the journal judges bodies
        swagger_ui_options=SwaggerUIOptions(swagger_ui=False, serve_spec=False),
    )
    for kind in (ProblemException, HTTPException, Exception):
        app.add_error_handler(kind, _refused)
    # Built now, so that a document which cannot be mounted stops the start and not a request.
    stack = app.middleware
    stack.app, stack.middleware_stack = stack._build_middleware_stack()  # noqa: SLF001
    return _Edge(app)


async def _refused(request: ConnexionRequest, error: Exception) -> ConnexionResponse:
    """Tell any error in the one shape."""
    status = getattr(error, "status_code", getattr(error, "status", 500))
    if status >= 500:  # noqa: PLR2004
        log.error("the listener failed", exc_info=error)
    answer = refusal(Refused(BY_STATUS.get(status, "notFound")), request.scope["headers"])
    return ConnexionResponse(
        status_code=answer.status,
        headers=dict(answer.headers),
        content_type=JSON,
        body=answer.body,
    )


class _Protocol(H11Protocol):
    """A connection that can be closed by the address of its client."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Note the connection."""
        super().connection_made(transport)
        _OPEN[self.client] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        _OPEN.pop(self.client, None)
        super().connection_lost(exc)


_OPEN: Final[dict[tuple[str, int] | None, asyncio.Transport]] = {}


class _Edge:
    """An ASGI application around the listener's, which does what its manner is."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, late or not at all where that is the manner."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope[NOTED] = {}
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            """Keep a part of the answer."""
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


def run(taken: socket.socket, keys: Sequence[bytes], manner: Manner, *, is_json: bool) -> None:
    """Listen at a socket until told to stop, and say what comes."""
    described = document.listening(document.load())
    listener = Listener(Journal(described, keys), manner, _say, is_json=is_json)
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
    # It ends what is under way, then gives a signal back to whom it belonged to before.
    uvicorn.Server(config).run(sockets=[taken])


def _say(text: str) -> None:
    click.echo(text)
    sys.stdout.flush()
