"""What a payload owes to the schemas of an OpenAPI document, read from the document itself.

No JSON Schema engine and nothing of ttrules: references are followed and the parts of allOf are
checked one by one. The codes are those that `ttrules init` drafts: R for what is required, P for
what is read-only, otherwise O.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from tests.support.oracle import SPACE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

Found = tuple[str, str]
Parts = list[dict[str, Any]]

KINDS: dict[str, Any] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}
#: The limits of a number and of a size, as the keyword and what is wrong about it.
RANGE = {
    "minimum": lambda value, limit: value < limit,
    "maximum": lambda value, limit: value > limit,
    "exclusiveMinimum": lambda value, limit: value <= limit,
    "exclusiveMaximum": lambda value, limit: value >= limit,
    "multipleOf": lambda value, limit: value % limit != 0,
}
SIZES: dict[type, str] = {str: "Length", list: "Items", dict: "Properties"}


class Document:
    """One document, read by the oracle."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    def parts(self, schema: Any) -> Parts:
        """Return a schema and all that it refers to and joins."""
        if isinstance(schema, bool):
            return []
        if "$ref" in schema:
            target: Any = self.document
            for step in unquote(schema["$ref"]).split("/")[1:]:
                name = step.replace("~1", "/").replace("~0", "~")
                target = target[int(name)] if isinstance(target, list) else target[name]
            is_alone = self.document["openapi"].startswith("3.0")
            return [*self.parts(target), *([] if is_alone else [schema])]
        return [schema, *(each for part in schema.get("allOf", ()) for each in self.parts(part))]

    def together(self, schemas: list[Any]) -> Parts:
        """Return the parts of several schemas."""
        return [each for schema in schemas for each in self.parts(schema)]

    def members(self, parts: Parts) -> dict[str, list[Any]]:
        """Return the schemas of each member."""
        found: dict[str, list[Any]] = {}
        for part in parts:
            for name, schema in part.get("properties", {}).items():
                found.setdefault(name, []).append(schema)
        return found

    def findings(self, schemas: list[Any], value: Any, at: str = "", code: str = "O") -> set[Found]:
        """Return the place and code of every finding on a value."""
        return set(self._findings(self.together(schemas), value, at, code))

    def _findings(self, parts: Parts, value: Any, at: str, code: str) -> Iterator[Found]:
        wrong = self._wrong(parts, value, code)
        if wrong is not None:
            yield at, wrong
        members = self.members(parts)
        if isinstance(value, dict) and members and self._is_of_types(parts, value):
            yield from self._of_object(parts, members, value, at)
        elif isinstance(value, dict):
            rest = [
                part["additionalProperties"] for part in parts if "additionalProperties" in part
            ]
            for name, each in value.items():
                yield from self.findings(rest, each, f"{at}/{written(name)}")
        elif isinstance(value, list):
            most = min((part["maxItems"] for part in parts if "maxItems" in part), default=10**9)
            items = [part["items"] for part in parts if "items" in part]
            for index, each in enumerate(value if len(value) <= most else ()):
                yield from self.findings(items, each, f"{at}/{index}")

    def _of_object(
        self, parts: Parts, members: dict[str, list[Any]], value: dict[str, Any], at: str
    ) -> Iterator[Found]:
        required = {name for part in parts for name in part.get("required", ())}
        for name in value.keys() - members.keys():
            yield f"{at}/{written(name)}", "unknown_field"
        for name, schemas in members.items():
            here = f"{at}/{written(name)}"
            is_read_only = any(part.get("readOnly") for part in self.together(schemas))
            code = "P" if is_read_only else "R" if name in required else "O"
            if name not in value:
                if code == "R":
                    yield here, "required"
            elif code == "P":
                yield here, "prohibited"
            else:
                yield from self.findings(schemas, value[name], here, code)

    def types(self, part: dict[str, Any]) -> list[str] | None:
        """Return the types that a part allows, or None for all."""
        kinds = part.get("type")
        if kinds is None:
            return ["object"] if "properties" in part else None
        listed = kinds if isinstance(kinds, list) else [kinds]
        return [*listed, "null"] if part.get("nullable") else listed

    def _is_of_types(self, parts: Parts, value: Any) -> bool:
        known = [kinds for part in parts if (kinds := self.types(part)) is not None]
        return all(any(is_a(value, kind) for kind in kinds) for kinds in known)

    def _wrong(self, parts: Parts, value: Any, code: str) -> str | None:
        """Return the code of the one finding on a value itself."""
        listed = [part["enum"] for part in parts if "enum" in part]
        listed += [[part["const"]] for part in parts if "const" in part]
        if value is None:
            is_fine = self._is_of_types(parts, None) and all(None in each for each in listed)
            return None if is_fine and code != "R" else "null"
        if not self._is_of_types(parts, value):
            return "type"
        if code == "R" and (value == [] or (isinstance(value, str) and not value.strip(SPACE))):
            return "empty"
        if not all(any(equal(value, one) for one in each) for each in listed):
            return "enum"
        for name in ("pattern", "range", "length"):
            if any(getattr(self, f"_{name}")(part, value) for part in parts):
                return {"pattern": "format"}.get(name, name)
        return None

    def _pattern(self, part: dict[str, Any], value: Any) -> bool:
        pattern = part.get("pattern")
        return isinstance(value, str) and pattern is not None and not re.search(pattern, value)

    def _range(self, part: dict[str, Any], value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        flags = {key for key in RANGE if part.get(key) is True}
        limits = {key: limit for key, limit in part.items() if key in RANGE and limit is not True}
        for flag in flags:
            limits[flag] = limits.pop(flag[9:].lower())
        return any(RANGE[key](value, limit) for key, limit in limits.items())

    def _length(self, part: dict[str, Any], value: Any) -> bool:
        if type(value) not in SIZES or (isinstance(value, dict) and self.members([part])):
            return False
        if value and part.get("additionalProperties") is False:
            return True  # and it lists no member
        end = SIZES[type(value)]
        is_sized = part.get(f"min{end}", 0) <= len(value) <= part.get(f"max{end}", 10**9)
        doubled = (
            isinstance(value, list)
            and part.get("uniqueItems")
            and any(equal(one, other) for at, one in enumerate(value) for other in value[:at])
        )
        return not is_sized or bool(doubled)


def written(name: str) -> str:
    """Return a name as a token of a JSON Pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def is_a(value: Any, kind: str) -> bool:
    """Return whether a value is of a type of JSON."""
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, KINDS[kind])


def equal(one: Any, other: Any) -> bool:
    """Return whether two values of JSON are equal; true is not 1."""
    return one == other and isinstance(one, bool) is isinstance(other, bool)


#: Values that are wrong in most places.
ODD: tuple[Any, ...] = (
    *(None, True, 0, 1, -1, 2.5, 1e300, "", " ", "a", "ab", "abc", "5", "x" * 30, "open"),
    *([], [1], ["a", "a"], [[1, 2], [3]], {}, {"a": 1}, {"": None, "5": "a"}, [{"a": "b"}]),
)


class RandomPayloads:
    """Draws payloads for a document: mostly right, often wrong in a few places."""

    def __init__(self, document: Document, draw: Random) -> None:
        self.document, self.draw = document, draw

    def value(self, schemas: list[Any], levels: int = 0) -> Any:
        """Return a value for some schemas."""
        draw, parts = self.draw, self.document.together(schemas)
        if draw.random() < 0.07:
            return draw.choice(ODD)
        listed = [each for part in parts for each in part.get("enum", ())]
        listed += [part["const"] for part in parts if "const" in part]
        if listed:
            return draw.choice(listed)
        kinds = [each for part in parts for each in self.document.types(part) or ()]
        kind = draw.choice(kinds or [*KINDS])
        members = self.document.members(parts)
        if kind == "object" and members:
            likely = draw.choice((0.4, 0.8, 1.0))
            made = {
                name: self.value(each, levels + 1)
                for name, each in members.items()
                if draw.random() < likely
            }
            return {**made, **({"extra/~": 1} if draw.random() < 0.05 else {})}
        below = [part[key] for part in parts for key in PARTS if isinstance(part.get(key), dict)]
        if kind == "object":
            names = draw.sample(["a", "b/c", "", "5", "05", "ż"], draw.randrange(4))
            return {name: self.value(below, levels + 1) for name in names} if below else {"k": [1]}
        if kind == "array":
            count = draw.randrange(4)
            return [self.value(below, levels + 1) for _ in range(count)] if levels < 6 else []
        return draw.choice([each for each in (*ODD, 5, 7, 10, "abcd") if is_a(each, kind)])


PARTS = ("items", "additionalProperties")
