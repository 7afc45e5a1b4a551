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
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from server.errors import Refused
from server.filtering import read_parameters
from server.limits import NOTED, send_answer
from server.wire import JSON, Asked, loads, refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.auth import Auth
    from server.limits import App, Receive, Scope, Send
    from server.operators import Operator, Role
    from server.wire import Operation

_BODIES: Final = frozenset({"POST", "PATCH"})
_JSON: Final = JSON.encode()
#: The operations with a short way: the method, the path behind the base path, and whose it is.
_SHORT: Final = (
    ("GET", "/troubleTicket/(?P<troubleTicketId>[^/]+)", "retrieveTroubleTicket"),
    ("POST", "/troubleTicket", "createTroubleTicket"),
)


class Side(NamedTuple):
    """A document that is mounted: who may ask, what stands before its paths, and what answers.

    `with_body` has the operations that take a body; of others none is looked at. `public` has those
    that anybody may ask; what they are sent is theirs to read. `with_query` has those that take
    parameters of a query; to others any is an error.
    """

    role: Role
    address: str
    operations: Mapping[str, Operation]
    with_body: frozenset[str]
    public: frozenset[str] = frozenset()
    with_query: frozenset[str] = frozenset()


class Operations:
    """The operations of all sides by operationId."""

    def __init__(self, *sides: Side) -> None:
        self._sides = {name: side for side in sides for name in side.operations}

    def __getitem__(self, name: str) -> Operation:
        """Return the function of an operation."""
        return self._sides[name].operations[name]

    async def answer(  # noqa: PLR0913 - a request, and what has been found out about it
        self,
        name: str,
        caller: Operator | None,
        path: Mapping[str, str],
        *,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        """Answer a request to an operation, if its caller is on the side that may ask it."""
        side = self._sides[name]
        is_public = name in side.public
        scope[NOTED]["operation"] = name
        if caller is not None:
            scope[NOTED]["operator"] = caller.id
        try:
            if not is_public and (caller is None or caller.role != side.role):
                raise Refused("accessDenied")  # noqa: TRY301 - told as every refusal is
            if scope["query_string"] and name not in side.with_query:
                read_parameters(scope["query_string"])
            raw = (await receive())["body"] if name in side.with_body else b""
            body = loads(raw) if name in side.with_body and not is_public else None
            asked = _asked(scope, caller, path, body=body, raw=raw, base=side.address)
            answer = await side.operations[name](asked)
        except Refused as refused:
            answer = refusal(refused, scope["headers"])
        await send_answer(answer, send)


def _asked(  # noqa: PLR0913 - what has been found out about a request
    scope: Scope,
    caller: Operator | None,
    path: Mapping[str, str],
    *,
    body: Any,  # noqa: ANN401 - any JSON value
    raw: bytes,
    base: str,
) -> Asked:
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = name.decode("latin-1")
        text = value.decode("latin-1")
        # A field that stands twice is a list (RFC 9110, section 5.3).
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return Asked(
        operator=caller.id if caller is not None else "",
        now=datetime.now(UTC),
        path=path,
        query=scope["query_string"],
        headers=headers,
        body=body,
        media_type=headers.get("content-type", ""),
        base=base,
        raw=raw,
        address=address_of(scope),
    )


def address_of(scope: Scope) -> str:
    """Return where a request comes from."""
    address: str = (scope.get("client") or ("", 0))[0]
    return address


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
        # Who has been let in without credentials was so by the document.
        found = extensions.get("connexion_context", {}).get("token_info") or {}
        caller = found.get("operator")
        path = scope.get("path_params", {})
        await self._operations.answer(name, caller, path, scope=scope, receive=receive, send=send)


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
        try:
            said = b"".join(given[:1]).decode("latin-1")
            caller = await self._auth.caller(said, address_of(scope))
        except Refused as refused:
            await send_answer(refusal(refused, scope["headers"]), send)
            return
        await self._operations.answer(name, caller, path, scope=scope, receive=receive, send=send)

    def _found(self, scope: Scope) -> tuple[str, dict[str, str]] | None:
        """Return the operation that a plain request is for, and the parameters of its path."""
        for method, path, name in self._short:
            if scope["method"] == method and (match := path.fullmatch(scope["path"])) is not None:
                is_plain = method not in _BODIES or (b"content-type", _JSON) in scope["headers"]
                return (name, match.groupdict()) if is_plain else None
        return None
