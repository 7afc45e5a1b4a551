"""The events of a profile, and the commands that its lifecycle names.

An event is raised by the lifecycle. Its schema, and the path at which the listener gets it, are in
the callbacks of the operation that subscribes; `x-filled: {event: …}` in the schema says which of
its members gets what.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from server.profile.model import Command, EventType
from ttrules.spec.yaml_source import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from server.profile.files import Node
    from server.profile.model import Operation, Side

#: The part of a callback's address before the path of the event.
CALLBACK: Final = "{$request.body#/callback}"
#: The sources of the members of an event, in the order in which they are written. A pointer, a
#: member of the resource, comes before `fields`.
SOURCES: Final = ("identifier", "raised", "name", "title", "entity", "changed", "/", "fields")
#: How deep the resource may be inside an event.
_DEEPEST: Final = 4
_NO_ID: Final = "resource"


def events_of(document: Node, source: Node | None, side: Side) -> tuple[EventType, ...]:
    """Return the events of a side. Problems are recorded; `source` is the lifecycle."""
    cycle = side.book.matrix.lifecycle
    triggers: Mapping[str, Mapping[str, Any]] = cycle.get("events", {})
    if source is None or not triggers:
        return ()
    known: dict[str, tuple[str, Node]] = {}
    for each in callbacks_of(document, side):
        known.setdefault(each.schema, (each.path, each.body))
    # The key of a callback names its event, if both are names of events.
    known |= {each.key: (each.path, each.body) for each in callbacks_of(document, side)}
    return tuple(
        found
        for name, trigger in triggers.items()
        if (found := _event(name, trigger, known, source.at("events", name), side)) is not None
    )


class Callback(NamedTuple):
    """What a listener gets: the key of the callback, and the name, path and place of its schema."""

    key: str
    schema: str
    path: str
    body: Node


def callbacks_of(document: Node, side: Side) -> Iterator[Callback]:
    """Yield the callbacks of the operation that subscribes."""
    operation = side.find("subscribe")
    if operation is None:
        return
    node = document.at("paths", operation.path).followed().at(operation.method.lower())
    callbacks = node.below("callbacks")
    for key, callback in () if callbacks is None else callbacks.items():
        for address, item in callback.items():
            body = item.below("post", "requestBody", "content", "application/json", "schema")
            if address.startswith(CALLBACK) and body is not None:
                yield Callback(key, str(body.place[-1]), address.removeprefix(CALLBACK), body)


def _event(
    name: str,
    trigger: Mapping[str, Any],
    known: Mapping[str, tuple[str, Node]],
    at: Node,
    side: Side,
) -> EventType | None:
    if name not in known:
        message = (
            f"no callback of the operation with `x-does: subscribe` has a schema of the name"
            f" {name!r}" + nearest(name, known)
        )
        at.wrong(message, key=True)
        return None
    path, schema = known[name]
    envelope: list[tuple[int, str, str]] = []
    place: tuple[str, ...] | None = None
    for member, inner in (schema.below("properties") or schema).items():
        if "x-filled" not in inner:
            continue
        if inner.fits("event", "x-filled"):
            filled = inner.value["x-filled"]["event"]
            if filled == "resource":
                place = (member,)
            else:
                if filled[:1] == "/" and filled[1:] not in side.book.matrix.root_fields:
                    message = f"the root has no field {filled[1:]!r}"
                    message += nearest(filled[1:], side.book.matrix.root_fields)
                    inner.at("x-filled", "event").wrong(message)
                rank = SOURCES.index("/" if filled[:1] == "/" else filled)
                envelope.append((rank, member, filled))
    place = place or _place_of(schema, side.book.matrix.root)
    if place is None:
        schema.wrong(f"no member of {name} is the resource: refer to {side.book.matrix.root}")
        return None
    # Sorting is stable: members of one source stay in the order of the schema.
    envelope.sort(key=lambda each: each[0])
    return EventType(
        name=name,
        trigger=trigger,
        carries=_carried(name, trigger, side.book.matrix.lifecycle, side),
        path=path,
        envelope=tuple((member, filled) for _, member, filled in envelope),
        resource=place,
        title=str(schema.get("description") or name),
    )


def _carried(
    name: str, trigger: Mapping[str, Any], cycle: Mapping[str, Any], side: Side
) -> tuple[str, ...] | None:
    """Return the members that an event carries, None for those that have changed."""
    listed = cycle.get("carries", {}).get(name)
    every = tuple(side.book.matrix.root_fields)
    if trigger.get("other"):
        return None
    if listed is None:
        return every if trigger.get("created") or trigger.get("deleted") else (cycle["field"],)
    return every if listed == "all" else tuple(listed)


def _place_of(schema: Node, root: str, depth: int = 0) -> tuple[str, ...] | None:
    """Return the place of the resource in a schema, or None."""
    for member in schema.get("properties") or ():
        below = schema.at("properties", member)
        if below.get("x-filled") == {"event": "resource"}:
            return (member,)
        inner = below.followed()
        if inner.place == ("components", "schemas", root):
            return (member,)
        found = _place_of(inner, root, depth + 1) if depth < _DEEPEST else None
        if found is not None:
            return (member, *found)
    return None


def state_id_of(document: Node, operations: Iterable[Operation]) -> str:
    """Return the member of the delivery state of an event that names the resource.

    It is the one with `x-filled: {event: /MEMBER}`. Problems are recorded.
    """
    operation = next((each for each in operations if each.does == "listEvents"), None)
    if operation is None:
        return _NO_ID
    schema = (
        document.at("paths", operation.path)
        .followed()
        .at("get")
        .below("responses", "200", "content", "application/json", "schema", "items")
    )
    waiting = [] if schema is None else [schema]
    for node in waiting:
        waiting += node.parts("allOf")
        properties = node.below("properties")
        for member, inner in () if properties is None else properties.items():
            if "x-filled" in inner and inner.fits("event", "x-filled"):
                return member
    return _NO_ID


def commands_of(source: Node | None) -> tuple[Command, ...]:
    """Return the commands of a lifecycle: those that it names, and one for each other status."""
    if source is None:
        return ()
    named: Mapping[str, Mapping[str, Any]] = source.get("commands") or {}
    commands = [Command(name=name, **each) for name, each in named.items()]
    moves: Mapping[str, list[Mapping[str, Any]]] = source.value["moves"]
    statuses = dict.fromkeys(move["to"] for following in moves.values() for move in following)
    unnamed = [each for each in statuses if each not in {command.to for command in commands}]
    commands += [
        Command(name=each, help=f"Change the status to {each}.", to=each) for each in unnamed
    ]
    return tuple(commands)
