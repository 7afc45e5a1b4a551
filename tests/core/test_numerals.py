"""Member names that read as numbers, or as parts of a schema or a pointer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings

import ttrules
from tests.support.cells import payload_of
from tests.support.readings import agreed
from tests.support.shape_books import PROCESS, book_of, codes_of, report_of
from ttrules import strategies
from ttrules.pointers import pointer

if TYPE_CHECKING:
    from ttrules import Finding

NAMES = (
    *("5", "05", "+5", "005", "6", "0", "00", "-1", "1_0", " 5", "5 ", "5e0", "\u0665", ""),
    "9" * 30,
)


@pytest.mark.parametrize("name", NAMES)
def test_one(name: str) -> None:
    """A member that nobody knows is told by its own name, whatever it reads as."""
    payload = payload_of("Complaint Add")
    payload[name] = payload["relatedParty"][0][name] = 1
    report = agreed(payload, "Complaint Add")
    assert {finding.pointer for finding in report} == {f"/{name}", f"/relatedParty/0/{name}"}
    assert {finding.field for finding in report} == {name}


def test_all() -> None:
    """Several that read as the same number are each told once."""
    payload = payload_of("Complaint Add", "minimal")
    payload.update(dict.fromkeys(NAMES, 1))
    report = agreed(payload, "Complaint Add")
    assert sorted(finding.pointer for finding in report) == sorted(f"/{name}" for name in NAMES)


def test_items() -> None:
    """The number of an item of a list stays one."""
    payload = payload_of("Complaint Add")
    payload["relatedParty"] = [1, payload["relatedParty"][0], "x"]
    report = agreed(payload, "Complaint Add")
    assert [finding.pointer for finding in report] == ["/relatedParty/0", "/relatedParty/2"]


#: Names of members that a spec may have: numerals, names that paths escape, names of keywords.
KNOWN = (
    *("404", "05", "5", "+5", "0", "-", "-1", "", ".", ".5", "a/b", "a~b", "~1", "a%20b", "a b"),
    *("a\\b", 'a"b', "a.b", "\u00e9", "\u0665", "\U0001f4de", "__proto__", "constructor", "$ref"),
    *("$id", "$defs", "properties", "items", "required", "enum", "const", "allOf", "if", "then"),
    *("not", "type", "pattern", "additionalProperties", "x-ttrules", "undetermined"),
)
PART = {name: {"type": "string"} for name in KNOWN}
BOOK = book_of(
    {
        **{name: {"type": "string", "maxLength": 3} for name in KNOWN},
        "part": {"$ref": "#/components/schemas/Part"},
        "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Part"}},
        "free": {},
        "object": {"enum": [{"5": 1, "": 2}]},
    },
    part=PART,
)


class TestKnown:
    """A member has its own findings, whatever its name."""

    @pytest.mark.parametrize("name", KNOWN)
    def test_one(self, name: str) -> None:
        """Each finding has the member's pointer, in the payload, in an object and in a list."""
        here = pointer((name,))
        whole = dict.fromkeys(KNOWN, "a")
        part = {**whole, name: 5}
        payload = {name: "four", "part": part, "parts": [whole, part]}
        assert sorted(codes_of(BOOK, payload)) == sorted(
            [(here, "length"), (f"/part{here}", "type"), (f"/parts/1{here}", "type")]
        )
        del part[name]
        assert codes_of(BOOK, {"part": part}) == [(f"/part{here}", "required")]
        report = report_of(BOOK, {name: None})
        assert [(each.field, each.code) for each in report] == [(name, "null")]
        assert BOOK.cell("Item", name, PROCESS).field == name

    def test_all(self) -> None:
        """All of them at once, with unknown names that read as the same numbers."""
        unknown = ["00", "0404", "+404", "..", "6", "5 "]
        payload = dict.fromkeys((*KNOWN, *unknown), 1)
        assert sorted(codes_of(BOOK, payload)) == sorted(
            [(pointer((name,)), "type") for name in KNOWN]
            + [(pointer((name,)), "unknown_field") for name in unknown]
        )

    def test_values(self) -> None:
        """Names inside of values do not matter: a free value, and a listed object."""
        free = {"5": {"": [{".": 1}]}}
        assert codes_of(BOOK, {"free": free, "object": {"5": 1, "": 2}}) == []
        assert codes_of(BOOK, {"object": {"5": 1, ".": 2}}) == [("/object", "enum")]

    def test_not_json(self) -> None:
        """A key that is not text is still NotJSON."""
        with pytest.raises(ttrules.NotJSON):
            BOOK.validate({"5": 1, 5: 1}, PROCESS)

    def test_drawn(self) -> None:
        """Strategies break such members, with the finding that they promise."""

        @settings(max_examples=15, database=None, deadline=None, derandomize=True)
        @given(strategies.payloads(PROCESS, book=BOOK), strategies.broken(PROCESS, book=BOOK))
        def drawn(payload: dict[str, Any], broken: tuple[dict[str, Any], Finding]) -> None:
            """Compare the findings with those that the strategies promise."""
            assert list(report_of(BOOK, payload)) == []
            assert list(report_of(BOOK, broken[0])) == [broken[1]]

        drawn()
