"""Relations: what each says of the fields of an object, alone and in payloads, under every test.

The payloads are those of the spec in tests/cases/other/, which uses every relation under every kind
of test. What they owe is read here from its files, once more and in other words.
"""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support.other_spec import PATHS, PROCESSES, SPEC, agreed
from ttrules.codes import RELATIONS, offending_field, relation_holds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

DECIDED = yaml.safe_load(PATHS["interpretation"].read_text("utf-8"))
GONE: Any = object()

#: Three fields, each sent or not, in every way there is.
SENT = list(product([False, True], repeat=3))

#: What a relation says of three fields, each sent or not, in words of its own.
MEANINGS: dict[str, Callable[[bool, bool, bool], bool]] = {
    "all_or_none": lambda a, b, c: a is b is c,
    "at_least_one": lambda a, b, c: (a, b, c) != (False, False, False),
    "at_most_one": lambda a, b, c: not ((a and b) or (a and c) or (b and c)),
    "exactly_one": lambda a, b, c: [a, b, c].count(True) == 1,
    "if_then_all": lambda a, b, c: (b and c) if a else True,
    "if_then_any": lambda a, b, c: (b or c) if a else True,
    "if_then_none": lambda a, b, c: not (b or c) if a else True,
    "required": lambda a, b, c: a and b and c,
    "prohibited": lambda a, b, c: not (a or b or c),
}
#: Relations of one field, which tests/properties/test_processes.py has in payloads.
OF_ONE = {"required", "prohibited"}


def far(sent: tuple[bool, ...], held: list[tuple[bool, ...]]) -> int:
    """Return how many fields stand between what is sent and the nearest of what holds."""
    return min(sum(one is not two for one, two in zip(sent, other, strict=True)) for other in held)


class TestRelations:
    """A relation on fields says which of them may be sent together."""

    def test_each_has_a_meaning(self) -> None:
        """No relation of the table is without a meaning here."""
        assert MEANINGS.keys() == RELATIONS.keys()

    @pytest.mark.parametrize("sent", SENT)
    @pytest.mark.parametrize("relation", RELATIONS)
    def test_holds(self, relation: str, sent: tuple[bool, bool, bool]) -> None:
        """Each relation holds for exactly what its meaning says."""
        assert relation_holds(relation, sent) is MEANINGS[relation](*sent)

    @pytest.mark.parametrize(
        ("relation", "sent"),
        [(each, sent) for each in RELATIONS for sent in SENT if not relation_holds(each, sent)],
    )
    def test_offending(self, relation: str, sent: tuple[bool, bool, bool]) -> None:
        """To send, or not to send, the field that is told brings a relation nearer to holding.

        What is meant to hold then never sends nothing, nor lacks the first field of an if: these
        are what the sender wants.
        """
        is_if = relation.startswith("if_then")
        is_none = relation == "prohibited"
        wanted = [each for each in SENT if (any(each) or is_none) and (each[0] or not is_if)]
        held = [each for each in wanted if relation_holds(relation, each)]
        index = offending_field(relation, sent)
        turned = tuple(here is not (at == index) for at, here in enumerate(sent))
        assert far(turned, held) == far(sent, held) - 1

    @pytest.mark.parametrize(
        ("relation", "sent", "index"),
        [
            ("all_or_none", (True, False, False), 1),
            ("all_or_none", (False, True, True), 0),
            ("at_least_one", (False, False), 0),
            ("at_most_one", (True, False, True), 2),
            ("exactly_one", (False, False), 0),
            ("exactly_one", (True, True), 1),
            ("if_then_all", (True, True, False), 2),
            ("if_then_any", (True, False, False), 1),
            ("if_then_none", (True, False, True), 2),
            ("required", (False,), 0),
            ("prohibited", (True,), 0),
        ],
    )
    def test_which(self, relation: str, sent: tuple[bool, ...], index: int) -> None:
        """It is the first that is missing, or the second that is sent."""
        assert offending_field(relation, sent) == index


#: Where objects of each entity stand in an order: the fields that lead there.
WAYS: dict[str, tuple[tuple[str, ...], ...]] = {
    "ServiceOrder": ((),),
    "Site": (("site",),),
    "Meter": (("site", "meters"),),
    "Reading": (("site", "meters", "readings"),),
    "Contact": (("contact",), ("site", "keyholder")),
    "Charge": (("charges",),),
}
#: What the fields that a condition tests may hold.
TESTED: dict[str, list[Any]] = {
    "prepaid": [GONE, True, False],
    "urgency": [GONE, 1, 2, 3],
    "access": [GONE, "free", "escorted"],
    "orderKind": [GONE, "repair", "connection", "swap", "burst", "legacy"],
    "note": [GONE, "x"],
}
VALUES: dict[str, Any] = {
    "deposit": 1,
    "depositedOn": "2026-01-01",
    "position": [1, 2],
    "sealedOn": "2026-01-01",
    "estimated": True,
    "amount": 1,
}


def rules_of(entity: str, process: str) -> list[dict[str, Any]]:
    """Return the conditions on an entity that bind in a process, as the file has them."""
    rows = SPEC.entities[entity]
    return [
        rule
        for rule in DECIDED["conditions"]
        if rule["entity"] == entity
        and rule["relation"] != "optional"
        and process in rule.get("processes", PROCESSES)
        and any("PD" in rows[name].requirements[process] for name in rule["fields"])
    ]


def reached(process: str, way: tuple[str, ...]) -> bool:
    """Say whether no field on the way is prohibited or not supported in a process."""
    entity = "ServiceOrder"
    for name in way:
        field = SPEC.entities[entity][name]
        if field.requirements[process] in {"P", "-"}:
            return False
        assert field.entity
        entity = field.entity
    return True


def build(way: tuple[str, ...]) -> tuple[dict[str, Any], list[dict[str, Any]], str]:
    """Return an order, the objects on the way, the order first, and the pointer of the last."""
    line: list[dict[str, Any]] = [{}]
    entity, at = "ServiceOrder", ""
    for name in way:
        field, below = SPEC.entities[entity][name], dict[str, Any]()
        line[-1][name] = [below] if field.many else below
        at += f"/{name}/0" if field.many else f"/{name}"
        line.append(below)
        entity = field.entity or ""
    return line[0], line, at


def applies(rule: Mapping[str, Any], line: list[dict[str, Any]]) -> bool:
    """Say whether the test of a condition holds, read directly from the file."""
    when = rule.get("when")
    if when is None:
        return True
    owner = {"self": line[-1], "parent": line[-2:][0], "root": line[0]}[when.get("of", "self")]
    value = owner.get(when["field"], GONE)
    if "exists" in when:
        return (value is not GONE) is when["exists"]
    return value in (when["in"] if "in" in when else [when["equals"]])


def situations(entity: str, process: str) -> Iterator[tuple[dict[str, Any], Counter[Any], int]]:
    """Yield orders with the relations that they break, for every mixture of members and tests.

    The third is how many conditions of the entity applied.
    """
    rules = rules_of(entity, process)
    names = sorted({name for rule in rules for name in rule["fields"]})
    tests = sorted({(rule["when"].get("of", "self"), rule["when"]["field"])
                    for rule in rules if "when" in rule})  # fmt: skip
    for way in WAYS[entity]:
        if not (rules and reached(process, way)):
            continue
        for sent in product([False, True], repeat=len(names)):
            for states in product(*(TESTED[field] for _, field in tests)):
                order, line, at = build(way)
                for (of, field), state in zip(tests, states, strict=True):
                    if state is not GONE:
                        {"self": line[-1], "parent": line[-2:][0], "root": order}[of][field] = state
                line[-1].update(
                    (name, VALUES.get(name, "x"))
                    for name, here in zip(names, sent, strict=True)
                    if here
                )
                holding = [rule for rule in rules if applies(rule, line)]
                yield order, owed(holding, line[-1], at), len(holding)


def owed(rules: list[dict[str, Any]], owner: dict[str, Any], at: str) -> Counter[Any]:
    """Return pointer and relation of every rule that the members of an object break."""
    broken: Counter[Any] = Counter()
    for rule in rules:
        sent = tuple(name in owner for name in rule["fields"])
        # The meanings are written down for three fields; the last of two may stand twice.
        three = sent if len(sent) == 3 else (*sent, sent[1])
        if rule["relation"] in {"at_most_one", "exactly_one"}:
            three = (*sent, False)[:3]
        if not MEANINGS[rule["relation"]](*three):
            name = rule["fields"][offending_field(rule["relation"], sent)]
            broken[f"{at}/{name}", rule["relation"]] += 1
    return broken


class TestInPayloads:
    """Each relation, whatever is sent, with its test met and not met; both engines say the same."""

    def test_all_stand_here(self) -> None:
        """The spec uses every relation, and every kind of test on every object."""
        used = {rule["relation"] for rule in DECIDED["conditions"]}
        assert used == {*RELATIONS, "optional"} - OF_ONE
        tests = [rule["when"] for rule in DECIDED["conditions"] if "when" in rule]
        assert {when.get("of", "self") for when in tests} == {"self", "parent", "root"}
        assert {key for when in tests for key in when} == {"field", "of", "exists", "equals", "in"}

    @pytest.mark.parametrize("process", PROCESSES)
    @pytest.mark.parametrize("entity", WAYS)
    def test_holds(self, entity: str, process: str) -> None:
        """Each broken relation whose test is met is one finding."""
        applied = set()
        for order, broken, count in situations(entity, process):
            report = agreed(order, process)
            found = Counter(
                (each.pointer, each.params["relation"])
                for each in report.violations
                if each.code == "process_dependent" and each.entity == entity
            )
            assert found == broken, order
            applied.add(count)
        if any("when" in rule for rule in rules_of(entity, process)):
            assert len(applied) != 1, "its test was met and not met"
