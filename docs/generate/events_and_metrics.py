"""Write the pages about events and metrics.

The event bodies are made by `server.api.ticket_events`. The steps are those of `server.delivery`,
and the metrics are those that a process registers.
"""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING, Any, Final, get_args

from prometheus_client import Counter, Gauge, Histogram

from server.api.ticket_events import CHOSEN_BY, LARGEST, Events
from server.delivery import signing
from server.profile.reader import shipped_profile
from server.retry import GIVEN_UP, JITTER, PATIENCE, STEPS, Fate
from server.telemetry import Metrics
from ttrules.exports.matrix.markdown import markdown_table
from ttrules.rulebook import shipped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NOW: Final = "2026-01-31T10:17:12.204Z"
_ID: Final = "019c138b-5d6c-7c1d-9f00-2f6c8c0e4b11"
#: A ticket, and a change that raises each event.
_TICKET: Final[dict[str, Any]] = {
    "@type": "TroubleTicket",
    "id": _ID,
    "href": f"{shipped_profile().operator.base}/troubleTicket/{_ID}",
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
#: The results of an attempt: those of `server.retry`, and `lost`.
_FATES: Final[dict[str, str]] = {
    "delivered": "the listener answered with a 2xx",
    "again": "the attempt failed and will be repeated",
    "dead": "the last attempt failed; the server stops sending the event",
    "gone": "the listener answered with 410; the subscription is disabled, waiting events are kept",
    "lost": "the result came too late: another attempt had already started",
}
#: The meaning of the labels.
_LABELS: Final = {
    "operation": "the operationId, `grantToken`, `revokeToken`, or `none` for any other request",
    "status": "the HTTP status",
    "fate": "the result of the attempt: see below",
}


def events() -> Iterator[str]:
    """Yield the page about events."""
    book, document = shipped().matrix.lifecycle, shipped_profile().operator.document
    told = Events(shipped_profile())
    yield "# Events"
    yield ""
    yield "From [spec/lifecycle.yaml](../../spec/lifecycle.yaml),"
    yield "[server/api/ticket_events.py](../../server/api/ticket_events.py),"
    yield "[server/delivery/signing.py](../../server/delivery/signing.py) and"
    yield "[server/retry.py](../../server/retry.py). See also"
    yield "[how to receive events](../howto/receive-events.md) and"
    yield "[delivery guarantees](../explanation/delivery.md)."
    yield ""
    yield "The server sends an event as a POST to the operator's callback URL, with a slash and"
    yield "the event's name added to the path. A subscription can select events by name:"
    yield f"`{CHOSEN_BY}=` and the names, separated by commas. An event has less than {LARGEST:,}"
    yield "bytes. It never contains the content of attachments; if other members do not fit, the"
    yield "largest are left out first."
    yield "\n## When an event is raised\n"
    yield "![The statuses of a ticket and the moves between them](../images/lifecycle.svg)"
    yield ""
    yield from markdown_table(
        ("event", "raised by", "carries"),
        (
            (f"[{name}](#{name.lower()})", _trigger(each), _carried(book, name))
            for name, each in book["events"].items()
        ),
    )
    yield ""
    yield f"Each event also carries {_names(book['always'])}. A change of only these members raises"
    yield "no event, and neither does a new ticket. An event has the values after the change; a"
    yield "removed member is only named in `fieldPath`."
    for name, trigger in book["events"].items():
        yield f"\n## {name}\n"
        yield f"{document['components']['schemas'][name]['description']} All of its fields:"
        yield f"[{name}](fields.md#{name.lower()})."
        yield ""
        yield "```json"
        yield json.dumps(example(told, name, trigger), indent=2)
        yield "```"
    yield "\n## Headers\n"
    yield "As defined by [Standard Webhooks](https://www.standardwebhooks.com)."
    yield ""
    yield from markdown_table(("header", "value"), _headers())
    yield "\n## Attempts\n"
    yield f"Up to {len(STEPS)} attempts over {sum(STEPS) / 3600:.1f} hours. Each wait is up to"
    yield f"{JITTER:.0%} shorter or longer. After a 429, 502, 503 or 504, or a timeout, the wait is"
    yield f"at least {PATIENCE} seconds. `Retry-After` of a 429 or 503 is respected between the"
    yield f"length of the step and twice that length. After {GIVEN_UP // 86_400_000_000} days"
    yield "without a success, or after a 410, the subscription is disabled until the operator sets"
    yield "its callback again."
    yield ""
    yield from markdown_table(
        ("attempt", "seconds after the previous one"),
        ((str(number), f"{step:,}") for number, step in enumerate(STEPS, 1)),
    )


def example(told: Events, name: str, trigger: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event of this name, as the server makes it from a change."""
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
    return _names(book["carries"][name]) if name in book["carries"] else "the changed members"


def _names(members: list[str]) -> str:
    return ", ".join(f"`{each}`" for each in members)


def _headers() -> Iterator[tuple[str, str]]:
    """Yield the headers of an attempt with their values."""
    names = signing.headers("", 0, b"", [])
    meanings = (
        "the `eventId`; the same at every attempt, so that a listener recognises a repeat",
        f"the time of the attempt, in seconds since 1970; reject it if it differs by more than {signing.TOLERANCE} seconds from your clock",
        f"`v1,` and the base64 of HMAC-SHA256 over identifier, time and body, joined by dots; a second signature after a space for {signing.OVERLAP // 3_600_000_000} hours after a secret was replaced",
    )
    return zip((f"`{name}`" for name in names), meanings, strict=True)


def metrics() -> Iterator[str]:
    """Yield the page about metrics."""
    yield "# Metrics"
    yield ""
    yield "From [server/telemetry.py](../../server/telemetry.py): the metrics that `/metrics`"
    yield "exposes to Prometheus. Each process has its own. A process that only delivers events"
    yield "exposes them on `TTR_METRICS_PORT`. With several workers, the worker that receives the"
    yield "request answers with its own metrics; if you need totals, run one worker for each port."
    yield "The numbers of waiting and dead events are read from the database and are the same in"
    yield "every process."
    yield ""
    yield from markdown_table(
        ("name", "type", "labels", "meaning"),
        (
            (
                f"`{shown(each)}`",
                each._type,  # noqa: SLF001 - there is no public name for the type
                _names(list(each._labelnames)),  # noqa: SLF001 - as above
                each._documentation,  # noqa: SLF001 - as above
            )
            for each in registered()
        ),
    )
    yield "\n## Labels\n"
    yield from markdown_table(
        ("label", "value"), ((f"`{each}`", said) for each, said in _LABELS.items())
    )
    yield "\n## Results of attempts\n"
    yield from markdown_table(
        ("fate", "when"), ((f"`{each}`", said) for each, said in _FATES.items())
    )


def registered() -> list[Counter | Gauge | Histogram]:
    """Return the metrics of a process, in the order of their definition."""
    return [
        each for each in vars(Metrics()).values() if isinstance(each, Counter | Gauge | Histogram)
    ]


def shown(metric: Counter | Gauge | Histogram) -> str:
    """Return the name of a metric in Prometheus."""
    suffix = "_total" if isinstance(metric, Counter) else ""
    return f"{metric._name}{suffix}"  # noqa: SLF001 - the name it was given


assert set(get_args(Fate)) <= _FATES.keys(), "every fate is documented"
