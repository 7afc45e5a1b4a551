"""Read the schemas of an OpenAPI document: follow references, and merge what allOf joins.

`Resolver.schema` returns one Schema for the places that describe a value together: each `$ref` is
followed, in the document, to any place of it, and to files next to it; the parts of `allOf` are
intersected. What a Schema means for the matrix is decided in `shapes`.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from ttrules.errors import SpecError
from ttrules.pointers import path_of
from ttrules.spec.schema import ANNOTATIONS, Node, Schema
from ttrules.spec.yaml_source import Source, form, form_problems, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ttrules.errors import Problem
    from ttrules.spec.yaml_source import Place

_SCHEMAS: Final = ("components", "schemas")
_METHODS: Final = frozenset({"get", "put", "post", "delete", "patch"})
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//")


class Resolver:
    """The schemas of one document and of the files that it refers to.

    `problems` grows while schemas are read.
    """

    def __init__(self, openapi: Source) -> None:
        self.openapi = openapi
        self.is_30 = str(openapi.value["openapi"]).startswith("3.0")
        self.problems: list[Problem] = []
        self._sources: dict[str, Source | SpecError] = {_key(openapi.path): openapi}
        self._checked: set[tuple[str, Place]] = set()
        self._named: dict[tuple[str, Place], str] = {}

    @property
    def components(self) -> Mapping[str, Any]:
        """The schemas of the document by name."""
        found: Mapping[str, Any] = self.openapi.value.get("components", {}).get("schemas", {})
        return found

    def component(self, name: str) -> Node:
        """Return the place of a schema of the document."""
        return Node(self.openapi, (*_SCHEMAS, name))

    def named(self, name: str) -> Node | None:
        """Return the place of a component, or of the JSON body of an operation (``POST /orders``).

        None means that no component and no request has this name.
        """
        if name in self.components:
            return self.component(name)
        return self.requests().get(name)

    def requests(self) -> dict[str, Node]:
        """Return the place of the JSON schema of each body, by method and path of its request."""
        found = {}
        for path, item in _mapping(self.openapi.value.get("paths")).items():
            for method in _mapping(item):
                at = Node(self.openapi, ("paths", path, method))
                if method in _METHODS and (node := self._body(at)) is not None:
                    found[f"{method.upper()} {path}"] = node
        return found

    def requests_of(self, name: str) -> list[str]:
        """Return the method and path of each request whose body is an entity, or a list of it."""
        found = []
        for request, node in self.requests().items():
            schema = self.schema(node)
            names = [*schema.names, request]
            for item in schema.items:
                names += self.names_of(item)
            for option in (each for union in schema.unions for each in range(len(union.value))):
                names += self.names_of(schema.unions[0].below(option))
            if name in names:
                found.append(request)
        return found

    def _body(self, operation: Node) -> Node | None:
        """Return the place of the JSON schema of the body of an operation, or None.

        A body of another form than that of OpenAPI is none.
        """
        at, body = operation, _mapping(operation.value)
        for key in ("requestBody", "content"):
            at, body = at.below(key), _mapping(body.get(key))
            if isinstance(body.get("$ref"), str):
                before = len(self.problems)
                target = self.target(at.below("$ref"))
                del self.problems[before:]
                if target is None:
                    return None
                at, body = target, _mapping(target.value)
        for media_type, content in body.items():
            if "json" in media_type.casefold() and "schema" in _mapping(content):
                return at.below(media_type, "schema")
        return None

    def options(self, schema: Schema) -> list[Schema]:
        """Return a Schema for each option of the first of the `unions` of a schema.

        Keywords beside oneOf or anyOf apply to each option.
        """
        first, *rest = schema.unions
        made = []
        for index, _ in enumerate(first.value):
            node = first.below(index)
            option = schema.copied(node, self.names_of(node), tuple(rest))
            self._merge(node, option, ())
            made.append(option)
        return made

    def schema(self, *nodes: Node) -> Schema:
        """Return the Schema of the value that all these places describe."""
        schema = Schema(node=self._aliases(nodes[0])[-1])
        for node in nodes:
            schema.names += self.names_of(node)
            self._merge(node, schema, ())
        if len(nodes) > 1:
            # None of the names is that of the intersection.
            schema.names = [self.name_of(nodes[-1])]
        return schema

    def refuse(self, node: Node, message: str, *, key: bool = False) -> None:
        """Add a problem at a place."""
        self.problems.append(node.problem(message, key=key))

    def _merge(self, node: Node, schema: Schema, above: tuple[Node, ...]) -> None:
        """Add what the schema at a place says, and the schemas that it refers to."""
        raw = node.value
        if isinstance(raw, bool):  # true allows everything, false nothing
            if not raw:
                schema.unenforced["false"] = node
            return
        if not self._is_formed(node):
            return
        if "$ref" in raw:
            at = node.below("$ref")
            target = self.target(at)
            if target is not None and any(each.id == target.id for each in (*above, node)):
                self.refuse(at, f"{raw['$ref'].rpartition('/')[2]!r} refers to itself")
            elif target is not None:
                self._merge(target, schema, (*above, node))
            if self.is_30:
                # OpenAPI 3.0 ignores keywords beside a reference; a description is harmless.
                schema.description = raw.get("description") or schema.description
                schema.extensions |= {key: each for key, each in raw.items() if key[:2] == "x-"}
                for key in raw.keys() - ANNOTATIONS - {"$ref"}:
                    if not key.startswith("x-"):
                        schema.unenforced[f"{key} beside $ref"] = node.below(key)
                return
        for index, _ in enumerate(raw.get("allOf") or ()):
            self._merge(node.below("allOf", index), schema, (*above, node))
        self.problems.extend(schema.add(raw, node))

    def _is_formed(self, node: Node) -> bool:
        if node.id not in self._checked:
            self._checked.add(node.id)
            wrong = [*form_problems(node.source, "openapi", node.place, "schema")]
            wrong += [] if wrong else _misspelt(node)
            self.problems += wrong
            if wrong:
                self._checked.discard(node.id)
            return not wrong
        return True

    def target(self, at: Node) -> Node | None:
        """Return the place that a `$ref`, whose own place is `at`, refers to; None is a problem."""
        reference = at.value
        file, _, fragment = reference.partition("#")
        if _SCHEME.match(reference):
            message = (
                f"{reference!r} is a URL, and only files are read: download the file, or bundle"
                " the document into one, and refer to it by a relative path"
            )
            self.refuse(at, message)
            return None
        source = self._source(at, unquote(file)) if file else at.source
        if source is None:
            return None
        try:
            tokens = path_of(unquote(fragment))
        except ValueError:
            message = f"{reference!r} has no JSON Pointer: write #/components/schemas/<name>"
            self.refuse(at, message)
            return None
        return self._found(at, source, tokens)

    def _found(self, at: Node, source: Source, tokens: tuple[str, ...]) -> Node | None:
        place: Place = ()
        value = source.value
        for token in tokens:
            if isinstance(value, list) and token.isdecimal() and int(token) < len(value):
                place, value = (*place, int(token)), value[int(token)]
            elif isinstance(value, dict) and token in value:
                place, value = (*place, token), value[token]
            else:
                known = value if isinstance(value, dict) else ()
                where = "" if source is at.source else f" in {source.path}"
                what = "shape" if place == _SCHEMAS else "part"
                self.refuse(at, f"no {what} {token!r}{where}" + nearest(token, known))
                return None
        if not isinstance(value, (dict, bool)):
            self.refuse(at, f"{at.value!r} is no schema")
            return None
        return Node(source, place)

    def _source(self, at: Node, file: str) -> Source | None:
        path = Path(at.source.path).parent / file
        if Path(file).is_absolute():
            self.refuse(at, f"{file!r} is an absolute path: write a path relative to this file")
            return None
        key = _key(str(path))
        if key not in self._sources:
            try:
                self._sources[key] = Source(path)
            except SpecError as error:
                self._sources[key] = error
        source = self._sources[key]
        if isinstance(source, Source):
            return source
        if path.is_file():
            self.problems += source.problems
        else:
            self.refuse(at, f"no file {str(path)!r}")
        return None

    def names_of(self, node: Node) -> list[str]:
        """Return the names of a schema and of those that it is another name of."""
        below = self._aliases(node)
        return [self.name_of(each) for each in below if each.is_component or each is below[-1]]

    def _aliases(self, node: Node) -> list[Node]:
        """Return the place of a schema, and of each schema that the one before only refers to."""
        found, seen = [node], {node.id}
        while (below := self._same_as(found[-1])) is not None and below.id not in seen:
            found.append(below)
            seen.add(below.id)
        return found

    def _same_as(self, node: Node) -> Node | None:
        """Return the place of the schema that a schema only refers to, or None."""
        raw = node.value
        if not isinstance(raw, dict):
            return None
        said = {key for key in raw if key not in ANNOTATIONS and not key.startswith("x-")}
        if isinstance(raw.get("$ref"), str) and (self.is_30 or said == {"$ref"}):
            before = len(self.problems)
            target = self.target(node.below("$ref"))
            del self.problems[before:]  # `_merge` reports them
            return target
        # Without `type`, `nullable` says nothing (OpenAPI 3.0.3); every entity is an object.
        said -= {"nullable"} if "type" not in raw else set()
        said -= {"type"} if raw.get("type") == "object" else set()
        parts = raw.get("allOf")
        if said == {"allOf"} and isinstance(parts, list) and len(parts) == 1:
            return node.below("allOf", 0)
        return None

    def name_of(self, node: Node) -> str:
        """Return the name of the entity at a place: that of the component, or its path from there.

        ``Order.address`` is the object at the member `address` of the component `Order`, also if
        it is an item of a list or a value of a map; ``Order.payment.Card`` is the option of oneOf
        or anyOf with the title Card, ``Order.payment.2`` the second one, if it has no title. If the
        document has a component of that name, an underscore follows; a name of another file that is
        taken gets the name of the file in front.
        """
        if node.id not in self._named:
            name = ".".join(_names(node))
            if node.source is not self.openapi:
                if name in self.components or name in self._named.values():
                    name = f"{Path(node.source.path).stem}.{name}"
            elif not node.is_component and name in self.components:
                name += "_"
            self._named[node.id] = name
        return self._named[node.id]


def _names(node: Node) -> Iterator[str]:
    """Yield the names that lead to a place: of a component or an operation, then of members."""
    place = node.place
    if place[:1] == ("components",) and len(place) > len(_SCHEMAS):
        if place[1] != "schemas":
            yield str(place[1])
        yield str(place[2])
        place = place[3:]
    elif place[:1] == ("paths",) and len(place) > len(_SCHEMAS):
        status = f" {place[4]}" if place[3:4] == ("responses",) else ""
        yield f"{str(place[2]).upper()} {place[1]}{status}"
        place = place[5:]
    elif not place:
        yield Path(node.source.path).stem
    first = len(node.place) - len(place)
    for index, part in enumerate(place):
        if index and place[index - 1] in {"properties", "$defs", "definitions"}:
            yield str(part)
        elif index and place[index - 1] in {"oneOf", "anyOf"}:
            options = Node(node.source, node.place[: first + index]).value
            inline = [each for each in options if isinstance(each, dict) and _has_members(each)]
            if len(inline) > 1:
                yield str(options[part].get("title") or int(part) + 1)


def _has_members(option: Mapping[str, Any]) -> bool:
    """Return whether an option of oneOf or anyOf describes an object without a name."""
    return bool(option.keys() & {"properties", "allOf"})


def _mapping(value: Any) -> dict[str, Any]:
    """Return a mapping; an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}


def _key(path: str) -> str:
    return str(Path(path).resolve())


def _misspelt(node: Node) -> Iterator[Problem]:
    """Yield the keys that are probably keywords with a typing error."""
    known = form("openapi")["$defs"]["schema"]["properties"]
    for key in node.value.keys() - known.keys():
        if not key.startswith("x-") and (meant := get_close_matches(key, known, 1, 0.85)):
            message = f"no keyword {key!r}; did you mean {meant[0]!r}?"
            yield node.below(key).problem(message, key=True)
