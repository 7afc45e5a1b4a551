"""Small matrices with recursion and variants, and a reading of any matrix without JSON Schema.

`oracle` is what the two engines are compared with. It selects the variant of an object and
validates each value from the rows and shapes alone. `payload` makes random payloads, many of them
invalid.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ttrules.matrix import Condition, Field, Matrix, Process, When
from ttrules.rulebook import Rulebook
from ttrules.spec.compiler import compile_schemas

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from random import Random

PROCESSES = ("Plain Add", "Plain Change")
NAME = {"type": "string", "maxLength": 6}
COUNT = {"type": "integer", "minimum": 0, "maximum": 9}
KINDS = ["string", "number", "array", "object", "null", "boolean"]
#: What breaks a value, or leaves it valid by chance.
ODD: tuple[Any, ...] = (
    None,
    "",
    " ",
    "x",
    "seven letters",
    "car",
    "bike",
    3,
    3.0,
    70,
    -1,
    True,
    [],
    {},
    ["x"],
    {"x": 1},
)


def row(codes: str, shape: Mapping[str, Any] | None = None, *variants: str, **more: Any) -> Field:
    """Return a field without a name: its codes, ``R O``, and its shape or its entities."""
    many = bool(shape) and shape is not None and shape.get("type") == "array"
    is_union = more.pop("is_union", len(variants) > 1)
    return Field(
        name="",
        shape=shape or {"type": "object"},
        entity=None if is_union else next(iter(variants), None),
        many=many,
        description="",
        requirements=dict(zip(PROCESSES, codes.split(), strict=True)),
        variants=variants if is_union else (),
        **more,
    )


def many(codes: str, *variants: str, **more: Any) -> Field:
    """Return a field without a name whose value is a list of objects."""
    return row(codes, {"type": "array", "items": {"type": "object"}}, *variants, **more)


def matrix_of(
    entities: Mapping[str, Mapping[str, Field]], conditions: Sequence[Condition] = ()
) -> Matrix:
    """Return a matrix whose first entity is the root, with an Add and a Change process."""
    kind = row("R O", {"type": "string", "enum": ["plain"]})
    first = next(iter(entities))
    rows = {**entities, first: {"kind": kind, **entities[first]}}
    named = {
        entity: {name: _named(name, field) for name, field in fields.items()}
        for entity, fields in rows.items()
    }
    return Matrix(
        title="Small",
        version="1",
        source="a test",
        root=first,
        processes=(
            Process(name="Plain Add", slug="plain-add", operation="add", values=("plain",)),
            Process(
                name="Plain Change", slug="plain-change", operation="change", values=("plain",)
            ),
        ),
        entities=named,
        selection_field="kind",
        selection_reason="",
        conditions=tuple(conditions),
        unsupported="warn",
        immutable={},
        append_only={},
        defaults={},
        identity=("id",),
        removal=True,
        decisions=(),
        lifecycle={},
        reasons={},
    )


def _named(name: str, field: Field) -> Field:
    given = {key: getattr(field, key) for key in field.__slots__}
    return Field(**{**given, "name": name})


def book_of(matrix: Matrix) -> Rulebook:
    """Return the rulebook of a matrix."""
    return Rulebook(matrix, compile_schemas(matrix))


def at_least_one(entity: str, fields: Sequence[str], when: When | None = None) -> Condition:
    """Return a condition of both processes."""
    return Condition(
        entity=entity,
        fields=tuple(fields),
        relation="at_least_one",
        processes=PROCESSES,
        when=when,
        reason="",
    )


def oracle(matrix: Matrix, process: str, payload: object) -> set[tuple[str, str]]:
    """Return the pointer and code of each finding on a payload, warnings included."""
    reading = _Reading(matrix, process, payload)
    return set(
        reading.of_object(payload, matrix.root, "", None, removable=process in PROCESSES[1:])
    )


class _Reading:
    """The reading of one payload."""

    def __init__(self, matrix: Matrix, process: str, payload: object) -> None:
        self.matrix, self.process, self.payload = matrix, process, payload

    def of_object(
        self, value: Any, entity: str, at: str, parent: Any, *, removable: bool
    ) -> Iterator[tuple[str, str]]:
        """Yield the findings on an object."""
        if not isinstance(value, dict):
            yield at, "null" if value is None else "type"
            return
        rows = self.matrix.entities[entity]
        for name in value.keys() - rows.keys():
            yield f"{at}/{name}", "unknown_field"
        for name, field in rows.items():
            code, here = field.requirements[self.process], f"{at}/{name}"
            if name not in value:
                if code == "R":
                    yield here, "required"
            elif code in {"P", "-"}:
                yield here, {"P": "prohibited", "-": "not_supported"}[code]
            else:
                may_remove = removable and set(field.requirements.values()) == {"O"}
                is_nullable = field.shape.get("nullable") and code != "R"
                if value[name] is None and (may_remove or is_nullable):
                    continue
                yield from self._of_value(value[name], field, here, value, removable=may_remove)
        owner = {"self": value, "parent": parent, "root": self.payload}
        for rule in self.matrix.conditions:
            test, is_met = rule.when, any(name in value for name in rule.fields)
            if rule.entity == entity and not is_met and (test is None or _holds(test, owner)):
                yield f"{at}/{rule.fields[0]}", "process_dependent"

    def _of_value(
        self, value: Any, field: Field, at: str, owner: Any, *, removable: bool
    ) -> Iterator[tuple[str, str]]:
        is_required = field.requirements[self.process] == "R"
        if not field.many:
            yield from self._of_item(
                value, field, field.shape, at, owner, removable=removable, solid=is_required
            )
        elif not isinstance(value, list):
            yield at, "null" if value is None else "type"
        elif is_required and not value:
            yield at, "empty"
        elif len(value) > field.shape.get("maxItems", len(value)):
            yield at, "length"
        else:
            for index, item in enumerate(value):
                shape = field.shape["items"]
                if item is None and shape.get("nullable"):
                    continue
                yield from self._of_item(
                    item, field, shape, f"{at}/{index}", owner, removable=False, solid=False
                )

    def _of_item(
        self,
        value: Any,
        field: Field,
        shape: Mapping[str, Any],
        at: str,
        owner: Any,
        *,
        removable: bool,
        solid: bool,
    ) -> Iterator[tuple[str, str]]:
        is_object = field.entities and isinstance(value, dict)
        code = None if is_object else scalar_code(value, shape, solid=solid)
        if code is not None:
            yield at, code
        if not is_object:
            return
        entity, found = self._variant(value, field)
        if entity is not None:
            yield from self.of_object(value, entity, at, owner, removable=removable)
        elif found is not None:
            yield f"{at}/{field.discriminator}", found
        else:
            yield from self._of_any(value, field, at, removable=removable)

    def _variant(self, value: dict[str, Any], field: Field) -> tuple[str | None, str | None]:
        """Return the entity of an object, or the code of the finding on its discriminator."""
        rows, name = self.matrix.entities, field.discriminator
        if len(field.entities) == 1:
            return field.entities[0], None
        if name is not None:
            codes = [rows[each][name].requirements[self.process] for each in field.variants]
            if name in value:
                sent = value[name]
                known = {each: entity for entity, some in field.mapping.items() for each in some}
                if not isinstance(sent, str):
                    return None, "null" if sent is None else "type"
                is_empty = codes[0] == "R" and not sent.strip()
                return known.get(sent), "empty" if is_empty else "enum"
            if {*codes} == {"R"}:
                return None, "required"
        for entity in field.variants:
            others = {n for each in field.variants if each != entity for n in rows[each]}
            if value.keys() & (rows[entity].keys() - others):
                return entity, None
        return None, None

    def _of_any(
        self, value: dict[str, Any], field: Field, at: str, *, removable: bool
    ) -> Iterator[tuple[str, str]]:
        """Yield the findings on an object whose variant no member tells."""
        # Tests of objects around it do not apply.
        alone = _Reading(self.matrix, self.process, None)
        for entity in field.variants:
            found = [*alone.of_object(value, entity, at, None, removable=removable)]
            if {code for _, code in found} <= {"not_supported", "unknown_field"}:
                yield from found
                return
        yield at, "variant"


def _holds(test: When, owners: Mapping[str, Any]) -> bool:
    """Return whether a test is true for its owner, which may be no object."""
    return isinstance(owners[test.of], dict) and test.holds(owners[test.of])


def scalar_code(value: Any, shape: Mapping[str, Any], *, solid: bool = False) -> str | None:
    """Return the code of the finding on a value that is not an object of an entity."""
    kinds = [*_kinds(shape)]
    if value is None and "null" not in kinds:
        return "null"
    if not any(_is_a(value, kind) for kind in kinds):
        return "type"
    if solid and (value == [] or (isinstance(value, str) and not value.strip())):
        return "empty"
    if "anyOf" in shape:
        is_met = any(scalar_code(value, each) is None for each in shape["anyOf"])
        return None if is_met else "variant"
    if "enum" in shape and not any(
        type(value) is type(each) and value == each for each in shape["enum"]
    ):
        return "enum"
    return _limit_code(value, shape)


def _limit_code(value: Any, shape: Mapping[str, Any]) -> str | None:
    """Return the code of the finding on a value of the right type."""
    if isinstance(value, str):
        if re.search(shape.get("pattern", ""), value) is None:
            return "format"
        return "length" if len(value) > shape.get("maxLength", len(value)) else None
    if isinstance(value, list):
        items = shape.get("items", {"type": KINDS})
        return "variant" if any(scalar_code(each, items) for each in value) else None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        is_within = shape.get("minimum", value) <= value <= shape.get("maximum", value)
        return None if is_within else "range"
    return None


def _kinds(shape: Mapping[str, Any]) -> Iterator[str]:
    for each in shape.get("anyOf", ()):
        yield from _kinds(each)
    kinds = shape.get("type", [])
    yield from [kinds] if isinstance(kinds, str) else kinds


def _is_a(value: object, kind: str) -> bool:
    if isinstance(value, bool) or kind == "boolean":
        return isinstance(value, bool) and kind == "boolean"
    if kind == "integer":
        return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    types: dict[str, Any] = {
        "string": str,
        "number": (int, float),
        "array": list,
        "object": dict,
        "null": type(None),
    }
    return isinstance(value, types[kind])


def payload(matrix: Matrix, process: str, draw: Random, wrong: float) -> Any:
    """Return a random payload; each part is replaced, left out or added to at a rate `wrong`."""
    return _Making(matrix, process, draw, wrong).of_object(matrix.root, 0)


class _Making:
    """The making of one payload."""

    def __init__(self, matrix: Matrix, process: str, draw: Random, wrong: float) -> None:
        self.matrix, self.process, self.draw, self.wrong = matrix, process, draw, wrong

    def of_object(self, entity: str, depth: int) -> Any:
        """Return an object of an entity."""
        made: dict[str, Any] = {}
        for name, field in self.matrix.entities[entity].items():
            code, draw = field.requirements[self.process], self.draw.random()
            likely = {"R": 1 - self.wrong, "P": self.wrong, "-": self.wrong}.get(code, 0.5)
            if field.entities and code != "R" and depth > 3:
                likely = 0.0
            if draw < likely:
                made[name] = self.of_value(field, depth + 1)
        if self.draw.random() < self.wrong:
            made[self.draw.choice(("x", "name", "size", "odd"))] = self.draw.choice(ODD)
        return made

    def of_value(self, field: Field, depth: int) -> Any:
        """Return a value of a field, or one that breaks it."""
        if self.draw.random() < self.wrong:
            return self.draw.choice(ODD)
        if not field.many:
            return self._of_item(field, field.shape, depth)
        count = self.draw.choice((0, 1, 1, 2, 3)) if depth < 5 else 1
        return [self._of_item(field, field.shape["items"], depth) for _ in range(count)]

    def _of_item(self, field: Field, shape: Mapping[str, Any], depth: int) -> Any:
        if shape.get("nullable") and self.draw.random() < 0.2:
            return None
        scalars = [kind for kind in _kinds(shape) if kind != "object"]
        if field.entities and (not scalars or self.draw.random() < 0.5):
            entity = self.draw.choice(field.entities if depth < 6 else field.entities[-1:])
            made = self.of_object(entity, depth)
            if entity in field.mapping and self.draw.random() > self.wrong:
                made[field.discriminator] = self.draw.choice(field.mapping[entity])
            return made
        if "enum" in shape:
            return self.draw.choice(shape["enum"])
        values = ("x", "abc", "a", 3, 4, 5, True, "10.0.0.1", ["x"], "seven letters", 70, 2.5)
        met = [each for each in values if scalar_code(each, shape) is None]
        return self.draw.choice(met if self.draw.random() > self.wrong else values)
