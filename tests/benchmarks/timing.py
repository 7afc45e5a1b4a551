"""How the benchmarks measure, and how they say what came of it.

The machine is never quiet, so nothing is measured on its own: what is compared takes turns in
rounds, a ratio is taken within each round, and the median of the rounds is told. Turns are shorter
than the slices of a scheduler, so that most rounds are not broken into, and what slows a round
slows both sides of its ratio. Nothing here fails: a target that is missed is printed as missed.
"""

from __future__ import annotations

import os
from statistics import median
from timeit import Timer
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

#: How long a turn should be at least, in seconds: a call is repeated until it is.
TURN = 0.0003
#: How many rounds there are at least, and at most.
_FEWEST, _MOST = 11, 3001


class Target(NamedTuple):
    """A number that was promised, and the one that was measured.

    `measured` has to be at most, or where `at_least` at least, `limit`.
    """

    text: str
    measured: float
    limit: float
    at_least: bool = False
    unit: str = "x"

    @property
    def is_met(self) -> bool:
        """Whether the measured number keeps the promise."""
        if self.at_least:
            return self.measured >= self.limit
        return self.measured <= self.limit


class Times:
    """The seconds that one call of each contender took, round by round."""

    def __init__(self, taken: Mapping[str, Sequence[float]]) -> None:
        self.taken = taken

    def median(self, name: str) -> float:
        """Return the median of a contender's rounds, in seconds."""
        return median(self.taken[name])

    def ratio(self, name: str, other: str) -> float:
        """Return how many times as long as `other` a contender took: the median of the rounds."""
        pairs = zip(self.taken[name], self.taken[other], strict=True)
        return median(mine / its for mine, its in pairs)


def take_turns(calls: Mapping[str, Callable[[], object]], budget: float) -> Times:
    """Time calls in rounds, as many as there is time for: `budget` is in seconds."""
    timers = {name: Timer(call) for name, call in calls.items()}
    repeats, turns = {}, 0.0
    for name, timer in timers.items():
        one = min(timer.repeat(5, 1))
        repeats[name] = max(1, round(TURN / one))
        turns += repeats[name] * one
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(min(_MOST, max(_FEWEST, round(budget / turns)))):
        for name, timer in timers.items():
            timer.timeit(max(1, repeats[name] // 10))  # what the one before has left is cleared out
            taken[name].append(timer.timeit(repeats[name]) / repeats[name])
    return Times(taken)


def show_targets(targets: Iterable[Target]) -> None:
    """Print targets, one a line, each with its verdict."""
    rows = [
        (
            target.text,
            f"{target.measured:.2f} {target.unit}",
            f"{'>=' if target.at_least else '<='} {target.limit:g} {target.unit}",
            "met" if target.is_met else "MISSED",
        )
        for target in targets
    ]
    show(("target", "measured", "limit", ""), rows)


def show(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table: the first column to the left, the others to the right."""
    lines = [[str(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    for number, line in enumerate(lines):
        cells = [line[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        print("  ".join(cells).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))
    print()


def load() -> str:
    """Return how busy the machine has been in the last minute, where that is known."""
    if not hasattr(os, "getloadavg"):
        return "load unknown"
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def seconds(value: float) -> str:
    """Return a time for people: 1.234 µs, 56.7 ms."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= size:
            return f"{value / size:.4g} {unit}"
    return f"{value * 1e9:.4g} ns"
