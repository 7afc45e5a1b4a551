"""JSON Pointer (RFC 6901): convert a path of member names and indices to text, and back.

`json_values.value_at` returns the value at a path.
"""

from __future__ import annotations

import re
from typing import TypeAlias

#: Member names and array indices from the root of a payload to one of its values.
Path: TypeAlias = tuple[str | int, ...]


def pointer(path: tuple[str | int, ...]) -> str:
    """Return the JSON Pointer (RFC 6901, section 3) of a path of member names and indices."""
    text = ""
    for part in path:
        if type(part) is str and ("~" in part or "/" in part):
            text += "/" + part.replace("~", "~0").replace("/", "~1")
        else:
            text += f"/{part}"
    return text


def path_of(text: str) -> tuple[str, ...]:
    """Return the reference tokens of a JSON Pointer (RFC 6901, section 4).

    Raises ValueError if `text` is not empty and does not start with a slash, or if a ``~`` is not
    followed by 0 or 1.
    """
    if text and not text.startswith("/"):
        message = "a JSON Pointer is empty or starts with /"
        raise ValueError(message)
    if re.search(r"~(?![01])", text):
        message = "in a JSON Pointer ~ is followed by 0 or 1"
        raise ValueError(message)
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:])
