"""What commands share: common options, loading the rules that they name, printing and exiting.

What one command does is in its own module; exit codes are in `exit_codes`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from ttrules.cli.exit_codes import FINDINGS
from ttrules.messages.catalogue import DEFAULT, TABLES
from ttrules.rulebook import Rulebook, damaged, shipped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ttrules.spec.load import Matrix

    Command = TypeVar("Command", bound=Callable[..., Any])

RULES: Final = click.option(
    "--rules",
    metavar="DIR",
    type=click.Path(),
    help="Directory of compiled rules; default: the shipped rules.",
)

#: Never taken from LANG or LC_ALL: the language of a log must not depend on the user's terminal.
LANGUAGE: Final = click.option(
    "--lang",
    "language",
    type=click.Choice(tuple(TABLES)),
    default=DEFAULT,
    envvar="TTRULES_LANG",
    show_default=True,
    show_envvar=True,
    help="Language of messages; codes and names are the same in every language.",
)


def spec_options(
    *names: str, required: bool = False, beside: str = ""
) -> Callable[[Command], Command]:
    """Return a decorator that adds options for spec files: those of `names`, or all.

    `beside` is the option with the file beside which they are by default.
    """
    wanted = {
        "openapi": "OpenAPI document with the shapes.",
        "requirements": "Requirement matrix.",
        "interpretation": "Decisions on what the matrix leaves open.",
        "lifecycle": "Statuses and the transitions between them.",
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


def book_of(rules: str | None) -> Rulebook:
    """Return the rulebook of a directory, by default the shipped one.

    Raises SpecError, also if a schema differs from what its book.json gives: it was edited.
    """
    if rules is None:
        return shipped()
    from ttrules.spec.compiler import compile_schemas

    book = Rulebook.read(rules)
    try:
        compiled = compile_schemas(book.matrix)
    except Exception as error:
        raise damaged(str(Path(rules, "book.json")), error) from error
    for name, schema in book.schemas.items():
        if schema != compiled[name]:
            raise damaged(str(Path(rules, f"{name}.json")), "it was edited")
    return book


def spec_of(files: dict[str, str | None]) -> Matrix:
    """Return the matrix of spec files. Raises SpecError."""
    from ttrules.spec.load import load_spec

    return load_spec(**files)  # type: ignore[arg-type]  # the commands require two of them


def print_json(value: object) -> None:
    """Print JSON as UTF-8, independent of the terminal's encoding."""
    click.echo((json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode(), nl=False)


def leave(code: int) -> None:
    """End the command with an exit code."""
    click.get_current_context().exit(code)


def save_file(content: bytes, out: str) -> None:
    """Write a generated file."""
    from ttrules.messages.printable import printable

    try:
        Path(out).write_bytes(content)
    except OSError as error:
        message = f"{out} cannot be written: {error.strerror}"
        raise click.BadParameter(printable(message), param_hint="--out") from error


def write_files(written: Mapping[str, bytes], out: str, *, is_check: bool) -> None:
    """Write generated files into a directory, or print which differ."""
    from ttrules.messages.printable import printable
    from ttrules.spec.directory import differences, publish

    if is_check:
        different = differences(written, out)
        for name, difference in different.items():
            click.echo(printable(f"{out}/{name}: {difference}"))
        leave(FINDINGS * bool(different))
    try:
        changed = publish(written, out)
    except OSError as error:
        message = f"{out} cannot be written: {error.strerror}"
        raise click.BadParameter(printable(message), param_hint="--out") from error
    click.echo(printable(f"{out}: {len(written)} files, {len(changed)} of them changed"))
