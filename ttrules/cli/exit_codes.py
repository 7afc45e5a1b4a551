"""The exit codes of the command line, and how a program writes its last lines."""

from __future__ import annotations

import os
import sys
from typing import Final

import click

from ttrules.messages.printable import printable

#: The meaning of each exit code. Where two of 1 to 3 apply, the greater one is returned.
EXITS: Final[dict[int, str]] = {
    0: "success: no finding, or warnings only",
    1: "findings: a payload breaks a rule, or generated files differ",
    2: "usage error: unknown command, option, process or format",
    3: "unreadable: an input cannot be validated",
    4: "bad spec: the rules cannot be loaded",
    5: "internal error",
    130: "interrupted",
    141: "the reader of the output closed it",
}
FINE, FINDINGS, USAGE, UNREADABLE, BAD_SPEC, INTERNAL, INTERRUPTED, NO_READER = EXITS


def complain(*lines: str) -> None:
    """Write lines to standard error, each after the name of this program."""
    for line in lines:
        click.echo(f"ttrules: {printable(line)}", err=True)


def flush_output() -> None:
    """Write what is still buffered, or discard it when the disk is full."""
    try:
        sys.stdout.flush()
    except OSError:
        discard_output()


def discard_output() -> None:
    """Discard what is still buffered; otherwise Python reports an error at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
