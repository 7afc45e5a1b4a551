"""Databases that are full, locked, stopped, read-only or gone: 503, one log line, never a 500."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from server.storage.database import Database
from server.storage.faults import FAULTS, Outage, Replaced, fault_of
from server.storage.sqlite_file import Locked, SQLiteFile
from tests.support.databases import postgresql, postgresql_server
from tests.support.servers import serving
from tests.support.tickets import complaint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.servers import Client, Server

#: How long the servers here wait for their database, in seconds.
PATIENCE = "0.5"


class Running(NamedTuple):
    """A server, and what it has logged."""

    server: Server
    log: Path

    def lines(self, message: str) -> list[dict[str, Any]]:
        """Return the lines with a message."""
        lines = [json.loads(line) for line in self.log.read_text("utf-8").splitlines()]
        assert not [line for line in lines if line["level"] == "ERROR"], lines
        return [line for line in lines if line["message"] == message]


@contextmanager
def watched(folder: Path, database: str) -> Iterator[Running]:
    """Run a server that waits for its database only shortly."""
    log = folder / "log"
    with (
        log.open("w") as stderr,
        serving(database, stderr=stderr, TTR_DATABASE_TIMEOUT=PATIENCE) as server,
    ):
        yield Running(server, log)


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Running]:
    """Give a server on SQLite."""
    with watched(tmp_path, f"sqlite:///{tmp_path}/db/t.db") as running:
        yield running


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Running]:
    """Give a server on PostgreSQL."""
    with watched(tmp_path, postgresql()) as running:
        yield running


def changed() -> dict[str, str]:
    """Return a change of a ticket, another one each time."""
    return {"@type": "TroubleTicket", "description": str(uuid4())}


def path_of(running: Running) -> Path:
    """Return the file of a server's database."""
    return Path(make_url(running.server.database).database or "")


def statuses(client: Client, number: str) -> dict[str, int]:
    """Return what a client is answered, by what it asks for."""
    root = client.root
    asked = {
        "POST": client.post("/troubleTicket", json=complaint()),
        "PATCH": client.patch(f"/troubleTicket/{number}", json=changed()),
        "token": client.post(
            f"{root}/oauth2/token", data={"grant_type": "client_credentials"}, held=False
        ),
        "GET": client.get(f"/troubleTicket/{number}"),
        "list": client.get("/troubleTicket?limit=1"),
        "ready": client.get(f"{root}/health/ready"),
        "live": client.get(f"{root}/health/live"),
        "metrics": client.get(f"{root}/metrics"),
    }
    for answer in asked.values():
        if answer.status_code == 503:
            assert int(answer.headers["Retry-After"]) >= 1
    return {name: answer.status_code for name, answer in asked.items()}


#: What is answered while nothing can be written, and while nothing can be read either.
UNWRITABLE = {
    **dict.fromkeys(("POST", "PATCH", "token", "ready"), 503),
    **dict.fromkeys(("GET", "list", "live", "metrics"), 200),
}
UNREACHABLE = {**UNWRITABLE, "GET": 503, "list": 503}
#: What is answered when all is well.
WELL = {
    "POST": 201,
    **dict.fromkeys(("PATCH", "token", "ready", "GET", "list", "live", "metrics"), 200),
}


def meets(running: Running, expected: dict[str, int], number: str, fault: str) -> None:
    """Ask for everything twice; of the fault there is one line."""
    client = running.server.client()
    assert [statuses(client, number) for _ in range(2)] == [expected] * 2
    (line,) = running.lines("the database cannot be used")
    assert (line["fault"], line["remedy"]) == (fault, FAULTS[fault])


def recovers(running: Running, number: str) -> None:
    """Ask until the server has found its database again; then all is well, and that is logged."""
    client = running.server.client()
    end = time.monotonic() + 60
    while client.get(f"{client.root}/health/ready").status_code != 200:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert statuses(client, number) == WELL
    assert len(running.lines("the database can be used again")) == 1


@pytest.mark.slow
class TestSQLite:
    """An embedded database."""

    def test_locked(self, sqlite: Running) -> None:
        """Another process that locks it is waited for only shortly."""
        number = sqlite.server.client().created()["id"]
        other = sqlite3.connect(path_of(sqlite), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        meets(sqlite, UNWRITABLE, number, "locked")
        other.execute("ROLLBACK")
        recovers(sqlite, number)
        other.close()

    def test_quota(self, sqlite: Running) -> None:
        """So is a disk that takes no more: here the process may write no larger files."""
        number = sqlite.server.client().created()["id"]
        process = sqlite.server.process.pid
        before = resource.prlimit(process, resource.RLIMIT_FSIZE)
        resource.prlimit(process, resource.RLIMIT_FSIZE, (4_096, before[1]))
        try:
            meets(sqlite, UNWRITABLE, number, "io")
        finally:
            resource.prlimit(process, resource.RLIMIT_FSIZE, before)
        recovers(sqlite, number)

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
    @pytest.mark.parametrize("how", ["full", "read-only"])
    def test_disk(self, how: str, tmp_path: Path) -> None:
        """A disk that is full, or became read-only; the server that starts there says so."""
        disk = tmp_path / "disk"
        disk.mkdir()
        if run("mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(disk)).returncode:
            pytest.skip("this machine mounts nothing")
        try:
            with watched(tmp_path, f"sqlite:///{disk}/t.db") as running:
                number = running.server.client().created()["id"]
                if how == "full":
                    fill_up(disk)
                    meets(running, UNWRITABLE, number, "full")
                    (disk / "filling").unlink()
                    recovers(running, number)
            if how == "read-only":
                assert run("mount", "-o", "remount,ro", str(disk)).returncode == 0
                database = f"sqlite:///{disk}/t.db"
                settings = {**os.environ, "TTR_DATABASE_URL": database, "TTR_PORT": "0"}
                ended = run(sys.executable, "-m", "server", "serve", env=settings)
                assert (ended.returncode, ended.stdout) == (2, "")
                assert len(ended.stderr.splitlines()) == 1
                assert str(disk) in ended.stderr
        finally:
            run("umount", "-l", str(disk))

    @pytest.mark.parametrize("how", ["removed", "moved", "replaced", "copied over", "log removed"])
    def test_replaced(self, sqlite: Running, how: str) -> None:
        """A file that is not the one which was opened takes no change any more."""
        client = sqlite.server.client()
        number = client.created()["id"]
        path = path_of(sqlite)
        aside = path.with_name("aside")
        sqlite3.connect(path).execute("VACUUM INTO ?", (str(aside),)).connection.close()
        assert client.created()  # neither a copy nor another reader is mistaken for it
        match how:
            case "removed":
                path.unlink()
            case "moved":
                path.rename(path.with_name("moved"))
            case "replaced":
                aside.rename(path)
            case "copied over":
                shutil.copyfile(aside, path)
            case _:
                Path(f"{path}-wal").unlink()
        assert client.post("/troubleTicket", json=complaint()).status_code == 503
        assert client.get(f"{client.root}/health/ready").status_code == 503
        assert client.post("/troubleTicket", json=complaint()).status_code == 503
        assert client.get(f"{client.root}/metrics").status_code == 200
        assert client.get(f"/troubleTicket/{number}").status_code in {200, 503}
        (line,) = sqlite.lines("the database cannot be used")
        assert line["fault"] in {"replaced", "damaged", "io"}

    def test_moved_back(self, sqlite: Running) -> None:
        """A file that is moved and moved back is the one that was opened."""
        client = sqlite.server.client()
        number = client.created()["id"]
        path = path_of(sqlite)
        path.rename(path.with_name("moved"))
        meets(sqlite, UNWRITABLE, number, "replaced")
        path.with_name("moved").rename(path)
        recovers(sqlite, number)

    def test_checkpoints(self, tmp_path: Path) -> None:
        """A checkpoint by any process is not mistaken for a replacement of the file."""
        path = tmp_path / "t.db"
        store = Database(f"sqlite:///{path}").open()
        other = sqlite3.connect(path)
        insert = text("INSERT INTO content VALUES (:name, '', :text)")
        for number in range(30):
            bound = insert.bindparams(name=str(number), text="x" * 200_000)
            store.submit(lambda c, bound=bound: c.execute(bound)).result(30)  # type: ignore[misc]
            if number % 10 == 0:
                other.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        other.close()
        store.check()
        store.close()

    def test_private(self, tmp_path: Path) -> None:
        """A new file, and those beside it, are for their owner alone; an old one stays as it is."""
        before = os.umask(0o022)
        try:
            path = tmp_path / "t.db"
            store = Database(f"sqlite:///{path}").open()
            names = [path, *(Path(f"{path}-{end}") for end in ("wal", "shm"))]
            assert [each.stat().st_mode & 0o777 for each in names] == [0o600] * 3
            store.close()
            path.chmod(0o640)
            Database(f"sqlite:///{path}").open().close()
            assert path.stat().st_mode & 0o777 == 0o640
        finally:
            os.umask(before)


class TestLock:
    """One process at a time has an SQLite file, by whatever name."""

    @pytest.mark.parametrize("link", ["symbolic", "hard", "folder", "dots", "replaced"])
    def test_names(self, link: str, tmp_path: Path) -> None:
        """Every other name of the file leads to the same lock, and the first one stays locked."""
        (tmp_path / "a").mkdir()
        path = tmp_path / "a" / "t.db"
        store = Database(f"sqlite:///{path}").open()
        other = tmp_path / "other.db"
        match link:
            case "symbolic":
                other.symlink_to(path)
            case "hard":
                other.hardlink_to(path)
            case "folder":
                (tmp_path / "b").symlink_to(tmp_path / "a")
                other = tmp_path / "b" / "t.db"
            case "dots":
                other = tmp_path / "a" / ".." / "a" / "t.db"
            case _:
                other = path
                sqlite3.connect(tmp_path / "new.db").close()
                (tmp_path / "new.db").rename(path)
        for _ in range(2):
            with pytest.raises(Locked):
                SQLiteFile(other)
        if link == "hard":
            settings = {**os.environ, "TTR_DATABASE_URL": f"sqlite:///{other}"}
            ended = run(sys.executable, "-m", "server", "operator", "list", env=settings)
            assert (ended.returncode, ended.stdout) == (2, "")
            assert str(other) in ended.stderr
        if link != "replaced":
            # SQLite's own locks are still there: the log is not taken away by another process.
            run(sys.executable, "-c", f"import sqlite3; sqlite3.connect({str(path)!r}).close()")
            assert Path(f"{path}-wal").exists()
            store.check()
        store.close()


@pytest.mark.slow
@pytest.mark.postgres
class TestPostgreSQL:
    """A shared database."""

    def test_stopped(self, shared: Running) -> None:
        """One that does not answer any more is waited for only shortly, and is found again."""
        number = shared.server.client().created()["id"]
        with stopped():
            meets(shared, UNREACHABLE, number, "unreachable")
        recovers(shared, number)

    def test_read_only(self, shared: Running) -> None:
        """One that takes no changes."""
        number = shared.server.client().created()["id"]
        name = make_url(shared.server.database).database
        for value in ("on", "off"):
            with psycopg.connect(shared.server.database, autocommit=True) as connection:
                connection.execute("SET default_transaction_read_only = off")
                connection.execute(
                    f"ALTER DATABASE {name} SET default_transaction_read_only = {value}"
                )
                connection.execute(
                    "SELECT pg_terminate_backend(pid, 9000) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            if value == "on":
                meets(shared, UNWRITABLE, number, "read_only")
        recovers(shared, number)

    def test_row(self, shared: Running) -> None:
        """A row that somebody else has locked delays nobody but who wants to change it."""
        client = shared.server.client()
        number = client.created()["id"]
        with psycopg.connect(shared.server.database) as connection:
            connection.execute("SELECT * FROM ticket WHERE id = %s FOR UPDATE", (number,))
            blocked = client.patch(f"/troubleTicket/{number}", json=changed())
            assert blocked.status_code == 503
            expected = {**WELL, "PATCH": 503}
            assert statuses(client, number) == expected
        assert statuses(client, number) == WELL
        assert shared.lines("the database cannot be used") == []

    def test_row_later(self) -> None:
        """A change that met a locked row is made once the row is free."""
        address = postgresql("+psycopg")
        store = Database(address)
        store.migrate()
        store.open()
        store.submit(lambda c: c.execute(text("INSERT INTO content VALUES ('a', '', '')"))).result()
        change = text("UPDATE content SET text = text || 'x'")
        with psycopg.connect(address.replace("+psycopg", "")) as connection:
            connection.execute("SELECT * FROM content FOR UPDATE")
            blocked = [store.submit(lambda c: c.execute(change)) for _ in range(3)]
            free = store.submit(lambda c: c.scalar(text("SELECT 1")))
            assert free.result(30) == 1
            assert not any(each.done() for each in blocked)
        assert [each.exception(30) for each in blocked] == [None] * 3
        assert store.read_now(lambda c: c.scalar(text("SELECT text FROM content"))) == "xxx"
        store.close()


def run(*command: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(command, env=env, check=False, capture_output=True, text=True, timeout=60)


def fill_up(disk: Path) -> None:
    """Leave no byte free on a disk."""
    with (disk / "filling").open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 65_536):
                pass
        except OSError:
            pass


@contextmanager
def stopped() -> Iterator[None]:
    """Stop the processes of the PostgreSQL of these tests, as a machine that hangs does."""
    first = postgresql_server().get_pid()
    tree = [first, *children_of(first)]
    for each in tree:
        os.kill(each, signal.SIGSTOP)
    try:
        yield
    finally:
        for each in tree:
            os.kill(each, signal.SIGCONT)


def children_of(process: int) -> list[int]:
    """Return the children of a process."""
    told = Path(f"/proc/{process}/task/{process}/children").read_text("ascii")
    return [int(each) for each in told.split()]


class Driver(Exception):
    """An error of a driver, with the code that it gives."""

    def __init__(self, **codes: object) -> None:
        super().__init__()
        vars(self).update(codes)


class TestFaults:
    """Which errors mean what, and what is logged of them."""

    @pytest.mark.parametrize(
        ("error", "fault"),
        [
            (OperationalError("", None, Driver(sqlite_errorcode=5)), "locked"),
            (OperationalError("", None, Driver(sqlite_errorcode=5 | 2 << 8)), "locked"),
            (OperationalError("", None, Driver(sqlite_errorcode=10 | 3 << 8)), "io"),
            (OperationalError("", None, Driver(sqlite_errorcode=13)), "full"),
            (OperationalError("", None, Driver(sqlite_errorcode=1)), None),
            (DBAPIError("", None, Driver(sqlstate="53100")), "full"),
            (DBAPIError("", None, Driver(sqlstate="53300")), "busy"),
            (DBAPIError("", None, Driver(sqlstate="25006")), "read_only"),
            (DBAPIError("", None, Driver(sqlstate="57P01")), "unreachable"),
            (DBAPIError("", None, Driver(sqlstate="57014")), "too_slow"),
            (DBAPIError("", None, Driver(sqlstate="55P03")), "row_locked"),
            (ProgrammingError("", None, Driver(sqlstate="42P01")), None),
            (OperationalError("", None, psycopg.OperationalError("lost")), "unreachable"),
            (ProgrammingError("", None, psycopg.ProgrammingError("ours")), None),
            (PoolTimeout(), "busy"),
            (Replaced("t.db"), "replaced"),
            (RuntimeError(), None),
        ],
    )
    def test_kinds(self, error: Exception, fault: str | None) -> None:
        """An error in our own code is not a database fault."""
        assert fault_of(error) == fault
        assert fault is None or fault in FAULTS

    def test_log(self, caplog: pytest.LogCaptureFixture) -> None:
        """An outage is a line when it begins, one a minute, and one when it ends."""
        now = [0.0]
        outage = Outage(clock=lambda: now[0])
        outage.over()
        outage.seen("too_slow", RuntimeError())
        for second in range(130):
            now[0] = float(second)
            outage.seen("full", RuntimeError())
        outage.seen("io", RuntimeError())
        outage.over()
        outage.over()
        told = [(each.message, vars(each)["fault"]) for each in caplog.records]
        failing, again = "the database cannot be used", "the database can be used again"
        assert told == [*[(failing, "full")] * 3, (failing, "io"), (again, "io")]
