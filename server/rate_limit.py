"""Rate limits: how many events a key may have within a minute.

A key is any hashable value; for a client it contains the network of its address. Time is monotonic,
so that a clock that is set back or forward neither locks a client out nor lets it in early. Memory
is bounded: a limit keeps at most MAX_KEYS keys and forgets the one whose last event is the oldest.
"""

from __future__ import annotations

import ipaddress
import re
import time
from collections import OrderedDict
from functools import lru_cache
from math import ceil
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

#: The length of the window, in seconds.
WINDOW: Final = 60.0
#: The number of keys that one limit keeps.
MAX_KEYS: Final = 10_000
#: The length of the IPv6 prefix that counts as one client: what one subscriber is assigned at least
#: (RFC 6177), so that rotating addresses within it gains nothing.
_IPV6_PREFIX: Final = 64
#: An IPv6 address in brackets, or an IPv4 address with a port.
_WITH_PORT: Final = re.compile(r"\[(.*)\](?::[0-9]+)?|([0-9.]+):[0-9]+")


class RateLimit:
    """At most `limit` events for each key in a window of a minute, which its first event opens."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        #: The end of the window of each key, and the number of events in it.
        self._windows: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def wait(self, key: Hashable) -> int:
        """Return after how many whole seconds the key may have another event; 0 means now."""
        end, count = self._windows.get(key, (0.0, 0))
        return max(0, ceil(end - self._clock())) if count >= self._limit else 0

    def add(self, key: Hashable) -> None:
        """Count an event of a key."""
        now = self._clock()
        end, count = self._windows.pop(key, (0.0, 0))
        self._windows[key] = (end, count + 1) if now < end else (now + WINDOW, 1)
        if len(self._windows) > MAX_KEYS:
            self._windows.popitem(last=False)


@lru_cache(maxsize=1_024)
def network_of(address: str) -> str:
    """Return the network that counts as one client: an IPv4 address, or the /64 of an IPv6 one.

    An IPv4 address that is written as IPv6 (``::ffff:192.0.2.1``) is the IPv4 address. A port
    that a proxy has added is ignored. Any other text is returned unchanged.
    """
    with_port = _WITH_PORT.fullmatch(address)
    try:
        found = ipaddress.ip_address(with_port[1] or with_port[2] if with_port else address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is None:
            # The scope (``fe80::1%eth0``) is not a part of the network.
            return str(ipaddress.IPv6Network((int(found), _IPV6_PREFIX), strict=False))
        found = found.ipv4_mapped
    return str(found)
