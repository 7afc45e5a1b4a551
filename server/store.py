"""The database: one place to read from, one to write to, and what is read and written.

SQLite is embedded: WAL with synchronous=FULL, so that what was answered survives a power cut, and
one process at a time, by a lock beside the file. PostgreSQL is shared by any number of processes.

Every change is a Job, a function of a connection that either returns or raises. One thread carries
the jobs out, as many as wait together in one transaction: each behind a savepoint of its own, so
that one which raises leaves nothing behind and harms no other, and all are told of the commit only
after it. A job holds all that a change consists of; nothing outside of jobs writes.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import queue
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeGuard, TypeVar

from sqlalchemy import create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError

from server.errors import Refused
from server.prepared import Prepared
from server.schema import MIGRATIONS, NewerSchema, migrate, version_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sqlalchemy import URL, Connection, Engine

    Job = Callable[[Connection], Any]
    #: What a job returned, or what it raised.
    Outcome = tuple[Any, BaseException | None]
    #: Who waits for it: a thread, or the event loop.
    Waiting = Future[Any] | asyncio.Future[Any]

T = TypeVar("T")
log = logging.getLogger(__name__)

#: Jobs that one commit takes at most, and that may wait for one.
TOGETHER: Final = 64
WAITING: Final = 2_000
#: How often a job is tried alone before its failure is told.
_TRIES: Final = 3
#: What stands around each job of a transaction.
_SAVE: Final = Prepared(text("SAVEPOINT job"))
_KEEP: Final = Prepared(text("RELEASE SAVEPOINT job"))
_UNDO: Final = Prepared(text("ROLLBACK TO SAVEPOINT job"))
#: Threads that read at the same time.
READERS: Final = 4
#: SQLite before 3.51.3 may corrupt a WAL that two connections reset at once (sqlite.org/wal.html).
_SOUND_SQLITE: Final = (3, 51, 3)
_MENDED_SQLITE: Final = {(3, 44): 6, (3, 50): 7}


class Locked(Exception):  # noqa: N818 - a statement
    """Another process has the SQLite file. `path` is the file's."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        """Say which file, and what to do."""
        return f"Stop the other process that uses {self.path} first."


class NotMigrated(Exception):  # noqa: N818 - a statement
    """A shared database is not at this release's schema. `version` is the one it is at."""

    def __init__(self, version: int) -> None:
        super().__init__(version)
        self.version = version

    def __str__(self) -> str:
        """Say what to run."""
        return (
            f"Run `python -m server migrate`: the database has schema version {self.version},"
            f" this release needs {len(MIGRATIONS)}."
        )


class Store:
    """A database that is open. `close` it; it may not be used by two event loops."""

    def __init__(self, url: str, *, readers: int = READERS) -> None:
        self.url = make_url(url)
        self.is_embedded = self.url.get_backend_name() == "sqlite"
        self._lock = _lock(self.url) if self.is_embedded else None
        shared = _engine(self.url, readers + 1)
        self._writing = _engine(self.url, 1, writes=True) if self.is_embedded else shared
        # SQLite keeps to one moment by itself; PostgreSQL is asked to, over the same connections.
        self._reading = (
            shared
            if self.is_embedded
            else shared.execution_options(isolation_level="REPEATABLE READ")
        )
        self._readers = ThreadPoolExecutor(readers, "reader")
        self._jobs: queue.SimpleQueue[tuple[Job, Waiting] | None] = queue.SimpleQueue()
        self._here: Connection | None = None
        self._writer = threading.Thread(target=self._write, name="writer", daemon=True)
        self._is_closed = False

    def open(self) -> Store:
        """Bring an embedded database up to date, or see that a shared one is; begin to write.

        Raises NotMigrated and NewerSchema.
        """
        if self.is_embedded:
            self.migrate()
        else:
            with self._reading.connect() as connection:
                version = version_of(connection)
            if version > len(MIGRATIONS):
                raise NewerSchema(version)
            if version < len(MIGRATIONS):
                raise NotMigrated(version)
        self._writer.start()
        self._here = self._reading.connect() if self.is_embedded else None
        return self

    def migrate(self) -> list[int]:
        """Bring the database to the newest schema; return the versions gone through."""
        with self._writing.begin() as connection:
            if not self.is_embedded:  # two processes that migrate at once take turns
                connection.execute(text("SELECT pg_advisory_xact_lock(621)"))
            return migrate(connection)

    def close(self) -> None:
        """Finish what waits, and let the database go."""
        if not self._is_closed:
            self._is_closed = True
            if self._writer.is_alive():
                self._jobs.put(None)
                self._writer.join()
            self._readers.shutdown()
            if self._here is not None:
                self._here.close()
            self._reading.dispose()
            self._writing.dispose()
            if self._lock is not None:
                self._lock.close()

    @property
    def waiting(self) -> int:
        """How many jobs wait for the writer."""
        return self._jobs.qsize()

    def read_now(self, ask: Callable[[Connection], T]) -> T:
        """Return what `ask` reads, in this thread and as one moment has it."""
        with self._reading.begin() as connection:
            return ask(connection)

    async def read(self, ask: Callable[[Connection], T], *, by_key: bool = False) -> T:
        """Return what `ask` reads, in a thread of the store's. Raises Refused(unavailable).

        `by_key` says that it finds a few rows by their keys. Where the database is embedded that is
        done at once: it takes a tenth of the time that going to a thread and back does.
        """
        if by_key and self._here is not None:
            with self._here.begin():
                return ask(self._here)
        loop = asyncio.get_running_loop()
        with self._away_told():
            return await loop.run_in_executor(self._readers, self.read_now, ask)

    def submit(self, job: Callable[[Connection], T]) -> Future[T]:
        """Let the writer carry out a job. Raises Refused(unavailable) when too many wait."""
        future: Future[T] = Future()
        self._put(job, future)
        return future

    async def write(self, job: Callable[[Connection], T]) -> T:
        """Return what a job returns once it is committed; what it raises is raised.

        Raises Refused(unavailable) when too many wait, or the database is away.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._put(job, future)
        with self._away_told():
            return await future

    @contextmanager
    def _away_told(self) -> Iterator[None]:
        """Tell whoever asks while a shared database is away to try again."""
        try:
            yield
        except DBAPIError as error:
            if _is_away(error, self.url):
                raise Refused("unavailable", headers={"Retry-After": "1"}) from error
            raise

    def _put(self, job: Job, future: Waiting) -> None:
        if self._jobs.qsize() >= WAITING or self._is_closed:
            raise Refused("unavailable", headers={"Retry-After": "1"})
        self._jobs.put((job, future))

    def _write(self) -> None:
        """Carry out jobs until there is a None."""
        while (first := self._jobs.get()) is not None:
            batch = [first]
            is_last = False
            while len(batch) < TOGETHER:
                try:
                    more = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    is_last = True
                    break
                batch.append(more)
            self._commit(batch)
            if is_last:
                return

    def _commit(self, batch: Sequence[tuple[Job, Waiting]], tries: int = _TRIES) -> None:
        outcomes: list[Outcome] = []
        try:
            with self._writing.begin() as connection:
                outcomes = [_carry_out(connection, job) for job, _ in batch]
        except Exception as error:
            # Nothing is committed: a deadlock, a key that another process was quicker to use, a
            # database that went away. Alone, and once more, each job may still be carried out. But
            # where it went away at the commit itself, that may have been done: nothing is repeated.
            is_unsure = bool(outcomes) and getattr(error, "connection_invalidated", False)
            if not is_unsure and (len(batch) > 1 or tries > 1):
                for one in batch:
                    self._commit([one], tries - (len(batch) == 1))
                return
            if _is_away(error, self.url):
                log.warning("the database is away", extra={"error": type(error.orig).__name__})
            else:
                log.exception("a job was not committed")
            outcomes = [(None, error)] * len(batch)
        _tell([future for _, future in batch], outcomes)


def _tell(futures: Iterable[Waiting], outcomes: Iterable[Outcome]) -> None:
    """Tell those who wait; the event loop is woken once for all that wait there."""
    in_loop: list[tuple[asyncio.Future[Any], Outcome]] = []
    for future, outcome in zip(futures, outcomes, strict=True):
        if isinstance(future, asyncio.Future):
            in_loop.append((future, outcome))
        else:
            _settle([(future, outcome)])
    if in_loop and not (loop := in_loop[0][0].get_loop()).is_closed():
        loop.call_soon_threadsafe(_settle, in_loop)


def _settle(told: Iterable[tuple[Waiting, Outcome]]) -> None:
    """Give futures what came of their jobs; those that were given up are told nothing."""
    for future, (result, failure) in told:
        if future.cancelled():
            continue
        if failure is None:
            future.set_result(result)
        else:
            future.set_exception(failure)


def _carry_out(connection: Connection, job: Job) -> Outcome:
    """Return what a job returns, or what it raises, when nothing of it is left.

    Raises what the database raises, since its transaction may be lost as a whole.
    """
    _SAVE.run(connection)
    try:
        result = job(connection)
    except DBAPIError:
        raise
    except Exception as error:  # noqa: BLE001 - told to whoever submitted the job
        _UNDO.run(connection)
        return None, error
    _KEEP.run(connection)
    return result, None


def _is_away(error: BaseException, url: URL) -> TypeGuard[DBAPIError]:
    """Say whether an error is one of a shared database that cannot be reached, or is too busy."""
    # Drivers call it so (PEP 249); of SQLite's own it may be anything that is wrong with a file.
    kinds = type(error.orig).__mro__ if isinstance(error, DBAPIError) else ()
    return url.get_backend_name() != "sqlite" and "OperationalError" in {
        each.__name__ for each in kinds
    }


def _engine(url: URL, connections: int, *, writes: bool = False) -> Engine:
    if url.get_backend_name() != "sqlite":
        # One more than there are readers: the writer's.
        return create_engine(
            url,
            pool_size=connections + 1,
            max_overflow=0,
            pool_pre_ping=True,
            hide_parameters=True,
        )
    engine = create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,
        connect_args={"check_same_thread": False},
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


def _lock(url: URL) -> Any:  # noqa: ANN401 - an open file
    """Take the lock beside an SQLite file. Raises Locked."""
    path = Path(url.database or "")
    path.parent.mkdir(parents=True, exist_ok=True)
    # The lock is the file's for as long as it is open, however this process ends.
    file = Path(f"{path}.lock").open("w")  # noqa: SIM115
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise Locked(str(path)) from None
    _warn_of_sqlite()
    return file


def _warn_of_sqlite() -> None:
    import sqlite3

    version = sqlite3.sqlite_version_info
    mended = _MENDED_SQLITE.get(version[:2])
    if version < _SOUND_SQLITE and (mended is None or version[2] < mended):
        # Here only one connection ever writes or checkpoints, which is what the fault needs two of.
        log.info("SQLite %s has the WAL-reset fault; one writer avoids it", sqlite3.sqlite_version)
