"""Read files and cut them into the texts of payloads, in constant memory.

A source is a file, or standard input for ``-``; gzip is recognised by its first bytes. The content
decides the format: an array of payloads if the first character is ``[``, JSON lines if the first
line is a complete JSON value, otherwise one payload. A name that ends in .jsonl or .ndjson (with or
without .gz) always means JSON lines. Blank lines are ignored.

Texts are cut here, never validated. Anything that cannot be read becomes an Unreadable with its
position, never an exception. The lines of a large plain file are not read here: a Span names a part
of the file that another process can read.
"""

from __future__ import annotations

import os
import re
import stat
import sys
import zlib
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias, cast

import orjson

from ttrules.message import reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from io import BufferedReader

    from ttrules.message import Message

#: The size of one read, and of the part of a file that a Span covers, in bytes. The findings for a
#: Span are in memory at once, and may be 500 times as large (``{}`` on every line).
BLOCK: Final = 1 << 17
SPAN: Final = 1 << 17
#: A longer payload is not read, so memory is bounded. In bytes.
LONGEST: Final = 256 << 20

#: The white space of JSON (RFC 8259, section 2).
BLANK: Final = b" \t\r\n"
TOO_LONG: Final = reason("too_long")
_LINES: Final = re.compile(r"\.(?:jsonl|ndjson)(?:\.gz)?$", re.IGNORECASE)
#: The byte order mark of UTF-8, which is ignored at the start of a text (RFC 8259, section 8.1).
BOM: Final = b"\xef\xbb\xbf"
_GZIP: Final = b"\x1f\x8b"
#: The first bytes of texts that are not JSON in UTF-8, and their encoding. Longer ones come first.
_CODINGS: Final = (
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
    (_GZIP, "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"PK\x03\x04", "zip"),
    *((b"x" + level, "zlib") for level in (b"\x01", b"\x5e", b"\x9c", b"\xda")),
)
#: Continuation bytes of UTF-8. The number of other bytes is the number of characters.
_CONTINUING: Final = bytes(range(0x80, 0xC0))
_STRING_REST: Final = rb'[^"\\]*+(?:\\.[^"\\]*+)*+'
_STRING: Final = re.compile(_STRING_REST, re.DOTALL)
#: What is skipped in an array, and below: whole strings, and all but the structural characters.
_OUTER, _INNER = (
    re.compile(rb'[^%b]*+(?:"%b"[^%b]*+)*+' % (signs, _STRING_REST, signs), re.DOTALL)
    for signs in (rb'"[\]{,', rb'"[\]{}')
)


class Unreadable(NamedTuple):
    """Text that is not a payload. In JSON lines, `line` counts from the previous chunk."""

    line: int
    column: int
    reason: Message


class Payload(NamedTuple):
    """The text of one payload, and where it begins."""

    line: int
    column: int
    text: bytes


class Lines(NamedTuple):
    """Whole lines, each the text of a payload or blank."""

    text: bytes


class Span(NamedTuple):
    """The lines that begin in a part of a file, given by byte offsets."""

    path: str
    start: int
    end: int


Chunk: TypeAlias = Unreadable | Payload | Lines | Span
#: What a source may contain: ``any`` number of payloads; ``patches``, which may be arrays; ``one``.
Form: TypeAlias = Literal["any", "patches", "one"]


def coding_of(text: bytes) -> str | None:
    """Return the encoding or compression that the first bytes show; None for UTF-8."""
    for beginning, name in _CODINGS:
        if text.startswith(beginning):
            return name
    if b"\0" not in text[:4]:
        return None
    # JSON starts with at least two ASCII characters, so zeros between them show the encoding.
    return "UTF-32" if text[:4].count(b"\0") > 2 else "UTF-16"  # noqa: PLR2004 - of four bytes


class Reading:
    """The chunks of one source, in order.

    `read` is the number of bytes read so far, without Spans. `empty_array` is true if the source is
    ``[]``.
    """

    def __init__(self, name: str, form: Form = "any") -> None:
        self.name = name
        self.form = form
        self.read = 0
        self.empty_array = False
        self._size = 0
        self._array = _Array()

    def __iter__(self) -> Iterator[Chunk]:
        """Yield the chunks. The text after an Unreadable may be readable again."""
        try:
            if self.name == "-":
                yield from self._parts(self._blocks(cast("BufferedReader", sys.stdin.buffer)))
                return
            with Path(self.name).open("rb") as file:
                found = os.fstat(file.fileno())
                self._size = found.st_size if stat.S_ISREG(found.st_mode) else 0
                yield from self._parts(self._blocks(file))
        except OSError as error:
            yield self._broken(reason("not_read", detail=error.strerror))
        except zlib.error:
            yield self._broken(reason("damaged"))
        except EOFError:
            yield self._broken(reason("cut_off"))

    def _broken(self, why: Message) -> Unreadable:
        return Unreadable(self._array.line, self._array.column, why)

    def _blocks(self, file: BufferedReader) -> Iterator[bytes]:
        for block in iter(partial(file.read1, BLOCK), b""):
            self.read += len(block)
            yield block

    def _parts(self, blocks: Iterator[bytes]) -> Iterator[Chunk]:
        first = _at_least(4, blocks)
        if first.startswith(_GZIP):
            self._size = 0
            blocks = _inflated(chain((first,), blocks))
            first = _at_least(4, blocks)
        coding = coding_of(first)
        if coding in {"UTF-16", "UTF-32"}:
            yield Unreadable(1, 1, reason("wide", coding=coding))
            return
        blocks = chain((first.removeprefix(BOM),), blocks)
        if self.form == "one":
            yield _document(blocks)
            return
        if _LINES.search(self.name):
            yield from self._lines(blocks)
            return
        head = _first_line(blocks)
        blocks = chain((head,), blocks)
        begin = head.lstrip(BLANK)
        if begin.startswith(b"[") and self.form == "any":
            yield from self._array.items(blocks)
            self.empty_array = self._array.is_empty
        elif _is_json(begin.partition(b"\n")[0]):
            yield from self._lines(blocks)
        elif begin:
            yield _document(blocks)

    def _lines(self, blocks: Iterable[bytes]) -> Iterator[Chunk]:
        if self._size > SPAN:
            for start in range(0, self._size, SPAN):
                yield Span(self.name, start, min(start + SPAN, self._size))
        else:
            yield from _whole_lines(blocks)


def parts_of(span: Span) -> Iterator[Lines | Unreadable]:
    """Yield the lines of a Span. Raises OSError if the file no longer has them."""
    return _whole_lines(_stretch(span))


def _stretch(span: Span) -> Iterator[bytes]:
    """Yield the bytes of the lines that begin in a part of a file."""
    with Path(span.path).open("rb") as file:
        outside = span.start > 0
        begin = len(BOM) if file.read(len(BOM)) == BOM else 0
        # A later part starts with a new line if a line feed is before it.
        at = span.start - 1 if outside else begin
        file.seek(at)
        for block in iter(partial(file.read, BLOCK), b""):
            text, at = block, at + len(block)
            if outside:
                line_end = text.find(b"\n", 0, max(span.end - 1 - (at - len(text)), 0)) + 1
                if not line_end:
                    if at >= span.end:
                        return
                    continue
                text, outside = text[line_end:], False
            if at >= span.end:
                line_end = text.find(b"\n", max(span.end - 1 - (at - len(text)), 0)) + 1
                if line_end:
                    yield text[:line_end]
                    return
            yield text


def _at_least(size: int, blocks: Iterator[bytes]) -> bytes:
    """Return the first blocks, joined: at least `size` bytes, or all."""
    first = b""
    while len(first) < size and (block := next(blocks, None)) is not None:
        first += block
    return first


def _first_line(blocks: Iterable[bytes]) -> bytes:
    """Return the first blocks, joined: up to the end of the first line that is not blank."""
    head: list[bytes] = []
    size, begun = 0, False
    for block in blocks:
        head.append(block)
        size += len(block)
        rest = block if begun else block.lstrip(BLANK)
        if b"\n" in rest or (not begun and rest.startswith(b"[")) or size > LONGEST:
            break
        begun = begun or bool(rest)
    return b"".join(head)


def _is_json(text: bytes) -> bool:
    try:
        orjson.loads(text)
    except ValueError:
        return False
    return True


def _document(blocks: Iterable[bytes]) -> Chunk:
    read: list[bytes] = []
    size = 0
    for block in blocks:
        read.append(block)
        size += len(block)
        if size > LONGEST:
            return Unreadable(1, 1, TOO_LONG)
    return Payload(1, 1, b"".join(read))


def _inflated(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the content of gzip blocks, member by member; zeros between members are padding."""
    engine = zlib.decompressobj(wbits=31)
    for block in blocks:
        left = block
        while left:
            if engine.eof:
                left = left.lstrip(b"\0")
                if not left:
                    break
                engine = zlib.decompressobj(wbits=31)
            yield engine.decompress(left, BLOCK)
            left = engine.unused_data or engine.unconsumed_tail
    yield engine.flush()
    if not engine.eof:
        raise EOFError


def _whole_lines(blocks: Iterable[bytes]) -> Iterator[Lines | Unreadable]:
    """Yield each complete line, and an Unreadable for one that is too long."""
    begun: list[bytes] = []
    size, skipping = 0, False
    for block in blocks:
        text = block
        if skipping:
            if b"\n" not in block:
                continue
            # The end of the line that was too long is counted as a blank line.
            text, skipping = block[block.index(b"\n") :], False
        if cut := text.rfind(b"\n") + 1:
            yield Lines(b"".join((*begun, text[:cut])))
            begun, size, text = [], 0, text[cut:]
        begun.append(text)
        size += len(text)
        if size > LONGEST:
            yield Unreadable(1, 1, TOO_LONG)
            begun, size, skipping = [], 0, True
    if size:
        yield Lines(b"".join(begun))


class _Array:
    """Splits the text of an array into the texts of its items, without parsing them.

    `line` and `column` are those of the next character.
    """

    def __init__(self) -> None:
        self.line = self.column = 1
        self.is_empty = True
        self._depth = 0
        self._in_string = False
        self._is_closed = False
        self._item: list[bytes] = []
        self._size = 0
        self._begin = (1, 1)

    def items(self, blocks: Iterable[bytes]) -> Iterator[Payload | Unreadable]:
        """Yield the items of the array in the blocks, and an Unreadable for other text."""
        for block in _unescaped(blocks):
            yield from self._cut(block)
            if self._size and self._is_closed:
                yield Unreadable(*self._begin, reason("behind_array"))
                return
        if not self._is_closed:
            yield Unreadable(self.line, self.column, reason("open_array"))

    def _cut(self, block: bytes) -> Iterator[Payload | Unreadable]:
        at = start = 0
        while at < len(block):
            if self._in_string:
                at = _STRING.match(block, at).end()  # type: ignore[union-attr]  # matches always
                self._in_string = at == len(block)
                at += 1
                continue
            passing = _OUTER if self._depth == 1 else _INNER
            at = passing.match(block, at).end() + 1  # type: ignore[union-attr]  # matches always
            if self._is_closed or at > len(block):
                break
            match sign := block[at - 1 : at]:
                case b'"':
                    self._in_string = True
                case b"[" | b"{":
                    self._depth += 1
                    if self._depth == 1:
                        self._advance(block[start:at])
                        start = at
                case b"," | b"]" if self._depth == 1:
                    self._take(block[start : at - 1])
                    start = at
                    yield from self._end(closing=sign == b"]")
                    self._advance(sign)
                case _:
                    self._depth -= 1
        self._take(block[start:])

    def _take(self, text: bytes) -> None:
        """Add text to the current item, without white space before it."""
        if not self._size:
            stripped = text.lstrip(BLANK)
            self._advance(text[: len(text) - len(stripped)])
            self._begin, text = (self.line, self.column), stripped
        self._advance(text)
        self._size += len(text)
        if self._size > LONGEST:
            self._item.clear()
        else:
            self._item.append(text)

    def _end(self, *, closing: bool) -> Iterator[Payload | Unreadable]:
        """Yield the current item, which is complete."""
        self._is_closed = closing
        if self._size > LONGEST:
            yield Unreadable(*self._begin, TOO_LONG)
        elif self._size:
            yield Payload(*self._begin, b"".join(self._item).rstrip(BLANK))
        elif not (closing and self.is_empty):
            yield Unreadable(*self._begin, reason("no_value"))
        self.is_empty = self.is_empty and closing and not self._size
        self._item.clear()
        self._size = 0

    def _advance(self, text: bytes) -> None:
        if newlines := text.count(b"\n"):
            self.line, self.column = self.line + newlines, 1
        self.column += len(text[text.rfind(b"\n") + 1 :].translate(None, _CONTINUING))


def _unescaped(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the blocks, joined so that none ends in a backslash."""
    held = b""
    for block in blocks:
        held += block
        if not held.endswith(b"\\"):
            yield held
            held = b""
    yield held
