"""OpenAPI documents as both exporters read them: references, operations, bodies, and their rules.

A document is read without assumptions: a part that is missing, or has a form that OpenAPI does not
know, is empty. `ruling` is the only place that decides which processes rule a request body.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import unquote

from ttrules.codes import ANNOTATION
from ttrules.pointers import path_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ttrules.matrix import Matrix, Process

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
#: Methods in the order in which their requests can follow one another.
METHODS: Final = ("post", "get", "put", "patch", "delete", "head", "options", "trace")
#: The statuses of a response to an invalid request, in the order in which they are looked up.
REFUSED_AS: Final = ("400", "422", "4XX", "default")
#: Marks a header that every response has.
EVERY_ANSWER: Final = "x-every-answer"
#: Marks a header that every response of 400 or more has.
EVERY_REFUSAL: Final = "x-every-refusal"
#: Marks a parameter that every request may have.
EVERY_REQUEST: Final = "x-every-request"
_SCHEMAS: Final = ("components", "schemas")
_NONE: Final[frozenset[str]] = frozenset()
#: How many operations are named for one reason.
_TITLES: Final = 20
_REF: Final = "#/components/schemas/"
_JSON_TYPE: Final = re.compile(r"(?:application|text)/json|[^/]+/[^/]+\+json|(?:\*|application)/\*")


def is_json(media_type: str) -> bool:
    """Return whether a body of this media type, or range, is JSON; parameters are ignored."""
    return _JSON_TYPE.fullmatch(_bare(media_type)) is not None


def is_patch(media_type: str) -> bool:
    """Return whether a body of this media type is a JSON Patch, which has no members to rule."""
    return _bare(media_type) == JSON_PATCH


def _bare(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()


class Operation(NamedTuple):
    """One operation of a document, with the parameters of its path. References are followed."""

    path: str
    method: str
    node: dict[str, Any]
    parameters: Sequence[Mapping[str, Any]]
    #: The members of the path item, which may have servers.
    item: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name of its request: ``[GET] /thing/{id}``, with any path parameter as ``id``."""
        return f"[{self.method.upper()}] " + re.sub(r"\{[^}]*[iI]d\}", "{id}", self.path)

    @property
    def above(self) -> str:
        """The path of the collection in which resources of this kind are created."""
        return re.sub(r"/\{[^}/]*\}$", "", self.path)

    @property
    def owner(self) -> str:
        """The path of the collection of the resource that the last parameter identifies."""
        return next((path for _, path in reversed(self.collections())), self.path)

    def collections(self) -> list[tuple[str, str]]:
        """Return the parameters of the path, each with the path before it."""
        return [(at[1], self.path[: at.start()]) for at in re.finditer(r"/\{([^}/]*)\}", self.path)]

    @property
    def title(self) -> str:
        """Its method and path, for people."""
        return f"{self.method.upper()} {self.path}"

    def takes(self, place: str) -> list[Mapping[str, Any]]:
        """Return the parameters in a place: path, query, header or cookie."""
        return [each for each in self.parameters if each["in"] == place]

    def is_as(self, other: Operation | None) -> bool:
        """Return whether `other` is the same operation."""
        return other is not None and (self.path, self.method) == (other.path, other.method)


class Document:
    """An OpenAPI document, read without assumptions."""

    def __init__(self, value: Mapping[str, Any]) -> None:
        self.value = value

    def at(self, node: object) -> dict[str, Any]:
        """Return a part of the document, its reference followed; {} if there is no such object."""
        seen: set[str] = set()
        while isinstance(node, dict) and isinstance(reference := node.get("$ref"), str):
            if reference in seen:
                return {}
            seen.add(reference)
            node = self.target(reference)
        return node if isinstance(node, dict) else {}

    def target(self, reference: str) -> object:
        """Return what a reference refers to, or None."""
        target: Any = self.value
        try:
            for part in path_of(unquote(reference.removeprefix("#"))):
                target = target[int(part) if isinstance(target, list) else part]
        except (ValueError, LookupError, TypeError):
            return None
        return target

    def part(self, node: object, *names: str) -> dict[str, Any]:
        """Return an object below a part of the document, references followed; {} if missing."""
        found = self.at(node)
        for name in names:
            found = self.at(found.get(name))
        return found

    def parts(self, node: object, name: str) -> dict[str, dict[str, Any]]:
        """Return the objects of a map below a part, by name, references followed."""
        return {str(key): self.at(each) for key, each in self.part(node, name).items()}

    def listed(self, node: object, name: str) -> list[dict[str, Any]]:
        """Return the objects of a list below a part, references followed."""
        found = self.at(node).get(name)
        return [*filter(None, map(self.at, found))] if isinstance(found, list) else []

    def components(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return the components of a kind by name, references followed."""
        return self.parts(self.value.get("components"), kind)

    def operations(self) -> Iterator[Operation]:
        """Yield the operations of the document's own paths."""
        parameters = self.components("parameters").values()
        everywhere = [each for each in parameters if each.get(EVERY_REQUEST)]
        for path, item in self.parts(self.value, "paths").items():
            for method in METHODS if path.startswith("/") else ():
                node = self.at(item.get(method))
                if isinstance(item.get(method), dict):
                    listed = [each for o in (item, node) for each in self.listed(o, "parameters")]
                    known = {(e.get("name"), e.get("in")): e for e in [*listed, *everywhere]}
                    taken = [e for key, e in known.items() if all(isinstance(k, str) for k in key)]
                    yield Operation(path, method, node, taken, item)

    def content(self, node: object) -> dict[str, dict[str, Any]]:
        """Return the JSON bodies of a request body or a response by media type."""
        return {name: each for name, each in self.parts(node, "content").items() if is_json(name)}

    def body(self, operation: Operation) -> dict[str, dict[str, Any]]:
        """Return the JSON bodies of a request by media type."""
        return self.content(operation.node.get("requestBody"))

    def alternatives(self, schema: object) -> list[object]:
        """Return a schema itself, or those that it gives as ``oneOf`` or ``anyOf``."""
        found = self.at(schema)
        listed = [found.get("oneOf"), found.get("anyOf")]
        return next((each for each in listed if isinstance(each, list) and each), [schema])

    def members(self, schema: object) -> dict[str, Any]:
        """Return the members of a schema, those of its ``allOf`` included."""
        found: dict[str, Any] = {}
        for node in self._joined(schema):
            found = {**self.part(node, "properties"), **found}
        return found

    def required(self, schema: object) -> list[str]:
        """Return the names that a schema requires, those of its ``allOf`` included."""
        lists = [node.get("required") for node in self._joined(schema)]
        return [name for each in lists if isinstance(each, list) for name in each]

    def _joined(self, schema: object) -> list[dict[str, Any]]:
        """Return a schema and those of its ``allOf``, each once."""
        found: dict[int, dict[str, Any]] = {}
        todo = [self.at(schema)]
        while todo:
            node = todo.pop()
            if id(node) not in found:
                found[id(node)] = node
                todo += self.listed(node, "allOf")
        return [*found.values()]

    def is_entity(
        self, schema: object, entity: str, fields: Mapping[str, Any], above: frozenset[str] = _NONE
    ) -> bool:
        """Return whether a schema describes an entity, whose fields are given.

        It may refer to the shape of the entity, wrap it in ``allOf`` without adding a member, have
        the same members without being a component, or be a schema that `document` wrote. `above`
        are the references that led here.
        """
        seen = above
        while isinstance(schema, dict) and isinstance(reference := schema.get("$ref"), str):
            if _component(reference) == entity:
                return True
            if reference in seen:
                return False
            seen |= {reference}
            schema = self.target(reference)
        if not isinstance(schema, dict):
            return False
        note = schema.get(ANNOTATION)
        if isinstance(note, dict) and "process" in note:
            return note.get("entity") == entity
        names = self.members(schema).keys()
        parts = schema.get("allOf")
        if isinstance(parts, list) and any(self.is_entity(e, entity, {}, seen) for e in parts):
            return names <= {*fields, *self.members({"$ref": _REF + entity})}
        return bool(fields) and names == fields.keys() and not any(map(_component, seen))


class Ruling(NamedTuple):
    """The processes that rule the body of an operation, or why there is none."""

    processes: tuple[Process, ...]
    reason: str


def ruling(document: Document, matrix: Matrix, operation: Operation) -> Ruling:
    """Return the processes that rule the request body of an operation.

    The body of a PUT that no process replaces with is the one of a change.
    """
    bodies = document.part(operation.node, "requestBody", "content")
    if not bodies:
        return Ruling((), "it has no request body")
    content = document.body(operation)
    if not content:
        return Ruling((), f"its body is not JSON, but {', '.join(bodies)}")
    schemas = [each.get("schema") for each in content.values()]
    roots = [e for e in matrix.roots if any(is_root(document, matrix, s, e) for s in schemas)]
    if not roots:
        return Ruling((), f"its body is not {' or '.join(matrix.roots)}, the root of the matrix")
    method, path = operation.method, operation.path
    # A PUT without a process of its own replaces a resource as a change of all its members.
    methods = (method, "patch") if method == "put" else (method,)
    ways = ([p for e in roots for p in matrix.ruling(each, path, e)] for each in methods)
    found = next(filter(None, ways), [])
    if found:
        return Ruling(tuple(found), "")
    if any(each.operation is None for each in matrix.processes):
        return Ruling((), "its process is open: write `selection` in the interpretation")
    return Ruling((), f"no process of {' or '.join(roots)} is for {method.upper()}")


def coverage(value: Mapping[str, Any], matrix: Matrix) -> list[str]:
    """Return which operations of a document have rules, and why the others have none, as lines."""
    document = Document(value)
    found = [(each.title, ruling(document, matrix, each)) for each in document.operations()]
    ruled = [title for title, each in found if each.processes]
    lines = [f"{len(ruled)} of {len(found)} operations have rules: {', '.join(ruled) or 'none'}"]
    for why in dict.fromkeys(each.reason for _, each in found if each.reason):
        titles = [title for title, each in found if each.reason == why]
        more = f" and {len(titles) - _TITLES} more" if len(titles) > _TITLES else ""
        lines.append(f"no rules for {', '.join(titles[:_TITLES])}{more}: {why}")
    return lines


def rules_root(document: Document, matrix: Matrix, schema: object) -> bool:
    """Return whether a schema, or one of its alternatives, describes a root of a matrix."""
    return any(is_root(document, matrix, schema, each) for each in matrix.roots)


def is_root(document: Document, matrix: Matrix, schema: object, root: str) -> bool:
    """Return whether a schema, or one of its alternatives, describes a root."""
    return any(
        document.is_entity(each, root, matrix.entities[root])
        for each in document.alternatives(schema)
    )


def _component(reference: str) -> str:
    """Return the name of the component schema of a reference, or nothing."""
    *place, name = unquote(reference).removeprefix("#/").split("/")
    return name.replace("~1", "/").replace("~0", "~") if tuple(place) == _SCHEMAS else ""
