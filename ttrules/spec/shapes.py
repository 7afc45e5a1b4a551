"""Join the rows of the matrix with the shapes of the OpenAPI document.

Every row must have a member in the shape of its entity, and every member a row. The form of a shape
(spec/schemas/openapi.schema.json) lists the supported keywords, so no keyword is silently ignored.
A new keyword is added to that form and to the compiler.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ttrules.codes import slug
from ttrules.matrix import Field
from ttrules.spec.yaml_source import form_problems, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ttrules.errors import Problem
    from ttrules.spec.yaml_source import Place, Source

_SCHEMAS: Final = "#/components/schemas/"
_BOOK: Final = "book"
#: The part of ECMA-262's regular expressions that Rust's and Python's read in the same way: no \\s,
#: no \\b, no flags, no lookaround, no possessive quantifier, no class inside a class; a bracket or
#: a literal brace is escaped. The compiler rewrites the dot.
_SHARED_ESCAPE: Final = (
    r"[dDwWtnrfv^$\\.*+?()\[\]{}|/]|x[0-9A-Fa-f]{2}|u(?![dD][89A-Fa-f])[0-9A-Fa-f]{4}"
)
_PORTABLE: Final = re.compile(
    rf"(?:\\(?:{_SHARED_ESCAPE})"
    rf"|\[\^?+(?:\\(?:{_SHARED_ESCAPE}|-)|(?!&&|--|~~|\|\|)[^\[\]\\])+\]"
    r"|\((?:\?:|(?!\?))|\)"
    r"|(?:[*+?]|\{[0-9]+(?:,[0-9]*)?\})(?!\+)"
    r"|[^\\\[\](){}*+?])*"
)


class Shapes:
    """The joining of matrix and shapes. `problems` grows while `entities` are made."""

    def __init__(self, openapi: Source, matrix: Source) -> None:
        self.openapi, self.matrix = openapi, matrix
        self.schemas: dict[str, Any] = openapi.value["components"]["schemas"]
        self.processes: list[str] = matrix.value["processes"]
        self.rows: dict[str, dict[str, list[str]]] = matrix.value["entities"]
        self.problems: list[Problem] = []

    def entities(self) -> dict[str, dict[str, Field]]:
        """Return the fields of each entity; they are not valid if there are problems."""
        self.problems += self._matrix_problems()
        entities = {entity: self._entity(entity) for entity in self.rows}
        if not self.problems:
            self.problems += self._recursions(entities)
        return entities

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
        root = self.matrix.value["root"]
        if root not in self.rows:
            message = f"the root {root!r} has no rows" + nearest(root, self.rows)
            yield self.matrix.problem(("root",), message)
        for entity, rows in self.rows.items():
            for field, cells in rows.items():
                if len(cells) != len(self.processes):
                    message = (
                        f"{entity}.{field} has {len(cells)} cells; {len(self.processes)} were"
                        " expected, one a process"
                    )
                    yield self.matrix.problem(("entities", entity, field), message)

    def _entity(self, entity: str) -> dict[str, Field]:
        rows, at = self.rows[entity], ("components", "schemas", entity)
        if entity not in self.schemas:
            message = f"no shape {entity!r} in {self.openapi.path}" + nearest(entity, self.schemas)
            self.problems.append(self.matrix.problem(("entities", entity), message, key=True))
            return {}
        if self._is_formless(at, "entity"):
            return {}
        members: dict[str, Any] = self.schemas[entity]["properties"]
        for field in rows:
            if field not in members:
                message = f"the shape {entity} has no field {field!r}" + nearest(field, members)
                place = ("entities", entity, field)
                self.problems.append(self.matrix.problem(place, message, key=True))
        for field in members:
            if field not in rows:
                message = f"the matrix has no row {entity}.{field}" + nearest(field, rows)
                member: Place = (*at, "properties", field)
                self.problems.append(self.openapi.problem(member, message, key=True))
        return {
            field: self._field(
                field,
                (*at, "properties", field),
                dict(zip(self.processes, cells, strict=False)),  # their number is a problem above
            )
            for field, cells in rows.items()
            if field in members
        }

    def _field(self, name: str, at: Place, requirements: dict[str, str]) -> Field:
        described = self.openapi.at(at).get("description")
        shape, entity, at = self._follow(at)
        many = shape.get("type") == "array"
        if many:
            items, entity, below = self._follow((*at, "items"))
            self._check_scalar(items, entity, below)
            shape = {**shape, "items": items}
        else:
            self._check_scalar(shape, entity, at)
        return Field(
            name=name,
            shape={key: value for key, value in shape.items() if key != "description"},
            entity=entity,
            many=many,
            description=described or shape.get("description", ""),
            requirements=requirements,
        )

    def _check_scalar(self, shape: Mapping[str, Any], entity: str | None, at: Place) -> None:
        if entity is not None:
            return
        if shape.get("type") == "array":
            self._refuse(at, "a list of lists cannot be compiled")
        if shape.get("type") == "object":
            self._refuse(at, "an object must have a schema of its own; refer to it by $ref")
        if not _runs_everywhere(shape.get("pattern", "")):
            self._refuse((*at, "pattern"), "not every engine reads this pattern in the same way")

    def _refuse(self, at: Place, message: str) -> None:
        self.problems.append(self.openapi.problem(at, message))

    def _is_formless(self, at: Place, definition: str) -> bool:
        wrong = [*form_problems(self.openapi, "openapi", at, definition)]
        self.problems += wrong
        return bool(wrong)

    def _follow(self, at: Place) -> tuple[dict[str, Any], str | None, Place]:
        """Follow `$ref`s; return the shape, the name if it is an entity, and its place."""
        shape: dict[str, Any] = self.openapi.at(at)
        seen: set[str] = set()
        while "$ref" in shape:
            name = shape["$ref"].removeprefix(_SCHEMAS)
            if name not in self.schemas:
                self._refuse((*at, "$ref"), f"no shape {name!r}" + nearest(name, self.schemas))
                return {}, None, at
            if name in self.rows:
                return {"type": "object"}, name, at
            if name in seen:
                self._refuse((*at, "$ref"), f"{name!r} refers to itself")
                return {}, None, at
            seen.add(name)
            at = ("components", "schemas", name)
            shape = self.schemas[name]
            if "properties" in shape:
                message = f"the matrix has no rows for {name}" + nearest(name, self.rows)
                self.problems.append(self.openapi.problem(at, message, key=True))
                return {}, None, at
            if self._is_formless(at, "member"):
                return {}, None, at
        return shape, None, at

    def _recursions(self, entities: Mapping[str, Mapping[str, Field]]) -> Iterator[Problem]:
        """Yield the members through which an entity contains itself."""
        done: set[str] = set()

        def visit(entity: str, above: tuple[str, ...]) -> Iterator[Problem]:
            done.add(entity)
            for field in entities[entity].values():
                if field.entity in above:
                    place = ("components", "schemas", entity, "properties", field.name)
                    message = (
                        f"{field.entity} contains itself here; such a shape cannot be compiled"
                    )
                    yield self.openapi.problem(place, message)
                elif field.entity is not None and field.entity not in done:
                    yield from visit(field.entity, (*above, field.entity))

        for entity in entities:
            if entity not in done:
                yield from visit(entity, (entity,))


def _runs_everywhere(pattern: str) -> bool:
    """Return whether both engines can run a pattern, the fast one in linear time."""
    from jsonschema_rs import Draft202012Validator, RegexOptions

    if _PORTABLE.fullmatch(pattern) is None:
        return False
    try:
        Draft202012Validator({"pattern": pattern}, pattern_options=RegexOptions())
        re.compile(pattern, re.ASCII)
    except (ValueError, OverflowError, re.error):
        return False
    return True
