"""Fixtures of the tests in a browser."""

from __future__ import annotations

from tests.support.browsers import browser, look
