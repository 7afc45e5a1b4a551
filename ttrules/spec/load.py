"""Load a spec: the OpenAPI shapes, the matrix, its interpretation and the lifecycle.

Four files become one frozen Matrix, or one SpecError with every problem and its file, line and
column. Each file is validated against the JSON Schema of its form, then the matrix against the
shapes, then interpretation and lifecycle against both. A new key of a file needs its row in the
form of that file (spec/schemas/), and a check in `references` if it names something that another
file defines.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ttrules.errors import SpecError
from ttrules.matrix import Condition, Field, Matrix, Process
from ttrules.messages.catalogue import TABLES, catalogue
from ttrules.spec.conditions import condition_problems, conditions_of
from ttrules.spec.references import append_problems, lifecycle_problems, name_problems
from ttrules.spec.selection import processes_of, root_problems, roots_of, selection_problems
from ttrules.spec.shapes import Shapes
from ttrules.spec.yaml_source import Source, form_problems

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ttrules.errors import Problem
    from ttrules.spec.shapes import Note
    from ttrules.spec.yaml_source import SpecFile

#: Versions of OpenAPI whose schemas are those of 3.0, or of JSON Schema 2020-12.
_VERSION: Final = re.compile(r"3\.[0-2]\.[0-9]+(?:-.*)?")

__all__ = ["Condition", "Field", "Matrix", "Process", "load_spec"]


def load_spec(
    openapi: SpecFile,
    requirements: SpecFile,
    interpretation: SpecFile | None = None,
    lifecycle: SpecFile | None = None,
) -> Matrix:
    """Read spec files, or mappings with the content of files, and return their Matrix.

    Raises SpecError with all problems of the first stage that has any: files that cannot be read or
    are not YAML, then files of the wrong form, then a matrix and shapes that do not match, then
    unknown names in an interpretation or a lifecycle. Problems are in the order of
    file, line and column.
    """
    return load_with_notes(openapi, requirements, interpretation, lifecycle)[0]


def load_with_notes(
    openapi: SpecFile,
    requirements: SpecFile,
    interpretation: SpecFile | None = None,
    lifecycle: SpecFile | None = None,
) -> tuple[Matrix, list[Note]]:
    """Return the Matrix of spec files, and what lint says about their schemas.

    Raises SpecError as `load_spec` does.
    """
    sources = _read(
        {
            "openapi": openapi,
            "requirements": requirements,
            "interpretation": interpretation,
            "lifecycle": lifecycle,
        }
    )
    stop_at(version_problems(sources["openapi"]))
    stop_at(problem for name, source in sources.items() for problem in form_problems(source, name))
    shapes = Shapes(sources["openapi"], sources["requirements"])
    entities = shapes.entities()
    stop_at([*root_problems(sources["requirements"]), *shapes.problems])
    stop_at(_naming_problems(sources, entities))
    return _spec(sources, entities), shapes.notes


def read_document(path: SpecFile) -> Source:
    """Return an OpenAPI document of a known version. Raises SpecError."""
    openapi = Source(path, "openapi")
    stop_at(version_problems(openapi))
    return openapi


def version_problems(openapi: Source) -> Iterator[Problem]:
    """Yield the problem of a document that is not of OpenAPI 3.0, 3.1 or 3.2."""
    document = openapi.value
    if not isinstance(document, dict):
        return  # the form says so
    if "swagger" in document:
        message = (
            f"Swagger {document['swagger']}: convert it to OpenAPI 3 (for example with"
            " swagger2openapi)"
        )
        yield openapi.problem(("swagger",), message, key=True)
    elif "openapi" in document and not _VERSION.fullmatch(str(document["openapi"])):
        message = f"{document['openapi']!r} is no version: write 3.0.3, 3.1.1 or 3.2.0"
        yield openapi.problem(("openapi",), message)


def _read(paths: Mapping[str, SpecFile | None]) -> dict[str, Source]:
    sources: dict[str, Source] = {}
    problems: list[Problem] = []
    for name, path in paths.items():
        if path is not None:
            try:
                sources[name] = Source(path, name)
            except SpecError as error:
                problems += error.problems
    stop_at(problems)
    return sources


def stop_at(problems: Iterable[Problem]) -> None:
    """Raise SpecError if there are problems: each once, in the order of the files."""
    found = {(each.file, each.line, each.column, each.message): each for each in problems}
    if found:
        raise SpecError([found[place] for place in sorted(found)])


def _naming_problems(
    sources: Mapping[str, Source], entities: Mapping[str, Mapping[str, Field]]
) -> Iterator[Problem]:
    matrix = sources["requirements"].value
    roots = roots_of(matrix)
    if (source := sources.get("interpretation")) is not None:
        yield from selection_problems(source, sources["openapi"], entities, roots)
        yield from condition_problems(source, entities, roots)
        yield from name_problems(source, entities)
        yield from append_problems(source, entities, roots)
    if (source := sources.get("lifecycle")) is not None:
        fields: dict[str, Field] = {}
        for root in roots.values():
            fields = {**entities[root], **fields}
        yield from lifecycle_problems(source, fields)


def _spec(sources: Mapping[str, Source], entities: Mapping[str, Mapping[str, Field]]) -> Matrix:
    """Join files that have no problems."""
    info = sources["openapi"].value["info"]
    matrix = sources["requirements"].value
    decided: dict[str, Any] = sources["interpretation"].value if "interpretation" in sources else {}
    selection = decided.get("selection")
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
        root=next(iter(roots_of(matrix).values())),
        processes=tuple(processes_of(matrix, selection, sources["openapi"].value, entities)),
        entities=entities,
        selection_field=None if selection is None else selection.get("field"),
        selection_reason="" if selection is None else selection["reason"],
        conditions=tuple(
            condition
            for entry in decided.get("conditions", ())
            for condition in conditions_of(entry, entities, matrix["processes"])
            if condition.processes
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
        nouns=_nouns(info, next(iter(roots_of(matrix).values()))),
    )


def _nouns(info: Mapping[str, Any], root: str) -> dict[str, str]:
    """Return what the document calls a payload, by language; what is usual is left out."""
    written = info.get("x-noun")
    nouns = written if isinstance(written, dict) else {}
    usual = {language: catalogue(language).noun(root) for language in TABLES}
    return {
        language: noun
        for language, noun in nouns.items()
        if isinstance(noun, str) and noun != usual.get(language)
    }
