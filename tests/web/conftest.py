"""Fixtures of the tests of documents and pages."""

from __future__ import annotations

from tests.support.servers import api, logging_as_before
