"""The rows of the matrix are joined with the members of the shapes, and neither lacks any."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import pytest

from tests.support.small_spec import OPENAPI, Edit, _edited, _marks, loaded, refused
from ttrules.errors import SpecError
from ttrules.spec.load import load_with_notes

if TYPE_CHECKING:
    from pathlib import Path

#: What a message must name, and the edits that make the files wrong.
Case: TypeAlias = tuple[str, *tuple[Edit, ...]]

HEAD = "    Size:\n      type: object\n"
SIZE_REF = '"#/components/schemas/Size"'
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
    "an inline object without rows": (
        "Stop.place",
        Edit("openapi", STOP, "»place: {properties: {a: {}}}"),
    ),
    "an inline object in a list without rows": (
        "Stop.place",
        Edit("openapi", STOP, "place: {type: array, »items: {properties: {a: {}}}}"),
    ),
    "an entity without properties": (
        "no properties",
        Edit("openapi", SIZE, "    Size: »{type: string}\n"),
        Edit("openapi", '{$ref: "#/components/schemas/Size"}', "{}"),
    ),
    "a pattern that engines read differently": (
        "Parcel.label: not every engine reads '\\\\b'",
        Edit("openapi", 'pattern: "^[A-Z]+$"', 'pattern: »"^\\\\b+$"'),
    ),
    "a minimum above the maximum": (
        "Stop.place: no value is between minimum 5 and maximum 1",
        Edit("openapi", STOP, "place: {minimum: »5, maximum: 1}"),
    ),
    "exclusive bounds that meet": (
        "Stop.place",
        Edit("openapi", STOP, "place: {minimum: »5, exclusiveMaximum: true, maximum: 5}"),
    ),
    "a size above another": (
        "minItems 2",
        Edit("openapi", STOP, "place: {type: array, items: {}, minItems: »2, maxItems: 1}"),
    ),
    "sizes of a map": (
        "minProperties 2",
        Edit("openapi", STOP, "place: {type: object, minProperties: »2, maxProperties: 1}"),
    ),
    "sizes that allOf joins": (
        "minLength 5",
        Edit("openapi", STOP, "place: {allOf: [{minLength: »5}, {maxLength: 4}]}"),
    ),
    "a listed value of another type": (
        "Stop.place: enum[1] is not text: quote it",
        Edit("openapi", STOP, "place: {type: string, enum: [a, »5]}"),
    ),
    "a listed value of another type, of several": (
        "enum[0] is not a whole number or true or false",
        Edit("openapi", STOP, "place: {type: [integer, boolean], enum: [»1.5, true, 2.0]}"),
    ),
    "a constant of another type": (
        "const[0] is not text: quote it",
        Edit("openapi", STOP, "place: {type: string, const: »true}"),
    ),
    "nothing but null": ("only null", Edit("openapi", STOP, "place: {type: »'null'}")),
    "types that exclude each other": (
        "string and integer",
        Edit("openapi", STOP, "place: {allOf: [{type: string}, {type: »integer}]}"),
    ),
    "listed values that exclude each other": (
        "enum",
        Edit("openapi", STOP, "place: {allOf: [{enum: [a]}, {enum: »[b]}]}"),
    ),
    "formats that exclude each other": (
        "format",
        Edit("openapi", STOP, "place: {allOf: [{format: date}, {format: »uuid}]}"),
    ),
    "allOf in a ring": (
        "itself",
        Edit(
            "openapi",
            "Kind: {type: string, enum: [letter, box]}",
            'Kind: {allOf: [{$ref: "#/components/schemas/Sort"}]}\n'
            '    Sort: {allOf: [{$ref: »"#/components/schemas/Kind"}]}',
        ),
    ),
    "a reference to a URL": (
        "download the file",
        Edit("openapi", '"#/components/schemas/Stop"', '»"https://example.org/a.yaml#/Stop"'),
    ),
    "a reference without a scheme": (
        "download the file",
        Edit("openapi", '"#/components/schemas/Stop"', '»"//example.org/a.yaml"'),
    ),
    "an absolute path": (
        "relative",
        Edit("openapi", '"#/components/schemas/Stop"', '»"/etc/hosts#/Stop"'),
    ),
    "a file that is not there": (
        "no file",
        Edit("openapi", '"#/components/schemas/Stop"', '»"./more.yaml#/Stop"'),
    ),
    "an anchor": (
        "#/components/schemas/",
        Edit("openapi", '"#/components/schemas/Stop"', '»"#Stop"'),
    ),
    "a pointer with a wrong escape": (
        "JSON Pointer",
        Edit("openapi", '"#/components/schemas/Stop"', '»"#/components/schemas/St~op"'),
    ),
    "a reference to no schema": (
        "no schema",
        Edit("openapi", '"#/components/schemas/Stop"', '»"#/info/title"'),
    ),
    "a reference to a part that is not there": (
        "no part 'component'; did you mean 'components'?",
        Edit("openapi", '"#/components/schemas/Stop"', '»"#/component/schemas/Stop"'),
    ),
    "an item that is not there": (
        "no part '7'",
        Edit("openapi", '"#/components/schemas/Stop"', '»"#/components/schemas/Kind/enum/7"'),
    ),
    "a pattern of items": (
        "pattern",
        Edit("openapi", STOP, "place: {type: array, items: {type: string, pattern: »'a(?=b)'}}"),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_refused(name: str, tmp_path: Path) -> None:
    """What does not match is told once, where it stands, with its name."""
    says, *edits = WRONG[name]
    found = refused(tmp_path, *edits)
    assert found.told == found.marked
    assert any(says in message for message in found.messages)


@pytest.mark.parametrize(
    ("shape", "entity"),
    [
        ('{$ref: "#/components/schemas/Size"}', "Size"),
        ('{type: array, items: {$ref: "#/components/schemas/Parcel"}}', "Parcel"),
    ],
)
def test_in_itself(shape: str, entity: str, tmp_path: Path) -> None:
    """An object may contain itself, directly or in what it holds."""
    spec = loaded(tmp_path, Edit("openapi", "width: {type: integer}", f"width: {shape}"))
    assert spec.entities["Size"]["width"].entity == entity


def test_shared(tmp_path: Path) -> None:
    """An object may occur in two places, but not in itself."""
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


#: An edit of the document, and the notes that it causes: kind, what it is about, and detail.
NOTES: list[tuple[str, str, list[tuple[str, str, str]]]] = [
    (STOP, "place: {type: string, format: »iban}",
     [("unenforced", "Stop.place", "format iban")]),
    (STOP, "place: {type: string, format: »int32}",
     [("unenforced", "Stop.place", "format int32")]),
    (STOP, "place: {type: integer, format: »email}",
     [("unenforced", "Stop.place", "format email")]),
    (STOP, "place: {type: integer, format: int32}", []),
    (STOP, "place: {type: string, format: email}", []),
    (STOP, "place: {type: string, format: password}", []),
    (STOP, "place: {type: string, format: date, title: a, x-a: {b: 1}, xml: {}, examples: []}", []),
    (STOP, "place: {»not: {}, title: a}", [("unenforced", "Stop.place", "not")]),
    (STOP, "place: {type: array, »prefixItems: [{}]}",
     [("unenforced", "Stop.place", "prefixItems")]),
    (STOP, "place: {»propertyPattern: 1}", [("unenforced", "Stop.place", "propertyPattern")]),
    (STOP, "place: {»nullable: true}", [("unenforced", "Stop.place", "nullable")]),
    (STOP, "place: {type: string, nullable: false}", []),
    (STOP, "place: {type: string, enum: »[a, null]}",
     [("unenforced", "Stop.place", "null in enum")]),
    (STOP, "place: {type: string, default: »5}", [("default", "Stop.place", "default")]),
    (STOP, "place: {type: string, enum: [a], default: »b}", [("default", "Stop.place", "default")]),
    (STOP, "place: {type: [string, 'null'], default: null}", []),
    (STOP, "place: {enum: [1, a], default: a}", []),
    (STOP, "place: {type: array, items: {»if: {}}}", [("unenforced", "Stop.place", "if")]),
    (STOP, "place: {type: object, »patternProperties: {}}",
     [("unenforced", "Stop.place", "patternProperties")]),
    (STOP, "place: {type: string, contentEncoding: base64, contentMediaType: image/png}", []),
    (STOP, "place: {type: string, »contentEncoding: gzip}",
     [("unenforced", "Stop.place", "contentEncoding")]),
    (STOP, 'place: {$ref: "#/components/schemas/Kind", »maxLength: 5, description: a, x-a: 1}',
     [("unenforced", "Stop.place", "maxLength beside $ref")]),
    (STOP, "place: »false", [("unenforced", "Stop.place", "false")]),
    (STOP, "place: {type: string, readOnly: »true}",
     [("overruled", "Stop.place",
       "readOnly; R in Letter Add, R in Letter Change, R in Box Add")]),
    (HEAD, HEAD + "      »required: [width]\n", []),
    (HEAD, HEAD + "      required: »[height]\n",
     [("overruled", "Size.height",
       "required; O in Letter Add, O in Letter Change, O in Box Add")]),
    (HEAD, HEAD + "      required: »[depth]\n",
     [("overruled", "Size", "required: depth")]),
    (HEAD, HEAD + "      additionalProperties: »false\n",
     [("overruled", "Size", "additionalProperties")]),
    (HEAD, HEAD + "      additionalProperties: »{}\n",
     [("overruled", "Size", "additionalProperties")]),
    (HEAD, HEAD + "      additionalProperties: true\n", []),
    (HEAD, HEAD + "      minProperties: »1\n",
     [("unenforced", "Size", "minProperties")]),
    (HEAD, HEAD + "      enum: »[{}]\n", [("unenforced", "Size", "enum")]),
    (STOP, "place: {type: object, »const: {}}", [("unenforced", "Stop.place", "const")]),
    (STOP, "place: {type: array, items: {}, »enum: [[]]}",
     [("unenforced", "Stop.place", "enum")]),
    (HEAD, HEAD + "      »anyOf: [{required: [width]}, {required: [height], title: a}]\n",
     [("unenforced", "Size", "anyOf")]),
    (HEAD, HEAD + "      discriminator: »width\n",
     [("unenforced", "Size", "discriminator")]),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), NOTES)
def test_notes(old: str, new: str, expected: list[tuple[str, str, str]], tmp_path: Path) -> None:
    """What is not enforced, and what the matrix overrules, is noted with its place."""
    edit = Edit("openapi", old, new)
    loaded(tmp_path, edit)
    _, notes = load_with_notes(tmp_path / "openapi.yaml", tmp_path / "requirements.yaml")
    assert [(each.kind, each.about, each.detail) for each in notes] == expected
    marked = [place[1:] for place in _marks("openapi", _edited((edit,))["openapi"])]
    for each in notes:
        at = each.node.source.problem(each.node.place, "", key=marked != [])
        value = each.node.problem("")
        assert marked[0] in {(at.line, at.column), (value.line, value.column)}


def test_other_file(tmp_path: Path) -> None:
    """A schema may be in a file next to the document, whose own names do not mix with others."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a b.json").write_text(
        '{"components": {"schemas": {"Size": {"properties": {"a": {"$ref": "#/x/list"}}}}},'
        ' "x": {"list": {"type": "array", "items": {"$ref": "../leaf.yaml"}}}}'
    )
    (tmp_path / "leaf.yaml").write_text(
        "properties: {kind: {$ref: openapi.yaml#/components/schemas/Kind}}"
    )
    spec = loaded(
        tmp_path,
        Edit("openapi", STOP, "place: {$ref: more/a%20b.json#/components/schemas/Size}"),
        Edit(
            "requirements",
            "  Stop:\n",
            "  a b.Size: {a: [O, O, O]}\n  leaf: {kind: [O, O, O]}\n  Stop:\n",
        ),
    )
    assert spec.entities["Stop"]["place"].entity == "a b.Size"
    assert spec.entities["a b.Size"]["a"].type == "leaf[]"
    assert spec.entities["leaf"]["kind"].shape["enum"] == ["letter", "box"]


def test_wrong_other_file(tmp_path: Path) -> None:
    """A problem of another file is told in that file."""
    edits = [Edit("openapi", STOP, "place: {$ref: more.yaml#/a}")]
    for text, line in (
        ("a: [", 1),
        ("a:\n  type: nothing\n", 2),
        ("a: 5", None),
        ("a:\n- 1", None),
    ):
        (tmp_path / "more.yaml").write_text(text)
        with pytest.raises(SpecError) as caught:
            loaded(tmp_path, *edits)
        (problem,) = caught.value.problems
        assert problem.file == str(tmp_path / ("openapi.yaml" if line is None else "more.yaml"))
        assert line is None or problem.line >= line


class TestNames:
    """An inline object is called by its path; a name that is taken is made another one."""

    def test_path(self, tmp_path: Path) -> None:
        """Lists and maps on the way are not in the name."""
        inline = (
            "{type: array, items: {additionalProperties: {properties: {a: {properties: {b: {}}}}}}}"
        )
        spec = loaded(
            tmp_path,
            Edit("openapi", STOP, f"place: {inline}"),
            Edit(
                "requirements",
                "  Stop:\n",
                "  Stop.place: {a: [O, O, O]}\n  Stop.place.a: {b: [O, O, O]}\n  Stop:\n",
            ),
        )
        assert spec.entities["Stop"]["place"].type == "(map of Stop.place)[]"
        assert spec.entities["Stop.place"]["a"].entity == "Stop.place.a"

    def test_taken(self, tmp_path: Path) -> None:
        """A component may be called as an inline object would be."""
        spec = loaded(
            tmp_path,
            Edit("openapi", STOP, "place: {properties: {a: {}}}"),
            Edit("openapi", "    Kind: {", "    Stop.place: {properties: {b: {}}}\n    Kind: {"),
            Edit(
                "requirements",
                "  Stop:\n",
                "  Stop.place: {b: [P, P, P]}\n  Stop.place_: {a: [O, O, O]}\n  Stop:\n",
            ),
        )
        assert spec.entities["Stop"]["place"].entity == "Stop.place_"

    @pytest.mark.parametrize(
        "written",
        [
            '{$ref: "#/components/schemas/Alias"}',
            '{allOf: [{$ref: "#/components/schemas/Size"}], nullable: true, description: a}',
            '{type: object, allOf: [{$ref: "#/components/schemas/Alias"}], x-a: 1}',
        ],
    )
    def test_alias(self, written: str, tmp_path: Path) -> None:
        """Another name of a schema is that schema, unless the matrix has rows for it."""
        edits = [
            Edit("openapi", STOP, f"place: {written}"),
            Edit("openapi", "    Kind: {", f"    Alias: {{$ref: {SIZE_REF}}}\n    Kind: {{"),
        ]
        assert loaded(tmp_path, *edits).entities["Stop"]["place"].entity == "Size"
        rows = "  Alias:\n    width: [O, O, O]\n    height: [O, O, O]\n  Stop:\n"
        spec = loaded(tmp_path, *edits, Edit("requirements", "  Stop:\n", rows))
        assert spec.entities["Stop"]["place"].entity == ("Alias" if "Alias" in written else "Size")

    def test_request(self, tmp_path: Path) -> None:
        """A reference into a request or a response names its method, path and status."""
        body = "{content: {application/json: {schema: {properties: {a: {}}}}}}"
        spec = loaded(
            tmp_path,
            Edit(
                "openapi", "paths: {}", f"paths: {{/x: {{get: {{responses: {{'200': {body}}}}}}}}}"
            ),
            Edit(
                "openapi",
                STOP,
                "place: {$ref: '#/paths/~1x/get/responses/200/content/application~1json/schema'}",
            ),
            Edit("requirements", "  Stop:\n", "  GET /x 200: {a: [O, O, O]}\n  Stop:\n"),
        )
        assert spec.entities["Stop"]["place"].entity == "GET /x 200"

    def test_other_component(self, tmp_path: Path) -> None:
        """A component that is no schema has its kind in the name."""
        spec = loaded(
            tmp_path,
            Edit(
                "openapi",
                "  schemas:\n",
                "  headers: {Stop: {schema: {properties: {a: {}}}}}\n  schemas:\n",
            ),
            Edit("openapi", STOP, "place: {$ref: '#/components/headers/Stop/schema'}"),
            Edit("requirements", "  Stop:\n", "  headers.Stop: {a: [O, O, O]}\n  Stop:\n"),
        )
        assert spec.entities["Stop"]["place"].entity == "headers.Stop"
