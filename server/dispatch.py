"""How a request reaches its operation: by the long way or by the short one.

The long way is Connexion's: it routes by the document, asks for credentials, checks the media type,
and Dispatch answers before Flask would. Shortcut stands before Connexion and takes a plain request
to one of the two operations that are asked most, since Connexion's layers cost more than answering
does. It decides nothing of its own: whatever is not plain goes the long way, credentials are judged
by the same function, and both ways end in Operations.answer.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from server.errors import Refused
from server.limits import NOTED, send_answer
from server.wire import JSON, Asked, loads, refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.auth import Auth
    from server.limits import App, Receive, Scope, Send
    from server.wire import Operation

_BODIES: Final = frozenset({"POST", "PATCH"})
_JSON: Final = JSON.encode()
#: The operations with a short way: the method, the path behind the base path, and whose it is.
_SHORT: Final = (
    ("GET", "/troubleTicket/(?P<troubleTicketId>[^/]+)", "retrieveTroubleTicket"),
    ("POST", "/troubleTicket", "createTroubleTicket"),
)


class Operations:
    """The operations by operationId; `address` is what stands before the document's paths."""

    def __init__(self, operations: Mapping[str, Operation], address: str) -> None:
        self._operations = operations
        self._address = address

    def __getitem__(self, name: str) -> Operation:
        """Return the function of an operation."""
        return self._operations[name]

    async def answer(  # noqa: PLR0913 - a request, and what has been found out about it
        self,
        name: str,
        operator: str,
        path: Mapping[str, str],
        *,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        """Answer an operator's request to an operation."""
        scope[NOTED].update(operation=name, operator=operator)
        try:
            asked = await self._asked(scope, receive, operator, path)
            answer = await self._operations[name](asked)
        except Refused as refused:
            answer = refusal(refused)
        await send_answer(answer, send)

    async def _asked(
        self, scope: Scope, receive: Receive, operator: str, path: Mapping[str, str]
    ) -> Asked:
        headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            key = name.decode("latin-1")
            text = value.decode("latin-1")
            # A field that stands twice is a list (RFC 9110, section 5.3).
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        body: Any = None
        if scope["method"] in _BODIES:
            raw = (await receive())["body"]
            if not raw:
                raise Refused("invalidBody", "The body is missing.")
            body = loads(raw)
        return Asked(
            operator=operator,
            now=datetime.now(UTC),
            path=path,
            query=scope["query_string"],
            headers=headers,
            body=body,
            media_type=headers.get("content-type", ""),
            base=self._address,
        )


class Dispatch:
    """An ASGI application within Connexion's that answers what Connexion has let pass."""

    def __init__(self, app: App, operations: Operations) -> None:
        self._app = app
        self._operations = operations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request to an operation; let others pass."""
        extensions = scope["extensions"] if scope["type"] == "http" else {}
        name = extensions.get("connexion_routing", {}).get("operation_id")
        if name is None:
            await self._app(scope, receive, send)
            return
        operator = extensions["connexion_context"]["user"]
        path = scope.get("path_params", {})
        await self._operations.answer(name, operator, path, scope=scope, receive=receive, send=send)


class Shortcut:
    """An ASGI application before Connexion's that answers what is plain and asked often."""

    def __init__(self, app: App, operations: Operations, auth: Auth, base: str) -> None:
        self._app = app
        self._operations = operations
        self._auth = auth
        self._short = [
            (method, re.compile(re.escape(base) + path), name) for method, path, name in _SHORT
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a plain request to one of a few operations; let others pass."""
        found = self._found(scope) if scope["type"] == "http" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        name, path = found
        given = [value for key, value in scope["headers"] if key == b"authorization"]
        address = (scope.get("client") or ("", 0))[0]
        try:
            operator = await self._auth.caller(b"".join(given[:1]).decode("latin-1"), address)
        except Refused as refused:
            await send_answer(refusal(refused), send)
            return
        await self._operations.answer(
            name, operator.id, path, scope=scope, receive=receive, send=send
        )

    def _found(self, scope: Scope) -> tuple[str, dict[str, str]] | None:
        """Return the operation that a plain request is for, and the parameters of its path."""
        for method, path, name in self._short:
            if scope["method"] == method and (match := path.fullmatch(scope["path"])) is not None:
                is_plain = method not in _BODIES or (b"content-type", _JSON) in scope["headers"]
                return (name, match.groupdict()) if is_plain else None
        return None
