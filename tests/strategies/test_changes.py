"""What hypothesis is given: `changes`, patches that a stored ticket accepts."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable

import ttrules
from tests.support.oracle import MATRIX, PROCESSES, _may_remove
from tests.support.payloads import make
from tests.support.specs import OTHER, few, look
from ttrules import strategies
from ttrules.rulebook import shipped

if TYPE_CHECKING:
    from ttrules import Rulebook

pytestmark = pytest.mark.slow

STATUSES = shipped().matrix.lifecycle["moves"]
ADD = [process for process in PROCESSES if process.endswith(" Add")]


def stored(process: str, status: str, number: int) -> dict[str, Any]:
    """Return a ticket as a server keeps it, with what the server adds to it and to its notes."""
    ticket = make(process, Random(f"{process} {number}"))
    for index, note in enumerate(ticket.get("note", ())):
        note.update({"id": f"n{index}", "notedate": "2026-03-01T09:00:00Z"})
    return {**ticket, "id": "T-1", "href": "/troubleTicket/T-1", "status": status}


def names(patch: dict[str, Any] | list[dict[str, Any]]) -> set[str]:
    """Return the members of the ticket that a patch is about."""
    if isinstance(patch, dict):
        return {*patch}
    return {operation["path"].split("/")[1] for operation in patch}


class TestShipped:
    """`changes`: patches that the stored ticket `current` accepts."""

    @pytest.mark.parametrize("status", STATUSES)
    @pytest.mark.parametrize("process", ADD)
    def test_accepted(self, process: str, status: str) -> None:
        """Tickets of both types, in each status, accept them; on both engines, whole and in part.

        Among them are merge patches and JSON Patches, and every move from the status, and none.
        """
        kinds, moves = set(), set()

        @few(25)
        @given(st.data(), st.integers(0, 50))
        def check(data: st.DataObject, number: int) -> None:
            ticket = stored(process, status, number)
            patch = data.draw(strategies.changes(ticket))
            change = ttrules.validate_change(ticket, patch)
            assert change.report.violations == ()
            assert change == ttrules.validate_change(ticket, patch, engine="reference")
            kinds.add(type(patch))
            moves.add(change.ticket["status"])

        check()
        assert kinds == {dict, list}
        assert status in moves
        assert moves <= {status, *(move["to"] for move in STATUSES[status])}
        assert len(moves) > 1 or not STATUSES[status]

    @pytest.mark.parametrize("process", ADD)
    def test_of_everything(self, process: str) -> None:
        """Every member that a change may hold is in some patch, and is removed, replaced, added;
        lists are added to as well.
        """
        column = PROCESSES.index(process) + 1
        merged: set[str] = set()
        listed: set[str] = set()
        removed: set[str] = set()
        ways: set[str] = set()

        rows = MATRIX["entities"]["TroubleTicket"]
        allowed = {name for name, codes in rows.items() if codes[column] not in {"P", "-"}}

        def see(patch: dict[str, Any] | list[dict[str, Any]]) -> None:
            (merged if isinstance(patch, dict) else listed).update(names(patch))
            if isinstance(patch, dict):
                removed.update(name for name, value in patch.items() if value is None)
                return
            for operation in patch:
                is_end = operation["path"].endswith("/-")
                ways.add("append" if is_end else operation["op"])

        tickets = st.integers(0, 50).map(lambda number: stored(process, "submitted", number))
        look(
            tickets.flatmap(strategies.changes),
            see,
            lambda: merged == listed == allowed,
            lambda: bool(removed) and len(ways) == 3,
        )
        assert merged == allowed
        assert listed == allowed
        assert removed
        assert all(_may_remove("TroubleTicket", name, column) for name in removed)
        assert ways == {"add", "remove", "append"}

    def test_what_may_not_be_altered_is_repeated(self) -> None:
        """Immutable members are sent as they are stored."""
        ticket = stored("Complaint Add", "submitted", 3)

        @few(20)
        @given(strategies.changes(ticket))
        def check(patch: dict[str, Any] | list[dict[str, Any]]) -> None:
            if isinstance(patch, dict):
                assert patch["@type"] == ticket["@type"]
                assert patch.get("href", ticket["href"]) == ticket["href"]

        check()

    def test_a_ticket_of_no_type(self) -> None:
        """A ticket of a type that may not be changed has no changes."""

        @few(1)
        @given(strategies.changes({"ticketType": "Praise"}))
        def check(_: object) -> None:
            pytest.fail("there is no such change")

        with pytest.raises(ttrules.ProcessNotSelected):
            check()


def ticket_of(book: Rulebook, process: str, data: st.DataObject, **more: str) -> dict[str, Any]:
    """Return a ticket that a payload of an Add process made, as the server keeps it."""
    return {**data.draw(strategies.payloads(process, book=book)), **more}


class TestOther:
    """The same of another spec, which has a lifecycle of its own and nulls inside objects."""

    @pytest.mark.parametrize("process", ["Repair Add", "Connection Add", "Meter Swap Add"])
    @pytest.mark.parametrize("state", ["open", "planned", "done"])
    def test_accepted(self, process: str, state: str) -> None:
        """Orders of each kind that has changes, in several states, accept them."""
        kinds = set()

        @few(20)
        @given(st.data())
        def check(data: st.DataObject) -> None:
            order = ticket_of(OTHER, process, data, id="f81d4fae-7dec-11d0-a765-00a0c91e6bf6")
            order["state"] = state
            patch = data.draw(strategies.changes(order, book=OTHER))
            assert OTHER.validate_change(order, patch).report.violations == ()
            kinds.add(type(patch))

        check()
        assert kinds == {dict, list}

    @pytest.mark.parametrize(
        ("by", "states"),
        [
            ("customer", {"open", "dropped"}),
            ("provider", {"open", "planned", "dropped"}),
            (None, {"open", "planned", "dropped"}),
        ],
    )
    def test_by_whom(self, by: str | None, states: set[str]) -> None:
        """A party makes the moves that it may make; without one, all are made."""
        seen = set()
        order: dict[str, Any] = {
            "orderKind": "repair",
            "summary": "Leak",
            "placedOn": "2026-03-01",
            "state": "open",
        }
        order |= {"account": "AB-1234", "contact": {"name": "Ada", "phone": "1", "badge": "7"}}

        def see(patch: dict[str, Any] | list[dict[str, Any]]) -> None:
            change = OTHER.validate_change(order, patch, by=by)
            assert change.report.violations == ()
            seen.add(change.ticket["state"])

        look(strategies.changes(order, book=OTHER, by=by), see, lambda: seen == states)
        assert seen == states

    def test_an_order_without_counterpart(self) -> None:
        """What has no Add process can be changed as well."""

        @few(20)
        @given(st.data())
        def check(data: st.DataObject) -> None:
            order = ticket_of(OTHER, "Legacy Correction", data)
            patch = data.draw(strategies.changes(order, book=OTHER))
            assert OTHER.validate_change(order, patch).report.violations == ()

        check()

    def test_nothing_is_accepted(self) -> None:
        """Where a required member may not be altered and none is stored, there is no change."""

        @settings(few(4), suppress_health_check=[HealthCheck.filter_too_much])
        @given(strategies.changes({"orderKind": "legacy"}, book=OTHER))
        def check(_: object) -> None:
            pytest.fail("there is no such change")

        with pytest.raises(Unsatisfiable):
            check()
