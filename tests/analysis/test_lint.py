"""`ttrules lint`: what the rules leave open or say oddly."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.order_spec import SPECS, by_field, spec
from tests.support.order_spec import Spec as Files
from tests.support.small_spec import Edit, loaded
from ttrules.analysis.lint import KINDS, NOTES, Oddity, _can_be_met, oddities
from ttrules.matrix import Condition
from ttrules.messages.en import ODDITIES
from ttrules.rulebook import Rulebook, shipped

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.command_line import Run, Spec

TEXT = {"type": "string"}
#: The kinds about processes and conditions, which have specs of their own.
OF_PROCESSES = {"selector", "unselecting", "initial", "unreached", "untestable", "contradictory"}


def when(relation: str, field: str, test: str) -> str:
    """Return the rest of a condition with a test."""
    return f"{relation}, reason: x, when: {{field: {field}, {test}}}"


def with_test(relation: str, field: str, test: str) -> Files:
    """Return a spec with a condition with a test."""
    rule = when(relation, field, test)
    conditions = f"conditions:\n  - {{entity: Order, fields: [reason], relation: {rule}}}\n"
    return spec("", "Order", conditions=conditions)


@pytest.fixture
def odd(spec: Spec) -> list[str]:
    """Give the options that name spec files with an oddity of each kind."""
    return spec(
        {
            "Order": {
                "placedDay": TEXT,
                "kind": TEXT,
                "shape": {},
                "box": {"$ref": "#/components/schemas/Box"},
                "Kind": TEXT,
                "boxday": TEXT,
                "fee": TEXT,
            },
            "Box": {"colour": TEXT},
            "Lost": {"colour": TEXT},
        },
        {
            "Order": {
                "placedDay": ["O", "O"],
                "kind": ["R", "O"],
                "shape": ["O", "O"],
                "box": ["P", "O"],
                "Kind": ["O", "O"],
                "boxday": ["O", "O"],
                "fee": ["PD", "O/PD"],
            },
            "Box": {"colour": ["O", "-"]},
            "Lost": {"colour": ["R", "R"]},
        },
        ("Order Add", "Order Change"),
        selection={
            "field": "kind",
            "reason": "So it is.",
            "processes": {
                "Order Add": {"operation": "add", "value": "order"},
                "Order Change": {"operation": "change", "value": "order"},
            },
        },
        conditions=[
            {
                "entity": "Order",
                "fields": ["fee"],
                "relation": "optional",
                "processes": ["Order Add"],
                "reason": "Nobody knows.",
            }
        ],
        decisions=[
            {"topic": "Days", "decision": "As is.", "reason": "So.", "fields": ["Order.boxday"]},
            {"topic": "Else", "decision": "Be  kind.", "reason": "So."},
        ],
    )


def test_shipped() -> None:
    """The oddities of the document are all told, and each of them has been decided on."""
    found = oddities(shipped().matrix)
    told = {(each.kind, each.about) for each in found if each.kind != "decided"}
    assert told == {
        ("hollow", "AttachmentRefOrValue.size"),
        ("spelling", "Note.notedate"),
        ("untyped", "TroubleTicket.resolutionPaymentCode"),
        ("selector", "TroubleTicket.ticketType"),
    }
    assert all(each.decided for each in found)
    decided = {each.about: each.decided for each in found if each.kind == "decided"}
    assert decided["TroubleTicket.status"] == ("Held and pending",)
    assert decided["TroubleTicket.ticketSubtype"] == ("ticketSubType and ticketSubtype",)
    assert decided["TroubleTicket.priority"] == ("The priority",)


def test_every_decision() -> None:
    """No decision goes untold: it settles an oddity, or is told itself."""
    told = {topic for each in oddities(shipped().matrix) for topic in each.decided}
    assert told == {each["topic"] for each in shipped().matrix.decisions}


def test_texts() -> None:
    """Each kind of oddity has a text, and no text is of another kind."""
    assert {*ODDITIES} == {*KINDS, *NOTES}


def test_every_kind(run: Run, odd: list[str], tmp_path: Path) -> None:
    """Each kind of oddity is found where it is, with what it is about, and nowhere else."""
    run("compile", *odd, "--out", tmp_path / "rules")
    found = oddities(Rulebook.read(tmp_path / "rules").matrix)
    kinds = [kind for kind in KINDS if kind not in OF_PROCESSES]
    assert list(dict.fromkeys(each.kind for each in found)) == [*kinds, "decided"]
    settled = ("Days",)
    assert found == [
        oddity("undeclared", "Order.fee", "Order Change"),
        oddity("hollow", "Order.box", "Box"),
        oddity("untyped", "Order.shape", ""),
        oddity("unread", "Lost", ""),
        oddity("spelling", "Order.boxday", "boxDay", settled),
        oddity("case", "Order.Kind", "kind"),
        Oddity(kind="decided", about="", text="Be kind.", decided=("Else",)),
    ]


def oddity(kind: str, about: str, detail: str, decided: tuple[str, ...] = ()) -> Oddity:
    """Return an oddity of one of the KINDS."""
    return Oddity(
        kind=kind, about=about, text=ODDITIES[kind].format(detail=detail), decided=decided
    )


#: A kind, what it is about and its detail, and the spec that has it.
PROCESSES: list[tuple[str, str, str, Files]] = [
    (
        "selector",
        "Order.kind",
        "One, Two",
        spec(
            by_field("kind", One="operation: add, value: gift", Two="operation: add, value: bulk"),
            *("One", "Two"),
            conditions="",
            kind="O",
        ),
    ),
    (
        "unselecting",
        "Order.kind",
        "plain, other (add)",
        spec(by_field("kind", One="operation: add, values: [gift, bulk]"), "One", conditions=""),
    ),
    (
        "unselecting",
        "Order.express",
        "false (change)",
        spec(
            by_field(
                "express",
                One="operation: add, otherwise: true",
                Two="operation: change, value: true",
            ),
            *("One", "Two"),
            conditions="",
        ),
    ),
    (
        "unreached",
        "Cancel",
        "Create, Update",
        SPECS["roots"]._replace(
            requirements=SPECS["roots"].requirements.replace('why: ["-", "-", R]', "why: [R, O, R]")
        ),
    ),
    ("untestable", "Order.reason", "id (Order)", with_test("required", "id", "exists: true")),
    (
        "untestable",
        "Order.reason",
        "id (Order)",
        with_test("required", "id", "of: root, equals: x"),
    ),
]


@pytest.mark.parametrize(("kind", "about", "detail", "files"), PROCESSES)
def test_processes(kind: str, about: str, detail: str, files: Files, tmp_path: Path) -> None:
    """What a selection or a condition leaves open is found, and nothing else of its kind."""
    found = oddities(files.load(tmp_path).matrix)
    assert [each for each in found if each.kind == kind] == [oddity(kind, about, detail)]


def test_initial_status(tmp_path: Path) -> None:
    """A status that a new ticket may send is told, because it always begins with the first."""
    sent = Edit("requirements", "state: [P, O, P]", "state: [O, O, P]")
    assert [each for each in oddities(loaded(tmp_path, sent)) if each.kind == "initial"] == [
        oddity("initial", "Parcel.state", "posted (Letter Add)")
    ]


def test_test_of_a_parent(tmp_path: Path) -> None:
    """A test of a parent is never true if no parent may send the field."""
    files = with_test("required", "id", "of: parent, exists: true")
    party = files.interpretation.replace(
        "entity: Order, fields: [reason]", "entity: Party, fields: [licence]"
    )
    found = oddities(files._replace(interpretation=party).load(tmp_path).matrix)
    assert oddity("untestable", "Party.licence", "id (Order)") in found


@pytest.mark.parametrize(
    ("one", "other", "about"),
    [
        ("required, reason: x", "prohibited, reason: x", "Order.reason"),
        (when("required", "kind", "equals: gift"), when("prohibited", "kind", "in: [gift, bulk]"),
         "Order.reason"),
        (when("required", "kind", "not_equals: gift"), when("prohibited", "kind", "exists: false"),
         "Order.reason"),
        (when("required", "tags", "contains: x"), when("prohibited", "tags", "exists: true"),
         "Order.reason"),
        (when("required", "parties", "contains: {role: buyer}"),
         when("prohibited", "parties", "not_contains: {role: seller}"), "Order.reason"),
        (when("required", "reason", "exists: false"), "optional, reason: x", "Order.reason"),
        (when("required", "kind", "equals: gift"), when("prohibited", "kind", "equals: bulk"), ""),
        (when("required", "kind", "equals: gift"), when("prohibited", "state", "equals: open"), ""),
        (when("required", "tags", "contains: x"), when("prohibited", "tags", "contains: y"), ""),
    ],
)  # fmt: skip
def test_contradictions(one: str, other: str, about: str, tmp_path: Path) -> None:
    """Two conditions that no object can meet, with the same value of a field, are told."""
    lines = "".join(
        f"  - {{entity: Order, fields: [reason], relation: {e}}}\n" for e in (one, other)
    )
    found = oddities(spec("", "Order", conditions="conditions:\n" + lines).load(tmp_path).matrix)
    told = [each for each in found if each.kind == "contradictory"]
    assert told == ([oddity("contradictory", about, "Order")] if about else [])


def test_contradiction_with_a_code(tmp_path: Path) -> None:
    """A condition may contradict the code of a field that is not process dependent."""
    conditions = (
        "conditions:\n"
        "  - {entity: Order, fields: [kind, reason], relation: exactly_one, reason: x}\n"
        "  - {entity: Order, fields: [reason], relation: required, reason: x}\n"
    )
    found = oddities(spec("", "Order", conditions=conditions).load(tmp_path).matrix)
    assert oddity("contradictory", "Order.kind, Order.reason", "Order") in found


def test_too_many_fields() -> None:
    """Conditions on very many fields are not searched, because that would take long."""
    names = tuple(map(str, range(30)))
    rules = [
        Condition(entity="E", fields=names, relation=each, processes=("P",), when=None, reason="x")
        for each in ("required", "prohibited")
    ]
    assert _can_be_met(rules, dict.fromkeys(names))


def test_nothing_odd(run: Run, spec: Spec) -> None:
    """Plain rules have nothing to tell, whether they choose a process or not."""
    rules = {"Order": {"a": TEXT}}, {"Order": {"a": ["R"]}}
    processes = {"Order Add": {"operation": "add", "value": "order"}}
    selection = {"field": "a", "reason": "So it is.", "processes": processes}
    choices: list[dict[str, Any]] = [{}, {"selection": selection}]
    for interpretation in choices:
        ran = run("lint", *spec(*rules, **interpretation), "--strict")
        assert ran.code == 0
        assert ran.out.replace("─", "").split() == ["Kind", "About", "What", "Decision"]


def test_printed(run: Run) -> None:
    """Every oddity is a row, with all its words, however wide the terminal is."""
    for width in ("60", "80", "3000"):
        ran = run("lint", "--all", COLUMNS=width)
        assert ran.code == 0
        kinds = [line.split()[0] for line in ran.out.splitlines() if line[1:2].isalpha()]
        assert kinds[1:] == [each.kind for each in oddities(shipped().matrix)]
    letters = "".join(ran.out.split())
    for each in oddities(shipped().matrix):
        assert "".join(each.text.split()) in letters


def test_order(run: Run, odd: list[str]) -> None:
    """Oddities without a decision come first; decisions on nothing odd are counted."""
    shown = [line.split()[0] for line in run("lint").out.splitlines() if line[1:2].isalpha()]
    found = oddities(shipped().matrix)
    assert shown[1:] == [each.kind for each in found if each.kind != "decided"]
    assert f"({len(found) - len(shown) + 1})" in run("lint").out
    lines = run("lint", *odd, COLUMNS="3000").out.splitlines()
    rows = [line for line in lines if line[1:2].isalpha()][1:]
    is_decided = [len(re.split(r"  +", row.strip())) > 3 for row in rows]
    assert not is_decided[0]
    assert is_decided == sorted(is_decided)


def test_strict(run: Run, odd: list[str], other: Path, tmp_path: Path) -> None:
    """Strict fails for an oddity that nothing decides on; files and compiled rules are alike."""
    rules = tmp_path / "rules"
    run("compile", *odd, "--out", rules)
    assert run("lint", *odd) == run("lint", "--rules", rules)
    for args, codes in (
        (odd, (0, 1)),
        (["--rules", str(rules)], (0, 1)),
        (["--rules", str(other)], (0, 1)),
        ([], (0, 0)),
    ):
        assert (run("lint", *args).code, run("lint", *args, "--strict").code) == codes
