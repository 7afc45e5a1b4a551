"""The operations on the hub: the one callback of each operator that events are sent to.

Setting a callback replaces the one that was set (TMF630 part 1 lets a hub take one listener only);
resetting it is a 204 also by its id, and discards the events that wait for it. The provider reads
and removes the callbacks of all operators.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import jsonschema_rs

from server import outbox, subscriptions
from server.callbacks import LookUps, Policy, check
from server.errors import Refused
from server.filtering import MOST, OPERATOR, listed, read_parameters, whole
from server.kept import moment
from server.operators import known
from server.sentences import Told
from server.ticket_query import DEFAULT_LIMIT
from server.wire import Answer, dumps

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection, RowMapping

    from server.config import Config
    from server.events import Events
    from server.store import Store
    from server.wire import Asked

#: The shape of the document that a body must meet.
SHAPE: Final = "EventSubscriptionInput"


class Hub:
    """The operators' operations, over a store. `shapes` are the document's components/schemas."""

    def __init__(  # noqa: PLR0913 - what the operations need
        self,
        store: Store,
        config: Config,
        shapes: Mapping[str, Any],
        events: Events,
        wake: Callable[[], None],
        *,
        look_ups: LookUps | None = None,
    ) -> None:
        self._store = store
        self._events = events
        self._wake = wake
        self._policy = Policy.of(config)
        self._look_ups = look_ups or LookUps()
        self._shape = jsonschema_rs.Draft202012Validator(dict(shapes[SHAPE]), validate_formats=True)

    async def register(self, asked: Asked) -> Answer:
        """POST /hub: 201 with the subscription, which replaces the one there was."""
        body = asked.body
        for error in self._shape.iter_errors(body):
            place = "".join(f"/{part}" for part in error.instance_path)
            if error.schema_path[-1] == "required":
                missing = error.kind.as_dict()["property"]
                raise Refused("invalidBody", Told("send_member", place=f"{place}/{missing}"))
            told = Told("correct_member", place=place) if place else Told("correct_whole")
            if place == "/callback" and isinstance(body["callback"], str):
                told = self._policy.flaw(body["callback"]) or told
            raise Refused("invalidBody", told)
        self._events.wanted(body.get("query"))
        await check(body["callback"], self._policy, partial(self._look_ups.find, asked.operator))
        row = {"id": str(uuid4()), "callback": body["callback"], "query": body.get("query")}

        def job(connection: Connection) -> None:
            """Replace the callback."""
            outbox.subscribe(connection, asked.operator, row)

        await self._store.write(job)
        self._wake()
        shown = {name: value for name, value in row.items() if value is not None}
        headers = {"Location": f"{asked.base}/hub/{row['id']}"}
        return Answer(status=201, headers=headers, body=dumps(shown))

    async def retrieve(self, asked: Asked) -> Answer:
        """GET /hub, or /hub/{id}: 200 with the subscription and its state."""
        read_parameters(asked.query)
        number = asked.path.get("subscriptionId")
        row = await self._store.read(
            lambda c: subscriptions.one(c, operator=asked.operator, number=number)
        )
        if row is None:
            raise Refused("notFound")
        return Answer(status=200, body=dumps(_shown(row)))

    async def unregister(self, asked: Asked) -> Answer:
        """DELETE /hub, or /hub/{id}: 204, and no callback is set any more."""
        number = asked.path.get("subscriptionId")
        if not await self._store.write(lambda c: outbox.unsubscribe(c, asked.operator, number)):
            raise Refused("notFound")
        return Answer(status=204)


class AnyHub:
    """The provider's operations on the callbacks of all operators, over a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def list(self, asked: Asked) -> Answer:
        """GET /hub: 200 with the subscriptions, by the names of their operators."""
        given = read_parameters(asked.query, OPERATOR, "limit")
        names = frozenset(listed(OPERATOR, given[OPERATOR])) if OPERATOR in given else None
        most = whole("limit", given.get("limit", str(DEFAULT_LIMIT)), 1, MOST)

        def ask(connection: Connection) -> list[dict[str, Any]]:
            known(connection, names)
            rows = subscriptions.listed(connection, names=names, most=most)
            return [_whose(row) for row in rows]

        return Answer(status=200, body=dumps(await self._store.read(ask)))

    async def retrieve(self, asked: Asked) -> Answer:
        """GET /hub/{id}: 200 with a subscription and its state."""
        read_parameters(asked.query)
        number = asked.path["subscriptionId"]
        row = await self._store.read(lambda c: subscriptions.one(c, number=number))
        if row is None:
            raise Refused("notFound")
        return Answer(status=200, body=dumps(_whose(row)))

    async def unregister(self, asked: Asked) -> Answer:
        """DELETE /hub/{id}: 204, and its operator has no callback any more."""
        number = asked.path["subscriptionId"]

        def job(connection: Connection) -> bool:
            """Remove the callback, of whichever operator."""
            row = subscriptions.one(connection, number=number)
            return row is not None and outbox.unsubscribe(connection, row["operator"], number)

        if not await self._store.write(job):
            raise Refused("notFound")
        return Answer(status=204)


def _shown(row: RowMapping) -> dict[str, Any]:
    """Return a subscription as its operator sees it."""
    times = {
        "failingSince": row["failing"],
        "givenUpSince": row["disabled"],
        "lastSuccess": row["last_success"],
    }
    shown = {
        "id": row["id"],
        "callback": row["callback"],
        "query": row["query"],
        "state": _state(row),
        **{name: None if micros is None else moment(micros) for name, micros in times.items()},
        "pending": row["pending"],
        "lastStatus": row["last_status"],
        "lastError": row["last_error"],
    }
    return {name: value for name, value in shown.items() if value is not None}


def _state(row: RowMapping) -> str:
    if row["suspended"] is not None:
        return "suspended"
    if row["disabled"] is not None:
        return "givenUp"
    return "active" if row["failing"] is None else "failing"


def _whose(row: RowMapping) -> dict[str, Any]:
    """Return a subscription as the provider sees it."""
    return {"operator": row["name"], **_shown(row)}
