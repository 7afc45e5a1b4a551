"""Read the operations of an OpenAPI document: parameters, bodies, examples, errors and headers.

References are followed. For each operation the reader also finds what must exist before it can be
called. The members of tickets come from the rulebook, not from here.
"""

from __future__ import annotations

import json
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ttrules.examples.values import FILLED
from ttrules.exports.openapi.draft7 import as_schema
from ttrules.exports.openapi.operations import (
    EVERY_ANSWER,
    EVERY_REFUSAL,
    JSON,
    REFUSED_AS,
    Document,
    Operation,
    is_json,
    is_patch,
    rules_root,
    ruling,
)
from ttrules.exports.openapi.samples import made_up

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ttrules.matrix import Process
    from ttrules.rulebook import Rulebook

#: The example of an error for a request, by the kind of its body.
_TOLD_OF: Final = {"root": "requirementsNotMet", "other": "invalidBody", "none": "invalidQuery"}
_LEAST_ERROR: Final = 400
_STATUS: Final = re.compile(r"[1-5](?:[0-9]{2}|XX)|default")
#: Where a callback is sent: the address in a request, and what follows it.
_ADDRESS: Final = re.compile(r"\{\$request\.body#/([^}]*)\}")
#: The header with the signature of an event (Standard Webhooks).
SIGNATURE: Final = "webhook-signature"
#: The kinds of credentials that a request can have, and the variables with them.
CREDENTIALS: Final = {
    "bearer": ("accessToken",),
    "basic": ("username", "password"),
    "apikey": ("apiKey",),
}


class Body(NamedTuple):
    """An example of a body in the document."""

    media_type: str
    summary: str
    value: Any


class Answer(NamedTuple):
    """A response in the document."""

    #: Its status as written: a number, a range such as ``2XX``, ``default``, or nothing.
    key: str
    #: The status that a saved response has.
    status: int
    description: str
    #: The headers that it always has.
    headers: Mapping[str, Mapping[str, Any]]
    #: The media types of its body, and the shape of the JSON one, or None.
    media_types: tuple[str, ...]
    shape: Mapping[str, Any] | None
    may_have: frozenset[str]
    examples: Mapping[str, Any]


class Event(NamedTuple):
    """A request that is sent to the address of a subscription."""

    name: str
    #: What follows the address.
    path: str
    node: dict[str, Any]


class Scheme(NamedTuple):
    """How a request is authenticated: a kind of `CREDENTIALS`, and the place of an API key."""

    kind: str
    name: str
    place: str


class Api:
    """A document and its rulebook. What the document lacks is empty."""

    def __init__(self, document: Mapping[str, Any], book: Rulebook) -> None:
        self.document, self.book = document, book
        self.read = Document(document)
        self.operations = tuple(map(self._filled, self.read.operations()))
        self._processes = {
            (each.path, each.method): ruling(self.read, book.matrix, each).processes
            for each in self.operations
        }
        self._by_place = {(each.path, each.method): each for each in self.operations}
        self._variables: dict[str, str] = {}
        self._known: dict[tuple[str, str, int], dict[str, Answer]] = {}
        for each in self.operations:
            for name, path in each.collections():
                self._variables.setdefault(path, name)

    def _filled(self, operation: Operation) -> Operation:
        """Return an operation whose required parameters have an example."""
        return operation._replace(
            parameters=[
                {**each, "example": self._example_of(each)}
                if each.get("required") is True and each["in"] != "path" and "example" not in each
                else each
                for each in operation.parameters
            ]
        )

    def _example_of(self, parameter: Mapping[str, Any]) -> Any:
        """Return a value for a parameter."""
        content = self.read.parts(parameter, "content")
        shown = [each["value"] for each in self._examples(parameter).values()]
        schema = next((each.get("schema") for each in content.values()), parameter.get("schema"))
        return shown[0] if shown else made_up(self.read, schema, str(parameter["name"]))

    # Where requests are sent, and with which credentials.

    def servers(self, node: object = None) -> list[str]:
        """Return the addresses of the servers of the document, or of a part of it.

        A variable has its default.
        """
        found = []
        for each in self.read.listed(self.document if node is None else node, "servers"):
            address = str(each.get("url", ""))
            for name, variable in self.read.parts(each, "variables").items():
                address = address.replace(f"{{{name}}}", str(variable.get("default", "")))
            found.append(address.rstrip("/"))
        return found

    @property
    def base(self) -> str:
        """The address of the first server."""
        return next(iter(self.servers()), "")

    def server_of(self, operation: Operation) -> str | None:
        """Return the address at which an operation has a server of its own."""
        own = [*self.servers(operation.node), *self.servers(operation.item)]
        return own[0] if own else None

    @cached_property
    def token_path(self) -> str | None:
        """The path of the token endpoint for client credentials."""
        for scheme in self.read.components("securitySchemes").values():
            address = self.read.part(scheme, "flows", "clientCredentials").get("tokenUrl")
            if isinstance(address, str):
                return address
        return None

    @cached_property
    def scheme(self) -> Scheme | None:
        """How requests are authenticated: by a token, or the first scheme that is asked for."""
        if self.token_path is not None:
            return Scheme("bearer", "", "")
        known = self.read.components("securitySchemes")
        owners = (self.document, *(each.node for each in self.operations))
        names = [
            name for each in owners for one in self.read.listed(each, "security") for name in one
        ]
        for each in (known[name] for name in names if name in known):
            kind = str(each.get("type"))
            kind = str(each.get("scheme")).lower() if kind == "http" else kind
            if kind in {"oauth2", "openIdConnect", "bearer"}:
                return Scheme("bearer", "", "")
            if kind == "basic":
                return Scheme("basic", "", "")
            if kind == "apiKey" and each.get("in") in {"header", "query"}:
                return Scheme("apikey", str(each.get("name")), each["in"])
        return None

    def shapes(self) -> dict[str, Any]:
        """Return the shapes as definitions of JSON Schema (draft 7), which Postman knows."""
        shapes = self.read.part(self.document, "components").get("schemas")
        named = shapes if isinstance(shapes, dict) else {}
        return {"definitions": {name: self.schema(each) for name, each in named.items()}}

    def schema(self, shape: object) -> Any:
        """Return a shape of a response as JSON Schema (draft 7)."""
        return as_schema(shape, self.read)

    # Answers.

    def answers(self, operation: Operation) -> dict[int, Answer]:
        """Return the answers of an operation by status; ranges and the default are left out."""
        found = self._answers(operation)
        return {each.status: each for key, each in found.items() if key.isdecimal()}

    def _answers(self, operation: Operation) -> dict[str, Answer]:
        place = (operation.path, operation.method, id(operation.node))
        if place not in self._known:
            described = self.read.parts(operation.node, "responses")
            self._known[place] = {
                key: self._answer(key, node, has_body=operation.method != "head")
                for key, node in described.items()
                if _STATUS.fullmatch(key)
            }
        return self._known[place]

    def _answer(self, key: str, node: Mapping[str, Any], *, has_body: bool) -> Answer:
        status = int(key.replace("X", "0")) if key != "default" else 200
        is_error = status >= _LEAST_ERROR
        headers = self.read.parts(node, "headers")
        headers |= self._marked(EVERY_ANSWER)
        headers |= self._marked(EVERY_REFUSAL) if is_error else {}
        content = self.read.parts(node, "content") if has_body else {}
        body = next((each for name, each in content.items() if is_json(name)), {})
        return Answer(
            key=key,
            status=status,
            description=" ".join(str(node.get("description", "")).split()),
            headers={name: each for name, each in headers.items() if each.get("required") is True},
            media_types=tuple(content),
            shape=body.get("schema"),
            may_have=frozenset(headers),
            examples={name: each["value"] for name, each in self._examples(body).items()},
        )

    def _examples(self, body: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Return the examples of a body that have their value in the document, by name."""
        one = {"": {"value": body["example"]}} if "example" in body else {}
        many = self.read.parts(body, "examples")
        return one | {name: each for name, each in many.items() if "value" in each}

    def _marked(self, mark: str) -> dict[str, dict[str, Any]]:
        known = self.read.components("headers")
        return {name: each for name, each in known.items() if each.get(mark)}

    def success(self, operation: Operation) -> Answer:
        """Return the success response: the first in the document, or an empty one."""
        found = self._answers(operation)
        wanted = [*sorted(key for key in found if key[0] in "23"), "default"]
        key = next((each for each in wanted if each in found), None)
        if key is None:
            return Answer("", 200, "", {}, (), None, frozenset(), {})
        return found[key]

    def refused(self, operation: Operation) -> Answer | None:
        """Return the response to an invalid request, if the document has one."""
        found = self._answers(operation)
        return next((found[key] for key in REFUSED_AS if key in found), None)

    def identifier(self, operation: Operation, answer: Answer) -> str | None:
        """Return the member of a response that identifies its resource, or None."""
        members = self.read.members(answer.shape)
        filled = [
            name
            for name, each in members.items()
            if self.read.part(each, FILLED).get("create") == "identifier"
        ]
        root = self.book.matrix.root
        names = [*filled, self.variable(operation.owner), "id", f"{root[:1].lower()}{root[1:]}Id"]
        return next((each for each in names if each in members), None)

    def is_root(self, schema: object) -> bool:
        """Return whether a schema describes the root of the matrix."""
        return rules_root(self.read, self.book.matrix, schema)

    def has_member(self, answer: Answer, name: str) -> bool:
        """Return whether the body of a response may have a member."""
        return name in self.read.members(answer.shape)

    def errors(self, operation: Operation) -> list[Answer]:
        """Return the error responses."""
        return [e for status, e in self.answers(operation).items() if status >= _LEAST_ERROR]

    def error(
        self, operation: Operation, answer: Answer, *, by_query: bool = False
    ) -> dict[str, Any]:
        """Return the body of an error response: the example that fits the operation best.

        It is about the body of the request, unless there is none or `by_query` is set.
        """
        body = "none" if by_query or "requestBody" not in operation.node else "other"
        body = "root" if self.ruling(operation) and not by_query else body
        told = [answer.examples.get(_TOLD_OF[body]), *answer.examples.values()]
        return dict(next((each for each in told if isinstance(each, dict)), {}))

    def tells_of_query(self, answer: Answer | None) -> bool:
        """Return whether a response of the document is one to an unknown parameter."""
        return answer is not None and _TOLD_OF["none"] in answer.examples

    # Bodies.

    def bodies(self, operation: Operation) -> list[Body]:
        """Return the examples of a body."""
        content = self.read.parts(operation.node.get("requestBody"), "content")
        return [
            Body(media_type, str(each.get("summary", name)), each["value"])
            for media_type, node in content.items()
            for name, each in self._examples(node).items()
        ]

    def media_type(self, operation: Operation) -> str:
        """Return the media type in which a body is sent: that of the root, or the first of JSON."""
        matrix, content = self.book.matrix, self.read.body(operation)
        ruled = [n for n, e in content.items() if rules_root(self.read, matrix, e.get("schema"))]
        plain = [name for name in content if not is_patch(name)]
        found = next(iter([*ruled, *plain, *content]), JSON)
        return JSON if "*" in found else found

    def body_schema(self, operation: Operation) -> object:
        """Return the schema of the JSON body of a request, or None."""
        return self.read.body(operation).get(self.media_type(operation), {}).get("schema")

    def addresses(self, operation: Operation) -> list[str]:
        """Return the members of an operation's body with a callback URL."""
        written = json.dumps([*self.read.parts(operation.node, "callbacks").values()])
        return [each for each in _ADDRESS.findall(written) if "/" not in each][:1]

    # Relations between operations.

    def ruling(self, operation: Operation) -> list[Process]:
        """Return the processes of the bodies of an operation."""
        return [*self._processes.get((operation.path, operation.method), ())]

    def ruled(self, *does: str) -> Operation | None:
        """Return the first operation with a process of one of these operations."""
        return next(
            (e for e in self.operations if any(p.operation in does for p in self.ruling(e))), None
        )

    def hub(self) -> Operation | None:
        """Return the operation that registers a listener for events."""
        return next((each for each in self.operations if self.events_of(each)), None)

    def events(self) -> list[Event]:
        """Return the requests that a listener gets."""
        hub = self.hub()
        return [] if hub is None else self.events_of(hub)

    def is_signed(self, event: Event) -> bool:
        """Return whether an event is signed as Standard Webhooks: by its headers, or its server."""
        hub, headers = self.hub(), self.read.listed(event.node, "parameters")
        by_server = hub is not None and hub.node.get("x-does") == "subscribe"
        return by_server or any(str(e.get("name")).lower() == SIGNATURE for e in headers)

    def events_of(self, operation: Operation) -> list[Event]:
        """Return the requests that an operation announces as callbacks."""
        return [
            Event(name, _ADDRESS.sub("", expression), self.read.at(item["post"]))
            for name, callback in self.read.parts(operation.node, "callbacks").items()
            for expression, item in self.read.parts({"c": callback}, "c").items()
            if "post" in item
        ]

    def variable(self, path: str) -> str:
        """Return the name of the resource of a path: that of the parameter after it."""
        return self._variables.get(path) or path.rpartition("/")[2] + "Id"

    def maker(self, operation: Operation) -> Operation | None:
        """Return the operation that creates the resource of this one, if it has one."""
        is_about = operation.method == "delete" or operation.path != operation.owner
        if (
            operation.method == "get" and not is_about
        ):  # one thing that has no identifier, or a list
            shape = self.success(operation).shape
            is_about = shape is not None and self.read.at(shape).get("type") != "array"
        made = self._by_place.get((operation.owner, "post"))
        return made if is_about and not operation.is_as(made) else None
