"""The OpenAPI document that contains the rules, for client generators, mocks and fuzzers.

The rules of a rulebook are added to the hand-written document. Shapes decide where: a request whose
body is the root of the matrix follows the Add processes if it is a POST, and the Change processes
if it is a PATCH. Its body gets their schemas and an example of each, its responses get the reports
on such requests. No path is known here; everything else stays as it was written.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ttrules.codes import ANNOTATION
from ttrules.examples.exchanges import sample
from ttrules.exports.openapi.operations import (
    CARRIED_BY,
    EVERY_ANSWER,
    EVERY_REFUSAL,
    EVERY_REQUEST,
)
from ttrules.exports.openapi.schemas import request_schema, with_codes
from ttrules.pointers import path_of
from ttrules.rulebook import Rulebook
from ttrules.spec.compiler import compile_schemas, to_bytes
from ttrules.spec.yaml_source import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from os import PathLike

    from ttrules.examples.exchanges import Sample
    from ttrules.matrix import Matrix

_Object = dict[str, Any]

_SCHEMAS: Final = "#/components/schemas/"
_DOES: Final = {method: does for does, method in CARRIED_BY.items()}
_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
#: The first character of the statuses of errors; `default` may be one.
_REFUSALS: Final = ("4", "5", "d")
_JSON_PATCH: Final = "application/json-patch+json"
#: The name of the example for a request that violates rules, if there are several.
_REFUSED: Final = "requirementsNotMet"
#: The members of a response that contain findings, if its shape has them.
_FINDINGS: Final = ("violations", "warnings")


def document(openapi: Mapping[str, Any], book: Rulebook) -> _Object:
    """Return an OpenAPI document (3.0 or later) with the rules of a rulebook added.

    `openapi` is the document with the shapes of the rulebook. The same arguments always give the
    same document. References to other files are not followed.
    """
    # Values read from YAML may share parts; the copy shares none.
    return _Document(json.loads(json.dumps(openapi)), book).whole()


class _Document:
    """One document while the rules are added."""

    def __init__(self, public: _Object, book: Rulebook) -> None:
        self.public, self.book = public, book
        self.root = {"$ref": _SCHEMAS + book.matrix.root}
        self.processes = {each.name: each for each in book.matrix.processes}
        self.samples = {
            name: sample(book, name) for name, each in self.processes.items() if each.operation
        }
        self.schemas: dict[str, _Object] = {}

    def whole(self) -> _Object:
        self._tell_shapes()
        for method, operation in self._operations():
            self._tell(operation, _DOES.get(method))
        self._tell_everywhere()
        return self.public

    def _operations(self) -> Iterator[tuple[str, _Object]]:
        """Yield every operation of the document's own paths with its method."""
        for item in (self.public.get("paths") or {}).values():
            yield from ((method, item[method]) for method in _METHODS if method in item)

    def _tell_shapes(self) -> None:
        """Add the codes to the shapes of the entities, and a shape for each process."""
        shapes = self.public["components"]["schemas"]
        for entity in self.book.matrix.entities:
            shapes[entity] = with_codes(self.book, entity, shapes[entity])
        for name, process in self.processes.items():
            key = "".join(part.capitalize() for part in process.slug.split("-"))
            while key in shapes:
                key += "Request"
            shapes[key] = request_schema(self.book, name, self.public["openapi"])
            self.schemas[name] = {"$ref": _SCHEMAS + key}

    def _tell_everywhere(self) -> None:
        """Add the marked headers and parameters to every response, error or request."""
        everywhere = self._marked("headers", EVERY_ANSWER)
        refusing = self._marked("headers", EVERY_REFUSAL)
        asked = list(self._marked("parameters", EVERY_REQUEST).values())
        for _, operation in self._operations():
            if asked:
                operation["parameters"] = [*operation.get("parameters", ()), *asked]
            for status, reference in operation.get("responses", {}).items():
                answer = self._resolved(reference)
                headers = everywhere | (refusing if str(status)[0] in _REFUSALS else {})
                if headers and "$ref" not in answer:
                    answer["headers"] = {**answer.get("headers", {}), **headers}

    def _marked(self, kind: str, mark: str) -> dict[str, _Object]:
        """Return references to the marked components of a kind, and remove the marks."""
        return {
            name: {"$ref": f"#/components/{kind}/{name}"}
            for name, each in self.public["components"].get(kind, {}).items()
            if each.pop(mark, False)
        }

    def _tell(self, operation: _Object, does: str | None) -> None:
        """Add the rules to an operation."""
        body = self._resolved(operation.get("requestBody", {})).get("content", {})
        names = [n for n, each in self.processes.items() if does and each.operation == does]
        if names and any(content.get("schema") == self.root for content in body.values()):
            operation[ANNOTATION] = {"processes": names}
            self._tell_body(self._copied(operation, "requestBody")["content"], names, does)
            self._show_refusals(operation, names)
        else:
            # What is read was added once.
            names = [n for n, each in self.processes.items() if each.operation == "add"]
        answers = operation.get("responses", {})
        for status in [each for each in answers if each.startswith("2")]:
            self._show_tickets(answers, status, names)

    def _tell_body(self, body: _Object, names: list[str], does: str | None) -> None:
        """Add schemas and examples of processes to a body, by media type."""
        for content in body.values():
            if content.get("schema") == self.root:
                content["schema"] = self._schema(names, does)
                _show(content, self._shown(names, lambda each: each.request))
        if does == "change" and _JSON_PATCH in body:
            _show(body[_JSON_PATCH], self._shown(names, lambda each: each.operations))

    def _schema(self, names: list[str], does: str | None) -> _Object:
        """Return the schema of a body to which one of several processes applies.

        The selecting field distinguishes Add processes. For a change, the resulting ticket selects
        the process, which the body alone does not determine.
        """
        refs = [self.schemas[name] for name in names]
        if len(refs) == 1:
            return refs[0]
        field = self.book.matrix.selection_field
        schemas = [self.book.schemas[self.processes[name].slug] for name in names]
        if does == "change" or not all(field in each.get("required", ()) for each in schemas):
            return {"anyOf": refs}
        mapping = {self.processes[n].value: self.schemas[n]["$ref"] for n in names}
        return {"oneOf": refs, "discriminator": {"propertyName": field, "mapping": mapping}}

    def _shown(self, names: list[str], of: Callable[[Sample], Any]) -> _Object:
        """Return an example of each process that has one."""
        return {
            _camel(self.processes[name].slug): {"summary": name, "value": value}
            for name, each in self._samples(names)
            if (value := of(each)) is not None
        }

    def _samples(self, names: list[str]) -> Iterator[tuple[str, Sample]]:
        for name in names:
            if (each := self.samples[name]) is not None:
                yield name, each

    def _show_tickets(self, answers: _Object, status: str, names: list[str]) -> None:
        """Add examples to responses with the root shape or a list of it."""
        for media_type, content in self._resolved(answers[status]).get("content", {}).items():
            schema = content.get("schema", {})
            shown: _Object = {}
            if schema == self.root:
                shown = self._shown(names, lambda each: each.ticket)
            elif schema.get("items") == self.root:
                tickets = [
                    each["value"] for each in self._shown(names, lambda e: e.ticket).values()
                ]
                shown = {"tickets": {"summary": "A list", "value": tickets}} if tickets else {}
            if shown:
                _show(self._copied(answers, status)["content"][media_type], shown)

    def _show_refusals(self, operation: _Object, names: list[str]) -> None:
        """Add examples of responses to invalid requests, if the shape of the response has findings.

        Their other members are from the example in the document: the only one, or the one with the
        name `_REFUSED`.
        """
        answer = self._copied(operation.get("responses", {}), "400")
        for content in answer.get("content", {}).values():
            shape = self._resolved(content.get("schema", {}))
            told = [name for name in _FINDINGS if name in shape.get("properties", {})]
            if not told:
                continue
            written = content.pop("example", None)
            if written is None:
                written = content.get("examples", {}).pop(_REFUSED, {}).get("value", {})
            shown = {
                _camel(self.processes[name].slug): _refusal(written, told, name, each)
                for name, each in self._samples(names)
                if not each.report.valid
            }
            _show(content, shown)

    def _copied(self, owner: _Object, key: str) -> _Object:
        """Return a member of an object, with a reference replaced by its value; {} if missing."""
        found = self._resolved(owner.get(key, {}))
        if found and found is not owner[key]:
            owner[key] = found = json.loads(json.dumps(found))
        return found

    def _resolved(self, node: _Object) -> _Object:
        """Return a part of the document, with its reference followed; {} if it is not there."""
        seen: set[str] = set()
        while "$ref" in node:
            reference: str = node["$ref"]
            if reference in seen or not reference.startswith("#/"):
                return {}
            seen.add(reference)
            target: Any = self.public
            for part in path_of(reference[1:]):
                target = target.get(part, {}) if isinstance(target, dict) else {}
            node = target
        return node


def _show(content: _Object, examples: _Object) -> None:
    """Add examples to a body after its own."""
    if examples:
        written = {"example": {"value": content.pop("example")}} if "example" in content else {}
        written |= content.get("examples", {})
        content["examples"] = {**written, **{k: v for k, v in examples.items() if k not in written}}


def _refusal(written: _Object, told: list[str], process: str, each: Sample) -> _Object:
    """Return the response to an invalid request as an example that contains the request.

    The examples of the body itself must be valid.
    """
    findings = {key: [one.to_dict() for one in getattr(each.report, key)] for key in told}
    text = json.dumps(each.broken, ensure_ascii=False, indent=2)
    return {
        "summary": f"{process}: every rule that is broken",
        "description": f"This was sent:\n\n```json\n{text}\n```",
        "value": {**written, **{key: found for key, found in findings.items() if found}},
        ANNOTATION: {"process": process, "request": each.broken},
    }


def _camel(slug: str) -> str:
    """Return the short form of a process as one word: complaint-add gives complaintAdd."""
    first, *rest = slug.split("-")
    return first + "".join(part.capitalize() for part in rest)


def openapi_of(openapi: str | PathLike[str], spec: Matrix) -> bytes:
    """Return the OpenAPI document with the rules of a spec; `openapi` is its file.

    The same files give the same bytes. Raises SpecError if the file cannot be read.
    """
    book = Rulebook(spec, compile_schemas(spec))
    return to_bytes(document(Source(openapi).value, book))


def shipped_openapi() -> bytes:
    """Return the OpenAPI document of the Trouble Ticket API that is part of this package."""
    return (Path(__file__).parents[2] / "schemas" / "openapi.json").read_bytes()
