"""Convert compiled schemas to the dialect of OpenAPI, and describe the rules in text.

A compiled schema is JSON Schema 2020-12. OpenAPI 3.1 uses it as it is; for OpenAPI 3.0 the keywords
that it lacks are expressed by keywords that it has, without changing a verdict. The meaning of a
cell's code is added to the description, so client generators, mocks and pages show it. A prohibited
member is also `readOnly`. OpenAPI has no keyword for a member that is accepted but not used, so an
unsupported member is mentioned in its description only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ttrules.codes import ANNOTATION, REQUIREMENTS
from ttrules.findings import of_condition

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ttrules.rulebook import Rulebook

#: Codes that say all in one sentence; what is optional needs none.
_TOLD: Final = frozenset({"R", "P", "-"})
#: Keywords whose value is a schema, or a list of them.
_BELOW: Final = frozenset({"items", "not", "if", "then", "allOf", "anyOf", "oneOf"})
_BOUNDS: Final = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}


def request_schema(book: Rulebook, process: str, openapi: str) -> dict[str, Any]:
    """Return the schema of a process as a shape of a document whose version is `openapi`."""
    told = _described(book, process, book.schema(process))
    del told["$schema"]
    told[ANNOTATION] = {"process": process, **told[ANNOTATION]}
    return dict(_as_openapi_30(told)) if openapi.startswith("3.0.") else told


def with_codes(book: Rulebook, entity: str, shape: Mapping[str, Any]) -> dict[str, Any]:
    """Return the shape of an entity whose members tell what they owe to which process."""
    members = {}
    for name, member in shape["properties"].items():
        row = book.matrix.entities[entity][name]
        codes = dict(row.requirements)
        note = {ANNOTATION: {"cell": f"{entity}.{name}", "requirements": codes}}
        sent = {"readOnly": True} if {*codes.values()} == {"P"} else {}
        # Nothing beside a reference is looked at, so that it is wrapped.
        bare = {"allOf": [dict(member)]} if "$ref" in member else dict(member)
        text = " ".join(filter(None, (row.description, *_by_code(codes))))
        members[name] = {**bare, **({"description": text} if text else {}), **sent, **note}
    return {**shape, "properties": members}


def _by_code(codes: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each code except the optional one, with its processes."""
    for code in dict.fromkeys(codes.values()):
        if code != "O":
            names = [name for name, each in codes.items() if each == code]
            where = "every process" if len(names) == len(codes) else ", ".join(names)
            yield f"{REQUIREMENTS[code].partition(':')[0]} in {where}."


def _described(book: Rulebook, process: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a compiled schema whose members tell in words what is asked of them."""
    told = dict(schema)
    if "items" in schema:
        told["items"] = _described(book, process, schema["items"])
    if "properties" in schema:
        told["properties"] = {
            name: _described(book, process, member) for name, member in schema["properties"].items()
        }
    note = schema.get(ANNOTATION, {})
    if "cell" in note:
        entity, _, field = note["cell"].partition(".")
        sentences = _sentences(book, process, entity, field, note["requirement"])
        text = " ".join(filter(None, (schema.get("description"), *sentences)))
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


def _as_openapi_30(node: Any) -> Any:  # noqa: ANN401 - a schema, or a list of them
    """Return a compiled schema in the dialect of OpenAPI 3.0."""
    if isinstance(node, list):
        return [_as_openapi_30(each) for each in node]
    shape = {key: _as_openapi_30(each) if key in _BELOW else each for key, each in node.items()}
    if "properties" in shape:
        members = shape["properties"].items()
        shape["properties"] = {name: _as_openapi_30(member) for name, member in members}
    if shape.pop("contentEncoding", None) == "base64":
        shape["format"] = "byte"
    if "if" in shape:
        shape["anyOf"] = [{"not": shape.pop("if")}, shape.pop("then")]
    for exclusive, bound in _BOUNDS.items():
        if exclusive in shape:
            shape.update({bound: shape[exclusive], exclusive: True})
    if isinstance(shape.get("type"), list):
        shape.update(_typed(shape, [kind for kind in shape.pop("type") if kind != "null"]))
    return shape


def _typed(shape: Mapping[str, Any], kinds: list[str]) -> dict[str, Any]:
    """Return the keywords for a value of one of several types.

    The dialect has a keyword for one type and null. Several types mean any value except null; a
    list among them has items of any type.
    """
    if len(kinds) == 1:
        return {"type": kinds[0], "nullable": True}
    assert "anyOf" not in shape, "plain values have no relations"
    return {"anyOf": [{"type": k, **({"items": {}} if k == "array" else {})} for k in kinds]}
