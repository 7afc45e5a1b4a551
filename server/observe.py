"""What can be seen of the server from outside: log lines and numbers, never what a ticket holds.

A line is one JSON object on standard error. It may hold paths, ids and counts; it never holds a
query's values, a body, a header or a secret.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import orjson
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from server.outbox import Depth

#: The members of a record that are not for the line, or stand there under other names.
_USUAL: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}
#: How long the figures of the outbox count at least, and how many times as long as they took; how
#: long a request waits for new ones, in seconds.
_FRESH: Final = 1.0
_REST: Final = 20
_WAIT: Final = 0.2
_NOISY: Final = ("connexion", "uvicorn.access", "httpx")


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update((key, value) for key, value in vars(record).items() if key not in _USUAL)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        try:
            return orjson.dumps(line, default=str).decode()
        except TypeError:  # half of a surrogate pair, in what an exception says
            return json.dumps(line, default=str)


def log_to_standard_error(level: int) -> None:
    """Write what is logged, from a level on, as lines of JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True


class Figures:
    """The figures of the outbox, read again at most once a second and never by two at a time.

    `ask` begins to read them. While the database cannot be used the last ones stay.
    """

    def __init__(self, ask: Callable[[], Future[Depth]]) -> None:
        self._ask = ask
        self._reading: Future[Depth] | None = None
        self._next = 0.0
        self._begun = 0.0
        self._lock = threading.Lock()

    def fill(self, metrics: Metrics) -> None:
        """Show the newest figures that can be had in a moment."""
        with self._lock:
            if self._reading is None and time.monotonic() >= self._next:
                self._begun = time.monotonic()
                self._reading = self._ask()
            reading = self._reading
        if reading is None:
            return
        # What is wrong with the database is logged where it was noticed.
        with suppress(Exception):
            metrics.fill(reading.result(_WAIT))
        if reading.done():
            with self._lock:
                if self._reading is reading:
                    now = time.monotonic()
                    self._reading = None
                    self._next = now + max(_FRESH, _REST * (now - self._begun))


class Metrics:
    """The numbers that /metrics shows, one set for each process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "ttr_requests",
            "Requests by operation and status.",
            ("operation", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "ttr_request_seconds",
            "How long requests took, by operation.",
            ("operation",),
            registry=self.registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
        )
        self.under_way = Gauge(
            "ttr_requests_under_way", "Requests being answered.", registry=self.registry
        )
        self.connections = Gauge(
            "ttr_connections", "Connections that are open.", registry=self.registry
        )
        self.cut = Counter(
            "ttr_connections_cut",
            "Connections that the server refused or ended, by cause.",
            ("cause",),
            registry=self.registry,
        )
        self.hashed = Counter(
            "ttr_secrets_hashed",
            "Secrets of an earlier release that were verified by a slow hash.",
            registry=self.registry,
        )
        self.waiting = Gauge(
            "ttr_jobs_waiting", "Changes that wait for the writer.", registry=self.registry
        )
        self.attempts = Counter(
            "ttr_event_attempts",
            "Attempts to deliver an event, by what came of them.",
            ("fate",),
            registry=self.registry,
        )
        self.attempt_seconds = Histogram(
            "ttr_event_attempt_seconds",
            "How long attempts to deliver took.",
            registry=self.registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 20),
        )
        self.pending = Gauge(
            "ttr_events_pending", "Events that wait to be delivered.", registry=self.registry
        )
        self.oldest = Gauge(
            "ttr_events_oldest_seconds",
            "How old the oldest event is that waits.",
            registry=self.registry,
        )
        self.dead = Gauge(
            "ttr_events_dead", "Events that were given up, and are kept.", registry=self.registry
        )
        # To look a label up costs more than to count.
        self._counted = cache(self.requests.labels)
        self._timed = cache(self.seconds.labels)

    def answered(self, operation: str, status: int, seconds: float) -> None:
        """Count an answer to a request."""
        self._counted(operation, str(status)).inc()
        self._timed(operation).observe(seconds)

    def attempted(self, fate: str, seconds: float) -> None:
        """Count an attempt to deliver an event."""
        self.attempts.labels(fate).inc()
        self.attempt_seconds.observe(seconds)

    def fill(self, depth: Depth) -> None:
        """Show how full the outbox is."""
        self.pending.set(depth.pending)
        self.oldest.set(depth.oldest)
        self.dead.set(depth.dead)
