"""Put an OpenAPI document that is split into files into one document.

A schema in another file becomes a component of the document; anything else replaces its reference.
Addresses on the web are not read, and a reference to a file that is not there stays as it is.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import unquote, urlsplit

from ttrules.errors import SpecError
from ttrules.exports.openapi.operations import Document
from ttrules.spec.yaml_source import Source

if TYPE_CHECKING:
    from os import PathLike

    from ttrules.json_values import JSONValue

#: A file, and the fragment of a reference to a part of it.
_Target: TypeAlias = tuple[Path, str]
_REF: Final = "#/components/schemas/"
#: Keys whose value is a schema, and keys with schemas by name or in a list.
_SCHEMA: Final = frozenset(
    {"schema", "items", "not", "if", "then", "else", "additionalProperties", "contains"}
)
_SCHEMAS: Final = frozenset(
    {
        "properties",
        "patternProperties",
        "schemas",
        "$defs",
        "allOf",
        "anyOf",
        "oneOf",
        "prefixItems",
    }
)
#: Keys whose value is data: in a schema, and elsewhere.
_DATA: Final = {
    True: frozenset({"example", "examples", "default", "enum", "const"}),
    False: frozenset({"example", "value"}),
}


def bundled(path: str | PathLike[str]) -> dict[str, Any]:
    """Return the OpenAPI document of a file, with what it refers to in other files.

    The same files give the same value. Raises SpecError if the file cannot be read.
    """
    return _Bundle(Path(path)).whole()


class _Bundle:
    """One document while the parts of other files are put into it."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.files: dict[Path, JSONValue] = {self.path: Source(path).value}
        self.names: dict[_Target, str] = {}
        self.schemas: dict[str, JSONValue] = {}

    def whole(self) -> dict[str, Any]:
        value: Any = self.files[self.path]
        written = Document(value).part(value, "components").get("schemas")
        for name, shape in (written if isinstance(written, dict) else {}).items():
            self.schemas[name] = None
            if (target := self._target(shape, self.path)) is not None:
                self.names.setdefault(target, name)
        made: dict[str, Any] = self._copy(value, self.path)
        more = {name: each for name, each in self.schemas.items() if each is not None}
        if more:
            components = made.setdefault("components", {})
            components["schemas"] = {**components.get("schemas", {}), **more}
        return made

    def _target(self, node: object, file: Path) -> _Target | None:
        """Return the file and fragment of a reference to a part that is not in the document."""
        reference = node.get("$ref") if isinstance(node, dict) else None
        if not isinstance(reference, str):
            return None
        name, _, fragment = reference.partition("#")
        if urlsplit(name).scheme:
            return None
        target = (file.parent / unquote(name)).resolve() if name else file
        if target not in self.files:
            try:
                self.files[target] = Source(target).value
            except SpecError:
                return None
        return None if target == self.path else (target, fragment)

    def _copy(
        self,
        node: JSONValue,
        file: Path,
        above: tuple[_Target, ...] = (),
        *,
        is_schema: bool = False,
    ) -> JSONValue:
        """Return a part of a file with its references replaced; `above` are those that led here."""
        if isinstance(node, list):
            return [self._copy(each, file, above, is_schema=is_schema) for each in node]
        if not isinstance(node, dict):
            return node
        target = self._target(node, file)
        if target is not None and is_schema:
            return {**node, "$ref": _REF + self._component(target)}
        if target is not None:
            return (
                {}
                if target in above
                else self._copy(self._value(target), target[0], (*above, target))
            )
        made = {}
        for key, each in self._local(node, file).items():
            if key in _DATA[is_schema] or str(key).startswith("x-"):
                made[str(key)] = each
            elif key in _SCHEMAS and isinstance(each, dict):
                made[str(key)] = {n: self._named(key, n, one, file) for n, one in each.items()}
            else:
                inside = key in _SCHEMA or key in _SCHEMAS
                made[str(key)] = self._copy(each, file, above, is_schema=inside)
        return made

    def _named(self, key: str, name: str, node: JSONValue, file: Path) -> JSONValue:
        """Return a schema by name; a component that is in another file takes its place here."""
        target = self._target(node, file)
        if target is not None and key == "schemas" and self.names.get(target) == name:
            return self._copy(self._value(target), target[0], is_schema=True)
        return self._copy(node, file, is_schema=True)

    def _local(self, node: dict[str, Any], file: Path) -> dict[str, Any]:
        """Return a node of a file; a reference into the document has no file name."""
        name, hash_, fragment = str(node.get("$ref", "")).partition("#")
        is_own = name and hash_ and (file.parent / unquote(name)).resolve() == self.path
        return {**node, "$ref": f"#{fragment}"} if is_own else node

    def _component(self, target: _Target) -> str:
        """Return the name of the component that is made of a schema in another file."""
        if target not in self.names:
            file, fragment = target
            wanted = re.sub(r"[^A-Za-z0-9._-]", "_", fragment.rpartition("/")[2]) or file.stem
            name, number = wanted, 1
            while name in self.schemas:
                number += 1
                name = f"{wanted}{number}"
            self.names[target], self.schemas[name] = name, {}
            self.schemas[name] = self._copy(self._value(target), file, is_schema=True)
        return self.names[target]

    def _value(self, target: _Target) -> JSONValue:
        file, fragment = target
        return Document({"file": self.files[file]}).target(f"#/file{fragment}")
