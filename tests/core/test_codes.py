"""The small functions that stand beside the tables of codes."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.oracle import SPACE
from ttrules.codes import MESSAGES, PRECEDENCE, closest, is_blank, slug
from ttrules.pointers import path_of, pointer


class TestBlank:
    """White space is what Unicode or ECMAScript counts as such."""

    def test_each_character(self) -> None:
        """Every character is white space or content, as the table says."""
        blank = {chr(code) for code in range(sys.maxunicode + 1) if is_blank(chr(code))}
        assert blank == set(SPACE)

    def test_texts(self) -> None:
        """A text is blank if all its characters are, and if it is empty."""
        assert is_blank("")
        assert is_blank(SPACE)
        assert not is_blank(f"{SPACE}.{SPACE}")


class TestSlug:
    """The short form of a name is small letters, digits and single dashes."""

    @pytest.mark.parametrize(
        ("name", "short"),
        [
            ("Complaint Add", "complaint-add"),
            ("  Meter / Swap (2)  ", "meter-swap-2"),
            ("Straße Add", "strasse-add"),
            ("add", "add"),
            ("Zażalenie", "za-alenie"),
        ],
    )
    def test_slug(self, name: str, short: str) -> None:
        """A short form is its own short form."""
        assert slug(name) == short
        assert slug(short) == short


class TestPointer:
    """JSON Pointer, RFC 6901."""

    #: The examples of section 5.
    EXAMPLES = (
        ("", ()),
        ("/foo", ("foo",)),
        ("/foo/0", ("foo", 0)),
        ("/", ("",)),
        ("/a~1b", ("a/b",)),
        ("/c%d", ("c%d",)),
        ("/m~0n", ("m~n",)),
        ("/~01", ("~1",)),
        ("/ ", (" ",)),
    )

    @pytest.mark.parametrize(("text", "path"), EXAMPLES)
    def test_examples(self, text: str, path: tuple[str | int, ...]) -> None:
        """The examples of the RFC are written and read."""
        assert pointer(path) == text
        assert path_of(text) == tuple(map(str, path))

    @given(st.lists(st.text()).map(tuple))
    def test_there_and_back(self, path: tuple[str, ...]) -> None:
        """What was written is read back, whatever the names."""
        assert path_of(pointer(path)) == path

    @pytest.mark.parametrize("text", ["a", "a/b", "~", "/~", "/a~", "/a~2", "/~~0", "/a/~ "])
    def test_none(self, text: str) -> None:
        """What is no pointer is a ValueError."""
        with pytest.raises(ValueError, match="JSON Pointer"):
            path_of(text)


class TestClosest:
    """The name that was meant."""

    KNOWN = ("externalId", "id", "ticketType", "ticketSubtype")

    @pytest.mark.parametrize(
        ("name", "meant"),
        [
            ("externalid", "externalId"),
            ("ID", "id"),
            ("ticketSubType", "ticketSubtype"),
            ("tickettipe", "ticketType"),
            ("colour", None),
            ("", None),
            ("x" * 1_000_000, None),
        ],
    )
    def test_closest(self, name: str, meant: str | None) -> None:
        """The nearest of the known names is given as it is written, or none."""
        assert closest(name, self.KNOWN) == meant

    def test_nothing_known(self) -> None:
        """Where nothing is known nothing was meant."""
        assert closest("id", ()) is None


def test_precedence() -> None:
    """Only findings on values take precedence of one another, and each has a message."""
    assert set(PRECEDENCE) <= MESSAGES.keys()
    assert len(set(PRECEDENCE)) == len(PRECEDENCE)
