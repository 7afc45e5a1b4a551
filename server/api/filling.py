"""The members that the server fills in: identifiers, URLs, times and defaults.

The profile says which member gets what, and when (Filling). A member that the sender has set in the
same request is never overwritten. Pure: the caller passes the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.profile.model import Filling, With

    Object: TypeAlias = dict[str, Any]


def created(filling: Filling, sent: Object, *, number: str, url: str, now: str) -> Object:
    """Return a new resource: the sent members and those that are filled in, the id first."""
    filled: Object = {}
    for name, source in filling.create:
        if source == "identifier":
            filled = {name: number, **filled}
        elif source == "url":
            filled[name] = url
    filled |= with_items(filling, sent, {}, now)
    for name, source in filling.create:
        if name not in filled:
            filled[name] = now if source == "now" else filling.defaults[name]
    return filled


def changed(
    filling: Filling, before: Object, after: Object, *, status: str | None, now: str
) -> None:
    """Fill in, in place, what a change of a resource fills in; `status` is the status member."""
    wanted: list[tuple[str, With]] = []
    if status is not None and after.get(status) != before.get(status):
        wanted += filling.status_change
        wanted += filling.statuses.get(after.get(status, ""), ())
    for name, source in (*wanted, *filling.change):
        if after.get(name) == before.get(name):
            after[name] = _value(filling, name, source, now)


def with_items(filling: Filling, sent: Object, before: Mapping[str, Any], now: str) -> Object:
    """Return an object whose new items and inner objects have what they are filled with.

    `before` is the stored object; what is in it is not new.
    """
    made = dict(sent)
    for name, inner in filling.below.items():
        value, known = sent.get(name), before.get(name)
        if isinstance(value, list):
            stored = known if isinstance(known, list) else []
            made[name] = [_item(inner, each, stored, now) for each in value]
        elif value is not None and value != known:
            made[name] = _item(inner, value, [] if known is None else [known], now)
    return made


def _item(filling: Filling, item: Any, stored: list[Any], now: str) -> Any:
    """Return an item with its server-filled members, unless it is a stored item."""
    if not isinstance(item, dict):
        return item
    is_whole = not filling.below and all(map(item.__contains__, filling.names))
    if is_whole or item in stored:
        return item
    made = {}
    for name, source in filling.create:
        if source == "identifier":  # it comes first
            made[name] = item[name] if name in item else str(uuid4())
    made.update(with_items(filling, item, {}, now) if filling.below else item)
    for name, source in filling.create:
        if name not in made:
            made[name] = now if source == "now" else filling.defaults[name]
    return made


def _value(filling: Filling, name: str, source: With, now: str) -> Any:
    return now if source == "now" else filling.defaults[name]
