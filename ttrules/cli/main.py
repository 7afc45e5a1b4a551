"""The command line of ttrules: the group of its commands, and how a command ends.

Each command is a module of this package with a function `command`. A command's module is imported
when the command is called, so checking a file loads no exporter. Every command
ends in `Program`, so exit codes are one table and a traceback is shown only if TTRULES_DEBUG=1.
"""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Final

import click

from ttrules.cli.exit_codes import (
    BAD_SPEC,
    EXITS,
    INTERNAL,
    INTERRUPTED,
    NO_READER,
    complain,
    discard_output,
    flush_output,
)
from ttrules.errors import NoOpenpyxl, NoSuchCell, NoSuchProcess, SpecError

#: The commands, in the order of the help text. Each is `command` in the module of its name.
COMMANDS: Final = (
    *("check", "explain", "matrix", "lint", "example", "schema"),
    *("init", "compile", "openapi", "postman", "amend"),
)
#: The environment variable that asks for tracebacks.
_DEBUG: Final = "TTRULES_DEBUG"
_CODES: Final = "".join(f"  {code}  {text}\n" for code, text in EXITS.items() if code <= INTERNAL)


class Program(click.Group):
    """A group that imports a command when it is needed and ends with one of EXITS."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of the commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Return a command, imported now, or None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"ttrules.cli.{cmd_name}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that the arguments name."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except (click.ClickException, click.exceptions.Exit):
            raise
        except (NoSuchProcess, NoSuchCell, NoOpenpyxl) as error:
            raise click.UsageError(str(error), self._called(ctx)) from error
        except BrokenPipeError:
            discard_output()
            ctx.exit(NO_READER)
        except KeyboardInterrupt:
            complain("interrupted")
            ctx.exit(INTERRUPTED)
        except SpecError as error:
            complain(*str(error).splitlines())
            ctx.exit(BAD_SPEC)
        except Exception as error:  # noqa: BLE001 - the last resort; it hides nothing
            if os.environ.get(_DEBUG):
                traceback.print_exc()
            text = " ".join(f"{type(error).__name__}: {error}".split())
            complain(f"internal error: {text} ({_DEBUG}=1 shows where)")
            flush_output()
            ctx.exit(INTERNAL)
        return result

    def _called(self, ctx: click.Context) -> click.Context:
        """Return the context of the command that was called, for its usage line."""
        name = str(ctx.invoked_subcommand)
        command = self.get_command(ctx, name)
        assert command is not None, "errors of the matrix come from commands"
        return click.Context(command, ctx, name)


def _version(context: click.Context, _option: click.Parameter, is_wanted: bool) -> None:  # noqa: FBT001 - click's signature
    from ttrules.checking.reporters.base import tool

    if is_wanted:
        click.echo(" ".join(tool().values()))
        context.exit()


@click.group(
    cls=Program,
    epilog=f"\b\nExit codes:\n{_CODES}",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """Enforce the requirement rules of an API: the Trouble Ticket API, or one of your own.

    \b
    Example:
      ttrules check ticket.json
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # the parent process closed it
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open until the program ends
    if isinstance(sys.stdout, TextIOWrapper):
        # A character that the terminal's encoding lacks is escaped; it does not end the program.
        sys.stdout.reconfigure(errors="backslashreplace")
