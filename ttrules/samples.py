"""Payloads of a process to try somebody's system with, each with what must be said of it.

`broken` gives one payload a defect: for each required and each prohibited cell, and once for every
other code that the process can tell of. They are made as the strategies make them (see defects),
but of the simplest draws, so that the same book gives the same payloads and a person can read them.
Every one is judged before it is given away. `stored` is a new ticket as a server keeps it.
"""

from __future__ import annotations

import json
from contextlib import suppress
from copy import deepcopy
from functools import cache
from itertools import islice
from random import Random
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hypothesis import HealthCheck, Phase, find, settings
from hypothesis.errors import NoSuchExample, Unsatisfiable

from ttrules.compile import ANNOTATION
from ttrules.defects import DEFECTS, cells, walk
from ttrules.example import NoExample, example
from ttrules.likeness import Likeness

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hypothesis.strategies import SearchStrategy

    from ttrules.book import Book
    from ttrules.defects import Defect, Target
    from ttrules.example import Extent
    from ttrules.findings import Finding
    from ttrules.lifecycle import Lifecycle
    from ttrules.plain import Path

#: The codes that each cell is broken by which can be; of the others one payload a process is made.
_EACH: Final = frozenset({"required", "prohibited"})
#: Codes whose defect is a member that is there, whatever it holds: it is given a likely value.
_PRESENT: Final = frozenset({"prohibited", "not_supported"})
#: No payload is longer than this, in characters of JSON.
_LONGEST: Final = 4_000
#: How much valid payloads send of what may be sent.
_EXTENTS: Final[tuple[Extent, ...]] = ("minimal", "full")
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
#: An identifier and a moment as a server gives them.
NUMBER: Final = "019ab3f2-7c1d-7000-8000-000000000001"
_MOMENT: Final = "2026-03-02T08:00:00.000Z"
#: What a server fills in: of a ticket, and of the items of its lists, by entity.
_OF_TICKET: Final = {
    "id": NUMBER,
    "creationDate": _MOMENT,
    "lastUpdate": _MOMENT,
    "statusChangeDate": _MOMENT,
}
_OF_ITEMS: Final = {"Note": {"id": NUMBER, "notedate": _MOMENT}}
#: A member that no shape has.
_UNKNOWN: Final = "noSuchMember"
#: What a likely value meets of the shape of its field, and the formats of texts that are known.
_MET: Final = frozenset(
    {"type", "enum", "pattern", "minimum", "maximum", "minLength", "maxLength", "format"}
)
_FORMATS: Final = frozenset({"date-time", "date", "uuid"})
#: The party that sends the payloads, where a move of the lifecycle is narrowed to some.
BY: Final = "operator"

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
    least = valid(book, name)[0]
    full = [*_examples(book, name, "full")]
    seen: set[str] = set()
    for cell in cells(book.schemas[book.slug(name)]):
        for defect in DEFECTS:
            if (defect.code in _EACH or defect.code not in seen) and defect.applies(cell):
                path = (*cell.path, cell.name) if defect.needs == "field" else cell.path
                made = _broken(book, name, _having(least, full, path), cell, defect)
                if made is not None:
                    seen.add(defect.code)
                    yield made
    for payload in _of_tickets(book, name, least):
        judged = _judged(book, name, payload)
        if judged is not None and judged.code not in seen:
            seen.add(judged.code)
            yield judged


def valid(book: Book, process: str) -> list[Payload]:
    """Return valid payloads: with what must be sent, and with all that may where there is one.

    Raises NoSuchProcess, and NoExample where there is none at all.
    """
    name = book.process(process)
    found = [made for extent in _EXTENTS for made in _valid(book, name, extent)]
    if not found:
        raise NoExample(name)
    return found


def _valid(book: Book, name: str, extent: Extent) -> list[Payload]:
    """Return a valid payload in a list, or nothing."""
    least = book.schemas[book.slug(name)].get("required", ())
    spared = _kept(book) if extent == "full" and changed(book, name) is not None else ()
    tried = (
        {key: value for key, value in made.items() if key in least or key not in spared}
        for made in _examples(book, name, extent)
    )
    return [*islice((each for each in tried if not _told(book, name, each)), 1)]


def _examples(book: Book, name: str, extent: Extent) -> Iterator[Payload]:
    """Yield examples of a process, as many as are looked through; none where there are none."""
    with suppress(NoExample):
        yield from (example(book, name, extent, seed) for seed in range(_SEEDS))


def stored(book: Book, payload: Mapping[str, Any], path: str) -> Payload:
    """Return a new ticket as it is kept by a server that has its tickets below `path`."""
    known = {**_OF_TICKET, "href": f"{path}/{NUMBER}"}
    filled = _with(payload, known, book.data["entities"][book.data["root"]])
    cycle = book.lifecycle
    state = {cycle.field: cycle.initial} if cycle is not None else {}
    return completed(book, {**filled, **state})


def completed(book: Book, ticket: Mapping[str, Any]) -> Payload:
    """Return a ticket whose items have what a server fills in."""
    entities = book.data["entities"]
    whole = dict(ticket)
    for name, row in entities[book.data["root"]].items():
        known = _OF_ITEMS.get(row["entity"])
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
    """Return what a likely value is to meet of the shape of a plain value, or of an item."""
    met = {key: value for key, value in shape.get("items", shape).items() if key in _MET}
    return {key: value for key, value in met.items() if key != "format" or value in _FORMATS}


def _with(item: Mapping[str, Any], filled: Mapping[str, str], rows: Mapping[str, Any]) -> Payload:
    """Return an item with what is filled in where it is a field and was not sent."""
    added = {name: value for name, value in filled.items() if name in rows and name not in item}
    return {**item, **added}


def _broken(
    book: Book, name: str, payload: Payload | None, cell: Target, defect: Defect
) -> Sample | None:
    """Return a payload with this defect alone; None where none is found that is short."""
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


@cache  # hypothesis gives the same strategy for the same arguments, and most are asked for again
def _simplest(strategy: SearchStrategy[Any]) -> Any:  # noqa: ANN401 - what it draws
    return find(strategy, lambda _: True, settings=_QUICK)


def _having(least: Payload, examples: Sequence[Payload], path: Path) -> Payload | None:
    """Return a payload that has the members on a path, and little beside; or None."""
    found = next((each for each in (least, *examples) if _has(each, path)), None)
    if found is None or found is least:
        return deepcopy(found)
    first = str(path[0])
    value = found[first][:1] if isinstance(found[first], list) else found[first]
    made = {**least, first: deepcopy(value)}
    return {member: made[member] for member in {**found, **made} if member in made}


def _has(value: Any, path: Path) -> bool:  # noqa: ANN401 - any JSON value
    for member in path:
        value = next(iter(value), {}) if isinstance(value, list) else value
        if member not in value:
            return False
        value = value[member]
    return True


def _of_tickets(book: Book, name: str, least: Payload) -> Iterator[Payload]:
    """Yield payloads whose defect is none of one cell."""
    yield {**least, _UNKNOWN: "anything"}
    if changed(book, name) is not None:
        for member in _kept(book):
            yield {**least, member: "something else"}
        yield from _moved(least, book.lifecycle)


def _moved(least: Payload, cycle: Lifecycle | None) -> list[Payload]:
    """Return payloads with a move that a new ticket may not make."""
    moves = cycle.moves if cycle is not None else ()
    return [
        {**least, cycle.field: each}
        for each in moves
        if cycle is not None and not cycle.allows(cycle.initial, each, BY)
    ]


def _kept(book: Book) -> list[str]:
    """Return the members that a change may not alter, or not in every way."""
    cycle = [book.lifecycle.field] if book.lifecycle is not None else []
    return [*book.data["immutable"].get(book.data["root"], ()), *cycle]


def _operation(book: Book, name: str) -> str | None:
    found: str | None = next(
        each["operation"] for each in book.data["processes"] if each["name"] == name
    )
    return found


def changed(book: Book, process: str) -> Payload | None:
    """Return the new ticket that payloads of a process are changes of; None where there is none."""
    name = book.process(process)
    value = next(each["value"] for each in book.data["processes"] if each["name"] == name)
    adding = book.selecting.get(value) if _operation(book, name) == "change" else None
    return example(book, adding, "minimal") if adding is not None else None


def _told(book: Book, name: str, payload: Payload) -> list[Finding]:
    """Return what a server has to say of a payload."""
    ticket = changed(book, name)
    if ticket is None:
        report = book.validate(payload, name)
    else:
        report = book.validate_change(stored(book, ticket, ""), payload, by=BY).report
    return [*report.violations, *report.warnings]


def _judged(book: Book, name: str, payload: Payload) -> Sample | None:
    """Return a payload with the one thing that is said of it, or None."""
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
