"""How a request reaches its operation: by the long way or by the short one.

The long way is Connexion's: it routes by the document, asks for credentials, checks the media type,
and Dispatch answers before Flask would. Shortcut stands before Connexion and takes a plain request
to one of the two operations that are asked most, since Connexion's layers cost more than answering
does. It decides nothing of its own: whatever is not plain goes the long way, credentials are judged
by the same function, and both ways end in Operations.answer.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from server.errors import Refused
from server.filtering import read_parameters
from server.limits import NOTED, send_answer
from server.routing import MATCH
from server.validation import is_small
from server.wire import JSON, Asked, loads, refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.auth import Auth
    from server.limits import App, Receive, Scope, Send
    from server.operators import Operator, Role
    from server.routing import Match
    from server.validation import Validation
    from server.wire import Operation

_BODIES: Final = frozenset({"POST", "PATCH"})
_JSON: Final = JSON.encode()
#: The operations with a short way.
_SHORT: Final = frozenset({"retrieveTroubleTicket", "createTroubleTicket"})


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

    def __init__(self, validation: Validation, *sides: Side) -> None:
        self._validation = validation
        self._sides = {name: side for side in sides for name in side.operations}

    def __getitem__(self, name: str) -> Operation:
        """Return the function of an operation."""
        return self._sides[name].operations[name]

    async def answer(
        self,
        match: Match,
        caller: Operator | None,
        *,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        """Answer a request to an operation, if its caller is on the side that may ask it."""
        name = match.operation
        side = self._sides[name]
        is_public = name in side.public
        if caller is not None:
            scope[NOTED]["operator"] = caller.name
        try:
            if not is_public and (caller is None or caller.role != side.role):
                raise Refused("accessDenied")  # noqa: TRY301 - told as every refusal is
            if scope["query_string"] and name not in side.with_query:
                read_parameters(scope["query_string"])
            # The raw body is not kept beside the parsed one: both may be large.
            body, raw, small = None, b"", True
            if is_public and name in side.with_body:
                raw = (await receive())["body"]
            elif caller is not None and name in side.with_body:
                body, small = await self._parsed(caller.id, receive)
            found = match.parameters
            asked = _asked(scope, caller, found, body=body, raw=raw, base=side.address, small=small)
            answer = await side.operations[name](asked)
        except Refused as refused:
            answer = refusal(refused, scope["headers"])
        await send_answer(answer, send)

    async def _parsed(self, owner: str, receive: Receive) -> tuple[Any, bool]:
        """Return the value that a body holds, and whether it is small."""
        raw = (await receive())["body"]
        if is_small(raw):
            return loads(raw), True
        return await self._validation.run(owner, partial(loads, raw)), False


def _asked(  # noqa: PLR0913 - what has been found out about a request
    scope: Scope,
    caller: Operator | None,
    path: Mapping[str, str],
    *,
    body: Any,  # noqa: ANN401 - any JSON value
    raw: bytes,
    base: str,
    small: bool,
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
        is_small=small,
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
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        match: Match = scope[MATCH]
        extensions = scope["extensions"]
        routed = extensions.get("connexion_routing", {}).get("operation_id")
        if (routed or "") != match.operation:
            raise Refused("notFound")  # Connexion read the path differently
        if not match.operation:
            await self._app(scope, receive, send)
            return
        # Who has been let in without credentials was so by the document.
        found = extensions.get("connexion_context", {}).get("token_info") or {}
        caller = found.get("operator")
        await self._operations.answer(match, caller, scope=scope, receive=receive, send=send)


class Shortcut:
    """An ASGI application before Connexion's that answers what is plain and asked often."""

    def __init__(self, app: App, operations: Operations, auth: Auth) -> None:
        self._app = app
        self._operations = operations
        self._auth = auth
        self._short = _SHORT

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a plain request to one of a few operations; let others pass."""
        if scope["type"] != "http" or not self._is_short(scope):
            await self._app(scope, receive, send)
            return
        given = [value for key, value in scope["headers"] if key == b"authorization"]
        try:
            said = b"".join(given[:1]).decode("latin-1")
            caller = await self._auth.caller(said, address_of(scope))
        except Refused as refused:
            await send_answer(refusal(refused, scope["headers"]), send)
            return
        match = scope[MATCH]
        await self._operations.answer(match, caller, scope=scope, receive=receive, send=send)

    def _is_short(self, scope: Scope) -> bool:
        """Say whether a request is plain, and for one of these operations."""
        if scope[MATCH].operation not in self._short:
            return False
        return scope["method"] not in _BODIES or (b"content-type", _JSON) in scope["headers"]
