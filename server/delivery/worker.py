"""Delivery: send the due events of the outbox, in any number of processes on one database.

One thread runs in turns: in one transaction it records the results of finished attempts and claims
due events, then it passes them to sender threads. The number of concurrent attempts of an operator
starts small, doubles with each success and falls with each failure, and no operator may use more
than half of the free places, so a callback that does not respond delays only its own operator. An
attempt is made outside any transaction; if its process dies, its lease expires.
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

from server.callback_address import Policy, event_url
from server.delivery.sender import EventSender
from server.delivery.signing import headers, keys_of
from server.problems import ApiError
from server.retry import Outcome, decide
from server.storage import outbox
from server.storage.faults import fault_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from server.config import Config
    from server.storage.database import Database
    from server.storage.outbox import Claimed
    from server.telemetry import Metrics

log = logging.getLogger(__name__)

#: The maximum number of concurrent attempts: of all operators, and of one.
TOGETHER: Final = 64
_MOST: Final = 32
_FIRST: Final = 4
_FEWEST: Final = 2
#: How often the outbox is polled, in seconds.
POLL: Final = 0.25
#: How often old events and old tickets are deleted, in seconds.
_PURGE: Final = 3_600.0
_DAY: Final = 86_400_000_000
#: How many tickets are deleted in one transaction.
_BATCH: Final = 200
#: How far two clocks may differ before one of them was set, in seconds.
_TOLERANCE: Final = 1.0


class Seen(NamedTuple):
    """A reading of the event clock, between two readings of a monotonic clock."""

    now: int
    before: float
    after: float

    def step_since(self, earlier: Seen) -> int:
        """Return by how many microseconds the clock was set since `earlier`; 0 if it was not."""
        passed = (self.now - earlier.now) / 1_000_000
        least, most = self.before - earlier.after, self.after - earlier.before
        step = passed - min(max(passed, least), most)
        return round(step * 1_000_000) if abs(step) > _TOLERANCE else 0


class Delivery:
    """The deliveries of one process. `start` it, `wake` it for new events, `stop` it."""

    def __init__(
        self,
        store: Database,
        config: Config,
        metrics: Metrics,
        *,
        master: bytes,
        poster: EventSender | None = None,
        clock: Callable[[Connection], int] = outbox.clock,
        steady: Callable[[], float] = time.monotonic,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._master = master
        self._kept = config.events_kept
        self._tickets_kept = config.tickets_kept
        self._metrics = metrics
        self._poster = poster or EventSender(
            Policy.of(config), deadline=config.event_deadline, authorities=config.callback_ca
        )
        self._clock = clock
        self._steady = steady
        self._seen: Seen | None = None
        self._dice = dice
        self._lease = config.event_lease
        self._deadline = config.event_deadline
        self._name = secrets.token_hex(8)
        profile = store.profile
        #: The path of each event, without its first slash.
        self._paths = {each.name: each.path[1:] for each in profile.events}
        self._final = () if profile.lifecycle is None else profile.lifecycle.final
        self._senders = ThreadPoolExecutor(TOGETHER, "sender")
        self._under_way: Counter[str] = Counter()
        self._windows: dict[str, int] = {}
        self._ended: list[tuple[Claimed, Outcome | None]] = []
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._is_stopping = False
        #: Only one process uses an embedded database, so earlier claims in it are obsolete.
        self._is_heir = store.is_embedded
        self._purged = time.monotonic()
        self._thread = threading.Thread(target=self._turned, name="delivery", daemon=True)

    def start(self) -> None:
        """Start to deliver."""
        self._thread.start()

    def wake(self) -> None:
        """Poll the outbox now. Thread-safe."""
        self._woken.set()

    def stop(self) -> None:
        """Stop claiming events; return when the running attempts have ended and are recorded."""
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
                # The database is unavailable, which is already logged. Leases expire, so no event
                # is lost.
                if fault_of(error) is None and not isinstance(error, ApiError):
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
        """Record finished attempts, claim and send due events; return how many were sent."""
        with self._lock:
            ended, self._ended = self._ended, []
        # Computed before the claim, so that no attempt outlives its lease.
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
                self._log(each, outcome, fate)
        for each in claimed:
            self._under_way[each.to.operator] += 1
            self._senders.submit(self._attempt, each, until)
        return len(claimed)

    def _job(
        self, ended: list[tuple[Claimed, Outcome | None]], connection: Connection
    ) -> tuple[list[str], list[Claimed], Seen]:
        """Return the fates of finished attempts, the claimed events and the time. May rerun."""
        before = self._steady()
        now = self._clock(connection)
        seen = Seen(now, before, self._steady())
        step = seen.step_since(self._seen or seen)
        if step or self._seen is None:  # it may have been set while no process delivered
            if step:
                log.warning("the clock was set", extra={"seconds": round(step / 1_000_000, 3)})
            outbox.correct_times(connection, now, step)
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
        """Record the results of attempts; return their fates. Successes are recorded together."""
        made = {each.to.id for each, outcome in ended if outcome is not None}
        outbox.lock_subscriptions(connection, made)
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
            ours = outbox.mark_delivered(connection, several, status, now)
            for each in several:
                fates[each.lease] = "delivered" if each.number in ours else "lost"
        return [fates[each.lease] for each, _ in ended]

    def _claimed(self, connection: Connection, now: int, freed: Counter[str]) -> list[Claimed]:
        until = now + round(self._lease * 1_000_000)
        busy = self._under_way - freed
        free = TOGETHER - busy.total()
        claimed: list[Claimed] = []
        waiting = outbox.subscriptions_with_due_events(connection, now) if free > 0 else []
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
        """Make an attempt, in a sender thread."""
        outcome: Outcome | None = None
        try:
            # After a long sleep of this process another one may have the claim.
            if time.monotonic() < until:
                outcome = self._poster.post(
                    event_url(claimed.to.callback, self._paths.get(claimed.name, claimed.name)),
                    claimed.body,
                    self._headers(claimed),
                )
        except Exception as error:
            # Not given back: it would be retried at once, endlessly.
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
        """Remove an attempt from the running ones, and adjust the limit of its operator."""
        name = claimed.to.operator
        self._under_way[name] -= 1
        if not self._under_way[name]:
            del self._under_way[name]
        if outcome is not None:
            window = self._windows.get(name, _FIRST)
            self._windows[name] = min(2 * window, _MOST) if _has_arrived(outcome) else _FEWEST

    def _log(self, claimed: Claimed, outcome: Outcome, fate: str) -> None:
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
        """Delete old events and tickets from time to time, a limited number per transaction."""
        if time.monotonic() - self._purged < _PURGE:
            return
        outbox.purge(connection, now - self._kept * _DAY)
        before = now - self._tickets_kept * _DAY
        if (
            not self._tickets_kept
            or self._store.rows.delete_old(connection, self._final, before, _BATCH) < _BATCH
        ):
            self._purged = time.monotonic()


def _has_arrived(outcome: Outcome) -> bool:
    return outcome.status is not None and outcome.status // 100 == 2  # noqa: PLR2004 - 2xx
