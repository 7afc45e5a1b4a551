"""The pool that handles large bodies: which are large, whose turn it is, how many may wait."""

from __future__ import annotations

import asyncio
import gc
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from server.problems import ApiError
from server.validation import FEW, SMALL, THREADS, WAITING, Validation, is_small

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def pool() -> Iterator[Validation]:
    """Give a pool."""
    made = Validation()
    yield made
    made.close()


@pytest.mark.parametrize("text", [b"1" * SMALL, b"," * FEW, b"{" * FEW, ",{" * (FEW // 2)])
def test_small(text: Any) -> None:
    """The event loop handles a text with few characters and few values; one more is too many."""
    assert is_small(text)
    more = text + (b"," if isinstance(text, bytes) else ",")
    assert not is_small(more)


class Work:
    """Jobs that wait until they are let go, and note in which order they began."""

    def __init__(self, pool: Validation) -> None:
        self.began: list[str] = []
        self.most: dict[str, int] = {}
        self._pool = pool
        self._under_way: list[str] = []
        self._go_on = threading.Semaphore(0)
        self._lock = threading.Condition()

    def start(self, owner: str, count: int = 1) -> list[asyncio.Task[str]]:
        """Start jobs of an owner."""
        job = partial(self._do, owner)
        return [asyncio.create_task(self._pool.run(owner, job)) for _ in range(count)]

    def await_began(self, count: int) -> None:
        """Wait until so many jobs have begun."""
        with self._lock:
            assert self._lock.wait_for(lambda: len(self.began) >= count, 30)

    def _do(self, owner: str) -> str:
        with self._lock:
            self.began.append(owner)
            self._lock.notify_all()
            self._under_way.append(owner)
            self.most[owner] = max(self.most.get(owner, 0), self._under_way.count(owner))
        assert self._go_on.acquire(timeout=30)
        with self._lock:
            self._under_way.remove(owner)
        return owner

    def let_go(self, count: int) -> None:
        """Let so many jobs end."""
        for _ in range(count):
            self._go_on.release()


async def settled() -> None:
    """Let every task run until it waits."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_turns(pool: Validation) -> None:
    """One job of an owner runs at a time, and owners take turns: an owner with many jobs waits for
    itself, and the jobs of others begin after one of it.
    """

    async def run() -> Work:
        """Run the jobs in one event loop."""
        work = Work(pool)
        tasks = work.start("a", 4)
        await settled()
        tasks += work.start("b", 3)
        await settled()
        tasks += work.start("c", 2)
        await settled()
        work.let_go(1)
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.to_thread(work.await_began, 1 + THREADS)
        assert (sorted(work.began[:2]), work.began[2]) == (["a", "b"], "c")
        work.let_go(len(tasks) - 1)
        assert sorted(await asyncio.gather(*tasks)) == [*"aaaabbbcc"]
        return work

    work = asyncio.run(run())
    assert work.most == {"a": 1, "b": 1, "c": 1}


@pytest.mark.parametrize(("owner", "code"), [("a", "tooManyRequests"), ("", "unavailable")])
def test_bound(pool: Validation, owner: str, code: str) -> None:
    """A few jobs of an owner may wait; the next is refused, with a Retry-After. Others do not
    notice. Once a job has ended there is room again.
    """

    async def run() -> None:
        """Run the jobs in one event loop."""
        work = Work(pool)
        tasks = work.start(owner, 1 + WAITING)
        await settled()
        with pytest.raises(ApiError) as refused:
            await pool.run(owner, lambda: None)
        assert refused.value == ApiError(code, headers={"Retry-After": "1"})
        assert await pool.run("b", lambda: "b") == "b"
        work.let_go(1)
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        tasks += work.start(owner)
        work.let_go(1 + WAITING)
        assert await asyncio.gather(*tasks) == [owner] * (2 + WAITING)

    asyncio.run(run())


def test_failure(pool: Validation) -> None:
    """What a job raises is raised, and the next one runs."""

    async def run() -> None:
        """Run the jobs in one event loop."""
        for _ in range(2 * THREADS):
            with pytest.raises(ZeroDivisionError):
                await pool.run("a", lambda: 1 // 0)
        assert await pool.run("a", lambda: 1) == 1

    asyncio.run(run())


def test_cancelled(pool: Validation) -> None:
    """A job whose request is gone does not run, and takes nobody's turn."""

    async def run() -> None:
        """Run the jobs in one event loop."""
        work = Work(pool)
        first, gone, last = work.start("a", 3)
        await settled()
        gone.cancel()
        await settled()
        work.let_go(2)
        assert list(await asyncio.gather(first, last)) == ["a", "a"]
        first, late = work.start("a", 2)
        await settled()
        work.let_go(1)
        await first
        late.cancel()  # its turn has come already
        work.let_go(1)
        await asyncio.wait([late])
        assert await pool.run("a", lambda: 1) == 1

    asyncio.run(run())


def test_lock(pool: Validation) -> None:
    """A ticket has one lock while anybody uses it, and none is kept afterwards."""
    one = pool.lock("1")
    assert pool.lock("1") is one
    assert pool.lock("2") is not one
    del one
    gc.collect()
    assert len(pool._locks) == 0
