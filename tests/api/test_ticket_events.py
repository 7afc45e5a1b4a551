"""Which events a change raises, what each of them says, and which of them are asked for."""

from __future__ import annotations

import json
from copy import deepcopy
from itertools import count
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ttrules
from server.api.ticket_events import LARGEST, Events
from server.problems import ApiError
from tests.support.profiles import SHIPPED, load
from ttrules import strategies
from ttrules.rulebook import shipped

if TYPE_CHECKING:
    from server.storage.outbox import Event

LIFECYCLE = shipped().matrix.lifecycle
SHAPES = load()["components"]["schemas"]
EVENTS = Events(SHIPPED)
ALWAYS = set(LIFECYCLE["always"])
NOW = "2026-03-02T10:00:00.000Z"
VALUE, STATUS, RESOLVED, INFORMATION = (
    f"TroubleTicket{name}Event"
    for name in ("AttributeValueChange", "StatusChange", "Resolved", "InformationRequired")
)
#: What every ticket has.
STORED = {
    "@type": "TroubleTicket",
    "id": "T-1",
    "href": "/troubleTicket/T-1",
    "lastUpdate": "2026-03-02T09:00:00.000Z",
    "statusChangeDate": "2026-03-01T09:00:00.000Z",
    "status": "submitted",
    "description": "It is broken.",
}
#: What a member of each type may be at the most.
WIDE = "\U0001f4de"


def raised(before: dict[str, Any], after: dict[str, Any]) -> list[Event]:
    """Return the events between two states of a ticket; the states stay as they are."""
    numbers = count(1)
    held = deepcopy((before, after))
    found = list(EVENTS.between(before, after, now=NOW, new_id=lambda: f"e{next(numbers)}"))
    assert (before, after) == held
    return found


def in_openapi(node: Any) -> Any:
    """Return a shape as JSON Schema: `nullable` is OpenAPI 3.0's way to say null."""
    if isinstance(node, list):
        return [in_openapi(each) for each in node]
    if not isinstance(node, dict):
        return node
    shape = {key: in_openapi(value) for key, value in node.items() if key != "nullable"}
    return {"anyOf": [shape, {"type": "null"}]} if node.get("nullable") is True else shape


VALIDATORS = {
    name: jsonschema_rs.Draft202012Validator(
        {
            "$ref": f"#/components/schemas/{name}",
            "components": {"schemas": in_openapi(SHAPES)},
        },
        validate_formats=True,
    )
    for name in EVENTS.names
}


def carried(event: Event) -> dict[str, Any]:
    """Return what an event says of its ticket, once it is held against its shape."""
    body = json.loads(event.body)
    assert [error.message for error in VALIDATORS[event.name].iter_errors(body)] == []
    assert body.keys() <= SHAPES[event.name]["properties"].keys()
    assert (body["eventId"], body["eventType"]) == (event.id, event.name)
    ticket: dict[str, Any] = body["event"]["troubleTicket"]
    return ticket


def paths(event: Event) -> list[str]:
    """Return the members that an event says have changed."""
    return [each for each in json.loads(event.body).get("fieldPath", "").split(",") if each]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, {}),
        ({"lastUpdate": NOW}, {}),
        ({"@type": "Other", "href": "/other"}, {}),
        ({"description": "It works."}, {VALUE: ["description"]}),
        ({"description": None}, {VALUE: ["description"]}),
        ({"name": "x", "priority": 1}, {VALUE: ["name", "priority"]}),
        ({"statusChangeReason": "x"}, {VALUE: ["statusChangeReason"]}),
        ({"note": []}, {VALUE: ["note"]}),
        *(
            ({"status": status}, {STATUS: []})
            for status in LIFECYCLE["moves"]
            if status not in {"submitted", "resolved", "pending"}
        ),
        ({"status": "held", "statusChangeDate": NOW, "statusChangeReason": "x"}, {STATUS: []}),
        ({"status": "held", "name": "x"}, {STATUS: [], VALUE: ["name"]}),
        ({"status": "held", "note": []}, {STATUS: [], VALUE: ["note"]}),
        ({"status": "held", "resolutionCode": "x"}, {STATUS: [], VALUE: ["resolutionCode"]}),
        ({"status": "resolved", "resolutionDate": NOW}, {STATUS: [], RESOLVED: []}),
        (
            {"status": "resolved", "resolutionCode": "x", "note": []},
            {STATUS: [], RESOLVED: [], VALUE: ["note"]},
        ),
        ({"status": "pending", "note": [{"text": "?"}]}, {STATUS: [], INFORMATION: []}),
        (
            {"status": "pending", "note": [], "resolutionCode": "x"},
            {STATUS: [], INFORMATION: [], VALUE: ["resolutionCode"]},
        ),
    ],
)
def test_raised(changed: dict[str, Any], expected: dict[str, list[str]]) -> None:
    """Each change raises the events of its triggers, in the lifecycle's order; one that is raised
    by other members says which they are, and carries them alone.
    """
    after = {name: value for name, value in {**STORED, **changed}.items() if value is not None}
    events = raised(STORED, after)
    order = [name for name in EVENTS.names if name in expected]
    assert [each.name for each in events] == order
    assert [each.id for each in events] == [f"e{number + 1}" for number in range(len(order))]
    for each in events:
        assert paths(each) == expected[each.name]
        told = expected[each.name] or LIFECYCLE["carries"][each.name]
        assert carried(each) == {
            name: after[name] for name in (*LIFECYCLE["always"], *told) if name in after
        }


def test_envelope() -> None:
    """An envelope has what its shape has a member for: whose event it is, when, and what of."""
    after = {**STORED, "status": "pending", "correlationId": "C", "lastUpdate": NOW, "name": "x"}
    events = {each.name: json.loads(each.body) for each in raised(STORED, after)}
    assert events.keys() == {STATUS, INFORMATION, VALUE}
    for name, body in events.items():
        assert (body["eventTime"], body["timeOcurred"], body["correlationId"]) == (NOW, NOW, "C")
        assert body["domain"] == "TroubleTicket"
        assert body["title"] == SHAPES[name]["description"]
    assert (events[STATUS]["id"], events[STATUS]["href"]) == ("T-1", "/troubleTicket/T-1")
    assert not {"id", "href"} & (events[INFORMATION].keys() | events[VALUE].keys())
    assert events[VALUE]["fieldPath"] == "correlationId,name"
    assert not {"fieldPath"} & (events[INFORMATION].keys() | events[STATUS].keys())


def test_removed() -> None:
    """A member that is removed is named, and is not there."""
    after = {name: value for name, value in STORED.items() if name != "description"}
    (event,) = raised(STORED, after)
    assert paths(event) == ["description"]
    assert "description" not in carried(event)


@pytest.mark.parametrize("status", ["submitted", "pending", "resolved"])
def test_content(status: str) -> None:
    """The content of an attachment never travels; what else is known of it does."""
    attachment = {"name": "photo", "mimeType": "image/png", "content": "c2VjcmV0"}
    after = {**STORED, "status": status, "attachment": [attachment, {"url": "https://x/"}]}
    events = raised(STORED, after)
    assert all(b"c2VjcmV0" not in each.body and b'"content"' not in each.body for each in events)
    told = [{"name": "photo", "mimeType": "image/png"}, {"url": "https://x/"}]
    assert carried(events[-1])["attachment"] == told
    # Another content alone is a change.
    other = {**after, "attachment": [{**attachment, "content": "b3RoZXI="}, {"url": "https://x/"}]}
    (event,) = raised(after, other)
    assert paths(event) == ["attachment"]
    assert carried(event)["attachment"] == told


def largest(shape: dict[str, Any], depth: int = 0) -> Any:  # noqa: PLR0911 - a case each
    """Return a value as large as a shape lets it be, but for the length of lists."""
    if "$ref" in shape:
        return largest(SHAPES[shape["$ref"].rpartition("/")[2]], depth)
    if "enum" in shape:
        return max(shape["enum"], key=len)
    if shape.get("format") == "date-time":
        return NOW
    if shape.get("type") == "object" and depth < 4:
        return {
            name: largest(each, depth + 1) for name, each in shape.get("properties", {}).items()
        }
    if shape.get("type") == "array":
        return [largest(shape["items"], depth)] * 50
    if shape.get("type") == "integer":
        return shape.get("maximum", 1)
    return WIDE * min(shape.get("maxLength", 5_000), 40_000)


@pytest.mark.parametrize("status", LIFECYCLE["moves"])
def test_size(status: str) -> None:
    """An event has less than 20 kB whatever a ticket holds; what has no room is named still."""
    own = {"id": "T-1", "href": STORED["href"], "status": status, "lastUpdate": NOW}
    after = {**largest(SHAPES["TroubleTicket"]), **own}
    events = raised({**STORED, "status": "cancelled"}, after)
    assert events or status == "cancelled"
    assert LARGEST == 20_000
    for each in events:
        assert len(each.body) < LARGEST
        ticket = json.loads(each.body)["event"]["troubleTicket"]
        assert ticket.keys() >= ALWAYS
        # The large members make room for the small ones.
        assert ("priority" in ticket) == ("priority" in paths(each))
    assert "note" in paths(events[-1]) or status == "pending"


@settings(suppress_health_check=list(HealthCheck), max_examples=settings().max_examples * 2)
@given(st.data(), st.sampled_from(["complaint-add", "customer-trouble-ticket-add"]), st.booleans())
def test_law(data: st.DataObject, process: str, moves: bool) -> None:
    """What the events of a change tell of is what has changed, no more and no less."""
    sent = data.draw(strategies.payloads(process))
    sent = {name: value for name, value in sent.items() if value is not None}
    status = data.draw(st.sampled_from([*LIFECYCLE["moves"]])) if moves else "submitted"
    before = {**sent, **STORED, "status": status, "@type": sent.get("@type", "T")}
    patch = data.draw(strategies.changes(before))
    change = ttrules.validate_change(before, patch)
    after = {**change.ticket, "lastUpdate": NOW}
    changed = {
        name
        for name in before.keys() | after.keys()
        if json.dumps(before.get(name), sort_keys=True)
        != json.dumps(after.get(name), sort_keys=True)
    }
    found = raised(before, after)
    assert (after["status"] != before["status"]) == any(each.name == STATUS for each in found)
    told: set[str] = set()
    for event in found:
        assert len(event.body) < LARGEST
        ticket = carried(event)
        assert ticket.keys() >= ALWAYS
        if event.name == VALUE:
            assert set(paths(event)) <= changed
            assert (ticket.keys() - ALWAYS) <= set(paths(event))
            told |= set(paths(event))
        else:
            told |= set(LIFECYCLE["carries"][event.name]) & changed
        for name in ticket.keys() - {"attachment"}:
            assert ticket[name] == after[name]
    assert told == changed - ALWAYS


class TestWanted:
    """Which events the query of a subscription asks for."""

    @pytest.mark.parametrize(
        ("query", "names"),
        [
            *((query, EVENTS.names) for query in (None, "", "?")),
            (f"eventType={STATUS}", [STATUS]),
            (f"?eventType={STATUS}", [STATUS]),
            (f"eventType={STATUS},{RESOLVED}", [STATUS, RESOLVED]),
            (f"eventType={STATUS}, {RESOLVED} ", [STATUS, RESOLVED]),
            (f"eventType={STATUS}&eventType={VALUE}", [STATUS, VALUE]),
            (f"eventType={STATUS},{STATUS}", [STATUS]),
            (f"eventType={STATUS}%2C{RESOLVED}", [STATUS, RESOLVED]),
            (f"event%54ype={STATUS}", [STATUS]),
        ],
    )
    def test_chosen(self, query: str | None, names: list[str]) -> None:
        """Without a query all events are wanted, else those that it names."""
        assert EVENTS.wanted(query) == EVENTS.heard(query) == frozenset(names)

    @pytest.mark.parametrize(
        "query",
        [
            *("eventType", "eventType=", "eventType=,", f"eventType={STATUS},", "eventType=X", "x"),
            *(f"eventtype={STATUS}", f"{STATUS}", f"eventType={STATUS.lower()}", "&", "??", " "),
            *(f"eventType={STATUS}&status=held", f"eventType={STATUS};eventType={VALUE}", "=", "#"),
            *(f"eventType={STATUS}\0", "eventType=%ff", "eventType=TroubleTicketCreateEvent"),
        ],
    )
    def test_refused(self, query: str) -> None:
        """Another query is refused, so that nobody waits for events that never come.

        One that an earlier release has stored asks for all.
        """
        with pytest.raises(ApiError) as refused:
            EVENTS.wanted(query)
        assert (refused.value.code, refused.value.status) == ("invalidBody", 400)
        assert EVENTS.heard(query) == frozenset(EVENTS.names)
