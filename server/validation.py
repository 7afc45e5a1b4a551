"""Where large bodies are parsed and validated: a bounded pool of threads beside the event loop.

The event loop handles a small body itself, because a thread costs more than the work. Everything
else waits for a thread: at most one job of an owner runs at a time, the owners take turns, and each
may have a few jobs waiting. So a client with many large bodies delays its own requests only.
"""

from __future__ import annotations

import asyncio
import ctypes
import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar
from weakref import WeakValueDictionary

from server.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

#: How many jobs run at a time, of all owners, and how many of one owner may wait.
THREADS: Final = 2
WAITING: Final = 16
#: How long a thread keeps the interpreter from the event loop, in seconds.
SLICE: Final = 0.001
#: From how many bytes on a block of memory goes back to the system when it is freed (glibc).
_LARGE_BLOCK: Final = 1 << 20
_MMAP_THRESHOLD: Final = -3
#: What the event loop handles itself: texts of so many characters with so many values at most. The
#: slowest ones take about 5 ms (many invalid objects).
SMALL: Final = 16 << 10
FEW: Final = 128


def prepare_process() -> None:
    """Let threads take short turns with the event loop, and large bodies leave no memory behind."""
    sys.setswitchinterval(SLICE)
    with suppress(AttributeError, OSError):  # another C library than glibc
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE_BLOCK)


def is_small(text: str | bytes) -> bool:
    """Say whether the event loop may handle a text of JSON itself."""
    if len(text) > SMALL:
        return False
    if isinstance(text, str):
        return text.count(",") + text.count("{") <= FEW
    return text.count(b",") + text.count(b"{") <= FEW


class Validation:
    """The pool, and the locks of tickets that are being changed. Lives in one event loop."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, "validation")
        self._running: set[str] = set()
        #: The owner whose turn is next comes first.
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def close(self) -> None:
        """Stop the threads; jobs that have not begun are cancelled."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def lock(self, ticket: str) -> asyncio.Lock:
        """Return the lock of a ticket: one change at a time in this process.

        Changes of one ticket in different processes are told apart by its version. A lock that
        nobody uses is forgotten.
        """
        return self._locks.setdefault(ticket, asyncio.Lock())

    async def run(self, owner: str, work: Callable[[], T]) -> T:
        """Return what `work` returns, from a thread of the pool.

        `owner` is the id of an operator, or empty for all clients without credentials. Raises
        Refused(tooManyRequests), or Refused(unavailable) for them, when too many jobs wait.
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
            raise Refused(code, headers={"Retry-After": "1"})
        turn = asyncio.get_running_loop().create_future()
        line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # its turn came in the same moment
                self._leave(owner)
            raise

    def _leave(self, owner: str) -> None:
        """Let the next owner's job run."""
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
