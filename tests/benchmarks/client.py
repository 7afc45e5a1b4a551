"""The client that the servers are measured with: wrk where there is one, else one of our own.

Either runs in a process of its own, keeps so many connections open, and sends the next request on
each as soon as the last one is answered. Ours is a good deal slower than wrk, and so holds back
fast servers more than slow ones.

    python tests/benchmarks/client.py URL SECONDS FILE AUTHORIZATION

prints what it counted; FILE holds the requests to send in turn: path, method and body, one a line.
"""

from __future__ import annotations

import asyncio
import math
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

CONNECTIONS = 32
WRK = shutil.which("wrk")
NAME = "wrk" if WRK else "asyncio, one process"

# wrk tells in words; this prints numbers, and sends the requests in turn.
_SCRIPT = """
local requests, turn = {{}}, 0
for line in io.lines("{file}") do
  local path, method, body = line:match("^(%S+) (%S+) ?(.*)$")
  local headers = {{}}
  headers["Authorization"] = "{authorization}"
  if method == "POST" then headers["Content-Type"] = "application/json" end
  requests[#requests + 1] = wrk.format(method, path, headers, method == "POST" and body or nil)
end
request = function()
  turn = turn % #requests + 1
  return requests[turn]
end
done = function(summary, latency, _)
  local e = summary.errors
  io.write(string.format("\\n#%d %d %d %d %d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""


class Slice(NamedTuple):
    """What came of one slice: answers a second, latencies in milliseconds, and the server's part.

    `cpu` is how many microseconds of a core the server took for one answer.
    """

    rate: float
    p50: float
    p99: float
    cpu: float


class Request(NamedTuple):
    """What is sent: `body` is JSON on one line, or nothing."""

    method: str
    path: str
    body: str = ""


class Running(NamedTuple):
    """A server that runs: its address, the credentials to send, and its process."""

    root: str
    authorization: str
    process: int


def measure(server: Running, requests: list[Request], seconds: float, folder: Path) -> Slice:
    """Send requests in turn for some seconds, and return what came of it."""
    root, authorization, process = server
    file = folder / "requests"
    file.write_text("".join(f"{path} {method} {body}\n" for method, path, body in requests))
    if WRK:
        script = folder / "requests.lua"
        script.write_text(_SCRIPT.format(file=file, authorization=authorization))
        command = [WRK, "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s"]
        command += ["--timeout", "30s", "-s", str(script), root]
    else:
        command = [sys.executable, __file__, root, str(seconds), str(file), authorization]
    before = _cpu(process)
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    spent = _cpu(process) - before
    found = re.search(r"^#(\d+) (\d+) (\d+) (\d+) (\d+)$", told, re.MULTILINE)
    assert found is not None, told
    count, microseconds, p50, p99, failed = map(int, found.groups())
    assert count > 0, "nothing was answered"
    assert failed == 0, f"{failed} of {count} requests failed"
    return Slice(count / microseconds * 1e6, p50 / 1000, p99 / 1000, spent / count * 1e6)


def _cpu(process: int) -> float:
    """Return how many seconds of a core a process has taken, where that can be known."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()
    except OSError:
        return math.nan
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _written(file: str, authorization: str) -> list[bytes]:
    """Return the requests of a file as they are sent."""
    requests = []
    for line in Path(file).read_text("utf-8").splitlines():
        path, method, body = line.split(" ", 2)
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body.encode())}\r\n"
        requests.append(f"{head}\r\n{body}".encode())
    return requests


async def _main(root: str, seconds: str, file: str, authorization: str) -> None:
    """Send the requests of a file in turn; print what wrk's script prints."""
    address = urlsplit(root)
    requests = _written(file, authorization)
    turn = iter(range(1 << 62))
    taken: list[float] = []
    failed = 0
    begun = time.perf_counter()

    async def one() -> None:
        nonlocal failed
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        while (sent := time.perf_counter()) < begun + float(seconds):
            writer.write(requests[next(turn) % len(requests)])
            head = await reader.readuntil(b"\r\n\r\n")
            size = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            await reader.readexactly(int(size[1]) if size else 0)
            taken.append(time.perf_counter() - sent)
            failed += not head.startswith(b"HTTP/1.1 2")
        writer.close()

    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    spent = time.perf_counter() - begun
    taken.sort()
    p50, p99 = (taken[int(len(taken) * share)] for share in (0.5, 0.99))
    numbers: list[Any] = [len(taken), spent * 1e6, p50 * 1e6, p99 * 1e6, failed]
    print("#" + " ".join(str(round(each)) for each in numbers))


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
