"""Processes of the server: workers, signals, and addresses that cannot be listened at."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast
from urllib.parse import urlsplit

import pytest
import requests
from sqlalchemy import create_engine, text

from server.cli.processes import Workers, _Worker
from server.config import read_config
from server.storage.database import Database
from tests.support.databases import postgresql
from tests.support.server_commands import command, is_sentence
from tests.support.servers import BASE, serving
from tests.support.tickets import complaint
from tests.support.tls import certificate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess
    from pathlib import Path

    import sqlalchemy

pytestmark = pytest.mark.slow

WORKERS: Final = {"TTR_WORKERS": "2", "TTR_LOG_LEVEL": "INFO"}
#: No timeout ends what a test waits for.
ENDLESS: Final = {"TTR_BODY_TIMEOUT": "86399", "TTR_SHUTDOWN_TIMEOUT": "86399"}
UNCHANGED: Final = "SIGHUP changes nothing: settings are read at the start only"


class Log:
    """The lines that a process writes to standard error, read as they come."""

    def __init__(self, reads: int) -> None:
        self._file = open(reads, encoding="utf-8")  # noqa: SIM115 - closed by `close`
        self.seen: list[str] = []

    def await_line(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the next line of JSON that meets a condition."""
        for line in self._file:
            self.seen.append(line)
            if line.startswith("{") and holds(found := json.loads(line)):
                return dict(found)
        raise AssertionError("".join(self.seen))

    def await_message(self, message: str) -> dict[str, Any]:
        """Return the next line with this message."""
        return self.await_line(lambda line: line["message"] == message)

    def await_text(self, start: str) -> str:
        """Return the next line that begins with a text."""
        for line in self._file:
            self.seen.append(line)
            if line.startswith(start):
                return line
        raise AssertionError("".join(self.seen))

    def rest(self) -> str:
        """Return everything that was written, once the processes have ended."""
        self.seen += self._file
        return "".join(self.seen)

    def close(self) -> None:
        """Close it."""
        self._file.close()


@contextmanager
def logged() -> Iterator[tuple[Log, int]]:
    """Give a log, and the descriptor that a process writes it to; `close` that one yourself."""
    reads, writes = os.pipe()
    log = Log(reads)
    try:
        yield log, writes
    finally:
        log.close()


class Cluster(NamedTuple):
    """A server with two workers: its root, its process, their numbers, and its log."""

    root: str
    secret: str
    process: subprocess.Popen[str]
    workers: list[int]
    log: Log

    def create(self) -> requests.Response:
        """Create a ticket over a new connection."""
        return requests.post(
            f"{self.root}{BASE}/troubleTicket",
            json=complaint(),
            auth=("operator-a", self.secret),
            timeout=60,
        )


@contextmanager
def cluster(database: str, **environment: str) -> Iterator[Cluster]:
    """Run a server with two workers on a database, and read its log."""
    settings = {**WORKERS, **environment}
    with logged() as (log, writes), serving(database, stderr=writes, **settings) as running:
        os.close(writes)
        numbers = [log.await_message("a worker was started")["worker"] for _ in range(2)]
        secret = running.secrets["operator-a"]
        yield Cluster(running.root, secret, running.process, numbers, log)


@pytest.fixture(scope="module")
def shared() -> str:
    """Give the address of a database of a PostgreSQL."""
    return migrated()


@pytest.mark.postgres
class TestWorkers:
    """`serve --workers 2`: one port, and processes that are replaced and end together."""

    def test_life(self, shared: str) -> None:
        """A worker that is killed is replaced; neither that nor SIGHUP nor the end drops a request.

        Every request that was accepted before SIGTERM is answered, none with a 5xx.
        """
        with cluster(shared) as running:
            assert running.create().status_code == 201
            running.process.send_signal(signal.SIGHUP)
            for _ in range(2):
                running.log.await_message(UNCHANGED)
            assert running.create().status_code == 201
            kill(running.workers[0])
            ended = running.log.await_message("a worker ended")
            assert (ended["worker"], ended["exit"]) == (running.workers[0], -signal.SIGKILL)
            replaced = running.log.await_message("a worker was started")["worker"]
            assert replaced not in running.workers
            statuses: list[int] = []
            begun = threading.Barrier(5)
            clients = [
                threading.Thread(target=create_until_closed, args=(running, statuses, begun))
                for _ in range(4)
            ]
            for each in clients:
                each.start()
            begun.wait(60)
            running.process.terminate()
            for each in clients:
                each.join(60)
            assert running.process.wait(60) == 0
            assert set(statuses) == {201}
            engine = create_engine(read_config({"TTR_DATABASE_URL": shared}).database_url)
            with engine.connect() as connection:
                kept = connection.execute(text("SELECT count(*) FROM ticket")).scalar_one()
            engine.dispose()
            assert kept >= len(statuses)
            assert "Traceback" not in running.log.rest()

    def test_database_away(self) -> None:
        """A worker that cannot reach the database says so in a sentence, and is tried again.

        When the parent is killed, the workers end, and the port is free.
        """
        database = postgresql()
        with cluster(database) as running:
            name = urlsplit(database).path.removeprefix("/")
            with administering(shared_root(database)) as connection:
                connection.execute(text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'))
                kill(running.workers[0])
                for _ in range(2):
                    assert running.log.await_text("server: ").startswith(
                        "server: Check TTR_DATABASE_URL and the database: "
                    )
                    ended = running.log.await_message("a worker ended")
                    assert ended["exit"] == 2
                connection.execute(text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'))
            replaced = running.log.await_message("a worker was started")["worker"]
            running.log.await_line(
                lambda line: line["message"] == f"Started server process [{replaced}]"
            )
            assert running.create().status_code == 201
            kill(running.process.pid)
            # Workers have the other end of the log until they end.
            whole = running.log.rest()
            assert whole.count("the parent process has ended") == 2
            assert "Traceback" not in whole
            address = urlsplit(running.root)
            with socket.create_server((str(address.hostname), int(address.port or 0))):
                pass

    def test_cannot_start(self) -> None:
        """A port in use, and a database that is away, end the start in one sentence."""
        database = migrated()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            away = f"postgresql://nobody@127.0.0.1:{port}/none?connect_timeout=1"
            for address, its_port, named in (
                (database, port, "TTR_PORT"),
                (away, "0", "TTR_DATABASE_URL"),
            ):
                ended = command(address, "serve", TTR_WORKERS="2", TTR_PORT=its_port)
                assert is_sentence(ended), ended.output
                assert named in ended.stderr


def test_pauses() -> None:
    """A worker that ends soon is started again ever later; one that ran for long, at once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        workers = Workers(print, listener, 2, 1.0)
        pauses = []
        for lived in (0, 0, 59, 0, 0, 0, 0, 0, 61, 0):
            begun = time.monotonic()
            ended = _Worker(cast("SpawnProcess", None), cast("Connection", None), begun - lived)
            workers._wait_before_restart(ended)
            pauses.append(workers._pause)
            assert begun + workers._pause <= workers._resumes <= time.monotonic() + workers._pause
        assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 0, 0.5]


class TestSignals:
    """SIGINT, SIGTERM and SIGHUP."""

    @pytest.mark.postgres
    @pytest.mark.parametrize("workers", ["1", "2"])
    def test_forced(self, workers: str, shared: str) -> None:
        """The first SIGINT waits for requests under way, the second one ends at once."""
        environment = {**ENDLESS, "TTR_WORKERS": workers, "TTR_LOG_LEVEL": "INFO"}
        with logged() as (log, writes), serving(shared, stderr=writes, **environment) as running:
            os.close(writes)
            with half_request(running.root):
                running.process.send_signal(signal.SIGINT)
                log.await_line(lambda line: line["message"].startswith("Waiting for connections"))
                running.process.send_signal(signal.SIGINT)
                assert running.process.wait(60) == 1

    def test_in_time(self, tmp_path: Path) -> None:
        """Requests that do not finish in time do not keep the server from ending."""
        timeouts = {**ENDLESS, "TTR_SHUTDOWN_TIMEOUT": "0.1"}
        address = f"sqlite:///{tmp_path}/t.db"
        with serving(address, **timeouts) as running, half_request(running.root):
            running.process.terminate()
            assert running.process.wait(60) == 0

    def test_certificate(self, tmp_path: Path) -> None:
        """SIGHUP makes the server read its certificate again, unless that is invalid."""
        pem, key = certificate(tmp_path, "own")
        tls = {"TTR_TLS_CERTIFICATE": pem, "TTR_TLS_KEY": key, "TTR_LOG_LEVEL": "INFO"}
        address = f"sqlite:///{tmp_path}/t.db"
        with logged() as (log, writes), serving(address, stderr=writes, **tls) as running:
            os.close(writes)
            log.await_line(lambda line: line["message"].startswith("Application startup complete"))
            first = certificate_of(running.root)
            certificate(tmp_path, "own")
            running.process.send_signal(signal.SIGHUP)
            log.await_message("the certificate was read again")
            second = certificate_of(running.root)
            assert second != first
            (tmp_path / "own.pem").write_text("")
            running.process.send_signal(signal.SIGHUP)
            log.await_message("the certificate cannot be read; the one before is still used")
            assert certificate_of(running.root) == second

    @pytest.mark.postgres
    def test_deliver(self, shared: str) -> None:
        """`deliver` goes on at SIGHUP, and ends at SIGTERM."""
        key = "QUFB" * 11
        with ExitStack() as stack:
            log, writes = stack.enter_context(logged())
            process = stack.enter_context(
                running_command("deliver", writes, TTR_DATABASE_URL=shared, TTR_SIGNING_KEY=key)
            )
            assert process.stdout is not None
            assert process.stdout.readline() == "Delivering events\n"
            process.send_signal(signal.SIGHUP)
            log.await_message(UNCHANGED)
            process.terminate()
            assert process.wait(60) == 0

    def test_listen(self) -> None:
        """`listen` ends in order at SIGHUP."""
        with running_command("listen", None, "--port", "0") as process:
            assert process.stdout is not None
            root = process.stdout.readline().split()[-1]
            assert requests.get(root, timeout=60).status_code == 404
            process.send_signal(signal.SIGHUP)
            assert process.wait(60) == 0


def test_addresses() -> None:
    """An address that cannot be listened at is named in one sentence, by each command."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for arguments, environment, named in (
            (["serve"], {"TTR_HOST": "host.invalid"}, "TTR_HOST"),
            (["serve"], {"TTR_HOST": "x" * 63 + ".invalid"}, "TTR_HOST"),
            (["serve"], {"TTR_HOST": "203.0.113.9"}, "TTR_HOST"),
            (["serve"], {"TTR_HOST": "fe80::1%nosuch"}, "TTR_HOST"),
            (["listen", "--host", "host.invalid"], {}, "--host"),
            (["listen", "--port", port], {}, "--port"),
        ):
            ended = command("sqlite:////nowhere/t.db", *arguments, **environment)
            assert is_sentence(ended), ended.output
            assert named in ended.stderr


@pytest.mark.parametrize("option", [["--host", ""], ["--host", "0"], ["--delay", "nan"]])
def test_listen_options(option: list[str]) -> None:
    """`listen` rejects a host that would be all addresses, and a delay that is no number."""
    ended = command("sqlite:////nowhere/t.db", "listen", *option)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert option[0] in ended.stderr


def kill(number: int) -> None:
    """Kill a process of ours."""
    os.kill(number, signal.SIGKILL)


def migrated() -> str:
    """Return the address of a new database of a PostgreSQL, with all tables."""
    address = postgresql()
    with closing(Database(read_config({"TTR_DATABASE_URL": address}).database_url)) as store:
        store.migrate()
    return address


def create_until_closed(running: Cluster, statuses: list[int], begun: threading.Barrier) -> None:
    """Create tickets until nobody listens any more; pass the barrier after the first one."""
    with suppress(requests.ConnectionError):
        statuses.append(running.create().status_code)
        begun.wait(60)
        while True:
            statuses.append(running.create().status_code)


@contextmanager
def running_command(
    name: str, stderr: int | None, *arguments: str, **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """Run a command, and end it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "server", name, *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )
    if stderr is not None:
        os.close(stderr)
    try:
        yield process
    finally:
        process.kill()
        process.wait(60)
        assert process.stdout is not None
        process.stdout.close()


@contextmanager
def half_request(root: str) -> Iterator[None]:
    """Hold a request whose body does not arrive, once the server has read its headers."""
    address = urlsplit(root)
    with socket.create_connection((str(address.hostname), int(address.port or 0))) as client:
        client.sendall(
            b"POST /oauth2/token HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\nExpect: 100-continue\r\n\r\n"
        )
        assert client.recv(100).startswith(b"HTTP/1.1 100 ")
        yield


def certificate_of(root: str) -> str:
    """Return the certificate that a server shows to a new connection."""
    address = urlsplit(root)
    return ssl.get_server_certificate((str(address.hostname), int(address.port or 0)))


def shared_root(database: str) -> str:
    """Return the address of the database `postgres` beside another one."""
    parts = urlsplit(database)
    return parts._replace(path="/postgres").geturl()


@contextmanager
def administering(address: str) -> Iterator[sqlalchemy.Connection]:
    """Give a connection that is in no transaction."""
    engine = create_engine(read_config({"TTR_DATABASE_URL": address}).database_url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection
    engine.dispose()
