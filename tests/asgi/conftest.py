"""Fixtures of the tests of the ASGI layers."""

from __future__ import annotations

from tests.support.servers import api, logging_as_before
