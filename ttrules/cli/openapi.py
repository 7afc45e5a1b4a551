"""The command `ttrules openapi`: the OpenAPI document that contains the rules."""

from __future__ import annotations

import click

from ttrules.cli.exit_codes import complain
from ttrules.cli.options import save_file, spec_of, spec_options


@click.command(name="openapi")
@spec_options()
@click.option("--out", metavar="FILE", type=click.Path(), help="Write the document to this file.")
def command(*, out: str | None, **files: str | None) -> None:
    """Print the OpenAPI document whose request bodies carry the rules, as JSON.

    Without files, it is the document of the shipped API. With your own files, the Add processes
    apply to a POST, and the Change processes to a PATCH or PUT, whose body is the root entity.
    Operations without rules are listed on standard error.

    \b
    Examples:
      ttrules openapi > openapi.json
      ttrules openapi --openapi openapi.yaml --requirements requirements.yaml --out api.json
    """
    from ttrules.exports.openapi.bundle import bundled
    from ttrules.exports.openapi.document import openapi_of, shipped_openapi
    from ttrules.exports.openapi.operations import coverage

    if not any(files.values()):
        text = shipped_openapi()
    elif not (files["openapi"] and files["requirements"]):
        message = "Use --openapi and --requirements with the other spec files, or no file."
        raise click.UsageError(message)
    else:
        spec = spec_of(files)
        document = bundled(files["openapi"])
        text = openapi_of(document, spec)
        complain(*coverage(document, spec))
    if out is None:
        click.echo(text, nl=False)
    else:
        save_file(text, out)
