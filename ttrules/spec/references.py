"""Check the names that interpretation and lifecycle use against the entities of the matrix.

Each check yields a Problem for each unknown name, with its position. A new key that names a field,
a process or a status needs a check here; the forms in spec/schemas/ define which keys exist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ttrules.spec.yaml_source import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ttrules.errors import Problem
    from ttrules.matrix import Field
    from ttrules.spec.yaml_source import Place, Source

    Entities = Mapping[str, Mapping[str, Field]]


def selection_problems(
    source: Source, fields: Mapping[str, Field], processes: Sequence[str]
) -> Iterator[Problem]:
    """Yield the problems of the selection; `fields` are those of the root."""
    selection = source.value.get("selection")
    if selection is None:
        return
    name, chosen = selection["field"], selection["processes"]
    if name not in fields:
        yield source.problem(("selection", "field"), f"no field {name!r}" + nearest(name, fields))
    elif fields[name].shape.get("type") != "string":
        yield source.problem(
            ("selection", "field"), f"{name} is not text, so it cannot select a process"
        )
    at = ("selection", "processes")
    listed = fields[name].shape.get("enum") if name in fields else None
    values = None if listed is None else [value for value in listed if isinstance(value, str)]
    seen: dict[tuple[str, str], str] = {}
    for process, rule in chosen.items():
        if process not in processes:
            message = f"the matrix has no process {process!r}" + nearest(process, processes)
            yield source.problem((*at, process), message, key=True)
        if values is not None and rule["value"] not in values:
            message = f"{name} takes no value {rule['value']!r}" + nearest(rule["value"], values)
            yield source.problem((*at, process, "value"), message)
        other = seen.setdefault((rule["operation"], rule["value"]), process)
        if other != process:
            message = f"{process!r} and {other!r} are chosen by the same values"
            yield source.problem((*at, process), message, key=True)
    for process in processes:
        if process not in chosen:
            yield source.problem(at, f"the process {process!r} is not listed", key=True)


def condition_problems(
    source: Source, entities: Entities, root: str, processes: Sequence[str]
) -> Iterator[Problem]:
    """Yield the problems of the conditions."""
    for index, entry in enumerate(source.value.get("conditions", ())):
        at: Place = ("conditions", index)
        entity = entry["entity"]
        if entity not in entities:
            message = f"no entity {entity!r}" + nearest(entity, entities)
            yield source.problem((*at, "entity"), message)
            continue
        wrong = [
            *_unknown(source, (*at, "fields"), entry["fields"], entities[entity], f"{entity} has"),
            *_unknown(
                source, (*at, "processes"), entry.get("processes", ()), processes, "there is"
            ),
        ]
        yield from wrong
        if not wrong and not bound_processes(entry, entities[entity], processes):
            message = "none of these fields is process dependent where this applies"
            yield source.problem((*at, "fields"), message)
        if entry["relation"] != "optional" and len(entry["fields"]) == 1:
            message = f"{entry['relation']} relates two fields or more"
            yield source.problem((*at, "fields"), message)
        if "when" in entry:
            yield from _when_problems(source, entities, root, entry, (*at, "when", "field"))


def bound_processes(
    entry: Mapping[str, Any], fields: Mapping[str, Field], processes: Sequence[str]
) -> tuple[str, ...]:
    """Return the processes of a condition: those in which one of its fields is PD."""
    return tuple(
        process
        for process in processes
        if process in entry.get("processes", processes)
        and any("PD" in fields[name].requirements[process] for name in entry["fields"])
    )


def _unknown(
    source: Source, at: Place, names: Sequence[str], known: Iterable[str], lacks: str
) -> Iterator[Problem]:
    for index, name in enumerate(names):
        if name not in known:
            yield source.problem((*at, index), f"{lacks} no {name!r}" + nearest(name, known))


def _when_problems(
    source: Source, entities: Entities, root: str, entry: Mapping[str, Any], at: Place
) -> Iterator[Problem]:
    """Yield the problems of the test of a condition: every owner must have its field."""
    entity, name = entry["entity"], entry["when"]["field"]
    owners = {
        "self": [entity],
        "root": [root],
        "parent": [
            owner
            for owner, fields in entities.items()
            if entity != root and any(field.entity == entity for field in fields.values())
        ],
    }[entry["when"].get("of", "self")]
    if not owners:
        yield source.problem(at, f"{entity} has no parent")
    for owner in owners:
        if name not in entities[owner]:
            message = f"{owner} has no field {name!r}" + nearest(name, entities[owner])
            yield source.problem(at, message)


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
    yield from _unknown(source, ("identity", "fields"), identity, anywhere, "any entity has")


def append_problems(source: Source, entities: Entities, root: str) -> Iterator[Problem]:
    """Yield the append-only fields that are not lists of objects of the root."""
    for entity, fields in source.value.get("append_only", {}).get("fields", {}).items():
        at: Place = ("append_only", "fields", entity)
        if entity in entities and entity != root:
            message = (
                f"only lists of the root {root} can be append-only: a change may remove others"
            )
            yield source.problem(at, message, key=True)
            continue
        for index, name in enumerate(fields):
            field = entities.get(entity, {}).get(name)
            if field is not None and not (field.many and field.entity):
                message = f"{name} is not a list of objects, so nothing can be appended to it"
                yield source.problem((*at, index), message)
    yield from _default_problems(source, entities, root)


def _default_problems(source: Source, entities: Entities, root: str) -> Iterator[Problem]:
    """Yield defaults that no sender may send, or that belong to no append-only list."""
    decided = source.value.get("append_only", {})
    lists = decided.get("fields", {}).get(root, ())
    items = [entities[root][name].entity for name in lists if name in entities[root]]
    for entity, members in decided.get("defaults", {}).items():
        at: Place = ("append_only", "defaults", entity)
        if entity not in items:
            message = f"no append-only list has items of {entity!r}"
            yield source.problem(at, message + nearest(entity, [e for e in items if e]), key=True)
            continue
        for name in members:
            field = entities[entity].get(name)
            if field is None:
                message = f"{entity} has no field {name!r}" + nearest(name, entities[entity])
                yield source.problem((*at, name), message, key=True)
            elif {"P", "-"} & set(field.requirements.values()):
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
        yield from _unknown(source, ("final", "accepts"), final["accepts"], fields, "the root has")
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
    """Yield every status that a transition leads to, with its place."""
    yield ("initial",), lifecycle["initial"]
    for status, following in lifecycle["moves"].items():
        for index, move in enumerate(following):
            yield ("moves", status, index, "to"), move["to"]
    for event, trigger in lifecycle.get("events", {}).items():
        if "to" in trigger:
            yield ("events", event, "to"), trigger["to"]


def _carried(lifecycle: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """Yield every member that events contain, with its place."""
    lists: dict[Place, list[str]] = {("always",): lifecycle.get("always", [])}
    lists |= {("carries", event): names for event, names in lifecycle.get("carries", {}).items()}
    for at, names in lists.items():
        for index, name in enumerate(names):
            yield (*at, index), name
