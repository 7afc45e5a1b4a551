"""What slow queries cost other operators, what large tickets cost, and what /metrics costs.

One operator has 2,000 tickets (or --tickets) and sends regular expressions, six queries at a time.
Another one reads a ticket, lists, creates a ticket and gets a token meanwhile; its times are shown,
quiet and under load, on SQLite and on PostgreSQL. Then lists of large tickets are read, and the
memory of the server is shown; then /metrics with 300,000 settled events.

    python tests/benchmarks/querying.py [--tickets 2000] [--seconds 20] [--only memory]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
from base64 import b64encode
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote
from uuid import uuid4

import requests
from sqlalchemy import create_engine, insert, select

sys.path.insert(0, str(Path.cwd()))

from server.storage import tables
from server.storage.tickets import TicketRows
from tests.benchmarks.timing import show
from tests.support.databases import postgresql
from tests.support.profiles import SHIPPED
from tests.support.servers import NAMES, Client, Server, serving
from tests.support.tickets import complaint

if TYPE_CHECKING:
    from collections.abc import Callable

_AT_ONCE: Final = 6
_EVENTS: Final = 300_000
#: Expressions of RE2 that are slow, as many as a query string of 8 KiB has room for.
_SLOW: Final = "[ab]*a[ab]{100}$"
#: Such as the limits let pass.
_WITHIN: Final = ("(a?b?){240}x", "a[ab]{90}x")


def main() -> None:
    """Measure on both kinds of databases."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tickets", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--only", choices=("regex", "memory", "metrics"))
    parser.add_argument("--kind", choices=("sqlite", "postgresql"))
    chosen = parser.parse_args()
    for kind in ("sqlite", "postgresql"):
        if chosen.kind in {None, kind}:
            for part in (regex, memory, metrics):
                if chosen.only in {None, part.__name__}:
                    with ExitStack() as stack:
                        server = started(stack, kind)
                        part(kind, server, chosen)


def started(stack: ExitStack, kind: str) -> Server:
    """Return a server on a new database of a kind."""
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="querying-"))
    address = f"sqlite:///{folder}/t.db" if kind == "sqlite" else postgresql()
    log = stack.enter_context((Path(folder) / "log").open("w"))
    return stack.enter_context(serving(address, stderr=log))


def engine_of(server: Server) -> Any:
    """Return an engine on the database of a server."""
    return create_engine(server.database.replace("postgresql://", "postgresql+psycopg://"))


def fill(server: Server, name: str, count: int, **members: Any) -> None:
    """Put tickets of an operator into the database, beside the server."""
    ticket = server.client(name).created(**members)
    named = tables.operator.c.name == name
    draw = Random(1)
    table = TicketRows(SHIPPED.resource)
    engine = engine_of(server)
    with engine.begin() as connection:
        owner = connection.scalar(select(tables.operator.c.id).where(named))
        for number in range(count):
            word = "".join(draw.choice("ab") for _ in range(240))
            own = {**ticket, "id": f"{uuid4()}", "name": f"{word} {number}"}
            table.insert(connection, str(owner), table.row_of(own))
    engine.dispose()


def regex(kind: str, server: Server, chosen: Any) -> None:
    """Print the times of one operator, quiet and while another one sends slow queries."""
    fill(server, NAMES[0], chosen.tickets)
    fill(server, NAMES[1], 50)
    one = f"name.regex={quote(_SLOW)}"
    query = "&".join([one] * (8_100 // (len(one) + 1)))
    attacker, other = server.client(NAMES[0]), server.client(NAMES[1])
    number = other.created()["id"]
    asks: dict[str, Callable[[Client], requests.Response]] = {
        "GET": lambda client: client.get(f"/troubleTicket/{number}", held=False),
        "list": lambda client: client.get("/troubleTicket?limit=20", held=False),
        "POST": lambda client: client.post("/troubleTicket", json=complaint(), held=False),
        "token": lambda client: client.post(
            f"{server.root}/oauth2/token", data={"grant_type": "client_credentials"}
        ),
    }
    for mode in ("8 KiB", "within limits"):
        text = query
        if mode == "within limits":
            text = "&".join(f"name.regex={quote(each)}" for each in _WITHIN)
        quiet = times(asks, other, 3)
        answers: Counter[int] = Counter()
        ended = threading.Event()
        threads = [
            threading.Thread(target=attack, args=(attacker, text, ended, answers))
            for _ in range(_AT_ONCE)
        ]
        for each in threads:
            each.start()
        loaded = times(asks, other, chosen.seconds)
        ended.set()
        for each in threads:
            each.join()
        rows = [
            (name, f"{q[0]:.1f}", f"{q[1]:.1f}", f"{w[0]:.1f}", f"{w[1]:.1f}", f"{w[2]:.0f}", w[3])
            for name, q, w in ((n, quiet[n], loaded[n]) for n in asks)
        ]
        columns = ("quiet p50 ms", "p99", "loaded p50", "p99", "max", "answers")
        show((f"{kind}, {mode}, attacker {dict(answers)}", *columns), rows)


def attack(client: Client, query: str, ended: threading.Event, answers: Counter[int]) -> None:
    """Send a slow query again and again."""
    own = Client(client.root, client.auth)
    while not ended.is_set():
        answer = own.get(f"/troubleTicket?limit=1&{query}", held=False)
        answers[answer.status_code] += 1
        if answer.status_code != requests.codes.ok:
            ended.wait(0.05)


def times(
    asks: dict[str, Callable[[Client], requests.Response]], client: Client, seconds: float
) -> dict[str, tuple[float, float, float, str]]:
    """Return median, p99 and maximum in milliseconds of each kind of request, and the statuses."""
    taken: dict[str, list[float]] = {name: [] for name in asks}
    statuses: dict[str, Counter[int]] = {name: Counter() for name in asks}

    def ask(name: str) -> None:
        own = Client(client.root, client.auth)
        end = perf_counter() + seconds
        while perf_counter() < end:
            begun = perf_counter()
            statuses[name][asks[name](own).status_code] += 1
            taken[name].append((perf_counter() - begun) * 1000)

    threads = [threading.Thread(target=ask, args=(name,)) for name in asks]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return {
        name: (
            median(each),
            sorted(each)[min(len(each) - 1, int(len(each) * 0.99))],
            max(each),
            str(dict(statuses[name])),
        )
        for name, each in taken.items()
    }


def memory(kind: str, server: Server, _: Any) -> None:
    """Print the memory that lists of large tickets take."""
    client = server.client()
    content = b64encode(b"x" * (13 * 3 << 18)).decode()  # 13 MiB
    for _number in range(20):
        attachment = {"@referredType": "Attachment", "name": "a", "mimeType": "text/plain"}
        client.created(attachment=[{**attachment, "content": content}])
    rows = []
    before = peak(server)
    for query in ("limit=20", "limit=20&fields=name", "limit=20&fields=attachment"):
        begun = perf_counter()
        answer = client.get(f"/troubleTicket?{query}", held=False)
        rows.append(
            (
                query,
                answer.status_code,
                answer.headers.get("X-Result-Count", "-"),
                f"{len(answer.content) / 1e6:.1f}",
                f"{perf_counter() - begun:.2f}",
                f"{before:.0f}",
                f"{peak(server):.0f}",
            )
        )
    columns = ("status", "tickets", "MB", "seconds", "peak before MB", "peak MB")
    show((f"{kind}: 20 tickets of 18 MB", *columns), rows)


def peak(server: Server) -> float:
    """Return how many MB of memory the server had at most."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text("ascii").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1024


def metrics(kind: str, server: Server, _: Any) -> None:
    """Print how long /metrics takes with many settled events."""
    engine = engine_of(server)
    with engine.begin() as connection:
        owner = connection.scalar(select(tables.operator.c.id))
        for first in range(0, _EVENTS, 10_000):
            rows = [
                {
                    "id": f"e{number}",
                    "operator": owner,
                    "ticket": f"t{number}",
                    "seq": 1,
                    "name": "TroubleTicketStatusChangeEvent",
                    "body": b"x" * 300,
                    "raised": number,
                    "state": "dead" if number % 1000 == 0 else "delivered",
                    "attempts": 1,
                    "due": 0,
                    "settled": number,
                }
                for number in range(first, first + 10_000)
            ]
            connection.execute(insert(tables.event), rows)
    engine.dispose()
    client = server.stranger()
    taken = []
    end = perf_counter() + 8
    while perf_counter() < end:
        begun = perf_counter()
        client.get(f"{server.root}/metrics")
        taken.append((perf_counter() - begun) * 1000)
    taken.sort()
    row = (f"{median(taken):.1f}", f"{taken[int(len(taken) * 0.99)]:.1f}", f"{taken[-1]:.1f}")
    show((f"{kind}: /metrics, {_EVENTS:,} settled events", "p50 ms", "p99", "max"), [("GET", *row)])


if __name__ == "__main__":
    main()
