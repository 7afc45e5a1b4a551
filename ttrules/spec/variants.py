"""What a value is that has one of several schemas: oneOf, anyOf, a discriminator, several types.

Objects become variants, each an entity with rows of its own. The discriminator of the document
selects one, or a member whose listed values are different in each variant. Other values become one
shape, with `anyOf` only if no single schema accepts the same values. `Matrix.variant_of` tells how
the variant of an object is found.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ttrules.matrix import Field
    from ttrules.spec.resolver import Resolver
    from ttrules.spec.schema import Node, Schema

#: Keywords of a shape that concern a value of any type, so that shapes cannot share them.
_OF_ALL: Final = frozenset({"enum", "format", "anyOf"})
_NULL: Final = "null"
#: How many variants may be tried for one object.
_MAX_TRIED: Final = 64


class Value(NamedTuple):
    """What a value of a field is: its shape, and the entity that it is or contains.

    A list has `items` in its shape, a map `additionalProperties`; the entity is that of the
    innermost of them. `variants`, `discriminator` and `mapping` are those of a Field.
    """

    shape: dict[str, Any]
    entity: str | None = None
    variants: tuple[str, ...] = ()
    discriminator: str | None = None
    mapping: Mapping[str, tuple[Any, ...]] = {}

    @property
    def entities(self) -> tuple[str, ...]:
        """The entities that the value has or contains."""
        return self.variants if self.entity is None else (self.entity,)


class Union:
    """One value with several options, while they are read.

    `schemas` are those of the entities that were met. `read` returns what the value of a schema is,
    `note` notes that something is not enforced.
    """

    def __init__(
        self,
        resolver: Resolver,
        schemas: Mapping[str, Schema],
        read: Callable[[Schema], Value],
        note: Callable[[str, Node], None],
    ) -> None:
        self.resolver = resolver
        self.schemas = schemas
        self.read = read
        self.note = note
        #: The names of the options that are an entity.
        self.names: dict[str, set[str]] = {}

    def of(self, schema: Schema, options: Iterable[Schema]) -> Value:
        """Return what a value is that has one of several options of a schema."""
        is_nullable = False
        values: list[Value] = []
        for option in options:
            if _is_null(option):
                is_nullable = True
                continue
            names = [*option.names]
            if schema.unions and schema.properties:  # the members beside oneOf are in each option
                option.names = [_beside(self.resolver.name_of(schema.node), option)]
            value = self.read(option)
            is_nullable = is_nullable or bool(value.shape.get("nullable"))
            for each in value.entities if len(value.entities) == 1 else ():
                self.names.setdefault(each, set()).update(names)
            values.append(value._replace(shape=_without(value.shape, "nullable")))
        made = self._joined(values, schema)
        return made._replace(shape={**made.shape, "nullable": True}) if is_nullable else made

    def options(self, schema: Schema) -> Iterator[Schema]:
        """Yield the options of oneOf or anyOf, or the types of a schema that has several."""
        if schema.unions:
            yield from self.resolver.options(schema)
            return
        for kind in schema.types or ():
            option = schema.copied(schema.node, [*schema.names], ())
            option.types = (kind,)
            yield option

    def _joined(self, values: list[Value], schema: Schema) -> Value:
        if len(values) == 1:
            return values[0]
        if values and all(_is_list(each) for each in values) and any(e.entities for e in values):
            return self._joined_lists(values, schema)
        scalars: list[dict[str, Any]] = []
        objects: list[Value] = []
        for value in values:
            if not value.entities:
                scalars.append(value.shape)
            elif (
                _kinds(value.shape)[-1:] == ["object"] and "additionalProperties" not in value.shape
            ):
                objects.append(value)
                scalars += _without_objects(value.shape)
            else:
                kind = value.shape["type"]
                self.note(f"the content of one type of several, {kind}", schema.node)
                scalars.append({"type": kind})
        if any("object" in _kinds(each) for each in scalars) and objects:
            self.note("the members of one object of several", schema.node)
            objects = []
        if not objects:
            return Value(either(scalars))
        return self._variants(objects, scalars, schema)

    def _joined_lists(self, values: list[Value], schema: Schema) -> Value:
        """Return a list of the items of several lists."""
        self.note("a list of one kind of items of several", schema.node)
        items = [each._replace(shape=each.shape["items"]) for each in values]
        made = self._joined(items, schema)
        return made._replace(shape={"type": "array", "items": made.shape})

    def _variants(
        self, objects: list[Value], scalars: list[dict[str, Any]], schema: Schema
    ) -> Value:
        shape = either([*scalars, {"type": "object"}])
        names = tuple(dict.fromkeys(name for each in objects for name in each.entities))
        if len(names) == 1 and not scalars:
            return Value(shape, names[0])
        found = self._discriminated(names, schema) or self._listed(names)
        if found is None and len(objects) == 1:
            return objects[0]._replace(shape=shape, entity=None, variants=names)
        name, mapping = found or (None, {})
        return Value(shape, None, names, name, mapping)

    def _discriminated(
        self, names: tuple[str, ...], schema: Schema
    ) -> tuple[str, Mapping[str, tuple[Any, ...]]] | None:
        """Return the discriminator of the document, and the values that select each variant."""
        node = schema.discriminator
        if node is None or len(names) == 1:
            return None
        name = str(node.value.get("propertyName"))
        if not all(name in self.schemas[each].properties for each in names):
            self.note("discriminator", node)
            return None
        values: dict[str, list[str]] = {each: [] for each in names}
        for value, target in targets(self.resolver, node):
            for each in names:
                if {*self.names.get(each, ()), *self.schemas[each].names} & {*target}:
                    values[each].append(value)
        for each in names:  # values that the variant itself lists select it too
            taken = {value for some in values.values() for value in some}
            listed = self._values(self.schemas[each], name)
            values[each] += [value for value in listed if value not in taken]
        last = {each: self.schemas[each].names[0].rpartition(".")[2] for each in names}
        return name, {each: tuple(values[each] or [last[each]]) for each in names}

    def _listed(self, names: tuple[str, ...]) -> tuple[str, Mapping[str, tuple[Any, ...]]] | None:
        """Return a member whose listed values are different in each variant, and these."""
        for name in self.schemas[names[0]].properties if names[1:] else ():
            mapping = {each: tuple(self._values(self.schemas[each], name)) for each in names}
            written = [json.dumps(value) for values in mapping.values() for value in values]
            if all(mapping.values()) and len({*written}) == len(written):
                return name, mapping
        return None

    def _values(self, schema: Schema, name: str) -> Iterator[Any]:
        if name in schema.properties:
            listed = self.resolver.schema(*schema.properties[name]).keywords.get("enum", ())
            yield from (each for each in listed if isinstance(each, (str, int, float)))


def subtypes(resolver: Resolver, schema: Schema) -> Iterator[Schema]:
    """Yield the schemas that a discriminator of an entity itself selects: those in its mapping.

    Without a mapping, they are the entity and the components that name it in allOf. An entity that
    inherits its discriminator has none.
    """
    node = schema.discriminator
    own = resolver.component(schema.names[-1])
    if node is None or node.place[:-1] != own.place or node.source is not own.source:
        return
    found = [target[-1] for _, target in targets(resolver, node)]
    if not found:
        found = [schema.names[-1], *_inheriting(resolver, schema.names[-1])]
    for name in dict.fromkeys(found):
        yield resolver.schema(resolver.component(name))


def _inheriting(resolver: Resolver, name: str) -> Iterator[str]:
    """Yield the components that name a component in allOf, directly or not."""
    done, ready = {name}, [name]
    for base in ready:
        for each, raw in resolver.components.items():
            parts = raw.get("allOf") if isinstance(raw, dict) else None
            for index in range(len(parts) if isinstance(parts, list) else 0):
                part = resolver.component(each).below("allOf", index)
                if each not in done and base in resolver.names_of(part):
                    done.add(each)
                    ready.append(each)
                    yield each


def entangled(entities: Mapping[str, Mapping[str, Field]]) -> set[int]:
    """Return the ids of the fields whose variants cannot be found by trying each.

    Each variant is tried if no member tells the variant. Variants that have a member in common in
    which such variants occur again would be tried in very many combinations.
    """
    below = {id(field): field for fields in entities.values() for field in fields.values()}
    choices = {key: field for key, field in below.items() if len(field.variants) > 1}
    reached = {key: _choices_below(entities, field, choices) for key, field in choices.items()}
    counts: dict[int, float] = {}

    def count(key: int) -> float:
        """Return how many variants are tried for one object and those below."""
        if key not in counts:
            counts[key] = math.inf
            most = max(map(count, reached[key]), default=1)
            counts[key] = most * len(choices[key].variants)
        return counts[key]

    return {key for key in choices if count(key) > _MAX_TRIED}


def _choices_below(
    entities: Mapping[str, Mapping[str, Field]], field: Field, choices: Mapping[int, Field]
) -> set[int]:
    """Return the ids of the fields with variants below the common members of the variants."""
    rows = [entities[each] for each in field.variants]
    open_fields = [
        each
        for fields in rows
        for each in fields.values()
        if sum(each.name in others for others in rows) > 1
    ]
    found: set[int] = set()
    done: set[str] = set()
    for each in open_fields:
        if id(each) in choices:
            found.add(id(each))
            continue
        for entity in {*each.entities} - done:
            done.add(entity)
            open_fields += entities[entity].values()
    return found


def targets(resolver: Resolver, discriminator: Node) -> Iterator[tuple[str, list[str]]]:
    """Yield the values of a discriminator's mapping, with the names of the schema of each."""
    for value, target in (discriminator.value.get("mapping") or {}).items():
        if target in resolver.components:
            yield value, resolver.names_of(resolver.component(target))
        elif (node := resolver.target(discriminator.below("mapping", value))) is not None:
            yield value, resolver.names_of(node)


def either(shapes: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the shape of a value that has one of several shapes, without null."""
    flat = [one for each in shapes for one in each.get("anyOf", [each])]
    known = {json.dumps(each, sort_keys=True): _typed(each) for each in flat}
    plain = {kind for each in known.values() if each.keys() == {"type"} for kind in _kinds(each)}
    plain |= {"integer"} if "number" in plain else set()
    if not all(map(_kinds, known.values())):
        return {}
    kept = [
        each
        for each in known.values()
        if each.keys() == {"type"} or not plain.issuperset(_kinds(each))
    ]
    if len(kept) == 1:
        return kept[0]
    kinds = list(dict.fromkeys(kind for each in kept for kind in _kinds(each)))
    types = {"type": kinds if kinds[1:] else kinds[0]}
    keys = [key for each in kept for key in each if key != "type"]
    if all(each.keys() == {"type", "enum"} for each in kept):
        listed = {json.dumps(value): value for each in kept for value in each["enum"]}
        return {**types, "enum": [*listed.values()]}
    count = sum(len(_kinds(each)) for each in kept)
    is_shared = len({*keys}) < len(keys) or bool(_OF_ALL & {*keys})
    if is_shared or count > len(kinds) or {"integer", "number"} <= {*kinds}:
        return {"anyOf": kept}
    return {**types, **{key: each[key] for each in kept for key in each if key != "type"}}


def _typed(shape: dict[str, Any]) -> dict[str, Any]:
    """Return a shape with a type, if it has one or lists values."""
    if "type" in shape or "enum" not in shape:
        return shape
    kinds = list(dict.fromkeys(map(_kind_of, shape["enum"])))
    return {"type": kinds if kinds[1:] else kinds[0], **shape}


def _kind_of(value: object) -> str:
    names: dict[type, str] = {bool: "boolean", str: "string", int: "integer", float: "number"}
    return names.get(type(value), "array" if isinstance(value, list) else "object")


def _kinds(shape: Mapping[str, Any]) -> list[str]:
    """Return the types of a shape; none means all."""
    if "anyOf" in shape:
        return [kind for each in shape["anyOf"] for kind in _kinds(each)]
    kinds: str | list[str] = shape.get("type", [])
    return [kinds] if isinstance(kinds, str) else kinds


def _is_null(option: Schema) -> bool:
    return option.types == (_NULL,) or option.keywords.get("enum") == [None]


def _is_list(value: Value) -> bool:
    return value.shape.get("type") == "array" and "items" in value.shape


def _beside(base: str, option: Schema) -> str:
    """Return the name of an option to which the members of a base belong."""
    name = option.names[-1].removeprefix(f"{base}.")
    if name == base:
        name = option.node.value.get("title") or str(int(option.node.place[-1]) + 1)
    return f"{base}.{name}"


def _without(shape: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: each for name, each in shape.items() if name != key}


def _without_objects(shape: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the shapes beside the objects in the shape of a value with entities."""
    if "anyOf" in shape:
        return [each for each in shape["anyOf"] if each.get("type") != "object"]
    kinds = [kind for kind in _kinds(shape) if kind != "object"]
    return [{**shape, "type": kinds if kinds[1:] else kinds[0]}] if kinds else []
