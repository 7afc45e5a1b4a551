"""`ttrules check`: from files to a report, in constant memory.

Files become tasks, tasks become results, and the reporter of a format writes the results in order,
while a progress bar is shown on the terminal. This module connects these parts and decides nothing
else.
"""

from __future__ import annotations

import os
import sys
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ttrules.checking.files import Reading, Unreadable
from ttrules.checking.json_text import TextRange
from ttrules.checking.pool import Task, in_order, tasks_of
from ttrules.checking.reporters.base import Summary
from ttrules.checking.reporters.github import GitHub
from ttrules.checking.reporters.json import JSON, JSONLines
from ttrules.checking.reporters.junit import JUnit
from ttrules.checking.reporters.sarif import Sarif
from ttrules.checking.reporters.text import Text
from ttrules.checking.results import BatchResult, PayloadResult
from ttrules.checking.worker import book_of, stored_ticket
from ttrules.message import reason
from ttrules.messages.catalogue import DEFAULT, catalogue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rich.progress import Progress

    from ttrules.checking.reporters.base import Reporter, Write
    from ttrules.checking.results import CheckOptions
    from ttrules.messages.catalogue import Catalogue
    from ttrules.messages.printable import Style

#: The input size in bytes from which a progress bar is shown.
_BIG: Final = 16 << 20
#: The number of columns from which sizes and rates are shown beside the bar, the columns that are
#: not the bar's without and with them, and the minimum and maximum length of the bar.
_WIDE: Final = 80
_BESIDE: Final = (31, 64)
_BAR: Final = (4, 40)

_NOTHING: Final = BatchResult(
    1, 0, [PayloadResult(0, TextRange(1, 1, 1, 2), reason=reason("no_payload"))]
)


#: The reporter of each format, created from a write function, a catalogue and whether it is quiet.
FORMATS: Final[dict[str, Callable[[Write, Catalogue, bool], Reporter]]] = {
    "text": lambda write, words, quiet: Text(write, style(), words, quiet=quiet),
    "json": lambda write, words, _: JSON(write, words),
    "jsonl": lambda write, words, _: JSONLines(write, words),
    "junit": lambda write, words, _: JUnit(write, words),
    "sarif": lambda write, words, _: Sarif(write, words),
    "github": lambda write, words, quiet: GitHub(write, words, quiet=quiet),
}


def check(
    names: Iterable[str],
    question: CheckOptions,
    *,
    against: str | None = None,
    form: str = "text",
    jobs: int = 1,
    quiet: bool = False,
    language: str = DEFAULT,
) -> Summary:
    """Check files and write the report to standard output.

    `against` is the file of the stored ticket that the payloads change, `form` one of FORMATS.
    Raises SpecError, NoSuchProcess, NoSuchLanguage, EngineFailed, WorkerDied, and UsageError if the
    rules
    define no process for a new ticket.
    """
    names = list(names)
    book = book_of(question.rules)
    ticket = None if against is None else stored_ticket(book, against)
    if isinstance(ticket, Unreadable):
        tasks: Iterable[Task] = (Task(str(against), (ticket,)), Task(str(against), ()))
    else:
        if against is None and question.process is None and not book.selects_new:
            known = ", ".join(each.slug for each in book.matrix.processes)
            message = (
                f"Name a process with --process: these rules do not choose one. Known: {known}."
            )
            raise click.UsageError(message)
        question = question._replace(current=ticket)
        tasks = _tasks(names, of_changes=against is not None)
    stream = sys.stdout.buffer
    encoding = sys.stdout.encoding if form in {"text", "github"} else "utf-8"
    writer = FORMATS[form](
        lambda text: stream.write(text.encode(encoding, "backslashreplace")),
        catalogue(language),
        quiet,
    )
    bar = _Bar(_size(names), catalogue(language), is_wanted=_shows_bars() and not quiet)
    with closing(bar), closing(in_order(tasks, question, jobs)) as tallies:
        summary = _written(tallies, writer, bar)
    stream.flush()
    return summary


def shows_colours() -> bool:
    """Return whether standard output is a terminal with colours (see no-color.org)."""
    return (
        sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    )


def _shows_bars() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def style() -> Style:
    """Return a function that colours text for standard output, or returns it unchanged."""
    return click.style if shows_colours() else _unstyled


def _unstyled(text: str, **_: object) -> str:
    return text


def _tasks(names: Iterable[str], *, of_changes: bool) -> Iterator[Task]:
    for name in names:
        yield from tasks_of(Reading(name, "patches" if of_changes else "any"))


def _written(tallies: Iterable[tuple[Task, BatchResult]], writer: Reporter, bar: _Bar) -> Summary:
    """Write the results, moved to their position in the file."""
    summary = Summary()
    payloads = lines = 0
    is_open = False
    for task, counted in tallies:
        ends = not task.parts
        empty = ends and not payloads and not task.holds_none
        tally = _NOTHING if empty else counted
        summary.count(tally)
        with bar.aside(needed=ends or bool(tally.judged)):
            if not is_open:
                # A file name may contain bytes that are not text.
                writer.open_source(os.fsencode(task.name).decode("utf-8", "backslashreplace"))
                is_open = True
            for judged in tally.judged:
                writer.write_result(judged.moved(payloads, lines))
            payloads, lines = payloads + tally.payloads, lines + tally.lines
            if ends:
                writer.close_source(payloads)
                is_open, payloads, lines = False, 0, 0
        bar.advance(task.size, tally.payloads)
    bar.close()
    writer.close(summary)
    return summary


def _size(names: Iterable[str]) -> int | None:
    """Return the number of bytes to read, or None if it is not known."""
    try:
        return sum(Path(name).stat().st_size for name in names)
    except OSError:
        return None


class _Bar:
    """The progress bar on standard error, shown for large inputs."""

    def __init__(self, total: int | None, words: Catalogue, *, is_wanted: bool) -> None:
        self._total = total
        self._words = words
        self._is_wanted = is_wanted
        self._done = self._payloads = 0
        self._progress: Progress | None = None

    def advance(self, size: int, payloads: int) -> None:
        """Advance by a number of bytes and payloads."""
        self._done += size
        self._payloads += payloads
        if self._is_wanted and self._progress is None and max(self._done, self._total or 0) >= _BIG:
            self._progress = _progress(self._total, self._words.counted("payloads", 0))
        if self._progress is not None:
            task = self._progress.task_ids[0]
            told = self._words.counted("payloads", self._payloads)
            self._progress.update(task, completed=self._done, payloads=told)

    @contextmanager
    def aside(self, *, needed: bool) -> Iterator[None]:
        """Hide the bar while something is written to the same terminal."""
        progress = self._progress if needed and sys.stdout.isatty() else None
        if progress is not None:
            progress.stop()
        yield
        if progress is not None:
            progress.start()

    def close(self) -> None:
        """Remove the bar."""
        if self._progress is not None:
            self._progress.stop()


def _progress(total: int | None, payloads: str) -> Progress:
    # Imported here because it is slow and few inputs are large.
    from rich import progress
    from rich.console import Console
    from rich.table import Column

    console = Console(stderr=True)
    # In a narrow terminal only the essential parts are shown, on one line.
    is_wide = console.width >= _WIDE
    size = (progress.DownloadColumn(table_column=Column(no_wrap=True)),) if is_wide else ()
    rate = (progress.TransferSpeedColumn(table_column=Column(no_wrap=True)),) if is_wide else ()
    bar = progress.Progress(
        progress.BarColumn(bar_width=max(_BAR[0], min(_BAR[1], console.width - _BESIDE[is_wide]))),
        *size,
        *rate,
        progress.TextColumn("{task.fields[payloads]}"),
        progress.TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    bar.add_task("check", total=total, payloads=payloads)
    bar.start()
    return bar
