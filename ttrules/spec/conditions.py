"""The conditions of an interpretation: check each one, and make the conditions of the matrix.

A condition must name fields that exist, and test a value that the tested field can have. The
relations `required`, `prohibited` and, with a test, `optional` become one condition for each field.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from ttrules.matrix import NEGATED, Condition, When, reached
from ttrules.spec.references import unknown_names, value_problem
from ttrules.spec.yaml_source import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ttrules.errors import Problem
    from ttrules.matrix import Field
    from ttrules.spec.yaml_source import Place, Source

    Entities = Mapping[str, Mapping[str, Field]]

#: Relations that apply to each field alone.
_EACH: Final = frozenset({"required", "prohibited", "optional"})
#: The relation of a cell where the test of `optional` is false.
_STRICT: Final = {"R/PD": "required", "O/PD": "prohibited", "P/PD": "prohibited"}


def condition_problems(
    source: Source, entities: Entities, roots: Mapping[str, str]
) -> Iterator[Problem]:
    """Yield the problems of the conditions; `roots` are the roots of the processes."""
    seen: dict[object, int] = {}
    for index, entry in enumerate(source.value.get("conditions", ())):
        at: Place = ("conditions", index)
        wrong = [*_entry_problems(source, entities, roots, entry, at)]
        yield from wrong
        for key in () if wrong else _keys(entry, entities, [*roots]):
            first = seen.setdefault(key, index)
            if first != index:
                yield source.problem(
                    at, f"the same condition as conditions[{first}]: leave one out"
                )
                break


def _entry_problems(
    source: Source,
    entities: Entities,
    roots: Mapping[str, str],
    entry: Mapping[str, Any],
    at: Place,
) -> Iterator[Problem]:
    """Yield the problems of one condition."""
    entity, relation, processes = entry["entity"], entry["relation"], [*roots]
    if entity not in entities:
        message = f"no entity {entity!r}" + nearest(entity, entities)
        yield source.problem((*at, "entity"), message)
        return
    fields, named = entry["fields"], entry.get("processes", ())
    wrong = [
        *unknown_names(source, (*at, "fields"), fields, entities[entity], f"{entity} has"),
        *unknown_names(source, (*at, "processes"), named, processes, "there is"),
    ]
    yield from wrong
    bound = () if wrong else bound_processes(entry, entities[entity], processes)
    if not wrong and not bound:
        message = "none of these fields is process dependent where this applies"
        yield source.problem((*at, "fields"), message)
    if relation not in _EACH and len(fields) == 1:
        message = (
            f"{relation} relates two fields or more; for one field, write required or prohibited"
        )
        yield source.problem((*at, "fields"), message)
    if "when" not in entry:
        return
    for name, process in (
        (name, process)
        for name in (fields if relation == "optional" and not wrong else ())
        for process in bound
        if entities[entity][name].requirements[process] == "PD"
    ):
        message = (
            f"{entity}.{name} is PD in {process}, so it is not clear what it is otherwise: write"
            " required or prohibited, or the code R/PD, O/PD or P/PD"
        )
        yield source.problem((*at, "relation"), message)
        break
    yield from _when_problems(source, entities, {e: roots[e] for e in bound or roots}, entry, at)


def bound_processes(
    entry: Mapping[str, Any], fields: Mapping[str, Field], processes: list[str]
) -> tuple[str, ...]:
    """Return the processes of a condition: those in which one of its fields is PD."""
    return tuple(
        process
        for process in processes
        if process in entry.get("processes", processes)
        and any("PD" in fields[name].requirements[process] for name in entry["fields"])
    )


def _when_problems(
    source: Source,
    entities: Entities,
    roots: Mapping[str, str],
    entry: Mapping[str, Any],
    at: Place,
) -> Iterator[Problem]:
    """Yield the problems of the test of a condition: every owner must have its field."""
    entity, when, at = entry["entity"], entry["when"], (*at, "when")
    tests = [key for key in when if key in NEGATED]
    if len(tests) != 1:
        yield source.problem(at, f"write exactly one of {', '.join(NEGATED)}")
        return
    reach = {name for root in roots.values() for name in reached(entities, root)}
    owners = {
        "self": [entity],
        "root": [*dict.fromkeys(roots.values())],
        "parent": [
            owner
            for owner, fields in entities.items()
            if owner in reach
            and entity not in roots.values()
            and any(entity in field.entities for field in fields.values())
        ],
    }[when.get("of", "self")]
    if not owners:
        yield source.problem((*at, "field"), f"{entity} has no parent")
    name = when["field"]
    for owner in owners:
        if name not in entities[owner]:
            message = f"{owner} has no field {name!r}" + nearest(name, entities[owner])
            yield source.problem((*at, "field"), message)
        else:
            yield from _test_problems(source, entities, entities[owner][name], tests[0], at)


def _test_problems(
    source: Source, entities: Entities, field: Field, test: str, at: Place
) -> Iterator[Problem]:
    """Yield the problems of the value of a test: the tested field must be able to have it."""
    value = source.at((*at, test))
    if test == "exists":
        return
    if field.many is not test.endswith("contains"):
        message = (
            f"{field.name} is a list: write contains"
            if field.many
            else (f"{field.name} is not a list: write {test.replace('contains', 'equals')}")
        )
        yield source.problem((*at, test), message, key=True)
    elif isinstance(value, dict) and field.entity is not None:
        fields = entities[field.entity]
        for name, each in value.items():
            if name not in fields:
                message = f"{field.entity} has no field {name!r}" + nearest(name, fields)
                yield source.problem((*at, test, name), message, key=True)
            elif fields[name].entity is not None or fields[name].many:
                message = f"{field.entity}.{name} is not a single value, so it equals none"
                yield source.problem((*at, test, name), message, key=True)
            else:
                yield from value_problem(source, (*at, test, name), name, fields[name].shape, each)
    elif field.entity is not None:
        of = f"of {field.entity}: write {test}: {{<member>: <value>}}"
        message = (
            f"the items of {field.name} are objects {of}"
            if field.many
            else (f"{field.name} is an object: write exists")
        )
        yield source.problem((*at, test), message)
    elif isinstance(value, dict):
        yield source.problem(
            (*at, test), f"the items of {field.name} are no objects: write a value"
        )
    else:
        places = {(*at, test): value}
        if isinstance(value, list):
            places = {(*at, test, index): each for index, each in enumerate(value)}
        shape = field.shape.get("items", {}) if field.many else field.shape
        for place, each in places.items():
            yield from value_problem(source, place, field.name, shape, each)


def _keys(
    entry: Mapping[str, Any], entities: Entities, processes: list[str]
) -> Iterator[tuple[object, ...]]:
    """Yield what makes two conditions the same: a key for each process, and field if it may."""
    for made in conditions_of(entry, entities, processes):
        ordered = made.relation.startswith("if_")
        fields = (
            made.fields[:1] + tuple(sorted(made.fields[1:]))
            if ordered
            else (tuple(sorted(made.fields)))
        )
        when = made.when
        test = None if when is None else (when.of, when.field, *_canonical(when))
        for process in made.processes:
            for each in [(name,) for name in fields] if made.relation == "optional" else [fields]:
                yield made.entity, each, made.relation, test, process


def _canonical(when: When) -> tuple[str, str]:
    """Return test and value so that tests that mean the same are equal."""
    test, value = when.test, when.value
    if test in {"equals", "not_equals"}:
        test, value = {"equals": "in", "not_equals": "not_in"}[test], [value]
    if isinstance(value, list):
        value = sorted({repr(each) for each in value})
    return test, repr(sorted(value.items()) if isinstance(value, dict) else value)


def conditions_of(
    entry: Mapping[str, Any], entities: Entities, processes: list[str]
) -> Iterator[Condition]:
    """Yield the conditions of an entry without problems."""
    fields, relation = entities[entry["entity"]], entry["relation"]
    when = When.from_json(entry["when"]) if "when" in entry else None
    named = tuple(entry["fields"])
    made = Condition(
        entity=entry["entity"],
        fields=named,
        relation=relation,
        processes=bound_processes(entry, fields, processes),
        when=when,
        reason=entry["reason"],
    )
    if relation not in _EACH or (relation == "optional" and when is None):
        yield made
        return
    for name in named:
        codes = {each: fields[name].requirements[each] for each in made.processes}
        if relation == "optional" and when is not None:
            for strict in dict.fromkeys(_STRICT.values()):
                bound = tuple(each for each in codes if _STRICT.get(codes[each]) == strict)
                opposite = replace(made, relation=strict, when=when.negated())
                yield replace(opposite, fields=(name,), processes=bound)
        else:
            bound = tuple(each for each in codes if "PD" in codes[each])
            yield replace(made, fields=(name,), processes=bound)
