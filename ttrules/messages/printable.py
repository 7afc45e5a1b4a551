"""Text that a terminal can show: control characters are escaped before anything is printed.

Names and messages come from payloads and spec files. None of their characters may move the cursor,
change a colour or hide a line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

#: Gives a text a colour or weight: (text, fg=…, bold=…).
Style: TypeAlias = Callable[..., str]


#: Letters of other alphabets that look like Latin ones, each above the one that it looks like.
_LIKE_LATIN: Final = str.maketrans(
    "АВСЕНІЈКМОРЅТХУаеорсхуіјѕΑΒΕΖΗΙΚΜΝΟΡΤΥΧορ−",  # noqa: RUF001 - they are meant
    "ABCEHIJKMOPSTXYaeopcxyijsABEZHIKMNOPTYXop-",
)


def lookalike(text: str, known: Iterable[str]) -> str | None:
    """Return what to write if a text differs from a known one by characters that look like others.

    These are letters of other alphabets, dashes, digits, white space and invisible characters. The
    result names the first of them; it is None if the text is not like a known one.
    """
    # Imported here because only errors need it.
    from unicodedata import category, name, normalize

    def plain(letter: str) -> str:
        """Return the ASCII character that a character looks like; itself if there is none."""
        kind = category(letter)
        if kind in {"Cf", "Zs"} or letter.isspace():
            return "" if kind == "Cf" else " "
        return "-" if kind == "Pd" else str(int(letter)) if kind == "Nd" else letter

    meant = "".join(map(plain, normalize("NFKC", text).translate(_LIKE_LATIN))).strip()
    if meant == text or meant not in known:
        return None
    odd = next(each for each in text if not each.isascii() or not each.isprintable())
    title = name(odd, f"U+{ord(odd):04X}")
    return f"{title} is another character than in {meant!r}: write {meant!r}"


def printable(text: str) -> str:
    r"""Return the text with unprintable characters escaped: ``\x1b``, ``\u202e``."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )
