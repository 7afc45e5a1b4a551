"""A condition between fields of one object, and its test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The object whose field a test reads: the same object, the one that contains it, or the payload.
Owner: TypeAlias = Literal["self", "parent", "root"]
#: The tests of a condition, each with the test that is true where it is false. The value of
#: ``exists`` is negated as well.
NEGATED: Final[dict[str, str]] = {
    "exists": "exists",
    "equals": "not_equals",
    "not_equals": "equals",
    "in": "not_in",
    "not_in": "in",
    "contains": "not_contains",
    "not_contains": "contains",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """The test of a condition: whether a field is sent, or which value it has.

    `of` is the object with the field. `test` is ``exists`` (`value` is True or False), ``equals``
    or ``not_equals`` (one value), ``in`` or ``not_in`` (a list of values), or, for a list,
    ``contains`` or ``not_contains``: an item with this value, or an object with all these members.
    A negated test is also true if the field is not sent.
    """

    of: Owner
    field: str
    test: str
    value: Any

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> When:
        """Read the compiled form: ``{of, field, <test>: value}``."""
        test = next(each for each in NEGATED if each in data)
        return cls(of=data.get("of", "self"), field=data["field"], test=test, value=data[test])

    def to_json(self) -> dict[str, Any]:
        """Return the compiled form."""
        return {"of": self.of, "field": self.field, self.test: self.value}

    def negated(self) -> When:
        """Return the test that is true where this one is false."""
        value = not self.value if self.test == "exists" else self.value
        return When(of=self.of, field=self.field, test=NEGATED[self.test], value=value)

    @property
    def allowed(self) -> list[Any]:
        """The values that the test names; none for ``exists`` and for members of an item."""
        if self.test in {"in", "not_in"}:
            return list(self.value)
        return [] if self.test == "exists" or isinstance(self.value, dict) else [self.value]

    def holds(self, owner: Mapping[str, Any]) -> bool:
        """Return whether the test is true for the object that `of` names."""
        is_sent = self.field in owner
        if self.test == "exists":
            return is_sent is bool(self.value)
        if self.test.startswith("not_"):
            return not self.negated().holds(owner)
        if not is_sent:
            return False
        if self.test == "contains":
            return isinstance(owner[self.field], list) and any(map(self._meets, owner[self.field]))
        return any(_same(owner[self.field], each) for each in self.allowed)

    def _meets(self, item: object) -> bool:
        if not isinstance(self.value, dict):
            return _same(item, self.value)
        return isinstance(item, dict) and all(
            name in item and _same(item[name], each) for name, each in self.value.items()
        )


def _same(one: object, other: object) -> bool:
    """Return whether two scalar values are equal in JSON: 1 and 1.0 are, 1 and true are not."""
    return one == other and isinstance(one, bool) is isinstance(other, bool)


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
