"""Ways to break one cell of a valid payload, each with the finding that it causes.

Each way is a row of DEFECTS. A defect never asks a validator: the schema decides that its finding
is the only one and where it is reported. So a cell that a condition reads is broken only where that
cannot change the condition, and a relation only where no other relation shares its fields.
"""

from __future__ import annotations

import json
import math
import re
from fractions import Fraction
from itertools import product
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from hypothesis import strategies as st

from ttrules.codes import (
    ANNOTATION,
    BOUNDS,
    KINDS,
    NON_BLANK,
    NOT_EMPTY,
    PARTS,
    is_blank,
    offending_field,
    relation_holds,
)
from ttrules.engines import ReferenceEngine
from ttrules.json_values import exact, rounded
from ttrules.keywords import expanded
from ttrules.strategies.values import (
    ANYTHING,
    MANY,
    SHORT,
    draw_value,
    fits,
    inner_rules,
    is_barred,
    kind_of,
    kinds_of,
    objects_of,
    relations,
    takes_null,
    tests,
)
from ttrules.validator import expectation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ttrules.codes import Severity
    from ttrules.findings import Finding
    from ttrules.json_values import JSONValue
    from ttrules.pointers import Path
    from ttrules.strategies.values import Draw
    from ttrules.validator import ProcessValidator


class Target(NamedTuple):
    """A cell that a payload can reach: its place, and the schema of its owner."""

    #: Member names, and the index of a variant after a member with variants. Lists on the way are
    #: gone through.
    path: Path
    name: str
    owner: Mapping[str, Any]
    #: The annotations of all relations on the owner, also those with a test elsewhere.
    relations: tuple[Mapping[str, Any], ...]
    #: The names of fields that conditions test, which must not be broken.
    tested: frozenset[str]

    @property
    def node(self) -> Mapping[str, Any]:
        """The schema of the field."""
        node: Mapping[str, Any] = self.owner["properties"][self.name]
        return node

    @property
    def requirement(self) -> str:
        """The code of the cell."""
        code: str = self.node[ANNOTATION]["requirement"]
        return code


def cells(schema: Mapping[str, Any]) -> list[Target]:
    """Return the cells that a payload can reach, each before those below it."""
    whole = expanded(schema)
    if whole is schema:
        return list(_cells(schema, (), [], _read_by_tests(schema)))
    found = list(_cells(whole, (), [], _read_by_tests(whole)))
    # Relations under tests elsewhere are behind references, so all of an entity count.
    notes = {json.dumps(note): note for note in _relations_below(schema)}
    return [
        each._replace(
            relations=tuple(
                note
                for note in notes.values()
                if note["entity"] == each.owner[ANNOTATION]["entity"]
            )
        )
        for each in found
    ]


def _relations_below(schema: object) -> Iterator[Mapping[str, Any]]:
    """Yield the annotations of all relations in a schema, at any depth."""
    if isinstance(schema, dict):
        if "relation" in (note := schema.get(ANNOTATION, {})):
            yield note
        schema = [*schema.values()]
    for each in schema if isinstance(schema, list) else ():
        yield from _relations_below(each)


def _cells(
    schema: Mapping[str, Any],
    path: Path,
    lifted: Sequence[Mapping[str, Any]],
    tested: frozenset[str],
) -> Iterator[Target]:
    """Yield the cells of an object and below; `lifted` are relations under tests above it."""
    notes = tuple(note for each in (schema, *lifted) for note in relations(each))
    for name, node in schema["properties"].items():
        yield Target(path, name, schema, notes, tested)
        for choice, below in objects_of(node) if node.get("maxItems") != 0 else ():
            told = below[ANNOTATION].get("telling") if choice else ()
            if told is not None:  # otherwise a defect could select another variant
                inside = inner_rules(schema, lifted, name)
                yield from _cells(below, (*path, name, *choice), inside, tested | {*told})


def _read_by_tests(schema: Mapping[str, Any]) -> frozenset[str]:
    words = re.findall(r'"required": \["((?:[^"\\]|\\.)*)"\]', json.dumps(tests(schema)))
    return frozenset(json.loads(f'"{word}"') for word in words)


def walk(
    choose: Callable[[list[Any]], Any],
    payload: dict[str, Any],
    schema: Mapping[str, Any],
    names: Path,
) -> tuple[dict[str, Any], Path]:
    """Return an object at the path of names, and its path with chosen indices and keys.

    Raises LookupError if there is none.
    """
    here: Any = payload
    at: Path = ()
    for name in names:
        if isinstance(name, int):
            schema = schema["alternatives"][name]
            continue
        here, at, schema = here[name], (*at, name), schema["properties"][name]
        while "properties" not in schema and (parts := PARTS & schema.keys()):
            (part,) = parts
            key = choose([*(range(len(here)) if part == "items" else here)])
            here, at, schema = here[key], (*at, key), schema[part]
    return here, at


class Defect(NamedTuple):
    """A way to break one cell: when it applies, and how a value of it is drawn."""

    code: str
    #: What must exist before: the field itself, or the object that it belongs to.
    needs: Literal["field", "owner"]
    fits: Callable[[Target], bool]
    #: Draws the broken value from the node and the current value; None removes the member.
    spoil: Callable[[Draw, Mapping[str, Any], Any], Any] | None

    def applies(self, cell: Target) -> bool:
        """Return whether the cell can be broken in this way, and nothing else with it."""
        related = {name for note in cell.relations for name in note["fields"]}
        shifts = self.code in {"required", "prohibited", "not_supported"}
        if cell.name in cell.tested or (shifts and cell.name in related):
            return False
        return self.fits(cell)

    def inflict(
        self, draw: Draw, owner: dict[str, Any], at: Path, cell: Target, rules: ProcessValidator
    ) -> Finding:
        """Break the cell in place and return the finding."""
        entity = cell.owner[ANNOTATION]["entity"]
        if self.code == "process_dependent":
            return _break_relation(draw, owner, at, cell, rules)
        if self.spoil is None:
            del owner[cell.name]
        else:
            owner[cell.name] = self.spoil(draw, cell.node, owner.get(cell.name))
        params = expectation(self.code, cell.node)
        severity: Severity = "warning" if self.code == "not_supported" else "error"
        site = rules.cell(entity, cell.name)
        return rules.finding(self.code, (*at, cell.name), site, params, severity=severity)


def _breakable(cell: Target) -> list[Mapping[str, Any]]:
    """Return the relations without a test whose violation can be reported at this cell."""
    return [
        note
        for note in cell.relations
        if "when" not in note and cell.name in note["fields"] and _ways_to_break(note, cell)
    ]


def _ways_to_break(note: Mapping[str, Any], cell: Target) -> list[tuple[bool, ...]]:
    """Return the fields to send so that only this relation is violated, at this cell."""
    fields, required = note["fields"], cell.owner.get("required", ())
    barred = [name for name in fields if is_barred(cell.owner["properties"][name])]
    others = [each for each in cell.relations if each is not note]
    ways = []
    for sent in product((True, False), repeat=len(fields)):
        chosen = dict(zip(fields, sent, strict=True))
        if (
            not relation_holds(note["relation"], sent)
            and fields[offending_field(note["relation"], sent)] == cell.name
            and all(chosen.get(name, True) for name in required)
            and not any(map(chosen.get, barred))
            and not cell.tested & set(fields)
            and not any(set(each["fields"]) & set(fields) for each in others)
        ):
            ways.append(sent)
    return ways


def _break_relation(
    draw: Draw, owner: dict[str, Any], at: Path, cell: Target, rules: ProcessValidator
) -> Finding:
    note = draw(st.sampled_from(_breakable(cell)))
    sent = draw(st.sampled_from(_ways_to_break(note, cell)))
    for name, here in zip(note["fields"], sent, strict=True):
        if not here:
            owner.pop(name, None)
        else:
            node = cell.owner["properties"][name]
            owner.setdefault(name, draw_value(draw, node, is_forced=True))
    site = rules.cell(note["entity"], cell.name)
    params = {key: note[key] for key in ("relation", "fields") if key in note}
    return rules.finding("process_dependent", (*at, cell.name), site, params)


_SAMPLES: Final[dict[str, Any]] = {
    "string": "some text",
    "integer": 7,
    "number": 7.25,
    "boolean": True,
    "array": ["an item"],
    "object": {"a member": 1},
}
_NUMBERS: Final = ("integer", "number")
#: Values that the alternatives of a scalar rarely accept.
_UNUSUAL: Final = ("?", "an unusual text", -987_654_321, 987_654_321, 0.123)
#: Larger sizes are not drawn.
_HUGE: Final = 100_000
#: Other types of a type: each integer is also a number.
_ALSO: Final[dict[str | None, set[str]]] = {"number": {"integer"}}


def _other_type(draw: Draw, node: Mapping[str, Any], _: object) -> JSONValue:
    kind = kind_of(node)
    taken = {kind} | _ALSO.get(kind, set())
    return draw(st.sampled_from([value for key, value in _SAMPLES.items() if key not in taken]))


def _blank(draw: Draw, node: Mapping[str, Any], _: object) -> JSONValue:
    kinds = kinds_of(node) or KINDS
    texts = ["", " ", "\t\n", "\u3000\u00a0"] if "string" in kinds else []
    lists: list[Any] = [[]] if "array" in kinds else []
    return draw(st.sampled_from([*texts, *lists]))


def _unlisted(draw: Draw, node: Mapping[str, Any], _: object) -> JSONValue:
    listed = [each for each in node["enum"] if each is not None]
    if kind_of(node) in _NUMBERS:
        return max(listed) + draw(st.integers(1, MANY))
    texts = st.text(min_size=1, max_size=SHORT)
    return draw(texts.filter(lambda text: not is_blank(text) and text not in listed))


def _misformatted(draw: Draw, node: Mapping[str, Any], _: object) -> str:
    pattern = re.compile(node["pattern"], re.ASCII)
    texts = st.text(min_size=1, max_size=SHORT) | st.sampled_from(
        ["?", "2026-02-30T25:00:00", "A==="]
    )
    # Before a final newline, Python's $ differs from that of ECMA-262.
    wrong = texts.map(lambda text: text.rstrip("\n")).filter(
        lambda text: not (is_blank(text) or pattern.search(text))
    )
    return str(draw(wrong))


def _out_of_range(draw: Draw, node: Mapping[str, Any], _: object) -> int | float:
    number: int | float = draw(st.sampled_from(_outside(node)))
    return number


def _outside(node: Mapping[str, Any]) -> list[int | float]:
    """Return numbers that are out of the range of a node, or between its steps."""
    step = node.get("multipleOf", 1)
    if kind_of(node) == "integer":
        step = Fraction(exact(step)).numerator  # the least whole multiple
    found = [node[key] for key in ("exclusiveMinimum", "exclusiveMaximum") if key in node]
    if "minimum" in node:
        found.append(_beyond(node["minimum"], -step))
    if "maximum" in node:
        found.append(_beyond(node["maximum"], step))
    if "multipleOf" in node and kind_of(node) == "number":
        found.append(step / 2)
    elif step > 1:
        found.append(step + 1)
    meets = ReferenceEngine(node)
    return [each for each in found if abs(each) < math.inf and _is_out_of_range(meets, each)]


def _beyond(bound: float, step: float) -> float:
    """Return a number that is a step beyond a bound, or the next float."""
    other = rounded(Fraction(exact(bound)) + Fraction(exact(step)))
    return other if other != bound else math.nextafter(bound, math.copysign(math.inf, step))


def _is_out_of_range(meets: ReferenceEngine, number: float) -> bool:
    """Return whether keywords of a range, and no others, refuse a number."""
    refusing = {where[-1] for _, where, _ in meets.errors(number)}
    return bool(refusing) and refusing <= {*BOUNDS["range"]}


def _out_of_size(draw: Draw, node: Mapping[str, Any], value: JSONValue) -> JSONValue:
    size = draw(st.sampled_from(_missized(node)))
    if "items" in node:
        items = value or [draw_value(draw, node["items"])]
        return items[:1] * max(size, 2) if node.get("uniqueItems") else (items * size)[:size]
    letter = draw(st.characters(codec="utf-8").filter(lambda each: not is_blank(each)))
    return str(letter) * size


def _missized(node: Mapping[str, Any]) -> list[int]:
    """Return invalid sizes of a text or list that is not empty."""
    least = node.get("minItems", node.get("minLength", 0))
    found = [least - 1] if least > 1 else []
    if node.get("uniqueItems"):
        found.append(2)
    most = node.get("maxItems", node.get("maxLength", _HUGE))
    return [*found, most + 1] if most < _HUGE else found


def _anything(draw: Draw, _node: Mapping[str, Any], _value: object) -> JSONValue:
    return draw(ANYTHING)


def _null(_draw: Draw, _node: Mapping[str, Any], _value: object) -> None:
    return None


def _is_formatted(cell: Target) -> bool:
    node = cell.node
    patterns = [each["pattern"] for each in (node, *node.get("allOf", ())) if "pattern" in each]
    # If a text violates two patterns, either may be reported.
    return "enum" not in node and len([each for each in patterns if each != NON_BLANK]) == 1


def _is_sized(cell: Target) -> bool:
    node = cell.node
    is_plain = "enum" not in node and node.get("pattern", NON_BLANK) == NON_BLANK
    return is_plain and kind_of(node) in {"string", "array"} and bool(_missized(node))


def _may_be_empty(cell: Target) -> bool:
    undetermined = cell.owner[ANNOTATION].get("undetermined", ())
    asks = cell.requirement in NOT_EMPTY and cell.name not in undetermined
    return asks and not {"string", "array"}.isdisjoint(kinds_of(cell.node) or KINDS)


def _unmet(node: Mapping[str, Any]) -> list[JSONValue]:
    """Return values of the types of a node with alternatives that none of them accepts."""
    if "anyOf" not in node:
        return []
    typed = fits(json.dumps({"type": node["type"]}))
    met = fits(json.dumps({key: node[key] for key in ("type", "anyOf")}))
    return [each for each in _UNUSUAL if typed(each) and not met(each)]


def _of_no_variant(draw: Draw, node: Mapping[str, Any], _: object) -> JSONValue:
    return draw(st.sampled_from(_unmet(node)))


#: Every defect, by the code of its finding.
DEFECTS: Final = (
    Defect("required", "field", lambda cell: cell.name in cell.owner.get("required", ()), None),
    Defect("prohibited", "owner", lambda cell: cell.requirement == "P", _anything),
    Defect("not_supported", "owner", lambda cell: cell.requirement == "-", _anything),
    Defect(
        "null",
        "field",
        lambda cell: "type" in cell.node and not takes_null(cell.node),
        _null,
    ),
    Defect("empty", "field", _may_be_empty, _blank),
    Defect("type", "field", lambda cell: kind_of(cell.node) is not None, _other_type),
    Defect(
        "enum",
        "field",
        lambda cell: "enum" in cell.node and kind_of(cell.node) in {"string", *_NUMBERS},
        _unlisted,
    ),
    Defect("format", "field", _is_formatted, _misformatted),
    Defect(
        "range",
        "field",
        lambda cell: "enum" not in cell.node and bool(_outside(cell.node)),
        _out_of_range,
    ),
    Defect("length", "field", _is_sized, _out_of_size),
    Defect("variant", "field", lambda cell: bool(_unmet(cell.node)), _of_no_variant),
    Defect("process_dependent", "owner", lambda cell: bool(_breakable(cell)), None),
)
