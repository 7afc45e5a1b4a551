"""Fixtures of the tests of `python -m server`."""

from __future__ import annotations

from tests.support.servers import api, backoffice, logging_as_before, other
