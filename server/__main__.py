"""`python -m server`: serve, migrate the database, look after operators; and the way to the rest.

Every way to fail that a person can mend ends with one sentence and exit code 2 (see mending);
nothing else is decided here.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click
import prometheus_client

from server import document, operators, outbox, sandbox
from server.config import BadSetting, Config, read_config
from server.delivery import Delivery
from server.errors import Refused
from server.listening import listen
from server.mending import mending
from server.observe import Metrics, log_to_standard_error
from server.playing import events, hub, ticket
from server.processes import (
    Workers,
    listening_at,
    open_listener,
    stop_on_signals,
)
from server.signing import keys_of, shown
from server.store import Store
from ttrules.book import shipped
from ttrules.example import example

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from server.operators import Role

log = logging.getLogger(__name__)

#: How often a process that only delivers looks how full the outbox is, in seconds.
_LOOK: Final = 5.0
#: How long servers remember an operator that has been disabled, and a little more, in seconds.
_DISABLED_AFTER: Final = 2.0


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Serve the Trouble Ticket API; its settings are variables TTR_* of the environment."""


@cli.command()
@click.option("--workers", type=click.IntRange(1), help="As TTR_WORKERS.")
def serve(*, workers: int | None) -> None:
    """Answer requests until told to stop; what is under way is finished."""
    with mending():
        if workers is not None:
            os.environ["TTR_WORKERS"] = str(workers)
        config = read_config(os.environ)
        log_to_standard_error(config.log_level)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the server handles it
        # Imported here since looking after operators needs no server.
        from server import serving

        names = "TTR_HOST or TTR_PORT"
        with open_listener(names, config.host, config.port) as listener:
            port = listener.getsockname()[1]
            if config.workers == 1:
                serving.serve(config, listener, announce=partial(_told, config, port))
                return
            with _store(config) as store:
                secrets = serving.prepared(config, store.open())  # so that errors are reported once
            parent = Workers(serving.work, listener, config.workers, config.shutdown_timeout)
            code = parent.run(partial(_told, config, port, secrets))
        sys.exit(code)


@cli.command()
def deliver() -> None:
    """Deliver events until told to stop. With SQLite `serve` does so itself."""
    with mending(), _store(config := read_config(os.environ)) as store:
        if store.is_embedded:
            message = "a database that other processes can share (with SQLite `serve` delivers)"
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
        while not ended.wait(_LOOK):
            if hung_up.is_set():
                hung_up.clear()
                log.info("SIGHUP changes nothing: settings are read at the start only")
            with suppress(Refused):  # the store has logged why, and delivery waits for it
                metrics.fill(store.ask(outbox.depth).result())
        delivery.stop()


@cli.command()
def migrate() -> None:
    """Bring the database to this release's schema."""
    with mending(), _store() as store:
        done = store.migrate()
        click.echo(f"schema version {done[-1]} reached" if done else "nothing to do")


for each in (listen, ticket, events, hub):
    cli.add_command(each)


@cli.group()
def operator() -> None:
    """Look after operators and the provider's systems. With SQLite, stop the server first."""


@operator.command()
@click.argument("name")
@click.option("--provider", is_flag=True, help="It is a system of the provider's.")
def add(name: str, *, provider: bool) -> None:
    """Add an operator, and show its secret once."""
    role: Role = "provider" if provider else "operator"
    with mending(), _store() as store:
        secret = store.open().submit(lambda c: operators.add(c, name, _now(), role)).result()
        click.echo(secret)


@operator.command()
@click.argument("name")
def rotate(name: str) -> None:
    """Give an operator a new secret, and show it once; the old one and all tokens are void."""
    with mending(), _store() as store:
        click.echo(store.open().submit(lambda c: operators.rotate(c, name)).result())


@operator.command()
@click.argument("name")
def disable(name: str) -> None:
    """Shut an operator out until its secret is rotated."""
    with mending(), _store() as store:
        store.open().submit(lambda c: operators.disable(c, name, _now())).result()


@operator.command()
@click.argument("name")
@click.argument("new_name")
def rename(name: str, new_name: str) -> None:
    """Rename an operator. Its secret and tickets stay; its tokens become invalid."""
    with mending(), _store() as store:
        store.open().submit(lambda c: operators.rename(c, name, new_name)).result()


@operator.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def remove(name: str, *, yes: bool) -> None:
    """Remove an operator with its tickets, events and tokens. This cannot be undone."""
    with mending(), _store() as store:
        count = store.open().read_now(lambda c: operators.count_tickets(c, name))
        if not yes:
            click.confirm(f"Remove {name} and its tickets ({count})?", abort=True, err=True)
        store.submit(lambda c: operators.disable(c, name, _now())).result()
        if not store.is_embedded:
            time.sleep(_DISABLED_AFTER)  # so that no server accepts its credentials any more
        store.submit(lambda c: operators.remove(c, name)).result()


@operator.command(name="signing-secret")
@click.argument("name")
@click.option("--rotate", is_flag=True, help="Make a new one; the old one signs for a day too.")
def signing_secret(name: str, *, rotate: bool) -> None:
    """Show the secrets that events to an operator are signed with, the present one first."""
    with mending(), _store(config := read_config(os.environ)) as store:
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
    """List the operators, and the provider's systems."""
    with mending(), _store() as store:
        for each in store.open().read_now(operators.everyone):
            state = "disabled" if each.disabled else "enabled"
            click.echo(f"{each.name}\t{state}\t{each.role}")


def _store(config: Config | None = None) -> AbstractContextManager[Store]:
    return closing(Store.of(config or read_config(os.environ)))


def _now() -> int:
    return time.time_ns() // 1000


def _told(config: Config, port: int, secrets: dict[str, Any]) -> None:
    """Say where the server is, and in a sandbox what to type."""
    scheme = "https" if config.tls_certificate else "http"
    host = f"[{config.host}]" if ":" in config.host else config.host
    root = f"{scheme}://{host}:{port}"
    base = document.base_path(document.load())
    click.echo(f"Serving {root}{base}")
    click.echo(f"To look at it: {root}/ui/")
    if config.has_checker:
        click.echo(f"To check payloads: {root}/")
    for line in sandbox.told(secrets):
        click.echo(line)
    if secrets:
        name = sandbox.NAMES[0]
        new = json.dumps(example(shipped(), "complaint-add", "minimal"))
        click.echo(
            "To create a ticket:\n\n"
            f"curl -u {name}:{secrets[name]} -H 'Content-Type: application/json' \\\n"
            f"  {root}{base}/troubleTicket \\\n  -d '{new}'\n"
        )
    sys.stdout.flush()


if __name__ == "__main__":
    cli(prog_name="python -m server")
