"""The provider's rules, and the operations on the events that operators are sent.

An operator sees and redelivers its own events, the provider those of all. A list of events says
what became of them; the body of an event, which has data of the ticket, is answered with one event
only.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from server import outbox
from server.errors import Refused
from server.filtering import MOST, OPERATOR, choice, instants, listed, read_parameters, whole
from server.kept import moment
from server.operators import known
from server.sentences import Told
from server.ticket_query import DEFAULT_LIMIT
from server.wire import Answer, dumps
from ttrules import Book

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, RowMapping

    from server.operators import Role
    from server.store import Store
    from server.wire import Asked

#: What may become of an event, as the document says.
STATES: Final = ("pending", "delivered", "dead")


@cache
def book() -> Book:
    """Return the rules of what the provider may change."""
    return Book.read(Path(__file__).parent / "rules")


class Outgoing:
    """The operations on events, over a store. `wake` is called when there are some to deliver.

    `by` is the side that asks.
    """

    def __init__(self, store: Store, wake: Callable[[], None], *, by: Role) -> None:
        self._store = store
        self._wake = wake
        self._sees_all = by == "provider"

    def _owner(self, asked: Asked) -> str | None:
        """Return whose events may be seen, None for those of all."""
        return None if self._sees_all else asked.operator

    def _told(self, row: RowMapping) -> dict[str, Any]:
        """Return what became of an event, as this side sees it."""
        return ({"operator": row["operator"]} if self._sees_all else {}) | _told(row)

    def _whole(self, row: RowMapping) -> dict[str, Any]:
        return {**self._told(row), "event": json.loads(bytes(row["body"]))}

    async def list(self, asked: Asked) -> Answer:
        """GET /event: 200 with what became of events, the newest first."""
        others = (OPERATOR,) if self._sees_all else ()
        given = read_parameters(asked.query, "state", *others, "limit")
        state = choice("state", given["state"], STATES) if "state" in given else None
        names = frozenset(listed(OPERATOR, given[OPERATOR])) if OPERATOR in given else None
        most = whole("limit", given.get("limit", str(DEFAULT_LIMIT)), 1, MOST)
        owner = self._owner(asked)

        def ask(connection: Connection, _: object) -> list[dict[str, Any]]:
            """Read the events."""
            known(connection, names)
            rows = outbox.listed(connection, state=state, names=names, operator=owner, most=most)
            return [self._told(row) for row in rows]

        return Answer(status=200, body=dumps(await self._store.scan(asked.operator, ask)))

    async def retrieve(self, asked: Asked) -> Answer:
        """GET /event/{id}: 200 with one event."""
        read_parameters(asked.query)
        number, owner = asked.path["eventId"], self._owner(asked)
        row = await self._store.read(lambda c: outbox.one(c, number, owner))
        if row is None:
            raise Refused("notFound")
        return Answer(status=200, body=dumps(self._whole(row)))

    async def redeliver(self, asked: Asked) -> Answer:
        """POST /event/{id}/redelivery: 202 with the event, which waits for one more attempt."""
        read_parameters(asked.query)
        number, owner = asked.path["eventId"], self._owner(asked)

        def job(connection: Connection) -> dict[str, Any]:
            """Let the event wait again."""
            is_done = outbox.redeliver(connection, number, owner)
            row = outbox.one(connection, number, owner)
            if row is None:
                raise Refused("notFound")
            if not is_done:
                raise Refused("conflict", Told("event_waits"))
            return self._whole(row)

        body = await self._store.write(job)
        self._wake()
        return Answer(status=202, body=dumps(body))

    async def purge(self, asked: Asked) -> Answer:
        """DELETE /event: 200 with how many settled events were forgotten."""
        given = read_parameters(asked.query, "before")
        if "before" not in given:
            raise Refused("invalidQuery", Told("give", name="before"))
        before, _ = instants("before", given["before"])
        purged = await self._store.write(lambda c: outbox.purge(c, before))
        return Answer(status=200, body=dumps({"purged": purged}))


def _told(row: RowMapping) -> dict[str, Any]:
    """Return what became of an event."""
    told = {
        "id": row["id"],
        "ticket": row["ticket"],
        "name": row["name"],
        "state": row["state"],
        "attempts": row["attempts"],
        "raised": moment(row["raised"]),
        # What is to be sent at once is due since it was raised.
        "due": moment(max(row["due"], row["raised"])) if row["state"] == "pending" else None,
        "settled": None if row["settled"] is None else moment(row["settled"]),
        "lastStatus": row["last_status"],
        "lastError": row["last_error"],
    }
    return {name: value for name, value in told.items() if value is not None}
