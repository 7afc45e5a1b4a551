"""The laws of the engine, each as a property of payloads that hypothesis draws."""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ttrules
from tests.support.cells import RELATED, kept, place, places, value_for
from tests.support.injected_faults import inject
from tests.support.oracle import MATRIX, PROCESSES
from tests.support.random_changes import judged
from tests.support.readings import agreed
from ttrules import strategies
from ttrules.strategies.values import ANYTHING

if TYPE_CHECKING:
    from tests.support.cells import Place

pytestmark = pytest.mark.slow

processes = pytest.mark.parametrize("process", PROCESSES)
#: Values as a parser gives them that are most likely no payload of anything.
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda below: (
        st.lists(below)
        | st.dictionaries(
            st.sampled_from([*MATRIX["entities"]["TroubleTicket"], "text", "x/~"]), below
        )
    ),
)


def cells_in(payload: dict[str, Any], process: str, code: str) -> list[tuple[str, str, Place]]:
    """Return the cells of a code that no condition reads, wherever a payload has their owner."""
    column = PROCESSES.index(process)
    return [
        (entity, field, spot)
        for entity, spot in places(payload, process)
        for field, codes in MATRIX["entities"][entity].items()
        if codes[column] == code and (entity, field) not in RELATED
    ]


def only(report: ttrules.Report) -> tuple[str, str, str]:
    """Return severity, code and pointer of the one finding of a report."""
    (finding,) = report
    return finding.severity, finding.code, finding.pointer


class TestAgreement:
    """Agreement: for every process and payload, `ttrules`, the reference engine and a direct
    reading of the matrix (`oracle`) give the same set of (pointer, code).
    """

    @processes
    @given(data=st.data())
    def test_valid_payloads(self, process: str, data: st.DataObject) -> None:
        """Payloads that are drawn as valid are so in every reading, with nothing to report."""
        assert list(agreed(data.draw(strategies.payloads(process)), process)) == []

    @processes
    @given(data=st.data())
    def test_unsupported_members_come_along(self, process: str, data: st.DataObject) -> None:
        """With unsupported members a payload is still valid, and all that is told is those."""
        payload = data.draw(strategies.payloads(process, unsupported=True))
        report = agreed(payload, process)
        assert report.valid
        assert {finding.code for finding in report} <= {"not_supported"}

    @processes
    @given(data=st.data())
    def test_broken_payloads(self, process: str, data: st.DataObject) -> None:
        """One defect is one finding, the one that was foretold, in every reading."""
        payload, finding = data.draw(strategies.broken(process))
        assert list(agreed(payload, process)) == [finding]

    @given(content=st.text("AQ=/+\n ", max_size=16))
    def test_base64(self, content: str) -> None:
        """The engine's own decoder and the pattern have the same texts for base64."""
        payload = place(PROCESSES[0], "AttachmentRefOrValue")
        payload.owner["content"] = content
        report = ttrules.validate(payload.payload, PROCESSES[0], engine="reference")
        assert ttrules.validate(payload.payload, PROCESSES[0]) == report
        assert ttrules.is_valid(payload.payload, PROCESSES[0]) is report.valid

    @processes
    @given(payload=JUNK)
    def test_junk(self, process: str, payload: object) -> None:
        """Any JSON value whatever has the same findings in every reading, and is never valid."""
        assert not agreed(payload, process).valid or process.endswith("Change")


class TestOneCell:
    """R: removing any one R field from a valid payload gives exactly one violation, naming that
    cell. P: adding any one P field gives exactly one. O: adding or removing never changes the
    verdict. `-`: the same in every process, one warning.
    """

    @processes
    @given(data=st.data())
    def test_required(self, process: str, data: st.DataObject) -> None:
        """Removing any one R field gives exactly one violation, naming that cell."""
        payload = data.draw(strategies.payloads(process))
        entity, field, spot = data.draw(st.sampled_from(cells_in(payload, process, "R")))
        del spot.owner[field]
        report = agreed(payload, process)
        assert only(report) == ("error", "required", f"{spot.at}/{field}")
        assert report.violations[0][3:6] == (entity, field, "R")

    @processes
    @given(data=st.data(), sent=ANYTHING)
    def test_prohibited(self, process: str, data: st.DataObject, sent: object) -> None:
        """Adding any one P field, whatever it holds, gives exactly one violation."""
        payload = data.draw(strategies.payloads(process))
        entity, field, spot = data.draw(st.sampled_from(cells_in(payload, process, "P")))
        spot.owner[field] = sent
        report = agreed(payload, process)
        assert only(report) == ("error", "prohibited", f"{spot.at}/{field}")
        assert report.violations[0][3:6] == (entity, field, "P")

    @processes
    @given(data=st.data())
    def test_optional(self, process: str, data: st.DataObject) -> None:
        """Adding or removing an O field never changes the verdict, nor what is told beside it."""
        payload = data.draw(strategies.payloads(process, unsupported=True))
        before = agreed(payload, process)
        entity, field, spot = data.draw(st.sampled_from(cells_in(payload, process, "O")))
        is_there = field in spot.owner
        removed = spot.owner.pop(field, None)
        without = agreed(payload, process)
        spot.owner[field] = removed if is_there else value_for(entity, field, process)
        assert without.valid
        assert agreed(payload, process).valid
        here = f"{spot.at}/{field}"
        assert [each for each in before if not each.pointer.startswith(f"{here}/")] == [*without]

    @given(data=st.data(), sent=ANYTHING)
    def test_unsupported(self, data: st.DataObject, sent: object) -> None:
        """A - field is one warning, the same in every process where the cell is -."""
        process = data.draw(st.sampled_from(PROCESSES))
        payload = data.draw(strategies.payloads(process))
        entity, field, spot = data.draw(st.sampled_from(cells_in(payload, process, "-")))
        spot.owner[field] = sent
        report = agreed(payload, process)
        assert only(report) == ("warning", "not_supported", f"{spot.at}/{field}")
        assert report.warnings[0][3:6] == (entity, field, "-")
        for other, code in zip(PROCESSES, MATRIX["entities"][entity][field], strict=True):
            if code == "-":
                elsewhere = ttrules.validate(payload, other)
                same = report.warnings[0]._replace(process=other)
                assert same in elsewhere.warnings


class TestMonotone:
    """Monotone: breaking one more, independent rule never removes a finding already reported."""

    @processes
    @given(data=st.data(), seed=st.integers(0, 2**32), count=st.integers(0, 8))
    def test_one_more(self, process: str, data: st.DataObject, seed: int, count: int) -> None:
        """All that was told of some defects is told, word for word, of those and one more."""
        some = data.draw(strategies.payloads(process))
        more = deepcopy(some)
        inject(some, process, count, Random(seed))
        inject(more, process, count + 1, Random(seed))
        told, after = list(agreed(some, process)), list(agreed(more, process))
        assert [finding for finding in after if finding in told] == told
        assert len(after) == len(told) + 1


class TestPurity:
    """Purity: validating never changes the payload; key order never changes the report."""

    @processes
    @given(data=st.data(), seed=st.integers(0, 2**32))
    def test_payloads_stay(self, process: str, data: st.DataObject, seed: int) -> None:
        """No verb changes a payload, not even the order of its members, on either engine."""
        payload = data.draw(st.one_of(strategies.payloads(process), JUNK))
        if isinstance(payload, dict):
            inject(payload, process, seed % 5, Random(seed))
        before = repr(payload)
        for engine in ("fast", "reference"):
            ttrules.validate(payload, process, engine=engine)
            ttrules.is_valid(payload, process, engine=engine)
            ttrules.validate_new(payload, engine=engine)
        assert repr(payload) == before

    @processes
    @given(data=st.data(), seed=st.integers(0, 2**32))
    def test_order_of_members(self, process: str, data: st.DataObject, seed: int) -> None:
        """Members in another order give the same report, findings in the same order."""
        payload = data.draw(strategies.payloads(process, unsupported=True))
        inject(payload, process, seed % 9, Random(seed))
        other = shuffled(payload, Random(seed))
        assert other == payload
        assert ttrules.validate(other, process) == ttrules.validate(payload, process)
        assert ttrules.validate_new(other) == ttrules.validate_new(payload)

    @processes
    @given(data=st.data(), seed=st.integers(0, 2**32))
    def test_shortcut(self, process: str, data: st.DataObject, seed: int) -> None:
        """`is_valid` and `check` say what `validate` says, with every policy."""
        payload = data.draw(strategies.payloads(process, unsupported=True))
        inject(payload, process, seed % 3, Random(seed))
        for policy in ("warn", "error", "ignore"):
            report = ttrules.validate(payload, process, unsupported=policy)
            is_valid = ttrules.is_valid(payload, process, unsupported=policy)
            assert is_valid is report.valid
            if report.valid:
                ttrules.check(payload, process, unsupported=policy)
            else:
                with pytest.raises(ttrules.RequirementsNotMet) as caught:
                    ttrules.check(payload, process, unsupported=policy)
                assert caught.value.report == report


class TestChange:
    """Change: a patch accepted leaves a ticket that its Add rules would still accept (server-owned
    members aside); stored items of append-only lists stay, and a final ticket but for its notes.
    """

    @pytest.mark.parametrize("process", PROCESSES[::2])
    @given(data=st.data())
    def test_drawn_changes_are_accepted(self, process: str, data: st.DataObject) -> None:
        """Patches that are drawn as acceptable are accepted, and leave what Add accepts."""
        ticket = ticket_of(process, data)
        change = judged(ticket, data.draw(strategies.changes(ticket)))
        assert change.report.valid

    @pytest.mark.parametrize("process", PROCESSES[::2])
    @given(data=st.data(), seed=st.integers(0, 2**32))
    def test_any_merge_patch(self, process: str, data: st.DataObject, seed: int) -> None:
        """Whatever a merge patch says, of either type: accepted only if Add accepts the result."""
        ticket = ticket_of(process, data)
        other = data.draw(st.sampled_from(PROCESSES))
        patch = data.draw(strategies.payloads(other, unsupported=True))
        inject(patch, other, seed % 3, Random(seed))
        for name in data.draw(st.sets(st.sampled_from(sorted(ticket)), max_size=2)):
            patch[name] = data.draw(st.sampled_from([None, ticket[name], {}, []]))
        judged(ticket, patch)

    @pytest.mark.parametrize("process", PROCESSES[::2])
    @given(data=st.data())
    def test_any_json_patch(self, process: str, data: st.DataObject) -> None:
        """Whatever operations say: accepted only if Add accepts the result, or of no meaning."""
        ticket = ticket_of(process, data)
        pointers = st.sampled_from([*pointers_in(ticket), "/note/-", "/nosuch", "/note/0/nosuch"])
        operation = st.fixed_dictionaries(
            {
                "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]),
                "path": pointers,
                "from": pointers,
                "value": st.one_of(ANYTHING, st.sampled_from(list(ticket.values()))),
            }
        )
        operations = data.draw(st.lists(operation, max_size=4))
        with suppress(ttrules.PatchNotApplicable):
            judged(ticket, operations)


def ticket_of(process: str, data: st.DataObject) -> dict[str, Any]:
    """Draw a stored ticket in some status, final ones included."""
    ticket = kept(data.draw(strategies.payloads(process)))
    return {**ticket, "status": data.draw(st.sampled_from(["submitted", "resolved", "closed"]))}


def pointers_in(value: Any, at: str = "") -> list[str]:
    """Return the pointers of all that a value holds, itself first."""
    parts: dict[Any, Any] = dict(enumerate(value)) if isinstance(value, list) else {}
    parts = value if isinstance(value, dict) else parts
    below = [each for key, part in parts.items() for each in pointers_in(part, f"{at}/{key}")]
    return [at, *below]


def shuffled(value: Any, draw: Random) -> Any:
    """Return an equal value whose objects have their members in another order."""
    if isinstance(value, dict):
        names = list(value)
        draw.shuffle(names)
        return {name: shuffled(value[name], draw) for name in names}
    return [shuffled(item, draw) for item in value] if isinstance(value, list) else value
