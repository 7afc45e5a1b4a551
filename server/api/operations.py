"""The table of operations: which function answers each operationId, and for which side.

Each document is one side: the operators' or the provider's. The server calls an operation in three
steps, whichever layer received the request: `admit` checks the caller and the query, the layer
reads the body, `answer` parses the body and calls the function.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from server import documents
from server.api import events as event_operations
from server.api.check import Checker
from server.api.hrefs import Hrefs
from server.api.hub import AnyHub, Hub
from server.api.json_body import loads
from server.api.query import read_parameters
from server.api.ticket_events import Events
from server.api.tickets import Tickets
from server.problems import ApiError
from server.validation import is_small
from ttrules.rulebook import shipped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from server.api.http import Operation, Request, Response
    from server.config import Config
    from server.storage.database import Database
    from server.storage.operators import Operator, Role
    from server.validation import Validation


class Side(NamedTuple):
    """One document: the role of its callers, its base address and its functions by operationId.

    `with_body` and `with_query` list the operations that take a body and query parameters. The
    operations in `public` need no credentials and parse their bodies themselves.
    """

    role: Role
    base: str
    functions: Mapping[str, Operation]
    with_body: frozenset[str]
    with_query: frozenset[str]
    public: frozenset[str]


class Operations:
    """The operations of all sides by operationId."""

    def __init__(self, validation: Validation, sides: Iterable[Side]) -> None:
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
        if self.takes_body(name) and not self.is_public(name):
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
    specs: Sequence[Mapping[str, Any]],
    wake: Callable[[], None],
    validation: Validation,
) -> Operations:
    """Return the operations of both documents; they call `wake` when they enqueue events."""
    schemas = specs[0]["components"]["schemas"]
    events = Events(shipped().matrix.lifecycle, schemas)
    hrefs = Hrefs(config.path_prefix, documents.base_path(specs[0]))
    known, most = documents.known(specs[0]), config.max_answer
    shared = events, wake, validation, hrefs
    tickets = Tickets(store, shipped(), *shared, known=known, most=most)
    any_ticket = Tickets(
        store, event_operations.book(), *shared, by="provider", known=known, most=most
    )
    hub, any_hub = Hub(store, config, schemas, events, wake), AnyHub(store)
    own_event = event_operations.Outgoing(store, wake, by="operator")
    event = event_operations.Outgoing(store, wake, by="provider")
    functions: dict[Role, dict[str, Operation]] = {
        "operator": {
            "listTroubleTicket": tickets.list,
            "createTroubleTicket": tickets.create,
            "retrieveTroubleTicket": tickets.retrieve,
            "patchTroubleTicket": tickets.patch,
            "registerListener": hub.register,
            "retrieveListener": hub.retrieve,
            "retrieveListenerById": hub.retrieve,
            "unregisterListener": hub.unregister,
            "unregisterListenerById": hub.unregister,
            "listOwnEvent": own_event.list,
            "retrieveOwnEvent": own_event.retrieve,
            "redeliverOwnEvent": own_event.redeliver,
            "checkTroubleTicket": Checker(shipped(), config, validation).check,
        },
        "provider": {
            "listAnyTroubleTicket": any_ticket.list,
            "retrieveAnyTroubleTicket": any_ticket.retrieve,
            "patchAnyTroubleTicket": any_ticket.patch,
            "listAnyListener": any_hub.list,
            "retrieveAnyListener": any_hub.retrieve,
            "unregisterAnyListener": any_hub.unregister,
            "listEvent": event.list,
            "retrieveEvent": event.retrieve,
            "redeliverEvent": event.redeliver,
            "purgeEvent": event.purge,
        },
    }
    sides = [
        Side(
            role=role,
            base=config.path_prefix + documents.base_path(spec),
            functions=by_name,
            with_body=documents.with_body(spec),
            with_query=documents.with_query(spec),
            public=documents.public(spec),
        )
        for spec, (role, by_name) in zip(specs, functions.items(), strict=True)
    ]
    return Operations(validation, sides)
