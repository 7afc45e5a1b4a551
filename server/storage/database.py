"""The database: threads that read, one thread that writes, and limits for both.

SQLite is embedded: WAL with synchronous=FULL, so committed changes survive a power failure, and one
process at a time (see sqlite_file). Any number of processes share a PostgreSQL database.

Reads by key and list queries have separate threads and connections, so a list never delays
authentication, a single ticket or a change. Every wait has a limit. If the database is unavailable
(see faults), ApiError(unavailable) is raised.

Every change is a Job: a function of a connection that returns or raises. One thread runs the jobs
and commits the waiting ones together. Each job has its own savepoint: a job that raises leaves no
changes and does not affect the others. Callers get the result after the commit. A job contains the
whole change; nothing else writes. A job that meets a row locked by another process moves to a
second thread, which waits for the lock.
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

from server.problems import ApiError
from server.profile.reader import shipped_profile
from server.storage.engines import (
    SHORT_LOCK_WAIT,
    Deadline,
    driver_of,
    limit_locks,
    make_engine,
    without_limits,
)
from server.storage.fair_share import FairShare
from server.storage.faults import Outage, Replaced, fault_of
from server.storage.migrations import MIGRATIONS, NewerSchema, fit, fits, migrate, version_of
from server.storage.sqlite_file import SQLiteFile
from server.storage.statements import Prepared
from server.storage.tables import schema_version
from server.storage.tickets import TicketRows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sqlalchemy import Connection

    from server.config import Config
    from server.profile.model import Profile

    Job = Callable[[Connection], Any]
    #: The result of a job, or its exception.
    Outcome = tuple[Any, BaseException | None]
    #: The future of a caller in a thread or in the event loop.
    Waiting = Future[Any] | asyncio.Future[Any]

T = TypeVar("T")
log = logging.getLogger(__name__)

#: The maximum number of jobs in one commit, and of waiting jobs.
TOGETHER: Final = 64
WAITING: Final = 2_000
#: How often a job is tried alone before its failure is reported.
_TRIES: Final = 3
#: The statements around each job of a transaction.
_SET_SAVEPOINT: Final = Prepared(text("SAVEPOINT job"))
_RELEASE_SAVEPOINT: Final = Prepared(text("RELEASE SAVEPOINT job"))
_ROLL_BACK_TO_SAVEPOINT: Final = Prepared(text("ROLLBACK TO SAVEPOINT job"))
#: The number of threads for reads by key, and for list queries.
READERS: Final = 4
LISTS: Final = 3
#: How many list queries of one operator run at a time, and how many more may wait.
LISTS_EACH: Final = 2
LISTS_QUEUED: Final = 32
#: Connections for commands and tests, which read in their own threads.
_SPARE: Final = 4
#: The maximum wait for the database, and the maximum time of a list query, in seconds.
TIMEOUT: Final = 3.0
QUERY_TIMEOUT: Final = 2.0
#: How long the event loop waits for SQLite before a thread takes over, in seconds.
_HERE: Final = 0.02
#: How long a job waits for a locked row in total, and in one turn, in seconds.
_PATIENCE: Final = 5.0
_TURN: Final = 1.0
#: After a failure that took longer than _LONG seconds, requests are rejected for _PAUSE seconds
#: without a try, so that waiting requests do not each wait for the same failure.
_LONG: Final = 0.5
_PAUSE: Final = 0.1
#: Faults for which an immediate retry does not help.
_LASTING: Final = frozenset({"locked", "read_only", "damaged", "replaced", "busy"})
#: The free space in bytes that ends a full disk, and how long a check is valid, in seconds.
_ENOUGH: Final = 8 << 20
_CHECKED: Final = 1.0
#: SQLite before 3.51.3 may corrupt a WAL that two connections reset at once (sqlite.org/wal.html).
_SOUND_SQLITE: Final = (3, 51, 3)
_FIXED_SQLITE: Final = {(3, 44): 6, (3, 50): 7}
_RETRY: Final = {"Retry-After": "1"}


class NotMigrated(Exception):
    """A shared database does not have the schema of this release. `version` is its version."""

    def __init__(self, version: int) -> None:
        super().__init__(version)
        self.version = version

    def __str__(self) -> str:
        """Return the message."""
        return (
            f"Run `python -m server migrate`: the database has schema version {self.version},"
            f" this release needs {len(MIGRATIONS)}."
        )


class NotFitted(Exception):
    """A shared database does not have the columns of the profile. `directory` is the profile."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.directory = directory

    def __str__(self) -> str:
        """Return the message."""
        return (
            f"Run `python -m server migrate --profile {self.directory}`: the database does not"
            " have the columns of this profile."
        )


class Database:
    """An open database. `close` it. It must not be used from two event loops.

    `profile` is the shipped one by default; `rows` are its tickets. `timeout` limits each wait for
    the database, `query_timeout` each list query, in seconds.
    """

    def __init__(
        self,
        url: str,
        profile: Profile | None = None,
        *,
        readers: int = READERS,
        timeout: float = TIMEOUT,
        query_timeout: float = QUERY_TIMEOUT,
    ) -> None:
        self.url = make_url(url)
        self.profile = profile or shipped_profile()
        cycle = self.profile.lifecycle
        self.rows = TicketRows(self.profile.resource, None if cycle is None else cycle.field)
        self.is_embedded = self.url.get_backend_name() == "sqlite"
        self._file = SQLiteFile(Path(self.url.database or "")) if self.is_embedded else None
        #: The columns that the last migration added for the profile.
        self.added: list[str] = []
        self._timeout = timeout
        self._query_timeout = query_timeout
        # One connection for each thread, so that no thread waits for a connection of another.
        connections = readers + LISTS + _SPARE + (1 if self.is_embedded else 2)
        self._connections = connections
        shared = make_engine(self.url, connections, timeout=timeout)
        self._writing = (
            make_engine(self.url, 1, timeout=timeout, writes=True) if self.is_embedded else shared
        )
        # A SQLite transaction reads one snapshot by default; in PostgreSQL it needs this level.
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
    def of(cls, config: Config, profile: Profile | None = None) -> Database:
        """Return the database of the settings, for a profile."""
        return cls(
            config.database_url,
            profile,
            timeout=config.database_timeout,
            query_timeout=config.query_timeout,
        )

    def open(self) -> Database:
        """Migrate an embedded database or check the schema of a shared one; start the writer.

        Raises NotMigrated, NotFitted, NewerSchema, OtherProfile, and DBAPIError if the database
        cannot be written.
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
                if not fits(connection, self.rows):
                    raise NotFitted(self.profile.directory)
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
        """Migrate the database to the newest schema and to the columns of the profile.

        Return the versions that were reached. Raises NewerSchema and OtherProfile.
        """
        with self._writing.begin() as connection:
            without_limits(connection)
            if not self.is_embedded:  # two concurrent migrations take turns
                connection.execute(text("SELECT pg_advisory_xact_lock(621)"))
            done = migrate(connection)
            self.added = fit(connection, self.rows)
        if not self.is_embedded:
            self._writing.dispose()  # this connection has no limits
        return done

    def close(self) -> None:
        """Finish the waiting jobs and close all connections."""
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
        """The number of jobs that wait for the writer."""
        return self._jobs.qsize() + self._blocked.qsize()

    def read_now(self, ask: Callable[[Connection], T]) -> T:
        """Return what `ask` reads, in this thread and from one snapshot."""
        with self._reading.begin() as connection:
            return ask(connection)

    def ask(self, ask: Callable[[Connection], T]) -> Future[T]:
        """Run a read in a reader thread; its future raises ApiError(unavailable) in an outage."""
        return self._readers.submit(self._read, ask)

    async def read(self, ask: Callable[[Connection], T], *, by_key: bool = False) -> T:
        """Return the few rows that `ask` reads in a reader thread. Raises ApiError(unavailable).

        `by_key` says that it finds rows by key. With an embedded database such a read runs in the
        event loop: it takes a tenth of the time of a switch to a thread and back.
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
        """Return what `ask` reads: a query of any size for an operator, with a time limit.

        Raises ApiError: tooManyRequests if the operator runs too many queries, unavailable if the
        query takes too long or the database is unavailable.
        """
        await self._shares.enter(who)
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._lists, self._scan, ask)
        # When the thread is done, not when the client is gone: the thread is busy until then.
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
        """Pass a job to the writer. Raises ApiError(unavailable) if too many jobs wait."""
        future: Future[T] = Future()
        self._put(job, future)
        return future

    async def write(self, job: Callable[[Connection], T]) -> T:
        """Return the result of a job after its commit, or raise its exception.

        Raises ApiError(unavailable) if too many jobs wait or the database is unavailable.
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
        """Raise ApiError(unavailable) unless a change can be committed; cached for a second."""
        if time.monotonic() < self._checked_until:
            return
        try:
            self.submit(self._probe).result(self._timeout + 1)
        except (DBAPIError, Replaced, TimeoutError):
            raise _unavailable() from None
        self._outage.over()
        self._checked_until = time.monotonic() + _CHECKED

    def _probe(self, connection: Connection) -> None:
        """Change nothing with a statement that fails if the database cannot be written."""
        is_full = self._file is not None and self._outage.fault == "full"
        if is_full and self._file is not None and self._file.free() < _ENOUGH:
            raise _unavailable()
        _touch(connection, rows=self.is_embedded or self._outage.fault is not None)

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Convert the errors of an unavailable database to ApiError(unavailable)."""
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
        """Record a fault; after a slow one, reject requests for a moment."""
        self._outage.seen(fault, error)
        self._checked_until = 0.0
        now = time.monotonic()
        if now - begun > _LONG and fault not in {"too_slow", "row_locked"}:
            self._writes_from = now + _PAUSE
            # A database that is locked for changes can still be read.
            self._reads_from = self._reads_from if fault == "locked" else now + _PAUSE

    def _put(self, job: Job, future: Waiting) -> None:
        if self._jobs.qsize() >= WAITING or self._is_closed:
            raise _unavailable()
        self._jobs.put((job, future))

    def _write(self) -> None:
        """Run jobs until the queue contains None."""
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
            _complete([future for _, future in batch], [(None, _unavailable())] * len(batch))
            return
        try:
            with self._writing.begin() as connection:
                outcomes = [_run_job(connection, job) for job, _ in batch]
                if self._file is not None:
                    self._file.check()
        except Exception as error:
            # Nothing is committed: a deadlock, a key that another process has used, a database that
            # became unreachable. Each job is tried again, alone. But if the connection broke during
            # the commit, the commit may have succeeded: then nothing is repeated.
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
        """Report the outcomes; jobs that met a locked row go to the second thread."""
        done: list[tuple[Waiting, Outcome]] = []
        until = time.monotonic() + _PATIENCE
        for (job, future), outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome[1], _Blocked):
                self._blocked.put((job, future, until))
            else:
                done.append((future, outcome))
        # Changes of requests only: the jobs of the delivery often change nothing.
        if any(outcome[1] is None and isinstance(each, asyncio.Future) for each, outcome in done):
            self._outage.over()
        _complete([future for future, _ in done], [outcome for _, outcome in done])

    def _write_blocked(self) -> None:
        """Run jobs that met a locked row, one at a time and in turns, until the queue has None."""
        while (blocked := self._blocked.get()) is not None:
            job, future, until = blocked
            outcome: Outcome = (None, _unavailable())
            begun = time.monotonic()
            if begun < until and not self._is_closed and begun >= self._writes_from:
                try:
                    with self._writing.begin() as connection:
                        limit_locks(connection, min(_TURN, until - begun))
                        outcome = _run_job(connection, job)
                except Exception as error:  # noqa: BLE001 - reported to the caller
                    outcome = (None, error)
                    if (fault := fault_of(error)) is not None:
                        self._failed(fault, error, begun)
                if isinstance(outcome[1], _Blocked):
                    self._blocked.put(blocked)
                    continue
            _complete([future], [outcome])


class _Blocked(Exception):
    """A job met a row that another transaction has locked; its changes are undone."""


def _unavailable() -> ApiError:
    return ApiError("unavailable", headers=_RETRY)


def _touch(connection: Connection, *, rows: bool = True) -> None:
    """Update the schema version to itself; without `rows` only check the right to do so."""
    statement = update(schema_version).values(version=schema_version.c.version)
    connection.execute(statement if rows else statement.where(schema_version.c.version < 0))


def _complete(futures: Iterable[Waiting], outcomes: Iterable[Outcome]) -> None:
    """Complete the futures of jobs; the event loop is woken once for all its futures."""
    in_loop: list[tuple[asyncio.Future[Any], Outcome]] = []
    for future, outcome in zip(futures, outcomes, strict=True):
        if isinstance(future, asyncio.Future):
            in_loop.append((future, outcome))
        else:
            _set_results([(future, outcome)])
    if in_loop and not (loop := in_loop[0][0].get_loop()).is_closed():
        loop.call_soon_threadsafe(_set_results, in_loop)


def _set_results(outcomes: Iterable[tuple[Waiting, Outcome]]) -> None:
    """Set the results or exceptions of futures that are not cancelled."""
    for future, (result, failure) in outcomes:
        if future.cancelled():
            continue
        if failure is None:
            future.set_result(result)
        else:
            future.set_exception(failure)


def _run_job(connection: Connection, job: Job) -> Outcome:
    """Return the result of a job, or its exception after its changes are undone.

    Raises errors of the database, because the whole transaction may be lost. A locked row removes
    only this job from the transaction.
    """
    _SET_SAVEPOINT.run(connection)
    try:
        result = job(connection)
    except DBAPIError as error:
        if fault_of(error) != "row_locked":
            raise
        _ROLL_BACK_TO_SAVEPOINT.run(connection)
        limit_locks(connection, SHORT_LOCK_WAIT)
        return None, _Blocked()
    except Exception as error:  # noqa: BLE001 - reported to the caller
        _ROLL_BACK_TO_SAVEPOINT.run(connection)
        return None, error
    _RELEASE_SAVEPOINT.run(connection)
    return result, None


def _warn_of_sqlite() -> None:
    import sqlite3

    version = sqlite3.sqlite_version_info
    fixed = _FIXED_SQLITE.get(version[:2])
    if version < _SOUND_SQLITE and (fixed is None or version[2] < fixed):
        # The fault needs two connections that write or checkpoint; here only one does.
        log.info("SQLite %s has the WAL-reset fault; one writer avoids it", sqlite3.sqlite_version)
