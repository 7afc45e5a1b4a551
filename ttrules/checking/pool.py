"""Check in this process or in several, in order and with a bounded number of open tasks.

A Task is some chunks of one file. Its BatchResult is returned with it, in the order of the tasks,
for any number of processes. The number of open tasks is limited, so memory does not depend on the
size of the input. If a process dies, the whole run ends with WorkerDied: there is no verdict
without its result.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from ttrules.checking.files import Payload, Span
from ttrules.checking.worker import PayloadChecker
from ttrules.errors import TTRulesError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from concurrent.futures import Future

    from ttrules.checking.files import Chunk, Reading
    from ttrules.checking.results import BatchResult, CheckOptions

#: Single payloads are sent together, up to this number of characters.
_TOGETHER: Final = 1 << 16
#: So many Spans are sent to a process together, because sending them one by one costs a fourth of
#: the time of checking them. Other chunks are sent as they arrive.
_GROUP: Final = 16
#: After so many results a process returns them, even if tasks of the group are left, so no process
#: has more than one task's results in memory.
_MUCH: Final = 1_000


class WorkerDied(TTRulesError):
    """A worker process ended unexpectedly; its results are lost."""

    def __str__(self) -> str:
        """Return the cause and a hint."""
        return "Try fewer --jobs: a process that judged payloads has died; memory may be short."


class Task(NamedTuple):
    """Chunks of the source `name`, and their number of bytes.

    The last Task of a source has no chunks; in it, `holds_none` means that the source is an empty
    array, so it may contain no payload.
    """

    name: str
    parts: tuple[Chunk, ...]
    size: int = 0
    holds_none: bool = False


def tasks_of(reading: Reading) -> Iterator[Task]:
    """Yield the tasks of one source, the last one without chunks."""
    together: list[Chunk] = []
    size = read = 0
    for part in reading:
        if isinstance(part, Payload) and (size + len(part.text)) < _TOGETHER:
            together.append(part)
            size += len(part.text)
            continue
        taken = part.end - part.start if isinstance(part, Span) else reading.read - read
        read = reading.read
        yield Task(reading.name, (*together, part), taken)
        together, size = [], 0
    if together:
        yield Task(reading.name, tuple(together), reading.read - read)
    yield Task(reading.name, (), holds_none=reading.empty_array)


def in_order(
    tasks: Iterable[Task], question: CheckOptions, jobs: int
) -> Generator[tuple[Task, BatchResult]]:
    """Yield each task with its BatchResult, in order.

    `jobs` is the number of processes; 0 means one for each core.

    Raises what PayloadChecker raises, and WorkerDied.
    """
    jobs = jobs or os.cpu_count() or 1
    judge = PayloadChecker(question)
    if jobs == 1:
        for task in tasks:
            yield task, judge.judge(task.parts)
    else:
        yield from _shared(tasks, question, jobs)


def _shared(
    tasks: Iterable[Task], question: CheckOptions, jobs: int
) -> Iterator[tuple[Task, BatchResult]]:
    # Imported here because most files need no second process.
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    under_way: deque[tuple[list[Task], Future[list[BatchResult]]]] = deque()
    pool = ProcessPoolExecutor(jobs, initializer=begin, initargs=(question,))

    def handed_on(group: list[Task]) -> Future[list[BatchResult]]:
        """Start a group in a process."""
        return pool.submit(work, [task.parts for task in group])

    def told() -> Iterator[tuple[Task, BatchResult]]:
        """Yield all tasks of the first group with their results."""
        group, future = under_way.popleft()
        while group:
            tallies = future.result()
            yield from zip(group, tallies, strict=False)
            group = group[len(tallies) :]
            future = handed_on(group) if group else future

    try:
        for group in _groups(tasks):
            under_way.append((group, handed_on(group)))
            if len(under_way) > 2 * jobs:
                yield from told()
        while under_way:
            yield from told()
    except BrokenProcessPool as error:
        raise WorkerDied from error
    finally:
        pool.shutdown(cancel_futures=True)


def _groups(tasks: Iterable[Task]) -> Iterator[list[Task]]:
    """Yield tasks in groups: Spans together, all others alone."""
    group: list[Task] = []
    for task in tasks:
        group.append(task)
        if len(group) == _GROUP or not any(isinstance(part, Span) for part in task.parts):
            yield group
            group = []
    if group:
        yield group


_judge: PayloadChecker


def begin(question: CheckOptions) -> None:
    """Prepare this process for `work`. Interrupts are handled by the parent process."""
    global _judge  # noqa: PLW0603 - a worker has one judge, made once
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _judge = PayloadChecker(question)


def work(parts_of_tasks: list[tuple[Chunk, ...]]) -> list[BatchResult]:
    """Return the BatchResults of at least the first of some tasks, in a prepared process."""
    tallies: list[BatchResult] = []
    said = 0
    for parts in parts_of_tasks:
        tallies.append(_judge.judge(parts))
        said += len(tallies[-1].judged)
        if said >= _MUCH:
            break
    return tallies
