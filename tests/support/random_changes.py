"""Judging a change and seeing, each time, that it obeys what holds for every change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ttrules
from tests.support.cells import ROOT, senders
from tests.support.oracle import DECIDED, LIFECYCLE
from tests.support.readings import agreed

if TYPE_CHECKING:
    from ttrules.codes import Unsupported


def judged(
    ticket: Any, patch: Any, *, unsupported: Unsupported | None = None, by: str | None = None
) -> ttrules.Change:
    """Return a change, which both engines give; an accepted one leaves what Add accepts, with every
    stored note and attachment as it was, a refused one the ticket as it was; neither the ticket nor
    the patch is changed. What a final ticket does not accept stays as it was.
    """
    before = repr((ticket, patch))
    change = ttrules.validate_change(ticket, patch, unsupported=unsupported, by=by)
    other = ttrules.validate_change(
        ticket, patch, unsupported=unsupported, by=by, engine="reference"
    )
    assert other == change
    assert repr((ticket, patch)) == before
    if change.report.valid:
        add = change.ticket["ticketType"].replace("_", " ") + " Add"
        assert list(agreed(senders(change.ticket, ROOT, add), add)) == []
        for name in DECIDED["append_only"]["fields"][ROOT]:
            if isinstance(ticket.get(name), list) and None not in ticket[name]:
                assert change.ticket.get(name, [])[: len(ticket[name])] == ticket[name]
        if not LIFECYCLE["moves"].get(ticket.get("status"), True):
            accepted = {*LIFECYCLE["final"]["accepts"], "channel", "ticketSubtype"}
            for name in (ticket.keys() | change.ticket.keys()) - accepted:
                assert change.ticket[name] == ticket[name]
    else:
        assert change.ticket == ticket
    places = [finding.pointer for finding in change.report.violations]
    assert len(places) == len(set(places)), "one defect is one finding"
    return change


def told(change: ttrules.Change) -> list[tuple[str, str]]:
    """Return code and pointer of what the report on a change says, in its order."""
    return [(finding.code, finding.pointer) for finding in change.report]
