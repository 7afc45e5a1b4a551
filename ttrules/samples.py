"""Payloads of a process to try somebody's system with, each with what must be said of it.

`broken` gives one payload a defect: for each required and each prohibited cell, and once for every
other code that the process can tell of. They are made as the strategies make them (see defects),
but of the simplest draws, so that the same book gives the same payloads and a person can read them.
Every one is judged before it is given away. `stored` is a new ticket as a server keeps it.
"""

from __future__ import annotations

import json
from copy import deepcopy
from random import Random
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hypothesis import HealthCheck, Phase, find, settings
from hypothesis.errors import NoSuchExample, Unsatisfiable

from ttrules.compile import ANNOTATION
from ttrules.defects import DEFECTS, cells, walk
from ttrules.example import example
from ttrules.likeness import Likeness

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hypothesis.strategies import SearchStrategy

    from ttrules.book import Book
    from ttrules.defects import Defect, Target
    from ttrules.findings import Report
    from ttrules.plain import Path

#: The codes that each cell is broken by which can be; of the others one payload a process is made.
_EACH: Final = frozenset({"required", "prohibited"})
#: Codes whose defect is a member that is there, whatever it holds: it is given a likely value.
_PRESENT: Final = frozenset({"prohibited", "not_supported"})
#: No payload is longer than this, in characters of JSON.
_LONGEST: Final = 4_000
#: How many examples are looked through for one that has a member.
_SEEDS: Final = 8
_QUICK: Final = settings(
    database=None,
    derandomize=True,
    deadline=None,
    max_examples=100,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
#: What a server fills in, by entity; `moment` and `number` stand for a date and an identifier.
_FILLED: Final[dict[str, dict[str, str]]] = {
    "": {
        "id": "number",
        "creationDate": "moment",
        "lastUpdate": "moment",
        "statusChangeDate": "moment",
    },
    "Note": {"id": "number", "notedate": "moment"},
}
NUMBER: Final = "019ab3f2-7c1d-7000-8000-000000000001"
MOMENT: Final = "2026-03-02T08:00:00.000Z"
#: A member that no shape has.
_UNKNOWN: Final = "noSuchMember"

Payload = dict[str, Any]


class Sample(NamedTuple):
    """A payload of a process, and the one thing that is to be said of it."""

    payload: Payload
    code: str
    pointer: str
    #: The sentence that the finding is told in.
    message: str
    #: Whether it makes the payload invalid.
    is_error: bool


def broken(book: Book, process: str) -> Iterator[Sample]:
    """Yield payloads with one defect. Raises NoSuchProcess, and NoExample."""
    name = book.process(process)
    seen: set[str] = set()
    for cell in cells(book.schemas[book.slug(name)]):
        for defect in DEFECTS:
            if (defect.code in _EACH or defect.code not in seen) and defect.applies(cell):
                made = _broken(book, name, cell, defect)
                if made is not None:
                    seen.add(defect.code)
                    yield made
    for payload in _of_tickets(book, name):
        judged = _judged(book, name, payload)
        if judged is not None and judged.code not in seen:
            seen.add(judged.code)
            yield judged


def valid(book: Book, process: str) -> list[Payload]:
    """Return valid payloads: what must be sent, and all that may. Raises as `broken` does."""
    name = book.process(process)
    least, most = (example(book, name, extent) for extent in ("minimal", "full"))
    for member in _kept(book) if _operation(book, name) == "change" else ():
        if member not in least:
            most.pop(member, None)
    return [each for each in (least, most) if not list(_report(book, name, each))]


def stored(book: Book, payload: Mapping[str, Any], path: str) -> Payload:
    """Return a new ticket as it is kept by a server that has its tickets below `path`."""
    filled = _with(payload, _FILLED[""], book.data["entities"][book.data["root"]])
    if "href" in book.data["entities"][book.data["root"]]:
        filled["href"] = f"{path}/{NUMBER}"
    if book.lifecycle is not None:
        filled[book.lifecycle.field] = book.lifecycle.initial
    return completed(book, filled)


def completed(book: Book, ticket: Mapping[str, Any]) -> Payload:
    """Return a ticket whose items have what a server fills in."""
    entities = book.data["entities"]
    whole = dict(ticket)
    for name, row in entities[book.data["root"]].items():
        known = _FILLED.get(row["entity"] or "")
        if row["many"] and known and name in whole:
            whole[name] = [_with(item, known, entities[row["entity"]]) for item in whole[name]]
    return whole


def likely(book: Book, entity: str, field: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return a value that looks like one of a field, whatever the process."""
    row = book.data["entities"][entity][field]
    if row["entity"] is None:
        draw = Likeness(Random(f"{entity} {field}"))  # noqa: S311 - it hides no secret
        made = draw.value(entity, field, _plain(row["shape"]))
        return [made] if row["many"] else made
    made = {
        name: likely(book, row["entity"], name)
        for name, each in book.data["entities"][row["entity"]].items()
        if set(each["requirements"]) != {"-"}
    }
    return [made] if row["many"] else made


def _plain(shape: Mapping[str, Any]) -> dict[str, Any]:
    """Return the shape of a plain value, or of an item, without what likeness does not know."""
    inner = shape.get("items", shape)
    known = {"date-time", "date", "uuid"}
    return {key: value for key, value in inner.items() if key != "format" or value in known}


def _with(item: Mapping[str, Any], filled: Mapping[str, str], rows: Mapping[str, Any]) -> Payload:
    values = {"number": NUMBER, "moment": MOMENT}
    added = {name: values[kind] for name, kind in filled.items() if name in rows}
    whole = {**added, **item}
    return {name: whole[name] for name in (*item, *(each for each in added if each not in item))}


def _broken(book: Book, name: str, cell: Target, defect: Defect) -> Sample | None:
    """Return a payload with this defect alone; None where none is found that is short."""
    path = (*cell.path, cell.name) if defect.needs == "field" else cell.path
    payload = _having(book, name, path)
    if payload is None:
        return None
    owner, at = walk(_simplest, payload, cell.path)
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


def _simplest(strategy: SearchStrategy[Any]) -> Any:  # noqa: ANN401 - what it draws
    return find(strategy, lambda _: True, settings=_QUICK)


def _having(book: Book, name: str, path: Path) -> Payload | None:
    """Return a valid payload that has the members on a path, and little beside; or None."""
    least = example(book, name, "minimal")
    if _has(least, path):
        return least
    for seed in range(_SEEDS):
        most = example(book, name, "full", seed)
        if _has(most, path):
            first = str(path[0])
            value = most[first][:1] if isinstance(most[first], list) else most[first]
            found = {**least, first: value}
            return {member: found[member] for member in most if member in found}
    return None


def _has(value: Any, path: Path) -> bool:  # noqa: ANN401 - any JSON value
    for member in path:
        value = value[0] if isinstance(value, list) else value
        if member not in value:
            return False
        value = value[member]
    return True


def _of_tickets(book: Book, name: str) -> Iterator[Payload]:
    """Yield payloads whose defect is none of one cell."""
    least = example(book, name, "minimal")
    yield {**least, _UNKNOWN: "anything"}
    if _operation(book, name) == "change":
        for member in _kept(book):
            yield {**least, member: "something else"}
        if (cycle := book.lifecycle) is not None:
            barred = [each for each in cycle.moves if not cycle.allows(cycle.initial, each, None)]
            yield from ({**least, cycle.field: each} for each in barred)


def _kept(book: Book) -> list[str]:
    """Return the members that a change may not alter, or not in every way."""
    cycle = [book.lifecycle.field] if book.lifecycle is not None else []
    return [*book.data["immutable"].get(book.data["root"], ()), *cycle]


def _operation(book: Book, name: str) -> str | None:
    found: str | None = next(
        each["operation"] for each in book.data["processes"] if each["name"] == name
    )
    return found


def changed(book: Book, process: str) -> Payload:
    """Return the new ticket that payloads of a Change process are changes of."""
    value = next(e["value"] for e in book.data["processes"] if e["name"] == book.process(process))
    return example(book, book.selecting[value], "minimal")


def _report(book: Book, name: str, payload: Payload) -> Report:
    """Return what a server has to say of a payload."""
    if _operation(book, name) == "change":
        return book.validate_change(stored(book, changed(book, name), ""), payload).report
    return book.validate(payload, name)


def _judged(book: Book, name: str, payload: Payload) -> Sample | None:
    """Return a payload with the one thing that is said of it, or None."""
    if len(json.dumps(payload)) > _LONGEST:
        return None
    told = [*_report(book, name, payload)]
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
