"""The definitions of a compiled schema that is not flat: entities, variants, conditions below.

A schema is flat (no references) unless an entity contains itself, a field has variants, or the flat
form would have more than MAX_FLAT fields. Otherwise each entity is one definition in ``$defs``, or
two if null may remove members of some of its objects only. So the size of a schema is bounded by
that of the spec.

Variants are tests of an object, each with the definition that applies if it is true. At most one
is true, so that findings are those of one variant. Where no member tells the variant, ``anyOf``
accepts what any of them accepts; conditions that test objects around it do not apply there.
"""

from __future__ import annotations

import re
from math import inf
from typing import TYPE_CHECKING, Any, Final

from ttrules.codes import ANNOTATION, MAX_DEPTH, PARTS
from ttrules.spec.variants import entangled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ttrules.matrix import Condition, Field, Matrix, When

#: How many fields a flat schema has at most, counting a field once for each of its places.
MAX_FLAT: Final = 2_000
#: Codes of fields below which nothing is validated.
_CLOSED: Final = frozenset({"P", "-"})


def _is_flat(matrix: Matrix, process: str) -> bool:
    """Return whether the schema of a process can be flat, and is not too large then."""
    sizes: dict[str, float] = {}

    def size(entity: str, depth: int) -> float:
        """Return the number of fields of an entity and below."""
        if depth > MAX_DEPTH:
            return inf
        if entity not in sizes:
            sizes[entity] = inf  # if it is found again below, the entity contains itself
            sizes[entity] = sum(
                inf if field.variants else 1 + sum(size(each, depth + 1) for each in field.entities)
                for field in matrix.entities[entity].values()
                if field.requirements[process] not in _CLOSED
            )
        return sizes[entity]

    return size(matrix.root_of(process), 0) <= MAX_FLAT


class Definitions:
    """The definitions of the schema of one process.

    `object_of` compiles an entity (with whether null removes members), `relation_of` a condition
    without its test, and `test_of` a test.
    """

    def __init__(
        self,
        matrix: Matrix,
        process: str,
        object_of: Callable[[str, bool], dict[str, Any]],
        relation_of: Callable[[Condition], dict[str, Any]],
        test_of: Callable[[When], dict[str, Any]],
    ) -> None:
        self.matrix = matrix
        self.process = process
        self.is_flat = _is_flat(matrix, process)
        self._object, self._relation, self._test = object_of, relation_of, test_of
        self._entangled = set() if self.is_flat else entangled(matrix.entities)
        #: The name of the definition of each entity, and of each entity below a condition.
        self._names: dict[tuple[object, ...], str] = {}
        #: The definitions that are still to be made, by name.
        self._open: dict[str, Callable[[], dict[str, Any]]] = {}

    def made(self) -> dict[str, dict[str, Any]]:
        """Return the definitions that were referred to, by name."""
        definitions = {}
        while self._open:
            name = next(iter(self._open))
            definitions[name] = self._open.pop(name)()
        return definitions

    def value(
        self, field: Field, scalar: Callable[[], dict[str, Any]], *, removable: bool
    ) -> dict[str, Any]:
        """Return the schema of a value, or an item, whose entities are definitions.

        `scalar` returns the schema of the type.
        """
        refs = {each: {"$ref": self._definition(each, removable)} for each in field.entities}
        if field.entity is not None:
            return {"type": "object", ANNOTATION: {"entity": field.entity}, **refs[field.entity]}
        item = scalar()
        item[ANNOTATION] = {"variants": list(refs)}
        if len(refs) == 1:
            rules: list[dict[str, Any]] = [
                {"if": {"type": "object"}, "then": refs[field.variants[0]]}
            ]
        else:
            rules = [
                {"if": test, "then": refs[each]} for each, test in self._tests_of_variants(field)
            ]
            if field.discriminator is not None:
                rules.append(self._discriminator(field, field.discriminator))
            if not self._is_discriminated(field):
                test = {"type": "object", **_lacks(self._telling_members(field))}
                any_of = {"anyOf": list(refs.values()), ANNOTATION: {"variants": list(refs)}}
                rules.append({"if": test, "then": any_of})
        item["allOf"] = [*item.get("allOf", ()), *rules]
        return item

    def _definition(self, entity: str, removable: bool) -> str:  # noqa: FBT001 - part of a key
        """Return the reference to the definition of an entity, which will be made."""

        def body() -> dict[str, Any]:
            """Return the definition. Its type is tested at each reference, which has the cell."""
            made = self._object(entity, removable)
            del made["type"]
            return made

        return self._named(entity + ("-change" if removable else ""), (entity, removable), body)

    def _named(
        self, wanted: str, key: tuple[object, ...], body: Callable[[], dict[str, Any]]
    ) -> str:
        """Return the reference to the definition with a key; `wanted` is its name, if free."""
        if key not in self._names:
            name = re.sub(r"[^A-Za-z0-9_.-]", "-", wanted)
            name = name if name[:1].isalpha() else f"E{name}"
            while name in self._names.values():
                name += "-"
            self._names[key] = name
            self._open[name] = body
        return f"#/$defs/{self._names[key]}"

    def _tests_of_variants(self, field: Field) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the variants of a field that a member identifies, each with a test of an object.

        At most one test is true. They select as `Matrix.variant_of` does.
        """
        name = field.discriminator
        for entity, values in field.mapping.items():
            listed = {"properties": {name: {"enum": list(values)}}}
            yield entity, {"type": "object", "required": [name], **listed}
        if self._is_discriminated(field):
            return
        before = () if name is None else (name,)
        for entity, names in self.matrix.own_members(field).items():
            if names:
                yield entity, {"type": "object", "anyOf": each_required(names), **_lacks(before)}
                before = (*before, *names)

    def _telling_members(self, field: Field) -> tuple[str, ...]:
        """Return the members that identify the variants of a field."""
        own = [name for names in self.matrix.own_members(field).values() for name in names]
        return tuple(own if field.discriminator is None else [field.discriminator, *own])

    def _is_discriminated(self, field: Field) -> bool:
        """Return whether the discriminator of a field must be sent.

        It must if it is required in each variant, or if not all variants can be tried.
        """
        if field.discriminator is None:
            return False
        rows = [self.matrix.entities[each][field.discriminator] for each in field.variants]
        return id(field) in self._entangled or all(self._code(row) == "R" for row in rows)

    def _discriminator(self, field: Field, name: str) -> dict[str, Any]:
        """Return the rule for a discriminator, with the cell of the first variant."""
        first = field.variants[0]
        code = self._code(self.matrix.entities[first][name])
        values = [value for values in field.mapping.values() for value in values]
        kinds = list(dict.fromkeys(map(_type_of, values)))
        rule = {
            ANNOTATION: {"entity": first},
            "properties": {
                name: {
                    ANNOTATION: {"cell": f"{first}.{name}", "requirement": code},
                    "type": kinds if kinds[1:] else kinds[0],
                    "enum": values,
                }
            },
        }
        return {**rule, "required": [name]} if self._is_discriminated(field) else rule

    def conditions_below(self, entity: str, *, is_root: bool) -> Iterator[dict[str, Any]]:
        """Yield the conditions of objects below that test this object, if it is not flat.

        A condition that tests the root has a definition of its own for each entity on the way.
        """
        for name, field in self._open_fields(entity):
            for below in field.entities:
                for condition in self._conditions(below):
                    if condition.when is not None and condition.when.of == "parent":
                        rule = self._inside(field, {below: {"allOf": [self._relation(condition)]}})
                        test = self._test(condition.when)
                        yield {"if": test, "then": {"properties": {name: rule}}}
        for condition in self.matrix.conditions_of(self.process) if is_root else ():
            when = condition.when
            if when is not None and when.of == "root" and condition.relation != "optional":
                way = self._way(condition, entity, self._leading_to(condition.entity))
                if way["properties"]:
                    yield {"if": self._test(when), "then": way}

    def _open_fields(self, entity: str) -> Iterator[tuple[str, Field]]:
        """Yield the fields of an entity below which objects are validated, by name."""
        for name, field in self.matrix.entities[entity].items():
            if field.entities and self._code(field) not in _CLOSED:
                yield name, field

    def _leading_to(self, target: str) -> set[str]:
        """Return the entities whose objects may contain the target, and the target."""
        found, before = {target}, 0
        while len(found) > before:
            before = len(found)
            for entity in self.matrix.entities:
                if any(not found.isdisjoint(f.entities) for _, f in self._open_fields(entity)):
                    found.add(entity)
        return found

    def _way(self, condition: Condition, entity: str, leading: set[str]) -> dict[str, Any]:
        """Return the schema that applies a condition to the objects below an entity."""

        def below(each: str) -> str:
            def body() -> dict[str, Any]:
                way = self._way(condition, each, leading)
                if each == condition.entity:
                    way["allOf"] = [self._relation(condition)]
                return way

            number = self.matrix.conditions.index(condition)
            return self._named(f"{each}-condition-{number}", (each, "condition", number), body)

        members = {}
        for name, field in self._open_fields(entity):
            rules = {each: {"$ref": below(each)} for each in field.entities if each in leading}
            if rules:
                members[name] = self._inside(field, rules)
        return {"properties": members}

    def _inside(self, field: Field, rules: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
        """Return the schema that applies rules to the objects of a field, by entity.

        A rule for a variant applies if a member tells the variant.
        """
        if len(field.entities) == 1:
            rule = rules[field.entities[0]]
        else:
            tests = self._tests_of_variants(field)
            rule = {"allOf": [{"if": t, "then": rules[each]} for each, t in tests if each in rules]}
        return inside(field.shape, rule)

    def _code(self, field: Field) -> str:
        return field.requirements[self.process]

    def _conditions(self, entity: str) -> Iterator[Condition]:
        for condition in self.matrix.conditions_of(self.process, entity):
            if condition.relation != "optional":
                yield condition


def inside(shape: Mapping[str, Any], then: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that applies `then` to the innermost values of a list or map."""
    for key in PARTS & shape.keys():
        return {key: inside(shape[key], then)}
    return then


def each_required(names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return for each of some members the test that an object has it."""
    return [{"required": [name]} for name in names]


def _lacks(names: tuple[str, ...]) -> dict[str, Any]:
    """Return a test that an object has none of some members; nothing if there are none."""
    return {"not": {"anyOf": each_required(names)}} if names else {}


def _type_of(value: object) -> str:
    """Return the type of a value that selects a variant."""
    if isinstance(value, bool):
        return "boolean"
    return "string" if isinstance(value, str) else "number"
