"""What one request of a collection is made of: its body, its tests, its saved answers.

Before a request runs, what it is about is made, and brought to where the request makes sense; after
it, everything is tested that the document promises of the answer. Which requests there are is the
business of folders, what the tests say that of scripting.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from ttrules import samples, scripting
from ttrules.collecting import Item, request, saved, variable
from ttrules.openapi import CARRIED_BY
from ttrules.operations import JSON, Api, Body, as_schema
from ttrules.scripting import filled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ttrules.operations import Answer, Operation

#: What headers look like in saved answers, by name, and what their values must be by type.
_SAMPLES: Final = {
    "Allow": "GET, HEAD, POST",
    "ETag": '"1"',
    "Retry-After": "10",
    "Vary": "Accept-Language",
    "WWW-Authenticate": 'Basic realm="...", Bearer realm="..."',
    "X-Request-Id": "4f1c2a7e9b0d4c58",
}
_VALUES: Final = {"string": "^(?!null$).", "integer": "^[0-9]+$"}
#: The header that says how many things an answer holds.
_COUNT: Final = "X-Result-Count"
#: What is sent in valid payloads: what must be, and all that may.
EXTENTS: Final = ("required", "all")


class Requests:
    """The requests of an API. `adding` and `changing` are the operations that take tickets."""

    def __init__(self, api: Api) -> None:
        self.api, self.book = api, api.book
        self.adding, self.changing = (api.ruled(method) for method in CARRIED_BY.values())

    def asking(self, operation: Operation, body: Any = None, **more: Any) -> Item:  # noqa: ANN401
        """Return a request about what the collection has made."""
        about = "{{" + self.api.variable(operation.above) + "}}"
        return request(operation, body, **{"about": about, **more})

    def body(self, operation: Operation) -> Any:  # noqa: ANN401 - any JSON value
        """Return the body that a request has first; None where it takes none."""
        return self.bodies(operation)[0].value

    def bodies(self, operation: Operation) -> list[Body]:
        """Return what an operation can be sent: as the document shows it, or else as rules are."""
        shown = self.api.bodies(operation)
        if not shown and "requestBody" in operation.node:
            ruling = self.api.ruling(operation)
            shown = [Body(JSON, "", self.valid(each)[0]) for each in ruling[:1]]
        here = dict.fromkeys(self.api.addresses(operation), variable("listenerUrl"))
        return [
            each._replace(value={**each.value, **here} if here else each.value)
            for each in shown or [Body(JSON, "", None)]
        ]

    def valid(self, process: Mapping[str, Any]) -> list[Item]:
        """Return the valid payloads of a process, the one with least first."""
        return samples.valid(self.book, process["name"])

    def promises(self, answer: Answer) -> list[str]:
        """Return the tests that hold for every answer with a status."""
        title = f"{answer.status}: {answer.description}"
        lines = filled(scripting.STATUS, title=title, status=answer.status)
        for name, header in answer.headers.items():
            schema = header["schema"]
            pattern = schema.get("pattern", _VALUES[schema["type"]])
            if "enum" in schema:
                pattern = f"^({'|'.join(map(re.escape, schema['enum']))})$"
            lines += filled(scripting.HEADER, title=f"header {name}", name=name, pattern=pattern)
        if answer.shape is None:
            lines += filled(scripting.NOTHING)
        else:
            title = "the body is what the document says"
            lines += filled(scripting.SHAPE, title=title, shape=as_schema(answer.shape))
        if _COUNT in answer.headers:
            lines += filled(scripting.COUNT, name=_COUNT)
        return lines

    def refusal(self, operation: Operation, status: int, *, by_query: bool = False) -> list[str]:
        """Return the tests of an answer that refuses with the code of the document's example."""
        answer = self.api.answers(operation)[status]
        lines = self.promises(answer)
        for name, value in self.api.error(operation, answer, by_query=by_query).items():
            if name in {"code", "status"}:
                lines += filled(scripting.MEMBER, title=name, name=name, value=value)
        return lines

    def needs(self, operation: Operation, body: Any = None) -> list[str]:  # noqa: ANN401
        """Return the script that makes what a request is about, and brings it where it must be."""
        maker = self.api.maker(operation)
        if maker is None:
            return []
        status = body.get(self.status) if isinstance(body, dict) else None
        steps = [self.move(each) for each in self.way(None, status)[:-1]]
        name = self.api.variable(maker.path)
        return scripting.make(maker.path, name, self.body(maker), steps)

    @property
    def status(self) -> str:
        """The member that holds the status; nothing where there is no lifecycle."""
        return self.book.lifecycle.field if self.book.lifecycle is not None else ""

    def way(self, before: str | None, after: object) -> Sequence[str]:
        """Return the statuses from one (None: that of a new ticket) to another."""
        cycle = self.book.lifecycle
        return cycle.way(before or cycle.initial, after, samples.BY) if cycle is not None else ()

    def move(self, status: str) -> Item:
        """Return the change that moves a ticket to a status."""
        least = self.valid(self.api.ruling(self.changing)[0])[0] if self.changing else {}
        return {**least, self.status: status}

    def meaning(self, operation: Operation, body: Any) -> list[str]:  # noqa: ANN401
        """Return the tests of what an answer says, and what is kept of it."""
        answer, name = self.api.success(operation), self.api.variable(operation.above)
        lines: list[str] = []
        if self.is_only_told(operation):
            return lines
        if isinstance(body, dict) and answer.shape is not None:
            lines += filled(scripting.SENT)
        if operation.method == "post" and answer.shape is not None:
            names = list(self.answered(operation, body, None))
            lines += filled(scripting.MEMBERS, title="the server fills in the rest", names=names)
            lines += filled(scripting.KEEP, variable=name)
        elif operation.method == "delete":
            lines += filled(scripting.FORGET, variable=name)
        elif self.api.maker(operation) is not None:
            lines += filled(scripting.IDENTIFIER, variable=name)
        return lines

    def is_only_told(self, operation: Operation) -> bool:
        """Say whether an operation says something of what it is sent, and makes nothing of it."""
        answer = self.api.success(operation)
        return (
            operation.method == "post"
            and answer.status != HTTPStatus.CREATED
            and answer.shape is not None
        )

    def saved(self, operation: Operation) -> list[Item]:
        """Return saved answers: one for each body that is shown, each process and each error."""
        answer = self.api.success(operation)
        shown: list[tuple[str, Body, str | None]] = [
            (f"{answer.status} {each.summary}".strip(), each, None)
            for each in self.bodies(operation)
        ]
        shown += [
            (f"{answer.status} {process['name']}: {extent}", Body(JSON, "", body), process["name"])
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
        """Return the headers of a saved answer."""
        made = {"integer": "1", "string": f"{self.api.base}/{samples.NUMBER}"}
        return {
            name: header["schema"].get(
                "enum", [_SAMPLES.get(name, made[header["schema"]["type"]])]
            )[0]
            for name, header in answer.headers.items()
        }

    def answered(self, operation: Operation, body: Any, process: str | None) -> Any:  # noqa: ANN401
        """Return the body of a saved answer; `process` is the one that rules what is sent."""
        answer = self.api.success(operation)
        if answer.shape is None:
            return None
        if self.is_only_told(operation):
            return next(iter(answer.examples.values()), None)
        if self.adding is None or operation.above != self.adding.path:
            return {"id": samples.NUMBER, **(body or {})}
        path = self.api.base + self.adding.path
        if operation == self.adding:
            return samples.stored(self.book, body, path)
        first = self.body(self.adding)
        if operation != self.changing:
            ticket = samples.stored(self.book, first, path)
            return [ticket] if answer.shape.get("type") == "array" else ticket
        first = (samples.changed(self.book, process) if process else None) or first
        ticket = samples.stored(self.book, first, path)
        status = body.get(self.status) if isinstance(body, dict) else None
        for each in self.way(None, status)[:-1]:
            ticket[self.status] = each
        return samples.completed(
            self.book, self.book.validate_change(ticket, body, by=samples.BY).ticket
        )
