"""Spec files with the position of every value, and validation against the form of a file.

A Source is the value of one file and knows the line and column of each part. A form is the JSON
Schema of a kind of file; `form_problems` reports the differences in plain words. The meaning of the
files is checked in `shapes`, `references` and `load`; their texts are parsed in `text`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from reprlib import repr as show
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import yaml

from ttrules.codes import closest
from ttrules.errors import Problem, SpecError
from ttrules.messages.printable import lookalike
from ttrules.pointers import pointer
from ttrules.spec.json_source import JSONPlaces, NotParsed
from ttrules.spec.text import is_merge, nodes_of, value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from os import PathLike

    from jsonschema_rs import Draft202012Validator, ValidationError

    #: The path of a spec file, or its content.
    SpecFile: TypeAlias = str | PathLike[str] | Mapping[str, Any]

Place: TypeAlias = tuple[str | int, ...]

#: Characters that YAML does not allow (YAML 1.2, section 5.1).
_UNPRINTABLE: Final = re.compile(
    "[^\t\n\r -~\u0085\u00a0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)
_URL: Final = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)


class Source:
    """One spec file, or a value in its place: its value, and the place of every part.

    `path` is the path of the file, or the name of the value in messages. Raises SpecError if the
    file cannot be read or parsed, or if the value is not JSON.
    """

    def __init__(self, path: SpecFile, name: str = "") -> None:
        self.is_file = not isinstance(path, Mapping)
        self.path = name if isinstance(path, Mapping) else str(path)
        self._nodes: yaml.Node | JSONPlaces | None = None
        self.text = self._written(path) if isinstance(path, Mapping) else self._text()
        try:
            self.value: Any = value_of(self.text, is_json=self._is_json)
        except NotParsed as error:
            wrong = error.wrong if self.is_file else [(1, 1, each.message) for each in error.wrong]
            raise SpecError([Problem(self.path, *each) for each in wrong]) from error

    @property
    def _is_json(self) -> bool:
        return not self.is_file or self.path.casefold().endswith(".json")

    def at(self, place: Place) -> Any:
        """Return the value at `place`, which exists."""
        value = self.value
        for part in place:
            value = value[part]
        return value

    def problem(self, place: Place, message: str, *, key: bool = False) -> Problem:
        """Return a Problem at the value of `place`, which exists, or at its key.

        The message of a problem of a value that was not read from a file contains the place.
        """
        if not self.is_file:
            return Problem(self.path, 1, 1, f"{pointer(place) or 'the whole'}: {message}")
        at, node = self._found(place)
        mark = (at if key else node).start_mark
        return Problem(self.path, mark.line + 1, mark.column + 1, message)

    def extent(self, place: Place) -> tuple[int, int]:
        """Return the start and end in `text` of the value at `place`, which exists."""
        _, node = self._found(place)
        return node.start_mark.index, node.end_mark.index

    def _found(self, place: Place) -> tuple[yaml.Node, yaml.Node]:
        """Return the nodes of the key and of the value at `place`."""
        if self._nodes is None:
            self._nodes = nodes_of(self.text, is_json=self._is_json)
        if isinstance(self._nodes, JSONPlaces):
            return self._nodes.find(place)
        at = node = self._nodes
        for part in place:
            at, node = _below(node, part)
        return at, node

    def _stop(self, message: str, line: int = 1, column: int = 1) -> SpecError:
        return SpecError([Problem(self.path, line, column, message)])

    def _written(self, value: Mapping[str, Any]) -> str:
        """Return a value as JSON."""
        try:
            return json.dumps(value, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise self._stop(f"is not JSON: {error}") from error

    def _text(self) -> str:
        if _URL.match(self.path):
            raise self._stop("is a URL, and only files are read: download it, then name the file")
        try:
            text = Path(self.path).read_bytes().decode("utf-8-sig")
        except OSError as error:
            raise self._stop(f"cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            before = error.object[: error.start].decode()
            raise self._stop("is not UTF-8 here", *_end_of(before)) from error
        if not self._is_json and (wrong := _UNPRINTABLE.search(text)):
            message = f"is not YAML: the character U+{ord(wrong[0]):04X} is not allowed"
            raise self._stop(message, *_end_of(text[: wrong.start()]))
        return text


def _below(node: yaml.Node, part: str | int) -> tuple[yaml.Node, yaml.Node]:
    """Return the key and the value of a member that exists, also if it is merged, or an item."""
    if not isinstance(node, yaml.MappingNode):
        return node.value[part], node.value[part]
    merged: list[yaml.Node] = []
    for key, value in node.value:
        if key.value == part and not is_merge(key):
            return key, value
        if is_merge(key):
            merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
    for each in merged:
        with suppress(LookupError):
            return _below(each, part)
    raise LookupError(part)


def _end_of(text: str) -> tuple[int, int]:
    """Return line and column of the position after `text`."""
    return text.count("\n") + 1, len(text) - text.rfind("\n")


@cache
def form(name: str) -> dict[str, Any]:
    """Return the JSON Schema of the form of a spec file, by its short name."""
    path = Path(__file__).parents[1] / "schemas" / "form" / f"{name}.schema.json"
    schema: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return schema


@cache
def _validator(name: str, definition: str | None) -> Draft202012Validator:
    # Imported here because only loading a spec from YAML needs it.
    from jsonschema_rs import Draft202012Validator

    schema = form(name)
    if definition is not None:
        schema = {"$ref": f"#/$defs/{definition}", "$defs": schema["$defs"]}
    return Draft202012Validator(schema)


def form_problems(
    source: Source, name: str, at: Place = (), definition: str | None = None
) -> Iterator[Problem]:
    """Yield the differences between the part of a file at `at` and its form.

    `name` is the name of the form, `definition` that of a part of it: see spec/schemas/.
    """
    for error in _validator(name, definition).iter_errors(source.at(at)):
        place = (*at, *error.instance_path)
        where = _called(place)
        if error.kind.name == "additionalProperties":
            for key in error.kind.as_dict()["unexpected"]:
                yield source.problem((*place, key), f"{where} takes no key {key!r}", key=True)
        else:
            yield source.problem(place, f"{where}: {_expected(error)}")


def _called(place: Place) -> str:
    if not place:
        return "the file"
    last = place[-1]
    return f"{place[-2]}[{last}]" if isinstance(last, int) else last


_KINDS: Final = {
    "object": "a mapping",
    "array": "a list",
    "string": "text (quote it)",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


def _expected(error: ValidationError) -> str:  # noqa: PLR0911 - a return a keyword
    """Return what the form expected."""
    details = error.kind.as_dict()
    match error.kind.name:
        case "required":
            return f"the key {details['property']!r} is missing"
        case "type":
            return f"{' or '.join(_KINDS[kind] for kind in details['types'])} was expected"
        case "enum":
            allowed = ", ".join(map(str, details["options"]))
            meant = lookalike(str(error.instance), map(str, details["options"]))
            hint = "" if meant is None else f"; {meant}"
            return f"one of {allowed} was expected, not {_told(error.instance)}{hint}"
        case "const":
            expected = _told(details["expected_value"])
            return f"{expected} was expected, not {_told(error.instance)}"
        case "pattern":
            return f"text like {details['pattern']} was expected, not {_told(error.instance)}"
        case "minLength" | "minItems" | "minProperties":
            return "something was expected, this is empty"
        case "uniqueItems":
            return "each thing was expected once"
        case _:
            return error.message


def _told(value: object) -> str:
    """Return a value in a few characters, as YAML writes it."""
    return json.dumps(value) if value is None or isinstance(value, bool) else show(value)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: the closest known one."""
    known = tuple(known)
    if (meant := lookalike(name, known)) is not None:
        return f"; {meant}"
    close = closest(name, known)
    return f"; did you mean {close!r}?" if close else ""
