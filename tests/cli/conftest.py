"""Fixtures of the tests of the command line."""

from __future__ import annotations

from tests.support.command_line import (
    file,
    other,
    other_book,
    run,
    spec,
    stored,
    ticket,
    ttrules,
    wrong,
)
