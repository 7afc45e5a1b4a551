"""Recursive entities and variants: depth, size, findings, and changes."""

from __future__ import annotations

import dataclasses
import json
import time
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest

import ttrules
from tests.support.small_matrix import (
    COUNT,
    NAME,
    PROCESSES,
    at_least_one,
    book_of,
    many,
    matrix_of,
    row,
)
from tests.support.variants import MATRICES
from ttrules.codes import MAX_DEPTH, mapped
from ttrules.engines import strict_schema
from ttrules.json_values import is_shallow
from ttrules.matrix import Matrix, When
from ttrules.messages.catalogue import TABLES
from ttrules.slices import sliced_errors

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ttrules import Report, Rulebook
    from ttrules.codes import Engine
    from ttrules.slices import RawError

ADD, CHANGE = PROCESSES
ENGINES: tuple[Engine, ...] = ("fast", "reference")
TICKET: dict[str, Any] = {
    "kind": "plain",
    "car": {"@type": "car", "doors": 3, "name": "x"},
    "cars": [{"@type": "bike", "name": "y"}],
}


def agreed(book: Rulebook, payload: object, process: str = ADD) -> Report:
    """Return the report on which both engines agree."""
    reports = [book.validate(payload, process, engine=engine) for engine in ENGINES]
    assert reports[0] == reports[1]
    return reports[0]


def told(findings: Iterable[ttrules.Finding]) -> list[str]:
    """Return findings as pointer, code, entity and field."""
    return [f"{each.pointer} {each.code} {each.entity}.{each.field}" for each in findings]


def nested(levels: int, innermost: dict[str, Any]) -> dict[str, Any]:
    """Return a tree of so many levels of objects."""
    made = innermost
    for _ in range(levels - 1):
        made = {"kind": "plain", "name": "x", "next": made}
    return made


class TestDepth:
    """Recursive payloads are validated down to the limit of levels."""

    def test_deepest(self) -> None:
        """The innermost object has its findings, with the pointer to it."""
        book = book_of(MATRICES["tree"])
        assert agreed(book, nested(MAX_DEPTH, {"kind": "plain", "name": "x"})) == ttrules.Report(
            process=ADD
        )
        report = agreed(book, nested(MAX_DEPTH, {"kind": "plain", "name": 5}))
        assert told(report) == ["/next" * (MAX_DEPTH - 1) + "/name type Node.name"]

    @pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 290, 2_000])
    @pytest.mark.parametrize("engine", ENGINES)
    def test_too_deep(self, levels: int, engine: Engine) -> None:
        """A deeper payload is not JSON for both engines, also if it is small and valid."""
        book = book_of(MATRICES["tree"])
        payload = nested(levels, {"kind": "plain", "name": "x"})
        with pytest.raises(ttrules.NotJSON):
            book.validate(payload, ADD, engine=engine)
        with pytest.raises(ttrules.NotJSON):
            book.is_valid(payload, ADD, engine=engine)

    def test_is_shallow(self) -> None:
        """Levels of arrays and objects count, not scalars."""
        value: Any = "x"
        for _ in range(MAX_DEPTH):
            value = [value]
        assert is_shallow(value)
        assert is_shallow("x")
        assert is_shallow([1, {}])
        assert not is_shallow([value])

    def test_large(self) -> None:
        """Unknown members and broken items of a large tree are all found."""
        book = book_of(MATRICES["tree"])
        kid = {"kind": "plain", "name": "x", "kids": [{"kind": "plain", "name": 5, "": 1}]}
        payload = {"kind": "plain", "name": "x", "kids": [kid] * 200}
        assert len(told(agreed(book, payload))) == 400

    def test_large_without_a_variant(self) -> None:
        """In a large payload the variants that a member tells are cut; the others are not."""
        book = book_of(MATRICES["scalars and entities"])
        odd = {"@type": "plane", "zz": 1}
        payload = {"kind": "plain", "who": "x", "ip": [], "ips": [{"@type": "x", "zz": 2}] * 400}
        report = agreed(book, {**payload, "what": odd})
        assert told(report.violations)[-1] == "/what/@type enum Car.@type"
        book = book_of(MATRICES["nothing tells"])
        sizes = {"size": {"name": "x"}, "sizes": [{"name": 5}] * 400}
        assert {each.code for each in agreed(book, {"kind": "plain", **sizes}).violations} == {
            "variant"
        }

    def test_cut(self) -> None:
        """An engine gets no unknown members of a variant that a member tells."""
        book, seen = book_of(MATRICES["optional discriminator"]), []
        whole = [{"name": "x", "zz": 3}, {"@type": "ship", "gears": 1, "zz": 4}]
        cars = [{"@type": "car", "zz": 1}, {"gears": 1, "zz": 2}, *whole]

        def engine(payload: object) -> list[RawError]:
            seen.append(payload)
            return []

        found = [*sliced_errors({"cars": cars}, strict_schema(book.schema(ADD)), engine)]
        assert seen == [{"cars": [{"@type": "car"}, {"gears": 1}, *whole]}]
        assert [path for path, _, _ in found] == [("cars", 0, "zz"), ("cars", 1, "zz")]


class TestSize:
    """The size of compiled schemas is bounded by that of the spec."""

    def test_many_references(self) -> None:
        """Twelve entities with three references each to the next one compile at once."""
        entities = {
            f"E{number}": {
                "name": row("R O", NAME),
                **{f"to{each}": row("O O", None, f"E{number + 1}") for each in range(3)},
            }
            for number in range(11)
        }
        matrix = matrix_of({**entities, "E11": {"name": row("R O", NAME)}})
        start = time.process_time()
        book = book_of(matrix)
        assert time.process_time() - start < 1
        assert max(len(json.dumps(each)) for each in book.schemas.values()) < 20_000
        payload = {"kind": "plain", "name": "x", "to0": {"name": "x", "to2": {"name": None}}}
        assert told(agreed(book, payload)) == ["/to0/to2/name null E2.name"]

    def test_long_chain(self) -> None:
        """A chain of entities that is longer than any payload is deep compiles."""
        entities = {f"E{n}": {"next": row("O O", None, f"E{n + 1}")} for n in range(400)}
        book = book_of(matrix_of({**entities, "E400": {"name": row("R O", NAME)}}))
        assert told(agreed(book, {"kind": "plain", "next": {"next": []}})) == [
            "/next/next type E1.next"
        ]

    @pytest.mark.parametrize("name", ["Ä/b~%", "404", "$ref", "base64", "accepting:E", "x y"])
    def test_names(self, name: str) -> None:
        """The name of an entity may contain anything; the schema is valid for everybody."""
        matrix = matrix_of(
            {"Root": {"one": row("O O", None, name)}, name: {"one": row("R R", None, name)}}
        )
        book = book_of(matrix)
        jsonschema_rs.Draft202012Validator(book.schema(ADD))
        report = agreed(book, {"kind": "plain", "one": {"one": {"one": 5}}})
        assert told(report) == [f"/one/one/one type {name}.one"]

    def test_same_names(self) -> None:
        """Two entities whose names differ in other characters only have two definitions."""
        matrix = matrix_of(
            {
                "Root": {"a": row("O O", None, "x y"), "b": row("O O", None, "x-y")},
                "x y": {"a": row("O O", None, "x y")},
                "x-y": {"b": row("R O", None, "x-y")},
            }
        )
        report = agreed(book_of(matrix), {"kind": "plain", "a": {}, "b": {"b": {}}})
        assert told(report) == ["/b/b/b required x-y.b"]

    def test_flat(self) -> None:
        """Below a prohibited member nothing is compiled, so the schema is flat."""
        matrix = matrix_of({"Node": {"next": row("P -", None, "Node")}})
        assert not any("$defs" in each for each in book_of(matrix).schemas.values())


class TestFindings:
    """What a finding on a variant says."""

    def test_discriminator(self) -> None:
        """A missing or unknown value is one finding at the discriminator."""
        book = book_of(MATRICES["discriminator"])
        odd = {"zz": 1, "wheels": {}}
        payload = {"kind": "plain", "car": odd}
        assert told(agreed(book, payload)) == ["/car/@type required Car.@type"]
        (finding,) = agreed(book, {**payload, "car": {**odd, "@type": "ship"}})
        assert told([finding]) == ["/car/@type enum Car.@type"]
        assert finding.params == {"allowed": ["car", "van", "bike"]}

    @pytest.mark.parametrize(
        ("name", "payload", "variants"),
        [
            ("nothing tells", {"kind": "plain", "size": {"x": []}}, ["Small", "Large"]),
            ("scalars", {"kind": "plain", "x": 4, "list": "x", "ip": "?"}, ["string", "integer"]),
            (
                "scalars and entities",
                {"kind": "plain", "who": "x", "ips": [77]},
                ["Car", "Order", "string", "integer"],
            ),
        ],
    )
    def test_variant(self, name: str, payload: dict[str, Any], variants: list[str]) -> None:
        """A value that no alternative accepts is one finding, which names them."""
        (finding,) = agreed(book_of(MATRICES[name]), payload)
        assert (finding.code, finding.params) == ("variant", {"variants": variants})
        for language in TABLES:
            assert all(each in finding.message_in(language) for each in variants)

    def test_values_that_are_no_text(self) -> None:
        """Numbers and truth values select a variant too; true is not 1."""
        values = {"A": (True,), "B": (1, 2.5)}
        kinds = {"type": ["boolean", "number"]}
        matrix = matrix_of(
            {
                "Root": {
                    "one": row("O O", None, "A", "B", discriminator="on", mapping=values),
                    "two": many("O O", "A", "B", discriminator="on", mapping=values),
                },
                "A": {"on": row("R R", kinds), "x": row("R R", NAME)},
                "B": {"on": row("R R", kinds), "y": row("R R", NAME)},
            }
        )
        book = book_of(matrix)
        report = agreed(
            book, {"kind": "plain", "two": [{"on": each} for each in (True, 1, 2.5, 2)]}
        )
        assert told(report) == [
            "/two/0/x required A.x",
            "/two/1/y required B.y",
            "/two/2/y required B.y",
            "/two/3/on enum A.on",
        ]
        items = [{"on": 1.0, "y": "x", "z": 1}] * 200
        report = agreed(book, {"kind": "plain", "one": {"on": "x"}, "two": items})
        assert len(report.warnings) == 200
        assert told(report.violations) == ["/one/on type A.on"]

    def test_conditions_that_reach_nothing(self) -> None:
        """A condition of an entity that no payload contains, and one without a relation."""
        node = {"name": row("O/PD O", NAME), "next": row("O O", None, "Node")}
        when = When(of="root", field="name", test="exists", value=True)
        optional = at_least_one("Node", ["name"], when)
        conditions = [
            at_least_one("Leaf", ["name"], when),
            dataclasses.replace(optional, relation="optional"),
        ]
        matrix = matrix_of({"Node": node, "Leaf": {"name": row("O/PD O", NAME)}}, conditions)
        payload = {"kind": "plain", "name": "x", "next": {"kind": "plain"}}
        assert agreed(book_of(matrix), payload) == ttrules.Report(process=ADD)

    def test_maps(self) -> None:
        """Keys of a map in a recursive entity keep their names, whatever they are."""
        counts = {"type": "object", "additionalProperties": {"type": "integer"}}
        matrix = matrix_of({"Node": {"map": row("O O", counts), "kids": many("O O", "Node")}})
        odd = {"kind": "plain", "map": {"5": "x", "": "x", "05": 1}}
        report = agreed(book_of(matrix), {**odd, "kids": [odd]})
        assert [each.pointer for each in report] == [
            "/kids/0/map/",
            "/kids/0/map/5",
            "/map/",
            "/map/5",
        ]

    @pytest.mark.parametrize("odd", [{"@type": "ship", "zz": b""}, {"zz": float("nan")}])
    @pytest.mark.parametrize("engine", ENGINES)
    def test_not_json(self, odd: dict[str, Any], engine: Engine) -> None:
        """A value that is not JSON is found in an object whose variant is unknown, too."""
        book = book_of(MATRICES["discriminator"])
        with pytest.raises(ttrules.NotJSON):
            book.validate({**TICKET, "car": odd}, ADD, engine=engine)

    def test_names_that_engines_change(self) -> None:
        """Unknown members with an empty name, or a number for a name, have the right pointer."""
        book = book_of(MATRICES["tree"])
        odd = {"kind": "plain", "name": "x", "": 1, "5": 2}
        report = agreed(book, {**odd, "kids": [odd], "next": odd})
        assert [each.pointer for each in report.warnings] == [
            *("/", "/5", "/kids/0/", "/kids/0/5", "/next/", "/next/5"),
        ]


class TestMatrix:
    """The model of variants."""

    @pytest.mark.parametrize("name", MATRICES)
    def test_round_trip(self, name: str) -> None:
        """The compiled form gives an equal matrix."""
        matrix = MATRICES[name]
        assert Matrix.from_json(json.loads(json.dumps(matrix.to_json()))) == matrix

    def test_keys(self) -> None:
        """A row without variants has the keys that it always had."""
        rows = MATRICES["discriminator"].to_json()["entities"]["Garage"]
        plain = ["type", "entity", "many", "description", "shape", "requirements"]
        assert list(rows["kind"]) == plain
        assert list(rows["cars"]) == [*plain, "variants", "discriminator", "mapping"]

    @pytest.mark.parametrize(
        ("name", "field", "value", "variant"),
        [
            ("discriminator", "car", {"@type": "van"}, "Car"),
            ("discriminator", "cars", {"@type": "bike", "doors": 3}, "Bike"),
            ("discriminator", "car", {"@type": "ship", "doors": 3}, None),
            ("discriminator", "car", {"@type": ["car"]}, None),
            ("discriminator", "car", {"doors": 3}, "Car"),
            ("own members", "who", {"name": "x", "size": 3}, "Company"),
            ("own members", "who", {"id": "x", "age": 3}, "Person"),
            ("nothing tells", "size", {"x": 1}, "Small"),
            ("tree", "next", {}, None),
            ("tree", "kids", {}, None),
        ],
    )
    def test_variant_of(
        self, name: str, field: str, value: dict[str, Any], variant: object
    ) -> None:
        """The discriminator tells the variant, then own members, then the most members."""
        matrix = MATRICES[name]
        found = matrix.variant_of(matrix.root_fields[field], value)
        assert found == (variant if name != "tree" else "Node")

    def test_types(self) -> None:
        """The type of a field names its variants and the types beside them."""
        rows = MATRICES["scalars and entities"].root_fields
        assert {name: rows[name].type for name in ("who", "what", "ips")} == {
            "who": "Car | string",
            "what": "Car | Bike | integer",
            "ips": "(Car | Order | string | integer)[]",
        }
        assert MATRICES["scalars"].root_fields["list"].type == "string | array"

    def test_mapped(self) -> None:
        """Each schema directly in a schema is changed, and nothing else."""
        schema = {
            "properties": {"enum": {"type": "string"}},
            "allOf": [{"if": {}, "then": {}}],
            "items": {"a": 1},
            "enum": [{"not": {}}],
        }
        assert mapped(schema, lambda each: {"was": each}) == {
            "properties": {"enum": {"was": {"type": "string"}}},
            "allOf": [{"was": {"if": {}, "then": {}}}],
            "items": {"was": {"a": 1}},
            "enum": [{"not": {}}],
        }


class TestChange:
    """Changes of objects that have variants."""

    @pytest.mark.parametrize(
        ("patch", "found", "part"),
        [
            ({"car": {"@type": "car", "doors": 4}}, [], {"@type": "car", "doors": 4, "name": "x"}),
            # The members of the other variant are gone.
            (
                {"car": {"@type": "bike", "gears": 2}},
                [],
                {"@type": "bike", "gears": 2, "name": "x"},
            ),
            ({"car": {"@type": "ship"}}, ["/car/@type enum Car.@type"], TICKET["car"]),
            ({"car": {"doors": 4}}, ["/car/@type required Car.@type"], TICKET["car"]),
            (
                {"car": {"@type": "bike", "gears": 70}},
                ["/car/gears range Bike.gears"],
                TICKET["car"],
            ),
            (
                [{"op": "replace", "path": "/car/doors", "value": 70}],
                ["/car/doors range Car.doors"],
                TICKET["car"],
            ),
            ([{"op": "remove", "path": "/car/name"}], [], {"@type": "car", "doors": 3}),
            (
                [{"op": "add", "path": "/car/zz", "value": 1}],
                ["/car/zz unknown_field Car.zz"],
                TICKET["car"],
            ),
            (
                [{"op": "replace", "path": "/car", "value": "x"}],
                ["/car type Garage.car"],
                TICKET["car"],
            ),
        ],
    )
    def test_object(self, patch: Any, found: list[str], part: object) -> None:
        """The rows of the resulting variant apply, and the ticket has its members only."""
        change = book_of(MATRICES["discriminator"]).validate_change(TICKET, patch)
        assert told(change.report) == found
        assert change.ticket["car"] == part

    def test_items(self) -> None:
        """Each item of a list has its own variant."""
        book = book_of(MATRICES["discriminator"])
        cars = [{"@type": "bike", "gears": 2}, {"@type": "van", "doors": 1}]
        assert book.validate_change(TICKET, {"cars": cars}).ticket["cars"] == cars
        operations = [
            {"op": "add", "path": "/cars/-", "value": {"@type": "car", "doors": 1, "gears": 1}}
        ]
        change = book.validate_change(TICKET, operations)
        assert told(change.report) == ["/cars/1/gears unknown_field Car.gears"]
        assert change.ticket["cars"] == [TICKET["cars"][0], {"@type": "car", "doors": 1}]

    def test_unsupported(self) -> None:
        """A member that its variant does not support is neither stored nor asked for."""
        book = book_of(MATRICES["discriminator"])
        new = {
            **TICKET,
            "cars": [{"@type": "bike", "name": "y"}, {"@type": "car", "name": "z", "doors": 1}],
        }
        assert told(book.validate(new, ADD).warnings) == ["/cars/0/name not_supported Bike.name"]
        assert book.accepted(new, ADD)["cars"] == [
            {"@type": "bike"},
            {"@type": "car", "name": "z", "doors": 1},
        ]

    @pytest.mark.parametrize(
        ("patch", "found", "part"),
        [
            ({"map": {"a": {"name": "y"}}}, [], {"a": {"name": "y", "x": 1}}),
            ({"map": {"b": {"name": "y"}}}, [], {"a": {"name": "x", "x": 1}, "b": {"name": "y"}}),
            ({"map": {"a": {"name": "y", "x": 2}}}, ["/map/a/x prohibited Item.x"], None),
            ({"map": {"b": {}}}, ["/map/b/name required Item.name"], None),
            (
                {"map": {"a": {"name": "x", "odd": 1, "zz": 2}}},
                ["/map/a/odd not_supported Item.odd", "/map/a/zz unknown_field Item.zz"],
                {"a": {"name": "x", "x": 1}},
            ),
            ([{"op": "remove", "path": "/map/a"}], [], {}),
            ([{"op": "remove", "path": "/map/a/x"}], ["/map/a/x prohibited Item.x"], None),
            (
                [{"op": "add", "path": "/map/a/odd", "value": 1}],
                ["/map/a/odd not_supported Item.odd"],
                {"a": {"name": "x", "x": 1}},
            ),
            (
                [{"op": "add", "path": "/lists/0/0/zz", "value": 1}],
                ["/lists/0/0/zz unknown_field Item.zz"],
                {"a": {"name": "x", "x": 1}},
            ),
            ([{"op": "remove", "path": "/lists/0/0/x"}], ["/lists/0/0/x prohibited Item.x"], None),
        ],
    )
    def test_maps(self, patch: Any, found: list[str], part: object) -> None:
        """Objects in maps and in lists of lists are changed by their rows, too."""
        of = {"type": "object"}
        order = {
            "map": row("O O", {"type": "object", "additionalProperties": of}, "Item"),
            "lists": row("O O", {"type": "array", "items": {"type": "array", "items": of}}, "Item"),
        }
        item = {"name": row("R R", NAME), "x": row("P P", COUNT), "odd": row("- -", COUNT)}
        book = book_of(matrix_of({"Order": order, "Item": item}))
        each = {"name": "x", "x": 1}
        stored = {"kind": "plain", "map": {"a": each}, "lists": [[each]]}
        change = book.validate_change(stored, patch)
        assert told(change.report) == found
        assert change.ticket == {**stored, "map": part} if change.report.valid else part is None
        each = {"name": "x", "odd": 1, "zz": 1}
        new = {"kind": "plain", "map": {"a": each}, "lists": [[each]]}
        kept = {"kind": "plain", "map": {"a": {"name": "x"}}, "lists": [[{"name": "x"}]]}
        assert book.accepted(new, ADD) == kept

    @pytest.mark.parametrize(
        ("operation", "found"),
        [
            ({"op": "add", "path": "/map/c", "value": 3}, ["/map length Order.map"]),
            ({"op": "remove", "path": "/map/a"}, ["/map length Order.map"]),
            ({"op": "add", "path": "/list/-", "value": 3}, ["/list length Order.list"]),
            ({"op": "replace", "path": "/list/1", "value": 1}, ["/list length Order.list"]),
            ({"op": "replace", "path": "/size/x", "value": []}, ["/size variant Order.size"]),
            ({"op": "add", "path": "/any/a/b", "value": [1]}, []),
            ({"op": "remove", "path": "/any/a"}, []),
        ],
    )
    def test_around(self, operation: dict[str, Any], found: list[str]) -> None:
        """A part that is touched may break the map, list or object around it.

        There is no Add process that would report it. A free-form object has no wrong members.
        """
        sizes = {"minProperties": 2, "maxProperties": 2}
        order = {
            "map": row("O O", {"type": "object", "additionalProperties": COUNT, **sizes}),
            "list": row(
                "O O", {"type": "array", "items": COUNT, "maxItems": 2, "uniqueItems": True}
            ),
            "size": row("O O", None, "Small", "Large"),
            "any": row("O O"),
        }
        matrix = matrix_of(
            {"Order": order, "Small": {"x": row("O O", COUNT)}, "Large": {"x": row("O O", NAME)}}
        )
        book = book_of(dataclasses.replace(matrix, processes=matrix.processes[1:]))
        stored = {"kind": "plain", "list": [1, 2], "size": {"x": 1}, "any": {"a": {}}}
        stored["map"] = {"a": 1, "b": 2}
        change = book.validate_change(stored, [operation])
        assert told(change.report) == found
        assert (change.ticket == stored) is bool(found)

    def test_append_only(self) -> None:
        """Items of an append-only list may be variants; stored ones stay as they are."""
        matrix = MATRICES["discriminator"]
        book = book_of(Matrix.from_json({**matrix.to_json(), "append_only": {"Garage": ["cars"]}}))
        stored = {**TICKET, "cars": [{"@type": "car", "doors": 1}]}
        change = book.validate_change(stored, {"cars": [{"@type": "bike", "gears": 3}]})
        assert change.ticket["cars"] == [*stored["cars"], {"@type": "bike", "gears": 3}]
        operations = [{"op": "replace", "path": "/cars/0/doors", "value": 2}]
        change = book.validate_change(stored, operations)
        assert told(change.report) == ["/cars/0/doors immutable Car.doors"]

    def test_defaults(self) -> None:
        """A new item of an append-only list gets the defaults of its variant."""
        append = {"append_only": {"Garage": ["cars"]}, "defaults": {"Car": {"name": "x"}}}
        matrix = Matrix.from_json({**MATRICES["discriminator"].to_json(), **append})
        cars: list[dict[str, Any]] = [{"@type": "car", "doors": 1}, {"@type": "bike"}]
        for patch in (
            {"cars": cars},
            [{"op": "add", "path": "/cars/-", "value": each} for each in cars],
        ):
            change = book_of(matrix).validate_change({**TICKET, "cars": []}, patch)
            assert change.ticket["cars"] == [{**cars[0], "name": "x"}, cars[1]]

    def test_tree(self) -> None:
        """A member is removed by null at the levels where a change may remove it."""
        book = book_of(
            matrix_of(
                {
                    "Node": {
                        "name": row("O O", NAME),
                        "kids": many("O O", "Node"),
                        "next": row("O O", None, "Node"),
                    }
                }
            )
        )
        stored = {"kind": "plain", "name": "x", "next": {"kind": "plain", "name": "y"}}
        change = book.validate_change(stored, {"next": {"name": None}})
        assert change.ticket == {"kind": "plain", "name": "x", "next": {"kind": "plain"}}
        change = book.validate_change(stored, {"kids": [{"name": None}]})
        assert told(change.report) == [
            "/kids/0/kind required Node.kind",
            "/kids/0/name null Node.name",
        ]


def test_selection_below_definitions() -> None:
    """A field of a definition selects a process; other objects of it are not restricted."""
    entities = {
        "Node": {
            "name": row("R R", NAME),
            "mark": row("PD PD", NAME),
            "next": row("O O", None, "Node"),
        }
    }
    matrix = dataclasses.replace(matrix_of(entities), selection_field="/next/name")
    book = book_of(matrix)
    inner = {"kind": "plain", "name": "x", "mark": "x"}
    for name, code in (("plain", ()), ("x", ("/next/name enum Node.name",))):
        payload = {**inner, "next": {**inner, "name": name, "next": inner}}
        report = agreed(book, payload)
        assert told(report.violations) == [*code]
        assert {each.pointer for each in report.undetermined} == {
            "/mark",
            "/next/mark",
            "/next/next/mark",
        }
