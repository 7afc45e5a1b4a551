"""Lines, columns and underlined places."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ttrules.checking.json_text import (
    Extent,
    Place,
    Text,
    TextRange,
    line_and_column,
    locate,
    repeated,
)
from ttrules.checking.reporters.text import underlined
from ttrules.messages.printable import printable
from ttrules.pointers import pointer

TEXT = '{"a": [1, {"b/c": "x\\"]"}],\n "d\\u0065": null, "ł": {}}'


def at(value: str, key: str | None = None, *, missing: bool = False) -> Place:
    """Return the Place of a value, and of a key, by their text in TEXT."""
    start = TEXT.index(value)
    place = None if key is None else Extent(TEXT.index(key), TEXT.index(key) + len(key))
    return Place(Extent(start, start + len(value)), place, missing)


class TestLocate:
    """A JSON Pointer leads to a stretch of the text."""

    @pytest.mark.parametrize(
        ("where", "place"),
        [
            ("", at(TEXT)),
            ("/a", at('[1, {"b/c": "x\\"]"}]', '"a"')),
            ("/a/0", at("1")),
            ("/a/1/b~1c", at('"x\\"]"', '"b/c"')),
            ("/de", at("null", '"d\\u0065"')),
            ("/ł", at("{}", '"ł"')),
            ("/ł/x/y", at("{}", '"ł"', missing=True)),
            ("/a/7", at('[1, {"b/c": "x\\"]"}]', '"a"', missing=True)),
            ("/none", at(TEXT, missing=True)),
        ],
    )
    def test_place(self, where: str, place: Place) -> None:
        """What is there is found with its key; for what is missing the nearest part above it."""
        assert locate(TEXT, [where]) == {where: place}

    def test_every_place(self) -> None:
        """Every part of a document is found where its own text stands."""
        document = {"a": [1, -2.5e3, {"": [[], {}]}], "b c": {"~/": True, 'q"\\': [None, "\n"]}}
        text = json.dumps(document, indent=1)
        places = locate(text, every_pointer(document))
        for where, place in places.items():
            value: Any = document
            for part in where.split("/")[1:]:
                part = part.replace("~1", "/").replace("~0", "~")  # noqa: PLW2901 - as RFC 6901 does
                value = value[int(part)] if isinstance(value, list) else value[part]
            assert json.loads(text[place.value.start : place.value.end]) == value
            assert not place.missing

    def test_twice(self) -> None:
        """Of two members with one name the last one counts, with all below it."""
        text = '{"a": {"b": 1}, "a": {"c": 2}}'
        places = locate(text, ["/a/b", "/a/c"])
        assert places["/a/b"] == Place(Extent(21, 29), Extent(16, 19), missing=True)
        assert places["/a/c"].value == Extent(27, 28)

    def test_repeated(self) -> None:
        r"""Equal names are found however they are written."""
        text = '{"a": {"x": 1, "\\u0078": [{"y": 1, "z": 1}]}, "x": 2}'
        assert list(repeated(text)) == [("/a/x", Extent(15, 23))]

    def test_depth(self) -> None:
        """Nesting is no limit."""
        text = "[" * 50_000 + "]" * 50_000
        assert locate(text, ["/0/0"])["/0/0"].value == Extent(2, 99_998)


class TestText:
    """A stretch of a payload is a TextRange of its file."""

    def test_spot(self) -> None:
        """Columns count from where the payload begins in its first line, and from 1 after it."""
        text = Text(b'{"a":\n 1}', 10, 5, shown=False)
        assert text.spot(Extent(1, 4)) == TextRange(10, 6, 10, 9)
        assert text.spot(Extent(7, 8)) == TextRange(11, 2, 11, 3)
        assert text.spot(Extent(0, 9)) == TextRange(10, 5, 11, 4)

    def test_moved(self) -> None:
        """A TextRange keeps its columns when it moves down."""
        assert TextRange(1, 2, 3, 4).moved(10) == TextRange(11, 2, 13, 4)

    @pytest.mark.parametrize(
        ("text", "extent", "source", "offset"),
        [
            ("ab\ncd\nef", Extent(4, 5), "cd", 1),
            ("ab", Extent(0, 2), "ab", 0),
            ("x" * 30 + "|" + "y" * 500, Extent(30, 31), "x" * 30 + "|" + "y" * 69 + "…", 30),
            ("x" * 500 + "|y", Extent(500, 501), "…" + "x" * 40 + "|y", 41),
            (
                "x" * 500 + "|" + "y" * 500,
                Extent(500, 501),
                "…" + "x" * 40 + "|" + "y" * 59 + "…",
                41,
            ),
        ],
    )
    def test_shown(self, text: str, extent: Extent, source: str, offset: int) -> None:
        """The line around a place is shown, clipped where it is long."""
        spot = Text(text.encode(), 1, 1, shown=True).spot(extent)
        assert (spot.source, spot.offset) == (source, offset)

    def test_line_and_column(self) -> None:
        """Columns are characters, whatever their bytes."""
        assert line_and_column("ł\n𝄞x", 3) == (2, 2)


class TestUnderlined:
    """What is shown is safe, and the marks stand below their place."""

    @pytest.mark.parametrize(
        ("source", "offset", "length", "shown", "marks"),
        [
            ("ab cd", 3, 2, "ab cd", "   ^^"),
            ("a\tb", 2, 1, "a b", "  ^"),
            ("漢字 x", 3, 1, "漢字 x", "     ^"),
            ("e\u0301 x", 3, 1, "e\u0301 x", "  ^"),
            ("\x1b[31m x", 6, 1, "\\x1b[31m x", "         ^"),
            ("ab\r", 2, 1, "ab", "  ^"),
        ],
    )
    def test_marks(self, source: str, offset: int, length: int, shown: str, marks: str) -> None:
        """Wide, combining and unprintable characters take the columns that they are shown in."""
        spot = TextRange(1, offset + 1, 1, offset + 1 + length, source, offset)
        assert underlined(spot, source) == (shown, marks)

    def test_lines(self) -> None:
        """What goes on in the next line is marked to the end of this one."""
        assert underlined(TextRange(1, 2, 2, 9, "a{b", 1), "a{b") == ("a{b", " ^^")

    def test_printable(self) -> None:
        """What a terminal would obey, or text would turn around, is escaped."""
        assert printable("a\x1b\u202eł") == "a\\x1b\\u202eł"


def every_pointer(value: Any, above: tuple[str | int, ...] = ()) -> list[str]:
    """Return the pointer of every part of a document."""
    below = enumerate(value) if isinstance(value, list) else ()
    parts = value.items() if isinstance(value, dict) else below
    found = [each for key, part in parts for each in every_pointer(part, (*above, key))]
    return [pointer(above), *found]
