"""Text that a terminal can show: control characters are escaped before anything is printed.

Names and messages come from payloads and spec files. None of their characters may move the cursor,
change a colour or hide a line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

#: Gives a text a colour or weight: (text, fg=…, bold=…).
Style: TypeAlias = Callable[..., str]


def printable(text: str) -> str:
    r"""Return the text with unprintable characters escaped: ``\x1b``, ``\u202e``."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )
