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
from ttrules.judging import Judge
from ttrules.reading import Payload, Reading, Span

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from concurrent.futures import Future

    from ttrules.judging import Question, Tally
    from ttrules.reading import Part

#: Payloads of one part each are handed on together, up to so many characters.
_TOGETHER: Final = 1 << 16
#: So many stretches of a file go to a process together, since to hand them on one by one costs a
#: fourth of what judging them does. What arrives bit by bit is handed on as it arrives.
_GROUP: Final = 16
#: After so much to be said a process hands its tallies back, whatever is left of the group, so that
#: no process holds more than one task's.
_MUCH: Final = 1_000


class WorkerDied(TTRulesError):  # noqa: N818 - a statement, as the house style asks
    """A process that was judging ended on its own; what it had to say is lost."""

    def __str__(self) -> str:
        """Say what happened, and what may help."""
        return "Try fewer --jobs: a process that judged payloads has died; memory may be short."


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
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    under_way: deque[tuple[list[Task], Future[list[Tally]]]] = deque()
    pool = ProcessPoolExecutor(jobs, initializer=begin, initargs=(question,))

    def handed_on(group: list[Task]) -> Future[list[Tally]]:
        """Let a process begin with a group."""
        return pool.submit(work, [task.parts for task in group])

    def told() -> Iterator[tuple[Task, Tally]]:
        """Yield the tasks of the first group with their tallies, all of them."""
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
    """Yield tasks in groups: stretches of a file together, all others alone."""
    group: list[Task] = []
    for task in tasks:
        group.append(task)
        if len(group) == _GROUP or not any(isinstance(part, Span) for part in task.parts):
            yield group
            group = []
    if group:
        yield group


_judge: Judge


def begin(question: Question) -> None:
    """Make this process ready to `work`. An interrupt is for the process that started it."""
    global _judge  # noqa: PLW0603 - a worker has one judge, made once
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _judge = Judge(question)


def work(parts_of_tasks: list[tuple[Part, ...]]) -> list[Tally]:
    """Return the Tallies of some tasks, the first of them at least, in a process that has begun."""
    tallies: list[Tally] = []
    said = 0
    for parts in parts_of_tasks:
        tallies.append(_judge.judge(parts))
        said += len(tallies[-1].judged)
        if said >= _MUCH:
            break
    return tallies
