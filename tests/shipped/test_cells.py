"""All 300 cells of the matrix, each shown to do what its code says: one test a cell.

Each test is derived from spec/requirements.yaml, and each payload is judged three times: by the
fast engine, by the reference engine and by the oracle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import ttrules
from tests.support.cells import CELLS, RELATED, ROOT, Cell, place, route, value_for
from tests.support.oracle import MATRIX, PROCESSES, _may_remove, shape_of
from tests.support.readings import agreed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ttrules import Report
    from ttrules.codes import Unsupported

#: What may stand in a member that is not looked into: of the right type, of a wrong one, nothing.
ANYTHING: tuple[Any, ...] = (None, "", "some text", 0, True, 1.5, [], [None], {}, {"a": {"b": []}})
BLANK = ("", " ", "\t\r\n", "\u3000\u00a0\u2009\ufeff")


def _barred(cell: Cell) -> bool:
    """Say whether no payload reaches a cell, since a cell on the way to it is P or -."""
    return place(cell.process, cell.entity).barred is not None


def _cells(*codes: str) -> pytest.MarkDecorator:
    """Parametrise a test with the cells of some codes that a payload can reach."""
    chosen = [cell for cell in CELLS if cell.code in codes and not _barred(cell)]
    return pytest.mark.parametrize("cell", chosen, ids=str)


def _told(report: Report) -> list[tuple[str, str, str, str | None, str | None, str | None]]:
    """Return what a report says, less the words: severity, code, place, and the cell."""
    assert all(finding.process == report.process for finding in report)
    return [
        (each.severity, each.code, each.pointer, each.entity, each.field, each.requirement)
        for each in report
    ]


def _one(
    severity: str, code: str, at: str, cell: Cell
) -> list[tuple[str, str, str, str | None, str | None, str | None]]:
    """Return what a report says that has one finding, on this cell."""
    return [(severity, code, f"{at}/{cell.field}", cell.entity, cell.field, cell.code)]


def _owners(cell: Cell) -> Iterator[tuple[dict[str, Any], dict[str, Any], str]]:
    """Yield valid payloads, full and small, with the owner of the cell in each."""
    yield place(cell.process, cell.entity)[:3]
    yield place(cell.process, cell.entity, "minimal", 1)[:3]


class TestTheTable:
    """The matrix that the tests are derived from is the document's."""

    def test_every_cell_has_its_test(self) -> None:
        """Each row has a cell for each process, and each cell a test for its code."""
        rows = sum(len(fields) for fields in MATRIX["entities"].values())
        assert len({cell[:3] for cell in CELLS}) == rows * len(PROCESSES)
        assert {cell.code for cell in CELLS} <= {"R", "O", "P", "-", "R/PD", "O/PD"}
        assert ttrules.processes() == tuple(PROCESSES)

    @pytest.mark.parametrize("cell", CELLS, ids=str)
    def test_the_book_holds_the_cell(self, cell: Cell) -> None:
        """`ttrules.cell` gives the code of the matrix, cell by cell."""
        assert ttrules.cell(cell.entity, cell.field, cell.process).requirement == cell.code

    def test_entities_that_no_payload_reaches(self) -> None:
        """No payload reaches the members of a channel, a status change or a relationship."""
        barred = {cell.entity for cell in CELLS if _barred(cell)}
        assert barred == {"ChannelRef", "StatusChange", "TroubleTicketRelationship"}


@_cells("R")
def test_required(cell: Cell) -> None:
    """R: gone is `required`, null is `null`, and no content is `empty`; each is the one finding."""
    for payload, owner, at in _owners(cell):
        sent = owner.pop(cell.field)
        assert _told(agreed(payload, cell.process)) == _one("error", "required", at, cell)
        owner[cell.field] = None
        assert _told(agreed(payload, cell.process)) == _one("error", "null", at, cell)
        is_list = shape_of(cell.entity, cell.field)["type"] == "array"
        for nothing in ([],) if is_list else BLANK:
            owner[cell.field] = nothing
            assert _told(agreed(payload, cell.process)) == _one("error", "empty", at, cell)
        owner[cell.field] = sent
        assert _told(agreed(payload, cell.process)) == []


@_cells("O", "O/PD")
def test_optional(cell: Cell) -> None:
    """O: present and absent are both fine; null is neither, but where it may remove the member."""
    for payload, owner, at in _owners(cell):
        owner[cell.field] = value_for(cell.entity, cell.field, cell.process)
        assert _told(agreed(payload, cell.process)) == []
        owner[cell.field] = None
        is_top, column = cell.entity == ROOT, PROCESSES.index(cell.process)
        removes = is_top and _may_remove(cell.entity, cell.field, column)
        expected = [] if removes else _one("error", "null", at, cell)
        assert _told(agreed(payload, cell.process)) == expected
        del owner[cell.field]
        assert _told(agreed(payload, cell.process)) == []


@_cells("O")
def test_optional_may_be_empty(cell: Cell) -> None:
    """O: an empty text or list that is sent has content enough, where the type lets it be."""
    shape = shape_of(cell.entity, cell.field)
    empty = {"string": "", "array": [], "object": {}}.get(shape.get("type", ""))
    if empty is None or shape.keys() & {"enum", "format", "pattern", "minLength", "minItems"}:
        empty = value_for(cell.entity, cell.field, cell.process)
    for payload, owner, _ in _owners(cell):
        owner[cell.field] = empty
        assert _told(agreed(payload, cell.process)) == []


@_cells("P")
def test_prohibited(cell: Cell) -> None:
    """P: a member that is there is the one finding `prohibited`, null and any content included."""
    good = value_for(cell.entity, cell.field, cell.process)
    for payload, owner, at in _owners(cell):
        for sent in (good, *ANYTHING):
            owner[cell.field] = sent
            assert _told(agreed(payload, cell.process)) == _one("error", "prohibited", at, cell)
            assert _under("ignore", payload, cell) == _one("error", "prohibited", at, cell)
        del owner[cell.field]
        assert _told(agreed(payload, cell.process)) == []


@_cells("-")
def test_unsupported(cell: Cell) -> None:
    """-: any content is let through with one warning, is one error when strict, or is nothing."""
    good = value_for(cell.entity, cell.field, cell.process)
    for payload, owner, at in _owners(cell):
        for sent in (good, *ANYTHING):
            owner[cell.field] = sent
            report = agreed(payload, cell.process)
            assert _told(report) == _one("warning", "not_supported", at, cell)
            assert report.valid
            assert _under("error", payload, cell) == _one("error", "not_supported", at, cell)
            assert _under("ignore", payload, cell) == []
        del owner[cell.field]
        assert _told(agreed(payload, cell.process)) == []


def _under(policy: Unsupported, payload: object, cell: Cell) -> list[Any]:
    """Return what is told under a policy, once both engines have told it."""
    report = ttrules.validate(payload, cell.process, unsupported=policy)
    slow = ttrules.validate(payload, cell.process, unsupported=policy, engine="reference")
    assert report == slow
    assert report.valid is not any(finding.severity == "error" for finding in report)
    return _told(report)


@_cells("R/PD")
def test_process_dependent(cell: Cell) -> None:
    """R/PD: either of the two names the entity; without both there is one finding, at the first."""
    (other,) = (field for entity, field in RELATED if field != cell.field)
    for payload, owner, at in _owners(cell):
        owner.pop(other, None)
        owner[cell.field] = "E-1"
        assert _told(agreed(payload, cell.process)) == []
        for nothing in BLANK:
            owner[cell.field] = nothing
            assert _told(agreed(payload, cell.process)) == _one("error", "empty", at, cell)
        owner[cell.field] = None
        assert _told(agreed(payload, cell.process)) == _one("error", "null", at, cell)
        owner[other] = "E-2"
        assert _told(agreed(payload, cell.process)) == _one("error", "null", at, cell)
        del owner[cell.field]
        assert _told(agreed(payload, cell.process)) == []
        del owner[other]
        first = cell._replace(field="id")
        report = agreed(payload, cell.process)
        assert _told(report) == _one("error", "process_dependent", at, first)
        assert report.violations[0].params == {
            "relation": "at_least_one",
            "fields": ["id", "externalId"],
        }


@pytest.mark.parametrize("cell", [cell for cell in CELLS if _barred(cell)], ids=str)
def test_unreachable(cell: Cell) -> None:
    """A cell below a P or - member is never evaluated: whatever is sent there, the one finding is
    on that member, and it is the same as for any other content.
    """
    found = place(cell.process, cell.entity)
    payload, owner, _, barred = found
    assert barred is not None
    pointer, code = barred
    severity, told = ("error", "prohibited") if code == "P" else ("warning", "not_supported")
    above = Cell(ROOT, route(cell.entity)[0], cell.process, code)
    assert pointer == f"/{above.field}"
    good = value_for(cell.entity, cell.field, cell.process)
    for sent in (good, *ANYTHING):
        owner[cell.field] = sent
        assert _told(agreed(payload, cell.process)) == _one(severity, told, "", above)
    owner.clear()
    assert _told(agreed(payload, cell.process)) == _one(severity, told, "", above)
    payload[above.field] = [[{"no such member": None}]]
    assert _told(agreed(payload, cell.process)) == _one(severity, told, "", above)
