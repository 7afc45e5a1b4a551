"""Rate limits: how many events a key may have per minute.

A key is any hashable value; for a client it contains the network of its address. Time is monotonic,
so setting the clock neither blocks a client nor admits it early. Memory is bounded: a limit stores
at most MAX_KEYS keys and drops the one whose last event is oldest.
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
#: The maximum number of keys of one limit.
MAX_KEYS: Final = 10_000
#: The length of the IPv6 prefix that counts as one client. One subscriber gets at least such a
#: prefix (RFC 6177), so rotating addresses within it has no effect.
_IPV6_PREFIX: Final = 64
#: An IPv6 address in brackets, or an IPv4 address with a port.
_WITH_PORT: Final = re.compile(r"\[(.*)\](?::[0-9]+)?|([0-9.]+):[0-9]+")


class RateLimit:
    """At most `limit` events of each key in a window of a minute that its first event opens."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        #: The end of the window of each key, and the number of events in it.
        self._windows: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def wait(self, key: Hashable) -> int:
        """Return the seconds until the key may have another event, rounded up; 0 means now."""
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

    An IPv4 address that is written as IPv6 (``::ffff:192.0.2.1``) counts as IPv4. A port
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
