"""The command line of ttrules: what may be typed, and which part of the package does it.

Each command is its options, one call, and its exit code; what a command does is in the module that
it calls, imported when the command runs, so that checking one file loads nothing else. Commands
that make files are in making, what commands share in options; how one may end is told by program.
"""

from __future__ import annotations

import os
import shutil
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ttrules.codes import closest
from ttrules.languages import catalogue
from ttrules.making import amend, compile_command, matrix, openapi, postman
from ttrules.options import LANGUAGE, RULES, book_of, leave, print_json, spec_of, spec_options
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
    from ttrules.codes import Engine, Unsupported
    from ttrules.example import Extent

#: The formats of a report; what writes each is a row of checking.FORMATS.
FORMATS: Final = ("text", "json", "jsonl", "junit", "sarif", "github")
_MOST_JOBS: Final = 1024
_CODES: Final = "".join(f"  {code}  {text}\n" for code, text in EXITS.items() if code <= INTERNAL)


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
@LANGUAGE
@RULES
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
        process=None if process == "auto" else book_of(rules).process(process),
        unsupported=unsupported,
        engine=engine,
        shown=form == "text",
    )
    summary = run(
        files, question, against=against, form=form, jobs=jobs, quiet=quiet, language=language
    )
    leave(UNREADABLE if summary.unreadable else FINDINGS * bool(summary.invalid))


@cli.command()
@click.argument("process")
@RULES
def schema(process: str, *, rules: str | None) -> None:
    """Print the JSON Schema (2020-12) of a PROCESS, given by name or slug.

    \b
    Example:
      ttrules schema complaint-add > complaint-add.json
    """  # noqa: D301 - \b is click's mark
    print_json(book_of(rules).schema(process))


@cli.command()
@click.argument("field")
@LANGUAGE
@RULES
def explain(field: str, *, language: str, rules: str | None) -> None:
    """Print all there is to know of a FIELD, given as Entity.field or by its name alone.

    \b
    Example:
      ttrules explain TroubleTicket.status
    """  # noqa: D301 - \b is click's mark
    from ttrules.checking import style
    from ttrules.explain import explain as told
    from ttrules.explain import names_of, rows_named

    book = book_of(rules)
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
@RULES
def example(process: str, *, extent: Extent, seed: int, rules: str | None) -> None:
    """Print a valid payload of a PROCESS, made up; the same seed always gives the same one.

    \b
    Example:
      ttrules example complaint-add --minimal --seed 7
    """  # noqa: D301 - \b is click's mark
    from ttrules.example import NoExample
    from ttrules.example import example as made

    try:
        payload = made(book_of(rules), process, extent, seed)
    except NoExample as error:
        complain(str(error))
        leave(BAD_SPEC)
    else:
        print_json(payload)


@cli.command()
@spec_options()
@LANGUAGE
@RULES
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
        data = book_of(rules).data
    elif rules is not None or not (files["openapi"] and files["requirements"]):
        message = "Name --rules, or --openapi and --requirements with what goes with them."
        raise click.UsageError(message)
    else:
        from ttrules.compile import compile_book

        data = compile_book(spec_of(files))
    found = oddities(data, language)
    show_oddities(found, catalogue(language), colours=shows_colours())
    leave(FINDINGS * (strict and not all(each.decided for each in found)))


# Named as they are typed.
for each in (amend, compile_command, matrix, openapi, postman):
    cli.add_command(each)
