"""YAML files with the place of everything in them.

A Source is one file's value, and can say at which line and column any part of it stands; a form is
the JSON Schema that a kind of file must meet, and `form_problems` is the difference between the
two, told to a person. What the files mean, alone and together, is the business of spec.
"""

from __future__ import annotations

import json
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

from ttrules.errors import Problem, SpecError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from os import PathLike

    from jsonschema_rs import ValidationError

Place: TypeAlias = tuple[str | int, ...]


class Source:
    """One YAML file: its value, and the place of every part of it."""

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = str(path)
        try:
            text = Path(path).read_text(encoding="utf-8-sig")
        except OSError as error:
            raise self.error(None, f"cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise self.error(None, f"is not UTF-8 at byte {error.start}") from error
        try:
            self._root = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            raise SpecError(
                [Problem(self.path, *place, f"is not YAML: {error.problem or error.context}")]
            ) from error
        except (yaml.YAMLError, RecursionError) as error:
            raise self.error(None, f"is not YAML: {error}") from error
        if self._root is None:
            raise self.error(None, "is empty; a mapping was expected")
        self._built: dict[int, Any] = {}
        self.value = self._build(self._root, set())

    def error(self, path: Place | None, message: str) -> SpecError:
        """Return a SpecError with one problem at the place of `path`."""
        return SpecError([self.problem(path, message)])

    def problem(self, path: Place | None, message: str, *, key: bool = False) -> Problem:
        """Return a Problem at the value of `path` (or at its key)."""
        line, column = self._locate(path, key=key) if path is not None else (1, 1)
        return Problem(self.path, line, column, message)

    def _locate(self, path: Place, *, key: bool) -> tuple[int, int]:
        node, at = self._root, self._root
        for part in path:
            if isinstance(node, yaml.MappingNode):
                pair = next(((k, v) for k, v in node.value if k.value == str(part)), None)
                if pair is None:
                    break
                at, node = pair[0] if key else pair[1], pair[1]
            elif (
                isinstance(node, yaml.SequenceNode)
                and isinstance(part, int)
                and part < len(node.value)
            ):
                at = node = node.value[part]
            else:
                break
        mark = at.start_mark
        return mark.line + 1, mark.column + 1

    def _build(self, node: yaml.Node, above: set[int]) -> Any:  # noqa: ANN401 - any YAML value
        if id(node) in above:
            raise self._at(node, "refers to itself")
        if id(node) in self._built:
            return self._built[id(node)]
        above.add(id(node))
        value: Any
        if isinstance(node, yaml.MappingNode):
            value = {}
            for key, item in node.value:
                if not isinstance(key, yaml.ScalarNode) or key.tag.endswith(":merge"):
                    raise self._at(key, "is no plain key")
                if key.value in value:
                    raise self._at(key, f"the key {key.value!r} stands here a second time")
                value[key.value] = self._build(item, above)
        elif isinstance(node, yaml.SequenceNode):
            value = [self._build(item, above) for item in node.value]
        else:
            value = self._scalar(node)
        above.remove(id(node))
        self._built[id(node)] = value
        return value

    def _scalar(self, node: yaml.Node) -> Any:  # noqa: ANN401 - any YAML scalar
        kind = node.tag.rpartition(":")[2]
        if kind not in {"int", "float", "bool", "null"}:
            return node.value
        try:
            return yaml.SafeLoader("").construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            raise self._at(node, f"{node.value!r} is no {kind}") from error

    def _at(self, node: yaml.Node, message: str) -> SpecError:
        mark = node.start_mark
        return SpecError([Problem(self.path, mark.line + 1, mark.column + 1, message)])


@cache
def form(name: str) -> dict[str, Any]:
    """Return the JSON Schema that states the form of a spec file, by its short name."""
    path = files("ttrules") / "schemas" / "form" / f"{name}.schema.json"
    schema: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return schema


def form_problems(
    source: Source, name: str, value: object, at: Place = (), definition: str | None = None
) -> Iterator[Problem]:
    from jsonschema_rs import Draft202012Validator

    schema = form(name)
    if definition:
        schema = {"$ref": f"#/$defs/{definition}", "$defs": schema["$defs"]}
    for error in Draft202012Validator(schema).iter_errors(value):
        here = (*at, *error.instance_path)
        for part, message in _expectations(error):
            yield source.problem((*here, *part), message, key=bool(part))


def _expectations(error: ValidationError) -> Iterator[tuple[Place, str]]:
    """Yield, per wrong thing in an error, where below its place it is and what was expected."""
    details = error.kind.as_dict()
    where = error.instance_path[-1] if error.instance_path else "the file"
    match error.kind.name:
        case "required":
            yield (), f"{where} lacks the key {details['property']!r}"
        case "additionalProperties":
            for key in details["unexpected"]:
                yield (key,), f"{where} takes no key {key!r}"
        case "type":
            names = {"object": "a mapping", "array": "a list", "string": "text (quote it)"}
            kinds = " or ".join(names.get(kind, f"a {kind}") for kind in details["types"])
            yield (), f"{where}: {kinds} was expected"
        case "enum":
            allowed = ", ".join(map(str, details["options"]))
            yield (), f"{where}: one of {allowed} was expected, not {error.instance!r}"
        case "constant":
            yield (), f"{where}: {details['expected_value']!r} was expected, not {error.instance!r}"
        case "oneOf" | "oneOfNotValid" | "oneOfMultipleValid":
            yield (), f"{where}: exactly one of exists, equals, in was expected"
        case _:
            yield (), f"{where}: {error.message}"


def nearest(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
