"""Cursors: a position in a list as an opaque text that is valid for one query only.

A cursor contains no secret and gives no access: a forged cursor shows the same tickets as an
offset. Its digest covers the filters and the order of the query. A cursor that was cut, changed or
used in another query is therefore rejected.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import orjson

from server.messages.en import sentence
from server.problems import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.profile.model import Sort
    from server.storage.ticket_query import Position, Query

_SIZE: Final = 9
#: A longer position is replaced by the id of its ticket.
_LONGEST: Final = 1_500
#: The bound of integers in SQLite and PostgreSQL.
_WHOLE: Final = 1 << 63


def cursor_of(query: Query, position: Position) -> str:
    """Return the cursor of a position in the list of a query."""
    text = orjson.dumps(position)
    if len(text) > _LONGEST:
        text = orjson.dumps(position[-1:])
    return urlsafe_b64encode(_digest(query, text) + text).rstrip(b"=").decode()


def position_of(query: Query, cursor: str, sorts: Mapping[str, Sort]) -> Position:
    """Return the position of a cursor in the list of a query. Raises ApiError(invalidQuery).

    `sorts` says how the values of each member compare.
    """
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        digest, text = raw[:_SIZE], raw[_SIZE:]
        if digest == _digest(query, text) and cursor == cursor.rstrip("="):
            position = tuple(orjson.loads(text))
            if len(position) == 1 or _fits(query, position, sorts):
                return position
    except (ValueError, TypeError):
        pass
    raise ApiError("invalidQuery", sentence("cursor"))


def _fits(query: Query, position: Position, sorts: Mapping[str, Sort]) -> bool:
    *values, number = position
    wanted = [sorts[member] for member, _ in query.sorting]
    return (
        isinstance(number, str)
        and len(values) == len(wanted)
        and all(_is_value(sort, value) for sort, value in zip(wanted, values, strict=True))
    )


def _is_value(sort: str, value: Any) -> bool:
    if value is None:
        return True
    if sort == "text":
        return isinstance(value, str)
    if sort == "decimal":
        return type(value) in {int, float}
    return type(value) is int and -_WHOLE <= value < _WHOLE


def _digest(query: Query, text: bytes) -> bytes:
    return blake2b(text, digest_size=_SIZE, key=b"cursor", salt=_folded(query)).digest()


def _folded(query: Query) -> bytes:
    return blake2b(query.meaning.encode("utf-8", "replace"), digest_size=16).digest()
