"""The command `ttrules explain`."""

from __future__ import annotations

import shutil
import sys

import click

from ttrules.cli.options import LANGUAGE, RULES, book_of
from ttrules.codes import closest
from ttrules.messages.catalogue import catalogue


@click.command(name="explain")
@click.argument("field")
@LANGUAGE
@RULES
def command(field: str, *, language: str, rules: str | None) -> None:
    """Print everything about a FIELD, given as Entity.field or by its name alone.

    \b
    Example:
      ttrules explain TroubleTicket.status
    """
    from ttrules.analysis.explain import explain, names_of, rows_named
    from ttrules.checking.run import style

    book = book_of(rules)
    rows = rows_named(book, field)
    if not rows:
        nearest = closest(field, names_of(book))
        hint = f" Did you mean {nearest}?" if nearest else ""
        message = f"Unknown field {field!r}.{hint}"
        raise click.UsageError(message)
    if len(rows) > 1:
        message = f"Field {field!r} is ambiguous. Use one of: {', '.join(rows)}."
        raise click.UsageError(message)
    width = min(shutil.get_terminal_size().columns, 100)
    for line in explain(book, rows[0], style(), width, catalogue(language)):
        click.echo(line, sys.stdout)  # by default, click uses another stream if it is ASCII
