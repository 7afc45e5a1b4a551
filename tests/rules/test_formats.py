"""Enforced formats: the same verdict from both engines and in the published schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.shape_books import PROCESS, book_of, codes_of, report_of
from ttrules import strategies
from ttrules.codes import ANNOTATION_FORMATS, FORMAT_BOUNDS, FORMATS
from ttrules.examples.generate import example
from ttrules.strategies.defects import DEFECTS, cells
from ttrules.strategies.values import draw_value

if TYPE_CHECKING:
    from random import Random

    from ttrules import Finding

#: Texts that meet a format, and texts that do not.
TEXTS: dict[str, tuple[list[str], list[str]]] = {
    "time": (
        ["10:00:00Z", "23:59:60Z", "10:00:00.25+01:00", "10:00:00z", "00:00:00-23:59"],
        ["10:00:00", "10:00Z", "24:00:00Z", "10:60:00Z", "10:00:61Z", "1:00:00Z", "10:00:00,5Z",
         "10:00:00.Z", "10:00:00+24:00", "10:00:00+0100", "10:00:00Z\n", "\u0661\u0660:00:00Z"],
    ),
    "duration": (
        ["P1D", "PT0S", "P1Y2M3DT4H5M6S", "P4W", "PT36H", "P1M", "PT1M", "P1DT12H"],
        ["P", "PT", "P1", "1D", "P1S", "P1DT", "P1W1D", "P1Y1D", "PT1H1S", "PT0.5S", "-P1D", "p1d",
         "P1D\n", "P\u0661D", "P1Y2W", "one day", ""],
    ),
    "email": (
        ["a@b", "desk.1+x@example.com", '"a b"@example.com', '"a\\"b"@c', "a@[192.0.2.1]",
         "a@[IPv6:2001:db8::1]", "te~st@example.com", "a@" + "b" * 63],
        ["none", "", "@b", "a@", ".a@b", "a.@b", "a..b@c", "a b@c", "a@b_c", "a@-b", "a@b-",
         "a@b..c", "a@b.", "a@b@c", '"a"b"@c', "a@[192.0.2.256]", "a@[::1]", "\u00e9@b", "a@\u00e9",
         "Joe <a@b.c>", "a@b\n", "mailto:a@b", "a@" + "b" * 64],
    ),
    "hostname": (
        ["a", "A-b.example", "xn--nxasmq6b", "192.0.2.1", "a" * 63, "1"],
        ["", "-a", "a-", "a_b", "a..b", ".a", "a.", "\u00e9", "a b", "a\n", "a" * 64, "a:80"],
    ),
    "ipv4": (
        ["192.0.2.1", "0.0.0.0", "255.255.255.255"],  # noqa: S104 - a text, not a socket
        ["192.0.2", "192.0.2.256", "192.0.2.01", "192.0.2.1.1", "192.0.2.1 ", "0x1.0.2.1", "",
         "127.1", "192.0.2.1/24", "\u0661.0.2.1", "a.b.c.d"],
    ),
    "ipv6": (
        ["::", "::1", "1::", "2001:db8::1", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "1:2::4:5:6:7:8",
         "::2:3:4:5:6:7:8", "::ffff:192.0.2.1", "1:2:3:4:5:6:192.0.2.1", "1::192.0.2.1"],
        ["", ":", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "g::", ":1",
         "1:", "fe80::1%eth0", "::1/64", "192.0.2.1", "::192.0.2.256", "[::1]", "::1\n",
         "1:2:3:4:5:6:7:192.0.2.1"],
    ),
    "uri": (
        ["https://example.com/a?b=c#d", "mailto:a@b.c", "urn:a:b", "a:", "http:///a", "HTTP://A",
         "http://[2001:db8::1]:80/", "http://user:p@h/", "http://a/%20", "tel:+1-2", "data:,x"],
        ["a", "/a", "//a", "", "://a", "1http://a", "ht_tp://a", "http://a b", "http://a/\u00e9",
         "http://a/%2", "http://a/[x]", "http://a:b/", "http://[::g]/", "http://a#b#c", "http://a\n",
         "http://a\\b", "http://a/<b>", "http://a/{x}", "http://a/|", "example.com"],
    ),
    "uri-reference": (
        ["", "a", "/a", "//a", "?a", "#a", "./1:b", "a/b:c", "https://example.com/a?b=c#d"],
        ["a b", "1:b", "\u00e9", "%2", "\\", "[x]", ":a", "a\n"],
    ),
    "uuid": (
        ["019ab3f2-7c1d-7000-8000-000000000001", "019AB3F2-7C1D-7000-8000-000000000001"],
        ["019ab3f2", "019ab3f27c1d70008000000000000001", "{019ab3f2-7c1d-7000-8000-000000000001}",
         "urn:uuid:019ab3f2-7c1d-7000-8000-000000000001", ""],
    ),
    "date": (
        ["2026-03-01", "2024-02-29", "2000-02-29"],
        ["2026-02-29", "1900-02-29", "2026-13-01", "2026-3-1", "20260301", "2026-03-01\n", ""],
    ),
}  # fmt: skip

#: Numbers at the ends of a format's range, and beyond them.
NUMBERS: dict[str, tuple[list[float], list[float]]] = {
    "int32": ([2**31 - 1, -(2**31), 0, 1.0], [2**31, -(2**31) - 1, 1e10, 10**400]),
    "int64": (
        [2**63 - 1, -(2**63), 2**53 + 1],
        # A float is the decimal that is written for it: -9223372036854776000.
        [2**63, -(2**63) - 1, float(2**63), float(-(2**63)), 1e22, 10**400],
    ),
    "float": ([3.4028234663852886e38, -1e38, 0.1, 10**38], [3.5e38, -1e39, 10**400]),
}

#: Formats that jsonschema-rs checks as we do. Of the others it accepts a sign in place of a digit.
ALIKE = ("duration", "hostname", "ipv4", "ipv6", "uri", "uri-reference", "uuid")
#: Characters with a meaning in some format.
CHARACTERS = '019afzAFTPZYMWDHS.:-+@/?#[]%"\\ _\u00e9\n'


def cases(index: int) -> list[tuple[str, str]]:
    """Return the texts that meet their format (0) or that do not (1), with the format."""
    return [(name, text) for name, texts in TEXTS.items() for text in texts[index]]


BOOK = book_of({name: {"type": "string", "format": name} for name in FORMATS})


@pytest.mark.parametrize(("name", "text"), cases(0))
def test_good(name: str, text: str) -> None:
    """A text that meets its format has no finding."""
    assert codes_of(BOOK, {name: text}) == []


@pytest.mark.parametrize(("name", "text"), cases(1))
def test_bad(name: str, text: str) -> None:
    """Another text is one finding, `format`, which names the format."""
    (finding,) = report_of(BOOK, {name: text})
    assert (finding.code, finding.pointer) == ("format", f"/{name}")
    assert finding.params == {"format": name, "expected": FORMATS[name][1]}


@pytest.mark.parametrize("name", ALIKE)
def test_independent_reading(name: str) -> None:
    """Our pattern and the format of jsonschema-rs agree, also on texts that almost fit."""
    theirs = jsonschema_rs.Draft202012Validator({"format": name}, validate_formats=True)
    node = {"type": "string", "pattern": FORMATS[name][0]}
    seen = set()

    @settings(
        max_examples=60, database=None, deadline=None, derandomize=True,
        suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
    )  # fmt: skip
    @given(st.data(), st.randoms(use_true_random=False))
    def agree(data: st.DataObject, draw: Random) -> None:
        """Compare the verdicts on a valid text and on three that differ by a character."""
        text = draw_value(data.draw, node)
        for _ in range(4):
            is_valid = codes_of(BOOK, {name: text}) == []
            assert theirs.is_valid(text) is is_valid
            seen.add(is_valid)
            index = draw.randrange(len(text) + 1)
            kept = text[index + draw.randrange(2) :]
            text = text[:index] + draw.choice(["", *CHARACTERS]) + kept

    agree()
    assert seen == {True, False}


class TestNumbers:
    """A format of numbers is a range."""

    @pytest.mark.parametrize("name", NUMBERS)
    @pytest.mark.parametrize("kind", ["integer", "number"])
    def test_range(self, name: str, kind: str) -> None:
        """Its ends are allowed; a number beyond them is `range`, which names the format."""
        good, bad = NUMBERS[name]
        book = book_of({"x": {"type": kind, "format": name}})
        for number in good:
            expected = [] if kind == "number" or number == int(number) else [("/x", "type")]
            assert codes_of(book, {"x": number}) == expected
        for number in bad:
            (finding,) = report_of(book, {"x": number})
            assert finding.code == "range"
            assert finding.params == {"format": name, **FORMAT_BOUNDS[name]}

    def test_whole(self) -> None:
        """A number with a format of integers is a whole number."""
        book = book_of({"x": {"type": "number", "format": "int64"}})
        assert codes_of(book, {"x": 1.5}) == [("/x", "type")]

    @pytest.mark.parametrize(
        ("own", "kept"),
        [
            ({"minimum": 0}, {"format": "int32", "minimum": 0, "maximum": 2**31 - 1}),
            ({"exclusiveMinimum": 0}, {"format": "int32", "exclusiveMinimum": 0,
                                       "maximum": 2**31 - 1}),
            ({"minimum": 0, "maximum": 5}, {"minimum": 0, "maximum": 5}),
            ({"minimum": -(2**40), "maximum": 5}, {"format": "int32", "minimum": -(2**31),
                                                 "maximum": 5}),
            ({"minimum": 0, "exclusiveMaximum": 2**40}, {"format": "int32", "minimum": 0,
                                                        "maximum": 2**31 - 1}),
        ],
    )  # fmt: skip
    def test_narrower(self, own: dict[str, int], kept: dict[str, Any]) -> None:
        """The narrower one of the shape's bound and the format's is enforced."""
        book = book_of({"x": {"type": "integer", "format": "int32", **own}})
        (finding,) = report_of(book, {"x": 2**50})
        assert finding.params == kept


def test_lengths() -> None:
    """A host name has up to 253 characters, an address up to 254, as in RFC 1035 and RFC 5321."""
    label = ".".join(["a" * 62] * 4)
    assert codes_of(BOOK, {"hostname": label + ".a"}) == []
    assert codes_of(BOOK, {"hostname": label + ".aa"}) == [("/hostname", "length")]
    assert codes_of(BOOK, {"email": "aa@" + label}) == []
    assert codes_of(BOOK, {"email": "aaaa@" + label}) == [("/email", "length")]


@pytest.mark.parametrize("name", ["password", "iri", "int32", "colour"])
def test_not_enforced(name: str) -> None:
    """Another format, and one of another type, accepts every text."""
    book = book_of({"x": {"type": "string", "format": name}})
    assert codes_of(book, {"x": "any text"}) == []
    assert "format" not in book.schema(PROCESS)["properties"]["x"]


def test_other_type() -> None:
    """A format of texts says nothing about a number."""
    book = book_of({"x": {"type": "integer", "format": "date"}, "y": {"format": "date"}})
    assert codes_of(book, {"x": 5, "y": 5}) == []
    assert codes_of(book, {"y": "5"}) == [("/y", "format")]


def test_names_differ() -> None:
    """A format is enforced, or known as one that accepts every value, not both."""
    assert not ANNOTATION_FORMATS & {*FORMATS, *FORMAT_BOUNDS}


def test_payloads() -> None:
    """Strategies and examples make valid values of every format, and defects of each."""
    texts = {name: {"type": "string", "format": name} for name in FORMATS}
    numbers = {name: {"type": "number", "format": name} for name in NUMBERS}
    book = book_of({**texts, **numbers})
    for extent in ("full", "minimal"):
        assert codes_of(book, example(book, PROCESS, extent)) == []
    few = settings(max_examples=6, database=None, deadline=None, derandomize=True)

    @few
    @given(strategies.payloads(PROCESS, book=book))
    def valid(payload: dict[str, Any]) -> None:
        """Find nothing in a valid payload."""
        assert list(report_of(book, payload)) == []

    def break_one(name: str) -> None:
        """Break a field several times."""

        @few
        @given(strategies.broken(PROCESS, book=book, cell=("Item", name)))
        def broken(drawn: tuple[dict[str, Any], Finding]) -> None:
            """Find in a broken payload what the strategy promises."""
            payload, finding = drawn
            assert list(report_of(book, {name: payload[name]})) == [finding]

        broken()

    valid()
    for name in (*texts, *numbers):
        break_one(name)
    found = cells(book.schema(PROCESS))
    defects = {(cell.name, each.code) for cell in found for each in DEFECTS if each.applies(cell)}
    assert {(name, "format") for name in texts} <= defects
    assert {(name, "range") for name in numbers} <= defects
