"""Where things stand in the text of a JSON document: lines, columns and lengths.

A validator knows a place as a JSON Pointer; a person wants a line and a column. The text is walked
once, token by token and without recursion, so it may be nested as deep as it likes; it must be
valid JSON, since nothing here says what is wrong with a text. It is walked only where there is
something to show. Which of the places a finding is shown at is the business of judging.

Lines and columns count from 1, columns in characters; a line ends at a line feed.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from ttrules.codes import path_of, pointer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: One sign: a string, a bracket, a comma, a colon, or a number or literal name (RFC 8259, 2).
_TOKEN: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[][{},:]|[^][{},:"\s]++')

#: How much is shown of a line, and how much of that before the place at hand, in characters.
_SHOWN: Final = 100
_BEFORE: Final = 40

#: The tokens that lead from the document to a part of it, as a JSON Pointer spells them.
_Tokens: TypeAlias = tuple[str, ...]
#: What is asked for, token by token, so that most of a text is passed by without a look.
_Wanted: TypeAlias = "dict[str, _Wanted]"


class Extent(NamedTuple):
    """A stretch of the text: the offsets of its first character and of what follows it."""

    start: int
    end: int


class Place(NamedTuple):
    """Where a pointer leads: its value, and the key in front of that where it is a member.

    Where there is nothing at the pointer, `missing` is true and this is the place of the nearest
    part above it that is there.
    """

    value: Extent
    key: Extent | None
    missing: bool


class Spot(NamedTuple):
    """A stretch of a file: from line and column up to, not including, end line and end column.

    `source` is what to show of its first line, clipped, or None; the stretch begins at `offset`
    in that.
    """

    line: int
    column: int
    end_line: int
    end_column: int
    source: str | None = None
    offset: int = 0

    def moved(self, lines: int) -> Spot:
        """Return the Spot so many lines further down."""
        return self._replace(line=self.line + lines, end_line=self.end_line + lines)


class Text:
    """The text of a payload that begins at a line and a column of its file.

    `shown` says whether its Spots bring what is to be shown of their lines.
    """

    def __init__(self, text: bytes, line: int, column: int, *, shown: bool) -> None:
        self.text = text
        self.line, self.column = line, column
        self.shown = shown
        self.decoded = text.decode("utf-8", "replace")
        self._passed = 0, 0, 0  # an offset, the line ends before it, and where its line begins

    def spot(self, extent: Extent) -> Spot:
        """Return the Spot of a stretch of the text."""
        spot = Spot(*self._at(extent.start), *self._at(extent.end))
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
        # What is asked for in the order of the text is counted once.
        passed, line, start = self._passed if self._passed[0] <= offset else (0, 0, 0)
        line += self.decoded.count("\n", passed, offset)
        start = self.decoded.rfind("\n", passed, offset) + 1 or start
        self._passed = offset, line, start
        return self.line + line, offset - start + (1 if line else self.column)


class _Part(NamedTuple):
    """A value that the walk meets: an object or array twice, at its start and at its end.

    `token` leads to it from `above`, the object or array that it is in. `wanted` says what is asked
    for below it, None that nothing is, nor it itself. `again` says that its name stood before.
    """

    above: _Part | None
    token: str
    key: Extent | None
    value: Extent
    wanted: _Wanted | None
    again: bool = False

    def tokens(self) -> _Tokens:
        """Return the tokens that lead here from the document."""
        tokens, part = [], self
        while part.above is not None:
            tokens.append(part.token)
            part = part.above
        return tuple(reversed(tokens))


class _Inside:
    """An object or array that the walk is in: what led to it, and what it has come to."""

    __slots__ = ("index", "key", "names", "part", "sign")

    def __init__(self, part: _Part, sign: str) -> None:
        self.part = part
        self.sign = sign
        self.names: set[str] = set()
        self.index = 0
        self.key: re.Match[str] | None = None

    def takes_key(self) -> bool:
        """Say whether what comes next is the name of a member."""
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

    Where a member name stands twice its last value counts, as most parsers have it.
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
    """Yield pointer and key of each member whose name its object already has, in order."""
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
    """Yield every value of the text, in order; what has parts once more when it ends."""
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
