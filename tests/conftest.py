"""Fixtures and settings of all tests.

The Hypothesis profile is the one that HYPOTHESIS_PROFILE names; without it `ci` where CI is set,
and `dev` elsewhere.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.servers import Server

#: A busy machine is slow, which is no defect of the code: no deadline, and no check of speed.
_CALM = (HealthCheck.too_slow,)

settings.register_profile("dev", deadline=None, max_examples=30, suppress_health_check=_CALM)
settings.register_profile(
    "ci", deadline=None, max_examples=30, derandomize=True, suppress_health_check=_CALM
)
settings.register_profile("thorough", deadline=None, max_examples=400, suppress_health_check=_CALM)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev")
)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that runs the tests in the background makes them ignore SIGINT, and the programs that
    # they start inherit that. Some tests interrupt these programs.
    signal.signal(signal.SIGINT, signal.default_int_handler)


#: Modules whose single tests take longest. They are started first, so that no process of pytest is
#: left alone with one at the end.
_LONGEST = ("test_schemathesis", "test_edits", "test_docs_runner", "test_killing", "test_processes")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest tests first; the order is otherwise unchanged."""
    places = {name: number for number, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


# Defined once, not in the folders that use them, so that each process of pytest starts one server
# for each kind of database. Imports are inside, because most tests need no server.
@pytest.fixture(
    scope="session",
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)],
)
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the URL of an empty database, of each kind in turn."""
    from tests.support.databases import postgresql

    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('sqlite')}/tickets.db"
    return postgresql()


@pytest.fixture(scope="session")
def server(database: str) -> Iterator[Server]:
    """Return a running server, on each kind of database in turn."""
    from tests.support.servers import serving

    with serving(database) as running:
        yield running
