"""Compile a Matrix to JSON Schemas, one for each process.

A compiled schema is JSON Schema 2020-12, flat (no references, no inheritance) and self-contained:
every validator gives the same verdict as ttrules. Each property carries its cell in ``x-ttrules``,
each relation its fields; findings are looked up through these annotations. The same Matrix gives
the same bytes. A new requirement code or relation is a row in `codes` and a case here.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from ttrules.codes import ANNOTATION, FORMATS, KINDS, NON_BLANK, NOT_EMPTY, is_blank

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ttrules.matrix import When
    from ttrules.spec.load import Condition, Field, Matrix, Process


DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

#: Keywords that mean the same in an OpenAPI 3.0 shape and in JSON Schema 2020-12.
_SHARED = (
    "enum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "uniqueItems",
)

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
        self.counterpart = matrix.counterpart(process)

    def schema(self) -> dict[str, Any]:
        body, lifted = self._object(self.matrix.root, 0, removable=self.counterpart is not None)
        assert not lifted, "every condition has found its object"
        return {
            "$schema": DIALECT,
            "title": f"{self.matrix.title} {self.matrix.version}: {self.process.name}",
            **body,
        }

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
                below = {"properties": {name: {"items": then} if field.many else then}}
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
        lifted: list[_Lifted] = []
        if field.entity:
            below = removable and not field.many
            item, lifted = self._object(field.entity, depth + 1, removable=below)
        elif field.many:
            item = self._scalar(field.shape["items"], not_empty=False)
            if field.shape["items"].get("nullable"):
                _let_null(item)
        else:
            item = self._scalar(field.shape, not_empty=not_empty)
        if entity == self.matrix.root and field.name == self.matrix.selection_field:
            item["enum"] = [self.process.value]
        if field.many:
            listed = {key: field.shape[key] for key in _SHARED if key in field.shape}
            if not_empty:
                listed["minItems"] = max(1, listed.get("minItems", 0))
            item = {"type": "array", "items": item, **listed}
        if removable or (field.shape.get("nullable") and code != "R"):
            _let_null(item)
        if field.entity and not field.many:
            about[ANNOTATION] = {**item.pop(ANNOTATION), **note}
        return {**about, **item}, lifted

    def _scalar(self, shape: Mapping[str, Any], *, not_empty: bool) -> dict[str, Any]:
        if not_empty and "type" not in shape:
            # A shape without a type accepts any value; null and an empty list are not content.
            shape = {**shape, "type": list(KINDS), "minItems": max(1, shape.get("minItems", 0))}
        compiled = {key: shape[key] for key in ("type", *_SHARED) if key in shape}
        for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
            # OpenAPI 3.0 makes a bound exclusive by a flag, JSON Schema by another keyword.
            if bound in shape:
                compiled[exclusive if shape.get(exclusive) is True else bound] = shape[bound]
            elif exclusive in shape and not isinstance(shape[exclusive], bool):
                compiled[exclusive] = shape[exclusive]
        patterns = []
        if shape.get("format") in FORMATS:
            if shape["format"] == "byte":
                compiled["contentEncoding"] = "base64"
            else:
                compiled["format"] = shape["format"]
            patterns.append(FORMATS[shape["format"]][0])
        if "pattern" in shape:
            patterns.append(_with_explicit_dots(shape["pattern"]))
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
            and self.counterpart is not None
            and field.requirements[self.process.name] == "O"
            and field.requirements[self.counterpart.name] == "O"
            and field.name not in self.matrix.immutable.get(entity, ())
        )


def _let_null(item: dict[str, Any]) -> None:
    """Widen a compiled property, in place, so that null meets it too."""
    if "type" in item:
        item["type"] = [item["type"], "null"]
    if "enum" in item and None not in item["enum"]:
        item["enum"] = [*item["enum"], None]


def _with_explicit_dots(pattern: str) -> str:
    """Return a pattern with its dots written out: Rust and Python match more line ends."""
    return re.sub(
        r"(\\.|\[(?:\\.|[^\]\\])*\])|\.", lambda at: at[1] or r"[^\n\r\u2028\u2029]", pattern
    )


def _may_be_blank(shape: Mapping[str, Any]) -> bool:
    return any(isinstance(value, str) and is_blank(value) for value in shape.get("enum", ("",)))


def _all(fields: tuple[str, ...]) -> dict[str, Any]:
    return {"required": list(fields)}


def _each(fields: tuple[str, ...]) -> list[dict[str, Any]]:
    return [{"required": [name]} for name in fields]


def _none(fields: tuple[str, ...]) -> dict[str, Any]:
    return {"not": {"type": "object", "anyOf": _each(fields)}}


def _one(fields: tuple[str, ...]) -> list[dict[str, Any]]:
    return [*({"type": "object", **each} for each in _each(fields)), {"not": {"type": "object"}}]


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
    "at_least_one": lambda f: {"anyOf": _each(f)},
    "at_most_one": lambda f: {"not": {"type": "object", "anyOf": _pairs(f)}},
    "exactly_one": lambda f: {"oneOf": _one(f)},
    "if_then_all": lambda f: {"anyOf": [_none(f[:1]), _all(f[1:])]},
    "if_then_any": lambda f: {"anyOf": [_none(f[:1]), *_each(f[1:])]},
    "if_then_none": lambda f: {"anyOf": [_none(f[:1]), _none(f[1:])]},
}


def _test(when: When) -> dict[str, Any]:
    sent = _all((when.field,))
    if when.test == "exists":
        return sent if when.value else {"not": sent}
    return {**sent, "properties": {when.field: {"enum": when.allowed}}}
