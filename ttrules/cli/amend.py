"""The command `ttrules amend`: write the codes of an edited table to a matrix file."""

from __future__ import annotations

from pathlib import Path

import click

from ttrules.cli.exit_codes import FINDINGS, UNREADABLE, complain
from ttrules.cli.options import leave, spec_of, spec_options


@click.command(name="amend")
@click.argument("table", type=click.Path())
@click.option(
    "--into", metavar="FILE", type=click.Path(), required=True, help="Matrix file to change."
)
@spec_options("openapi", "interpretation", "lifecycle", beside="--into")
@click.option("--check", "is_check", is_flag=True, help="Change nothing; print what differs.")
def command(table: str, *, into: str, is_check: bool, **files: str | None) -> None:
    """Change the codes of a matrix file to those of a TABLE: a CSV or XLSX file of the matrix.

    Only codes are read from the table and changed in the file; comments and order stay. Types and
    descriptions that differ are listed, but not changed. A table with missing cells, or one that
    makes the spec invalid, changes nothing.

    \b
    Example:
      ttrules matrix --format xlsx --out matrix.xlsx
      ttrules amend matrix.xlsx --into spec/requirements.yaml
    """
    from ttrules.exports.matrix.amend import amend
    from ttrules.exports.matrix.read_table import unread_in
    from ttrules.exports.matrix.view import TableRefused
    from ttrules.messages.printable import printable

    for name, path in files.items():
        beside = Path(into).with_name(f"{name}.yaml")
        files[name] = path if path is not None or not beside.exists() else str(beside)
    if files["openapi"] is None:
        message = (
            "--openapi is required: the matrix is checked against its shapes before it is written."
        )
        raise click.UsageError(message)
    try:
        edits = amend(table, into, files, check=is_check)
    except TableRefused as error:
        complain(*str(error).splitlines())
        leave(UNREADABLE)
    except OSError as error:
        message = f"{into} cannot be written: {error.strerror}"
        raise click.BadParameter(printable(message), param_hint="--into") from error
    else:
        for each in edits:
            click.echo(printable(str(each)))
        unread = [*unread_in(table, spec_of({**files, "requirements": into}))]
        complain(*unread)
        if unread:
            complain(f"only codes are read; edit types and descriptions in {files['openapi']}")
        leave(FINDINGS * (is_check and bool(edits)))
