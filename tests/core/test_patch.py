"""Applying a patch to a document: the examples of RFC 7396 and RFC 6902, and the odd cases."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from ttrules import PatchNotApplicable
from ttrules.codes import MAX_DEPTH
from ttrules.patch import MAX_COPIED, OPERATIONS, Patched, merged

#: RFC 7396, appendix A: original, patch, result.
RFC_7396: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]

#: RFC 6902, appendix A, by section: document, operations, result; None where it is an error.
RFC_6902: dict[str, tuple[Any, list[Any], Any]] = {
    "A.1": (
        {"foo": "bar"},
        [{"op": "add", "path": "/baz", "value": "qux"}],
        {"baz": "qux", "foo": "bar"},
    ),
    "A.2": (
        {"foo": ["bar", "baz"]},
        [{"op": "add", "path": "/foo/1", "value": "qux"}],
        {"foo": ["bar", "qux", "baz"]},
    ),
    "A.3": ({"baz": "qux", "foo": "bar"}, [{"op": "remove", "path": "/baz"}], {"foo": "bar"}),
    "A.4": (
        {"foo": ["bar", "qux", "baz"]},
        [{"op": "remove", "path": "/foo/1"}],
        {"foo": ["bar", "baz"]},
    ),
    "A.5": (
        {"baz": "qux", "foo": "bar"},
        [{"op": "replace", "path": "/baz", "value": "boo"}],
        {"baz": "boo", "foo": "bar"},
    ),
    "A.6": (
        {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
        [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
        {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
    ),
    "A.7": (
        {"foo": ["all", "grass", "cows", "eat"]},
        [{"op": "move", "from": "/foo/1", "path": "/foo/3"}],
        {"foo": ["all", "cows", "eat", "grass"]},
    ),
    "A.8": (
        {"baz": "qux", "foo": ["a", 2, "c"]},
        [
            {"op": "test", "path": "/baz", "value": "qux"},
            {"op": "test", "path": "/foo/1", "value": 2},
        ],
        {"baz": "qux", "foo": ["a", 2, "c"]},
    ),
    "A.9": ({"baz": "qux"}, [{"op": "test", "path": "/baz", "value": "bar"}], None),
    "A.10": (
        {"foo": "bar"},
        [{"op": "add", "path": "/child", "value": {"grandchild": {}}}],
        {"foo": "bar", "child": {"grandchild": {}}},
    ),
    "A.11": (
        {"foo": "bar"},
        [{"op": "add", "path": "/baz", "value": "qux", "xyz": 123}],
        {"foo": "bar", "baz": "qux"},
    ),
    "A.12": ({"foo": "bar"}, [{"op": "add", "path": "/baz/bat", "value": "qux"}], None),
    "A.14": (
        {"/": 9, "~1": 10},
        [{"op": "test", "path": "/~01", "value": 10}],
        {"/": 9, "~1": 10},
    ),
    "A.15": ({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": "10"}], None),
    "A.16": (
        {"foo": ["bar"]},
        [{"op": "add", "path": "/foo/-", "value": ["abc", "def"]}],
        {"foo": ["bar", ["abc", "def"]]},
    ),
}

#: Operations that are malformed, or have no meaning for {"a": [1, 2], "b": {"c": "d"}}.
NOT_APPLICABLE: list[Any] = [
    None,
    "add",
    [],
    {},
    {"path": "/a"},
    {"op": None, "path": "/a"},
    {"op": ["add"], "path": "/a", "value": 1},
    {"op": "Add", "path": "/a", "value": 1},
    {"op": "append", "path": "/b/c", "value": "x"},
    {"op": "add", "value": 1},
    {"op": "add", "path": "/a"},
    {"op": "replace", "path": "/a"},
    {"op": "test", "path": "/a"},
    {"op": "move", "path": "/a"},
    {"op": "copy", "path": "/a"},
    {"op": "add", "path": None, "value": 1},
    {"op": "add", "path": 0, "value": 1},
    {"op": "add", "path": 5, "value": 1},
    {"op": "add", "path": False, "value": 1},
    {"op": "add", "path": [], "value": 1},
    {"op": "add", "path": ["a"], "value": 1},
    {"op": "add", "path": "a", "value": 1},
    {"op": "add", "path": "/a~2", "value": 1},
    {"op": "add", "path": "/a~", "value": 1},
    {"op": "copy", "from": "b", "path": "/d"},
    {"op": "move", "from": {}, "path": "/d"},
    {"op": "remove", "path": ""},
    {"op": "remove", "path": "/nothing"},
    {"op": "remove", "path": "/a/2"},
    {"op": "remove", "path": "/a/-"},
    {"op": "remove", "path": "/b/c/d"},
    {"op": "replace", "path": "/nothing", "value": 1},
    {"op": "replace", "path": "/a/-", "value": 1},
    {"op": "add", "path": "/a/3", "value": 1},
    {"op": "add", "path": "/a/01", "value": 1},
    {"op": "add", "path": "/a/-1", "value": 1},
    {"op": "add", "path": "/a/1\n", "value": 1},
    {"op": "add", "path": "/a/\u0661", "value": 1},
    {"op": "add", "path": "/a/" + "9" * 5_000, "value": 1},
    {"op": "test", "path": "/a/" + "9" * 5_000, "value": 1},
    {"op": "copy", "from": "/a/" + "9" * 5_000, "path": "/d"},
    {"op": "copy", "from": "/a/-", "path": "/d"},
    {"op": "copy", "from": "/nothing", "path": "/d"},
    {"op": "copy", "from": "/b", "path": "/nothing/d"},
    {"op": "move", "from": "/b", "path": "/b/c"},
    {"op": "move", "from": "", "path": "/b"},
    {"op": "move", "from": "/nothing", "path": "/b"},
    {"op": "test", "path": "/nothing", "value": None},
    {"op": "test", "path": "/a/0", "value": True},
    {"op": "test", "path": "/b", "value": {"c": "D"}},
]


def patched(document: Any, operations: list[Any]) -> Any:
    """Return what becomes of a document that nobody else holds."""
    subject = Patched(deepcopy(document))
    subject.apply(operations)
    return subject.document


def nested(depth: int) -> Any:
    """Return objects inside one another, so many deep."""
    value: Any = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


class TestMergePatch:
    """RFC 7396: a merge patch replaces what it names and removes where it says null."""

    @pytest.mark.parametrize(("document", "patch", "result"), RFC_7396)
    def test_examples(self, document: Any, patch: Any, result: Any) -> None:
        """The examples of appendix A, with neither the document nor the patch changed."""
        before = deepcopy((document, patch))
        assert merged(document, patch) == result
        assert (document, patch) == before


class TestJsonPatch:
    """RFC 6902: operations are carried out in their order, or the patch is not applicable."""

    @pytest.mark.parametrize(("document", "operations", "result"), RFC_6902.values(), ids=RFC_6902)
    def test_examples(self, document: Any, operations: list[Any], result: Any) -> None:
        """The examples of appendix A; A.13 is one for a parser of JSON."""
        if result is None:
            with pytest.raises(PatchNotApplicable) as caught:
                patched(document, operations)
            assert caught.value.index == 0
        else:
            assert patched(document, operations) == result

    @pytest.mark.parametrize("operation", NOT_APPLICABLE, ids=lambda each: str(each)[:60])
    def test_not_applicable(self, operation: Any) -> None:
        """What is malformed or leads nowhere is refused with its index, never a crash."""
        document = {"a": [1, 2], "b": {"c": "d"}}
        sound = {"op": "test", "path": "", "value": document}
        with pytest.raises(PatchNotApplicable) as caught:
            patched(document, [sound, sound, operation, sound])
        assert caught.value.index == 2
        assert str(caught.value.reason)

    def test_six_operations(self) -> None:
        """The operations are the six of RFC 6902, section 4."""
        assert set(OPERATIONS) == {"add", "remove", "replace", "move", "copy", "test"}

    def test_whole_document(self) -> None:
        """The empty pointer is the whole document, which may be replaced, added and copied."""
        assert patched({"a": 1}, [{"op": "replace", "path": "", "value": [1]}]) == [1]
        assert patched({"a": 1}, [{"op": "add", "path": "", "value": None}]) is None
        assert patched({"a": 1}, [{"op": "copy", "from": "", "path": "/b"}]) == {
            "a": 1,
            "b": {"a": 1},
        }
        assert patched({"a": {"b": 1}}, [{"op": "move", "from": "/a", "path": ""}]) == {"b": 1}

    def test_move_to_its_place(self) -> None:
        """A value that is moved to where it stands stays there."""
        document = {"a": [1, 2], "ab": 3}
        for place in ("/a/0", "/a/1", "/ab"):
            moved = [{"op": "move", "from": place, "path": place}]
            assert patched(document, moved) == document

    def test_move_beside_a_longer_name(self) -> None:
        """A value may move to a member whose name merely begins as its own does."""
        move = [{"op": "move", "from": "/a", "path": "/ab"}]
        assert patched({"a": 1}, move) == {"ab": 1}

    def test_copies_are_their_own(self) -> None:
        """What is done to a copy is not done to what it was copied from."""
        operations = [
            {"op": "copy", "from": "/a", "path": "/b"},
            {"op": "add", "path": "/b/-", "value": 2},
        ]
        assert patched({"a": [1]}, operations) == {"a": [1], "b": [1, 2]}

    def test_copy_bomb(self) -> None:
        """Copies of copies are stopped before they fill the memory."""
        operations = [{"op": "copy", "from": "/a", "path": "/a/-"}] * 50
        with pytest.raises(PatchNotApplicable) as caught:
            patched({"a": ["x" * 1_000]}, operations)
        assert 10 < caught.value.index < 20
        assert 1_000 * 2 ** (caught.value.index - 1) < MAX_COPIED

    @pytest.mark.parametrize("last", ["copy", "move", "test", "replace"])
    def test_depth(self, last: str) -> None:
        """Steps that each lead deeper into what the last one added are stopped as well."""
        operations: list[dict[str, Any]] = [
            {"op": "add", "path": "/a" * (16 * step + 1), "value": nested(16)} for step in range(40)
        ]
        operations.append({"op": last, "from": "/a", "path": "/b", "value": nested(16)})
        with pytest.raises(PatchNotApplicable) as caught:
            patched({}, operations)
        assert caught.value.index == 1

    def test_depth_that_is_allowed(self) -> None:
        """A document may become as deep as a payload may be, and no deeper."""
        add = {"op": "add", "path": "/a", "value": nested(MAX_DEPTH - 1)}
        assert patched({}, [add]) == {"a": add["value"]}
        with pytest.raises(PatchNotApplicable):
            patched({}, [{**add, "value": nested(MAX_DEPTH)}])


#: Operations on {"a": [[0], [1], [2]], "b": {}}, and what they touch as it stands afterwards.
TOUCHED: list[tuple[list[Any], dict[tuple[Any, ...], bool]]] = [
    ([], {}),
    ([{"op": "test", "path": "/a/0", "value": [0]}], {}),
    ([{"op": "add", "path": "/b/c", "value": 1}], {("b", "c"): True}),
    ([{"op": "replace", "path": "/a/1", "value": 9}], {("a", 1): True}),
    ([{"op": "remove", "path": "/b"}], {("b",): True}),
    ([{"op": "remove", "path": "/a/0"}], {("a",): False}),
    ([{"op": "add", "path": "/a/-", "value": 1}], {("a", 3): True}),
    ([{"op": "move", "from": "/a/0", "path": "/b/x"}], {("a",): False, ("b", "x"): True}),
    ([{"op": "copy", "from": "/a/0", "path": "/b/x"}], {("b", "x"): True}),
    (
        [{"op": "add", "path": "/a/2/-", "value": 1}, {"op": "remove", "path": "/a/0"}],
        {("a", 1, 1): True, ("a",): False},
    ),
    (
        [{"op": "add", "path": "/a/0/-", "value": 1}, {"op": "add", "path": "/a/0", "value": 2}],
        {("a", 1, 1): True, ("a", 0): True},
    ),
    (
        [{"op": "add", "path": "/a/0/-", "value": 1}, {"op": "add", "path": "/a/2", "value": 2}],
        {("a", 0, 1): True, ("a", 2): True},
    ),
    (
        [{"op": "add", "path": "/a/1/-", "value": 1}, {"op": "remove", "path": "/a/1"}],
        {("a",): False},
    ),
    (
        [{"op": "add", "path": "/b/c", "value": 1}, {"op": "add", "path": "/b", "value": {}}],
        {("b",): True},
    ),
    (
        [{"op": "add", "path": "/b/c", "value": 1}, {"op": "add", "path": "/a/0", "value": 2}],
        {("b", "c"): True, ("a", 0): True},
    ),
    (
        [{"op": "remove", "path": "/a/0"}, {"op": "add", "path": "/a/0", "value": 2}],
        {("a",): False, ("a", 0): True},
    ),
]


@pytest.mark.parametrize(("operations", "touched"), TOUCHED)
def test_touched(operations: list[Any], touched: dict[tuple[Any, ...], bool]) -> None:
    """What a patch touched is told as it stands once all operations have moved what is behind."""
    subject = Patched({"a": [[0], [1], [2]], "b": {}})
    subject.apply(operations)
    assert subject.touched == touched


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "/d", "value": 1, "from": 5},
        {"op": "replace", "path": "/b/c", "value": 1, "from": "no pointer", "comment": [1]},
        {"op": "remove", "path": "/b/c", "from": None, "value": [[[]]]},
        {"op": "test", "path": "/b/c", "value": "d", "from": "/" + "9" * 5_000},
        {"op": "copy", "from": "/b", "path": "/d", "value": None},
        {"op": "move", "from": "/b", "path": "/d", "value": 1, "xyz": {}},
    ],
)
def test_other_members(operation: dict[str, Any]) -> None:
    """Members that an operation does not define are ignored (RFC 6902, section 4)."""
    document = {"a": [1, 2], "b": {"c": "d"}}
    defined = {"op", "path", *OPERATIONS[operation["op"]]}
    bare = {name: value for name, value in operation.items() if name in defined}
    assert patched(document, [operation]) == patched(document, [bare])
