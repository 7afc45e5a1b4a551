"""Exchanges to look at, one a process: a request that is taken, one that is not, and the answers.

Everything is made from the book with fixed seeds, and judged before it is given away: a change is
one that the ticket beside it accepts, and what is wrong with a broken request is what a report says
of it. Where nothing is found that the rules let pass, there is no sample. What a payload looks like
is example's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ttrules.codes import pointer
from ttrules.compile import ANNOTATION
from ttrules.example import NoExample, example
from ttrules.likeness import Likeness

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ttrules.book import Book
    from ttrules.findings import Report

_Object = dict[str, Any]
#: How many changes are drawn before there is said to be none for a ticket.
_DRAWS: Final = 100
#: Types of members that a value can be made up for, without their shape; each a format, or none.
_PLAIN: Final[dict[str | None, _Object]] = {
    "string": {"type": "string"},
    **{name: {"type": "string", "format": name} for name in ("date-time", "date", "uuid")},
}


class Sample(NamedTuple):
    """What may be sent in a process, and what comes of it.

    `operations` is the same change as a JSON Patch, where the process is one of changes. `ticket`
    is what is stored afterwards (None where no ticket is known that could be changed). `broken` is
    a request that breaks rules, `report` what is said of it.
    """

    request: _Object
    operations: list[_Object]
    ticket: _Object | None
    broken: _Object
    report: Report


def sample(book: Book, process: str) -> Sample | None:
    """Return the sample of a process, given by name; None where nothing meets its rules."""
    made = next(each for each in book.data["processes"] if each["name"] == process)
    try:
        if made["operation"] == "change":
            return _of_change(book, process, _stored_for(book, made["value"]))
        request = example(book, process)
    except NoExample:
        return None
    broken = _spoilt(book, process, request)
    report = book.validate(broken, process)
    return Sample(request, [], _stored(book, process, request), broken, report)


def _of_change(book: Book, process: str, stored: _Object | None) -> Sample | None:
    root = book.data["root"]
    fixed = {*book.data["immutable"].get(root, ())} - {*book.schema(process).get("required", ())}
    for seed in range(_DRAWS):
        patch = example(book, process, seed=seed)
        if stored is None and fixed & patch.keys():
            continue  # what may not be altered is of no use without the ticket
        grown = book.data["append_only"].get(root, ())
        operations = [*_operations(patch, stored or {}, grown)]
        if stored is None:
            ticket = None
        else:
            by_list, change = (book.validate_change(stored, e) for e in (operations, patch))
            if not operations or not by_list.report.valid or not change.report.valid:
                continue
            ticket = change.ticket
        broken = _spoilt(book, process, patch)
        report = (
            book.validate(broken, process)
            if stored is None
            else book.validate_change(stored, broken).report
        )
        return Sample(patch, operations, ticket, broken, report)
    return None


def _stored_for(book: Book, value: str) -> _Object | None:
    """Return a stored ticket whose selecting field holds `value`, or None."""
    process = book.selecting.get(value)
    return None if process is None else _stored(book, process, example(book, process))


def _stored(book: Book, process: str, request: _Object) -> _Object:
    """Return the ticket that is kept of a new one.

    It has its first status, and what every event about it is going to carry.
    """
    cycle = book.data["lifecycle"] or {}
    given = [name for name in cycle.get("always", ()) if name not in request]
    made = {name: _value(book, process, name) for name in given}
    first = {cycle["field"]: cycle["initial"]} if cycle else {}
    return {**{k: v for k, v in made.items() if v is not None}, **request, **first}


def _operations(patch: _Object, stored: _Object, grown: Sequence[str]) -> Iterator[_Object]:
    """Yield operations that do what a merge patch does, but add to the lists that are there.

    `grown` are the lists that only grow: to add to one creates it.
    """
    for name, value in patch.items():
        at = pointer((name,))
        if isinstance(value, list) and (name in stored or name in grown):
            yield from ({"op": "add", "path": f"{at}/-", "value": item} for item in value)
        elif value != stored.get(name):
            yield {"op": "add", "path": at, "value": value}


def _spoilt(book: Book, process: str, request: _Object) -> _Object:
    """Return a request that breaks a rule of each kind that it can break.

    A required member is missing, from the request and from something in it, a prohibited one is
    there, and a value is none of those listed. What selects the process is left alone.
    """
    schema, spoilt = book.schemas[book.slug(process)], dict(request)
    members: Mapping[str, Any] = schema["properties"]
    selecting = book.data["selection"]["field"]
    listed = [n for n in request if "enum" in members[n] and n != selecting]
    for name in listed[:1]:
        spoilt[name] = max(map(str, members[name]["enum"]), key=len) + "?"
    for name in [n for n in schema.get("required", ()) if n != selecting and n not in listed][:1]:
        del spoilt[name]
    for name in [n for n in spoilt if members[n].get("items", {}).get("required")][:1]:
        missing = members[name]["items"]["required"][0]
        first, *rest = spoilt[name]
        spoilt[name] = [{key: value for key, value in first.items() if key != missing}, *rest]
    closed = [n for n, each in members.items() if each[ANNOTATION].get("requirement") == "P"]
    for name in sorted(closed, key=lambda n: _value(book, process, n) is None)[:1]:
        spoilt[name] = _value(book, process, name)
    return spoilt


def _value(book: Book, process: str, name: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return a value that a member of the root may have once stored, or None.

    Each is drawn alike, so that numbers which belong together are the same.
    """
    from random import Random

    root = book.data["root"]
    row = book.data["entities"][root][name]
    if row["type"] not in _PLAIN:
        return None
    draw = Random(f"{process} stored")  # noqa: S311 - it hides no secret
    values = {key: row["shape"][key] for key in ("enum",) if key in row["shape"]}
    return Likeness(draw).value(root, name, {**_PLAIN[row["type"]], **values})
