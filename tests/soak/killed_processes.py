"""Real processes that are killed while they work.

A Site is a server on a database, the processes that deliver, a receiver that now and then answers
503, and clients that change tickets. Whoever is done with killing lets it `settle` and asks
`figures.judge` what came of it.
"""

from __future__ import annotations

import base64
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import requests

from server.config import read_config
from server.storage import operators
from server.storage.database import Database
from tests.soak.receiver import receiving
from tests.support.servers import BASE
from tests.support.tickets import complaint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.soak.receiver import Receiver

NAME: Final = "operator-a"
#: How long a claim holds here, and an attempt may take: a killed process is soon missed.
LEASE, DEADLINE = 3.0, 1.5
#: Whoever is killed has no coverage to tell of, and starts sooner without counting any.
_UNCOUNTED = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
#: How long anything may take on a machine that does other things too, in seconds.
PATIENCE: Final = 60.0
#: How many tickets are changed.
_TICKETS: Final = 24


class Process:
    """`python -m server` and a verb, in a process of its own, until it is killed.

    `around` is what runs it: a command that takes another one.
    """

    def __init__(
        self, verb: str, settings: dict[str, str], log: Path, around: Sequence[str] = ()
    ) -> None:
        with log.open("a") as errors:
            self._process = subprocess.Popen(
                [*around, sys.executable, "-m", "server", verb],
                env={**_UNCOUNTED, **settings},
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._is_within = bool(around)

    def await_ready(self) -> None:
        """Wait until it says that it works."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith(("Serving ", "Delivering ")), line

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """Kill it, as a machine does that runs out of memory; what runs it ends by itself.

        Nothing that is not killed may end.
        """
        if self._process.returncode is not None:
            return
        assert self._process.poll() is None, f"it ended with {self._process.returncode}"
        within = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        children = within.read_text("ascii").split() if self._is_within else []
        for each in children or [str(self._process.pid)]:
            os.kill(int(each), signal.SIGKILL)
        self._process.wait(PATIENCE)
        assert self._process.stdout is not None
        self._process.stdout.close()


class Site:
    """All that takes part. Made by `running`."""

    def __init__(
        self, database: str, settings: dict[str, str], secret: str, receiver: Receiver, log: Path
    ) -> None:
        self.database, self.receiver = database, receiver
        self.serving: Process | None = None
        self.dispatchers: list[Process] = []
        self.kills = 0
        #: Every change that was answered with a 2xx: the ticket and its version, and what it says.
        self.changed: dict[tuple[str, int], str] = {}
        #: How many changes were answered, whatever it was.
        self.answers = 0
        #: The answers that were neither a 2xx nor a lost connection, by status.
        self.failed: list[int] = []
        self.tickets: list[str] = []
        self.around: Sequence[str] = ()
        self._settings, self._log = settings, log
        self._root = f"http://127.0.0.1:{settings['TTR_PORT']}"
        self._auth = (NAME, secret)
        self._locals = threading.local()
        self._changes = threading.Condition()

    def start(self, verb: str) -> Process:
        """Start a process, and wait until it works."""
        process = Process(verb, self._settings, self._log, self.around)
        if verb == "serve":
            self.serving = process
        else:
            self.dispatchers.append(process)
        process.await_ready()
        return process

    def kill(self, process: Process | None) -> None:
        """Kill a process."""
        assert process is not None
        self.kills += 1
        process.kill()
        if process in self.dispatchers:
            self.dispatchers.remove(process)

    def end(self) -> None:
        """Kill whatever runs."""
        for each in [*self.dispatchers, *filter(None, [self.serving])]:
            each.kill()

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        """Send a request, over this thread's connections."""
        if not hasattr(self._locals, "session"):
            self._locals.session = requests.Session()
            self._locals.session.trust_env = False
        url = self._root + (path if path.startswith("/metrics") else BASE + path)
        answer: requests.Response = self._locals.session.request(
            method, url, auth=self._auth, timeout=PATIENCE, **more
        )
        return answer

    def subscribe(self) -> None:
        """Set the address; what waits is due at once then, whatever step it had reached."""
        assert self.ask("POST", "/hub", json={"callback": self.receiver.url}).status_code == 201

    def create(self, count: int) -> None:
        """Create tickets."""
        for _ in range(count):
            answer = self.ask("POST", "/troubleTicket", json=complaint())
            assert answer.status_code == 201, answer.text
            self.tickets.append(answer.json()["id"])

    def change(self, ticket: str, word: str) -> bool:
        """Change a ticket; say whether that was answered at all."""
        body = {"@type": "TroubleTicket", "description": word}
        try:
            answer = self.ask("PATCH", f"/troubleTicket/{ticket}", json=body)
        except requests.RequestException:
            return False
        with self._changes:
            self.answers += 1
            if answer.status_code == 200:
                self.changed[ticket, int(answer.headers["ETag"].strip('"'))] = word
            else:
                self.failed.append(answer.status_code)
            self._changes.notify_all()
        return True

    def change_is_made(self, word: str) -> bool:
        """Change a ticket; say whether that was answered with a 2xx."""
        known = len(self.failed)
        return self.change(self.tickets[0], word) and len(self.failed) == known

    def wait_for_changes(self, count: int) -> None:
        """Wait until so many changes have been answered with a 2xx."""
        with self._changes:
            assert self._changes.wait_for(lambda: len(self.changed) >= count, PATIENCE)

    def wait_for_answers(self, count: int) -> None:
        """Wait until so many changes have been answered, with whatever."""
        with self._changes:
            assert self._changes.wait_for(lambda: self.answers >= count, PATIENCE)

    def pending(self) -> int:
        """Return how many events wait, by the server's own numbers."""
        lines = self.ask("GET", "/metrics").text.splitlines()
        return int(
            float(next(each.split()[1] for each in lines if each.startswith("ttr_events_pending ")))
        )

    def settle(self) -> None:
        """Wait until nothing waits to be delivered; nothing is asked to be patient meanwhile."""
        left = PATIENCE
        while self.pending():
            self.subscribe()
            seen = len(self.receiver.arrivals)
            if not self.receiver.wait(lambda it, n=seen: len(it.arrivals) > n, 0.5):  # type: ignore[misc]  # n is one
                left -= 0.5
            assert left > 0, f"{self.pending()} events were not delivered"


@contextmanager
def running(
    database: str, folder: Path, *, dispatchers: int = 0, busy: float = 0.1, delay: float = 0.02
) -> Iterator[Site]:
    """Run all that takes part, until it is left; `busy` is how often the receiver answers 503."""
    store = Database(database)
    try:
        store.migrate()
        secret = store.open().submit(lambda c: operators.add(c, NAME, 0)).result()
    finally:
        store.close()
    settings = {
        "TTR_DATABASE_URL": database,
        "TTR_PORT": str(_free_port()),
        "TTR_LOG_LEVEL": "WARNING",
        "TTR_ALLOW_LOOPBACK_CALLBACKS": "1",
        "TTR_SIGNING_KEY": base64.b64encode(bytes(32)).decode(),
        "TTR_EVENT_LEASE": str(LEASE),
        "TTR_EVENT_DEADLINE": str(DEADLINE),
    }
    read_config(settings)
    chance = random.Random(621)
    with ExitStack() as stack:
        receiver = stack.enter_context(
            receiving(lambda _: 503 if chance.random() < busy else 201, delay)
        )
        site = Site(database, settings, secret, receiver, folder / "log")
        stack.callback(site.end)
        site.start("serve")
        for _ in range(dispatchers):
            site.start("deliver")
        site.subscribe()
        site.create(_TICKETS)
        yield site


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class Writers:
    """Clients that change tickets, as many changes as they are let, until it is left."""

    def __init__(self, site: Site, count: int) -> None:
        self._site = site
        self._is_over = False
        self._is_up = threading.Event()
        self._let = threading.Semaphore(0)
        self._threads = [
            threading.Thread(target=self._write, args=(number,)) for number in range(count)
        ]

    def __enter__(self) -> Self:
        self._is_up.set()
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Let what is under way end."""
        self._is_over = True
        self._is_up.set()
        self._let.release(len(self._threads))
        for each in self._threads:
            each.join()

    def let(self, changes: int) -> None:
        """Let so many changes more be made."""
        self._let.release(changes)

    def hold(self) -> None:
        """Let those whose connection is lost wait until it is said to go on."""
        self._is_up.clear()

    def go_on(self) -> None:
        """Say so."""
        self._is_up.set()

    def _write(self, number: int) -> None:
        chance = random.Random(number)
        turn = 0
        while self._let.acquire() and not self._is_over:
            is_answered = False
            while not is_answered:
                # Nobody knows whether a change that was not answered is made: another one follows.
                turn += 1
                ticket = chance.choice(self._site.tickets)
                is_answered = self._site.change(ticket, f"change {turn} of client {number}")
                if not is_answered:
                    self._is_up.wait(PATIENCE)
