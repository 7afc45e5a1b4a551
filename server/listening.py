"""The command `listen`, apart from the listener, which takes Connexion and its time to import."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import click

from server import document, sandbox
from server.config import read_config
from server.mending import mending
from server.processes import open_listener
from server.setting_types import host as host_of
from server.signing import read_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.config import Config


class _Secret(click.ParamType[bytes]):
    """What events are signed with, as it is given to people."""

    name = "whsec_…"

    def convert(self, value: Any, param: Any, ctx: Any) -> bytes:  # noqa: ANN401 - click's
        """Return the key."""
        try:
            return read_key(value)
        except ValueError:
            # What was given may be a secret of another kind, so it is not told.
            self.fail("Give whsec_ and the base64 of a key.", param, ctx)


class _Host(click.ParamType[str]):
    """An address or a host name, as TTR_HOST is."""

    name = "host"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:  # noqa: ANN401 - click's
        """Return the host."""
        try:
            return host_of(value)
        except ValueError:
            self.fail("Give an address or a host name; 0.0.0.0 or :: for all.", param, ctx)


class _Delay(click.FloatRange):
    """Seconds in a range, which NaN is not."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:  # noqa: ANN401 - click's
        """Return the seconds."""
        found = super().convert(value, param, ctx)
        if math.isnan(found):
            self.fail("Give a number.", param, ctx)
        return found


@click.command()
@click.option(
    "--host",
    type=_Host(),
    default="127.0.0.1",
    show_default=True,
    help="The address to listen at.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8090,
    show_default=True,
    help="The port; 0 takes any that is free.",
)
@click.option(
    "--secret",
    "secrets",
    type=_Secret(),
    multiple=True,
    help="Verify that events are signed with this; several may be given.",
)
@click.option("--fail", type=click.IntRange(200, 599), metavar="STATUS", help="Answer this status.")
@click.option(
    "--delay",
    type=_Delay(0, 3_600),
    default=0.0,
    metavar="SECONDS",
    help="Answer so much later.",
)
@click.option("--drop", is_flag=True, help="Close the connection without an answer.")
@click.option(
    "--times", type=click.IntRange(1), metavar="N", help="Do so to the first N events only."
)
@click.option("--json", "is_json", is_flag=True, help="Print each event as a line of JSON.")
def listen(  # noqa: PLR0913 - its options
    *,
    host: str,
    port: int,
    secrets: Sequence[bytes],
    fail: int | None,
    delay: float,
    drop: bool,
    times: int | None,
    is_json: bool,
) -> None:
    """Receive events and print them, to see what is sent or to try a sender with.

    An event is answered 201, or 401 when it is not signed with a secret that was given, or 400 when
    it is not what the document says.
    """
    if drop and fail is not None:
        raise click.UsageError("Give --drop or --fail, not both.")
    if times is not None and not (drop or delay or fail is not None):
        raise click.UsageError("Give --fail, --delay or --drop with --times.")
    with mending():
        config = read_config(os.environ)
        with open_listener("--host or --port", host, port) as taken:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: sys.exit())
            # The terminal was closed, so nobody reads what is printed.
            signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
            named = f"[{host}]" if ":" in host else host
            _told(config, f"http://{named}:{taken.getsockname()[1]}", is_json=is_json)
            # Imported here since no other command needs it.
            from server import listener

            manner = listener.Manner(status=fail, delay=delay, drop=drop, times=times)
            listener.run(taken, secrets, manner, is_json=is_json)


def _told(config: Config, address: str, *, is_json: bool) -> None:
    """Say where events are received, and how to have them sent there.

    It goes to standard error where standard output is for programs.
    """
    hub = f"{config.backoffice_url.rstrip('/')}{document.base_path(document.load())}/hub"
    body = json.dumps({"callback": address})
    click.echo(f"Listening at {address}", err=is_json)
    click.echo(
        "To have events sent here:\n\n"
        f"curl -u {_operator(config)} -H 'Content-Type: application/json' \\\n"
        f"  {hub} \\\n  -d '{body}'\n",
        err=is_json,
    )
    sys.stdout.flush()


def _operator(config: Config) -> str:
    """Return an operator with its secret, that of the sandbox on this machine if there is one."""
    name = sandbox.NAMES[0]
    return f"{name}:{sandbox.kept(config.database_url).get(name, 'SECRET')}"
