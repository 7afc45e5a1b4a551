"""How processes are selected: what is refused, with the place and what to write instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.order_spec import SPECS, spec
from tests.support.small_spec import Edit, loaded, refused
from ttrules.errors import SpecError

if TYPE_CHECKING:
    from pathlib import Path

BOX = "Box Add: {operation: add, value: box}"
LETTER = "Letter Add: {operation: add, value: letter}"
NESTED = 'size: {$ref: "#/components/schemas/Size"}'

#: What the message names, and edits of the interpretation.
REFUSED: list[tuple[str, list[tuple[str, str]]]] = [
    # The field.
    ("value needs the field", [("  field: kind\n", ""), ("value: box", "»value: box"),
                               (LETTER, LETTER.replace("value", "»value")),
                               ("change, value: letter", "change, »value: letter")]),
    ("no field 'kin'; did you mean 'kind'?", [("field: kind", "field: »kin")]),
    ("did you mean 'width'?", [("field: kind", "field: »/size/widths")]),
    ("a nested field is written /size/width", [("field: kind", "field: »size.width")]),
    ("/size is an object: name one of its members", [("field: kind", "field: »size")]),
    ("/stops is a list", [("field: kind", "field: »/stops/place")]),
    ("/kind is not an object", [("field: kind", "field: »/kind/x")]),
    ("not a JSON Pointer", [("field: kind", "field: »/a~2")]),
    ("weight is not text, an integer or a boolean", [("field: kind", "field: »weight")]),
    # The values.
    ("'bix'; did you mean 'box'?", [("value: box", "values: [box, »bix]")]),
    ("value and values: write one", [("value: box", "value: box, »values: [box]")]),
    ("value and otherwise: write one", [("value: box", "value: box, »otherwise: true")]),
    ("selected by the same values", [(BOX, "»Box Add: {operation: add, values: [box, letter]}")]),
    ("selected by the same payloads", [(LETTER, "Letter Add: {operation: add, otherwise: true}"),
                                       (BOX, "»Box Add: {operation: add, otherwise: true}")]),
    ("selected by the same payloads", [(LETTER, "Letter Add: {operation: add}"),
                                       (BOX, "»Box Add: {operation: add}")]),
    ("write otherwise: true", [(BOX, "»Box Add: {operation: add}")]),
    ("every value of kind", [(LETTER, "Letter Add: {operation: add, values: [letter, box]}"),
                             (BOX, "Box Add: {operation: add, »otherwise: true}")]),
    # The other keys.
    ("leave add out", [("add, value: box", "add, value: box, »add: Letter Add")]),
    ("'Lettre Add'; did you mean 'Letter Add'?",
     [("change, value: letter", "change, value: letter, add: »Lettre Add")]),
    ("no Add process 'Letter Change'",
     [("change, value: letter", "change, value: letter, add: »Letter Change")]),
    ("'Letter Add' has the same root", [(BOX, "Box Add: {operation: »action}")]),
    ("no request 'POST /parcels'", [("value: box", "value: box, request: »POST /parcels")]),
]  # fmt: skip


@pytest.mark.parametrize(("says", "edits"), REFUSED)
def test_refused(says: str, edits: list[tuple[str, str]], tmp_path: Path) -> None:
    """Each mistake of a selection is told once, at its place, with what to write instead."""
    found = refused(tmp_path, *(Edit("interpretation", *each) for each in edits))
    assert found.told == found.marked
    assert says in found.messages[0]


@pytest.mark.parametrize(
    ("says", "old", "new"),
    [
        ("either root, or roots", "root: Parcel", "root: Parcel\n»roots: {}"),
        ("did you mean 'Parcel'?", "root: Parcel",
         "roots: {Letter Add: »Parcl, Letter Change: Parcel, Box Add: Parcel}"),
        ("'Box'; did you mean 'Box Add'?", "root: Parcel",
         "roots: {Letter Add: Parcel, Letter Change: Parcel, Box Add: Parcel, »Box: Parcel}"),
        ("'Box Add' has no root", "root: Parcel",
         "»roots: {Letter Add: Parcel, Letter Change: Parcel}"),
        ("did you mean 'Parcel'?", "root: Parcel", "root: »Parce"),
    ],
)  # fmt: skip
def test_roots_refused(says: str, old: str, new: str, tmp_path: Path) -> None:
    """A root has rows, and each process has one."""
    found = refused(tmp_path, Edit("requirements", old, new))
    assert found.told == found.marked
    assert says in found.messages[0]


def test_request_suggested(tmp_path: Path) -> None:
    """A request that the document does not have is refused with the nearest one."""
    files = SPECS["roots"]
    wrong = files._replace(interpretation=files.interpretation.replace("/cancel", "/cancels"))
    with pytest.raises(SpecError) as caught:
        wrong.load(tmp_path)
    (problem,) = caught.value.problems
    assert "did you mean 'POST /orders/{id}/cancel'?" in problem.message


def test_odd_documents(tmp_path: Path) -> None:
    """Parts of the document that are not as OpenAPI asks do not matter here."""
    for paths in (
        "paths: 1",
        "paths: {/x: 1, /y: {post: 1}, /z: {post: {requestBody: 1}}}",
        "paths: {/x: {post: {requestBody: {content: {a: 1, b: {schema: 1}}}}}}",
    ):
        edit = Edit("openapi", "paths: {}", paths)
        matrix = loaded(tmp_path, edit, without=("interpretation", "lifecycle"))
        assert {each.operation for each in matrix.processes} == {None}


def test_operations_of_the_document(tmp_path: Path) -> None:
    """Without a selection, roots of one process have the operation of their requests."""
    bare = SPECS["roots"]._replace(interpretation="")
    matrix = bare.load(tmp_path).matrix
    assert [(each.name, each.operation, each.root) for each in matrix.processes] == [
        ("Create", "add", None),
        ("Update", "change", "ParcelUpdate"),
        ("Cancel", "add", "Cancel"),  # a POST, as far as the document tells
    ]
    shared = spec("", "One", "Two")._replace(interpretation="").load(tmp_path).matrix
    assert {each.operation for each in shared.processes} == {None}


@pytest.mark.parametrize(
    ("name", "request_", "entity", "processes"),
    [
        ("one process", "post /orders", "Order", ["Order"]),
        ("one process", "PATCH /orders/{id}", "Order", ["Order"]),
        ("one process", "post /orders/{id}/cancel", "Cancel", []),
        ("operations", "post /orders", "Order", ["Create"]),
        ("operations", "patch /orders/{id}", "Order", ["Update"]),
        ("operations", "PUT /orders/{id}", "Order", ["Put"]),
        ("operations", "delete /orders/{id}", "Order", []),
        ("values", "post /orders", "Order", ["Plain", "Several", "Rest"]),
        ("roots", "post /parcels", "ParcelCreate", ["Create"]),
        ("roots", "patch /parcels/{id}", "ParcelUpdate", ["Update"]),
        ("roots", "post /orders/{id}/cancel", "Cancel", ["Cancel"]),
        ("roots", "post /elsewhere", "Cancel", []),
    ],
)
def test_ruling(
    name: str, request_: str, entity: str, processes: list[str], tmp_path: Path
) -> None:
    """A request is ruled by the processes that name it, or by those of its method and root."""
    matrix = SPECS[name].load(tmp_path).matrix
    method, path = request_.split()
    assert [each.name for each in matrix.ruling(method, path, entity)] == processes


def test_ruling_without_selection(tmp_path: Path) -> None:
    """Several processes without an operation rule no request, because none of them is chosen."""
    matrix = spec("", "One", "Two").load(tmp_path).matrix
    assert matrix.ruling("post", "/orders", "Order") == ()


def test_other_roots(tmp_path: Path) -> None:
    """Lists, their defaults and the status belong to the root that has them."""
    matrix = loaded(
        tmp_path,
        Edit(
            "requirements",
            "root: Parcel",
            "roots: {Letter Add: Parcel, Letter Change: Parcel, Box Add: Size}",
        ),
        Edit("requirements", "place: [R, R, R]", 'place: [R, R, "-"]'),
        Edit(
            "interpretation",
            "Box Add: {operation: add, value: box}",
            "Box Add: {operation: action}",
        ),
        Edit(
            "interpretation",
            "immutable: {",
            "append_only: {fields: {Parcel: [stops]}, reason: x, defaults: {Stop: {place: here}}}"
            "\nimmutable: {",
        ),
    )
    assert matrix.roots == ("Parcel", "Size")
    assert matrix.selecting_cells("Letter Add") == [("Parcel", "kind")]
    assert matrix.selecting_cells("Box Add") == []
    assert matrix.defaults == {"Stop": {"place": "here"}}
    assert [matrix.root_of(name) for name in matrix.names] == ["Parcel", "Parcel", "Size"]
