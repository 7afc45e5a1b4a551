"""The tickets that the benchmarks measure with, the same in every run."""

from __future__ import annotations

import base64
import json
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any, Final

from tests.support.injected_faults import inject
from ttrules.examples.generate import example
from ttrules.rulebook import shipped

PROCESS: Final = "Customer Trouble Ticket Add"
FILE: Final = (
    Path(__file__).parents[2] / "docs/examples/customer-trouble-ticket-add/valid.json"
).resolve()
_ATTACHED: Final = 1 << 20

Ticket = dict[str, Any]


def small() -> Ticket:
    """Return a valid ticket of some 1 KB, with a note, an attachment and two parties."""
    ticket: Ticket = json.loads(FILE.read_bytes())
    return ticket


def large() -> Ticket:
    """Return the same ticket with an attachment of 1 MiB before it is written in base64."""
    ticket = small()
    ticket["attachment"][0]["content"] = base64.b64encode(Random(1).randbytes(_ATTACHED)).decode()
    return ticket


def broken() -> Ticket:
    """Return a ticket with four findings: missing, prohibited, out of range and empty."""
    ticket = small()
    del ticket["origin"]
    ticket["status"] = "submitted"
    ticket["priority"] = 11
    ticket["note"][0]["text"] = " "
    return ticket


def broken_in_values() -> Ticket:
    """Return a ticket with four findings, none of them on a missing member.

    To say that a member is missing costs an engine most, since it copies the object around it.
    """
    ticket = small()
    ticket["origin"] = "Fax"
    ticket["status"] = "submitted"
    ticket["priority"] = 11
    ticket["note"][0]["text"] = " "
    return ticket


def mixed(count: int) -> list[Ticket]:
    """Return made-up tickets, half of them broken in one to three ways."""
    tickets = []
    for seed in range(count):
        ticket = deepcopy(example(shipped(), PROCESS, "typical", seed))
        inject(ticket, PROCESS, seed % 2 * (1 + seed % 3), Random(seed))
        tickets.append(ticket)
    return tickets
