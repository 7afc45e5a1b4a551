"""A pattern of a shape is taken where every engine reads it alike, and refused elsewhere.

The dialects are those of Rust (the fast engine), of Python (the reference engine) and of ECMA-262
(JSON Schema's own, which validators of other languages follow).
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from random import Random
from typing import TYPE_CHECKING

import pytest
from jsonschema_rs import Draft202012Validator, RegexOptions

from tests.support.small_spec import Edit, loaded
from ttrules.engines import ReferenceEngine
from ttrules.spec.compiler import compile_schemas
from ttrules.spec.patterns import NotPortable, portable

if TYPE_CHECKING:
    from pathlib import Path

ACCEPTED = [
    "",
    "a",
    "^a$",
    "^a",
    "a$",
    "^$",
    "a|b|",
    "(a)(?:b)()",
    "^(?:[0-9]{4}-)?[0-9]{2,}$",
    "^a{2}$",
    "^a{1,3}?$",
    "a*?b+?c??",
    "^.$",
    "^[.]{2}$",
    r"^\d\D\w\W$",
    r"^[\d\w.-]+$",
    r"^[^\d\W]$",
    r"^[\D]$",
    r"^\t\r\n\v\f$",
    r"^[\t-\r ]$",
    r"\^\$\\\.\*\+\?\(\)\[\]\{\}\|\/",
    r"^[\^\$\\\.\*\+\?\(\)\[\]\{\}\|\/\-]$",
    "^[-a]$",
    "^[a-]$",
    "^[^^]$",
    "^[a^$|.&~?*+(){}]$",
    "^[&~|]$",
    r"^\x41é\u0142$",
    r"^[\x00-\x1f\u0142-\ud7ff]$",
    "^[ąćę😀]$",
    "^#.*/$",
    "^=!<>:,'\"%@`;_ -$",
    "(^|,)a(,|$)",
]

SPACE = r"\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"

#: Patterns that are rewritten, and what they become.
REWRITTEN = {
    r"^\s$": f"^[{SPACE}]$",
    r"^\S$": f"^[^{SPACE}]$",
    r"^[\s,]$": f"^[{SPACE},]$",
    r"^[\S]$": f"^[^{SPACE}]$",
    r"^[^\S]$": f"^[{SPACE}]$",
    r"^[\s\S]$": r"^[\d\D]$",
    r"^[\S\s]$": r"^[\d\D]$",
    r"a\-b\@c\_\ ": "a-b@c_ ",
    r"^[\w\-\.]$": r"^[\w\-\.]$",
    r"^[\@\:\#-\&]$": "^[@:#-&]$",
    "(?<a>b)": "(b)",
    "(?P<a>b)": "(b)",
    "(?i)^ab$": "^[aA][bB]$",
    "(?i)^[c-f_]$": "^[c-fC-F_]$",
    "(?i)^[^Y-c]$": "^[^Y-cA-Cy-z]$",
    r"(?i)\d\x41\.é": r"\d\x41\.[éÉ]",
}

#: What a message names of a pattern, and what it tells to write.
ADVICE = {
    r"a\b": (r"\b", "(?:^|[^A-Za-z0-9_])"),
    r"\p{L}+": (r"\p{L}", "[A-Za-z]"),
    r"^a\Z": (r"\Z", "$"),
    r"\Aa": (r"\A", "^"),
    "a(?=b)": ("(?=", "allOf"),
    "a(?<!b)": ("(?<!", "allOf"),
    "(?i:a)": ("(?i:", "[Aa]"),
    r"x[\S ]": (r"[\S ]", r"\S"),
    "a{": ("{", r"\{"),
    r"(a)\1": (r"\1", "refers"),
    "*": ("*", "ECMA-262"),
}

#: Patterns that are refused, and why.
REFUSED = {
    r"\b": "what is a word differs",
    r"[\b]": "a backspace in one dialect",
    r"\B": "what is a word differs",
    r"\A": "the beginning in two dialects",
    r"\Z": "the end in one dialect",
    r"\z": "the end in one dialect",
    r"\p{L}": "unknown to Python",
    r"\1": "linear time has no memory",
    r"(a)\1": "linear time has no memory",
    r"\0": "octal in one dialect",
    r"\cA": "unknown to two dialects",
    r"\a": "unknown to ECMA-262",
    r"\e": "unknown to Python",
    r"\é": "nothing to escape",
    "\\": "nothing is escaped",
    r"\x4": "too short",
    r"\u014": "too short",
    r"\u{142}": "unknown to Python",
    r"\ud83d\ude00": "half a character each",
    r"[\ud800]": "half a character",
    r"\N{DIGIT ONE}": "known to Python only",
    "(?=a)": "linear time cannot look ahead",
    "(?!a)": "linear time cannot look ahead",
    "(?<=a)": "linear time cannot look behind",
    "(?<!a)": "linear time cannot look behind",
    "(?i:a)": "flags differ",
    "(?x) a": "flags differ",
    "(?#a)": "known to Python only",
    "(?>a)": "unknown to Rust and ECMA-262",
    "a*+": "possessive in one dialect",
    "a++": "possessive in one dialect",
    "a?+": "possessive in one dialect",
    "a{2}+": "possessive in one dialect",
    "a**": "nothing that Python repeats",
    "a{2}{3}": "nothing that Python repeats",
    "*": "nothing to repeat",
    "+a": "nothing to repeat",
    "?": "nothing to repeat",
    "a|*": "nothing to repeat",
    "(?:+)": "nothing to repeat",
    "^*": "nothing that Python repeats",
    "a{": "a brace by itself",
    "a}": "a brace by itself",
    "{2}": "nothing to repeat",
    "a{,3}": "none or more in Python, no number in others",
    "a{ 2 }": "a number in Rust only",
    "a{2, 3}": "a number in Rust only",
    "a{3,2}": "none fits",
    "(?:){4294967295}": "more often than Python counts",
    "(?:a{1000}){1000}": "more than Rust takes",
    "(": "not balanced",
    ")": "not balanced",
    "(a": "not balanced",
    "a)": "not balanced",
    "[": "not balanced",
    "]": "a bracket by itself",
    "a]": "a bracket by itself",
    "[a": "not balanced",
    "[]": "nothing, or a bracket",
    "[]a]": "nothing, or a bracket",
    "[^]": "all, or no bracket",
    "[^]a]": "all, or no bracket",
    "[^][a]": "all, or no bracket",
    "[[a]": "a class in a class",
    "[[a]]": "a class in a class",
    "[a[b]]": "a class in a class",
    "[a[^b]]": "a class in a class",
    "[[:digit:]]": "a class in a class",
    "[a&&b]": "both, in one dialect",
    "[a--b]": "one without the other, in one dialect",
    "[a~~b]": "either, in one dialect",
    "[a||b]": "either, in one dialect to come",
    "[b-a]": "none fits",
    r"[a-\d]": "to where?",
    r"[\w-a]": "from where?",
}

TEXTS = [
    "", "a", "b", "aa", "aaa", "ab", "abc", "2026-01", "26", "..", "A", "_", "a_", "1a_ ", "1aż ",
    "٣", "٣a", "\t\r\n\v\f", "\t", "\n", "\r", "\x0b", "\x1c", "\x85", "\u2028", "\u2029", "\ufeff",
    "^$\\.*+?()[]{}|/", "^", "$", "\\", ".", "*", "+", "?", "(", ")", "[", "]", "{", "}", "|", "/",
    "-", "&", "~", "é", "Aéł", "ł", "Ł", "ę", "😀",
    "\U0001f601", "#/", "#\n/", "#\r/", "a\n", "\na",
    "=!<>:,'\"%@`;_ -", ",a,", "b,a", "a,b", "\ud7ff", "\ue000", "\x00",
]  # fmt: skip

#: What random patterns are put together from.
BITS = [
    "a", "b", "-", "&", "~", "|", "^", "$", ".", "[", "]", "[^", "{", "}", "{2}", "{1,}", "{0,2}",
    "(", "(?:", ")", "*", "+", "?", "\\d", "\\w", "\\W", "\\D", "\\.", "\\\\", "\\-", "\\]", "\\n",
    "\\x41", "\\u00e9", ",", "2", " ", "é", "😀", "/", "#",
]  # fmt: skip

NODE = """
const [patterns, texts] = JSON.parse(require("fs").readFileSync(0, "utf8"));
const verdicts = (pattern) => texts.map((text) => new RegExp(pattern, "u").test(text));
console.log(JSON.stringify(patterns.map(verdicts)));
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Give patterns as they are once compiled: the accepted ones, and random ones."""
    draw = Random(7)
    made = ("".join(draw.choices(BITS, k=draw.randint(1, 7))) for _ in range(3_000))
    patterns = [*ACCEPTED, *REWRITTEN, *filter(is_portable, made)]
    assert len(patterns) > 300
    folder = tmp_path_factory.mktemp("spec")
    members = "".join(
        f"\n        p{number}: {{type: string, pattern: {json.dumps(pattern, ensure_ascii=False)}}}"
        for number, pattern in enumerate(patterns)
    )
    rows = "".join(f"\n    p{number}: [O, O, O]" for number in range(len(patterns)))
    spec = loaded(
        folder,
        Edit(
            "openapi", "        place: {type: string}", f"        place: {{type: string}}{members}"
        ),
        Edit("requirements", "    place: [R, R, R]", f"    place: [R, R, R]{rows}"),
    )
    schema = compile_schemas(spec)["box-add"]
    stop = schema["properties"]["stops"]["items"]["properties"]
    return [stop[f"p{number}"]["pattern"] for number in range(len(patterns))]


def is_portable(pattern: str) -> bool:
    """Return whether a pattern may stand in a shape."""
    try:
        portable(pattern)
    except NotPortable:
        return False
    return True


@pytest.mark.parametrize("pattern", ACCEPTED)
def test_accepted(pattern: str) -> None:
    """What all dialects share may stand in a shape, as it is but for the dot."""
    assert portable(pattern) == pattern or "." in pattern


@pytest.mark.parametrize("pattern", REWRITTEN)
def test_rewritten(pattern: str) -> None:
    """What all dialects can express is rewritten, and the result is left alone."""
    assert portable(pattern) == REWRITTEN[pattern]
    assert portable(REWRITTEN[pattern]) == REWRITTEN[pattern]


@pytest.mark.parametrize("pattern", ADVICE)
def test_advice(pattern: str) -> None:
    """The part that is refused is named, with what to write."""
    part, advice = ADVICE[pattern]
    with pytest.raises(NotPortable) as caught:
        portable(pattern)
    assert caught.value.part == part
    assert advice in caught.value.advice


def test_upper_and_lower_case() -> None:
    """Without regard to case means that of letters, as Python has it."""
    for pattern in [each for each in REWRITTEN if each.startswith("(?i)")]:
        for text in [*TEXTS, *"abcdefABCDEFxyzXYZ_", "ab", "aB", "AB", "1A.É", "1A.é"]:
            ours = re.search(REWRITTEN[pattern], text, re.ASCII)
            theirs = re.search(pattern.replace(r"\d", "[0-9]"), text)
            assert bool(ours) is bool(theirs), (pattern, text)


@pytest.mark.parametrize("pattern", REFUSED)
def test_refused(pattern: str) -> None:
    """What one dialect reads in another way, or not at all, may not."""
    assert not is_portable(pattern)


def fast(pattern: str) -> list[bool]:
    """Return which texts the fast engine finds to match."""
    engine = Draft202012Validator({"pattern": pattern}, pattern_options=RegexOptions())
    return [engine.is_valid(text) for text in TEXTS]


def test_engines_agree(compiled: list[str]) -> None:
    """The reference engine and the fast one give the same verdict on every text."""
    for pattern in compiled:
        reference = ReferenceEngine({"pattern": pattern})
        assert [not reference.errors(text) for text in TEXTS] == fast(pattern), pattern


@pytest.mark.node
@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_other_validators_agree(compiled: list[str]) -> None:
    """So does an engine of ECMA-262, in the mode that JSON Schema asks for."""
    ran = subprocess.run(
        ["node", "-e", NODE],
        input=json.dumps([compiled, TEXTS]),
        capture_output=True,
        check=True,
        text=True,
    )
    for pattern, verdicts in zip(compiled, json.loads(ran.stdout), strict=True):
        assert verdicts == fast(pattern), pattern


def test_dot(tmp_path: Path) -> None:
    """A dot is spelled out as ECMA-262 reads it; one that is escaped or in a class is left."""
    told = r"[^\n\r\u2028\u2029]"
    spec = loaded(
        tmp_path,
        Edit("openapi", '"^[A-Z]+$"', json.dumps(r"^.\.[.\].]\\.$")),
        without=("lifecycle",),
    )
    label = compile_schemas(spec)["box-add"]["properties"]["label"]
    assert label["pattern"] == rf"^{told}\.[.\].]\\{told}$"
    assert spec.entities["Parcel"]["label"].shape["pattern"] == r"^.\.[.\].]\\.$"
