"""A spec file that has not its form is refused: where, and with what was expected there.

Each row makes one file wrong in one way; the sign » stands where the problem is to be told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.small_spec import TEXTS, Edit, loaded, refused
from ttrules.errors import SpecError
from ttrules.spec.load import load_spec
from ttrules.spec.yaml_source import form

if TYPE_CHECKING:
    from pathlib import Path

STOP = "place: {type: string}"
SIZE_ROWS = TEXTS["requirements"].partition("  Size:\n")[2].partition("  Stop")[0]
MOVES = "moves:\n" + TEXTS["lifecycle"].partition("moves:\n")[2].partition("events")[0]
WHEN = "{field: weight, of: parent, exists: true}"

#: The file that is wrong; what the message names; a piece of the file; what stands there instead.
ROWS: list[tuple[str, str, str, str]] = [
    ("requirements", "'X'", "place: [R,", "place: [»X,"),
    ("requirements", "'r'", "place: [R,", "place: [»r,"),
    ("requirements", "R, O, P, PD, R/PD, O/PD, P/PD, -", "place: [R,", "place: [»1,"),
    ("requirements", "null", '["-", "-", R]', '[»~, "-", R]'),
    ("requirements", "a list", "width: [R, R, R]", "width: »R"),
    ("requirements", "a mapping", SIZE_ROWS, "    »[]\n"),
    ("requirements", "either root", "matrix: 1\nroot: Parcel", "»matrix: 1"),
    ("requirements", "1 was expected", "matrix: 1", "matrix: »2"),
    ("requirements", "1 was expected", "matrix: 1", "matrix: »true"),
    ("requirements", "empty", "root: Parcel", 'root: »""'),
    ("requirements", "text", "root: Parcel", "root: »1"),
    ("requirements", "'colour'", "root: Parcel", "root: Parcel\n»colour: red"),
    ("requirements", "'colour'", "matrix: 1", "matrix: 1\ndocument: {title: a, »colour: red}"),
    ("requirements", "text", "matrix: 1", "matrix: 1\ndocument: {version: »1.6}"),
    ("requirements", "empty", "processes: [Letter Add, Letter Change, Box Add]", "processes: »[]"),
    ("requirements", "once", "[Letter Add, Letter Change, Box Add]", "»[Box Add, A, Box Add]"),
    ("requirements", "[A-Za-z0-9]", "Letter Change, Box Add]", 'Letter Change, »"?"]'),
    ("requirements", "processes[1]: text", "Letter Change, Box Add]", "»[A], Box Add]"),
    ("interpretation", "1 was expected", "interpretation: 1", "interpretation: »1.5"),
    ("interpretation", "'condition_s'", "conditions:", "»condition_s:"),
    ("interpretation", "'operation'", "{operation: add, value: box}", "»{value: box}"),
    (
        "interpretation",
        "'delete'",
        "{operation: add, value: box}",
        "{operation: »delete, value: b}",
    ),
    ("interpretation", "no value 1", "value: box}", "value: »1}"),
    (
        "interpretation",
        "'when_'",
        "{operation: add, value: box}",
        "{operation: add, value: box, »when_: 1}",
    ),
    ("interpretation", "'some_of'", "relation: at_least_one", "relation: »some_of"),
    ("interpretation", "empty", "fields: [code, sign]", "fields: »[]"),
    ("interpretation", "once", "fields: [code, sign]", "fields: »[code, code]"),
    ("interpretation", "empty", "processes: [Letter Add]", "processes: »[]"),
    ("interpretation", "empty", "reason: A stop is known by one of them.", 'reason: »""'),
    ("interpretation", "'entity'", "  - entity: Stop\n    fields", "  - »fields"),
    ("interpretation", "exactly one of exists", WHEN, "»{field: weight, of: parent}"),
    (
        "interpretation",
        "exactly one of exists",
        WHEN,
        "»{field: weight, of: parent, in: [1], equals: 1}",
    ),
    ("interpretation", "'field'", WHEN, "»{of: parent, equals: 1}"),
    ("interpretation", "'child'", WHEN, "{field: weight, of: »child, equals: 1}"),
    ("interpretation", "true or false", WHEN, "{field: weight, exists: »maybe}"),
    ("interpretation", "a number", WHEN, "{field: weight, equals: »~}"),
    ("interpretation", "empty", WHEN, "{field: weight, in: »[]}"),
    ("interpretation", "in[1]", WHEN, "{field: weight, in: [1, »[2]]}"),
    ("interpretation", "'tell'", "policy: warn", "policy: »tell"),
    ("interpretation", "a list", "{Parcel: [label]}", "{Parcel: »label}"),
    ("interpretation", "'allowed_when'", "{allowed_when: never, reason", "»{reason"),
    ("interpretation", "'always'", "allowed_when: never", "allowed_when: »always"),
    ("interpretation", "'Stop'", "fields: [Stop.sign]", "fields: [»Stop]"),
    ("interpretation", "'topic'", "{topic: Signs, decision", "»{decision"),
    (
        "lifecycle",
        "'initial'",
        "lifecycle: 1\nfield: state\ninitial: posted",
        "»lifecycle: 1\nfield: state",
    ),
    ("lifecycle", "empty", MOVES, "moves: »{}\n"),
    ("lifecycle", "'to'", "{to: found, by", "»{by"),
    ("lifecycle", "'nobody'", "by: [provider]", "by: [»nobody]"),
    ("lifecycle", "empty", "by: [provider]", "by: »[]"),
    ("lifecycle", "'who'", "by: [provider]", "»who: [provider]"),
    ("lifecycle", "a list", "found: []", "found: »~"),
    ("lifecycle", "true", "{any: true}", "{any: »false}"),
    ("lifecycle", "more than 1", "{any: true}", "»{any: true, other: true}"),
    ("lifecycle", "empty", "{any: true}", "»{}"),
    ("openapi", "write 3.0.3", "openapi: 3.0.3", 'openapi: »"3.0"'),
    ("openapi", "write 3.0.3", "openapi: 3.0.3", "openapi: »3.1"),
    ("openapi", "'4.0.0'", "openapi: 3.0.3", "openapi: »4.0.0"),
    ("openapi", "'2.0.0'", "openapi: 3.0.3", "openapi: »2.0.0"),
    ("openapi", "swagger2openapi", "openapi: 3.0.3", '»swagger: "2.0"'),
    ("openapi", "text", 'version: "7"', "version: »7"),
    ("openapi", "'title'", "{title: Parcels, ", "»{"),
    # What the matrix rules is looked into.
    ("openapi", "empty", STOP, "place: {type: string, allOf: »[]}"),
    ("openapi", "a list", "    Size:\n      type: object\n", "    Size:\n      required: »true\n"),
    ("openapi", "'file'", STOP, "place: {type: »file}"),
    ("openapi", "'texts'", STOP, "place: {type: [string, »texts]}"),
    ("openapi", "empty", STOP, "place: {type: »[]}"),
    ("openapi", "empty", STOP, "place: {enum: »[]}"),
    ("openapi", "a whole number", STOP, "place: {type: string, maxLength: »1.5}"),
    ("openapi", "minimum of 0", STOP, "place: {type: string, maxLength: »-1}"),
    ("openapi", "minimum of 0", STOP, "place: {type: number, multipleOf: »0}"),
    ("openapi", "true or false or a number", STOP, "place: {type: number, exclusiveMinimum: »no_}"),
    ("openapi", "text", STOP, "place: {description: »1}"),
    ("openapi", "a mapping", STOP, "place: {type: array, items: »[{type: string}]}"),
    ("openapi", "empty", STOP, "place: {type: array, items: {anyOf: »[]}}"),
    # A keyword with a typing error is none that is merely unknown.
    ("openapi", "'maxLength'", STOP, "place: {type: string, »maxLenght: 5}"),
    ("openapi", "'additionalProperties'", STOP, "place: {»additionalproperties: false}"),
    # A shape that is referred to is looked into as well.
    ("openapi", "empty", "Kind: {type: string, enum: [letter, box]}", "Kind: {enum: »[]}"),
]


@pytest.mark.parametrize(("file", "says", "old", "new"), ROWS)
def test_refused(file: str, says: str, old: str, new: str, tmp_path: Path) -> None:
    """Each mistake is told once, at its place, and names what is wrong or was expected."""
    found = refused(tmp_path, Edit(file, old, new))
    assert found.told == found.marked
    assert says in found.messages[0]


@pytest.mark.parametrize("file", TEXTS)
@pytest.mark.parametrize("text", ["", "--- \n", "[]", "text", "1"])
def test_no_mapping(file: str, text: str, tmp_path: Path) -> None:
    """A file that is no mapping at all is refused at its beginning."""
    found = refused(tmp_path, Edit(file, TEXTS[file], text))
    assert [name for name, _, _ in found.told] == [file]
    assert "a mapping was expected" in found.messages[0]


@pytest.mark.parametrize("file", TEXTS)
def test_empty_mapping(file: str, tmp_path: Path) -> None:
    """Every key that a file must have is told."""
    found = refused(tmp_path, Edit(file, TEXTS[file], "{}"))
    must = form(file)["required"]
    assert found.told == [(file, 1, 1)] * len(must)
    assert all(any(repr(key) in message for message in found.messages) for key in must)


def test_all_files_at_once(tmp_path: Path) -> None:
    """Problems of all files are told together, in the order of file, line and column."""
    found = refused(
        tmp_path,
        Edit("requirements", "root: Parcel", "root: »1"),
        Edit("lifecycle", "initial: posted", "initial: »1"),
        Edit("openapi", "Parcels", "»1"),
        Edit(
            "interpretation", "policy: warn, reason: As it is.", "policy: »x, »colour: x, reason: y"
        ),
    )
    assert found.told == found.marked
    assert len(found.told) == 5


def test_unreadable_files_at_once(tmp_path: Path) -> None:
    """Files that cannot be read are told together as well, before the forms of the others."""
    found = refused(
        tmp_path,
        Edit("requirements", "root: Parcel", "root: »*gone"),
        Edit("lifecycle", "initial: posted", "initial: 1"),
        Edit("openapi", "title: Parcels", "title: Parcels, »title: Parcels"),
    )
    assert found.told == found.marked


def test_other_parts_of_openapi(tmp_path: Path) -> None:
    """What the matrix does not rule is not looked into."""
    spec = loaded(
        tmp_path,
        Edit("openapi", "paths: {}", "paths: {/x: {get: nonsense}}\nx-more: 1"),
        Edit(
            "openapi", "    Kind: {", "    Else: {allOf: [{not: {}}], required: [a]}\n    Kind: {"
        ),
        Edit("openapi", STOP, "place: {type: string, x-ours: {a: 1}, example: [], default: 1}"),
    )
    assert spec.entities["Stop"]["place"].shape["type"] == "string"


def test_missing_file(tmp_path: Path) -> None:
    """A spec file that is not there is a problem like any other."""
    loaded(tmp_path)
    (tmp_path / "lifecycle.yaml").unlink()
    with pytest.raises(SpecError) as caught:
        load_spec(**{name: tmp_path / f"{name}.yaml" for name in TEXTS})
    (problem,) = caught.value.problems
    assert problem.file == str(tmp_path / "lifecycle.yaml")
    assert (problem.line, problem.column) == (1, 1)
