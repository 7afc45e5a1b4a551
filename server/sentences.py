"""The sentences about one request, in English: what to do, by a key.

What all requests that are refused for one reason are told is a row of errors.KINDS; what only this
one is told is here, filled with names and bounds and never with a value of its body. Another
language is a module with the same tables (polish is one). A Told is a sentence that is filled:
wherever a text is wanted it is the English one, and languages says it again in another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from ttrules.codes import closest
from ttrules.sentences import Said

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SENTENCES: Final[dict[str, str]] = {
    # Bodies, as wire reads them.
    "body": "Send a body.",
    "utf8_at": "Send the body as UTF-8: it is none at byte {at}.",
    "json_at": "Send the body as JSON: it is none at line {line}, column {column}.",
    "digits": "Shorten the numbers of the body: one has too many digits.",
    "smaller": "Send smaller numbers: one in the body is too large.",
    "constant": "Remove {name} from the body: JSON does not know it.",
    "coded": "Send the body as JSON in UTF-8, without compression: it begins like {coding}.",
    "surrogate": "Complete the surrogate pair in the body: there is half of one.",
    "depth": "Nest the body no more than {most} deep.",
    "member_once": "Name each member of an object once: {name} stands twice in one.",
    "correct_body": "Correct the body: {why}.",
    "operations": "Send a list of operations as {media_type}.",
    "object": "Send an object as {media_type}.",
    "test": "Read the ticket again and compute the patch anew: {why}.",
    "wrapped": "Send the ticket itself as the body: it is inside {place}.",
    "one_ticket": "Send one ticket in each request: the body is a list.",
    "json_string": "Send the ticket as a JSON object: the body is a string that contains JSON.",
    # What hub and listener ask of a body.
    "send_member": "Send {place}.",
    "correct_member": "Correct {place}: it is not what the document says.",
    "correct_whole": "Correct the body: it is not what the document says.",
    "correct_members": "Correct what the document says otherwise: {places}.",
    "query": "Write /query as {name}= and names of events.",
    "event": "Check the names in /query: there is no such event.{near}",
    # Callback URLs.
    "callback_long": "Shorten the callback URL to {most} characters at most.",
    "callback_characters": "Use only characters that a URL may contain in the callback URL (ASCII,"
    " no spaces, no backslashes). Percent-encode other characters; write an international host name"
    " in its ASCII form (xn--).",
    "callback_url": "Send the callback as an absolute URL, such as"
    " https://listener.example.com/events.",
    "callback_credentials": "Remove the user name and password from the callback URL. A secret may"
    " be in its path or query; events are signed as well.",
    "callback_fragment": "Remove the fragment (the part after #) from the callback URL.",
    "callback_scheme": "Use https in the callback URL.",
    "callback_port": "Use an allowed port in the callback URL: {ports}.",
    "callback_unresolved": "Check the host name in the callback URL: it has no address.",
    "callback_slow": "Check the host name in the callback URL: its addresses were not found within"
    " {seconds} seconds. Send the request again later.",
    "callback_private": "Use a host with public addresses only in the callback URL: it has an"
    " address where callbacks are not allowed.",
    "look_ups": "Wait until the host names of your earlier callback URLs have been looked up.",
    # Parameters.
    "parameter": "Check the name {name}: there is no such parameter.{near}",
    "once": "Give {name} once.",
    "give": "Give {name}.",
    "choose": "Set {name} to one of: {values}.",
    "only_fields": "Give fields only, or nothing, where a single ticket is asked for.",
    "operator": "Check the operator {operator}: {name} has no such operator.{near}",
    "no_operator": "Check the name {name} in operator: there is no such operator.{near}",
    "no_text": "Compare {name} in another way: it holds no text that an expression could match.",
    "nul_in": "Remove U+0000 from {name}.",
    "whole": "Write {name} as a whole number.",
    "whole_between": "Write {name} as a whole number from {least} to {most}.",
    "instant": "Write {name} as a date (YYYY-MM-DD) or an RFC 3339 date-time.",
    "long_pattern": "Write the expression for {name} in {most} characters at most.",
    "patterns": "Send at most {most} regular expressions in one query.",
    "large_pattern": "Simplify the regular expressions of the query: together they may have at"
    " most {most} RE2 instructions. Repetitions such as {{100}} take most of them.",
    "query_values": "Send at most {most} values in one parameter.",
    "empty": "Give {name} a value without empty parts, or leave it out.",
    "value": "Unknown value {value} of {name}.{near} Known: {known}.",
    "field": "Unknown member {name} in fields.{near}",
    "cursor": "Take the cursor unchanged from the Link of the previous page, and repeat its filters"
    " and sort.",
    "cursor_or_offset": "Send cursor or offset, not both.",
    "narrow": "Narrow the filters, for example by creationDate or status, or ask for a smaller"
    " page: the query took longer than {seconds} seconds.",
    "share": "Run at most {most} queries of lists at a time.",
    "pattern": "Write the expression for {name} as RE2 takes it (no look-around, no"
    " back-references).",
    "sort": "Check the name {name} in sort: there is no such member.{near}",
    "near": " Did you mean {name}?",
    # Paths.
    "one_slash": "Write one slash where there are several: {path}",
    # Connections.
    "host": "Send exactly one valid Host header.",
    "target": "Percent-encode the request target: it contains a byte that is not allowed there.",
    "tls": "Connect without TLS, or to the HTTPS port: this port speaks HTTP.",
    "http": "Send a valid HTTP/1.1 request.",
    "websocket": "Use HTTP: this server does not speak WebSocket.",
    "connections": "Use fewer connections.",
    # Headers.
    "key": "Write Idempotency-Key as 1 to 255 visible characters.",
    "if_match": 'Write If-Match as * or a list of tags such as "3".',
    "if_none_match": 'Write If-None-Match as * or a list of tags such as "3".',
    "length": "Write Content-Length as a whole number.",
    "typed": "Send a Content-Type with the body.",
    "types": "Send the body with one of these Content-Types: {types}.",
    "charset": "Send the body as UTF-8.",
    "at_most": "Send at most {bound} bytes.",
    "values": "Send at most {most} values: texts, numbers, lists and objects together.",
    "some_listed": "Fix every entry in `violations`: it lists the first {listed} of {count}"
    " findings.",
    # Others that are under way.
    "key_in_use": "Wait for the answer to the request with this Idempotency-Key.",
    "event_waits": "Wait: the event is going to be sent already.",
    # Signatures, as a listener verifies them.
    "missing": "Send the headers of Standard Webhooks.",
    "untimely": "Sign the event again, or set the clocks: it was signed too long ago or too early.",
    "wrong": "Sign this body with the secret that is known here: no signature is by one.",
}

#: What the token endpoint says of its errors: ASCII without quotes, in every language, since RFC
#: 6749 (appendix A.8) lets an error_description hold nothing else.
GRANT: Final[dict[str, str]] = {
    "form": "Send the body as {media_type}.",
    "readable": "Send the body as a form.",
    "once": "Give each parameter once.",
    "type": "Give grant_type.",
    "only": "Give client_credentials as grant_type: nothing else is granted.",
    "scope": "Write scope as words of visible characters, with one space between them.",
    "client": "Give client_id and client_secret, or use Basic authentication.",
    "twice": "Send the client credentials in the header or in the body, not in both.",
    "another": "Send the same client_id in the body as in the header, or only in the header.",
    "in_body": "Send the parameters in the body, not in the query.",
    "token": "Send the parameter token.",
    "method": "Send a POST request.",
    "slow": "Send the request again: it took too long to arrive.",
    "large": "Send a smaller request.",
    "wait": "Send the request again after the seconds in Retry-After.",
    "failed": "Report the X-Request-Id to the wholesaler: the server failed.",
    "basic": "Use Basic authentication.",
    "unknown": "Check the name and the secret of the client.",
}


class Told(Said):
    """A filled sentence of SENTENCES."""

    TABLE: ClassVar[Mapping[str, str]] = SENTENCES


class Grant(Said):
    """A filled sentence of GRANT."""

    TABLE: ClassVar[Mapping[str, str]] = GRANT


def near(name: str, known: Iterable[str]) -> str:
    """Return a hint at the known name that is nearest to `name`, or nothing."""
    nearest = closest(name, known)
    return Told("near", name=nearest) if nearest else ""
