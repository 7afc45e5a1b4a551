"""Positions in the text of a JSON document: lines, columns and lengths.

A validator reports a JSON Pointer; a person needs a line and a column. The text is read once, token
by token and without recursion, so any depth of nesting works. The text must be valid JSON; errors
in it are found elsewhere. Texts are read only when there is a finding to show.

Lines and columns count from 1, columns in characters; a line ends at a line feed.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from ttrules.pointers import path_of, pointer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: One token: a string, a bracket, a comma, a colon, or a number or literal name (RFC 8259, 2).
_TOKEN: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[][{},:]|[^][{},:"\s]++')

#: How many characters of a line are shown, and how many of them before the place.
_SHOWN: Final = 100
_BEFORE: Final = 40

#: The reference tokens of a JSON Pointer.
_Tokens: TypeAlias = tuple[str, ...]
#: The requested places as a tree of tokens, so most of a text is skipped.
_Wanted: TypeAlias = "dict[str, _Wanted]"


class Extent(NamedTuple):
    """A part of the text: the offsets of its first character and of the one after its last."""

    start: int
    end: int


class Place(NamedTuple):
    """The place of a pointer: the value, and the key if it is a member.

    If there is no value at the pointer, `missing` is true and this is the place of the nearest
    existing part above it.
    """

    value: Extent
    key: Extent | None
    missing: bool


class TextRange(NamedTuple):
    """A part of a file: from line and column up to, not including, end line and end column.

    `source` is its first line, clipped, or None if it is not shown; the part begins at `offset` in
    it.
    """

    line: int
    column: int
    end_line: int
    end_column: int
    source: str | None = None
    offset: int = 0

    def moved(self, lines: int) -> TextRange:
        """Return the TextRange `lines` further down."""
        return self._replace(line=self.line + lines, end_line=self.end_line + lines)


class Text:
    """The text of a payload that begins at a line and a column of its file.

    If `shown`, its TextRanges contain their source lines.
    """

    def __init__(self, text: bytes, line: int, column: int, *, shown: bool) -> None:
        self.text = text
        self.line, self.column = line, column
        self.shown = shown
        self.decoded = text.decode("utf-8", "replace")
        self._passed = 0, 0, 0  # an offset, the line ends before it, and where its line begins

    def spot(self, extent: Extent) -> TextRange:
        """Return the TextRange of a part of the text."""
        spot = TextRange(*self._at(extent.start), *self._at(extent.end))
        if not self.shown:
            return spot
        text, start = self.decoded, extent.start
        line_start, line_end = text.rfind("\n", 0, start) + 1, text.find("\n", start)
        line_end = len(text) if line_end < 0 else line_end
        first = line_start if start - line_start < _SHOWN // 2 else start - _BEFORE
        last = min(line_end, first + _SHOWN)
        before, after = "…" * (first > line_start), "…" * (last < line_end)
        source = f"{before}{text[first:last]}{after}"
        return spot._replace(source=source, offset=start - first + len(before))

    def _at(self, offset: int) -> tuple[int, int]:
        # Places requested in the order of the text are counted only once.
        passed, line, start = self._passed if self._passed[0] <= offset else (0, 0, 0)
        line += self.decoded.count("\n", passed, offset)
        start = self.decoded.rfind("\n", passed, offset) + 1 or start
        self._passed = offset, line, start
        return self.line + line, offset - start + (1 if line else self.column)


class _Part(NamedTuple):
    """A value that the walk meets: an object or array twice, at its start and at its end.

    `token` is its token in `above`, the object or array that contains it. `wanted` are the
    requested places below it; None means that neither it nor a value below is requested. `again`
    means that its name is a duplicate.
    """

    above: _Part | None
    token: str
    key: Extent | None
    value: Extent
    wanted: _Wanted | None
    again: bool = False

    def tokens(self) -> _Tokens:
        """Return the tokens from the document to this value."""
        tokens, part = [], self
        while part.above is not None:
            tokens.append(part.token)
            part = part.above
        return tuple(reversed(tokens))


class _Inside:
    """An object or array that the walk is in, and the current position in it."""

    __slots__ = ("index", "key", "names", "part", "sign")

    def __init__(self, part: _Part, sign: str) -> None:
        self.part = part
        self.sign = sign
        self.names: set[str] = set()
        self.index = 0
        self.key: re.Match[str] | None = None

    def takes_key(self) -> bool:
        """Return whether the next token is the name of a member."""
        return self.sign == "{" and self.key is None

    def next(self) -> None:
        """Go to the next item or member."""
        self.index += 1
        self.key = None

    def below(self, value: Extent) -> _Part:
        """Return the item or member that has this value."""
        wanted = self.part.wanted or {}
        if self.key is None:
            index = str(self.index)
            return _Part(self.part, index, None, value, wanted.get(index))
        name = json.loads(self.key[0]) if "\\" in self.key[0] else self.key[0][1:-1]
        again = name in self.names
        self.names.add(name)
        key = Extent(*self.key.span())
        return _Part(self.part, name, key, value, wanted.get(name), again)


def locate(text: str, pointers: Iterable[str]) -> dict[str, Place]:
    """Return the Place of each JSON Pointer in `text`, which is valid JSON.

    If a member name is repeated, its last value counts, as in most parsers.
    """
    wanted = {each: path_of(each) for each in pointers}
    asked: _Wanted = {}
    for tokens in wanted.values():
        below = asked
        for token in tokens:
            below = below.setdefault(token, {})
    found: dict[_Tokens, _Part] = {}
    for part in _walk(text, asked):
        if part.wanted is not None:
            tokens = part.tokens()
            if part.again:
                for stale in [each for each in found if each[: len(tokens)] == tokens]:
                    del found[stale]
            found[tokens] = part
    return {each: _nearest(found, tokens) for each, tokens in wanted.items()}


def repeated(text: str) -> Iterator[tuple[str, Extent]]:
    """Yield pointer and key of each member with a duplicate name, in order."""
    for part in _walk(text, None):
        if part.again and part.key is not None:
            yield pointer(part.tokens()), part.key


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Return line and column, from 1, of the character at an offset of `text`."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def _nearest(found: dict[_Tokens, _Part], tokens: _Tokens) -> Place:
    length = len(tokens)
    while tokens[:length] not in found:
        length -= 1
    part = found[tokens[:length]]
    return Place(value=part.value, key=part.key, missing=length < len(tokens))


def _walk(text: str, wanted: _Wanted | None) -> Iterator[_Part]:
    """Yield every value of the text, in order; arrays and objects again at their end."""
    above: list[_Inside] = []
    for match in _TOKEN.finditer(text):
        sign = match[0]
        if sign in "]}":
            part = above.pop().part
            yield part._replace(value=Extent(part.value.start, match.end()), again=False)
        elif sign == ",":
            above[-1].next()
        elif above and above[-1].takes_key():
            above[-1].key = match
        elif sign != ":":
            value = Extent(*match.span())
            part = above[-1].below(value) if above else _Part(None, "", None, value, wanted)
            yield part
            if sign in "[{":
                above.append(_Inside(part, sign))
