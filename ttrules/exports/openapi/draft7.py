"""Convert shapes of OpenAPI to JSON Schema draft 7, which Postman validates responses with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ttrules.exports.openapi.operations import Document
    from ttrules.json_values import JSONValue

#: Keywords that say nothing about a value in draft 7, or not the same; and the formats that
#: Postman knows.
_UNSHARED: Final = frozenset(
    {
        *("example", "xml", "discriminator", "externalDocs", "nullable", "description"),
        *("$schema", "$id", "id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$comment"),
    }
)
_FORMATS: Final = frozenset({"date-time", "date"})
#: Keywords whose value is a schema by name, and those whose value is a schema or a list of them.
_BY_NAME: Final = frozenset({"properties", "patternProperties", "$defs", "dependentSchemas"})
_BELOW: Final = frozenset(
    {
        *("items", "additionalProperties", "not", "if", "then", "else", "contains"),
        *("propertyNames", "prefixItems", "allOf", "anyOf", "oneOf"),
    }
)
_DEFINED: Final = "#/components/schemas/"


def as_schema(node: JSONValue, read: Document | None = None) -> JSONValue:
    """Return a shape of OpenAPI as JSON Schema (draft 7), for a response.

    `read` is the document with what it refers to. A member that is only written is not required.
    """
    return _as_schema(node, read, ())


def _as_schema(node: JSONValue, read: Document | None, above: tuple[str, ...]) -> JSONValue:
    if isinstance(node, list):
        return [_as_schema(each, read, above) for each in node]
    if not isinstance(node, dict):
        return node
    reference = node.get("$ref")
    if isinstance(reference, str):
        if reference.startswith(_DEFINED):
            return {"$ref": f"#/definitions/{reference.removeprefix(_DEFINED)}"}
        if read is None or reference in above:
            return {}
        return _as_schema(read.at(node), read, (*above, reference))
    made: dict[str, JSONValue] = {}
    for key, value in node.items():
        if key in _BY_NAME and isinstance(value, dict):
            made[key] = {name: _as_schema(each, read, above) for name, each in value.items()}
        elif key in _BELOW:
            made[key] = _as_schema(value, read, above)
        elif key not in _UNSHARED and not key.startswith("x-"):
            made[key] = value
    return _as_draft_7(made, node)


def _as_draft_7(made: dict[str, JSONValue], node: dict[str, Any]) -> dict[str, JSONValue]:
    """Return a converted shape whose keywords have the meaning of JSON Schema."""
    if isinstance(made.get("format"), str) and made["format"] not in _FORMATS:
        del made["format"]
    for key, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(made.get(key), bool) and made.pop(key) and bound in made:
            made[key] = made.pop(bound)
    if isinstance(made.get("required"), list) and isinstance(node.get("properties"), dict):
        written = {name for name, each in node["properties"].items() if _is_written(each)}
        made["required"] = [name for name in made["required"] if name not in written]
    if node.get("nullable") is True and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    return made


def _is_written(member: object) -> bool:
    return isinstance(member, dict) and member.get("writeOnly") is True
