"""Join the rows of the matrix with the schemas of the OpenAPI document.

Every row must have a member in the schema of its entity, and every member a row. An object with
members is an entity: a component, or an inline object, whose name is its path (`resolver`). A list,
a map and any other value is the shape of its row. Nothing is silently ignored: what the matrix
overrides, and each keyword that no engine checks, becomes a Note, which lint prints.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ttrules.codes import ANNOTATION_FORMATS, FORMAT_BOUNDS, FORMATS, KINDS, NOT_EMPTY, slug
from ttrules.matrix import Field
from ttrules.spec.patterns import NotPortable, portable
from ttrules.spec.resolver import Resolver
from ttrules.spec.variants import Union, Value, entangled, subtypes
from ttrules.spec.yaml_source import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ttrules.errors import Problem
    from ttrules.spec.schema import Node, Schema
    from ttrules.spec.yaml_source import Place, Source

_BOOK: Final = "book"
#: A lower and an upper bound, and whether they must not be equal.
_BOUNDS: Final = (
    ("minimum", "maximum", False),
    ("minimum", "exclusiveMaximum", True),
    ("exclusiveMinimum", "maximum", True),
    ("exclusiveMinimum", "exclusiveMaximum", True),
    ("minLength", "maxLength", False),
    ("minItems", "maxItems", False),
    ("minProperties", "maxProperties", False),
)
_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


class Note(NamedTuple):
    """Something in a document that is not enforced, or that the matrix overrides.

    `kind` is a row of ODDITIES in the messages, `about` a field or an entity, `detail` a parameter
    of the message, `node` the place of the keyword.
    """

    kind: str
    about: str
    detail: str
    node: Node


class Shapes:
    """The joining of matrix and schemas. `problems` and `notes` grow while `entities` are made.

    `schemas` are the schemas of the entities that were met.
    """

    def __init__(self, openapi: Source, matrix: Source) -> None:
        self.openapi, self.matrix = openapi, matrix
        self.resolver = Resolver(openapi)
        self.processes: list[str] = matrix.value["processes"]
        self.rows: dict[str, dict[str, list[str]]] = matrix.value["entities"]
        self.schemas: dict[str, Schema] = {}
        self.notes: list[Note] = []
        #: The places of the unions whose options are being read.
        self.open: set[tuple[str, Place]] = set()

    @property
    def problems(self) -> list[Problem]:
        """All problems so far."""
        return self.resolver.problems

    def entities(self) -> dict[str, dict[str, Field]]:
        """Return the fields of each entity; they are not valid if there are problems."""
        self.problems.extend(self._matrix_problems())
        made: dict[str, dict[str, Field]] = {}
        for entity in self.rows:
            if (node := self.resolver.named(entity)) is not None:
                self.add(entity, self.resolver.schema(node))
        while ready := [name for name in self.schemas if name in self.rows and name not in made]:
            for name in ready:
                made[name] = self._entity(name, self.schemas[name])
        for entity in self.rows:
            if entity not in made:
                message = f"no shape {entity!r} in {self.openapi.path}"
                message += nearest(entity, {*self.schemas, *self.resolver.components})
                self.problems.append(self.matrix.problem(("entities", entity), message, key=True))
        if not self.problems:
            self.problems.extend(self._undecided(made))
        return {entity: made.get(entity, {}) for entity in self.rows}

    def _matrix_problems(self) -> Iterator[Problem]:
        """Yield the problems of the matrix alone."""
        seen: dict[str, str] = {}
        for index, name in enumerate(self.processes):
            other = seen.setdefault(slug(name), name)
            if other != name:
                message = f"{name!r} and {other!r} have the same short form"
                yield self.matrix.problem(("processes", index), message)
            if slug(name) == _BOOK:
                message = f"{name!r} has the short form {_BOOK!r}, which the compiled book has"
                yield self.matrix.problem(("processes", index), message)
        for entity, rows in self.rows.items():
            for field, cells in rows.items():
                if len(cells) != len(self.processes):
                    message = (
                        f"{entity}.{field} has {len(cells)} cells; {len(self.processes)} were"
                        " expected, one a process"
                    )
                    yield self.matrix.problem(("entities", entity, field), message)

    def _entity(self, entity: str, schema: Schema) -> dict[str, Field]:
        rows, members = self.rows[entity], schema.properties
        if not members:
            if not self.problems:
                self.resolver.refuse(schema.node, f"{entity} has no properties, so it has no rows")
            return {}
        for field in rows:
            if field not in members:
                message = f"the shape {entity} has no field {field!r}" + nearest(field, members)
                place = ("entities", entity, field)
                self.problems.append(self.matrix.problem(place, message, key=True))
        for field, nodes in members.items():
            if field not in rows:
                message = f"the matrix {self.matrix.path} has no row {entity}.{field}" + nearest(
                    field, rows
                )
                self.resolver.refuse(nodes[-1], message, key=True)
        self._note_object(entity, schema)
        return {
            field: self._field(
                entity,
                field,
                members[field],
                dict(zip(self.processes, cells, strict=False)),  # their number is a problem above
            )
            for field, cells in rows.items()
            if field in members
        }

    def _field(
        self, entity: str, name: str, nodes: tuple[Node, ...], requirements: dict[str, str]
    ) -> Field:
        schema = self.resolver.schema(*nodes)
        about = f"{entity}.{name}"
        value = self.value(schema, about)
        for each in value.entities:
            if each not in self.rows:
                message = f"the matrix has no rows for {each}" + nearest(each, self.rows)
                self.resolver.refuse(self.schemas[each].node, message, key=True)
        if "readOnly" in schema.flags and (
            sent := [each for each, code in requirements.items() if code not in {"P", "-"}]
        ):
            detail = f"readOnly; {_codes(requirements, sent)}"
            self.notes.append(Note("overruled", about, detail, schema.flags["readOnly"]))
        # The description of an entity is already shown above its rows.
        is_plain = not value.entities or value.shape.keys() & {"items", "additionalProperties"}
        own = [each.value.get("description") for each in nodes if isinstance(each.value, dict)]
        default = {} if schema.default is None else {"default": schema.default.value}
        return Field(
            name=name,
            shape={**value.shape, **default, **schema.extensions},
            entity=value.entity,
            many=value.shape.get("type") == "array",
            description=schema.description if is_plain else ([*filter(None, own)] or [""])[-1],
            requirements=requirements,
            variants=value.variants,
            discriminator=value.discriminator,
            mapping=value.mapping,
        )

    def add(self, entity: str, schema: Schema) -> None:
        """Note that there is an entity with a schema; only the first time counts."""
        if entity not in self.schemas:
            self.schemas[entity] = schema
            self._note_unenforced(schema, entity)

    def value(self, schema: Schema, about: str) -> Value:
        """Return what a value of a schema is; `about` is the row, or the place, for notes.

        Each call for an entity adds its schema to `schemas`.
        """
        kinds = [each for each in schema.types or () if each != "null"]
        is_object = bool(schema.properties) and schema.allows("object")
        is_list = "array" in kinds if kinds else bool(schema.items)
        is_map = bool(schema.values) and schema.allows("object")
        has_parts = is_object or is_map or (is_list and bool(schema.items))
        if schema.unions or (has_parts and len(kinds) > 1):
            return self._union(schema, about)
        self._check(schema, about)
        if is_object and len(options := [*subtypes(self.resolver, schema)]) > 1:
            return self._choice(about, self._object).of(schema, options)
        if is_object:
            return self._object(schema)
        self._note_unenforced(schema, about)
        if is_list and len(kinds) < 2:  # noqa: PLR2004 - it is a list, and nothing else
            return self._wrapped("array", schema, schema.items, about)
        if is_map or kinds == ["object"]:
            if schema.closed is not None:  # and no member is listed
                schema.keywords["maxProperties"] = 0
            return self._wrapped("object", schema, schema.values, about)
        return Value(_ordered(schema, {**_typed(schema, *kinds), **schema.keywords}))

    def _object(self, schema: Schema) -> Value:
        name = next((each for each in schema.names if each in self.rows), schema.names[-1])
        self.add(name, schema)
        return Value(_typed(schema, "object"), name)

    def _wrapped(self, kind: str, schema: Schema, parts: tuple[Node, ...], about: str) -> Value:
        """Return what a list or a map is; `parts` are the places of its items or values."""
        self._note_keywords(schema, about, "enum")  # of whole lists and maps
        below = self.value(self.resolver.schema(*parts), about) if parts else Value({})
        known = {key: schema.keywords[key] for key in OF_PARTS[kind] if key in schema.keywords}
        shape = {**_typed(schema, kind), **known, OF_PARTS[kind][0]: below.shape}
        return below._replace(shape=_ordered(schema, shape))

    def _union(self, schema: Schema, about: str) -> Value:
        """Return what a value is that has one of several schemas, or of several types."""
        node = schema.unions[0] if schema.unions else schema.places["type"]
        if node.id in self.open:
            self.resolver.refuse(node, f"{about}: an option of this choice is the choice itself")
            return Value({})
        self.open.add(node.id)
        choice = self._choice(about, lambda option: self.value(option, about))
        made = choice.of(schema, choice.options(schema))
        self.open.discard(node.id)
        return made

    def _choice(self, about: str, read: Callable[[Schema], Value]) -> Union:
        """Return the reader of a choice, which reads each option with `read`."""

        def note(detail: str, node: Node) -> None:
            self.notes.append(Note("unenforced", about, detail, node))

        return Union(self.resolver, self.schemas, read, note)

    def _note_object(self, entity: str, schema: Schema) -> None:
        """Note what the matrix overrides in the schema of an entity."""
        for name, node in schema.required.items():
            if name not in schema.properties:
                self.notes.append(Note("overruled", entity, f"required: {name}", node))
                continue
            codes = dict(zip(self.processes, self.rows[entity].get(name, ()), strict=False))
            if free := [each for each, code in codes.items() if code not in NOT_EMPTY]:
                detail = f"required; {_codes(codes, free)}"
                self.notes.append(Note("overruled", f"{entity}.{name}", detail, node))
        if schema.closed is not None or schema.values:
            node = schema.closed or schema.values[0]
            self.notes.append(Note("overruled", entity, "additionalProperties", node))
        self._note_keywords(schema, entity, "minProperties", "maxProperties", "enum")

    def _note_keywords(self, schema: Schema, about: str, *keywords: str) -> None:
        """Note keywords that are enforced for other types only."""
        for keyword in keywords:
            if (node := schema.places.get(keyword)) is not None:
                self.notes.append(Note("unenforced", about, str(node.place[-1]), node))

    def _note_unenforced(self, schema: Schema, about: str) -> None:
        for keyword, node in schema.unenforced.items():
            self.notes.append(Note("unenforced", about, keyword, node))
        name = schema.keywords.get("format", "")
        kinds = ("string",) if name in FORMATS else ("integer", "number")
        is_enforced = name in {*FORMATS, *FORMAT_BOUNDS} and any(map(schema.allows, kinds))
        if name and not is_enforced and name not in ANNOTATION_FORMATS:
            detail = f"format {name}"
            self.notes.append(Note("unenforced", about, detail, schema.places["format"]))

    def _check(self, schema: Schema, about: str) -> None:
        """Refuse keywords that no value can meet, and patterns that engines read differently."""
        keywords, places = schema.keywords, schema.places
        for least, most, is_open in _BOUNDS:
            low, high = keywords.get(least, -math.inf), keywords.get(most, math.inf)
            if low > high or (is_open and low == high):
                message = f"{about}: no value is between {least} {low} and {most} {high}"
                self.resolver.refuse(places[least], message)
        if schema.types == ("null",):
            message = f"{about}: only null is allowed; add another type, or leave the member out"
            self.resolver.refuse(places["type"], message)
        self._check_listed(schema, about)
        self._check_default(schema, about)
        patterns = keywords.get("pattern", ())
        for pattern in [patterns] if isinstance(patterns, str) else patterns:
            try:
                portable(pattern)
            except NotPortable as error:
                message = (
                    f"{about}: not every engine reads {error.part!r} in the same way:"
                    f" {error.advice}"
                )
                self.resolver.refuse(places["pattern"], message)

    def _check_default(self, schema: Schema, about: str) -> None:
        """Note a default that is not of the types, or not one of the listed values."""
        listed = schema.keywords.get("enum")
        if (node := schema.default) is not None and not (
            (schema.types is None or _is_of(node.value, schema.types))
            and (listed is None or node.value in listed)
        ):
            self.notes.append(Note("default", about, "default", node))

    def _check_listed(self, schema: Schema, about: str) -> None:
        """Refuse listed values that the type does not allow, and note such a default."""
        if schema.types is None or "enum" not in schema.keywords:
            return
        place, kept = schema.places["enum"], []
        for index, each in enumerate(schema.keywords["enum"]):
            if _is_of(each, schema.types):
                kept.append(each)
            elif each is None:
                detail = "null in enum"
                self.notes.append(Note("unenforced", about, detail, place))
            else:
                kinds = " or ".join(KINDS[kind] for kind in schema.types if kind in KINDS)
                quote = ": quote it" if schema.types[0] == "string" else ""
                is_list = isinstance(place.value, list) and index < len(place.value)
                self.resolver.refuse(
                    place.below(index) if is_list else place,
                    f"{about}: {place.place[-1]}[{index}] is not {kinds}{quote}",
                )
        schema.keywords["enum"] = kept

    def _undecided(self, entities: Mapping[str, Mapping[str, Field]]) -> Iterator[Problem]:
        """Yield the fields whose variants no member identifies, in too many combinations."""
        open_fields = entangled(entities)
        for entity, fields in entities.items():
            for field in fields.values():
                if id(field) in open_fields and field.discriminator is None:
                    message = (
                        f"no member tells {' and '.join(field.variants)}, which contain such"
                        " objects themselves: add a discriminator"
                    )
                    yield self.schemas[entity].properties[field.name][-1].problem(message)


#: The keyword of what a list or a map contains, and the other keywords that it has.
OF_PARTS: Final = {
    "array": ("items", "minItems", "maxItems", "uniqueItems"),
    "object": ("additionalProperties", "minProperties", "maxProperties"),
}


def _typed(schema: Schema, *kinds: str) -> dict[str, Any]:
    """Return the keywords of a shape that define its types."""
    typed: dict[str, Any] = {}
    if kinds:
        typed["type"] = kinds[0] if len(kinds) == 1 else [*kinds]
    return {**typed, "nullable": True} if schema.is_nullable else typed


def _ordered(schema: Schema, shape: dict[str, Any]) -> dict[str, Any]:
    """Return a shape with its keywords in the order of the document."""
    order = {each: number for number, each in enumerate(schema.order)}
    return dict(sorted(shape.items(), key=lambda each: order.get(each[0], len(order))))


def _is_of(value: object, types: tuple[str, ...]) -> bool:
    """Return whether a value is of one of several types of JSON."""
    if isinstance(value, bool):
        return "boolean" in types
    if isinstance(value, float) and value.is_integer() and "integer" in types:
        return True
    return any(isinstance(value, _TYPES[kind]) for kind in types if kind != "boolean")


def _codes(requirements: Mapping[str, str], processes: list[str]) -> str:
    return ", ".join(f"{requirements[each]} in {each}" for each in processes)
