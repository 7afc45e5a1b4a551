"""Fixtures of the tests of the API."""

from __future__ import annotations

from tests.support.servers import api, backoffice, logging_as_before, other
