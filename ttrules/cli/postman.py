"""The command `ttrules postman`: files for Postman."""

from __future__ import annotations

from importlib.util import find_spec

import click

from ttrules.cli.exit_codes import BAD_SPEC, complain
from ttrules.cli.options import leave, spec_of, spec_options, write_files
from ttrules.rulebook import Rulebook


@click.command(name="postman")
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
    """Write a Postman collection of an API, its environment, and an authorization collection.

    It contains the requests of the OpenAPI document and, for each process of the matrix, payloads
    with one defect. Operations without rules are listed on standard error. It needs the extra:
    `pip install "ttrules[hypothesis]"`.

    \b
    Example:
      ttrules postman --openapi openapi.yaml --requirements requirements.yaml --out postman
    """
    if find_spec("hypothesis") is None:
        raise click.UsageError(
            'This command needs Hypothesis: pip install "ttrules[cli,hypothesis]"'
        )
    from ttrules.examples.generate import NoExample
    from ttrules.exports.openapi.bundle import bundled
    from ttrules.exports.openapi.operations import coverage
    from ttrules.exports.postman.files import files_of
    from ttrules.spec.compiler import compile_schemas

    spec = spec_of(files)
    book = Rulebook(spec, compile_schemas(spec))
    document = bundled(str(files["openapi"]))
    try:
        written = files_of(document, book)
    except NoExample as error:
        complain(str(error))
        leave(BAD_SPEC)
    else:
        if not is_check:
            complain(*coverage(document, spec))
        write_files(written, out, is_check=is_check)
