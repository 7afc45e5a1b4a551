"""`ttrules lint`: what the rules leave open or say oddly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ttrules.analysis.lint import KINDS, Oddity, oddities
from ttrules.messages.en import ODDITIES
from ttrules.rulebook import Rulebook, shipped

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.command_line import Run, Spec

TEXT = {"type": "string"}


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


def test_every_kind(run: Run, odd: list[str], tmp_path: Path) -> None:
    """Each kind of oddity is found where it is, with what it is about, and nowhere else."""
    run("compile", *odd, "--out", tmp_path / "rules")
    found = oddities(Rulebook.read(tmp_path / "rules").matrix)
    assert list(dict.fromkeys(each.kind for each in found)) == [*KINDS, "decided"]
    settled = ("Days",)
    assert found == [
        oddity("undeclared", "Order.fee", "Order Change"),
        oddity("hollow", "Order.box", "Box"),
        oddity("untyped", "Order.shape", ""),
        oddity("selector", "Order.kind", "Order Change"),
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
        ran = run("lint", COLUMNS=width)
        assert ran.code == 0
        kinds = [line.split()[0] for line in ran.out.splitlines() if line[1:2].isalpha()]
        assert kinds[1:] == [each.kind for each in oddities(shipped().matrix)]
    letters = "".join(ran.out.split())
    for each in oddities(shipped().matrix):
        assert "".join(each.text.split()) in letters


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
