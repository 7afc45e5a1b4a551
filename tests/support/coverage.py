"""Tests that run without coverage, because they only repeat what other tests cover."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from coverage import Coverage

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def uncounted() -> Iterator[None]:
    """Measure no coverage during a test: measuring takes longer than the test itself."""
    counting = Coverage.current()
    if counting is not None:
        counting.stop()
    yield
    if counting is not None:
        counting.start()
