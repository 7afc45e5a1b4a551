"""A bounded pool of threads that parses and validates large bodies beside the event loop.

The event loop handles small bodies itself, because a thread costs more than the work. Other bodies
wait for a thread. At most one job of an owner runs at a time, owners take turns, and each owner may
have a few waiting jobs. A client with many large bodies therefore delays only its own requests.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar
from weakref import WeakValueDictionary

import orjson

from server.problems import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

#: How many jobs of all owners run at a time, and how many jobs of one owner may wait.
THREADS: Final = 2
WAITING: Final = 16
#: How long a thread may hold the interpreter before the event loop gets it, in seconds.
SLICE: Final = 0.001
#: The minimum size in bytes of a memory block that is returned to the system when freed (glibc).
_LARGE_BLOCK: Final = 1 << 20
_MMAP_THRESHOLD: Final = -3
#: The largest text that the event loop handles itself, in characters and in values. The slowest of
#: them, with many invalid objects, takes about 5 ms.
SMALL: Final = 16 << 10
FEW: Final = 128


def prepare_process() -> None:
    """Set short thread slices, and return the memory of large bodies to the system."""
    sys.setswitchinterval(SLICE)
    with suppress(AttributeError, OSError):  # another C library than glibc
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE_BLOCK)


def to_json(value: object) -> bytes:
    """Return a value as one line of JSON, integers of any size included."""
    try:
        text: bytes = orjson.dumps(value)
    except TypeError:  # an integer beyond 64 bits
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return text


def is_small(text: str | bytes) -> bool:
    """Return whether the event loop may handle a JSON text itself."""
    if len(text) > SMALL:
        return False
    if isinstance(text, str):
        return text.count(",") + text.count("{") <= FEW
    return text.count(b",") + text.count(b"{") <= FEW


class Validation:
    """The pool, and the locks of tickets that are being changed. Used from one event loop."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, "validation")
        self._running: set[str] = set()
        #: The first owner is the next one to run.
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def close(self) -> None:
        """Stop the threads and cancel the jobs that have not started."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def lock(self, ticket: str) -> asyncio.Lock:
        """Return the lock of a ticket: one change at a time in this process.

        Different processes detect concurrent changes by the version of the ticket. Unused locks are
        removed.
        """
        return self._locks.setdefault(ticket, asyncio.Lock())

    async def run(self, owner: str, work: Callable[[], T]) -> T:
        """Return what `work` returns, from a thread of the pool.

        `owner` is the id of an operator, or empty for all clients without credentials. If too many
        jobs wait, raises ApiError(tooManyRequests), or ApiError(unavailable) without credentials.
        """
        await self._enter(owner)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._leave(owner)

    async def _enter(self, owner: str) -> None:
        """Wait until a job of the owner may run."""
        if owner not in self._running and len(self._running) < THREADS:
            self._running.add(owner)
            return
        line = self._waiting.setdefault(owner, deque())
        if len(line) >= WAITING:
            code = "tooManyRequests" if owner else "unavailable"
            raise ApiError(code, headers={"Retry-After": "1"})
        turn = asyncio.get_running_loop().create_future()
        line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # its turn came at the same moment
                self._leave(owner)
            raise

    def _leave(self, owner: str) -> None:
        """Start the job of the next owner."""
        self._running.discard(owner)
        if owner in self._waiting:
            self._waiting[owner] = self._waiting.pop(owner)  # behind the others
        for name in [each for each in self._waiting if each not in self._running]:
            line = self._waiting[name]
            while line and line[0].cancelled():
                line.popleft()
            turn = line.popleft() if line else None
            if not line:
                del self._waiting[name]
            if turn is not None:
                self._running.add(name)
                turn.set_result(None)
                return
