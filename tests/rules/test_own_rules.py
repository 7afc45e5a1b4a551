"""Rules of your own: values that no keyword looks into, relations under a test, other selections.

Every payload is judged by both engines.
"""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING, Any

import pytest

import ttrules
from tests.support.command_line import write_spec

if TYPE_CHECKING:
    from pathlib import Path

    from ttrules.rulebook import Rulebook

SHAPES: dict[str, dict[str, Any]] = {
    "Order": {
        "kind": {"type": "string", "enum": ["bulk", "retail"]},
        "anything": {},
        "content": {},
        "count": {"type": "integer"},
        "most": {"type": "number", "maximum": 10},
        "least": {"type": "number", "minimum": 1},
        "above": {"type": "number", "minimum": 1, "exclusiveMinimum": True},
        "maybe": {"type": "number", "nullable": True},
        "word": {"type": "string", "nullable": True},
        "words": {"type": "array", "items": {"type": "string"}},
        "things": {"type": "array", "items": {}},
        "line": {"type": "array", "items": {"$ref": "#/components/schemas/Line"}},
    },
    "Line": {
        "a": {"type": "string"},
        "b": {"type": "string"},
        "c": {"type": "string"},
    },
}
OPTIONAL = {name: ["O", "O"] for name in SHAPES["Order"]}


def book_of(folder: Path, matrix: dict[str, Any], **interpretation: Any) -> Rulebook:
    """Return the book of orders with these rows, and with this interpretation."""
    processes = ("Order Add", "Order Change")
    paths: dict[str, Any] = {**write_spec(folder, SHAPES, matrix, processes, **interpretation)}
    return ttrules.load(**paths)


def told(book: Rulebook, payload: Any) -> list[tuple[str, str]]:
    """Return severity and pointer of all findings, the same from both engines."""
    report = book.validate(payload, "order-add")
    assert book.validate(payload, "order-add", engine="reference") == report
    assert book.is_valid(payload, "order-add") is report.valid
    return [(finding.code, finding.pointer) for finding in report]


class TestUnseen:
    """What no keyword of a schema looks into is looked at all the same: it must be JSON."""

    @pytest.fixture
    def book(self, tmp_path: Path) -> Rulebook:
        """Give rules whose members may be nearly anything."""
        rows = {**OPTIONAL, "content": ["R", "O"]}
        return book_of(tmp_path, {"Order": rows, "Line": {n: ["O", "O"] for n in "abc"}})

    @pytest.mark.parametrize(
        "members",
        [
            {"anything": {"a": [1, None, "x"]}},
            {"anything": None},
            {"content": [0]},
            {"count": 10**30},
            {"count": -(10**400)},
            {"most": -1e300},
            {"least": 1},
            {"above": 1.5},
            {"maybe": None},
            {"maybe": 5},
            {"word": None},
            {"things": [None, {}, [[]]]},
        ],
    )
    def test_json(self, book: Rulebook, members: dict[str, Any]) -> None:
        """Any JSON of the type that is declared is valid."""
        assert told(book, {"content": "x", **members}) == []

    @pytest.mark.parametrize(
        ("members", "pointer"),
        [
            ({"anything": nan}, "/anything"),
            ({"anything": {"a": [b""]}}, "/anything/a/0"),
            ({"anything": "\ud800"}, "/anything"),
            ({"content": {"a": nan}}, "/content/a"),
            ({"content": [{1: 1}]}, "/content/0"),
            ({"count": 10**5_000}, "/count"),
            ({"most": 10**5_000}, "/most"),
            ({"most": -(10**5_000)}, "/most"),
            ({"least": 10**5_000}, "/least"),
            ({"above": 10**5_000}, "/above"),
            ({"maybe": nan}, "/maybe"),
            ({"word": nan}, "/word"),
            ({"word": "\udfff"}, "/word"),
            ({"words": ["x", "\udfff"]}, "/words/1"),
            ({"things": [1, {"a": set()}]}, "/things/1/a"),
            ({"line": [{"a": "\ud800"}]}, "/line/0/a"),
        ],
    )
    def test_no_json(self, book: Rulebook, members: dict[str, Any], pointer: str) -> None:
        """A value that is not JSON raises NotJSON, from every function and both engines."""
        payload = {"content": "x", **members}
        for ask in (book.validate, book.is_valid, book.check):
            for engine in ("fast", "reference"):
                with pytest.raises(ttrules.NotJSON) as caught:
                    ask(payload, "order-add", engine=engine)
                assert caught.value.pointer == pointer

    @pytest.mark.parametrize("content", [None, "", " ", []])
    def test_content(self, book: Rulebook, content: Any) -> None:
        """A required member of any type has some content."""
        code = "null" if content is None else "empty"
        assert told(book, {"content": content}) == [(code, "/content")]


class TestRelations:
    """A relation is told at a field of its object, however its test is told."""

    @pytest.mark.parametrize(
        ("when", "payload", "pointer"),
        [
            ({"field": "c", "exists": True}, {"line": [{"c": "x"}]}, "/line/0/a"),
            ({"field": "c", "exists": True}, {"line": [{}]}, None),
            ({"field": "c", "of": "self", "equals": "y"}, {"line": [{"c": "x"}]}, None),
            ({"field": "word", "of": "parent", "exists": True}, {"line": [{}]}, None),
            (
                {"field": "word", "of": "parent", "exists": True},
                {"word": "x", "line": [{"b": "x"}, {}]},
                "/line/1/a",
            ),
            (
                {"field": "word", "of": "root", "in": ["x", "y"]},
                {"word": "y", "line": [{}]},
                "/line/0/a",
            ),
            ({"field": "word", "of": "root", "in": ["x", "y"]}, {"word": "z", "line": [{}]}, None),
            (
                {"field": "count", "of": "root", "equals": 1},
                {"count": 1, "line": [{}]},
                "/line/0/a",
            ),
        ],
    )
    def test_when(
        self, tmp_path: Path, when: dict[str, Any], payload: Any, pointer: str | None
    ) -> None:
        """The test is on the object itself, on its parent or on the whole payload."""
        matrix = {"Order": OPTIONAL, "Line": {"a": ["PD", "O"], "b": ["PD", "O"], "c": ["O", "O"]}}
        condition = {
            "entity": "Line",
            "fields": ["a", "b"],
            "relation": "at_least_one",
            "processes": ["Order Add"],
            "when": when,
            "reason": "a test",
        }
        book = book_of(tmp_path, matrix, conditions=[condition])
        expected = [] if pointer is None else [("process_dependent", pointer)]
        assert told(book, payload) == expected
        for finding in book.validate(payload, "order-add").violations:
            assert finding.params["when"] == {"of": "self", **when}
            assert finding.params["fields"] == ["a", "b"]


class TestChanges:
    """A selection says which process a change belongs to, and what the whole must still meet."""

    def test_without_add(self, tmp_path: Path) -> None:
        """Where no Add process is named, a change is ruled by its own process alone."""
        rows = {**OPTIONAL, "count": ["R", "O"]}
        matrix = {"Order": rows, "Line": {name: ["O", "O"] for name in "abc"}}
        processes = {
            "Order Add": {"operation": "change", "value": "retail"},
            "Order Change": {"operation": "change", "value": "bulk"},
        }
        selection = {"field": "kind", "reason": "a test", "processes": processes}
        book = book_of(tmp_path, matrix, selection=selection)
        change = book.validate_change({"kind": "bulk"}, {"word": "x"})
        assert change.report.valid
        assert change.ticket == {"kind": "bulk", "word": "x"}
        with pytest.raises(ttrules.ProcessNotSelected):
            book.validate_new({"kind": "bulk"})

    def test_undetermined(self, tmp_path: Path) -> None:
        """What nobody has decided refuses no change, neither in the patch nor in the whole."""
        rows = {**OPTIONAL, "word": ["R/PD", "O"], "count": ["O", "O/PD"]}
        matrix = {"Order": rows, "Line": {name: ["O", "O"] for name in "abc"}}
        processes = {
            "Order Add": {"operation": "add", "value": "bulk"},
            "Order Change": {"operation": "change", "value": "bulk"},
        }
        selection = {"field": "kind", "reason": "a test", "processes": processes}
        book = book_of(tmp_path, matrix, selection=selection)
        for patch in ({"most": 5}, [{"op": "add", "path": "/most", "value": 5}]):
            change = book.validate_change({"kind": "bulk"}, patch)
            assert change.report.valid
            assert change.ticket == {"kind": "bulk", "most": 5}
        undetermined = book.validate_change({"kind": "bulk"}, {"most": 5}).report.undetermined
        assert [each.pointer for each in undetermined] == ["/count"]
        assert told(book, {"kind": "bulk"}) == [("process_dependent", "/word")]
        assert book.validate({"kind": "bulk"}, "order-add").valid
