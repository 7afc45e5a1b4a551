"""Load a spec: the OpenAPI shapes, the matrix, its interpretation and the lifecycle.

Four files become one frozen Matrix, or one SpecError with every problem and its file, line and
column. Each file is validated against the JSON Schema of its form, then the matrix against the
shapes, then interpretation and lifecycle against both. A new key of a file needs its row in the
form of that file (spec/schemas/), and a check in `references` if it names something that another
file defines.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttrules.codes import slug
from ttrules.errors import SpecError
from ttrules.matrix import Condition, Field, Matrix, Process, When
from ttrules.spec.references import (
    append_problems,
    bound_processes,
    condition_problems,
    lifecycle_problems,
    name_problems,
    selection_problems,
)
from ttrules.spec.shapes import Shapes
from ttrules.spec.yaml_source import Source, form_problems

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from os import PathLike

    from ttrules.errors import Problem

__all__ = ["Condition", "Field", "Matrix", "Process", "load_spec"]


def load_spec(
    openapi: str | PathLike[str],
    requirements: str | PathLike[str],
    interpretation: str | PathLike[str] | None = None,
    lifecycle: str | PathLike[str] | None = None,
) -> Matrix:
    """Read spec files and return their Matrix.

    Raises SpecError with all problems of the first stage that has any: files that cannot be read or
    are not YAML, then files of the wrong form, then a matrix and shapes that do not match, then
    unknown names in an interpretation or a lifecycle. Problems are in the order of
    file, line and column.
    """
    sources = _read(
        {
            "openapi": openapi,
            "requirements": requirements,
            "interpretation": interpretation,
            "lifecycle": lifecycle,
        }
    )
    _stop_at(problem for name, source in sources.items() for problem in form_problems(source, name))
    shapes = Shapes(sources["openapi"], sources["requirements"])
    entities = shapes.entities()
    _stop_at(shapes.problems)
    _stop_at(_naming_problems(sources, entities))
    return _spec(sources, entities)


def _read(paths: Mapping[str, str | PathLike[str] | None]) -> dict[str, Source]:
    sources: dict[str, Source] = {}
    problems: list[Problem] = []
    for name, path in paths.items():
        if path is not None:
            try:
                sources[name] = Source(path)
            except SpecError as error:
                problems += error.problems
    _stop_at(problems)
    return sources


def _stop_at(problems: Iterable[Problem]) -> None:
    found = {(each.file, each.line, each.column, each.message): each for each in problems}
    if found:
        raise SpecError([found[place] for place in sorted(found)])


def _naming_problems(
    sources: Mapping[str, Source], entities: Mapping[str, Mapping[str, Field]]
) -> Iterator[Problem]:
    matrix = sources["requirements"].value
    root, processes = matrix["root"], matrix["processes"]
    if (source := sources.get("interpretation")) is not None:
        yield from selection_problems(source, entities[root], processes)
        yield from condition_problems(source, entities, root, processes)
        yield from name_problems(source, entities)
        yield from append_problems(source, entities, root)
    if (source := sources.get("lifecycle")) is not None:
        yield from lifecycle_problems(source, entities[root])


def _spec(sources: Mapping[str, Source], entities: Mapping[str, Mapping[str, Field]]) -> Matrix:
    """Join files that have no problems."""
    info = sources["openapi"].value["info"]
    matrix = sources["requirements"].value
    decided: dict[str, Any] = sources["interpretation"].value if "interpretation" in sources else {}
    selection = decided.get("selection", {})
    named = {
        section: {
            entity: tuple(fields)
            for entity, fields in decided.get(section, {}).get("fields", {}).items()
        }
        for section in ("immutable", "append_only")
    }
    return Matrix(
        title=info["title"],
        version=info["version"],
        source=matrix.get("document", {}).get("section", Path(sources["requirements"].path).name),
        root=matrix["root"],
        processes=tuple(_processes(matrix["processes"], selection.get("processes", {}))),
        entities=entities,
        selection_field=selection.get("field"),
        selection_reason=selection.get("reason", ""),
        conditions=tuple(
            _condition(entry, entities[entry["entity"]], matrix["processes"])
            for entry in decided.get("conditions", ())
        ),
        unsupported=decided.get("unsupported", {}).get("policy", "warn"),
        **named,
        defaults=decided.get("append_only", {}).get("defaults", {}),
        identity=tuple(decided.get("identity", {}).get("fields", ())),
        removal=decided.get("removal", {}).get("allowed_when") == "optional_in_both",
        decisions=tuple(decided.get("decisions", ())),
        lifecycle=sources["lifecycle"].value if "lifecycle" in sources else {},
        reasons={
            name: decided[name]["reason"]
            for name in ("unsupported", "immutable", "append_only")
            if name in decided
        },
    )


def _processes(names: Iterable[str], chosen: Mapping[str, Any]) -> Iterator[Process]:
    for name in names:
        rule = chosen.get(name, {})
        yield Process(
            name=name, slug=slug(name), operation=rule.get("operation"), value=rule.get("value")
        )


def _condition(
    entry: Mapping[str, Any], fields: Mapping[str, Field], processes: list[str]
) -> Condition:
    return Condition(
        entity=entry["entity"],
        fields=tuple(entry["fields"]),
        relation=entry["relation"],
        processes=bound_processes(entry, fields, processes),
        when=When.from_json(entry["when"]) if "when" in entry else None,
        reason=entry["reason"],
    )
