"""The command line of ttrules: what may be typed, and which part of the package does it.

Each command is its options, one call, and its exit code; what a command does is in the module that
it calls, imported when the command runs, so that checking one file loads nothing else. How a
command may end is told by program.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from importlib.util import find_spec
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from ttrules.book import Book, shipped
from ttrules.codes import closest
from ttrules.languages import DEFAULT, TABLES, catalogue
from ttrules.program import (
    BAD_SPEC,
    EXITS,
    FINDINGS,
    INTERNAL,
    UNREADABLE,
    Program,
    complain,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ttrules.codes import Engine, Unsupported
    from ttrules.example import Extent
    from ttrules.sheets import Part
    from ttrules.spec import Spec

    Command = TypeVar("Command", bound=Callable[..., Any])

#: The formats of a report; what writes each is a row of checking.FORMATS.
FORMATS: Final = ("text", "json", "jsonl", "junit", "sarif", "github")
#: The formats of the matrix. What writes the files among them is in _matrix_file.
MATRIX_FORMATS: Final = ("table", "markdown", "csv", "xlsx", "html")
_MOST_JOBS: Final = 1024
_CODES: Final = "".join(f"  {code}  {text}\n" for code, text in EXITS.items() if code <= INTERNAL)

_FILE: Final = click.Path(exists=True, dir_okay=False)
_RULES: Final = click.option(
    "--rules",
    metavar="DIR",
    type=click.Path(),
    help="Use the rules that `ttrules compile` wrote there instead of the shipped ones.",
)

#: Never taken from LANG or LC_ALL: what a log or another program reads is not to depend on whose
#: terminal it was.
_LANGUAGE: Final = click.option(
    "--lang",
    "language",
    type=click.Choice(tuple(TABLES)),
    default=DEFAULT,
    envvar="TTRULES_LANG",
    show_default=True,
    show_envvar=True,
    help="The language of sentences; codes and names stay as they are.",
)


def _spec_options(
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


def _version(context: click.Context, _option: click.Parameter, is_wanted: bool) -> None:  # noqa: FBT001 - click's own signature
    from ttrules.machine import tool

    if is_wanted:
        click.echo(" ".join(tool().values()))
        context.exit()


def _jobs(context: click.Context, option: click.Parameter, value: str) -> int:
    if value == "auto":
        return 0
    jobs: int = click.IntRange(0, _MOST_JOBS)(value, option, context)
    return jobs


@click.group(
    cls=Program,
    epilog=f"\b\nExit codes:\n{_CODES}",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """Enforce the requirement rules of the Trouble Ticket API.

    \b
    Example:
      ttrules check ticket.json
    """  # noqa: D301 - \b is click's mark for a paragraph that is not wrapped
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # whoever began this program has closed it
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
    if isinstance(sys.stdout, TextIOWrapper):
        # What a terminal cannot show is escaped rather than the end of the program.
        sys.stdout.reconfigure(errors="backslashreplace")


@cli.command()
@click.argument("files", nargs=-1, required=True, type=click.Path())
@click.option(
    "--process",
    metavar="NAME",
    default="auto",
    show_default=True,
    help="The process, by name or slug; auto: the one that each payload names itself.",
)
@click.option(
    "--against",
    metavar="CURRENT",
    type=click.Path(),
    help="The ticket that each payload is a change of (a merge patch or a JSON Patch).",
)
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("--strict", is_flag=True, help="Unsupported and unknown members are errors.")
@click.option(
    "--engine",
    type=click.Choice(("fast", "reference")),
    default="fast",
    show_default=True,
    help="jsonschema-rs or jsonschema; both give the same report.",
)
@click.option(
    "--jobs",
    metavar="N",
    callback=_jobs,
    default="1",
    show_default=True,
    help="How many processes share the work; auto: one a core.",
)
@click.option("--quiet", is_flag=True, help="Show errors only: no warnings, counts or progress.")
@_LANGUAGE
@_RULES
def check(  # noqa: PLR0913 - the options that there are
    files: tuple[str, ...],
    *,
    process: str,
    against: str | None,
    form: str,
    strict: bool,
    engine: Engine,
    jobs: int,
    quiet: bool,
    language: str,
    rules: str | None,
) -> None:
    """Check payloads in FILES, or from standard input when a file is called -.

    A file is one JSON document, an array of payloads, or JSON lines; each may be gzipped.

    \b
    Examples:
      ttrules check ticket.json
      ttrules check --process complaint-change --format github patches/*.json
      ttrules check --against stored.json patch.json
      zcat tickets.jsonl.gz | ttrules check --jobs auto -
    """  # noqa: D301 - \b is click's mark
    from ttrules.checking import check as run
    from ttrules.judging import Question

    if against is not None and process != "auto":
        message = "Leave --process out: --against chooses the process by the ticket."
        raise click.UsageError(message)
    if [*files, against].count("-") > 1:
        message = "Name standard input (-) once: it can be read once only."
        raise click.UsageError(message)
    unsupported: Unsupported | None = "error" if strict else None
    question = Question(
        rules=rules,
        process=None if process == "auto" else _book(rules).process(process),
        unsupported=unsupported,
        engine=engine,
        shown=form == "text",
    )
    summary = run(
        files, question, against=against, form=form, jobs=jobs, quiet=quiet, language=language
    )
    _leave(UNREADABLE if summary.unreadable else FINDINGS * bool(summary.invalid))


@cli.command()
@click.argument("process")
@_RULES
def schema(process: str, *, rules: str | None) -> None:
    """Print the JSON Schema (2020-12) of a PROCESS, given by name or slug.

    \b
    Example:
      ttrules schema complaint-add > complaint-add.json
    """  # noqa: D301 - \b is click's mark
    _print_json(_book(rules).schema(process))


@cli.command()
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
@_LANGUAGE
@_RULES
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
    part = Part.of(_book(rules), entities, processes)
    if out is not None:
        content = _matrix_file(form, part, language)
        try:
            Path(out).write_bytes(content)
        except OSError as error:
            message = f"{out} cannot be written: {error.strerror}"
            raise click.BadParameter(message, param_hint="--out") from error
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


@cli.command()
@click.argument("table", type=click.Path())
@click.option(
    "--into", metavar="FILE", type=click.Path(), required=True, help="The matrix to change."
)
@_spec_options("openapi", "interpretation", "lifecycle", beside="--into")
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
        _leave(UNREADABLE)
    except OSError as error:
        message = f"{into} cannot be written: {error.strerror}"
        raise click.BadParameter(printable(message), param_hint="--into") from error
    else:
        for each in edits:
            click.echo(printable(str(each)))
        _leave(FINDINGS * (is_check and bool(edits)))


@cli.command()
@click.argument("field")
@_LANGUAGE
@_RULES
def explain(field: str, *, language: str, rules: str | None) -> None:
    """Print all there is to know of a FIELD, given as Entity.field or by its name alone.

    \b
    Example:
      ttrules explain TroubleTicket.status
    """  # noqa: D301 - \b is click's mark
    from ttrules.checking import style
    from ttrules.explain import explain as told
    from ttrules.explain import names_of, rows_named

    book = _book(rules)
    rows = rows_named(book, field)
    if not rows:
        nearest = closest(field, names_of(book))
        hint = f" Did you mean {nearest}?" if nearest else ""
        message = f"Check the name {field!r}: no field is called so.{hint}"
        raise click.UsageError(message)
    if len(rows) > 1:
        message = f"Name one of {', '.join(rows)}: {field!r} may mean each of them."
        raise click.UsageError(message)
    width = min(shutil.get_terminal_size().columns, 100)
    for line in told(book, rows[0], style(), width, catalogue(language)):
        click.echo(line, sys.stdout)  # named, since click takes another one where it is ASCII


@cli.command()
@click.argument("process")
@click.option(
    "--typical", "extent", flag_value="typical", default=True, help="Send a plausible part."
)
@click.option("--full", "extent", flag_value="full", help="Send everything that goes together.")
@click.option("--minimal", "extent", flag_value="minimal", help="Send what is required only.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed, another one.")
@_RULES
def example(process: str, *, extent: Extent, seed: int, rules: str | None) -> None:
    """Print a valid payload of a PROCESS, made up; the same seed always gives the same one.

    \b
    Example:
      ttrules example complaint-add --minimal --seed 7
    """  # noqa: D301 - \b is click's mark
    from ttrules.example import NoExample
    from ttrules.example import example as made

    try:
        payload = made(_book(rules), process, extent, seed)
    except NoExample as error:
        complain(str(error))
        _leave(BAD_SPEC)
    else:
        _print_json(payload)


@cli.command(name="compile")
@_spec_options(required=True)
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

    _write(files_of(_spec(files)), out, is_check=is_check)


@cli.command()
@_spec_options(required=True)
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

    spec = _spec(files)
    book = Book(compile_book(spec), compile_schemas(spec))
    document = Source(str(files["openapi"])).value
    try:
        written = files_of(document, book)
    except NoExample as error:
        complain(str(error))
        _leave(BAD_SPEC)
    else:
        _write(written, out, is_check=is_check)


@cli.command()
@_spec_options()
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
    from ttrules.report import printable

    if not any(files.values()):
        text = shipped_openapi()
    elif not (files["openapi"] and files["requirements"]):
        message = "Name --openapi and --requirements with what goes with them, or no file."
        raise click.UsageError(message)
    else:
        text = openapi_of(files["openapi"], _spec(files))
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        Path(out).write_bytes(text)
    except OSError as error:
        message = f"{out} cannot be written: {error.strerror}"
        raise click.BadParameter(printable(message), param_hint="--out") from error


@cli.command()
@_spec_options()
@_LANGUAGE
@_RULES
@click.option("--strict", is_flag=True, help="Exit with 1 for an oddity that nothing decides on.")
def lint(*, strict: bool, language: str, rules: str | None, **files: str | None) -> None:
    """List what the rules leave open or say oddly, and under which decision that is known.

    \b
    Examples:
      ttrules lint
      ttrules lint --openapi openapi.yaml --requirements requirements.yaml --strict
    """  # noqa: D301 - \b is click's mark
    from ttrules.checking import shows_colours
    from ttrules.lint import oddities
    from ttrules.tables import show_oddities

    if not any(files.values()):
        data = _book(rules).data
    elif rules is not None or not (files["openapi"] and files["requirements"]):
        message = "Name --rules, or --openapi and --requirements with what goes with them."
        raise click.UsageError(message)
    else:
        from ttrules.compile import compile_book

        data = compile_book(_spec(files))
    found = oddities(data, language)
    show_oddities(found, catalogue(language), colours=shows_colours())
    _leave(FINDINGS * (strict and not all(each.decided for each in found)))


def _book(rules: str | None) -> Book:
    return shipped() if rules is None else Book.read(rules)


def _spec(files: dict[str, str | None]) -> Spec:
    from ttrules.spec import load_spec

    return load_spec(**files)  # type: ignore[arg-type]  # the commands see to it that two are there


def _write(written: Mapping[str, bytes], out: str, *, is_check: bool) -> None:
    """Write generated files into a directory, or tell what differs there."""
    from ttrules.publish import differences, publish
    from ttrules.report import printable

    if is_check:
        told = differences(written, out)
        for name, difference in told.items():
            click.echo(printable(f"{out}/{name}: {difference}"))
        _leave(FINDINGS * bool(told))
    try:
        changed = publish(written, out)
    except OSError as error:
        message = f"Choose a directory that can be written: {out}: {error.strerror}"
        raise click.BadParameter(printable(message), param_hint="--out") from error
    click.echo(printable(f"{out}: {len(written)} files, {len(changed)} of them changed"))


def _print_json(value: object) -> None:
    """Print JSON as UTF-8, whatever the terminal's encoding."""
    click.echo((json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode(), nl=False)


def _leave(code: int) -> None:
    click.get_current_context().exit(code)
