"""Numbers are compared as the decimals that are written for them, in both engines."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings

from tests.support.shape_books import PROCESS, book_of, codes_of, report_of
from ttrules import strategies

#: Numbers that binary fractions, 64 bits or 53 bits cannot represent, and others beside them.
NUMBERS: tuple[Any, ...] = (
    *(0, -0.0, 1, 1.0, -1, 7, 2.5, 0.1, 0.3, 0.1 + 0.2, 0.01, 19.99, 1e-7, 123456789.01),
    *(5e-324, 1.7976931348623157e308, 10**16 + 1, 1e16, 1e22, 10**22, 1e23, 10**23, 1e30, 10**30),
    *(int(1e30), 2**53, 2**53 + 1, float(2**53), 2**63, 2**63 - 1, float(2**63), 2**64),
    *(-(2**63), -(2**63) - 1, 10**400, -(10**400)),
)
#: Limits for the numbers: each keyword has some of them.
LIMITS: tuple[Any, ...] = (1, 0.1, 0.01, 2.5, 2**53, 2**53 + 1, 10**22, 2**63 - 1, 10**300)


def decimal(number: float) -> Fraction:
    """Return the number that is written."""
    return Fraction(Decimal(repr(number)))


def is_met(keyword: str, limit: float, number: float) -> bool:
    """Return whether a number meets a keyword, read directly."""
    one, other = decimal(number), decimal(limit)
    return {
        "minimum": one >= other,
        "maximum": one <= other,
        "exclusiveMinimum": one > other,
        "exclusiveMaximum": one < other,
        "multipleOf": (one / other).denominator == 1,
    }[keyword]


KEYWORDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")


@pytest.mark.parametrize(("keyword", "limit"), [*product(KEYWORDS, LIMITS)])
def test_every_number(keyword: str, limit: float) -> None:
    """A number is in range if its decimal is, whatever Python's type of it is."""
    book = book_of({"x": {"type": "number", keyword: limit}})
    for number in NUMBERS:
        expected = [] if is_met(keyword, limit, number) else [("/x", "range")]
        assert codes_of(book, {"x": number}) == expected, number


def test_whole() -> None:
    """A whole number is an integer, also with a point, an exponent, or hundreds of digits."""
    book = book_of({"x": {"type": "integer"}})
    for number in NUMBERS:
        expected = [] if decimal(number).denominator == 1 else [("/x", "type")]
        assert codes_of(book, {"x": number}) == expected, number


def test_listed() -> None:
    """A number is one of the listed ones if their decimals are equal; true is no number."""
    listed = [1, 0.3, 2**53 + 1, 10**30, 0]
    book = book_of({"x": {"enum": listed}})
    for number in NUMBERS:
        expected = [] if decimal(number) in map(decimal, listed) else [("/x", "enum")]
        assert codes_of(book, {"x": number}) == expected, number
    assert codes_of(book, {"x": True}) == [("/x", "enum")]
    assert codes_of(book, {"x": False}) == [("/x", "enum")]


def test_unique() -> None:
    """Items of a list are equal if their decimals are; true and 1 differ."""
    book = book_of({"x": {"type": "array", "items": {}, "uniqueItems": True}})
    assert codes_of(book, {"x": [1, True, 0, False, 2**53, 2**53 + 1]}) == []
    for twins in ([1, 1.0], [0, -0.0], [1e22, 10**22], [[1e30], [10**30]], [{"a": 1}, {"a": 1.0}]):
        assert codes_of(book, {"x": twins}) == [("/x", "length")]


@pytest.mark.parametrize(
    "shape",
    [
        {"type": "number", "multipleOf": 0.01},
        {"type": "number", "multipleOf": 0.01, "minimum": 0.1, "maximum": 99.95},
        {"type": "number", "multipleOf": 0.1, "minimum": 10**6, "exclusiveMaximum": 10**6 + 1},
        {"type": "integer", "multipleOf": 2.5, "minimum": 3},
        {"type": "integer", "minimum": 2**53 + 1},
        {"type": "integer", "minimum": 10**300},
        {"type": "number", "minimum": 2**63 - 1, "maximum": 2**63 + 10**6},
        {"type": "number", "minimum": 0.5, "exclusiveMinimum": 0.75, "maximum": 0.8},
        {"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 3},
        {"type": "number", "format": "float", "minimum": 10**38},
    ],
)
def test_strategies(shape: dict[str, Any]) -> None:
    """Strategies draw numbers that the rules accept, and defects that they reject."""
    book = book_of({"x": shape})
    seen = []

    @settings(max_examples=20, database=None, deadline=None, derandomize=True)
    @given(strategies.payloads(PROCESS, book=book), strategies.broken(PROCESS, book=book))
    def drawn(payload: dict[str, Any], broken: tuple[dict[str, Any], Any]) -> None:
        """Compare the findings with those that the strategies promise."""
        assert list(report_of(book, payload)) == []
        assert list(report_of(book, broken[0])) == [broken[1]]
        seen.append(broken[1].code)

    drawn()
    assert "range" in seen


def test_no_number() -> None:
    """If no number is in range, none is drawn: an optional member is left out."""
    book = book_of({"x": {"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 2}})

    @settings(max_examples=10, database=None, deadline=None, derandomize=True)
    @given(strategies.payloads(PROCESS, book=book))
    def drawn(payload: dict[str, Any]) -> None:
        """Find that the member is never sent."""
        assert payload == {}

    drawn()
