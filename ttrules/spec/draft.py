"""Draft a matrix and an interpretation from an OpenAPI document.

`drafted` follows the schemas of the roots and gives each field a code in each process: R if the
document requires it, P if it is ``readOnly``, otherwise O; in a change nothing is required. The
processes are the operations whose body is a root. What the document says and a code cannot say is
returned as remarks. The files load as they are; people then change the codes.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import yaml

from ttrules.errors import SpecError
from ttrules.spec.load import stop_at
from ttrules.spec.shapes import Shapes
from ttrules.spec.text import NUMBER
from ttrules.spec.yaml_source import Source, form_problems, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ttrules.errors import Problem
    from ttrules.spec.resolver import Resolver
    from ttrules.spec.schema import Schema
    from ttrules.spec.shapes import Note

#: The operation of a process, and the last word of its name, by the method of its request.
_METHODS: Final = {
    "post": ("add", "Add"),
    "put": ("replace", "Replace"),
    "patch": ("change", "Change"),
}
#: Ends of the names of schemas that say what a body is for, which is in the name of the process.
_ENDS: Final = re.compile(r"[_-]?(?:Create|Update|FVO|MVO|Input|Request|Payload|Body|Patch|New)$")
_WIDTH: Final = 100
_REASON: Final = "As drafted from the operations of the document."
_HEADER: Final = """\
# Drafted by `ttrules init` from {path}. Change the codes: R required, O optional, P prohibited,
# PD process dependent (declare its condition in interpretation.yaml), - not supported.
"""


class Draft(NamedTuple):
    """The drafted files by name, and remarks on what a code cannot say, with their places."""

    files: dict[str, bytes]
    remarks: list[Problem]
    entities: int
    fields: int


class _Process(NamedTuple):
    """A process to be drafted, and the entities that its payload can contain."""

    name: str
    root: str
    operation: str
    reached: set[str]


class _Entity(NamedTuple):
    """An entity of the document, and the schemas of its fields."""

    schema: Schema
    fields: dict[str, Schema]


def drafted(openapi: Source, roots: Sequence[str]) -> Draft:
    """Return the draft for a document and the names of its roots: schemas, or requests.

    A request is a method and a path (``POST /orders``), whose JSON body is the root. Raises
    SpecError if the document cannot be read, or if it has no such root.
    """
    stop_at(form_problems(openapi, "openapi"))
    entities: dict[str, _Entity] = {}
    processes: list[_Process] = []
    notes: list[Note] = []
    for root in roots:
        shapes = _shapes(openapi, root)
        reached = dict(_entities(shapes))
        stop_at(shapes.problems)
        entities = {**reached, **entities}
        taken = {each.name for each in processes}
        processes += _processes(shapes.resolver, root, {*reached}, taken)
        notes += shapes.notes
    rows = {
        entity: {
            name: [
                _code(each, name, process) if entity in process.reached else "-"
                for process in processes
            ]
            for name in each.fields
        }
        for entity, each in entities.items()
    }
    remarks = [
        note.node.problem(f"{note.about}: {note.detail} is not enforced")
        for note in notes
        if note.kind == "unenforced"
    ]
    remarks += _lost(entities)
    return Draft(
        {
            "requirements.yaml": _requirements(openapi, processes, rows),
            "interpretation.yaml": _interpretation(processes),
        },
        sorted(set(remarks), key=lambda each: (each.file, each.line, each.column)),
        len(rows),
        sum(map(len, rows.values())),
    )


def _shapes(openapi: Source, root: str) -> Shapes:
    """Return the shapes of a matrix without rows."""
    matrix = {"matrix": 1, "root": root, "processes": [], "entities": {}}
    shapes = Shapes(openapi, Source(matrix, "the draft"))
    node = shapes.resolver.named(root)
    if node is None:
        known = [*shapes.resolver.components, *shapes.resolver.requests()]
        message = f"no schema and no request {root!r}" + nearest(root, known)
        raise SpecError([openapi.problem((), message)])
    shapes.add(root, shapes.resolver.schema(node))
    return shapes


def _entities(shapes: Shapes) -> Iterator[tuple[str, _Entity]]:
    """Yield the entities that a payload can contain."""
    done: set[str] = set()
    while left := [each for each in shapes.schemas if each not in done]:
        for entity in left:
            done.add(entity)
            schema = shapes.schemas[entity]
            fields = {
                name: shapes.resolver.schema(*nodes) for name, nodes in schema.properties.items()
            }
            for name, field in fields.items():
                shapes.value(field, f"{entity}.{name}")  # adds the entities that it contains
            if not fields:
                message = f"{entity} has no properties, so there is nothing to write rows for"
                shapes.resolver.refuse(schema.node, message)
            yield entity, _Entity(schema, fields)


def _code(entity: _Entity, name: str, process: _Process) -> str:
    if "readOnly" in entity.fields[name].flags:
        return "P"
    if name not in entity.schema.required or process.operation == "change":
        return "O"
    return "R"


def _processes(
    resolver: Resolver, root: str, reached: set[str], taken: set[str]
) -> Iterator[_Process]:
    """Yield a process for each method whose requests have the root as their body."""
    methods = {each.partition(" ")[0].lower() for each in resolver.requests_of(root)}
    known = {method: _METHODS[method] for method in _METHODS if method in methods}
    for operation, word in known.values() or [_METHODS["post"]]:
        short, full = (f"{_words(noun)} {word}" for noun in (_ENDS.sub("", root), root))
        yield _Process(full if short in taken else short, root, operation, reached)


def _words(name: str) -> str:
    """Return the name of a schema or a request as words: ``Trouble Ticket``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", " ", name).strip()


def _lost(entities: Mapping[str, _Entity]) -> Iterator[Problem]:
    """Yield what a code cannot say: R excludes null."""
    for entity, (schema, fields) in entities.items():
        for name, node in schema.required.items():
            if name not in fields:
                yield node.problem(f"{entity}: {name} is required, and is no property")
            elif fields[name].is_nullable:
                yield node.problem(f"{entity}.{name}: R does not accept null, the document does")


def _requirements(openapi: Source, processes: Sequence[_Process], rows: Mapping[str, Any]) -> bytes:
    roots = {each.name: each.root for each in processes}
    root = {"root": processes[0].root} if len({*roots.values()}) == 1 else {"roots": roots}
    info = openapi.value["info"]
    head = {
        "matrix": 1,
        "document": {"title": info["title"], "version": info["version"]},
        **root,
    }
    lines = [_HEADER.format(path=openapi.path), _block(head)]
    lines.append(f"processes: {_flow([each.name for each in processes])}\nentities:\n")
    for entity, fields in rows.items():
        lines.append(f"  {_flow(entity)}:\n")
        keys = {name: f"{_flow(name)}:" for name in fields}
        width = max(map(len, keys.values()))
        lines += [f"    {keys[name]:{width}} {_flow(codes)}\n" for name, codes in fields.items()]
    return "".join(lines).encode()


def _interpretation(processes: Sequence[_Process]) -> bytes:
    decided: dict[str, Any] = {"interpretation": 1}
    if len(processes) > 1:
        decided["selection"] = {
            "reason": _REASON,
            "processes": {each.name: {"operation": each.operation} for each in processes},
        }
    decided["unsupported"] = {"policy": "warn", "reason": "Nothing is decided yet."}
    return _block(decided).encode()


def _block(value: Mapping[str, Any]) -> str:
    """Return a mapping as lines of YAML."""
    text: str = yaml.dump(
        dict(value), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH
    )
    return text


def _flow(value: object) -> str:
    """Return a value in one line of YAML."""
    text: str = yaml.dump(
        value, Dumper=_Dumper, default_flow_style=True, allow_unicode=True, width=math.inf
    )
    return text.removesuffix("...\n").strip()


class _Dumper(yaml.SafeDumper):
    """A writer that quotes what is a number in YAML 1.2 only, such as 1e5."""


_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", NUMBER, list("-+.0123456789"))
