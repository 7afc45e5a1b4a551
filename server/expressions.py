r"""Regular expressions of a query: what re2 makes of them, and what SQL can say of them before.

re2 alone decides, in linear time. To hand it every text of an operator takes most of the time of a
list, though, and most expressions that people write are words with something between them; of those
`likeness` makes a LIKE that lets pass whatever the expression matches, and little else. It says
nothing (None) of an expression in which anything but letters, signs, `.` and `.*` stands.
"""

from __future__ import annotations

import re
from typing import Any, Final

import re2  # type: ignore[import-untyped]

_CASELESS: Final = "(?i)"
#: The parts of a simple expression; no sign that means something to re2 is among the others.
_PART: Final = re.compile(r"\.\*|[^\\^$|?*+()\[\]{}]", re.DOTALL)
_SIMPLE: Final = re.compile(rf"(?:\(\?i\))?\^?(?P<parts>(?:{_PART.pattern})*)\$?", re.DOTALL)
#: What LIKE itself gives a meaning.
_WILD: Final = frozenset("%_\\")
#: Letters that are also the small or large form of a letter outside of ASCII.
_MANIFOLD: Final = frozenset("kKsS")


def compiled(text: str) -> Any:  # noqa: ANN401 - re2 is untyped
    """Return an expression, ready to search. Raises ValueError when it is none of RE2."""
    options = re2.Options()
    options.max_mem, options.log_errors = 1 << 20, False
    try:
        return re2.compile(text, options)
    except re2.error as error:
        raise ValueError(text) from error


def is_caseless(text: str) -> bool:
    """Say whether an expression takes small and large letters as the same from its begin on."""
    return text.startswith(_CASELESS)


def likeness(text: str) -> str | None:
    """Return the pattern of a LIKE that every text which the expression matches meets, or None.

    In place of what LIKE and RE2 may see differently stands a sign that meets anything.
    """
    found = _SIMPLE.fullmatch(text)
    if found is None:
        return None
    caseless = is_caseless(text)
    parts = ["%"]
    for part in _PART.findall(found["parts"]):
        if part == ".*":
            parts.append("%")
        elif part == "." or part in _WILD:
            parts.append("_")
        elif caseless and (not part.isascii() or part in _MANIFOLD):
            parts.append("_")
        else:
            parts.append(part)
    return "".join([*parts, "%"])
