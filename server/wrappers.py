"""Tickets that are wrapped: in a member, in a list of one, or in a JSON string.

A client that serializes its own envelope, or serializes twice, gets findings that name none of the
members it sent. The hint says where its ticket is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from server.sentences import Told

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

#: How many wrappers around each other are looked into.
_MOST: Final = 4
_LONGEST_NAME: Final = 64


def wrapper_hint(body: object, members: AbstractSet[str]) -> Told | None:
    """Return what to say of a body that has a ticket inside it, None if it has none.

    `members` are those of a ticket.
    """
    if isinstance(body, str) and body.lstrip()[:1] in {"{", "["}:
        return Told("json_string")
    if isinstance(body, list) and len(body) > 1:
        return Told("one_ticket")
    place = ""
    for _ in range(_MOST):
        if isinstance(body, list) and len(body) == 1:
            name, body = "0", body[0]
        elif isinstance(body, dict) and len(body.keys() & members) <= 1:
            # Beside the wrapped ticket there may be texts and numbers, such as an @type.
            inner = [(name, each) for name, each in body.items() if isinstance(each, dict | list)]
            if len(inner) != 1 or inner[0][0] in members:
                return None
            name, body = inner[0]
        else:
            return None
        place += "/" + name[:_LONGEST_NAME].replace("~", "~0").replace("/", "~1")
        if isinstance(body, dict) and _is_ticket(body, members):
            return Told("wrapped", place=place)
    return None


def _is_ticket(body: dict[str, object], members: AbstractSet[str]) -> bool:
    """Return whether an object has two members of a ticket, or one and nothing else."""
    return len(body.keys() & members) >= min(2, len(body)) > 0
