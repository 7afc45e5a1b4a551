"""The command `ttrules check`: its options, and what it prints and exits with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from ttrules.cli.exit_codes import FINDINGS, UNREADABLE
from ttrules.cli.options import LANGUAGE, RULES, book_of, leave

if TYPE_CHECKING:
    from ttrules.codes import Engine, Unsupported

#: The formats of a report; the reporters are in `checking.run.FORMATS`.
FORMATS: Final = ("text", "json", "jsonl", "junit", "sarif", "github")


_MOST_JOBS: Final = 1024


def _jobs(context: click.Context, option: click.Parameter, value: str) -> int:
    if value == "auto":
        return 0
    jobs: int = click.IntRange(0, _MOST_JOBS)(value, option, context)
    return jobs


@click.command(name="check")
@click.argument("files", nargs=-1, required=True, type=click.Path())
@click.option(
    "--process",
    metavar="NAME",
    default="auto",
    show_default=True,
    help="Process, by name or slug; auto: the Add process that each payload selects.",
)
@click.option(
    "--against",
    metavar="CURRENT",
    type=click.Path(),
    help="Stored ticket that the payloads change; each is a merge patch or a JSON Patch.",
)
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("--strict", is_flag=True, help="Treat unsupported and unknown members as errors.")
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
    help="Number of worker processes; auto: one for each core.",
)
@click.option("--quiet", is_flag=True, help="Show errors only: no warnings, counts or progress.")
@LANGUAGE
@RULES
def command(
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
    """Check the payloads in FILES; - is standard input.

    A file contains one payload, an array of payloads, or JSON lines, and may be gzipped.

    \b
    Examples:
      ttrules check ticket.json
      ttrules check --process complaint-change --format github patches/*.json
      ttrules check --against stored.json patch.json
      zcat tickets.jsonl.gz | ttrules check --jobs auto -
    """
    from ttrules.checking.results import CheckOptions
    from ttrules.checking.run import check

    if against is not None and process != "auto":
        message = (
            "--process cannot be combined with --against: the stored ticket selects the process."
        )
        raise click.UsageError(message)
    if [*files, against].count("-") > 1:
        message = "Standard input (-) can be read only once."
        raise click.UsageError(message)
    book = book_of(rules)
    unsupported: Unsupported | None = "error" if strict else None
    question = CheckOptions(
        rules=rules,
        process=None if process == "auto" else book.process(process),
        unsupported=unsupported,
        engine=engine,
        shown=form == "text",
    )
    summary = check(
        files, question, against=against, form=form, jobs=jobs, quiet=quiet, language=language
    )
    leave(UNREADABLE if summary.unreadable else FINDINGS * bool(summary.invalid))
