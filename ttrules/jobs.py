"""Judging in this process or in several, in order and with bounded look-ahead.

A Task is some parts of one file; its Tally comes back beside it, in the order of the tasks, however
many processes share the work. Only so many tasks are under way at a time that memory does not
depend on how many there are. A process that dies ends the whole run with WorkerDied: there is no
verdict without it.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from ttrules.errors import TTRulesError
from ttrules.judging import Judge, Tally
from ttrules.reading import Payload, Reading, Span

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from concurrent.futures import Future

    from ttrules.judging import Question
    from ttrules.reading import Part

#: Payloads of one part each are handed on together, up to so many characters.
_TOGETHER: Final = 1 << 16
_NOTHING: Final = Tally(0, 0, [])


class WorkerDied(TTRulesError):  # noqa: N818 - a statement, as the house style asks
    """A process that was judging ended on its own; what it had to say is lost."""

    def __str__(self) -> str:
        """Say what happened, and what may help."""
        return "a process that judged payloads has died; was memory short? (try fewer --jobs)"


class Task(NamedTuple):
    """Parts of the source `name`, and how many bytes of it they took.

    The last Task of a source has no parts; in it, `holds_none` says that a source without payloads
    is meant to be without.
    """

    name: str
    parts: tuple[Part, ...]
    size: int = 0
    holds_none: bool = False


def tasks_of(reading: Reading) -> Iterator[Task]:
    """Yield the tasks of one source, the last one without parts."""
    together: list[Part] = []
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


def in_order(tasks: Iterable[Task], question: Question, jobs: int) -> Generator[tuple[Task, Tally]]:
    """Yield each task with its Tally, in order. `jobs` is the number of processes, 0 as the cores.

    Raises what Judge raises, and WorkerDied.
    """
    jobs = jobs or os.cpu_count() or 1
    judge = Judge(question)
    if jobs == 1:
        for task in tasks:
            yield task, judge.judge(task.parts)
    else:
        yield from _shared(tasks, question, jobs)


def _shared(tasks: Iterable[Task], question: Question, jobs: int) -> Iterator[tuple[Task, Tally]]:
    # Imported here since most files need no second process.
    from concurrent.futures import Future, ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    under_way: deque[tuple[Task, Future[Tally]]] = deque()
    nothing: Future[Tally] = Future()
    nothing.set_result(_NOTHING)
    pool = ProcessPoolExecutor(jobs, initializer=begin, initargs=(question,))
    try:
        for task in tasks:
            under_way.append((task, pool.submit(work, task.parts) if task.parts else nothing))
            if len(under_way) > 2 * jobs:
                first, tally = under_way.popleft()
                yield first, tally.result()
        for last, tally in under_way:
            yield last, tally.result()
    except BrokenProcessPool as error:
        raise WorkerDied from error
    finally:
        pool.shutdown(cancel_futures=True)


_judge: Judge


def begin(question: Question) -> None:
    """Make this process ready to `work`. An interrupt is for the process that started it."""
    global _judge  # noqa: PLW0603 - a worker has one judge, made once
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _judge = Judge(question)


def work(parts: tuple[Part, ...]) -> Tally:
    """Return the Tally of some parts, in a process that has begun."""
    return _judge.judge(parts)
