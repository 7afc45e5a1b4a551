"""The command `ttrules schema`."""

from __future__ import annotations

import click

from ttrules.cli.options import RULES, book_of, print_json


@click.command(name="schema")
@click.argument("process")
@RULES
def command(process: str, *, rules: str | None) -> None:
    """Print the JSON Schema (2020-12) of a PROCESS, given by name or slug.

    \b
    Example:
      ttrules schema complaint-add > complaint-add.json
    """
    print_json(book_of(rules).schema(process))
