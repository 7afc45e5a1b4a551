"""The group of all commands of `python -m server`."""

from __future__ import annotations

import os

import click

from server.cli.listen import listen
from server.cli.operators import operator
from server.cli.provider import events, hub, resource_group
from server.cli.serve import deliver, migrate, profile_option, serve
from server.cli.user_errors import user_errors
from server.profile.reader import profile_of


class _Commands(click.Group):
    """The commands, and the group that the profile names: its commands depend on the profile."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted([*super().list_commands(ctx), str(_resource_group().name)])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, or None."""
        found = super().get_command(ctx, cmd_name)
        if found is None and (group := _resource_group()).name == cmd_name:
            return group
        return found


def _resource_group() -> click.Group:
    with user_errors():
        return resource_group(profile_of(os.environ.get("TTR_PROFILE", "")))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@profile_option
def cli() -> None:
    """Serve an API by its profile. Settings are environment variables TTR_*."""


for each in (serve, deliver, migrate, operator, listen, events, hub):
    cli.add_command(each)
