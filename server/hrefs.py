"""The addresses of tickets: computed for each answer and each event, and never stored.

An address is the path prefix of the server, the operators' base path and the ticket's id, on the
provider's side too. A stored document begins with the id; one that an earlier release stored has an
address after it, which is replaced.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import orjson

#: How a stored document begins.
_STORED: Final = re.compile(rb'\{"id":"([^"\\]*)"(?:,"href":"[^"\\]*")?')
#: What a proxy may take off a path, as TTR_PATH_PREFIX takes it.
_PREFIX: Final = re.compile(r"(?:/[\w.~-]+)*")


class Hrefs:
    """The addresses of the tickets of a server: behind `prefix`, below the base path `base`."""

    def __init__(self, prefix: str, base: str) -> None:
        self._path = f"{base}/troubleTicket/"
        self._prefix = prefix

    def of(self, number: str) -> str:
        """Return the address of a ticket."""
        return self._prefix + self._path + number

    def added(self, text: bytes) -> bytes:
        """Return a stored document with the address of its ticket."""
        found = _STORED.match(text)
        if found is None:  # as another program spells it
            ticket = json.loads(text)
            rest = {name: value for name, value in ticket.items() if name not in {"id", "href"}}
            return orjson.dumps({"id": ticket["id"], "href": self.of(ticket["id"]), **rest})
        number = found[1]
        href = self.of(number.decode()).encode()
        return b'{"id":"%b","href":"%b"%b' % (number, href, text[found.end() :])

    def as_sent(self, number: str, patch: Any) -> str:  # noqa: ANN401 - any JSON value
        """Return the address of a ticket, spelled as a patch spells it.

        A patch may contain any address that the ticket was answered with: the prefix may have been
        another one then. Another address is not returned, and so differs from the ticket's.
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
