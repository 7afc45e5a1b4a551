"""Fixtures of the tests of laws."""

from __future__ import annotations

from tests.support.coverage import uncounted
