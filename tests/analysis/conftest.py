"""Fixtures of the tests of `ttrules explain` and `ttrules lint`."""

from __future__ import annotations

from tests.support.command_line import other, run, spec
