"""The fast path: an optional layer that answers operations on the event loop.

Connexion and Flask pass each request to a thread and back, which costs more than most operations
do. This layer is in front of them and answers a request with the same functions: the route comes
from the routing table, credentials are checked by `Auth.caller` as in Connexion's security, and
`Operations` does the rest. It passes on every request that it does not recognise: pages, and bodies
without one of the media types of the operation. The setting TTR_FAST_PATH removes the layer; the
answers stay the same.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from server.api.http import Request, refusal
from server.asgi.limits import NOTED, address_of, joined, send_answer, with_media_types
from server.asgi.routing import MATCH
from server.problems import ApiError

if TYPE_CHECKING:
    from server.api.http import Response
    from server.api.operations import Operations
    from server.asgi.limits import App, Receive, Scope, Send
    from server.asgi.routing import Match
    from server.asgi.security import Auth


class FastPath:
    """An ASGI layer before Connexion."""

    def __init__(self, app: App, operations: Operations, auth: Auth) -> None:
        self._app = app
        self._operations = operations
        self._auth = auth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request to an operation; pass all others on."""
        if scope["type"] != "http" or not _is_plain(scope):
            await self._app(scope, receive, send)
            return
        try:
            response = await self._answer(scope, receive)
        except ApiError as error:
            response = refusal(with_media_types(error, scope), scope["headers"])
        await send_answer(response, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        operations, match = self._operations, scope[MATCH]
        name, caller, headers = match.operation, None, joined(scope["headers"])
        if not operations.is_public(name):
            # Connexion reads the first Authorization header only.
            given = (value for key, value in scope["headers"] if key == b"authorization")
            authorization = next(given, b"").decode("latin-1")
            caller = await self._auth.caller(authorization, address_of(scope))
            scope[NOTED]["operator"] = caller.name
        operations.admit(name, caller, scope["query_string"])
        return await operations.answer(
            name,
            Request(
                operator=caller.id if caller is not None else "",
                now=datetime.now(UTC),
                path=match.parameters,
                query=scope["query_string"],
                headers=headers,
                media_type=headers.get("content-type", ""),
                base=operations.base(name),
                raw=(await receive())["body"] if operations.takes_body(name) else b"",
                address=address_of(scope),
            ),
        )


def _is_plain(scope: Scope) -> bool:
    """Return whether a request is for an operation and its media type is one that this takes."""
    match: Match = scope[MATCH]
    types = match.route.media_types.get(scope["method"])
    if not match.operation or types is None:
        return bool(match.operation)
    sent = next((value for key, value in scope["headers"] if key == b"content-type"), b"")
    return sent.decode("latin-1") in types.split(", ")
