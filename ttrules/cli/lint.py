"""The command `ttrules lint`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ttrules.cli.exit_codes import FINDINGS
from ttrules.cli.options import LANGUAGE, RULES, book_of, leave, spec_options
from ttrules.messages.catalogue import catalogue

if TYPE_CHECKING:
    from ttrules.analysis.lint import Oddity
    from ttrules.matrix import Matrix


@click.command(name="lint")
@spec_options()
@LANGUAGE
@RULES
@click.option(
    "--strict", is_flag=True, help="Exit with 1 if an oddity is not covered by a decision."
)
@click.option("--all", "is_all", is_flag=True, help="List the decisions on no oddity as well.")
def command(
    *, strict: bool, is_all: bool, language: str, rules: str | None, **files: str | None
) -> None:
    """List open and odd parts of the rules, with the decision that covers each.

    Those without a decision come first.

    \b
    Examples:
      ttrules lint
      ttrules lint --openapi openapi.yaml --requirements requirements.yaml --strict
    """
    from ttrules.analysis.lint import oddities
    from ttrules.checking.run import shows_colours
    from ttrules.cli.terminal import show_oddities

    notes: list[tuple[str, str, str]] = []
    if not any(files.values()):
        matrix = book_of(rules).matrix
    elif rules is not None or not (files["openapi"] and files["requirements"]):
        message = "Use --rules, or --openapi and --requirements with the other spec files."
        raise click.UsageError(message)
    else:
        matrix, notes = _loaded(files)
    found = oddities(matrix, language, notes)
    shown = sorted((each for each in found if is_all or each.kind != "decided"), key=_is_decided)
    words = catalogue(language)
    show_oddities(shown, words, colours=shows_colours())
    if hidden := len(found) - len(shown):
        click.echo(words.text("hidden_decisions", count=hidden), sys.stdout)
    leave(FINDINGS * (strict and not all(each.decided for each in found)))


def _is_decided(oddity: Oddity) -> bool:
    return bool(oddity.decided)


def _loaded(files: dict[str, str | None]) -> tuple[Matrix, list[tuple[str, str, str]]]:
    """Return the matrix of spec files, and the oddities of the document with their positions."""
    from ttrules.spec.load import load_with_notes

    matrix, notes = load_with_notes(**files)  # type: ignore[arg-type]  # two of them are there
    told = []
    for note in notes:
        at = note.node.problem("")
        told.append((note.kind, note.about, f"{note.detail} ({at.file}:{at.line}:{at.column})"))
    return matrix, told
