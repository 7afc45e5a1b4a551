"""Delivery when processes die: a shortened `make soak`. A second process on the same SQLite file is
refused, which tests/storage/test_database.py holds.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.soak import delivery
from tests.soak.figures import CAP
from tests.soak.killed_processes import running
from tests.support.databases import DATABASES

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

STRACE = shutil.which("strace")
#: A container may forbid what strace does, wherever it is installed.
IS_TRACED = (
    STRACE is not None
    and subprocess.run([STRACE, "-o", os.devnull, "true"], check=False).returncode == 0
)


@pytest.mark.parametrize("kind", DATABASES)
def test_dispatchers(kind: str, tmp_path: Path) -> None:
    """The process that delivers may be killed at any time. Every event arrives at least once, its
    first arrival in the order of its ticket, each time with the same id and bytes; only the events
    that were being sent are repeated.
    """
    figures = delivery.kill_dispatchers(kind, tmp_path, 5, 30)
    assert (figures.kills, figures.changes) == (5, 150)


@pytest.mark.skipif(not IS_TRACED, reason="strace, which counts what is synced, does not work here")
def test_synced(tmp_path: Path) -> None:
    """On SQLite each change that is answered has been synced to the disk: a kill alone cannot show
    that, since what a process has written outlives it.
    """
    counted = tmp_path / "calls"
    with running(f"sqlite:///{tmp_path}/tickets.db", tmp_path) as site:
        site.end()
        site.around = (str(STRACE), "-f", "-e", "trace=fsync,fdatasync", "-o", str(counted))
        site.start("serve")
        assert site.ask("DELETE", "/hub").status_code == 204
        for turn in range(100):
            assert site.change_is_made(f"change {turn}")
        site.end()
    synced = re.findall(r"\b(?:fsync|fdatasync)\(", counted.read_text("ascii"))
    assert len(synced) >= len(site.changed) == 100


@pytest.mark.parametrize("kind", DATABASES)
def test_api(kind: str, tmp_path: Path) -> None:
    """The process that serves may be killed while it writes: confirmed changes are stored and
    delivered, there is no event without its change, and the file is intact.
    """
    figures = delivery.kill_the_api(kind, tmp_path, 3, 60)
    assert (figures.kills, figures.changes) == (3, 180)


@pytest.mark.postgres
def test_stopped(tmp_path: Path) -> None:
    """A dispatcher that sleeps for longer than its claims hold loses them, and when it wakes sends
    no more than what it had begun with.
    """
    figures = delivery.stop_a_dispatcher(tmp_path, 60)
    assert figures.stale <= CAP


@pytest.mark.postgres
def test_restarted(tmp_path: Path) -> None:
    """PostgreSQL may fail and come back: nothing that was answered is lost, all works within 10 s,
    and no request fails from then on.
    """
    figures, recovery = delivery.restart_postgresql(tmp_path, 60)
    assert figures.changes > 60
    assert recovery < delivery.RECOVERY
