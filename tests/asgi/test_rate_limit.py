"""Rate limits: the number of events, the time to wait, whose they are, and the memory they take."""

from __future__ import annotations

import pytest

from server.rate_limit import MAX_KEYS, WINDOW, RateLimit, network_of


class Clock:
    """A monotonic clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def test_window() -> None:
    """A key may have its limit in a minute; then it waits for the rest of it, and starts anew."""
    clock = Clock()
    limit = RateLimit(3, clock)
    for _ in range(3):
        assert limit.wait("a") == 0
        limit.add("a")
        clock.now += 10
    assert limit.wait("a") == 30
    assert limit.wait("b") == 0
    clock.now += 29.5
    assert limit.wait("a") == 1
    clock.now += 0.5
    assert limit.wait("a") == 0
    limit.add("a")
    limit.add("a")
    assert limit.wait("a") == 0
    limit.add("a")
    assert limit.wait("a") == WINDOW


def test_wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wall clock that is set back or forward changes nothing: a wait is a minute at most."""
    limit = RateLimit(1)
    limit.add("a")
    for now in (0.0, 4e9):
        monkeypatch.setattr("time.time", lambda now=now: now)
        monkeypatch.setattr("time.time_ns", lambda now=now: int(now * 1e9))
        assert 0 < limit.wait("a") <= WINDOW
        assert limit.wait("b") == 0


def test_memory() -> None:
    """A limit keeps a bounded number of keys, and forgets the one that was used least recently."""
    limit = RateLimit(1)
    limit.add("first")
    limit.add("second")
    limit.add("first")
    for number in range(MAX_KEYS - 1):
        limit.add(number)
    assert len(limit._windows) == MAX_KEYS
    assert (limit.wait("first"), limit.wait("second")) == (WINDOW, 0)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:5678", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::1]:5678", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::1]", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", ""),
        ("unix:", "unix:"),
        ("[x]:1", "[x]:1"),
        ("1.2.3:4", "1.2.3:4"),
    ],
)
def test_networks(address: str, network: str) -> None:
    """One client is an IPv4 address or a /64 of IPv6; other texts stand for themselves."""
    assert network_of(address) == network
