"""The documents of a profile with their positions, and one document made of several.

A Node is a part of a file. It follows references within its file and to files next to it, and
makes problems with file, line and column. `combined` resolves the references of a document to other
files, because Connexion and the clients need one document.
"""

from __future__ import annotations

import json
from copy import deepcopy
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from jsonschema_rs import validator_for

from ttrules.errors import Problem, SpecError
from ttrules.pointers import path_of, pointer
from ttrules.spec.yaml_source import Source, form_problems

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jsonschema_rs import ValidationError

_COMPONENTS: Final = 3
#: How much of a message about OpenAPI is shown, in characters.
_LONGEST: Final = 200


class Files:
    """The files of a profile, each read once; and all problems that were found."""

    def __init__(self) -> None:
        self._sources: dict[Path, Source] = {}
        self.problems: list[Problem] = []

    def open(self, path: Path) -> Node:
        """Return the root of a file. Raises SpecError if it cannot be read."""
        key = path.resolve()
        if key not in self._sources:
            self._sources[key] = Source(path)
        return Node(self, self._sources[key])

    def report(self) -> None:
        """Raise SpecError with the problems that were found, if there are any."""
        if self.problems:
            places = {(e.file, e.line, e.column, e.message): e for e in self.problems}
            raise SpecError([places[each] for each in sorted(places)])


class Node:
    """A part of a file: its value and its place."""

    def __init__(self, files: Files, source: Source, place: tuple[str | int, ...] = ()) -> None:
        self._files = files
        self.source = source
        self.place = place
        self.value: Any = source.at(place)

    def __contains__(self, key: object) -> bool:
        """Return whether it is a mapping that has a key."""
        return isinstance(self.value, dict) and key in self.value

    def at(self, *parts: str | int) -> Node:
        """Return the part at a place below this one, which exists; references are not followed."""
        return Node(self._files, self.source, (*self.place, *parts))

    def get(self, key: str) -> Any:
        """Return a member, or None."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def items(self) -> Iterator[tuple[str, Node]]:
        """Yield the members of a mapping with their references followed; nothing for others."""
        for key in self.value if isinstance(self.value, dict) else ():
            yield key, self.at(key).followed()

    def parts(self, key: str) -> Iterator[Node]:
        """Yield the items of the list in a member with their references followed."""
        listed = self.get(key)
        for index in range(len(listed) if isinstance(listed, list) else 0):
            yield self.at(key, index).followed()

    def below(self, *keys: str) -> Node | None:
        """Return the part at a place below this one, with all references followed, or None."""
        node = self.followed()
        for key in keys:
            if key not in node:
                return None
            node = node.at(key).followed()
        return node

    def followed(self) -> Node:
        """Return what it refers to, or itself. Raises SpecError for a broken reference."""
        node, seen = self, set()
        while isinstance(node.get("$ref"), str):
            place = node.source.path, node.place
            target = None if place in seen else node.target()
            if target is None:
                message = f"{node.value['$ref']!r} refers to nothing"
                raise SpecError([node.source.problem((*node.place, "$ref"), message)])
            seen.add(place)
            node = target
        return node

    def target(self) -> Node | None:
        """Return the place that `$ref` names, or None. Raises SpecError for an invalid file."""
        file, _, fragment = self.value["$ref"].partition("#")
        source = self._files.open(Path(self.source.path).parent / file) if file else self
        node = Node(self._files, source.source)
        for key in path_of(unquote(fragment)):
            if key not in node:
                return None
            node = node.at(key)
        return node

    def wrong(self, message: str, *, key: bool = False) -> None:
        """Record a problem at this place, or at its key."""
        self._files.problems.append(self.source.problem(self.place, message, key=key))

    def fits(self, definition: str | None, key: str | None = None) -> bool:
        """Return whether it, or a member, has the form of a definition; record how it differs."""
        place = self.place if key is None else (*self.place, key)
        wrong = [*form_problems(self.source, "profile", place, definition)]
        self._files.problems += wrong
        return not wrong

    def check_openapi(self) -> None:
        """Record what OpenAPI 3.0 does not allow in this document, each at its deepest place."""
        for error in _openapi().iter_errors(self.value):
            cause = _deepest(error)
            text = (
                cause.message if len(cause.message) <= _LONGEST else f"{cause.message[:_LONGEST]}…"
            )
            place = (*self.place, *cause.instance_path)
            message = f"OpenAPI 3.0 does not allow this: {text}"
            self._files.problems.append(self.source.problem(place, message))


@cache
def _openapi() -> Any:
    """Return the validator of OpenAPI 3.0 that Connexion applies when it mounts a document."""
    connexion = find_spec("connexion")
    assert connexion is not None, "connexion is a dependency"
    assert connexion.origin is not None, "a package has a file"
    schema = Path(connexion.origin).with_name("resources") / "schemas" / "v3.0" / "schema.json"
    return validator_for(json.loads(schema.read_text("utf-8")))


def _deepest(error: ValidationError) -> ValidationError:
    """Return the cause of an error that is deepest in the document."""
    found = error
    for branch in getattr(error.kind, "context", None) or ():
        for each in branch:
            cause = _deepest(each)
            if len(cause.instance_path) > len(found.instance_path):
                found = cause
    return found


def combined(root: Node) -> dict[str, Any]:
    """Return a document with all components of other files that it refers to.

    Raises SpecError for a reference to another file that is broken, or not to a component, and for
    two components of one kind and name.
    """
    document: dict[str, Any] = deepcopy(root.value)
    own = document.setdefault("components", {})
    origins: dict[tuple[str, str], str] = {}
    waiting = [(root.at(*place), node) for place, node in _references(document)]
    for at, node in waiting:
        target = at.target()
        if target is None:
            at.followed()  # raises
            continue
        if target.source is root.source:
            continue
        if len(target.place) != _COMPONENTS or target.place[0] != "components":
            message = "refer to a component of the other file: FILE#/components/KIND/NAME"
            raise SpecError([at.source.problem((*at.place, "$ref"), message)])
        _, kind, name = map(str, target.place)
        known = own.setdefault(kind, {})
        if origins.get((kind, name)) != target.source.path:
            if name in known and known[name] is not node:
                message = f"there is another component {name!r} of this kind; rename one of them"
                raise SpecError([at.source.problem((*at.place, "$ref"), message)])
            origins[kind, name] = target.source.path
            known[name] = deepcopy(target.value)
            waiting += [  # resolved later in this loop
                (target.at(*place), below) for place, below in _references(known[name])
            ]
        if known[name] is not node:
            node["$ref"] = "#" + pointer(target.place)
    return document


def _references(
    node: object, place: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], dict[str, Any]]]:
    """Yield the objects with a `$ref`, with their places."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield place, node
        for key, each in node.items():
            yield from _references(each, (*place, key))
    elif isinstance(node, list):
        for index, each in enumerate(node):
            yield from _references(each, (*place, index))
