"""Engines of SQLAlchemy for both kinds of databases, with a time limit on every wait.

SQLite gives up waiting for a lock after the limit. PostgreSQL gets a limit for statements and one
for locks; a server that hangs observes neither, so that the driver itself gives up a moment later
and closes the connection.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import psycopg
from sqlalchemy import create_engine, event

from server.errors import Refused
from server.sentences import Told

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from sqlalchemy import URL, Connection, Engine

#: How long a statement waits for a row that somebody else has locked, in seconds: in the writer,
#: and in the writer once it has met such a row in this transaction.
LOCK_WAIT: Final = 0.1
SHORT_LOCK_WAIT: Final = 0.01
#: How much longer the driver waits than the server is allowed to take, in seconds.
_GRACE: Final = 0.5
#: After how many instructions SQLite asks whether to go on: about a millisecond.
_INSTRUCTIONS: Final = 50_000


class _Bounded(psycopg.Connection[Any]):
    """A connection that waits so many seconds for an answer, and then is closed."""

    patience: float | None = None

    def wait(self, gen: Any, *more: Any, **named: Any) -> Any:  # noqa: ANN401 - as psycopg has it
        """Return what a statement returns. Raises OperationalError when no answer comes."""
        return super().wait(self._within(gen), *more, **named)

    def _within(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """Yield what psycopg waits for, which comes back empty ten times a second."""
        begun = time.monotonic()
        ready = None
        while True:
            try:
                wanted = gen.send(ready)
            except StopIteration as ended:
                return ended.value
            ready = yield wanted
            if not ready and self.patience and time.monotonic() - begun > self.patience:
                gen.close()
                self.pgconn.finish()
                message = f"no answer within {self.patience:g} seconds"
                raise psycopg.OperationalError(message)


def make_engine(url: URL, connections: int, *, timeout: float, writes: bool = False) -> Engine:
    """Return an engine with so many connections, in which no wait exceeds `timeout` seconds."""
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, connections, timeout, writes=writes)
    engine = create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=timeout,
        pool_pre_ping=True,
        hide_parameters=True,
    )

    @event.listens_for(engine, "do_connect")
    def _connected(_dialect: object, _record: object, places: Any, names: Any) -> Any:  # noqa: ANN401 - psycopg's
        names.setdefault("connect_timeout", max(2, round(timeout)))  # less is not possible
        connection = _Bounded.connect(*places, **names)
        connection.patience = timeout + _GRACE
        connection.execute(
            f"SET statement_timeout = {round(timeout * 1000)};"
            f" SET lock_timeout = {round(LOCK_WAIT * 1000)}"
        )
        connection.commit()
        return connection

    return engine


def _sqlite(url: URL, connections: int, timeout: float, *, writes: bool) -> Engine:
    engine = create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=timeout,
        hide_parameters=True,
        connect_args={"check_same_thread": False, "timeout": timeout},
    )

    @event.listens_for(engine, "connect")
    def _opened(connection: Any, _: object) -> None:  # noqa: ANN401 - sqlite3's
        connection.isolation_level = None  # begin is emitted below
        pragmas = ["journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-65536"]
        if not writes:
            pragmas += ["wal_autocheckpoint=0", "query_only=ON"]
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def driver_of(connection: Connection) -> Any:  # noqa: ANN401 - sqlite3's or psycopg's
    """Return the driver's connection."""
    return connection.connection.driver_connection


def without_limits(connection: Connection) -> None:
    """Let the statements of a transaction take as long as they take: a migration does."""
    if connection.dialect.name != "sqlite":
        driver_of(connection).patience = None
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql("SET LOCAL lock_timeout = 0")


def limit_locks(connection: Connection, seconds: float) -> None:
    """Wait for a locked row no longer than this, in a transaction of PostgreSQL."""
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {round(seconds * 1000)}")


class Deadline:
    """The time limit of one query: of its statements, and of the code around them."""

    def __init__(
        self, seconds: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._end = None if seconds is None else clock() + seconds

    @property
    def is_over(self) -> bool:
        """Whether the time is over."""
        return self._end is not None and self._clock() > self._end

    def check(self) -> None:
        """Raise Refused(unavailable) when the time is over."""
        if self.is_over:
            raise self.refused()

    def refused(self) -> Refused:
        """Return the answer to a query that takes too long."""
        told = Told("narrow", seconds=f"{self._seconds:g}")
        return Refused("unavailable", told, headers={"Retry-After": "5"})

    @contextmanager
    def limiting(self, connection: Connection) -> Iterator[None]:
        """Limit the statements of a transaction."""
        driver = driver_of(connection)
        is_embedded = connection.dialect.name == "sqlite"
        if is_embedded:
            driver.set_progress_handler(lambda: self.is_over, _INSTRUCTIONS)
        try:
            self.renew(connection)
            yield
        finally:
            if is_embedded:
                driver.set_progress_handler(None, 0)

    def renew(self, connection: Connection) -> None:
        """Give the next statement the time that is left. Raises Refused(unavailable)."""
        self.check()
        if self._end is not None and connection.dialect.name != "sqlite":
            left = max(1, round((self._end - self._clock()) * 1000))
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {left}")
