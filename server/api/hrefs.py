"""The URLs of tickets: computed for each response and each event, never stored.

A URL consists of the path prefix of the server, the base path of the operators' API and the id of
the ticket, also in responses to the provider. A stored document begins with the id. If an earlier
release stored a URL after the id, it is replaced.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import orjson

#: The beginning of a stored document.
_STORED: Final = re.compile(rb'\{"id":"([^"\\]*)"(?:,"href":"[^"\\]*")?')
#: The prefixes that TTR_PATH_PREFIX may have.
_PREFIX: Final = re.compile(r"(?:/[\w.~-]+)*")


class Hrefs:
    """The URLs of the tickets of a server: `prefix`, then the base path `base`."""

    def __init__(self, prefix: str, base: str) -> None:
        self._path = f"{base}/troubleTicket/"
        self._prefix = prefix

    def of(self, number: str) -> str:
        """Return the URL of a ticket."""
        return self._prefix + self._path + number

    def added(self, text: bytes) -> bytes:
        """Return a stored document with the URL of its ticket."""
        found = _STORED.match(text)
        if found is None:  # not written by this server, for example by a script
            ticket = json.loads(text)
            rest = {name: value for name, value in ticket.items() if name not in {"id", "href"}}
            return orjson.dumps({"id": ticket["id"], "href": self.of(ticket["id"]), **rest})
        number = found[1]
        href = self.of(number.decode()).encode()
        return b'{"id":"%b","href":"%b"%b' % (number, href, text[found.end() :])

    def as_sent(self, number: str, patch: Any) -> str:  # noqa: ANN401 - any JSON value
        """Return the URL of a ticket with the prefix that a patch uses.

        A patch may contain any URL that a response had, also with an earlier prefix. Any other URL
        is not returned, so that it counts as a change.
        """
        sent: list[Any] = [patch.get("href")] if isinstance(patch, dict) else []
        if isinstance(patch, list):
            steps = (each for each in patch if isinstance(each, dict))
            sent = [each.get("value") for each in steps if each.get("path") == "/href"]
        own = self._path + number
        for href in sent:
            is_own = isinstance(href, str) and href.endswith(own)
            if is_own and _PREFIX.fullmatch(href[: -len(own)]):
                return str(href)
        return self.of(number)
