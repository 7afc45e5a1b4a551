"""What a failure at each keyword of a strict schema means: which cell of the matrix, which finding.

An engine reports where in the schema a payload failed. The index made here maps that path to a
KeywordMeaning, so findings come from the annotations of the schema and never from a message of an
engine. An annotation that the compiler adds needs a case here.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from dataclasses import field as default
from typing import TYPE_CHECKING, Any, Final

from ttrules.codes import ANNOTATION, KEYWORD_CODES, NOT_EMPTY, PARTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ttrules.pointers import Path


#: How many levels of optional objects are expanded for payloads, and how many objects in all.
_EXPANDED_LEVELS: Final = 2
_EXPANDED_OBJECTS: Final = 1_000


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
    found = dict(_of_object(strict, (), KeywordMeaning(kind="value", keyword="", entity=root)))
    for name, definition in strict.get("$defs", {}).items():
        path: Path = ("$defs", name)
        if ANNOTATION in definition:
            found |= _of_object(definition, path, KeywordMeaning(kind="", keyword="", entity=""))
        else:
            found |= _of_rule(definition, path, "")
    return found


def expanded(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a compiled schema without references, from which payloads can be made.

    A definition takes the place of each reference to it, except where objects would be without end:
    there the member has the requirement ``""`` and no value. In place of its rules, a value with
    variants has ``alternatives``: the schema of each. The annotation of an alternative has
    ``telling``, the members that select it, or no such key if no member surely does.
    """
    return _Expansion(schema).schema() if "$defs" in schema else schema


class _Expansion:
    """One expansion, breadth first, so that each definition is expanded where it is met first."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.top = schema
        self.definitions: Mapping[str, Any] = schema["$defs"]
        #: Definitions whose objects end, in the order in which this was found.
        self.finite: dict[str, int] = {}
        self.expanded: dict[str, int] = {}
        #: Objects whose members are still to be expanded, with their depth.
        self.open: deque[tuple[dict[str, Any], int]] = deque()

    def schema(self) -> dict[str, Any]:
        """Return the expanded schema."""
        before = -1
        while len(self.finite) > before:
            before = len(self.finite)
            ending = [name for name, each in self.definitions.items() if self._ends(each)]
            self.finite = {**{name: len(self.finite) for name in ending}, **self.finite}
        top = {key: value for key, value in self.top.items() if key != "$defs"}
        self.open.append((top, 0))
        while self.open:
            body, depth = self.open.popleft()
            required = body.get("required", ())
            body["properties"] = {
                name: self._node(node, depth, is_required=name in required)
                for name, node in body["properties"].items()
            }
        return top

    def _ends(self, definition: Mapping[str, Any]) -> bool:
        """Return whether there are objects of a definition that have an end."""
        return "properties" in definition and all(
            not (names := _referred(definition["properties"][name]))
            or not self.finite.keys().isdisjoint(names)
            for name in definition.get("required", ())
        )

    def _node(self, node: Mapping[str, Any], depth: int, *, is_required: bool) -> dict[str, Any]:
        """Return a member of an object, expanded; or a member that cannot be sent."""
        if not _referred(node):
            return dict(node)
        made = self._expanded(node, depth, is_required=is_required)
        return made or {"not": {}, ANNOTATION: {**node[ANNOTATION], "requirement": ""}}

    def _expanded(
        self, node: Mapping[str, Any], depth: int, *, is_required: bool
    ) -> dict[str, Any] | None:
        """Return a value, or an item of it, with definitions in place of references."""
        for key in PARTS & node.keys():
            made = self._expanded(node[key], depth, is_required=is_required)
            return None if made is None else {**node, key: made}
        names = [each for each in _referred(node) if self._may_expand(each, depth)]
        if is_required and not names:  # the one whose objects end soonest
            ending = self.finite.keys() & _referred(node)
            names = sorted(ending, key=self.finite.__getitem__)[:1]
        for name in names:
            self.expanded[name] = self.expanded.get(name, 0) + 1
        if not names and set(_kinds(node)) <= {"object", "null"}:
            return None
        return self._variants(node, names, depth) if "allOf" in node else self._body(node, depth)

    def _may_expand(self, name: str, depth: int) -> bool:
        is_wanted = depth < _EXPANDED_LEVELS or name not in self.expanded
        is_room = sum(self.expanded.values()) < _EXPANDED_OBJECTS
        return name in self.finite and is_wanted and is_room

    def _body(self, node: Mapping[str, Any], depth: int) -> dict[str, Any]:
        """Return the definition in place of a reference."""
        definition = self.definitions[node["$ref"].rpartition("/")[2]]
        made = {**definition, **{key: value for key, value in node.items() if key != "$ref"}}
        made[ANNOTATION] = {**definition[ANNOTATION], **node.get(ANNOTATION, {})}
        self.open.append((made, depth + 1))
        return made

    def _variants(self, node: Mapping[str, Any], names: list[str], depth: int) -> dict[str, Any]:
        """Return a value with alternatives in place of its rules."""
        found: dict[str, dict[str, Any]] = {}
        for rule in node["allOf"]:
            then = rule.get("then", {})
            for reference in then.get("anyOf", [then]):
                name = reference.get("$ref", "").rpartition("/")[2]
                if name in names and name not in found:
                    test = {} if "anyOf" in then else rule["if"]
                    found[name] = self._alternative(reference, test, depth)
        kept = [rule for rule in node["allOf"] if "pattern" in rule]
        made = {**node, "alternatives": [*found.values()], "allOf": kept}
        return made if kept else {key: value for key, value in made.items() if key != "allOf"}

    def _alternative(
        self, reference: Mapping[str, Any], test: Mapping[str, Any], depth: int
    ) -> dict[str, Any]:
        """Return the schema of a variant, which sends the discriminator that selects it.

        `test` is empty if no member tells the variant.
        """
        made = self._body({"type": "object", **reference}, depth)
        required = [*made.get("required", ())]
        if "properties" in test:
            ((name, listed),) = test["properties"].items()
            member = made["properties"][name]
            known = member.get("enum", listed["enum"])
            values = [each for each in listed["enum"] if each in known]
            made["properties"] = {
                **made["properties"],
                name: {**member, "enum": values or listed["enum"]},
            }
            made["required"] = [*required, *({name} - {*required})]
            made[ANNOTATION]["telling"] = [name]
        elif "anyOf" in test:
            own = (each["required"][0] for each in test["anyOf"])
            if sure := [name for name in own if name in required]:
                made[ANNOTATION]["telling"] = sure[:1]
        elif test:  # there is no other variant
            made[ANNOTATION]["telling"] = []
        return made


def _referred(node: Mapping[str, Any]) -> list[str]:
    """Return the names of the definitions that a value, or its items, may have."""
    for key in PARTS & node.keys():
        return _referred(node[key])
    found = [node.get("$ref")]
    for rule in node.get("allOf", ()):
        then = rule.get("then", {})
        found += [each.get("$ref") for each in (then, *then.get("anyOf", ()))]
    return list(dict.fromkeys(each.rpartition("/")[2] for each in found if each is not None))


def _kinds(node: Mapping[str, Any]) -> list[str]:
    kinds: str | list[str] = node.get("type", [])
    return [kinds] if isinstance(kinds, str) else kinds


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
        path = (*at, "allOf", index)
        if "pattern" in more:
            yield (*path, "pattern"), _of_value_keyword(cell, "pattern", {**schema, **more})
        elif "then" in more:
            yield from _of_variants(more["then"], (*path, "then"), cell)
        else:
            yield from _of_discriminator(more, path)
    for key in PARTS & schema.keys():
        item = _of_value_keyword(cell, "", schema, not_empty=False)
        yield from _of_value(schema[key], (*at, key), item)


def _of_variants(
    schema: Mapping[str, Any], at: Path, cell: KeywordMeaning
) -> Iterator[tuple[Path, KeywordMeaning]]:
    """Yield the meaning of the keyword that fails if no variant accepts an object."""
    while "else" in schema:
        schema, at = schema["else"], (*at, "else")
    if "not" in schema:
        node = schema[ANNOTATION]
        yield (*at, "not"), _of_value_keyword(cell, "anyOf", node, not_empty=False)


def _of_discriminator(schema: Mapping[str, Any], at: Path) -> Iterator[tuple[Path, KeywordMeaning]]:
    """Yield the meanings for the member that selects a variant."""
    entity = schema[ANNOTATION]["entity"]
    yield (*at, "required"), KeywordMeaning(kind="required", keyword="required", entity=entity)
    ((name, node),) = schema["properties"].items()
    requirement = node[ANNOTATION]["requirement"]
    cell = KeywordMeaning(
        kind="value",
        keyword="enum",
        entity=entity,
        field=name,
        requirement=requirement,
        not_empty=requirement in NOT_EMPTY,
    )
    for keyword in ("type", "enum"):
        yield (*at, "properties", name, keyword), _of_value_keyword(cell, keyword, node)


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
    for key in PARTS & schema.keys():
        yield from _of_rule(schema[key], (*at, key), entity)
    for name, item in schema.get("properties", {}).items():
        yield from _of_rule(item, (*at, "properties", name), entity)
