"""YAML files with the position of every value, and validation against the form of a file.

A Source is the value of one file and knows the line and column of each part. A form is the JSON
Schema of a kind of file; `form_problems` reports the differences in plain words. The meaning of the
files is checked in `shapes`, `references` and `load`.

A subset of YAML 1.1 is accepted: keys are text and unique, `<<` does not merge, tags other than
YAML's own are rejected, and dates stay text. Aliases are followed within limits, so a short file
cannot fill the memory.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from reprlib import repr as show
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import yaml

from ttrules.codes import MAX_DEPTH, closest
from ttrules.errors import Problem, SpecError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Set as AbstractSet
    from os import PathLike

    from jsonschema_rs import Draft202012Validator, ValidationError

Place: TypeAlias = tuple[str | int, ...]
#: The result for a node: its value, its number of parts with every alias expanded, and its levels
#: of lists and mappings.
_Built: TypeAlias = tuple[Any, int, int]

#: The loader of libyaml if PyYAML has it; the other one is slow, and stricter about tabs.
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG: Final = "tag:yaml.org,2002:"
_TEXT: Final = frozenset({"str", "timestamp", "value"})
_NUMBERS: Final = frozenset({"int", "float", "bool", "null"})
#: Characters that YAML does not allow (YAML 1.1, section 5.1).
_UNPRINTABLE: Final = re.compile(
    "[^\t\n\r -~\u0085\u00a0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)
#: Far above the largest OpenAPI document, far below the memory of a machine.
_MOST_PARTS: Final = 1_000_000


class Source:
    """One YAML file: its text, its value, and the place of every part.

    Raises SpecError if the file cannot be read or is not in the accepted subset of YAML.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = str(path)
        self._problems: list[Problem] = []
        self._built: dict[int, _Built] = {}
        self.text = self._text()
        self._root = self._compose(self.text)
        self.value: Any = self._build(self._root, set())[0]
        if self._problems:
            raise SpecError(self._problems)

    def at(self, place: Place) -> Any:  # noqa: ANN401 - any YAML value
        """Return the value at `place`, which exists."""
        value = self.value
        for part in place:
            value = value[part]
        return value

    def problem(self, place: Place, message: str, *, key: bool = False) -> Problem:
        """Return a Problem at the value of `place`, which exists, or at its key."""
        node = at = self._root
        for part in place:
            if isinstance(node, yaml.MappingNode):
                at, node = next(pair for pair in node.value if pair[0].value == part)
            else:
                at = node = node.value[part]
        return self._problem(at if key else node, message)

    def extent(self, place: Place) -> tuple[int, int]:
        """Return the start and end in `text` of the value at `place`, which exists."""
        node = self._root
        for part in place:
            if isinstance(node, yaml.MappingNode):
                node = next(value for key, value in node.value if key.value == part)
            else:
                node = node.value[part]
        return node.start_mark.index, node.end_mark.index

    def _problem(self, node: yaml.Node, message: str) -> Problem:
        return Problem(self.path, node.start_mark.line + 1, node.start_mark.column + 1, message)

    def _stop(self, message: str, line: int = 1, column: int = 1) -> SpecError:
        return SpecError([Problem(self.path, line, column, message)])

    def _text(self) -> str:
        try:
            text = Path(self.path).read_bytes().decode("utf-8-sig")
        except OSError as error:
            raise self._stop(f"cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            before = error.object[: error.start].decode()
            raise self._stop("is not UTF-8 here", *_end_of(before)) from error
        if wrong := _UNPRINTABLE.search(text):
            message = f"is not YAML: the character U+{ord(wrong[0]):04X} is not allowed"
            raise self._stop(message, *_end_of(text[: wrong.start()]))
        return text

    def _compose(self, text: str) -> yaml.Node:
        try:
            self._refuse_depth(text)
            root: yaml.Node | None = yaml.compose(text, Loader=_LOADER)
        except yaml.MarkedYAMLError as error:
            mark: Any = error.problem_mark
            message = f"is not YAML: {' '.join(filter(None, (error.context, error.problem)))}"
            raise self._stop(message, mark.line + 1, mark.column + 1) from error
        if root is None:
            raise self._stop("is empty; a mapping was expected")
        return root

    def _refuse_depth(self, text: str) -> None:
        """Reject a file that is nested too deep, before any recursion."""
        depth = 0
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    mark: Any = event.start_mark
                    raise self._stop("is nested too deep", mark.line + 1, mark.column + 1)
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1

    def _build(self, node: yaml.Node, above: set[int]) -> _Built:
        if id(node) in self._built:
            return self._built[id(node)]
        if id(node) in above:
            raise SpecError([self._problem(node, "refers to itself")])
        above.add(id(node))
        value: Any
        match node:
            case yaml.MappingNode():
                below = self._members(node, above)
                value = {key: each[0] for key, each in below.items()}
                built = [*below.values()]
            case yaml.SequenceNode():
                built = [self._build(item, above) for item in node.value]
                value = [each[0] for each in built]
            case _:
                value, built = self._scalar(node), []
        self._refuse_tag(node)
        above.remove(id(node))
        parts = 1 + sum(each[1] for each in built)
        depth = 1 + max((each[2] for each in built), default=0)
        if parts > _MOST_PARTS or depth > MAX_DEPTH + 1:
            message = "is too large with its aliases written out"
            raise SpecError([self._problem(node, message)])
        self._built[id(node)] = value, parts, depth
        return self._built[id(node)]

    def _members(self, node: yaml.MappingNode, above: set[int]) -> dict[str, _Built]:
        members: dict[str, _Built] = {}
        for key, item in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == f"{_TAG}merge":
                self._problems.append(self._problem(key, "is no plain key"))
            elif key.value in members:
                message = f"duplicate key {key.value!r}"
                self._problems.append(self._problem(key, message))
            else:
                self._refuse_tag(key)
                members[key.value] = self._build(item, above)
        return members

    def _scalar(self, node: yaml.Node) -> str | float | bool | None:
        kind = node.tag.removeprefix(_TAG)
        text: str = node.value
        if kind not in _NUMBERS:
            return text
        try:
            value: float | bool | None = yaml.constructor.SafeConstructor().construct_object(node)
            json.dumps(value, allow_nan=False)
        except (ValueError, LookupError, OverflowError):  # !!int abc, !!bool abc, .nan, 1:1:…:1.5
            self._problems.append(self._problem(node, f"{show(text)} is no {kind} that JSON knows"))
            return None
        return value

    def _refuse_tag(self, node: yaml.Node) -> None:
        takes: dict[type[yaml.Node], AbstractSet[str]] = {
            yaml.MappingNode: {"map"},
            yaml.SequenceNode: {"seq"},
        }
        if node.tag.removeprefix(_TAG) not in takes.get(type(node), _TEXT | _NUMBERS):
            self._problems.append(self._problem(node, f"the tag {node.tag!r} is not known here"))


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
            return f"one of {allowed} was expected, not {_told(error.instance)}"
        case "const":
            expected = _told(details["expected_value"])
            return f"{expected} was expected, not {_told(error.instance)}"
        case "pattern":
            return f"text like {details['pattern']} was expected, not {_told(error.instance)}"
        case "oneOf":
            return "exactly one of exists, equals, in was expected"
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
    close = closest(name, known)
    return f"; did you mean {close!r}?" if close else ""
