"""Check the names that interpretation and lifecycle use against the entities of the matrix.

Each check yields a Problem for each unknown name, with its position. A new key that names a field,
a process or a status needs a check here; the forms in spec/schemas/ define which keys exist.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ttrules.codes import FORMATS, KEYWORD_CODES, PARTS
from ttrules.matrix import reached, type_names
from ttrules.pointers import path_of
from ttrules.spec.yaml_source import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ttrules.errors import Problem
    from ttrules.matrix import Field
    from ttrules.spec.yaml_source import Place, Source

    Entities = Mapping[str, Mapping[str, Field]]


def unknown_names(
    source: Source, at: Place, names: Sequence[str], known: Iterable[str], lacks: str
) -> Iterator[Problem]:
    """Yield the names of a list that are not known; `lacks` is the beginning of the message."""
    for index, name in enumerate(names):
        if name not in known:
            yield source.problem((*at, index), f"{lacks} no {name!r}" + nearest(name, known))


def value_problem(
    source: Source, at: Place, name: str, shape: Mapping[str, Any], value: object
) -> Iterator[Problem]:
    """Yield the problem of a value that a field with a scalar shape cannot have."""
    # Imported here because only loading a spec needs it.
    from jsonschema_rs import Draft202012Validator

    rules = {
        key: each
        for key, each in shape.items()
        if key in KEYWORD_CODES and not isinstance(each, bool)
    }
    if (pattern := FORMATS.get(str(shape.get("format")))) is not None:
        rules["allOf"] = [{"pattern": pattern[0]}]
    takes = Draft202012Validator(rules)
    wrong = next(takes.iter_errors(value), None)
    if wrong is None:
        return
    shown = repr(value) if isinstance(value, str) else json.dumps(value)
    message = f"{name} takes no value {shown}"
    if wrong.kind.name not in {"enum", "type"}:
        message += f" ({wrong.kind.name})"
    if isinstance(value, str) and takes.is_valid(_unquoted(value)):
        message += f"; write {value} without quotes"
    elif not isinstance(value, str) and takes.is_valid(shown):
        message += f'; write "{shown}" in quotes'
    else:
        texts = [each for each in shape.get("enum", ()) if isinstance(each, str)]
        message += nearest(str(value), texts)
    yield source.problem(at, message)


def _unquoted(text: str) -> object:
    """Return the value of a text that is written without quotes: a number, true or false."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def name_problems(source: Source, entities: Entities) -> Iterator[Problem]:
    """Yield the unknown fields in the other sections of an interpretation."""
    decided = source.value
    rows = [f"{entity}.{field}" for entity, fields in entities.items() for field in fields]
    named: list[tuple[Place, str]] = [
        ((section, "fields", entity, index), f"{entity}.{field}")
        for section in ("immutable", "append_only")
        for entity, fields in decided.get(section, {}).get("fields", {}).items()
        for index, field in enumerate(fields)
    ]
    named += [
        (("decisions", number, "fields", index), name)
        for number, entry in enumerate(decided.get("decisions", ()))
        for index, name in enumerate(entry.get("fields", ()))
    ]
    for at, name in named:
        if name not in rows:
            yield source.problem(at, f"the matrix has no row {name!r}" + nearest(name, rows))
    anywhere = {field: None for fields in entities.values() for field in fields}
    identity = decided.get("identity", {}).get("fields", ())
    yield from unknown_names(source, ("identity", "fields"), identity, anywhere, "any entity has")


def append_problems(
    source: Source, entities: Entities, roots: Mapping[str, str]
) -> Iterator[Problem]:
    """Yield the append-only fields that are not lists of objects of a root, by process."""
    for entity, fields in source.value.get("append_only", {}).get("fields", {}).items():
        at: Place = ("append_only", "fields", entity)
        if entity in entities and entity not in roots.values():
            listed = ", ".join(dict.fromkeys(roots.values()))
            message = (
                f"only lists of the root {listed} can be append-only: a change may remove others"
            )
            yield source.problem(at, message, key=True)
            continue
        for index, name in enumerate(fields):
            field = entities.get(entity, {}).get(name)
            if field is not None and not _is_list_of_objects(field):
                message = f"{name} is not a list of objects, so nothing can be appended to it"
                yield source.problem((*at, index), message)
    yield from _default_problems(source, entities, roots)


def _is_list_of_objects(field: Field) -> bool:
    """Return whether a list has objects only: its items have no other type and are not null."""
    items = field.shape["items"] if field.many and field.entities else {}
    is_plain = PARTS.isdisjoint(items) and not items.get("nullable")
    return is_plain and type_names(items) == ["object"]


def _default_problems(
    source: Source, entities: Entities, roots: Mapping[str, str]
) -> Iterator[Problem]:
    """Yield defaults that no sender may send, or that belong to no append-only list."""
    decided = source.value.get("append_only", {})
    items = [
        entity
        for root in dict.fromkeys(roots.values())
        for name in decided.get("fields", {}).get(root, ())
        if name in entities[root]
        for entity in entities[root][name].entities
    ]
    for entity, members in decided.get("defaults", {}).items():
        at: Place = ("append_only", "defaults", entity)
        if entity not in items:
            message = f"no append-only list has items of {entity!r}"
            yield source.problem(at, message + nearest(entity, items), key=True)
            continue
        for name in members:
            field = entities[entity].get(name)
            if field is None:
                message = f"{entity} has no field {name!r}" + nearest(name, entities[entity])
                yield source.problem((*at, name), message, key=True)
            elif {"P", "-"} & {
                code
                for process, code in field.requirements.items()
                if entity in reached(entities, roots[process])
            }:
                message = f"{entity}.{name} may not be sent in every process"
                yield source.problem((*at, name), message, key=True)
            elif field.shape.get("type") != "string":
                yield source.problem((*at, name), f"{entity}.{name} is not text", key=True)


def lifecycle_problems(source: Source, fields: Mapping[str, Field]) -> Iterator[Problem]:
    """Yield the problems of a lifecycle; `fields` are those of the root."""
    name, moves = source.value["field"], source.value["moves"]
    if name not in fields:
        yield source.problem(("field",), f"no field {name!r}" + nearest(name, fields))
    elif fields[name].shape.get("type") != "string":
        yield source.problem(("field",), f"{name} is not text, so it cannot be a status")
    else:
        values = fields[name].shape.get("enum", moves)
        statuses = [status for status in values if status is not None]
        for status in moves:
            if status not in statuses:
                message = f"no status {status!r}" + nearest(status, statuses)
                yield source.problem(("moves", status), message, key=True)
        for status in statuses:
            if status not in moves:
                message = f"no moves are listed for the status {status!r}"
                yield source.problem(("moves",), message, key=True)
    for at, status in _targets(source.value):
        if status not in moves:
            yield source.problem(at, f"no status {status!r}" + nearest(status, moves))
    for status, following in moves.items():
        seen: set[str] = set()
        for index, move in enumerate(following):
            if move["to"] in seen:
                message = f"duplicate move from {status!r}"
                yield source.problem(("moves", status, index, "to"), message)
            seen.add(move["to"])
    yield from _final_problems(source, fields)
    yield from _carries_problems(source, fields)


def _final_problems(source: Source, fields: Mapping[str, Field]) -> Iterator[Problem]:
    """Yield the problems of the members that a final status accepts."""
    final = source.value.get("final")
    if final is not None:
        yield from unknown_names(
            source, ("final", "accepts"), final["accepts"], fields, "the root has"
        )
        if all(source.value["moves"].values()):
            yield source.problem(("final",), "every status has a move, so none is final", key=True)


def _carries_problems(source: Source, fields: Mapping[str, Field]) -> Iterator[Problem]:
    """Yield the problems of the members that events contain."""
    events = source.value.get("events", {})
    for event in source.value.get("carries", {}):
        if event not in events:
            message = f"no event {event!r}" + nearest(event, events)
            yield source.problem(("carries", event), message, key=True)
    for at, member in _carried(source.value):
        if member not in fields:
            yield source.problem(at, f"no field {member!r}" + nearest(member, fields))


def _targets(lifecycle: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """Yield every status that a transition, an event or a command leads to, with its place."""
    yield ("initial",), lifecycle["initial"]
    for status, following in lifecycle["moves"].items():
        for index, move in enumerate(following):
            yield ("moves", status, index, "to"), move["to"]
    for event, trigger in lifecycle.get("events", {}).items():
        if "to" in trigger:
            yield ("events", event, "to"), trigger["to"]
    for command, each in lifecycle.get("commands", {}).items():
        if "to" in each:
            yield ("commands", command, "to"), each["to"]


def _carried(lifecycle: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """Yield every member that events contain or commands set, with its place."""
    lists: dict[Place, list[str]] = {("always",): lifecycle.get("always", [])}
    lists |= {
        ("carries", event): names
        for event, names in lifecycle.get("carries", {}).items()
        if names != "all"
    }
    for at, names in lists.items():
        for index, name in enumerate(names):
            yield (*at, index), name
    for command, each in lifecycle.get("commands", {}).items():
        for kind in ("arguments", "options"):
            for key, text in each.get(kind, {}).items():
                yield ("commands", command, kind, key), path_of(text)[0]
