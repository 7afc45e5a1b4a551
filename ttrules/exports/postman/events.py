"""The requests that send the events of an API to a listener, and the members that raise them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ttrules.examples import defective
from ttrules.examples.values import FILLED
from ttrules.exports.openapi.operations import JSON, Operation
from ttrules.exports.openapi.reader import SIGNATURE
from ttrules.exports.openapi.samples import made_up
from ttrules.exports.postman import scripts
from ttrules.exports.postman.items import item, raw, saved, variable
from ttrules.exports.postman.scripts import filled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ttrules.exports.openapi.reader import Answer, Api, Event
    from ttrules.exports.postman.items import Item
    from ttrules.json_values import JSONValue


class Requests(Protocol):
    """What events need of `requests.Requests`."""

    api: Api
    changing: Operation | None

    def promises(self, answer: Answer) -> list[str]:
        """Return the tests for every response with a status."""

    def body(self, operation: Operation) -> JSONValue:
        """Return the first body of a request."""


class Events:
    """The events of an API; `one` makes its requests."""

    def __init__(self, one: Requests) -> None:
        self.one, self.api, self.book = one, one.api, one.api.book
        self.root: str = self.book.matrix.root

    def others(self) -> list[str]:
        """Return a member that an operator may change and that has no event of its own."""
        cycle, rows = (
            self.book.matrix.lifecycle or {"field": ""},
            self.book.matrix.entities[self.root],
        )
        told = {name for names in cycle.get("carries", {}).values() for name in names}
        told |= {*cycle.get("always", ()), self.book.matrix.selection_field, cycle["field"]}
        changing = self.one.changing
        ruling = self.api.ruling(changing) if changing is not None else []
        return [
            name
            for name, row in rows.items()
            if {row.requirements[each.name] for each in ruling} == {"O"}
            and len(row.shape.get("enum", ())) > 1
            and name not in told
        ][:1]

    def requests(self, event: Event, *, is_first: bool) -> Iterator[Item]:
        """Yield the request that sends an event to the listener, and one with a wrong signature."""
        answer = self.api.success(Operation(event.path, "post", event.node, (), {}))
        is_signed = self.api.is_signed(event)
        asked = self._event(event, is_signed=is_signed)
        right = filled(scripts.SIGN, isRight=True) if is_signed else filled(scripts.STAMP)
        yield item(
            f"[POST]/{event.name}",
            f"{event.node.get('summary', event.name)}. It is sent to the listener"
            + (", signed." if is_signed else "."),
            asked,
            before=right,
            tests=self.one.promises(answer._replace(headers={}, shape=None)),
            saved=[saved(str(answer.status), asked, answer.status, {}, None)],
        )
        if is_first and is_signed:
            yield item(
                f"[POST]/{event.name}, with a wrong signature",
                "It is refused by a listener that has the secret.",
                asked,
                before=filled(scripts.SIGN, isRight=False),
                tests=filled(scripts.STATUS, title="401: not signed by the secret", status=401),
            )

    def _event(self, event: Event, *, is_signed: bool) -> Item:
        """Return the request that sends an event."""
        content = self.api.read.content(event.node.get("requestBody"))
        media_type, described = next(iter(content.items()), (JSON, {}))
        headers = {"Content-Type": JSON if "*" in media_type else media_type}
        if is_signed:
            headers |= {
                "webhook-id": "{{eventId}}",
                "webhook-timestamp": "{{eventSeconds}}",
                SIGNATURE: "{{eventSignature}}",
            }
        parts = [each for each in event.path.split("/") if each]
        return {
            "method": "POST",
            "auth": {"type": "noauth"},
            "header": [{"key": name, "value": value} for name, value in headers.items()],
            "body": raw(self._envelope(event, described.get("schema"))),
            "url": {
                "raw": "/".join(["{{listenerUrl}}", *parts]),
                "host": ["{{listenerUrl}}"],
                "path": parts,
            },
        }

    def _envelope(self, event: Event, schema: object) -> JSONValue:
        """Return the body of an event: what its shape says of each member, else made-up values."""
        cycle = self.book.matrix.lifecycle or {}
        carried = cycle.get("carries", {}).get(event.name) or self.others()
        carried = [*self.book.matrix.root_fields] if carried == "all" else carried
        names = dict.fromkeys([*cycle.get("always", ()), *carried])
        ticket = {name: defective.likely(self.book, self.root, name) for name in names}
        first = self.api.ruled("add")
        if not ticket and first is not None and isinstance(body := self.one.body(first), dict):
            ticket = defective.stored(self.book, body, self.api.base + first.path)
        if (to := cycle.get("events", {}).get(event.name, {}).get("to")) is not None:
            ticket[cycle["field"]] = to
        shape = self.api.read.at(schema)
        values = {
            "identifier": variable("eventId"),
            "raised": variable("eventTime"),
            "changed": variable("eventTime"),
            "name": event.name,
            "title": shape.get("description"),
            "entity": self.root,
            "fields": ",".join(carried),
            "resource": ticket,
            **{f"/{name}": value for name, value in ticket.items()},
        }
        return self._filled(shape, values)

    def _filled(self, shape: Mapping[str, Any], values: Mapping[str, Any]) -> JSONValue:
        """Return the body of an event.

        The members have the values with which they are annotated, and one that is the root has its
        members. If nothing is annotated, the others are made up.
        """
        members, made = self.api.read.members(shape), dict[str, Any]()
        marks = {
            name: str(self.api.read.part(each, FILLED).get("event", ""))
            for name, each in members.items()
        }
        for name, member in members.items():
            node = self.api.read.at(member)
            if self.api.is_root(member):
                value: JSONValue = values["resource"]
            elif not marks[name] and "properties" in node:
                value = self._filled(node, values)
            elif any(marks.values()):
                value = values.get(marks[name])
            else:
                value = made_up(self.api.read, member, name, hidden="writeOnly")
            if value:
                made[name] = value
        return made or made_up(self.api.read, shape, hidden="writeOnly")
