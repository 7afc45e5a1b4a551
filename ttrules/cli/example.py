"""The command `ttrules example`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ttrules.cli.exit_codes import BAD_SPEC, complain
from ttrules.cli.options import RULES, book_of, leave, print_json

if TYPE_CHECKING:
    from ttrules.examples.generate import Extent


@click.command(name="example")
@click.argument("process")
@click.option(
    "--typical",
    "extent",
    flag_value="typical",
    default=True,
    help="Send a plausible part of the members.",
)
@click.option(
    "--full", "extent", flag_value="full", help="Send all members that can be sent together."
)
@click.option("--minimal", "extent", flag_value="minimal", help="Send required members only.")
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Random seed; the same seed prints the same payload.",
)
@RULES
def command(process: str, *, extent: Extent, seed: int, rules: str | None) -> None:
    """Print a made-up valid payload of a PROCESS.

    \b
    Example:
      ttrules example complaint-add --minimal --seed 7
    """
    from ttrules.examples.generate import NoExample, example

    try:
        payload = example(book_of(rules), process, extent, seed)
    except NoExample as error:
        complain(str(error))
        leave(BAD_SPEC)
    else:
        print_json(payload)
