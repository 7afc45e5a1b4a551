"""`python -m server`: serve, migrate the database, look after operators; and the way to the rest.

Every way to fail that a person can mend ends with one sentence and exit code 2 (see mending);
nothing else is decided here.
"""

from __future__ import annotations

import json
import os
import secrets as randomness
import signal
import socket
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
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
from server.playing import events, ticket
from server.signing import keys_of, shown
from server.store import Store
from ttrules.book import shipped
from ttrules.example import example

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.limits import App
    from server.operators import Role

_KEY_FILE: Final = "signing.key"
#: How often a process that only delivers looks how full the outbox is, in seconds.
_LOOK: Final = 5.0
#: The headers of a connection are held by the parser before anything of ours sees them.
_PARSED_HEADERS: Final = 64 << 10


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
        # Imported here since looking after operators needs no server.
        import uvicorn

        from server.app import make

        if config.workers > 1:
            with _store(config) as store:
                store.open()  # so that what is wrong is told once
            _told(config, config.port, {})
            uvicorn.run(
                "server.__main__:application",
                factory=True,
                workers=config.workers,
                **_uvicorn(config),
                port=config.port,
            )
            return
        with socket.socket(_family(config)) as listener, _store(config) as store:
            _listen(listener, config)
            store.open()
            secrets = sandbox.prepare(store, master_key(config, store)) if config.sandbox else {}
            metrics = Metrics()
            delivery = _delivery(config, store, metrics) if store.is_embedded else None
            app = make(config, store, metrics, delivery)
            _told(config, listener.getsockname()[1], secrets)
            uvicorn.Server(uvicorn.Config(app, **_uvicorn(config))).run(sockets=[listener])


def application() -> App:
    """Return the application of one of several worker processes."""
    from server.app import make

    config = read_config(os.environ)
    log_to_standard_error(config.log_level)
    return make(config, _new_store(config).open())


@cli.command()
def deliver() -> None:
    """Deliver events until told to stop. With SQLite `serve` does so itself."""
    with mending(), _store(config := read_config(os.environ)) as store:
        if store.is_embedded:
            message = "a database that other processes can share (with SQLite `serve` delivers)"
            raise BadSetting("TTR_DATABASE_URL", config.database_url, message)
        log_to_standard_error(config.log_level)
        metrics = Metrics()
        delivery = _delivery(config, store.open(), metrics)
        if config.metrics_port:
            prometheus_client.start_http_server(
                config.metrics_port, config.host, registry=metrics.registry
            )
        ended = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ended.set())
        delivery.start()
        click.echo("Delivering events")
        sys.stdout.flush()
        while not ended.wait(_LOOK):
            with suppress(Refused):  # the store has logged why, and delivery waits for it
                metrics.fill(store.ask(outbox.depth).result())
        delivery.stop()


def _delivery(config: Config, store: Store, metrics: Metrics) -> Delivery:
    return Delivery(store, config, metrics, master=master_key(config, store))


@cli.command()
def migrate() -> None:
    """Bring the database to this release's schema."""
    with mending(), _store() as store:
        done = store.migrate()
        click.echo(f"schema version {done[-1]} reached" if done else "nothing to do")


for each in (listen, ticket, events):
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
            master_key(config, store),
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


@contextmanager
def _store(config: Config | None = None) -> Iterator[Store]:
    store = _new_store(config or read_config(os.environ))
    try:
        yield store
    finally:
        store.close()


def _new_store(config: Config) -> Store:
    return Store(
        config.database_url, timeout=config.database_timeout, query_timeout=config.query_timeout
    )


def master_key(config: Config, store: Store) -> bytes:
    """Return what signing keys are derived from. Raises BadSetting where there is nothing."""
    if config.signing_key:
        return config.signing_key
    if not store.is_embedded:
        expected = "a key of at least 32 random bytes in base64, the same for all processes"
        raise BadSetting("TTR_SIGNING_KEY", None, expected)
    path = Path(store.url.database or "").parent / _KEY_FILE
    if not path.exists():
        sandbox.write_privately(path, randomness.token_bytes(32).hex())
    return bytes.fromhex(path.read_text("ascii"))


def _now() -> int:
    return time.time_ns() // 1000


def _uvicorn(config: Config) -> dict[str, Any]:
    return {
        "host": config.host,
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "date_header": True,
        "forwarded_allow_ips": config.forwarded_allow_ips,
        "timeout_graceful_shutdown": round(config.shutdown_timeout),
        "h11_max_incomplete_event_size": _PARSED_HEADERS,
        "ssl_certfile": config.tls_certificate or None,
        "ssl_keyfile": config.tls_key or None,
    }


def _family(config: Config) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in config.host else socket.AF_INET


def _listen(listener: socket.socket, config: Config) -> None:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((config.host, config.port))
    listener.listen(2048)  # from now on clients wait rather than fail


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
