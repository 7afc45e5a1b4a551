"""What a set of spec files says, as frozen values.

They are made by spec, from files that have been read, held against their forms and against each
other, and are compiled by compile. Nothing here reads or checks anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


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
    """A relation on fields of one entity, in some processes, under an optional test.

    `relation` is one of codes.RELATIONS, or ``optional``: that the fields have no condition.
    """

    entity: str
    fields: tuple[str, ...]
    relation: str
    processes: tuple[str, ...]
    when: Mapping[str, Any] | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A column of the matrix, and when it is chosen (None where no selection is declared).

    `operation` is ``add`` or ``change``, `value` what the selecting field holds.
    """

    name: str
    slug: str
    operation: str | None
    value: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """All that a set of spec files says, checked and joined.

    `entities` maps entity names to their fields by name, in the order of the matrix; `source` is
    the section of the document that the matrix was taken from, or the name of its file.
    """

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
    append_only: Mapping[str, tuple[str, ...]]
    #: What members of a new item of an append-only list are, by its entity, if left out.
    defaults: Mapping[str, Mapping[str, str]]
    identity: tuple[str, ...]
    removal: bool
    decisions: tuple[Mapping[str, Any], ...]
    lifecycle: Mapping[str, Any] | None
    #: Why `unsupported`, `immutable` and `append_only` are as they are, where the file says it.
    reasons: Mapping[str, str]

    def counterpart(self, process: Process) -> Process | None:
        """Return the Add process of the same value as a Change process, or None."""
        if process.operation != "change":
            return None
        return next(
            (
                other
                for other in self.processes
                if other.operation == "add" and other.value == process.value
            ),
            None,
        )
