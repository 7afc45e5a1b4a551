"""Cursors: a position in a list, as an opaque text that only fits the query it was made for.

A cursor has no secret in it and gives no access: whoever makes one sees what its offset would show.
Its digest covers the query's filters and order, so that one that was cut, changed or put into
another query is rejected, not misread.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import orjson

from server.errors import Refused
from server.schema import FILTERED
from server.sentences import Told

if TYPE_CHECKING:
    from server.ticket_query import Position, Query

_SIZE: Final = 9
#: A position that takes more is replaced by the id of its ticket.
_LONGEST: Final = 1_500
#: What SQLite and PostgreSQL take as a whole number.
_WHOLE: Final = 1 << 63


def cursor_of(query: Query, position: Position) -> str:
    """Return the cursor of a position in what a query lists."""
    text = orjson.dumps(position)
    if len(text) > _LONGEST:
        text = orjson.dumps(position[-1:])
    return urlsafe_b64encode(_digest(query, text) + text).rstrip(b"=").decode()


def position_of(query: Query, cursor: str) -> Position:
    """Return the position that a cursor has in what a query lists. Raises Refused(invalidQuery)."""
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        digest, text = raw[:_SIZE], raw[_SIZE:]
        if digest == _digest(query, text) and cursor == cursor.rstrip("="):
            position = tuple(orjson.loads(text))
            if len(position) == 1 or _fits(query, position):
                return position
    except (ValueError, TypeError):
        pass
    raise Refused("invalidQuery", Told("cursor"))


def _fits(query: Query, position: Position) -> bool:
    *values, number = position
    sorts = [FILTERED.get(member, "text") for member, _ in query.sorting]
    return (
        isinstance(number, str)
        and len(values) == len(sorts)
        and all(_is_value(sort, value) for sort, value in zip(sorts, values, strict=True))
    )


def _is_value(sort: str, value: Any) -> bool:  # noqa: ANN401 - any JSON value
    if value is None:
        return True
    if sort == "text":
        return isinstance(value, str)
    return type(value) is int and -_WHOLE <= value < _WHOLE


def _digest(query: Query, text: bytes) -> bytes:
    return blake2b(text, digest_size=_SIZE, key=b"cursor", salt=_folded(query)).digest()


def _folded(query: Query) -> bytes:
    return blake2b(query.meaning.encode("utf-8", "replace"), digest_size=16).digest()
