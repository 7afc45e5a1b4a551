"""The typed model of a requirement matrix: entities, fields, processes, conditions and decisions.

`spec.load` makes a Matrix from spec files, `to_json` writes its compiled form (book.json), and
`from_json` reads that form again; both give equal values. The compiler, the validator, the commands
and the server read the matrix through this model only. Nothing here reads a file, checks a spec or
validates a payload.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as default
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ttrules.codes import BOOK_FORMAT, FORMATS, OPERATIONS, is_one_of
from ttrules.matrix.conditions import NEGATED, Condition, When
from ttrules.matrix.processes import Process, Selector
from ttrules.pointers import path_of

if TYPE_CHECKING:
    from ttrules.codes import Unsupported
    from ttrules.pointers import Path

__all__ = [
    "NEGATED",
    "Condition",
    "Entity",
    "Field",
    "Matrix",
    "Process",
    "Selector",
    "When",
    "reached",
]

#: The operations of the processes that may apply to a new ticket and to a change, the usual one
#: first; a process without an operation applies if there is no other.
_APPLY: Final[dict[str, tuple[str | None, ...]]] = {
    "add": ("add", "replace", None),
    "change": ("change", "replace", None),
}
#: Formats of numbers that are shown instead of the JSON type.
_NUMBERS: Final = frozenset({"float", "double"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One row of the matrix with its shape.

    `shape` is the OpenAPI schema of the value, references followed, without its description.
    `entity` is the entity of the value or of its items; `many` means that the value is a list.
    `requirements` maps process names to requirement codes.

    If the value has one of several entities, or an entity is one of its types, `entity` is None and
    `variants` names them. `discriminator` is the member whose value selects a variant, and
    `mapping` has the values that select each variant; see `Matrix.variant_of`.
    """

    name: str
    shape: Mapping[str, Any]
    entity: str | None
    many: bool
    description: str
    requirements: Mapping[str, str]
    variants: tuple[str, ...] = ()
    discriminator: str | None = None
    mapping: Mapping[str, tuple[Any, ...]] = default(default_factory=dict)

    @property
    def entities(self) -> tuple[str, ...]:
        """The entities that the value, or an item of it, may have."""
        return self.variants if self.entity is None else (self.entity,)

    @property
    def type(self) -> str | None:
        """The type for people (``Note[]``, ``map of Note``, ``Car | Bike``), or None."""
        return self._type(self.shape)

    def _type(self, shape: Mapping[str, Any]) -> str | None:
        if "items" in shape:
            item = self._type(shape["items"])
            return item and (f"({item})[]" if " " in item else f"{item}[]")
        if "additionalProperties" in shape:
            value = self._type(shape["additionalProperties"])
            return "object" if value is None else f"map of {value}"
        names = type_names(shape)
        if self.entities:
            names = [*self.entities, *(each for each in names if each != "object")]
        return " | ".join(dict.fromkeys(names)) or None


def type_names(shape: Mapping[str, Any]) -> list[str]:
    """Return the types of a value for people: JSON types, or formats in their place."""
    if "anyOf" in shape:
        return [name for each in shape["anyOf"] for name in type_names(each)]
    kinds = shape.get("type", [])
    if kinds and (shape.get("format") in FORMATS or shape.get("format") in _NUMBERS):
        return [shape["format"]]
    return [kinds] if isinstance(kinds, str) else list(kinds)


#: The fields of an entity by name, in the order of the matrix.
Entity: TypeAlias = Mapping[str, Field]


def reached(entities: Mapping[str, Entity], root: str) -> frozenset[str]:
    """Return the entities that a payload with this root may contain, with the root."""
    found, waiting = {root}, [root]
    for entity in waiting:  # grows in the loop
        inner = {each for field in entities[entity].values() for each in field.entities}
        waiting += inner - found
        found |= inner
    return frozenset(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """The content of a set of spec files, checked and joined.

    `source` is the section of the document that the matrix was taken from, or the name of its file.
    `entities` maps entity names to their fields; `root` is the entity of a payload (`root_of` tells
    that of each process). `selection_field` is the member of the root that selects a process, or a
    JSON Pointer to it; None if operations alone do. `immutable` maps entities to the fields that a
    change may repeat but not alter. `identity` are the fields that identify a list item: the first
    one that both items have. `append_only` maps entities to lists whose stored items cannot be
    altered or removed; `defaults` are the members that a new item of such a list gets, by entity.
    `lifecycle` is lifecycle.yaml, empty if there is none. `removal` means that null may remove a
    member that is optional in both processes. `reasons` gives the reason of a section, by its name.
    `nouns` is what the document calls a payload, by language (``info.x-noun``).
    """

    title: str
    version: str
    source: str
    root: str
    processes: tuple[Process, ...]
    entities: Mapping[str, Entity]
    selection_field: str | None
    selection_reason: str
    conditions: tuple[Condition, ...]
    unsupported: Unsupported
    immutable: Mapping[str, tuple[str, ...]]
    append_only: Mapping[str, tuple[str, ...]]
    defaults: Mapping[str, Mapping[str, str]]
    identity: tuple[str, ...]
    removal: bool
    decisions: tuple[Mapping[str, Any], ...]
    lifecycle: Mapping[str, Any]
    reasons: Mapping[str, str]
    nouns: Mapping[str, str] = default(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the processes, in the order of the columns."""
        return tuple(process.name for process in self.processes)

    @property
    def root_fields(self) -> Entity:
        """The fields of the root entity."""
        return self.entities[self.root]

    @property
    def noun_params(self) -> dict[str, Any]:
        """The params of a finding with what the document calls a payload; empty if it is usual."""
        return {"noun": dict(self.nouns)} if self.nouns else {}

    def process(self, name: str) -> Process:
        """Return the process of a name. Raises KeyError."""
        try:
            return next(each for each in self.processes if each.name == name)
        except StopIteration:
            raise KeyError(name) from None

    @property
    def roots(self) -> tuple[str, ...]:
        """The entities of the payloads of all processes, each once."""
        return tuple(dict.fromkeys(each.root or self.root for each in self.processes))

    def root_of(self, process: str) -> str:
        """Return the entity of the payloads of a process. Raises KeyError."""
        return self.process(process).root or self.root

    @property
    def selection_path(self) -> Path:
        """The names of the members that lead to the selecting field; empty if there is none."""
        field = self.selection_field
        return () if field is None else path_of(field) if field.startswith("/") else (field,)

    def ruling(self, method: str, path: str, entity: str) -> tuple[Process, ...]:
        """Return the processes of the body of a request in the document, which is an entity.

        `method` may be in any case. They are the processes that name the request, or those of the
        operation that such requests usually carry.
        """
        named = [
            each
            for each in self.processes
            if each.request == f"{method.upper()} {path}" and self.root_of(each.name) == entity
        ]
        usual = [
            each
            for each in self.processes
            if each.request is None
            and self.root_of(each.name) == entity
            and (each.operation is None or OPERATIONS[each.operation] == method.lower())
        ]
        is_open = len(usual) > 1 and any(each.operation is None for each in usual)
        return tuple(named or (() if is_open else usual))

    def selector(self, operation: str) -> Selector:
        """Return the selection of a process for a new ticket (``add``) or for a ``change``."""
        found: list[Process] = []
        for applies in _APPLY[operation]:
            found = found or [each for each in self.processes if each.operation == applies]
        return Selector.of(
            found, self.selection_path, lambda process: not self._is_selecting_required(process)
        )

    def _is_selecting_required(self, process: Process) -> bool:
        """Return whether every payload of a process has a selecting field."""
        return all(
            self.entities[entity][field].requirements[process.name] == "R"
            for entity, field in self.selecting_cells(process.name)
        )

    def selecting_cells(self, process: str) -> list[tuple[str, str]]:
        """Return the rows that lead to the selecting field of a process; the last is the field."""
        rows: list[tuple[str, str]] = []
        entity: str | None = self.root_of(process)
        for name in map(str, self.selection_path):
            field = None if entity is None else self.entities[entity].get(name)
            if entity is None or field is None:
                return []
            rows.append((entity, name))
            entity = field.entity
        return rows

    def counterparts(self, process: Process) -> tuple[Process, ...]:
        """Return the Add processes whose rules a ticket may have to meet after a change.

        They have the same root, and values in common unless an operation alone selects one side; or
        they are the one that the process names.
        """
        if process.operation not in {"change", "replace"}:
            return ()
        return tuple(
            each
            for each in self.processes
            if (each.name == process.add)
            or (
                process.add is None
                and each.operation == "add"
                and self.root_of(each.name) == self.root_of(process.name)
                and each.shares_values(process)
            )
        )

    def own_members(self, field: Field) -> dict[str, tuple[str, ...]]:
        """Return the members that only one variant of a field has, for each variant."""
        known = [name for each in field.variants for name in self.entities[each]]
        return {
            each: tuple(name for name in self.entities[each] if known.count(name) == 1)
            for each in field.variants
        }

    def variant_of(self, field: Field, value: Mapping[str, Any]) -> str | None:
        """Return the entity of an object that is the value, or an item, of a field.

        If the field has variants, the discriminator selects one if it is sent, otherwise the first
        with a member that no other variant has, otherwise the one with most members of the object.
        None means that the value of the discriminator is unknown, or that the field has no entity.
        """
        name = field.discriminator
        if name is not None and name in value:
            known = field.mapping.items()
            return next((each for each, values in known if is_one_of(value[name], values)), None)
        for entity, names in self.own_members(field).items():
            if not value.keys().isdisjoint(names):
                return entity
        return max(
            field.entities, key=lambda each: len(self.entities[each].keys() & value), default=None
        )

    def counterpart(self, process: Process) -> Process | None:
        """Return the first of the counterparts of a process, or None."""
        return next(iter(self.counterparts(process)), None)

    def conditions_of(self, process: str, entity: str | None = None) -> tuple[Condition, ...]:
        """Return the conditions of a process, on one entity or on all."""
        return tuple(
            each
            for each in self.conditions
            if process in each.processes and entity in {None, each.entity}
        )

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Matrix:
        """Read the compiled form. Raises KeyError or TypeError if it is another form."""
        if data["book"] != BOOK_FORMAT:
            raise KeyError("book")
        names = [each["name"] for each in data["processes"]]
        return cls(
            title=data["title"],
            version=data["version"],
            source=data["source"],
            root=data["root"],
            processes=tuple(map(Process.from_json, data["processes"])),
            entities={
                entity: {
                    name: Field(
                        name=name,
                        shape=row["shape"],
                        entity=row["entity"],
                        many=row["many"],
                        description=row["description"],
                        requirements=dict(zip(names, row["requirements"], strict=True)),
                        variants=tuple(row.get("variants", ())),
                        discriminator=row.get("discriminator"),
                        mapping={
                            entity: tuple(values)
                            for entity, values in row.get("mapping", {}).items()
                        },
                    )
                    for name, row in rows.items()
                }
                for entity, rows in data["entities"].items()
            },
            selection_field=data["selection"]["field"],
            selection_reason=data["selection"]["reason"],
            conditions=tuple(map(Condition.from_json, data["conditions"])),
            unsupported=data["unsupported"],
            immutable={entity: tuple(fields) for entity, fields in data["immutable"].items()},
            append_only={entity: tuple(fields) for entity, fields in data["append_only"].items()},
            defaults=data["defaults"],
            identity=tuple(data["identity"]),
            removal=data["removal"],
            decisions=tuple(data["decisions"]),
            lifecycle=data["lifecycle"] or {},
            reasons=data["reasons"],
            nouns=data.get("nouns", {}),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the compiled form, as plain JSON values."""
        return {
            "book": BOOK_FORMAT,
            "title": self.title,
            "version": self.version,
            "source": self.source,
            "root": self.root,
            "unsupported": self.unsupported,
            "selection": {"field": self.selection_field, "reason": self.selection_reason},
            "processes": [each.to_json() for each in self.processes],
            "identity": list(self.identity),
            "immutable": {entity: list(fields) for entity, fields in self.immutable.items()},
            "append_only": {entity: list(fields) for entity, fields in self.append_only.items()},
            "defaults": {entity: dict(members) for entity, members in self.defaults.items()},
            "removal": self.removal,
            "reasons": dict(self.reasons),
            "lifecycle": self.lifecycle or None,
            "entities": {
                entity: {
                    name: {
                        "type": field.type,
                        "entity": field.entity,
                        "many": field.many,
                        "description": field.description,
                        "shape": dict(field.shape),
                        "requirements": list(field.requirements.values()),
                        **_variants_to_json(field),
                    }
                    for name, field in fields.items()
                }
                for entity, fields in self.entities.items()
            },
            "conditions": [each.to_json() for each in self.conditions],
            "decisions": [dict(decision) for decision in self.decisions],
            **({"nouns": dict(self.nouns)} if self.nouns else {}),
        }


def _variants_to_json(field: Field) -> dict[str, Any]:
    """Return the compiled form of the variants of a field; nothing if it has none."""
    if not field.variants:
        return {}
    found: dict[str, Any] = {"variants": list(field.variants)}
    if field.discriminator is not None:
        found["discriminator"] = field.discriminator
        found["mapping"] = {entity: list(values) for entity, values in field.mapping.items()}
    return found
