"""The members of a resource: which are filled in, stored apart, filtered and sorted by.

The keys are in the operators' document: `x-filled` and `x-stored-apart` at a member, `x-filters`,
`x-indexed` and `x-always` at a parameter of the list, `x-order` and `x-columns` at the list itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from server.profile.model import Column, Filling, Listing, Resource
from ttrules.spec.yaml_source import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from server.profile.files import Node
    from server.profile.model import Operation, Side, Sort, With
    from ttrules import Rulebook
    from ttrules.matrix import Entity, Field

#: The parameters of a list that are not filters: they have a meaning of their own.
OTHERS: Final = ("fields", "sort", "offset", "limit", "cursor")
#: The parameter that selects operators, for the provider.
OPERATOR: Final = "operator"
#: A name that a filter can have: an operator or a sign may follow it.
_NAME: Final = re.compile(r"@?[A-Za-z_][A-Za-z0-9_-]*")
#: The longest text with an index, in characters: PostgreSQL limits an entry to 2,700 bytes.
_LONGEST_INDEXED: Final = 500
_STATUS: Final = "status: "


def listing_of(
    document: Node, operation: Operation | None, book: Rulebook
) -> tuple[Listing, tuple[str, ...]]:
    """Return what a list takes, and what a terminal shows of it. Problems are recorded."""
    fields = book.matrix.root_fields
    values = {
        name: tuple(each for each in row.shape["enum"] if isinstance(each, str))
        for name, row in fields.items()
        if not row.many and "enum" in row.shape
    }
    if operation is None:
        return Listing(members=tuple(fields), values=values), ()
    node = document.at("paths", operation.path).followed().at(operation.method.lower())
    filters: dict[str, str] = {}
    always: frozenset[str] = frozenset()
    for parameter in node.parts("parameters"):
        name = parameter.get("name")
        if "x-always" in parameter and parameter.fits("names", "x-always"):
            _check_known(parameter.at("x-always"), parameter.value["x-always"], fields)
            always = frozenset(parameter.value["x-always"])
        if "x-filters" in parameter and parameter.fits("name", "x-filters"):
            member, at = parameter.value["x-filters"], parameter.at("x-filters")
            if not isinstance(name, str) or _NAME.fullmatch(name) is None:
                at.wrong("a filter is named by letters, digits, - and _, and may begin with @")
            elif name in OTHERS or name == OPERATOR:
                at.wrong(f"{name} has another meaning in a list, so it cannot be a filter")
            elif member not in fields:
                at.wrong(f"the root has no field {member!r}" + nearest(member, fields))
            elif _sort_of(fields[member]) is None:
                at.wrong(f"{member} is not text, a number or a boolean, so it cannot be a filter")
            else:
                filters[name] = member
        elif parameter.get("in") == "query" and name not in {*OTHERS, OPERATOR}:
            message = "write `x-filters: MEMBER` here: the list has no other parameters"
            parameter.wrong(f"{name!r} is not a filter; {message}")
    sorts = {member: _sort_of(fields[member]) or "text" for member in filters.values()}
    order = node.get("x-order")
    if order is not None and node.fits("name", "x-order") and order not in sorts:
        message = f"x-order names a member with a filter, not {order!r}" + nearest(order, sorts)
        node.at("x-order").wrong(message)
    cycle, selecting = book.lifecycle, book.matrix.selection_field
    status = () if cycle is None else (cycle.field,)
    shown = tuple(dict.fromkeys([*status, *([selecting] if selecting else [])]))
    if "x-columns" in node and node.fits("names", "x-columns"):
        shown = tuple(node.value["x-columns"])
        _check_known(node.at("x-columns"), shown, fields)
    listing = Listing(
        filters=filters,
        sorts=sorts,
        order=order if order in sorts else None,
        members=tuple(fields),
        values={name: each for name, each in values.items() if each},
        always=always,
    )
    return listing, shown


def _check_known(at: Node, names: Iterable[str], fields: Entity) -> None:
    for index, name in enumerate(names):
        if name not in fields:
            message = f"the root has no field {name!r}" + nearest(name, fields)
            at.at(index).wrong(message)


def _sort_of(row: Field) -> Sort | None:
    """Return how the values of a member compare, or None if they are not scalars."""
    if row.many or row.entity is not None:
        return None
    kinds = row.shape.get("type", "string")
    kinds = [each for each in (kinds if isinstance(kinds, list) else [kinds]) if each != "null"]
    if kinds == ["string"]:
        return "instant" if row.shape.get("format") == "date-time" else "text"
    sorts: dict[str, Sort] = {"integer": "number", "number": "decimal", "boolean": "text"}
    return sorts.get(kinds[0]) if len(kinds) == 1 else None


def columns_of(document: Node, side: Side) -> Iterator[Column]:
    """Yield the columns that the filters of a side need. Problems are recorded."""
    fields = side.book.matrix.root_fields
    indexed = set()
    if (operation := side.find("list")) is not None:
        node = document.at("paths", operation.path).followed().at(operation.method.lower())
        for parameter in node.parts("parameters"):
            member = parameter.get("x-filters")
            if parameter.get("x-indexed") and member in side.listing.sorts:
                indexed.add(member)
                shape = fields[member].shape
                is_short = "enum" in shape or shape.get("maxLength", 1 << 30) <= _LONGEST_INDEXED
                if side.listing.sorts[member] == "text" and not is_short:
                    message = f"only a text with maxLength up to {_LONGEST_INDEXED} has an index"
                    parameter.at("x-indexed").wrong(message)
    for member, sort in side.listing.sorts.items():
        yield Column(member=member, sort=sort, is_indexed=member in indexed)


def resource_of(document: Node, side: Side, columns: Iterable[Column]) -> Resource:
    """Return what is stored. Problems are recorded."""
    matrix = side.book.matrix
    filling = _fillings(document, side)
    found = [name for name, source in filling.create if source == "identifier"]
    at = _schema(document, matrix.root)
    if len(found) != 1:
        how = "none has" if not found else f"{' and '.join(found)} have"
        at.wrong(
            f"mark one member of {matrix.root} by `x-filled: {{create: identifier}}`; {how} it"
        )
    identifier = found[0] if found else ""
    urls = [name for name, source in filling.create if source == "url"]
    if len(urls) > 1:
        at.wrong(f"{' and '.join(urls)} are both filled with the URL; one can be")
    cycle = side.book.lifecycle
    for name in (*found, *urls, *([cycle.field] if cycle is not None else [])):
        _check_not_sent(document, side, name)
    moments = [
        name for name, _ in filling.change if _sort_of(matrix.root_fields[name]) == "instant"
    ]
    needed = dict.fromkeys([*([cycle.field] if cycle is not None else []), *moments[:1]])
    every: dict[str, Column] = {}
    for each in columns:
        if each.member not in every or each.is_indexed:
            every[each.member] = each
    for name in needed:  # old resources are found by their status and their last change
        sort = _sort_of(matrix.root_fields[name]) or "text"
        every.setdefault(name, Column(member=name, sort=sort))
    every.pop(identifier, None)
    for name in urls:
        if every.pop(name, None) is not None:
            at.wrong(f"{name} is computed for each response, so it cannot be a filter")
    return Resource(
        root=matrix.root,
        identifier=identifier,
        url=next(iter(urls), None),
        moment=next(iter(moments), None),
        columns=tuple(every.values()),
        order=side.listing.order,
        apart=_apart(document, side),
        filling=filling,
    )


def _schema(document: Node, entity: str, *path: str) -> Node:
    """Return the place of a schema or of a part of it, as deep as the document has it."""
    node = document.at("components", "schemas")
    for key in (entity, *path):
        if key not in node:
            break
        node = node.at(key)
    return node


def _member(document: Node, entity: str, name: str, key: str) -> Node:
    """Return the place of a key at a member."""
    return _schema(document, entity, "properties", name, key)


def _check_not_sent(document: Node, side: Side, name: str) -> None:
    """Record a member that a client may set in a new resource, although the server does."""
    matrix = side.book.matrix
    row = matrix.root_fields[name]
    for process in matrix.processes:
        if process.operation == "add" and row.requirements[process.name] not in {"P", "-"}:
            message = (
                f"the server sets {matrix.root}.{name} of a new {matrix.root}, so its code in the"
                f" process {process.name!r} is P or -, not {row.requirements[process.name]}"
            )
            _schema(document, matrix.root, "properties", name).wrong(message, key=True)
            return


def _fillings(document: Node, side: Side) -> Filling:
    """Return what is filled into the root and below it. Problems are recorded."""
    matrix = side.book.matrix
    open_entities: list[str] = []

    def of(entity: str) -> Filling:
        open_entities.append(entity)
        moments: dict[str, list[tuple[str, With]]] = {}
        defaults: dict[str, Any] = {}
        below: dict[str, Filling] = {}
        for name, row in matrix.entities[entity].items():
            for when, source in _filled(document, side, entity, row).items():
                moments.setdefault(when, []).append((name, source))
                if source == "default":
                    defaults[name] = row.shape["default"]
            if row.entity is not None and row.entity not in open_entities:
                inner = of(row.entity)
                if inner.create or inner.below:
                    below[name] = inner
        open_entities.pop()
        new = moments.pop("create", [])
        return Filling(
            create=tuple(new),
            names=tuple(name for name, _ in new),
            change=tuple(moments.pop("change", ())),
            status_change=tuple(moments.pop("status-change", ())),
            statuses={when.removeprefix(_STATUS): tuple(each) for when, each in moments.items()},
            defaults=defaults,
            below=below,
        )

    return of(matrix.root)


def _filled(document: Node, side: Side, entity: str, row: Field) -> Mapping[str, With]:
    """Return the `x-filled` of a member. Problems are recorded."""
    if "x-filled" not in row.shape:
        return {}
    at = _member(document, entity, row.name, "x-filled")
    given: Any = row.shape["x-filled"]
    if at.place[-1:] == ("x-filled",) and not at.fits("filled"):
        return {}
    found: dict[str, With] = {}
    cycle = side.book.lifecycle
    for when, source in given.items():
        status = when.removeprefix(_STATUS)
        part = at.at(when) if when in at else at
        if when != "create" and entity != side.book.matrix.root:
            part.wrong(f"{entity} is not the root, so only `create` can be filled")
        elif source == "url" and entity != side.book.matrix.root:
            part.wrong(f"{entity} is not the root, so its objects have no URL")
        elif when.startswith("status") and cycle is None:
            part.wrong("there is no lifecycle, so the status never changes", key=True)
        elif when.startswith(_STATUS) and cycle is not None and status not in cycle.moves:
            part.wrong(f"no status {status!r}" + nearest(status, cycle.moves), key=True)
        elif source == "default" and "default" not in row.shape:
            part.wrong(f"{row.name} has no default")
        elif source != "default" and not _is_text(row, source):
            part.wrong(f"{row.name} is not {_kind(source)}, so it cannot be filled with {source}")
        else:
            found[when] = source
    return found


def _is_text(row: Field, source: With) -> bool:
    """Return whether a member can have the identifier, the URL or the current time."""
    shape = row.shape
    formats = {
        "now": {None, "date-time"},
        "identifier": {None, "uuid"},
        "url": {None, "uri-reference"},
    }
    return (
        _sort_of(row) in {"text", "instant"}
        and shape.get("type", "string") != "boolean"
        and "enum" not in shape
        and shape.get("format") in formats[source]
    )


def _kind(source: With) -> str:
    return "a date-time" if source == "now" else "a text"


def _apart(document: Node, side: Side) -> dict[str, str | None]:
    """Return the texts that are stored apart. Problems are recorded."""
    matrix = side.book.matrix
    marked = {
        (entity, name): row
        for entity, fields in matrix.entities.items()
        for name, row in fields.items()
        if row.shape.get("x-stored-apart")
    }
    found: dict[str, str | None] = {}
    reached: set[tuple[str, str]] = set()
    for name, row in matrix.root_fields.items():
        inner = [field for entity, field in marked if entity == row.entity and row.entity]
        if (matrix.root, name) in marked:
            found[name] = None
            reached.add((matrix.root, name))
        elif inner:
            found[name] = inner[0]
            reached.add((row.entity or "", inner[0]))
    for place, row in marked.items():
        at = _member(document, *place, "x-stored-apart")
        if row.shape.get("type") != "string" or row.many:
            at.wrong(f"{'.'.join(place)} is not text, so it cannot be stored apart")
        elif place not in reached:
            message = "only one text of each object that the root contains can be stored apart"
            at.wrong(message)
    return found
