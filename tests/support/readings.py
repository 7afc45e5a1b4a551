"""The three readings of one payload, which must agree: fast engine, reference engine, oracle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ttrules
from tests.support.oracle import oracle

if TYPE_CHECKING:
    from ttrules import Report


def found(report: Report) -> set[tuple[str, str]]:
    """Return pointer and code of every finding of a report."""
    return {(finding.pointer, finding.code) for finding in report}


def agreed(payload: object, process: str) -> Report:
    """Return the report on a payload once all three readings have been seen to agree on it."""
    report = ttrules.validate(payload, process)
    assert ttrules.validate(payload, process, engine="reference") == report
    assert found(report) == oracle(payload, process)
    assert len(found(report)) == len(list(report)), "one place has one finding"
    return report
