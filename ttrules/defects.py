"""Ways to break one cell of a valid payload, each with the finding that it causes.

One row of DEFECTS a way. A defect never looks at what a validator says: that it is the only one,
and where it is told, follows from the schema. So a cell that a condition reads is broken in its
value only where that cannot turn the condition, and a relation only where no other one meets it.
"""

from __future__ import annotations

import json
import re
from itertools import product
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from hypothesis import strategies as st

from ttrules.codes import NON_BLANK, NOT_EMPTY, is_blank, offending_field, relation_holds
from ttrules.compile import ANNOTATION
from ttrules.drawing import ANYTHING, MANY, SHORT, draw_value, kind_of, relations, takes_null, tests
from ttrules.rules import expectation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ttrules.codes import Severity
    from ttrules.drawing import Draw
    from ttrules.findings import Finding
    from ttrules.plain import Path
    from ttrules.rules import Rules


class Target(NamedTuple):
    """A cell that a payload can reach: where it stands, and the schema of its owner."""

    path: Path  # member names only; lists on the way are gone through
    name: str
    owner: Mapping[str, Any]

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


def cells(schema: Mapping[str, Any], path: Path) -> list[Target]:
    """Return the cells that a payload can reach, with what lies below them."""
    found = []
    for name, node in schema["properties"].items():
        found.append(Target(path, name, schema))
        below = node.get("items", node)
        if "properties" in below:
            found += cells(below, (*path, name))
    return found


def read_by_tests(schema: Mapping[str, Any]) -> frozenset[str]:
    """Return the names that tests read. A name is enough: it is what must not be broken."""
    words = re.findall(r'"required": \["((?:[^"\\]|\\.)*)"\]', json.dumps(tests(schema)))
    return frozenset(json.loads(f'"{word}"') for word in words)


def walk(draw: Draw, payload: dict[str, Any], names: Path) -> tuple[dict[str, Any], Path]:
    """Return an object that the path of names leads to, and its path with the indices drawn."""
    here: Any = payload
    at: Path = ()
    for name in names:
        here, at = here[name], (*at, name)
        if isinstance(here, list):
            index = draw(st.integers(0, len(here) - 1))
            here, at = here[index], (*at, index)
    return here, at


class Defect(NamedTuple):
    """A way to break one cell: when it applies, and how a value of it is drawn."""

    code: str
    #: What must be there before: the field itself, or the object that it belongs to.
    needs: Literal["field", "owner"]
    fits: Callable[[Target], bool]
    #: From the draw function, the node and the present value to the broken one; None takes it away.
    spoil: Callable[[Draw, Mapping[str, Any], Any], Any] | None

    def applies(self, cell: Target, tested: frozenset[str]) -> bool:
        """Say whether the cell can be broken so, and nothing else with it."""
        related = {name for note in relations(cell.owner) for name in note["fields"]}
        shifts = self.code in {"required", "prohibited", "not_supported"}
        if cell.name in tested or (shifts and cell.name in related):
            return False
        return self.fits(cell)

    def inflict(
        self, draw: Draw, owner: dict[str, Any], at: Path, cell: Target, rules: Rules
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
    """Return the relations, under no test, that breaking one would be reported at this cell."""
    return [
        note
        for note in relations(cell.owner)
        if "when" not in note and cell.name in note["fields"] and _ways_to_break(note, cell)
    ]


def _ways_to_break(note: Mapping[str, Any], cell: Target) -> list[tuple[bool, ...]]:
    """Return which fields to send so that this relation alone is broken, and told at the cell."""
    fields, required = note["fields"], cell.owner.get("required", ())
    others = [each for each in relations(cell.owner) if each is not note]
    ways = []
    for sent in product((True, False), repeat=len(fields)):
        chosen = dict(zip(fields, sent, strict=True))
        if (
            not relation_holds(note["relation"], sent)
            and fields[offending_field(note["relation"], sent)] == cell.name
            and all(chosen.get(name, True) for name in required)
            and not any(set(each["fields"]) & set(fields) for each in others)
        ):
            ways.append(sent)
    return ways


def _break_relation(
    draw: Draw, owner: dict[str, Any], at: Path, cell: Target, rules: Rules
) -> Finding:
    note = draw(st.sampled_from(_breakable(cell)))
    sent = draw(st.sampled_from(_ways_to_break(note, cell)))
    for name, here in zip(note["fields"], sent, strict=True):
        if not here:
            owner.pop(name, None)
        elif name not in owner:
            node = cell.owner["properties"][name]
            owner[name] = draw_value(draw, node, is_forced=True)
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
#: What is a type beside itself: each integer is a number too.
_ALSO: Final = {"number": {"integer"}}


def _other_type(draw: Draw, node: Mapping[str, Any], _: object) -> Any:  # noqa: ANN401
    kind = kind_of(node)
    assert kind is not None
    taken = {kind} | _ALSO.get(kind, set())
    return draw(st.sampled_from([value for key, value in _SAMPLES.items() if key not in taken]))


def _blank(draw: Draw, node: Mapping[str, Any], _: object) -> Any:  # noqa: ANN401
    return [] if "items" in node else draw(st.sampled_from(["", " ", "\t\n", "\u3000\u00a0"]))


def _unlisted(draw: Draw, node: Mapping[str, Any], _: object) -> str:
    return str(
        draw(
            st.text(min_size=1, max_size=SHORT).filter(
                lambda text: not is_blank(text) and text not in node["enum"]
            )
        )
    )


def _misformatted(draw: Draw, node: Mapping[str, Any], _: object) -> str:
    most = min(node.get("maxLength", SHORT), SHORT)
    pattern = re.compile(node["pattern"].replace("$", r"\Z"), re.ASCII)
    texts = st.text(min_size=1, max_size=most) | st.sampled_from(
        ["?", "2026-02-30T25:00:00", "A==="]
    )
    return str(draw(texts.filter(lambda text: not (is_blank(text) or pattern.search(text)))))


def _out_of_range(draw: Draw, node: Mapping[str, Any], _: object) -> int | float:
    step = node.get("multipleOf", 1)
    found = []
    if "minimum" in node:
        found.append(node["minimum"] - step)
    if "maximum" in node:
        found.append(node["maximum"] + step)
    found += [node[key] for key in ("exclusiveMinimum", "exclusiveMaximum") if key in node]
    if not found:
        found.append(step / 2 if kind_of(node) == "number" else step + 1)
    number: int | float = draw(st.sampled_from(found))
    return number


def _out_of_size(draw: Draw, node: Mapping[str, Any], value: Any) -> Any:  # noqa: ANN401
    if "items" in node:
        items = value or [draw_value(draw, node["items"])]
        return items * (node["maxItems"] // len(items) + 1)
    letter = draw(st.characters(codec="utf-8").filter(lambda each: not is_blank(each)))
    return str(letter) * (node["maxLength"] + 1)


def _anything(draw: Draw, _node: Mapping[str, Any], _value: object) -> Any:  # noqa: ANN401
    return draw(ANYTHING)


def _null(_draw: Draw, _node: Mapping[str, Any], _value: object) -> None:
    return None


def _is_ruled(cell: Target) -> bool:
    return cell.requirement not in {"P", "-"}


def _is_bound(cell: Target) -> bool:
    step: float = cell.node.get("multipleOf", 0)
    return step != 1 and any(key in cell.node for key in _RANGES)


_RANGES: Final = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")


def _is_plain_text(cell: Target) -> bool:
    node = cell.node
    return "maxLength" in node and node.get("pattern", NON_BLANK) == NON_BLANK


def _is_formatted(cell: Target) -> bool:
    pattern: str = cell.node.get("pattern", NON_BLANK)
    return pattern != NON_BLANK


def _is_listed(cell: Target) -> bool:
    node = cell.node
    return "items" in node and node.get("maxItems", MANY) < MANY and not node.get("uniqueItems")


def _may_be_empty(cell: Target) -> bool:
    undetermined = cell.owner[ANNOTATION].get("undetermined", ())
    asks = cell.requirement in NOT_EMPTY and cell.name not in undetermined
    return asks and ("items" in cell.node or kind_of(cell.node) == "string")


#: Every defect, by the code of its finding.
DEFECTS: Final = (
    Defect("required", "field", lambda cell: cell.name in cell.owner.get("required", ()), None),
    Defect("prohibited", "owner", lambda cell: cell.requirement == "P", _anything),
    Defect("not_supported", "owner", lambda cell: cell.requirement == "-", _anything),
    Defect(
        "null",
        "field",
        lambda c: _is_ruled(c) and "type" in c.node and not takes_null(c.node),
        _null,
    ),
    Defect("empty", "field", _may_be_empty, _blank),
    Defect("type", "field", lambda cell: "type" in cell.node, _other_type),
    Defect("enum", "field", lambda cell: "enum" in cell.node, _unlisted),
    Defect("format", "field", _is_formatted, _misformatted),
    Defect("range", "field", _is_bound, _out_of_range),
    Defect("length", "field", lambda cell: _is_plain_text(cell) or _is_listed(cell), _out_of_size),
    Defect("process_dependent", "owner", lambda cell: bool(_breakable(cell)), None),
)
