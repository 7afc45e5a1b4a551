"""The command `ttrules lint`."""

from __future__ import annotations

import click

from ttrules.cli.exit_codes import FINDINGS
from ttrules.cli.options import LANGUAGE, RULES, book_of, leave, spec_of, spec_options
from ttrules.messages.catalogue import catalogue


@click.command(name="lint")
@spec_options()
@LANGUAGE
@RULES
@click.option(
    "--strict", is_flag=True, help="Exit with 1 if an oddity is not covered by a decision."
)
def command(*, strict: bool, language: str, rules: str | None, **files: str | None) -> None:
    """List open and odd parts of the rules, with the decision that covers each.

    \b
    Examples:
      ttrules lint
      ttrules lint --openapi openapi.yaml --requirements requirements.yaml --strict
    """
    from ttrules.analysis.lint import oddities
    from ttrules.checking.run import shows_colours
    from ttrules.cli.terminal import show_oddities

    if not any(files.values()):
        matrix = book_of(rules).matrix
    elif rules is not None or not (files["openapi"] and files["requirements"]):
        message = "Use --rules, or --openapi and --requirements with the other spec files."
        raise click.UsageError(message)
    else:
        matrix = spec_of(files)
    found = oddities(matrix, language)
    show_oddities(found, catalogue(language), colours=shows_colours())
    leave(FINDINGS * (strict and not all(each.decided for each in found)))
