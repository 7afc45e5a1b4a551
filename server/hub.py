"""The operations on the hub: the one address of each operator that events are sent to.

Setting an address replaces the one that was set (TMF630 part 1 lets a hub take one listener only);
resetting it is a 204 also by its id, and discards what waits to be sent there.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import jsonschema_rs

from server import outbox
from server.callbacks import checked
from server.errors import Refused
from server.sentences import Told
from server.wire import Answer, dumps

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection

    from server.config import Config
    from server.events import Events
    from server.store import Store
    from server.wire import Asked

#: The shape of the document that a body must meet.
SHAPE: Final = "EventSubscriptionInput"


class Hub:
    """The operations, over a store. `shapes` are the document's components/schemas."""

    def __init__(
        self,
        store: Store,
        config: Config,
        shapes: Mapping[str, Any],
        events: Events,
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._events = events
        self._wake = wake
        self._config = config
        self._shape = jsonschema_rs.Draft202012Validator(dict(shapes[SHAPE]), validate_formats=True)

    async def register(self, asked: Asked) -> Answer:
        """POST /hub: 201 with the subscription, which takes the place of the one there was."""
        body = asked.body
        for error in self._shape.iter_errors(body):
            place = "".join(f"/{part}" for part in error.instance_path)
            if error.schema_path[-1] == "required":
                missing = error.kind.as_dict()["property"]
                raise Refused("invalidBody", Told("send_member", place=f"{place}/{missing}"))
            told = Told("correct_member", place=place) if place else Told("correct_whole")
            raise Refused("invalidBody", told)
        self._events.wanted(body.get("query"))
        loop = asyncio.get_running_loop()
        allow = self._config.allow_loopback_callbacks
        callback = await loop.run_in_executor(
            None, lambda: checked(body["callback"], allow_loopback=allow)
        )
        row = {"id": str(uuid4()), "callback": callback, "query": body.get("query")}

        def job(connection: Connection) -> None:
            """Replace the address."""
            outbox.subscribe(connection, asked.operator, row)

        await self._store.write(job)
        self._wake()
        shown = {name: value for name, value in row.items() if value is not None}
        headers = {"Location": f"{asked.base}/hub/{row['id']}"}
        return Answer(status=201, headers=headers, body=dumps(shown))

    async def unregister(self, asked: Asked) -> Answer:
        """DELETE /hub, or /hub/{id}: 204, and no address is set any more."""
        number = asked.path.get("subscriptionId")
        if not await self._store.write(lambda c: outbox.unsubscribe(c, asked.operator, number)):
            raise Refused("notFound")
        return Answer(status=204)
