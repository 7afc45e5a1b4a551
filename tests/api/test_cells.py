"""Every cell of the matrix over HTTP: the server says what ttrules says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import ttrules
from tests.support.cells import CELLS, payload_of, place, value_for
from tests.support.databases import alternating
from tests.support.exchanges import told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.cells import Cell
    from tests.support.servers import Client
    from ttrules import Report

pytestmark = pytest.mark.slow

GONE = object()


@pytest.fixture(scope="module")
def stored() -> dict[tuple[str, str], dict[str, Any]]:
    """Give a place for one stored ticket of each type and server."""
    return {}


def variants(cell: Cell) -> Iterator[dict[str, Any]]:
    """Yield payloads of the cell's process: with the field, without it, null, and empty."""
    good = value_for(cell.entity, cell.field, cell.process)
    for value in (good, GONE, None, "", []):
        where = place(cell.process, cell.entity)
        if value is GONE:
            where.owner.pop(cell.field, None)
        else:
            where.owner[cell.field] = value
        yield where.payload


def said(report: Report) -> list[tuple[str, str]]:
    """Return code and pointer of the violations of a report."""
    return [(each.code, each.pointer) for each in report.violations]


@alternating("cell", CELLS)
def test_cell(cell: Cell, api: Client, stored: dict[tuple[str, str], dict[str, Any]]) -> None:
    """The verdict on each way to send a field, or not to, is that of ttrules."""
    if cell.process.endswith("Add"):
        for payload in variants(cell):
            report = ttrules.validate_new(payload)
            assert told(api.post("/troubleTicket", json=payload)) == said(report)
        return
    key = api.root, cell.process
    if key not in stored:
        new = payload_of(cell.process.replace("Change", "Add"), "minimal")
        stored[key] = api.created(**new)
    ticket = stored[key]
    for payload in variants(cell):
        # What may be repeated but not altered, and a move, are no matter of a cell.
        payload.update({name: ticket[name] for name in ("href", "@type") if payload.get(name)})
        if payload.get("status"):
            payload["status"] = ticket["status"]
        report, _ = ttrules.validate_change(ticket, payload)
        answer = api.patch(f"/troubleTicket/{ticket['id']}", data=json.dumps(payload), headers=JSON)
        assert told(answer) == said(report)
        if answer.ok:
            stored[key] = ticket = answer.json()


JSON = {"Content-Type": "application/json"}
