"""Split a large payload into slices, so that no call of an engine takes long or returns much.

An engine collects all errors of a payload before it returns the first one. Members that the schema
does not know, and lists that are too long, are found here and not given to the engine: each is one
error, whatever it contains. The engine gets the rest, some items of each list at a time.

Payloads are plain here (see `to_plain`), schemas are strict (see `strict_schema`).
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ttrules.codes import ANNOTATION, MAX_DEPTH, MAX_VALUES, is_one_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ttrules.pointers import Path

#: An error of an engine: a path in the payload, a path in the schema, and the name of a missing
#: member. A plain tuple, because a payload may have thousands.
RawError: TypeAlias = "tuple[Path, Path, str | None]"

#: How many items of each list of the payload one slice has.
ITEMS: Final = 25
_UNKNOWN: Final = ("additionalProperties", "not")


def is_bounded(schema: Mapping[str, Any]) -> bool:
    """Return whether no payload that a strict schema accepts has more than MAX_VALUES values."""
    return _most_values(schema, schema.get("$defs", {}), {}, 0) <= MAX_VALUES


def _most_values(
    schema: Mapping[str, Any],
    definitions: Mapping[str, Any],
    known: dict[str, float],
    depth: int,
) -> float:
    """Return the maximum number of values; `known` has that of definitions, by reference."""
    if "not" in schema:
        return 0
    if depth > MAX_DEPTH:
        return inf
    if "items" in schema:
        most: float = schema.get("maxItems", inf)
        return 1 + most * _most_values(schema["items"], definitions, known, depth + 1)
    if "additionalProperties" in schema and "properties" not in schema:
        most = schema.get("maxProperties", inf)
        return 1 + most * _most_values(
            schema["additionalProperties"], definitions, known, depth + 1
        )
    if "$ref" in schema:
        reference = schema["$ref"]
        if reference not in known:
            known[reference] = inf  # if it is found again below, objects may have any depth
            target = definitions[reference.rpartition("/")[2]]
            known[reference] = _most_values(target, definitions, known, depth + 1)
        return known[reference]
    variants = [rule["then"] for rule in schema.get("allOf", ()) if "$ref" in rule.get("then", {})]
    return 1 + sum(
        _most_values(each, definitions, known, depth + 1)
        for each in (*schema.get("properties", {}).values(), *variants)
    )


def sliced_errors(
    payload: object, schema: Mapping[str, Any], engine: Callable[[Any], Iterable[RawError]]
) -> Iterator[RawError]:
    """Yield the errors that `engine` finds in a payload of any size, slice by slice."""
    found: list[RawError] = []
    kept = _Slicing(schema.get("$defs", {}), found).known(payload, schema, (), ())
    yield from found
    lists = _long_lists(kept, schema)
    longest = max(map(len, lists.values()), default=1)
    for start in range(0, longest, ITEMS):
        # A list that has ended is represented by its first item, because it must not be empty.
        items = {name: each[start : start + ITEMS] or each[:1] for name, each in lists.items()}
        for path, where, missing in engine({**kept, **items} if items else kept):
            name = path[0] if len(path) > 1 else None
            if name in lists:
                if start < len(lists[name]):
                    yield (name, path[1] + start, *path[2:]), where, missing  # type: ignore[operator]  # an index
            elif start == 0:
                yield path, where, missing


class _Slicing:
    """The search for errors that an engine does not get. `found` collects them."""

    def __init__(self, definitions: Mapping[str, Any], found: list[RawError]) -> None:
        self.definitions = definitions
        self.found = found

    def known(
        self,
        value: Any,
        schema: Mapping[str, Any],
        path: Path,
        at: Path,
    ) -> Any:
        """Return a value without unknown members and with one item of each list that is too long.

        An object is returned as it is if no member tells its variant.
        """
        if type(value) is dict:
            schema, at = self._definition(value, schema, at)
            if "properties" in schema:
                return self._known_object(value, schema, path, at)
            if "additionalProperties" in schema:
                each_at, below = (*at, "additionalProperties"), schema["additionalProperties"]
                return {
                    name: self.known(each, below, (*path, name), each_at)
                    for name, each in value.items()
                }
            return value
        if type(value) is list and "items" in schema:
            if len(value) > schema.get("maxItems", len(value)):
                self.found.append((path, (*at, "maxItems"), None))
                value = value[:1]
            below = (*at, "items")
            return [
                self.known(each, schema["items"], (*path, index), below)
                for index, each in enumerate(value)
            ]
        return value

    def _known_object(
        self, value: dict[str, Any], schema: Mapping[str, Any], path: Path, at: Path
    ) -> dict[str, Any]:
        members, kept = schema["properties"], {}
        for name, each in value.items():
            if name not in members:
                self.found.append(((*path, name), (*at, *_UNKNOWN), None))
            else:
                below = (*at, "properties", name)
                kept[name] = self.known(each, members[name], (*path, name), below)
        return kept

    def _definition(
        self, value: dict[str, Any], schema: Mapping[str, Any], at: Path
    ) -> tuple[Mapping[str, Any], Path]:
        """Return the schema of an object, which may be a definition, and its path."""
        if "variants" in schema.get(ANNOTATION, {}):
            rules = (rule for rule in schema["allOf"] if "if" in rule)
            schema = next((rule["then"] for rule in rules if _is_told(value, rule["if"])), schema)
        if "$ref" not in schema:
            return schema, at
        name = schema["$ref"].rpartition("/")[2]
        return self.definitions[name], ("$defs", name)


def _is_told(value: dict[str, Any], test: Mapping[str, Any]) -> bool:
    """Return whether the members of an object meet the test of a variant."""
    if any(each["required"][0] in value for each in test.get("not", {}).get("anyOf", ())):
        return False
    if "anyOf" in test:
        return any(each["required"][0] in value for each in test["anyOf"])
    return all(
        name in value and is_one_of(value[name], node["enum"])
        for name, node in test.get("properties", {}).items()
    )


def _long_lists(payload: object, schema: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the lists of a payload that are validated in slices, by name."""
    if type(payload) is not dict:
        return {}
    tests = [rule.get("if", {}) for rule in schema.get("allOf", ())]
    # A test of the items of a list reads the whole list.
    read = {
        name
        for test in tests
        for name, node in test.get("not", test).get("properties", {}).items()
        if "contains" in node
    }
    return {
        name: value
        for name, value in payload.items()
        if type(value) is list
        and len(value) > ITEMS
        and name not in read
        and _may_be_sliced(schema["properties"][name])
    }


def _may_be_sliced(schema: Mapping[str, Any]) -> bool:
    """Return whether slices of a list have the errors of the whole."""
    return (
        "items" in schema
        and not schema.get("uniqueItems", False)
        and schema.get("minItems", 0) <= 1
    )
