"""Member names that read as numbers, which the fast engine tells as such."""

from __future__ import annotations

import pytest

from tests.support.cells import payload_of
from tests.support.readings import agreed

NAMES = (
    *("5", "05", "+5", "005", "6", "0", "00", "-1", "1_0", " 5", "5 ", "5e0", "\u0665", ""),
    "9" * 30,
)


@pytest.mark.parametrize("name", NAMES)
def test_one(name: str) -> None:
    """A member that nobody knows is told by its own name, whatever it reads as."""
    payload = payload_of("Complaint Add", "minimal")
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
    payload = payload_of("Complaint Add", "minimal")
    payload["relatedParty"] = [1, payload["relatedParty"][0], "x"]
    report = agreed(payload, "Complaint Add")
    assert [finding.pointer for finding in report] == ["/relatedParty/0", "/relatedParty/2"]
