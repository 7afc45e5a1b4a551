"""The database: one place to read from, one to write to, and what is read and written.

SQLite is embedded: WAL with synchronous=FULL, so that what was answered survives a power cut, and
one process at a time (see sqlite_file). PostgreSQL is shared by any number of processes.

Reads by key and queries of lists have threads and connections of their own, so that no list delays
authentication, a single ticket or a change. Every wait has a limit; what a database that cannot be
used raises (see faults) becomes Refused(unavailable).

Every change is a Job, a function of a connection that either returns or raises. One thread carries
the jobs out, as many as wait together in one transaction: each behind a savepoint of its own, so
that one which raises leaves nothing behind and harms no other, and all are told of the commit only
after it. A job holds all that a change consists of; nothing outside of jobs writes. A job that
meets a row which another process has locked is moved to a second thread, which waits for it alone.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import event, make_url, text, update
from sqlalchemy.exc import DBAPIError

from server.engines import (
    SHORT_LOCK_WAIT,
    Deadline,
    driver_of,
    limit_locks,
    make_engine,
    without_limits,
)
from server.errors import Refused
from server.fair_share import FairShare
from server.faults import Outage, Replaced, fault_of
from server.prepared import Prepared
from server.schema import MIGRATIONS, NewerSchema, migrate, schema_version, version_of
from server.sqlite_file import SQLiteFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sqlalchemy import Connection

    from server.config import Config

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
#: Threads that read a few rows by their keys, and threads that run queries of lists.
READERS: Final = 4
LISTS: Final = 3
#: How many queries of one operator run at a time, and how many more may wait.
LISTS_EACH: Final = 2
LISTS_QUEUED: Final = 32
#: Connections for commands and tests, which read in threads of their own.
_SPARE: Final = 4
#: How long a wait for the database may take, and one query of a list, in seconds.
TIMEOUT: Final = 3.0
QUERY_TIMEOUT: Final = 2.0
#: How long the event loop waits for SQLite before a thread does, in seconds.
_HERE: Final = 0.02
#: How long a job waits for a row that another process has locked, in turns of a second.
_PATIENCE: Final = 5.0
_TURN: Final = 1.0
#: After a failure that took this long, those who waited meanwhile are rejected without a try of
#: their own: for that nobody tries for a moment.
_LONG: Final = 0.5
_PAUSE: Final = 0.1
#: Faults that trying again at once does not mend.
_LASTING: Final = frozenset({"locked", "read_only", "damaged", "replaced", "busy"})
#: How much must be free on a disk that was full, and for how long a check counts, in seconds.
_ENOUGH: Final = 8 << 20
_CHECKED: Final = 1.0
#: SQLite before 3.51.3 may corrupt a WAL that two connections reset at once (sqlite.org/wal.html).
_SOUND_SQLITE: Final = (3, 51, 3)
_MENDED_SQLITE: Final = {(3, 44): 6, (3, 50): 7}
_RETRY: Final = {"Retry-After": "1"}


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
    """A database that is open. `close` it; it may not be used by two event loops.

    `timeout` bounds each wait for the database, `query_timeout` each query of a list, in seconds.
    """

    def __init__(
        self,
        url: str,
        *,
        readers: int = READERS,
        timeout: float = TIMEOUT,
        query_timeout: float = QUERY_TIMEOUT,
    ) -> None:
        self.url = make_url(url)
        self.is_embedded = self.url.get_backend_name() == "sqlite"
        self._file = SQLiteFile(Path(self.url.database or "")) if self.is_embedded else None
        self._timeout = timeout
        self._query_timeout = query_timeout
        # One for each thread, so that no kind of thread ever waits for another's connection.
        connections = readers + LISTS + _SPARE + (1 if self.is_embedded else 2)
        self._connections = connections
        shared = make_engine(self.url, connections, timeout=timeout)
        self._writing = (
            make_engine(self.url, 1, timeout=timeout, writes=True) if self.is_embedded else shared
        )
        # SQLite keeps to one moment by itself; PostgreSQL is asked to, over the same connections.
        self._reading = (
            shared
            if self.is_embedded
            else shared.execution_options(isolation_level="REPEATABLE READ")
        )
        if self._file is not None:
            for engine in (self._writing, self._reading):
                event.listen(engine, "do_connect", self._opens_same_file)
        self._readers = ThreadPoolExecutor(readers, "reader")
        self._lists = ThreadPoolExecutor(LISTS, "list")
        self._shares = FairShare(
            threads=LISTS, each=LISTS_EACH, queued=LISTS_QUEUED, seconds=query_timeout
        )
        self._outage = Outage()
        self._reads_from = self._writes_from = 0.0
        self._checked_until = 0.0
        self._jobs: queue.SimpleQueue[tuple[Job, Waiting] | None] = queue.SimpleQueue()
        self._blocked: queue.SimpleQueue[tuple[Job, Waiting, float] | None] = queue.SimpleQueue()
        self._here: Connection | None = None
        self._writer = threading.Thread(target=self._write, name="writer", daemon=True)
        self._patient = threading.Thread(target=self._write_blocked, name="patient", daemon=True)
        self._is_closed = False

    @classmethod
    def of(cls, config: Config) -> Store:
        """Return the store that the settings ask for."""
        return cls(
            config.database_url,
            timeout=config.database_timeout,
            query_timeout=config.query_timeout,
        )

    def open(self) -> Store:
        """Bring an embedded database up to date, or see that a shared one is; begin to write.

        Raises NotMigrated and NewerSchema, and DBAPIError when the database cannot be written.
        """
        if self.is_embedded:
            _warn_of_sqlite()
            self.migrate()
            with self._writing.begin() as connection:
                _touch(connection)
        else:
            with self._reading.connect() as connection:
                version = version_of(connection)
            if version > len(MIGRATIONS):
                raise NewerSchema(version)
            if version < len(MIGRATIONS):
                raise NotMigrated(version)
            self._patient.start()
        if self._file is not None:
            # All of them now: one that is opened later finds no file that was moved meanwhile.
            opened = [self._reading.connect() for _ in range(self._connections)]
            self._here = opened.pop()
            for connection in opened:
                connection.close()
            driver_of(self._here).execute(f"PRAGMA busy_timeout = {round(_HERE * 1000)}")
            self._file.watch()
        self._writer.start()
        return self

    def _opens_same_file(self, *_: object) -> None:
        """Raise Replaced before a connection opens another file than the others have.

        SQLite would create a missing file, and write the log of the former one anew.
        """
        if self._file is not None and not self._file.is_in_place():
            raise Replaced(str(self.url.database))

    def migrate(self) -> list[int]:
        """Bring the database to the newest schema; return the versions gone through."""
        with self._writing.begin() as connection:
            without_limits(connection)
            if not self.is_embedded:  # two processes that migrate at once take turns
                connection.execute(text("SELECT pg_advisory_xact_lock(621)"))
            done = migrate(connection)
        if not self.is_embedded:
            self._writing.dispose()  # this connection has no limits
        return done

    def close(self) -> None:
        """Finish what waits, and let the database go."""
        if not self._is_closed:
            self._is_closed = True
            for thread, waiting in ((self._writer, self._jobs), (self._patient, self._blocked)):
                if thread.is_alive():
                    waiting.put(None)
                    thread.join()
            self._readers.shutdown()
            self._lists.shutdown()
            if self._here is not None:
                self._here.close()
            self._reading.dispose()
            self._writing.dispose()
            if self._file is not None:
                self._file.close()

    @property
    def waiting(self) -> int:
        """How many jobs wait for the writer."""
        return self._jobs.qsize() + self._blocked.qsize()

    def read_now(self, ask: Callable[[Connection], T]) -> T:
        """Return what `ask` reads, in this thread and as one moment has it."""
        with self._reading.begin() as connection:
            return ask(connection)

    def ask(self, ask: Callable[[Connection], T]) -> Future[T]:
        """Let a reader thread read; its future raises Refused(unavailable) during an outage."""
        return self._readers.submit(self._read, ask)

    async def read(self, ask: Callable[[Connection], T], *, by_key: bool = False) -> T:
        """Return what `ask` reads, a few rows, in a reader thread. Raises Refused(unavailable).

        `by_key` says that it finds them by their keys. Where the database is embedded that is done
        at once: it takes a tenth of the time that going to a thread and back does.
        """
        if by_key and self._here is not None:
            try:
                with self._here.begin():
                    return ask(self._here)
            except DBAPIError as error:
                if fault_of(error) is None:
                    raise
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, ask)

    def _read(self, ask: Callable[[Connection], T]) -> T:
        with self._refusing():
            return self.read_now(ask)

    async def scan(self, who: str, ask: Callable[[Connection, Deadline], T]) -> T:
        """Return what `ask` reads, a query of any size of an operator, within the time limit.

        Raises Refused: tooManyRequests when the operator has too many queries under way,
        unavailable when this one takes too long or the database cannot be used.
        """
        await self._shares.enter(who)
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._lists, self._scan, ask)
        # Not when the asker is gone: the thread is busy until then.
        future.add_done_callback(lambda _: self._shares.leave(who))
        return await asyncio.shield(future)

    def _scan(self, ask: Callable[[Connection, Deadline], T]) -> T:
        deadline = Deadline(self._query_timeout)
        with self._refusing():
            try:
                with self._reading.begin() as connection, deadline.limiting(connection):
                    return ask(connection, deadline)
            except DBAPIError as error:
                if fault_of(error) == "too_slow":
                    raise deadline.refused() from error
                raise

    def submit(self, job: Callable[[Connection], T]) -> Future[T]:
        """Let the writer carry out a job. Raises Refused(unavailable) when too many wait."""
        future: Future[T] = Future()
        self._put(job, future)
        return future

    async def write(self, job: Callable[[Connection], T]) -> T:
        """Return what a job returns once it is committed; what it raises is raised.

        Raises Refused(unavailable) when too many wait, or the database cannot be used.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._put(job, future)
        try:
            return await future
        except (DBAPIError, Replaced) as error:
            if fault_of(error) is not None:
                raise _unavailable() from error
            raise

    def check(self) -> None:
        """Raise Refused(unavailable) unless a change can be committed; counts for a second."""
        if time.monotonic() < self._checked_until:
            return
        try:
            self.submit(self._probe).result(self._timeout + 1)
        except (DBAPIError, Replaced, TimeoutError):
            raise _unavailable() from None
        self._outage.over()
        self._checked_until = time.monotonic() + _CHECKED

    def _probe(self, connection: Connection) -> None:
        """Change nothing, in a way that a database which cannot be written refuses."""
        is_full = self._file is not None and self._outage.fault == "full"
        if is_full and self._file is not None and self._file.free() < _ENOUGH:
            raise _unavailable()
        _touch(connection, rows=self.is_embedded or self._outage.fault is not None)

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Turn what a database that cannot be used raises into Refused(unavailable)."""
        begun = time.monotonic()
        if begun < self._reads_from:
            raise _unavailable()
        try:
            yield
        except Exception as error:
            fault = fault_of(error)
            if fault is None:
                raise
            self._failed(fault, error, begun)
            raise _unavailable() from error

    def _failed(self, fault: str, error: BaseException, begun: float) -> None:
        """Note a fault; after one that took long nobody tries for a moment."""
        self._outage.seen(fault, error)
        self._checked_until = 0.0
        now = time.monotonic()
        if now - begun > _LONG and fault not in {"too_slow", "row_locked"}:
            self._writes_from = now + _PAUSE
            # What is locked against changes can still be read.
            self._reads_from = self._reads_from if fault == "locked" else now + _PAUSE

    def _put(self, job: Job, future: Waiting) -> None:
        if self._jobs.qsize() >= WAITING or self._is_closed:
            raise _unavailable()
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
        begun = time.monotonic()
        if begun < self._writes_from:
            _tell([future for _, future in batch], [(None, _unavailable())] * len(batch))
            return
        try:
            with self._writing.begin() as connection:
                outcomes = [_carry_out(connection, job) for job, _ in batch]
                if self._file is not None:
                    self._file.check()
        except Exception as error:
            # Nothing is committed: a deadlock, a key that another process was quicker to use, a
            # database that went away. Alone, and once more, each job may still be carried out. But
            # where it went away at the commit itself, that may have been done: nothing is repeated.
            fault = fault_of(error)
            is_unsure = bool(outcomes) and getattr(error, "connection_invalidated", False)
            is_hopeless = fault in _LASTING or (
                fault is not None and time.monotonic() - begun > _LONG and len(batch) == 1
            )
            if not is_unsure and not is_hopeless and (len(batch) > 1 or tries > 1):
                if fault == "unreachable" and time.monotonic() - begun > _LONG:
                    self._failed(fault, error, begun)
                for one in batch:
                    self._commit([one], tries - (len(batch) == 1))
                return
            if fault is not None:
                self._failed(fault, error, begun)
            else:
                log.exception("a job was not committed")
            outcomes = [(None, error)] * len(batch)
        self._answer(batch, outcomes)

    def _answer(self, batch: Sequence[tuple[Job, Waiting]], outcomes: Sequence[Outcome]) -> None:
        """Tell those who wait; what met a locked row waits on, apart from all others."""
        told: list[tuple[Waiting, Outcome]] = []
        until = time.monotonic() + _PATIENCE
        for (job, future), outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome[1], _Blocked):
                self._blocked.put((job, future, until))
            else:
                told.append((future, outcome))
        # A change that somebody asked for; delivery's turns often change nothing.
        if any(outcome[1] is None and isinstance(each, asyncio.Future) for each, outcome in told):
            self._outage.over()
        _tell([future for future, _ in told], [outcome for _, outcome in told])

    def _write_blocked(self) -> None:
        """Carry out jobs that met a locked row, one at a time and in turns, until there is None."""
        while (blocked := self._blocked.get()) is not None:
            job, future, until = blocked
            outcome: Outcome = (None, _unavailable())
            begun = time.monotonic()
            if begun < until and not self._is_closed and begun >= self._writes_from:
                try:
                    with self._writing.begin() as connection:
                        limit_locks(connection, min(_TURN, until - begun))
                        outcome = _carry_out(connection, job)
                except Exception as error:  # noqa: BLE001 - told to whoever submitted the job
                    outcome = (None, error)
                    if (fault := fault_of(error)) is not None:
                        self._failed(fault, error, begun)
                if isinstance(outcome[1], _Blocked):
                    self._blocked.put(blocked)
                    continue
            _tell([future], [outcome])


class _Blocked(Exception):  # noqa: N818 - a statement
    """A job met a row that somebody else has locked; nothing of it is left."""


def _unavailable() -> Refused:
    return Refused("unavailable", headers=_RETRY)


def _touch(connection: Connection, *, rows: bool = True) -> None:
    """Write the version of the schema again; without `rows` only see that it might be written."""
    statement = update(schema_version).values(version=schema_version.c.version)
    connection.execute(statement if rows else statement.where(schema_version.c.version < 0))


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

    Raises what the database raises, since its transaction may be lost as a whole; a row that is
    locked costs the job its place, but not the transaction.
    """
    _SAVE.run(connection)
    try:
        result = job(connection)
    except DBAPIError as error:
        if fault_of(error) != "row_locked":
            raise
        _UNDO.run(connection)
        limit_locks(connection, SHORT_LOCK_WAIT)
        return None, _Blocked()
    except Exception as error:  # noqa: BLE001 - told to whoever submitted the job
        _UNDO.run(connection)
        return None, error
    _KEEP.run(connection)
    return result, None


def _warn_of_sqlite() -> None:
    import sqlite3

    version = sqlite3.sqlite_version_info
    mended = _MENDED_SQLITE.get(version[:2])
    if version < _SOUND_SQLITE and (mended is None or version[2] < mended):
        # Here only one connection ever writes or checkpoints, which is what the fault needs two of.
        log.info("SQLite %s has the WAL-reset fault; one writer avoids it", sqlite3.sqlite_version)
