"""Several processes that share the work: the same report, in order, or none at all."""

from __future__ import annotations

import gzip
import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from ttrules.checking import files, pool
from ttrules.checking.files import Lines, Payload, Reading, Span
from ttrules.checking.pool import Task, WorkerDied, in_order, tasks_of
from ttrules.checking.results import BatchResult, CheckOptions
from ttrules.checking.worker import PayloadChecker
from ttrules.examples.generate import example
from ttrules.message import reason
from ttrules.rulebook import shipped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.command_line import File, Run

pytestmark = pytest.mark.slow

LARGE = 2 << 20


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Give large files of the same payloads, a few of which are wrong, warned of or no JSON."""
    texts = [
        json.dumps(example(shipped(), process, "full", seed), indent=None)
        for process in ("complaint-add", "customer-trouble-ticket-add")
        for seed in range(5)
    ]
    odd = [
        '{"ticketType": "Complaint"}',
        texts[0].replace('"name"', '"colour"'),
        "[1",
        '{"ł": NaN}',
    ]
    rows: list[str] = []
    size = 0
    while size < LARGE:
        rows.append(odd[len(rows) // 97 % 4] if len(rows) % 97 == 96 else texts[len(rows) % 10])
        size += len(rows[-1])
    folder = tmp_path_factory.mktemp("large")
    lines = "\n".join(rows).encode()
    array = ("[" + ",\n ".join(row for row in rows if row != "[1") + "]").encode()
    files = {
        "a.jsonl": lines,
        "a.json": array,
        "a.jsonl.gz": gzip.compress(lines, 1),
        "a.json.gz": gzip.compress(array, 1),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return {name: folder / name for name in files}


class TestSameReport:
    """However many processes share the work, the report is the same, byte for byte."""

    @pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.jsonl.gz", "a.json.gz"])
    def test_one_source(self, ttrules: Run, run: Run, sources: dict[str, Path], name: str) -> None:
        """A large file of any kind has the same report."""
        args = ("check", "--format", "jsonl", sources[name], "--jobs")
        alone = run(*args, "1")
        assert alone.code == 3
        assert len(alone.out.splitlines()) > 10
        assert ttrules(*args, "2") == alone

    def test_many_sources(
        self, ttrules: Run, run: Run, sources: dict[str, Path], file: File, wrong: dict[str, Any]
    ) -> None:
        """Several sources, also small, empty and missing ones, have the same report in order."""
        small: list[str | Path] = [
            file("small.json", wrong),
            file("empty", ""),
            file("none.json", []),
            "nowhere",
        ]
        files = [small[0], sources["a.jsonl"], *small[1:], sources["a.json.gz"], small[0]]
        for form in ("text", "junit"):
            args: tuple[str | Path, ...] = ("check", *files, "--format", form, "--jobs")
            assert ttrules(*args, "3") == run(*args, "1")

    def test_against(self, ttrules: Run, run: Run, file: File, stored: dict[str, Any]) -> None:
        """Changes are shared as well."""
        changes = file("a.jsonl", "\n".join([json.dumps({"origin": "Fax"})] * 5))
        args = ("check", "--against", file("stored.json", stored), changes, "--jobs")
        assert ttrules(*args, "2") == run(*args, "1")

    @pytest.mark.parametrize("span", [40, 1000, 1 << 20])
    def test_stretches(
        self,
        run: Run,
        file: File,
        monkeypatch: pytest.MonkeyPatch,
        wrong: dict[str, Any],
        span: int,
    ) -> None:
        """Where the stretches of a file begin makes no difference."""
        rows = [json.dumps({**wrong, "n": "x" * (7 * n)}) if n % 3 else "" for n in range(40)]
        args = ("check", "--format", "json", file("a.jsonl", "\n".join(rows)))
        whole = run(*args)
        monkeypatch.setattr(files, "SPAN", span)
        assert run(*args) == whole


class TestJobs:
    """How many processes there are is said by --jobs."""

    @pytest.mark.parametrize(("cores", "shared"), [(1, []), (None, []), (3, [3, 3])])
    def test_auto(
        self, run: Run, monkeypatch: pytest.MonkeyPatch, cores: int | None, shared: list[int]
    ) -> None:
        """Auto is one a core, one where that is unknown, and needs no second process then."""
        asked: list[int] = []

        def share(_tasks: object, _question: CheckOptions, number: int) -> tuple[()]:
            """Take down how many there were to be, and do nothing."""
            asked.append(number)
            return ()

        monkeypatch.setattr(os, "cpu_count", lambda: cores)
        monkeypatch.setattr(pool, "_shared", share)
        for value in ("auto", "0", "1"):
            assert run("check", "--jobs", value, "-", stdin=b"[]").code == 0
        assert asked == shared

    @pytest.mark.parametrize("value", ["-1", "x", "", "1025"])
    def test_refused(self, run: Run, value: str) -> None:
        """What is no sensible number of processes is a wrong use."""
        assert run("check", "--jobs", value, "-").code == 2

    @pytest.mark.parametrize("are_spans", [False, True])
    def test_in_order_and_bounded(self, file: File, *, are_spans: bool) -> None:
        """Tallies come in the order of their tasks, and few of them are taken ahead of these.

        Stretches of a file go in groups; what arrives bit by bit never waits for more.
        """
        path = str(file("a.jsonl", b"1\n" * 200))
        taken: list[str] = []

        def part(number: int) -> Lines | Span:
            """Return a part of so many payloads."""
            return Span(path, 0, 2 * number) if are_spans else Lines(b"1\n" * number)

        def tasks() -> Iterator[Task]:
            """Yield tasks, and take down which."""
            for number in range(200):
                taken.append(str(number))
                yield Task(str(number), (part(number),) if number % 40 else ())

        ahead: list[int] = []
        told: list[tuple[str, int]] = []
        for task, tally in in_order(tasks(), CheckOptions(), 2):
            ahead.append(len(taken) - len(told))
            told.append((task.name, tally.payloads))
        assert told == [(str(n), n if n % 40 else 0) for n in range(200)]
        assert max(ahead) in (range(6, 5 * pool._GROUP + 1) if are_spans else {5})

    def test_worker(self, wrong: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        """A worker says what a judge says, and leaves interrupts to the process that began it."""
        monkeypatch.setattr(pool, "_judge", None, raising=False)
        before = signal.getsignal(signal.SIGINT)
        try:
            pool.begin(CheckOptions())
            assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
        finally:
            signal.signal(signal.SIGINT, before)
        parts = (Payload(3, 1, json.dumps(wrong).encode()), Lines(b"\n1\n"))
        tally = PayloadChecker(CheckOptions()).judge(parts)
        assert pool.work([parts, (), parts]) == [tally, BatchResult(0, 0, []), tally]
        # With much to say it comes back before the end, after one at least.
        for much, done in ((1, 1), (len(tally.judged) + 1, 2)):
            monkeypatch.setattr(pool, "_MUCH", much)
            assert pool.work([parts, parts, parts]) == [tally] * done

    def test_much(
        self, run: Run, file: File, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any]
    ) -> None:
        """Where there is much to say about every payload, the report is still the whole one."""
        monkeypatch.setattr(pool, "_MUCH", 2)
        monkeypatch.setattr(files, "SPAN", 64)
        args = ("check", file("a.jsonl", "\n".join([json.dumps(wrong)] * 50)), "--jobs")
        assert run(*args, "2") == run(*args, "1")

    def test_death(self, run: Run, file: File, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without a worker there is no verdict: the program has failed, and says so."""
        monkeypatch.setattr(pool, "work", die)
        ran = run("check", "--jobs", "2", "--format", "jsonl", file("a.json", [{}, {}]))
        assert (ran.code, ran.out) == (5, "")
        assert WorkerDied.__name__ in ran.err
        with pytest.raises(WorkerDied):
            list(in_order([Task("a", (Lines(b"1"),))], CheckOptions(), 2))


class TestTasks:
    """Parts are handed on together while they are small."""

    def test_together(self, file: File, monkeypatch: pytest.MonkeyPatch) -> None:
        """Payloads are gathered up to a size; the sizes of tasks add up to that of the source."""
        monkeypatch.setattr(pool, "_TOGETHER", 10)
        text = b"[1, 22, 333, 4444, 55555, 666666, 77777777777777, 8]"
        tasks = list(tasks_of(Reading(str(file("a.json", text)))))
        parts = [[part.text for part in task.parts if isinstance(part, Payload)] for task in tasks]
        assert parts == [
            [b"1", b"22", b"333", b"4444"],
            [b"55555", b"666666"],
            [b"77777777777777"],
            [b"8"],
            [],
        ]
        assert sum(task.size for task in tasks) == len(text)

    def test_spans(self, file: File, monkeypatch: pytest.MonkeyPatch) -> None:
        """Stretches are tasks of their own, as large as they are."""
        monkeypatch.setattr(files, "SPAN", 4)
        tasks = list(tasks_of(Reading(str(file("a.jsonl", b"1\n2\n3\n")))))
        assert [(len(task.parts), task.size) for task in tasks] == [(1, 4), (1, 2), (0, 0)]

    def test_vanished(self, tmp_path: Path) -> None:
        """A file that vanishes before a stretch of it is read is unreadable there."""
        tally = PayloadChecker(CheckOptions()).judge([Span(str(tmp_path / "gone"), 0, 10)])
        ((index, spot, *_, why),) = tally.judged
        assert (tally.payloads, index, spot.line) == (1, 0, 1)
        assert why == reason("not_read", detail="No such file or directory")

    def test_too_long(self, file: File, monkeypatch: pytest.MonkeyPatch) -> None:
        """A line too long to be held is unreadable, and those around it are judged."""
        monkeypatch.setattr(files, "LONGEST", 20)
        monkeypatch.setattr(files, "BLOCK", 8)
        path = file("a.jsonl", b"1\n" + b"x" * 50 + b"\n2\n")
        told: list[BatchResult] = [
            PayloadChecker(CheckOptions()).judge(parts)
            for parts in ([Span(str(path), 0, 60)], list(Reading(str(path))))
        ]
        assert told[0] == told[1]
        assert [(each.index, each.spot.line, each.status) for each in told[0].judged] == [
            (0, 1, "invalid"),
            (1, 2, "unreadable"),
            (2, 3, "invalid"),
        ]


def die(_parts: object) -> None:
    """End this process as the system does where memory is short."""
    os.kill(os.getpid(), signal.SIGKILL)
