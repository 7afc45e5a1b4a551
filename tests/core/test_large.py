"""Large payloads: what is reported of them, how much of it, and how much the engines are given."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

import ttrules
from tests.support.cells import payload_of, stored
from tests.support.oracle import MATRIX, PROCESSES, SHAPES, oracle
from ttrules.codes import MAX_OPERATIONS, MAX_POINTER, MAX_VALUES
from ttrules.engines import FastEngine, ReferenceEngine
from ttrules.rulebook import shipped
from ttrules.slices import ITEMS, is_bounded, sliced_errors
from ttrules.validator import ProcessValidator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ttrules.slices import RawError

ENGINES: tuple[Any, ...] = ("fast", "reference")
engines = pytest.mark.parametrize("engine", ENGINES)
ADD = PROCESSES[0]
LISTS = {name: shape for name, shape in SHAPES["TroubleTicket"]["properties"].items()
         if "maxItems" in shape}  # fmt: skip


def told(report: ttrules.Report) -> set[tuple[str, str]]:
    """Return pointer and code of each finding."""
    return {(each.pointer, each.code) for each in report}


def large(**members: Any) -> dict[str, Any]:
    """Return a payload with findings of every kind in long lists."""
    payload = payload_of(ADD)
    entity = {"@referredType": "x", "role": "y", "id": "z"}
    return {
        **payload,
        "note": [
            [{"text": "x"}, {}, {"text": " "}, {"text": "x", "5": 1, "": 2}, 7, None][at % 6]
            for at in range(3 * ITEMS + 1)
        ],
        "relatedEntity": [
            [entity, {"role": 1}, {**entity, "deviceType": "X"}][at % 3] for at in range(ITEMS + 2)
        ],
        **{f"x{at}": {"y": [at]} for at in range(300)},
        **members,
    }


class TestReports:
    """A large payload has the findings that a small one has."""

    @engines
    @pytest.mark.parametrize("process", PROCESSES)
    def test_long_lists(self, process: str, engine: Any) -> None:
        """Each item of each list is judged, and each member that is not known is named."""
        payload = large()
        report = ttrules.validate(payload, process, engine=engine)
        assert told(report) == oracle(payload, process)
        assert report == ttrules.validate(payload, process, engine=ENGINES[1])

    @engines
    @pytest.mark.parametrize("name", LISTS)
    def test_too_long(self, name: str, engine: Any) -> None:
        """Of a list that is too long only that is reported, not what is wrong in it."""
        most = LISTS[name]["maxItems"]
        for process in PROCESSES:
            codes = {}
            for length in (most, most + 1):
                payload = {**payload_of(process), name: [{"colour": 1}] * length}
                report = ttrules.validate(payload, process, engine=engine)
                assert told(report) == oracle(payload, process)
                codes[length] = [each.code for each in report]
            if len(codes[most]) > 1:
                assert codes[most + 1] == ["length"]

    @engines
    def test_too_long_and_small(self, engine: Any) -> None:
        """A short list is judged in the same way where few items are too many."""
        book = deepcopy(dict(shipped().schema(ADD)))
        book["properties"]["note"]["maxItems"] = 2
        rules = ProcessValidator(book, ADD)
        payload = {**payload_of(ADD), "note": [{}, {"colour": 1}, 5]}
        report = rules.report(payload, "warn", engine)
        assert told(report) == {("/note", "length")}
        payload["note"].pop()
        assert len(list(rules.report(payload, "warn", engine))) == 3

    def test_largest_ticket(self) -> None:
        """The largest valid ticket has fewer values than a body may have, if lists are bounded."""
        lists = [
            shape
            for entity in MATRIX["entities"]
            for shape in SHAPES[entity]["properties"].values()
            if shape.get("type") == "array"
        ]
        if all("maxItems" in shape for shape in lists):
            for process in shipped().processes():
                assert is_bounded(shipped().rules(process).strict)

    @engines
    def test_unbounded_rules(self, engine: Any) -> None:
        """Rules without maxItems accept long lists, but no more values than a body may have."""
        schema = deepcopy(dict(shipped().schema(ADD)))
        del schema["properties"]["note"]["maxItems"]
        rules = ProcessValidator(schema, ADD)
        for count, is_judged in ((10, True), (5_000, True), (MAX_VALUES // 2, False)):
            payload = {**payload_of(ADD), "note": [{"text": "x"}] * count}
            if is_judged:
                assert rules.report(payload, "warn", engine).valid
            else:
                with pytest.raises(ttrules.NotJSON):
                    rules.report(payload, "warn", engine)

    def test_unique_items(self) -> None:
        """A list whose items must differ, or be several, is given to an engine whole."""
        schema = {"properties": {"a": {"items": {}, "uniqueItems": True}, "b": {"items": {}},
                                 "c": {"items": {}, "minItems": 2}}}  # fmt: skip
        payload = {name: [0] * (2 * ITEMS) for name in "abc"}
        given: list[Any] = []

        def engine(part: Any) -> tuple[()]:
            given.append(part)
            return ()

        assert list(sliced_errors(payload, schema, engine)) == []
        assert [[len(part[name]) for name in "abc"] for part in given] == [[50, 25, 50]] * 2
        assert list(sliced_errors([1], schema, lambda _: [((), ("type",), None)])) == [
            ((), ("type",), None)
        ]


class TestWork:
    """However many errors a payload has, an engine returns few of them at a time."""

    @engines
    def test_errors_of_one_call(self, engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """No call of an engine reads more than a hundred items, and none reads unknown members."""
        kind: Any = FastEngine if engine == "fast" else ReferenceEngine
        inner, counts = kind.errors, []

        def counting(running: Any, payload: Any) -> Any:
            errors = inner(running, payload)
            counts.append(len(errors))
            return errors

        monkeypatch.setattr(kind, "errors", counting)
        payload = large(**{f"y{at}": at for at in range(15_000)})
        report = ttrules.validate(payload, ADD, engine=engine)
        assert len(list(report)) > 15_000
        assert max(counts) < 5 * ITEMS * len(LISTS)
        assert len(counts) == 4
        counts.clear()
        payload = {**payload_of(ADD), "relatedEntity": [{}] * 6_000}
        ttrules.validate(payload, ADD, engine=engine)
        assert sum(counts) < 10


class TestMost:
    """`most` limits how many findings a report has."""

    @engines
    @pytest.mark.parametrize("most", [1, 50, 500, 100_000])
    def test_first(self, most: int, engine: Any) -> None:
        """The first ones are kept, errors first, and the others counted; the verdict stays."""
        payload = {**large(), "channel": 1}
        whole = ttrules.validate(payload, ADD, engine=engine)
        part = ttrules.validate(payload, ADD, engine=engine, most=most)
        assert list(part) == list(whole)[:most]
        assert len(list(part)) + part.left_out == len(list(whole))
        assert (part.valid, part.process, whole.left_out) == (False, ADD, 0)
        assert ttrules.validate_new(payload, engine=engine, most=most) == part
        assert part.to_dict()["left_out"] == part.left_out

    def test_change(self) -> None:
        """A change has as many."""
        ticket = stored(ADD)
        patch = {f"x{at}": at for at in range(30)}
        change = ttrules.validate_change(ticket, patch, most=10)
        assert (len(list(change.report)), change.report.left_out) == (10, 20 + 1)
        assert len(change.report.violations) == 1

    def test_none(self) -> None:
        """A report without its violations would read as valid, so it has one finding at least."""
        with pytest.raises(ValueError, match="at least one"):
            ttrules.validate({}, ADD, most=0)


class TestPatches:
    """What a JSON Patch may cost."""

    @staticmethod
    def refused(*operations: Any) -> tuple[int, str]:
        """Return the index and the key of the reason why operations cannot be applied."""
        with pytest.raises(ttrules.PatchNotApplicable) as caught:
            ttrules.validate_change(stored(ADD), list(operations))
        return caught.value.index, caught.value.reason.key

    def test_document(self) -> None:
        """The document says how many operations a patch has, and how long pointers are."""
        shape = SHAPES["JsonPatch"]
        assert shape["maxItems"] == MAX_OPERATIONS
        members = shape["items"]["properties"]
        assert members["path"]["maxLength"] == members["from"]["maxLength"] == MAX_POINTER

    def test_operations(self) -> None:
        """So many operations are applied; of one more, none."""
        test = {"op": "test", "path": "/name", "value": stored(ADD)["name"]}
        assert ttrules.validate_change(stored(ADD), [test] * MAX_OPERATIONS).report.valid
        wrong = {"op": "test", "path": "/name", "value": 1}
        found = self.refused(*[wrong] * (MAX_OPERATIONS + 1))
        assert found == (MAX_OPERATIONS, "operations")

    def test_pointers(self) -> None:
        """A pointer may be so long."""
        for name in ("path", "from"):
            move = {"op": "move", "path": "/x", "from": "/y", name: "/" + "x" * MAX_POINTER}
            assert self.refused(move) == (0, "long_pointer")
        found = self.refused({"op": "remove", "path": "/" + "x" * (MAX_POINTER - 1)})
        assert found == (0, "nowhere")

    def test_values(self) -> None:
        """At no point has the ticket more than MAX_VALUES values; what goes is subtracted."""
        half = [1] * (MAX_VALUES // 4)
        add = {"op": "add", "path": "/x", "value": half}
        assert ttrules.validate_change(stored(ADD), [add, add, add]).report.valid
        copies = [{"op": "copy", "from": "/x", "path": f"/y{at}"} for at in range(4)]
        assert self.refused(add, *copies) == (3, "too_many")
        assert self.refused(add, *copies[:2], {**add, "path": "/z"}, {**add, "path": "/w"}) == (
            3,
            "too_many",
        )
        remove = {"op": "remove", "path": "/y0"}
        change = ttrules.validate_change(
            stored(ADD), [add, *copies[:2], remove, {**add, "path": "/z"}]
        )
        assert change.report.valid

    def test_copies(self) -> None:
        """Copies that are removed again count nevertheless, and so do their characters."""
        add = {"op": "add", "path": "/x", "value": [1] * 5_000}
        again = [{"op": "copy", "from": "/x", "path": "/y"}, {"op": "remove", "path": "/y"}]
        assert self.refused(add, *again * 4) == (7, "copies")
        add = {"op": "add", "path": "/x", "value": "x" * 10_000_000}
        assert self.refused(add, *again * 4) == (7, "copies")

    def test_moves(self) -> None:
        """A move changes no number of values, so a list may be moved in every operation."""
        add = {"op": "add", "path": "/x", "value": [1] * 9_000}
        moves = [
            {"op": "move", "from": "/x", "path": "/y"},
            {"op": "move", "from": "/y", "path": "/x"},
        ]
        change = ttrules.validate_change(stored(ADD), [add, *moves * 400])
        assert told(change.report) == {("/x", "unknown_field"), ("/y", "unknown_field")}
        add["value"] = add["value"][:4_500]
        replacing = {"op": "move", "from": "/x", "path": "/z"}
        change = ttrules.validate_change(
            stored(ADD), [add, {**add, "path": "/z"}, replacing, add, replacing, add]
        )
        assert change.report.valid

    def test_moved_items(self) -> None:
        """An item that moves within its list is touched where it ends up."""
        ticket = stored(ADD)
        party = ticket["relatedParty"][0]
        ticket["relatedParty"] = [{**party, "id": f"p{at}"} for at in range(3)]
        change = ttrules.validate_change(
            ticket,
            [
                {"op": "add", "path": "/relatedParty/0/colour", "value": 1},
                {"op": "move", "from": "/relatedParty/0", "path": "/relatedParty/-"},
                {"op": "add", "path": "/relatedParty/1/shade", "value": 1},
            ],
        )
        assert told(change.report) == {
            ("/relatedParty/1/shade", "unknown_field"),
            ("/relatedParty/2/colour", "unknown_field"),
        }
        order = [each["id"] for each in change.ticket["relatedParty"]]
        assert order == ["p1", "p2", "p0"]


def test_lists_of_different_lengths() -> None:
    """An item error of the shorter list is reported once, also if its first item represents it."""

    def engine(payload: Any) -> Iterator[RawError]:
        for name, items in payload.items():
            for index, item in enumerate(items):
                if item == "wrong":
                    yield (name, index), ("properties", name, "items"), None

    schema: dict[str, Any] = {"properties": {"long": {"items": {}}, "short": {"items": {}}}}
    payload = {"long": ["right"] * (3 * ITEMS) + ["wrong"], "short": ["wrong"] * (ITEMS + 1)}
    places = [path for path, _, _ in sliced_errors(payload, schema, engine)]
    expected = [("long", 3 * ITEMS), *(("short", index) for index in range(ITEMS + 1))]
    assert sorted(places) == expected
