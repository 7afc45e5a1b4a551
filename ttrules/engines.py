"""The two JSON Schema engines behind one interface, and everything that is peculiar to them.

jsonschema-rs is fast; jsonschema is slow and independent of it, and must report the same. Both
validate against the strict form of a schema and report a failure as a RawError, so no other module
knows an engine, and no error message of an engine is ever parsed.

jsonschema-rs reads NaN as null, does not read values that no keyword constrains, reports a member
name "5" as the index 5, and leaves out an empty name. jsonschema calculates with binary fractions,
in which 19.99 is not a multiple of 0.01. All this is handled here.
"""

from __future__ import annotations

import re
from functools import cache, cached_property
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

from ttrules.codes import ANNOTATION, FORMATS, LISTED_SCHEMAS, NAMED_SCHEMAS, PARTS, mapped
from ttrules.errors import EngineFailed
from ttrules.json_values import exact, is_shallow, is_small, value_at
from ttrules.slices import is_bounded, sliced_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import jsonschema_rs

    from ttrules.pointers import Path
    from ttrules.slices import RawError

#: Where a compiled schema has its definitions, and how a strict one names the published ones.
_DEFINITIONS: Final = "#/$defs/"
_ACCEPTING: Final = "accepting:"
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
#: Member names that the fast engine reports as numbers, or leaves out; and names with our mark.
_ODD_NAME: Final = re.compile(r"\+?[0-9]+||\..*", re.DOTALL)
#: What an odd name begins with where the fast engine must report it as it is.
_MARK: Final = "."
_UNKNOWN: Final = ("additionalProperties", "not")


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
    for key in PARTS & schema.keys():
        strict[key] = strict_schema(schema[key])
    if "variants" in note:
        strict["allOf"] = [_strict_variants(rule) for rule in schema["allOf"]]
    if "entity" in note and "properties" in schema:
        members = schema["properties"].items()
        strict["properties"] = {name: strict_schema(each) for name, each in members}
        strict["additionalProperties"] = dict(_NEVER)
        if note.get("undetermined"):
            marker = {"not": {"type": "object"}, ANNOTATION: {"undetermined": note["undetermined"]}}
            strict["allOf"] = [*schema.get("allOf", ()), marker]
    if "$defs" in schema:
        definitions = schema["$defs"].items()
        strict["$defs"] = {name: strict_schema(each) for name, each in definitions}
        strict["$defs"] |= {_ACCEPTING + name: _accepting(each) for name, each in definitions}
    return strict


def _strict_variants(rule: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a rule on variants that gives the errors of one of them, or one error for all.

    The published form is ``anyOf`` where no member tells the variant. Here the first variant whose
    published form accepts the object applies.
    """
    if "anyOf" not in rule.get("then", {}):
        return rule
    choice: dict[str, Any] = {**_NEVER, ANNOTATION: rule["then"][ANNOTATION]}
    for variant in reversed(rule["then"]["anyOf"]):
        choice = {"if": _accepting(variant), "then": variant, "else": choice}
    return {**rule, "then": choice}


def _accepting(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a published schema that refers to the published definitions from a strict schema."""
    made = mapped(schema, _accepting)
    made.pop(ANNOTATION, None)
    if "$ref" in made:
        made["$ref"] = made["$ref"].replace(_DEFINITIONS, _DEFINITIONS + _ACCEPTING, 1)
    return made


class ReferenceEngine:
    """jsonschema, with exact numbers, and with regular expressions as in ECMA-262."""

    def __init__(self, strict: Mapping[str, Any]) -> None:
        self._strict = strict
        self._validator: Any = None

    def errors(self, payload: object) -> list[RawError]:
        """Return the errors in one plain payload (see `to_plain`)."""
        if self._validator is None:
            self._validator = _reference_class()(exact(self._strict))
        return [
            (
                tuple(error.absolute_path),
                _canonical_path(self._strict, tuple(error.absolute_schema_path)),
                error.validator_value if error.validator == "required" else None,
            )
            for error in self._validator.iter_errors(exact(payload))
        ]


def _canonical_path(schema: Mapping[str, Any], path: Path) -> Path:
    """Return the path of a keyword in a schema for a path that goes through references."""
    node: Any = schema
    at: Path = ()
    parts = iter(path)
    for part in parts:
        if part not in node and "$ref" in node:
            name = node["$ref"].rpartition("/")[2]
            at, node = ("$defs", name), schema["$defs"][name]
        at, node = (*at, part), node[part]
        if part in NAMED_SCHEMAS or part in LISTED_SCHEMAS:
            for name in islice(parts, 1):  # none, if the keyword itself failed
                at, node = (*at, name), node[name]
    return at


class FastEngine:
    """jsonschema-rs. `accepts` is the quickest test of a payload.

    If `accepts` returns True, there is nothing to report. If it returns False or raises, only
    `errors` tells what is wrong.
    """

    def __init__(self, strict: Mapping[str, Any]) -> None:
        self._strict = strict
        self._iter_errors = _fast_validator(strict).iter_errors
        self._has_maps = _has_maps(strict)
        # Of an object without a known variant, it reads nothing but the discriminator.
        self._reads_all = not ("$defs" in strict or self._has_maps or _may_misread_below(strict))
        self._has_odd_names = _has_odd_names(strict)
        self.accepts: Callable[[Any], bool] = _fast_validator(_quickest_schema(strict)).is_valid
        if not is_bounded(strict):
            is_valid = self.accepts
            self.accepts = lambda payload: (
                is_small(payload) and is_shallow(payload) and is_valid(payload)
            )

    def errors(self, payload: object) -> list[RawError]:
        """Return the errors in one payload."""
        if self._has_odd_names or (self._has_maps and _has_odd_keys(payload)):
            return self._errors_marked(payload)
        found: list[RawError] = []
        for error in self._iter_errors(payload):
            where, path = tuple(error.schema_path), tuple(error.instance_path)
            if where[-2:] == _UNKNOWN and _may_be_odd(payload, path):
                return self._errors_marked(payload)
            missing = error.kind.as_dict()["property"] if where[-1] == "required" else None
            found.append((path, where, missing))
        return found

    def _errors_marked(self, payload: object) -> list[RawError]:
        """Return the errors in one payload that has odd member names, or whose schema has."""
        return [
            (
                tuple(map(_unmarked, error.instance_path)),
                tuple(map(_unmarked, error.schema_path)),
                _unmarked(error.kind.as_dict()["property"])
                if error.schema_path[-1] == "required"
                else None,
            )
            for error in self._iter_errors_marked(_marked(payload))
        ]

    @cached_property
    def _iter_errors_marked(self) -> Callable[[Any], Iterable[Any]]:
        return _fast_validator(_marked_schema(self._strict)).iter_errors

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


def _may_be_odd(payload: object, path: Path) -> bool:
    """Return whether an unknown member, reported at a path, may have an odd name."""
    if not path or isinstance(path[-1], int):
        return True
    value = value_at(payload, path)
    return isinstance(value, dict) and "" in value


def _has_maps(schema: Mapping[str, Any]) -> bool:
    """Return whether a strict schema has a map, at any depth."""
    is_map = "additionalProperties" in schema and "properties" not in schema
    return is_map or any(map(_has_maps, _members_below(schema)))


def _has_odd_names(schema: Mapping[str, Any]) -> bool:
    """Return whether a schema knows a member with an odd name, at any depth."""
    odd = filter(_ODD_NAME.fullmatch, schema.get("properties", ()))
    return any(True for _ in odd) or any(map(_has_odd_names, _members_below(schema)))


def _members_below(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the schemas of the members, items and definitions of a schema."""
    named = (schema.get(key, {}).values() for key in ("properties", "$defs"))
    return [*chain(*named), *map(schema.get, PARTS & schema.keys())]


def _has_odd_keys(value: Any) -> bool:
    """Return whether an object in a value, at any depth, has a member with an odd name."""
    if type(value) is list:
        return any(map(_has_odd_keys, value))
    return type(value) is dict and (
        any(map(_ODD_NAME.fullmatch, value)) or any(map(_has_odd_keys, value.values()))
    )


def _marked_name(name: str) -> str:
    return _MARK + name if _ODD_NAME.fullmatch(name) else name


def _unmarked(part: Any) -> Any:
    return part[1:] if isinstance(part, str) and part.startswith(_MARK) else part


def _marked(value: Any) -> Any:
    """Return a value whose odd member names are marked."""
    if type(value) is dict:
        return {_marked_name(name): _marked(each) for name, each in value.items()}
    if type(value) in {list, tuple}:
        return [_marked(each) for each in value]
    return value


def _marked_schema(schema: Any) -> Any:
    """Return a schema for payloads whose odd member names are marked."""
    if isinstance(schema, list):
        return [_marked_schema(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    marked: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties":
            marked[key] = {_marked_name(name): _marked_schema(each) for name, each in value.items()}
        elif key == "$defs":
            marked[key] = {name: _marked_schema(each) for name, each in value.items()}
        elif key == ANNOTATION:
            marked[key] = value
        elif key == "required":
            marked[key] = [*map(_marked_name, value)]
        else:
            marked[key] = _marked(value) if key == "enum" else _marked_schema(value)
    return marked


def _quickest_schema(strict: Mapping[str, Any]) -> dict[str, Any]:
    """Return a strict schema that is quicker to run, and stricter where the engine may misread.

    Members that must be absent are not listed, base64 is tested by the engine's decoder, and values
    that the engine may misread are refused: null where it is allowed, numbers beyond _MAX_EXACT,
    and any value of a node without constraints.
    """
    quick = _quickest(strict)
    definitions = {
        name: _quickest(each) if ANNOTATION in each else each
        for name, each in strict.get("$defs", {}).items()
    }
    return {**quick, "$defs": {**definitions, _BASE64: _DECODED}}


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
    for key in PARTS & schema.keys():
        quick[key] = _quickest(schema[key])
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
    if "not" in schema or ("properties" in schema and "type" not in schema):
        return False
    return len(_types(schema)) != 1 or (
        _is_number(schema) and not schema.keys() & {"minimum", "exclusiveMinimum"}
    )


def _may_misread_below(schema: Mapping[str, Any]) -> bool:
    """Return whether the fast engine may misread a value anywhere under this node."""
    below = [*schema.get("properties", {}).values(), *map(schema.get, PARTS & schema.keys())]
    return _may_misread(schema) or any(map(_may_misread_below, below))


def _is_number(schema: Mapping[str, Any]) -> bool:
    return not {"integer", "number"}.isdisjoint(_types(schema))


def _types(schema: Mapping[str, Any]) -> list[str]:
    types = schema.get("type", [])
    return types if isinstance(types, list) else [types]


@cache
def _reference_class() -> Any:
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
