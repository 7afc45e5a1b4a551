"""Fixtures of the tests of checking files."""

from __future__ import annotations

from tests.support.command_line import file, run, spec, stored, ticket, ttrules, wrong
