"""Compile a Matrix to JSON Schemas, one for each process.

A compiled schema is JSON Schema 2020-12 and self-contained: every validator gives the same verdict
as ttrules. Each property carries its cell in ``x-ttrules``, each relation its fields; findings are
looked up through these annotations. The same Matrix gives the same bytes. A new requirement code or
relation is a row in `codes` and a case here.

A schema is flat (no references) where it can be; otherwise entities are definitions, which
`definitions` makes.
"""

from __future__ import annotations

import json
from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ttrules.codes import (
    ANNOTATION,
    FORMAT_BOUNDS,
    FORMATS,
    INTEGER_FORMATS,
    KINDS,
    NON_BLANK,
    NOT_EMPTY,
    PARTS,
    is_blank,
)
from ttrules.spec.definitions import Definitions, each_required, inside
from ttrules.spec.patterns import portable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ttrules.matrix import When
    from ttrules.spec.load import Condition, Field, Matrix, Process


DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

#: Keywords that mean the same in a shape and in JSON Schema 2020-12.
_SHARED = (
    "enum",
    "multipleOf",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
)

#: Cells without a value to restrict; an entity has no code of its own.
_UNREAD: Final = frozenset({"P", "-", None})

#: A condition with a test of an ancestor, which is compiled there: the ancestor (``parent`` or
#: ``root``), the test, and the schema that applies below if the test is true.
_Lifted = tuple[str, dict[str, Any], dict[str, Any]]


def compile_schemas(matrix: Matrix) -> dict[str, dict[str, Any]]:
    """Return the compiled schema of each process, by slug."""
    return {process.slug: _Compiler(matrix, process).schema() for process in matrix.processes}


def to_bytes(document: object) -> bytes:
    """Return the one serialisation of a compiled document: UTF-8, two spaces, a final newline."""
    return (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode()


class _Compiler:
    """The compilation of one process."""

    def __init__(self, matrix: Matrix, process: Process) -> None:
        self.matrix = matrix
        self.process = process
        self.counterparts = matrix.counterparts(process)
        self.root = matrix.root_of(process.name)
        self.definitions = Definitions(
            matrix, process.name, self._definition, self._relation, _test
        )

    def schema(self) -> dict[str, Any]:
        body, lifted = self._object(self.root, 0, removable=bool(self.counterparts))
        assert not lifted, "every condition has found its object"
        definitions = self.definitions.made()
        self._select(body, definitions)
        return {
            "$schema": DIALECT,
            "title": f"{self.matrix.title} {self.matrix.version}: {self.process.name}",
            **body,
            **({"$defs": definitions} if definitions else {}),
        }

    def _definition(self, entity: str, removable: bool) -> dict[str, Any]:  # noqa: FBT001 - a callback
        return self._object(entity, 1, removable=removable)[0]

    def _object(
        self, entity: str, depth: int, *, removable: bool
    ) -> tuple[dict[str, Any], list[_Lifted]]:
        fields = self.matrix.entities[entity]
        required = [name for name, field in fields.items() if self._code(field) == "R"]
        properties: dict[str, Any] = {}
        here: list[dict[str, Any]] = []
        above: list[_Lifted] = []
        for name, field in fields.items():
            properties[name], lifted = self._property(entity, field, depth, removable=removable)
            for owner, test, then in lifted:
                below = {"properties": {name: inside(field.shape, then)}}
                if owner == "parent" or depth == 0:
                    here.append({"if": test, "then": below})
                else:
                    above.append((owner, test, below))
        for condition in self._conditions(entity):
            relation = self._relation(condition)
            when = condition.when
            if when is None:
                here.append(relation)
            elif when.of == "self" or (when.of == "root" and depth == 0):
                here.append({"if": _test(when), "then": relation})
            else:
                above.append((when.of, _test(when), {"allOf": [relation]}))
        if not self.definitions.is_flat:
            here += self.definitions.conditions_below(entity, is_root=depth == 0)
            above = []
        undetermined = [
            name for name, field in fields.items() if self._is_undeclared(entity, field)
        ]
        note: dict[str, Any] = {"entity": entity}
        if undetermined:
            note["undetermined"] = undetermined
        body: dict[str, Any] = {"type": "object", ANNOTATION: note, "properties": properties}
        if required:
            body["required"] = required
        if here:
            body["allOf"] = here
        return body, above

    def _property(
        self, entity: str, field: Field, depth: int, *, removable: bool
    ) -> tuple[dict[str, Any], list[_Lifted]]:
        code = self._code(field)
        note = {"cell": f"{entity}.{field.name}", "requirement": code}
        about: dict[str, Any] = {"description": field.description} if field.description else {}
        about[ANNOTATION] = note
        if code == "P":
            return {"not": {}, **about}, []
        if code == "-":
            return about, []
        removable = removable and self._is_removable(entity, field)
        not_empty = code == "R" or (code in NOT_EMPTY and not self._is_undeclared(entity, field))
        item, lifted = self._value(
            field, field.shape, depth, removable=removable, not_empty=not_empty
        )
        if removable or (field.shape.get("nullable") and code != "R"):
            _let_null(item)
        if ANNOTATION in item:
            about[ANNOTATION] = {**item.pop(ANNOTATION), **note}
        return {**about, **item}, lifted

    def _value(
        self,
        field: Field,
        shape: Mapping[str, Any],
        depth: int,
        *,
        removable: bool,
        not_empty: bool,
    ) -> tuple[dict[str, Any], list[_Lifted]]:
        """Compile the value of a field; or an item of it, if that is what has the shape."""
        for key in PARTS & shape.keys():
            below, lifted = self._value(field, shape[key], depth, removable=False, not_empty=False)
            if shape[key].get("nullable"):
                _let_null(below)
            listed = {each: shape[each] for each in _SHARED if each in shape}
            if not_empty and key == "items":
                listed["minItems"] = max(1, listed.get("minItems", 0))
            return {"type": shape["type"], key: below, **listed}, lifted
        if field.entities and not self.definitions.is_flat:
            scalar = partial(self._scalar, shape, not_empty=not_empty)
            return self.definitions.value(field, scalar, removable=removable), []
        if field.entity:
            return self._object(field.entity, depth + 1, removable=removable)
        return self._scalar(shape, not_empty=not_empty), []

    def _select(self, body: dict[str, Any], definitions: Mapping[str, dict[str, Any]]) -> None:
        """Restrict the selecting field, in place, to the values that select the process.

        Below a definition, which other fields may share, the field has a schema of its own.
        """
        field = body
        for name in self.matrix.selection_path:
            field = field.get("properties", {}).get(name, {})
            while "$ref" in field:
                made = deepcopy(definitions[field.pop("$ref").rpartition("/")[2]])
                field |= {**made, **field, ANNOTATION: {**made[ANNOTATION], **field[ANNOTATION]}}
        if self.process.values and field.get(ANNOTATION, {}).get("requirement") not in _UNREAD:
            takes_null = "null" in field.get("type", ()) or None in field.get("enum", ())
            field["enum"] = [*self.process.values, *([None] if takes_null else [])]

    def _scalar(self, shape: Mapping[str, Any], *, not_empty: bool) -> dict[str, Any]:
        if "anyOf" in shape:
            kinds = list(dict.fromkeys(kind for each in shape["anyOf"] for kind in kinds_of(each)))
            shape = {**shape, "type": kinds if kinds[1:] else kinds[0]}
        if not_empty and "array" in (kinds := shape.get("type", [*KINDS])):
            # Several types, or any: null and an empty list are not content.
            shape = {**shape, "type": kinds, "minItems": max(1, shape.get("minItems", 0))}
        compiled = {key: shape[key] for key in ("type", *_SHARED) if key in shape}
        if "anyOf" in shape:
            compiled["anyOf"] = [self._scalar(each, not_empty=False) for each in shape["anyOf"]]
        for key in PARTS & shape.keys():
            compiled[key] = self._scalar(shape[key], not_empty=False)
        patterns = _of_format(compiled, shape)
        written = shape.get("pattern", ())
        patterns += map(portable, [written] if isinstance(written, str) else written)
        if not_empty and "string" in shape["type"] and _may_be_blank(shape):
            patterns.append(NON_BLANK)
        if patterns:
            compiled["pattern"] = patterns[0]
        if patterns[1:]:
            compiled["allOf"] = [{"pattern": each} for each in patterns[1:]]
        return compiled

    def _relation(self, condition: Condition) -> dict[str, Any]:
        note: dict[str, Any] = {
            "relation": condition.relation,
            "entity": condition.entity,
            "fields": list(condition.fields),
        }
        if condition.when is not None:
            note["when"] = condition.when.to_json()
        return {**_RELATIONS[condition.relation](condition.fields), ANNOTATION: note}

    def _code(self, field: Field) -> str:
        return field.requirements[self.process.name]

    def _conditions(self, entity: str) -> Iterator[Condition]:
        for condition in self.matrix.conditions:
            if (
                condition.entity == entity
                and self.process.name in condition.processes
                and condition.relation != "optional"
            ):
                yield condition

    def _is_undeclared(self, entity: str, field: Field) -> bool:
        return "PD" in self._code(field) and not any(
            condition.entity == entity
            and field.name in condition.fields
            and self.process.name in condition.processes
            for condition in self.matrix.conditions
        )

    def _is_removable(self, entity: str, field: Field) -> bool:
        return (
            self.matrix.removal
            and field.requirements[self.process.name] == "O"
            and all(field.requirements[each.name] == "O" for each in self.counterparts)
            and field.name not in self.matrix.immutable.get(entity, ())
        )


def _let_null(item: dict[str, Any]) -> None:
    """Widen a compiled property, in place, so that null meets it too."""
    if "type" in item:
        item["type"] = [*dict.fromkeys((*kinds_of(item), "null"))]
    if "anyOf" in item:
        item["anyOf"] = [*item["anyOf"], {"type": "null"}]
    if "enum" in item and None not in item["enum"]:
        item["enum"] = [*item["enum"], None]


def _of_format(compiled: dict[str, Any], shape: Mapping[str, Any]) -> list[str]:
    """Add what the format of a shape says to its keywords, in place, and return its patterns."""
    name: str = shape.get("format", "")
    kinds = {"string"} if name in FORMATS else {"integer", "number"}
    if (name not in FORMATS and name not in FORMAT_BOUNDS) or kinds.isdisjoint(_types(shape)):
        return []
    if name == "byte":
        compiled["contentEncoding"] = "base64"
    else:
        compiled["format"] = name
    for bound, limit in FORMAT_BOUNDS.get(name, {}).items():
        _narrow(compiled, bound, limit)
    if name in INTEGER_FORMATS and compiled.get("type") == "number":
        compiled["type"] = "integer"
    return [FORMATS[name][0]] if name in FORMATS else []


def _types(shape: Mapping[str, Any]) -> list[str]:
    """Return the types of a shape; all of them if it has none."""
    types: str | list[str] = shape.get("type", list(KINDS))
    return [types] if isinstance(types, str) else types


def _narrow(compiled: dict[str, Any], bound: str, limit: float) -> None:
    """Set the bound of a format, in place, unless the shape has a narrower one."""
    sign = 1 if bound == "minimum" else -1
    names = {"minimum": "exclusiveMinimum", "maximum": "exclusiveMaximum"}
    own = [compiled[key] for key in (bound, names.get(bound)) if key in compiled]
    if not any(sign * each >= sign * limit for each in own):
        compiled.pop(names.get(bound, ""), None)
        compiled[bound] = limit


def _may_be_blank(shape: Mapping[str, Any]) -> bool:
    return any(isinstance(value, str) and is_blank(value) for value in shape.get("enum", ("",)))


def _all(fields: tuple[str, ...]) -> dict[str, Any]:
    return {"required": list(fields)}


def _none(fields: tuple[str, ...]) -> dict[str, Any]:
    return {"not": {"type": "object", "anyOf": each_required(fields)}}


def _one(fields: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        *({"type": "object", **each} for each in each_required(fields)),
        {"not": {"type": "object"}},
    ]


def kinds_of(shape: Mapping[str, Any]) -> list[str]:
    """Return the JSON types that a shape lists."""
    kinds: str | list[str] = shape.get("type", [])
    return [kinds] if isinstance(kinds, str) else kinds


def _pairs(fields: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        {"required": [one, other]}
        for index, one in enumerate(fields)
        for other in fields[index + 1 :]
    ]


# Each relation is one keyword, so violating it is one error. A value that is not an object violates
# none of them, because it has a type error already.
_RELATIONS: Final[dict[str, Callable[[tuple[str, ...]], dict[str, Any]]]] = {
    "all_or_none": lambda f: {"anyOf": [_all(f), _none(f)]},
    "at_least_one": lambda f: {"anyOf": each_required(f)},
    "at_most_one": lambda f: {"not": {"type": "object", "anyOf": _pairs(f)}},
    "exactly_one": lambda f: {"oneOf": _one(f)},
    "if_then_all": lambda f: {"anyOf": [_none(f[:1]), _all(f[1:])]},
    "if_then_any": lambda f: {"anyOf": [_none(f[:1]), *each_required(f[1:])]},
    "if_then_none": lambda f: {"anyOf": [_none(f[:1]), _none(f[1:])]},
    "required": lambda f: {"anyOf": [_all(f)]},
    "prohibited": _none,
}


def _test(when: When) -> dict[str, Any]:
    sent = _all((when.field,))
    if when.test == "exists":
        return sent if when.value else {"not": sent}
    if when.test.startswith("not_"):
        return {"not": _test(when.negated())}
    value: dict[str, Any] = {"enum": when.allowed}
    if when.test == "contains":
        if isinstance(when.value, dict):
            members = [
                {**_all((name,)), "properties": {name: {"enum": [each]}}}
                for name, each in when.value.items()
            ]
            value = {"type": "object", "allOf": members}
        value = {"type": "array", "contains": value}
    return {**sent, "properties": {when.field: value}}
