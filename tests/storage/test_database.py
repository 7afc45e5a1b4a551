"""The store without HTTP: jobs in one transaction, their failures, and who may open a database."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, event, func, insert, select, text
from sqlalchemy.exc import DBAPIError

import server.storage.database
from server.problems import KINDS, ApiError
from server.storage.database import Database, NotMigrated
from server.storage.migrations import MIGRATIONS, version_of
from server.storage.sqlite_file import Locked
from server.storage.tables import TABLES, content, schema_version
from tests.support.databases import postgresql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy import Connection

NEWEST = len(MIGRATIONS)


class Held:
    """A job that keeps the writer from others until it is let go, so that they come together."""

    def __init__(self, store: Database) -> None:
        self._begun, self._go_on = threading.Event(), threading.Event()
        self.future = store.submit(self)
        assert self._begun.wait(30)

    def __call__(self, _connection: Connection) -> None:
        """Wait."""
        self._begun.set()
        assert self._go_on.wait(30)

    def let_go(self) -> None:
        """Let the writer go on."""
        self._go_on.set()
        self.future.result(30)


def writing(name: str, *, then: Exception | None = None) -> Callable[[Connection], str]:
    """Return a job that writes a row under a name, and returns the name or raises."""

    def job(connection: Connection) -> str:
        connection.execute(insert(content).values(ticket=name, digest="", text=""))
        if then is not None:
            raise then
        return name

    return job


def written(store: Database) -> list[str]:
    """Return the names of the rows that are there."""
    return list(store.read_now(lambda c: c.scalars(select(content.c.ticket).order_by("ticket"))))


def commits(store: Database) -> list[None]:
    """Return a list that grows by one with each commit of the writer."""
    counted: list[None] = []
    event.listen(store._writing, "commit", lambda _: counted.append(None))
    return counted


class TestTogether:
    """Jobs that wait together are carried out in one transaction, each behind a savepoint."""

    def test_one_commit(self, store: Database) -> None:
        """However many wait, up to a bound, are one commit; each is told its own result."""
        held = Held(store)
        names = [f"{number:03}" for number in range(server.storage.database.TOGETHER + 3)]
        futures = [store.submit(writing(name)) for name in names]
        assert store.waiting == len(names)
        held.let_go()
        counted = commits(store)
        assert [each.result(30) for each in futures] == names
        assert len(counted) <= 2
        assert written(store) == names
        assert store.waiting == 0

    def test_raises(self, store: Database) -> None:
        """One that raises leaves nothing behind, harms no other, and is told what it raised."""
        held = Held(store)
        error = ApiError("conflict")
        futures = [
            store.submit(writing("a")),
            store.submit(writing("b", then=error)),
            store.submit(writing("c")),
        ]
        held.let_go()
        assert futures[1].exception(30) is error
        assert [futures[0].result(30), futures[2].result(30)] == ["a", "c"]
        assert written(store) == ["a", "c"]

    def test_database_refuses(self, store: Database) -> None:
        """So does one that the database refuses, though that costs the others their transaction."""
        store.submit(writing("b")).result(30)
        held = Held(store)
        futures = [store.submit(writing(name)) for name in "abc"]
        held.let_go()
        assert isinstance(futures[1].exception(30), DBAPIError)
        assert [futures[0].result(30), futures[2].result(30)] == ["a", "c"]
        assert written(store) == ["a", "b", "c"]

    def test_commit_fails_once(self, store: Database) -> None:
        """When a commit fails, each job is carried out again, alone, and once."""
        failures = [RuntimeError("lost")]
        event.listen(store._writing, "commit", lambda _: fail(failures))
        held = Held(store)
        futures = [store.submit(writing(name)) for name in "abc"]
        held.let_go()
        assert [each.result(30) for each in futures] == ["a", "b", "c"]
        assert written(store) == ["a", "b", "c"]

    def test_commit_fails(self, store: Database) -> None:
        """When it keeps failing, every job is told so, nothing is left, and the writer lives on."""
        error = RuntimeError("lost")
        failures = [error] * 100
        event.listen(store._writing, "commit", lambda _: fail(failures))
        futures = [store.submit(writing(name)) for name in "abc"]
        assert [each.exception(30) for each in futures] == [error] * 3
        failures.clear()
        assert written(store) == []
        assert store.submit(writing("d")).result(30) == "d"


@pytest.mark.postgres
class TestAway:
    """A shared database may go away, and come back."""

    @pytest.fixture
    def shared(self) -> Iterator[Database]:
        """Give a store on PostgreSQL that is open."""
        made = Database(postgresql("+psycopg"))
        made.migrate()
        yield made.open()
        made.close()

    def test_job(self, shared: Database) -> None:
        """A job whose connection is lost is carried out once more, over another one."""
        lost: list[int] = []

        def job(connection: Connection) -> str:
            if not lost:
                lost.append(connection.scalar(text("SELECT pg_backend_pid()")) or 0)
                end(shared, lost[0])
            return writing("a")(connection)

        assert shared.submit(job).result(30) == "a"
        assert written(shared) == ["a"]

    def test_commit(self, shared: Database) -> None:
        """One whose commit was not answered may have been carried out, and is not repeated."""
        tried: list[str] = []

        def job(connection: Connection) -> str:
            tried.append(str(connection.scalar(text("SELECT pg_backend_pid()"))))
            return writing("a")(connection)

        event.listen(shared._writing, "commit", lambda _: end(shared, int(tried[0])), once=True)
        assert isinstance(shared.submit(job).exception(30), DBAPIError)
        assert len(tried) == 1
        assert shared.submit(writing("b")).result(30) == "b"

    def test_unavailable(self, shared: Database) -> None:
        """A job that is submitted in the meantime fails with an error that asks to try again."""

        def away(connection: Connection) -> None:
            end(shared, connection.scalar(text("SELECT pg_backend_pid()")) or 0)
            connection.execute(text("SELECT 1"))

        for ask in (shared.write, shared.read):
            with pytest.raises(ApiError) as refused:
                asyncio.run(ask(away))
            assert refused.value == ApiError("unavailable", headers={"Retry-After": "1"})
        with pytest.raises(DBAPIError):
            asyncio.run(shared.write(lambda c: c.execute(text("SELECT * FROM none"))))
        assert asyncio.run(shared.read(lambda c: c.scalar(text("SELECT 1")))) == 1


def end(store: Database, backend: int) -> None:
    """End a connection of PostgreSQL, as an administrator does, and wait until it has ended."""
    engine = create_engine(store.url)
    with engine.connect() as connection:
        ended = connection.scalar(text("SELECT pg_terminate_backend(:it, 9000)"), {"it": backend})
    engine.dispose()
    assert ended


def fail(failures: list[RuntimeError]) -> None:
    """Raise the next failure, while there is one."""
    if failures:
        raise failures.pop()


class TestBounds:
    """What waits is bounded, and the end is orderly."""

    def test_too_many(self, store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        """When too many wait the next is refused, and told when to come again; 2,000 may wait."""
        assert server.storage.database.WAITING == 2_000
        monkeypatch.setattr(server.storage.database, "WAITING", 3)
        held = Held(store)
        futures = [store.submit(writing(name)) for name in "abc"]
        refused = ApiError("unavailable", headers={"Retry-After": "1"})
        assert refused.status == KINDS["unavailable"].status == 503
        with pytest.raises(ApiError) as one:
            store.submit(writing("d"))
        with pytest.raises(ApiError) as other:
            asyncio.run(store.write(writing("d")))
        assert one.value == other.value == refused
        held.let_go()
        assert [each.result(30) for each in futures] == ["a", "b", "c"]
        assert store.submit(writing("d")).result(30) == "d"

    def test_close(self, store: Database, address: str) -> None:
        """To close finishes what waits; after it nothing is taken, and nothing is in use."""
        held = Held(store)
        futures = [store.submit(writing(name)) for name in "abc"]
        closing = threading.Thread(target=store.close)
        closing.start()
        held.let_go()
        closing.join(30)
        assert [each.result(0) for each in futures] == ["a", "b", "c"]
        with pytest.raises(ApiError) as refused:
            store.submit(writing("d"))
        assert refused.value.code == "unavailable"
        store.close()
        again = Database(address).open()
        assert written(again) == ["a", "b", "c"]
        again.close()

    def test_given_up(self, store: Database) -> None:
        """A job whose asker has gone is done all the same, and the writer lives on."""

        async def given_up() -> None:
            """Ask, and give up before there is an answer."""
            held = Held(store)
            task = asyncio.create_task(store.write(writing("a")))
            await asyncio.sleep(0)
            task.cancel()
            held.let_go()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await store.write(writing("b")) == "b"

        asyncio.run(given_up())
        assert written(store) == ["a", "b"]


class TestReading:
    """What reads does not write."""

    def test_read(self, store: Database) -> None:
        """Both ways to read see what is committed."""
        store.submit(writing("a")).result(30)

        async def read() -> list[Any]:
            """Read in a thread of the store."""
            count = select(func.count()).select_from(content)
            return [
                await store.read(lambda c: c.scalar(count), by_key=by_key)
                for by_key in (False, True)
            ]

        assert asyncio.run(read()) == [1, 1]

    def test_one_moment(self, store: Database) -> None:
        """What is committed between two statements of one read is not seen by the second."""

        def ask(connection: Connection) -> list[int]:
            """Count, let a change be committed, and count again."""
            count = select(func.count()).select_from(content)
            before = connection.execute(count).scalar_one()
            store.submit(writing("meanwhile")).result(30)
            return [before, connection.execute(count).scalar_one()]

        assert store.read_now(ask) == [0, 0]
        assert written(store) == ["meanwhile"]

    def test_only(self, tmp_path: Path) -> None:
        """An embedded database refuses to be written by what reads."""
        embedded = Database(f"sqlite:///{tmp_path}/t.db").open()
        with pytest.raises(DBAPIError):
            embedded.read_now(writing("a"))
        assert written(embedded) == []
        embedded.close()

    def test_nothing_told(self, store: Database) -> None:
        """An error of the database says nothing of the values that were sent to it."""
        future = store.submit(lambda c: c.execute(text("SELECT :it FROM none"), {"it": "geheim"}))
        assert "geheim" not in str(future.exception(30))


class TestOpening:
    """Who may open a database, and what becomes of its schema."""

    def test_twice(self, address: str) -> None:
        """To migrate again does nothing."""
        made = Database(address)
        assert made.migrate() == [*range(1, NEWEST + 1)]
        assert made.migrate() == []
        assert made.read_now(version_of) == NEWEST
        made.close()

    def test_tables(self, address: str) -> None:
        """The migrations give a database the tables that the code asks for, column by column."""
        made = Database(address)
        made.migrate()
        made.read_now(lambda c: [c.execute(select(each)).all() for each in TABLES.sorted_tables])
        made.close()

    @pytest.mark.postgres
    def test_at_once(self) -> None:
        """Of processes that migrate a shared database at the same time one does."""
        address = postgresql("+psycopg")
        stores = [Database(address) for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            done = sorted(pool.map(Database.migrate, stores))
        assert done == [[], [], [], [*range(1, NEWEST + 1)]]
        with pytest.raises(AssertionError):
            stores[0].read_now(lambda c: one_version(c, NEWEST + 1))
        stores[0].read_now(lambda c: one_version(c, NEWEST))
        for each in stores:
            each.close()

    @pytest.mark.postgres
    def test_shared(self) -> None:
        """A shared database that is at no schema, or an older one, is not opened."""
        address = postgresql("+psycopg")
        made = Database(address)
        with pytest.raises(NotMigrated) as not_migrated:
            made.open()
        assert not_migrated.value.version == 0
        made.close()
        engine = create_engine(address)
        with engine.connect() as connection:
            assert version_of(connection) == 0
        engine.dispose()

    def test_embedded(self, tmp_path: Path) -> None:
        """An SQLite file has one store at a time; the next may have it once that is closed."""
        path = tmp_path / "new" / "t.db"
        one = Database(f"sqlite:///{path}").open()
        with pytest.raises(Locked) as locked:
            Database(f"sqlite:///{path}")
        assert locked.value.path == str(path)
        one.close()
        Database(f"sqlite:///{path}").open().close()


def one_version(connection: Connection, version: int) -> None:
    """Hold that a database says once which version it is at."""
    assert list(connection.scalars(select(schema_version.c.version))) == [version]
