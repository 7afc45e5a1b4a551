"""What happens to an event after a delivery attempt: a table of waits, and a decision.

The steps are those that Standard Webhooks 1.0.0 recommends, about 75 hours in total. Pure: the
caller passes the random number.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, Literal, NamedTuple, TypeAlias

_SECOND: Final = 1_000_000
#: The wait before each attempt in seconds; the first is made at once.
STEPS: Final = (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
#: The random variation of a step, so that retries do not coincide.
JITTER: Final = 0.2
#: The minimum wait in seconds if a receiver is overloaded or does not respond.
PATIENCE: Final = 60
#: The time without a success after which a callback is disabled, in microseconds.
GIVEN_UP: Final = 5 * 86_400 * _SECOND
_GONE: Final = 410
_BUSY: Final = frozenset({429, 502, 503, 504})
_LATER: Final = frozenset({429, 503})

#: The fate of the event: delivered, retried, not retried, or its callback is gone.
Fate: TypeAlias = Literal["delivered", "again", "dead", "gone"]


class Outcome(NamedTuple):
    """The result of an attempt: the HTTP status, or the reason why there is none.

    `retry_after` is the header of that name, `seconds` the duration.
    """

    status: int | None = None
    error: str | None = None
    retry_after: str | None = None
    seconds: float = 0.0


class Decision(NamedTuple):
    """The fate of the event, and when the next attempt may begin, in microseconds."""

    fate: Fate
    due: int = 0


def decide(outcome: Outcome, attempts: int, *, now: int, dice: float) -> Decision:
    """Return the fate of an event after its `attempts`-th attempt.

    `now` is in microseconds since 1970, `dice` is a random number from 0 to 1.
    """
    status = outcome.status
    if status is not None and 200 <= status < 300:  # noqa: PLR2004 - RFC 9110, section 15.3
        return Decision("delivered")
    if status == _GONE:
        return Decision("gone")
    if attempts >= len(STEPS):
        return Decision("dead")
    step = float(STEPS[attempts])
    wait = step * (1 - JITTER + 2 * JITTER * dice)
    if status in _BUSY or outcome.error == "timeout":
        step, wait = max(step, PATIENCE), max(wait, PATIENCE)
    if status in _LATER and (requested := _retry_after(outcome.retry_after, now)) is not None:
        wait = min(max(requested, step), 2 * step)
    return Decision("again", now + round(wait * _SECOND))


def longest(attempts: int) -> int:
    """Return the longest wait that `decide` returns after `attempts` attempts, in microseconds."""
    return 2 * max(STEPS[attempts], PATIENCE) * _SECOND


def _retry_after(value: str | None, now: int) -> float | None:
    """Return the seconds of a Retry-After header (RFC 9110, section 10.2.3)."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:  # an HTTP-date is in GMT
            moment = moment.replace(tzinfo=UTC)
        return (moment - datetime.fromtimestamp(now / _SECOND, UTC)).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return None
