"""A million tickets in one file: memory, and speed beside a loop that does nothing else.

The bare loop parses each line with orjson and asks jsonschema-rs, and reports nothing; it stands
for the best that can be had of one core. Two of them at once show what two cores of this machine
give to anybody. Memory is the peak of each process, as Linux tells it; elsewhere it is not known.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import TYPE_CHECKING, NamedTuple

import orjson

import ttrules
from tests.benchmarks.tickets import PROCESS
from tests.benchmarks.timing import Target, load, show, show_targets
from ttrules.examples.generate import example
from ttrules.rulebook import shipped

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
#: Where the tickets are written, and taken away again. Git ignores it.
FOLDER = ROOT / ".bench" / "many"
MANY, FEW = 1_000_000, 50_000
#: So many different tickets are made up, and written again and again.
_DIFFERENT = 2_000
#: How often the processes are looked at, in seconds.
_PAUSE = 0.02

_BARE = """
import json, sys
import jsonschema_rs, orjson
is_valid = jsonschema_rs.Draft202012Validator(json.load(open(sys.argv[1], "rb"))).is_valid
loads = orjson.loads
with open(sys.argv[2], "rb") as file:
    for line in file:
        assert is_valid(loads(line))
"""


class Run(NamedTuple):
    """How long a command took, in seconds, and the peak of each of its processes, in MB."""

    seconds: float
    peaks: tuple[float, ...]


def main(*, quick: bool = False) -> list[Target]:
    """Print what many tickets take, and return the targets."""
    count = FEW if quick else MANY
    FOLDER.mkdir(parents=True, exist_ok=True)
    try:
        return _measured(count, rounds=5 if quick else 3)
    finally:
        shutil.rmtree(FOLDER)


def _measured(count: int, rounds: int) -> list[Target]:
    files = {size: FOLDER / f"{size}.jsonl" for size in (count // 10, count)}
    schema = FOLDER / "schema.json"
    schema.write_text(json.dumps(ttrules.schema(PROCESS)))
    for size, file in files.items():
        _write(file, size)
    big = files[count]
    print(f"{count:,} tickets, {big.stat().st_size / count:.0f} bytes each; {load()}")
    bare = [sys.executable, "-c", _BARE, str(schema), str(big)]
    contenders: dict[str, Callable[[], Run]] = {
        "bare loop": lambda: _run(bare),
        "two bare loops at once": lambda: _run(bare, bare),
        "ttrules check --jobs 1": lambda: _run(_check(big, 1)),
        "ttrules check --jobs 2": lambda: _run(_check(big, 2)),
    }
    runs: dict[str, list[Run]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            runs[name].append(run())
    small = {jobs: _run(_check(files[count // 10], jobs)) for jobs in (1, 2)}
    return _told(count, runs, small)


def _told(count: int, runs: dict[str, list[Run]], small: dict[int, Run]) -> list[Target]:
    rows = []
    for name, each in runs.items():
        work = count * (2 if name.startswith("two") else 1)
        peaks = [max(run.peaks, default=0.0) for run in each]
        rate = work / median(run.seconds for run in each)
        rows.append((name, f"{rate:,.0f}", f"{max(peaks):.0f} MB"))
    for jobs, run in small.items():
        name = f"ttrules check --jobs {jobs}, a tenth of them"
        rows.append(
            (name, f"{count / 10 / run.seconds:,.0f}", f"{max(run.peaks, default=0):.0f} MB")
        )
    show(("many tickets", "a second", "peak of a process"), rows)
    bare, two, one_job, two_jobs = runs.values()
    print(f"Two bare loops at once do {2 * _ratio(bare, two):.2f} x the work of one; {load()}.\n")
    peaks = [peak for run in (*one_job, *two_jobs, *small.values()) for peak in run.peaks]
    growth = max(max(run.peaks, default=0) for run in (*one_job, *two_jobs)) / max(
        max(run.peaks, default=1) for run in small.values()
    )
    return [
        Target("peak memory of a process", max(peaks, default=0), 150, unit="MB"),
        Target("peak memory, beside that for a tenth of the file", growth, 1.1),
        Target("rate of --jobs 1, of a bare loop's", _ratio(bare, one_job), 0.6, at_least=True),
        Target("--jobs 2, quicker than --jobs 1 by", _ratio(one_job, two_jobs), 1.7, at_least=True),
    ]


def _ratio(one: list[Run], other: list[Run]) -> float:
    """Return how many times as long as the other a run takes: the median of the rounds."""
    return median(mine.seconds / its.seconds for mine, its in zip(one, other, strict=True))


def _write(file: Path, count: int) -> None:
    """Write valid tickets, a line each, of some 1 KB in the middle."""
    lines = [
        orjson.dumps(example(shipped(), PROCESS, "full" if seed % 3 == 0 else "typical", seed))
        for seed in range(min(_DIFFERENT, count))
    ]
    block = b"".join(line + b"\n" for line in lines)
    times, rest = divmod(count, len(lines))
    if shutil.disk_usage(FOLDER).free < 2 * times * len(block):
        message = f"there is no room for {count:,} tickets in {FOLDER}"
        raise OSError(message)
    with file.open("wb") as stream:
        for _ in range(times):
            stream.write(block)
        stream.writelines(line + b"\n" for line in lines[:rest])


def _check(file: Path, jobs: int) -> list[str]:
    return [sys.executable, "-m", "ttrules", "check", "--jobs", str(jobs), str(file)]


def _run(*commands: list[str]) -> Run:
    """Run commands at the same time, and look at their processes until they have ended."""
    begin = perf_counter()
    running = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=ROOT) for command in commands
    ]
    peaks: dict[int, float] = {}
    while any(process.poll() is None for process in running):
        for process in running:
            for pid in _family(process.pid):
                peaks[pid] = max(peaks.get(pid, 0.0), _peak(pid))
        sleep(_PAUSE)
    taken = perf_counter() - begin
    for process in running:
        assert process.returncode == 0, "every ticket is valid"
    return Run(taken, tuple(peaks.values()))


def _family(pid: int) -> list[int]:
    """Return a process and those that it has started."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(below for child in children for below in _family(int(child)))]


def _peak(pid: int) -> float:
    """Return the most memory that a process has held, in MB; 0 where that is not known."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    sizes = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(sizes[0]) / 1024 if sizes else 0.0


if __name__ == "__main__":
    show_targets(main())
