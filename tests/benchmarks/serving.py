"""How many requests a second the server answers, beside the servers of `rivals`.

One process each, all up at once, asked in turns: a ticket of 1.5 KB is stored durably (SQLite, WAL,
synchronous=FULL), and read by its id. What is told is the median of the rounds; a ratio is taken
within each round. Each server has a database of its own, which grows as it is posted to.

    python tests/benchmarks/serving.py [--quick]
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from server.storage import operators
from server.storage.database import Database
from tests.benchmarks import client
from tests.benchmarks.client import Request, Running, Slice
from tests.benchmarks.frameworks import rivals
from tests.benchmarks.tickets import small
from tests.benchmarks.timing import Target, load, show, show_targets

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = "this server"
STOCK = "Connexion"
FASTAPI = "FastAPI"
#: The rivals by name: framework, and how it stores. The last two are told, and promise nothing.
RIVALS = {
    STOCK: ("connexion", "own"),
    FASTAPI: ("fastapi", "own"),
    "Connexion, our writer": ("connexion", "grouped"),
    "FastAPI, our writer": ("fastapi", "grouped"),
}
_SIZE = 1500
_READ = 500


def main(*, quick: bool = False) -> list[Target]:
    """Print what each server does, and return the targets."""
    rounds, seconds = (3, 2.0) if quick else (7, 4.0)
    print(f"client: {client.NAME}, {client.CONNECTIONS} connections; {rounds} rounds; {load()}")
    post = Request("POST", f"{rivals.BASE}/troubleTicket", _ticket())
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        servers = {OURS: stack.enter_context(_ours(folder))}
        for name, how in RIVALS.items():
            servers[name] = stack.enter_context(_rival(folder, *how))
        gets = {name: _filled(server, post) for name, server in servers.items()}
        posted: dict[str, list[Slice]] = {name: [] for name in servers}
        got: dict[str, list[Slice]] = {name: [] for name in servers}
        for turn in range(rounds + 1):
            for name, server in servers.items():
                for taken, requests in ((posted, [post]), (got, gets[name])):
                    one = client.measure(server, requests, seconds if turn else 1, folder)
                    if turn:  # the first one warms up
                        taken[name].append(one)
    print(load())
    _show("POST, durable", posted)
    _show("GET by id", got)
    return [
        Target(f"POST, times {STOCK}", _ratio(posted, STOCK), 5, at_least=True),
        Target(f"POST, times {FASTAPI}", _ratio(posted, FASTAPI), 1, at_least=True),
        Target("POST, p99", median(one.p99 for one in posted[OURS]), 100, unit="ms"),
        Target(f"GET by id, times {STOCK}", _ratio(got, STOCK), 5, at_least=True),
    ]


def _ticket() -> str:
    """Return a valid ticket of some 1.5 KB, on one line."""
    ticket = small()
    ticket["description"] += " It flickers, goes out, and comes back." * 20
    missing = _SIZE - len(json.dumps(ticket, separators=(",", ":")))
    ticket["description"] = ticket["description"][: missing or None]
    return json.dumps(ticket, separators=(",", ":"))


@contextmanager
def _ours(folder: Path) -> Iterator[Running]:
    database = f"sqlite:///{folder}/ours.db"
    store = Database(database).open()
    secret = store.submit(partial(operators.add, name=rivals.NAME, now=0)).result()
    store.close()
    with running(database, secret, folder / "ours.log") as server:
        yield server


@contextmanager
def running(database: str, secret: str, log: Path, name: str = rivals.NAME) -> Iterator[Running]:
    """Run our server on a database, as it comes; give it with the credentials to send."""
    settings = {"TTR_DATABASE_URL": database, "TTR_PORT": "0"}
    command = [sys.executable, "-m", "server", "serve"]
    with process_of(command, log, **settings) as (line, process):
        root = line.split()[1].removesuffix(rivals.BASE)
        yield Running(root, basic(name, secret), process)


@contextmanager
def _rival(folder: Path, framework: str, storing: str) -> Iterator[Running]:
    name = f"{framework}-{storing}"
    database = f"sqlite:///{folder}/{name}.db"
    command = [sys.executable, rivals.__file__, framework, storing, database]
    with process_of(command, folder / f"{name}.log") as (line, process):
        yield Running(
            f"http://127.0.0.1:{line.strip()}", basic(rivals.NAME, rivals.SECRET), process
        )


def basic(name: str, secret: str) -> str:
    """Return the credentials as a header has them."""
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


@contextmanager
def process_of(command: list[str], log: Path, **settings: str) -> Iterator[tuple[str, int]]:
    """Run a server; give the first line that it prints, and its id. Its log goes to a file."""
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command,
            env={**os.environ, **settings},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, log.read_text("utf-8")
            yield line, process.pid
        finally:
            process.terminate()


def _filled(server: Running, post: Request) -> list[Request]:
    """Store some tickets, and return the requests that read them."""
    connection = http.client.HTTPConnection(server.root.removeprefix("http://"), timeout=60)
    headers = {"Authorization": server.authorization, "Content-Type": "application/json"}
    requests = []
    for _ in range(_READ):
        connection.request("POST", post.path, post.body, headers)
        answer = connection.getresponse()
        ticket = json.loads(answer.read())
        assert answer.status == http.client.CREATED, ticket
        requests.append(Request("GET", ticket["href"]))
    connection.close()
    return requests


def _ratio(taken: dict[str, list[Slice]], other: str) -> float:
    """Return how many times as many requests ours answers: the median of the rounds."""
    pairs = zip(taken[OURS], taken[other], strict=True)
    return median(ours.rate / its.rate for ours, its in pairs)


def _show(what: str, taken: dict[str, list[Slice]]) -> None:
    rows = [
        (
            name,
            f"{median(one.rate for one in slices):.0f}",
            f"{median(one.p50 for one in slices):.1f}",
            f"{median(one.p99 for one in slices):.1f}",
            f"{median(one.cpu for one in slices):.0f}",
            f"{_ratio(taken, name):.2f}",
        )
        for name, slices in taken.items()
    ]
    show((what, "req/s", "p50 ms", "p99 ms", "CPU µs", "ours is times"), rows)


if __name__ == "__main__":
    show_targets(main(quick="--quick" in sys.argv[1:]))
