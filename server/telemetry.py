"""Logs and metrics. They never contain data of a ticket.

A log line is one JSON object on standard error. It may contain paths, ids and counts, but never
values of a query, a body, a header or a secret.
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

    from server.storage.outbox import Depth

#: The members of a log record that are omitted or have other names in the line.
_USUAL: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}
#: The minimum time between two reads of the outbox figures, and its minimum ratio to the time of a
#: read; how long a request waits for new figures, in seconds.
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
        except TypeError:  # a lone surrogate in the message of an exception
            return json.dumps(line, default=str)


def log_to_standard_error(level: int) -> None:
    """Log to standard error as JSON lines, from a level on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True


class Figures:
    """The figures of the outbox, read at most once a second and never twice at the same time.

    `ask` starts a read. While the database is unavailable, the last figures remain.
    """

    def __init__(self, ask: Callable[[], Future[Depth]]) -> None:
        self._ask = ask
        self._reading: Future[Depth] | None = None
        self._next = 0.0
        self._begun = 0.0
        self._lock = threading.Lock()

    def fill(self, metrics: Metrics) -> None:
        """Update the metrics with the newest figures that are available within a moment."""
        with self._lock:
            if self._reading is None and time.monotonic() >= self._next:
                self._begun = time.monotonic()
                self._reading = self._ask()
            reading = self._reading
        if reading is None:
            return
        # A database error is logged where it is detected.
        with suppress(Exception):
            metrics.fill(reading.result(_WAIT))
        if reading.done():
            with self._lock:
                if self._reading is reading:
                    now = time.monotonic()
                    self._reading = None
                    self._next = now + max(_FRESH, _REST * (now - self._begun))


class Metrics:
    """The metrics of /metrics, one set for each process."""

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
            "Duration of requests by operation.",
            ("operation",),
            registry=self.registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
        )
        self.under_way = Gauge(
            "ttr_requests_under_way", "Requests in progress.", registry=self.registry
        )
        self.connections = Gauge("ttr_connections", "Open connections.", registry=self.registry)
        self.cut = Counter(
            "ttr_connections_cut",
            "Connections that the server rejected or closed, by cause.",
            ("cause",),
            registry=self.registry,
        )
        self.hashed = Counter(
            "ttr_secrets_hashed",
            "Secrets of an earlier release that were verified with a slow hash.",
            registry=self.registry,
        )
        self.waiting = Gauge(
            "ttr_jobs_waiting", "Changes that wait for the writer thread.", registry=self.registry
        )
        self.attempts = Counter(
            "ttr_event_attempts",
            "Delivery attempts by result.",
            ("fate",),
            registry=self.registry,
        )
        self.attempt_seconds = Histogram(
            "ttr_event_attempt_seconds",
            "Duration of delivery attempts.",
            registry=self.registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 20),
        )
        self.pending = Gauge(
            "ttr_events_pending", "Events that wait for delivery.", registry=self.registry
        )
        self.oldest = Gauge(
            "ttr_events_oldest_seconds",
            "Age of the oldest event that waits for delivery.",
            registry=self.registry,
        )
        self.dead = Gauge(
            "ttr_events_dead",
            "Stored events whose delivery failed for good.",
            registry=self.registry,
        )
        # Looking up a label costs more than counting.
        self._counted = cache(self.requests.labels)
        self._timed = cache(self.seconds.labels)

    def answered(self, operation: str, status: int, seconds: float) -> None:
        """Count a response."""
        self._counted(operation, str(status)).inc()
        self._timed(operation).observe(seconds)

    def attempted(self, fate: str, seconds: float) -> None:
        """Count a delivery attempt."""
        self.attempts.labels(fate).inc()
        self.attempt_seconds.observe(seconds)

    def fill(self, depth: Depth) -> None:
        """Update the figures of the outbox."""
        self.pending.set(depth.pending)
        self.oldest.set(depth.oldest)
        self.dead.set(depth.dead)
