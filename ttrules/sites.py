"""The places of a compiled schema, and what a failure at each one means.

An engine says where in a schema a payload failed; a Site says which cell of the matrix that is, so
that no engine's message is ever read. Sites are read off the annotations once, when the rules of a
process are first used.

The engines run the closed form of a schema, made here: members that are unsupported or unknown fail
in it as well, so that a payload which passes has nothing to report at all. The published schema is
the closed one with those members let through. A new annotation of compile needs its case here.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as default
from typing import TYPE_CHECKING, Any, Final

from ttrules.codes import FORMATS, KEYWORD_CODES, NOT_EMPTY
from ttrules.compile import ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ttrules.plain import Path

_NEVER: Final[dict[str, Any]] = {"not": {}}
#: What is no object has no members to be undetermined.
_NO_OBJECT: Final[dict[str, Any]] = {"not": {"type": "object"}}
_BYTE_PATTERN: Final = FORMATS["byte"][0]
_BASE64: Final = "urn:ttrules:base64"
#: Base64 as the engine decodes it, without what it also takes: padding in the midst.
_DECODED: Final[dict[str, Any]] = {
    "$id": _BASE64,
    "$schema": "http://json-schema.org/draft-07/schema#",
    "contentEncoding": "base64",
    "not": {"pattern": "=[^=]"},
}
#: Matches every text; having to match one, the fast engine reads it, and stops at what is none.
_ANY_TEXT: Final = "^"
#: Integers that every JSON parser keeps (RFC 8259, section 6).
_SAFE: Final = 2**53 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What stands at one keyword of a closed schema.

    `kind` is ``value`` (a keyword on a value), ``required``, ``relation``, ``undetermined``, or,
    where a member must not be, the finding code of its presence. `node` is the schema around the
    keyword; `not_empty` says that a blank value is the finding ``empty``. `depth` is the length of
    the path of an unknown member, of which jsonschema-rs drops a name that is empty.
    """

    kind: str
    keyword: str
    entity: str
    field: str | None = None
    requirement: str | None = None
    not_empty: bool = False
    node: Mapping[str, Any] = default(default_factory=dict)
    depth: int = 0


def closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return `schema` with unsupported, unknown and undetermined members refused."""
    note = schema.get(ANNOTATION, {})
    if note.get("requirement") == "-":
        return {**_NEVER, ANNOTATION: note}
    tight = dict(schema)
    if "string" in _kinds(schema):
        tight.setdefault("pattern", _ANY_TEXT)
    if "items" in schema:
        tight["items"] = closed(schema["items"])
    if "properties" in schema:
        tight["properties"] = {key: closed(each) for key, each in schema["properties"].items()}
        tight["additionalProperties"] = dict(_NEVER)
        if note.get("undetermined"):
            tight["allOf"] = [*schema.get("allOf", ()), dict(_NO_OBJECT)]
    return tight


def quick(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a closed schema as strict, or stricter, and quicker to run.

    What must not be there is not listed, and what is not listed is refused at once. Base64 is
    decided by the engine's decoder rather than by its pattern. Null is refused where removal allows
    it, since the engine reads NaN as null too; so are numbers out of the common range, and
    everything where no keyword would make the engine look at the value. A payload that fails this
    form only is judged by the closed one.
    """
    tight = _quick(schema)
    tight["$defs"] = {"base64": _DECODED}
    return tight


def _quick(schema: Mapping[str, Any]) -> dict[str, Any]:
    tight = {key: value for key, value in schema.items() if key not in {ANNOTATION, "description"}}
    if is_unseen(schema):
        if "null" in _kinds(schema):
            tight["type"] = [each for each in schema["type"] if each != "null"]
        if _is_number(schema):
            tight = {"minimum": -_SAFE, "maximum": _SAFE, **tight}
        if is_unseen(tight):
            return dict(_NEVER)
    if schema.get("pattern") == _BYTE_PATTERN:
        del tight["pattern"]
        tight["$ref"] = _BASE64
    if "items" in schema:
        tight["items"] = _quick(schema["items"])
    if "properties" in schema:
        below = {key: _quick(each) for key, each in schema["properties"].items()}
        tight["properties"] = {key: each for key, each in below.items() if each != _NEVER}
        tight["additionalProperties"] = False
    return tight


def is_unseen(schema: Mapping[str, Any]) -> bool:
    """Say whether an engine may take what is no JSON for a value that meets this node.

    It does where any kind of value is taken, where null is (NaN is read as null), and where a
    number has no least one (one of too many digits to be written is read as the least of all).
    """
    if "not" in schema:
        return False
    kinds = _kinds(schema)
    return len(kinds) != 1 or (
        _is_number(schema) and not schema.keys() & {"minimum", "exclusiveMinimum"}
    )


def _is_number(schema: Mapping[str, Any]) -> bool:
    return not {"integer", "number"}.isdisjoint(_kinds(schema))


def _kinds(schema: Mapping[str, Any]) -> list[str]:
    kinds = schema.get("type", [])
    return kinds if isinstance(kinds, list) else [kinds]


def has_unseen(schema: Mapping[str, Any]) -> bool:
    """Say whether any value under this node is unseen."""
    below = [*schema.get("properties", {}).values()]
    if "items" in schema:
        below.append(schema["items"])
    return is_unseen(schema) or any(map(has_unseen, below))


def sites(schema: Mapping[str, Any], root: str) -> dict[Path, Site]:
    """Return the Site of every keyword of a closed schema, by its path in the schema."""
    return dict(_object(schema, (), Site(kind="value", keyword="", entity=root)))


def _object(schema: Mapping[str, Any], at: Path, owner: Site) -> Iterator[tuple[Path, Site]]:
    """Yield the sites of an object; `owner` is the field whose value, or item, it is."""
    note = schema[ANNOTATION]
    entity, undetermined = note["entity"], note.get("undetermined", ())
    yield (*at, "type"), _site(owner, "value", "type", schema)
    yield (*at, "required"), Site(kind="required", keyword="required", entity=entity)
    unknown = Site(kind="unknown_field", keyword="not", entity=entity, depth=_levels(at) + 1)
    yield (*at, "additionalProperties", "not"), unknown
    for name, item in schema["properties"].items():
        yield from _property(item, (*at, "properties", name), entity, name, undetermined)
    rules = schema.get("allOf", ())
    for index, rule in enumerate(rules):
        if undetermined and index == len(rules) - 1:
            node = {"fields": list(undetermined)}
            yield (
                (*at, "allOf", index, "not"),
                Site(kind="undetermined", keyword="not", entity=entity, node=node),
            )
        else:
            yield from _relations(rule, (*at, "allOf", index))


def _levels(at: Path) -> int:
    """Return how deep in a payload the object stands that a path in the schema is about."""
    keywords = iter(at)
    # Behind each `properties` stands a name, which may be that of a keyword.
    return sum(1 for each in keywords if each == "items" or next(keywords) is not None)


def _property(
    schema: Mapping[str, Any], at: Path, entity: str, name: str, undetermined: tuple[str, ...]
) -> Iterator[tuple[Path, Site]]:
    requirement = schema[ANNOTATION]["requirement"]
    cell = Site(
        kind={"P": "prohibited", "-": "not_supported"}.get(requirement, "value"),
        keyword="not",
        entity=entity,
        field=name,
        requirement=requirement,
        not_empty=requirement in NOT_EMPTY and name not in undetermined,
    )
    yield at, cell
    if "not" in schema:
        yield (*at, "not"), cell
    else:
        yield from _value(schema, at, cell)


def _value(schema: Mapping[str, Any], at: Path, cell: Site) -> Iterator[tuple[Path, Site]]:
    if "properties" in schema:
        yield from _object(schema, at, cell)
        return
    for keyword in schema.keys() & KEYWORD_CODES.keys():
        yield (*at, keyword), _site(cell, "value", keyword, schema)
    for index, more in enumerate(schema.get("allOf", ())):
        node = {**schema, **more}
        yield (*at, "allOf", index, "pattern"), _site(cell, "value", "pattern", node)
    if "items" in schema:
        item = _site(cell, "value", "", schema, not_empty=False)
        yield from _value(schema["items"], (*at, "items"), item)


def _site(
    cell: Site, kind: str, keyword: str, node: Mapping[str, Any], *, not_empty: bool | None = None
) -> Site:
    return Site(
        kind=kind,
        keyword=keyword,
        entity=cell.entity,
        field=cell.field,
        requirement=cell.requirement,
        not_empty=cell.not_empty if not_empty is None else not_empty,
        node=node,
    )


def _relations(schema: Mapping[str, Any], at: Path) -> Iterator[tuple[Path, Site]]:
    """Yield the sites of relations, however deep below a condition they stand."""
    if (note := schema.get(ANNOTATION)) is not None:
        keyword = next(key for key in schema if key != ANNOTATION)
        site = Site(kind="relation", keyword=keyword, entity=note["entity"], node=note)
        yield (*at, keyword), site
        return
    if "then" in schema:
        yield from _relations(schema["then"], (*at, "then"))
    for index, rule in enumerate(schema.get("allOf", ())):
        yield from _relations(rule, (*at, "allOf", index))
    if "items" in schema:
        yield from _relations(schema["items"], (*at, "items"))
    for name, item in schema.get("properties", {}).items():
        yield from _relations(item, (*at, "properties", name))
