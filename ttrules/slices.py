"""Split a large payload into slices, so that no call of an engine takes long or returns much.

An engine collects all errors of a payload before it returns the first one. Members that the schema
does not know, and lists that are too long, are found here and not given to the engine: each is one
error, whatever it contains. The engine gets the rest, some items of each list at a time.

Payloads are plain here (see `to_plain`), schemas are strict (see `strict_schema`).
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ttrules.codes import MAX_VALUES

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
    return _most_values(schema) <= MAX_VALUES


def _most_values(schema: Mapping[str, Any]) -> float:
    if "not" in schema:
        return 0
    if "items" in schema:
        most: float = schema.get("maxItems", inf)
        return 1 + most * _most_values(schema["items"])
    return 1 + sum(map(_most_values, schema.get("properties", {}).values()))


def sliced_errors(
    payload: object, schema: Mapping[str, Any], engine: Callable[[Any], Iterable[RawError]]
) -> Iterator[RawError]:
    """Yield the errors that `engine` finds in a payload of any size, slice by slice."""
    found: list[RawError] = []
    kept = _known(payload, schema, (), (), found)
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


def _known(
    value: Any,  # noqa: ANN401 - any JSON value
    schema: Mapping[str, Any],
    path: Path,
    at: Path,
    found: list[RawError],
) -> Any:  # noqa: ANN401 - any JSON value
    """Return a value without unknown members and with one item of each list that is too long.

    The errors of both are added to `found`.
    """
    if type(value) is dict and "properties" in schema:
        members, kept = schema["properties"], {}
        for name, each in value.items():
            if name not in members:
                found.append(((*path, name), (*at, *_UNKNOWN), None))
            else:
                below = (*at, "properties", name)
                kept[name] = _known(each, members[name], (*path, name), below, found)
        return kept
    if type(value) is list and "items" in schema:
        if len(value) > schema.get("maxItems", len(value)):
            found.append((path, (*at, "maxItems"), None))
            value = value[:1]
        below = (*at, "items")
        return [
            _known(each, schema["items"], (*path, index), below, found)
            for index, each in enumerate(value)
        ]
    return value


def _long_lists(payload: object, schema: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the lists of a payload that are validated in slices, by name."""
    if type(payload) is not dict:
        return {}
    return {
        name: value
        for name, value in payload.items()
        if type(value) is list and len(value) > ITEMS and _may_be_sliced(schema["properties"][name])
    }


def _may_be_sliced(schema: Mapping[str, Any]) -> bool:
    """Return whether slices of a list have the errors of the whole."""
    return (
        "items" in schema
        and not schema.get("uniqueItems", False)
        and schema.get("minItems", 0) <= 1
    )
