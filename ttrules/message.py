"""A sentence for people that is not yet in a language, and the English reasons.

Errors and results carry a Message, never a finished text, so each reader gets it in their own
language. A Message has its English template with it; the other languages translate the same keys. A
Message contains names and numbers only, never a value of a payload.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Why a payload, a patch or a file cannot be validated. `messages.pl` translates this table.
REASONS: Final[dict[str, str]] = {
    "not_json": "is not JSON: {detail}",
    "not_json_at": "not JSON at {place}: {why}",
    "the_payload": "(the payload)",
    "not_utf8": "is not UTF-8 here",
    "wide": "is not UTF-8 but {coding}, by its first bytes",
    "twice": "duplicate member name {name} in an object",
    "no_payload": "contains no payload",
    "too_long": "the payload is too long",
    "not_read": "cannot be read: {detail}",
    "damaged": "the compressed data is damaged",
    "cut_off": "the compressed data ends too early",
    "behind_array": "unexpected data after the end of the array",
    "open_array": "the array is not closed",
    "no_value": "a value is missing in the array",
    "too_many": "more than {most} values",
    "no_form": "a value of type {kind} has no JSON form",
    "no_name": "a member name of type {kind} has no JSON form",
    "too_deep": "arrays and objects are nested more than {most} deep",
    "surrogate": "a lone surrogate at character {at}",
    "many_digits": "a number has too many digits",
    "not_finite": "JSON has no NaN and no infinity",
    "decimal": "a Decimal beyond the range of double precision",
    "json_patch": "this is a JSON Patch; check it with --against and the stored ticket",
    "operation": "operation {index} cannot be applied: {why}",
    "operations": "a patch may have up to {most} operations",
    "long_pointer": "{name} is longer than {most} characters",
    "copies": "the patch copies too much data",
    "into_itself": "a value cannot be moved into itself",
    "no_object": "it is not an object",
    "no_operation": "unknown op; known: {operations}",
    "lacks": "the operation {operation} has no {name}",
    "no_pointer": "{name} is not a JSON Pointer",
    "nothing_at": "no value at {path}",
    "another_value": "the value at {path} differs from the tested value",
    "nowhere": "{path} does not exist",
    "no_selection": "the rules do not define how a process is selected for a new ticket",
    "name_process": "several processes may apply: {processes}; name one of them",
    "no_change": "the rules do not define how the process of a change is selected",
    "no_change_process": "{process} is not a process for changes of a ticket",
    "not_changed": "the {field} of the stored ticket has no Change process; known: {wanted}",
}


@dataclass(frozen=True, slots=True)
class Message:
    """A sentence by its key in a table of sentences, with its English template and its params.

    A param may be a Message as well. `str()` gives the English sentence.
    """

    table: str
    key: str
    template: str
    params: Mapping[str, object] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        """Return the English sentence."""
        return self.template.format_map(self.params)

    def render(self, template_of: Callable[[str, str], str]) -> str:
        """Return the sentence with the templates of a language, found by table and key."""
        params = {
            name: value.render(template_of) if isinstance(value, Message) else value
            for name, value in self.params.items()
        }
        return template_of(self.table, self.key).format_map(params)


def reason(key: str, /, **params: object) -> Message:
    """Return the Message of a row of REASONS. Raises KeyError for an unknown key."""
    return Message("REASONS", key, REASONS[key], params)
