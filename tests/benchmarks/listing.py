"""How long a page of tickets takes among a million, beside the same page with nobody else's.

50 operators have 20,000 tickets each (2,000 with --quick), in one SQLite file; a second file has
the tickets of one of them alone. Pages of 100 with their total are read from both in turns, by
kept.page and over HTTP; a ratio is taken within each turn. The files lie in .bench/ meanwhile.

    python tests/benchmarks/listing.py [--quick]
"""

from __future__ import annotations

import http.client
import json
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from server.api.query import read_query
from server.storage import operators
from server.storage.database import Database
from tests.benchmarks import filling
from tests.benchmarks.frameworks import rivals
from tests.benchmarks.serving import running
from tests.benchmarks.timing import Target, load, show, show_targets
from tests.support.profiles import OPERATOR

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmarks.client import Running

FOLDER: Final = Path(__file__).parents[2] / ".bench"
WHO: Final = "operator-17"
#: What operators ask, by what it is called.
QUERIES: Final = {
    "no filter": "",
    "open ones, newest first": "status=submitted,acknowledged,inProgress&sort=-creationDate",
    "closed ones, newest first": "status=closed&sort=-creationDate",
    "a name by words": "name.regex=(?i)line.*lost&sort=-creationDate",
    "a name by expression": "name.regex=^(router|invoice).*late$&sort=-creationDate",
    "a month": "creationDate.gte=2025-03-01&creationDate.lt=2025-04-01",
    "type and severity, by name": "ticketType=Complaint&severity=High&sort=name",
    "changed since, oldest first": "lastUpdate.gt=2025-12-01&sort=lastUpdate",
    "urgent, by priority": "priority.lte=3&status.ne=closed&sort=priority,-creationDate",
    "the last page": "offset={last}",
    "one externalId": "externalId=INC-operator-17-001234",
    "names only": "fields=name&status=closed&sort=name",
}
_ATTACHED: Final = 100
_NAMES: Final = "externalId=large&fields=name"


def main(*, quick: bool = False) -> list[Target]:
    """Print how long pages take, and return the targets."""
    each, rounds = (2_000, 40) if quick else (20_000, 100)
    FOLDER.mkdir(exist_ok=True)
    files = {"alone": FOLDER / "alone.db", "among all": FOLDER / "all.db"}
    try:
        begun = perf_counter()
        secrets = {
            "alone": filling.fill(files["alone"], each, only=WHO)[WHO],
            "among all": filling.fill(files["among all"], each)[WHO],
        }
        size = files["among all"].stat().st_size / 1e9
        print(
            f"{each * filling.OPERATORS:,} tickets of {filling.OPERATORS} operators, {size:.1f} GB,"
            f" made in {perf_counter() - begun:.0f} s; {rounds} rounds; {load()}"
        )
        queries = {name: text.format(last=each - 100) for name, text in QUERIES.items()}
        inside = _inside(files, queries, rounds)
        _show("kept.page", inside)
        with ExitStack() as stack:
            servers = {
                name: stack.enter_context(
                    running(f"sqlite:///{file}", secrets[name], FOLDER / f"{name}.log", WHO)
                )
                for name, file in files.items()
            }
            outside = _over_http(servers, queries, rounds)
        _show("over HTTP", outside)
        filling.attach(files["among all"], WHO, _ATTACHED)
        with running(
            f"sqlite:///{files['among all']}", secrets["among all"], FOLDER / "large.log", WHO
        ) as server:
            attached, grown, peak = _attached(server, rounds)
    finally:
        shutil.rmtree(FOLDER)
    print(f"{_ATTACHED} tickets with 1 MiB each, fields=name: the server had {peak:.0f} MB at most")
    print(load(), end="\n\n")
    return [
        *_targets("kept.page", inside),
        *_targets("over HTTP", outside),
        Target("100 large tickets, fields=name, p95", _p95(attached) * 1000, 50, unit="ms"),
        Target("100 large tickets, memory on top", grown, 100, unit="MB"),
    ]


Taken = dict[str, dict[str, list[float]]]


def _in_turns(
    asks: dict[str, Callable[[str], object]], queries: dict[str, str], rounds: int
) -> Taken:
    """Return the seconds that each query took in each of the databases, round by round."""
    taken: Taken = {query: {name: [] for name in asks} for query in queries}
    for turn in range(rounds + 2):
        for query, text in queries.items():
            for name, ask in asks.items():
                begun = perf_counter()
                ask(text)
                if turn > 1:  # the first ones warm up
                    taken[query][name].append(perf_counter() - begun)
    return taken


def _inside(files: dict[str, Path], queries: dict[str, str], rounds: int) -> Taken:
    stores = {name: Database(f"sqlite:///{file}") for name, file in files.items()}

    def asking(store: Database) -> Callable[[str], object]:
        found = store.read_now(lambda connection: operators.named(connection, WHO))
        assert found is not None

        def ask(text: str) -> object:
            query = read_query(text.encode(), OPERATOR.listing)
            return store.read_now(lambda connection: store.rows.page(connection, found.id, query))

        return ask

    asks = {name: asking(store) for name, store in stores.items()}
    for text in queries.values():
        totals = {name: ask(text) for name, ask in asks.items()}
        assert totals["alone"] == totals["among all"], f"{text} has two answers"
    taken = _in_turns(asks, queries, rounds)
    for store in stores.values():
        store.close()
    return taken


def _over_http(servers: dict[str, Running], queries: dict[str, str], rounds: int) -> Taken:
    return _in_turns({name: _asking(server) for name, server in servers.items()}, queries, rounds)


def _asking(server: Running) -> Callable[[str], Any]:
    connection = http.client.HTTPConnection(server.root.removeprefix("http://"), timeout=60)

    def ask(text: str) -> bytes:
        path = f"{rivals.BASE}/troubleTicket?{text}"
        connection.request("GET", path, headers={"Authorization": server.authorization})
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == http.client.OK, body
        return body

    return ask


def _attached(server: Running, rounds: int) -> tuple[list[float], float, float]:
    """Return how long a list of large tickets takes, how much memory it took, and that in all."""
    ask = _asking(server)
    ask("limit=1")
    before = _memory(server.process)
    taken = []
    for _ in range(rounds):
        begun = perf_counter()
        tickets = json.loads(ask(_NAMES))
        taken.append(perf_counter() - begun)
    assert len(tickets) == _ATTACHED
    assert all("attachment" not in ticket for ticket in tickets)
    peak = _memory(server.process)
    return taken, peak - before, peak


def _memory(process: int) -> float:
    """Return how many MB of memory a process had at most."""
    lines = Path(f"/proc/{process}/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM"))


def _p95(taken: list[float]) -> float:
    return quantiles(taken, n=20)[-1]


def _ratio(times: dict[str, list[float]]) -> float:
    """Return how many times as long a page takes among all: the median of the rounds."""
    pairs = zip(times["among all"], times["alone"], strict=True)
    return median(all_of_them / alone for all_of_them, alone in pairs)


def _show(how: str, taken: Taken) -> None:
    rows = [
        (
            query,
            f"{median(times['alone']) * 1000:.1f}",
            f"{median(times['among all']) * 1000:.1f}",
            f"{_p95(times['among all']) * 1000:.1f}",
            f"{_ratio(times):.2f}",
        )
        for query, times in taken.items()
    ]
    show((f"a page of 100, {how}", "alone ms", "among all ms", "p95 ms", "ratio"), rows)


def _targets(how: str, taken: Taken) -> list[Target]:
    """Return what is promised of the worst query."""
    ratio, slow = max((_ratio(times), query) for query, times in taken.items())
    p95, late = max((_p95(times["among all"]), query) for query, times in taken.items())
    return [
        Target(f"a page among all, beside alone, {how} ({slow})", ratio, 1.5),
        Target(f"p95 of a page among all, {how} ({late})", p95 * 1000, 50, unit="ms"),
    ]


if __name__ == "__main__":
    show_targets(main(quick="--quick" in sys.argv[1:]))
