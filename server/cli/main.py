"""The group of all commands of `python -m server`."""

from __future__ import annotations

import click

from server.cli.listen import listen
from server.cli.operators import operator
from server.cli.provider import events, hub, ticket
from server.cli.serve import deliver, migrate, serve


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Serve the Trouble Ticket API. Settings are environment variables TTR_*."""


for each in (serve, deliver, migrate, operator, listen, ticket, events, hub):
    cli.add_command(each)
