"""Changing a stored ticket by a merge patch: what is refused, and what the ticket becomes."""

from __future__ import annotations

from typing import Any

import pytest

import ttrules
from tests.support.cells import ROOT, stored
from tests.support.oracle import DECIDED, MATRIX, PROCESSES, SELECTED, _may_remove
from tests.support.random_changes import judged, told

CTT, COMPLAINT = "Customer_Trouble_Ticket", "Complaint"
ADD = {CTT: PROCESSES[0], COMPLAINT: PROCESSES[2]}
APPEND_ONLY: list[str] = DECIDED["append_only"]["fields"][ROOT]
#: The types of all processes, which a finding on another one names.
ALLOWED = list(dict.fromkeys(each["value"] for each in SELECTED.values()))
types = pytest.mark.parametrize("kind", [CTT, COMPLAINT])


def patch_of(ticket: dict[str, Any], **members: Any) -> dict[str, Any]:
    """Return a merge patch that has what every patch of a ticket must have."""
    return {"@type": ticket["@type"], **members}


class TestProcess:
    """The patch is held against the Change process of the ticket as it will be."""

    @types
    def test_stored_type_decides(self, kind: str) -> None:
        """A patch without a type is ruled by the stored one; nothing but what it says changes."""
        ticket = stored(ADD[kind])
        change = judged(ticket, patch_of(ticket, name="Another name"))
        assert told(change) == []
        assert change.report.process == ADD[kind].replace("Add", "Change")
        assert change.ticket == {**ticket, "name": "Another name"}

    def test_becoming_a_complaint(self) -> None:
        """A ticket that becomes a Complaint must bring its subtype, which Add requires of it."""
        ticket = stored(ADD[CTT])
        change = judged(ticket, patch_of(ticket, ticketType=COMPLAINT))
        assert told(change) == [("required", "/ticketSubtype")]
        assert change.report.process == "Complaint Change"
        assert change.report.violations[0].process == "Complaint Add"
        members = {"ticketType": COMPLAINT, "ticketSubtype": "Other"}
        change = judged(ticket, patch_of(ticket, **members))
        assert told(change) == []
        assert change.ticket == {**ticket, **members}

    def test_becoming_a_customer_ticket(self) -> None:
        """What the new type does not support leaves the ticket with the old one."""
        ticket = stored(ADD[COMPLAINT])
        change = judged(ticket, patch_of(ticket, ticketType=CTT))
        assert told(change) == []
        assert change.report.process == "Customer Trouble Ticket Change"
        assert change.ticket == {
            **{name: ticket[name] for name in ticket if name != "ticketSubtype"},
            "ticketType": CTT,
        }

    @types
    @pytest.mark.parametrize(
        ("value", "code"),
        [("Praise", "enum"), ("", "enum"), (7, "type"), (None, "null"), ([COMPLAINT], "type")],
    )
    def test_no_type(self, kind: str, value: object, code: str) -> None:
        """An invalid type is one finding, which names the types of all processes."""
        ticket = stored(ADD[kind])
        change = judged(ticket, patch_of(ticket, ticketType=value))
        assert told(change) == [(code, "/ticketType")]
        if code == "enum":
            assert change.report.violations[0].params == {"allowed": ALLOWED}

    @pytest.mark.parametrize(
        "current", [None, 5, "x", [], {}, {"ticketType": None}, {"ticketType": "Praise"}]
    )
    def test_no_ticket(self, current: object) -> None:
        """What is no ticket of a known type cannot be changed, whatever the patch is."""
        patches: tuple[Any, ...] = ({"@type": "x"}, [], None)
        for patch in patches:
            with pytest.raises(ttrules.ProcessNotSelected):
                ttrules.validate_change(current, patch)

    @types
    @pytest.mark.parametrize("patch", [None, 5, "x", True, 1.5])
    def test_no_patch(self, kind: str, patch: object) -> None:
        """A patch that is neither an object nor a list is one finding on the whole."""
        change = judged(stored(ADD[kind]), patch)
        assert told(change) == [("null" if patch is None else "type", "")]

    @types
    def test_empty_patch(self, kind: str) -> None:
        """An empty patch lacks what every change must repeat."""
        assert told(judged(stored(ADD[kind]), {})) == [("required", "/@type")]


class TestImmutable:
    """`href` and `@type` may be sent on a change but not altered."""

    @types
    @pytest.mark.parametrize("name", ["href", "@type"])
    def test_repeated_or_altered(self, kind: str, name: str) -> None:
        """The stored value is accepted; another one is `immutable` at the member."""
        ticket = stored(ADD[kind])
        assert told(judged(ticket, patch_of(ticket, **{name: ticket[name]}))) == []
        change = judged(ticket, patch_of(ticket, **{name: "another"}))
        assert told(change) == [("immutable", f"/{name}")]
        assert change.report.violations[0].field == name

    def test_none_stored(self) -> None:
        """A value where none is stored alters it as well."""
        ticket = stored(ADD[CTT])
        del ticket["href"]
        assert told(judged(ticket, patch_of(ticket, href="x"))) == [("immutable", "/href")]

    def test_one_finding(self) -> None:
        """A value that is wrong in itself is not immutable too."""
        ticket = stored(ADD[CTT])
        assert told(judged(ticket, {"@type": " ", "href": 5})) == [
            ("empty", "/@type"),
            ("type", "/href"),
        ]


class TestRemoval:
    """null removes a member where it is O on Change and not R on Add; elsewhere it is a finding."""

    @types
    @pytest.mark.parametrize("name", MATRIX["entities"][ROOT])
    def test_every_member(self, kind: str, name: str) -> None:
        """Each member of a ticket is removed by null, or refused as its cell says."""
        ticket = stored(ADD[kind])
        change = judged(ticket, {**patch_of(ticket), name: None})
        column = PROCESSES.index(ADD[kind]) + 1
        code = MATRIX["entities"][ROOT][name][column]
        if name in APPEND_ONLY:
            assert told(change) == [("immutable", f"/{name}")]
        elif _may_remove(ROOT, name, column):
            assert told(change) == []
            assert change.ticket == {key: ticket[key] for key in ticket if key != name}
        elif code == "-":
            assert told(change) == [("not_supported", f"/{name}")]
            assert change.report.valid
            assert change.ticket == ticket
        else:
            assert told(change) == [("prohibited" if code == "P" else "null", f"/{name}")]

    def test_related_entities(self) -> None:
        """Related entities are removed from a Complaint, not from a Customer Trouble Ticket."""
        for kind, codes in ((CTT, [("null", "/relatedEntity")]), (COMPLAINT, [])):
            ticket = stored(ADD[kind])
            assert told(judged(ticket, patch_of(ticket, relatedEntity=None))) == codes

    def test_below(self) -> None:
        """In an item of a list, which is replaced whole, null removes nothing."""
        ticket = stored(ADD[CTT])
        change = judged(ticket, patch_of(ticket, note=[{"text": "x", "author": None}]))
        assert told(change) == [("null", "/note/0/author")]


class TestItems:
    """Items of a list are matched to the stored ones, and keep what the sender may not send."""

    def test_prohibited_member_sent(self) -> None:
        """Nobody may send a note's date, not even the stored one."""
        ticket = stored(ADD[CTT])
        change = judged(ticket, patch_of(ticket, note=ticket["note"]))
        assert told(change) == [
            ("prohibited", "/note/0/notedate"),
            ("prohibited", "/note/1/notedate"),
        ]

    @pytest.mark.parametrize("name", ["id", "externalId"])
    def test_identity(self, name: str) -> None:
        """A related entity is known by its id, or else by its externalId; it keeps its serials."""
        ticket = stored(ADD[CTT])
        old = ticket["relatedEntity"][1]
        old["externalId"] = "known"
        sent = {"@referredType": "Line", "role": "cause", name: old[name]}
        change = judged(ticket, patch_of(ticket, relatedEntity=[sent]))
        assert told(change) == []
        assert change.ticket["relatedEntity"] == [{**sent, "newSerialNumber": "S-1"}]

    def test_first_identity_decides(self) -> None:
        """Where both have an id, another id is another entity, whatever its externalId."""
        ticket = stored(ADD[CTT])
        ticket["relatedEntity"][0]["externalId"] = "same"
        sent = {"@referredType": "Line", "role": "cause", "id": "new", "externalId": "same"}
        change = judged(ticket, patch_of(ticket, relatedEntity=[sent]))
        assert change.ticket["relatedEntity"] == [sent]

    def test_taken_once(self) -> None:
        """A stored item is matched by one item only: what is sent twice is new the second time."""
        ticket = stored(ADD[CTT])
        entity = {"@referredType": "Line", "role": "cause", "id": "e1"}
        change = judged(ticket, patch_of(ticket, relatedEntity=[entity, entity]))
        found = change.ticket["relatedEntity"]
        assert ["newSerialNumber" in each for each in found] == [True, False]

    def test_stored_as_something_else(self) -> None:
        """A stored value that is no list, or no object, matches nothing and breaks nothing."""
        ticket = {**stored(ADD[CTT]), "note": "none", "attachment": [None]}
        attachment = stored(ADD[CTT])["attachment"]
        change = judged(ticket, patch_of(ticket, note=[{"text": "x"}], attachment=attachment))
        assert change.ticket["note"] == [{"text": "x"}]
        assert change.ticket["attachment"] == attachment

    def test_role_of_an_entity(self) -> None:
        """What a change need not send but Add requires must be there in the end."""
        ticket = stored(ADD[COMPLAINT])
        sent = {"@referredType": "Line", "id": "new"}
        change = judged(ticket, patch_of(ticket, relatedEntity=[sent]))
        assert told(change) == [("required", "/relatedEntity/0/role")]
        assert change.report.violations[0].process == "Complaint Add"


class TestNeverStored:
    """A member that is unsupported or unknown is told, and never becomes part of the ticket."""

    def test_unsupported(self) -> None:
        """Unsupported members are dropped at every level, under each policy that accepts them."""
        ticket = stored(ADD[CTT])
        size = {"amount": 1, "units": "MB"}
        attachment = [{**ticket["attachment"][0], "url": "x", "size": size}]
        patch = patch_of(ticket, channel={"id": "x"}, attachment=attachment, ticketSubtype="Other")
        change = judged(ticket, patch)
        assert told(change) == [
            ("not_supported", "/attachment/0/size/amount"),
            ("not_supported", "/attachment/0/size/units"),
            ("not_supported", "/attachment/0/url"),
            ("not_supported", "/channel"),
            ("not_supported", "/ticketSubtype"),
        ]
        added = {**ticket["attachment"][0], "size": {}}
        kept = {**ticket, "attachment": [*ticket["attachment"], added]}
        assert change.ticket == kept
        assert judged(ticket, patch, unsupported="ignore").ticket == kept
        assert judged(ticket, patch, unsupported="error").ticket == ticket

    def test_unknown(self) -> None:
        """Unknown members are told with the name that was meant, and dropped at every level."""
        ticket = stored(ADD[CTT])
        patch = patch_of(ticket, nname="x", note=[{"text": "x", "txt": "y"}])
        change = judged(ticket, patch)
        assert told(change) == [("unknown_field", "/nname"), ("unknown_field", "/note/0/txt")]
        assert [each.params for each in change.report] == [
            {"suggestion": "name"},
            {"suggestion": "text"},
        ]
        assert change.ticket == {**ticket, "note": [*ticket["note"], {"text": "x"}]}
        assert not judged(ticket, patch, unsupported="error").report.valid

    def test_what_is_stored_already(self) -> None:
        """A stored unsupported member goes; a stored unknown one is the server's own, and stays."""
        ticket = {**stored(ADD[CTT]), "channel": {"id": "x"}, "shelf": 5}
        change = judged(ticket, patch_of(ticket, shelf=6))
        assert told(change) == [("unknown_field", "/shelf")]
        assert change.ticket == {key: ticket[key] for key in ticket if key != "channel"}

    def test_prohibited(self) -> None:
        """The server's members are refused from a sender, and stay as they are."""
        ticket = stored(ADD[CTT])
        change = judged(ticket, patch_of(ticket, id="T-2", name="x"))
        assert told(change) == [("prohibited", "/id")]


def test_what_the_whole_still_lacks() -> None:
    """A stored ticket that Add would reject is rejected until a patch corrects it."""
    ticket = stored(ADD[CTT])
    del ticket["name"]
    assert told(judged(ticket, patch_of(ticket, priority=1))) == [("required", "/name")]
    assert judged(ticket, patch_of(ticket, name="x")).ticket == {**ticket, "name": "x"}


def test_all_at_once() -> None:
    """All findings come at once, ordered by pointer: items by number, members by name."""
    ticket = stored(ADD[CTT])
    notes = [{"text": "x"} for _ in range(12)]
    notes[2] = notes[10] = {"text": ""}
    change = judged(
        ticket,
        {"href": "other", "note": notes, "status": "closed", "priority": 11, "id": "x", "zz": 1},
    )
    assert [pointer for _, pointer in told(change)] == [
        "/@type",
        "/href",
        "/id",
        "/note/2/text",
        "/note/10/text",
        "/priority",
        "/status",
        "/zz",
    ]
