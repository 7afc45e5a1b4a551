"""What the rules look like to a person: `schema`, `matrix` and `explain`."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, get_args

import pytest

from tests.support.command_line import OTHER_MATRIX, rows_of
from tests.support.oracle import MATRIX
from ttrules.analysis.explain import unsupported
from ttrules.codes import REQUIREMENTS, Unsupported
from ttrules.messages.catalogue import catalogue
from ttrules.messages.en import TEXTS
from ttrules.rulebook import Rulebook, shipped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.command_line import Run, Spec

ROWS = [f"{entity}.{field}" for entity, fields in MATRIX["entities"].items() for field in fields]


def cells(out: str, columns: int) -> Iterator[tuple[str, str, list[str]]]:
    """Yield entity, field and codes of each row that a printed matrix has."""
    lines = iter(out.splitlines())
    entity = next(line for line in lines if "───" in line)
    for line in lines:
        words = line.split()
        if not words:
            continue
        if words[0] in REQUIREMENTS:
            return
        if len(words) == 1:
            entity = words[0]
        else:
            assert len(words) == columns + 1
            yield entity, words[0], words[1:]


def words_of(out: str) -> str:
    """Return a text that does not depend on where its lines end."""
    return " ".join(out.split())


class TestSchema:
    """`ttrules schema` prints what is shipped."""

    def test_every_process(self, run: Run, other: Path, other_book: Rulebook) -> None:
        """The schema of each process is printed, by name or slug, and for other rules too."""
        for args, book in (((), shipped()), (("--rules", other), other_book)):
            for process in book.processes():
                for name in (process, book.slug(process)):
                    ran = run("schema", name, *args)
                    assert (ran.code, ran.err) == (0, "")
                    assert ran.json == book.schema(process)

    def test_signs(self, ttrules: Run) -> None:
        """It is UTF-8 whatever the terminal takes, and ends in a line feed."""
        told = [
            ttrules("schema", "complaint-add", PYTHONIOENCODING=encoding).out
            for encoding in ("ascii", "utf-8")
        ]
        assert told[0] == told[1]
        assert told[0].endswith("}\n")


class TestMatrix:
    """`ttrules matrix` prints the cells as the matrix has them."""

    @pytest.mark.parametrize("width", [1, 30, 60, 61, 80, 100, 300])
    def test_every_cell(self, run: Run, other: Path, width: int) -> None:
        """Every code is in its row, in the order of the processes, at any width."""
        for args, matrix in (((), MATRIX), (("--rules", other), OTHER_MATRIX)):
            ran = run("matrix", *args, COLUMNS=str(width))
            assert ran.code == 0
            assert [*cells(ran.out, len(matrix["processes"]))] == rows_of(matrix)

    def test_headings(self, run: Run) -> None:
        """The columns are headed by the processes."""
        lines = run("matrix", COLUMNS="200").out.splitlines()
        heading = next(line for line in lines if line.split())
        assert re.split(r"\s{2,}", heading.strip()) == ["Field", *MATRIX["processes"]]

    def test_legend(self, run: Run) -> None:
        """The codes that are used, and no others, are told below."""
        for entity, used in (
            ("Quantity", {"-"}),
            ("RelatedEntity", {"R", "O", "P", "R/PD", "O/PD"}),
        ):
            told = words_of(run("matrix", "--entity", entity).out)
            assert {code for code, text in REQUIREMENTS.items() if text in told} == used

    def test_part(self, run: Run) -> None:
        """A part is asked for by entities and processes, in the order that they are named in."""
        processes = ["Complaint Change", "Customer Trouble Ticket Add"]
        columns = [MATRIX["processes"].index(each) for each in processes]
        args = ("--entity", "Note", "--entity", "Quantity", "--process", "complaint-change")
        ran = run("matrix", *args, "--process", processes[1])
        assert [*cells(ran.out, 2)] == [
            (entity, field, [codes[column] for column in columns])
            for entity, field, codes in rows_of(MATRIX)
            if entity in {"Note", "Quantity"}
        ]

    def test_names_that_terminals_obey(self, run: Run, spec: Spec, tmp_path: Path) -> None:
        """Nothing that a spec file names reaches the terminal as a command, or as markup."""
        names = ["\x1b[31m", "[bold]x[/bold]", ":smile:", "漢字"]
        shapes = {"Order": {name: {"type": "string"} for name in names}}
        run("compile", *spec(shapes, {"Order": {name: ["R"] for name in names}}), "--out", tmp_path)
        ran = run("matrix", "--rules", tmp_path)
        fields = [field for _, field, _ in cells(ran.out, 1)]
        assert fields == ["\\x1b[31m", *names[1:]]
        assert "\x1b" not in run("explain", "\x1b[31m", "--rules", tmp_path).out


class TestExplain:
    """`ttrules explain` tells all there is to know of a field."""

    @pytest.mark.parametrize("row", ROWS)
    def test_every_row(self, run: Run, row: str) -> None:
        """Codes in all processes, what they mean, type, description and source are told."""
        entity, _, field = row.partition(".")
        told = words_of(run("explain", row).out)
        for process, code in zip(
            MATRIX["processes"], MATRIX["entities"][entity][field], strict=True
        ):
            assert f" {process}: {code} {REQUIREMENTS[code]}" in told
        cell = shipped().cell(entity, field, "complaint-add")
        assert told.startswith(f"{row} {cell.type or 'no type'}")
        assert words_of(cell.description) in told
        assert told.endswith(f"Source: {cell.source}")

    def test_status(self, run: Run) -> None:
        """A field's values, the moves between them and the decisions on it are told."""
        told = run("explain", "TroubleTicket.status").out
        data = shipped().matrix
        moves = data.lifecycle["moves"]
        for status, following in moves.items():
            after = ", ".join(move["to"] for move in following) or "nothing more"
            assert f"\n  {status}: then {after}\n" in told
        assert f"A new ticket is {data.lifecycle['initial']}." in told
        (decided,) = (each for each in data.decisions if each["topic"] == "Held and pending")
        for text in (decided["topic"], decided["decision"], f"Why: {decided['reason']}"):
            assert words_of(text) in words_of(told)
        assert all(status in told.partition("Changes")[0] for status in moves)

    def test_sections(self, run: Run) -> None:
        """Each section is there for the fields that it concerns, and for no others."""
        headings = {"Conditions", "Not supported", "Choice of process", "Changes", "Decisions"}
        told = {row: headings & set(run("explain", row).out.splitlines()) for row in ROWS}
        having = {heading: {row for row in ROWS if heading in told[row]} for heading in headings}
        data = shipped().matrix
        assert having == {
            "Conditions": {
                f"{each.entity}.{field}" for each in data.conditions for field in each.fields
            },
            "Not supported": {
                f"{entity}.{field}"
                for entity, fields in data.entities.items()
                for field, row in fields.items()
                if "-" in row.requirements.values()
            },
            "Choice of process": {"TroubleTicket.ticketType"},
            "Changes": {"TroubleTicket.status"}
            | {
                f"{entity}.{field}"
                for section in (data.immutable, data.append_only, data.defaults)
                for entity, fields in section.items()
                for field in fields
            },
            "Decisions": {row for each in data.decisions for row in each.get("fields", ())}
            & {*ROWS},
        }

    def test_conditions(self, run: Run, other: Path, other_book: Rulebook) -> None:
        """Every condition is told with the processes that it holds in and the reason for it."""
        for args, book in (((), shipped()), (("--rules", other), other_book)):
            for each in book.matrix.conditions:
                told = words_of(run("explain", f"{each.entity}.{each.fields[-1]}", *args).out)
                assert f"({', '.join(each.processes)})" in told
                assert words_of(f"Why: {each.reason}") in told
                assert ("No condition; it is optional." in told) is (each.relation == "optional")

    def test_not_supported(self, run: Run) -> None:
        """What becomes of a field that is not supported is told with the reason, and where."""
        told = words_of(run("explain", "TroubleTicket.ticketSubtype").out)
        where = "(Customer Trouble Ticket Add, Customer Trouble Ticket Change)"
        assert f"{TEXTS['warn']} {where} Why: {shipped().matrix.reasons['unsupported']}" in told

    def test_immutable(self, run: Run) -> None:
        """Why a change may not alter a field is told."""
        told = words_of(run("explain", "TroubleTicket.href").out)
        assert f"{TEXTS['immutable']} Why: {shipped().matrix.reasons['immutable']}" in told

    @pytest.mark.parametrize("policy", get_args(Unsupported))
    def test_policies(self, policy: Unsupported) -> None:
        """Each policy on what is not supported has its sentence; a book may be without a reason."""
        matrix = replace(shipped().matrix, unsupported=policy, reasons={})
        (point,) = unsupported(matrix, "TroubleTicket", "channel", catalogue("en"))
        assert (point.text, point.reason) == (TEXTS[policy], "")
        assert point.processes == shipped().processes()

    def test_limits(self, run: Run, other: Path) -> None:
        """Values and limits stand beside the type, those of a list's items as well."""
        for row, words in {
            "urgency": "integer, minimum 1, maximum 5",
            "account": "string, pattern ^[A-Z]{2}-[0-9]{4}$",
            "tags": "string[], maxItems 3, uniqueItems True, minLength 1",
            "ServiceOrder.access": "string; one of: free, escorted",
            "ledger": "no type",
            "site": "Site",
        }.items():
            assert run("explain", row, "--rules", other).out.splitlines()[1].strip() == words

    @pytest.mark.parametrize(
        ("name", "row"),
        [
            ("notedate", "Note.notedate"),
            ("NOTEDATE", "Note.notedate"),
            ("troubleticket.STATUS", "TroubleTicket.status"),
            ("note", "TroubleTicket.note"),
            ("@schemaLocation", "TroubleTicket.@schemaLocation"),
        ],
    )
    def test_short_names(self, run: Run, name: str, row: str) -> None:
        """A name that can mean one field only is enough, in small and capital letters."""
        assert run("explain", name) == run("explain", row)
        assert run("explain", name).code == 0

    @pytest.mark.parametrize(
        ("name", "named"),
        [
            ("status", ["TroubleTicket.status", "StatusChange.status"]),
            ("Quantity", ["Quantity.amount", "Quantity.units"]),
            ("TroubleTicket.statsu", ["TroubleTicket.status"]),
            ("notdate", ["notedate"]),
            ("zzzzzzz", []),
        ],
    )
    def test_unclear(self, run: Run, name: str, named: list[str]) -> None:
        """A name that means several fields, or none, is answered with those it may mean."""
        ran = run("explain", name)
        found = re.search(r"Use one of: (.*)\.|Did you mean (.*)\?", words_of(ran.err))
        told = "" if found is None else found[1] or found[2]
        assert (ran.code, ran.out) == (2, "")
        known = [*ROWS, *{row.partition(".")[2] for row in ROWS}]
        assert [each for each in told.split(", ") if each in known] == named

    @pytest.mark.parametrize("width", [10, 40, 60, 100, 300])
    def test_width(self, run: Run, width: int) -> None:
        """Lines are as long as the terminal is wide, from 40 up to 100 columns."""
        for row in ("TroubleTicket.status", "RelatedEntity.id"):
            lines = run("explain", row, COLUMNS=str(width)).out.splitlines()
            assert max(map(len, lines)) <= min(max(width, 40), 100)


def test_selection_and_lifecycle(run: Run, spec: Spec, tmp_path: Path) -> None:
    """Rules without a choice of process, a lifecycle and decisions are told without them."""
    files = spec({"Order": {"a": {"type": "string"}}}, {"Order": {"a": ["O"]}})
    run("compile", *files, "--out", tmp_path)
    ran = run("explain", "a", "--rules", tmp_path)
    assert (ran.code, [line for line in ran.out.splitlines() if line[:1].isalpha()]) == (
        0,
        ["Order.a", "Source: " + Rulebook.read(tmp_path).cell("Order", "a", "order-add").source],
    )
    assert json.loads((tmp_path / "book.json").read_bytes())["lifecycle"] is None
