"""The events that a change of a ticket raises, and their bodies.

The triggers and the ticket members of each event come from spec/lifecycle.yaml. The members of the
envelope are those of the event's schema in the document (TMF621 v4). Pure: the caller passes the
time and the ids.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from server.api.http import dumps
from server.messages.en import near, sentence
from server.problems import ApiError
from server.storage.outbox import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

#: The maximum size of an event in bytes; Standard Webhooks recommends less than 20 kB.
LARGEST: Final = 20_000
#: The parameter of a subscription's query that selects events.
CHOSEN_BY: Final = "eventType"


class Events:
    """The events of a lifecycle. `shapes` are the components/schemas of the document."""

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
        """Return the events between two states of a ticket: the members of each, by name."""
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
        reported = {member for members in found.values() for member in members}
        others = [each for each in changed if each not in reported and each not in self._always]
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
        """Yield the events between two states of a ticket, in the order of the lifecycle."""
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
        """Return the body of an event; members that exceed the size limit are omitted."""
        always = {name: ticket[name] for name in self._always if name in ticket}
        carried = {name: _slim(ticket[name]) for name in members if name in ticket}
        while True:
            event = {**envelope, "event": {"troubleTicket": {**always, **carried}}}
            body = dumps(event)
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
            if name not in self._triggers:
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


def _slim(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return a member without the contents of attachments, which events never contain."""
    if isinstance(value, list):
        return [
            {name: each for name, each in item.items() if name != "content"}
            if isinstance(item, dict)
            else item
            for item in value
        ]
    return value
