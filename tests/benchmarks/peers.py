"""The other validators, each given the rules of one process as completely as it takes them.

Those that read JSON Schema get the published schema of the process. The models of pydantic and
msgspec are made from that schema, so that no rule is forgotten by hand; where a library has no
words for a rule, the way that its users would take is taken, and `lacks` says what is left out.
Each peer answers one question: is this payload valid?
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import fastjsonschema
import jsonschema
import jsonschema_rs
import msgspec
import pydantic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

BARE = "jsonschema-rs, bare"


class Peer(NamedTuple):
    """A validator that is ready, and what it does not do."""

    name: str
    is_valid: Callable[[Any], bool]
    lacks: str


def peers(schema: dict[str, Any]) -> list[Peer]:
    """Return the peers, ready for the rules of a published schema."""
    return [
        Peer(BARE, jsonschema_rs.Draft202012Validator(schema).is_valid, "nothing of the rules"),
        Peer(
            "msgspec", _msgspec(schema), "patterns as Python reads them; stops at the first error"
        ),
        Peer("pydantic", _pydantic(schema), "whole numbers written 2.0 are refused"),
        Peer(
            "fastjsonschema",
            _fastjsonschema(schema),
            "read as draft 7, which says the same here; stops at the first error",
        ),
        Peer(
            "jsonschema", jsonschema.Draft202012Validator(schema).is_valid, "nothing of the rules"
        ),
    ]


def _fastjsonschema(schema: dict[str, Any]) -> Callable[[Any], bool]:
    # It knows no 2020-12. No keyword of a compiled schema means something else in draft 7, but for
    # contentEncoding, which the pattern beside it repeats.
    draft_7 = {**schema, "$schema": "http://json-schema.org/draft-07/schema#"}
    validate = fastjsonschema.compile(draft_7)

    def is_valid(payload: object) -> bool:
        try:
            validate(payload)
        except fastjsonschema.JsonSchemaException:
            return False
        return True

    return is_valid


class _Nothing:
    """The type of a prohibited member, for pydantic: nothing is an instance of it."""


def _pydantic(schema: Mapping[str, Any]) -> Callable[[Any], bool]:
    config = pydantic.ConfigDict(strict=True, extra="ignore", arbitrary_types_allowed=True)

    def model(schema: Mapping[str, Any]) -> type[pydantic.BaseModel]:
        required = schema.get("required", ())
        names: dict[str, str] = {}
        fields: dict[str, Any] = {}
        for number, (name, member) in enumerate(_members(schema)):
            names[name] = f"field_{number}"
            kind = _Nothing if "not" in member else _kind(member, model, pydantic.Field)
            default = ... if name in required else None
            fields[names[name]] = kind, pydantic.Field(default, alias=name)
        relations = [[names[each] for each in group] for group in _at_least_one(schema)]

        def related(made: Any) -> Any:
            if not all(any(getattr(made, each) is not None for each in row) for row in relations):
                message = "one of several members is missing"
                raise ValueError(message)
            return made

        checks: dict[str, Any] = {}
        if relations:
            checks["related"] = pydantic.model_validator(mode="after")(related)
        made: type[pydantic.BaseModel] = pydantic.create_model(
            "Model", __config__=config, __validators__=checks, **fields
        )
        return made

    validate = model(schema).model_validate

    def is_valid(payload: object) -> bool:
        try:
            validate(payload)
        except pydantic.ValidationError:
            return False
        return True

    return is_valid


def _msgspec(schema: Mapping[str, Any]) -> Callable[[Any], bool]:
    def struct(schema: Mapping[str, Any]) -> type[msgspec.Struct]:
        required = schema.get("required", ())
        names = {name: f"field_{number}" for number, (name, _) in enumerate(_members(schema))}
        fields: list[Any] = []
        for name, member in _members(schema):
            # A member of this type may be left out, and nothing that is sent has it.
            kind = msgspec.UnsetType if "not" in member else _kind(member, struct, msgspec.Meta)
            given = (names[name], kind)
            fields.append(given if name in required else (*given, msgspec.UNSET))
        relations = [[names[each] for each in group] for group in _at_least_one(schema)]

        def related(made: Any) -> None:
            for row in relations:
                if all(getattr(made, each) is msgspec.UNSET for each in row):
                    message = "one of several members is missing"
                    raise ValueError(message)

        return msgspec.defstruct(
            "Struct",
            fields,
            rename={field: name for name, field in names.items()},
            namespace={"__post_init__": related} if relations else None,
            kw_only=True,
        )

    kind, convert = struct(schema), msgspec.convert

    def is_valid(payload: object) -> bool:
        try:
            convert(payload, kind)
        except msgspec.ValidationError:
            return False
        return True

    return is_valid


def _members(schema: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the members of an object about which there is something to check."""
    return [
        (name, member)
        for name, member in schema["properties"].items()
        if member["x-ttrules"]["requirement"] != "-"
    ]


def _at_least_one(schema: Mapping[str, Any]) -> list[list[str]]:
    """Return the relations between the members of an object, all of them of one sort."""
    notes = [rule["x-ttrules"] for rule in schema.get("allOf", ())]
    assert all(note["relation"] == "at_least_one" for note in notes), "the models know no other"
    return [note["fields"] for note in notes]


def _kind(
    schema: Mapping[str, Any],
    make: Callable[[Mapping[str, Any]], Any],
    bound: Callable[..., Any],
) -> Any:
    """Return the type annotation for a value.

    `make` turns an object's schema into a class, `bound` keeps the bounds, which both libraries
    give the same names.
    """
    if "properties" in schema:
        return make(schema)
    if "enum" in schema:
        return Literal[tuple(schema["enum"])]
    kinds: dict[str, Any] = {"string": str, "integer": int, "number": float, "boolean": bool}
    if schema["type"] == "array":
        kind: Any = list[_kind(schema["items"], make, bound)]  # type: ignore[misc]  # made at run time
    else:
        kind = kinds[schema["type"]]
    words = {
        "pattern": "pattern",
        "minLength": "min_length",
        "maxLength": "max_length",
        "minItems": "min_length",
        "maxItems": "max_length",
        "minimum": "ge",
        "maximum": "le",
    }
    bounds = {words[key]: schema[key] for key in words if key in schema}
    if "allOf" in schema:
        # Base64 that may not be blank: blank base64 is the empty text.
        assert schema["contentEncoding"] == "base64", "the models know no other"
        bounds["min_length"] = 1
    return Annotated[kind, bound(**bounds)] if bounds else kind
