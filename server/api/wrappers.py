"""Wrapped tickets: in a member, in an array with one item, or in a JSON string.

If a client sends an envelope or serializes twice, the findings name none of the members that it
sent. The hint says where the ticket is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from server.messages.en import sentence

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from ttrules.message import Message

#: How many nested wrappers are searched.
_MOST: Final = 4
_LONGEST_NAME: Final = 64


def wrapper_hint(body: object, members: AbstractSet[str]) -> Message | None:
    """Return a message about a body that wraps a ticket, or None.

    `members` are the members of a ticket.
    """
    if isinstance(body, str) and body.lstrip()[:1] in {"{", "["}:
        return sentence("json_string")
    if isinstance(body, list) and len(body) > 1:
        return sentence("one_object")
    place = ""
    for _ in range(_MOST):
        if isinstance(body, list) and len(body) == 1:
            name, body = "0", body[0]
        elif isinstance(body, dict) and len(body.keys() & members) <= 1:
            # Besides the wrapped ticket there may be strings and numbers, such as @type.
            inner = [(name, each) for name, each in body.items() if isinstance(each, dict | list)]
            if len(inner) != 1 or inner[0][0] in members:
                return None
            name, body = inner[0]
        else:
            return None
        place += "/" + name[:_LONGEST_NAME].replace("~", "~0").replace("/", "~1")
        if isinstance(body, dict) and _is_ticket(body, members):
            return sentence("wrapped", place=place)
    return None


def _is_ticket(body: dict[str, object], members: AbstractSet[str]) -> bool:
    """Return whether an object has two members of a ticket, or one and nothing else."""
    return len(body.keys() & members) >= min(2, len(body)) > 0
