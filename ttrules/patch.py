"""Apply a patch to a document: JSON merge patch (RFC 7396) or JSON Patch (RFC 6902).

No rule of the matrix is known here. A JSON Patch also reports what it touched, as paths in the
patched document, because its operations shift later items of an array. jsonpatch applies the
operations, one at a time; `copy` is applied as an addition (RFC 6902, section 4.5), and `move`
counts as a removal and an addition (section 4.4).

The work is bounded: the number of operations and the length of pointers are limited, and the
document never has more than MAX_VALUES values, also between two operations.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ttrules.codes import MAX_OPERATIONS, MAX_POINTER, MAX_VALUES
from ttrules.errors import NotJSON, PatchNotApplicable
from ttrules.json_values import measured, size_of
from ttrules.message import reason
from ttrules.pointers import path_of, pointer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ttrules.json_values import JSONValue
    from ttrules.pointers import Path

#: The members that each operation must have beside `op` and `path` (RFC 6902, section 4).
OPERATIONS: Final[dict[str, tuple[str, ...]]] = {
    "add": ("value",),
    "remove": (),
    "replace": ("value",),
    "move": ("from",),
    "copy": ("from",),
    "test": ("value",),
}

#: How many characters the `copy` operations of one patch may copy in total.
MAX_COPIED: Final = 32_000_000

#: An index of an array (RFC 6901, section 4) of possible size.
_INDEX: Final = re.compile("0|[1-9][0-9]{0,17}")


def merged(target: object, patch: object) -> JSONValue:
    """Return `target` with a merge patch applied; neither is changed (RFC 7396, section 2)."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


class _Mark:
    """What was touched at one place of a document, and below it.

    `deep` is None if the place itself is not touched. `items` has a slot for each item of an array,
    `members` a mark for each member of an object that has been reached.
    """

    __slots__ = ("deep", "items", "members")

    def __init__(self, *, deep: bool | None = None) -> None:
        self.deep = deep
        self.items: list[_Mark | None] | None = None
        self.members: dict[str, _Mark] = {}

    def slots(self, length: int) -> list[_Mark | None]:
        """Return a slot for each item of the array of this length that is here."""
        if self.items is None:
            self.items = [None] * length
        return self.items

    def below(self, part: str | int, owner: JSONValue) -> _Mark:
        """Return the mark of a part of `owner`, which is here."""
        if isinstance(owner, dict):
            return self.members.setdefault(str(part), _Mark())
        slots, index = self.slots(len(owner)), int(part)
        mark = slots[index] = slots[index] or _Mark()
        return mark

    def paths(self, here: Path = ()) -> Iterator[tuple[Path, bool]]:
        """Yield the path of every touched place, and whether it is touched with all below it."""
        if self.deep is not None:
            yield here, self.deep
        for name, mark in self.members.items():
            yield from mark.paths((*here, name))
        for index, slot in enumerate(self.items or ()):
            if slot is not None:
                yield from slot.paths((*here, index))


class Patched:
    """A document under a JSON Patch.

    `document` is its current state. `touched` has the path in `document` of every part that an
    operation wrote or removed; the value is False if only an item was removed from the array at
    that path.
    """

    def __init__(self, document: object) -> None:
        self.document: Any = document
        self.touched: dict[Path, bool] = {}
        self._marks = _Mark()
        self._values = size_of(document)[0]
        self._copied_values = self._copied_characters = 0

    def apply(self, operations: list[Any]) -> None:
        """Apply a JSON Patch, in place.

        Raises PatchNotApplicable with the index of the first operation that is malformed, has a
        pointer to no value, is a failed test, or is beyond the limit.
        """
        if len(operations) > MAX_OPERATIONS:
            raise PatchNotApplicable(MAX_OPERATIONS, reason("operations", most=MAX_OPERATIONS))
        for index, operation in enumerate(operations):
            self._check(index, operation)
            if operation["op"] == "move":
                self._move(index, operation)
            elif operation["op"] == "copy":
                value = self._copied(index, operation["from"])
                self._step(index, {"op": "add", "path": operation["path"], "value": value})
            else:
                self._step(index, operation)
        self.touched = dict(self._marks.paths())

    def _check(self, index: int, operation: object) -> None:
        if not isinstance(operation, dict):
            raise PatchNotApplicable(index, reason("no_object"))
        kind = operation.get("op")
        if not isinstance(kind, str) or kind not in OPERATIONS:
            why = reason("no_operation", operations=", ".join(OPERATIONS))
            raise PatchNotApplicable(index, why)
        for name in ("path", *OPERATIONS[kind]):
            if name not in operation:
                raise PatchNotApplicable(index, reason("lacks", operation=kind, name=name))
        # Other members of an operation are ignored (RFC 6902, section 4).
        for name in {"path", "from"}.intersection(("path", *OPERATIONS[kind])):
            try:
                path_of(operation[name])
            except (ValueError, TypeError, AttributeError):  # the latter two: it is not text
                raise PatchNotApplicable(index, reason("no_pointer", name=name)) from None
            if len(operation[name]) > MAX_POINTER:
                raise PatchNotApplicable(index, reason("long_pointer", name=name, most=MAX_POINTER))

    def _move(self, index: int, operation: Mapping[str, Any]) -> None:
        """Apply a move without copying or counting the moved value."""
        source, target = operation["from"], operation["path"]
        value, place = self._value(index, source), self._place(source)
        if target.startswith(source + "/"):
            raise PatchNotApplicable(index, reason("into_itself"))
        self._apply(index, {"op": "remove", "path": source})
        self._mark(place, "remove")
        self._values -= self._replaced(target, "add")
        place = self._place(target)
        self._apply(index, {"op": "add", "path": target, "value": None})
        self._mark(place, "add")
        if place:
            self._owner(place)[place[-1]] = value
        else:
            self.document = value

    def _copied(self, index: int, path: str) -> JSONValue:
        """Return the value at a pointer, counted before anything copies it."""
        value = self._value(index, path)
        values, characters = size_of(value)
        self._copied_values += values
        self._copied_characters += characters
        if self._copied_values > MAX_VALUES or self._copied_characters > MAX_COPIED:
            raise PatchNotApplicable(index, reason("copies"))
        return value

    def _value(self, index: int, path: str) -> JSONValue:
        """Return the value at a pointer."""
        from jsonpointer import EndOfList, JsonPointerException, resolve_pointer

        try:
            value = resolve_pointer(self.document, path)
        except JsonPointerException:
            value = EndOfList([])
        if isinstance(value, EndOfList):
            raise PatchNotApplicable(index, reason("nothing_at", path=path))
        return value

    def _step(self, index: int, operation: Mapping[str, Any]) -> None:
        """Apply one operation that is neither move nor copy."""
        place, kind = self._place(operation["path"]), operation["op"]
        try:
            # Each operation may nest its value deeper into the value of the previous one.
            _, _, values = measured(None if kind == "remove" else operation["value"], place)
        except NotJSON as error:
            raise PatchNotApplicable(index, error.reason) from None
        if kind == "test":
            self._apply(index, operation)
            return
        grown = 0 if kind == "remove" else values
        self._values += grown - self._replaced(operation["path"], kind)
        if self._values > MAX_VALUES:
            raise PatchNotApplicable(index, reason("too_many", most=MAX_VALUES))
        self._apply(index, operation)
        self._mark(place, kind)

    def _apply(self, index: int, operation: Mapping[str, Any]) -> None:
        # Imported here because most programs never apply a JSON Patch.
        from jsonpatch import JsonPatchException, JsonPatchTestFailed, apply_patch
        from jsonpointer import JsonPointerException

        try:
            self.document = apply_patch(self.document, [operation], in_place=True)
        except JsonPatchTestFailed:
            why = reason("another_value", path=operation["path"])
            raise PatchNotApplicable(index, why) from None
        except (JsonPatchException, JsonPointerException):
            why = reason("nowhere", path=operation["path"])
            raise PatchNotApplicable(index, why) from None

    def _replaced(self, text: str, kind: str) -> int:
        """Return how many values an operation removes at its pointer."""
        place = self._place(text)
        owner: Any = self._owner(place) if place else [self.document]
        part = place[-1] if place else 0
        if not _has(owner, part) or (kind == "add" and place and isinstance(owner, list)):
            return 0
        return size_of(owner[part])[0]

    def _owner(self, place: Path) -> JSONValue:
        """Return the array or object with the part at a place, or None."""
        owner = self.document
        for part in place[:-1]:
            owner = owner[part] if _has(owner, part) else None
        return owner

    def _place(self, text: str) -> Path:
        """Return the path of a pointer, with indices as numbers and - as the end."""
        at: Any = self.document
        path: list[str | int] = []
        for token in path_of(text):
            part: str | int = token
            if isinstance(at, list) and token == "-":  # noqa: S105 - not a password
                part = len(at)
            elif isinstance(at, list) and _INDEX.fullmatch(token):
                part = int(token)
            path.append(part)
            at = at[part] if _has(at, part) else None
        return tuple(path)

    def _mark(self, place: Path, kind: str) -> None:
        """Note what an operation that has been applied touched."""
        if not place:
            self._marks = _Mark(deep=True)
            return
        *above, last = place
        mark, owner = self._marks, self.document
        for part in above:
            mark, owner = mark.below(part, owner), owner[part]
        if isinstance(owner, dict):
            mark.members[str(last)] = _Mark(deep=True)
            return
        slots = mark.slots(len(owner) + {"add": -1, "remove": 1}.get(kind, 0))
        index = int(last)
        if kind == "remove":
            del slots[index]
            mark.deep = bool(mark.deep)
        elif kind == "add":
            slots.insert(index, _Mark(deep=True))
        else:
            slots[index] = _Mark(deep=True)


def _has(owner: JSONValue, part: str | int) -> bool:
    """Return whether an array or an object has a part."""
    if isinstance(owner, dict):
        return part in owner
    return isinstance(owner, list) and type(part) is int and part < len(owner)


def creating(operations: list[Any], stored: Mapping[str, Any], names: Iterable[str]) -> list[Any]:
    """Return operations in which the first that adds an item to an absent list creates it."""
    absent = {pointer((name,)) for name in names if name not in stored}
    made = []
    for each in operations:
        operation = each if isinstance(each, dict) else {}
        path = operation.get("path")
        if isinstance(path, str) and absent:
            owner, _, last = path.rpartition("/")
            is_first = operation.get("op") == "add" and "value" in operation and last in {"-", "0"}
            if owner in absent and is_first:
                made.append({**operation, "path": owner, "value": [operation["value"]]})
                absent.discard(owner)
                continue
            # After this operation the list may exist.
            absent = absent - {path} if path else set()
        made.append(each)
    return made
