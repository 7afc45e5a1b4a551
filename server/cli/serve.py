"""The commands that run the server: serve, deliver and migrate."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click
import prometheus_client

from server import sandbox
from server.cli.processes import Workers, listening_at, open_listener, stop_on_signals
from server.cli.user_errors import open_database, user_errors
from server.config import BadSetting, read_config
from server.delivery.worker import Delivery
from server.problems import ApiError
from server.profile.reader import profile_of
from server.storage import outbox
from server.telemetry import Metrics, log_to_standard_error
from ttrules.examples.generate import NoExample, example

if TYPE_CHECKING:
    from server.config import Config
    from server.profile.model import Profile
    from ttrules import Rulebook

log = logging.getLogger(__name__)

#: How often a process that only delivers events measures the outbox, in seconds.
_MEASURE_EVERY: Final = 5.0


def _use_profile(_: click.Context, __: click.Parameter, directory: str | None) -> None:
    if directory is not None:
        os.environ["TTR_PROFILE"] = directory


#: The option of every command that depends on the profile.
profile_option: Final = click.option(
    "--profile",
    metavar="DIR",
    is_eager=True,
    expose_value=False,
    callback=_use_profile,
    help="Directory with profile.yaml; overrides TTR_PROFILE.",
)


@click.command()
@profile_option
@click.option(
    "--workers", type=click.IntRange(1), help="Number of worker processes; overrides TTR_WORKERS."
)
def serve(*, workers: int | None) -> None:
    """Serve the API until stopped. Requests in progress are finished first."""
    with user_errors():
        if workers is not None:
            os.environ["TTR_WORKERS"] = str(workers)
        config = read_config(os.environ)
        log_to_standard_error(config.log_level)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the server handles it
        # Imported here because other commands do not need the server, which loads slowly.
        from server.cli import http_server

        profile = profile_of(config.profile)
        names = "TTR_HOST or TTR_PORT"
        with open_listener(names, config.host, config.port) as listener:
            port = listener.getsockname()[1]
            if config.workers == 1:
                http_server.serve(
                    config, listener, announce=partial(_print_startup_banner, config, port, profile)
                )
                return
            with open_database(config) as store:
                secrets = http_server.prepare_sandbox(
                    config, store.open()
                )  # before the workers, so that errors appear once
            parent = Workers(http_server.work, listener, config.workers, config.shutdown_timeout)
            code = parent.run(partial(_print_startup_banner, config, port, profile, secrets))
        sys.exit(code)


@click.command()
@profile_option
def deliver() -> None:
    """Deliver events until stopped. With SQLite, `serve` also delivers the events."""
    with user_errors(), open_database(config := read_config(os.environ)) as store:
        if store.is_embedded:
            message = "a PostgreSQL database (with SQLite, `serve` delivers the events)"
            raise BadSetting("TTR_DATABASE_URL", config.database_url, message)
        log_to_standard_error(config.log_level)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until it is handled
        metrics = Metrics()
        delivery = Delivery(store.open(), config, metrics, master=sandbox.master_key(config, store))
        if config.metrics_port:
            names = "TTR_HOST or TTR_METRICS_PORT"
            with listening_at(names, config.host, config.metrics_port):
                prometheus_client.start_http_server(
                    config.metrics_port, config.host, registry=metrics.registry
                )
        ended, hung_up = threading.Event(), threading.Event()
        stop_on_signals(ended.set, config.shutdown_timeout)
        signal.signal(signal.SIGHUP, lambda *_: hung_up.set())
        delivery.start()
        click.echo("Delivering events")
        sys.stdout.flush()
        while not ended.wait(_MEASURE_EVERY):
            if hung_up.is_set():
                hung_up.clear()
                log.info("SIGHUP changes nothing: settings are read at the start only")
            with suppress(ApiError):  # already logged; the delivery waits for the database
                metrics.fill(store.ask(outbox.depth).result())
        delivery.stop()


@click.command()
@profile_option
def migrate() -> None:
    """Upgrade the database schema to this release, and its columns to the profile."""
    with user_errors(), open_database() as store:
        done = store.migrate()
        if done:
            click.echo(f"schema version {done[-1]} reached")
        elif store.added:
            click.echo(f"columns added: {', '.join(store.added)}")
        else:
            click.echo("nothing to do")


def _print_startup_banner(
    config: Config, port: int, profile: Profile, secrets: dict[str, Any]
) -> None:
    """Print the addresses of the server and, in a sandbox, the secrets and a first request."""
    scheme = "https" if config.tls_certificate else "http"
    host = f"[{config.host}]" if ":" in config.host else config.host
    root = f"{scheme}://{host}:{port}"
    side = profile.operator
    base, creating = side.base, side.find("create")
    click.echo(f"Serving {root}{base}")
    click.echo(f"To look at it: {root}/ui/")
    if config.has_checker and side.find("check") is not None:
        click.echo(f"To check payloads: {root}/")
    for line in sandbox.secret_lines(secrets):
        click.echo(line)
    payload = _example(side.book)
    if secrets and creating is not None and payload is not None:
        name = sandbox.NAMES[0]
        click.echo(
            f"To create a {profile.noun}:\n\n"
            f"curl -u {name}:{secrets[name]} -H 'Content-Type: application/json' \\\n"
            f"  {root}{base}{creating.path} \\\n  -d '{json.dumps(payload)}'\n"
        )
    sys.stdout.flush()


def _example(book: Rulebook) -> object:
    """Return a minimal new resource, of the last process that adds one, or None."""
    names = [each.name for each in book.matrix.processes if each.operation == "add"]
    try:
        return example(book, names[-1], "minimal") if names else None
    except NoExample:
        return None
