"""What hypothesis is given: `payloads` and `broken`, for three specs and each of their processes.

The shipped spec is read by the oracle too. The two others are a made-up API with all relations
under all kinds of tests, and rules at the edge of what may be written.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import Phase, given, settings

import ttrules
from tests.injecting import Spot, _ways
from tests.oracle import PROCESSES
from tests.readings import agreed
from ttrules import strategies
from ttrules.book import shipped
from ttrules.compile import ANNOTATION
from ttrules.defects import DEFECTS, cells

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ttrules import Book, Finding

CASES = Path(__file__).parents[1] / "cases"
OTHER, ODD = (
    ttrules.load(
        openapi=CASES / name / "openapi.yaml",
        requirements=CASES / name / "requirements.yaml",
        interpretation=CASES / name / "interpretation.yaml",
        lifecycle=CASES / "other" / "lifecycle.yaml" if name == "other" else None,
    )
    for name in ("other", "odd")
)


class Case(NamedTuple):
    """A process of a book."""

    book: Book
    process: str

    def __str__(self) -> str:
        return self.process

    @property
    def schema(self) -> Mapping[str, Any]:
        """The compiled schema of the process."""
        return self.book.schemas[self.book.slug(self.process)]


ALL = [Case(book, process) for book in (shipped(), OTHER, ODD) for process in book.processes()]
CELLS = [
    (case, entity, field)
    for case in ALL
    for entity, rows in case.book.data["entities"].items()
    for field in rows
]
cases = pytest.mark.parametrize("case", ALL, ids=str)


def few(count: int) -> Callable[..., Any]:
    """Return settings for a fixed and small number of examples, since cells are many."""
    return settings(
        deadline=None, max_examples=count, database=None, derandomize=True, phases=[Phase.generate]
    )


def told(case: Case, payload: object) -> list[Finding]:
    """Return what both engines say of a payload, what is undetermined left aside.

    For the shipped spec the oracle says it too.
    """
    if case.book is shipped():
        return list(agreed(payload, case.process))
    fast = case.book.validate(payload, case.process, unsupported="warn")
    reference = case.book.validate(payload, case.process, unsupported="warn", engine="reference")
    assert reference == fast
    return [*fast.violations, *fast.warnings]


def reached(
    case: Case, entity: str | None = None, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], str, str, str]]:
    """Yield path, entity, field and code of the cells that payloads reach, by the book's rows."""
    column = case.book.processes().index(case.process)
    entity = entity or case.book.data["root"]
    for field, row in case.book.data["entities"][entity].items():
        code, here = row["requirements"][column], (*path, field)
        yield here, entity, field, code
        if row["entity"] is not None and code not in {"P", "-"}:
            yield from reached(case, row["entity"], here)


ABSENT = object()


@cache
def payloads_of(case: Case) -> list[dict[str, Any]]:
    """Return 200 payloads of a process."""
    made: list[dict[str, Any]] = []

    @few(200)
    @given(strategies.payloads(case.book.slug(case.process), book=case.book))
    def collect(payload: dict[str, Any]) -> None:
        made.append(payload)

    collect()
    return made


@cache
def drawn(case: Case) -> dict[tuple[str, ...], list[Any]]:
    """Return what payloads hold at each path, ABSENT where the owner lacks the member."""
    values: dict[tuple[str, ...], list[Any]] = defaultdict(list)

    def look(owner: Any, schema: Mapping[str, Any], path: tuple[str, ...]) -> None:
        for name, node in schema["properties"].items():
            value = owner.get(name, ABSENT)
            values[*path, name].append(value)
            below = node.get("items", node)
            if "properties" in below:
                for each in value if isinstance(value, list) else [value]:
                    if isinstance(each, dict):
                        look(each, below, (*path, name))

    for payload in payloads_of(case):
        look(payload, case.schema, ())
    return values


class TestPayloads:
    """`payloads`: valid ones. Optional members come and go, texts are Unicode, values lie at their
    bounds; null stands where it removes a member.
    """

    @cases
    def test_valid(self, case: Case) -> None:
        """A payload is valid in every reading, and there is nothing to tell of it."""
        for payload in payloads_of(case):
            assert told(case, payload) == []

    @cases
    def test_unsupported(self, case: Case) -> None:
        """With unsupported members a payload is valid, and they, of all kinds, are all that is
        told of it.
        """
        found: set[tuple[str | None, str | None]] = set()

        @few(60)
        @given(strategies.payloads(case.process, book=case.book, unsupported=True))
        def check(payload: dict[str, Any]) -> None:
            findings = told(case, payload)
            assert {finding.code for finding in findings} <= {"not_supported"}
            found.update((finding.entity, finding.field) for finding in findings)

        check()
        related = {("Hollow", "three")}  # a relation speaks of it, which it would turn
        assert found == {each[1:3] for each in reached(case) if each[3] == "-"} - related

    def test_the_default(self) -> None:
        """Without a book it is the shipped one that is drawn from; a slug is as good as a name."""

        @few(5)
        @given(strategies.payloads("complaint-add"))
        def check(payload: dict[str, Any]) -> None:
            assert payload["ticketType"] == "Complaint"

        check()

    def test_no_such_process(self) -> None:
        """A process that there is not is refused at once."""
        with pytest.raises(ttrules.NoSuchProcess):
            strategies.payloads("complaint-end")
        with pytest.raises(ttrules.NoSuchProcess):
            strategies.broken("complaint-end")

    @cases
    def test_members_come_and_go(self, case: Case) -> None:
        """Every reachable optional member is there in some payloads and not in others; every
        required one is there, and no prohibited or unsupported one ever.
        """
        sent = {
            path: {value is not ABSENT for value in values} for path, values in drawn(case).items()
        }
        for path, _, field, code in reached(case):
            both = {True, False} if (case.book, field) != (ODD, "whole") else {False}
            expected = {"R": {True}, "P": {False}, "-": {False}}.get(code, both)
            assert sent[path] == expected, path

    @cases
    def test_null(self, case: Case) -> None:
        """Null is drawn where it removes a member or the shape takes it, and nowhere else."""
        null = {path for path, values in drawn(case).items() if None in values}
        assert null == {
            (*cell.path, cell.name)
            for cell in cells(case.schema)
            if isinstance(cell.node.get("type"), list) and "null" in cell.node["type"]
        }

    @pytest.mark.parametrize("process", PROCESSES)
    def test_null_of_the_shipped_spec(self, process: str) -> None:
        """Null removes what is optional on Change and on Add and may be altered."""
        null = {path for path, values in drawn(Case(shipped(), process)).items() if None in values}
        both = {("attachment",), ("note",), ("priority",), ("severity",), ("@baseType",)}
        complaint = {("relatedEntity",)} if process == "Complaint Change" else set()
        assert null == (both | complaint if process.endswith("Change") else set())

    @pytest.mark.parametrize("process", PROCESSES)
    def test_bounds_of_the_shipped_spec(self, process: str) -> None:
        """A name of 256 characters, a priority of 1 and of 10, each severity, lists of several."""
        values = drawn(Case(shipped(), process))
        names = [name for name in values["name",] if isinstance(name, str)]
        assert max(map(len, names)) == 256
        assert min(map(len, names)) == (0 if process.endswith("Change") else 1)
        assert not all(name.isascii() for name in names)
        assert {1, 10} <= {each for each in values["priority",] if isinstance(each, int)}
        assert {"High", "Medium", "Low"} <= {*values["severity",]}
        sizes = {len(each) for each in values["note",] if isinstance(each, list)}
        assert {0, 1, 2, 3} == sizes

    def test_bounds_of_the_other_spec(self) -> None:
        """Bounds, leap seconds, the least and the most of a list, both ends of a range."""
        values = drawn(Case(OTHER, "Repair Add"))
        there = {
            path: [each for each in found if each is not ABSENT] for path, found in values.items()
        }
        assert any(":60" in each for each in there["dueAt",])
        assert {len(each) for each in there["summary",]} >= {3, 40}
        assert {1, 5} <= {*there["urgency",]}
        assert all(0 < each < 100 for each in there["flow",])
        assert {type(each) for each in there["flow",]} == {int, float}
        assert all(each % 0.5 == 0 for each in there["pressure",])
        assert {len(each) for each in there["tags",]} == {0, 1, 2, 3}
        assert {len(each) for each in there["visits",]} == {2, 3}
        assert {len(each) for each in there["site", "position"]} == {2}
        assert any(None in each for each in there["levels",])

    def test_values_of_any_kind(self) -> None:
        """Where a shape takes anything, values of every kind are drawn."""
        kinds = {type(each) for each in drawn(Case(OTHER, "Legacy Correction"))["ledger",]}
        assert kinds == {str, int, bool, list, dict}
        assert None not in drawn(Case(ODD, "Odd Add"))["content",]
        assert {*map(str, drawn(Case(ODD, "Odd Add"))["both",])} == {
            "[True, False]",
            "[False, True]",
        }


class TestBroken:
    """`broken`: payloads with one defect, each with the finding that it causes."""

    @pytest.mark.parametrize(("case", "entity", "field"), CELLS, ids=str)
    def test_every_cell(self, case: Case, entity: str, field: str) -> None:
        """A payload broken at a cell has the foretold finding and no other, params included, in
        every way and at every place; a cell that cannot be broken alone is refused.
        """
        if (entity, field) in unbreakable(case):
            with pytest.raises(ValueError, match=rf"breaks {entity}\.{field} alone"):
                strategies.broken(case.process, cell=(entity, field), book=case.book)
            return

        name, book = case.process, case.book
        self.break_it(case, strategies.broken(name, cell=(entity, field), book=book), entity, field)
        for target in cells(case.schema):
            for defect in DEFECTS:
                if self.is_of(target, entity, field) and defect.applies(target):
                    drawn = strategies._broken(book, name, [(target, defect)])
                    self.break_it(case, drawn, entity, field, defect.code)

    def is_of(self, target: Any, entity: str, field: str) -> bool:
        """Say whether a target is a place of a cell."""
        return (target.owner[ANNOTATION]["entity"], target.name) == (entity, field)

    def break_it(self, case: Case, drawn: Any, *told_of: str) -> None:
        """Break a cell twice: once in a payload as small as can be, once in any."""

        @few(2)
        @given(drawn)
        def check(pair: tuple[dict[str, Any], Finding]) -> None:
            payload, finding = pair
            assert told(case, payload) == [finding]
            assert (finding.entity, finding.field, finding.code)[: len(told_of)] == told_of
            assert finding.process == case.process

        check()

    @cases
    def test_any_cell(self, case: Case) -> None:
        """Without a cell it is any of them, in any of the ways."""
        codes: Counter[str] = Counter()

        @few(30)
        @given(strategies.broken(case.process, book=case.book))
        def check(pair: tuple[dict[str, Any], Finding]) -> None:
            payload, finding = pair
            assert told(case, payload) == [finding]
            codes[finding.code] += 1

        check()
        assert len(codes) >= 4

    @pytest.mark.parametrize("process", PROCESSES)
    def test_ways_of_the_shipped_spec(self, process: str) -> None:
        """The ways to break a cell are those that the matrix and the shape have, and no fewer."""
        case = Case(shipped(), process)
        for target in cells(case.schema):
            entity = target.owner[ANNOTATION]["entity"]
            spot = Spot({target.name: ...}, entity, "/x" * len(target.path), (target.name,))
            codes = {code for _, code in _ways(spot, PROCESSES.index(process))}
            if (entity, target.name) == ("RelatedEntity", "id"):
                codes.add("process_dependent")
            if "items" in target.node:
                codes.add("length")  # too long a list is too much to inject in bulk
            assert ways(target) == codes, target[:2]

    @pytest.mark.parametrize(
        ("book", "process", "cell", "codes"),
        [
            (OTHER, "Repair Add", "ServiceOrder.summary", "required null empty type length"),
            (OTHER, "Repair Add", "ServiceOrder.placedOn", "required null empty type format"),
            (OTHER, "Repair Add", "ServiceOrder.account", "required null empty type format"),
            (OTHER, "Repair Add", "ServiceOrder.flow", "null type range"),
            (OTHER, "Repair Add", "ServiceOrder.depth", "null type range"),
            (OTHER, "Repair Add", "ServiceOrder.tags", "null type length"),
            (OTHER, "Repair Add", "ServiceOrder.visits", "null type length"),
            (OTHER, "Repair Add", "ServiceOrder.levels", "null type"),
            (OTHER, "Repair Add", "ServiceOrder.nickname", "type"),
            (OTHER, "Repair Add", "ServiceOrder.grade", "type enum"),
            (OTHER, "Repair Add", "ServiceOrder.ledger", "not_supported"),
            (OTHER, "Repair Add", "ServiceOrder.in/out~", "null type"),
            (OTHER, "Repair Add", "Site.position", "null empty type length"),
            (OTHER, "Repair Add", "Site.parcel", "null empty type process_dependent"),
            (OTHER, "Repair Change", "ServiceOrder.levels", "type"),
            (OTHER, "Legacy Correction", "ServiceOrder.ledger", "required null empty"),
            (ODD, "Odd Add", "Odd.whole", ""),
            (ODD, "Odd Add", "Odd.even", "null type range"),
            (ODD, "Odd Add", "Odd.half", "null type range"),
            (ODD, "Odd Add", "Odd.between", "null type range"),
            (ODD, "Odd Add", "Odd.both", "required null empty type length"),
            (ODD, "Odd Add", "Odd.level", "required null type enum"),
            (ODD, "Odd Add", "Odd.free", ""),
            (ODD, "Odd Add", "Odd.century", "required null empty type"),
            (ODD, "Odd Add", "Odd.initial", "null type format"),
            (ODD, "Odd Add", "Odd.huge", "null type"),
        ],
    )
    def test_ways_of_the_others(self, book: Book, process: str, cell: str, codes: str) -> None:
        """Each keyword of a shape is a way to break a cell, where nothing else breaks with it."""
        found = {
            code
            for target in cells(Case(book, process).schema)
            if target.node[ANNOTATION]["cell"] == cell
            for code in ways(target)
        }
        assert found == {*codes.split()}


def ways(target: Any) -> set[str]:
    """Return the codes of the defects that a cell can have."""
    return {defect.code for defect in DEFECTS if defect.applies(target)}


#: Cells that are reached and cannot be broken alone: tests read them, or they take anything.
READ = {
    "Repair Add": {"orderKind", "prepaid", "access", "note"},
    "Repair Change": {"orderKind", "access", "note"},
    "Connection Add": {"prepaid", "access", "note"},
    "Connection Change": {"access", "note"},
    "Meter Swap Add": {"orderKind", "urgency", "access"},
    "Meter Swap Change": {"orderKind", "urgency", "access"},
    "Burst Report": {"access"},
    "Odd Add": {"whole", "free", "three"},
}


def unbreakable(case: Case) -> set[tuple[str, str]]:
    """Return the cells that no payload breaks alone: unreachable ones, and those in READ."""
    here = {(entity, field) for _, entity, field, _ in reached(case)}
    every = {(entity, field) for each, entity, field in CELLS if each == case}
    return {cell for cell in every if cell not in here or cell[1] in READ.get(case.process, ())}
