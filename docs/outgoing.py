"""The pages of what the server sends by itself: events, and numbers for whoever watches it.

The bodies of the events are made by server.events, at a moment that is given; the steps are those
that delivery takes; the numbers are those that a process registers.
"""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING, Any, Final, get_args

from prometheus_client import Counter, Gauge, Histogram

from docs.tables import table
from server import signing
from server.document import load
from server.events import CHOSEN_BY, LARGEST, Events
from server.observe import Metrics
from server.retrying import GIVEN_UP, JITTER, PATIENCE, STEPS, Fate
from ttrules.book import shipped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NOW: Final = "2026-01-31T10:17:12.204Z"
_ID: Final = "019c138b-5d6c-7c1d-9f00-2f6c8c0e4b11"
#: A ticket, and what the changes are that raise each event.
_TICKET: Final[dict[str, Any]] = {
    "@type": "TroubleTicket",
    "id": _ID,
    "href": f"{load()['servers'][0]['url']}/troubleTicket/{_ID}",
    "status": "inProgress",
    "severity": "Medium",
    "lastUpdate": "2026-01-31T09:02:40.771Z",
}
_MOVED: Final = {"lastUpdate": _NOW, "statusChangeDate": _NOW}
_CHANGES: Final[dict[str, dict[str, Any]]] = {
    "any": {**_MOVED, "status": "held", "statusChangeReason": "A part is on its way."},
    "resolved": {
        **_MOVED,
        "status": "resolved",
        "resolutionDate": _NOW,
        "resolutionComment": "One fee is credited.",
        "resolutionResult": "Refund",
    },
    "pending": {
        **_MOVED,
        "status": "pending",
        "note": [{"id": "n-1", "text": "Which invoice shows the fee?", "notedate": _NOW}],
    },
    "other": {"lastUpdate": _NOW, "severity": "High"},
}
#: What came of an attempt: those of retrying, and what delivery finds of late ones.
_FATES: Final[dict[str, str]] = {
    "delivered": "a 2xx: the event has arrived",
    "again": "it is tried again",
    "dead": "it was the last attempt; the event is given up",
    "gone": "a 410: the address is given up, what waits is kept",
    "lost": "it was found out too late, when another attempt had been begun",
}
#: What the labels of the numbers say.
_LABELS: Final = {
    "operation": "the operationId, `grantToken`, `revokeToken`, or `none` for any other request",
    "status": "the HTTP status",
    "fate": "what came of the attempt: see below",
}


def events() -> Iterator[str]:
    """Yield the page of the events."""
    book, document = shipped().data["lifecycle"], load()
    told = Events(book, document["components"]["schemas"])
    yield "# Events"
    yield ""
    yield "From [spec/lifecycle.yaml](../../spec/lifecycle.yaml), [server/events.py](../../server/events.py),"
    yield "[server/signing.py](../../server/signing.py) and [server/retrying.py](../../server/retrying.py)."
    yield "How to receive them is told [here](../howto/receive-events.md), what is promised"
    yield "[there](../explanation/delivery.md)."
    yield ""
    yield "An event is POSTed to the operator's callback, a slash, and the event's name behind it. A"
    yield f"subscription may name those it wants: `{CHOSEN_BY}=` and their names, separated by commas."
    yield f"An event has less than {LARGEST:,} bytes: contents of attachments never travel, and members"
    yield "for which there is no room are left out, the largest first."
    yield "\n## When they are raised\n"
    yield from table(
        ("event", "raised by", "carries"),
        (
            (f"[{name}](#{name.lower()})", _trigger(each), _carried(book, name))
            for name, each in book["events"].items()
        ),
    )
    yield ""
    yield f"Each carries {_names(book['always'])} as well; a change of these alone raises none, and"
    yield "neither does a new ticket. Members are as they are after the change; one that was removed"
    yield "is named in `fieldPath` only."
    for name, trigger in book["events"].items():
        yield f"\n## {name}\n"
        yield f"{document['components']['schemas'][name]['description']} All of its fields:"
        yield f"[{name}](fields.md#{name.lower()})."
        yield ""
        yield "```json"
        yield json.dumps(example(told, name, trigger), indent=2)
        yield "```"
    yield "\n## Headers\n"
    yield "As [Standard Webhooks](https://www.standardwebhooks.com) has them."
    yield ""
    yield from table(("header", "value"), _headers())
    yield "\n## Attempts\n"
    yield f"{len(STEPS)} at most, over {sum(STEPS) / 3600:.1f} hours; each wait is up to {JITTER:.0%} shorter or"
    yield f"longer. After a 429, 502, 503 or 504, or no answer in time, it is {PATIENCE} seconds at least."
    yield "`Retry-After` of a 429 or 503 counts from the length of the step up to twice of it. After"
    yield f"{GIVEN_UP // 86_400_000_000} days without one success, or a 410, the address is given up until it is set again."
    yield ""
    yield from table(
        ("attempt", "seconds after the one before"),
        ((str(number), f"{step:,}") for number, step in enumerate(STEPS, 1)),
    )


def example(told: Events, name: str, trigger: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event of this name, as the server makes it of a change."""
    key = trigger.get("to") or next(iter(trigger))
    after = {**_TICKET, **_CHANGES[key]}
    numbers = count(1)
    raised = told.between(
        _TICKET, after, now=_NOW, new_id=lambda: f"5c1f5a0e-0000-4000-8000-{next(numbers):012}"
    )
    found: dict[str, Any] = next(json.loads(each.body) for each in raised if each.name == name)
    return found


def _trigger(trigger: Mapping[str, Any]) -> str:
    if "to" in trigger:
        return f"the status becoming `{trigger['to']}`"
    return "any change of status" if trigger.get("any") else "any other change"


def _carried(book: Mapping[str, Any], name: str) -> str:
    return _names(book["carries"][name]) if name in book["carries"] else "what has changed"


def _names(members: list[str]) -> str:
    return ", ".join(f"`{each}`" for each in members)


def _headers() -> Iterator[tuple[str, str]]:
    """Yield the headers of an attempt with what they hold."""
    names = signing.headers("", 0, b"", [])
    meanings = (
        "the `eventId`; the same at every attempt, so that a repeat is known",
        f"when the attempt was made, in seconds since 1970; refuse what is {signing.TOLERANCE} seconds away",
        f"`v1,` and the base64 of HMAC-SHA256 over identifier, time and body, joined by dots; one more behind a space for {signing.OVERLAP // 3_600_000_000} hours after a secret was replaced",
    )
    return zip((f"`{name}`" for name in names), meanings, strict=True)


def metrics() -> Iterator[str]:
    """Yield the page of the numbers."""
    yield "# Numbers"
    yield ""
    yield "From [server/observe.py](../../server/observe.py): what `/metrics` shows to Prometheus, one set"
    yield "a process. A process that only delivers shows its own where `TTR_METRICS_PORT` says. Of several"
    yield "workers whichever takes the request answers with its own; run one worker a port where totals"
    yield "matter. How many events wait, and are dead, is read from the database and the same everywhere."
    yield ""
    yield from table(
        ("name", "type", "labels", "meaning"),
        (
            (
                f"`{shown(each)}`",
                each._type,  # noqa: SLF001 - what it is registered as is told by no other name
                _names(list(each._labelnames)),  # noqa: SLF001 - as above
                each._documentation,  # noqa: SLF001 - as above
            )
            for each in registered()
        ),
    )
    yield "\n## Labels\n"
    yield from table(("label", "value"), ((f"`{each}`", said) for each, said in _LABELS.items()))
    yield "\n## Fates of attempts\n"
    yield from table(("fate", "when"), ((f"`{each}`", said) for each, said in _FATES.items()))


def registered() -> list[Counter | Gauge | Histogram]:
    """Return the numbers of a process, in the order of their making."""
    return [
        each for each in vars(Metrics()).values() if isinstance(each, Counter | Gauge | Histogram)
    ]


def shown(metric: Counter | Gauge | Histogram) -> str:
    """Return the name that Prometheus knows a number by."""
    suffix = "_total" if isinstance(metric, Counter) else ""
    return f"{metric._name}{suffix}"  # noqa: SLF001 - the name it was given


assert set(get_args(Fate)) <= _FATES.keys(), "every fate is told"
