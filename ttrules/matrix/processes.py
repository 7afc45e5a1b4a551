"""The processes of a matrix, and how a payload selects one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ttrules.pointers import Path

#: The types of values that may select a process.
_SELECTING: Final = frozenset({str, int, float, bool})


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A column of the matrix, and how it is selected.

    `operation` is one of codes.OPERATIONS, None if no selection is declared. `request` is the
    request of the document that the process is for (``POST /orders/{id}/cancel``), None if it is
    every request of its operation and root. `values` are the values of the selecting field that
    select it; without values the operation alone does. `otherwise` means that it is also selected
    if no other process is. `root` is the entity of its payloads, None for the root of the matrix;
    `add` the Add process whose rules a ticket must meet after a change, None for the usual one.
    """

    name: str
    slug: str
    operation: str | None
    values: tuple[str | int | bool, ...] = ()
    otherwise: bool = False
    request: str | None = None
    root: str | None = None
    add: str | None = None

    @property
    def value(self) -> str | int | bool | None:
        """The first value that selects the process, or None."""
        return self.values[0] if self.values else None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Process:
        """Read the compiled form."""
        values = data.get("values", [data["value"]] if data["value"] is not None else [])
        return cls(**{**{k: v for k, v in data.items() if k != "value"}, "values": tuple(values)})

    def to_json(self) -> dict[str, Any]:
        """Return the compiled form; members with their usual value are left out."""
        more = {
            "values": list(self.values) if self.values[1:] else None,
            "otherwise": self.otherwise or None,
            "request": self.request,
            "root": self.root,
            "add": self.add,
        }
        return {
            "name": self.name,
            "slug": self.slug,
            "operation": self.operation,
            "value": self.value,
            **{key: value for key, value in more.items() if value is not None},
        }

    def shares_values(self, other: Process) -> bool:
        """Return whether a ticket may be selected by both processes, of different operations."""
        return not (self.values and other.values) or bool({*self.values} & {*other.values})


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Selects the process of a payload by the value at `path`, among `processes`.

    `processes` are those of one operation, one root and one request; if there are several such
    groups, they are in `others`, and nothing is selected. `by_value` maps values to processes.
    `unmatched` is the process for a value of no other one, `absent` the one for a payload without a
    value; both are None if a payload without a known value selects nothing.
    """

    processes: tuple[Process, ...]
    others: tuple[Process, ...]
    path: Path
    by_value: Mapping[Any, str]
    unmatched: str | None
    absent: str | None

    @classmethod
    def of(
        cls,
        candidates: Sequence[Process],
        path: Path,
        may_be_absent: Callable[[Process], bool],
    ) -> Selector:
        """Return the Selector of the processes of an operation.

        Those without a request of their own come first. `may_be_absent` tells whether the selecting
        field may be absent in a process.
        """
        groups: dict[tuple[str | None, str | None], list[Process]] = {}
        for each in candidates:
            groups.setdefault((each.request, each.root), []).append(each)
        usual = [key for key in groups if key[0] is None] or [*groups]
        found = groups[usual[0]] if len(usual) == 1 else []
        alone = [each for each in found if not each.values]
        absent = [each for each in found if may_be_absent(each)]
        if len(found) > 1:
            absent = [each for each in found if each.otherwise]
        return cls(
            processes=tuple(found),
            others=() if found else tuple(candidates),
            path=path if any(each.values for each in found) else (),
            by_value={_key(value): each.name for each in found for value in each.values},
            unmatched=alone[0].name if len(alone) == 1 else None,
            absent=absent[0].name if absent else None,
        )

    def quick(self, payload: object) -> str | None:
        """Return the process that a value of a plain dict selects, or None if `select` must."""
        value = payload
        for name in self.path:
            if type(value) is not dict:
                return None
            value = value.get(name)
        return self.by_value.get(_key(value)) if self.path else self.unmatched

    def select(self, payload: object) -> str | None:
        """Return the name of the process that a plain payload selects, or None."""
        value = payload
        for name in self.path:
            if not isinstance(value, dict) or value.get(name) is None:
                return self.absent
            value = value[name]
        return self.by_value.get(_key(value), self.unmatched)


def _key(value: object) -> object:
    """Return a key that is equal for equal JSON values only; no key for values that select none."""
    return (type(value) is bool, value) if type(value) in _SELECTING else None
