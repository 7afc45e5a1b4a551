"""The processes of a spec: their roots, and how one is selected.

Each check yields a Problem with the position and what to write instead. Without a selection, the
requests of the document decide, where each root belongs to one process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ttrules.codes import OPERATIONS, slug
from ttrules.matrix import Process
from ttrules.pointers import path_of, pointer
from ttrules.spec.references import value_problem
from ttrules.spec.yaml_source import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ttrules.errors import Problem
    from ttrules.matrix import Field
    from ttrules.pointers import Path
    from ttrules.spec.yaml_source import Place, Source

    Entities = Mapping[str, Mapping[str, Field]]

_AT: Final = ("selection", "processes")
#: The types of a selecting field, as JSON Schema and Python call them.
_TYPES: Final[dict[str, type]] = {"string": str, "integer": int, "boolean": bool}
#: The methods of requests that may have a body.
_METHODS: Final = frozenset({"post", "put", "patch", "delete"})
#: The ways to name the values of a process.
_CHOICES: Final = ("value", "values", "otherwise")


def roots_of(matrix: Mapping[str, Any]) -> dict[str, str]:
    """Return the root of each process of a matrix without problems, in the order of its columns."""
    return {
        name: matrix.get("roots", {}).get(name, matrix.get("root")) for name in matrix["processes"]
    }


def root_problems(source: Source) -> Iterator[Problem]:
    """Yield the problems of the roots of a matrix."""
    matrix = source.value
    processes, rows = matrix["processes"], matrix["entities"]
    if ("root" in matrix) is ("roots" in matrix):
        message = "write either root, or roots with the root of each process"
        yield source.problem(
            ("roots",) if "roots" in matrix else (), message, key="roots" in matrix
        )
        return
    named: dict[Place, str] = {
        ("roots", name): each for name, each in matrix.get("roots", {}).items()
    }
    for at, root in (named or {("root",): matrix.get("root", "")}).items():
        if root not in rows:
            message = f"the root {root!r} has no rows" + nearest(root, rows)
            yield source.problem(at, message)
    for name in matrix.get("roots", {}):
        if name not in processes:
            message = f"no process {name!r}" + nearest(name, processes)
            yield source.problem(("roots", name), message, key=True)
    for name in processes if "roots" in matrix else ():
        if name not in matrix["roots"]:
            yield source.problem(("roots",), f"the process {name!r} has no root", key=True)


def selection_problems(
    source: Source, openapi: Source, entities: Entities, roots: Mapping[str, str]
) -> Iterator[Problem]:
    """Yield the problems of the selection; `roots` are the roots of the processes."""
    selection = source.value.get("selection")
    if selection is None:
        return
    chosen = selection["processes"]
    is_known = True
    for root in dict.fromkeys(_selecting_roots(selection, roots)):
        for problem in _field_problems(source, entities, root, selection["field"]):
            is_known = False
            yield problem
    for process, rule in chosen.items():
        at = (*_AT, process)
        if process not in roots:
            message = f"the matrix has no process {process!r}" + nearest(process, [*roots])
            yield source.problem(at, message, key=True)
            continue
        yield from _rule_problems(source, openapi, process, roots)
        if is_known and "field" in selection and any(each in rule for each in _CHOICES):
            field = _selecting_field(entities, roots[process], selection["field"])
            yield from _value_problems(source, process, roots, field)
    for process in roots:
        if process not in chosen:
            yield source.problem(_AT, f"the process {process!r} is not listed", key=True)
    yield from _choice_problems(
        source, {name: chosen[name] for name in chosen if name in roots}, roots
    )


def _selecting_roots(selection: Mapping[str, Any], roots: Mapping[str, str]) -> Iterator[str]:
    """Yield the roots that must have the selecting field."""
    if "field" in selection:
        by_value = [
            name
            for name, rule in selection["processes"].items()
            if any(c in rule for c in _CHOICES)
        ]
        yield from (roots[name] for name in by_value or roots if name in roots)


def path_of_field(field: str) -> Path:
    """Return the path of a selecting field: a member name or a JSON Pointer. Raises ValueError."""
    return path_of(field) if field.startswith("/") else (field,)


def _selecting_field(entities: Entities, root: str, field: str) -> Field:
    """Return the selecting field of a root, which has one."""
    entity: str | None = root
    for name in path_of_field(field):
        found = entities[entity or ""][str(name)]
        entity = found.entity
    return found


def _field_problems(source: Source, entities: Entities, root: str, field: str) -> Iterator[Problem]:
    """Yield the problem of a selecting field that cannot be found in a root or cannot select."""
    at: Place = ("selection", "field")
    try:
        path = path_of_field(field)
    except ValueError as error:
        yield source.problem(at, f"{field!r} is not a JSON Pointer: {error}")
        return
    entity: str | None = root
    for index, name in enumerate(path):
        fields = entities[entity or ""]
        if name not in fields:
            message = f"{entity} has no field {name!r}" + nearest(str(name), fields)
            if "." in str(name):
                message += f"; a nested field is written {pointer(tuple(field.split('.')))}"
            yield source.problem(at, message)
            return
        found, is_last = fields[str(name)], index == len(path) - 1
        if found.many or (found.entity is None) is not is_last:
            message = f"{pointer(path[: index + 1])} is a list" if found.many else ""
            kind = "is an object: name one of its members" if is_last else "is not an object"
            yield source.problem(at, message or f"{pointer(path[: index + 1])} {kind}")
            return
        entity = found.entity
    if not _kinds(found) & _TYPES.keys():
        message = f"{field} is not text, an integer or a boolean, so it cannot select a process"
        yield source.problem(at, message)


def _kinds(field: Field) -> set[str]:
    """Return the types of a field."""
    kinds = field.shape.get("type", [])
    return {kinds} if isinstance(kinds, str) else {*kinds}


def _rule_problems(
    source: Source, openapi: Source, process: str, roots: Mapping[str, str]
) -> Iterator[Problem]:
    """Yield the problems of the keys of a process that name something else."""
    selection = source.value["selection"]
    rule, at = selection["processes"][process], (*_AT, process)
    named = [key for key in _CHOICES if key in rule]
    if len(named) > 1:
        message = f"{process!r} has {' and '.join(named)}: write one of them"
        yield source.problem((*at, named[1]), message, key=True)
    if named and "field" not in selection:
        message = f"{named[0]} needs the field that has it: add field to selection"
        yield source.problem((*at, named[0]), message, key=True)
    if (add := rule.get("add")) is not None:
        adding = [
            name
            for name, each in selection["processes"].items()
            if each["operation"] == "add" and name in roots
        ]
        if rule["operation"] not in {"change", "replace"}:
            message = "only a change or a replacement has an Add process: leave add out"
            yield source.problem((*at, "add"), message, key=True)
        elif add not in adding:
            yield source.problem((*at, "add"), f"no Add process {add!r}" + nearest(add, adding))
    beside = [
        name
        for name, each in selection["processes"].items()
        if roots.get(name) == roots[process] and each["operation"] == "add"
    ]
    if rule["operation"] == "action" and beside and "request" not in rule:
        message = f"{beside[0]!r} has the same root: add the request of the action"
        yield source.problem((*at, "operation"), message)
    if (request := rule.get("request")) is not None:
        known = [f"{method.upper()} {path}" for path, method, _ in _requests(openapi.value)]
        if request not in known:
            message = f"{openapi.path} has no request {request!r}" + nearest(request, known)
            yield source.problem((*at, "request"), message)


def _value_problems(
    source: Source, process: str, roots: Mapping[str, str], field: Field
) -> Iterator[Problem]:
    """Yield the values of a process that the selecting field cannot have."""
    chosen, at = source.value["selection"]["processes"], (*_AT, process)
    rule = chosen[process]
    places: dict[Place, Any] = {(*at, "value"): rule["value"]} if "value" in rule else {}
    places |= {(*at, "values", index): each for index, each in enumerate(rule.get("values", ()))}
    for place, value in places.items():
        yield from value_problem(source, place, field.name, field.shape, value)
    if (
        "otherwise" in rule
        and not places
        and _listed(field)
        and not _rest(chosen, roots, process, field)
    ):
        message = f"every value of {field.name} selects another process"
        yield source.problem((*at, "otherwise"), message, key=True)


def _choice_problems(
    source: Source, chosen: Mapping[str, Any], roots: Mapping[str, str]
) -> Iterator[Problem]:
    """Yield the processes that the same payloads select, or that a value can never select."""
    groups: dict[tuple[str, str, str | None], list[str]] = {}
    for name, rule in chosen.items():
        key = roots[name], rule["operation"], rule.get("request")
        groups.setdefault(key, []).append(name)
    for names in groups.values():
        seen: dict[object, str] = {}
        for name in names:
            for value in values_of(chosen[name]) or (_CHOICES,):
                other = seen.setdefault((type(value), value), name)
                if other != name:
                    both = f"{name!r} and {other!r}"
                    message = f"{both} are selected by the same values"
                    if value == _CHOICES:
                        message = f"{both} are selected by the same payloads: give each its values"
                    yield source.problem((*_AT, name), message, key=True)
        plain = [name for name in names if not any(each in chosen[name] for each in _CHOICES)]
        if len(names) > 1 and len(plain) == 1 and not any("otherwise" in chosen[n] for n in names):
            message = f"{plain[0]!r} has no values: write otherwise: true for all other values"
            yield source.problem((*_AT, plain[0]), message, key=True)


def values_of(rule: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the values that a selection lists for a process."""
    return tuple(rule.get("values", [rule["value"]] if "value" in rule else ()))


def processes_of(
    matrix: Mapping[str, Any],
    selection: Mapping[str, Any] | None,
    openapi: Mapping[str, Any],
    entities: Entities,
) -> Iterator[Process]:
    """Yield the processes of a matrix without problems, with how each is selected."""
    roots = roots_of(matrix)
    first = next(iter(roots.values()))
    guessed = {} if selection is not None else _operations_of(openapi, roots)
    chosen: Mapping[str, Any] = {} if selection is None else selection["processes"]
    for name, root in roots.items():
        rule = chosen.get(name, {})
        values = values_of(rule)
        if "otherwise" in rule:
            field = _selecting_field(entities, root, (selection or {})["field"])
            values = _rest(chosen, roots, name, field)
        yield Process(
            name=name,
            slug=slug(name),
            operation=rule.get("operation", guessed.get(name)),
            values=values,
            otherwise="otherwise" in rule,
            request=rule.get("request"),
            root=None if root == first else root,
            add=rule.get("add"),
        )


def _rest(
    chosen: Mapping[str, Any], roots: Mapping[str, str], process: str, field: Field
) -> tuple[Any, ...]:
    """Return the listed values of a field that select no other process."""
    rule = chosen[process]
    taken = [
        value
        for name, other in chosen.items()
        if roots.get(name) == roots[process]
        and all(other.get(key) == rule.get(key) for key in ("operation", "request"))
        for value in values_of(other)
    ]
    return tuple(each for each in _listed(field) if each not in taken)


def _listed(field: Field) -> list[Any]:
    """Return all values of a field that can select, or none if there is no list of them."""
    values = field.shape.get("enum", [False, True] if _kinds(field) == {"boolean"} else [])
    return [value for value in values if type(value) in _TYPES.values()]


def _operations_of(openapi: Mapping[str, Any], roots: Mapping[str, str]) -> dict[str, str]:
    """Return the operation of each process whose root is the body of requests of one method.

    A matrix of one process needs none: the process applies to every payload.
    """
    methods: dict[str, set[str]] = {}
    for method, root in _bodies(openapi):
        methods.setdefault(root, set()).add(method)
    by_method = {method: name for name, method in reversed(OPERATIONS.items())}
    return {
        process: by_method[method]
        for process, root in roots.items()
        if len(roots) > 1 and [*roots.values()].count(root) == 1 and len(methods.get(root, ())) == 1
        for method in methods[root]
    }


def _bodies(openapi: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the method of each request of a document, and the name of the shape of its body."""
    bodies = _mapping(openapi["components"].get("requestBodies"))
    for _, method, operation in _requests(openapi):
        body = _mapping(operation.get("requestBody"))
        body = _mapping(bodies.get(str(body.get("$ref")).rpartition("/")[2], body))
        for content in _mapping(body.get("content")).values():
            reference = _mapping(_mapping(content).get("schema")).get("$ref")
            yield method, str(reference).rpartition("/")[2]


def _requests(openapi: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield path, method and operation of each request that may have a body."""
    for path, item in _mapping(openapi.get("paths")).items():
        for method, operation in _mapping(item).items():
            if method in _METHODS:
                yield path, method, _mapping(operation)


def _mapping(value: object) -> Mapping[str, Any]:
    """Return a part of the document, or an empty mapping: its form is not checked here."""
    return value if isinstance(value, dict) else {}
