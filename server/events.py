"""Which events a change of a ticket raises, and what each of them says.

The triggers, and the members that each event carries, are those of spec/lifecycle.yaml; the members
of the envelope those that the event's shape has in the document (TMF621 v4). Pure: the moment and
the identifiers are given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import parse_qsl

from server.errors import Refused
from server.sentences import Told, near
from server.wire import dumps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

#: What an event holds at most, in bytes; Standard Webhooks asks for less than 20 kB.
LARGEST: Final = 20_000
#: The parameter of a subscription's query, which chooses among the events.
CHOSEN_BY: Final = "eventType"


class Event(NamedTuple):
    """An event of one ticket: its identifier, its name, and the bytes that are sent."""

    id: str
    name: str
    body: bytes


class Events:
    """The events of a lifecycle. `shapes` are the document's components/schemas."""

    def __init__(self, lifecycle: Mapping[str, Any], shapes: Mapping[str, Any]) -> None:
        self._status = lifecycle["field"]
        self._triggers: Mapping[str, Mapping[str, Any]] = lifecycle["events"]
        self._carries: Mapping[str, list[str]] = lifecycle["carries"]
        self._always: list[str] = lifecycle["always"]
        self._members = {name: shapes[name]["properties"].keys() for name in self._triggers}
        self._titles = {name: shapes[name]["description"] for name in self._triggers}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all events."""
        return tuple(self._triggers)

    def raised(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[str]]:
        """Return the names of the events between two states of a ticket, and what each carries."""
        changed = [
            name
            for name in dict.fromkeys((*before, *after))
            if before.get(name) != after.get(name) or (name in before) is not (name in after)
        ]
        found: dict[str, list[str]] = {}
        if self._status in changed:
            for name, trigger in self._triggers.items():
                if trigger.get("any") or trigger.get("to") == after[self._status]:
                    found[name] = self._carries[name]
        told = {member for members in found.values() for member in members}
        others = [each for each in changed if each not in told and each not in self._always]
        for name, trigger in self._triggers.items():
            if trigger.get("other") and others:
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
        """Yield the events between two states of a ticket, in the order of the lifecycle's."""
        for name, members in self.raised(before, after).items():
            number = new_id()
            envelope = {
                "eventId": number,
                "eventTime": now,
                "eventType": name,
                "title": self._titles[name],
                "domain": "TroubleTicket",
                "timeOcurred": after.get("lastUpdate", now),
            }
            about = {"id": after["id"], "href": after["href"]}
            if "correlationId" in after:
                about["correlationId"] = after["correlationId"]
            if members is not self._carries.get(name):
                about["fieldPath"] = ",".join(members)
            known = self._members[name]
            envelope.update((key, value) for key, value in about.items() if key in known)
            yield Event(number, name, self._body(envelope, members, after))

    def _body(
        self, envelope: dict[str, Any], members: list[str], ticket: Mapping[str, Any]
    ) -> bytes:
        """Return an event as it is sent; members for which there is no room are left out."""
        always = {name: ticket[name] for name in self._always if name in ticket}
        carried = {name: _slim(ticket[name]) for name in members if name in ticket}
        while True:
            event = {**envelope, "event": {"troubleTicket": {**always, **carried}}}
            body = dumps(event)
            if len(body) < LARGEST or not carried:
                return body
            del carried[max(carried, key=lambda name: len(dumps(carried[name])))]

    def wanted(self, query: str | None) -> frozenset[str]:
        """Return the names of the events that a subscription's query asks for.

        Raises Refused(invalidBody) that says what is wrong with it.
        """
        if query is None or query in {"", "?"}:
            return frozenset(self.names)
        pairs = parse_qsl(query.removeprefix("?"), keep_blank_values=True)
        if not pairs or any(key != CHOSEN_BY for key, _ in pairs):
            raise Refused("invalidBody", Told("query", name=CHOSEN_BY))
        chosen = [name.strip() for _, value in pairs for name in value.split(",")]
        for name in chosen:
            if name not in self._triggers:
                raise Refused("invalidBody", Told("event", near=near(name, self.names)))
        return frozenset(chosen)

    def heard(self, query: str | None) -> frozenset[str]:
        """Return the names of the events that a query asks for which was stored.

        An earlier release has stored queries as they came; one that is none asks for all.
        """
        try:
            return self.wanted(query)
        except Refused:
            return frozenset(self.names)


def _slim(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return a member without what never travels: the contents of attachments."""
    if isinstance(value, list):
        return [
            {name: each for name, each in item.items() if name != "content"}
            if isinstance(item, dict)
            else item
            for item in value
        ]
    return value
