"""Applying a patch to a document: JSON merge patch (RFC 7396) and JSON Patch (RFC 6902).

No rule of the matrix is known here. A JSON Patch also tells what it touched, as paths into the
patched document, since its operations move what stands behind them in an array. The operations are
carried out by jsonpatch, one at a time; `move` and `copy` are told apart into the removal and the
addition that RFC 6902 (sections 4.4 and 4.5) says they are, so that only three kinds touch.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from ttrules.codes import path_of
from ttrules.errors import NotJSON, PatchNotApplicable
from ttrules.plain import to_plain
from ttrules.sentences import Said

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ttrules.plain import Path

#: The members that each operation must have beside `op` and `path` (RFC 6902, section 4).
OPERATIONS: Final[dict[str, tuple[str, ...]]] = {
    "add": ("value",),
    "remove": (),
    "replace": ("value",),
    "move": ("from",),
    "copy": ("from",),
    "test": ("value",),
}

#: What the `copy` operations of one patch may add, in characters of JSON: copies of copies double.
MAX_COPIED: Final = 32_000_000

#: An index of an array (RFC 6901, section 4), unless it is one that no array has.
_INDEX: Final = re.compile("0|[1-9][0-9]{0,17}")


def merged(target: object, patch: object) -> Any:  # noqa: ANN401 - any JSON value
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


class Patched:
    """A document under a JSON Patch.

    `document` is its present state. `touched` has the path of every part that an operation wrote or
    removed, as it stands in `document`; the value is False where an item was taken out of the array
    at that path and the array's other items are as they were.
    """

    def __init__(self, document: object) -> None:
        self.document: Any = document
        self.touched: dict[Path, bool] = {}
        self._copied = 0

    def apply(self, operations: list[Any]) -> None:
        """Carry out a JSON Patch, in place.

        Raises PatchNotApplicable with the index of the first operation that is malformed, leads
        nowhere, or is a test that does not hold.
        """
        for index, operation in enumerate(operations):
            self._check(index, operation)
            kind, path = operation["op"], operation["path"]
            if kind in {"move", "copy"}:
                value = self._value(index, operation["from"])
                if kind == "copy":
                    self._copied += len(value)
                    if self._copied > MAX_COPIED:
                        raise PatchNotApplicable(index, Said("copies"))
                else:
                    if path.startswith(operation["from"] + "/"):
                        raise PatchNotApplicable(index, Said("into_itself"))
                    self._step(index, {"op": "remove", "path": operation["from"]})
                self._step(index, {"op": "add", "path": path, "value": json.loads(value)})
            else:
                self._step(index, operation)

    def _check(self, index: int, operation: object) -> None:
        if not isinstance(operation, dict):
            raise PatchNotApplicable(index, Said("no_object"))
        kind = operation.get("op")
        if not isinstance(kind, str) or kind not in OPERATIONS:
            reason = Said("no_operation", operations=", ".join(OPERATIONS))
            raise PatchNotApplicable(index, reason)
        for name in ("path", *OPERATIONS[kind]):
            if name not in operation:
                raise PatchNotApplicable(index, Said("lacks", operation=kind, name=name))
        for name in {"path", "from"} & operation.keys():
            try:
                path_of(operation[name])
            except (ValueError, TypeError, AttributeError):  # the latter two: it is no text
                raise PatchNotApplicable(index, Said("no_pointer", name=name)) from None

    def _value(self, index: int, path: str) -> str:
        """Return the value at a pointer, written as JSON, which makes any copy of it its own."""
        from jsonpointer import EndOfList, JsonPointerException, resolve_pointer

        try:
            value = resolve_pointer(self.document, path)
        except JsonPointerException:
            value = EndOfList([])
        if isinstance(value, EndOfList):
            raise PatchNotApplicable(index, Said("nothing_at", path=path))
        return json.dumps(value)

    def _step(self, index: int, operation: Mapping[str, Any]) -> None:
        """Carry out one operation that is neither move nor copy."""
        # Imported here since most programs never apply a JSON Patch.
        from jsonpatch import JsonPatchException, JsonPatchTestFailed, apply_patch
        from jsonpointer import JsonPointerException

        place = self._resolve(operation["path"])
        listed = bool(place) and type(place[-1]) is int
        try:
            # Each step of a patch may lead deeper into what the last one added.
            to_plain(operation.get("value"), place)
            self.document = apply_patch(self.document, [operation], in_place=True)
        except JsonPatchTestFailed:
            reason = Said("another_value", path=operation["path"])
            raise PatchNotApplicable(index, reason) from None
        except NotJSON as error:
            raise PatchNotApplicable(index, error.reason) from None
        except (JsonPatchException, JsonPointerException):
            reason = Said("nowhere", path=operation["path"])
            raise PatchNotApplicable(index, reason) from None
        if operation["op"] == "test":
            return
        if listed and operation["op"] == "remove":
            self._shift(place, -1)
            self.touched.setdefault(place[:-1], False)
        else:
            if listed and operation["op"] == "add":
                self._shift(place, 1)
            self.touched = {
                path: deep for path, deep in self.touched.items() if path[: len(place)] != place
            }
            self.touched[place] = True

    def _resolve(self, text: str) -> Path:
        """Return the path that a pointer spells, indices as numbers and - as the end."""
        at: Any = self.document
        path: list[str | int] = []
        for token in path_of(text):
            part: str | int = token
            if isinstance(at, list) and token == "-":  # noqa: S105 - no password
                part = len(at)
            elif isinstance(at, list) and _INDEX.fullmatch(token):
                part = int(token)
            path.append(part)
            inside = part in at if isinstance(at, dict) else type(part) is int and part < len(at)
            at = at[part] if inside else None
        return tuple(path)

    def _shift(self, place: Path, by: int) -> None:
        """Move what was touched at and behind an index; what a removal takes away is forgotten."""
        above, index = place[:-1], place[-1]
        shifted: dict[Path, bool] = {}
        for path, deep in self.touched.items():
            behind = len(path) >= len(place) and path[: len(above)] == above
            here = path[len(above)] if behind else None
            if behind and by < 0 and here == index:
                continue
            if behind and here >= index:  # type: ignore[operator]  # both are indices of one array
                path = (*above, here + by, *path[len(place) :])  # type: ignore[operator]  # noqa: PLW2901
            shifted[path] = deep
        self.touched = shifted
