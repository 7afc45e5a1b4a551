"""Fixtures of the tests of exported files."""

from __future__ import annotations

from tests.support.command_line import other, other_book, run, spec
