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
    "noun": "{noun}",
    "noun_ticket": "ticket",
    "new": "a new {noun}",
    "new_ticket": "a new ticket",
    "unselected": "Send {field}: {new} requires it, because it selects the process.",
    "is_a_change": " If this is a change, name its process: {changes}.",
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
    "not_equals": "is not {value}",
    "in": "is one of {values}",
    "not_in": "is not one of {values}",
    "contains": "contains {value}",
    "not_contains": "does not contain {value}",
    "contains_item": "has an item with {members}",
    "not_contains_item": "has no item with {members}",
    "member": "{name} {value}",
    "and": " and ",
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
    "as_a_change": "Use --process {process}, or --against with the stored ticket.",
    "field": "Field",
    "no_type": "no type",
    "hidden_decisions": "--all lists the other decisions ({count}).",
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
    "others": "all others",
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
    "unselecting": "These values select no process: {detail}.",
    "initial": "It may be sent, but the status of a new ticket is: {detail}.",
    "unread": "No field has this entity as its type, so its rows have no effect.",
    "unreached": "Its codes have no effect in: {detail}. No payload of these contains it.",
    "untestable": "Its condition tests a field that cannot be sent: {detail}.",
    "contradictory": "No object can meet all their conditions in: {detail}.",
    "spelling": "Other names suggest the spelling {detail}.",
    "case": "Its name differs from {detail} only in case.",
    "default": "The document has a {detail} that is not valid itself.",
    "overruled": "The document has {detail}; the codes of the matrix apply instead.",
    "unenforced": "The document has {detail}, which is not enforced.",
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
