"""The operations on the hub: the one address of each operator that events are sent to.

Setting an address replaces the one that was set (TMF630 part 1 lets a hub take one listener only);
resetting it is a 204 also by its id. Who delivers what is not decided here.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import jsonschema_rs
from sqlalchemy import delete, insert

from server.callbacks import checked
from server.errors import Refused
from server.schema import subscription
from server.wire import Answer, dumps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from server.config import Config
    from server.store import Store
    from server.wire import Asked

#: The shape of the document that a body must meet.
SHAPE: Final = "EventSubscriptionInput"


class Hub:
    """The operations, over a store. `shapes` are the document's components/schemas."""

    def __init__(self, store: Store, config: Config, shapes: Mapping[str, Any]) -> None:
        self._store = store
        self._config = config
        self._shape = jsonschema_rs.Draft202012Validator(dict(shapes[SHAPE]), validate_formats=True)

    async def register(self, asked: Asked) -> Answer:
        """POST /hub: 201 with the subscription, which takes the place of the one there was."""
        body = asked.body
        for error in self._shape.iter_errors(body):
            place = "".join(f"/{part}" for part in error.instance_path)
            raise Refused("invalidBody", f"{place or 'The body'} is not what it should be.")
        loop = asyncio.get_running_loop()
        allow = self._config.allow_loopback_callbacks
        callback = await loop.run_in_executor(
            None, lambda: checked(body["callback"], allow_loopback=allow)
        )
        row = {"id": str(uuid4()), "callback": callback, "query": body.get("query")}

        def job(connection: Connection) -> None:
            """Replace the address."""
            connection.execute(_mine(asked.operator))
            connection.execute(insert(subscription).values(operator=asked.operator, **row))

        await self._store.write(job)
        shown = {name: value for name, value in row.items() if value is not None}
        headers = {"Location": f"{asked.base}/hub/{row['id']}"}
        return Answer(status=201, headers=headers, body=dumps(shown))

    async def unregister(self, asked: Asked) -> Answer:
        """DELETE /hub, or /hub/{id}: 204, and no address is set any more."""
        statement = _mine(asked.operator)
        if "subscriptionId" in asked.path:
            statement = statement.where(subscription.c.id == asked.path["subscriptionId"])
        if not await self._store.write(lambda c: c.execute(statement).rowcount):
            raise Refused("notFound")
        return Answer(status=204)


def _mine(operator: str) -> Any:  # noqa: ANN401 - a Delete
    return delete(subscription).where(subscription.c.operator == operator)
