r"""Patterns of schemas, in the part of ECMA-262 that Rust's and Python's engines read alike.

JSON Schema's regular expressions are those of ECMA-262; the fast engine runs Rust's in linear time,
the reference engine Python's. `portable` rewrites what all of them can express, such as ``\s`` and
``(?i)``, and rejects the rest with the part and what to write in its place. The compiler publishes
the rewritten pattern, so every validator gives the same verdict.
"""

from __future__ import annotations

import re
from typing import Final

#: White space of ECMA-262: the characters of \\s.
_SPACE: Final = r"\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
#: What is written in the same way by all engines, and read in different ways.
_SPACES: Final = {
    "\\s": f"[{_SPACE}]",
    "\\S": f"[^{_SPACE}]",
    ".": r"[^\n\r\u2028\u2029]",
}
_CLASSES: Final = {
    r"[\S]": _SPACES[r"\S"],
    r"[^\S]": _SPACES[r"\s"],
    r"[\s\S]": r"[\d\D]",  # any character
    r"[\S\s]": r"[\d\D]",
}
_ESCAPE: Final = r"[dDwWtnrfv^$\\.*+?()\[\]{}|/]|x[0-9A-Fa-f]{2}|u(?![dD][89A-Fa-f])[0-9A-Fa-f]{4}"
#: No \\b, no flags, no lookaround, no possessive quantifier, no class inside a class; a bracket and
#: a literal brace are escaped.
_PORTABLE: Final = re.compile(
    rf"(?:\\(?:{_ESCAPE})"
    rf"|\[\^?+(?:\\(?:{_ESCAPE}|-)|(?!&&|--|~~|\|\|)[^\[\]\\])+\]"
    r"|\((?:\?:|(?!\?))|\)"
    r"|(?:[*+?]|\{[0-9]+(?:,[0-9]*)?\})(?!\+)"
    r"|[^\\\[\](){}*+?])*"
)
#: What is rewritten or named as a whole: an escape, a class, the start of a group, a character.
_TOKEN: Final = re.compile(
    r"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|[pPuk]\{[^}]*\}|k<[^>]*>|[0-9]+|.)"
    r"|\[\^?(?:\\.|[^\]\\])+\]"
    r"|\(\?(?:P?<[A-Za-z_][A-Za-z0-9_]*>|<[=!]|[a-zA-Z-]+[:)]|.)"
    r"|.",
    re.DOTALL,
)
_PUNCTUATION: Final = re.compile(r"\\([ !\"#%&',:;<=>@_`~-])")
_CLASS_PART: Final = re.compile(
    r"(\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|.)|.)(?:-(\\(?:x..|u....|.)|[^\]]))?", re.DOTALL
)
_NAMED: Final = re.compile(r"\(\?P?<[A-Za-z_]")
_IGNORE_CASE: Final = "(?i)"

#: What to write in place of a part, by the beginning of the part.
_ADVICE: Final = (
    (("\\b", "\\B"), "list the characters around it, such as (?:^|[^A-Za-z0-9_])"),
    (("\\p", "\\P"), "list the characters, such as [A-Za-z]"),
    (("\\A",), "write ^"),
    (("\\Z", "\\z"), "write $"),
    (("\\k", *(f"\\{digit}" for digit in range(1, 10))), "write out what it refers to"),
    (("(?=", "(?!", "(?<=", "(?<!"), "write the allowed texts, or one more pattern in allOf"),
    (("(?",), "write (?:…), with both cases in classes such as [Aa]"),
    (("[", "]"), "in a class, escape [, ], && and --, and list the characters of \\S"),
    (("{", "}"), "escape a brace that is no count, as in \\{"),
)


class NotPortable(Exception):
    """A pattern that not every engine reads alike. `part` is where, `advice` what to do."""

    def __init__(self, part: str, advice: str) -> None:
        super().__init__(part, advice)
        self.part = part
        self.advice = advice


def portable(pattern: str) -> str:
    """Return an equal pattern that every engine reads alike. Raises NotPortable."""
    from jsonschema_rs import Draft202012Validator, RegexOptions

    ignores_case = pattern.startswith(_IGNORE_CASE)
    body = pattern.removeprefix(_IGNORE_CASE)
    made = "".join(_rewritten(part[0], ignores_case) for part in _TOKEN.finditer(body))
    match = _PORTABLE.match(made)
    if match is None or match.end() < len(made):
        part = _TOKEN.match(made, match.end() if match else 0)
        raise _not_portable(part[0] if part else made)
    try:
        Draft202012Validator({"pattern": made}, pattern_options=RegexOptions())
        re.compile(made, re.ASCII)
    except (ValueError, OverflowError, re.error):
        raise NotPortable(pattern, "write a pattern that is valid in ECMA-262") from None
    return made


def _not_portable(part: str) -> NotPortable:
    for starts, advice in _ADVICE:
        if part.startswith(starts):
            return NotPortable(part, advice)
    return NotPortable(part, "write it in another way")


def _rewritten(part: str, ignores_case: bool) -> str:  # noqa: FBT001 - a part and a flag of it
    """Return a part of a pattern as all engines read it; as it is if there is no such form."""
    if part[:1] == "[" and part[1:]:
        return _class(part, ignores_case)
    if part in _SPACES:
        return _SPACES[part]
    if _NAMED.match(part):
        return "("
    if plain := _PUNCTUATION.fullmatch(part):
        return plain[1]
    if ignores_case and len(part) == 1 and part.swapcase() != part and len(part.swapcase()) == 1:
        return f"[{part}{part.swapcase()}]"
    return part


def _class(part: str, ignores_case: bool) -> str:  # noqa: FBT001 - a part and a flag of it
    """Return a class of characters without what only some engines read."""
    if part in _CLASSES:
        return _CLASSES[part]
    negated = part[1:2] == "^"
    made = []
    for each in _CLASS_PART.finditer(part[1 + negated : -1]):
        first, last = (plain and _in_class(plain) for plain in each.groups())
        if last is None:
            made.append(_SPACE if first == "\\s" else first)
            last = first
        else:
            made.append(f"{first}-{last}")
        if ignores_case and len(first) == len(last) == 1:
            made += _other_case(first, last)
    return f"[{'^' * negated}{''.join(made)}]"


def _in_class(escape: str) -> str:
    """Return an escape of a class without the backslash, if every engine allows that."""
    plain = _PUNCTUATION.fullmatch(escape)
    return plain[1] if plain and plain[1] != "-" else escape


def _other_case(first: str, last: str) -> list[str]:
    """Return the ranges of the letters that a range has in the other case."""
    found = []
    for low, high in (("a", "z"), ("A", "Z")):
        start, end = max(first, low), min(last, high)
        if start <= end:
            found.append(f"{start.swapcase()}-{end.swapcase()}")
    return found
