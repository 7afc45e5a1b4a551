"""Valid example payloads, made up from the rules of a process.

`example` is a pure function of rulebook, process, extent and seed. It walks the compiled schema of
the process, so every keyword of the schema applies to the example too. Relations between members
are satisfied by sending or omitting members. A draw that fails is discarded and repeated from the
same seed; every payload is validated before it is returned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from ttrules.codes import ANNOTATION, PARTS, relation_holds
from ttrules.errors import TTRulesError
from ttrules.examples.values import Likeness
from ttrules.keywords import expanded
from ttrules.strategies.values import objects_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from random import Random

    from ttrules.json_values import JSONValue
    from ttrules.matrix import Condition
    from ttrules.rulebook import Rulebook

#: How many optional members are sent: none, a plausible part, or all that can be combined.
Extent: TypeAlias = Literal["minimal", "typical", "full"]

#: The party that sends the payloads, for transitions that some parties may make.
BY: Final = "operator"
#: The probability of an optional member.
_LIKELY: Final[dict[Extent, float]] = {"minimal": 0.0, "typical": 0.5, "full": 1.0}
#: How many items a list has if its bounds allow.
_ITEMS: Final[dict[Extent, tuple[int, ...]]] = {"minimal": (1,), "typical": (1, 1, 2), "full": (2,)}
#: The maximum number of draws, and of repairs of the members of one object.
_DRAWS: Final = 200
_REPAIRS: Final = 50

#: Keywords of members that are drawn after their owner.
_PARTED: Final = frozenset({"properties", *PARTS})

_Object: TypeAlias = dict[str, Any]


class NoExample(TTRulesError):
    """No valid payload was found for `process`: its rules may contradict each other."""

    def __init__(self, process: str) -> None:
        super().__init__(process)
        self.process = process

    def __str__(self) -> str:
        """Name the process and the possible cause."""
        return (
            "Look for a shape, a code and a condition that contradict each other:"
            f" no payload was found that meets the rules of {self.process}."
        )


def example(
    book: Rulebook, process: str, extent: Extent = "typical", seed: int = 0
) -> dict[str, Any]:
    """Return a valid payload of a process, given by name or slug.

    The same arguments always give the same payload. Raises NoSuchProcess, and NoExample.
    """
    # Imported here because validation does not need it.
    from random import Random

    name = book.process(process)
    draw = Random(f"{name} {extent} {seed}")  # noqa: S311 - it hides no secret
    schema = expanded(book.schemas[book.slug(name)])
    for _ in range(_DRAWS):
        payload = _Draw(book, schema, name, extent, draw).payload()
        report = book.validate(payload, name)
        if not report.violations and not report.warnings:
            return payload
    raise NoExample(name)


def selecting(book: Rulebook, process: str) -> _Object:
    """Return the member that selects a process, which a payload may lack."""
    path, value = book.matrix.selection_path, book.matrix.process(process).value
    return {} if len(path) != 1 or value is None else {str(path[0]): value}


def by_operation(book: Rulebook, process: str) -> str | None:
    """Return the name of a process that no value selects, so that it must be named, or None."""
    return None if book.matrix.process(process).values else process


class _Draw:
    """One attempt at a payload."""

    def __init__(
        self,
        book: Rulebook,
        schema: Mapping[str, Any],
        process: str,
        extent: Extent,
        draw: Random,
    ) -> None:
        self._schema = schema
        self._conditions = [
            each for each in book.matrix.conditions_of(process) if each.relation != "optional"
        ]
        # Without its selecting field a new payload would be one of another process, or of none.
        selector = book.matrix.selector("add")
        is_selected = process in {each.name for each in selector.processes}
        self._selecting = (
            dict(book.matrix.selecting_cells(process))
            if is_selected and selector.path and selector.absent != process
            else {}
        )
        self._extent = extent
        self._draw = draw
        self._likeness = Likeness(draw)
        self._root: _Object = {}

    def payload(self) -> _Object:
        """Return the payload, which may still violate a rule."""
        return self._object(self._schema, {})

    def _object(self, schema: Mapping[str, Any], parent: _Object) -> _Object:
        """Return an object: first its members and plain values, then its objects and lists."""
        made: _Object = {}
        self._root = self._root or made
        must = [*schema.get("required", ())]
        selecting = self._selecting.get(schema[ANNOTATION]["entity"])
        if selecting is not None and selecting not in must:
            must.append(selecting)
        for name in must:
            self._send(schema, name, made)
        for name in _open_members(schema):
            if name not in must and self._draw.random() < _LIKELY[self._extent]:
                self._send(schema, name, made)
        # A test of the items of a list reads them, so these are drawn before the relations.
        for when in (each.when for each in self._conditions):
            if when is not None and when.test.endswith("contains") and made.get(when.field) == {}:
                made[when.field] = self._below(schema, when.field, made)
        self._repair(schema, made, parent)
        values = dict(made)
        made.clear()
        made.update((name, values[name]) for name in schema["properties"] if name in values)
        for name in made:
            if made[name] == {}:
                made[name] = self._below(schema, name, made)
        return made

    def _send(self, schema: Mapping[str, Any], name: str, made: _Object) -> None:
        """Add a member to an object, if there is a valid value.

        Lists and objects are empty at first, because relations only test presence.
        """
        member = schema["properties"][name]
        if _PARTED & member.keys() or member.get("alternatives"):
            made[name] = {}
        else:
            value = self._likeness.value(schema[ANNOTATION]["entity"], name, member)
            if value is not None:
                made[name] = value

    def _below(self, schema: Mapping[str, Any], name: str, made: _Object) -> JSONValue:
        """Return the value of a member that was empty at first."""
        return self._part(schema["properties"][name], schema[ANNOTATION]["entity"], name, made)

    def _part(
        self, member: Mapping[str, Any], entity: str, name: str, parent: _Object
    ) -> JSONValue:
        """Return a value of a member, or a part of it: an object, a list, a map or a scalar."""
        if member.get("alternatives"):
            return self._object(self._draw.choice(member["alternatives"]), parent)
        if "properties" in member:
            return self._object(member, parent)
        if "additionalProperties" in member:
            wanted = max(member.get("minProperties", 0), 1)
            return {
                f"key{number}": self._part(member["additionalProperties"], entity, name, parent)
                for number in range(1, min(wanted, member.get("maxProperties", wanted)) + 1)
            }
        if "items" not in member:
            return self._likeness.value(entity, name, member)
        wanted = max(member.get("minItems", 0), self._draw.choice(_ITEMS[self._extent]))
        items: list[Any] = []
        for _ in range(min(wanted, member.get("maxItems", wanted))):
            item = self._part(member["items"], entity, name, parent)
            if item is not None and not (member.get("uniqueItems") and item in items):
                items.append(item)
        return items

    def _repair(self, schema: Mapping[str, Any], made: _Object, parent: _Object) -> None:
        """Add and remove members, in place, until all relations are met or the limit is reached."""
        may, entity = {*_open_members(schema)}, schema[ANNOTATION]["entity"]
        rules = [each for each in self._conditions if each.entity == entity]
        for _ in range(_REPAIRS):
            broken = [each for each in rules if self._is_broken(each, made, parent)]
            if not broken:
                return
            name = self._draw.choice(self._draw.choice(broken).fields)
            if name not in made and name in may:
                self._send(schema, name, made)
            elif name not in schema.get("required", ()):
                made.pop(name, None)

    def _is_broken(self, rule: Condition, made: _Object, parent: _Object) -> bool:
        if rule.when is not None:
            owners = {"self": made, "parent": parent, "root": self._root}
            if not rule.when.holds(owners[rule.when.of]):
                return False
        return not relation_holds(rule.relation, tuple(name in made for name in rule.fields))


def _open_members(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the members of an object that may be sent, in order.

    Members with an undeclared condition, and objects without a member to send, are left out.
    """
    undetermined = schema[ANNOTATION].get("undetermined", ())
    for name, member in schema["properties"].items():
        below = [each for _, each in objects_of(member)]
        is_hollow = bool(below) and not any(any(_open_members(each)) for each in below)
        is_closed = "not" in member or member[ANNOTATION]["requirement"] == "-"
        if name not in undetermined and not is_hollow and not is_closed:
            yield name
