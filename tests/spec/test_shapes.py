"""The rows of the matrix are joined with the members of the shapes, and neither lacks any."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import pytest

from tests.support.small_spec import OPENAPI, Edit, loaded, refused

if TYPE_CHECKING:
    from pathlib import Path

#: What a message must name, and the edits that make the files wrong.
Case: TypeAlias = tuple[str, *tuple[Edit, ...]]

STOP = "place: {type: string}"
SIZE = "    Size:" + OPENAPI.partition("    Size:")[2].partition("    Stop")[0]

WRONG: dict[str, Case] = {
    "a missing cell": (
        "Stop.code has 2 cells; 3",
        Edit("requirements", "code: [PD, PD, O]", "code: »[PD, O]"),
    ),
    "a cell too many": (
        "Stop.code has 4 cells; 3",
        Edit("requirements", "code: [PD, PD, O]", "code: »[PD, O, PD, O]"),
    ),
    "a row without cells": (
        "Stop.code has 0 cells",
        Edit("requirements", "code: [PD, PD, O]", "code: »[]"),
    ),
    "two processes of one short form": (
        "'letter  add'",
        Edit("requirements", "[Letter Add, Letter Change,", '[Letter Add, »"letter  add",'),
    ),
    "a process that is called as the book": (
        "'Book!'",
        Edit("requirements", "[Letter Add, Letter Change,", "[Letter Add, »Book!,"),
    ),
    "a root without rows": (
        "did you mean 'Parcel'?",
        Edit("requirements", "root: Parcel", "root: »Parcels"),
    ),
    "a row without a member": (
        "'height'; did you mean 'heights'?",
        Edit("requirements", "    height:", "    »height:"),
        Edit("openapi", "        height: {type: integer}", "        »heights: {type: integer}"),
    ),
    "a member without a row": (
        "Size.depth",
        Edit("openapi", "height: {type: integer}", "height: {type: integer}\n        »depth: {}"),
    ),
    "an entity without a shape": (
        "'Size'",
        Edit("openapi", SIZE, ""),
        Edit("openapi", '"#/components/schemas/Size"', '»"#/components/schemas/Size"'),
        Edit("requirements", "  Size:", "  »Size:"),
    ),
    "a shape without rows": (
        "Size",
        Edit("requirements", "  Size:\n    width: [R, R, R]\n    height: [O, O, O]\n", ""),
        Edit("openapi", "    Size:", "    »Size:"),
    ),
    "a reference to nothing": (
        "'Stops'; did you mean 'Stop'?",
        Edit("openapi", '"#/components/schemas/Stop"', '»"#/components/schemas/Stops"'),
    ),
    "a reference to itself": (
        "'Kind'",
        Edit(
            "openapi",
            "Kind: {type: string, enum: [letter, box]}",
            'Kind: {$ref: »"#/components/schemas/Kind"}',
        ),
    ),
    "references in a ring": (
        "'Kind'",
        Edit(
            "openapi",
            "Kind: {type: string, enum: [letter, box]}",
            'Kind: {$ref: "#/components/schemas/Sort"}\n'
            '    Sort: {$ref: »"#/components/schemas/Kind"}',
        ),
    ),
    "an object without a name": (
        "$ref",
        Edit("openapi", STOP, "place: »{type: object}"),
    ),
    "a list of objects without a name": (
        "$ref",
        Edit("openapi", STOP, "place: {type: array, items: »{type: object}}"),
    ),
    "a list of lists": (
        "lists",
        Edit("openapi", STOP, "place: {type: array, items: »{type: array, items: {}}}"),
    ),
    "a list of lists, by name": (
        "lists",
        Edit("openapi", STOP, 'place: {type: array, items: {$ref: "#/components/schemas/All"}}'),
        Edit("openapi", "    Kind: {", "    All: »{type: array, items: {}}\n    Kind: {"),
    ),
    "a pattern that engines read differently": (
        "pattern",
        Edit("openapi", 'pattern: "^[A-Z]+$"', 'pattern: »"^\\\\s+$"'),
    ),
    "a pattern of items": (
        "pattern",
        Edit("openapi", STOP, "place: {type: array, items: {type: string, pattern: »'a(?=b)'}}"),
    ),
    "an object in itself": (
        "Size",
        Edit("openapi", "width: {type: integer}", 'width: »{$ref: "#/components/schemas/Size"}'),
    ),
    "an object in what it holds": (
        "Parcel",
        Edit(
            "openapi",
            "width: {type: integer}",
            'width: »{type: array, items: {$ref: "#/components/schemas/Parcel"}}',
        ),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_refused(name: str, tmp_path: Path) -> None:
    """What does not match is told once, where it stands, with its name."""
    says, *edits = WRONG[name]
    found = refused(tmp_path, *edits)
    assert found.told == found.marked
    assert any(says in message for message in found.messages)


def test_in_itself_out_of_reach(tmp_path: Path) -> None:
    """What holds itself is refused even where no payload would reach it, and told once."""
    found = refused(
        tmp_path,
        Edit(
            "openapi",
            "    Kind: {",
            "    Loop: {properties: {a: »{$ref: '#/components/schemas/Loop'}}}\n    Kind: {",
        ),
        Edit("requirements", "  Stop:\n", "  Loop:\n    a: [P, P, P]\n  Stop:\n"),
    )
    assert found.told == found.marked


def test_shared(tmp_path: Path) -> None:
    """An object may stand in two places, as long as it is not in itself."""
    spec = loaded(
        tmp_path,
        Edit("openapi", STOP, 'place: {$ref: "#/components/schemas/Size"}'),
    )
    assert spec.entities["Stop"]["place"].entity == "Size"
    assert spec.entities["Parcel"]["size"].entity == "Size"


def test_fields(tmp_path: Path) -> None:
    """A field has its shape with references followed, its entity, and its codes by process."""
    spec = loaded(
        tmp_path,
        Edit("openapi", "Kind: {type", "Kind: {description: From Kind., type"),
        Edit("openapi", "weight: {", "weight: {description: In grams., "),
    )
    kind, weight = spec.entities["Parcel"]["kind"], spec.entities["Parcel"]["weight"]
    size, stops = spec.entities["Parcel"]["size"], spec.entities["Parcel"]["stops"]
    assert kind.shape["enum"] == ["letter", "box"]
    assert (kind.description, weight.description, size.description) == (
        "From Kind.",
        "In grams.",
        "",
    )
    assert weight.requirements == {"Letter Add": "-", "Letter Change": "-", "Box Add": "R"}
    assert (kind.entity, size.entity, stops.entity) == (None, "Size", "Stop")
    assert (kind.many, size.many, stops.many) == (False, False, True)
    assert list(spec.entities["Stop"]) == ["place", "code", "sign"]


def test_own_description(tmp_path: Path) -> None:
    """A description beside a reference goes before that of what is referred to."""
    spec = loaded(
        tmp_path,
        Edit("openapi", "Kind: {type", "Kind: {description: From Kind., type"),
        Edit("openapi", 'Kind"}', 'Kind", description: My own.}'),
    )
    assert spec.entities["Parcel"]["kind"].description == "My own."


def test_source(tmp_path: Path) -> None:
    """The matrix is told by its section of the document, else by the name of its file."""
    named = Edit(
        "requirements", "matrix: 1", "matrix: 1\ndocument: {title: Post, section: Table 2}"
    )
    assert loaded(tmp_path, named).source == "Table 2"
    assert loaded(tmp_path).source == "requirements.yaml"
