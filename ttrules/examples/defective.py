"""Payloads with one defect, each with the finding that a server must report.

`broken` yields one payload for each required and each prohibited cell, and one for every other
finding code of the process. They are built by the defects of `strategies.defects` from simple
values, so the same rulebook gives the same readable payloads. Every payload is validated before it
is returned. `stored` is a new ticket as a server stores it.
"""

from __future__ import annotations

import json
from contextlib import suppress
from copy import deepcopy
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hypothesis import HealthCheck, Phase, find, settings
from hypothesis.errors import NoSuchExample, Unsatisfiable

from ttrules.codes import ANNOTATION
from ttrules.errors import PatchNotApplicable, ProcessNotSelected
from ttrules.examples.generate import BY, NoExample, by_operation, example, selecting
from ttrules.examples.values import FILLED, realistic
from ttrules.keywords import expanded
from ttrules.strategies.defects import DEFECTS, cells, walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hypothesis.strategies import SearchStrategy

    from ttrules.examples.generate import Extent
    from ttrules.findings import Finding
    from ttrules.json_values import JSONValue
    from ttrules.lifecycle import Lifecycle
    from ttrules.pointers import Path
    from ttrules.rulebook import Rulebook
    from ttrules.strategies.defects import Defect, Target

#: The codes with a payload for each cell; every other code has one payload for each process.
_EACH: Final = frozenset({"required", "prohibited"})
#: Codes whose defect is the presence of a member, which gets a realistic value.
_PRESENT: Final = frozenset({"prohibited", "not_supported"})
#: The maximum length of a payload, in characters of JSON.
_LONGEST: Final = 4_000
#: The extents of valid payloads.
_EXTENTS: Final[tuple[Extent, ...]] = ("minimal", "full")
#: How many examples are searched for one that has a member.
_SEEDS: Final = 8
_QUICK: Final = settings(
    database=None,
    derandomize=True,
    deadline=None,
    max_examples=100,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
#: An identifier and a time as assigned by a server.
NUMBER: Final = "019ab3f2-7c1d-7000-8000-000000000001"
_MOMENT: Final = "2026-03-02T08:00:00.000Z"
#: A member that no shape has.
_UNKNOWN: Final = "noSuchMember"
Payload = dict[str, Any]


class Sample(NamedTuple):
    """A payload of a process with its only finding."""

    payload: Payload
    code: str
    pointer: str
    #: The message of the finding.
    message: str
    #: Whether it makes the payload invalid.
    is_error: bool


def broken(book: Rulebook, process: str) -> Iterator[Sample]:
    """Yield payloads with one defect. Raises NoSuchProcess, and NoExample."""
    name = book.process(process)
    least = valid(book, name)[0]
    full = [*_examples(book, name, "full")]
    seen: set[str] = set()
    schema = expanded(book.schemas[book.slug(name)])
    for cell in cells(schema):
        for defect in DEFECTS:
            if (defect.code in _EACH or defect.code not in seen) and defect.applies(cell):
                path = (*cell.path, cell.name) if defect.needs == "field" else cell.path
                found = _having(schema, least, full, path)
                made = _broken(book, name, found, cell, defect)
                if made is not None:
                    seen.add(defect.code)
                    yield made
    for payload in _of_tickets(book, name, least):
        judged = _judged(book, name, payload)
        if judged is not None and judged.code not in seen:
            seen.add(judged.code)
            yield judged


def valid(book: Rulebook, process: str) -> list[Payload]:
    """Return valid payloads: a minimal one, and a full one if it exists.

    Raises NoSuchProcess, and NoExample if there is no valid payload.
    """
    name = book.process(process)
    found = [made for extent in _EXTENTS for made in _valid(book, name, extent)]
    if not found:
        raise NoExample(name)
    return found


def _valid(book: Rulebook, name: str, extent: Extent) -> list[Payload]:
    """Return a valid payload in a list, or an empty list."""
    least = book.schemas[book.slug(name)].get("required", ())
    spared = _kept(book) if extent == "full" and changed(book, name) is not None else ()
    tried = (
        {key: value for key, value in made.items() if key in least or key not in spared}
        for made in _examples(book, name, extent)
    )
    return [*islice((each for each in tried if not _told(book, name, each)), 1)]


def _examples(book: Rulebook, name: str, extent: Extent) -> Iterator[Payload]:
    """Yield the examples of a process that are searched, if there are any."""
    with suppress(NoExample):
        yield from (example(book, name, extent, seed) for seed in range(_SEEDS))


def stored(book: Rulebook, payload: Mapping[str, Any], path: str) -> Payload:
    """Return a new ticket as stored by a server with its tickets at `path`."""
    filled = {**payload, **filled_in(book, book.matrix.root, path), **payload}
    cycle = book.lifecycle
    state = {cycle.field: cycle.initial} if cycle is not None else {}
    return completed(book, {**filled, **state})


def completed(book: Rulebook, ticket: Mapping[str, Any]) -> Payload:
    """Return a ticket whose items have the members that a server fills in."""
    whole = dict(ticket)
    for name, row in book.matrix.root_fields.items():
        if row.many and row.entity is not None and isinstance(whole.get(name), list):
            known = filled_in(book, row.entity, "")
            whole[name] = [
                {**item, **{key: each for key, each in known.items() if key not in item}}
                if isinstance(item, dict)
                else item
                for item in whole[name]
            ]
    return whole


def after(book: Rulebook, ticket: Payload, patch: JSONValue) -> Payload:
    """Return a stored ticket after a change; one that cannot be made leaves it as it is."""
    with suppress(ProcessNotSelected, PatchNotApplicable):
        ticket = book.validate_change(ticket, patch, by=BY).ticket
    return completed(book, ticket)


def filled_in(book: Rulebook, entity: str, path: str) -> Payload:
    """Return the members of a new object that its server fills in; `path` is of its collection.

    They are annotated in the document. In a root without such annotations they are the identifier
    and the address that no new resource may bring.
    """
    rows = book.matrix.entities[entity]
    values = {"identifier": NUMBER, "now": _MOMENT, "url": f"{path}/{NUMBER}"}
    marks = {name: row.shape[FILLED] for name, row in rows.items() if FILLED in row.shape}
    if marks:
        wanted = {n: str(each["create"]) for n, each in marks.items() if "create" in each}
    else:
        names = {"id": "identifier", "href": "url"} if entity == book.matrix.root else {}
        adding = [each.name for each in book.matrix.processes if each.operation == "add"]
        wanted = {
            name: names[name]
            for name, row in rows.items()
            if name in names and {row.requirements[each] for each in adding} == {"P"}
        }
    order = sorted(wanted, key=lambda name: wanted[name])
    found = {n: values.get(wanted[n], rows[n].shape.get("default")) for n in order}
    return {name: _typed(value, rows[name].shape) for name, value in found.items()}


def _typed(value: JSONValue, shape: Mapping[str, Any]) -> JSONValue:
    """Return a value that a server fills in, in the type of its member."""
    return 1 if value == NUMBER and shape.get("type") in {"integer", "number"} else value


def likely(book: Rulebook, entity: str, field: str, above: tuple[str, ...] = ()) -> JSONValue:
    """Return a realistic value of a field, for no process in particular.

    Objects of the entities `above` are left out, because they contain this one.
    """
    row = book.matrix.entities[entity][field]
    inner = row.entities[0] if row.entities else None
    if inner is None:
        return _wrapped(row.shape, realistic(entity, field, row.shape))
    made = {
        name: likely(book, inner, name, (*above, entity))
        for name, each in book.matrix.entities[inner].items()
        if set(each.requirements.values()) != {"-"} and {*above, entity}.isdisjoint(each.entities)
    }
    return _wrapped(row.shape, made)


def _wrapped(shape: Mapping[str, Any], value: JSONValue) -> JSONValue:
    """Return a value in the lists and maps that a shape has around it."""
    if "items" in shape:
        return [_wrapped(shape["items"], value)]
    if "additionalProperties" in shape:
        return {"example": _wrapped(shape["additionalProperties"], value)}
    return value


def _broken(
    book: Rulebook, name: str, payload: Payload | None, cell: Target, defect: Defect
) -> Sample | None:
    """Return a payload with this defect only, or None if no short one is found."""
    if payload is None:
        return None
    owner, at = walk(_first, payload, expanded(book.schemas[book.slug(name)]), cell.path)
    try:
        finding = defect.inflict(_simplest, owner, at, cell, book.rules(name))
    except (NoSuchExample, Unsatisfiable):
        return None
    if defect.code in _PRESENT:
        owner[cell.name] = likely(book, cell.owner[ANNOTATION]["entity"], cell.name)
    judged = _judged(book, name, payload)
    is_meant = judged is not None and (judged.code, judged.pointer) == (
        finding.code,
        finding.pointer,
    )
    return judged if is_meant else None


@cache  # hypothesis gives the same strategy for the same arguments, and most are asked for again
def _simplest(strategy: SearchStrategy[Any]) -> Any:
    return find(strategy, lambda _: True, settings=_QUICK)


def _first(keys: Sequence[Any]) -> Any:
    return keys[0]


def _having(
    schema: Mapping[str, Any], least: Payload, examples: Sequence[Payload], path: Path
) -> Payload | None:
    """Return a small payload with the members on a path, or None."""
    found = next((each for each in (least, *examples) if _has(each, schema, path)), None)
    if found is None or found is least:
        return deepcopy(found)
    first = str(path[0])
    value = found[first][:1] if isinstance(found[first], list) else found[first]
    made = {**least, first: deepcopy(value)}
    return {member: made[member] for member in {**found, **made} if member in made}


def _has(payload: Payload, schema: Mapping[str, Any], path: Path) -> bool:
    *before, last = path or ((),)
    try:
        owner, _ = walk(_first, payload, schema, path if isinstance(last, int) else (*before,))
    except (LookupError, TypeError):  # a value without the member, or another variant
        return False
    return isinstance(last, int) or not path or last in owner


def _of_tickets(book: Rulebook, name: str, least: Payload) -> Iterator[Payload]:
    """Yield payloads with a defect that is not one of a single cell."""
    yield {**least, _UNKNOWN: "anything"}
    if changed(book, name) is not None:
        for member in _kept(book):
            yield {**least, member: "something else"}
        yield from _moved(least, book.lifecycle)


def _moved(least: Payload, cycle: Lifecycle | None) -> list[Payload]:
    """Return payloads with a transition that a new ticket may not make."""
    moves = cycle.moves if cycle is not None else ()
    return [
        {**least, cycle.field: each}
        for each in moves
        if cycle is not None and not cycle.allows(cycle.initial, each, BY)
    ]


def _kept(book: Rulebook) -> list[str]:
    """Return the members that a change may not alter, or only in some ways."""
    cycle = [book.lifecycle.field] if book.lifecycle is not None else []
    return [*book.matrix.immutable.get(book.matrix.root, ()), *cycle]


def of_process(book: Rulebook, process: str, ticket: Payload) -> Payload:
    """Return a new ticket as stored before a change of a process, which it selects."""
    return {**stored(book, ticket, ""), **selecting(book, process)}


def changed(book: Rulebook, process: str) -> Payload | None:
    """Return the new ticket that payloads of a process change, or None."""
    name = book.process(process)
    adding = book.matrix.counterpart(book.matrix.process(name))
    return example(book, adding.name, "minimal") if adding is not None else None


def _told(book: Rulebook, name: str, payload: Payload) -> list[Finding]:
    """Return the report of a server on a payload."""
    ticket = changed(book, name)
    if ticket is None:
        report = book.validate(payload, name)
    else:
        report = book.validate_change(
            of_process(book, name, ticket), payload, by=BY, process=by_operation(book, name)
        ).report
    return [*report.violations, *report.warnings]


def _judged(book: Rulebook, name: str, payload: Payload) -> Sample | None:
    """Return a payload with its only finding, or None."""
    if len(json.dumps(payload)) > _LONGEST:
        return None
    told = _told(book, name, payload)
    if len(told) != 1:
        return None
    finding = told[0]
    return Sample(
        payload=deepcopy(payload),
        code=finding.code,
        pointer=finding.pointer,
        message=finding.message,
        is_error=finding.severity == "error",
    )
