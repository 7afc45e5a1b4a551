"""Reading a spec: the OpenAPI shapes, the matrix, its interpretation and the lifecycle.

Four YAML files become one frozen Spec, or one SpecError that names every problem with its file,
line and column. Each file is first held against the JSON Schema of its form, then the files
against each other. What comes out is compiled by compile. A new key in a file needs its row in
that file's JSON Schema (spec/schemas/), and a check here when it names something that another file
defines.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttrules.codes import slug
from ttrules.errors import Problem, SpecError
from ttrules.source import Source, form_problems, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from os import PathLike

    from ttrules.source import Place

_SCHEMAS = "#/components/schemas/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One row of the matrix with its shape. `shape` is the OpenAPI schema, `$ref` followed.

    `entity` names the entity that the value, or each of its items, is; `many` says that the value
    is a list; `requirements` maps process names to codes.
    """

    name: str
    shape: Mapping[str, Any]
    entity: str | None
    many: bool
    description: str
    requirements: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A relation on fields of one entity, in some processes, under an optional test."""

    entity: str
    fields: tuple[str, ...]
    relation: str
    processes: tuple[str, ...]
    when: Mapping[str, Any] | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A column of the matrix, and when it is chosen (None where no selection is declared)."""

    name: str
    slug: str
    operation: str | None
    value: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """All that a set of spec files says, checked and joined."""

    title: str
    version: str
    source: str
    root: str
    processes: tuple[Process, ...]
    entities: Mapping[str, Mapping[str, Field]]
    selection_field: str | None
    selection_reason: str
    conditions: tuple[Condition, ...]
    unsupported: str
    immutable: Mapping[str, tuple[str, ...]]
    identity: tuple[str, ...]
    removal: bool
    decisions: tuple[Mapping[str, Any], ...]
    lifecycle: Mapping[str, Any] | None

    def counterpart(self, process: Process) -> Process | None:
        """Return the Add process of the same value as a Change process, or None."""
        return next(
            (
                other
                for other in self.processes
                if process.operation == "change"
                and other.operation == "add"
                and other.value == process.value
            ),
            None,
        )


def load_spec(
    openapi: str | PathLike[str],
    requirements: str | PathLike[str],
    interpretation: str | PathLike[str] | None = None,
    lifecycle: str | PathLike[str] | None = None,
) -> Spec:
    """Read spec files and return the Spec they state.

    Raises SpecError with every problem of the first stage that has any: files that are not YAML,
    then files of the wrong form, then files that contradict each other.
    """
    reader = _Reader(
        Source(openapi),
        Source(requirements),
        Source(interpretation) if interpretation is not None else None,
        Source(lifecycle) if lifecycle is not None else None,
    )
    return reader.spec()


class _Reader:
    """The joining of the four files; `problems` grows until a stage ends."""

    def __init__(
        self, shapes: Source, matrix: Source, interpretation: Source | None, cycle: Source | None
    ) -> None:
        self.shapes, self.matrix = shapes, matrix
        self.interpretation, self.cycle = interpretation, cycle
        self.problems: list[Problem] = []

    def stop_if_wrong(self) -> None:
        if self.problems:
            raise SpecError(
                sorted(set(self.problems), key=lambda each: (each.file, each.line, each.column))
            )

    def spec(self) -> Spec:
        for source, name in (
            (self.shapes, "openapi"),
            (self.matrix, "requirements"),
            (self.interpretation, "interpretation"),
            (self.cycle, "lifecycle"),
        ):
            if source is not None:
                self.problems += form_problems(source, name, source.value)
        self.stop_if_wrong()
        matrix = self.matrix.value
        names: list[str] = matrix["processes"]
        self._check_rows(names)
        self.stop_if_wrong()
        entities = self._entities(names)
        self.stop_if_wrong()
        self._check_no_recursion(entities)
        decided: dict[str, Any] = self.interpretation.value if self.interpretation else {}
        processes = self._processes(names, entities, decided.get("selection"))
        conditions = tuple(self._conditions(entities, names, decided.get("conditions", ())))
        self._check_names(entities, decided)
        self._check_lifecycle(entities)
        self.stop_if_wrong()
        info = self.shapes.value["info"]
        document = matrix.get("document", {})
        selection = decided.get("selection", {})
        return Spec(
            title=info["title"],
            version=info["version"],
            source=document.get("section", Path(self.matrix.path).name),
            root=matrix["root"],
            processes=processes,
            entities=entities,
            selection_field=selection.get("field"),
            selection_reason=selection.get("reason", ""),
            conditions=conditions,
            unsupported=decided.get("unsupported", {}).get("policy", "warn"),
            immutable={
                entity: tuple(fields)
                for entity, fields in decided.get("immutable", {}).get("fields", {}).items()
            },
            identity=tuple(decided.get("identity", {}).get("fields", ())),
            removal=decided.get("removal", {}).get("allowed_when") == "optional_in_both",
            decisions=tuple(decided.get("decisions", ())),
            lifecycle=self.cycle.value if self.cycle else None,
        )

    def _check_rows(self, names: list[str]) -> None:
        seen: dict[str, str] = {}
        for index, name in enumerate(names):
            other = seen.setdefault(slug(name), name)
            if other != name:
                self.problems.append(
                    self.matrix.problem(
                        ("processes", index), f"{name!r} and {other!r} have the same short form"
                    )
                )
        for entity, rows in self.matrix.value["entities"].items():
            for field, row in rows.items():
                if len(row) != len(names):
                    self.problems.append(
                        self.matrix.problem(
                            ("entities", entity, field),
                            f"{entity}.{field} has {len(row)} cells;"
                            f" {len(names)} were expected, one a process",
                        )
                    )

    def _entities(self, names: list[str]) -> dict[str, dict[str, Field]]:
        shapes = self.shapes.value["components"]["schemas"]
        ruled = self.matrix.value["entities"]
        root = self.matrix.value["root"]
        if root not in ruled:
            message = f"the root {root!r} has no rows in the matrix" + nearest(root, ruled)
            self.problems.append(self.matrix.problem(("root",), message))
        entities: dict[str, dict[str, Field]] = {}
        for entity, rows in ruled.items():
            at: Place = ("components", "schemas", entity)
            if entity not in shapes:
                message = f"no shape {entity!r} in {self.shapes.path}" + nearest(entity, shapes)
                self.problems.append(self.matrix.problem(("entities", entity), message, key=True))
                continue
            wrong = list(form_problems(self.shapes, "openapi", shapes[entity], at, "entity"))
            self.problems += wrong
            if wrong:
                continue
            members = shapes[entity]["properties"]
            for field in rows.keys() - members.keys():
                message = f"the shape {entity} has no field {field!r}" + nearest(field, members)
                self.problems.append(
                    self.matrix.problem(("entities", entity, field), message, key=True)
                )
            for field in members.keys() - rows.keys():
                message = f"the matrix has no row {entity}.{field}" + nearest(field, rows)
                self.problems.append(
                    self.shapes.problem((*at, "properties", field), message, key=True)
                )
            entities[entity] = {
                field: self._field(
                    entity, field, members[field], dict(zip(names, row, strict=True))
                )
                for field, row in rows.items()
                if field in members
            }
        return entities

    def _field(
        self, entity: str, name: str, shape: dict[str, Any], requirements: dict[str, str]
    ) -> Field:
        at: Place = ("components", "schemas", entity, "properties", name)
        description = shape.get("description", "")
        shape, target = self._follow(shape, at)
        many = shape.get("type") == "array"
        if many:
            items, target = self._follow(shape["items"], (*at, "items"))
            if items.get("type") == "array":
                self.problems.append(self.shapes.problem((*at, "items"), "a list of lists"))
            shape = {**shape, "items": items}
        if target is None and shape.get("type") == "object":
            self.problems.append(
                self.shapes.problem(at, f"{entity}.{name}: refer to the object's shape by $ref")
            )
        return Field(
            name=name,
            shape=shape,
            entity=target,
            many=many,
            description=description or shape.get("description", ""),
            requirements=requirements,
        )

    def _follow(self, shape: dict[str, Any], at: Place) -> tuple[dict[str, Any], str | None]:
        """Follow `$ref`s; return the shape, and the entity's name where it is one."""
        schemas = self.shapes.value["components"]["schemas"]
        seen = []
        while "$ref" in shape:
            name = shape["$ref"].removeprefix(_SCHEMAS)
            if name not in schemas or name in seen:
                why = "refers to itself" if name in seen else "is not there" + nearest(name, schemas)
                self.problems.append(self.shapes.problem((*at, "$ref"), f"{name!r} {why}"))
                return {}, None
            if name in self.matrix.value["entities"]:
                return {"type": "object"}, name
            seen.append(name)
            shape, at = schemas[name], ("components", "schemas", name)
            if "properties" in shape:
                message = f"the matrix has no rows for {name}"
                self.problems.append(self.shapes.problem(at, message, key=True))
                return {}, None
            wrong = list(form_problems(self.shapes, "openapi", shape, at, "member"))
            self.problems += wrong
            if wrong:
                return {}, None
        return shape, None

    def _check_no_recursion(self, entities: dict[str, dict[str, Field]]) -> None:
        def visit(entity: str, above: tuple[str, ...]) -> None:
            for name, field in entities.get(entity, {}).items():
                if field.entity in (*above, entity):
                    raise self.shapes.error(
                        ("components", "schemas", entity, "properties", name),
                        f"{entity}.{name} holds {field.entity}, which holds it; shapes that"
                        " contain themselves cannot be compiled",
                    )
                if field.entity:
                    visit(field.entity, (*above, entity))

        for entity in entities:
            visit(entity, ())

    def _processes(
        self,
        names: list[str],
        entities: dict[str, dict[str, Field]],
        selection: dict[str, Any] | None,
    ) -> tuple[Process, ...]:
        chosen: dict[str, Any] = {}
        if selection is not None and self.interpretation is not None:
            chosen = selection["processes"]
            root = entities[self.matrix.value["root"]]
            if selection["field"] not in root:
                message = f"no field {selection['field']!r}" + nearest(selection["field"], root)
                self.problems.append(
                    self.interpretation.problem(("selection", "field"), message)
                )
            at = ("selection", "processes")
            for name in chosen.keys() - set(names):
                message = f"the matrix has no process {name!r}" + nearest(name, names)
                self.problems.append(self.interpretation.problem((*at, name), message, key=True))
            for name in set(names) - chosen.keys():
                message = f"no selection for the process {name!r}"
                self.problems.append(self.interpretation.problem(at, message, key=True))
            seen: dict[tuple[str, str], str] = {}
            for name, rule in chosen.items():
                other = seen.setdefault((rule["operation"], rule["value"]), name)
                if other != name:
                    message = f"{name!r} and {other!r} are chosen by the same values"
                    self.problems.append(
                        self.interpretation.problem((*at, name), message, key=True)
                    )
        return tuple(
            Process(
                name=name,
                slug=slug(name),
                operation=chosen.get(name, {}).get("operation"),
                value=chosen.get(name, {}).get("value"),
            )
            for name in names
        )

    def _conditions(
        self, entities: dict[str, dict[str, Field]], names: list[str], entries: Iterable[Any]
    ) -> Iterator[Condition]:
        source = self.interpretation
        if source is None:
            return
        for index, entry in enumerate(entries):
            at: Place = ("conditions", index)
            entity, fields = entry["entity"], entry["fields"]
            if entity not in entities:
                message = f"no entity {entity!r}" + nearest(entity, entities)
                self.problems.append(source.problem((*at, "entity"), message))
                continue
            rows = entities[entity]
            unknown = [
                (place, name) for place, name in enumerate(fields) if name not in rows
            ]
            for place, name in unknown:
                message = f"{entity} has no field {name!r}" + nearest(name, rows)
                self.problems.append(source.problem((*at, "fields", place), message))
            if unknown:
                continue
            if entry["relation"] != "optional" and len(fields) < 2:  # noqa: PLR2004 - a pair
                message = f"{entry['relation']} relates two fields or more"
                self.problems.append(source.problem((*at, "fields"), message))
            for name in set(entry.get("processes", ())) - set(names):
                message = f"the matrix has no process {name!r}" + nearest(name, names)
                self.problems.append(source.problem((*at, "processes"), message))
            bound = tuple(
                name
                for name in names
                if any("PD" in rows[field].requirements[name] for field in fields)
                and name in entry.get("processes", names)
            )
            if not bound:
                message = "none of these fields is process dependent where this applies"
                self.problems.append(source.problem((*at, "fields"), message))
            self._check_when(entities, entity, entry.get("when"), (*at, "when", "field"))
            yield Condition(
                entity=entity,
                fields=tuple(fields),
                relation=entry["relation"],
                processes=bound,
                when={"of": "self", **entry["when"]} if "when" in entry else None,
                reason=entry["reason"],
            )

    def _check_when(
        self,
        entities: dict[str, dict[str, Field]],
        entity: str,
        when: dict[str, Any] | None,
        at: Place,
    ) -> None:
        if when is None or self.interpretation is None:
            return
        root = self.matrix.value["root"]
        owners = {
            "self": [entity],
            "root": [root],
            "parent": [
                name
                for name, fields in entities.items()
                if any(field.entity == entity for field in fields.values())
            ],
        }[when.get("of", "self")]
        if not owners:
            self.problems.append(self.interpretation.problem(at, f"{entity} has no parent"))
        for owner in owners:
            if when["field"] not in entities[owner]:
                message = f"{owner} has no field {when['field']!r}"
                message += nearest(when["field"], entities[owner])
                self.problems.append(self.interpretation.problem(at, message))

    def _check_names(
        self, entities: dict[str, dict[str, Field]], decided: Mapping[str, Any]
    ) -> None:
        source = self.interpretation
        if source is None:
            return
        known = {f"{entity}.{field}" for entity, rows in entities.items() for field in rows}
        named: list[tuple[Place, str]] = [
            (("immutable", "fields", entity, index), f"{entity}.{field}")
            for entity, fields in decided.get("immutable", {}).get("fields", {}).items()
            for index, field in enumerate(fields)
        ]
        named += [
            (("decisions", number, "fields", index), name)
            for number, entry in enumerate(decided.get("decisions", ()))
            for index, name in enumerate(entry.get("fields", ()))
        ]
        for at, name in named:
            if name not in known:
                message = f"the matrix has no row {name!r}" + nearest(name, known)
                self.problems.append(source.problem(at, message))

    def _check_lifecycle(self, entities: dict[str, dict[str, Field]]) -> None:
        source = self.cycle
        if source is None:
            return
        root = entities[self.matrix.value["root"]]
        field = source.value["field"]
        if field not in root:
            message = f"no field {field!r}" + nearest(field, root)
            self.problems.append(source.problem(("field",), message))
            return
        moves = source.value["moves"]
        allowed = root[field].shape.get("enum", list(moves))
        for status in moves:
            if status not in allowed:
                message = f"no status {status!r}" + nearest(status, allowed)
                self.problems.append(source.problem(("moves", status), message, key=True))
        for status in allowed:
            if status not in moves:
                message = f"no moves are listed for the status {status!r}"
                self.problems.append(source.problem(("moves",), message, key=True))
        targets: list[tuple[Place, str]] = [(("initial",), source.value["initial"])]
        targets += [
            (("moves", status, index, "to"), move["to"])
            for status, following in moves.items()
            for index, move in enumerate(following)
        ]
        targets += [
            (("events", event, "to"), trigger["to"])
            for event, trigger in source.value.get("events", {}).items()
            if "to" in trigger
        ]
        for at, status in targets:
            if status not in moves:
                message = f"no status {status!r}" + nearest(status, moves)
                self.problems.append(source.problem(at, message))
