"""The HTTP server of one process: uvicorn with the application and its database."""

from __future__ import annotations

import logging
import os
import signal
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import uvicorn

from server import sandbox
from server.app import create_app
from server.asgi.connections import CONNECTIONS
from server.asgi.protocol import Connection
from server.cli.processes import be_worker, end_within
from server.cli.user_errors import user_errors
from server.config import read_config
from server.delivery.worker import Delivery
from server.profile.reader import profile_of
from server.sandbox import master_key
from server.setting_types import is_pair
from server.storage.database import Database
from server.telemetry import Metrics, log_to_standard_error

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from multiprocessing.connection import Connection as Pipe
    from types import FrameType

    from server.asgi.connections import Connections
    from server.config import Config

log = logging.getLogger(__name__)


def work(listener: socket.socket, ready: Pipe) -> None:
    """Serve as one of several worker processes."""
    be_worker()
    with user_errors():
        config = read_config(os.environ)
        log_to_standard_error(config.log_level)
        serve(config, listener, ready=ready)


def serve(
    config: Config,
    listener: socket.socket,
    *,
    announce: Callable[[dict[str, Any]], None] | None = None,
    ready: Pipe | None = None,
) -> None:
    """Serve in this process until it is stopped.

    A single process calls `announce` with the secrets of a sandbox; a worker has `ready`.
    """
    with closing(Database.of(config, profile_of(config.profile))) as store:
        store.open()
        metrics = Metrics()
        secrets = prepare_sandbox(config, store) if announce is not None else {}
        delivery = None
        if store.is_embedded:
            delivery = Delivery(store, config, metrics, master=master_key(config, store))
        app = create_app(config, store, metrics, delivery)
        # After its shutdown uvicorn sends the signal that stopped it to its own process again.
        for number in (signal.SIGTERM, signal.SIGINT) if ready is None else (signal.SIGTERM,):
            signal.signal(number, lambda *_: sys.exit())
        if announce is not None:
            announce(secrets)
        settings = uvicorn.Config(app, **_uvicorn(config))
        Server(settings, seconds=config.shutdown_timeout, ready=ready).run(sockets=[listener])


def prepare_sandbox(config: Config, store: Database) -> dict[str, Any]:
    """Create the operators of a sandbox and return their secrets; {} without a sandbox."""
    return sandbox.prepare(store, master_key(config, store)) if config.sandbox else {}


def _uvicorn(config: Config) -> dict[str, Any]:
    return {
        "host": config.host,
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "date_header": True,
        "forwarded_allow_ips": config.forwarded_allow_ips,
        "timeout_graceful_shutdown": config.shutdown_timeout,
        "http": Connection,
        "ws": "none",
    }


class Server(uvicorn.Server):
    """A server that stops within a time limit and reloads its certificate on SIGHUP.

    A worker reports through `ready` that it serves. `seconds` is how long requests in progress may
    take at the end. A second SIGINT ends the process at once.
    """

    def __init__(
        self, config: uvicorn.Config, *, seconds: float, ready: Pipe | None = None
    ) -> None:
        super().__init__(config)
        self._seconds = seconds
        self._ready = ready
        self._is_reload_due = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections, and report it to the parent."""
        await super().startup(sockets)
        signal.signal(signal.SIGHUP, self._note_reload)
        if self._ready is not None:
            self._ready.send(True)  # noqa: FBT003 - a message

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop at a signal."""
        if self._ready is not None and sig == signal.SIGINT:
            return  # sent to all processes of a terminal; the parent decides
        if self.should_exit and sig == signal.SIGINT:
            os._exit(1)
        if not self.should_exit:
            end_within(self._seconds)
        super().handle_exit(sig, frame)

    def _note_reload(self, *_: object) -> None:
        self._is_reload_due = True

    async def on_tick(self, counter: int) -> bool:
        """Run the periodic work, ten times a second; return whether to stop."""
        if self._is_reload_due:
            self._is_reload_due = False
            self._reload()
        return await super().on_tick(counter)

    def _reload(self) -> None:
        """Use the current certificate file for new connections."""
        connections: Connections = self.lifespan.state[CONNECTIONS]
        certificate, key = connections.config.tls_certificate, connections.config.tls_key
        if connections.tls is None:
            log.info("SIGHUP changes nothing: settings are read at the start only")
        elif is_pair(certificate, key):
            connections.tls.load_cert_chain(certificate, key)
            log.info("the certificate was read again")
        else:
            log.error("the certificate cannot be read; the one before is still used")
