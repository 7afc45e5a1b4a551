"""The English messages about a single request, by key.

Messages that all requests with the same error share are in problems.KINDS. The messages here are
filled with names and limits, never with values of the body. Each other language has a module with
the same tables (`pl`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ttrules.codes import closest
from ttrules.message import Message

if TYPE_CHECKING:
    from collections.abc import Iterable

SENTENCES: Final[dict[str, str]] = {
    # Request bodies.
    "body": "Send a request body.",
    "utf8_at": "Send the body as UTF-8: byte {at} is not valid UTF-8.",
    "json_at": "Invalid JSON in the body (line {line}, column {column}).",
    "digits": "Shorten the numbers in the body: one number has too many digits.",
    "smaller": "Send smaller numbers: one number in the body is too large.",
    "constant": "Remove {name} from the body: it is not valid JSON.",
    "coded": "Send the body as uncompressed JSON in UTF-8: its first bytes are those of {coding}.",
    "surrogate": "Invalid surrogate pair in the body: one half is missing.",
    "depth": "Reduce the nesting of the body to at most {most} levels.",
    "member_once": "Duplicate member {name}: send each member of an object once.",
    "correct_body": "Correct the body: {why}.",
    "operations": "Send an array of operations as {media_type}.",
    "object": "Send a JSON object as {media_type}.",
    "test": "Read the resource again and create a new patch: {why}.",
    "wrapped": "Send the object itself as the body: it is inside {place}.",
    "one_object": "Send one object in each request: the body is an array.",
    "json_string": "Send a JSON object: the body is a string that contains JSON.",
    # Bodies of POST /hub, and events that the listener receives.
    "send_member": "Missing member {place}.",
    "correct_member": "Invalid value of {place}: see its schema in the API document.",
    "correct_whole": "Invalid body: see its schema in the API document.",
    "correct_members": "Invalid members: {places}. See their schemas in the API document.",
    "query": "Write /query as {name}= followed by event names, separated by commas.",
    "event": "Unknown event name in /query.{near}",
    # Callback URLs.
    "callback_long": "Shorten the callback URL to at most {most} characters.",
    "callback_characters": "Use only characters that a URL may contain in the callback URL"
    " (ASCII, no spaces, no backslashes). Percent-encode other characters; write an international"
    " host name in its ASCII form (xn--).",
    "callback_url": "Send the callback as an absolute URL, such as"
    " https://listener.example.com/events.",
    "callback_credentials": "Remove the user name and password from the callback URL. Its path or"
    " query may contain a secret; events are also signed.",
    "callback_fragment": "Remove the fragment (the part after #) from the callback URL.",
    "callback_scheme": "Use https in the callback URL.",
    "callback_port": "Use an allowed port in the callback URL: {ports}.",
    "callback_unresolved": "Check the host name in the callback URL: it has no IP address.",
    "callback_slow": "Check the host name in the callback URL: it was not resolved within"
    " {seconds} seconds. Send the request again later.",
    "callback_private": "Use a host with public IP addresses only in the callback URL: it has an"
    " address to which callbacks are not allowed.",
    "look_ups": "Wait until the host names of your earlier callback URLs are resolved.",
    # Parameters.
    "parameter": "Unknown parameter {name}.{near}",
    "once": "Duplicate parameter {name}: send it once.",
    "give": "Missing parameter {name}.",
    "choose": "Set {name} to one of: {values}.",
    "only_fields": "Send no parameter except fields when you request a single resource.",
    "operator": "Unknown operator {operator} for {name}.{near}",
    "no_operator": "Unknown operator name {name} in the parameter operator.{near}",
    "no_text": "Use another operator for {name}: regular expressions work on text only.",
    "nul_in": "Remove U+0000 from {name}.",
    "whole": "Send {name} as an integer.",
    "decimal": "Send {name} as a number such as 12 or 12.5.",
    "whole_between": "Send {name} as an integer from {least} to {most}.",
    "instant": "Send {name} as a date (YYYY-MM-DD) or an RFC 3339 date-time.",
    "long_pattern": "Shorten the regular expression for {name} to at most {most} characters.",
    "patterns": "Send at most {most} regular expressions in one query.",
    "large_pattern": "Simplify the regular expressions of the query: together they may have at"
    " most {most} RE2 instructions. Repetitions such as {{100}} need most of them.",
    "query_values": "Send at most {most} values in one parameter.",
    "empty": "Empty value in {name}: remove it, or omit the parameter.",
    "value": "Unknown value {value} of {name}.{near} Known: {known}.",
    "field": "Unknown member {name} in fields.{near}",
    "cursor": "Copy the cursor unchanged from the Link header of the previous page, and repeat"
    " its filters and sort.",
    "cursor_or_offset": "Send cursor or offset, not both.",
    "narrow": "Narrow the filters, or request a smaller page: the query took longer than "
    "{seconds} seconds.",
    "share": "Run at most {most} list queries at the same time.",
    "pattern": "Invalid RE2 expression for {name} (look-around and back-references are not"
    " supported).",
    "sort": "Unknown member {name} in sort.{near}",
    "near": " Did you mean {name}?",
    # Paths.
    "one_slash": "Use one slash in place of several: {path}",
    # Connections.
    "host": "Send exactly one valid Host header.",
    "target": "Percent-encode the request target: it contains a byte that is not allowed.",
    "tls": "Connect without TLS, or to the HTTPS port: this port speaks HTTP.",
    "http": "Send a valid HTTP/1.1 request.",
    "websocket": "Use HTTP: this server does not support WebSocket.",
    "connections": "Use fewer connections.",
    # Headers.
    "key": "Send an Idempotency-Key of 1 to 255 visible ASCII characters.",
    "if_match": 'Set If-Match to * or to a list of entity tags such as "3".',
    "if_none_match": 'Set If-None-Match to * or to a list of entity tags such as "3".',
    "length": "Set Content-Length to an integer.",
    "typed": "Send a Content-Type header with the body.",
    "types": "Set Content-Type to one of: {types}.",
    "charset": "Send the body as UTF-8.",
    "at_most": "Send at most {bound} bytes.",
    "values": "Send at most {most} JSON values, counting strings, numbers, arrays and objects.",
    "some_listed": "Fix every entry in `violations`: it lists the first {listed} of {count}"
    " findings.",
    # Requests and events in progress.
    "key_in_use": "Wait for the response to the request with this Idempotency-Key.",
    "event_waits": "Wait: the event is already scheduled for delivery.",
    # Signatures of events, which the listener verifies.
    "missing": "Send the headers of Standard Webhooks.",
    "untimely": "Sign the event again, or set the clocks: its timestamp is too old or in the"
    " future.",
    "wrong": "Sign this body with the secret that is configured here: no signature matches it.",
}

#: The error descriptions of the token endpoint. They are ASCII without quotes in every language,
#: because RFC 6749 (appendix A.8) allows nothing else in an error_description.
GRANT: Final[dict[str, str]] = {
    "form": "Send the body as {media_type}.",
    "readable": "Send the body as a form.",
    "once": "Send each parameter once.",
    "type": "Missing parameter grant_type.",
    "only": "Set grant_type to client_credentials: other grants are not supported.",
    "scope": "Invalid scope: send words of visible ASCII characters, separated by single spaces.",
    "client": "Send client_id and client_secret, or use Basic authentication.",
    "twice": "Send the client credentials in the header or in the body, not in both.",
    "another": "Send the same client_id in the body as in the header, or only in the header.",
    "in_body": "Send the parameters in the body, not in the query.",
    "token": "Missing parameter token.",
    "method": "Send a POST request.",
    "slow": "Send the request again: it took too long to arrive.",
    "large": "Send a smaller request.",
    "wait": "Retry after the number of seconds in Retry-After.",
    "failed": "Internal server error: report the X-Request-Id to the wholesale operator.",
    "basic": "Use Basic authentication.",
    "unknown": "Invalid client credentials: check the client id and the secret.",
}


def sentence(key: str, /, **params: object) -> Message:
    """Return a message of SENTENCES. Raises KeyError for an unknown key."""
    return Message("SENTENCES", key, SENTENCES[key], params)


def token_error(key: str, /, **params: object) -> Message:
    """Return a message of GRANT, for the token endpoint. Raises KeyError for an unknown key."""
    return Message("GRANT", key, GRANT[key], params)


def near(name: str, known: Iterable[str]) -> Message | str:
    """Return a hint with the known name that is most similar to `name`, or an empty text."""
    nearest = closest(name, known)
    return sentence("near", name=nearest) if nearest else ""
