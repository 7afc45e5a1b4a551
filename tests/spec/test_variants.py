"""What oneOf, anyOf, discriminators, inheritance and several types of a document become."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.small_matrix import COUNT, NAME, many, row
from ttrules.errors import SpecError
from ttrules.matrix import Field
from ttrules.spec.draft import drafted
from ttrules.spec.load import load_spec, read_document
from ttrules.spec.variants import either, entangled

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ttrules.matrix import Matrix

    Schema = Mapping[str, Any]

TEXT, WHOLE, NULL = ({"type": kind} for kind in ("string", "integer", "null"))


def ref(name: str) -> dict[str, str]:
    """Return a reference to a component."""
    return {"$ref": f"#/components/schemas/{name}"}


def entity(*names: str, **members: Any) -> dict[str, Any]:
    """Return the schema of an object with members of text, and others."""
    return {"type": "object", "properties": {**dict.fromkeys(names, TEXT), **members}}


def written(folder: Path, field: Schema, schemas: Mapping[str, Schema]) -> Path:
    """Write a document whose component Root has one member, `x`."""
    path = folder / "openapi.json"
    components = {"Root": entity(x=field), **schemas}
    info = {"title": "Small", "version": "1"}
    document = {
        "openapi": "3.1.0",
        "info": info,
        "paths": {},
        "components": {"schemas": components},
    }
    path.write_text(json.dumps(document))
    return path


def read(folder: Path, field: Schema, schemas: Mapping[str, Schema] = {}) -> Matrix:
    """Return the matrix of a document, with the rows that `init` drafts."""
    path = written(folder, field, schemas)
    rows = folder / "requirements.yaml"
    rows.write_bytes(drafted(read_document(path), ["Root"]).files["requirements.yaml"])
    return load_spec(path, rows)


CAR, BIKE = entity("@type", "doors"), entity("@type", "gears")
KINDS = {"Car": CAR, "Bike": BIKE}
CHOICE = [ref("Car"), ref("Bike")]
BY_TYPE = {"propertyName": "@type"}
PET = {**entity("kind"), "discriminator": {"propertyName": "kind"}}
CAT = {"allOf": [ref("Pet"), entity("lives")]}
KITTEN = {"allOf": [ref("Cat"), entity("age")]}
CARD = {"title": "Card", **entity("number", kind={"const": "card"})}
IBAN = entity("iban", kind={"enum": ["iban", "sepa"]}, bank=entity("bic"))


class TestObjects:
    """Objects become variants."""

    @pytest.mark.parametrize(
        ("field", "schemas", "variants", "selected"),
        [
            ({"oneOf": CHOICE}, KINDS, ("Car", "Bike"), (None, {})),
            ({"anyOf": [*CHOICE, ref("Car")]}, KINDS, ("Car", "Bike"), (None, {})),
            (
                {"oneOf": CHOICE, "discriminator": BY_TYPE},
                KINDS,
                ("Car", "Bike"),
                ("@type", {"Car": ("Car",), "Bike": ("Bike",)}),
            ),
            (
                {
                    "oneOf": CHOICE,
                    "discriminator": {
                        **BY_TYPE,
                        "mapping": {"car": ref("Car")["$ref"], "van": "Car", "ship": "Ship"},
                    },
                },
                {**KINDS, "Ship": entity("@type")},
                ("Car", "Bike"),
                ("@type", {"Car": ("car", "van"), "Bike": ("Bike",)}),
            ),
            # The values that a variant lists select it as well.
            (
                {"oneOf": CHOICE, "discriminator": {**BY_TYPE, "mapping": {"b": "Bike"}}},
                {"Car": entity("doors", **{"@type": {"enum": ["b", "c"]}}), "Bike": BIKE},
                ("Car", "Bike"),
                ("@type", {"Car": ("c",), "Bike": ("b",)}),
            ),
            # A discriminator that a variant does not have selects nothing.
            (
                {"oneOf": CHOICE, "discriminator": {"propertyName": "doors"}},
                KINDS,
                ("Car", "Bike"),
                (None, {}),
            ),
            # A member whose values differ selects a variant without a discriminator.
            (
                {"oneOf": [CARD, IBAN]},
                {},
                ("Root.x.Card", "Root.x.2"),
                ("kind", {"Root.x.Card": ("card",), "Root.x.2": ("iban", "sepa")}),
            ),
            (
                {"oneOf": [entity(on={"const": True}), entity(on={"enum": [1, 2]})]},
                {},
                ("Root.x.1", "Root.x.2"),
                ("on", {"Root.x.1": (True,), "Root.x.2": (1, 2)}),
            ),
            (
                {"oneOf": [entity(on={"enum": [1, 2]}), entity(on={"enum": [2, 3]})]},
                {},
                ("Root.x.1", "Root.x.2"),
                (None, {}),
            ),
            # Members beside oneOf belong to each option.
            (
                {**entity("name"), "oneOf": [ref("Car"), {"title": "Other", **entity("w")}]},
                KINDS,
                ("Root.x.Car", "Root.x.Other"),
                (None, {}),
            ),
            # Unions in unions are one union.
            (
                {"oneOf": [ref("Two"), ref("Pet")]},
                {**KINDS, "Two": {"anyOf": CHOICE}, "Pet": entity("name")},
                ("Car", "Bike", "Pet"),
                (None, {}),
            ),
            # Inheritance: an object of the base is one of its subtypes.
            (
                ref("Pet"),
                {"Pet": PET, "Cat": CAT, "Kitten": KITTEN, "Dog": entity("kind")},
                ("Pet", "Cat", "Kitten"),
                ("kind", {"Pet": ("Pet",), "Cat": ("Cat",), "Kitten": ("Kitten",)}),
            ),
            (
                ref("Pet"),
                {
                    "Pet": {
                        **PET,
                        "discriminator": {
                            "propertyName": "kind",
                            "mapping": {"c": "Cat", "k": "Kitten"},
                        },
                    },
                    "Cat": CAT,
                    "Kitten": KITTEN,
                },
                ("Cat", "Kitten"),
                ("kind", {"Cat": ("c",), "Kitten": ("k",)}),
            ),
        ],
    )
    def test_variants(
        self,
        tmp_path: Path,
        field: Schema,
        schemas: Mapping[str, Schema],
        variants: tuple[str, ...],
        selected: tuple[str | None, Mapping[str, tuple[object, ...]]],
    ) -> None:
        """The variants, and what selects them; the same for the items of a list."""
        found = read(tmp_path, field, schemas).root_fields["x"]
        assert (found.entity, found.variants) == (None, variants)
        assert (found.discriminator, found.mapping) == selected
        assert found.shape == {"type": "object"}
        many_of = {"type": "array", "items": {"allOf": [field]}}
        item = read(tmp_path, many_of, schemas).root_fields["x"]
        assert item.many
        assert (item.discriminator, len(item.variants)) == (selected[0], len(variants))

    @pytest.mark.parametrize(
        ("field", "name", "is_nullable"),
        [
            ({"oneOf": [ref("Car")]}, "Car", False),
            ({"anyOf": [ref("Car"), ref("Car")]}, "Car", False),
            ({"oneOf": [ref("Car"), NULL]}, "Car", True),
            ({"anyOf": [{"enum": [None]}, ref("Car")]}, "Car", True),
            ({"oneOf": [NULL, entity("y")]}, "Root.x", True),
            (ref("Self"), "Self", False),
            # The only subtype is the entity itself, or the discriminator is inherited.
            (ref("Pet"), "Pet", False),
            (ref("Cat"), "Cat", False),
        ],
    )
    def test_one(self, tmp_path: Path, field: Schema, name: str, *, is_nullable: bool) -> None:
        """One object, with or without null, is no choice."""
        mapping = {"Pet": ref("Pet")["$ref"]}
        pet = {**PET, "discriminator": {"propertyName": "kind", "mapping": mapping}}
        others = {"Self": entity(x=ref("Self")), "Pet": pet, "Cat": CAT}
        found = read(tmp_path, field, {**KINDS, **others}).root_fields["x"]
        assert (found.entity, found.variants) == (name, ())
        assert found.shape.get("nullable", False) is is_nullable

    def test_lists(self, tmp_path: Path) -> None:
        """Lists of different objects are a list of variants."""
        lists = [{"type": "array", "items": each} for each in CHOICE]
        found = read(tmp_path, {"oneOf": [*lists, NULL]}, KINDS).root_fields["x"]
        assert (found.type, found.many) == ("(Car | Bike)[]", True)
        assert found.shape["nullable"]

    def test_inline_names(self, tmp_path: Path) -> None:
        """Objects in an option have its name in theirs."""
        found = read(tmp_path, {"oneOf": [CARD, IBAN]})
        assert [*found.entities] == ["Root", "Root.x.Card", "Root.x.2", "Root.x.2.bank"]


class TestOthers:
    """Other values become one shape."""

    @pytest.mark.parametrize(
        ("field", "shape", "kind"),
        [
            ({"anyOf": [TEXT, WHOLE]}, {"type": ["string", "integer"]}, "string | integer"),
            ({"oneOf": [TEXT, NULL]}, {"type": "string", "nullable": True}, "string"),
            (
                {"oneOf": [{"type": ["string", "null"]}, WHOLE]},
                {"type": ["string", "integer"], "nullable": True},
                "string | integer",
            ),
            (
                {"anyOf": [ref("Car"), TEXT]},
                {"type": ["string", "object"]},
                "Car | string",
            ),
            (
                {"type": ["string", "object"], "properties": {"y": TEXT}, "maxLength": 3},
                {"type": ["string", "object"], "maxLength": 3},
                "Root.x | string",
            ),
            (
                {"anyOf": [TEXT, {"type": "array", "items": ref("Car")}]},
                {"type": ["string", "array"]},
                "string | array",
            ),
            ({"anyOf": [ref("Car"), {"type": "object"}]}, {"type": "object"}, "object"),
        ],
    )
    def test_shape(self, tmp_path: Path, field: Schema, shape: Schema, kind: str) -> None:
        """The shape accepts what the options accept."""
        found = read(tmp_path, field, KINDS).root_fields["x"]
        assert found.type == kind
        assert {
            key: each for key, each in found.shape.items() if key != "additionalProperties"
        } == shape

    def test_listed_beside_objects(self, tmp_path: Path) -> None:
        """The same if the inner union cannot be one schema."""
        inner = {"anyOf": [*CHOICE, {"type": "string", "enum": ["a"]}]}
        found = read(tmp_path, {"oneOf": [inner, WHOLE]}, KINDS).root_fields["x"]
        assert found.variants == ("Car", "Bike")
        assert found.shape["anyOf"] == [
            {"type": "string", "enum": ["a"]},
            WHOLE,
            {"type": "object"},
        ]

    def test_several_objects_in_a_shape(self, tmp_path: Path) -> None:
        """A union in a union that has another type beside its objects keeps both."""
        field = {"oneOf": [{"anyOf": [*CHOICE, WHOLE]}, {"enum": ["a"]}]}
        found = read(tmp_path, field, KINDS).root_fields["x"]
        assert found.variants == ("Car", "Bike")
        assert found.shape["anyOf"] == [
            WHOLE,
            {"type": "string", "enum": ["a"]},
            {"type": "object"},
        ]

    @pytest.mark.parametrize(
        ("shapes", "made"),
        [
            ([TEXT, TEXT], TEXT),
            ([TEXT, {"type": "string", "enum": ["a"]}], TEXT),
            ([{"type": "number"}, {"type": "integer", "minimum": 3}], {"type": "number"}),
            ([{}, TEXT], {}),
            ([{"enum": ["a"]}, {"enum": ["b", "a"]}], {"type": "string", "enum": ["a", "b"]}),
            (
                [{"enum": ["a"]}, {"enum": [1, 2.5, True]}],
                {"type": ["string", "integer", "number", "boolean"], "enum": ["a", 1, 2.5, True]},
            ),
            (
                [NAME, COUNT],
                {"type": ["string", "integer"], "maxLength": 6, "minimum": 0, "maximum": 9},
            ),
            (
                [NAME, {"type": "string", "pattern": "a"}],
                {"anyOf": [NAME, {"type": "string", "pattern": "a"}]},
            ),
            (
                [COUNT, {"type": "number", "minimum": 30}],
                {"anyOf": [COUNT, {"type": "number", "minimum": 30}]},
            ),
            (
                [{"anyOf": [NAME, COUNT]}, {"type": "boolean"}],
                {
                    "type": ["string", "integer", "boolean"],
                    "maxLength": 6,
                    "minimum": 0,
                    "maximum": 9,
                },
            ),
            (
                [{"type": "string", "format": "date"}, WHOLE],
                {"anyOf": [{"type": "string", "format": "date"}, WHOLE]},
            ),
            (
                [{"enum": [[1]]}, {"enum": [{"a": 1}]}],
                {"type": ["array", "object"], "enum": [[1], {"a": 1}]},
            ),
        ],
    )
    def test_either(self, shapes: list[dict[str, Any]], made: Schema) -> None:
        """One schema where it accepts the same values, and anyOf where it does not."""
        assert either(shapes) == made


class TestRefused:
    """What cannot be compiled has a problem with its place."""

    @pytest.mark.parametrize(
        ("field", "schemas", "place"),
        [
            (ref("Loop"), {"Loop": {"oneOf": [ref("Loop"), ref("Car")]}}, '"oneOf"'),
            (
                {"oneOf": [ref("A"), ref("B")]},
                {name: entity("y", z={"oneOf": [ref("A"), ref("B")]}) for name in "AB"},
                '"x"',
            ),
        ],
    )
    def test_refused(
        self, tmp_path: Path, field: Schema, schemas: Mapping[str, Schema], place: str
    ) -> None:
        """A choice of itself, and variants that would have to be tried in many combinations."""
        with pytest.raises(SpecError) as caught:
            read(tmp_path, field, {**KINDS, **schemas})
        problem = caught.value.problems[0]
        text = (tmp_path / "openapi.json").read_text()
        assert text[: problem.column - 1].rstrip().endswith(f"{place}:")

    @pytest.mark.parametrize(
        "mapping",
        [
            {"b": "#/components/schemas/Bik"},
            {"b": "Bik"},
            {"b": "https://example.org/Bike"},
            {"b": 5},
            {"b": ["Bike"]},
            {"b": None},
            ["Bike"],
        ],
    )
    @pytest.mark.parametrize("is_union", [True, False])
    def test_mapping(self, tmp_path: Path, mapping: Any, *, is_union: bool) -> None:
        """What a mapping names must be a schema; it is refused once, at its place."""
        discriminator = {**BY_TYPE, "mapping": mapping}
        base = {"Base": {**entity("@type"), "discriminator": discriminator}}
        field = {"oneOf": CHOICE, "discriminator": discriminator} if is_union else ref("Base")
        with pytest.raises(SpecError) as caught:
            read(tmp_path, field, {**KINDS, **({} if is_union else base)})
        (problem,) = caught.value.problems
        text = (tmp_path / "openapi.json").read_text()
        place = '"b"' if isinstance(mapping, dict) else '"mapping"'
        assert text[: problem.column - 1].rstrip().endswith(f"{place}:")


class TestEntangled:
    """The fields whose variants cannot be found by trying each."""

    def test_depth(self) -> None:
        """Variants of variants are tried if they are few; the outer ones count for all."""
        entities = _levels(9)
        found = entangled(entities)
        assert [name for name, rows in entities.items() if id(rows.get("z")) in found] == [
            "E0a", "E0b", "E1a", "E1b",
        ]  # fmt: skip

    def test_told(self) -> None:
        """A member that one variant alone has tells it, so what is below it does not count."""
        rows = {"only": many("O O", "A", "B")}
        entities = {
            "A": {"only": _named("only", rows["only"])},
            "B": {"y": _named("y", row("O O", NAME))},
        }
        assert entangled(entities) == set()


def _named(name: str, field: Field) -> Field:
    return Field(**{**{key: getattr(field, key) for key in field.__slots__}, "name": name})


def _levels(count: int) -> dict[str, dict[str, Field]]:
    """Return entities each of which has two variants below it, which nothing tells."""
    made: dict[str, dict[str, Field]] = {}
    for level in range(count):
        below = [f"E{level + 1}{each}" for each in "ab"]
        is_last = level == count - 1
        field = row("O O", NAME) if is_last else row("O O", None, *below)
        made |= {f"E{level}{each}": {"z": _named("z", field)} for each in "ab"}
    return made
