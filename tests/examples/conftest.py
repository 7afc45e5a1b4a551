"""Fixtures of the tests of made-up payloads."""

from __future__ import annotations

from tests.support.command_line import other, other_book, run, spec
