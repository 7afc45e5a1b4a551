"""Fixtures of the tests of the database layer."""

from __future__ import annotations

from tests.support.databases import address, one, store
from tests.support.servers import logging_as_before
