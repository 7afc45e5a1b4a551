"""Send hostile request bodies to a real server while another operator works, and print a table.

    python tests/benchmarks/hostile_bodies.py [--checkout DIR] [--stop SECONDS] [--one-route]

It starts the server of a checkout (this one unless --checkout names another one, which needs its
own .venv), and sends each body again and again for two seconds, but waits no longer than --stop
seconds for an answer. Meanwhile a client of another operator reads and creates tickets; its times
are the ones that matter. `cpu s` is what the server worked for one body and the requests of that
client meanwhile; it depends least on what else the machine does. A server that does not answer in
time is killed, and a new one is started.

--one-route sends each body to one operation only.
"""

from __future__ import annotations

import argparse
import base64
import gc
import http.client
import json
import os
import random
import re
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

API: Final = "/api/openapi/troubleTicketManagement/v1"
PROVIDER: Final = "/backoffice/v1"
SECONDS: Final = 2.0
#: The targets: the 99th percentile of the other client, in milliseconds; growth of memory, in
#: sizes of the body; size of the answer, in bytes.
P99: Final = 100
GROWTH: Final = 3
ANSWER: Final = 64 << 10

TICKET: Final[dict[str, Any]] = {
    "@type": "TroubleTicket",
    "ticketType": "Customer_Trouble_Ticket",
    "externalId": "A-1",
    "name": "No internet",
    "origin": "Web",
    "description": "The line is down.",
    "relatedEntity": [{"@referredType": "Service", "id": "S-1", "role": "affectedService"}],
    "relatedParty": [{"@referredType": "Organization", "id": "O-1", "role": "reporter"}],
    "note": [{"text": "The customer restarted the CPE."}],
}


def ticket(member: str, value: bytes) -> bytes:
    """Return a new ticket with another value of a member, written as JSON."""
    rest = {name: each for name, each in TICKET.items() if name != member}
    return json.dumps(rest).encode()[:-1] + f', "{member}": '.encode() + value + b"}"


def many(each: bytes, count: int, around: bytes = b"[]") -> bytes:
    """Return a list, or an object, of so many parts; each may have its number in it."""
    parts = (each % number if b"%d" in each else each for number in range(count))
    return around[:1] + b",".join(parts) + around[1:]


def members(each: bytes, count: int) -> bytes:
    """Return a new ticket that has so many more members."""
    return json.dumps(TICKET).encode()[:-1] + b"," + many(each, count, b"{}")[1:]


def operations(*each: dict[str, Any], times: int = 1) -> bytes:
    """Return a JSON Patch of these operations, so many times."""
    return json.dumps(list(each) * times).encode()


NOTE: Final[dict[str, Any]] = {"op": "add", "path": "/note/-", "value": {"text": "x"}}
TEST: Final[dict[str, Any]] = {"op": "test", "path": "/name", "value": "No internet"}
MOVES: Final[list[dict[str, Any]]] = [
    {"op": "move", "from": "/x", "path": "/y"},
    {"op": "move", "from": "/y", "path": "/x"},
]

#: The bodies that are tickets.
TICKETS: Final[dict[str, Callable[[], bytes]]] = {
    "900,000 empty notes": lambda: ticket("note", many(b"{}", 900_000)),
    "100,000 invalid entities": lambda: ticket(
        "relatedEntity", many(b'{"role":1,"deviceType":"X"}', 100_000)
    ),
    "90,000 attachments": lambda: ticket(
        "attachment", many(b'{"content":"x","mimeType":1}', 90_000)
    ),
    "900,000 unknown members": lambda: members(b'"x%d":1', 900_000),
    "20 MB of numbers": lambda: ticket("x", many(b"1", 9_900_000)),
    "2,500 invalid notes": lambda: ticket("note", many(b'{"text":1,"author":[],"y":2}', 2_500)),
    "19,900 unknown members": lambda: members(b'"name%d":1', 19_900),
    "19,900 members, 1 MB": lambda: members(b'"name%d' + b"e" * 40 + b'":1', 19_900),
    "unknown members of 2,000 notes": lambda: ticket(
        "note", many(b'{"txt":1,"authors":2,"aa":3,"bb":4,"cc":5,"dd":6,"ee":7,"ff":8}', 2_000)
    ),
    "32 levels, 19,000 siblings": lambda: ticket(
        "x", b"[" * 29 + many(b"[]", 19_000) + b"]" * 29
    ),
    "10 million levels": lambda: b"[" * 10_000_000,
    "a name of 19 MB": lambda: members(b'"' + b"k" * 19_000_000 + b'"' + b":1", 1),
    "a number of 19 MB": lambda: ticket("priority", b"1" * 19_000_000),
    "19 MB of escapes": lambda: ticket("description", b'"' + b"\\n\\u0041" * 2_300_000 + b'"'),
    "19 MB of text with commas": lambda: ticket("description", b'"' + b"a,[" * 6_300_000 + b'"'),
    "base64 with one wrong character": lambda: ticket(
        "attachment", b'[{"@referredType":"A","name":"a","mimeType":"a/b","content":"'
        + b"QUJD" * 3_400_000 + b"QUJ!" + b'"}]'
    ),
    "an enum of 19 MB": lambda: ticket("severity", b'"' + b"High" * 4_700_000 + b'"'),
    "20 million quotes": lambda: b'"' * 19_900_000,
    "50,000 duplicate members": lambda: members(b'"x":1', 50_000),
    "a legal attachment of 13 MB": lambda: ticket(
        "attachment", b'[{"@referredType":"A","name":"a","mimeType":"a/b","content":"'
        + b"QUJD" * 3_400_000 + b'"}]'
    ),
}  # fmt: skip

#: The bodies that are lists of operations.
PATCHES: Final[dict[str, Callable[[], bytes]]] = {
    "20 copies of a list into itself": lambda: operations(
        NOTE, *[{"op": "copy", "from": "/note", "path": "/note/-"}] * 20
    ),
    "10,000 notes added": lambda: operations(NOTE, times=10_000),
    "100,000 notes added": lambda: operations(NOTE, times=100_000),
    "100,000 tests": lambda: operations(TEST, times=100_000),
    "1,000 tests": lambda: operations(TEST, times=1_000),
    "1,000 notes added in front": lambda: operations({**NOTE, "path": "/note/0"}, times=1_000),
    "1,000 unknown members added": lambda: operations(
        *({"op": "add", "path": f"/x{at}", "value": 1} for at in range(1_000))
    ),
    "a list of 15,000 moved 900 times": lambda: operations(
        {"op": "add", "path": "/x", "value": [1] * 15_000}, *MOVES * 450
    ),
    "a list replaced 900 times": lambda: operations(
        {"op": "add", "path": "/note", "value": [{"text": "x"}] * 6}, times=900
    ),
    "a pointer of 1 MB": lambda: operations({**NOTE, "path": "/x" * 500_000}),
    "1,000 pointers of 2,000 characters": lambda: operations(
        {**NOTE, "path": "/note" + "/0" * 990}, times=1_000
    ),
}  # fmt: skip


class Route(NamedTuple):
    """An operation that is sent bodies: how it is called here, and its request."""

    name: str
    method: str
    path: str
    media_type: str
    by: str


class Answered(NamedTuple):
    """What came of one body."""

    seconds: float
    status: str
    size: int


class Server:
    """A server of a checkout, with two operators and the provider."""

    def __init__(self, checkout: Path, folder: Path) -> None:
        python = checkout / ".venv" / "bin" / "python"
        self.process = subprocess.Popen(
            [str(python), "-m", "server", "serve"],
            cwd=checkout,
            env={
                **os.environ,
                "TTR_SANDBOX": "1",
                "TTR_PORT": "0",
                "TTR_LOG_LEVEL": "ERROR",
                "TTR_CHECKS_PER_MINUTE": "99999",
                "TTR_DATABASE_URL": f"sqlite:///{folder}/tickets.db",
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.port = int(line.split()[1].split("://")[1].split("/")[0].rpartition(":")[2])
        kept = (folder / "sandbox-operators.json").read_text("utf-8")
        self.secrets: dict[str, str] = json.loads(kept)
        self.ticket = ""

    def headers(self, name: str, media_type: str = "application/json") -> dict[str, str]:
        """Return the headers of a request of somebody's."""
        proof = base64.b64encode(f"{name}:{self.secrets[name]}".encode()).decode()
        return {"Authorization": f"Basic {proof}", "Content-Type": media_type}

    def renew(self) -> None:
        """Create the ticket that changes are sent to."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        body, headers = json.dumps(TICKET).encode(), self.headers("operator-a")
        connection.request("POST", f"{API}/troubleTicket", body, headers)
        self.ticket = json.loads(connection.getresponse().read())["id"]
        connection.close()

    def send(self, route: Route, body: bytes, stop: float) -> Answered:
        """Send a body, and return what comes of it within `stop` seconds."""
        begun = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=stop)
        try:
            path = route.path.format(ticket=self.ticket)
            headers = self.headers(route.by, route.media_type)
            # It may be refused before all of it was sent.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request(route.method, path, body, headers)
            answer = connection.getresponse()
            size = len(answer.read())
            return Answered(time.perf_counter() - begun, str(answer.status), size)
        except OSError as error:
            return Answered(time.perf_counter() - begun, type(error).__name__, 0)
        finally:
            connection.close()

    def memory(self, name: str) -> int:
        """Return VmRSS or VmHWM of the server, in bytes."""
        text = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        return int(text.split(f"{name}:")[1].split()[0]) * 1024

    def work(self) -> float:
        """Return how many seconds of processors the server has used."""
        text = Path(f"/proc/{self.process.pid}/stat").read_text("ascii")
        fields = text.rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")

    def forget_peak(self) -> None:
        """Let VmHWM begin anew."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5", "ascii")

    def stop(self, number: int = signal.SIGKILL) -> float:
        """End the server; return how long that took."""
        begun = time.perf_counter()
        self.process.send_signal(number)
        self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return time.perf_counter() - begun


class Other:
    """A client of another operator that reads and creates tickets; `times` are in seconds."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.times: list[float] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def _run(self) -> None:
        body, headers = json.dumps(TICKET).encode(), self._server.headers("operator-b")
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=60)
        path = f"{API}/troubleTicket"
        while not self._stop.is_set():
            begun = time.perf_counter()
            try:
                connection.request("POST", path, body, headers)
                number = json.loads(connection.getresponse().read())["id"]
                middle = time.perf_counter()
                self.times.append(middle - begun)
                connection.request("GET", f"{path}/{number}", headers=headers)
                connection.getresponse().read()
                self.times.append(time.perf_counter() - middle)
            except OSError:
                self.times.append(time.perf_counter() - begun)
                connection.close()
                if self._server.process.poll() is not None:
                    return
            self._stop.wait(random.uniform(0.002, 0.006))
        connection.close()

    def percentile(self, part: float) -> float:
        """Return a percentile of the times, in milliseconds."""
        times = sorted(self.times)
        return 1000 * times[min(len(times) - 1, int(part * len(times)))] if times else 0.0


def routes(*, is_patch: bool) -> Iterator[Route]:
    """Yield the operations that a body is sent to, the most telling one first."""
    one, other = f"{API}/troubleTicket/{{ticket}}", f"{PROVIDER}/troubleTicket/{{ticket}}"
    patch, merge = "application/json-patch+json", "application/merge-patch+json"
    if is_patch:
        yield Route("PATCH, JSON Patch", "PATCH", one, patch, "operator-a")
        yield Route("provider, JSON Patch", "PATCH", other, patch, "provider")
        return
    yield Route("POST", "POST", f"{API}/troubleTicket", "application/json", "operator-a")
    yield Route("PATCH, merge", "PATCH", one, merge, "operator-a")
    yield Route("PATCH, JSON Patch", "PATCH", one, patch, "operator-a")
    yield Route("check", "POST", f"{API}/check", "application/json", "operator-a")
    yield Route("provider, merge", "PATCH", other, merge, "provider")


def measure(server: Server, route: Route, body: bytes, stop: float) -> tuple[str, bool]:
    """Send a body for some time; return a row of the table, and whether the server is well."""
    if route.media_type == "application/json-patch+json" and not body.startswith(b'[{"op"'):
        body = b'[{"op":"add","path":"","value":' + body + b"}]"
    server.renew()
    server.forget_peak()
    before, worked, begun = server.memory("VmRSS"), server.work(), time.perf_counter()
    found: list[Answered] = []
    growth, work = 0, 0.0
    with Other(server) as other:
        while not found or time.perf_counter() - begun < SECONDS:
            found.append(server.send(route, body, stop))
            growth = max(growth, server.memory("VmHWM") - before)
            work = (server.work() - worked) / len(found)
            if found[-1].status == "TimeoutError":
                server.stop()
                break
    worst = max(found)
    is_well = worst.status != "TimeoutError"
    p99, size = other.percentile(0.99), max(each.size for each in found)
    missed = [
        name
        for name, is_missed in (
            ("p99", p99 > P99 or not is_well),
            ("memory", len(body) >= 1 << 20 and growth > GROWTH * len(body)),
            ("answer", size > ANSWER and not worst.status.startswith("2")),
        )
        if is_missed
    ]
    row = (
        f"{route.name:21}{len(body) / 1e6:8.2f}{worst.seconds:9.2f}{work:8.2f}{growth / 1e6:9.0f}"
        f"{growth / len(body):8.1f}{p99:9.0f}{other.percentile(1):9.0f}{len(other.times):6}"
        f"  {worst.status:13}{size:10,}  {', '.join(missed) or 'met'}"
    )
    return row, is_well


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--checkout", type=Path, default=Path(__file__).parents[2])
    parser.add_argument("--stop", type=float, default=20.0)
    parser.add_argument("--one-route", action="store_true")
    parser.add_argument("--only", help="bodies whose name this expression matches")
    asked = parser.parse_args()
    gc.disable()
    print(
        f"{'body':38}{'sent to':21}{'MB':>8}{'seconds':>9}{'cpu s':>8}{'+MB':>9}{'x body':>8}"
        f"{'p99 ms':>9}{'max ms':>9}{'other':>6}  {'status':13}{'answer':>10}  targets"
    )
    with tempfile.TemporaryDirectory() as folder:
        server = Server(asked.checkout.resolve(), Path(folder))
        try:
            with Other(server) as other:
                time.sleep(SECONDS)
            print(f"{'(nothing)':85}{other.percentile(0.99):17.0f}{other.percentile(1):9.0f}")
            for is_patch, bodies in ((False, TICKETS), (True, PATCHES)):
                for name, make in bodies.items():
                    if asked.only and re.search(asked.only, name) is None:
                        continue
                    body = make()
                    for route in routes(is_patch=is_patch):
                        row, is_well = measure(server, route, body, asked.stop)
                        print(f"{name:38}{row}", flush=True)
                        if not is_well:
                            server = Server(asked.checkout.resolve(), Path(folder))
                        if asked.one_route:
                            break
            _show_end(server)
        finally:
            server.stop()


def _show_end(server: Server) -> None:
    """Print how long a server takes to end while a heavy body is on its way."""
    route = next(routes(is_patch=False))
    body = TICKETS["19,900 unknown members"]()
    sender = threading.Thread(target=server.send, args=(route, body, 60.0), daemon=True)
    sender.start()
    time.sleep(0.1)
    print(f"SIGTERM during a body of 19,900 unknown members: {server.stop(signal.SIGTERM):.2f} s")


if __name__ == "__main__":
    main()
