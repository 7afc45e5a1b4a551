"""Convert compiled schemas to the dialect of OpenAPI, and describe the rules in text.

A compiled schema is JSON Schema 2020-12. OpenAPI 3.1 uses it as it is; for OpenAPI 3.0 the keywords
that it lacks are expressed by keywords that it has, without changing a verdict. The meaning of a
cell's code is added to the description, so client generators, mocks and pages show it. A prohibited
member is also `readOnly`. OpenAPI has no keyword for a member that is accepted but not used, so an
unsupported member is mentioned in its description only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ttrules.codes import ANNOTATION, PARTS, REQUIREMENTS, mapped
from ttrules.findings import of_condition
from ttrules.matrix import reached

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ttrules.rulebook import Rulebook

#: Codes that say all in one sentence; what is optional needs none.
_TOLD: Final = frozenset({"R", "P", "-"})
#: Keywords whose value is a schema, or a list of them.
_BELOW: Final = frozenset({*PARTS, "contains", "not", "if", "then", "allOf", "anyOf", "oneOf"})
_BY_NAME: Final = frozenset({"properties", "$defs"})
_DEFINED: Final = "#/$defs/"
_COMPONENTS: Final = "#/components/schemas/"
_BOUNDS: Final = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}


def request_schema(
    book: Rulebook, process: str, openapi: str, before: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the schema of a process as a shape of a document whose version is `openapi`.

    `before` are the sentences that `tell_codes` found in the document, by cell. Its definitions
    have to become components of the document: see `hoisted`.
    """
    told = _described(book, process, book.schema(process), before or {})
    del told["$schema"]
    told[ANNOTATION] = {"process": process, **told[ANNOTATION]}
    return dict(_as_openapi_30(told)) if openapi.startswith("3.0") else told


def hoisted(shape: dict[str, Any], name: str) -> dict[str, dict[str, Any]]:
    """Return a shape and its definitions as components, by name; that of the shape is `name`."""

    def referring(node: Mapping[str, Any]) -> dict[str, Any]:
        made = mapped(node, referring)
        if "$ref" in made:
            made["$ref"] = made["$ref"].replace(_DEFINED, f"{_COMPONENTS}{name}.", 1)
        return made

    definitions = shape.pop("$defs", {})
    found = {f"{name}.{each}": referring(node) for each, node in definitions.items()}
    return {name: referring(shape) if found else shape, **found}


def tell_codes(
    book: Rulebook, entity: str, members: dict[str, Any], before: dict[str, str]
) -> None:
    """Describe, in place, what the members of a shape owe to which process.

    A member that has been described for other processes keeps their codes. The sentences that it
    had are added to `before`, by cell.
    """
    entities, roots = book.matrix.entities, book.matrix.root_of
    reaching = {name for name in book.processes() if entity in reached(entities, roots(name))}
    rows = entities[entity]
    for name in members.keys() & rows.keys():
        member, row, cell = members[name], rows[name], f"{entity}.{name}"
        note = member.get(ANNOTATION, {})
        codes = dict(note.get("requirements", {}))
        before[cell] = " ".join(_by_code(codes))
        codes |= {n: code for n, code in row.requirements.items() if n in reaching}
        # Nothing beside a reference is looked at, so that it is wrapped.
        bare = {"allOf": [dict(member)]} if "$ref" in member else dict(member)
        description = row.description.removesuffix(before[cell]).rstrip()
        text = " ".join(filter(None, (description, *_by_code(codes))))
        members[name] = {
            **bare,
            **({"description": text} if text else {}),
            **({"readOnly": True} if {*codes.values()} == {"P"} else {}),
            ANNOTATION: {"cell": cell, "requirements": codes},
        }


def _by_code(codes: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each code except the optional one, with its processes."""
    for code in dict.fromkeys(codes.values()):
        if code != "O":
            names = [name for name, each in codes.items() if each == code]
            where = "every process" if len(names) == len(codes) else ", ".join(names)
            yield f"{REQUIREMENTS[code].partition(':')[0]} in {where}."


def _described(
    book: Rulebook,
    process: str,
    schema: Mapping[str, Any],
    before: Mapping[str, str],
    cell: tuple[str, str] | None = None,
) -> dict[str, Any]:
    """Return a compiled schema whose members describe their requirements.

    `cell` is the entity and the field of a member.
    """
    told = dict(schema)
    for key in PARTS & schema.keys():
        told[key] = _described(book, process, schema[key], before)
    if "properties" in schema and ANNOTATION in schema:
        entity = schema[ANNOTATION]["entity"]
        told["properties"] = {
            name: _described(book, process, member, before, (entity, name))
            for name, member in schema["properties"].items()
        }
    if "$defs" in schema:
        told["$defs"] = {
            name: _described(book, process, each, before) for name, each in schema["$defs"].items()
        }
    note = schema.get(ANNOTATION, {})
    if cell is not None:
        entity, field = cell
        sentences = _sentences(book, process, entity, field, note["requirement"])
        bare = schema.get("description", "").removesuffix(before.get(note["cell"], "")).rstrip()
        text = " ".join(filter(None, (bare, *sentences)))
        told |= {"description": text} if text else {}
        told |= {"readOnly": True} if note["requirement"] == "P" else {}
    return told


def _sentences(book: Rulebook, process: str, entity: str, field: str, code: str) -> Iterator[str]:
    """Yield what a cell asks for, its conditions included."""
    conditions = [
        each
        for each in book.matrix.conditions
        if each.entity == entity and field in each.fields and process in each.processes
    ]
    if code in _TOLD or ("PD" in code and not conditions):
        yield REQUIREMENTS[code]
    for each in conditions:
        if each.relation != "optional":
            yield of_condition(each, field, code, process).message


def _as_openapi_30(node: Any) -> Any:
    """Return a compiled schema in the dialect of OpenAPI 3.0."""
    if isinstance(node, list):
        return [_as_openapi_30(each) for each in node]
    shape = {key: _as_openapi_30(each) if key in _BELOW else each for key, each in node.items()}
    for key in _BY_NAME & shape.keys():
        shape[key] = {name: _as_openapi_30(each) for name, each in shape[key].items()}
    if "$ref" in shape and len(shape) > 1:  # keywords beside a reference are ignored there
        shape["allOf"] = [{"$ref": shape.pop("$ref")}, *shape.get("allOf", ())]
    if shape.pop("contentEncoding", None) == "base64":
        shape["format"] = "byte"
    if "contains" in shape:  # some item is: not every item is not
        shape["not"] = {"items": {"not": shape.pop("contains")}}
    if "if" in shape:
        shape["anyOf"] = [{"not": shape.pop("if")}, shape.pop("then")]
    for exclusive, bound in _BOUNDS.items():
        if exclusive in shape:
            shape.update({bound: shape[exclusive], exclusive: True})
    if isinstance(shape.get("type"), list):
        kinds = shape.pop("type")
        plain = [kind for kind in kinds if kind != "null"]
        shape.update(_typed(shape, plain, is_nullable=len(plain) < len(kinds)))
    if shape.get("type") == "null":
        shape.update({"type": "string", "enum": [None], "nullable": True})
    return shape


def _typed(shape: Mapping[str, Any], kinds: list[str], *, is_nullable: bool) -> dict[str, Any]:
    """Return the keywords for a value of one of several types.

    The dialect has a keyword for one type, and null beside it. A list among several types has items
    of any type.
    """
    null = {"nullable": True} if is_nullable else {}
    if len(kinds) == 1:
        return {"type": kinds[0], **null}
    typed = [{"type": k, **({"items": {}} if k == "array" else {}), **null} for k in kinds]
    if "anyOf" not in shape:
        return {"anyOf": typed}
    return {"allOf": [*shape.get("allOf", ()), {"anyOf": typed}]}
