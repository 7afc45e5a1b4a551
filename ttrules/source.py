"""YAML files with the place of everything in them.

A Source is one file's value, and can say at which line and column any part of it stands; a form is
the JSON Schema that a kind of file must meet, and `form_problems` is the difference between the
two, told to a person. What the files mean, alone and together, is the business of shapes,
crosscheck and spec.

The YAML taken here is the plain part of YAML 1.1: keys are text, a key stands once, `<<` merges
nothing, tags other than YAML's own are refused, and dates stay text. Aliases are followed, within
bounds, so that a file of a few lines cannot fill the memory.
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
#: What a node comes to: its value, how many parts that has with every alias written out, and how
#: many lists and mappings stand in one another in it.
_Built: TypeAlias = tuple[Any, int, int]

#: libyaml's where PyYAML was built with it; the other one is slow, and stricter about tabs.
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG: Final = "tag:yaml.org,2002:"
_TEXT: Final = frozenset({"str", "timestamp", "value"})
_NUMBERS: Final = frozenset({"int", "float", "bool", "null"})
#: What YAML calls not printable (YAML 1.1, section 5.1), and no file may hold.
_UNPRINTABLE: Final = re.compile(
    "[^\t\n\r -~\u0085\u00a0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)
#: Far above the largest OpenAPI document, far below what would fill a memory.
_MOST_PARTS: Final = 1_000_000


class Source:
    """One YAML file: its text, its value, and the place of every part of that.

    Raises SpecError when the file cannot be read, or is not the plain YAML that is taken here.
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
        """Return the value at `place`, which is there."""
        value = self.value
        for part in place:
            value = value[part]
        return value

    def problem(self, place: Place, message: str, *, key: bool = False) -> Problem:
        """Return a Problem at the value of `place`, which is there, or at its key."""
        node = at = self._root
        for part in place:
            if isinstance(node, yaml.MappingNode):
                at, node = next(pair for pair in node.value if pair[0].value == part)
            else:
                at = node = node.value[part]
        return self._problem(at if key else node, message)

    def extent(self, place: Place) -> tuple[int, int]:
        """Return where in `text` the value of `place` begins and ends, the place being there."""
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
        """Refuse what is nested too deep before anything descends into it."""
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
                message = f"the key {key.value!r} stands here a second time"
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
    """Return line and column of what follows `text`."""
    return text.count("\n") + 1, len(text) - text.rfind("\n")


@cache
def form(name: str) -> dict[str, Any]:
    """Return the JSON Schema that states the form of a spec file, by its short name."""
    path = Path(__file__).parent / "schemas" / "form" / f"{name}.schema.json"
    schema: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return schema


@cache
def _validator(name: str, definition: str | None) -> Draft202012Validator:
    # Imported here since it is needed only where a spec is loaded from YAML.
    from jsonschema_rs import Draft202012Validator

    schema = form(name)
    if definition is not None:
        schema = {"$ref": f"#/$defs/{definition}", "$defs": schema["$defs"]}
    return Draft202012Validator(schema)


def form_problems(
    source: Source, name: str, at: Place = (), definition: str | None = None
) -> Iterator[Problem]:
    """Yield what keeps the part of a file at `at` from having its form.

    `name` is that of the form, `definition` that of a part of it: see spec/schemas/.
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
    """Say what was expected where a form is not met."""
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
    """Say a value in a few characters, and as YAML writes it where Python would not."""
    return json.dumps(value) if value is None or isinstance(value, bool) else show(value)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: the known one that is nearest."""
    close = closest(name, known)
    return f"; did you mean {close!r}?" if close else ""
