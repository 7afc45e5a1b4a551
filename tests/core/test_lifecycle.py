"""The lifecycle of a ticket: every pair of statuses against spec/lifecycle.yaml."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from tests.support.cells import stored
from tests.support.oracle import FINAL, SHAPES, SPEC
from tests.support.random_changes import judged, told
from tests.support.small_matrix import NAME, book_of, matrix_of, row
from ttrules.lifecycle import Lifecycle
from ttrules.rulebook import Rulebook, shipped

STATED = yaml.safe_load((SPEC / "lifecycle.yaml").read_text("utf-8"))
STATUSES: list[str] = SHAPES["TroubleTicketStatus"]["enum"]
MOVES = {
    (before, move["to"]) for before, following in STATED["moves"].items() for move in following
}
PAIRS = [(before, after) for before in STATUSES for after in STATUSES]
PROCESS = "Customer Trouble Ticket Add"


def moved(before: object, after: object, **kw: Any) -> list[tuple[str, str]]:
    """Return what is told of a move by a merge patch, once a JSON Patch has told the same."""
    ticket = {**stored(PROCESS), "status": before}
    change = judged(ticket, {"@type": ticket["@type"], "status": after}, **kw)
    operation = {"op": "replace", "path": "/status", "value": after}
    assert told(judged(ticket, [operation], **kw)) == told(change)
    assert change.ticket["status"] == (after if change.report.valid else before)
    return told(change)


class TestEveryMove:
    """From any state only the listed moves succeed; a refused one changes nothing."""

    def test_the_statuses(self) -> None:
        """The lifecycle is about the document's statuses and no others."""
        assert set(STATED["moves"]) == set(STATUSES)

    @pytest.mark.parametrize(("before", "after"), PAIRS)
    def test_move(self, before: str, after: str) -> None:
        """A listed move, and staying, is accepted; any other is the one finding `transition`."""
        is_fine = before == after or (before, after) in MOVES
        assert moved(before, after) == ([] if is_fine else [("transition", "/status")])

    @pytest.mark.parametrize("before", STATUSES)
    def test_what_may_follow_is_told(self, before: str) -> None:
        """The finding tells where the ticket stands and where it may go."""
        ticket = {**stored(PROCESS), "status": before}
        allowed = [after for after in STATUSES if (before, after) in MOVES]
        refused = next(s for s in STATUSES if s != before and s not in allowed)
        change = judged(ticket, {"@type": ticket["@type"], "status": refused})
        (finding,) = change.report.violations
        assert finding.params["from"] == before
        assert sorted(finding.params["allowed"]) == sorted(allowed)
        assert finding[3:7] == (
            "TroubleTicket",
            "status",
            "O",
            "Customer Trouble Ticket Change",
        )

    @pytest.mark.parametrize(
        ("status", "code"), [("open", "enum"), (3, "type"), ({}, "type"), ("", "enum")]
    )
    def test_no_status(self, status: object, code: str) -> None:
        """What is no status at all is not also a move that is refused."""
        assert moved("submitted", status) == [(code, "/status")]

    def test_null(self) -> None:
        """The status cannot be removed, by neither kind of patch."""
        ticket = stored(PROCESS)
        assert told(judged(ticket, {"@type": ticket["@type"], "status": None})) == [
            ("null", "/status")
        ]
        remove = {"op": "remove", "path": "/status"}
        assert told(judged(ticket, [remove])) == [("transition", "/status")]

    def test_no_status_stored(self) -> None:
        """A ticket without a status stands where a new one does."""
        ticket = stored(PROCESS)
        del ticket["status"]
        for after in STATUSES:
            change = judged(ticket, {"@type": ticket["@type"], "status": after})
            is_fine = after == STATED["initial"] or (STATED["initial"], after) in MOVES
            assert change.report.valid is is_fine
            for finding in change.report:
                assert finding.params["from"] == STATED["initial"]
        assert told(judged(ticket, {"@type": ticket["@type"]})) == []

    @pytest.mark.parametrize("before", ["lost", 5, None, []])
    def test_unheard_of_status_stored(self, before: object) -> None:
        """An unknown stored status has no moves, and its value is not shown."""
        ticket = {**stored(PROCESS), "status": before}
        change = judged(ticket, {"@type": ticket["@type"], "status": "closed"})
        assert told(change) == [("transition", "/status")]
        assert change.report.violations[0].params == {"from": None, "allowed": []}


class TestParties:
    """`by` narrows a move to some parties; a move without it is open to all."""

    @pytest.fixture
    def narrowed(self) -> Rulebook:
        """Give the shipped book with one move narrowed to the provider."""
        book = shipped()
        moves = {**book.matrix.lifecycle["moves"]}
        moves["submitted"] = [{"to": "acknowledged", "by": ["provider"]}, {"to": "cancelled"}]
        cycle = {**book.matrix.lifecycle, "moves": moves}
        return Rulebook(replace(book.matrix, lifecycle=cycle), book.schemas)

    @pytest.mark.parametrize(
        ("by", "after", "is_fine"),
        [
            ("operator", "acknowledged", False),
            ("provider", "acknowledged", True),
            (None, "acknowledged", True),
            ("operator", "cancelled", True),
            ("provider", "cancelled", True),
            ("provider", "rejected", False),
        ],
    )
    def test_by(self, narrowed: Rulebook, by: str | None, after: str, is_fine: bool) -> None:
        """The narrowed move is the provider's; who is not named is not asked."""
        ticket = stored(PROCESS)
        patch = {"@type": ticket["@type"], "status": after}
        change = narrowed.validate_change(ticket, patch, by=by)
        assert change.report.valid is is_fine
        if by == "operator" and not is_fine:
            assert change.report.violations[0].params["allowed"] == ["cancelled"]

    def test_without_status(self) -> None:
        """Payloads whose root has no status have no lifecycle, whatever else is stored."""
        matrix = matrix_of({"Order": {"name": row("O O", NAME)}})
        cycle = {"field": "state", "initial": "open", "moves": {"open": [], "done": []}}
        book = book_of(replace(matrix, lifecycle={**cycle, "final": {"accepts": []}}))
        stored = {"kind": "plain", "state": "done"}
        change = book.validate_change(stored, {"name": "x"})
        assert (change.report.valid, change.ticket) == (True, {**stored, "name": "x"})

    def test_shipped_moves_are_open(self) -> None:
        """The shipped lifecycle narrows no move: both sides may make each of them."""
        for before, after in MOVES:
            assert moved(before, after, by="operator") == []
            assert moved(before, after, by="provider") == []


class TestLifecycle:
    """The engine under the table."""

    cycle = Lifecycle.from_dict(STATED)

    def test_final(self) -> None:
        """A status is final if no move leads from it."""
        assert set(self.cycle.final) == set(FINAL)

    def test_initial(self) -> None:
        """A new ticket is submitted, and every status can be reached from there."""
        reached = {self.cycle.initial}
        for _ in STATUSES:
            reached |= {after for before in reached for after in self.cycle.followers(before)}
        assert self.cycle.initial == "submitted"
        assert reached == set(STATUSES)

    @pytest.mark.parametrize("status", ["lost", None, 5, []])
    def test_unknown(self, status: object) -> None:
        """Nothing follows what is no status; it may only stay."""
        assert self.cycle.followers(status) == ()
        assert self.cycle.allows(status, status)
        assert not self.cycle.allows(status, "submitted")
        assert not self.cycle.allows("submitted", status)

    def test_compiled(self) -> None:
        """The compiled book has the lifecycle of the spec."""
        assert shipped().lifecycle == self.cycle
