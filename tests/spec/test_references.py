"""Whatever interpretation and lifecycle name must be there, and must make sense there.

Each row makes the files wrong in one way; the sign » stands where the problem is to be told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.small_spec import INTERPRETATION, TEXTS, Edit, loaded, refused
from ttrules.matrix import When

if TYPE_CHECKING:
    from pathlib import Path

BOX = "Box Add: {operation: add, value: box}"
CHANGE = "\n    »Box Ad: {operation: change, value: box}"
STATES = "state: {type: string, enum: [posted, lost, found]}"
WHEN = "{field: weight, of: parent, exists: true}"

#: What the message names, and the test of a condition on stops.
TESTS: list[tuple[str, str]] = [
    ("exactly one of exists, equals", "»{field: kind, of: root}"),
    ("'lettre'; did you mean 'letter'?", "{field: kind, of: root, equals: »lettre}"),
    ("'lettre'; did you mean 'letter'?", "{field: kind, of: root, not_equals: »lettre}"),
    ("'bax'; did you mean 'box'?", "{field: kind, of: root, in: [letter, »bax]}"),
    ("'bax'; did you mean 'box'?", "{field: kind, of: root, not_in: [»bax]}"),
    ("no value 1", "{field: kind, of: root, equals: »1}"),
    ('write "1" in quotes', "{field: place, equals: »1}"),
    ('write "true" in quotes', "{field: place, equals: »true}"),
    ("write 7 without quotes", '{field: weight, of: parent, equals: »"7"}'),
    ("no value 'heavy'", "{field: weight, of: parent, equals: »heavy}"),
    ("pattern", "{field: label, of: parent, equals: »low}"),
    ("stops is a list: write contains", "{field: stops, of: root, »equals: x}"),
    ("stops is a list: write contains", "{field: stops, of: root, »in: [x]}"),
    ("kind is not a list: write equals", "{field: kind, of: root, »contains: box}"),
    ("kind is not a list: write not_equals", "{field: kind, of: root, »not_contains: box}"),
    ("size is an object: write exists", "{field: size, of: root, equals: »x}"),
    ("objects of Stop", "{field: stops, of: root, contains: »x}"),
    ("'plac'; did you mean 'place'?", "{field: stops, of: root, contains: {»plac: x}}"),
    ('write "1" in quotes', "{field: stops, of: root, contains: {place: »1}}"),
]

#: How a list that only grows, and what its new items get, can stand before another section.
SECTION = "immutable: {"
GROWS = "append_only: {fields: {Parcel: [stops]}, reason: x, defaults: "


def grows(text: str) -> tuple[str, str]:
    """Return the beginning of a section, and that with append-only lists before it."""
    return SECTION, f"append_only: {{reason: x, fields: {text}}}\n{SECTION}"


def defaults(text: str) -> tuple[str, str]:
    """Return the beginning of a section, and that with defaults of new items before it."""
    return SECTION, f"{GROWS}{text}}}\n{SECTION}"


#: What the message names; a piece of the interpretation; what stands there instead.
INTERPRETATIONS: list[tuple[str, str, str]] = [
    # Selection.
    ("'kinds'; did you mean 'kind'?", "field: kind", "field: »kinds"),
    ("weight", "field: kind", "field: »weight"),
    ("'Box Ad'; did you mean 'Box Add'?", BOX, BOX + CHANGE),
    ("'boxes'; did you mean 'box'?", BOX, "Box Add: {operation: add, value: »boxes}"),
    ("'Letter Add'", BOX, "»Box Add: {operation: add, value: letter}"),
    # Conditions.
    ("'Stops'; did you mean 'Stop'?", "entity: Stop", "entity: »Stops"),
    ("'signs'; did you mean 'sign'?", "[code, sign]", "[code, »signs]"),
    ("'Letter Ad'; did you mean 'Letter Add'?", "[Letter Add]", "[Letter Change, »Letter Ad]"),
    ("at_least_one", "[code, sign]", "»[code]"),
    ("'wait'", WHEN, "{field: »wait, of: parent, exists: true}"),
    ("Parcel has no field 'place'", WHEN, "{field: »place, of: parent, exists: true}"),
    ("Parcel has no field 'code'", WHEN, "{field: »code, of: root, exists: true}"),
    ("Stop has no field 'weight'", WHEN, "{field: »weight, of: self, exists: true}"),
    ("Stop has no field 'weight'", WHEN, "{field: »weight, exists: true}"),
    # The other sections.
    ("'Parcel.labels'; did you mean 'Parcel.label'?", "{Parcel: [label]}", "{Parcel: [»labels]}"),
    ("'Box.label'", "{Parcel: [label]}", "{Box: [»label]}"),
    ("'codes'; did you mean 'code'?", "fields: [place, code]", "fields: [place, »codes]"),
    ("'Stop.signs'; did you mean 'Stop.sign'?", "[Stop.sign]", "[Stop.code, »Stop.signs]"),
    # Lists that only grow.
    ("'Parcel.stop'; did you mean 'Parcel.stops'?", *grows("{Parcel: [»stop]}")),
    ("size is not a list", *grows("{Parcel: [stops, »size]}")),
    ("label is not a list", *grows("{Parcel: [»label]}")),
    ("only lists of the root Parcel", *grows("{Parcel: [stops], »Stop: []}")),
    ("'Stops'; did you mean 'Stop'?", *defaults("{»Stops: {place: x}}")),
    ("'Size'", *defaults("{»Size: {width: x}}")),
    ("'plac'; did you mean 'place'?", *defaults("{Stop: {»plac: x}}")),
]

#: What the message names; a piece of the lifecycle; what stands there instead.
LIFECYCLES: list[tuple[str, str, str]] = [
    ("'stat'; did you mean 'state'?", "field: state", "field: »stat"),
    ("weight", "field: state", "field: »weight"),
    ("'post'; did you mean 'posted'?", "initial: posted", "initial: »post"),
    ("'lots'; did you mean 'lost'?", "    - to: lost", "    - to: »lots"),
    ("'los'; did you mean 'lost'?", "{to: lost}", "{to: »los}"),
    ("'gone'", "found: []", "found: []\n  »gone: []"),
    ("'posted'", "    - to: lost\n", "    - to: lost\n    - to: »lost\n"),
    ("'labels'; did you mean 'label'?", "events:", "final: {accepts: [label, »labels]}\nevents:"),
    ("final", "  found: []", "  found: [{to: lost}]\n»final: {accepts: []}"),
]


@pytest.mark.parametrize(("says", "old", "new"), INTERPRETATIONS)
def test_interpretation(says: str, old: str, new: str, tmp_path: Path) -> None:
    """What an interpretation names wrongly is told once, at its place, with its name."""
    found = refused(tmp_path, Edit("interpretation", old, new))
    assert found.told == found.marked
    assert says in found.messages[0]


@pytest.mark.parametrize(("says", "test"), TESTS)
def test_tests(says: str, test: str, tmp_path: Path) -> None:
    """A test that could never be true, or never false, is told at its value, with a suggestion."""
    found = refused(tmp_path, Edit("interpretation", WHEN, test))
    assert found.told == found.marked
    assert says in found.messages[0]


@pytest.mark.parametrize(
    ("old", "new", "says", "test"),
    [
        ("place: {type: string}", "place: {type: string, format: date}", "no value 'x'", "»x"),
        ("place: {type: string}", "place: {type: string, maxLength: 2}", "maxLength", "»long"),
        ("place: {type: string}", "place: {type: integer, maximum: 9}", "(maximum)", "»10"),
        ("place: {type: string}", "place: {type: boolean}", "true without", '»"true"'),
        ("place: {type: string}", "place: {}", "", "anything"),
    ],
)
def test_values_of_tests(old: str, new: str, says: str, test: str, tmp_path: Path) -> None:
    """A value is compared with the whole shape of the field: type, format, size and range."""
    edits = (
        Edit("openapi", old, new),
        Edit("interpretation", WHEN, f"{{field: place, equals: {test}}}"),
    )
    if not says:
        assert loaded(tmp_path, *edits).conditions
        return
    found = refused(tmp_path, *edits)
    assert found.told == found.marked
    assert says in found.messages[0]


def test_lists_of_texts(tmp_path: Path) -> None:
    """A list of plain values contains a value, not an object; lists below items are not tested."""
    lists = Edit(
        "openapi",
        "place: {type: string}",
        "place: {type: array, items: {type: string, enum: [a, b]}}",
    )
    field = Edit("interpretation", "fields: [place, code], reason", "fields: [code], reason")
    right = Edit("interpretation", WHEN, "{field: place, contains: b}")
    assert loaded(tmp_path, lists, field, right).conditions
    for test, says in (
        ("{field: place, contains: »{a: b}}", "no objects"),
        ("{field: place, contains: »c}", "no value 'c'"),
        ("{field: stops, of: root, contains: {»place: a}}", "not a single value"),
    ):
        found = refused(tmp_path, lists, field, Edit("interpretation", WHEN, test))
        assert found.told == found.marked
        assert says in found.messages[0]


def test_optional_of_plain_pd(tmp_path: Path) -> None:
    """Under a test, optional needs a code that tells what the field is otherwise."""
    edits = (
        Edit("interpretation", "[code, sign]", "[code]"),
        Edit("interpretation", "at_least_one", "»optional"),
    )
    found = refused(tmp_path, *edits)
    assert found.told == found.marked
    assert "R/PD" in found.messages[0]


@pytest.mark.parametrize(("says", "old", "new"), LIFECYCLES)
def test_lifecycle(says: str, old: str, new: str, tmp_path: Path) -> None:
    """What a lifecycle names wrongly is told once, at its place, with its name."""
    found = refused(tmp_path, Edit("lifecycle", old, new))
    assert found.told == found.marked
    assert says in found.messages[0]


@pytest.mark.parametrize(
    ("says", "old", "new"),
    [
        ("may not be sent", "place: [R, R, R]", "place: [P, R, R]"),
        ("may not be sent", "place: [R, R, R]", 'place: [R, R, "-"]'),
        ("is not text", "place: {type: string}", "place: {type: integer}"),
    ],
)
def test_defaults(says: str, old: str, new: str, tmp_path: Path) -> None:
    """A new item gets only what a sender may send, and texts only."""
    name = "openapi" if "type" in new else "requirements"
    wrong = Edit("interpretation", *defaults("{Stop: {»place: x}}"))
    found = refused(tmp_path, Edit(name, old, new), wrong)
    assert found.told == found.marked
    assert says in found.messages[0]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            '{$ref: "#/components/schemas/Stop"}',
            "{oneOf: [{type: string}, {$ref: '#/components/schemas/Stop'}]}",
        ),
        (
            '{$ref: "#/components/schemas/Stop"}',
            "{type: array, items: {$ref: '#/components/schemas/Stop'}}",
        ),
        ("    Stop:\n      type: object", "    Stop:\n      type: object\n      nullable: true"),
    ],
)
def test_growing_values(old: str, new: str, tmp_path: Path) -> None:
    """A list of more than objects cannot be append-only."""
    wrong = Edit("interpretation", *grows("{Parcel: [»stops]}"))
    found = refused(tmp_path, Edit("openapi", old, new), wrong)
    assert found.told == found.marked
    assert "stops is not a list of objects" in found.messages[0]


def test_growing(tmp_path: Path) -> None:
    """What is right about lists that only grow is in the spec, with its reason."""
    right = Edit("interpretation", *defaults("{Stop: {place: here}}"))
    spec = loaded(tmp_path, right, Edit("lifecycle", "events:", "final: {accepts: []}\nevents:"))
    assert spec.append_only == {"Parcel": ("stops",)}
    assert spec.defaults == {"Stop": {"place": "here"}}
    assert spec.reasons["append_only"] == "x"
    assert spec.lifecycle is not None
    assert spec.lifecycle["final"] == {"accepts": []}


class TestSelection:
    """How a process is chosen fits the field that chooses it."""

    def test_process_not_listed(self, tmp_path: Path) -> None:
        """A selection that is there says of every process when it is chosen."""
        found = refused(
            tmp_path,
            Edit("interpretation", f"    {BOX}\n", ""),
            Edit("interpretation", "  processes:\n", "  »processes:\n"),
        )
        assert found.told == found.marked
        assert "'Box Add'" in found.messages[0]

    def test_text_of_any_kind(self, tmp_path: Path) -> None:
        """A field without listed values may choose by any text."""
        spec = loaded(
            tmp_path,
            Edit("openapi", "{type: string, enum: [letter, box]}", "{type: string}"),
            Edit("interpretation", BOX, "Box Add: {operation: add, value: a box}"),
        )
        assert [process.value for process in spec.processes] == ["letter", "letter", "a box"]

    def test_listed_values_that_are_no_text(self, tmp_path: Path) -> None:
        """Listed values that are no text choose nothing, and are not offered."""
        found = refused(
            tmp_path,
            Edit("openapi", "enum: [letter, box]", "enum: [letter, null]"),
            Edit("interpretation", "value: box", 'value: »"nul"'),
        )
        assert found.told == found.marked
        assert "mean" not in found.messages[0]

    def test_unknown_field_and_values(self, tmp_path: Path) -> None:
        """Where the field is unknown its values are not looked at."""
        found = refused(
            tmp_path,
            Edit("interpretation", "field: kind", "field: »sort"),
            Edit("interpretation", "value: box", "value: crate"),
        )
        assert found.told == found.marked

    def test_none(self, tmp_path: Path) -> None:
        """A matrix may leave it to its users to choose."""
        for spec in (
            loaded(tmp_path, without=("interpretation", "lifecycle")),
            loaded(tmp_path, Edit("interpretation", INTERPRETATION, "interpretation: 1\n")),
        ):
            assert spec.selection_field is None
            assert {(each.operation, each.value) for each in spec.processes} == {(None, None)}


class TestConditions:
    """Conditions stand where they can be asked."""

    def test_nothing_bound(self, tmp_path: Path) -> None:
        """A condition that binds no process dependent cell anywhere is a mistake."""
        found = refused(
            tmp_path,
            Edit("interpretation", "fields: [code", "fields: »[code"),
            Edit("interpretation", "[Letter Add]\n", "[Box Add]\n"),
        )
        assert found.told == found.marked

    def test_root_has_no_parent(self, tmp_path: Path) -> None:
        """The root is never below anything, even where an entity out of reach holds it."""
        condition = (
            "\n  - {entity: Parcel, fields: [state, label], relation: all_or_none, reason: x,"
        )
        parent = " when: {field: »parcel, of: parent, exists: true}}"
        edits = [
            Edit("interpretation", "conditions:", "conditions:" + condition + parent),
            Edit("requirements", "label: [O,", "label: [PD,"),
        ]
        assert (found := refused(tmp_path, *edits)).told == found.marked
        edits += [
            Edit(
                "openapi",
                "    Kind: {",
                "    Van: {properties: {parcel: "
                '{$ref: "#/components/schemas/Parcel"}}}\n    Kind: {',
            ),
            Edit("requirements", "  Stop:\n", "  Van:\n    parcel: [O, O, O]\n  Stop:\n"),
        ]
        assert (found := refused(tmp_path, *edits)).told == found.marked

    def test_every_parent(self, tmp_path: Path) -> None:
        """A test of the parent names a field that every parent has."""
        edits = [
            Edit("openapi", "width: {type: integer}", 'width: {$ref: "#/components/schemas/Stop"}')
        ]
        found = refused(
            tmp_path, *edits, Edit("interpretation", "{field: weight", "{field: »weight")
        )
        assert found.told == found.marked
        assert "Size" in found.messages[0]

    def test_optional(self, tmp_path: Path) -> None:
        """That a field has no condition may be said of one field, in every process."""
        spec = loaded(
            tmp_path,
            Edit("interpretation", "[code, sign]", "[code]"),
            Edit("interpretation", "at_least_one", "optional"),
            Edit("interpretation", "    processes: [Letter Add]\n", ""),
            Edit("interpretation", f"    when: {WHEN}\n", ""),
        )
        (condition,) = spec.conditions
        assert condition.processes == ("Letter Add", "Letter Change")
        assert condition.when is None

    def test_optional_under_a_test(self, tmp_path: Path) -> None:
        """With a test, it is the code that tells what the field is where the test is false."""
        codes = Edit("requirements", "code: [PD, PD, O]", "code: [R/PD, O/PD, P/PD]")
        spec = loaded(
            tmp_path,
            codes,
            Edit("interpretation", "[code, sign]", "[code]"),
            Edit("interpretation", "at_least_one", "optional"),
            Edit("interpretation", "    processes: [Letter Add]\n", ""),
        )
        assert [(each.relation, each.fields, each.processes) for each in spec.conditions] == [
            ("required", ("code",), ("Letter Add",)),
            ("prohibited", ("code",), ("Letter Change", "Box Add")),
        ]
        absent = When(of="parent", field="weight", test="exists", value=False)
        assert {each.when for each in spec.conditions} == {absent}

    def test_each_field(self, tmp_path: Path) -> None:
        """Required and prohibited apply to each field, in the processes in which it is PD."""
        spec = loaded(
            tmp_path,
            Edit("requirements", "code: [PD, PD, O]", "code: [PD, O, O]"),
            Edit("interpretation", "at_least_one", "required"),
            Edit("interpretation", "    processes: [Letter Add]\n", ""),
        )
        assert [(each.relation, each.fields, each.processes) for each in spec.conditions] == [
            ("required", ("code",), ("Letter Add",)),
            ("required", ("sign",), ("Letter Add", "Letter Change")),
        ]

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("at_least_one, when: {field: weight, of: parent, equals: 1}",
             "at_least_one, when: {field: weight, of: parent, in: [1]}"),
            ("if_then_any", "if_then_any"),
            ("required", "required, when: {field: place, not_equals: x}"),
            ("required, when: {field: place, not_equals: x}",
             "required, when: {field: place, of: self, not_in: [x]}"),
            ("prohibited, when: {field: size, of: root, exists: true}",
             "prohibited, when: {field: size, of: root, exists: true}"),
            ("optional", "optional"),
            ("required, when: {field: stops, of: root, contains: {place: x, code: y}}",
             "required, when: {field: stops, of: root, contains: {code: y, place: x}}"),
        ],
    )  # fmt: skip
    def test_twice(self, one: str, other: str, tmp_path: Path) -> None:
        """The same condition twice is refused, also if it is written differently."""
        text = TEXTS["interpretation"]
        section = text[text.index("conditions:") : text.index("unsupported:")]
        first = (
            f"conditions:\n  - {{entity: Stop, fields: [code, sign], reason: x, relation: {one}}}"
        )
        entry = (
            "entity: Stop, fields: [sign, code], reason: y, processes: [Letter Change], relation:"
        )
        if one == "if_then_any":
            entry = entry.replace("sign, code", "code, sign")
        edits = Edit("interpretation", section, f"{first}\n  - »{{{entry} {other}}}\n")
        if "not_equals" in other and "when" not in one:  # a test more is another condition
            loaded(tmp_path, Edit("interpretation", section, edits.new.replace("»", "")))
            return
        found = refused(tmp_path, edits)
        assert found.told == found.marked
        assert "conditions[0]" in found.messages[0]

    def test_not_twice(self, tmp_path: Path) -> None:
        """Conditions in different processes, or with another first field, are not the same."""
        text = TEXTS["interpretation"]
        section = text[text.index("conditions:") : text.index("unsupported:")]
        entries = (
            "fields: [code, sign], relation: if_then_any, processes: [Letter Add]",
            "fields: [code, sign], relation: if_then_any, processes: [Letter Change]",
            "fields: [sign, code], relation: if_then_any, processes: [Letter Add]",
        )
        lines = [f"  - {{entity: Stop, reason: x, {each}}}\n" for each in entries]
        spec = loaded(tmp_path, Edit("interpretation", section, "conditions:\n" + "".join(lines)))
        assert len(spec.conditions) == 3

    def test_where_it_binds(self, tmp_path: Path) -> None:
        """A condition binds in the listed processes where one of its fields is PD."""
        spec = loaded(
            tmp_path, Edit("interpretation", "[Letter Add]\n", "[Box Add, Letter Change]\n")
        )
        assert spec.conditions[0].processes == ("Letter Change",)


class TestStatuses:
    """The statuses of the lifecycle are the values of its field."""

    def test_listed_but_no_moves(self, tmp_path: Path) -> None:
        """Each status needs its moves, be there none; null is no status."""
        found = refused(
            tmp_path,
            Edit(
                "openapi", STATES, "state: {type: string, enum: [posted, lost, found, null, sold]}"
            ),
            Edit("lifecycle", "moves:", "»moves:"),
        )
        assert found.told == found.marked
        assert "'sold'" in found.messages[0]

    def test_moves_but_not_listed(self, tmp_path: Path) -> None:
        """A status that the field does not take is told at its key only."""
        found = refused(
            tmp_path,
            Edit("openapi", STATES, "state: {type: string, enum: [posted, lost]}"),
            Edit("lifecycle", "  found: []", "  »found: []"),
        )
        assert found.told == found.marked

    def test_not_listed_at_all(self, tmp_path: Path) -> None:
        """Where the field takes any text, the moves list the statuses."""
        spec = loaded(tmp_path, Edit("openapi", STATES, "state: {type: string}"))
        assert spec.lifecycle is not None
        assert list(spec.lifecycle["moves"]) == ["posted", "lost", "found"]

    def test_no_events(self, tmp_path: Path) -> None:
        """A lifecycle need not raise events."""
        events = TEXTS["lifecycle"][TEXTS["lifecycle"].index("events:") :]
        assert "events" not in (loaded(tmp_path, Edit("lifecycle", events, "")).lifecycle or {})


class TestCarried:
    """Events carry members that there are, and are listed."""

    def test_unknown(self, tmp_path: Path) -> None:
        """A member or an event that there is not is told where it stands, with the nearest."""
        found = refused(
            tmp_path,
            Edit("lifecycle", "ParcelLost: [state]", "»ParcelLots: [»stat]"),
            Edit("lifecycle", "always: [kind]", "always: [»kint]"),
        )
        assert found.told == found.marked
        assert all(word in "".join(found.messages) for word in ("ParcelLost", "state", "kind"))


def test_both_files_at_once(tmp_path: Path) -> None:
    """Problems of both files are told together, those of the interpretation first."""
    found = refused(
        tmp_path,
        Edit("lifecycle", "initial: posted", "initial: »sold"),
        Edit("interpretation", "[Stop.sign]", "[»Stop.size]"),
        Edit("interpretation", "field: kind", "field: »sort"),
    )
    assert found.told == found.marked
