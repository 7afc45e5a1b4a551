"""Server processes on real databases, and HTTP clients of them."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import requests

from server.storage import operators
from server.storage.database import Database
from tests.support.contract import BACKOFFICE_BASE, add_documents, conforms
from tests.support.profiles import SHIPPED, base_path, load
from tests.support.tickets import complaint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from server.profile.model import Profile, Role

BASE = base_path(load())
NAMES = ("operator-a", "operator-b", "operator-c")
PROVIDERS = ("provider", "provider-b")
PROVIDER = PROVIDERS[0]
#: Settings of a server whose operators may listen on this machine.
LISTENING = {"TTR_ALLOW_LOOPBACK_CALLBACKS": "1", "TTR_SIGNING_KEY": "A" * 44}


class Client:
    """An HTTP client with credentials: sends requests to paths below a base path of the API."""

    def __init__(self, root: str, auth: Any, base: str = BASE) -> None:
        self.root = root
        self.auth = auth
        self.base = base
        self._session = requests.Session()
        self._session.trust_env = False

    def __call__(
        self, method: str, path: str, *, held: bool = True, **more: Any
    ) -> requests.Response:
        """Send a request. A path of the API begins with a slash; other URLs with the server's root.

        The response must match the OpenAPI document; pass `held=False` for requests outside it.
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
        """Create a ticket with these members and return it as the server returned it."""
        answer = self.post("/troubleTicket", json={**complaint(), **members})
        assert answer.status_code == 201, answer.text
        ticket: dict[str, Any] = answer.json()
        return ticket


class Server(NamedTuple):
    """A running server: its root URL, the secrets of its operators, and its base paths."""

    root: str
    secrets: dict[str, str]
    database: str
    process: subprocess.Popen[str]
    base: str = BASE
    provider_base: str = BACKOFFICE_BASE

    def client(self, name: str = NAMES[0]) -> Client:
        """Return a client with the credentials of an operator (Basic authentication)."""
        return Client(self.root, (name, self.secrets[name]), self.base)

    def backoffice(self, name: str = PROVIDER) -> Client:
        """Return a client of the back-office API, with the credentials of a provider."""
        return Client(self.root, (name, self.secrets[name]), self.provider_base)

    def stranger(self) -> Client:
        """Return a client without credentials."""
        return Client(self.root, None, self.base)


def without_owner(ticket: dict[str, Any]) -> dict[str, Any]:
    """Return a ticket of a response to the provider as its operator sees it."""
    return {name: value for name, value in ticket.items() if name != "operator"}


@contextmanager
def serving(
    database: str, profile: Profile = SHIPPED, /, *, stderr: Any = None, **environment: str
) -> Iterator[Server]:
    """Run a server with three operators and two providers until the block ends.

    The checker is on; `environment` overrides settings.
    """
    add_documents(profile)
    provider = profile.provider or profile.operator
    store = Database(database, profile)
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
    settings = {
        "TTR_DATABASE_URL": database,
        "TTR_CHECKER": "1",
        "TTR_PROFILE": str(profile.directory),
        **environment,
    }
    with started(stderr=stderr, **settings) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("Serving "), line
        root = line.split()[1].removesuffix(profile.operator.base)
        yield Server(root, secrets, database, process, profile.operator.base, provider.base)


@contextmanager
def delivering(server: Server, profile: Profile, **environment: str) -> Iterator[None]:
    """Deliver events until the block ends, as the server itself does with SQLite."""
    if server.database.startswith("sqlite"):
        yield
        return
    settings = {
        "TTR_DATABASE_URL": server.database,
        "TTR_PROFILE": str(profile.directory),
        "TTR_METRICS_PORT": "0",
    }
    with started("deliver", **settings, **environment) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield


def _added(name: str, role: Role, connection: Connection) -> str:
    if operators.named(connection, name) is None:
        return operators.add(connection, name, 0, role)
    return operators.rotate(connection, name)


@contextmanager
def started(
    command: str = "serve", /, *, stderr: Any = None, **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """Run a command of the server with settings until the block ends; it logs to `stderr`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "server", command],
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
    """Restore the logging configuration, because commands change it for the whole process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def api(server: Server) -> Client:
    """Return a client of the first operator."""
    return server.client()


@pytest.fixture
def other(server: Server) -> Client:
    """Return a client of the second operator."""
    return server.client(NAMES[1])


@pytest.fixture
def backoffice(server: Server) -> Client:
    """Return a client of the back-office API, as a provider."""
    return server.backoffice()
