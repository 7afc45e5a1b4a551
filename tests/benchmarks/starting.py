"""How long it takes to begin: to import the package, and to check one file from a shell.

Each start is a process of its own. Bare interpreters take turns with it, and what is told is the
difference, or the whole for the command. The compiled .pyc files are there, as after any first run.
"""

from __future__ import annotations

import compileall
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

import ttrules
from tests.benchmarks.tickets import FILE
from tests.benchmarks.timing import Target, seconds, show, show_targets

#: What is started, by what it is called.
STARTS: dict[str, list[str]] = {
    "python -c pass": ["-c", "pass"],
    "import ttrules": ["-c", "import ttrules"],
    "first verdict": [
        "-c",
        "import ttrules; ttrules.is_valid({'ticketType': 'Complaint'}, 'complaint-add')",
    ],
    "ttrules check one.json": ["-m", "ttrules", "check", "--quiet", str(FILE)],
}
NOTHING, IMPORT, _, CHECK = STARTS


def main(*, quick: bool = False) -> list[Target]:
    """Print how long starts take, and return the targets."""
    compileall.compile_dir(Path(ttrules.__file__).parent, quiet=1)
    taken: dict[str, list[float]] = {name: [] for name in STARTS}
    for _ in range(11 if quick else 41):
        for name, arguments in STARTS.items():
            begin = perf_counter()
            subprocess.run([sys.executable, *arguments], check=True)
            taken[name].append(perf_counter() - begin)
    above = {
        name: median(mine - its for mine, its in zip(times, taken[NOTHING], strict=True))
        for name, times in taken.items()
    }
    show(
        ("a start", "whole", "above bare"),
        [(name, seconds(median(taken[name])), seconds(above[name])) for name in STARTS],
    )
    return [
        Target("import ttrules, above a bare interpreter", above[IMPORT] * 1000, 60, unit="ms"),
        Target(
            "ttrules check one.json, from the shell", median(taken[CHECK]) * 1000, 250, unit="ms"
        ),
    ]


if __name__ == "__main__":
    show_targets(main())
