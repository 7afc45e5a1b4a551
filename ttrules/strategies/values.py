"""Strategies for valid values, built from a compiled schema.

A schema node becomes a strategy by its type, patterns and bounds. The members of an object are
drawn first, so that their relations are met. A condition with a test (`when`) is satisfied by most
draws, not by all; the strategies filter the others.
"""

from __future__ import annotations

import base64
import json
import math
import re
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hypothesis import assume
from hypothesis import strategies as st

from ttrules.codes import ANNOTATION, FORMATS, NON_BLANK, is_blank, relation_holds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    from ttrules.json_values import JSONValue
    from ttrules.pointers import Path

    Draw: TypeAlias = Callable[[st.SearchStrategy[Any]], Any]

#: Texts are drawn up to this length, or up to their maximum if it is not above LONGEST.
SHORT: Final = 40
LONGEST: Final = 4_096
#: The usual maximum number of items of a list, and the largest number that can be drawn.
FEW: Final = 3
MANY: Final = 10_000
#: The maximum number of draws for an item that differs from the others.
_PATIENCE: Final = 4
#: Integers that every JSON parser keeps (RFC 8259, section 6).
_SAFE: Final = 2**53 - 1


class Manner(NamedTuple):
    """How an object and the values below it are drawn."""

    #: Whether members marked ``-`` are sent.
    unsupported: bool = False
    #: How many of eight optional members are sent. It varies between payloads, so that some are
    #: deep and some are sparse.
    eighths: int = 4

    def sends(self, draw: Draw) -> bool:
        """Draw whether an optional member is sent."""
        return bool(draw(st.integers(0, 7)) >= 8 - self.eighths)


def payload_of(
    schema: Mapping[str, Any], forced: Path = (), *, unsupported: bool = False
) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for objects that meet a schema and have the members on a path."""

    @st.composite  # made here, without arguments: hypothesis writes them out, and schemas are long
    def payload(draw: Draw) -> dict[str, Any]:
        manner = Manner(unsupported, draw(st.sampled_from((4, 2, 6))))
        return draw_object(draw, schema, forced, manner)

    return payload()


def draw_object(
    draw: Draw, schema: Mapping[str, Any], forced: Path, manner: Manner
) -> dict[str, Any]:
    """Draw a valid object that has the members on the path `forced`."""
    required = schema.get("required", ())
    sent = _draw_related(draw, schema, forced)
    drawn: dict[str, Any] = {}
    for name, node in schema["properties"].items():
        code = node[ANNOTATION]["requirement"]
        if code == "P":
            continue
        is_forced = name == (forced[0] if forced else None)
        if code == "-":
            if manner.unsupported and name not in sent and manner.sends(draw):
                drawn[name] = draw(ANYTHING)
        elif is_forced or name in required or (sent[name] if name in sent else manner.sends(draw)):
            below = forced[1:] if is_forced else ()
            drawn[name] = draw_value(draw, node, below, manner, is_forced=is_forced)
    return drawn


def _draw_related(draw: Draw, schema: Mapping[str, Any], forced: Path) -> dict[str, bool]:
    """Draw which members of relations are sent, so that the relations are met."""
    rules = relations(schema)
    names = sorted({name for rule in rules for name in rule["fields"]})
    if not names:
        return {}
    choices = [
        dict(zip(names, sent, strict=True)) for sent in product((True, False), repeat=len(names))
    ]
    required = {*schema.get("required", ()), *forced[:1]}
    barred = [name for name in names if is_barred(schema["properties"][name])]
    choices = [
        each
        for each in choices
        if all(each.get(name, True) for name in required) and not any(map(each.get, barred))
    ]
    sound = [each for each in choices if all(_holds(rule, each) for rule in rules)]
    if not sound:  # relations under tests exclude each other, or ask for a member that is barred
        always = [rule for rule in rules if "when" not in rule]
        sound = [each for each in choices if all(_holds(rule, each) for rule in always)]
    assume(sound)
    return dict(draw(st.sampled_from(sound)))


def _holds(relation: Mapping[str, Any], sent: Mapping[str, bool]) -> bool:
    return relation_holds(relation["relation"], tuple(sent[name] for name in relation["fields"]))


def draw_value(
    draw: Draw,
    node: Mapping[str, Any],
    forced: Path = (),
    manner: Manner = Manner(),  # noqa: B008 - it is frozen
    *,
    is_forced: bool = False,
) -> JSONValue:
    """Draw a value that is valid for a node; a forced one is not null and not an empty list."""
    if not is_forced and takes_null(node) and draw(st.integers(0, 7)) == 0:
        return None
    if "properties" in node:
        return draw_object(draw, node, forced, manner)
    if "items" in node:
        least = max(node.get("minItems", 0), int(is_forced))
        size = draw(st.integers(least, min(node.get("maxItems", MANY), max(least, FEW))))
        items: list[Any] = []
        for _ in range(size * (_PATIENCE if node.get("uniqueItems") else 1)):
            item = draw_value(draw, node["items"], forced, manner)
            if not (node.get("uniqueItems") and item in items):
                items.append(item)
            if len(items) == size:
                break
        assume(len(items) >= least)
        return items
    return draw(_scalar(json.dumps(node)))


def takes_null(node: Mapping[str, Any]) -> bool:
    """Return whether null is valid for a node, because it removes the member."""
    return "null" in _kinds(node)


def kind_of(node: Mapping[str, Any]) -> str | None:
    """Return the type of a node without null, or None if it has several."""
    kinds = [each for each in _kinds(node) if each != "null"]
    return kinds[0] if len(kinds) == 1 else None


def _kinds(node: Mapping[str, Any]) -> list[str]:
    kinds: str | list[str] = node.get("type", [])
    return [kinds] if isinstance(kinds, str) else kinds


def is_barred(node: Mapping[str, Any]) -> bool:
    """Return whether the matrix marks a member ``P`` or ``-``."""
    return node[ANNOTATION]["requirement"] in {"P", "-"}


@cache
def _scalar(written: str) -> st.SearchStrategy[Any]:
    """Return the strategy for a node written as JSON; making one takes longer than to draw."""
    node = json.loads(written)
    if "enum" in node:
        return st.sampled_from([each for each in node["enum"] if each is not None])
    match kind_of(node):
        case "string":
            return _text(node)
        case "integer":
            return _numbers(node, whole=True)
        case "number":
            return _numbers(node, whole=False)
        case "boolean":
            return st.booleans()
        case _:
            return ANYTHING.filter(
                lambda value: value is not None and not ("minItems" in node and is_hollow(value))
            )


def _text(node: Mapping[str, Any]) -> st.SearchStrategy[str]:
    patterns = [each["pattern"] for each in (node, *node.get("allOf", ())) if "pattern" in each]
    solid = NON_BLANK in patterns
    special = [each for each in patterns if each != NON_BLANK]
    least, most = node.get("minLength", 0), node.get("maxLength", LONGEST)
    if special:
        if special[0] in _OF_PATTERN:
            drawn = _OF_PATTERN[special[0]]
        else:
            pattern = re.compile(special[0], re.ASCII)
            drawn = st.from_regex(pattern, alphabet=st.characters(codec="utf-8"))
        rest = [re.compile(each, re.ASCII) for each in special[1:]]
        return drawn.filter(
            lambda text: (
                least <= len(text) <= most
                and not text.endswith("\n")  # there Python's $ is not that of ECMA-262
                and all(each.search(text) for each in rest)
                and not (solid and is_blank(text))
            )
        )
    drawn = st.text(min_size=max(least, int(solid)), max_size=min(max(least, SHORT), most))
    if most <= LONGEST:
        drawn |= st.characters(codec="utf-8").map(lambda letter: letter * most)
    return drawn.filter(lambda text: not is_blank(text)) if solid else drawn


def is_hollow(value: object) -> bool:
    """Return whether a value is a blank text or an empty list."""
    return is_blank(value) if isinstance(value, str) else value == []


def _numbers(node: Mapping[str, Any], *, whole: bool) -> st.SearchStrategy[int | float]:
    low = node.get("minimum", node.get("exclusiveMinimum", -_SAFE))
    high = node.get("maximum", node.get("exclusiveMaximum", _SAFE))
    step = node.get("multipleOf", 1)
    if whole or "multipleOf" in node:
        drawn: st.SearchStrategy[int | float] = st.integers(
            math.ceil(low / step), math.floor(high / step)
        ).map(lambda count: count * step)
    else:
        drawn = st.floats(low, high)
        if math.ceil(low) <= math.floor(high):
            drawn |= st.integers(math.ceil(low), math.floor(high))
    outside = [node[key] for key in ("exclusiveMinimum", "exclusiveMaximum") if key in node]
    ends = [node[key] for key in ("minimum", "maximum") if key in node]
    if ends and "multipleOf" not in node:
        drawn |= st.sampled_from(ends)
    return drawn.filter(lambda number: number not in outside)


def _moment(moment: Any, offset: int, style: int) -> str:  # noqa: ANN401 - a datetime
    sign = "-" if offset < 0 else "+"
    zone = ("Z", "z", f"{sign}{abs(offset) // 60:02}:{abs(offset) % 60:02}")[style % 3]
    text = moment.isoformat(timespec=("seconds", "milliseconds", "microseconds")[style % 7 % 3])
    return str(text) + zone


_OF_PATTERN: Final[dict[str, st.SearchStrategy[str]]] = {
    FORMATS["date-time"][0]: st.builds(
        _moment, st.datetimes(), st.integers(-1_439, 1_439), st.integers(0, 20)
    )
    | st.sampled_from(["2016-12-31T23:59:60Z", "2024-02-29t00:00:00.5-00:00"]),
    FORMATS["date"][0]: st.dates().map(str),
    FORMATS["byte"][0]: st.binary(max_size=64).map(lambda raw: base64.b64encode(raw).decode()),
    FORMATS["uuid"][0]: st.uuids().map(str),
}

#: Any JSON value, in small.
ANYTHING: Final[st.SearchStrategy[Any]] = st.recursive(
    st.none() | st.booleans() | st.integers(-_SAFE, _SAFE) | st.text(max_size=FEW),
    lambda below: (
        st.lists(below, max_size=FEW) | st.dictionaries(st.text(max_size=FEW), below, max_size=FEW)
    ),
    max_leaves=FEW,
)


def relations(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the notes of the relations on an object itself, with or without a test."""
    rules = [rule.get("then", rule) for rule in schema.get("allOf", ())]
    return [rule[ANNOTATION] for rule in rules if ANNOTATION in rule]


def tests(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the tests at an object and below."""
    found = [rule["if"] for rule in schema.get("allOf", ()) if "if" in rule]
    for node in schema["properties"].values():
        below = node.get("items", node)
        if "properties" in below:
            found += tests(below)
    return found
