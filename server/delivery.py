"""Delivery: what is due in the outbox is sent, by any number of processes that share a database.

One thread turns: it says what came of attempts that ended and claims what is due, in one
transaction, and hands the claimed to threads that send. How many attempts an operator may have
under way begins small, doubles with each success and falls with each failure, and nobody takes more
than half of what is free: an address that does not answer delays its own operator alone. An attempt
is made outside any transaction; whoever dies during one leaves a claim that runs out.
"""

from __future__ import annotations

import logging
import random
import secrets
import threading
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from server import kept, outbox
from server.callbacks import Policy, event_url
from server.errors import Refused
from server.faults import fault_of
from server.posting import Poster
from server.retrying import Outcome, decide
from server.signing import headers, keys_of
from ttrules.book import shipped

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from server.config import Config
    from server.observe import Metrics
    from server.outbox import Claimed
    from server.store import Store

log = logging.getLogger(__name__)

#: Attempts under way at the same time: of all operators, and of one.
TOGETHER: Final = 64
_MOST: Final = 32
_FIRST: Final = 4
_FEWEST: Final = 2
#: How often the outbox is looked at when nothing says that there is anything, in seconds.
POLL: Final = 0.25
#: How often old events and old tickets are deleted, in seconds.
_PURGE: Final = 3_600.0
_DAY: Final = 86_400_000_000
#: How many tickets are deleted in one transaction.
_BATCH: Final = 200
#: How far two clocks may differ before one of them was set, in seconds.
_TOLERANCE: Final = 1.0


class Seen(NamedTuple):
    """The clock of events at some moment between two readings of a clock that is never set."""

    now: int
    before: float
    after: float

    def step_since(self, earlier: Seen) -> int:
        """Return by how many microseconds the clock was set meanwhile; 0 if it was not."""
        passed = (self.now - earlier.now) / 1_000_000
        least, most = self.before - earlier.after, self.after - earlier.before
        step = passed - min(max(passed, least), most)
        return round(step * 1_000_000) if abs(step) > _TOLERANCE else 0


class Delivery:
    """The deliveries of one process. `start` it, `wake` it when there is something, `stop` it."""

    def __init__(  # noqa: PLR0913 - what a test may put in the place of
        self,
        store: Store,
        config: Config,
        metrics: Metrics,
        *,
        master: bytes,
        poster: Poster | None = None,
        clock: Callable[[Connection], int] = outbox.clock,
        steady: Callable[[], float] = time.monotonic,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._master = master
        self._kept = config.events_kept
        self._tickets_kept = config.tickets_kept
        self._metrics = metrics
        self._poster = poster or Poster(
            Policy.of(config), deadline=config.event_deadline, authorities=config.callback_ca
        )
        self._clock = clock
        self._steady = steady
        self._seen: Seen | None = None
        self._dice = dice
        self._lease = config.event_lease
        self._deadline = config.event_deadline
        self._name = secrets.token_hex(8)
        self._senders = ThreadPoolExecutor(TOGETHER, "sender")
        self._under_way: Counter[str] = Counter()
        self._windows: dict[str, int] = {}
        self._ended: list[tuple[Claimed, Outcome | None]] = []
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._is_stopping = False
        #: Nobody else has an embedded database: whoever claimed something in it is gone.
        self._is_heir = store.is_embedded
        self._purged = time.monotonic()
        self._thread = threading.Thread(target=self._turned, name="delivery", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def wake(self) -> None:
        """Look at the outbox now. From any thread."""
        self._woken.set()

    def stop(self) -> None:
        """Claim nothing more, and return once attempts under way have ended and that is said."""
        self._is_stopping = True
        self.wake()
        if self._thread.is_alive():
            self._thread.join()
        self._senders.shutdown()
        self._poster.close()

    def _turned(self) -> None:
        while True:
            self._woken.clear()
            try:
                found = self.turn()
            except Exception as error:
                # The database cannot be used, which the store has logged; what was claimed runs
                # out, nothing is lost.
                if fault_of(error) is None and not isinstance(error, Refused):
                    log.exception("the outbox was not reached")
                if self._is_stopping and self._under_way.total() == len(self._ended):
                    return
                self._woken.wait(POLL)
                continue
            if self._is_stopping and not self._under_way.total() and not self._ended:
                return
            if not found:
                self._woken.wait(POLL)

    def turn(self) -> int:
        """Say what ended, claim what is due, send it; return how many attempts were begun."""
        with self._lock:
            ended, self._ended = self._ended, []
        # From before the claim: however long that takes, no attempt outlives it.
        until = time.monotonic() + self._lease - self._deadline
        try:
            fates, claimed, self._seen = self._store.submit(partial(self._job, ended)).result()
        except BaseException:
            with self._lock:
                self._ended = ended + self._ended
            raise
        self._is_heir = False
        for (each, outcome), fate in zip(ended, fates, strict=True):
            self._count_down(each, outcome)
            if outcome is not None:
                self._tell(each, outcome, fate)
        for each in claimed:
            self._under_way[each.to.operator] += 1
            self._senders.submit(self._attempt, each, until)
        return len(claimed)

    def _job(
        self, ended: list[tuple[Claimed, Outcome | None]], connection: Connection
    ) -> tuple[list[str], list[Claimed], Seen]:
        """Return what became of attempts that ended, what is claimed, and when. May run again."""
        before = self._steady()
        now = self._clock(connection)
        seen = Seen(now, before, self._steady())
        step = seen.step_since(self._seen or seen)
        if step or self._seen is None:  # it may have been set while nothing was delivered
            if step:
                log.warning("the clock was set", extra={"seconds": round(step / 1_000_000, 3)})
            outbox.follow(connection, now, step)
        if self._is_heir:
            outbox.release(connection)
        fates = self._settled(connection, now, ended)
        self._purge(connection, now)
        freed = Counter(each.to.operator for each, _ in ended)
        claimed = [] if self._is_stopping else self._claimed(connection, now, freed)
        return fates, claimed, seen

    def _settled(
        self, connection: Connection, now: int, ended: list[tuple[Claimed, Outcome | None]]
    ) -> list[str]:
        """Say what came of attempts; return it. Most have succeeded: those are said together."""
        made = {each.to.id for each, outcome in ended if outcome is not None}
        outbox.hold(connection, made)
        fates: dict[str, str] = {}
        arrived: defaultdict[int | None, list[Claimed]] = defaultdict(list)
        for each, outcome in ended:
            if outcome is None:
                outbox.give_back(connection, each)
                fates[each.lease] = "unmade"
                continue
            decision = decide(outcome, each.attempts, now=now, dice=self._dice())
            if decision.fate == "delivered":
                arrived[outcome.status].append(each)
                continue
            is_ours = outbox.settle(connection, each, outcome, decision, now)
            fates[each.lease] = decision.fate if is_ours else "lost"
        for status, several in arrived.items():
            ours = outbox.arrived(connection, several, status, now)
            for each in several:
                fates[each.lease] = "delivered" if each.number in ours else "lost"
        return [fates[each.lease] for each, _ in ended]

    def _claimed(self, connection: Connection, now: int, freed: Counter[str]) -> list[Claimed]:
        until = now + round(self._lease * 1_000_000)
        busy = self._under_way - freed
        free = TOGETHER - busy.total()
        claimed: list[Claimed] = []
        waiting = outbox.waited_for(connection, now) if free > 0 else []
        random.shuffle(waiting)
        for to in sorted(waiting, key=lambda each: busy[each.operator]):
            room = self._windows.get(to.operator, _FIRST) - busy[to.operator]
            most = min(room, max(1, free // 2), free)
            if most > 0:
                found = outbox.claim(connection, to, most, now=now, until=until, by=self._name)
                claimed += found
                free -= len(found)
        return claimed

    def _attempt(self, claimed: Claimed, until: float) -> None:
        """Make an attempt, in a thread of its own."""
        outcome: Outcome | None = None
        try:
            # After a long sleep of this process the claim may be somebody else's.
            if time.monotonic() < until:
                outcome = self._poster.post(
                    event_url(claimed.to.callback, claimed.name),
                    claimed.body,
                    self._headers(claimed),
                )
        except Exception as error:
            # Not given back: it would be tried again at once, and for ever.
            log.exception("an attempt failed", extra={"event": claimed.id})
            outcome = Outcome(error=type(error).__name__)
        finally:
            with self._lock:
                self._ended.append((claimed, outcome))
            self.wake()

    def _headers(self, claimed: Claimed) -> dict[str, str]:
        seconds = time.time()
        keys = keys_of(
            self._master,
            claimed.to.operator,
            version=claimed.to.version,
            since=claimed.to.since,
            now=round(seconds * 1_000_000),
        )
        return headers(claimed.id, int(seconds), claimed.body, keys)

    def _count_down(self, claimed: Claimed, outcome: Outcome | None) -> None:
        """Take an attempt off those under way, and learn how many its operator may have."""
        name = claimed.to.operator
        self._under_way[name] -= 1
        if not self._under_way[name]:
            del self._under_way[name]
        if outcome is not None:
            window = self._windows.get(name, _FIRST)
            self._windows[name] = min(2 * window, _MOST) if _has_arrived(outcome) else _FEWEST

    def _tell(self, claimed: Claimed, outcome: Outcome, fate: str) -> None:
        self._metrics.attempted(fate, outcome.seconds)
        log.log(
            logging.INFO if fate == "delivered" else logging.WARNING,
            "an event was sent",
            extra={
                "event": claimed.id,
                "event_name": claimed.name,
                "ticket": claimed.ticket,
                "operator": claimed.to.name,
                "attempt": claimed.attempts,
                "status": outcome.status,
                "error": outcome.error,
                "seconds": round(outcome.seconds, 3),
                "fate": fate,
            },
        )

    def _purge(self, connection: Connection, now: int) -> None:
        """Delete old events and old tickets, now and then, not too many in one transaction."""
        if time.monotonic() - self._purged < _PURGE:
            return
        outbox.purge(connection, now - self._kept * _DAY)
        before = now - self._tickets_kept * _DAY
        if not self._tickets_kept or kept.forget(connection, _final(), before, _BATCH) < _BATCH:
            self._purged = time.monotonic()


def _has_arrived(outcome: Outcome) -> bool:
    return outcome.status is not None and outcome.status // 100 == 2  # noqa: PLR2004 - 2xx


def _final() -> list[str]:
    """Return the statuses of tickets that do not move any more."""
    lifecycle = shipped().lifecycle
    assert lifecycle is not None, "tickets have statuses"
    return [status for status in lifecycle.moves if not lifecycle.followers(status)]
