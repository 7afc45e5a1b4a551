"""What hypothesis is given: `payloads`, for three specs and each of their processes."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given

import ttrules
from tests.support.oracle import MATRIX, PROCESSES, _may_remove, shape_of
from tests.support.shape_books import PROCESS, book_of, codes_of
from tests.support.specs import ALL, ODD, OTHER, Case, few, look, reached, told
from ttrules import strategies
from ttrules.rulebook import shipped
from ttrules.strategies.defects import cells

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.slow

cases = pytest.mark.parametrize("case", ALL, ids=str)
ABSENT = object()


def values_in(case: Case, made: list[dict[str, Any]]) -> dict[tuple[str, ...], list[Any]]:
    """Return what payloads hold at each path, ABSENT where the owner lacks the member."""
    values: dict[tuple[str, ...], list[Any]] = defaultdict(list)

    def visit(owner: Any, schema: Mapping[str, Any], path: tuple[str, ...]) -> None:
        for name, node in schema["properties"].items():
            value = owner.get(name, ABSENT)
            values[*path, name].append(value)
            below = node.get("items", node)
            if "properties" in below:
                for each in value if isinstance(value, list) else [value]:
                    if isinstance(each, dict):
                        visit(each, below, (*path, name))

    for payload in made:
        visit(payload, case.schema, ())
    return values


def optional(case: Case) -> set[tuple[str, ...]]:
    """Return the paths of members that may be there or not."""
    return {
        path
        for path, _, field, code in reached(case)
        if code not in {"R", "P", "-"} and (case.book, field) != (ODD, "whole")
    }


def nullable(case: Case) -> set[tuple[str, ...]]:
    """Return the paths of members that the compiled schema lets be null."""
    return {
        (*map(str, cell.path), cell.name)
        for cell in cells(case.schema)
        if isinstance(cell.node.get("type"), list) and "null" in cell.node["type"]
    }


@cache
def payloads_of(case: Case) -> list[dict[str, Any]]:
    """Return payloads of a process, until what is rare has been seen."""
    made: list[dict[str, Any]] = []

    def all_come_and_go() -> bool:
        values = values_in(case, made)
        return all(
            {value is ABSENT for value in values[path]} == {True, False} for path in optional(case)
        ) and all(None in values[path] for path in nullable(case))

    look(strategies.payloads(case.process, book=case.book), made.append, all_come_and_go)
    return made


def drawn_until(case: Case, name: str, wanted: set[Any]) -> dict[tuple[str, ...], list[Any]]:
    """Return what payloads hold at each path, drawn until a member has had all wanted values."""
    made: list[dict[str, Any]] = []
    strategy = strategies.payloads(case.process, book=case.book)
    # Hypothesis draws by what is imported beside it, so that an end may come late.
    look(strategy, made.append, lambda: wanted <= {each.get(name) for each in made})
    return values_in(case, made)


@cache
def drawn(case: Case) -> dict[tuple[str, ...], list[Any]]:
    """Return what the payloads of a process hold at each path."""
    return values_in(case, payloads_of(case))


class TestPayloads:
    """`payloads`: valid ones. Optional members come and go, texts are Unicode, values lie at their
    bounds; null stands where it removes a member.
    """

    @cases
    def test_valid(self, case: Case) -> None:
        """A payload is valid in every reading, and there is nothing to tell of it."""
        for payload in payloads_of(case):
            assert told(case, payload) == []

    @cases
    def test_unsupported(self, case: Case) -> None:
        """With unsupported members a payload is valid, and they, of all kinds, are all that is
        told of it.
        """
        found: set[tuple[str | None, str | None]] = set()

        related = {("Hollow", "three")}  # a relation speaks of it, which it would turn
        expected = {each[1:3] for each in reached(case) if each[3] == "-"} - related

        def check(payload: dict[str, Any]) -> None:
            findings = told(case, payload)
            assert {finding.code for finding in findings} <= {"not_supported"}
            found.update((finding.entity, finding.field) for finding in findings)

        drawn = strategies.payloads(case.process, book=case.book, unsupported=True)
        look(drawn, check, lambda: found == expected)
        assert found == expected

    def test_the_default(self) -> None:
        """Without a book it is the shipped one that is drawn from; a slug is as good as a name."""

        @few(5)
        @given(strategies.payloads("complaint-add"))
        def check(payload: dict[str, Any]) -> None:
            assert payload["ticketType"] == "Complaint"

        check()

    def test_no_such_process(self) -> None:
        """A process that there is not is refused at once."""
        with pytest.raises(ttrules.NoSuchProcess):
            strategies.payloads("complaint-end")
        with pytest.raises(ttrules.NoSuchProcess):
            strategies.broken("complaint-end")

    @cases
    def test_members_come_and_go(self, case: Case) -> None:
        """Every reachable optional member is there in some payloads and not in others; every
        required one is there, and no prohibited or unsupported one ever.
        """
        sent = {
            path: {value is not ABSENT for value in values} for path, values in drawn(case).items()
        }
        for path, _, _, code in reached(case):
            expected = {"R": {True}, "P": {False}, "-": {False}}.get(code, {False})
            assert sent[path] == ({True, False} if path in optional(case) else expected), path

    @cases
    def test_null(self, case: Case) -> None:
        """Null is drawn where it removes a member or the shape takes it, and nowhere else."""
        null = {path for path, values in drawn(case).items() if None in values}
        assert null == nullable(case)

    @pytest.mark.parametrize("process", PROCESSES)
    def test_null_of_the_shipped_spec(self, process: str) -> None:
        """Null removes what is optional on Change and on Add and may be altered."""
        null = {path for path, values in drawn(Case(shipped(), process)).items() if None in values}
        column = PROCESSES.index(process)
        rows = MATRIX["entities"][MATRIX["root"]]
        assert null == {(name,) for name in rows if _may_remove(MATRIX["root"], name, column)}

    @pytest.mark.parametrize("process", PROCESSES)
    def test_bounds_of_the_shipped_spec(self, process: str) -> None:
        """The longest name, the ends of the priority, each severity, lists of several."""
        name, priority, severity = (
            shape_of(MATRIX["root"], field) for field in ("name", "priority", "severity")
        )
        ends = {priority["minimum"], priority["maximum"]}
        values = drawn_until(Case(shipped(), process), "priority", ends)
        names = [each for each in values["name",] if isinstance(each, str)]
        assert max(map(len, names)) == name["maxLength"]
        assert min(map(len, names)) <= 1
        assert not all(each.isascii() for each in names)
        assert ends <= {each for each in values["priority",] if isinstance(each, int)}
        assert {*severity["enum"]} <= {*values["severity",]}
        sizes = {len(each) for each in values["note",] if isinstance(each, list)}
        # Hypothesis draws by what is imported beside it, so that the longest may not be met.
        assert {0, 1, 2} <= sizes <= {0, 1, 2, 3}

    def test_bounds_of_the_other_spec(self) -> None:
        """Bounds, leap seconds, the least and the most of a list, both ends of a range."""
        values = drawn_until(Case(OTHER, "Repair Add"), "urgency", {1, 5})
        there = {
            path: [each for each in found if each is not ABSENT] for path, found in values.items()
        }
        assert any(":60" in each for each in there["dueAt",])
        assert {len(each) for each in there["summary",]} >= {3, 40}
        assert {1, 5} <= {*there["urgency",]}
        assert all(0 < each < 100 for each in there["flow",])
        assert {type(each) for each in there["flow",]} == {int, float}
        assert all(each % 0.5 == 0 for each in there["pressure",])
        # Hypothesis draws by what is imported beside it, so that the ends may not be met.
        assert {1, 2} <= {len(each) for each in there["tags",]} <= {0, 1, 2, 3}
        assert {len(each) for each in there["visits",]} == {2, 3}
        assert {len(each) for each in there["site", "position"]} == {2}
        assert any(None in each for each in there["levels",])

    def test_values_of_any_kind(self) -> None:
        """Where a shape takes anything, values of every kind are drawn."""
        kinds = {type(each) for each in drawn(Case(OTHER, "Legacy Correction"))["ledger",]}
        assert kinds == {str, int, float, bool, list, dict}
        assert None not in drawn(Case(ODD, "Odd Add"))["content",]
        assert {*map(str, drawn(Case(ODD, "Odd Add"))["both",])} == {
            "[True, False]",
            "[False, True]",
        }

    @pytest.mark.parametrize(
        "shape",
        [
            {"type": "array", "items": {"type": "integer"}, "minItems": 5},
            {"type": "string", "pattern": "^ab+$", "minLength": 90},
            {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 2},
            {"type": ["string", "integer"], "maxLength": 0},
            {"type": ["string", "integer"], "multipleOf": 7, "minimum": 1, "maximum": 3},
        ],
        ids=str,
    )
    def test_one_member(self, shape: dict[str, Any]) -> None:
        """Long lists, texts and maps are drawn; of several types those that have a value."""
        book = book_of({"x": shape}, "R")

        @few(5)
        @given(strategies.payloads(PROCESS, book=book))
        def check(payload: dict[str, Any]) -> None:
            assert codes_of(book, payload) == []

        check()

    def test_no_value(self) -> None:
        """A number whose bounds leave no value is never sent."""
        book = book_of({"x": {"type": "integer", "minimum": 1.2, "maximum": 1.8}})

        @few(5)
        @given(strategies.payloads(PROCESS, book=book))
        def check(payload: dict[str, Any]) -> None:
            assert payload == {}

        check()
