"""SQLAlchemy engines for both kinds of databases, with a time limit on every wait.

SQLite stops waiting for a lock after the limit. PostgreSQL has limits for statements and locks. A
PostgreSQL server that hangs does not enforce them, so the driver also stops waiting a moment later
and closes the connection.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import psycopg
from sqlalchemy import create_engine, event

from server.messages.en import sentence
from server.problems import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from sqlalchemy import URL, Connection, Engine

#: How long a statement waits for a row lock, in seconds: in the writer, and in the writer after the
#: first locked row of a transaction.
LOCK_WAIT: Final = 0.1
SHORT_LOCK_WAIT: Final = 0.01
#: How much longer than the server's limit the driver waits, in seconds.
_GRACE: Final = 0.5
#: The number of instructions between two deadline checks of SQLite: about a millisecond.
_INSTRUCTIONS: Final = 50_000


class _Bounded(psycopg.Connection[Any]):
    """A connection that is closed if no response arrives within `patience` seconds."""

    patience: float | None = None

    def wait(self, gen: Any, *more: Any, **named: Any) -> Any:
        """Return the result of a statement. Raises OperationalError if no response arrives."""
        return super().wait(self._within(gen), *more, **named)

    def _within(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """Yield what psycopg waits for; the wait returns empty ten times a second."""
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
    """Return an engine with a number of connections; no wait exceeds `timeout` seconds."""
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
    def _connected(_dialect: object, _record: object, places: Any, names: Any) -> Any:
        names.setdefault("connect_timeout", max(2, round(timeout)))  # the minimum of libpq
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
    def _opened(connection: Any, _: object) -> None:
        connection.isolation_level = None  # BEGIN is emitted below
        pragmas = ["journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-65536"]
        if not writes:
            pragmas += ["wal_autocheckpoint=0", "query_only=ON"]
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def driver_of(connection: Connection) -> Any:
    """Return the driver's connection."""
    return connection.connection.driver_connection


def without_limits(connection: Connection) -> None:
    """Remove the time limits of a transaction, for migrations."""
    if connection.dialect.name != "sqlite":
        driver_of(connection).patience = None
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql("SET LOCAL lock_timeout = 0")


def limit_locks(connection: Connection, seconds: float) -> None:
    """Limit the waits for locked rows in a PostgreSQL transaction."""
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {round(seconds * 1000)}")


class Deadline:
    """The time limit of one query, for its statements and the code around them."""

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
        """Raise ApiError(unavailable) if the time is over."""
        if self.is_over:
            raise self.refused()

    def refused(self) -> ApiError:
        """Return the error for a query that takes too long."""
        message = sentence("narrow", seconds=f"{self._seconds:g}")
        return ApiError("unavailable", message, headers={"Retry-After": "5"})

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
        """Limit the next statement to the remaining time. Raises ApiError(unavailable)."""
        self.check()
        if self._end is not None and connection.dialect.name != "sqlite":
            left = max(1, round((self._end - self._clock()) * 1000))
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {left}")
