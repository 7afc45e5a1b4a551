"""Law 1, in bulk: three readings of the matrix agree, and one defect is one finding."""

from __future__ import annotations

import os
from random import Random

import pytest

import ttrules
from tests.support.injected_faults import inject
from tests.support.oracle import UNWANTED
from tests.support.payloads import make
from tests.support.readings import agreed, found

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("uncounted")]

PAYLOADS = int(os.environ.get("TTRULES_PAYLOADS", "2000"))
BATCH = 1_000
#: How many defects a payload is given: none, one, or several.
DEFECTS = (0, 1, 1, 2, 3, 5, 8)
#: What is told and leaves a payload valid.
WARNINGS = {UNWANTED["-"], "unknown_field"}


@pytest.mark.parametrize("batch", range(PAYLOADS // BATCH))
@pytest.mark.parametrize("process", ttrules.processes())
def test_readings_agree(process: str, batch: int) -> None:
    """In thousands of payloads: the same findings from all readings, as many as defects."""
    for number in range(batch * BATCH, (batch + 1) * BATCH):
        draw = Random(f"{process} {number}")
        payload, count = make(process, draw), draw.choice(DEFECTS)
        defects = inject(payload, process, count, draw)
        report = agreed(payload, process)
        assert found(report) == defects, (number, payload)
        assert len(defects) == count, (number, payload)
        assert report.valid is ({code for _, code in defects} <= WARNINGS)
