"""What commands have in common: options, the rules that these name, and how a command prints.

Nothing here does what one command does; how a command may end is told by program.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from ttrules.book import Book, shipped
from ttrules.languages import DEFAULT, TABLES

if TYPE_CHECKING:
    from collections.abc import Callable

    from ttrules.spec import Spec

    Command = TypeVar("Command", bound=Callable[..., Any])

RULES: Final = click.option(
    "--rules",
    metavar="DIR",
    type=click.Path(),
    help="Use the rules that `ttrules compile` wrote there instead of the shipped ones.",
)

#: Never taken from LANG or LC_ALL: what a log or another program reads is not to depend on whose
#: terminal it was.
LANGUAGE: Final = click.option(
    "--lang",
    "language",
    type=click.Choice(tuple(TABLES)),
    default=DEFAULT,
    envvar="TTRULES_LANG",
    show_default=True,
    show_envvar=True,
    help="The language of sentences; codes and names stay as they are.",
)


def spec_options(
    *names: str, required: bool = False, beside: str = ""
) -> Callable[[Command], Command]:
    """Return a decorator that adds the options which name spec files, all where none is named.

    Where they lie beside another file by default, `beside` is the option that names that.
    """
    wanted = {
        "openapi": "The OpenAPI document that holds the shapes.",
        "requirements": "The requirement matrix.",
        "interpretation": "What the matrix leaves open, and how it is decided.",
        "lifecycle": "The statuses and the moves between them.",
    }

    def decorated(command: Command) -> Command:
        for name in reversed(names or tuple(wanted)):
            needed = required and name in {"openapi", "requirements"}
            text = wanted[name] + f" [default: {name}.yaml beside {beside}]" * bool(beside)
            command = click.option(
                f"--{name}", metavar="FILE", type=click.Path(), required=needed, help=text
            )(command)
        return command

    return decorated


def book_of(rules: str | None) -> Book:
    """Return the book in a directory of rules, the shipped one where none is named."""
    return shipped() if rules is None else Book.read(rules)


def spec_of(files: dict[str, str | None]) -> Spec:
    """Return the spec of files by what they hold. Raises SpecError."""
    from ttrules.spec import load_spec

    return load_spec(**files)  # type: ignore[arg-type]  # the commands see to it that two are there


def print_json(value: object) -> None:
    """Print JSON as UTF-8, whatever the terminal's encoding."""
    click.echo((json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode(), nl=False)


def leave(code: int) -> None:
    """End the command with an exit code."""
    click.get_current_context().exit(code)
