"""What a failure at each keyword of a strict schema means: which cell of the matrix, which finding.

An engine reports where in the schema a payload failed. The index made here maps that path to a
KeywordMeaning, so findings come from the annotations of the schema and never from a message of an
engine. An annotation that the compiler adds needs a case here.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as default
from typing import TYPE_CHECKING, Any

from ttrules.codes import ANNOTATION, KEYWORD_CODES, NOT_EMPTY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ttrules.pointers import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class KeywordMeaning:
    """What a failure at one keyword of a strict schema means.

    `kind` is ``value`` (a keyword on a value), ``required``, ``relation``, ``undetermined``, or,
    for a member that must be absent, the finding code of its presence. `node` is the schema around
    the keyword, or the annotation of a relation. If `not_empty`, a blank value is the finding
    ``empty``.
    """

    kind: str
    keyword: str
    entity: str
    field: str | None = None
    requirement: str | None = None
    not_empty: bool = False
    node: Mapping[str, Any] = default(default_factory=dict)


def keyword_meanings(strict: Mapping[str, Any], root: str) -> dict[Path, KeywordMeaning]:
    """Return the meaning of every keyword of a strict schema, by its path in the schema."""
    return dict(_of_object(strict, (), KeywordMeaning(kind="value", keyword="", entity=root)))


def _of_object(
    schema: Mapping[str, Any], at: Path, owner: KeywordMeaning
) -> Iterator[tuple[Path, KeywordMeaning]]:
    """Yield the meanings for an object; `owner` is the field whose value, or item, it is."""
    note = schema[ANNOTATION]
    entity = note["entity"]
    yield (*at, "type"), _of_value_keyword(owner, "type", schema)
    yield (*at, "required"), KeywordMeaning(kind="required", keyword="required", entity=entity)
    unknown = KeywordMeaning(kind="unknown_field", keyword="not", entity=entity)
    yield (*at, "additionalProperties", "not"), unknown
    for name, item in schema["properties"].items():
        path = (*at, "properties", name)
        yield from _of_property(item, path, entity, name, note.get("undetermined", ()))
    for index, rule in enumerate(schema.get("allOf", ())):
        yield from _of_rule(rule, (*at, "allOf", index), entity)


def _of_property(
    schema: Mapping[str, Any], at: Path, entity: str, name: str, undetermined: Sequence[str]
) -> Iterator[tuple[Path, KeywordMeaning]]:
    requirement = schema[ANNOTATION]["requirement"]
    cell = KeywordMeaning(
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
        yield from _of_value(schema, at, cell)


def _of_value(
    schema: Mapping[str, Any], at: Path, cell: KeywordMeaning
) -> Iterator[tuple[Path, KeywordMeaning]]:
    if "properties" in schema:
        yield from _of_object(schema, at, cell)
        return
    for keyword in schema.keys() & KEYWORD_CODES.keys():
        yield (*at, keyword), _of_value_keyword(cell, keyword, schema)
    for index, more in enumerate(schema.get("allOf", ())):
        node = {**schema, **more}
        yield (*at, "allOf", index, "pattern"), _of_value_keyword(cell, "pattern", node)
    if "items" in schema:
        item = _of_value_keyword(cell, "", schema, not_empty=False)
        yield from _of_value(schema["items"], (*at, "items"), item)


def _of_value_keyword(
    cell: KeywordMeaning, keyword: str, node: Mapping[str, Any], *, not_empty: bool | None = None
) -> KeywordMeaning:
    return KeywordMeaning(
        kind="value",
        keyword=keyword,
        entity=cell.entity,
        field=cell.field,
        requirement=cell.requirement,
        not_empty=cell.not_empty if not_empty is None else not_empty,
        node=node,
    )


def _of_rule(
    schema: Mapping[str, Any], at: Path, entity: str
) -> Iterator[tuple[Path, KeywordMeaning]]:
    """Yield the meanings of annotated keywords, at any depth below a condition.

    A relation and the marker of undetermined members (see `strict_schema`) are annotated.
    """
    if (note := schema.get(ANNOTATION)) is not None:
        keyword = next(key for key in schema if key != ANNOTATION)
        if "undetermined" in note:
            kind, node = "undetermined", {"fields": list(note["undetermined"])}
        else:
            kind, node, entity = "relation", note, note["entity"]
        meaning = KeywordMeaning(kind=kind, keyword=keyword, entity=entity, node=node)
        yield (*at, keyword), meaning
        return
    if "then" in schema:
        yield from _of_rule(schema["then"], (*at, "then"), entity)
    for index, rule in enumerate(schema.get("allOf", ())):
        yield from _of_rule(rule, (*at, "allOf", index), entity)
    if "items" in schema:
        yield from _of_rule(schema["items"], (*at, "items"), entity)
    for name, item in schema.get("properties", {}).items():
        yield from _of_rule(item, (*at, "properties", name), entity)
