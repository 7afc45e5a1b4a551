"""The commands `python -m server operator …`: add, change, list and remove operators."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

import click

from server import sandbox
from server.cli.user_errors import open_database, user_errors
from server.config import read_config
from server.delivery.signing import keys_of, shown
from server.storage import operators

if TYPE_CHECKING:
    from server.profile.model import Role

#: How long servers may still accept the credentials of a disabled operator, with a margin, in
#: seconds.
_DISABLED_AFTER: Final = 2.0


@click.group()
def operator() -> None:
    """Manage operators and the systems of the provider. With SQLite, stop the server first."""


@operator.command()
@click.argument("name")
@click.option(
    "--provider", is_flag=True, help="Add a system of the provider instead of an operator."
)
def add(name: str, *, provider: bool) -> None:
    """Add an operator and print its secret. The secret is not shown again."""
    role: Role = "provider" if provider else "operator"
    with user_errors(), open_database() as store:
        secret = store.open().submit(lambda c: operators.add(c, name, _now(), role)).result()
        click.echo(secret)


@operator.command()
@click.argument("name")
def rotate(name: str) -> None:
    """Give an operator a new secret and print it. The old secret and all tokens become invalid."""
    with user_errors(), open_database() as store:
        click.echo(store.open().submit(lambda c: operators.rotate(c, name)).result())


@operator.command()
@click.argument("name")
def disable(name: str) -> None:
    """Reject all requests of an operator until its secret is rotated."""
    with user_errors(), open_database() as store:
        store.open().submit(lambda c: operators.disable(c, name, _now())).result()


@operator.command()
@click.argument("name")
@click.argument("new_name")
def rename(name: str, new_name: str) -> None:
    """Rename an operator. It keeps its secret and tickets; its tokens become invalid."""
    with user_errors(), open_database() as store:
        store.open().submit(lambda c: operators.rename(c, name, new_name)).result()


@operator.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def remove(name: str, *, yes: bool) -> None:
    """Remove an operator with its tickets, events and tokens. This cannot be undone."""
    with user_errors(), open_database() as store:
        count = store.open().read_now(lambda c: operators.count_tickets(c, name))
        if not yes:
            click.confirm(f"Remove {name} and its tickets ({count})?", abort=True, err=True)
        store.submit(lambda c: operators.disable(c, name, _now())).result()
        if not store.is_embedded:
            time.sleep(_DISABLED_AFTER)  # then no server accepts its credentials
        store.submit(lambda c: operators.remove(c, name)).result()


@operator.command(name="signing-secret")
@click.argument("name")
@click.option(
    "--rotate",
    is_flag=True,
    help="Create a new secret. Events are also signed with the old one for one day.",
)
def signing_secret(name: str, *, rotate: bool) -> None:
    """Print the secrets that sign the events of an operator, the current one first."""
    with user_errors(), open_database(config := read_config(os.environ)) as store:
        store.open()
        if rotate:
            store.submit(lambda c: operators.rotate_signing(c, name, _now())).result()
        found = store.read_now(lambda c: operators.named(c, name))
        if found is None:
            raise operators.NoSuchOperator(name)
        for key in keys_of(
            sandbox.master_key(config, store),
            found.id,
            version=found.signing_version,
            since=found.signing_since,
            now=_now(),
        ):
            click.echo(shown(key))


@operator.command(name="list")
def list_command() -> None:
    """List the operators and the systems of the provider."""
    with user_errors(), open_database() as store:
        for each in store.open().read_now(operators.everyone):
            state = "disabled" if each.disabled else "enabled"
            click.echo(f"{each.name}\t{state}\t{each.role}")


def _now() -> int:
    return time.time_ns() // 1000
