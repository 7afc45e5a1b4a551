"""One request of a collection: its body, its tests and its saved responses.

A script before the request creates what the request needs; tests after it check everything that the
document promises about the response.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from ttrules.examples import defective
from ttrules.examples.generate import BY
from ttrules.exports.openapi.operations import JSON, is_json
from ttrules.exports.openapi.reader import Body
from ttrules.exports.openapi.samples import made_up
from ttrules.exports.postman import scripts
from ttrules.exports.postman.items import request, saved, shown, variable
from ttrules.exports.postman.scripts import filled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
_VALUES: Final = {"string": "^(?!null$).", "integer": "^-?[0-9]+$", "boolean": "^(true|false)$"}
_NUMBERS: Final = frozenset({"integer", "number"})
#: The number of statuses after the first of a range, and the statuses without a body.
_RANGE: Final = 99
_BODILESS: Final = frozenset({204, 205, 304})
#: The header with the number of items in a response.
_COUNT: Final = "X-Result-Count"
#: The extents of valid payloads.
EXTENTS: Final = ("required", "all")


class Requests:
    """The requests of an API.

    `adding` and `changing` are the first operations that are ruled by a process of this kind.
    """

    def __init__(self, api: Api) -> None:
        self.api, self.book = api, api.book
        self.adding, self.changing = api.ruled("add"), api.ruled("change", "replace")

    def asking(self, operation: Operation, body: JSONValue = None, **more: Any) -> Item:
        """Return a request about a resource that the collection created."""
        accepted = self.api.success(operation).media_types
        accept = next((each for each in accepted if is_json(each)), next(iter(accepted), JSON))
        given = {
            "about": "{{" + self.api.variable(operation.owner) + "}}",
            "media_type": self.api.media_type(operation),
            "accept": JSON if "*" in accept else accept,
            "server": self.api.server_of(operation),
        }
        return request(operation, body, **{**given, **more})

    def body(self, operation: Operation) -> JSONValue:
        """Return the first body of a request, or None if it has no body."""
        return self.bodies(operation)[0].value

    def bodies(self, operation: Operation) -> list[Body]:
        """Return the bodies of an operation: examples of the document, or of its processes.

        Another body is made up from its schema.
        """
        found = self.api.bodies(operation)
        media_type, ruling = self.api.media_type(operation), self.api.ruling(operation)
        if not found and ruling:
            found = [Body(media_type, "", self.valid(each)[0]) for each in ruling[:1]]
        elif not found and (schema := self.api.body_schema(operation)) is not None:
            found = [Body(media_type, "", made_up(self.api.read, schema))]
        here = dict.fromkeys(self.api.addresses(operation), variable("listenerUrl"))
        return [
            each._replace(value={**each.value, **here})
            if here and isinstance(each.value, dict)
            else each
            for each in found or [Body(JSON, "", None)]
        ]

    def valid(self, process: Process) -> list[Item]:
        """Return the valid payloads of a process, the smallest first."""
        return defective.valid(self.book, process.name)

    def promises(self, answer: Answer) -> list[str]:
        """Return the tests for every response with a status, or with one of a range."""
        title = f"{answer.key}: {answer.description}"
        lines: list[str] = []
        if answer.key.isdecimal():
            lines = filled(scripts.STATUS, title=title, status=answer.status)
        elif answer.key.endswith("XX"):
            lines = filled(
                scripts.RANGE, title=title, first=answer.status, last=answer.status + _RANGE
            )
        for name, header in answer.headers.items():
            pattern = self._pattern(self.api.read.part(header, "schema"))
            lines += filled(scripts.HEADER, title=f"header {name}", name=name, pattern=pattern)
        if answer.shape is not None:
            title = "the body is what the document says"
            lines += filled(scripts.SHAPE, title=title, shape=self.api.schema(answer.shape))
        elif answer.status in _BODILESS:
            lines += filled(scripts.NOTHING)
        if _COUNT in answer.headers:
            lines += filled(scripts.COUNT, name=_COUNT)
        return lines

    def _pattern(self, schema: Mapping[str, Any]) -> str:
        """Return the pattern of the value of a header."""
        listed = schema.get("enum")
        if isinstance(listed, list):
            return f"^({'|'.join(re.escape(shown(each)) for each in listed)})$"
        if isinstance(pattern := schema.get("pattern"), str):
            return pattern
        found = _VALUES.get(str(schema.get("type")), _VALUES["string"])
        return found.replace("-?", "") if schema.get("minimum") == 0 else found

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
        return self.made(maker, self.api.variable(maker.path), self.body(maker), steps)

    def made(
        self, maker: Operation, name: str, body: JSONValue, steps: Sequence[Item] = ()
    ) -> list[str]:
        """Return the script that creates a resource, or nothing if its identifier is not known."""
        member = self.api.identifier(maker, self.api.success(maker))
        if member is None:
            return []
        changed = JSON if self.changing is None else self.api.media_type(self.changing)
        scheme = self.api.scheme
        return scripts.make(
            maker.path,
            name,
            body,
            steps,
            member=member,
            types=(self.api.media_type(maker), changed),
            credentials=("", "") if scheme is None else (scheme.kind, scheme.name),
        )

    @property
    def status(self) -> str:
        """The name of the status member; empty if there is no lifecycle."""
        return self.book.lifecycle.field if self.book.lifecycle is not None else ""

    def way(self, before: str | None, after: object) -> Sequence[str]:
        """Return the statuses from one (None: that of a new ticket) to another."""
        cycle = self.book.lifecycle
        return cycle.way(before or cycle.initial, after, BY) if cycle is not None else ()

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
        lines += self.sent(answer, body)
        member = self.api.identifier(operation, answer)
        if operation.method == "post" and answer.shape is not None:
            if lines:
                names = self._promised(operation, answer, body)
                lines += filled(scripts.MEMBERS, title="the server fills in the rest", names=names)
            if member is not None and operation.path == operation.owner:
                lines += filled(scripts.KEEP, variable=name, member=member)
        elif operation.method == "delete":
            lines += filled(scripts.FORGET, variable=name)
        elif self.api.maker(operation) is not None and member is not None:
            lines += filled(scripts.IDENTIFIER, variable=name, member=member)
        return lines

    def sent(self, answer: Answer, body: JSONValue) -> list[str]:
        """Return the test that a response has what was sent, if its shape has these members."""
        members = self.api.read.members(answer.shape)
        is_told = isinstance(body, dict) and all(
            name in members and self.api.read.at(members[name]).get("writeOnly") is not True
            for name in body
        )
        return filled(scripts.SENT) if is_told and answer.shape is not None else []

    def _promised(self, operation: Operation, answer: Answer, body: Item) -> list[str]:
        """Return the members of a new resource that its rules or its shape promise."""
        known = self.answered(operation, body, None)
        needed = {*body, *self.api.read.required(answer.shape)}
        if operation.is_as(self.adding):
            needed |= {*defective.filled_in(self.book, self.book.matrix.root, ""), self.status}
        return [name for name in known if name in needed] if isinstance(known, dict) else []

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
        answer, media_type = self.api.success(operation), self.api.media_type(operation)
        listed: list[tuple[str, Body, str | None]] = [
            (f"{answer.key or answer.status} {each.summary}".strip(), each, None)
            for each in self.bodies(operation)
        ]
        listed += [
            (f"{answer.key} {process.name}: {extent}", Body(media_type, "", body), process.name)
            for process in self.api.ruling(operation)
            for extent, body in zip(EXTENTS, self.valid(process), strict=False)
        ]
        found = []
        for name, body, process in listed:
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
        made = {}
        for name, header in answer.headers.items():
            schema = self.api.read.part(header, "schema")
            listed, kind = schema.get("enum"), schema.get("type")
            usual = _SAMPLES.get(name, "1" if kind in _NUMBERS else self._address())
            made[name] = shown(listed[0]) if isinstance(listed, list) and listed else usual
        return made

    def _address(self) -> str:
        return f"{self.api.base}/{defective.NUMBER}"

    def answered(self, operation: Operation, body: JSONValue, process: str | None) -> JSONValue:
        """Return the body of a saved response; `process` is that of the request."""
        answer = self.api.success(operation)
        if answer.shape is None:
            return None
        if self.is_only_told(operation):
            return next(iter(answer.examples.values()), None)
        adding, root = self.adding, self.api.is_root(answer.shape)
        is_list = self.api.is_root(self.api.read.at(answer.shape).get("items"))
        if adding is None or operation.owner != adding.path or not (root or is_list):
            return self._like(operation, answer, body)
        path = self.api.base + adding.path
        if operation.is_as(adding):
            return defective.stored(self.book, body, path) if isinstance(body, dict) else body
        first = self.body(adding)
        if not self.api.ruling(operation):
            ticket = defective.stored(self.book, first, path)
            return [ticket] if is_list else ticket
        first = (defective.changed(self.book, process) if process else None) or first
        ticket = defective.stored(self.book, first, path)
        status = body.get(self.status) if isinstance(body, dict) else None
        for each in self.way(None, status)[:-1]:
            ticket[self.status] = each
        return defective.after(self.book, ticket, body)

    def _like(self, operation: Operation, answer: Answer, body: JSONValue) -> JSONValue:
        """Return the example of a response, or a body made up from its shape and what was sent."""
        if answer.examples:
            return next(iter(answer.examples.values()))
        made = made_up(self.api.read, answer.shape, hidden="writeOnly")
        if not isinstance(made, dict):
            return made
        member = self.api.identifier(operation, answer)
        if member is not None and isinstance(made.get(member), str):
            made[member] = defective.NUMBER
        if not isinstance(body, dict):
            return made
        told = {name: each for name, each in body.items() if name in made}
        needed = {member, *told, *self.api.read.required(answer.shape)}
        return {**{name: each for name, each in made.items() if name in needed}, **told}
