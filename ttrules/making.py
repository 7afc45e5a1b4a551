"""The commands that make files of rules, and the one that takes the matrix back in.

Each is its options, one call, and its exit code, as those of cli are, which has them all.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ttrules.book import Book
from ttrules.languages import catalogue
from ttrules.options import LANGUAGE, RULES, book_of, leave, spec_of, spec_options
from ttrules.program import BAD_SPEC, FINDINGS, UNREADABLE, complain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ttrules.sheets import Part

#: The formats of the matrix. What writes the files among them is in _matrix_file.
MATRIX_FORMATS: Final = ("table", "markdown", "csv", "xlsx", "html")


@click.command()
@click.option("--entity", "entities", metavar="E", multiple=True, help="Only this entity.")
@click.option("--process", "processes", metavar="P", multiple=True, help="Only this process.")
@click.option(
    "--format",
    "form",
    type=click.Choice(MATRIX_FORMATS),
    default="table",
    show_default=True,
    help="html is one page that needs nothing beside it; csv and xlsx can be edited and read back.",
)
@click.option("--out", metavar="FILE", type=click.Path(), help="Write it there.")
@LANGUAGE
@RULES
def matrix(  # noqa: PLR0913 - the options that there are
    *,
    entities: Sequence[str],
    processes: Sequence[str],
    form: str,
    out: str | None,
    language: str,
    rules: str | None,
) -> None:
    """Print the matrix: what each field owes to each process.

    Name entities and processes for a part of it; the options may be repeated. The language is that
    of the table; the other formats are in English.

    \b
    Examples:
      ttrules matrix --entity TroubleTicket --process complaint-add
      ttrules matrix --format html --out matrix.html
    """  # noqa: D301 - \b is click's mark
    from ttrules.sheets import Part

    if form == "xlsx" and out is None:
        message = "XLSX is not for a terminal: name a file with --out."
        raise click.UsageError(message)
    part = Part.of(book_of(rules), entities, processes)
    if out is not None:
        _save(_matrix_file(form, part, language), out)
    elif form == "table":
        from ttrules.checking import shows_colours

        # To the output that is named, since click takes another one where the output is ASCII.
        text = _matrix_table(part, language)
        click.echo(text, sys.stdout, nl=False, color=shows_colours())
    else:
        click.echo(_matrix_file(form, part, language), nl=False)


def _matrix_table(part: Part, language: str) -> str:
    from ttrules.tables import matrix_table

    return matrix_table(part.data, part.entities, part.processes, catalogue(language))


def _matrix_file(form: str, part: Part, language: str) -> bytes:
    """Return the matrix in one of MATRIX_FORMATS."""
    if form == "html":
        from ttrules.page import page_of as written
    elif form == "xlsx":
        from ttrules.workbook import xlsx_of as written
    elif form == "csv":
        from ttrules.sheets import csv_of as written
    elif form == "markdown":
        from ttrules.sheets import markdown_of as written
    else:
        return click.unstyle(_matrix_table(part, language)).encode()
    return written(part)


@click.command()
@click.argument("table", type=click.Path())
@click.option(
    "--into", metavar="FILE", type=click.Path(), required=True, help="The matrix to change."
)
@spec_options("openapi", "interpretation", "lifecycle", beside="--into")
@click.option("--check", "is_check", is_flag=True, help="Change nothing; say what differs.")
def amend(table: str, *, into: str, is_check: bool, **files: str | None) -> None:
    """Change the codes of a matrix file to those of a TABLE: a CSV or XLSX file of the matrix.

    Nothing but codes is read of the table, and nothing but codes is changed: comments and order
    stay. A table that has not every cell, and one that makes a wrong spec, changes nothing.

    \b
    Example:
      ttrules matrix --format xlsx --out matrix.xlsx
      ttrules amend matrix.xlsx --into spec/requirements.yaml
    """  # noqa: D301 - \b is click's mark
    from ttrules.amend import amend as run
    from ttrules.report import printable
    from ttrules.sheets import TableRefused

    for name, path in files.items():
        beside = Path(into).with_name(f"{name}.yaml")
        files[name] = path if path is not None or not beside.exists() else str(beside)
    if files["openapi"] is None:
        message = "Name --openapi: the matrix is held against its shapes before it is written."
        raise click.UsageError(message)
    try:
        edits = run(table, into, files, check=is_check)
    except TableRefused as error:
        complain(*str(error).splitlines())
        leave(UNREADABLE)
    except OSError as error:
        message = f"{into} cannot be written: {error.strerror}"
        raise click.BadParameter(printable(message), param_hint="--into") from error
    else:
        for each in edits:
            click.echo(printable(str(each)))
        leave(FINDINGS * (is_check and bool(edits)))


@click.command(name="compile")
@spec_options(required=True)
@click.option("--out", metavar="DIR", type=click.Path(), required=True, help="Write them here.")
@click.option("--check", "is_check", is_flag=True, help="Write nothing; say what differs.")
def compile_command(*, out: str, is_check: bool, **files: str | None) -> None:
    """Compile your own spec files to rules: book.json and a JSON Schema for each process.

    \b
    Example:
      ttrules compile --openapi openapi.yaml --requirements requirements.yaml --out rules
      ttrules check --rules rules --process order-add order.json
    """  # noqa: D301 - \b is click's mark
    from ttrules.publish import files_of

    _write(files_of(spec_of(files)), out, is_check=is_check)


@click.command()
@spec_options(required=True)
@click.option("--out", metavar="DIR", type=click.Path(), required=True, help="Write them here.")
@click.option("--check", "is_check", is_flag=True, help="Write nothing; say what differs.")
def postman(*, out: str, is_check: bool, **files: str | None) -> None:
    """Write a Postman collection of an API, its environment, and what gets an access token.

    The requests are those of the OpenAPI document; behind them stand payloads with one defect, for
    each process of the matrix. It needs what `pip install "ttrules[hypothesis]"` brings.

    \b
    Example:
      ttrules postman --openapi openapi.yaml --requirements requirements.yaml --out postman
    """  # noqa: D301 - \b is click's mark
    if find_spec("hypothesis") is None:
        raise click.UsageError('Install what this needs: pip install "ttrules[cli,hypothesis]"')
    from ttrules.compile import compile_book, compile_schemas
    from ttrules.example import NoExample
    from ttrules.postman import files_of
    from ttrules.source import Source

    spec = spec_of(files)
    book = Book(compile_book(spec), compile_schemas(spec))
    document = Source(str(files["openapi"])).value
    try:
        written = files_of(document, book)
    except NoExample as error:
        complain(str(error))
        leave(BAD_SPEC)
    else:
        _write(written, out, is_check=is_check)


@click.command()
@spec_options()
@click.option("--out", metavar="FILE", type=click.Path(), help="Write it here.")
def openapi(*, out: str | None, **files: str | None) -> None:
    """Print the OpenAPI document whose request bodies carry the rules, as JSON.

    Without files it is that of the shipped API. With your own, an operation whose body is the
    root of the matrix is ruled by the processes that add when it is a POST, by those that change
    when it is a PATCH.

    \b
    Examples:
      ttrules openapi > openapi.json
      ttrules openapi --openapi openapi.yaml --requirements requirements.yaml --out api.json
    """  # noqa: D301 - \b is click's mark
    from ttrules.publish import openapi_of, shipped_openapi

    if not any(files.values()):
        text = shipped_openapi()
    elif not (files["openapi"] and files["requirements"]):
        message = "Name --openapi and --requirements with what goes with them, or no file."
        raise click.UsageError(message)
    else:
        text = openapi_of(files["openapi"], spec_of(files))
    if out is None:
        click.echo(text, nl=False)
    else:
        _save(text, out)


def _save(content: bytes, out: str) -> None:
    """Write a generated file."""
    from ttrules.report import printable

    try:
        Path(out).write_bytes(content)
    except OSError as error:
        message = f"{out} cannot be written: {error.strerror}"
        raise click.BadParameter(printable(message), param_hint="--out") from error


def _write(written: Mapping[str, bytes], out: str, *, is_check: bool) -> None:
    """Write generated files into a directory, or tell what differs there."""
    from ttrules.publish import differences, publish
    from ttrules.report import printable

    if is_check:
        told = differences(written, out)
        for name, difference in told.items():
            click.echo(printable(f"{out}/{name}: {difference}"))
        leave(FINDINGS * bool(told))
    try:
        changed = publish(written, out)
    except OSError as error:
        message = f"Choose a directory that can be written: {out}: {error.strerror}"
        raise click.BadParameter(printable(message), param_hint="--out") from error
    click.echo(printable(f"{out}: {len(written)} files, {len(changed)} of them changed"))
