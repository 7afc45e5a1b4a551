"""Parse the text of a spec file, YAML 1.2 or JSON, and find the place of each of its parts.

`value_of` returns the value of a text; it is quick, because positions are only computed for a text
with a problem: `nodes_of` then returns its nodes, each with a start and an end.

JSON is read as JSON (`json_source`), so numbers and escapes are exact. YAML follows the core schema
of YAML 1.2 (section 10.3): ``no`` and ``on`` are text, and so are dates. In addition ``<<`` merges
mappings, as YAML 1.1 does. Keys are text and unique, and tags other than YAML's own are rejected.
Aliases are followed within limits, so a short file cannot fill the memory.
"""

from __future__ import annotations

import json
import math
import re
from reprlib import repr as show
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import yaml

from ttrules.spec.json_source import MAX_LEVELS, JSONPlaces, NotParsed, Wrong, json_value

if TYPE_CHECKING:
    #: The value of a node, its number of parts with every alias expanded, and its levels of lists
    #: and mappings.
    Built: TypeAlias = tuple[Any, int, int]

#: The loader of libyaml if PyYAML has it; the other one is slow, and stricter about tabs.
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG: Final = "tag:yaml.org,2002:"
#: Far above the largest OpenAPI document, far below the memory of a machine.
_MOST_PARTS: Final = 1_000_000
_MERGE: Final = "<<"

_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLS: Final = {
    word: value
    for name, value in (("true", True), ("false", False))
    for word in (name, name.capitalize(), name.upper())
}
_INT: Final = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
#: A plain scalar that is a number.
NUMBER: Final = re.compile(rf"^(?:{_INT.pattern}|{_FLOAT.pattern})$")
#: The first characters of plain scalars that are not text.
_NOT_TEXT: Final = frozenset("-+.0123456789~nNtTfF")


def value_of(text: str, *, is_json: bool) -> Any:
    """Return the value of a text. Raises NotParsed.

    A text that is valid JSON is read as JSON, and so is every text if `is_json`.
    """
    if is_json or text.lstrip()[:1] in {"{", "["}:
        try:
            return json_value(text)
        except json.JSONDecodeError as error:
            if is_json:
                message = f"is not JSON: {error.msg[:1].lower()}{error.msg[1:]}"
                raise NotParsed(Wrong(error.lineno, error.colno, message)) from error
    return _Reader(text).value()


def nodes_of(text: str, *, is_json: bool) -> yaml.Node | JSONPlaces:
    """Return the nodes of a text that `value_of` accepts; of JSON, what finds its places."""
    if is_json or text.lstrip()[:1] in {"{", "["}:
        try:
            json.loads(text)
        except ValueError:
            pass
        else:
            return JSONPlaces(text)
    root: Any = yaml.compose(text, Loader=_LOADER)
    return root  # type: ignore[no-any-return]  # a Node, because the text is not empty


def is_merge(key: yaml.Node) -> bool:
    """Return whether a key of a mapping is ``<<``, which merges, and not the text "<<"."""
    return bool(key.tag == f"{_TAG}merge")


class _Reader:
    """The reading of one YAML text, event by event."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._events = yaml.parse(text, Loader=_LOADER)
        self._anchors: dict[str, Built | None] = {}
        self._wrong: list[Wrong] = []

    def value(self) -> Any:
        try:
            next(self._events)  # the start of the stream
            if isinstance(next(self._events), yaml.StreamEndEvent):
                raise NotParsed(Wrong(1, 1, "is empty; a mapping was expected"))
            value = self._built(next(self._events), 0)[0]
            next(self._events)  # the end of the document
            if not isinstance(more := next(self._events), yaml.StreamEndEvent):
                self._stop(more, "is not YAML: expected a single document, found another")
        except yaml.MarkedYAMLError as error:
            raise NotParsed(_explained(error, self._text)) from error
        if self._wrong:
            raise NotParsed(*self._wrong)
        return value

    def _note(self, event: yaml.Event, message: str) -> None:
        mark: Any = event.start_mark
        self._wrong.append(Wrong(mark.line + 1, mark.column + 1, message))

    def _stop(self, event: yaml.Event, message: str) -> None:
        self._note(event, message)
        raise NotParsed(*self._wrong)

    def _built(self, event: Any, levels: int) -> Built:
        kind = type(event)
        if kind is yaml.AliasEvent:
            if event.anchor not in self._anchors:
                self._stop(event, f"is not YAML: undefined alias {event.anchor!r}")
            known = self._anchors[event.anchor]
            if known is None:
                self._stop(event, "refers to itself")
            return known  # type: ignore[return-value]  # `_stop` raises
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        if kind is yaml.ScalarEvent:
            built: Built = self._scalar(event), 1, 0
        else:
            if levels == MAX_LEVELS:
                self._stop(event, "is nested too deep")
            is_list = kind is yaml.SequenceStartEvent
            if event.tag not in {None, "!", f"{_TAG}{'seq' if is_list else 'map'}"}:
                self._note(event, f"the tag {event.tag!r} is not known here")
            value, below = (self._items if is_list else self._members)(levels + 1)
            parts = 1 + sum(each[1] for each in below)
            depth = 1 + max((each[2] for each in below), default=0)
            if parts > _MOST_PARTS or levels + depth > MAX_LEVELS:
                self._stop(event, "is too large with its aliases written out")
            built = value, parts, depth
        if event.anchor is not None:
            self._anchors[event.anchor] = built
        return built

    def _items(self, levels: int) -> tuple[list[Any], list[Built]]:
        below = []
        while type(event := next(self._events)) is not yaml.SequenceEndEvent:
            below.append(self._built(event, levels))
        return [each[0] for each in below], below

    def _members(self, levels: int) -> tuple[dict[str, Any], list[Built]]:
        members: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        below: list[Built] = []
        while type(event := next(self._events)) is not yaml.MappingEndEvent:
            key = self._key(event, levels)
            built = self._built(at := next(self._events), levels)
            below.append(built)
            if key is None:
                merged |= self._merged(at, built[0])
            elif key in members:
                self._note(event, f"duplicate key {key!r}")
            else:
                members[key] = built[0]
        return {**merged, **members} if merged else members, below

    def _key(self, event: Any, levels: int) -> str | None:
        """Return the text of a key, or None if it is ``<<``, which merges."""
        if type(event) is not yaml.ScalarEvent:
            self._note(event, "is not a plain key: write a text")
            self._built(event, levels)
            return ""
        if event.anchor is not None:
            self._anchors[event.anchor] = event.value, 1, 0
        if event.tag is not None:
            self._scalar(event)
        text: str = event.value
        return None if text == _MERGE and event.tag is None and event.implicit[0] else text

    def _merged(self, event: yaml.Event, value: object) -> dict[str, Any]:
        """Return the members that ``<<`` adds; those of the first of several mappings win."""
        parts = value if isinstance(value, list) else [value]
        if not all(isinstance(each, dict) for each in parts):
            self._note(event, "<< merges a mapping or a list of mappings, such as an alias")
            return {}
        merged: dict[str, Any] = {}
        for each in reversed(parts):
            merged |= each
        return merged

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        if event.tag is None:
            if not event.implicit[0] or (text and text[0] not in _NOT_TEXT):
                return text
            kind = ""
        else:
            kind = event.tag.removeprefix(_TAG)
            if kind in {"str", "!", "timestamp", "value"}:
                return text
            if kind not in {"int", "float", "bool", "null"}:
                self._note(event, f"the tag {event.tag!r} is not known here")
                return text
        try:
            return _resolved(text, kind)
        except ValueError:
            kind = kind or ("int" if _INT.fullmatch(text) else "float")
            self._note(event, f"{show(text)} is no {kind} that JSON knows")
            return None


def _resolved(text: str, kind: str) -> str | float | bool | None:
    """Return the value of a plain scalar; `kind` is that of its tag. Raises ValueError."""
    if text in _NULLS and kind in {"", "null"}:
        return None
    if text in _BOOLS and kind in {"", "bool"}:
        return _BOOLS[text]
    if _INT.fullmatch(text) and kind in {"", "int"}:
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    if _FLOAT.fullmatch(text) and kind in {"", "float"}:
        value = float("nan" if text[-1] in "fFnN" else text)  # .inf and .nan
        if not math.isfinite(value):
            raise ValueError
        return value
    if kind:
        raise ValueError
    return text


#: What to do about an error of YAML, by a part of its message and the character there, or any.
_ADVICE: Final = (
    ("cannot start any token", "@`%", "quote a text that begins with this character"),
    ("cannot start any token", "\t", "indent with spaces"),
    ("mapping values are not allowed", None, "quote a text that contains a colon and a space"),
)


def _explained(error: yaml.MarkedYAMLError, text: str) -> Wrong:
    """Return an error of PyYAML with the advice that it lacks."""
    mark: Any = error.problem_mark
    message = f"is not YAML: {' '.join(filter(None, (error.context, error.problem)))}"
    here = text[mark.index : mark.index + 1]
    for part, signs, advice in _ADVICE:
        if part in message and (signs is None or (here and here in signs)):
            message += f"; {advice}"
    return Wrong(mark.line + 1, mark.column + 1, message)
