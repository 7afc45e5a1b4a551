"""Fixtures of the tests of delivery."""

from __future__ import annotations

from tests.support.databases import address, one, store
