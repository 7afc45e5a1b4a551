"""The English texts: parts of sentences, reasons, counts and headings, by their keys.

Another language is a module with the same tables (`pl`) and a row of `catalogue.TABLES`. Texts are
filled with names and numbers only, never with a value of a payload.
"""

from __future__ import annotations

from typing import Final

from ttrules.codes import FORMATS as _ENFORCED
from ttrules.codes import KINDS, MESSAGES, RELATIONS, REQUIREMENTS
from ttrules.message import REASONS

#: The names of the enforced formats.
FORMATS: Final[dict[str, str]] = {name: text for name, (_, text) in _ENFORCED.items()}

#: Parts of the messages of findings.
WORDS: Final[dict[str, str]] = {
    "payload": "the payload",
    "process": "{name}",
    "new_ticket": "a new ticket",
    "unselected": "Send {field}: a new ticket requires it, and it selects the process. If this is a"
    " change, validate it against a Change process.",
    "or": " or ",
    "suggestion": " Did you mean {name}?",
    "unknown_status": "an unknown status",
    "final": "Do not change {field}: no transition from {from} is allowed.",
    "accepts": "Do not change {field}: {from} is a final status, in which only these members"
    " can be changed: {accepts}.",
    "accepts_nothing": "Do not change {field}: {from} is a final status, in which no member can be"
    " changed.",
    "stored_item": "Do not change {field}: a change may add items to {list}, but not alter or"
    " remove stored items. To add one, send only the new item: in a merge patch as the list {list},"
    " in a JSON Patch by the operation add with the path {append}.",
    "undeclared": "the condition on {field} is not declared",
    "when": "when {subject} {test}, {rule}",
    "member_of_parent": "{name} of the parent",
    "member_of_root": "{name} of the root",
    "sent": "is sent",
    "not_sent": "is not sent",
    "equals": "is {value}",
    "in": "is one of {values}",
}

#: Counted nouns, with each plural form of the language: here one, and all others.
COUNTS: Final[dict[str, tuple[str, ...]]] = {
    "payloads": ("{count} payload", "{count} payloads"),
    "valid": ("{count} valid", "{count} valid"),
    "invalid": ("{count} invalid", "{count} invalid"),
    "errors": ("{count} error", "{count} errors"),
    "warnings": ("{count} warning", "{count} warnings"),
    "undetermined": ("{count} undetermined", "{count} undetermined"),
    "unreadable": ("{count} unreadable", "{count} unreadable"),
}

#: The names of severities in the text of a report.
SEVERITIES: Final[dict[str, str]] = {
    "error": "error",
    "warning": "warning",
    "undetermined": "undetermined",
}

#: Texts around the facts that commands print.
TEXTS: Final[dict[str, str]] = {
    "unreadable": "Send one JSON document.",
    "field": "Field",
    "no_type": "no type",
    "one_of": "{type}; one of: {values}",
    "conditions": "Conditions",
    "selection": "Choice of process",
    "unsupported": "Not supported",
    "warn": "It is accepted with a warning; it is not used or stored.",
    "error": "It is rejected.",
    "ignore": "It is accepted without a warning; it is not used or stored.",
    "changes": "Changes",
    "decisions": "Decisions",
    "why": "Why: {reason}",
    "source": "Source: {source}",
    "optional": "No condition; it is optional.",
    "immutable": "A change may repeat it, but not alter it.",
    "append_only": "A change may add items, but not alter or remove stored items.",
    "default": "If a change omits it in a new item, it is {value}.",
    "initial": "A new ticket is {status}.",
    "following": "{status}: then {following}",
    "nothing": "nothing more",
    "accepts": "In a final status, only these members can be changed: {members}.",
    "kind": "Kind",
    "about": "About",
    "what": "What",
    "decided": "Decision",
}

#: The kinds of oddities that lint finds.
ODDITIES: Final[dict[str, str]] = {
    "undeclared": "No condition is declared, so it has no effect in: {detail}.",
    "hollow": "It may be sent, but no member of {detail} may be sent and used.",
    "untyped": "It has no type, so any value is valid.",
    "selector": "It selects the process, but is not required in: {detail}.",
    "unread": "No field has this entity as its type, so its rows have no effect.",
    "spelling": "Other names suggest the spelling {detail}.",
    "case": "Its name differs from {detail} only in case.",
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
    "plural",
]


def plural(count: int) -> int:
    """Return which form of number a count takes, from 0."""
    return int(count != 1)
