"""Run every benchmark, and print all targets in one table.

    python tests/benchmarks/run.py [--quick]

--quick takes fewer rounds, and 50,000 tickets where there would be a million.
"""

from __future__ import annotations

import argparse
import platform
import sys
from importlib.metadata import version
from pathlib import Path

#: The packages whose versions matter to the numbers.
NAMED = ("jsonschema-rs", "msgspec", "pydantic", "fastjsonschema", "jsonschema", "orjson")


def main() -> None:
    """Run the benchmarks one after the other."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="take fewer rounds and tickets")
    quick = parser.parse_args().quick
    # A script finds what is beside it, not what is above: the root comes first here.
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from tests.benchmarks import many, starting, verdicts
    from tests.benchmarks.timing import load, show_targets

    named = ", ".join(f"{name} {version(name)}" for name in NAMED)
    print(f"Python {platform.python_version()}; {named}; {load()}\n")
    targets = [target for each in (verdicts, starting, many) for target in each.main(quick=quick)]
    show_targets(targets)


if __name__ == "__main__":
    main()
