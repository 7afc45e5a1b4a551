"""Fair shares: how many queries of each operator run at a time, and which one is next.

Queries run in a few threads. An operator may use only some of them, so a thread remains for other
operators. Waiting queries of the operators run in turn. Used from the event loop.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque

from server.messages.en import sentence
from server.problems import ApiError


class FairShare:
    """`threads` places: at most `each` of them, and `queued` waiting queries, for one operator.

    No query waits longer than `seconds`.
    """

    def __init__(self, *, threads: int, each: int, queued: int, seconds: float) -> None:
        self._free = threads
        self._each = each
        self._queued = queued
        self._seconds = seconds
        self._running: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def enter(self, who: str) -> None:
        """Take a place, or wait for one. Raises ApiError(tooManyRequests)."""
        if self._free and self._running[who] < self._each and who not in self._waiting:
            self._take(who)
            return
        queue = self._waiting.setdefault(who, deque())
        if len(queue) >= self._queued:
            raise self._refused()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            async with asyncio.timeout(self._seconds):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self.leave(who)  # its turn came at the same moment
            else:
                self._forget(who, turn)
            if isinstance(error, TimeoutError):
                raise self._refused() from None
            raise

    def leave(self, who: str) -> None:
        """Release a place for the next query."""
        self._free += 1
        self._running[who] -= 1
        if not self._running[who]:
            del self._running[who]
        for each, queue in list(self._waiting.items()):
            if not self._free:
                return
            if self._running[each] < self._each and not queue[0].done():
                turn = queue.popleft()
                self._waiting.move_to_end(each)
                self._drop_empty(each)
                self._take(each)
                turn.set_result(None)

    def _take(self, who: str) -> None:
        self._free -= 1
        self._running[who] += 1

    def _forget(self, who: str, turn: asyncio.Future[None]) -> None:
        self._waiting[who].remove(turn)
        self._drop_empty(who)

    def _drop_empty(self, who: str) -> None:
        if not self._waiting[who]:
            del self._waiting[who]

    def _refused(self) -> ApiError:
        message = sentence("share", most=self._each)
        return ApiError(
            "tooManyRequests", message, headers={"Retry-After": str(round(self._seconds))}
        )
