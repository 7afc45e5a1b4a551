"""The command `ttrules matrix`: the matrix in one of its formats."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click

from ttrules.cli.options import LANGUAGE, RULES, book_of, save_file
from ttrules.messages.catalogue import catalogue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ttrules.exports.matrix.view import MatrixView

#: The formats of the matrix. `_matrix_file` writes them.
MATRIX_FORMATS: Final = ("table", "markdown", "csv", "xlsx", "html")


@click.command(name="matrix")
@click.option("--entity", "entities", metavar="E", multiple=True, help="Show this entity only.")
@click.option("--process", "processes", metavar="P", multiple=True, help="Show this process only.")
@click.option(
    "--format",
    "form",
    type=click.Choice(MATRIX_FORMATS),
    default="table",
    show_default=True,
    help="html is one self-contained page; csv and xlsx can be edited and read back.",
)
@click.option("--out", metavar="FILE", type=click.Path(), help="Write the matrix to this file.")
@LANGUAGE
@RULES
def command(
    *,
    entities: Sequence[str],
    processes: Sequence[str],
    form: str,
    out: str | None,
    language: str,
    rules: str | None,
) -> None:
    """Print the requirement matrix.

    --entity and --process select a part of it and may be repeated. --lang applies to the table;
    the other formats are in English.

    \b
    Examples:
      ttrules matrix --entity TroubleTicket --process complaint-add
      ttrules matrix --format html --out matrix.html
    """
    from ttrules.exports.matrix.view import MatrixView

    if form == "xlsx" and out is None:
        message = "XLSX cannot be printed: name a file with --out."
        raise click.UsageError(message)
    part = MatrixView.of(book_of(rules), entities, processes)
    if out is not None:
        save_file(_matrix_file(form, part, language), out)
    elif form == "table":
        from ttrules.checking.run import shows_colours

        # By default, click uses another stream if the output is ASCII.
        text = _matrix_table(part, language)
        click.echo(text, sys.stdout, nl=False, color=shows_colours())
    else:
        click.echo(_matrix_file(form, part, language), nl=False)


def _matrix_table(part: MatrixView, language: str) -> str:
    from ttrules.cli.terminal import matrix_table

    return matrix_table(part.matrix, part.entities, part.processes, catalogue(language))


def _matrix_file(form: str, part: MatrixView, language: str) -> bytes:
    """Return the matrix in one of MATRIX_FORMATS."""
    if form == "html":
        from ttrules.exports.matrix.page import page_of as written
    elif form == "xlsx":
        from ttrules.exports.matrix.xlsx import xlsx_of as written
    elif form == "csv":
        from ttrules.exports.matrix.csv import csv_of as written
    elif form == "markdown":
        from ttrules.exports.matrix.markdown import markdown_of as written
    else:
        return click.unstyle(_matrix_table(part, language)).encode()
    return written(part)
