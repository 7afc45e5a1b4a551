"""The codes of the matrix and of the reports, as tables.

A cell of the matrix has a requirement code, a finding has a finding code, and a condition has a
relation between the fields of one object. All other modules look the codes up here: a new code is a
row here, a translation in `messages`, and a case in the oracle of the tests.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Severity: TypeAlias = Literal["error", "warning", "undetermined"]
Unsupported: TypeAlias = Literal["warn", "error", "ignore"]
Engine: TypeAlias = Literal["fast", "reference"]

UNSUPPORTED: Final[tuple[str, ...]] = get_args(Unsupported)
ENGINES: Final[tuple[str, ...]] = get_args(Engine)

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

#: What the payload of a process is for, with the HTTP method that usually carries it: a new ticket,
#: a patch, the whole of a stored ticket, or the body of another operation.
OPERATIONS: Final[dict[str, str]] = {
    "add": "post",
    "change": "patch",
    "replace": "put",
    "action": "post",
}

#: Relations between the fields of one object, with the instruction in a message.
RELATIONS: Final[dict[str, str]] = {
    "all_or_none": "send all of {fields}, or none of them",
    "at_least_one": "send at least one of {fields}",
    "at_most_one": "send at most one of {fields}",
    "exactly_one": "send exactly one of {fields}",
    "if_then_all": "when {first} is sent, send all of {rest}",
    "if_then_any": "when {first} is sent, send at least one of {rest}",
    "if_then_none": "when {first} is sent, send none of {rest}",
    "required": "{fields} is required",
    "prohibited": "{fields} is prohibited",
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
    "variant": "Send {field} as one of: {variants}.",
    "immutable": "Do not change {field}: a change may repeat it, but not alter it.",
    "transition": "Choose another {field}: after {from}, a {noun} may become: {allowed}.",
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
PRECEDENCE: Final[tuple[str, ...]] = (
    "null",
    "type",
    "empty",
    "enum",
    "format",
    "range",
    "length",
    "variant",
)

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
    "minProperties": "length",
    "maxProperties": "length",
    "anyOf": "variant",
}

#: The keywords of the items of a list, and of the values of a map, in a compiled schema. A map has
#: no `properties`.
PARTS: Final = frozenset({"items", "additionalProperties"})

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

_OF_TIME = r"T(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S)"
_DURATION = (
    r"P(?:(?:[0-9]+D|[0-9]+M(?:[0-9]+D)?|[0-9]+Y(?:[0-9]+M(?:[0-9]+D)?)?)"
    rf"(?:{_OF_TIME})?|{_OF_TIME}|[0-9]+W)"
)
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = rf"{_LABEL}(?:\.{_LABEL})*"
_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = rf"{_BYTE}(?:\.{_BYTE}){{3}}"
_PIECE = r"[0-9A-Fa-f]{1,4}"
_LAST_TWO = rf"(?:{_PIECE}:{_PIECE}|{_IPV4})"
#: The nine lines of IPv6address in RFC 3986, appendix A.
_IPV6 = "|".join(
    [
        rf"(?:{_PIECE}:){{6}}{_LAST_TWO}",
        rf"::(?:{_PIECE}:){{5}}{_LAST_TWO}",
        *(
            rf"(?:(?:{_PIECE}:){{0,{4 - after}}}{_PIECE})?::(?:{_PIECE}:){{{after}}}{_LAST_TWO}"
            for after in (4, 3, 2, 1, 0)
        ),
        rf"(?:(?:{_PIECE}:){{0,5}}{_PIECE})?::{_PIECE}",
        rf"(?:(?:{_PIECE}:){{0,6}}{_PIECE})?::",
    ]
)
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_QUOTED = r'"(?:[ !#-\[\]-~]|\\[ -~])*"'
_MAILBOX = (
    rf"(?:{_ATOM}(?:\.{_ATOM})*|{_QUOTED})@(?:{_HOST}|\[(?:{_IPV4}|[Ii][Pp][Vv]6:(?:{_IPV6}))\])"
)
_PERCENT = r"%[0-9A-Fa-f]{2}"
_NAME = r"A-Za-z0-9._~!$&'()*+,;="
_CHAR = rf"(?:[{_NAME}:@-]|{_PERCENT})"
_AUTHORITY = (
    rf"(?:(?:[{_NAME}:-]|{_PERCENT})*@)?"
    rf"(?:\[(?:{_IPV6}|[Vv][0-9A-Fa-f]+\.[{_NAME}:-]+)\]|(?:[{_NAME}-]|{_PERCENT})*)(?::[0-9]*)?"
)
_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]*:"
_SEGMENTS = rf"(?:/{_CHAR}*)*"
#: A path that begins with a slash, or none, with the authority before it.
_ROOTED = rf"(?://{_AUTHORITY}{_SEGMENTS}|/(?:{_CHAR}+{_SEGMENTS})?|)"
_ROOTLESS = rf"{_CHAR}+{_SEGMENTS}"
_NO_COLON = rf"(?:[{_NAME}@-]|{_PERCENT})+{_SEGMENTS}"
_REST = rf"(?:\?(?:{_CHAR}|[/?])*)?(?:#(?:{_CHAR}|[/?])*)?"
_URI = rf"{_SCHEME}(?:{_ROOTED}|{_ROOTLESS}){_REST}"
_REFERENCE = rf"(?:(?:{_SCHEME})?{_ROOTED}|{_SCHEME}{_ROOTLESS}|{_NO_COLON}){_REST}"

#: Enforced formats of texts: the pattern, and the name in messages. They are enforced by pattern,
#: so a verdict does not depend on whether a validator checks `format`.
FORMATS: Final[dict[str, tuple[str, str]]] = {
    "date-time": (rf"^{_DAY}[Tt]{_TIME}$", "an RFC 3339 date-time with an offset or Z"),
    "date": (rf"^{_DAY}$", "an RFC 3339 full-date (YYYY-MM-DD)"),
    "time": (rf"^{_TIME}$", "an RFC 3339 full-time with an offset or Z (hh:mm:ssZ)"),
    "duration": (rf"^{_DURATION}$", "a duration (RFC 3339, appendix A), such as P1DT12H"),
    "byte": (
        r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
        "base64 with padding and no line breaks (RFC 4648, section 4)",
    ),
    "uuid": (
        r"^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$",
        "a UUID (RFC 9562)",
    ),
    "email": (rf"^{_MAILBOX}$", "an e-mail address (RFC 5321, Mailbox)"),
    "hostname": (rf"^{_HOST}$", "a host name (RFC 1123) in ASCII, without a final dot"),
    "ipv4": (rf"^{_IPV4}$", "an IPv4 address in dotted decimals (RFC 2673, section 3.2)"),
    "ipv6": (rf"^(?:{_IPV6})$", "an IPv6 address without a zone (RFC 4291, section 2.2)"),
    "uri": (rf"^{_URI}$", "a URI with a scheme (RFC 3986)"),
    "uri-reference": (rf"^{_REFERENCE}$", "a URI, with or without a scheme (RFC 3986)"),
}

_GREATEST_FLOAT = 3.4028234663852886e38

#: Enforced bounds of formats, by keyword. A bound of the shape that is narrower replaces them.
FORMAT_BOUNDS: Final[dict[str, dict[str, float]]] = {
    "int32": {"minimum": -(2**31), "maximum": 2**31 - 1},
    "int64": {"minimum": -(2**63), "maximum": 2**63 - 1},
    "float": {"minimum": -_GREATEST_FLOAT, "maximum": _GREATEST_FLOAT},
    "hostname": {"maxLength": 253},
    "email": {"maxLength": 254},
}

#: Formats of whole numbers.
INTEGER_FORMATS: Final = frozenset({"int32", "int64"})

#: Formats that accept every value of their type, so there is nothing to enforce. Any other format
#: that is neither here nor in FORMATS nor in FORMAT_BOUNDS is accepted and not enforced.
ANNOTATION_FORMATS: Final = frozenset({"binary", "double", "password"})

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


#: The ends of a schema's name that say what it is used for.
_USES: Final = frozenset({"create", "update", "fvo", "mvo", "input", "request", "new", "dto"})


def noun_of(entity: str) -> str:
    """Return the last word of an entity's name: ``TroubleTicket`` gives ``ticket``.

    The use of a schema is left out: ``Order_Create`` gives ``order``.
    """
    words = [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", entity)]
    return next((word for word in reversed(words) if word not in _USES), "resource")


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name closest to `name`, or None.

    Case is ignored. Only the first 64 characters of `name` are compared.
    """
    # Imported here because few payloads need it.
    from difflib import get_close_matches

    folded = {each.casefold(): each for each in known}
    close = get_close_matches(name[:64].casefold(), folded, n=1)
    return folded[close[0]] if close else None


def is_one_of(value: object, values: Iterable[object]) -> bool:
    """Return whether a value is equal to one of several scalars, as JSON compares them."""
    return any(
        value == each and isinstance(value, bool) is isinstance(each, bool) for each in values
    )


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
        "required": all(sent),
        "prohibited": not any(sent),
    }[relation]


def offending_field(relation: str, sent: tuple[bool, ...]) -> int:
    """Return the index of the field at which a violated relation is reported.

    If a field must be added, it is the first missing one; if one must be removed, the second sent
    one, or the only one that the relation has.
    """
    absent = [index for index, here in enumerate(sent) if not here]
    present = [index for index, here in enumerate(sent) if here]
    if relation == "prohibited":
        return present[0]
    if relation == "if_then_none" or (relation in {"at_most_one", "exactly_one"} and present):
        return present[1]
    return absent[0]


#: The version of the format of book.json; another version is rejected.
BOOK_FORMAT: Final = 1


#: The keyword with a cell, a relation or an entity in a compiled schema.
ANNOTATION: Final = "x-ttrules"

#: The keywords of compiled schemas that contain schemas: by name, in a list, and one.
NAMED_SCHEMAS: Final = frozenset({"properties", "$defs"})
LISTED_SCHEMAS: Final = frozenset({"allOf", "anyOf", "oneOf"})
SINGLE_SCHEMAS: Final = frozenset({"items", "not", "if", "then", "else", "additionalProperties"})


def mapped(
    schema: Mapping[str, Any], change: Callable[[Mapping[str, Any]], dict[str, Any]]
) -> dict[str, Any]:
    """Return a copy of a schema with each schema directly in it changed."""
    made = dict(schema)
    for key, value in schema.items():
        if key in NAMED_SCHEMAS:
            made[key] = {name: change(each) for name, each in value.items()}
        elif key in LISTED_SCHEMAS:
            made[key] = [change(each) for each in value]
        elif key in SINGLE_SCHEMAS:
            made[key] = change(value)
    return made
