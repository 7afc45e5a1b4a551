"""Fixtures of the tests of the docs."""

from __future__ import annotations

from tests.support.servers import logging_as_before
