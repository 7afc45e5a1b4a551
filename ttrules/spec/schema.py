"""What one schema of a document says about a value, and how allOf joins several of them.

A Schema is filled by `Schema.add`, part by part; `resolver` finds the parts. A keyword that is
enforced is a row of MERGED; all others are listed in the Schema as not enforced.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ttrules.codes import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ttrules.errors import Problem
    from ttrules.spec.yaml_source import Place, Source

_INTEGER, _NUMBER, _NULL = "integer", "number", "null"


class Node(NamedTuple):
    """A place in a file."""

    source: Source
    place: Place

    @property
    def value(self) -> Any:
        """The value there."""
        return self.source.at(self.place)

    def below(self, *parts: str | int) -> Node:
        """Return a place below."""
        return Node(self.source, (*self.place, *parts))

    def problem(self, message: str, *, key: bool = False) -> Problem:
        """Return a Problem at the value, or at its key."""
        return self.source.problem(self.place, message, key=key)

    @property
    def is_component(self) -> bool:
        """Whether it is a schema that has a name in its file."""
        return self.place[:-1] == ("components", "schemas")

    @property
    def id(self) -> tuple[str, Place]:
        """What distinguishes this place from others."""
        return self.source.path, self.place


@dataclass(slots=True, kw_only=True)
class Schema:
    """What a value must be: the intersection of the parts that describe it.

    `names` are the names that it has, the outermost first: that of a component, or one made from
    its place. `keywords` are the enforced keywords but the type; `order` are all keys in the order
    of the document.
    `types` are the allowed types; None allows all. `properties`, `items` and `values` (those of
    members that are not listed) are described by all their places together. `required`, `flags`
    (readOnly and the like) and `closed` (``additionalProperties: false``) are for lint and `init`:
    the matrix decides. `unions` are the places of oneOf and anyOf, `unenforced` those of keywords
    that no engine checks. `extensions` are the keys that begin with ``x-``.
    """

    node: Node
    names: list[str] = field(default_factory=list)
    description: str = ""
    types: tuple[str, ...] | None = None
    keywords: dict[str, Any] = field(default_factory=dict)
    order: dict[str, None] = field(default_factory=dict)
    places: dict[str, Node] = field(default_factory=dict)
    properties: dict[str, tuple[Node, ...]] = field(default_factory=dict)
    items: tuple[Node, ...] = ()
    values: tuple[Node, ...] = ()
    required: dict[str, Node] = field(default_factory=dict)
    flags: dict[str, Node] = field(default_factory=dict)
    closed: Node | None = None
    unions: tuple[Node, ...] = ()
    discriminator: Node | None = None
    default: Node | None = None
    unenforced: dict[str, Node] = field(default_factory=dict)
    extensions: dict[str, Any] = field(default_factory=dict)

    def add(self, raw: Mapping[str, Any], node: Node) -> Iterator[Problem]:
        """Add the keywords of one schema, which is at `node`; yield what allOf cannot join."""
        self.description = raw.get("description") or self.description
        self.order |= dict.fromkeys(raw)
        self.extensions |= {key: value for key, value in raw.items() if key.startswith("x-")}
        yield from self._add_types(raw, node)
        for key, keyword, value in _normalised(raw):
            yield from self._add_keyword(keyword, value, node.below(key))
        for name in raw.get("properties") or ():
            at = node.below("properties", name)
            self.properties[name] = (*self.properties.get(name, ()), at)
        if "items" in raw:
            self.items = (*self.items, node.below("items"))
        for name in raw.get("required") or ():
            self.required.setdefault(name, node.below("required"))
        for flag in (each for each in _FLAGS if raw.get(each) is True):
            self.flags.setdefault(flag, node.below(flag))
        if isinstance(extra := raw.get("additionalProperties"), dict):
            self.values = (*self.values, node.below("additionalProperties"))
        elif extra is False:
            self.closed = node.below("additionalProperties")
        for keyword in ("oneOf", "anyOf"):
            if keyword in raw and all(map(_is_relation, raw[keyword])):
                self.unenforced.setdefault(keyword, node.below(keyword))
            elif keyword in raw:
                self.unions = (*self.unions, node.below(keyword))
        self.default = node.below("default") if "default" in raw else self.default
        if isinstance(raw.get("discriminator"), dict):
            self.discriminator = node.below("discriminator")

    def _add_types(self, raw: Mapping[str, Any], node: Node) -> Iterator[Problem]:
        kinds = raw.get("type")
        if kinds is None:
            return
        types = tuple(kinds) if isinstance(kinds, list) else (kinds,)
        # OpenAPI 3.1 has no `nullable`, but documents that were converted do.
        if raw.get("nullable") is True and _NULL not in types:
            types = (*types, _NULL)
        joined = types if self.types is None else _both(self.types, types)
        if joined:
            self.types = joined
            self.places.setdefault("type", node.below("type"))
        else:
            wanted = " and ".join((" or ".join(self.types or ()), " or ".join(types)))
            message = f"no value is of the types {wanted}, which allOf joins"
            yield node.below("type").problem(message)

    def _add_keyword(
        self,
        keyword: str,
        value: Any,
        node: Node,
    ) -> Iterator[Problem]:
        if keyword not in MERGED:
            self.unenforced.setdefault(keyword, node)
            return
        if keyword in self.keywords:
            value = MERGED[keyword](self.keywords[keyword], value)
            if value in (None, []):
                yield node.problem(f"no value meets each {keyword} that allOf joins here")
                return
        self.keywords[keyword] = value
        self.places[keyword] = node

    def copied(self, node: Node, names: list[str], unions: tuple[Node, ...]) -> Schema:
        """Return a copy to which more may be added."""
        copies: dict[str, Any] = {key: dict(getattr(self, key)) for key in _MAPPINGS}
        return replace(self, node=node, names=names, unions=unions, **copies)

    @property
    def is_nullable(self) -> bool:
        """Whether the types allow null, and the listed values, if there are any, contain it."""
        listed = self.keywords.get("enum")
        return self.types is not None and _NULL in self.types and (not listed or None in listed)

    def allows(self, kind: str) -> bool:
        """Return whether a type is allowed."""
        return self.types is None or kind in self.types


def _lcm(one: float, other: float) -> float:
    """Return the least number that is a multiple of both."""
    a, b = Fraction(str(one)), Fraction(str(other))
    found = Fraction(math.lcm(a.numerator * b.denominator, b.numerator * a.denominator)) / (
        a.denominator * b.denominator
    )
    return int(found) if found.denominator == 1 else float(found)


def _common(one: list[Any], other: list[Any]) -> list[Any]:
    return [
        each
        for each in one
        if any(each == o and isinstance(each, bool) is isinstance(o, bool) for o in other)
    ]


def _format(one: str, other: str) -> str | None:
    """Return the format that is enforced; None if both are, and differ."""
    if one == other or other not in FORMATS:
        return one
    return None if one in FORMATS else other


#: Enforced keywords of a value, and how two parts of an allOf are joined to one keyword.
MERGED: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "format": _format,
    "enum": _common,
    "pattern": lambda one, other: one if one == other else [*_listed(one), *_listed(other)],
    "minimum": max,
    "maximum": min,
    "exclusiveMinimum": max,
    "exclusiveMaximum": min,
    "multipleOf": _lcm,
    "minLength": max,
    "maxLength": min,
    "minItems": max,
    "maxItems": min,
    "uniqueItems": lambda one, other: one or other,
    "minProperties": max,
    "maxProperties": min,
}
#: Keywords that say nothing about a value.
ANNOTATIONS: Final = frozenset(
    {
        *("title", "description", "default", "example", "examples", "deprecated", "xml"),
        *("externalDocs", "$comment", "$schema", "$id", "$anchor", "$defs", "definitions"),
        *("readOnly", "writeOnly", "contentMediaType", "contentSchema"),
    }
)
#: The members of a Schema that are mappings.
_MAPPINGS: Final = (
    *("keywords", "order", "places", "properties", "required", "flags", "unenforced", "extensions"),
)
_FLAGS: Final = ("readOnly", "writeOnly", "deprecated")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_relation(option: Any) -> bool:
    """Return whether an option only lists which members are sent, which a condition declares."""
    return isinstance(option, dict) and option.keys() - ANNOTATIONS == {"required"}


def _both(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    """Return the types that are in both; each integer is a number too."""
    wide = {*other, *((_INTEGER,) if _NUMBER in other else ())}
    found = [each for each in one if each in wide]
    if _NUMBER in one and _INTEGER in other and _NUMBER not in other:
        found.append(_INTEGER)
    return tuple(dict.fromkeys(found))


def _normalised(raw: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield each key of a value with the keyword that it is in one form, and the value of that."""
    handled = {
        *("$ref", "allOf", "oneOf", "anyOf", "type", "nullable", "properties", "required"),
        "items",
    }
    for key, value in raw.items():
        if key in handled or key in ANNOTATIONS or key.startswith("x-"):
            continue
        match key:
            case "const":
                yield key, "enum", [value]
            case "contentEncoding" if value == "base64":
                yield key, "format", "byte"
            case "minimum" | "maximum":
                exclusive = f"exclusive{key.capitalize()}"
                yield key, exclusive if raw.get(exclusive) is True else key, value
            case "exclusiveMinimum" | "exclusiveMaximum" if isinstance(value, bool):
                pass  # a flag of the bound
            case "additionalProperties":
                pass
            case "discriminator" if isinstance(value, dict):
                pass  # it is a text in Swagger 2
            case "uniqueItems" if value is False:
                pass
            case _:
                yield key, key, value
    if raw.get("nullable") is True and "type" not in raw:
        yield "nullable", "nullable", True  # which says nothing
