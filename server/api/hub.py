"""The operations on the hub: each operator has at most one callback URL for its events.

Setting a callback replaces the previous one (TMF630 part 1 allows a hub to support one listener
only). DELETE, also with the id, responds with 204 and discards the events that wait for the
callback. The provider reads and removes the callbacks of all operators.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import jsonschema_rs

from server.api.http import Response, dumps
from server.api.query import MOST, listed, read_parameters, whole
from server.callback_address import LookUps, Policy, check
from server.documents import body_schema
from server.messages.en import sentence
from server.problems import ApiError
from server.profile.members import OPERATOR
from server.storage import outbox, subscriptions
from server.storage.operators import known
from server.storage.ticket_query import DEFAULT_LIMIT
from server.storage.tickets import moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, RowMapping

    from server.api.http import Request
    from server.api.ticket_events import Events
    from server.config import Config
    from server.profile.model import Side
    from server.storage.database import Database


class Hub:
    """The operations of the operators' side."""

    def __init__(
        self,
        store: Database,
        config: Config,
        side: Side,
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
        subscribing = side.find("subscribe")
        self._path = "" if subscribing is None else subscribing.path
        self._shape = jsonschema_rs.Draft202012Validator(
            body_schema(side.document, subscribing), validate_formats=True
        )

    async def register(self, request: Request) -> Response:
        """Subscribe: 201 with the subscription, which replaces any earlier one."""
        body = request.body
        for error in self._shape.iter_errors(body):
            place = "".join(f"/{part}" for part in error.instance_path)
            if error.schema_path[-1] == "required":
                missing = error.kind.as_dict()["property"]
                raise ApiError("invalidBody", sentence("send_member", place=f"{place}/{missing}"))
            message = (
                sentence("correct_member", place=place) if place else sentence("correct_whole")
            )
            if place == "/callback" and isinstance(body["callback"], str):
                message = self._policy.flaw(body["callback"]) or message
            raise ApiError("invalidBody", message)
        self._events.wanted(body.get("query"))
        await check(body["callback"], self._policy, partial(self._look_ups.find, request.operator))
        row = {"id": str(uuid4()), "callback": body["callback"], "query": body.get("query")}

        def job(connection: Connection) -> None:
            """Replace the callback."""
            outbox.subscribe(connection, request.operator, row)

        await self._store.write(job)
        self._wake()
        shown = {name: value for name, value in row.items() if value is not None}
        headers = {"Location": f"{request.base}{self._path}/{row['id']}"}
        return Response(status=201, headers=headers, body=dumps(shown))

    async def retrieve(self, request: Request) -> Response:
        """Read the subscription: 200 with the subscription and its state."""
        read_parameters(request.query)
        number = next(iter(request.path.values()), None)
        row = await self._store.read(
            lambda c: subscriptions.one(c, operator=request.operator, number=number)
        )
        if row is None:
            raise ApiError("notFound")
        return Response(status=200, body=dumps(_to_json(row)))

    async def unregister(self, request: Request) -> Response:
        """Unsubscribe: 204; the callback is removed."""
        number = next(iter(request.path.values()), None)
        if not await self._store.write(lambda c: outbox.unsubscribe(c, request.operator, number)):
            raise ApiError("notFound")
        return Response(status=204)


class AnyHub:
    """The operations of the provider on the callbacks of all operators."""

    def __init__(self, store: Database) -> None:
        self._store = store

    async def list(self, request: Request) -> Response:
        """List the subscriptions: 200 with the subscriptions, ordered by operator."""
        given = read_parameters(request.query, OPERATOR, "limit")
        names = frozenset(listed(OPERATOR, given[OPERATOR])) if OPERATOR in given else None
        most = whole("limit", given.get("limit", str(DEFAULT_LIMIT)), 1, MOST)

        def ask(connection: Connection) -> list[dict[str, Any]]:
            """Read the subscriptions."""
            known(connection, names)
            rows = subscriptions.listed(connection, names=names, most=most)
            return [_with_operator(row) for row in rows]

        return Response(status=200, body=dumps(await self._store.read(ask)))

    async def retrieve(self, request: Request) -> Response:
        """Read one subscription: 200 with a subscription and its state."""
        read_parameters(request.query)
        number = next(iter(request.path.values()))
        row = await self._store.read(lambda c: subscriptions.one(c, number=number))
        if row is None:
            raise ApiError("notFound")
        return Response(status=200, body=dumps(_with_operator(row)))

    async def unregister(self, request: Request) -> Response:
        """Unsubscribe an operator: 204; the callback of its operator is removed."""
        number = next(iter(request.path.values()))

        def job(connection: Connection) -> bool:
            """Remove the callback of any operator."""
            row = subscriptions.one(connection, number=number)
            return row is not None and outbox.unsubscribe(connection, row["operator"], number)

        if not await self._store.write(job):
            raise ApiError("notFound")
        return Response(status=204)


def _to_json(row: RowMapping) -> dict[str, Any]:
    """Return a subscription in the form for its operator."""
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


def _with_operator(row: RowMapping) -> dict[str, Any]:
    """Return a subscription in the form for the provider."""
    return {"operator": row["name"], **_to_json(row)}
