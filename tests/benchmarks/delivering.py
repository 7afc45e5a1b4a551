"""How quickly events are delivered, from an outbox that is full and from changes as they come.

On SQLite, where the server delivers by itself, and on PostgreSQL with one and with two processes
that do; to a receiver in a process of its own that answers at once, or after 100 ms. Full means
5,000 events of 1,000 tickets of one operator: what is told is how many arrive in a second, from the
first to the last. Then 100 tickets are changed in each second: an event's delay is from the moment
that it was raised, which is before its commit, to that of its arrival, by one clock.

    python tests/benchmarks/delivering.py [--quick]
"""

from __future__ import annotations

import base64
import http.client
import json
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from statistics import quantiles
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import uuid4

from sqlalchemy import select

from server.storage import operators, outbox, tables
from server.storage.database import Database
from server.storage.outbox import Event
from tests.benchmarks.frameworks import rivals
from tests.benchmarks.serving import basic, process_of
from tests.benchmarks.tickets import small
from tests.benchmarks.timing import Target, load, show, show_targets
from tests.soak import receiver
from tests.support.databases import postgresql

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Connection

#: Who delivers, by what it is called: the database, and how many processes beside the server.
SETUPS: Final = {
    "SQLite": ("sqlite", 0),
    "PostgreSQL, 1 process": ("postgresql", 1),
    "PostgreSQL, 2 processes": ("postgresql", 2),
}
#: How long the receiver takes to answer, in seconds.
DELAYS: Final = (0.0, 0.1)
#: Events a second that each kind of database has to deliver, and that it is meant to.
FLOORS: Final = {"sqlite": 150, "postgresql": 250}
_MEANT: Final = 3
_RATE: Final = 100
_CLIENTS: Final = 8
#: How long is waited for what has not arrived, in seconds.
_PATIENCE: Final = 120


class Taken(NamedTuple):
    """Events a second from a full outbox; of changes as they come the delays, in seconds."""

    rate: float
    sent: int
    delays: list[float]

    @property
    def p95(self) -> float:
        """The delay that 95 of 100 events do not exceed, in milliseconds."""
        return quantiles(self.delays, n=20)[-1] * 1000


def main(*, quick: bool = False) -> list[Target]:
    """Print what each setup does, and return the targets."""
    tickets, seconds = (200, 3) if quick else (1_000, 30)
    print(f"{tickets * 5} events at once, then {_RATE} a second for {seconds} s; {load()}")
    taken = {}
    for name, (kind, processes) in SETUPS.items():
        for delay in DELAYS:
            with tempfile.TemporaryDirectory(prefix="bench-") as folder:
                rate = _drained(kind, processes, delay, tickets, Path(folder))
            with tempfile.TemporaryDirectory(prefix="bench-") as folder:
                delays = _followed(kind, processes, delay, seconds, Path(folder))
            taken[name, delay] = Taken(rate, _RATE * seconds, delays)
    rows = [
        (
            f"{name}, receiver of {delay * 1000:.0f} ms",
            f"{each.rate:.0f}",
            f"{quantiles(each.delays, n=2)[0] * 1000:.0f}",
            f"{each.p95:.0f}",
            f"{len(each.delays)}/{each.sent}",
        )
        for (name, delay), each in taken.items()
    ]
    print(load())
    show(("deliveries", "events/s", "p50 ms", "p95 ms", "arrived"), rows)
    targets = []
    for name, (kind, _) in SETUPS.items():
        best, floor = taken[name, DELAYS[0]], FLOORS[kind]
        targets += [
            Target(f"{name}: the floor", best.rate, floor, at_least=True, unit="events/s"),
            Target(f"{name}: the goal", best.rate, _MEANT * floor, at_least=True, unit="events/s"),
            Target(f"{name}: p95 of the delay", best.p95, 1_000, unit="ms"),
            Target(f"{name}: arrived", len(best.delays), best.sent, at_least=True, unit="events"),
        ]
    return targets


class Site:
    """A database with one operator whose events go to a receiver."""

    def __init__(self, kind: str, delay: float, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._receiver = stack.enter_context(_receiving(delay))
        assert self._receiver.stdout is not None
        callback = f"http://{receiver.HOST}:{int(self._receiver.stdout.readline())}/"
        is_embedded = kind == "sqlite"
        self.database = f"sqlite:///{folder}/tickets.db" if is_embedded else postgresql()
        self.operator = self.secret = ""

        def job(connection: Connection) -> None:
            """Make the operator, and set its address."""
            self.secret = operators.add(connection, rivals.NAME, 0)
            found = operators.named(connection, rivals.NAME)
            assert found is not None
            self.operator = found.id
            row = {"id": str(uuid4()), "callback": callback, "query": None}
            outbox.subscribe(connection, found.id, row)

        with self.store() as store:
            store.submit(job).result()

    @contextmanager
    def store(self) -> Iterator[Database]:
        """Open the database, while no process has it."""
        store = Database(self.database)
        try:
            store.migrate()
            yield store.open()
        finally:
            store.close()

    def start(self, verb: str) -> str:
        """Start a process; return the first line that it prints."""
        settings = {
            "TTR_DATABASE_URL": self.database,
            "TTR_PORT": "0",
            "TTR_ALLOW_LOOPBACK_CALLBACKS": "1",
            "TTR_SIGNING_KEY": base64.b64encode(bytes(32)).decode(),
        }
        command = [sys.executable, "-m", "server", verb]
        log = self._folder / f"{uuid4()}.log"
        line, _ = self._stack.enter_context(process_of(command, log, **settings))
        return line

    def arrived(self, count: int) -> dict[str, int]:
        """Return when events arrived, by id, once so many have; all there are if they do not."""
        assert self._receiver.stdin is not None
        assert self._receiver.stdout is not None
        self._receiver.stdin.write(f"{count} {_PATIENCE}\n")
        self._receiver.stdin.flush()
        times: dict[str, int] = json.loads(self._receiver.stdout.readline())
        return times


@contextmanager
def _receiving(delay: float) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, receiver.__file__, str(delay)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            yield running
        finally:
            running.terminate()


def _drained(kind: str, processes: int, delay: float, tickets: int, folder: Path) -> float:
    """Return how many events a second are delivered from an outbox that is full."""
    with ExitStack() as stack:
        site = Site(kind, delay, folder, stack)
        with site.store() as store:
            store.submit(lambda connection: _fill(connection, site.operator, tickets)).result()
        if not processes:
            site.start("serve")
        for _ in range(processes):
            site.start("deliver")
        times = sorted(site.arrived(tickets * 5).values())
    return (len(times) - 1) / (times[-1] - times[0]) * 1e6


def _fill(connection: Connection, operator: str, tickets: int) -> None:
    """Put five events of each ticket into the outbox, as some hours would have done."""
    numbers = [str(uuid4()) for _ in range(tickets)] * 5
    Random(5).shuffle(numbers)
    versions = dict.fromkeys(numbers, 1)
    now = outbox.clock(connection)
    body = json.dumps({"eventType": "of the usual size", "event": small()["note"]}).encode()
    body += b" " * (600 - len(body))
    for number in numbers:
        versions[number] += 1
        one = Event(str(uuid4()), "TroubleTicketAttributeValueChangeEvent", body)
        outbox.enqueue(
            connection,
            operator,
            number,
            versions[number],
            raised=[one],
            now=now,
        )


def _followed(kind: str, processes: int, delay: float, seconds: int, folder: Path) -> list[float]:
    """Return the delays of events, in seconds, while tickets are changed at a steady rate."""
    count = _RATE * seconds
    with ExitStack() as stack:
        site = Site(kind, delay, folder, stack)
        root = site.start("serve").split()[1].removesuffix(rivals.BASE)
        for _ in range(processes):
            site.start("deliver")
        _change(root.removeprefix("http://"), basic(rivals.NAME, site.secret), count)
        times = site.arrived(count)
    with site.store() as store:
        asked = select(tables.event.c.id, tables.event.c.raised)
        raised = store.read_now(lambda connection: connection.execute(asked).all())
    return [(times[row.id] - row.raised) / 1e6 for row in raised if row.id in times]


def _change(host: str, authorization: str, count: int) -> None:
    """Change tickets, so many in all, by clients that keep to a common rate."""
    headers = {"Authorization": authorization, "Content-Type": "application/json"}
    begun = 0.0

    def begin() -> None:
        """Let the common rate begin, once all clients have their tickets."""
        nonlocal begun
        begun = time.perf_counter()

    barrier = threading.Barrier(_CLIENTS, begin)

    def client(number: int) -> None:
        """Change tickets of its own, each time that it is its turn."""
        connection = http.client.HTTPConnection(host, timeout=60)

        def send(method: str, path: str, ticket: Mapping[str, object]) -> str:
            """Send a request, and return the address of the ticket."""
            connection.request(method, path, json.dumps(ticket), headers)
            answer = connection.getresponse()
            told = json.loads(answer.read())
            assert answer.status in {http.client.OK, http.client.CREATED}, told
            return str(told["href"])

        paths = [send("POST", f"{rivals.BASE}/troubleTicket", small()) for _ in range(20)]
        barrier.wait()
        for turn in range(number, count, _CLIENTS):
            time.sleep(max(0.0, begun + turn / _RATE - time.perf_counter()))
            change = {"@type": "TroubleTicket", "description": f"change {turn}"}
            send("PATCH", paths[turn % len(paths)], change)
        connection.close()

    with ThreadPoolExecutor(_CLIENTS) as clients:
        list(clients.map(client, range(_CLIENTS)))


if __name__ == "__main__":
    show_targets(main(quick="--quick" in sys.argv[1:]))
