"""The two JSON Schema engines behind one interface, and everything that is peculiar to them.

jsonschema-rs is fast; jsonschema is slow and independent of it, and must report the same. Both
validate against the strict form of a schema and report a failure as a RawError, so no other module
knows an engine, and no error message of an engine is ever parsed.

jsonschema-rs reads NaN as null, does not read values that no keyword constrains, reports a member
name "5" as the index 5, and leaves out an empty name. All this is handled here.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from ttrules.codes import ANNOTATION, FORMATS
from ttrules.errors import EngineFailed
from ttrules.json_values import is_small, value_at
from ttrules.slices import is_bounded, sliced_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import jsonschema_rs

    from ttrules.pointers import Path
    from ttrules.slices import RawError

_NEVER: Final[dict[str, Any]] = {"not": {}}
#: Matches every text. The fast engine reads a text only if it has to match a pattern.
_ANY_TEXT: Final = "^"
#: The largest integer that every JSON parser keeps exactly (RFC 8259, section 6).
_MAX_EXACT: Final = 2**53 - 1
_BYTE_PATTERN: Final = FORMATS["byte"][0]
_BASE64: Final = "urn:ttrules:base64"
#: Base64 by the decoder of the fast engine, which also accepts padding before the end.
_DECODED: Final[dict[str, Any]] = {
    "$id": _BASE64,
    "$schema": "http://json-schema.org/draft-07/schema#",
    "contentEncoding": "base64",
    "not": {"pattern": "=[^=]"},
}
#: Member names that the fast engine reports as numbers.
_NUMERAL: Final = re.compile(r"\+?[0-9]+")


def strict_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return `schema` with unsupported, unknown and undetermined members refused.

    A payload that the strict schema accepts has no finding at all, not even a warning.
    """
    note = schema.get(ANNOTATION, {})
    if note.get("requirement") == "-":
        return {**_NEVER, ANNOTATION: note}
    strict = dict(schema)
    if "string" in _types(schema):
        strict.setdefault("pattern", _ANY_TEXT)
    if "items" in schema:
        strict["items"] = strict_schema(schema["items"])
    if "properties" in schema:
        members = schema["properties"].items()
        strict["properties"] = {name: strict_schema(each) for name, each in members}
        strict["additionalProperties"] = dict(_NEVER)
        if note.get("undetermined"):
            marker = {"not": {"type": "object"}, ANNOTATION: {"undetermined": note["undetermined"]}}
            strict["allOf"] = [*schema.get("allOf", ()), marker]
    return strict


class ReferenceEngine:
    """jsonschema, with regular expressions as in ECMA-262."""

    def __init__(self, strict: Mapping[str, Any]) -> None:
        self._strict = strict
        self._validator: Any = None

    def errors(self, payload: object) -> list[RawError]:
        """Return the errors in one plain payload (see `to_plain`)."""
        if self._validator is None:
            self._validator = _reference_class()(self._strict)
        return [
            (
                tuple(error.absolute_path),
                tuple(error.absolute_schema_path),
                error.validator_value if error.validator == "required" else None,
            )
            for error in self._validator.iter_errors(payload)
        ]


class FastEngine:
    """jsonschema-rs. `accepts` is the quickest test of a payload.

    If `accepts` returns True, there is nothing to report. If it returns False or raises, only
    `errors` tells what is wrong.
    """

    def __init__(self, strict: Mapping[str, Any]) -> None:
        self._iter_errors = _fast_validator(strict).iter_errors
        self._reads_all = not _may_misread_below(strict)
        self._unknown = dict(_depths_of_unknown_members(strict, (), 1))
        self.accepts: Callable[[Any], bool] = _fast_validator(_quickest_schema(strict)).is_valid
        if not is_bounded(strict):
            is_valid = self.accepts
            self.accepts = lambda payload: is_small(payload) and is_valid(payload)

    def errors(self, payload: object) -> list[RawError]:
        """Return the errors in one payload."""
        found: list[RawError] = []
        numerals: dict[Path, dict[str, list[str]]] = {}
        for error in self._iter_errors(payload):
            where, path = tuple(error.schema_path), tuple(error.instance_path)
            if path and isinstance(path[-1], int):
                path = _with_member_name(payload, path, numerals)
            missing = None
            if where[-1] == "required":
                missing = error.kind.as_dict()["property"]
            elif where[-1] == "not" and len(path) < self._unknown.get(where, 0):
                path = (*path, "")
            found.append((path, where, missing))
        return found

    def errors_unconverted(self, payload: object) -> list[RawError] | None:
        """Return the errors in a small payload that was not converted by `to_plain`.

        None means that it has to be converted: it is large, the engine may misread a value of it,
        or the engine raised, which is how jsonschema-rs refuses what is not JSON. The engine has
        read every value below the root, except those at which it reports an error.
        """
        if not self._reads_all or not is_small(payload):
            return None
        try:
            return self.errors(payload)
        except Exception:  # noqa: BLE001 - `all_errors` raises it again if the payload is JSON
            return None


def all_errors(
    engine: FastEngine | ReferenceEngine, payload: object, strict: Mapping[str, Any]
) -> list[RawError]:
    """Return the errors in a plain payload of any size.

    Raises EngineFailed if the engine raises.
    """
    try:
        if is_small(payload):
            return engine.errors(payload)
        return list(sliced_errors(payload, strict, engine.errors))
    except Exception as error:
        message = f"{type(engine).__name__} raised {type(error).__name__}"
        raise EngineFailed(message) from error


def _fast_validator(schema: Mapping[str, Any]) -> jsonschema_rs.Draft202012Validator:
    # Imported here because it takes a fifth of the time of importing this package.
    import jsonschema_rs

    # RegexOptions selects the engine that runs in linear time. The mask keeps values of the payload
    # out of messages, which nobody reads, and so saves time.
    return jsonschema_rs.Draft202012Validator(
        dict(schema), mask="", pattern_options=jsonschema_rs.RegexOptions()
    )


def _with_member_name(
    payload: object, path: Path, numerals: dict[Path, dict[str, list[str]]]
) -> Path:
    """Return `path` with the name of a member in place of a number, if its owner is an object.

    The engine reports the names "5", "05" and "+5" as 5. Only unknown members have such names, and
    each unknown member has one error, so the errors take the names in turn. `numerals` caches the
    names of each object by number.
    """
    place, number = path[:-1], str(path[-1])
    owner = value_at(payload, place)
    if not isinstance(owner, dict):
        return path
    if place not in numerals:
        names = numerals[place] = {}
        for name in filter(_NUMERAL.fullmatch, owner):
            names.setdefault(name.removeprefix("+").lstrip("0") or "0", []).append(name)
    return (*place, numerals[place][number].pop())


def _depths_of_unknown_members(
    schema: Mapping[str, Any], at: Path, depth: int
) -> Iterator[tuple[Path, int]]:
    """Yield the schema path at which each object refuses unknown members, with their depth.

    An error with a shorter path is about a member with an empty name, which the engine leaves out.
    """
    if "properties" in schema:
        yield (*at, "additionalProperties", "not"), depth
        for name, each in schema["properties"].items():
            yield from _depths_of_unknown_members(each, (*at, "properties", name), depth + 1)
    if "items" in schema:
        yield from _depths_of_unknown_members(schema["items"], (*at, "items"), depth + 1)


def _quickest_schema(strict: Mapping[str, Any]) -> dict[str, Any]:
    """Return a strict schema that is quicker to run, and stricter where the engine may misread.

    Members that must be absent are not listed, base64 is tested by the engine's decoder, and values
    that the engine may misread are refused: null where it is allowed, numbers beyond _MAX_EXACT,
    and any value of a node without constraints.
    """
    return {**_quickest(strict), "$defs": {"base64": _DECODED}}


def _quickest(schema: Mapping[str, Any]) -> dict[str, Any]:
    quick = {key: value for key, value in schema.items() if key not in {ANNOTATION, "description"}}
    if _may_misread(schema):
        if "null" in _types(schema):
            quick["type"] = [each for each in schema["type"] if each != "null"]
        if _is_number(schema):
            quick = {"minimum": -_MAX_EXACT, "maximum": _MAX_EXACT, **quick}
        if _may_misread(quick):
            return _NEVER
    if schema.get("pattern") == _BYTE_PATTERN:
        del quick["pattern"]
        quick["$ref"] = _BASE64
    if "items" in schema:
        quick["items"] = _quickest(schema["items"])
    if "properties" in schema:
        below = {name: _quickest(each) for name, each in schema["properties"].items()}
        quick["properties"] = {name: each for name, each in below.items() if each != _NEVER}
        quick["additionalProperties"] = False
    return quick


def _may_misread(schema: Mapping[str, Any]) -> bool:
    """Return whether the fast engine may accept a value at this node that is not JSON.

    It may where several types are allowed, where null is (it reads NaN as null), and where a number
    has no minimum (it reads an integer of too many digits as the least number).
    """
    if "not" in schema:
        return False
    return len(_types(schema)) != 1 or (
        _is_number(schema) and not schema.keys() & {"minimum", "exclusiveMinimum"}
    )


def _may_misread_below(schema: Mapping[str, Any]) -> bool:
    """Return whether the fast engine may misread a value anywhere under this node."""
    below = [*schema.get("properties", {}).values()]
    if "items" in schema:
        below.append(schema["items"])
    return _may_misread(schema) or any(map(_may_misread_below, below))


def _is_number(schema: Mapping[str, Any]) -> bool:
    return not {"integer", "number"}.isdisjoint(_types(schema))


def _types(schema: Mapping[str, Any]) -> list[str]:
    types = schema.get("type", [])
    return types if isinstance(types, list) else [types]


@cache
def _reference_class() -> Any:  # noqa: ANN401 - jsonschema builds its classes without types
    """Return the class of jsonschema's validator with our two keywords."""
    # Imported here because jsonschema takes longer to import than this package.
    from jsonschema import Draft202012Validator, ValidationError
    from jsonschema.validators import extend

    def pattern(
        _validator: object, pattern: str, instance: object, _schema: object
    ) -> Iterator[ValidationError]:
        """Fail if a text does not match, as ECMA-262 reads the pattern."""
        if isinstance(instance, str) and _ecma(pattern).search(instance) is None:
            yield ValidationError("the pattern does not match")

    def required(
        _validator: object, names: list[str], instance: object, _schema: object
    ) -> Iterator[ValidationError]:
        """Fail once for each missing member, with its name; jsonschema has it in a message only."""
        for name in names if isinstance(instance, dict) else ():
            if name not in instance:  # type: ignore[operator]  # it is an object
                yield ValidationError("a member is missing", validator_value=name)

    return extend(  # type: ignore[no-untyped-call]  # its stubs lack the types
        Draft202012Validator, {"pattern": pattern, "required": required}
    )


@cache
def _ecma(pattern: str) -> re.Pattern[str]:
    r"""Compile an ECMA-262 pattern: there $ is the very end, in Python also before a last newline.

    ECMA-262's \d and \w are ASCII only, Python's are not (RFC 9485, section 5, on the dialects).
    """
    ends = re.sub(r"(\\.)|(\[(?:\\.|[^\]\\])*\])|\$", lambda at: at[1] or at[2] or r"\Z", pattern)
    return re.compile(ends, re.ASCII)
