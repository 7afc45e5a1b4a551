"""Where `python -m ttrules` and the command `ttrules` begin.

The library needs none of the packages of its command line, so that they may be missing: this says
so in one sentence instead of a traceback.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

#: What the extra ``cli`` installs.
_NEEDED = ("click", "orjson", "rich")


def main() -> None:
    """Run the command line, and leave with one of the exit codes of program."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        sys.stderr.write(
            f'ttrules: the command line needs {" and ".join(missing)}: pip install "ttrules[cli]"\n'
        )
        sys.exit(2)
    from ttrules.cli import cli

    cli.main(prog_name="ttrules")


if __name__ == "__main__":
    main()
