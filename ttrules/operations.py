"""What an OpenAPI document says of its operations, as whoever asks them needs to know it.

References are followed, and examples, errors and headers found; and of each operation, what must
have been made before it can be asked. What the bodies of tickets hold is the business of the book.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ttrules.openapi import CARRIED_BY, EVERY_ANSWER, EVERY_REFUSAL, EVERY_REQUEST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ttrules.book import Book

JSON: Final = "application/json"
#: Methods in the order in which their requests can follow one another.
METHODS: Final = ("post", "get", "put", "patch", "delete")
#: The example of an error that is told of a request: by what its body is.
_TOLD_OF: Final = {"ticket": "requirementsNotMet", "other": "invalidBody", "none": "invalidQuery"}
_LEAST_ERROR: Final = 400
#: Keywords of OpenAPI 3.0 that JSON Schema does not have, and formats that Postman knows.
_UNSHARED: Final = frozenset({"example", "xml", "discriminator", "externalDocs", "nullable"})
_FORMATS: Final = frozenset({"date-time", "date"})


class Operation(NamedTuple):
    """One operation of a document, with the parameters of its path."""

    path: str
    method: str
    node: Mapping[str, Any]
    parameters: Sequence[Mapping[str, Any]]

    @property
    def name(self) -> str:
        """What the request is called: `[GET] /thing/{id}`, a parameter of a path being its id."""
        return f"[{self.method.upper()}] " + re.sub(r"\{[^}]*[iI]d\}", "{id}", self.path)

    @property
    def above(self) -> str:
        """The path where things of the kind are made."""
        return re.sub(r"/\{[^}]*\}$", "", self.path)

    def takes(self, place: str) -> list[Mapping[str, Any]]:
        """Return the parameters that stand in a place: path, query or header."""
        return [each for each in self.parameters if each["in"] == place]


class Body(NamedTuple):
    """A body that the document shows."""

    media_type: str
    summary: str
    value: Any


class Answer(NamedTuple):
    """What the document says of an answer with a status."""

    status: int
    description: str
    #: The headers that it always has.
    headers: Mapping[str, Mapping[str, Any]]
    #: The shape of its body, None where it has none; and all headers that it may have.
    shape: Mapping[str, Any] | None
    may_have: frozenset[str]
    examples: Mapping[str, Any]


class Api:
    """A document and the book of its rules. Raises KeyError for a component that is not there."""

    def __init__(self, document: Mapping[str, Any], book: Book) -> None:
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
        """Follow a reference, if it is one."""
        while "$ref" in node:
            kind, name = node["$ref"].split("/")[-2:]
            node = self.components[kind][name]
        return node

    @property
    def token_path(self) -> str | None:
        """The path where access tokens are given to clients by their credentials."""
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
        """Return the answer when all is well: the first that is documented."""
        return min(self.answers(operation).values())

    def errors(self, operation: Operation) -> list[Answer]:
        """Return the answers that refuse."""
        return [e for status, e in self.answers(operation).items() if status >= _LEAST_ERROR]

    def error(
        self, operation: Operation, answer: Answer, *, by_query: bool = False
    ) -> dict[str, Any]:
        """Return the body of an answer that refuses: the example that fits the operation best.

        It is for what the body holds, unless there is none or `by_query` says otherwise.
        """
        body = "none" if by_query or "requestBody" not in operation.node else "other"
        body = "ticket" if self.has_ticket(operation) and not by_query else body
        told = [answer.examples.get(_TOLD_OF[body]), *answer.examples.values(), {}]
        return dict(next(each for each in told if each is not None))

    # Bodies.

    def bodies(self, operation: Operation) -> list[Body]:
        """Return the bodies that the document shows."""
        return [
            Body(media_type, each.get("summary", name), each["value"])
            for media_type, node in operation.node.get("requestBody", {}).get("content", {}).items()
            for name, each in node.get("examples", {}).items()
        ]

    def addresses(self, operation: Operation) -> list[str]:
        """Return the members of an operation's body that name where events are sent."""
        written = json.dumps(operation.node.get("callbacks", {}))
        return re.findall(r"\$request\.body#/(\w+)", written)[:1]

    def has_ticket(self, operation: Operation) -> bool:
        """Say whether the body of an operation is the entity that the matrix rules."""
        content = operation.node.get("requestBody", {}).get("content", {})
        shape = content.get(JSON, {}).get("schema", {})
        root: str = self.book.data["root"]
        return str(shape.get("$ref", "")).rpartition("/")[2] == root

    # What belongs together.

    def ruled(self, method: str) -> Operation | None:
        """Return the operation that takes tickets by this method."""
        return next((e for e in self.operations if e.method == method and self.has_ticket(e)), None)

    def ruling(self, operation: Operation) -> list[Mapping[str, Any]]:
        """Return the processes of what an operation is sent."""
        return [
            each
            for each in self.book.data["processes"]
            if self.ruled(CARRIED_BY.get(each["operation"], "")) == operation
        ]

    def hub(self) -> Operation | None:
        """Return the operation that registers who listens to events."""
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
        """Return the name of what is made at a path: that of the parameter behind it."""
        behind = [each.takes("path") for each in self.operations if each.above == path != each.path]
        return str(behind[0][-1]["name"]) if behind else path.rpartition("/")[2] + "Id"

    def maker(self, operation: Operation) -> Operation | None:
        """Return the operation that makes what this one is about, if it is about one thing."""
        is_about = operation.method == "delete" or operation.path != operation.above
        if (
            operation.method == "get" and not is_about
        ):  # one thing that has no identifier, or a list
            shape = self.success(operation).shape
            is_about = shape is not None and self.at(shape).get("type") != "array"
        makers = [e for e in self.operations if (e.path, e.method) == (operation.above, "post")]
        return makers[0] if makers and is_about else None


def as_schema(node: Any) -> Any:  # noqa: ANN401 - a shape, or a part of one
    """Return a shape of OpenAPI 3.0 in the words of JSON Schema (draft 7)."""
    if isinstance(node, list):
        return [as_schema(each) for each in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("$ref"), str):
        return {"$ref": f"#/definitions/{node['$ref'].rpartition('/')[2]}"}
    # A member of an object may be called as a keyword is; its value is an object then.
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
