"""A receiver of events that holds nobody up: HTTP/1.1 on a protocol of asyncio, kept alive.

`Receiver` runs in a thread and remembers what arrived. As a program it runs in a process of its
own, for the benchmarks, and tells when events arrived:

    python tests/soak/receiver.py DELAY

prints its port. Sent a number and seconds on a line it waits until so many events have arrived, but
no longer, and prints the moment of each by its webhook-id, in microseconds: JSON on one line.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOST: Final = "127.0.0.1"
_SIZE: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ID: Final = re.compile(rb"\r\nwebhook-id: *([^\r]+)", re.IGNORECASE)
_END: Final = b"\r\n\r\n"


class Arrival(NamedTuple):
    """A request that arrived: its webhook-id, its body, what it was answered, and when it came."""

    id: str
    body: bytes
    status: int
    at: int


class _Connection(asyncio.Protocol):
    """One connection: a request is answered, then the next one is read."""

    def __init__(
        self, arrived: Callable[[str, bytes], int], delay: float, opened: set[Any]
    ) -> None:
        self._arrived = arrived
        self._delay = delay
        self._opened = opened
        self._read = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._opened.add(transport)

    def connection_lost(self, _error: Exception | None) -> None:
        self._opened.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, end, rest = self._read.partition(_END)
        if not end:
            return
        size, number = _SIZE.search(head), _ID.search(head)
        assert size is not None
        if len(rest) < int(size[1]):
            return
        self._read = b""
        status = self._arrived(number[1].decode() if number else "", rest)
        answer = b"HTTP/1.1 %d x\r\nContent-Length: 0\r\n\r\n" % status
        if self._delay:
            asyncio.get_running_loop().call_later(self._delay, self._transport.write, answer)
        else:
            self._transport.write(answer)


class Receiver:
    """What arrived at an address, in the order of arrival. Made by `receiving`."""

    def __init__(self, answer: Callable[[str], int]) -> None:
        self._answer = answer
        self._changed = threading.Condition()
        self.arrivals: list[Arrival] = []
        #: The events that were answered with a 2xx.
        self.accepted: set[str] = set()
        self.url = ""

    def arrived(self, number: str, body: bytes) -> int:
        """Note a request, and return the status to answer with."""
        status = self._answer(number)
        with self._changed:
            self.arrivals.append(Arrival(number, body, status, time.time_ns() // 1000))
            if status // 100 == 2:
                self.accepted.add(number)
            self._changed.notify_all()
        return status

    def wait(self, holds: Callable[[Receiver], bool], seconds: float) -> bool:
        """Wait until something holds of what arrived; say whether it does."""
        with self._changed:
            return self._changed.wait_for(lambda: holds(self), seconds)


@contextmanager
def receiving(answer: Callable[[str], int], delay: float = 0.0) -> Iterator[Receiver]:
    """Run a receiver in a thread, until it is left."""
    receiver = Receiver(answer)
    loop = asyncio.new_event_loop()
    opened: set[Any] = set()
    server = loop.run_until_complete(_served(receiver.arrived, delay, opened))
    receiver.url = f"http://{HOST}:{server.sockets[0].getsockname()[1]}/"
    thread = threading.Thread(target=loop.run_forever, name="receiver")
    thread.start()
    try:
        yield receiver
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        for each in opened:
            each.abort()
        loop.run_until_complete(asyncio.sleep(0))  # what was closed is let go
        loop.close()


async def _served(
    arrived: Callable[[str, bytes], int], delay: float, opened: set[Any]
) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    return await loop.create_server(
        lambda: _Connection(arrived, delay, opened), HOST, 0, backlog=1024
    )


async def _main(delay: float) -> None:
    """Receive, and tell when asked."""
    times: dict[str, int] = {}
    changed = asyncio.Event()

    def arrived(number: str, _body: bytes) -> int:
        times.setdefault(number, time.time_ns() // 1000)
        changed.set()
        return 201

    server = await _served(arrived, delay, set())
    print(server.sockets[0].getsockname()[1], flush=True)
    asked = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(asked), sys.stdin)
    while line := await asked.readline():
        count, seconds = line.split()
        with suppress(TimeoutError):
            async with asyncio.timeout(float(seconds)):
                while len(times) < int(count):
                    changed.clear()
                    await changed.wait()
        print(json.dumps(times), flush=True)
    server.close()


if __name__ == "__main__":
    asyncio.run(_main(float(sys.argv[1])))
