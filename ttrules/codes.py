"""The codes of the matrix and of the reports, as tables.

A cell of the matrix has a requirement code, a finding has a finding code, and a condition has a
relation between the fields of one object. All other modules look the codes up here: a new code is a
row here, a translation in `messages`, and a case in the oracle of the tests.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

Severity: TypeAlias = Literal["error", "warning", "undetermined"]
Unsupported: TypeAlias = Literal["warn", "error", "ignore"]
Engine: TypeAlias = Literal["fast", "reference"]

#: Requirement codes of the document's legend, with their meaning for a payload.
REQUIREMENTS: Final[dict[str, str]] = {
    "R": "Required: present, not null and not empty.",
    "O": "Optional: may be absent; if present, it must match its type.",
    "P": "Prohibited: must be absent; null also counts as sent.",
    "PD": "Process dependent: a condition decides.",
    "R/PD": "Required, process dependent: a condition decides when it must be present.",
    "O/PD": "Optional, process dependent: a condition decides when it may be present.",
    "P/PD": "Prohibited, process dependent: a condition decides when it must be absent.",
    "-": "Not supported or not applicable: accepted, but not validated, used or stored.",
}

#: Codes that require content: a value that is sent must not be empty.
NOT_EMPTY: Final = frozenset({"R", "R/PD"})

#: Relations between the fields of one object, with the instruction in a message.
RELATIONS: Final[dict[str, str]] = {
    "all_or_none": "send all of {fields}, or none of them",
    "at_least_one": "send at least one of {fields}",
    "at_most_one": "send at most one of {fields}",
    "exactly_one": "send exactly one of {fields}",
    "if_then_all": "when {first} is sent, send all of {rest}",
    "if_then_any": "when {first} is sent, send at least one of {rest}",
    "if_then_none": "when {first} is sent, send none of {rest}",
}

#: Finding codes, with their messages. Placeholders are filled from the params, entity, field and
#: process of a finding, never with a value of the payload.
MESSAGES: Final[dict[str, str]] = {
    "required": "Send {field}: it is required in {process}.",
    "prohibited": "Remove {field}: it is prohibited in {process}.",
    "not_supported": "{field} is not supported in {process}; it will not be used or stored.",
    "process_dependent": "In {entity}, {condition}.",
    "unknown_field": "Check the name {field}: {entity} has no such member.",
    "null": "Send {field} with a value other than null, or omit it if it is not required.",
    "empty": "Send {field} with content: it is required in {process} and must not be empty.",
    "type": "Send {field} as {expected}.",
    "enum": "Set {field} to one of: {allowed}.",
    "format": "Write {field} as {expected}.",
    "range": "Keep {field} within its range ({limits}).",
    "length": "Keep {field} within its size ({limits}).",
    "immutable": "Do not change {field}: a change may repeat it, but not alter it.",
    "transition": "Choose another {field}: after {from}, a ticket may become: {allowed}.",
}

#: The types of JSON Schema, as named in messages.
KINDS: Final[dict[str, str]] = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}

#: If a value has several defects, the first of these is reported.
PRECEDENCE: Final[tuple[str, ...]] = ("null", "type", "empty", "enum", "format", "range", "length")

#: The finding code for a failure at each keyword of JSON Schema.
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

#: The keywords of ``range`` and ``length``, which their findings have as params.
BOUNDS: Final[dict[str, tuple[str, ...]]] = {
    code: tuple(keyword for keyword, each in KEYWORD_CODES.items() if each == code)
    for code in ("range", "length")
}

#: One character that is not white space. Spelled out, because \s differs between the dialects of
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

#: Enforced formats: the pattern, and the name in messages. They are enforced by pattern, so a
#: verdict does not depend on whether a validator checks `format`.
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
    """Return whether `text` is empty or white space only."""
    return _NON_BLANK.search(text) is None


def slug(name: str) -> str:
    """Return the short form of a process name: ``Complaint Add`` gives ``complaint-add``."""
    return re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-")


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name closest to `name`, or None.

    Case is ignored. Only the first 64 characters of `name` are compared.
    """
    # Imported here because few payloads need it.
    from difflib import get_close_matches

    folded = {each.casefold(): each for each in known}
    close = get_close_matches(name[:64].casefold(), folded, n=1)
    return folded[close[0]] if close else None


def relation_holds(relation: str, sent: tuple[bool, ...]) -> bool:
    """Return whether a relation is met, given which of its fields are sent, in order."""
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
    """Return the index of the field at which a violated relation is reported.

    If a field must be added, it is the first missing one; if one must be removed, the second sent
    one.
    """
    absent = [index for index, here in enumerate(sent) if not here]
    present = [index for index, here in enumerate(sent) if here]
    if relation == "if_then_none" or (relation in {"at_most_one", "exactly_one"} and present):
        return present[1]
    return absent[0]


#: The version of the format of book.json; another version is rejected.
BOOK_FORMAT: Final = 1


#: The keyword with a cell, a relation or an entity in a compiled schema.
ANNOTATION: Final = "x-ttrules"
