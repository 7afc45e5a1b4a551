"""The events that a change of a ticket raises, and their bodies.

The profile says which events exist, what raises each of them, what it carries and what its envelope
is. Pure: the caller passes the time and the ids.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from server.api.http import dumps
from server.messages.en import near, sentence
from server.problems import ApiError
from server.storage.outbox import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from server.profile.model import EventType, Profile

#: The maximum size of an event in bytes; Standard Webhooks recommends less than 20 kB.
LARGEST: Final = 20_000
#: The parameter of a subscription's query that selects events.
CHOSEN_BY: Final = "eventType"


class Events:
    """The events of a profile."""

    def __init__(self, profile: Profile) -> None:
        cycle = profile.lifecycle
        self._status = None if cycle is None else cycle.field
        self._types = {each.name: each for each in profile.events}
        self._always = profile.always
        self._of = {
            trigger: [each for each in profile.events if each.trigger.get(trigger)]
            for trigger in ("created", "deleted")
        }
        self._outside = profile.resource.outside
        self._root = profile.resource.root

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all events."""
        return tuple(self._types)

    def raised(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[str]]:
        """Return the events between two states of a ticket: the members of each, by name."""
        changed = [
            name
            for name in dict.fromkeys((*before, *after))
            if before.get(name) != after.get(name) or (name in before) is not (name in after)
        ]
        found: dict[str, list[str]] = {}
        if self._status in changed:
            for each in self._types.values():
                is_raised = each.trigger.get("any") or each.trigger.get("to") == after[self._status]
                if is_raised and each.carries is not None:
                    found[each.name] = [*each.carries]
        reported = {member for members in found.values() for member in members}
        others = [each for each in changed if each not in reported and each not in self._always]
        for name, each in self._types.items():
            if each.trigger.get("other") and others:
                found[name] = others
        return found

    def between(
        self,
        before: Mapping[str, Any],
        after: Mapping[str, Any],
        *,
        now: str,
        new_id: Callable[[], str],
    ) -> Iterator[Event]:
        """Yield the events between two states of a ticket, in the order of the lifecycle."""
        for name, members in self.raised(before, after).items():
            yield self._event(self._types[name], members, after, now, new_id())

    def of(
        self, trigger: str, ticket: Mapping[str, Any], *, now: str, new_id: Callable[[], str]
    ) -> Iterator[Event]:
        """Yield the events of a ticket that is created or deleted, as `trigger` says."""
        for each in self._of[trigger]:
            yield self._event(each, each.carries or (), ticket, now, new_id())

    def _event(
        self,
        kind: EventType,
        members: Sequence[str],
        ticket: Mapping[str, Any],
        now: str,
        number: str,
    ) -> Event:
        values = {
            "identifier": number,
            "raised": now,
            "changed": now,
            "name": kind.name,
            "title": kind.title,
            "entity": self._root,
        }
        if kind.carries is None:
            values["fields"] = ",".join(members)
        envelope: dict[str, Any] = {}
        for member, source in kind.envelope:
            value = ticket.get(source[1:]) if source[0] == "/" else values.get(source)
            if value is not None:
                envelope[member] = value
        return Event(number, kind.name, self._body(kind, envelope, members, ticket))

    def _body(
        self,
        kind: EventType,
        envelope: dict[str, Any],
        members: Iterable[str],
        ticket: Mapping[str, Any],
    ) -> bytes:
        """Return the body of an event; members that exceed the size limit are omitted."""
        always = {name: ticket[name] for name in self._always if name in ticket}
        shown = {name: self._outside(name, ticket[name]) for name in members if name in ticket}
        carried = {name: value for name, value in shown.items() if value is not None}
        while True:
            event: dict[str, Any] = {**always, **carried}
            for name in reversed(kind.resource):
                event = {name: event}
            body = dumps({**envelope, **event})
            if len(body) < LARGEST or not carried:
                return body
            del carried[max(carried, key=lambda name: len(dumps(carried[name])))]

    def wanted(self, query: str | None) -> frozenset[str]:
        """Return the names of the events that a subscription's query selects.

        Raises ApiError(invalidBody) for an invalid query.
        """
        if query is None or query in {"", "?"}:
            return frozenset(self.names)
        pairs = parse_qsl(query.removeprefix("?"), keep_blank_values=True)
        if not pairs or any(key != CHOSEN_BY for key, _ in pairs):
            raise ApiError("invalidBody", sentence("query", name=CHOSEN_BY))
        chosen = [name.strip() for _, value in pairs for name in value.split(",")]
        for name in chosen:
            if name not in self._types:
                raise ApiError("invalidBody", sentence("event", near=near(name, self.names)))
        return frozenset(chosen)

    def heard(self, query: str | None) -> frozenset[str]:
        """Return the names of the events that a stored query selects.

        An earlier release stored queries without validation; an invalid one selects all events.
        """
        try:
            return self.wanted(query)
        except ApiError:
            return frozenset(self.names)
