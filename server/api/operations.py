"""The table of operations: which function does what (`x-does`), and for which side.

Each side of the profile has a document: the operators' or the provider's. The server calls an
operation in three steps, whichever layer received the request: `admit` checks the caller and the
query, the layer reads the body, `answer` parses the body and calls the function.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from server import documents
from server.api.check import Checker
from server.api.events import Outgoing
from server.api.hrefs import Hrefs
from server.api.hub import AnyHub, Hub
from server.api.json_body import loads
from server.api.query import read_parameters
from server.api.ticket_events import Events
from server.api.tickets import Tickets
from server.problems import ApiError
from server.validation import is_small

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from server.api.http import Operation, Request, Response
    from server.config import Config
    from server.profile.model import Profile, Role, Side
    from server.storage.database import Database
    from server.storage.operators import Operator
    from server.validation import Validation


class Calls(NamedTuple):
    """One document: the role of its callers, its base address and its functions by operationId.

    `with_body` and `with_query` list the operations that take a body and query parameters. The
    operations in `public` need no credentials, those in `unparsed` parse their bodies themselves.
    """

    role: Role
    base: str
    functions: Mapping[str, Operation]
    with_body: frozenset[str]
    with_query: frozenset[str]
    public: frozenset[str]
    unparsed: frozenset[str]


class Operations:
    """The operations of all sides by operationId."""

    def __init__(self, validation: Validation, sides: Iterable[Calls]) -> None:
        self._validation = validation
        self._sides = {name: side for side in sides for name in side.functions}

    def __iter__(self) -> Iterator[str]:
        """Iterate over the operationIds."""
        return iter(self._sides)

    def base(self, name: str) -> str:
        """Return the address that the paths of the operation's document begin with."""
        return self._sides[name].base

    def is_public(self, name: str) -> bool:
        """Return whether an operation needs no credentials."""
        return name in self._sides[name].public

    def takes_body(self, name: str) -> bool:
        """Return whether an operation takes a body; the bodies of other requests are not read."""
        return name in self._sides[name].with_body

    def admit(self, name: str, caller: Operator | None, query: bytes) -> None:
        """Check the caller's role, and that no query is sent to an operation without parameters.

        Raises ApiError: accessDenied or invalidQuery.
        """
        side = self._sides[name]
        if not self.is_public(name) and (caller is None or caller.role != side.role):
            raise ApiError("accessDenied")
        if query and name not in side.with_query:
            read_parameters(query)

    async def answer(self, name: str, request: Request) -> Response:
        """Parse the body of a request and call the operation. Raises ApiError."""
        if self.takes_body(name) and name not in self._sides[name].unparsed:
            request = await self._parsed(request)
        return await self._sides[name].functions[name](request)

    async def _parsed(self, request: Request) -> Request:
        """Return a request with its parsed body.

        The raw body is dropped, because both may be large.
        """
        if is_small(request.raw):
            return replace(request, body=loads(request.raw), raw=b"")
        body = await self._validation.run(request.operator, partial(loads, request.raw))
        return replace(request, body=body, raw=b"", is_small=False)


def operations_of(
    store: Database,
    config: Config,
    profile: Profile,
    wake: Callable[[], None],
    validation: Validation,
) -> Operations:
    """Return the operations of all sides; they call `wake` when they enqueue events."""
    events, hrefs = Events(profile), Hrefs(config.path_prefix, profile)
    functions: dict[Role, dict[str, Operation]] = {}
    for side in profile.sides:
        tickets = Tickets(
            store,
            profile,
            side,
            events=events,
            wake=wake,
            validation=validation,
            hrefs=hrefs,
            most=config.max_answer,
        )
        outgoing = Outgoing(store, wake, side)
        functions[side.role] = {
            "list": tickets.list,
            "create": tickets.create,
            "read": tickets.retrieve,
            "change": tickets.patch,
            "delete": tickets.delete,
            "listEvents": outgoing.list,
            "readEvent": outgoing.retrieve,
            "redeliverEvent": outgoing.redeliver,
            "purgeEvents": outgoing.purge,
        }
    hub, any_hub = Hub(store, config, profile.operator, events, wake), AnyHub(store)
    functions["operator"] |= {
        "subscribe": hub.register,
        "readSubscription": hub.retrieve,
        "unsubscribe": hub.unregister,
        "check": Checker(profile.operator.book, config, validation).check,
    }
    if profile.provider is not None:
        functions["provider"] |= {
            "listSubscriptions": any_hub.list,
            "readSubscription": any_hub.retrieve,
            "unsubscribe": any_hub.unregister,
        }
    return Operations(
        validation,
        (_calls(side, functions[side.role], config.path_prefix) for side in profile.sides),
    )


def _calls(side: Side, functions: Mapping[str, Operation], prefix: str) -> Calls:
    """Return the operations of a side by operationId."""
    return Calls(
        role=side.role,
        base=prefix + side.base,
        functions={each.id: functions[each.does] for each in side.operations},
        with_body=documents.with_body(side.document),
        with_query=documents.with_query(side.document),
        public=documents.public(side.document),
        unparsed=frozenset(each.id for each in side.all_of("check")),
    )
