"""The cutting of sources into the texts of payloads."""

from __future__ import annotations

import gzip
import io
import os
import random
import zlib
from typing import TYPE_CHECKING

import pytest

from ttrules.checking import files
from ttrules.checking.files import TOO_LONG, Lines, Payload, Reading, Span, Unreadable, parts_of
from ttrules.message import reason

if TYPE_CHECKING:
    from pathlib import Path

    from ttrules.checking.files import Chunk, Form

GZIPPED = gzip.compress(b'[{"a": 1}, {"b": 2}]', mtime=0)

#: What a source holds, and the parts it is cut into.
SOURCES: dict[bytes, list[Chunk]] = {
    b"": [],
    b" \n\t\n": [],
    b"[]": [],
    b" [ ] ": [],
    b"[1]": [Payload(1, 2, b"1")],
    b"\xef\xbb\xbf[1]": [Payload(1, 2, b"1")],
    b'[1,2,\n {"a":"],["} ,"x\\"y"]\n': [
        Payload(1, 2, b"1"),
        Payload(1, 4, b"2"),
        Payload(2, 2, b'{"a":"],["}'),
        Payload(2, 15, b'"x\\"y"'),
    ],
    '["łł", x]'.encode(): [Payload(1, 2, '"łł"'.encode()), Payload(1, 8, b"x")],
    b"[1,,2]": [
        Payload(1, 2, b"1"),
        Unreadable(1, 4, reason("no_value")),
        Payload(1, 5, b"2"),
    ],
    b"[1,]": [Payload(1, 2, b"1"), Unreadable(1, 4, reason("no_value"))],
    b"[,]": [
        Unreadable(1, 2, reason("no_value")),
        Unreadable(1, 3, reason("no_value")),
    ],
    b'[1\n,"': [Payload(1, 2, b"1"), Unreadable(2, 3, reason("open_array"))],
    b"[1": [Unreadable(1, 3, reason("open_array"))],
    b"[1] 2": [
        Payload(1, 2, b"1"),
        Unreadable(1, 5, reason("behind_array")),
    ],
    b'[1] "2': [
        Payload(1, 2, b"1"),
        Unreadable(1, 5, reason("behind_array")),
    ],
    b'{"a":1}\n{"b":2}\n': [Lines(b'{"a":1}\n{"b":2}\n')],
    b'\n\n{"a":1}': [Lines(b'\n\n{"a":1}')],
    b'{"a":1}\n{"b"': [Lines(b'{"a":1}\n'), Lines(b'{"b"')],
    b'{\n"a":1}': [Payload(1, 1, b'{\n"a":1}')],
    b"nonsense\n{}": [Payload(1, 1, b"nonsense\n{}")],
    b'\xff\xfe{\0"\0': [Unreadable(1, 1, reason("wide", coding="UTF-16"))],
    b'{\0"\0a\0': [Unreadable(1, 1, reason("wide", coding="UTF-16"))],
}


def parts(path: Path, content: bytes, form: Form = "any") -> list[Chunk]:
    """Return the parts of a file that holds `content`."""
    path.write_bytes(content)
    return list(Reading(str(path), form))


class TestWhatASourceHolds:
    """An array of payloads, JSON lines or one payload, told by content."""

    @pytest.mark.parametrize("content", SOURCES, ids=repr)
    @pytest.mark.parametrize("block", [1, 2, 3, 1 << 20])
    def test_parts(
        self, content: bytes, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A source is cut into the same texts however its bytes arrive; gzipped ones too."""
        monkeypatch.setattr(files, "BLOCK", block)
        found = parts(tmp_path / "source", content)
        assert joined(found) == joined(SOURCES[content])
        assert joined(parts(tmp_path / "source", gzip.compress(content))) == joined(found)

    def test_depth(self, tmp_path: Path) -> None:
        """Deep nesting is cut, not followed: judging says what is wrong with it."""
        deep = b"[" * 10_000 + b"]" * 10_000
        assert parts(tmp_path / "a", b"[" + deep + b"]") == [Payload(1, 2, deep)]

    def test_name(self, tmp_path: Path) -> None:
        """A name that says JSON lines is believed, whatever is inside."""
        for name in ("a.jsonl", "a.NDJSON", "a.jsonl.gz"):
            assert parts(tmp_path / name, b"[1]\n[2]\n") == [Lines(b"[1]\n[2]\n")]

    def test_empty_array(self, tmp_path: Path) -> None:
        """Only ``[]`` is meant to hold no payload."""
        told = {}
        for content in (b" []", b"", b"[1]", b"[,]", b"[1] 2"):
            path = tmp_path / "a"
            path.write_bytes(content)
            source = Reading(str(path))
            list(source)
            told[content] = source.empty_array
        assert told == {b" []": True, b"": False, b"[1]": False, b"[,]": False, b"[1] 2": False}

    def test_forms(self, tmp_path: Path) -> None:
        """Where patches are asked for an array is one of them; where one value is, all is it."""
        assert parts(tmp_path / "a", b"[1]", "patches") == [Lines(b"[1]")]
        assert parts(tmp_path / "a", b"[\n1]", "patches") == [Payload(1, 1, b"[\n1]")]
        assert parts(tmp_path / "a", b"1\n2", "one") == [Payload(1, 1, b"1\n2")]

    def test_standard_input(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A dash is standard input."""
        stdin = io.TextIOWrapper(io.BytesIO(b"[1]"))
        monkeypatch.setattr("sys.stdin", stdin)
        source = Reading("-")
        assert list(source) == [Payload(1, 2, b"1")]
        assert source.read == 3


class TestUnreadable:
    """What cannot be read is told with its place, and never raised."""

    @pytest.mark.parametrize(
        ("content", "key"),
        [
            (GZIPPED[:-4], "cut_off"),
            (GZIPPED[:12], "cut_off"),
            (GZIPPED[:-8] + bytes(8), "damaged"),
            (GZIPPED[:3] + b"\xff" * 9, "damaged"),
            (GZIPPED + b"x", "cut_off"),
        ],
    )
    def test_gzip(self, content: bytes, key: str, tmp_path: Path) -> None:
        """Damaged or truncated gzip data are told."""
        last = parts(tmp_path / "a.gz", content)[-1]
        assert isinstance(last, Unreadable)
        assert last.reason == reason(key)

    def test_members(self, tmp_path: Path) -> None:
        """A gzip file may be several, one behind the other, and end in zeros."""
        content = gzip.compress(b"1\n2\n") + gzip.compress(b"3\n") + bytes(5)
        assert joined(parts(tmp_path / "a.gz", content)) == b"1\n2\n3\n"

    def test_files(self, tmp_path: Path) -> None:
        """A directory and a file that is not there are told."""
        for path, detail in (
            (tmp_path, "Is a directory"),
            (tmp_path / "none", "No such file or directory"),
        ):
            expected = Unreadable(1, 1, reason("not_read", detail=detail))
            assert list(Reading(str(path))) == [expected]

    def test_too_long(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A payload too long to be held is passed over, and what follows it is read."""
        monkeypatch.setattr(files, "LONGEST", 20)
        monkeypatch.setattr(files, "BLOCK", 8)
        long = b'"' + b"x" * 60 + b'"'
        assert parts(tmp_path / "a", b"[1, " + long + b", 2]") == [
            Payload(1, 2, b"1"),
            Unreadable(1, 5, TOO_LONG),
            Payload(1, 69, b"2"),
        ]
        assert parts(tmp_path / "a", b"{\n" + long) == [Unreadable(1, 1, TOO_LONG)]
        assert parts(tmp_path / "a.jsonl", b"1\n" + long + b"\n2\n") == [
            Lines(b"1\n"),
            Unreadable(1, 1, TOO_LONG),
            Lines(b"\n2\n"),
        ]

    def test_long_first_line(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """No more than the longest payload is held while it is found out what a source holds."""
        monkeypatch.setattr(files, "LONGEST", 20)
        monkeypatch.setattr(files, "BLOCK", 8)
        assert parts(tmp_path / "a", b"x" * 100) == [Unreadable(1, 1, TOO_LONG)]


class TestSpans:
    """A large file of lines is told by stretches, which others may read."""

    def test_same_lines(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The stretches hold each line once, wherever they begin and however they are read."""
        draw = random.Random(1)
        for _ in range(300):
            rows = [bytes(draw.choices(b"abc", k=draw.choice([0, 1, 3, 10, 40]))) for _ in range(9)]
            content = b"\n".join(rows[: draw.randint(0, 9)]) + draw.choice([b"", b"\n"])
            bom = draw.choice([b"", b"\xef\xbb\xbf"])
            monkeypatch.setattr(files, "SPAN", draw.choice([4, 7, 20]))
            monkeypatch.setattr(files, "BLOCK", draw.choice([1, 2, 3, 5, 100]))
            found = parts(tmp_path / "a.jsonl", bom + content)
            assert joined(found) == content

    def test_where(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A plain file above the size of a stretch becomes several; a gzipped one is read."""
        monkeypatch.setattr(files, "SPAN", 4)
        path = tmp_path / "a.jsonl"
        assert parts(path, b"1\n2\n3\n") == [Span(str(path), 0, 4), Span(str(path), 4, 6)]
        assert joined(parts(path, gzip.compress(b"1\n2\n3\n"))) == b"1\n2\n3\n"

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a named pipe")
    def test_pipe(self, tmp_path: Path) -> None:
        """A pipe has no size, and is read."""
        path = tmp_path / "pipe.jsonl"
        os.mkfifo(path)
        if os.fork() == 0:  # pragma: no cover - the other end of the pipe
            path.write_bytes(b"1\n2\n")
            os._exit(0)
        assert joined(list(Reading(str(path)))) == b"1\n2\n"
        os.wait()


def test_many_blocks_of_gzip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gzipped data are inflated by blocks, so that a small file cannot fill the memory."""
    monkeypatch.setattr(files, "BLOCK", 64)
    content = b"1\n" * 5_000
    found = parts(tmp_path / "a.gz", zlib.compress(content, wbits=31))
    assert len(found) > 100
    assert joined(found) == content


def joined(found: list[Chunk]) -> object:
    """Return parts that are lines as one text, since where they are cut does not matter."""
    texts: list[bytes] = []
    for part in found:
        match part:
            case Lines():
                texts.append(part.text)
            case Span():
                texts += [each.text for each in parts_of(part) if isinstance(each, Lines)]
            case _:
                return found
    return b"".join(texts)
