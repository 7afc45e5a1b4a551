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

from ttrules.codes import ANNOTATION, noun_of
from ttrules.examples.exchanges import sample
from ttrules.exports.openapi.bundle import bundled
from ttrules.exports.openapi.operations import (
    EVERY_ANSWER,
    EVERY_REFUSAL,
    EVERY_REQUEST,
    REFUSED_AS,
    Document,
    is_patch,
    rules_root,
    ruling,
)
from ttrules.exports.openapi.schemas import hoisted, request_schema, tell_codes
from ttrules.rulebook import Rulebook
from ttrules.spec.compiler import compile_schemas, to_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from os import PathLike

    from ttrules.examples.exchanges import Sample
    from ttrules.exports.openapi.operations import Operation
    from ttrules.matrix import Matrix

_Object = dict[str, Any]

_SCHEMAS: Final = "#/components/schemas/"
#: The first character of the statuses of errors; `default` may be one.
_REFUSALS: Final = ("4", "5", "d")
#: The name of the example for a request that violates rules, if there are several.
_REFUSED: Final = "requirementsNotMet"
#: The members of a response that contain findings, if its shape has them.
_FINDINGS: Final = ("violations", "warnings")


def document(openapi: Mapping[str, Any], book: Rulebook) -> _Object:
    """Return an OpenAPI document (3.0 or later) with the rules of a rulebook added.

    `openapi` is the document with the shapes of the rulebook. The same arguments always give the
    same document. References to other files are not followed (see `bundle`).
    """
    # Values read from YAML may share parts; the copy shares none.
    return _Document(json.loads(json.dumps(openapi)), book).whole()


class _Document:
    """One document while the rules are added."""

    def __init__(self, public: _Object, book: Rulebook) -> None:
        self.public, self.book, self.matrix = public, book, book.matrix
        self.read = Document(public)
        self.processes = {each.name: each for each in book.matrix.processes}
        self.samples = {name: sample(book, name) for name in self.processes}
        self.noun = self.matrix.nouns.get("en") or noun_of(self.matrix.root)
        self.schemas: dict[str, _Object] = {}

    def whole(self) -> _Object:
        operations = [*self.read.operations()]
        self._tell_shapes()
        for operation in operations:
            self._tell(operation)
        self._tell_everywhere(operations)
        return self.public

    def _tell_shapes(self) -> None:
        """Add the codes to the shapes of the entities, and a shape for each process."""
        shapes = self.public.setdefault("components", {}).setdefault("schemas", {})
        before: dict[str, str] = {}
        for entity, node in self._nodes().items():
            parts = node.get("allOf")
            inline = [
                each for each in (parts if isinstance(parts, list) else ()) if "$ref" not in each
            ]
            for owner in (node, *inline):
                tell_codes(self.book, entity, self.read.part(owner, "properties"), before)
        for name, process in self.processes.items():
            key = "".join(part.capitalize() for part in process.slug.split("-"))
            while key in shapes and not self._is_ours(shapes[key], name):
                key += "Request"
            shape = request_schema(self.book, name, self.public["openapi"], before)
            shapes.update(hoisted(shape, key))
            self.schemas[name] = {"$ref": _SCHEMAS + key}

    def _nodes(self) -> dict[str, _Object]:
        """Return the shape of each entity: a component, or the shape of a member."""
        entities, shapes = self.matrix.entities, self.read.components("schemas")
        found = {entity: shapes[entity] for entity in entities if entity in shapes}
        todo = [*found]
        while todo:
            entity = todo.pop()
            members = self.read.members(found[entity])
            for field in entities[entity].values():
                if field.entity is not None and field.entity not in found:
                    node = self.read.at(members.get(field.name))
                    while "items" in node:
                        node = self.read.at(node["items"])
                    found[field.entity] = node
                    todo.append(field.entity)
        return found

    def _is_ours(self, shape: _Object, process: str) -> bool:
        """Return whether a shape is the one of a process that this module wrote before."""
        note = self.read.part(shape, ANNOTATION)
        return (note.get("process"), note.get("entity")) == (process, self.matrix.root_of(process))

    def _tell_everywhere(self, operations: list[Operation]) -> None:
        """Add the marked headers and parameters to every response, error or request."""
        everywhere = self._marked("headers", EVERY_ANSWER)
        refusing = self._marked("headers", EVERY_REFUSAL)
        asked = list(self._marked("parameters", EVERY_REQUEST).values())
        for node in {id(each.node): each.node for each in operations}.values():
            if asked:
                node["parameters"] = [*(node.get("parameters") or ()), *asked]
            for status, reference in self.read.part(node, "responses").items():
                answer = self.read.at(reference)
                headers = everywhere | (refusing if status[0] in _REFUSALS else {})
                if headers and answer:
                    answer["headers"] = {**self.read.part(answer, "headers"), **headers}

    def _marked(self, kind: str, mark: str) -> dict[str, _Object]:
        """Return references to the marked components of a kind, and remove the marks."""
        return {
            name: {"$ref": f"#/components/{kind}/{name}"}
            for name, each in self.read.components(kind).items()
            if each.pop(mark, False)
        }

    def _tell(self, operation: Operation) -> None:
        """Add the rules to an operation."""
        names = [each.name for each in ruling(self.read, self.matrix, operation).processes]
        if names:
            operation.node[ANNOTATION] = {"processes": names}
            self._tell_body(self._copied(operation.node, "requestBody")["content"], names)
            self._show_refusals(operation.node, names)
        else:
            # What is read was added once.
            names = [n for n, each in self.processes.items() if each.operation == "add"]
        answers = self.read.part(operation.node, "responses")
        for status in [each for each in answers if each.startswith("2")]:
            self._show_tickets(answers, status, names)

    def _tell_body(self, body: _Object, names: list[str]) -> None:
        """Add schemas and examples of processes to a body, by media type."""
        for media_type, content in body.items():
            if rules_root(self.read, self.matrix, content.get("schema")):
                content["schema"] = self._ruled(content["schema"], names)
                _show(content, self._shown(names, lambda each: each.request))
            elif is_patch(media_type):
                _show(content, self._shown(names, lambda each: each.operations or None))

    def _ruled(self, schema: _Object, names: list[str]) -> _Object:
        """Return the schema of a body with processes in the place of the root entity."""
        rules = self._schema(names)
        others = [
            each
            for each in self.read.alternatives(schema)
            if not rules_root(self.read, self.matrix, each)
        ]
        return {"anyOf": [rules, *others]} if others else rules

    def _schema(self, names: list[str]) -> _Object:
        """Return the schema of a body to which one of several processes applies.

        The selecting field distinguishes Add processes. For a change, the resulting ticket selects
        the process, which the body alone does not determine.
        """
        refs = [self.schemas[name] for name in names]
        if len(refs) == 1:
            return refs[0]
        processes = [self.processes[name] for name in names]
        mapping = {v: self.schemas[each.name]["$ref"] for each in processes for v in each.values}
        required = [self.book.schemas[each.slug].get("required", ()) for each in processes]
        path = self.matrix.selection_path
        is_told = len(path) == 1 and all(path[0] in each for each in required)
        is_text = all(type(value) is str for value in mapping)
        if is_told and is_text and all(e.operation == "add" and e.values for e in processes):
            told = {"propertyName": path[0], "mapping": mapping}
            return {"oneOf": refs, "discriminator": told}
        return {"anyOf": refs}

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
        for media_type, content in self.read.content(answers[status]).items():
            schema = content.get("schema")
            shown: _Object = {}
            if rules_root(self.read, self.matrix, schema):
                shown = self._shown(names, lambda each: each.ticket)
            elif rules_root(self.read, self.matrix, self.read.at(schema).get("items")):
                tickets = [
                    each["value"] for each in self._shown(names, lambda e: e.ticket).values()
                ]
                shown = (
                    {f"{self.noun}s": {"summary": "A list", "value": tickets}} if tickets else {}
                )
            if shown:
                answer = self._copied(answers, status)
                _show(self.read.part(answer, "content")[media_type], shown)

    def _show_refusals(self, node: _Object, names: list[str]) -> None:
        """Add examples of responses to invalid requests, if the shape of the response has findings.

        Their other members are from the example in the document: the only one, or the one with the
        name `_REFUSED`. If the shape requires a member that it does not have, nothing is added.
        """
        answers = self.read.part(node, "responses")
        status = next((each for each in REFUSED_AS if each in answers), "")
        for media_type, described in self.read.content(answers.get(status)).items():
            members = self.read.members(described.get("schema"))
            told: list[str] = [name for name in _FINDINGS if name in members]
            if not told:
                continue
            content = self._copied(answers, status)["content"][media_type]
            examples = self.read.part(content, "examples")
            written = self.read.at(content.get("example")) or self.read.at(
                self.read.at(examples.get(_REFUSED)).get("value")
            )
            if {*self.read.required(described.get("schema"))} - {*written, *told}:
                continue  # the document does not say what the others are
            shown = {
                _camel(self.processes[name].slug): _refusal(written, told, name, each)
                for name, each in self._samples(names)
                if not each.report.valid
            }
            if shown:
                content.pop("example", None)
                examples.pop(_REFUSED, None)
            _show(content, shown)

    def _copied(self, owner: _Object, key: str) -> _Object:
        """Return a member of an object, with a reference replaced by its value; {} if missing."""
        found = self.read.at(owner.get(key))
        if found and found is not owner[key]:
            owner[key] = found = json.loads(json.dumps(found))
        return found


def _show(content: _Object, examples: _Object) -> None:
    """Add examples to a body after its own."""
    if examples:
        written = {"example": {"value": content.pop("example")}} if "example" in content else {}
        written |= content.get("examples") or {}
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


def openapi_of(openapi: str | PathLike[str] | dict[str, Any], spec: Matrix) -> bytes:
    """Return the OpenAPI document with the rules of a spec; `openapi` is the document or its file.

    The same arguments give the same bytes. Raises SpecError if the file cannot be read.
    """
    value = openapi if isinstance(openapi, dict) else bundled(openapi)
    return to_bytes(document(value, Rulebook(spec, compile_schemas(spec))))


def shipped_openapi() -> bytes:
    """Return the OpenAPI document of the Trouble Ticket API that is part of this package."""
    return (Path(__file__).parents[2] / "schemas" / "openapi.json").read_bytes()
