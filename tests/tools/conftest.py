"""Fixtures of the tests that run other tools."""

from __future__ import annotations

from tests.support.servers import logging_as_before
