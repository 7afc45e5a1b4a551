"""The typed model of a requirement matrix: entities, fields, processes, conditions and decisions.

`spec.load` makes a Matrix from spec files, `to_json` writes its compiled form (book.json), and
`from_json` reads that form again; both give equal values. The compiler, the validator, the commands
and the server read the matrix through this model only. Nothing here reads a file, checks a spec or
validates a payload.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from ttrules.codes import BOOK_FORMAT, FORMATS

if TYPE_CHECKING:
    from ttrules.codes import Unsupported

#: The object whose field a test reads: the same object, the one that contains it, or the payload.
Owner: TypeAlias = Literal["self", "parent", "root"]
#: Formats of numbers that are shown instead of the JSON type.
_NUMBERS: Final = frozenset({"float", "double"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One row of the matrix with its shape.

    `shape` is the OpenAPI schema of the value, references followed, without its description.
    `entity` is the entity of the value or of its items; `many` means that the value is a list.
    `requirements` maps process names to requirement codes.
    """

    name: str
    shape: Mapping[str, Any]
    entity: str | None
    many: bool
    description: str
    requirements: Mapping[str, str]

    @property
    def type(self) -> str | None:
        """The type for people (``string``, ``Note[]``), or None if the shape has no type."""
        item = self.shape.get("items", {}) if self.many else self.shape
        name = self.entity or item.get("type")
        if name is None:
            return None
        if item.get("format") in FORMATS or item.get("format") in _NUMBERS:
            name = item["format"]
        return f"{name}[]" if self.many else str(name)


#: The fields of an entity by name, in the order of the matrix.
Entity: TypeAlias = Mapping[str, Field]


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """The test of a condition: whether a field is sent, or which value it has.

    `of` is the object with the field. `test` is ``exists`` (`value` is True or False), ``equals``
    (one value) or ``in`` (a list of values).
    """

    of: Owner
    field: str
    test: Literal["exists", "equals", "in"]
    value: Any

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> When:
        """Read the compiled form: ``{of, field, exists | equals | in}``."""
        test = next(each for each in ("exists", "equals", "in") if each in data)
        return cls(of=data.get("of", "self"), field=data["field"], test=test, value=data[test])  # type: ignore[arg-type]  # one of the three

    def to_json(self) -> dict[str, Any]:
        """Return the compiled form."""
        return {"of": self.of, "field": self.field, self.test: self.value}

    @property
    def allowed(self) -> list[Any]:
        """The values for which ``equals`` and ``in`` are true."""
        return [self.value] if self.test == "equals" else list(self.value)

    def holds(self, owner: Mapping[str, Any]) -> bool:
        """Return whether the test is true for the object that `of` names."""
        is_sent = self.field in owner
        if self.test == "exists":
            return is_sent is bool(self.value)
        return is_sent and owner[self.field] in self.allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A relation between fields of one entity, in some processes, with an optional test.

    `relation` is one of codes.RELATIONS, or ``optional``: the fields have no condition.
    """

    entity: str
    fields: tuple[str, ...]
    relation: str
    processes: tuple[str, ...]
    when: When | None
    reason: str

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Condition:
        """Read the compiled form."""
        return cls(
            entity=data["entity"],
            fields=tuple(data["fields"]),
            relation=data["relation"],
            processes=tuple(data["processes"]),
            when=None if data["when"] is None else When.from_json(data["when"]),
            reason=data["reason"],
        )

    def to_json(self) -> dict[str, Any]:
        """Return the compiled form."""
        return {
            "entity": self.entity,
            "fields": list(self.fields),
            "relation": self.relation,
            "processes": list(self.processes),
            "when": None if self.when is None else self.when.to_json(),
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A column of the matrix, and its selection (None if no selection is declared).

    `operation` is ``add`` or ``change``, `value` the value of the selecting field.
    """

    name: str
    slug: str
    operation: str | None
    value: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """The content of a set of spec files, checked and joined.

    `source` is the section of the document that the matrix was taken from, or the name of its file.
    `entities` maps entity names to their fields; `root` is the entity of a payload. `immutable`
    maps entities to the fields that a change may repeat but not alter. `identity` are the fields
    that identify a list item: the first one that both items have. `append_only` maps entities to
    lists whose stored items cannot be altered or removed; `defaults` are the members that a new
    item of such a list gets, by entity. `lifecycle` is lifecycle.yaml, empty if there is none.
    `removal` means that null may remove a member that is optional in both processes. `reasons`
    gives the reason of a section, by its name.
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

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the processes, in the order of the columns."""
        return tuple(process.name for process in self.processes)

    @property
    def root_fields(self) -> Entity:
        """The fields of the root entity."""
        return self.entities[self.root]

    def process(self, name: str) -> Process:
        """Return the process of a name. Raises KeyError."""
        try:
            return next(each for each in self.processes if each.name == name)
        except StopIteration:
            raise KeyError(name) from None

    def selected_by(self, operation: str) -> dict[str, str]:
        """Return the names of the processes of an operation by the value that selects each."""
        return {
            each.value: each.name
            for each in self.processes
            if each.operation == operation and each.value is not None
        }

    def counterpart(self, process: Process) -> Process | None:
        """Return the Add process of the same value as a Change process, or None."""
        if process.operation != "change":
            return None
        name = self.selected_by("add").get(process.value or "")
        return None if name is None else self.process(name)

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
            processes=tuple(Process(**each) for each in data["processes"]),
            entities={
                entity: {
                    name: Field(
                        name=name,
                        shape=row["shape"],
                        entity=row["entity"],
                        many=row["many"],
                        description=row["description"],
                        requirements=dict(zip(names, row["requirements"], strict=True)),
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
            "processes": [
                {
                    "name": process.name,
                    "slug": process.slug,
                    "operation": process.operation,
                    "value": process.value,
                }
                for process in self.processes
            ],
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
                    }
                    for name, field in fields.items()
                }
                for entity, fields in self.entities.items()
            },
            "conditions": [each.to_json() for each in self.conditions],
            "decisions": [dict(decision) for decision in self.decisions],
        }
