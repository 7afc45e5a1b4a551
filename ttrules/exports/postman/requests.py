"""One request of a collection: its body, its tests and its saved responses.

A script before the request creates what the request needs; tests after it check everything that the
document promises about the response.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from ttrules.examples import defective
from ttrules.exports.openapi.operations import CARRIED_BY, JSON
from ttrules.exports.openapi.reader import Body, as_schema
from ttrules.exports.postman import scripts
from ttrules.exports.postman.items import request, saved, variable
from ttrules.exports.postman.scripts import filled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ttrules.exports.openapi.operations import Operation
    from ttrules.exports.openapi.reader import Answer, Api
    from ttrules.exports.postman.items import Item
    from ttrules.json_values import JSONValue
    from ttrules.matrix import Process

#: The values of headers in saved responses, by name, and the patterns of header values, by type.
_SAMPLES: Final = {
    "Allow": "GET, HEAD, POST",
    "ETag": '"1"',
    "Retry-After": "10",
    "Vary": "Accept-Language",
    "WWW-Authenticate": 'Basic realm="...", Bearer realm="..."',
    "X-Request-Id": "4f1c2a7e9b0d4c58",
}
_VALUES: Final = {"string": "^(?!null$).", "integer": "^[0-9]+$"}
#: The header with the number of items in a response.
_COUNT: Final = "X-Result-Count"
#: The extents of valid payloads.
EXTENTS: Final = ("required", "all")


class Requests:
    """The requests of an API. `adding` and `changing` are the operations with ticket bodies."""

    def __init__(self, api: Api) -> None:
        self.api, self.book = api, api.book
        self.adding, self.changing = (api.ruled(method) for method in CARRIED_BY.values())

    def asking(self, operation: Operation, body: JSONValue = None, **more: JSONValue) -> Item:
        """Return a request about a resource that the collection created."""
        about = "{{" + self.api.variable(operation.above) + "}}"
        return request(operation, body, **{"about": about, **more})

    def body(self, operation: Operation) -> JSONValue:
        """Return the first body of a request, or None if it has no body."""
        return self.bodies(operation)[0].value

    def bodies(self, operation: Operation) -> list[Body]:
        """Return the bodies of an operation: examples of the document, or of its processes."""
        shown = self.api.bodies(operation)
        if not shown and "requestBody" in operation.node:
            ruling = self.api.ruling(operation)
            shown = [Body(JSON, "", self.valid(each)[0]) for each in ruling[:1]]
        here = dict.fromkeys(self.api.addresses(operation), variable("listenerUrl"))
        return [
            each._replace(value={**each.value, **here} if here else each.value)
            for each in shown or [Body(JSON, "", None)]
        ]

    def valid(self, process: Process) -> list[Item]:
        """Return the valid payloads of a process, the smallest first."""
        return defective.valid(self.book, process.name)

    def promises(self, answer: Answer) -> list[str]:
        """Return the tests for every response with a status."""
        title = f"{answer.status}: {answer.description}"
        lines = filled(scripts.STATUS, title=title, status=answer.status)
        for name, header in answer.headers.items():
            schema = header["schema"]
            pattern = schema.get("pattern", _VALUES[schema["type"]])
            if "enum" in schema:
                pattern = f"^({'|'.join(map(re.escape, schema['enum']))})$"
            lines += filled(scripts.HEADER, title=f"header {name}", name=name, pattern=pattern)
        if answer.shape is None:
            lines += filled(scripts.NOTHING)
        else:
            title = "the body is what the document says"
            lines += filled(scripts.SHAPE, title=title, shape=as_schema(answer.shape))
        if _COUNT in answer.headers:
            lines += filled(scripts.COUNT, name=_COUNT)
        return lines

    def refusal(self, operation: Operation, status: int, *, by_query: bool = False) -> list[str]:
        """Return the tests of an error response with the code of the document's example."""
        answer = self.api.answers(operation)[status]
        lines = self.promises(answer)
        for name, value in self.api.error(operation, answer, by_query=by_query).items():
            if name in {"code", "status"}:
                lines += filled(scripts.MEMBER, title=name, name=name, value=value)
        return lines

    def needs(self, operation: Operation, body: JSONValue = None) -> list[str]:
        """Return the script that creates the resource of a request, in the required status."""
        maker = self.api.maker(operation)
        if maker is None:
            return []
        status = body.get(self.status) if isinstance(body, dict) else None
        steps = [self.move(each) for each in self.way(None, status)[:-1]]
        name = self.api.variable(maker.path)
        return scripts.make(maker.path, name, self.body(maker), steps)

    @property
    def status(self) -> str:
        """The name of the status member; empty if there is no lifecycle."""
        return self.book.lifecycle.field if self.book.lifecycle is not None else ""

    def way(self, before: str | None, after: object) -> Sequence[str]:
        """Return the statuses from one (None: that of a new ticket) to another."""
        cycle = self.book.lifecycle
        return cycle.way(before or cycle.initial, after, defective.BY) if cycle is not None else ()

    def move(self, status: str) -> Item:
        """Return the change of a ticket to a status."""
        least = self.valid(self.api.ruling(self.changing)[0])[0] if self.changing else {}
        return {**least, self.status: status}

    def meaning(self, operation: Operation, body: JSONValue) -> list[str]:
        """Return the tests of a response, and the scripts that store its values."""
        answer, name = self.api.success(operation), self.api.variable(operation.above)
        lines: list[str] = []
        if self.is_only_told(operation):
            return lines
        if isinstance(body, dict) and answer.shape is not None:
            lines += filled(scripts.SENT)
        if operation.method == "post" and answer.shape is not None:
            names = list(self.answered(operation, body, None))
            lines += filled(scripts.MEMBERS, title="the server fills in the rest", names=names)
            lines += filled(scripts.KEEP, variable=name)
        elif operation.method == "delete":
            lines += filled(scripts.FORGET, variable=name)
        elif self.api.maker(operation) is not None:
            lines += filled(scripts.IDENTIFIER, variable=name)
        return lines

    def is_only_told(self, operation: Operation) -> bool:
        """Return whether an operation reports on what it is sent and creates nothing."""
        answer = self.api.success(operation)
        return (
            operation.method == "post"
            and answer.status != HTTPStatus.CREATED
            and answer.shape is not None
        )

    def saved(self, operation: Operation) -> list[Item]:
        """Return saved responses: one for each example, each process and each error."""
        answer = self.api.success(operation)
        shown: list[tuple[str, Body, str | None]] = [
            (f"{answer.status} {each.summary}".strip(), each, None)
            for each in self.bodies(operation)
        ]
        shown += [
            (f"{answer.status} {process.name}: {extent}", Body(JSON, "", body), process.name)
            for process in self.api.ruling(operation)
            for extent, body in zip(EXTENTS, self.valid(process), strict=False)
        ]
        found = []
        for name, body, process in shown:
            asked = self.asking(operation, body.value, media_type=body.media_type)
            told = self.answered(operation, body.value, process)
            found.append(saved(name, asked, answer.status, self.headers(answer), told))
        for error in self.api.errors(operation):
            asked, told = self.asking(operation), self.api.error(operation, error)
            name = f"{error.status} {told.get('code', '')}".strip()
            found.append(saved(name, asked, error.status, self.headers(error), told))
        return found

    def headers(self, answer: Answer) -> dict[str, str]:
        """Return the headers of a saved response."""
        made = {"integer": "1", "string": f"{self.api.base}/{defective.NUMBER}"}
        return {
            name: header["schema"].get(
                "enum", [_SAMPLES.get(name, made[header["schema"]["type"]])]
            )[0]
            for name, header in answer.headers.items()
        }

    def answered(self, operation: Operation, body: JSONValue, process: str | None) -> JSONValue:
        """Return the body of a saved response; `process` is that of the request."""
        answer = self.api.success(operation)
        if answer.shape is None:
            return None
        if self.is_only_told(operation):
            return next(iter(answer.examples.values()), None)
        if self.adding is None or operation.above != self.adding.path:
            return {"id": defective.NUMBER, **(body or {})}
        path = self.api.base + self.adding.path
        if operation == self.adding:
            return defective.stored(self.book, body, path)
        first = self.body(self.adding)
        if operation != self.changing:
            ticket = defective.stored(self.book, first, path)
            return [ticket] if answer.shape.get("type") == "array" else ticket
        first = (defective.changed(self.book, process) if process else None) or first
        ticket = defective.stored(self.book, first, path)
        status = body.get(self.status) if isinstance(body, dict) else None
        for each in self.way(None, status)[:-1]:
            ticket[self.status] = each
        return defective.completed(
            self.book, self.book.validate_change(ticket, body, by=defective.BY).ticket
        )
