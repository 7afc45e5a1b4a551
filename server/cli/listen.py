"""The command `listen`. The listener itself is imported late, because Connexion loads slowly."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import click

from server import sandbox
from server.cli.processes import open_listener
from server.cli.serve import profile_option
from server.cli.user_errors import user_errors
from server.config import read_config
from server.delivery.signing import read_key
from server.profile.reader import profile_of
from server.setting_types import host as host_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.config import Config
    from server.profile.model import Profile


class _Secret(click.ParamType[bytes]):
    """A signing secret in the form whsec_…."""

    name = "whsec_…"

    def convert(self, value: Any, param: Any, ctx: Any) -> bytes:
        """Return the key."""
        try:
            return read_key(value)
        except ValueError:
            # The value may be another secret, so the message does not contain it.
            self.fail("Give whsec_ and the base64 of a key.", param, ctx)


class _Host(click.ParamType[str]):
    """An address or a host name, as in TTR_HOST."""

    name = "host"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """Return the host."""
        try:
            return host_of(value)
        except ValueError:
            self.fail("Give an address or a host name; 0.0.0.0 or :: for all.", param, ctx)


class _Delay(click.FloatRange):
    """Seconds in a range; NaN is invalid."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the seconds."""
        found = super().convert(value, param, ctx)
        if math.isnan(found):
            self.fail("Give a number.", param, ctx)
        return found


@click.command()
@profile_option
@click.option(
    "--host",
    type=_Host(),
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8090,
    show_default=True,
    help="Port to listen on; 0 selects a free port.",
)
@click.option(
    "--secret",
    "secrets",
    type=_Secret(),
    multiple=True,
    help="Secret to verify the signatures with. Can be repeated.",
)
@click.option(
    "--fail", type=click.IntRange(200, 599), metavar="STATUS", help="Respond with this status."
)
@click.option(
    "--delay",
    type=_Delay(0, 3_600),
    default=0.0,
    metavar="SECONDS",
    help="Delay each response.",
)
@click.option("--drop", is_flag=True, help="Close the connection without a response.")
@click.option(
    "--times",
    type=click.IntRange(1),
    metavar="N",
    help="Apply --fail, --delay and --drop to the first N events only.",
)
@click.option("--json", "is_json", is_flag=True, help="Print each event as one line of JSON.")
def listen(
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
    """Receive events and print them, to inspect or to test a sender.

    The response is 201, or 401 if the signature is wrong, or 400 if the event is invalid.
    """
    if drop and fail is not None:
        raise click.UsageError("Give --drop or --fail, not both.")
    if times is not None and not (drop or delay or fail is not None):
        raise click.UsageError("Give --fail, --delay or --drop with --times.")
    with user_errors():
        config = read_config(os.environ)
        profile = profile_of(config.profile)
        with open_listener("--host or --port", host, port) as taken:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: sys.exit())
            # The terminal was closed, so nobody reads the output.
            signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
            named = f"[{host}]" if ":" in host else host
            _print_startup_banner(
                config, profile, f"http://{named}:{taken.getsockname()[1]}", is_json=is_json
            )
            # Imported here because no other command needs it.
            from server.cli import listener

            manner = listener.Manner(status=fail, delay=delay, drop=drop, times=times)
            listener.run(taken, profile, secrets, manner, is_json=is_json)


def _print_startup_banner(config: Config, profile: Profile, address: str, *, is_json: bool) -> None:
    """Print the address of the listener and a command that subscribes it.

    With --json the text goes to standard error.
    """
    click.echo(f"Listening at {address}", err=is_json)
    side = profile.operator
    subscribing = side.find("subscribe")
    if subscribing is None:
        return
    hub = f"{config.backoffice_url.rstrip('/')}{side.base}{subscribing.path}"
    body = json.dumps({"callback": address})
    click.echo(
        "To have events sent here:\n\n"
        f"curl -u {_operator(config)} -H 'Content-Type: application/json' \\\n"
        f"  {hub} \\\n  -d '{body}'\n",
        err=is_json,
    )
    sys.stdout.flush()


def _operator(config: Config) -> str:
    """Return NAME:SECRET of an operator, with the secret of a local sandbox if there is one."""
    name = sandbox.NAMES[0]
    return f"{name}:{sandbox.read_secrets(config.database_url).get(name, 'SECRET')}"
