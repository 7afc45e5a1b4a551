"""The entry point of `python -m ttrules` and of the command `ttrules`.

The packages of the command line are an optional extra. If one is missing, one sentence is printed
instead of a traceback.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

#: What the extra ``cli`` installs.
_NEEDED = ("click", "orjson", "rich", "rstr")


def main() -> None:
    """Run the command line and exit with one of `cli.exit_codes.EXITS`."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        sys.stderr.write(
            f'ttrules: the command line needs {" and ".join(missing)}: pip install "ttrules[cli]"\n'
        )
        sys.exit(2)
    from ttrules.cli.main import cli

    cli.main(prog_name="ttrules")


if __name__ == "__main__":
    main()
