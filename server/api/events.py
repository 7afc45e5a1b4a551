"""The operations on events.

An operator sees and redelivers its own events, the provider all events. A list shows the delivery
state of events. Only the response with a single event contains its body, which has ticket data.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from server.api.http import Response, dumps
from server.api.query import MOST, choice, instants, listed, read_parameters, whole
from server.messages.en import sentence
from server.problems import ApiError
from server.profile.members import OPERATOR
from server.storage import outbox
from server.storage.operators import known
from server.storage.ticket_query import DEFAULT_LIMIT
from server.storage.tickets import moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, RowMapping

    from server.api.http import Request
    from server.profile.model import Side
    from server.storage.database import Database

#: The states of an event in the document.
STATES: Final = ("pending", "delivered", "dead")


class Outgoing:
    """The operations on events. `wake` is called when an event is to be delivered.

    `side` is that of the callers.
    """

    def __init__(self, store: Database, wake: Callable[[], None], side: Side) -> None:
        self._store = store
        self._wake = wake
        self._sees_all = side.role == "provider"
        self._state_id = side.state_id

    def _owner(self, request: Request) -> str | None:
        """Return the operator whose events are visible, None for all."""
        return None if self._sees_all else request.operator

    def _to_json(self, row: RowMapping) -> dict[str, Any]:
        """Return the delivery state of an event, for the provider with its operator."""
        return ({"operator": row["operator"]} if self._sees_all else {}) | _to_json(
            row, self._state_id
        )

    def _with_body(self, row: RowMapping) -> dict[str, Any]:
        return {**self._to_json(row), "event": json.loads(bytes(row["body"]))}

    async def list(self, request: Request) -> Response:
        """List events: 200 with the delivery state of events, newest first."""
        others = (OPERATOR,) if self._sees_all else ()
        given = read_parameters(request.query, "state", *others, "limit")
        state = choice("state", given["state"], STATES) if "state" in given else None
        names = frozenset(listed(OPERATOR, given[OPERATOR])) if OPERATOR in given else None
        most = whole("limit", given.get("limit", str(DEFAULT_LIMIT)), 1, MOST)
        owner = self._owner(request)

        def ask(connection: Connection, _: object) -> list[dict[str, Any]]:
            """Read the events."""
            known(connection, names)
            rows = outbox.listed(connection, state=state, names=names, operator=owner, most=most)
            return [self._to_json(row) for row in rows]

        return Response(status=200, body=dumps(await self._store.scan(request.operator, ask)))

    async def retrieve(self, request: Request) -> Response:
        """Read an event: 200 with one event."""
        read_parameters(request.query)
        number, owner = next(iter(request.path.values())), self._owner(request)
        row = await self._store.read(lambda c: outbox.one(c, number, owner))
        if row is None:
            raise ApiError("notFound")
        return Response(status=200, body=dumps(self._with_body(row)))

    async def redeliver(self, request: Request) -> Response:
        """Redeliver an event: 202 with the event, which waits for another attempt."""
        read_parameters(request.query)
        number, owner = next(iter(request.path.values())), self._owner(request)

        def job(connection: Connection) -> dict[str, Any]:
            """Schedule the event again."""
            is_done = outbox.redeliver(connection, number, owner)
            row = outbox.one(connection, number, owner)
            if row is None:
                raise ApiError("notFound")
            if not is_done:
                raise ApiError("conflict", sentence("event_waits"))
            return self._with_body(row)

        body = await self._store.write(job)
        self._wake()
        return Response(status=202, body=dumps(body))

    async def purge(self, request: Request) -> Response:
        """Purge events: 200 with the number of deleted events."""
        given = read_parameters(request.query, "before")
        if "before" not in given:
            raise ApiError("invalidQuery", sentence("give", name="before"))
        before, _ = instants("before", given["before"])
        purged = await self._store.write(lambda c: outbox.purge(c, before))
        return Response(status=200, body=dumps({"purged": purged}))


def _to_json(row: RowMapping, state_id: str) -> dict[str, Any]:
    """Return the delivery state of an event; `state_id` is the member that names its ticket."""
    members = {
        "id": row["id"],
        state_id: row["ticket"],
        "name": row["name"],
        "state": row["state"],
        "attempts": row["attempts"],
        "raised": moment(row["raised"]),
        # An event that is due at once has been due since it was raised.
        "due": moment(max(row["due"], row["raised"])) if row["state"] == "pending" else None,
        "settled": None if row["settled"] is None else moment(row["settled"]),
        "lastStatus": row["last_status"],
        "lastError": row["last_error"],
    }
    return {name: value for name, value in members.items() if value is not None}
