"""What a crowd of idle, slow and half-open connections costs another client.

    python tests/benchmarks/crowd.py [--root DIRECTORY] [--connections N]

runs a server (that of another checkout, which has a `.venv`, with --root), measures a client that
reads tickets, first alone and then beside the crowd, and prints its p99, the memory of the server,
and how long the connections of each kind stayed open.
"""

from __future__ import annotations

import asyncio
import base64
import os
import resource
import subprocess
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from server import sandbox
from tests.benchmarks.timing import Target, load, show, show_targets

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

BASE: Final = "/api/openapi/troubleTicketManagement/v1"
#: How long the crowd is watched, and how long a measurement takes, in seconds.
WATCHED: Final = 40.0
MEASURED: Final = 10.0
#: Within which time the crowd comes, and until when all of it stands, in seconds.
OPENED: Final = 3.0
STANDING: Final = 9.0
#: Between two requests of the client, in seconds.
PAUSE: Final = 0.01
#: When connections must be closed at the latest: the timeout of headers or of bodies, and a margin.
DEADLINE: Final = 15.0


class Crowd:
    """The connections: what each kind does, and when each was closed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.closed: dict[str, list[float]] = {}
        self.open = 0

    async def keep(self, kind: str) -> None:
        """Open a connection of a kind, and note when it is closed."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        self.open += 1
        begun = time.monotonic()
        writer.write(KINDS[kind])
        slow = asyncio.ensure_future(self._drip(writer)) if kind in SLOW else None
        try:
            while await reader.read(65_536):
                pass
        except ConnectionError:
            pass
        self.closed.setdefault(kind, []).append(time.monotonic() - begun)
        if slow is not None:
            slow.cancel()
        writer.close()

    @staticmethod
    async def _drip(writer: asyncio.StreamWriter) -> None:
        while True:
            await asyncio.sleep(5)
            writer.write(b"X-Slow: x\r\n")


KINDS: Final = {
    "idle": b"",
    "blank lines": b"\r\n",
    "half a line": b"GET " + BASE.encode(),
    "half a header": b"GET / HTTP/1.1\r\nHost: x\r\nX-Ha",
    "a header every 5 s": b"GET / HTTP/1.1\r\nHost: x\r\n",
    "half a body": (
        f"POST {BASE}/troubleTicket HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        "Content-Length: 1000000\r\n\r\n{"
    ).encode(),
    "kept alive": b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n",
}
SLOW: Final = {"a header every 5 s"}


class Client:
    """A client that keeps one connection, and makes another one where it was closed."""

    def __init__(self, port: int, authorization: str, target: str) -> None:
        self._port = port
        self._request = (
            f"GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\n\r\n"
        ).encode()

    async def p99(self, seconds: float) -> float:
        """Return the 99th percentile of the time that an answer takes, in milliseconds."""
        taken = []
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            begun = time.perf_counter()
            writer.write(self._request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 "), head
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
            taken.append((time.perf_counter() - begun) * 1000)
            await asyncio.sleep(PAUSE)
        writer.close()
        return sorted(taken)[int(len(taken) * 0.99)]


def memory(process: int) -> float:
    """Return the resident memory of a process, in MB."""
    status = Path(f"/proc/{process}/status").read_text("ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def ask(client: Client, seconds: float) -> float:
    """Return the p99 of a client, which runs in a process of its own."""
    return asyncio.run(client.p99(seconds))


async def measure(
    port: int, process: int, count: int, asking: Callable[[float], Awaitable[float]]
) -> list[Target]:
    """Print what the crowd costs, and return the targets."""
    await asking(2)  # to warm up
    quiet, before = await asking(MEASURED), memory(process)
    crowd = Crowd(port)
    kinds = list(KINDS)
    tasks = []
    begun = time.monotonic()
    for number in range(count):
        tasks.append(asyncio.ensure_future(crowd.keep(kinds[number % len(kinds)])))
        await asyncio.sleep(OPENED / count)
    beside, most = await asking(begun + STANDING - time.monotonic()), memory(process)
    while time.monotonic() < begun + WATCHED and not all(task.done() for task in tasks):
        most = max(most, memory(process))
        await asyncio.sleep(0.2)
    failed = sum(1 for task in tasks if task.done() and task.exception())
    left = sum(1 for task in tasks if not task.done())
    rows = [
        (kind, str(len(times)), f"{max(times, default=0):.1f}")
        for kind in kinds
        for times in [crowd.closed.get(kind, [])]
    ]
    show(("kind", "closed", "the last after s"), rows)
    show(
        ("p99 quiet, ms", "p99 beside them, ms", "memory before, MB", "most, MB"),
        [(f"{quiet:.2f}", f"{beside:.2f}", f"{before:.0f}", f"{most:.0f}")],
    )
    for task in tasks:
        task.cancel()
    latest = max((time for times in crowd.closed.values() for time in times), default=0.0)
    return [
        Target("p99, times quiet", beside / quiet, 2),
        Target("memory, MB more", most - before, 100),
        Target("connections that failed to open", failed, 0),
        Target("connections left open", left, 0),
        Target("the last was closed after", latest, DEADLINE + 5, unit="s"),
    ]


@click.command()
@click.option("--root", default=".", help="The checkout whose server runs.")
@click.option("--connections", default=2_000, show_default=True)
def main(root: str, connections: int) -> None:
    """Measure, and print what came of it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, connections * 2 + 200), hard))
    with tempfile.TemporaryDirectory(prefix="crowd-") as folder:
        settings = {
            "TTR_DATABASE_URL": f"sqlite:///{folder}/tickets.db",
            "TTR_PORT": "0",
            "TTR_LOG_LEVEL": "ERROR",
            "TTR_SANDBOX": "1",
        }
        with subprocess.Popen(
            [str(Path(root).resolve() / ".venv/bin/python"), "-m", "server", "serve"],
            cwd=root,
            env={**os.environ, **settings},
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert process.stdout is not None
                port = int(process.stdout.readline().split()[1].split(":")[2].split("/")[0])
                secrets = sandbox.read_secrets(settings["TTR_DATABASE_URL"])
                print(load())
                client = Client(port, _basic(secrets), f"{BASE}/troubleTicket?limit=1")
                with ProcessPoolExecutor(1) as pool:

                    async def asking(seconds: float) -> float:
                        """Let the client ask for some seconds."""
                        loop = asyncio.get_running_loop()
                        return await loop.run_in_executor(pool, ask, client, seconds)

                    targets = asyncio.run(measure(port, process.pid, connections, asking))
            finally:
                process.kill()
    show_targets(targets)


def _basic(secrets: dict[str, str]) -> str:
    name = next(iter(secrets))
    return "Basic " + base64.b64encode(f"{name}:{secrets[name]}".encode()).decode()


if __name__ == "__main__":
    main()
