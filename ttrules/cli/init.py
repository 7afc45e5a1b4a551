"""The command `ttrules init`: from an OpenAPI document to a first matrix."""

from __future__ import annotations

from pathlib import Path

import click

from ttrules.cli.exit_codes import complain


@click.command(name="init")
@click.argument("document", type=click.Path())
@click.option(
    "--root",
    "roots",
    metavar="NAME",
    multiple=True,
    required=True,
    help="Schema that a payload is, or a request such as 'POST /orders'; may be repeated.",
)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(),
    default=".",
    show_default=True,
    help="Write the files to this directory.",
)
@click.option("--force", is_flag=True, help="Replace existing files.")
def command(document: str, *, roots: tuple[str, ...], out: str, force: bool) -> None:
    """Write a first requirements.yaml and interpretation.yaml for an OpenAPI DOCUMENT.

    \b
    The codes are R if the document requires a field, P if it is readOnly, otherwise O. The
    processes are the operations whose body is a root.

    \b
    Example:
      ttrules init openapi.yaml --root Order --out draft
    """
    from ttrules.messages.printable import printable
    from ttrules.spec.draft import drafted
    from ttrules.spec.load import read_document

    draft = drafted(read_document(document), [*dict.fromkeys(roots)])
    folder = Path(out)
    existing = [name for name in draft.files if (folder / name).exists()]
    if existing and not force:
        message = f"{', '.join(existing)} exists in {out}: use --force to replace it."
        raise click.BadParameter(printable(message), param_hint="--out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in draft.files.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        message = f"{out} cannot be written: {error.strerror}"
        raise click.BadParameter(printable(message), param_hint="--out") from error
    for each in draft.remarks:
        complain(printable(str(each)))
    names = " and ".join(draft.files)
    click.echo(printable(f"{out}: {names}: {draft.entities} entities, {draft.fields} fields"))
