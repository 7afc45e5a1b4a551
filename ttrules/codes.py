"""The words of the matrix and of the reports, as tables.

A requirement code is what a cell of the matrix may hold; a finding code is what a report may say;
a relation is what a condition may ask of the fields of one object. Everything else in the package
looks these up, so a new code is a new row here, a sentence in MESSAGES, and a case in the tests'
oracle. Nothing here computes anything about a payload.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

Severity: TypeAlias = Literal["error", "warning", "undetermined"]
Unsupported: TypeAlias = Literal["warn", "error", "ignore"]
Engine: TypeAlias = Literal["fast", "reference"]

#: Requirement codes of the document's legend, with their meaning for a payload of the process.
REQUIREMENTS: Final[dict[str, str]] = {
    "R": "Required: present, not null and not empty.",
    "O": "Optional: may be absent; when present it obeys its type.",
    "P": "Prohibited: must be absent, null included.",
    "PD": "Process dependent: a condition decides.",
    "R/PD": "Required, process dependent: a condition decides when it must be present.",
    "O/PD": "Optional, process dependent: a condition decides when it may be present.",
    "P/PD": "Prohibited, process dependent: a condition decides when it must be absent.",
    "-": "Not supported or not applicable: accepted, neither validated nor used nor stored.",
}

#: Codes whose cells ask for content: a value that is sent may not be empty.
NOT_EMPTY: Final = frozenset({"R", "R/PD"})

#: Relations on the fields of one object, each with the sentence it states.
RELATIONS: Final[dict[str, str]] = {
    "all_or_none": "send all of {fields}, or none of them",
    "at_least_one": "send at least one of {fields}",
    "at_most_one": "send at most one of {fields}",
    "exactly_one": "send exactly one of {fields}",
    "if_then_all": "when {first} is sent, send all of {rest}",
    "if_then_any": "when {first} is sent, send at least one of {rest}",
    "if_then_none": "when {first} is sent, send none of {rest}",
}

#: Finding codes, with the sentence shown to people. Templates are filled from a finding's
#: params and its own entity, field and process; no template shows a value of the payload.
MESSAGES: Final[dict[str, str]] = {
    "required": "Send {field}: it is required in {process}.",
    "prohibited": "Remove {field}: it is prohibited in {process}.",
    "not_supported": "{field} is not supported in {process}; it will not be used or stored.",
    "process_dependent": "In {entity}, {condition}.",
    "unknown_field": "Check the name {field}: {entity} has no such member.",
    "null": "Give {field} a value other than null, or leave it out where it is not required.",
    "empty": "Give {field} some content: it is required in {process} and may not be empty.",
    "type": "Send {field} as {expected}.",
    "enum": "Set {field} to one of: {allowed}.",
    "format": "Write {field} as {expected}.",
    "range": "Keep {field} within its range ({limits}).",
    "length": "Keep {field} within its size ({limits}).",
    "immutable": "Leave {field} as it is: a change may repeat it but not alter it.",
    "transition": "Choose another {field}: from {from} a ticket may move to: {allowed}.",
}

#: The types of JSON Schema, as a person is told them.
KINDS: Final[dict[str, str]] = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}

#: Of several things wrong with one value, the one that is reported: the first of these.
PRECEDENCE: Final[tuple[str, ...]] = ("null", "type", "empty", "enum", "format", "range", "length")

#: Keywords of JSON Schema and the finding code that each one's failure is.
KEYWORD_CODES: Final[dict[str, str]] = {
    "type": "type",
    "enum": "enum",
    "pattern": "format",
    "minimum": "range",
    "maximum": "range",
    "exclusiveMinimum": "range",
    "exclusiveMaximum": "range",
    "multipleOf": "range",
    "minLength": "length",
    "maxLength": "length",
    "minItems": "length",
    "maxItems": "length",
    "uniqueItems": "length",
}

#: The keywords of JSON Schema behind ``range`` and ``length``, which their findings tell.
BOUNDS: Final[dict[str, tuple[str, ...]]] = {
    code: tuple(keyword for keyword, each in KEYWORD_CODES.items() if each == code)
    for code in ("range", "length")
}

#: One character that is not white space. Spelled out, since \s differs between the dialects of
#: ECMA-262 (which JSON Schema follows), Rust and Python; see "White space" in interpretation.yaml.
NON_BLANK: Final = r"[^\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]"

_DAY = (
    r"(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    r"|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)"
)
_TIME = (
    r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)

#: Formats that are enforced, by pattern, so that a verdict never depends on whether a validator
#: checks `format`: the pattern and what a person is told to write.
FORMATS: Final[dict[str, tuple[str, str]]] = {
    "date-time": (rf"^{_DAY}[Tt]{_TIME}$", "an RFC 3339 date-time with an offset or Z"),
    "date": (rf"^{_DAY}$", "an RFC 3339 full-date (YYYY-MM-DD)"),
    "byte": (
        r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
        "base64 with padding and no line breaks (RFC 4648, section 4)",
    ),
    "uuid": (
        r"^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$",
        "a UUID (RFC 9562)",
    ),
}

#: How deep arrays and objects may be nested in a payload; a ticket needs five levels.
MAX_DEPTH: Final = 32

#: How many values a payload or a patch may have: texts, numbers, literals, arrays and objects. A
#: value that occurs twice counts twice. The largest valid ticket has fewer (see maxItems in
#: spec/openapi.yaml).
MAX_VALUES: Final = 20_000

#: How many operations a JSON Patch may have (maxItems of JsonPatch in spec/openapi.yaml), and how
#: long each of its pointers may be.
MAX_OPERATIONS: Final = 1_000
MAX_POINTER: Final = 2_048

_NON_BLANK = re.compile(NON_BLANK)


def is_blank(text: str) -> bool:
    """Say whether `text` holds white space only, or nothing."""
    return _NON_BLANK.search(text) is None


def slug(name: str) -> str:
    """Return the short form of a process name: ``Complaint Add`` gives ``complaint-add``."""
    return re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-")


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

    Raises ValueError when `text` is neither empty nor begins with a slash, or when a ``~`` is
    followed by anything but 0 or 1.
    """
    if text and not text.startswith("/"):
        message = "a JSON Pointer is empty or begins with /"
        raise ValueError(message)
    if re.search(r"~(?![01])", text):
        message = "~ stands before 0 or 1 only in a JSON Pointer"
        raise ValueError(message)
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:])


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` was most likely meant to be, or None.

    Case alone is never a difference. Only the first 64 characters of a name are looked at.
    """
    # Imported here since few payloads need it and every program would pay for it.
    from difflib import get_close_matches

    folded = {each.casefold(): each for each in known}
    close = get_close_matches(name[:64].casefold(), folded, n=1)
    return folded[close[0]] if close else None


def relation_holds(relation: str, sent: tuple[bool, ...]) -> bool:
    """Say whether a relation holds, given which of its fields are sent, in their order."""
    first, rest = sent[0], sent[1:]
    return {
        "all_or_none": all(sent) or not any(sent),
        "at_least_one": any(sent),
        "at_most_one": sum(sent) <= 1,
        "exactly_one": sum(sent) == 1,
        "if_then_all": not first or all(rest),
        "if_then_any": not first or any(rest),
        "if_then_none": not first or not any(rest),
    }[relation]


def offending_field(relation: str, sent: tuple[bool, ...]) -> int:
    """Return the index of the field that a broken relation is reported at.

    It is a missing field where one must be added and a sent one where one must go: the first that
    is missing, the second that is sent, or, behind an if, the first of the rest.
    """
    absent = [index for index, here in enumerate(sent) if not here]
    present = [index for index, here in enumerate(sent) if here]
    if relation == "if_then_none" or (relation in {"at_most_one", "exactly_one"} and present):
        return present[1]
    return absent[0]
