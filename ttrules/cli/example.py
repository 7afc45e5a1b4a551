"""The command `ttrules example`."""

from __future__ import annotations

from typing import Any

import click

from ttrules.cli.exit_codes import BAD_SPEC, complain
from ttrules.cli.options import RULES, book_of, leave, print_json


@click.command(name="example")
@click.argument("process")
@click.option("--typical", is_flag=True, help="Send a plausible part of the members.  [default]")
@click.option("--full", is_flag=True, help="Send all members that can be sent together.")
@click.option("--minimal", is_flag=True, help="Send required members only.")
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Random seed; the same seed prints the same payload.",
)
@RULES
def command(process: str, *, seed: int, rules: str | None, **extents: bool) -> None:
    """Print a made-up valid payload of a PROCESS.

    \b
    Example:
      ttrules example complaint-add --minimal --seed 7
    """
    from ttrules.examples.generate import NoExample, example

    given = [name for name, is_given in extents.items() if is_given]
    if len(given) > 1:
        message = f"Use one of {', '.join(f'--{name}' for name in extents)}."
        raise click.UsageError(message)
    extent: Any = given[0] if given else "typical"
    try:
        payload = example(book_of(rules), process, extent, seed)
    except NoExample as error:
        complain(str(error))
        leave(BAD_SPEC)
    else:
        print_json(payload)
