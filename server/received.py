"""What a listener makes of an event that came in: judged, remembered, and told to people.

An event is judged from outside as whoever programs a receiver would: its signature over the bytes
as they came, then its shape in the document. What was seen before is remembered while the listener
runs, so that a repeat is called one and a status is shown with the one before it.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import jsonschema_rs

from server.document import as_json_schema
from server.errors import Refused
from server.sentences import Told
from server.signing import NotVerified, verify
from server.wire import loads
from ttrules.book import shipped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

#: How much of an identifier is shown: of a UUID of version 7, its moment.
SHORT: Final = 13
_WIDEST: Final = 160
#: The members that are not shown: what every event has, and what its first line says already.
_HIDDEN: Final = frozenset({*shipped().data["lifecycle"]["always"], "statusChangeDate"})
_STATUS: Final = shipped().data["lifecycle"]["field"]
#: What stands for an item of a list, the first of these that it has.
_TELLING: Final = ("text", "name", "id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """An event as it came in.

    `number` is its webhook-id, `event` its body (None where it could not be read, or is not known
    to be the sender's), `verified` is None where no secret was there to verify it with. `repeats`
    says how often it came before, `before` which status its ticket had when last heard of (None for
    a repeat).
    """

    at: datetime
    name: str
    number: str = ""
    event: Any = None
    verified: bool | None = None
    refused: Refused | None = None
    repeats: int = 0
    before: str | None = None

    @property
    def ticket(self) -> Mapping[str, Any]:
        """What the event says of its ticket."""
        told: Mapping[str, Any] = {} if self.refused else self.event["event"]["troubleTicket"]
        return told


class Journal:
    """What a listener knows: the secrets, the shapes of the document, and what it has seen."""

    def __init__(self, document: Mapping[str, Any], keys: Sequence[bytes] = ()) -> None:
        self._keys = keys
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
        """Judge an event that came to the path of this name, and remember it. From any thread."""
        verified = None
        try:
            if self._keys:
                verified = False
                verify(headers, body, self._keys, int(now.timestamp()))
                verified = True
            event = loads(body)
            self._check(name, event)
        except NotVerified as error:
            refused = Refused("invalidCredentials", Told(error.fault))
            return Received(at=now, name=name, verified=verified, refused=refused)
        except Refused as refused:
            return Received(at=now, name=name, verified=verified, refused=refused)
        number = headers.get("webhook-id") or event["eventId"]
        ticket = event["event"]["troubleTicket"]
        with self._lock:
            repeats = self._seen.get(number, 0)
            self._seen[number] = repeats + 1
            # A repeat may be older than what was heard last.
            before = None if repeats else self._statuses.get(ticket.get("id"))
            if not repeats and _STATUS in ticket and "id" in ticket:
                self._statuses[ticket["id"]] = ticket[_STATUS]
        return Received(
            at=now,
            name=name,
            number=number,
            event=event,
            verified=verified,
            repeats=repeats,
            before=before,
        )

    def _check(self, name: str, event: object) -> None:
        """Hold an event against its shape. Raises Refused."""
        wrong = sorted({_place(error) for error in self._shapes[name].iter_errors(event)})
        if wrong:
            raise Refused("invalidBody", Told("correct_members", places=", ".join(wrong)))


def _body_of(item: Mapping[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = item["post"]["requestBody"]["content"]["application/json"]["schema"]
    return schema


def _place(error: jsonschema_rs.ValidationError) -> str:
    """Return where an event is wrong; a member that is missing is where it should be."""
    missing = getattr(error.kind, "property", None)
    path = [*error.instance_path, *([] if missing is None else [missing])]
    return "".join(f"/{part}" for part in path) or "/"


def as_text(received: Received, answered: int | None) -> str:
    """Return an event as people read it: a line, and one for each member that it tells of."""
    parts = [f"{received.at.astimezone():%H:%M:%S} {received.name}"]
    if "id" in received.ticket:
        parts.append(f"ticket {received.ticket['id'][:SHORT]}")
    parts.append({None: "not checked", True: "verified", False: "not verified"}[received.verified])
    if received.repeats:
        parts.append(f"repeat {received.repeats}")
    if answered is None:
        parts.append("not answered")
    elif answered != 201:  # noqa: PLR2004 - what is answered when all is well
        parts.append(f"answered {answered}")
    told = [str(received.refused.message)] if received.refused else _members(received)
    return "\n         ".join([", ".join(parts), *told])


def _members(received: Received) -> Iterator[str]:
    """Yield a line for each member of the ticket that the event tells of."""
    ticket = received.ticket
    for name, value in ticket.items():
        if name == _STATUS and received.before not in {None, value}:
            yield f"{name}: {received.before} -> {value}"
        elif name not in _HIDDEN:
            yield f"{readable(name)}: {readable(value)}"
    for name in filter(None, received.event.get("fieldPath", "").split(",")):
        if name not in ticket:
            yield f"{readable(name)}: removed, or too large to be sent"


def as_json(received: Received, answered: int | None) -> str:
    """Return an event as one line of JSON."""
    told = {
        "time": received.at.isoformat(),
        "name": received.name,
        "id": received.number or None,
        "ticket": received.ticket.get("id"),
        "verified": received.verified,
        "repeats": received.repeats,
        "before": received.before,
        "answered": answered,
        "refused": received.refused and received.refused.code,
        "body": received.event,
    }
    return json.dumps(told)


def readable(value: object) -> str:
    """Return a JSON value as a few words on one line, with nothing in it that moves a cursor."""
    if isinstance(value, list) and value:
        last = value[-1]
        names = _TELLING if isinstance(last, dict) else ()
        shown = readable(next((last[name] for name in names if name in last), last))
        return shown if len(value) == 1 else f"{shown} (the last of {len(value)})"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = text if text.isprintable() else json.dumps(text)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"
