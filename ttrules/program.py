"""How the command line ends: its exit codes, and which error is which.

Every way out of a command leads through here, so that the codes are one table and nobody is ever
shown a traceback who did not ask for one (TTRULES_DEBUG=1).
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any, Final

import click

from ttrules.errors import NoSuchCell, NoSuchProcess, SpecError
from ttrules.report import printable

#: What each exit code says. Where two of 1 to 3 apply, the greater one is given.
EXITS: Final[dict[int, str]] = {
    0: "fine: nothing to report, or warnings only",
    1: "findings: a payload breaks a rule, or files are not as they should be",
    2: "usage: the command line asks for what there is not",
    3: "unreadable: an input cannot be judged",
    4: "bad spec: rules cannot be loaded",
    5: "internal: this program failed",
    130: "interrupted",
    141: "the reader of the output has gone away",
}
FINE, FINDINGS, USAGE, UNREADABLE, BAD_SPEC, INTERNAL, INTERRUPTED, NO_READER = EXITS

#: The variable of the environment that asks for tracebacks.
_DEBUG: Final = "TTRULES_DEBUG"


class Program(click.Group):
    """A group of commands, each of which ends with one of EXITS."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own signature
        """Run the command that the arguments name."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except (click.ClickException, click.exceptions.Exit):
            raise
        except (NoSuchProcess, NoSuchCell) as error:
            raise click.UsageError(str(error), ctx) from error
        except BrokenPipeError:
            _forget_output()
            ctx.exit(NO_READER)
        except KeyboardInterrupt:
            complain("interrupted")
            ctx.exit(INTERRUPTED)
        except SpecError as error:
            complain(*str(error).splitlines())
            ctx.exit(BAD_SPEC)
        except Exception as error:  # noqa: BLE001 - the last resort, which hides nothing
            if os.environ.get(_DEBUG):
                traceback.print_exc()
            said = " ".join(f"{type(error).__name__}: {error}".split())
            complain(f"internal error: {said} ({_DEBUG}=1 shows where)")
            _settle_output()
            ctx.exit(INTERNAL)
        return result


def complain(*lines: str) -> None:
    """Write lines to standard error, each behind the name of this program."""
    for line in lines:
        click.echo(f"ttrules: {printable(line)}", err=True)


def _settle_output() -> None:
    """Write what is still buffered, or let it go where the disk is full."""
    try:
        sys.stdout.flush()
    except OSError:
        _forget_output()


def _forget_output() -> None:
    """Let what is still buffered go nowhere, or Python complains of it at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
