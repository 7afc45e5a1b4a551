"""One YAML file: what is taken, what is refused, and where it is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.small_spec import MARK, _marks
from ttrules.errors import Problem, SpecError
from ttrules.spec.json_source import MAX_LEVELS
from ttrules.spec.yaml_source import Source, form_problems, nearest

if TYPE_CHECKING:
    from pathlib import Path

#: Files that are taken, and their values.
TAKEN: dict[str, Any] = {
    "a: 1\n": {"a": 1},
    "\ufeffa: 1\n": {"a": 1},
    "a: 1\r\nb: 2\r\n": {"a": 1, "b": 2},
    "---\na: 1\n...\n": {"a": 1},
    "[1, 2.5, true, null, ~, text, '1']": [1, 2.5, True, None, None, "text", "1"],
    "[no, on, yes, off, y, n, No, 1:30, 2026-01-01, 1_000, 0b1]": [
        *("no", "on", "yes", "off", "y", "n", "No", "1:30", "2026-01-01", "1_000", "0b1"),
    ],
    "[True, FALSE, Null, NULL, 010, 0o17, 0xFf, +5, -5, 1e3, .5, 5., 1E-2, -.5]": [
        *(True, False, None, None, 10, 15, 255, 5, -5, 1000.0, 0.5, 5.0, 0.01, -0.5),
    ],
    "['no', \"1e3\", '~', !!str no, ! 5, !!float 5, !!null '']": [
        *("no", "1e3", "~", "no", "5", 5.0, None),
    ],
    "a:\nb: ~\n": {"a": None, "b": None},
    "a: &a {b: 1, c: 2}\nd: {<<: *a, c: 3}\n": {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}},
    "a: &a {b: 1}\nb: &b {b: 2, c: 3}\nd:\n  c: 4\n  <<: [*a, *b]\n": {
        "a": {"b": 1},
        "b": {"b": 2, "c": 3},
        "d": {"b": 1, "c": 4},
    },
    "&k a: b\nc: *k\n": {"a": "b", "c": "a"},
    "a: &a b\nc: &a d\ne: *a\n": {"a": "b", "c": "d", "e": "d"},
    # A text that is JSON is read as JSON.
    '{"a": 1e22, "b": "\\ud83d\\ude00", "c": [true, null, -0.5, 12345678901234567890]}': {
        "a": 1e22,
        "b": "😀",
        "c": [True, None, -0.5, 12345678901234567890],
    },
    '{"a": "x"} # not JSON': {"a": "x"},
    "{1: a, yes: b, null: c, 2026-01-01: d}": {
        "1": "a",
        "yes": "b",
        "null": "c",
        "2026-01-01": "d",
    },
    "day: 2026-01-01\nequals: =\n": {"day": "2026-01-01", "equals": "="},
    '{"<<": 1, "=": 2}': {"<<": 1, "=": 2},
    "a: !!str 1\nb: !!int '1'\nc: !!map {}\nd: !!seq []\n": {"a": "1", "b": 1, "c": {}, "d": []},
    "a: &here {b: [1]}\nc: *here\nd: [*here, *here]\n": {
        "a": {"b": [1]},
        "c": {"b": [1]},
        "d": [{"b": [1]}, {"b": [1]}],
    },
    "--- \n": None,
    "just a text": "just a text",
    "ł: 'ąę\u2028😀'\n": {"ł": "ąę\u2028😀"},
}

#: Files that are refused; what the message names; where is marked.
REFUSED: dict[str, tuple[str, str]] = {
    "nothing": ("empty", "»"),
    "comments only": ("empty", "»# nothing\n\n"),
    "a tab as indentation": ("cannot start any token", "a:\n»\tb: 1\n"),
    "a list that is not closed": ("flow sequence", "a: [1, 2\nb»: 3\n"),
    "two documents": ("single document", "a: 1\n»---\nb: 1\n"),
    "an alias of nothing": ("undefined alias", "a: »*gone\n"),
    "a control character": ("U+0007", "a: 1\nb: 'łł»\a'\n"),
    "a NUL": ("U+0000", "a: »\0\n"),
    "what is no character": ("U+FFFE", "»\ufffe\n"),
    "a key twice": ("'b'", "a: {b: 1, »b: 2}\n"),
    "a key twice, far apart": ("'a'", "a: 1\nb: 2\n'c': 3\n»'a': 4\n"),
    "a key that is a list": ("key", "? »[a]\n: 1\n"),
    "a merge of a text": ("<< merges", "a: &a 5\nc:\n  <<: »*a\n"),
    "a merge of texts": ("<< merges", "c:\n  <<: »[a, b]\n"),
    "a name that begins with @": ("quote a text", "a: 1\n»@type: b\n"),
    "a tab": ("indent with spaces", "a:\n»\tb: 1\n"),
    "a colon in a text": ("quote a text", "a: b»: c\n"),
    "an alias as a key": ("plain key", "a: &a b\n»*a : c\n"),
    "JSON with a key twice": ("'b'", '{"a": {"b": 1,\n »"b": 2}, "c": [], »"a": 2}'),
    "JSON with NaN": ("NaN", '{"a": [1, »NaN, »-Infinity]}'),
    "JSON with too large a number": ("1e999", '{"a": »1e999}'),
    "JSON with a number without end": ("number", f'{{"a": »{"1" * 5000}}}'),
    "JSON with half a character": ("character", '{"a": »"\\ud83d", »"\\ude00": 1, "b": [{}]}'),
    "JSON that is nested too deep": (
        "deep",
        "[" * MAX_LEVELS + '»{"a": 1}' + "]" * MAX_LEVELS,
    ),
    "JSON with too many lists": ("deep", "[" * MAX_LEVELS + "»[]" + "]" * MAX_LEVELS),
    "JSON that is nested far too deep": (
        "deep",
        "[" * MAX_LEVELS + "»" + "[" * 10**6 + "]" * (10**6 + MAX_LEVELS),
    ),
    "a tag of Python": ("python/name", "a: »!!python/name:os.system ''\n"),
    "a tag of one's own": ("!mine", "a: »!mine {b: 1}\n"),
    "a tag at a key": ("!mine", "»!mine a: 1\n"),
    "binary data": ("binary", "a: »!!binary aGk=\n"),
    "a set": ("set", "a: »!!set {b}\n"),
    "a mapping that is to be text": ("str", "a: »!!str {b: 1}\n"),
    "a text that is to be a list": ("seq", "a: »!!seq b\n"),
    "no number": (".nan", "a: ».nan\n"),
    "infinity": ("-.inf", "a: »-.inf\n"),
    "too large a number": ("1.0e+999", "a: »1.0e+999\n"),
    "a number without end": ("int", f"a: »{'1' * 5000}\n"),
    "text that is to be a number": ("'abc'", "a: »!!int abc\n"),
    "nothing that is to be a number": ("''", "a: »!!int ''\n"),
    "text that is to be a truth": ("'maybe'", "a: »!!bool maybe\n"),
    "a list in itself": ("itself", "&a [»*a]\n"),
    "a mapping in itself": ("itself", "a: &a\n  b: {c: »*a}\n"),
    "several at once": ("key", "a: »!mine b\nc: 1\n»c: 2\nd: ».nan\n<<: »5\n"),
    "nested too deep": ("deep", "a: " + "[" * (MAX_LEVELS - 1) + "»[" + "]" * MAX_LEVELS),
}


def source(folder: Path, text: str) -> Source:
    """Return the Source of a file that holds this text."""
    path = folder / "a.yaml"
    path.write_bytes(text.encode())
    return Source(path)


def problems(folder: Path, text: str) -> tuple[Problem, ...]:
    """Return what a file that holds this text is refused with."""
    with pytest.raises(SpecError) as caught:
        source(folder, text)
    assert {each.file for each in caught.value.problems} == {str(folder / "a.yaml")}
    return caught.value.problems


@pytest.mark.parametrize("text", TAKEN, ids=repr)
def test_taken(text: str, tmp_path: Path) -> None:
    """The plain part of YAML is read: keys and dates are text, aliases are followed."""
    assert source(tmp_path, text).value == TAKEN[text]


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path: Path) -> None:
    """All else is refused with its place, and with what is wrong there."""
    says, text = REFUSED[name]
    found = problems(tmp_path, text.replace(MARK, ""))
    assert [("", each.line, each.column) for each in found] == _marks("", text)
    assert any(says in each.message for each in found)


def test_as_deep_as_allowed(tmp_path: Path) -> None:
    """What is nested as deep as is allowed is read."""
    for before, after in (("", ""), ("- ", "")):
        text = before + "[" * (MAX_LEVELS - 1) + "]" * (MAX_LEVELS - 1) + after
        value = source(tmp_path, text).value
        for _ in range(MAX_LEVELS - (2 if not before else 1)):
            (value,) = value
        assert value == []


class TestUnreadable:
    """A file that cannot be read as text is refused like any other."""

    def test_missing(self, tmp_path: Path) -> None:
        """A file that is not there, and a directory, are refused by name."""
        for path in (tmp_path / "gone.yaml", tmp_path):
            with pytest.raises(SpecError) as caught:
                Source(path)
            (problem,) = caught.value.problems
            assert (problem.file, problem.line, problem.column) == (str(path), 1, 1)

    @pytest.mark.parametrize(
        ("content", "line", "column"),
        [
            (b"\xff\xfea\0:\0", 1, 1),
            ("a: 1\nł: ż".encode() + b"\xb3\n", 2, 5),
            (b"a: \xc4", 1, 4),
            (b"a: \xed\xa0\x80\n", 1, 4),
        ],
    )
    def test_not_utf_8(self, content: bytes, line: int, column: int, tmp_path: Path) -> None:
        """Bytes that are no UTF-8 are refused at the first of them."""
        path = tmp_path / "a.yaml"
        path.write_bytes(content)
        with pytest.raises(SpecError) as caught:
            Source(path)
        (problem,) = caught.value.problems
        assert (problem.file, problem.line, problem.column) == (str(path), line, column)
        assert "UTF-8" in problem.message

    def test_text_of_path(self, tmp_path: Path) -> None:
        """A path may be text as well."""
        path = tmp_path / "a.yaml"
        path.write_text("a: 1\n", encoding="utf-8")
        assert Source(str(path)).value == Source(path).value


class TestOtherSources:
    """A file called .json is JSON, a mapping stands for a file, and a URL for nothing."""

    @pytest.mark.parametrize(
        ("text", "line", "column"),
        [
            ("a: 1", 1, 1),
            ('{"a": 1,}', 1, 9),
            ("", 1, 1),
            ("[1\n2]", 2, 1),
            ('[{"a": 1, "a": 2},\n]', 2, 1),
            (f"[{'1' * 5000},\n]", 2, 1),
        ],
    )
    def test_no_json(self, text: str, line: int, column: int, tmp_path: Path) -> None:
        """A file with the suffix .json that is not JSON is rejected, with the position."""
        path = tmp_path / "a.JSON"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(SpecError) as caught:
            Source(path)
        (problem,) = caught.value.problems
        assert (problem.line, problem.column) == (line, column)
        assert "JSON" in problem.message

    def test_control_character_in_json(self, tmp_path: Path) -> None:
        """JSON may have characters that YAML has not."""
        path = tmp_path / "a.json"
        path.write_text('{"a": "\x7f"}', encoding="utf-8")
        assert Source(path).value == {"a": "\x7f"}

    @pytest.mark.parametrize("url", ["https://example.org/a.yaml", "HTTP://example.org", "file:/a"])
    def test_url(self, url: str) -> None:
        """A URL is not read, and the message says what to do."""
        with pytest.raises(SpecError) as caught:
            Source(url)
        assert "download" in caught.value.problems[0].message

    def test_mapping(self) -> None:
        """A mapping has no lines; a problem of it tells the place by a JSON Pointer."""
        read = Source({"a": {"b/c": [1]}, 2: 3}, "openapi")  # type: ignore[dict-item]  # as JSON writes it
        assert read.value == {"a": {"b/c": [1]}, "2": 3}
        problem = read.problem(("a", "b/c", 0), "x")
        assert (problem.file, problem.line, problem.column) == ("openapi", 1, 1)
        assert problem.message == "/a/b~1c/0: x"
        assert read.problem((), "x").message == "the whole: x"

    @pytest.mark.parametrize("value", [{"a": {1, 2}}, {"a": float("nan")}, {1: 0, "1": 0}, {(): 0}])
    def test_no_json_value(self, value: dict[Any, Any]) -> None:
        """What is not JSON is refused."""
        with pytest.raises(SpecError) as caught:
            Source(value, "openapi")
        assert [each.file for each in caught.value.problems] == ["openapi"]


class TestAliases:
    """Aliases are followed within bounds: a short file cannot fill the memory."""

    def test_billion_laughs(self, tmp_path: Path) -> None:
        """Ten times ten times ten … is refused where it becomes too much."""
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
        for number in range(1, 12):
            inside = ", ".join([f"*a{number - 1}"] * 10)
            lines.append(f"a{number}: &a{number} [{inside}]")
        (problem,) = problems(tmp_path, "\n".join(lines))
        assert "large" in problem.message
        assert (problem.line, problem.column) == (6, 5), "a million is written out in the sixth"

    def test_deep(self, tmp_path: Path) -> None:
        """Aliases cannot be nested deeper than lists that are written out."""
        lines = ["- &a0 [x]"]
        lines += [f"- &a{number} [*a{number - 1}]" for number in range(1, MAX_LEVELS + 5)]
        (problem,) = problems(tmp_path, "\n".join(lines))
        assert problem.line == MAX_LEVELS

    def test_shared(self, tmp_path: Path) -> None:
        """A problem of a node that occurs in two places is reported once."""
        assert len(problems(tmp_path, "a: &a !mine x\nb: *a\nc: *a\n")) == 1


class TestPlaces:
    """Each part of a file has a line and a column, and so has each key."""

    TEXT = 'a:\n  - b: 1\n    "c": [2, 3]\n  - {b: 4}\n'

    @pytest.mark.parametrize(
        ("place", "value", "at", "key"),
        [
            ((), {"a": [{"b": 1, "c": [2, 3]}, {"b": 4}]}, (1, 1), (1, 1)),
            (("a",), [{"b": 1, "c": [2, 3]}, {"b": 4}], (2, 3), (1, 1)),
            (("a", 0), {"b": 1, "c": [2, 3]}, (2, 5), (2, 5)),
            (("a", 0, "c"), [2, 3], (3, 10), (3, 5)),
            (("a", 0, "c", 1), 3, (3, 14), (3, 14)),
            (("a", 1, "b"), 4, (4, 9), (4, 6)),
        ],
    )
    def test_place(
        self,
        place: tuple[str | int, ...],
        value: object,
        at: tuple[int, int],
        key: tuple[int, int],
        tmp_path: Path,
    ) -> None:
        """A value and its key are found by the path that leads to them."""
        read = source(tmp_path, self.TEXT)
        assert read.at(place) == value
        assert read.problem(place, "x") == Problem(read.path, *at, "x")
        assert read.problem(place, "x", key=True) == Problem(read.path, *key, "x")

    def test_part_of_a_form(self, tmp_path: Path) -> None:
        """A part of a file is held against a part of a form, and told by its place in the file."""
        text = "a:\n  - {type: object, properties: {b: 1}}\n"
        read = source(tmp_path, text)
        (problem,) = form_problems(read, "openapi", ("a", 0), "schema")
        assert (problem.line, problem.column) == (2, text.index("1") - 2)
        assert "a mapping" in problem.message

    JSON = '{"a": [{"b": 1,\n"ż\\u0107": [2, "3"]}, {}],\n "e": {}}'

    @pytest.mark.parametrize(
        ("place", "extent", "at", "key"),
        [
            ((), '{"a": [{"b": 1,\n"ż\\u0107": [2, "3"]}, {}],\n "e": {}}', (1, 1), (1, 1)),
            (("a", 0, "b"), "1", (1, 14), (1, 9)),
            (("a", 0, "żć"), '[2, "3"]', (2, 12), (2, 1)),
            (("a", 0, "żć", 1), '"3"', (2, 16), (2, 16)),
            (("a", 1), "{}", (2, 23), (2, 23)),
            (("e",), "{}", (3, 7), (3, 2)),
        ],
    )
    def test_json(
        self,
        place: tuple[str | int, ...],
        extent: str,
        at: tuple[int, int],
        key: tuple[int, int],
        tmp_path: Path,
    ) -> None:
        """In JSON a value and its key are found as well, and where the value ends."""
        read = source(tmp_path, self.JSON)
        assert read.problem(place, "x") == Problem(read.path, *at, "x")
        assert read.problem(place, "x", key=True) == Problem(read.path, *key, "x")
        start, end = read.extent(place)
        assert read.text[start:end] == extent

    def test_flow(self, tmp_path: Path) -> None:
        """A text that only looks like JSON is YAML."""
        read = source(tmp_path, "{a: [1, {b: 2}]}")
        assert read.problem(("a", 1, "b"), "x") == Problem(read.path, 1, 13, "x")

    def test_merged(self, tmp_path: Path) -> None:
        """A member that is merged stands where it is written; one's own goes first."""
        text = 'a: &a {b: 1}\nc: &c {d: 2}\ne: {<<: [*a, *c], "f": 3}\n"<<": 4\n'
        read = source(tmp_path, text)
        assert read.problem(("e", "d"), "x") == Problem(read.path, 2, 11, "x")
        assert read.problem(("e", "b"), "x", key=True) == Problem(read.path, 1, 8, "x")
        assert read.problem(("<<",), "x") == Problem(read.path, 4, 7, "x")
        assert read.value["<<"] == 4


def test_nearest() -> None:
    """An unknown name is told with the known one that is nearest, where there is one."""
    assert "'colour'" in nearest("color", ["colour", "size"])
    assert nearest("shape", ["colour", "size"]) == ""
    assert "CYRILLIC" in nearest("s\u0456ze", ["colour", "size"])
