"""Received events: verify, validate and remember them, and render them for the terminal.

An event is checked as any receiver would check it: first its signature over the received bytes,
then its schema in the document. The listener remembers earlier events while it runs, so that it can
mark a repeat and show the previous status of a ticket.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import jsonschema_rs

from server.api.json_body import loads
from server.delivery.signing import NotVerified, verify
from server.documents import as_json_schema, listening
from server.messages.en import sentence
from server.problems import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from server.profile.model import EventType, Profile

#: How many characters of an id are shown: the time of a UUID of version 7.
SHORT: Final = 13
_WIDEST: Final = 160
#: The members that represent an item of a list; the first that is present is shown.
_TELLING: Final = ("text", "name", "id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the journal knows of tickets: the members with the id and the status.

    `hidden` are the members that are not shown: they are in every event or already in its first
    line. `fields` are the members of events that list what has changed.
    """

    identifier: str
    status: str | None
    hidden: frozenset[str]
    fields: frozenset[str]

    @classmethod
    def of(cls, profile: Profile) -> Facts:
        """Return the facts of a profile."""
        cycle, resource = profile.lifecycle, profile.resource
        dates = [name for name, _ in resource.filling.status_change]
        members = [pair for each in profile.events for pair in each.envelope]
        return cls(
            identifier=resource.identifier,
            status=None if cycle is None else cycle.field,
            hidden=frozenset({*profile.always, *dates}),
            fields=frozenset(member for member, source in members if source == "fields"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A received event.

    `number` is its webhook-id. `event` is its body, None if it is invalid or its signature is
    wrong. `verified` is None without a secret to verify it with. `repeats` is the number of earlier
    deliveries. `before` is the previous known status of its ticket, None for a repeat. `ticket` are
    the members of the ticket in the event.
    """

    at: datetime
    name: str
    number: str = ""
    event: Any = None
    verified: bool | None = None
    refused: ApiError | None = None
    repeats: int = 0
    before: str | None = None
    ticket: Mapping[str, Any] = field(default_factory=dict)
    facts: Facts


class Journal:
    """The state of a listener: the secrets, the events of the profile, and the earlier events."""

    def __init__(self, profile: Profile, keys: Sequence[bytes] = ()) -> None:
        document = listening(profile)
        self._keys = keys
        self._facts = Facts.of(profile)
        self._types = {each.path[1:]: each for each in profile.events}
        shapes = {"components": as_json_schema(document["components"])}
        self._shapes = {
            path.removeprefix("/"): jsonschema_rs.Draft202012Validator(
                {**_body_of(item), **shapes}, validate_formats=True
            )
            for path, item in document["paths"].items()
        }
        self._seen: dict[str, int] = {}
        self._statuses: dict[str, str] = {}
        self._lock = threading.Lock()

    def receive(
        self, name: str, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> Received:
        """Check and remember an event that came to the path of this name. Thread-safe."""
        verified, facts = None, self._facts
        try:
            if self._keys:
                verified = False
                verify(headers, body, self._keys, int(now.timestamp()))
                verified = True
            event = loads(body)
            self._check(name, event)
        except NotVerified as error:
            refused = ApiError("invalidCredentials", sentence(error.fault))
            return Received(at=now, name=name, verified=verified, refused=refused, facts=facts)
        except ApiError as refused:
            return Received(at=now, name=name, verified=verified, refused=refused, facts=facts)
        kind = self._types.get(name)
        number = headers.get("webhook-id") or _number_of(kind, event)
        ticket, status = _ticket_of(kind, event), facts.status
        known = str(ticket.get(facts.identifier, ""))
        with self._lock:
            repeats = self._seen.get(number, 0)
            self._seen[number] = repeats + 1
            # A repeat may be older than the last event.
            before = None if repeats else self._statuses.get(known)
            if not repeats and status is not None and status in ticket and known:
                self._statuses[known] = ticket[status]
        return Received(
            at=now,
            name=name,
            number=number,
            event=event,
            verified=verified,
            repeats=repeats,
            before=before,
            ticket=ticket,
            facts=facts,
        )

    def _check(self, name: str, event: object) -> None:
        """Validate an event against its schema. Raises ApiError."""
        wrong = sorted({_place(error) for error in self._shapes[name].iter_errors(event)})
        if wrong:
            raise ApiError("invalidBody", sentence("correct_members", places=", ".join(wrong)))


def _number_of(kind: EventType | None, event: Mapping[str, Any]) -> str:
    """Return the id in an event, or an empty text."""
    envelope = () if kind is None else kind.envelope
    return str(next((event[name] for name, source in envelope if source == "identifier"), ""))


def _ticket_of(kind: EventType | None, event: Any) -> Mapping[str, Any]:
    """Return the ticket in an event; empty if the lifecycle does not have the event."""
    if kind is None:
        return {}
    for name in kind.resource:
        event = event[name]
    ticket: Mapping[str, Any] = event
    return ticket


def _body_of(item: Mapping[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = item["post"]["requestBody"]["content"]["application/json"]["schema"]
    return schema


def _place(error: jsonschema_rs.ValidationError) -> str:
    """Return the JSON Pointer of an error; for a missing member the pointer to that member."""
    missing = getattr(error.kind, "property", None)
    path = [*error.instance_path, *([] if missing is None else [missing])]
    return "".join(f"/{part}" for part in path) or "/"


def as_text(received: Received, answered: int | None) -> str:
    """Return an event as text: one line, and one more for each ticket member."""
    parts = [f"{received.at.astimezone():%H:%M:%S} {received.name}"]
    if (number := received.ticket.get(received.facts.identifier)) is not None:
        parts.append(f"ticket {number[:SHORT]}")
    parts.append({None: "not checked", True: "verified", False: "not verified"}[received.verified])
    if received.repeats:
        parts.append(f"repeat {received.repeats}")
    if answered is None:
        parts.append("not answered")
    elif answered != HTTPStatus.CREATED:
        parts.append(f"answered {answered}")
    lines = [str(received.refused.message)] if received.refused else _members(received)
    return "\n         ".join([", ".join(parts), *lines])


def _members(received: Received) -> Iterator[str]:
    """Yield a line for each ticket member in the event."""
    ticket, facts = received.ticket, received.facts
    for name, value in ticket.items():
        if name == facts.status and received.before not in {None, value}:
            yield f"{name}: {received.before} -> {value}"
        elif name not in facts.hidden:
            yield f"{readable(name)}: {readable(value)}"
    paths = (received.event.get(each, "") for each in sorted(facts.fields))
    for name in (each for path in paths for each in filter(None, path.split(","))):
        if name not in ticket:
            yield f"{readable(name)}: removed, or too large to be sent"


def as_json(received: Received, answered: int | None) -> str:
    """Return an event as one line of JSON."""
    members = {
        "time": received.at.isoformat(),
        "name": received.name,
        "id": received.number or None,
        "ticket": received.ticket.get(received.facts.identifier),
        "verified": received.verified,
        "repeats": received.repeats,
        "before": received.before,
        "answered": answered,
        "refused": received.refused and received.refused.code,
        "body": received.event,
    }
    return json.dumps(members)


def readable(value: object) -> str:
    """Return a JSON value as short text on one line, without control characters."""
    if isinstance(value, list) and value:
        last = value[-1]
        names = _TELLING if isinstance(last, dict) else ()
        shown = readable(next((last[name] for name in names if name in last), last))
        return shown if len(value) == 1 else f"{shown} (the last of {len(value)})"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = text if text.isprintable() else json.dumps(text)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"
