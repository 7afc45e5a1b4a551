"""Made-up payloads: `ttrules example`, and what the library's own `example` promises."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.oracle import MATRIX, shape_of
from tests.support.order_spec import SPECS
from tests.support.shape_books import PROCESS, book_of
from ttrules.codes import ANNOTATION
from ttrules.errors import NoSuchProcess
from ttrules.examples.defective import likely
from ttrules.examples.generate import NoExample, example
from ttrules.pointers import pointer
from ttrules.rulebook import Rulebook, shipped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.support.command_line import Run, Spec
    from ttrules.examples.generate import Extent

pytestmark = pytest.mark.slow

EXTENTS: tuple[Extent, ...] = ("minimal", "typical", "full")
TEXT = {"type": "string"}
PROCESSES = shipped().processes()


def members(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of every member and item below a value."""
    below = enumerate(value) if isinstance(value, list) else ()
    for key, part in value.items() if isinstance(value, dict) else below:
        yield (*at, key)
        yield from members(part, (*at, key))


def without(payload: dict[str, Any], path: tuple[str | int, ...]) -> dict[str, Any]:
    """Return a copy of a payload that lacks the part at a path."""
    copy: dict[str, Any] = deepcopy(payload)
    owner: Any = copy
    for part in path[:-1]:
        owner = owner[part]
    del owner[path[-1]]
    return copy


class TestValid:
    """Whatever is made up is valid, in the eyes of both engines, and says so without a warning."""

    @pytest.mark.parametrize("extent", EXTENTS)
    @pytest.mark.parametrize("process", PROCESSES)
    def test_shipped(self, process: str, extent: Extent) -> None:
        """A payload of each process and extent has no finding, whatever the seed."""
        for seed in range(40):
            payload = example(shipped(), process, extent, seed)
            assert not [*shipped().validate(payload, process)]
            if seed % 8 == 0:
                assert not [*shipped().validate(payload, process, engine="reference")]

    @pytest.mark.parametrize("extent", EXTENTS)
    def test_other(self, other_book: Rulebook, extent: Extent) -> None:
        """So has one of other rules, with all their relations, patterns and bounds."""
        for process in other_book.processes():
            for seed in range(6):
                payload = example(other_book, process, extent, seed)
                assert not other_book.validate(payload, process, engine="reference").violations

    @pytest.mark.parametrize("process", PROCESSES)
    def test_same_seed(self, process: str) -> None:
        """The same seed gives the same payload; other seeds and extents give others."""
        made = [
            example(shipped(), process, extent, seed) for extent in EXTENTS for seed in range(4)
        ]
        again = [
            example(shipped(), process, extent, seed) for extent in EXTENTS for seed in range(4)
        ]
        assert made == again
        assert len({json.dumps(each) for each in made[4:]}) == 8

    def test_pinned(self) -> None:
        """A seed's payload is the same on every machine and in every run."""
        payload = example(shipped(), "complaint-add", "minimal", 3)
        assert payload == example(shipped(), "Complaint Add", "minimal", 3)
        assert [payload[name] for name in ("externalId", "origin")] == ["EXT-24274", "Web"]
        with pytest.raises(NoSuchProcess):
            example(shipped(), "nonsense")

    def test_conditions(self, tmp_path: Path) -> None:
        """So has one whose conditions read the items of a list."""
        book = SPECS["one process"].load(tmp_path)
        made = [example(book, "Order", extent, seed) for extent in EXTENTS for seed in range(8)]
        assert all(book.is_valid(each, "Order") for each in made)
        parties = [party for each in made for party in each.get("parties", ())]
        assert {party["role"] for party in parties} == {"buyer", "seller", "carrier"}

    def test_map(self) -> None:
        """A map has as many members as it must, with valid values."""
        shape = {"type": "object", "additionalProperties": {"type": "integer", "minimum": 5}}
        book = book_of({"x": {**shape, "minProperties": 2}}, "R")
        assert [*example(book, PROCESS)["x"]] == ["key1", "key2"]
        assert [*likely(book, "Item", "x")] == ["example"]


class TestExtent:
    """Minimal is what must be sent, full is all that may be."""

    @pytest.mark.parametrize("process", PROCESSES)
    def test_minimal(self, process: str) -> None:
        """Nothing can be left out of a minimal payload."""
        for seed in range(10):
            payload = example(shipped(), process, "minimal", seed)
            for path in members(payload):
                assert not shipped().is_valid(without(payload, path), process), pointer(path)

    def test_minimal_of_other_rules(self, other_book: Rulebook) -> None:
        """So it is with other rules, conditions included."""
        for process in other_book.processes():
            for seed in range(4):
                payload = example(other_book, process, "minimal", seed)
                for path in members(payload):
                    assert not other_book.is_valid(without(payload, path), process), pointer(path)

    @pytest.mark.parametrize("process", PROCESSES)
    def test_full(self, process: str) -> None:
        """A full payload has every member that its process lets one send, at each level."""
        column = MATRIX["processes"].index(process)

        def sendable(entity: str) -> dict[str, Any]:
            """Return the members of an entity that may be sent, with what may be inside."""
            found = {}
            for field, codes in MATRIX["entities"][entity].items():
                below = shape_of(entity, field).get("entity")
                inside = {} if below is None else sendable(below)
                if codes[column] not in {"P", "-"} and (below is None or inside):
                    found[field] = inside
            return found

        def sent(value: Any) -> Any:
            """Return the members of a value, with what is inside."""
            if isinstance(value, dict):
                return {name: sent(part) for name, part in value.items()}
            return sent(value[0]) if isinstance(value, list) else {}

        payload = example(shipped(), process, "full")
        assert sent(payload) == sendable(MATRIX["root"])
        assert all(len(each) == 2 for each in payload.values() if isinstance(each, list))

    def test_full_of_other_rules(self, other_book: Rulebook) -> None:
        """Of members that exclude each other as many are sent as go together."""
        for process in other_book.processes():
            payload = example(other_book, process, "full")
            for owner, schema in objects(payload, other_book.schema(process)):
                about = schema[ANNOTATION]
                bound = {
                    name
                    for each in other_book.matrix.conditions
                    if each.entity == about["entity"]
                    for name in each.fields
                }
                missing = {
                    name
                    for name, member in schema["properties"].items()
                    if name not in owner and name not in bound
                }
                assert missing <= {*about.get("undetermined", ()), *barred(schema)}

    @pytest.mark.parametrize(("exists", "sent"), [(True, 0), (False, 1)])
    def test_conditions(
        self, run: Run, spec: Spec, tmp_path: Path, *, exists: bool, sent: int
    ) -> None:
        """A condition makes something be sent only where its test holds."""
        condition = {
            "entity": "Order",
            "fields": ["a", "b"],
            "relation": "at_least_one",
            "when": {"field": "c", "exists": exists},
            "reason": "So.",
        }
        codes = {"a": ["PD"], "b": ["PD"], "c": ["O"], "r": ["R"]}
        files = spec(
            {"Order": dict.fromkeys("abcr", TEXT)}, {"Order": codes}, conditions=[condition]
        )
        run("compile", *files, "--out", tmp_path)
        for seed in range(5):
            minimal = example(Rulebook.read(tmp_path), "order-add", "minimal", seed)
            assert (len(minimal), len({"a", "b"} & minimal.keys())) == (1 + sent, sent)

    def test_unique_items(self, run: Run, spec: Spec, tmp_path: Path) -> None:
        """A list of different items is as long as there are different ones."""
        shape = {"type": "array", "items": {"type": "string", "enum": ["x"]}, "uniqueItems": True}
        run("compile", *spec({"Order": {"a": shape}}, {"Order": {"a": ["R"]}}), "--out", tmp_path)
        assert example(Rulebook.read(tmp_path), "order-add", "full") == {"a": ["x"]}

    def test_order(self) -> None:
        """Members are in the order of the matrix."""
        for process in PROCESSES:
            payload = example(shipped(), process, "full")
            assert list(payload) == [
                field for field in MATRIX["entities"][MATRIX["root"]] if field in payload
            ]


def objects(value: Any, schema: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], Any]]:
    """Yield every object of a payload with its schema."""
    if isinstance(value, list):
        for item in value:
            yield from objects(item, schema["items"])
    elif isinstance(value, dict):
        yield value, schema
        for name, part in value.items():
            yield from objects(part, schema["properties"][name])


def barred(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the members of an object that nothing can be sent in."""
    for name, member in schema["properties"].items():
        below = member.get("items", member)
        hollow = "properties" in below and {*below["properties"]} == {*barred(below)}
        if "not" in member or member[ANNOTATION]["requirement"] == "-" or hollow:
            yield name


class TestCommand:
    """`ttrules example` prints one payload."""

    @pytest.mark.parametrize("process", PROCESSES)
    def test_printed(self, run: Run, process: str) -> None:
        """It is what the library makes, and checks."""
        asked: list[tuple[tuple[str, ...], Extent, int]] = [
            ((), "typical", 0),
            (("--typical", "--seed", "7"), "typical", 7),
            (("--full",), "full", 0),
            (("--seed", "-1", "--minimal"), "minimal", -1),
        ]
        for args, extent, seed in asked:
            ran = run("example", process, *args)
            assert ran.json == example(shipped(), process, extent, seed)
            assert (
                run("check", "--strict", "--process", process, "-", stdin=ran.out.encode()).code
                == 0
            )

    def test_other_rules(self, run: Run, other: Path) -> None:
        """It is made from other rules as well."""
        ran = run("example", "legacy-correction", "--rules", other)
        args = ("check", "--rules", other, "--process", "legacy-correction", "-")
        assert run(*args, stdin=ran.out.encode()).code == 0


class TestContradictions:
    """Rules that no payload can meet have no example, and an undeclared condition no say."""

    @pytest.mark.parametrize(
        ("shape", "code"),
        [
            ({"type": "string", "minLength": 2, "pattern": "^a?$"}, "R"),
            ({"type": "integer", "minimum": 2, "maximum": 3, "multipleOf": 5}, "R"),
            ({"type": "string", "enum": [""]}, "R"),
            ({"type": "array", "items": TEXT, "maxItems": 0}, "R"),
            ({"type": "array", "items": {"type": "string", "enum": [" "], "pattern": "a"}}, "R"),
        ],
    )
    def test_shape(self, run: Run, spec: Spec, tmp_path: Path, shape: Any, code: str) -> None:
        """A code and a shape may contradict each other."""
        run("compile", *spec({"Order": {"a": shape}}, {"Order": {"a": [code]}}), "--out", tmp_path)
        with pytest.raises(NoExample) as told:
            example(Rulebook.read(tmp_path), "order-add")
        assert told.value == NoExample("Order Add")

    def test_conditions(self, run: Run, spec: Spec, tmp_path: Path) -> None:
        """So may conditions that hold each other up."""
        fields = {"a": ["b", "a"], "b": ["a", "b"]}
        ring = [
            ("exactly_one", fields["a"]),
            ("if_then_all", fields["a"]),
            ("if_then_all", fields["b"]),
        ]
        files = spec(
            {"Order": {"a": TEXT, "b": TEXT}},
            {"Order": {"a": ["PD"], "b": ["PD"]}},
            conditions=[
                {"entity": "Order", "fields": fields, "relation": relation, "reason": "So."}
                for relation, fields in ring
            ],
        )
        assert run("compile", *files, "--out", tmp_path).code == 0
        assert run("example", "order-add", "--rules", tmp_path).code == 4

    def test_required_in_a_condition(self, run: Run, spec: Spec, tmp_path: Path) -> None:
        """A condition that would have a required member go is met by leaving out the others."""
        files = spec(
            {"Order": {"a": TEXT, "b": TEXT, "c": TEXT}},
            {"Order": {"a": ["R"], "b": ["PD"], "c": ["PD"]}},
            conditions=[
                {
                    "entity": "Order",
                    "fields": ["a", "b", "c"],
                    "relation": "at_most_one",
                    "reason": "So.",
                }
            ],
        )
        assert run("compile", *files, "--out", tmp_path).code == 0
        for seed in range(20):
            assert list(example(Rulebook.read(tmp_path), "order-add", "full", seed)) == ["a"]

    def test_optional(self, run: Run, spec: Spec, tmp_path: Path) -> None:
        """What is optional and cannot be is left out, as is what nobody has declared."""
        shape = {"type": "string", "minLength": 2, "pattern": "^a?$"}
        files = spec(
            {"Order": {"a": shape, "b": TEXT, "c": TEXT}},
            {"Order": {"a": ["O"], "b": ["R"], "c": ["O/PD"]}},
        )
        run("compile", *files, "--out", tmp_path)
        for extent in EXTENTS:
            assert list(example(Rulebook.read(tmp_path), "order-add", extent)) == ["b"]
