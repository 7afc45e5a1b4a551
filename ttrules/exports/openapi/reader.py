"""Read the operations of an OpenAPI document: parameters, bodies, examples, errors and headers.

References are followed. For each operation the reader also finds what must exist before it can be
called. The members of tickets come from the rulebook, not from here.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ttrules.exports.openapi.operations import (
    CARRIED_BY,
    EVERY_ANSWER,
    EVERY_REFUSAL,
    EVERY_REQUEST,
    JSON,
    METHODS,
    Operation,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ttrules.matrix import Process
    from ttrules.rulebook import Rulebook

#: The example of an error for a request, by the kind of its body.
_TOLD_OF: Final = {"ticket": "requirementsNotMet", "other": "invalidBody", "none": "invalidQuery"}
_LEAST_ERROR: Final = 400
#: Keywords of OpenAPI 3.0 that JSON Schema does not have, and formats that Postman knows.
_UNSHARED: Final = frozenset({"example", "xml", "discriminator", "externalDocs", "nullable"})
_FORMATS: Final = frozenset({"date-time", "date"})


class Body(NamedTuple):
    """An example of a body in the document."""

    media_type: str
    summary: str
    value: Any


class Answer(NamedTuple):
    """The response with a status in the document."""

    status: int
    description: str
    #: The headers that it always has.
    headers: Mapping[str, Mapping[str, Any]]
    #: The shape of its body, or None; and all headers that it may have.
    shape: Mapping[str, Any] | None
    may_have: frozenset[str]
    examples: Mapping[str, Any]


class Api:
    """A document and its rulebook. Raises KeyError for a missing component."""

    def __init__(self, document: Mapping[str, Any], book: Rulebook) -> None:
        self.document, self.book = document, book
        self.components: Mapping[str, Any] = document["components"]
        self.base: str = document.get("servers", [{"url": ""}])[0]["url"]
        self.operations = tuple(self._operations())

    def _operations(self) -> Iterator[Operation]:
        for path, item in self.document.get("paths", {}).items():
            for method in METHODS:
                if method in item:
                    listed = [*item.get("parameters", ()), *item[method].get("parameters", ())]
                    listed += self._marked("parameters", EVERY_REQUEST).values()
                    yield Operation(path, method, item[method], [self.at(each) for each in listed])

    def at(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a node with its reference followed."""
        while "$ref" in node:
            kind, name = node["$ref"].split("/")[-2:]
            node = self.components[kind][name]
        return node

    @property
    def token_path(self) -> str | None:
        """The path of the token endpoint for client credentials."""
        for scheme in self.components.get("securitySchemes", {}).values():
            if "clientCredentials" in scheme.get("flows", {}):
                path: str = scheme["flows"]["clientCredentials"]["tokenUrl"]
                return path
        return None

    def shapes(self) -> dict[str, Any]:
        """Return the shapes as definitions of JSON Schema (draft 7), which Postman knows."""
        return {"definitions": as_schema(self.components["schemas"])}

    # Answers.

    def answers(self, operation: Operation) -> dict[int, Answer]:
        """Return the answers of an operation by status."""
        return {
            int(status): self._answer(int(status), self.at(node))
            for status, node in operation.node["responses"].items()
            if status.isdecimal()
        }

    def _answer(self, status: int, node: Mapping[str, Any]) -> Answer:
        headers = {name: self.at(each) for name, each in node.get("headers", {}).items()}
        headers |= self._marked("headers", EVERY_ANSWER)
        headers |= self._marked("headers", EVERY_REFUSAL) if status >= _LEAST_ERROR else {}
        content = node.get("content", {}).get(JSON, {})
        return Answer(
            status=status,
            description=" ".join(node["description"].split()),
            headers={name: each for name, each in headers.items() if each.get("required")},
            shape=content.get("schema"),
            may_have=frozenset(headers),
            examples={name: each["value"] for name, each in content.get("examples", {}).items()},
        )

    def _marked(self, kind: str, mark: str) -> dict[str, Mapping[str, Any]]:
        known: Mapping[str, Mapping[str, Any]] = self.components.get(kind, {})
        return {name: each for name, each in known.items() if each.get(mark)}

    def success(self, operation: Operation) -> Answer:
        """Return the success response: the first in the document."""
        return min(self.answers(operation).values())

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
        body = "ticket" if self.has_ticket(operation) and not by_query else body
        told = [answer.examples.get(_TOLD_OF[body]), *answer.examples.values(), {}]
        return dict(next(each for each in told if each is not None))

    # Bodies.

    def bodies(self, operation: Operation) -> list[Body]:
        """Return the examples of a body."""
        return [
            Body(media_type, each.get("summary", name), each["value"])
            for media_type, node in operation.node.get("requestBody", {}).get("content", {}).items()
            for name, each in node.get("examples", {}).items()
        ]

    def addresses(self, operation: Operation) -> list[str]:
        """Return the members of an operation's body with a callback URL."""
        written = json.dumps(operation.node.get("callbacks", {}))
        return re.findall(r"\$request\.body#/(\w+)", written)[:1]

    def has_ticket(self, operation: Operation) -> bool:
        """Return whether the body of an operation is the entity that the matrix rules."""
        content = operation.node.get("requestBody", {}).get("content", {})
        shape = content.get(JSON, {}).get("schema", {})
        root: str = self.book.matrix.root
        return str(shape.get("$ref", "")).rpartition("/")[2] == root

    # Relations between operations.

    def ruled(self, method: str) -> Operation | None:
        """Return the operation with this method whose body is a ticket."""
        return next((e for e in self.operations if e.method == method and self.has_ticket(e)), None)

    def ruling(self, operation: Operation) -> list[Process]:
        """Return the processes of the bodies of an operation."""
        return [
            each
            for each in self.book.matrix.processes
            if self.ruled(CARRIED_BY.get(each.operation or "", "")) == operation
        ]

    def hub(self) -> Operation | None:
        """Return the operation that registers a listener for events."""
        return next((each for each in self.operations if "callbacks" in each.node), None)

    def events(self) -> dict[str, Mapping[str, Any]]:
        """Return the operations that a listener has, by the event's name."""
        hub = self.hub()
        return {
            event: item["post"]
            for event, addresses in (hub.node["callbacks"] if hub else {}).items()
            for item in addresses.values()
        }

    def variable(self, path: str) -> str:
        """Return the name of the resource of a path: that of the parameter after it."""
        behind = [each.takes("path") for each in self.operations if each.above == path != each.path]
        return str(behind[0][-1]["name"]) if behind else path.rpartition("/")[2] + "Id"

    def maker(self, operation: Operation) -> Operation | None:
        """Return the operation that creates the resource of this one, if it has one."""
        is_about = operation.method == "delete" or operation.path != operation.above
        if (
            operation.method == "get" and not is_about
        ):  # one thing that has no identifier, or a list
            shape = self.success(operation).shape
            is_about = shape is not None and self.at(shape).get("type") != "array"
        makers = [e for e in self.operations if (e.path, e.method) == (operation.above, "post")]
        return makers[0] if makers and is_about else None


def as_schema(node: Any) -> Any:  # noqa: ANN401 - a shape, or a part of one
    """Return a shape of OpenAPI 3.0 as JSON Schema (draft 7)."""
    if isinstance(node, list):
        return [as_schema(each) for each in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("$ref"), str):
        return {"$ref": f"#/definitions/{node['$ref'].rpartition('/')[2]}"}
    # A member may have the name of a keyword; then its value is an object.
    made = {
        key: as_schema(value)
        for key, value in node.items()
        if isinstance(value, dict) or not (key in _UNSHARED or key.startswith("x-"))
    }
    for key, known in (("format", _FORMATS), ("description", ())):
        if isinstance(made.get(key), str) and made[key] not in known:
            del made[key]
    for key, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(made.get(key), bool) and made.pop(key) and bound in made:
            made[key] = made.pop(bound)
    if node.get("nullable") is True and "type" in made:
        made["type"] = [made["type"], "null"]
    return made
