"""The HTTP server of one process: uvicorn over the application and its database."""

from __future__ import annotations

import logging
import os
import signal
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import uvicorn

from server import sandbox
from server.app import make
from server.config import read_config
from server.connections import CONNECTIONS
from server.delivery import Delivery
from server.mending import mending
from server.observe import Metrics, log_to_standard_error
from server.processes import be_worker, end_within
from server.protocol import Connection
from server.sandbox import master_key
from server.setting_types import is_pair
from server.store import Store

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from multiprocessing.connection import Connection as Pipe
    from types import FrameType

    from server.config import Config
    from server.connections import Connections

log = logging.getLogger(__name__)


def work(listener: socket.socket, ready: Pipe) -> None:
    """Serve as one of several worker processes."""
    be_worker()
    with mending():
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
    """Serve in this process until it is told to stop.

    A single process calls `announce` with the secrets of a sandbox; a worker has `ready`.
    """
    with closing(Store.of(config)) as store:
        store.open()
        metrics = Metrics()
        secrets = prepared(config, store) if announce is not None else {}
        delivery = None
        if store.is_embedded:
            delivery = Delivery(store, config, metrics, master=master_key(config, store))
        app = make(config, store, metrics, delivery)
        # uvicorn sends itself the signal that ended it again, once it has ended.
        for number in (signal.SIGTERM, signal.SIGINT) if ready is None else (signal.SIGTERM,):
            signal.signal(number, lambda *_: sys.exit())
        if announce is not None:
            announce(secrets)
        settings = uvicorn.Config(app, **_uvicorn(config))
        Server(settings, seconds=config.shutdown_timeout, ready=ready).run(sockets=[listener])


def prepared(config: Config, store: Store) -> dict[str, Any]:
    """Return the secrets of a sandbox, once its operators exist; nothing without a sandbox."""
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
    """A server that ends in time, and reads its certificate again at SIGHUP.

    `ready` is where a worker tells its parent that it serves. `seconds` is how long requests may
    take to finish at the end; a second SIGINT ends the process at once.
    """

    def __init__(
        self, config: uvicorn.Config, *, seconds: float, ready: Pipe | None = None
    ) -> None:
        super().__init__(config)
        self._seconds = seconds
        self._ready = ready
        self._is_reload_due = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept connections, and tell the parent."""
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
        """Do what is due ten times a second; return whether to stop."""
        if self._is_reload_due:
            self._is_reload_due = False
            self._reload()
        return await super().on_tick(counter)

    def _reload(self) -> None:
        """Use the certificate that its file has now, for new connections."""
        connections: Connections = self.lifespan.state[CONNECTIONS]
        certificate, key = connections.config.tls_certificate, connections.config.tls_key
        if connections.tls is None:
            log.info("SIGHUP changes nothing: settings are read at the start only")
        elif is_pair(certificate, key):
            connections.tls.load_cert_chain(certificate, key)
            log.info("the certificate was read again")
        else:
            log.error("the certificate cannot be read; the one before is still used")
