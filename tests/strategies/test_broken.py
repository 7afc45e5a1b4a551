"""What hypothesis is given: `broken`, for three specs, each of their processes and cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given

from tests.support.injected_faults import Spot, _ways
from tests.support.oracle import PROCESSES
from tests.support.specs import ALL, CELLS, ODD, OTHER, Case, few, reached, told
from ttrules import strategies
from ttrules.codes import ANNOTATION
from ttrules.rulebook import shipped
from ttrules.strategies.defects import DEFECTS, cells

if TYPE_CHECKING:
    from typing import TypeAlias

    from hypothesis.strategies import SearchStrategy

    from ttrules import Finding, Rulebook
    from ttrules.strategies.defects import Target

    Strategy: TypeAlias = SearchStrategy[tuple[dict[str, Any], Finding]]

pytestmark = pytest.mark.slow

cases = pytest.mark.parametrize("case", ALL, ids=str)


class TestBroken:
    """`broken`: payloads with one defect, each with the finding that it causes."""

    @pytest.mark.parametrize(("case", "entity", "field"), CELLS, ids=str)
    def test_every_cell(self, case: Case, entity: str, field: str) -> None:
        """A payload broken at a cell has the foretold finding and no other, params included, in
        every way and at every place; a cell that cannot be broken alone is refused.
        """
        if (entity, field) in unbreakable(case):
            with pytest.raises(ValueError, match=rf"breaks {entity}\.{field} alone"):
                strategies.broken(case.process, cell=(entity, field), book=case.book)
            return

        name, book = case.process, case.book
        drawn = strategies.broken(name, cell=(entity, field), book=book)
        self.break_it(1, case, drawn, entity, field)
        for target in cells(case.schema):
            for defect in DEFECTS:
                if self.is_of(target, entity, field) and defect.applies(target):
                    drawn = strategies._broken(book, name, [(target, defect)])
                    self.break_it(2, case, drawn, entity, field, defect.code)

    def is_of(self, target: Target, entity: str, field: str) -> bool:
        """Say whether a target is a place of a cell."""
        return (target.owner[ANNOTATION]["entity"], target.name) == (entity, field)

    def break_it(self, times: int, case: Case, drawn: Strategy, *told_of: str) -> None:
        """Break a cell some times, the first time in a payload as small as can be."""

        @few(times)
        @given(drawn)
        def check(pair: tuple[dict[str, Any], Finding]) -> None:
            payload, finding = pair
            assert told(case, payload) == [finding]
            assert (finding.entity, finding.field, finding.code)[: len(told_of)] == told_of
            assert finding.process == case.process

        check()

    @cases
    def test_any_cell(self, case: Case) -> None:
        """Without a cell it is any of them, in any of the ways."""
        codes: set[str] = set()

        @few(30)
        @given(strategies.broken(case.process, book=case.book))
        def check(pair: tuple[dict[str, Any], Finding]) -> None:
            payload, finding = pair
            assert told(case, payload) == [finding]
            codes.add(finding.code)

        check()
        assert len(codes) >= 3

    @pytest.mark.parametrize("process", PROCESSES)
    def test_ways_of_the_shipped_spec(self, process: str) -> None:
        """The ways to break a cell are those that the matrix and the shape have, and no fewer."""
        case = Case(shipped(), process)
        for target in cells(case.schema):
            entity = target.owner[ANNOTATION]["entity"]
            spot = Spot({target.name: ...}, entity, "/x" * len(target.path), (target.name,))
            codes = {code for _, code in _ways(spot, PROCESSES.index(process))}
            if (entity, target.name) == ("RelatedEntity", "id"):
                codes.add("process_dependent")
            if "items" in target.node:
                codes.add("length")  # too long a list is too much to inject in bulk
            assert ways(target) == codes, target[:2]

    @pytest.mark.parametrize(
        ("book", "process", "cell", "codes"),
        [
            (OTHER, "Repair Add", "ServiceOrder.summary", "required null empty type length"),
            (OTHER, "Repair Add", "ServiceOrder.placedOn", "required null empty type format"),
            (OTHER, "Repair Add", "ServiceOrder.account", "required null empty type format"),
            (OTHER, "Repair Add", "ServiceOrder.flow", "null type range"),
            (OTHER, "Repair Add", "ServiceOrder.depth", "null type range"),
            (OTHER, "Repair Add", "ServiceOrder.tags", "null type length"),
            (OTHER, "Repair Add", "ServiceOrder.visits", "null type length"),
            (OTHER, "Repair Add", "ServiceOrder.levels", "null type"),
            (OTHER, "Repair Add", "ServiceOrder.nickname", "type"),
            (OTHER, "Repair Add", "ServiceOrder.grade", "type enum"),
            (OTHER, "Repair Add", "ServiceOrder.ledger", "not_supported"),
            (OTHER, "Repair Add", "ServiceOrder.in/out~", "null type"),
            (OTHER, "Repair Add", "Site.position", "null empty type length"),
            (OTHER, "Repair Add", "Site.parcel", "null empty type process_dependent"),
            (OTHER, "Repair Change", "ServiceOrder.levels", "type"),
            (OTHER, "Legacy Correction", "ServiceOrder.ledger", "required null empty"),
            (ODD, "Odd Add", "Odd.whole", ""),
            (ODD, "Odd Add", "Odd.even", "null type range"),
            (ODD, "Odd Add", "Odd.half", "null type range"),
            (ODD, "Odd Add", "Odd.between", "null type range"),
            (ODD, "Odd Add", "Odd.both", "required null empty type length"),
            (ODD, "Odd Add", "Odd.level", "required null type enum"),
            (ODD, "Odd Add", "Odd.free", ""),
            (ODD, "Odd Add", "Odd.century", "required null empty type"),
            (ODD, "Odd Add", "Odd.initial", "null type format"),
            (ODD, "Odd Add", "Odd.huge", "null type"),
        ],
    )
    def test_ways_of_the_others(self, book: Rulebook, process: str, cell: str, codes: str) -> None:
        """Each keyword of a shape is a way to break a cell, where nothing else breaks with it."""
        found = {
            code
            for target in cells(Case(book, process).schema)
            if target.node[ANNOTATION]["cell"] == cell
            for code in ways(target)
        }
        assert found == {*codes.split()}


def ways(target: Target) -> set[str]:
    """Return the codes of the defects that a cell can have."""
    return {defect.code for defect in DEFECTS if defect.applies(target)}


#: Cells that are reached and cannot be broken alone: tests read them, or they take anything.
READ = {
    "Repair Add": {"orderKind", "prepaid", "access", "note"},
    "Repair Change": {"orderKind", "access", "note"},
    "Connection Add": {"prepaid", "access", "note"},
    "Connection Change": {"access", "note"},
    "Meter Swap Add": {"orderKind", "urgency", "access"},
    "Meter Swap Change": {"orderKind", "urgency", "access"},
    "Burst Report": {"access"},
    "Odd Add": {"whole", "free", "three"},
}


def unbreakable(case: Case) -> set[tuple[str, str]]:
    """Return the cells that no payload breaks alone: unreachable ones, and those in READ."""
    here = {(entity, field) for _, entity, field, _ in reached(case)}
    every = {(entity, field) for each, entity, field in CELLS if each == case}
    return {cell for cell in every if cell not in here or cell[1] in READ.get(case.process, ())}
