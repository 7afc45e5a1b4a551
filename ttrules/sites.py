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
_DRAFT_7: Final = "http://json-schema.org/draft-07/schema#"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What stands at one keyword of a closed schema.

    `kind` is ``value`` (a keyword on a value), ``required``, ``relation``, ``undetermined``, or,
    where a member must not be, the finding code of its presence. `node` is the schema around the
    keyword; `not_empty` says that a blank value is the finding ``empty``.
    """

    kind: str
    keyword: str
    entity: str
    field: str | None = None
    requirement: str | None = None
    not_empty: bool = False
    node: Mapping[str, Any] = default(default_factory=dict)


def closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return `schema` with unsupported, unknown and undetermined members refused."""
    note = schema.get(ANNOTATION, {})
    if note.get("requirement") == "-":
        return {**_NEVER, ANNOTATION: note}
    tight = dict(schema)
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

    Base64 is decided by the engine's decoder rather than by the pattern. Null is refused where
    removal allows it, since the engine reads NaN as null too; and so is everything where no
    keyword would make the engine look at the value. A payload that fails this form only is judged
    by the closed one.
    """
    tight = _quick(schema)
    tight["$defs"] = {"base64": {"$id": _BASE64, "$schema": _DRAFT_7, "contentEncoding": "base64"}}
    return tight


def _quick(schema: Mapping[str, Any]) -> dict[str, Any]:
    tight = {key: value for key, value in schema.items() if key not in {ANNOTATION, "description"}}
    if is_unseen(schema):
        if isinstance(schema.get("type"), list):
            tight["type"] = [each for each in schema["type"] if each != "null"]
        else:
            return dict(_NEVER)
    if schema.get("pattern") == _BYTE_PATTERN:
        del tight["pattern"]
        tight["$ref"] = _BASE64
    if "items" in schema:
        tight["items"] = _quick(schema["items"])
    if "properties" in schema:
        tight["properties"] = {key: _quick(each) for key, each in schema["properties"].items()}
    return tight


def is_unseen(schema: Mapping[str, Any]) -> bool:
    """Say whether an engine may take what is no JSON for a value that meets this node."""
    return "not" not in schema and (
        "type" not in schema or (isinstance(schema["type"], list) and "null" in schema["type"])
    )


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
    unknown = Site(kind="unknown_field", keyword="not", entity=entity)
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
        # jsonschema-rs names the path …/then, jsonschema the path …/if/then.
        yield from _relations(schema["then"], (*at, "then"))
        yield from _relations(schema["then"], (*at, "if", "then"))
    for index, rule in enumerate(schema.get("allOf", ())):
        yield from _relations(rule, (*at, "allOf", index))
    if "items" in schema:
        yield from _relations(schema["items"], (*at, "items"))
    for name, item in schema.get("properties", {}).items():
        yield from _relations(item, (*at, "properties", name))
