"""The URLs of tickets: computed for each response and each event, never stored.

A URL consists of the path prefix of the server, the path of tickets in the operators' API and the
id of the ticket, also in responses to the provider. A stored document begins with the id. If an
earlier release stored a URL after the id, it is replaced. A profile need not have a member for it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import orjson

from server.validation import to_json
from ttrules.pointers import pointer

if TYPE_CHECKING:
    from server.profile.model import Profile

#: The prefixes that TTR_PATH_PREFIX may have.
_PREFIX: Final = re.compile(r"(?:/[\w.~-]+)*")


class Hrefs:
    """The URLs of the tickets of a server, below the path `prefix`."""

    def __init__(self, prefix: str, profile: Profile) -> None:
        self._path = f"{profile.operator.base}{profile.resource_path}/"
        self._prefix = prefix
        self._id, self._url = profile.resource.identifier, profile.resource.url
        name, url = (orjson.dumps(each or "") for each in (self._id, self._url))
        # The beginning of a stored document.
        self._stored = re.compile(
            rb'\{%b:"([^"\\]*)"(?:,%b:"[^"\\]*")?' % (re.escape(name), re.escape(url))
        )
        self._begins = b'{%b:"%%b",%b:"%%b"%%b' % tuple(
            each.replace(b"%", b"%%") for each in (name, url)
        )

    def of(self, number: str) -> str:
        """Return the URL of a ticket."""
        return self._prefix + self._path + number

    def added(self, text: bytes) -> bytes:
        """Return a stored document with the URL of its ticket, if tickets have a member for it."""
        if self._url is None:
            return text
        found = self._stored.match(text)
        if found is None:  # not written by this server, for example by a script
            ticket = json.loads(text)
            own = {self._id: ticket[self._id], self._url: self.of(ticket[self._id])}
            return to_json({**own, **{k: v for k, v in ticket.items() if k not in own}})
        number = found[1]
        return self._begins % (number, self.of(number.decode()).encode(), text[found.end() :])

    def as_sent(self, number: str, patch: Any) -> str:
        """Return the URL of a ticket with the prefix that a patch uses.

        A patch may contain any URL that a response had, also with an earlier prefix. Any other URL
        is not returned, so that it counts as a change.
        """
        sent: list[Any] = [patch.get(self._url)] if isinstance(patch, dict) else []
        if isinstance(patch, list):
            steps, place = (e for e in patch if isinstance(e, dict)), pointer((self._url or "",))
            sent = [each.get("value") for each in steps if each.get("path") == place]
        own = self._path + number
        for href in sent:
            is_own = isinstance(href, str) and href.endswith(own)
            if is_own and _PREFIX.fullmatch(href[: -len(own)]):
                return str(href)
        return self.of(number)
