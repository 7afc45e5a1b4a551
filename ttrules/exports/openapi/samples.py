"""Values made up from the schemas of a document, for bodies and parameters without an example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ttrules.examples.values import realistic

if TYPE_CHECKING:
    from ttrules.exports.openapi.operations import Document
    from ttrules.json_values import JSONValue

#: Below this level an object has its required members only; below the other one it has none.
_WHOLE: Final = 1
_DEEPEST: Final = 4


def made_up(
    read: Document, schema: object, name: str = "", *, hidden: str = "readOnly", level: int = 0
) -> JSONValue:
    """Return a value for a schema, whose own examples come first.

    `hidden` is the mark of members that are left out: ``readOnly`` in a request, ``writeOnly`` in a
    response. The value need not satisfy every keyword.
    """
    node = read.at(schema)
    given = [node[key] for key in ("example", "const", "default") if key in node]
    for key in ("examples", "enum"):
        listed = node.get(key)
        given += listed if isinstance(listed, list) else []
    if given:
        return given[0]
    below: dict[str, Any] = {"hidden": hidden, "level": level + 1}
    if (first := read.alternatives(node)[0]) is not node:
        return None if level > _DEEPEST else made_up(read, first, name, **below)
    members = read.members(node)
    kinds = node.get("type", "object" if members else "array" if "items" in node else "string")
    kind = kinds[0] if isinstance(kinds, list) and kinds else kinds
    if kind == "object":
        wanted = members if level <= _WHOLE else read.required(node)
        return {
            member: made_up(read, members[member], member, **below)
            for member in (wanted if level < _DEEPEST else ())
            if member in members and read.at(members[member]).get(hidden) is not True
        }
    if kind == "array":
        return [made_up(read, node["items"], name, **below)] if "items" in node else []
    return realistic("", name, {**node, "type": kind})
