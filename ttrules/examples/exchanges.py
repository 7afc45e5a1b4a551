"""One sample exchange for each process: a valid request, an invalid request, and the responses.

Everything is made from the rulebook with fixed seeds and validated before it is returned: a change
is one that the ticket beside it accepts, and the response to the invalid request is the report on
it. If the rules allow nothing, there is no sample.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ttrules.codes import ANNOTATION, FORMATS
from ttrules.examples.generate import BY, NoExample, by_operation, example, selecting
from ttrules.examples.values import Likeness
from ttrules.pointers import pointer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ttrules.findings import Report
    from ttrules.json_values import JSONValue
    from ttrules.matrix import Process
    from ttrules.rulebook import Rulebook

_Object = dict[str, Any]
#: The maximum number of draws for a change of a ticket.
_DRAWS: Final = 100
#: Types of members whose value can be generated without their shape, with a format or None.
_PLAIN: Final[dict[str | None, _Object]] = {
    "string": {"type": "string"},
    **{name: {"type": "string", "format": name} for name in FORMATS if name != "byte"},
}


class Sample(NamedTuple):
    """A valid and an invalid request of a process, with their results.

    `operations` is the same change as a JSON Patch, in a Change process. `ticket` is the stored
    ticket afterwards (None if there is no ticket to change). `broken` is an invalid request,
    `report` its report.
    """

    request: _Object
    operations: list[_Object]
    ticket: _Object | None
    broken: _Object
    report: Report


def sample(book: Rulebook, process: str) -> Sample | None:
    """Return the sample of a process, given by name, or None if its rules allow nothing."""
    made = book.matrix.process(process)
    try:
        if made.operation == "change":
            return _of_change(book, process, _stored_for(book, made))
        request = example(book, process)
    except NoExample:
        return None
    broken = _spoilt(book, process, request)
    report = book.validate(broken, process)
    return Sample(request, [], _stored(book, process, request), broken, report)


def _of_change(book: Rulebook, process: str, stored: _Object | None) -> Sample | None:
    root, alone = book.matrix.root_of(process), by_operation(book, process)
    fixed = {*book.matrix.immutable.get(root, ())} - {*book.schema(process).get("required", ())}
    for seed in range(_DRAWS):
        patch = example(book, process, seed=seed)
        if stored is None and fixed & patch.keys():
            continue  # what may not be altered is of no use without the ticket
        grown = book.matrix.append_only.get(root, ())
        operations = [*_operations(patch, stored or {}, grown)]
        if stored is None:
            ticket = None
        else:
            by_list, change = (
                book.validate_change(stored, e, by=BY, process=alone) for e in (operations, patch)
            )
            if not operations or not by_list.report.valid or not change.report.valid:
                continue
            ticket = change.ticket
        broken = _spoilt(book, process, patch)
        report = (
            book.validate(broken, process)
            if stored is None
            else book.validate_change(stored, broken, by=BY, process=alone).report
        )
        return Sample(patch, operations, ticket, broken, report)
    return None


def _stored_for(book: Rulebook, process: Process) -> _Object | None:
    """Return a stored ticket that a Change process changes, or None if there is no Add process."""
    adding = book.matrix.counterpart(process)
    if adding is None:
        return None
    made = _stored(book, adding.name, example(book, adding.name))
    return {**made, **selecting(book, process.name)}


def _stored(book: Rulebook, process: str, request: _Object) -> _Object:
    """Return the stored ticket of a new one.

    It has the initial status and the members that every event contains.
    """
    cycle = book.matrix.lifecycle or {}
    rows = book.matrix.entities[book.matrix.root_of(process)]
    given = [n for n in cycle.get("always", ()) if n not in request and n in rows]
    made = {name: _value(book, process, name) for name in given}
    first = {cycle["field"]: cycle["initial"]} if cycle else {}
    return {**{k: v for k, v in made.items() if v is not None}, **request, **first}


def _operations(patch: _Object, stored: _Object, grown: Sequence[str]) -> Iterator[_Object]:
    """Yield the operations of a merge patch; existing lists are appended to, not replaced.

    `grown` are the append-only lists: an addition to one creates it.
    """
    for name, value in patch.items():
        at = pointer((name,))
        if isinstance(value, list) and (name in stored or name in grown):
            yield from ({"op": "add", "path": f"{at}/-", "value": item} for item in value)
        elif value != stored.get(name):
            yield {"op": "add", "path": at, "value": value}


def _spoilt(book: Rulebook, process: str, request: _Object) -> _Object:
    """Return a request with one violation of each possible kind.

    A required member is missing in the request and in an object in it, a prohibited one is present,
    and a value is not in its enum. The selecting field is not changed.
    """
    schema, spoilt = book.schemas[book.slug(process)], dict(request)
    members: Mapping[str, Any] = schema["properties"]
    selecting = next(iter(book.matrix.selection_path), None)
    listed = [n for n in request if "enum" in members[n] and n != selecting]
    for name in listed[:1]:
        spoilt[name] = max(map(str, members[name]["enum"]), key=len) + "?"
    for name in [n for n in schema.get("required", ()) if n != selecting and n not in listed][:1]:
        del spoilt[name]
    nested = [n for n in spoilt if members[n].get("items", {}).get("required") and spoilt[n]]
    for name in nested[:1]:
        missing = members[name]["items"]["required"][0]
        first, *rest = spoilt[name]
        spoilt[name] = [{key: value for key, value in first.items() if key != missing}, *rest]
    closed = [n for n, each in members.items() if each[ANNOTATION].get("requirement") == "P"]
    for name in sorted(closed, key=lambda n: _value(book, process, n) is None)[:1]:
        spoilt[name] = _value(book, process, name)
    return spoilt


def _value(book: Rulebook, process: str, name: str) -> JSONValue:
    """Return a value that a stored member of the root may have, or None.

    All are drawn in the same way, so related numbers are equal.
    """
    from random import Random

    root = book.matrix.root_of(process)
    row = book.matrix.entities[root][name]
    if row.type not in _PLAIN:
        return None
    draw = Random(f"{process} stored")  # noqa: S311 - it hides no secret
    values = {key: row.shape[key] for key in ("enum",) if key in row.shape}
    return Likeness(draw).value(root, name, {**_PLAIN[row.type], **values})
