"""The folders of a Postman collection, in the order in which Postman runs them.

First the requests of each tag of the document; then each operation without a token, requests that
are rejected, the events of a ticket's lifecycle, payloads with one defect for each process, and the
clean-up. A new folder is a generator here.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from ttrules.examples import defective
from ttrules.exports.openapi.operations import JSON, METHODS
from ttrules.exports.postman import scripts
from ttrules.exports.postman.items import (
    collection,
    folder,
    item,
    raw,
    request,
    saved,
    script,
    variable,
)
from ttrules.exports.postman.requests import EXTENTS, Requests
from ttrules.exports.postman.scripts import filled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ttrules.exports.openapi.operations import Operation
    from ttrules.exports.openapi.reader import Api
    from ttrules.exports.postman.items import (
        Item,
    )

#: An unknown identifier, parameter and entity tag.
_NOTHING: Final = "no-such-thing"
#: The header with the names of ignored members.
_DROPPED: Final = "Ticket-Unsupported-Members"
#: The status of a response to a single finding, if it differs from the usual one.
_STATUSES: Final = {"transition": HTTPStatus.CONFLICT}
_EVENTS: Final = (
    "Events are sent to the listener of the environment; a ticket is reported, and changed until"
    " every event has been raised. The address is reset at the end of the collection."
)


class Folders:
    """The folders of an API's collection."""

    def __init__(self, api: Api) -> None:
        self.api, self.book = api, api.book
        self.root: str = self.book.matrix.root
        self.one = Requests(api)
        self.adding, self.changing = self.one.adding, self.one.changing

    def collection(self, name: str, token: Item | None) -> Item:
        """Return the collection; `token` is the request for an access token, if one is needed."""
        told = [
            self.api.document["info"].get("description", ""),
            "Requests run from top to bottom, or one alone: what it needs is made before.",
        ]
        folders = [
            *self._documented(),
            folder("access token", "Every operation asks for one.", self._strangers()),
            folder("errors", "What else a request is refused for.", self._refused()),
            folder("events", _EVENTS, self._life()),
            *self._processes(),
            folder("end", "No more events are sent.", self._end()),
        ]
        more: Item = {"variable": [{"key": "shapes", "value": json.dumps(self.api.shapes())}]}
        if token is not None:
            bearer = [{"key": "token", "value": "{{accessToken}}", "type": "string"}]
            more["auth"] = {"type": "bearer", "bearer": bearer}
            more["event"] = [script("prerequest", filled(scripts.AUTHORIZE, request=token))]
        items = [each for each in folders if each["item"]]
        return collection(name, "\n\n".join(filter(None, told)), items, **more)

    # The lifecycle of a ticket.

    def _changes(self, ticket: Mapping[str, Any]) -> Iterator[tuple[str, Item]]:
        """Yield changes of a new ticket that raise every event, each with what it changes."""
        rows = self.book.matrix.entities[self.root]
        for name in self._others():
            values = (each for each in rows[name].shape["enum"] if each != ticket.get(name))
            move = self.one.move("")
            del move[self.one.status]
            yield name, {**move, name: next(values)}
        here = self.book.matrix.lifecycle["initial"]
        for trigger in self.book.matrix.lifecycle.get("events", {}).values():
            for status in self.one.way(here, trigger.get("to")):
                yield f"{here} to {status}", self.one.move(status)
                here = status

    def _others(self) -> list[str]:
        """Return a member that an operator may change and that has no event of its own."""
        cycle, rows = (
            self.book.matrix.lifecycle or {"field": ""},
            self.book.matrix.entities[self.root],
        )
        told = {name for names in cycle.get("carries", {}).values() for name in names}
        told |= {*cycle.get("always", ()), self.book.matrix.selection_field, cycle["field"]}
        ruling = self.api.ruling(self.changing) if self.changing else []
        return [
            name
            for name, row in rows.items()
            if {row.requirements[each.name] for each in ruling} == {"O"}
            and len(row.shape.get("enum", ())) > 1
            and name not in told
        ][:1]

    # Folders.

    def _documented(self) -> Iterator[Item]:
        """Yield a folder for each tag."""
        tags = self.api.document.get("tags") or [{"name": "requests"}]
        for tag in tags:
            mine = [
                each
                for each in self.api.operations
                if tag["name"] in each.node.get("tags", [tags[0]["name"]])
            ]
            mine.sort(key=lambda each: (METHODS.index(each.method), len(each.path)))
            items = [made for each in mine for made in self._of(each)]
            for number, (event, node) in enumerate(self.api.events().items()):
                if tag["name"] in node.get("tags", ()):
                    items += self._listening(event, node, is_first=number == 0)
            yield folder(tag["name"], tag.get("description", ""), items)

    def _of(self, operation: Operation) -> Iterator[Item]:
        """Yield the documented requests of an operation: one for each media type of its body."""
        answer = self.api.success(operation)
        described = [operation.node.get(name, "") for name in ("summary", "description")]
        seen: set[str] = set()
        for media_type, summary, body in self.one.bodies(operation):
            if media_type in seen:
                continue
            seen.add(media_type)
            told = [*described, f"In the Body tab: {summary}." if summary else ""]
            tests = [*self.one.promises(answer), *self.one.meaning(operation, body)]
            more: Item = {}
            if self._is_found(operation):
                told.append("No request makes one: write its identifier into the Params tab.")
                tests = self.one.refusal(operation, HTTPStatus.NOT_FOUND)
                more = {"about": _NOTHING}
            yield item(
                operation.name + ("" if len(seen) == 1 else f", {media_type}"),
                "\n\n".join(filter(None, told)),
                self.one.asking(operation, body, media_type=media_type, **more),
                before=self.one.needs(operation, body),
                tests=tests,
                saved=self.one.saved(operation) if len(seen) == 1 else [],
            )
        filters = {e["name"]: str(e["example"]) for e in operation.takes("query") if "example" in e}
        if filters and not operation.takes("path"):
            yield item(
                f"{operation.name}, filtered",
                "With the parameters of which the document has an example.",
                self.one.asking(operation, query=filters),
                tests=self.one.promises(answer),
            )

    def _is_found(self, operation: Operation) -> bool:
        """Return whether an operation is about a resource that no operation creates."""
        is_made = self.api.maker(operation) is not None or not operation.takes("path")
        return not is_made and HTTPStatus.NOT_FOUND in self.api.answers(operation)

    def _listening(self, event: str, node: Mapping[str, Any], *, is_first: bool) -> Iterator[Item]:
        """Yield the request that sends an event to the listener, and one with a wrong signature."""
        status = min(int(each) for each in node["responses"] if each.isdecimal())
        told = " ".join(node["responses"][str(status)]["description"].split())
        asked = self._event(event, node)
        yield item(
            f"[POST]/{event}",
            f"{node.get('summary', event)}. It is sent to the listener, signed.",
            asked,
            before=filled(scripts.SIGN, isRight=True),
            tests=filled(scripts.STATUS, title=f"{status}: {told}", status=status),
            saved=[saved(str(status), asked, status, {}, None)],
        )
        if is_first:
            yield item(
                f"[POST]/{event}, with a wrong signature",
                "It is refused by a listener that has the secret.",
                asked,
                before=filled(scripts.SIGN, isRight=False),
                tests=filled(scripts.STATUS, title="401: not signed by the secret", status=401),
            )

    def _event(self, event: str, node: Mapping[str, Any]) -> Item:
        """Return the request that sends an event."""
        shape = self.api.at(node["requestBody"]["content"][JSON]["schema"])
        cycle = self.book.matrix.lifecycle or {}
        carried = cycle.get("carries", {}).get(event) or self._others()
        names = dict.fromkeys([*cycle.get("always", ()), *carried])
        ticket = {name: defective.likely(self.book, self.root, name) for name in names}
        if (to := cycle.get("events", {}).get(event, {}).get("to")) is not None:
            ticket[cycle["field"]] = to
        values = {
            "id": ticket.get("id"),
            "href": ticket.get("href"),
            "eventId": variable("eventId"),
            "eventTime": variable("eventTime"),
            "timeOcurred": variable("eventTime"),
            "eventType": event,
            "domain": self.root,
            "title": shape.get("description"),
            "fieldPath": ",".join(carried),
            "event": {f"{self.root[:1].lower()}{self.root[1:]}": ticket},
        }
        headers = {
            "Content-Type": JSON,
            "webhook-id": "{{eventId}}",
            "webhook-timestamp": "{{eventSeconds}}",
            "webhook-signature": "{{eventSignature}}",
        }
        return {
            "method": "POST",
            "auth": {"type": "noauth"},
            "header": [{"key": name, "value": value} for name, value in headers.items()],
            "body": raw({each: values[each] for each in shape["properties"] if values.get(each)}),
            "url": {
                "raw": f"{{{{listenerUrl}}}}/{event}",
                "host": ["{{listenerUrl}}"],
                "path": [event],
            },
        }

    def _strangers(self) -> Iterator[Item]:
        """Yield each operation without an access token."""
        for each in self.api.operations:
            if HTTPStatus.UNAUTHORIZED in self.api.answers(each):
                yield item(
                    f"401 {each.name}",
                    "Without an access token.",
                    request(each, self.one.body(each), about=_NOTHING, is_open=True),
                    tests=self.one.refusal(each, HTTPStatus.UNAUTHORIZED),
                )

    def _refused(self) -> Iterator[Item]:
        """Yield requests that cause the errors in the document, for each operation with them."""
        for each in self.api.operations:
            body, known = self.one.body(each), self.api.answers(each)
            ways: dict[int, tuple[str, Item]] = {}
            if each.takes("query"):
                ways[400] = ("There is no such parameter.", {"query": {_NOTHING: "1"}})
            if each.takes("path"):
                ways[404] = ("There is no such thing.", {"about": _NOTHING})
            ways[406] = ("Another media type is asked for.", {"headers": {"Accept": "text/html"}})
            if any(header["name"] == "If-Match" for header in each.takes("header")):
                tag = {"If-Match": f'"{_NOTHING}"'}
                ways[412] = ("It has changed since it had this entity tag.", {"headers": tag})
            if body is not None:
                ways[415] = ("The body is of another media type.", {"media_type": "text/plain"})
            for status in sorted(ways.keys() & known.keys()):
                told, more = ways[status]
                yield item(
                    f"{status} {each.name}",
                    told,
                    self.one.asking(each, body, **more),
                    before=self.one.needs(each),
                    tests=self.one.refusal(each, status, by_query="query" in more),
                )

    def _life(self) -> Iterator[Item]:
        """Yield the requests that raise every event once the listener is registered."""
        hub, adding, changing = self.api.hub(), self.adding, self.changing
        if hub is None or adding is None or changing is None or self.book.lifecycle is None:
            return
        for each in (hub, adding):
            answer, name = self.api.success(each), self.api.variable(each.path)
            tests = [*self.one.promises(answer), *filled(scripts.KEEP, variable=name)]
            yield item(each.name, "", self.one.asking(each, self.one.body(each)), tests=tests)
        tests = [*self.one.promises(self.api.success(changing)), *filled(scripts.SENT)]
        for what, body in self._changes(self.one.body(adding)):
            name = f"{changing.name}, {what}"
            yield item(name, "", self.one.asking(changing, body), tests=tests)

    def _processes(self) -> Iterator[Item]:
        """Yield a folder for each process."""
        for operation in filter(None, (self.adding, self.changing)):
            for each in self.api.ruling(operation):
                about, before = "", []
                if operation == self.changing:
                    ticket = defective.changed(self.book, each.name)
                    if ticket is None:
                        continue
                    about = f"{each.slug}-ticket"
                    before = scripts.make(operation.above, about, ticket, [])
                told = f"Payloads of {each.name}: valid ones, and one for each defect."
                items = self._tried(each.name, operation, f"{{{{{about}}}}}")
                yield folder(each.name, told, items, before=before)

    def _tried(self, process: str, operation: Operation, about: str) -> Iterator[Item]:
        """Yield the requests that test a process."""
        answer, answers = self.api.success(operation), self.api.answers(operation)
        for extent, body in zip(EXTENTS, defective.valid(self.book, process), strict=False):
            tests = [*self.one.promises(answer), *filled(scripts.SENT)]
            asked = request(operation, body, about=about)
            yield item(f"valid: {extent}", "It meets every rule.", asked, tests=tests)
        for sample in defective.broken(self.book, process):
            title = f"{sample.code} {sample.pointer}"
            if sample.is_error:
                status = _STATUSES.get(sample.code, HTTPStatus.BAD_REQUEST)
                status = status if status in answers else HTTPStatus.BAD_REQUEST
                found = {"code": sample.code, "pointer": sample.pointer}
                tests = filled(scripts.STATUS, title=f"{status}: refused", status=status)
                tests += filled(scripts.VIOLATION, title=title, **found)
            else:
                named = {"name": _DROPPED, "pattern": f"(^|,){re.escape(sample.pointer)}(,|$)"}
                tests = filled(scripts.HEADER, title=title, **named)
                tests = [*self.one.promises(answer), *tests]
            asked = request(operation, sample.payload, about=about)
            yield item(title, sample.message, asked, tests=tests)

    def _end(self) -> Iterator[Item]:
        """Yield the request that resets the address of the listener."""
        hub = self.api.hub()
        for each in self.api.operations:
            if hub is not None and (each.path, each.method) == (hub.path, "delete"):
                tests = self.one.promises(self.api.success(each))
                tests += filled(scripts.FORGET, variable=self.api.variable(each.path))
                yield item(each.name, "", self.one.asking(each), tests=tests)
