"""Processes: the listening socket, the shutdown timeout, and several workers on one socket.

The parent of several workers binds the socket and passes it to each worker. It handles no requests
itself. It waits for signals and for workers that end. A worker that ends is started again, after
a pause that doubles as long as workers end soon after their start. If a worker cannot serve at the
first start, all end. A worker whose parent is gone finishes its requests and ends.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

log = logging.getLogger(__name__)

#: How long a process may take to exit after its requests are finished, in seconds.
_CLOSING: Final = 5.0
#: How many connections the kernel accepts before the server does.
_BACKLOG: Final = 2_048
#: The exit code of a process that cannot start for a reason that the user can correct.
CANNOT_START: Final = 2
#: The pause before a worker is started again, in seconds: the first one, and the longest.
_PAUSES: Final = (0.5, 30.0)
#: A worker that ends within this time has ended soon after its start, in seconds.
_SOON: Final = 60.0
_STOPS: Final = frozenset({signal.SIGINT, signal.SIGTERM})
_HANDLED: Final = _STOPS | {signal.SIGHUP}


class CannotListen(Exception):
    """A process cannot listen on an address. `names` are the settings or options to change."""

    def __init__(self, names: str, host: str, port: int, why: str) -> None:
        super().__init__(names, host, port, why)
        self.names, self.host, self.port, self.why = names, host, port, why

    def __str__(self) -> str:
        """Return the message."""
        return f"Change {self.names}: cannot listen on {self.host}, port {self.port} ({self.why})."


@contextmanager
def listening_at(names: str, host: str, port: int) -> Iterator[None]:
    """Raise CannotListen if the operating system or the resolver rejects an address."""
    try:
        yield
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise CannotListen(names, host, port, why) from error


def open_listener(names: str, host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address or host name. Raises CannotListen."""
    with listening_at(names, host, port):
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(_BACKLOG)  # from now on the kernel queues connections
        except BaseException:
            listener.close()
            raise
        return listener


def end_within(seconds: float) -> None:
    """End this process after `seconds` and _CLOSING, if it is still running."""
    timer = threading.Timer(seconds + _CLOSING, _end_now)
    timer.daemon = True
    timer.start()


def _end_now() -> None:
    log.error("the process did not end in time, and is ended now")
    os._exit(1)


def stop_on_signals(stop: Callable[[], None], seconds: float) -> None:
    """Call `stop` on the first SIGINT or SIGTERM and limit the shutdown time.

    A second SIGINT ends the process at once.
    """
    is_stopping = False

    def handle(number: int, _: object) -> None:
        """Handle a signal."""
        nonlocal is_stopping
        if is_stopping and number == signal.SIGINT:
            os._exit(1)
        if not is_stopping:
            is_stopping = True
            end_within(seconds)
        stop()

    for number in _STOPS:
        signal.signal(number, handle)


def be_worker() -> None:
    """Set up a worker process: it leaves SIGINT to its parent, and ends when the parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the server handles it
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
    threading.Thread(target=_follow_parent, name="parent", daemon=True).start()


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        log.error("the parent process has ended, so this worker ends")
        os.kill(os.getpid(), signal.SIGTERM)


@dataclass(slots=True)
class _Worker:
    process: SpawnProcess
    #: The worker sends True through it when it accepts connections.
    ready: Connection
    begun: float
    is_ready: bool = False


class Workers:
    """Several processes that run `work` on one listener.

    `work` gets the listener and a connection, through which it sends True when it serves. `seconds`
    is how long requests in progress may take at the end.
    """

    def __init__(
        self,
        work: Callable[[socket.socket, Connection], None],
        listener: socket.socket,
        count: int,
        seconds: float,
    ) -> None:
        self._work = work
        self._listener = listener
        self._count = count
        self._seconds = seconds
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[_Worker] = []
        self._pause = 0.0
        self._resumes = 0.0
        self._deadline: float | None = None
        self._code = 0

    def run(self, announce: Callable[[], None]) -> int:
        """Run until stopped; return the exit code. `announce` is called when all workers serve."""
        signals, written = socket.socketpair()
        with signals, written:
            for end in (signals, written):
                end.settimeout(0)
            signal.set_wakeup_fd(written.fileno(), warn_on_full_buffer=False)
            for number in _HANDLED:
                signal.signal(number, lambda *_: None)  # the signal is read from the socket
            is_announced = False
            while self._deadline is None or self._workers:
                self._start_missing()
                wait(self._awaited(signals), self._timeout())
                self._read_signals(signals)
                self._look(is_first=not is_announced)
                if not is_announced and self._are_all_ready():
                    is_announced = True
                    announce()
            signal.set_wakeup_fd(-1)
        return self._code

    def _start_missing(self) -> None:
        if self._deadline is not None or time.monotonic() < self._resumes:
            return
        while len(self._workers) < self._count:
            ours, theirs = self._context.Pipe(duplex=False)
            process = self._context.Process(target=self._work, args=(self._listener, theirs))
            # Signals to the process group are blocked until the worker handles them.
            signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
            try:
                process.start()
            finally:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
            theirs.close()
            self._workers.append(_Worker(process, ours, time.monotonic()))
            log.info("a worker was started", extra={"worker": process.pid})

    def _awaited(self, signals: socket.socket) -> list[int | socket.socket | Connection]:
        return [
            signals,
            *(each.process.sentinel for each in self._workers),
            *(each.ready for each in self._workers if not each.is_ready),
        ]

    def _timeout(self) -> float | None:
        until = self._deadline
        if until is None:
            until = self._resumes if len(self._workers) < self._count else None
        return None if until is None else max(0.0, until - time.monotonic())

    def _read_signals(self, signals: socket.socket) -> None:
        try:
            numbers = signals.recv(4_096)
        except BlockingIOError:
            numbers = b""
        for number in numbers:
            if number == signal.SIGHUP:
                self._send(signal.SIGHUP)
            elif self._deadline is None and number in _STOPS:
                self._stop()
            elif number == signal.SIGINT:
                self._send(signal.SIGKILL)
                self._code = 1
        if self._deadline is not None and time.monotonic() >= self._deadline:
            log.error("workers did not end in time, and are ended now")
            self._send(signal.SIGKILL)
            self._code = 1

    def _stop(self, code: int = 0) -> None:
        self._code = code
        self._deadline = time.monotonic() + self._seconds + 2 * _CLOSING
        self._listener.close()
        self._send(signal.SIGTERM)

    def _send(self, number: signal.Signals) -> None:
        for each in self._workers:
            # The id of an ended process is not reused until it is joined.
            if each.process.is_alive() and each.process.pid is not None:
                os.kill(each.process.pid, number)

    def _look(self, *, is_first: bool) -> None:
        """Record which workers serve, and handle those that have ended."""
        for each in list(self._workers):
            if not each.is_ready and each.ready.poll():
                each.is_ready = _received(each.ready)
            if each.process.is_alive():
                continue
            self._workers.remove(each)
            each.ready.close()
            code = each.process.exitcode
            if self._deadline is None:
                log.error("a worker ended", extra={"worker": each.process.pid, "exit": code})
                if is_first:
                    self._stop(CANNOT_START if code == CANNOT_START else 1)
                else:
                    self._wait_before_restart(each)

    def _wait_before_restart(self, ended: _Worker) -> None:
        now = time.monotonic()
        first, longest = _PAUSES
        is_soon = now - ended.begun < _SOON
        self._pause = min(max(2 * self._pause, first), longest) if is_soon else 0.0
        self._resumes = now + self._pause

    def _are_all_ready(self) -> bool:
        return len(self._workers) == self._count and all(each.is_ready for each in self._workers)


def _received(ready: Connection) -> bool:
    """Return whether a worker reported that it serves; False if it ended before."""
    try:
        return bool(ready.recv())
    except EOFError:
        return False
