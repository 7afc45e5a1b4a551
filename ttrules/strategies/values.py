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
import sys
from copy import deepcopy
from fractions import Fraction
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import jsonschema_rs
from hypothesis import assume
from hypothesis import strategies as st

from ttrules.codes import ANNOTATION, FORMATS, NON_BLANK, PARTS, is_blank, relation_holds
from ttrules.engines import ReferenceEngine
from ttrules.json_values import exact, rounded
from ttrules.matrix import When

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
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
#: The digits of a decimal that every float keeps.
_DIGITS: Final = 10**15 - 1
_GREATEST: Final = sys.float_info.max


class Manner(NamedTuple):
    """How an object and the values below it are drawn."""

    #: Whether members marked ``-`` are sent.
    unsupported: bool = False
    #: How many of eight optional members are sent. It varies between payloads, so that some are
    #: deep and some are sparse.
    eighths: int = 4
    #: The objects that contain the value, the payload first: a test may read their members.
    above: tuple[dict[str, Any], ...] = ()
    #: The schemas of the value in conditions of the objects above.
    lifted: tuple[Mapping[str, Any], ...] = ()

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
    rules = [note for each in (schema, *manner.lifted) for note in relations(each)]
    related = {name for rule in rules for name in rule["fields"]}
    drawn: dict[str, Any] = {}
    sent: dict[str, bool] = {}
    is_chosen = not related
    stages = dict.fromkeys(schema["properties"], 1)
    if manner.lifted or any("if" in rule for rule in schema.get("allOf", ())):
        # First what tests may read, then what relations name, then what may test this object.
        lists = _tested_lists(rules)
        for name, node in schema["properties"].items():
            stages[name] = (name in related) + 2 * (_is_nested(node) and name not in lists)
    for name in sorted(stages, key=stages.__getitem__):
        if stages[name] and not is_chosen:
            above = (*manner.above, drawn)
            owners = {"self": drawn, "parent": above[-2:][0], "root": above[0]}
            applied = _applied(rules, owners)
            sent, is_chosen = _draw_related(draw, schema, forced, rules, applied), True
        node = schema["properties"][name]
        code = node[ANNOTATION]["requirement"]
        if code in {"P", ""}:
            continue
        is_forced = name == (forced[0] if forced else None)
        if code == "-":
            if manner.unsupported and name not in sent and manner.sends(draw):
                drawn[name] = draw(ANYTHING)
        elif is_forced or name in required or (sent[name] if name in sent else manner.sends(draw)):
            below = forced[1:] if is_forced else ()
            inside = manner._replace(
                above=(*manner.above, drawn), lifted=inner_rules(schema, manner.lifted, name)
            )
            drawn[name] = draw_value(draw, node, below, inside, is_forced=is_forced)
    return drawn


def inner_rules(
    schema: Mapping[str, Any], lifted: Sequence[Mapping[str, Any]], name: str
) -> tuple[Mapping[str, Any], ...]:
    """Return the schemas of a member, or of its items, in the conditions of an object.

    `lifted` are those of the object in the conditions of the objects above.
    """
    asked = [rule["then"] for rule in schema.get("allOf", ()) if "then" in rule] + [*lifted]
    inside = [each["properties"][name] for each in asked if name in each.get("properties", ())]
    return tuple(each.get("items", each) for each in inside)


def _is_nested(node: Mapping[str, Any]) -> bool:
    return not node.keys().isdisjoint({"items", "properties", "alternatives"})


def _tested_lists(rules: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the lists of an object itself whose items a test reads."""
    tested = [rule["when"] for rule in rules if "when" in rule]
    return {
        when["field"]
        for when in tested
        if when["of"] == "self" and not when.keys().isdisjoint({"contains", "not_contains"})
    }


def _applied(
    rules: Sequence[Mapping[str, Any]], owners: Mapping[str, dict[str, Any]]
) -> list[Mapping[str, Any]]:
    """Return relations without those whose test is false for the owners, as far as they are drawn.

    A test of a member that a relation names has no result yet.
    """
    names = {name for rule in rules for name in rule["fields"]}
    return [
        rule
        for rule in rules
        if "when" not in rule
        or rule["when"]["field"] in names
        or When.from_json(rule["when"]).holds(owners[rule["when"]["of"]])
    ]


def _draw_related(
    draw: Draw,
    schema: Mapping[str, Any],
    forced: Path,
    rules: Sequence[Mapping[str, Any]],
    applied: Sequence[Mapping[str, Any]],
) -> dict[str, bool]:
    """Draw which members of relations are sent, so that the applied relations are met."""
    names = sorted({name for rule in rules for name in rule["fields"]})
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
    sound = [each for each in choices if all(_holds(rule, each) for rule in applied)]
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
    if "alternatives" in node:
        return _draw_alternative(draw, node, forced, manner)
    if "additionalProperties" in node:
        return _draw_map(draw, node, forced, manner, is_forced=is_forced)
    if "items" in node:
        return _draw_list(draw, node, forced, manner, is_forced=is_forced)
    return draw(_scalar(json.dumps(node)))


def _draw_alternative(
    draw: Draw, node: Mapping[str, Any], forced: Path, manner: Manner
) -> JSONValue:
    """Draw an object of one of the variants of a value, or a value of another type.

    A forced path begins with the index of a variant.
    """
    variants = node["alternatives"]
    kinds = [kind for kind in kinds_of(node) if kind not in {"object", "null"}]
    if forced:
        return draw_object(draw, variants[forced[0]], forced[1:], manner)
    chosen = draw(st.integers(0, len(variants) - (0 if kinds else 1)))
    if chosen < len(variants):
        return draw_object(draw, variants[chosen], (), manner)
    scalar = {key: value for key, value in node.items() if key not in {"alternatives", ANNOTATION}}
    return draw(_scalar(json.dumps({**scalar, "type": kinds})))


def _draw_list(
    draw: Draw, node: Mapping[str, Any], forced: Path, manner: Manner, *, is_forced: bool
) -> list[JSONValue]:
    most = node.get("maxItems", MANY)
    least = max(node.get("minItems", 0), min(int(is_forced), most))
    assume(least <= most)
    if least > FEW and not node.get("uniqueItems"):
        few = [draw_value(draw, node["items"], forced, manner) for _ in range(FEW)]
        return [deepcopy(few[index % FEW]) for index in range(least)]
    size = draw(st.integers(least, min(most, max(least, FEW))))
    items: list[Any] = []
    for _ in range(size * (_PATIENCE if node.get("uniqueItems") else 1)):
        item = draw_value(draw, node["items"], forced, manner, is_forced=bool(forced))
        if not (node.get("uniqueItems") and item in items):
            items.append(item)
        if len(items) == size:
            break
    assume(len(items) >= least)
    return items


def _draw_map(
    draw: Draw, node: Mapping[str, Any], forced: Path, manner: Manner, *, is_forced: bool
) -> dict[str, JSONValue]:
    least = max(node.get("minProperties", 0), int(is_forced))
    most = min(node.get("maxProperties", MANY), max(least, FEW))
    assume(least <= most)
    names = draw(st.lists(st.text(max_size=FEW), min_size=least, max_size=most, unique=True))
    below = node["additionalProperties"]
    return {name: draw_value(draw, below, forced, manner, is_forced=bool(forced)) for name in names}


def innermost(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of the values in a list or map, at any depth; or the node itself."""
    while "properties" not in node and (key := next(iter(PARTS & node.keys()), None)):
        node = node[key]
    return node


def takes_null(node: Mapping[str, Any]) -> bool:
    """Return whether null is valid for a node, because it removes the member."""
    return "null" in kinds_of(node)


def kind_of(node: Mapping[str, Any]) -> str | None:
    """Return the type of a node without null, or None if it has several."""
    kinds = [each for each in kinds_of(node) if each != "null"]
    return kinds[0] if len(kinds) == 1 else None


def kinds_of(node: Mapping[str, Any]) -> list[str]:
    """Return the types that a node lists, with null."""
    kinds: str | list[str] = node.get("type", [])
    return [kinds] if isinstance(kinds, str) else kinds


def is_barred(node: Mapping[str, Any]) -> bool:
    """Return whether the matrix marks a member ``P`` or ``-``, or it would have no end."""
    return node[ANNOTATION]["requirement"] in {"P", "-", ""}


@cache
def _scalar(written: str) -> st.SearchStrategy[Any]:  # noqa: PLR0911 - a return a kind
    """Return the strategy for a node written as JSON; making one takes longer than to draw."""
    node = json.loads(written)
    if "enum" in node:
        meets = ReferenceEngine(node)
        listed = [each for each in node["enum"] if each is not None]
        return _one_of([each for each in listed if not meets.errors(each)])
    if "anyOf" in node:
        types = {*kinds_of(node)}
        parts = [each for each in node["anyOf"] if types & {*kinds_of(each)} - {"null"}]
        return st.one_of([_scalar(json.dumps(each)) for each in parts]).filter(fits(written))
    match kind_of(node):
        case "string":
            return _text(node)
        case "integer":
            return _numbers(node, whole=True)
        case "number":
            return _numbers(node, whole=False)
        case "boolean":
            return st.booleans()
        case "array":  # one of several types, so of any items if none are given
            least, most = node.get("minItems", 0), node.get("maxItems", MANY)
            items = _scalar(json.dumps(node["items"])) if "items" in node else ANYTHING
            return st.lists(items, min_size=least, max_size=min(most, max(least, FEW)))
        case "object":
            return st.dictionaries(st.text(max_size=FEW), ANYTHING, max_size=FEW)
        case _ if kinds := [each for each in kinds_of(node) if each != "null"]:
            return st.one_of([_scalar(json.dumps({**node, "type": each})) for each in kinds])
        case _:
            return ANYTHING.filter(lambda value: value is not None)


@cache
def fits(written: str) -> Callable[[Any], bool]:
    """Return the test of values for a node written as JSON."""
    validator = jsonschema_rs.Draft202012Validator(
        json.loads(written), pattern_options=jsonschema_rs.RegexOptions()
    )
    return validator.is_valid


def _text(node: Mapping[str, Any]) -> st.SearchStrategy[str]:
    patterns = [each["pattern"] for each in (node, *node.get("allOf", ())) if "pattern" in each]
    solid = NON_BLANK in patterns
    special = [each for each in patterns if each != NON_BLANK]
    least = max(node.get("minLength", 0), int(solid))
    most = node.get("maxLength", max(LONGEST, least))
    if special:
        if special[0] in _OF_PATTERN:
            drawn = _OF_PATTERN[special[0]]
        else:
            pattern = re.compile(special[0], re.ASCII)
            drawn = st.from_regex(pattern, alphabet=st.characters(codec="utf-8"))
        meets = [re.compile(each, re.ASCII) for each in patterns]
        return drawn.map(lambda text: _stretched(text, least, meets)).filter(
            lambda text: (
                least <= len(text) <= most
                and not text.endswith("\n")  # there Python's $ is not that of ECMA-262
                and all(each.search(text) for each in meets)
            )
        )
    if least > most:
        return st.nothing()
    drawn = st.text(min_size=min(least, SHORT), max_size=min(max(least, SHORT), most, LONGEST))
    drawn = drawn.map(lambda text: _repeated(text, least))
    if most <= LONGEST:
        drawn |= st.characters(codec="utf-8").map(lambda letter: letter * most)
    return drawn.filter(lambda text: not is_blank(text)) if solid else drawn


def _repeated(text: str, least: int) -> str:
    """Return a text of the least length: the text itself, repeated if it is too short."""
    return text if len(text) >= least else (text * (least // len(text) + 1))[:least]


def _stretched(text: str, least: int, meets: list[re.Pattern[str]]) -> str:
    """Return a text of the least length that meets the patterns, by repeating one character."""
    missing = least - len(text)
    if missing > 0:
        for index, letter in enumerate(text):
            longer = text[:index] + letter * missing + text[index:]
            if all(each.search(longer) for each in meets):
                return longer
    return text


def _one_of(values: list[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy for one of the values, which draws nothing if there are none."""
    return st.sampled_from(values) if values else st.nothing()


def _numbers(node: Mapping[str, Any], *, whole: bool) -> st.SearchStrategy[int | float]:
    lows = [node[key] for key in ("minimum", "exclusiveMinimum") if key in node]
    highs = [node[key] for key in ("maximum", "exclusiveMaximum") if key in node]
    if whole or "multipleOf" in node:
        drawn = _multiples(node, lows, highs, whole=whole)
    else:
        low, high = max(lows, default=-_SAFE), min(highs, default=_SAFE)
        drawn = _floats(low, high)
        if math.ceil(low) <= math.floor(high):
            drawn |= st.integers(math.ceil(low), math.floor(high))
    meets = ReferenceEngine(node)
    ends = [each for each in (*lows, *highs) if not meets.errors(each)]
    return (drawn | _one_of(ends)).filter(lambda number: not meets.errors(number))


def _floats(low: float, high: float) -> st.SearchStrategy[float]:
    """Return a strategy for the floats from one number to another, if there are any."""
    first, last = _nearest(low, math.inf), _nearest(high, -math.inf)
    return st.floats(first, last) if first <= last else st.nothing()


def _nearest(number: float, towards: float) -> float:
    """Return the float that is nearest to a number, on the side of `towards` or equal to it."""
    near = float(max(-_GREATEST, min(_GREATEST, number)))
    is_beyond = near < number if towards > 0 else near > number
    return math.nextafter(near, towards) if is_beyond else near


def _multiples(
    node: Mapping[str, Any], lows: list[float], highs: list[float], *, whole: bool
) -> st.SearchStrategy[int | float]:
    """Return a strategy for multiples of the step of a node, in decimals."""
    step = Fraction(exact(node.get("multipleOf", 1)))
    if whole:
        step = Fraction(step.numerator)  # the least whole number that is a multiple
    # More digits than a float has would be rounded.
    widest = _SAFE if step.denominator == 1 else _DIGITS
    low = math.ceil(max(map(exact, lows), default=-widest * step) / step)
    high = math.floor(min(map(exact, highs), default=widest * step) / step)
    if low > high:
        return st.nothing()
    if step.denominator > 1:
        low, high = _within(low, high, widest)
    return st.integers(low, high).map(lambda count: rounded(count * step))


def _within(low: int, high: int, widest: int) -> tuple[int, int]:
    """Return the part of a range that is at most `widest` from 0, or the nearest end."""
    return min(max(low, -widest), high), max(min(high, widest), low)


def _moment(moment: Any, offset: int, style: int) -> str:
    sign = "-" if offset < 0 else "+"
    zone = ("Z", "z", f"{sign}{abs(offset) // 60:02}:{abs(offset) % 60:02}")[style % 3]
    text = moment.isoformat(timespec=("seconds", "milliseconds", "microseconds")[style % 7 % 3])
    return str(text) + zone


_OFFSETS: Final = st.integers(-1_439, 1_439)
_STYLES: Final = st.integers(0, 20)
_HOSTS: Final = st.lists(
    st.text("abcXYZ019-", min_size=1, max_size=12).map(lambda text: text.replace("-", "a-b")),
    min_size=1,
    max_size=4,
).map(".".join)
_V4: Final = st.ip_addresses(v=4).map(str)
_V6: Final = st.ip_addresses(v=6)
_PATHS: Final = st.text("/aZ09-._~!$&'()*+,;=:@", max_size=SHORT).map(
    lambda text: f"/{text}".replace("//", "/%20")
)
_RESTS: Final = st.sampled_from(["", "?", "?a=b&c=/?", "#", "#d", "?a=%C3%A9#/d?"])
_URIS: Final = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["https:", "HTTP:", "a+b-c.1:"]),
    st.just("") | st.one_of(_HOSTS, _V4, _V6.map("[{}]".format)).map("//{}".format),
    _PATHS,
    _RESTS,
) | st.sampled_from(["urn:example:a", "mailto:a@example.com", "a:", "http://u:p@a:80"])
#: Texts of formats that are drawn better than by their pattern.
_OF_PATTERN: Final[dict[str, st.SearchStrategy[str]]] = {
    FORMATS["date-time"][0]: st.builds(_moment, st.datetimes(), _OFFSETS, _STYLES)
    | st.sampled_from(["2016-12-31T23:59:60Z", "2024-02-29t00:00:00.5-00:00"]),
    FORMATS["date"][0]: st.dates().map(str),
    FORMATS["time"][0]: st.builds(_moment, st.times(), _OFFSETS, _STYLES) | st.just("23:59:60Z"),
    FORMATS["byte"][0]: st.binary(max_size=64).map(lambda raw: base64.b64encode(raw).decode()),
    FORMATS["uuid"][0]: st.uuids().map(str),
    FORMATS["email"][0]: st.emails().filter(re.compile(FORMATS["email"][0], re.ASCII).search)
    | st.sampled_from(['"a b"@example.com', "a@[192.0.2.1]", "a@[IPv6:2001:db8::1]"]),
    FORMATS["hostname"][0]: _HOSTS,
    FORMATS["ipv4"][0]: _V4,
    FORMATS["ipv6"][0]: _V6.map(str)
    | _V6.map(lambda address: address.exploded)
    | st.sampled_from(["::", "1::", "::ffff:192.0.2.1"]),
    FORMATS["uri"][0]: _URIS,
    FORMATS["uri-reference"][0]: _URIS | _PATHS | _RESTS | st.just("a/b:c"),
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
        for _, below in objects_of(node):
            found += tests(below)
    return found


def objects_of(node: Mapping[str, Any]) -> list[tuple[Path, Mapping[str, Any]]]:
    """Return the schemas of objects that a value, or an item, may have.

    Each has the part of a forced path that selects it.
    """
    item = innermost(node)
    if "alternatives" in item:
        return [((index,), each) for index, each in enumerate(item["alternatives"])]
    return [((), item)] if "properties" in item else []
