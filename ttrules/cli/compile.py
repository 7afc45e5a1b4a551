"""The command `ttrules compile`: from spec files to a directory of rules."""

from __future__ import annotations

import click

from ttrules.cli.options import spec_of, spec_options, write_files


@click.command(name="compile")
@spec_options(required=True)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(),
    required=True,
    help="Write the files to this directory.",
)
@click.option("--check", "is_check", is_flag=True, help="Write nothing; print which files differ.")
def command(*, out: str, is_check: bool, **files: str | None) -> None:
    """Compile your own spec files to rules: book.json and a JSON Schema for each process.

    \b
    Example:
      ttrules compile --openapi openapi.yaml --requirements requirements.yaml --out rules
      ttrules check --rules rules --process order-add order.json
    """
    from ttrules.spec.directory import files_of

    write_files(files_of(spec_of(files)), out, is_check=is_check)
