"""Where the cells of the matrix are in payloads, according to the shapes of the spec.

`place` makes a valid payload and puts the owner of a cell into it; `places` finds the cells that a
payload already holds; `stored` is a ticket as a server keeps it. All is read from the spec's YAML
by the oracle; ttrules only makes up the valid payload to begin with.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.support.oracle import MATRIX, PROCESSES, shape_of
from tests.support.payloads import plain
from ttrules.examples.generate import Extent, example
from ttrules.rulebook import shipped

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: str = MATRIX["root"]
#: The members that a condition reads: what becomes of one of them is also the other's business.
RELATED = {("RelatedEntity", "id"), ("RelatedEntity", "externalId")}
#: What a server adds to a ticket that it stores.
SERVED = {
    "id": "T-1",
    "href": "https://api.example/troubleTicket/T-1",
    "status": "submitted",
    "creationDate": "2026-03-01T09:00:00Z",
    "lastUpdate": "2026-03-01T09:00:00Z",
}


class Cell(NamedTuple):
    """A cell of the matrix: row, column and code."""

    entity: str
    field: str
    process: str
    code: str

    def __str__(self) -> str:
        """Name column, row and code."""
        return f"{self.process}: {self.entity}.{self.field} {self.code}"


CELLS = [
    Cell(entity, field, process, code)
    for entity, rows in MATRIX["entities"].items()
    for field, codes in rows.items()
    for process, code in zip(PROCESSES, codes, strict=True)
]


class Place(NamedTuple):
    """A payload, the object in it that owns a cell, and the object's pointer.

    `barred` is the pointer and the code of the first P or - cell on the way to the owner, if any.
    """

    payload: dict[str, Any]
    owner: dict[str, Any]
    at: str
    barred: tuple[str, str] | None = None


@cache
def route(entity: str) -> tuple[str, ...]:
    """Return the names of the fields that lead from the ticket to an entity."""
    if entity == ROOT:
        return ()
    owner, field = next(
        (owner, field)
        for owner, rows in MATRIX["entities"].items()
        for field in rows
        if shape_of(owner, field).get("entity") == entity
    )
    return (*route(owner), field)


def payload_of(process: str, extent: Extent = "full", seed: int = 0) -> dict[str, Any]:
    """Return a valid payload that nobody else holds."""
    made: dict[str, Any] = json.loads(_written(process, extent, seed))
    return made


@cache
def _written(process: str, extent: Extent, seed: int) -> str:
    """Return a payload as JSON, made once."""
    return json.dumps(example(shipped(), process, extent, seed))


def place(process: str, entity: str, extent: Extent = "full", seed: int = 0) -> Place:
    """Return a payload that holds an object of the entity: valid, unless the way there is barred.

    Lists on the way are entered at their last item.
    """
    payload = payload_of(process, extent, seed)
    owner, at, of, barred = payload, "", ROOT, None
    for name in route(entity):
        shape = shape_of(of, name)
        below, is_list = shape["entity"], shape["type"] == "array"
        if name not in owner:
            made = sample(below, process)
            owner[name] = [made] if is_list else made
        code = MATRIX["entities"][of][name][PROCESSES.index(process)]
        at = f"{at}/{name}"
        if code in {"P", "-"} and barred is None:
            barred = at, code
        if is_list:
            at = f"{at}/{len(owner[name]) - 1}"
        owner = owner[name][-1] if is_list else owner[name]
        of = below
    return Place(payload, owner, at, barred)


def sample(entity: str, process: str) -> dict[str, Any]:
    """Return an object that has what is required and, of related members, the first."""
    column = PROCESSES.index(process)
    return {
        field: value_for(entity, field, process)
        for field, codes in MATRIX["entities"][entity].items()
        if codes[column] == "R" or (entity, field) == ("RelatedEntity", "id")
    }


def value_for(entity: str, field: str, process: str) -> Any:
    """Return a value of a field's type, with what it needs inside."""
    shape = shape_of(entity, field, PROCESSES.index(process))
    if "entity" in shape:
        made = sample(shape["entity"], process)
        return [made] if shape["type"] == "array" else made
    return shape["enum"][0] if "enum" in shape else plain(shape)


def places(
    payload: dict[str, Any], process: str, entity: str = ROOT, at: str = ""
) -> Iterator[tuple[str, Place]]:
    """Yield every object that a process looks into, the payload itself first, with its entity."""
    yield entity, Place(payload, payload, at)
    for name, codes in MATRIX["entities"][entity].items():
        below = shape_of(entity, name).get("entity")
        if below is not None and codes[PROCESSES.index(process)] not in {"P", "-"}:
            value = payload.get(name)
            if isinstance(value, dict):
                yield from places(value, process, below, f"{at}/{name}")
            elif isinstance(value, list):
                for index, item in enumerate(value):
                    yield from places(item, process, below, f"{at}/{name}/{index}")


def stored(process: str, extent: Extent = "full", seed: int = 0) -> dict[str, Any]:
    """Return a ticket as a server keeps it: what an Add process takes, and what servers add."""
    return kept(payload_of(process, extent, seed))


def kept(payload: dict[str, Any]) -> dict[str, Any]:
    """Return the ticket that a server keeps of a new payload, which is changed on the way."""
    for number, note in enumerate(payload.get("note", ())):
        note.update({"id": f"n{number}", "notedate": "2026-03-01T09:00:00Z"})
    for number, entity in enumerate(payload.get("relatedEntity", ())):
        entity.update({"id": f"e{number}", "newSerialNumber": f"S-{number}"})
    return {**payload, **SERVED}


def senders(value: Any, entity: str, process: str) -> Any:
    """Return what a sender of a process has a say in: neither P nor - nor unknown members."""
    if isinstance(value, list):
        return [senders(item, entity, process) for item in value]
    column, rows = PROCESSES.index(process), MATRIX["entities"][entity]
    kept = {}
    for name in value.keys() & rows.keys():
        if rows[name][column] not in {"P", "-"}:
            below = shape_of(entity, name).get("entity")
            kept[name] = value[name] if below is None else senders(value[name], below, process)
    return kept
