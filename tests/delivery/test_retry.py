"""What becomes of an event after each way an attempt can end, and when it is tried again."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from server.retry import GIVEN_UP, STEPS, Decision, Outcome, decide

#: A moment, in microseconds since 1970.
NOW = 1_800_000_000_000_000
SECOND = 1_000_000


def wait(outcome: Outcome, attempts: int, dice: float = 0.5) -> float:
    """Return how many seconds there are to the next attempt."""
    decision = decide(outcome, attempts, now=NOW, dice=dice)
    assert decision.fate == "again"
    return (decision.due - NOW) / SECOND


def http_date(seconds: float) -> str:
    """Return the moment in so many seconds as an HTTP-date."""
    return format_datetime(datetime.fromtimestamp(NOW / SECOND + seconds, UTC), usegmt=True)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 206, 299])
@pytest.mark.parametrize("attempts", [1, 10, 11])
def test_delivered(status: int, attempts: int) -> None:
    """Any 2xx says that the event was taken, whichever attempt it was."""
    outcome = Outcome(status, retry_after="100")
    assert decide(outcome, attempts, now=NOW, dice=1.0) == Decision("delivered")


@pytest.mark.parametrize("attempts", [1, 10])
def test_gone(attempts: int) -> None:
    """410 says that the address is gone, whichever attempt it was."""
    assert decide(Outcome(410), attempts, now=NOW, dice=0.0) == Decision("gone")


@pytest.mark.parametrize(
    "outcome",
    [
        *(Outcome(status) for status in (100, 199, 300, 301, 302, 304, 307, 308)),
        *(Outcome(status) for status in (400, 401, 403, 404, 409, 411, 418, 499, 500, 501, 599)),
        *(Outcome(error=word) for word in ("connection", "TLS", "protocol", "address not allowed")),
        Outcome(),
        # It is no 429 or 503, so that what it asks for is not heard.
        Outcome(500, retry_after="1000"),
    ],
)
def test_again(outcome: Outcome) -> None:
    """Whatever else is answered, or is not: the event is tried again after the next step."""
    assert [wait(outcome, attempts) for attempts in range(1, 10)] == list(STEPS[1:])
    assert decide(outcome, len(STEPS), now=NOW, dice=0.5) == Decision("dead")


@pytest.mark.parametrize(
    "outcome", [Outcome(429), Outcome(502), Outcome(503), Outcome(504), Outcome(error="timeout")]
)
@pytest.mark.parametrize("dice", [0.0, 0.5, 1.0])
def test_patience(outcome: Outcome, dice: float) -> None:
    """A receiver that is busy, or does not answer, is left alone for a minute at least."""
    assert wait(outcome, 1, dice) == 60
    assert wait(outcome, 2, dice) == pytest.approx(240 + 120 * dice)
    assert decide(outcome, len(STEPS), now=NOW, dice=dice) == Decision("dead")


def test_schedule() -> None:
    """Ten attempts over three days, each within a fifth of its step; then it is given up."""
    hours = 3_600
    assert (
        *(0, 5, 5 * 60, 30 * 60, 2 * hours, 5 * hours),
        *(10 * hours, 14 * hours, 20 * hours, 24 * hours),
    ) == STEPS
    for attempts, step in enumerate(STEPS[1:], 1):
        assert wait(Outcome(500), attempts, 0.0) == pytest.approx(0.8 * step)
        assert wait(Outcome(500), attempts, 1.0) == pytest.approx(1.2 * step)
    for attempts in (10, 11, 1_000):
        assert decide(Outcome(500), attempts, now=NOW, dice=0.5) == Decision("dead")
    assert 5 * 24 * hours * SECOND == GIVEN_UP


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("dice", [0.0, 1.0])
@pytest.mark.parametrize("as_date", [False, True])
@pytest.mark.parametrize(
    ("attempts", "asked", "expected"),
    [
        # The step of 5 s is a minute here, since the receiver asks for patience.
        *((1, asked, 60) for asked in (0, 1, 59, 60)),
        *((1, asked, asked) for asked in (61, 90, 120)),
        *((1, asked, 120) for asked in (121, 86_400, 999_999_999)),
        *((2, asked, 300) for asked in (0, 240, 300)),
        *((2, asked, asked) for asked in (301, 599, 600)),
        *((2, asked, 600) for asked in (601, 100_000_000)),
        (9, 10, 86_400),
        (9, 100_000, 100_000),
        (9, 200_000, 172_800),
    ],
)
def test_retry_after(
    status: int, dice: float, attempts: int, asked: int, expected: int, *, as_date: bool
) -> None:
    """Retry-After is heard, as seconds and as a date, between the step and twice the step."""
    text = http_date(asked) if as_date else str(asked)
    assert wait(Outcome(status, retry_after=text), attempts, dice) == expected


@pytest.mark.parametrize(
    "text",
    [
        http_date(-1_000_000),
        "Sun, 06 Nov 1994 08:49:37 GMT",
        # The two older ways to write a date are read too, and this one says no zone.
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Mon, 01 Jan 0001 00:00:00 +2359",
    ],
)
def test_past(text: str) -> None:
    """A moment that is over asks for no more than the step."""
    assert wait(Outcome(503, retry_after=text), 2) == 300


@pytest.mark.parametrize("text", ["Fri, 31 Dec 9999 23:59:59 GMT", "9" * 400, "0" * 20 + "7000"])
def test_far(text: str) -> None:
    """However much is asked for, it is twice the step."""
    assert wait(Outcome(503, retry_after=text), 2) == 600


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "soon", "-1", "+5", "1.5", "1e3", "NaN", "inf", "0x10", "\u0661", "1, 2", "\0"),
        *("Fri, 31 Dec 99999 23:59:59 GMT", "Fri, 32 Dec 2026 00:00:00 GMT", "GMT", ",,,,"),
        *("Fri, 31 Dec 2026 25:61:61 GMT", "1 Jan " + "9" * 400 + " 00:00:00", "x" * 60_000),
    ],
)
def test_garbage(text: str) -> None:
    """What is neither seconds nor a date is as if it were not there."""
    assert wait(Outcome(503, retry_after=text), 2) == wait(Outcome(503), 2) == 300


@pytest.mark.parametrize(
    "text",
    [
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "Mon, 01 Jan 0001 00:00:00 +2359",
        "Fri, 31 Dec 9999 23:59:59 -0000",
        "Fri, 31 Dec 2026 00:00:00 +9999",
        "Fri, 31 Dec 2026 00:00:00 +999999999999999999999",
    ],
)
def test_absurd(text: str) -> None:
    """A date at the end of all dates breaks nothing."""
    assert 300 <= wait(Outcome(503, retry_after=text), 2) <= 600


def test_no_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A date without a zone is in GMT, as every HTTP-date, wherever this machine is."""
    text = http_date(400).replace("GMT", "-0000")
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    try:
        assert wait(Outcome(503, retry_after=text), 2) == 400
    finally:
        monkeypatch.undo()
        time.tzset()
