"""Changing a stored ticket by a JSON Patch: R is read on the patched ticket, all other rules on
what the operations touch.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.cells import stored
from tests.support.random_changes import judged, told
from ttrules import NotJSON, PatchNotApplicable, validate_change

PROCESS = "Customer Trouble Ticket Add"


def add(path: str, value: Any) -> dict[str, Any]:
    """Return an operation that adds."""
    return {"op": "add", "path": path, "value": value}


def remove(path: str) -> dict[str, Any]:
    """Return an operation that removes."""
    return {"op": "remove", "path": path}


def on(*operations: Any, **stored_members: Any) -> tuple[list[tuple[str, str]], dict[str, Any]]:
    """Return what is told of operations on a stored ticket, and the ticket that comes of them."""
    change = judged({**stored(PROCESS), **stored_members}, list(operations))
    return told(change), change.ticket


def ticket(**members: Any) -> dict[str, Any]:
    """Return the stored ticket with other members."""
    return {**stored(PROCESS), **members}


def notes() -> list[dict[str, Any]]:
    """Return the notes of the stored ticket."""
    found: list[dict[str, Any]] = stored(PROCESS)["note"]
    return found


class TestAccepted:
    """Operations that are fine leave the ticket that they describe."""

    def test_nothing(self) -> None:
        """No operation changes nothing: what R asks for is in the ticket already."""
        assert on() == ([], ticket())

    def test_add_a_note(self) -> None:
        """A note is added behind the others, which keep their dates and ids."""
        assert on(add("/note/-", {"text": "x"})) == ([], ticket(note=[*notes(), {"text": "x"}]))

    def test_several(self) -> None:
        """Operations build on one another; a test that holds changes nothing."""
        found, changed = on(
            {"op": "test", "path": "/status", "value": "submitted"},
            add("/status", "acknowledged"),
            add("/priority", 1),
            {"op": "copy", "from": "/name", "path": "/description"},
            remove("/severity"),
        )
        assert found == []
        expected = ticket(status="acknowledged", priority=1, description=ticket()["name"])
        del expected["severity"]
        assert changed == expected

    def test_stored_unknown_members_are_not_touched(self) -> None:
        """What a server keeps beside the known members is no finding unless it is touched."""
        assert on(add("/priority", 2), shelf=5) == ([], ticket(shelf=5, priority=2))

    def test_a_complaint(self) -> None:
        """A ticket becomes a Complaint when the operations bring its subtype along."""
        type_, subtype = add("/ticketType", "Complaint"), add("/ticketSubtype", "Other")
        assert on(type_)[0] == [("required", "/ticketSubtype")]
        assert on(type_, subtype) == ([], ticket(ticketType="Complaint", ticketSubtype="Other"))


class TestRefused:
    """Each rule is read where the operations touch the ticket."""

    @pytest.mark.parametrize(
        ("operation", "code", "pointer"),
        [
            (add("/priority", 11), "range", "/priority"),
            (add("/name", None), "null", "/name"),
            (add("/name", "x" * 257), "length", "/name"),
            (add("/note", {}), "type", "/note"),
            (add("/note/-", {"text": "x", "notedate": "x"}), "prohibited", "/note/2/notedate"),
            (add("/note/0/notedate", "x"), "prohibited", "/note/0/notedate"),
            (add("/note/-", {}), "required", "/note/2/text"),
            (add("/note/-", 5), "type", "/note/2"),
            (add("/id", "T-1"), "prohibited", "/id"),
            (add("/id/x", 1), "", ""),
            (remove("/id"), "prohibited", "/id"),
            (remove("/note/0/notedate"), "prohibited", "/note/0/notedate"),
            (remove("/note/0/text"), "required", "/note/0/text"),
            (remove("/@type"), "required", "/@type"),
            (remove("/name"), "required", "/name"),
            (remove("/relatedEntity"), "required", "/relatedEntity"),
            (remove("/href"), "immutable", "/href"),
            (add("/href", "other"), "immutable", "/href"),
            (add("/@type", "other"), "immutable", "/@type"),
            (add("/relatedEntity/-", {"@referredType": "x", "role": "x"}), "process_dependent",
             "/relatedEntity/2/id"),
            (add("/relatedParty", []), "empty", "/relatedParty"),
            (add("", []), "type", ""),
            (add("", None), "null", ""),
        ],
    )  # fmt: skip
    def test_one(self, operation: dict[str, Any], code: str, pointer: str) -> None:
        """One operation that breaks one rule has one finding, at the place in the new ticket."""
        if code:
            assert on(operation)[0] == [(code, pointer)]
        else:
            with pytest.raises(PatchNotApplicable):
                on(operation)

    def test_moved_into_prohibited(self) -> None:
        """A move takes from one place and brings to another: both are touched."""
        assert on({"op": "move", "from": "/id", "path": "/name"})[0] == [("prohibited", "/id")]
        assert on({"op": "move", "from": "/name", "path": "/id"})[0] == [
            ("prohibited", "/id"),
            ("required", "/name"),
        ]

    def test_identity_of_a_related_entity(self) -> None:
        """What a condition asks of an object is read when one of its members is taken away."""
        entity = {"@referredType": "x", "role": "x", "id": "e"}
        found, _ = on(remove("/relatedEntity/0/id"), relatedEntity=[entity])
        assert found == [("process_dependent", "/relatedEntity/0/id")]
        entity["externalId"] = "x"
        found, _ = on(remove("/relatedEntity/0/id"), relatedEntity=[entity])
        assert found == []

    def test_empty_after_removal(self) -> None:
        """A list that must have an item is told when its last one is taken out."""
        party = ticket()["relatedParty"][:1]
        found, _ = on(remove("/relatedParty/0"), relatedParty=party)
        assert found == [("empty", "/relatedParty")]

    def test_the_whole(self) -> None:
        """A ticket that is replaced whole is touched everywhere, the server's members too."""
        found, _ = on(add("", {**ticket(), "colour": 1}))
        assert ("prohibited", "/id") in found
        assert ("prohibited", "/note/0/notedate") in found
        assert ("unknown_field", "/colour") in found


class TestNeverStored:
    """What an operation brings that is unsupported or unknown is told and not stored."""

    @pytest.mark.parametrize(
        ("path", "pointer", "code"),
        [
            ("/channel", "/channel", "not_supported"),
            ("/colour", "/colour", "unknown_field"),
            ("/note/0/colour", "/note/0/colour", "unknown_field"),
            ("/attachment/1/url", "/attachment/1/url", "not_supported"),
            ("/attachment/-", "/attachment/2/url", "not_supported"),
        ],
    )
    def test_added(self, path: str, pointer: str, code: str) -> None:
        """The rest of the patch goes through; strictly, nothing does."""
        expected = ticket(priority=3)
        value: dict[str, Any] = {"units": "MB"}
        if path.endswith("-"):
            value = expected["attachment"][1] | {"url": "x"}
            expected["attachment"].append(expected["attachment"][1])
        operations = [add(path, value), add("/priority", 3)]
        change = judged(ticket(), operations)
        assert told(change) == [(code, pointer)]
        assert change.ticket == expected
        assert told(judged(ticket(), operations, unsupported="error")) == [(code, pointer)]
        ignored = judged(ticket(), operations, unsupported="ignore")
        assert told(ignored) == ([(code, pointer)] if code == "unknown_field" else [])
        assert ignored.ticket == expected

    def test_below(self) -> None:
        """What is added and then worked on is one finding, at the member that is not supported."""
        operations = [add("/channel", {"id": {}}), add("/channel/id/x", 1), add("/channel/y", 2)]
        assert on(*operations) == ([("not_supported", "/channel")], ticket())

    def test_added_and_removed(self) -> None:
        """A member that is gone again when the patch is done was still asked for."""
        assert on(add("/colour", 1), remove("/colour")) == (
            [("unknown_field", "/colour")],
            ticket(),
        )

    def test_suggestion(self) -> None:
        """An unknown member is told with the name that was meant."""
        for more in ([], [remove("/prioritty")]):
            change = judged(ticket(), [add("/prioritty", 1), *more])
            assert change.report.warnings[0].params == {"suggestion": "priority"}


class TestNotApplicable:
    """A patch without meaning for the ticket is no finding: it is an error with its index."""

    @pytest.mark.parametrize(
        "operation",
        [
            {"op": "test", "path": "/status", "value": "closed"},
            {"op": "test", "path": "/priority", "value": True},
            {"op": "move", "from": "/note", "path": "/note/0"},
            {"op": "add", "path": "/nothing/there", "value": 1},
            {"op": "nothing", "path": "/name"},
            {"op": "add", "path": "/name"},
            {"path": "/name"},
            None,
            [],
            "add",
        ],
    )
    def test_refused(self, operation: Any) -> None:
        """The operation is told by its index; the ticket and the patch stay as they were."""
        current = ticket(priority=1)
        operations = [add("/name", "x"), operation]
        before = repr((current, operations))
        with pytest.raises(PatchNotApplicable) as caught:
            validate_change(current, operations)
        assert caught.value.index == 1
        assert repr((current, operations)) == before

    def test_no_json(self) -> None:
        """A patch that holds what JSON cannot is told with the place in the patch."""
        with pytest.raises(NotJSON) as caught:
            validate_change(ticket(), [add("/name", "x"), add("/name", {"a": [b""]})])
        assert caught.value.pointer == "/1/value/a/0"

    def test_bomb(self) -> None:
        """Copies of copies are stopped."""
        copies = [{"op": "copy", "from": "/note", "path": "/note/0/id"}] * 60
        with pytest.raises(PatchNotApplicable):
            validate_change(ticket(), copies)
