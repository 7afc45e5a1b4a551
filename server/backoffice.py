"""The provider's side: its rules, and the operations on the events that operators are sent.

Its operations on tickets are those of `tickets`, by these rules. An event is told with what became
of it; what it says, only when it is asked for alone, since it holds what a ticket holds.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from server import outbox
from server.errors import Refused
from server.filtering import MOST, OPERATOR, choice, instants, listed, read_parameters, whole
from server.kept import check_operators
from server.sentences import Told
from server.ticket_query import DEFAULT_LIMIT
from server.tickets import stamp
from server.wire import Answer, dumps
from ttrules import Book

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, RowMapping

    from server.store import Store
    from server.wire import Asked

#: What may become of an event, as the document says.
STATES: Final = ("pending", "delivered", "dead")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@cache
def book() -> Book:
    """Return the rules of what the provider may change."""
    return Book.read(Path(__file__).parent / "rules")


class Outgoing:
    """The operations on events, over a store. `wake` is called when there are some to deliver."""

    def __init__(self, store: Store, wake: Callable[[], None]) -> None:
        self._store = store
        self._wake = wake

    async def list(self, asked: Asked) -> Answer:
        """GET /event: 200 with what became of events, the newest first."""
        given = read_parameters(asked.query, "state", OPERATOR, "limit")
        state = choice("state", given["state"], STATES) if "state" in given else None
        names = frozenset(listed(OPERATOR, given[OPERATOR])) if OPERATOR in given else None
        most = whole("limit", given.get("limit", str(DEFAULT_LIMIT)), 1, MOST)

        def ask(connection: Connection, _: object) -> list[dict[str, Any]]:
            """Read the events."""
            check_operators(connection, names)
            rows = outbox.listed(connection, state=state, names=names, most=most)
            return [_told(row) for row in rows]

        return Answer(status=200, body=dumps(await self._store.scan(asked.operator, ask)))

    async def retrieve(self, asked: Asked) -> Answer:
        """GET /event/{id}: 200 with one event."""
        read_parameters(asked.query)
        row = await self._store.read(lambda c: outbox.one(c, asked.path["eventId"]))
        if row is None:
            raise Refused("notFound")
        return Answer(status=200, body=dumps(_whole(row)))

    async def redeliver(self, asked: Asked) -> Answer:
        """POST /event/{id}/redelivery: 202 with the event, which waits for one more attempt."""
        read_parameters(asked.query)
        number = asked.path["eventId"]

        def job(connection: Connection) -> dict[str, Any]:
            """Let the event wait again."""
            is_done = outbox.redeliver(connection, number)
            row = outbox.one(connection, number)
            if row is None:
                raise Refused("notFound")
            if not is_done:
                raise Refused("conflict", Told("event_waits"))
            return _whole(row)

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
    """Return what became of an event, as it is answered."""
    told = {
        "id": row["id"],
        "operator": row["operator"],
        "ticket": row["ticket"],
        "name": row["name"],
        "state": row["state"],
        "attempts": row["attempts"],
        "raised": _moment(row["raised"]),
        # What is to be sent at once is due since it was raised.
        "due": _moment(max(row["due"], row["raised"])) if row["state"] == "pending" else None,
        "settled": None if row["settled"] is None else _moment(row["settled"]),
        "lastStatus": row["last_status"],
        "lastError": row["last_error"],
    }
    return {name: value for name, value in told.items() if value is not None}


def _whole(row: RowMapping) -> dict[str, Any]:
    return {**_told(row), "event": json.loads(bytes(row["body"]))}


def _moment(micros: int) -> str:
    return stamp(_EPOCH + timedelta(microseconds=micros))
