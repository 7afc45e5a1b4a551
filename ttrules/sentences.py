"""What is said in English beside the tables of codes: pieces of sentences, reasons, counts, texts.

All that people read of a report is here or in codes, by a key; another language is a module with
the same tables (polish is one), and a row of languages.TABLES. A text is filled from names and
numbers alone, never from a value of a payload. A Said is a sentence of REASONS, filled: wherever a
text is wanted it is the English one, and languages can say it again in another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from ttrules.codes import FORMATS as _ENFORCED
from ttrules.codes import KINDS, MESSAGES, RELATIONS, REQUIREMENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The formats that are enforced: what a person is told to write.
FORMATS: Final[dict[str, str]] = {name: text for name, (_, text) in _ENFORCED.items()}

#: What the sentences about findings are made of.
WORDS: Final[dict[str, str]] = {
    "payload": "the payload",
    "process": "{name}",
    "every_process": "every process",
    "or": " or ",
    "suggestion": " Did you mean {name}?",
    "unknown_status": "an unknown status",
    "final": "Leave {field} as it is: from {from} a ticket moves no further.",
    "accepts": "Leave {field} as it is: {from} is a final status, in which a ticket accepts"
    " changes of these members only: {accepts}.",
    "accepts_nothing": "Leave {field} as it is: {from} is a final status, in which a ticket accepts"
    " no changes.",
    "stored_item": "Leave {field} as it is: a change may add items to {list} but not alter or"
    " remove stored ones. To add one, send only the new item: in a merge patch as the list {list},"
    " in a JSON Patch by the operation add with the path {append}.",
    "undeclared": "a condition that is not declared decides on {field}",
    "when": "when {subject} {test}, {rule}",
    "member_of_parent": "{name} of the parent",
    "member_of_root": "{name} of the root",
    "sent": "is sent",
    "not_sent": "is not sent",
    "equals": "is {value}",
    "in": "is one of {values}",
}

#: Why something cannot be judged.
REASONS: Final[dict[str, str]] = {
    "not_json": "is not JSON: {detail}",
    "not_json_at": "not JSON at {place}: {why}",
    "the_payload": "(the payload)",
    "not_utf8": "is not UTF-8 here",
    "wide": "is not UTF-8 but {coding}, by its first bytes",
    "twice": "the member name {name} stands twice in one object",
    "no_payload": "holds no payload",
    "too_long": "the payload is too long to be read",
    "not_read": "cannot be read: {detail}",
    "damaged": "the compressed data is damaged",
    "cut_off": "the compressed data ends too early",
    "behind_array": "there is more behind the end of the array",
    "open_array": "the array is not closed",
    "no_value": "a value is missing in the array",
    "too_many": "more than {most} values",
    "no_form": "a value of type {kind} has no JSON form",
    "no_name": "a member name of type {kind} has no JSON form",
    "too_deep": "arrays and objects are nested more than {most} deep",
    "surrogate": "a lone surrogate at character {at}",
    "many_digits": "a number of so many digits cannot be written",
    "not_finite": "JSON has no NaN and no infinity",
    "decimal": "a Decimal beyond the range of double precision",
    "operation": "operation {index} cannot be applied: {why}",
    "operations": "a patch may have up to {most} operations",
    "long_pointer": "{name} is longer than {most} characters",
    "copies": "the patch copies too much",
    "into_itself": "a value cannot move into itself",
    "no_object": "it is no object",
    "no_operation": "op is none of {operations}",
    "lacks": "{operation} lacks {name}",
    "no_pointer": "{name} is no JSON Pointer",
    "nothing_at": "there is nothing at {path}",
    "another_value": "the value at {path} is another than the one tested for",
    "nowhere": "{path} leads nowhere",
    "no_selection": "the rules do not say which process a new ticket belongs to",
    "not_changed": "the stored ticket's {field} is none of those that may be changed: {wanted}",
    "declared": "declared in the rules",
}

#: What is counted, in each of the language's forms of number: here one, and all others.
COUNTS: Final[dict[str, tuple[str, ...]]] = {
    "payloads": ("{count} payload", "{count} payloads"),
    "valid": ("{count} valid", "{count} valid"),
    "invalid": ("{count} invalid", "{count} invalid"),
    "errors": ("{count} error", "{count} errors"),
    "warnings": ("{count} warning", "{count} warnings"),
    "undetermined": ("{count} undetermined", "{count} undetermined"),
    "unreadable": ("{count} unreadable", "{count} unreadable"),
}

#: What a severity is called in the text of a report; "unreadable" is the code of a reason there.
SEVERITIES: Final[dict[str, str]] = {
    "error": "error",
    "warning": "warning",
    "undetermined": "undetermined",
}

#: What stands around facts in what the commands print.
TEXTS: Final[dict[str, str]] = {
    "unreadable": "Send one JSON document.",
    "field": "Field",
    "no_type": "no type",
    "one_of": "{type}; one of: {values}",
    "conditions": "Conditions",
    "selection": "Choice of process",
    "unsupported": "Not supported",
    "warn": "It is accepted and reported as a warning, and neither used nor stored.",
    "error": "It is refused.",
    "ignore": "It is accepted and nothing is said; it is neither used nor stored.",
    "changes": "Changes",
    "decisions": "Decisions",
    "why": "Why: {reason}",
    "source": "Source: {source}",
    "optional": "No condition; it is optional.",
    "immutable": "A change may repeat it but not alter it.",
    "append_only": "A change may add items but not alter or remove stored ones.",
    "default": "Where a change leaves it out of a new item, it is {value}.",
    "initial": "A new ticket is {status}.",
    "following": "{status}: then {following}",
    "nothing": "nothing more",
    "accepts": "In a final status a ticket accepts changes of these members only: {members}.",
    "kind": "Kind",
    "about": "About",
    "what": "What",
    "decided": "Decided under",
}

#: The kinds of oddities that lint finds.
ODDITIES: Final[dict[str, str]] = {
    "undeclared": "No condition is declared, so it binds nothing in: {detail}.",
    "hollow": "It may be sent, yet no member of {detail} may be or is used.",
    "untyped": "It has no type, so any value fits.",
    "selector": "It selects the process, yet need not be sent in: {detail}.",
    "unread": "No field holds this entity, so its rows bind nothing.",
    "spelling": "Other names suggest the spelling {detail}.",
    "case": "Its name differs in case alone from {detail}.",
}

__all__ = [
    "COUNTS",
    "FORMATS",
    "KINDS",
    "MESSAGES",
    "ODDITIES",
    "REASONS",
    "RELATIONS",
    "REQUIREMENTS",
    "SEVERITIES",
    "TEXTS",
    "WORDS",
    "Said",
    "plural",
]


def plural(count: int) -> int:
    """Return which form of number a count takes, from 0."""
    return int(count != 1)


class Said(str):  # noqa: SLOT000 - it has what str has not: where it comes from
    """A filled sentence of REASONS: a text in English that knows its key and what fills it.

    A text, so that whoever takes one, sends it to another process or compares it need not know.
    """

    #: Where the sentences are found by their keys.
    TABLE: ClassVar[Mapping[str, str]] = REASONS

    key: str
    params: Mapping[str, Any]

    def __new__(cls, key: str, /, **params: Any) -> Said:  # noqa: ANN401, PYI034 - names, numbers
        """Fill a sentence. Raises KeyError where there is none, or a slot stays empty."""
        said = super().__new__(cls, cls.TABLE[key].format_map(params))
        said.key, said.params = key, params
        return said

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]:
        """Say how to make the same again, in another process."""
        return (self.key,), dict(self.params)
