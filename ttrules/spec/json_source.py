"""Parse the text of a spec file that is JSON, and find the place of each of its parts.

`json_value` returns the value of a text; it is quick, because places are computed only if they are
asked for. Keys are unique, numbers are finite, texts are Unicode, and the depth has a limit.
"""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from reprlib import repr as show
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How deep lists and mappings may be nested; real OpenAPI documents need some 30 levels.
MAX_LEVELS: Final = 100
#: A token of JSON: a string, a sign, a number or a literal name (RFC 8259, section 2).
_TOKEN: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[][{},:]|[^][{},:"\s]++')
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_SPACE: Final = re.compile(r"[ \t\n\r]*")
_WORDS: Final = {"null", "true", "false"}


class Wrong(NamedTuple):
    """Something wrong in a text: line and column from 1, and a message."""

    line: int
    column: int
    message: str


class NotParsed(Exception):
    """A text cannot be parsed. `wrong` lists what is wrong, in the order of the text."""

    def __init__(self, *wrong: Wrong) -> None:
        super().__init__(wrong)
        self.wrong = wrong


def json_value(text: str) -> Any:
    """Return the value of a JSON text. Raises NotParsed, and JSONDecodeError if it is not JSON."""
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_number)
        _check_values(value)
    except json.JSONDecodeError:
        raise
    except (_NotExact, ValueError, RecursionError):
        # Only now is the place of the problem needed; before it, what follows must be JSON.
        with suppress(RecursionError):  # there the text is too deep before anything else is wrong
            json.loads(text, parse_int=str)
        raise NotParsed(*_wrong_json(text)) from None
    return value


class JSONPlaces:
    """The places of a JSON text, each found when it is asked for."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._skip = json.JSONDecoder().raw_decode
        self._known: dict[int, dict[str | int, tuple[int, int]]] = {}

    def find(self, place: tuple[str | int, ...]) -> tuple[yaml.Node, yaml.Node]:
        """Return the key and the value at a place, which exists; an item is its own key."""
        key = value = self._after(0)
        for part in place:
            key, value = self._below(value)[part]
        return self._node(key), self._node(value)

    def _below(self, start: int) -> dict[str | int, tuple[int, int]]:
        """Return the offsets of the keys and values in the object or list at an offset."""
        if start not in self._known:
            found = self._known[start] = {}
            is_object = self._text[start] == "{"
            at, part = self._after(start + 1), 0
            while self._text[at] not in "]}":
                key, name = at, part
                if is_object:
                    name, at = self._skip(self._text, at)
                    at = self._after(self._after(at) + 1)  # the colon
                found[name] = key, at
                at = self._after(self._skip(self._text, at)[1])
                at, part = self._after(at + (self._text[at] == ",")), part + 1
        return self._known[start]

    def _after(self, offset: int) -> int:
        """Return the offset of the first character from here that is not white space."""
        match: Any = _SPACE.match(self._text, offset)
        return int(match.end())

    def _node(self, start: int) -> yaml.Node:
        end = self._skip(self._text, start)[1]
        return yaml.ScalarNode("", "", self._mark(start), self._mark(end))

    def _mark(self, offset: int) -> yaml.Mark:
        line = self._text.count("\n", 0, offset)
        return yaml.Mark("", offset, line, offset - self._text.rfind("\n", 0, offset) - 1, None, 0)


class _NotExact(Exception):
    """A JSON text has a duplicate key, or a value that cannot be kept exactly."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _NotExact
    return members


def _refuse_number(_name: str) -> None:
    raise _NotExact


def _check_values(value: Any, levels: int = 0) -> None:
    """Raise _NotExact at a value that is nested too deep, infinite or no Unicode text."""
    kind = type(value)
    if kind is dict:
        if levels == MAX_LEVELS or any(map(_SURROGATE.search, value)):
            raise _NotExact
        for each in value.values():
            _check_values(each, levels + 1)
    elif kind is list:
        if levels == MAX_LEVELS:
            raise _NotExact
        for each in value:
            _check_values(each, levels + 1)
    elif (kind is float and math.isinf(value)) or (kind is str and _SURROGATE.search(value)):
        raise _NotExact


def _wrong_json(text: str) -> Iterator[Wrong]:
    """Yield what `json_value` does not accept in a text that is JSON."""
    nodes = _JSONNodes(text)
    nodes.root()
    yield from nodes.wrong


def _is_exact(number: str) -> bool:
    """Return whether a number or a literal name of a JSON text has a finite value."""
    try:
        return number in _WORDS or math.isfinite(json.loads(number))
    except ValueError:  # an integer of too many digits
        return False


class _JSONNodes:
    """The nodes of a JSON text, and what is wrong in it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _TOKEN.finditer(text)
        self._line, self._start = 0, 0  # the line of the last token, and the offset where it begins
        self._counted = 0
        self.wrong: list[Wrong] = []

    def root(self) -> yaml.Node:
        return self._node(next(self._tokens), 0)

    def _mark(self, offset: int) -> yaml.Mark:
        self._line += self._text.count("\n", self._counted, offset)
        self._start = self._text.rfind("\n", self._counted, offset) + 1 or self._start
        self._counted = offset
        return yaml.Mark("", offset, self._line, offset - self._start, None, 0)

    def _note(self, mark: yaml.Mark, message: str) -> None:
        self.wrong.append(Wrong(mark.line + 1, mark.column + 1, message))

    def _node(self, token: re.Match[str], levels: int) -> yaml.Node:
        start = self._mark(token.start())
        sign = token[0]
        if sign in {"{", "["} and levels == MAX_LEVELS:
            self._note(start, "is nested too deep")
            raise NotParsed(*self.wrong)
        if sign == "{":
            pairs = [*self._members(levels + 1)]
            return yaml.MappingNode("", pairs, start, self._mark(self._counted + 1))
        if sign == "[":
            items = [*self._items(levels + 1)]
            return yaml.SequenceNode("", items, start, self._mark(self._counted + 1))
        text = json.loads(sign) if sign.startswith('"') else sign
        if _SURROGATE.search(text):
            self._note(start, "the escape of half a character is not text")
        elif text is sign and not _is_exact(sign):
            self._note(start, f"{show(sign)} is not a number that JSON can exchange")
        return yaml.ScalarNode("", text, start, self._mark(token.end()))

    def _members(self, levels: int) -> Iterator[tuple[yaml.Node, yaml.Node]]:
        names: set[str] = set()
        while (token := next(self._tokens))[0] != "}":
            if token[0] != ",":
                key = self._node(token, levels)
                if key.value in names:
                    self._note(key.start_mark, f"duplicate key {key.value!r}")
                names.add(key.value)
                next(self._tokens)  # the colon
                yield key, self._node(next(self._tokens), levels)
        self._mark(token.start())

    def _items(self, levels: int) -> Iterator[yaml.Node]:
        while (token := next(self._tokens))[0] != "]":
            if token[0] != ",":
                yield self._node(token, levels)
        self._mark(token.start())
