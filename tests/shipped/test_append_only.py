"""Append-only lists and final statuses: what a change may do to notes, files, ended tickets."""

from __future__ import annotations

from typing import Any

import pytest

import ttrules
from tests.support.cells import ROOT, kept, payload_of, senders
from tests.support.oracle import FINAL, PROCESSES
from tests.support.profiles import provider_book
from tests.support.random_changes import judged, told
from ttrules.items import Items
from ttrules.messages.catalogue import catalogue
from ttrules.rulebook import shipped

TYPE = {"@type": "TroubleTicket"}


def note(number: int, **more: Any) -> dict[str, Any]:
    """Return a stored note."""
    date = "2026-03-01T09:00:00Z"
    return {"id": f"n{number}", "text": f"text {number}", "notedate": date, **more}


def file(name: str, **more: Any) -> dict[str, Any]:
    """Return an attachment."""
    about = {"@referredType": "Attachment", "name": name, "mimeType": "text/plain"}
    return {**about, "content": "QUJD", **more}


def ticket(process: str = PROCESSES[0], **members: Any) -> dict[str, Any]:
    """Return a stored ticket with these members and, unless they say otherwise, without lists."""
    made = kept(payload_of(process, "minimal"))
    return {**{name: made[name] for name in made if name not in {"note", "attachment"}}, **members}


def add(path: str, value: Any) -> dict[str, Any]:
    """Return an operation that adds."""
    return {"op": "add", "path": path, "value": value}


def replace(path: str, value: Any) -> dict[str, Any]:
    """Return an operation that replaces."""
    return {"op": "replace", "path": path, "value": value}


def remove(path: str) -> dict[str, Any]:
    """Return an operation that removes."""
    return {"op": "remove", "path": path}


def move(kind: str, source: str, path: str) -> dict[str, Any]:
    """Return an operation that moves or copies."""
    return {"op": kind, "from": source, "path": path}


#: Ways to add a note, with what they add.
ADDING: list[tuple[Any, list[dict[str, Any]]]] = [
    ({**TYPE, "note": [{"text": "new"}]}, [{"text": "new"}]),
    ({**TYPE, "note": [{"text": "a"}, {"text": "b"}]}, [{"text": "a"}, {"text": "b"}]),
    ({**TYPE, "note": [{"text": "a"}, {"text": "a"}]}, [{"text": "a"}, {"text": "a"}]),
    ({**TYPE, "note": [{"text": "a", "id": "mine"}]}, [{"text": "a", "id": "mine"}]),
    ({**TYPE, "note": [{"text": "a", "id": "m"}] * 2}, [{"text": "a", "id": "m"}]),
    ({**TYPE, "note": []}, []),
    ([add("/note/-", {"text": "new"})], [{"text": "new"}]),
    ([add("/note/0", {"text": "new"})], [{"text": "new"}]),
    ([add("/note", [{"text": "new"}])], [{"text": "new"}]),
    ([add("/note/-", {"text": "a"}), add("/note/-", {"text": "a"})], [{"text": "a"}] * 2),
    (
        [add("/note/-", {"text": "a"}), add("/note/0", {"text": "b"})],
        [{"text": "b"}, {"text": "a"}],
    ),
    ([add("/note/-", {"text": "a"}), replace("/note/0/text", "a")], [{"text": "a"}]),
]


class TestAdding:
    """New items come behind the stored ones, whatever these are and however they are sent."""

    @pytest.mark.parametrize("count", [0, 1, 2, 3])
    @pytest.mark.parametrize(("patch", "added"), ADDING[:-1])
    def test_ways(self, patch: Any, added: list[dict[str, Any]], count: int) -> None:
        """Every way to add a note adds it to lists of any length, and to an absent list."""
        stored = [note(number) for number in range(count)]
        current = ticket(note=stored) if count else ticket()
        change = judged(current, patch)
        assert told(change) == []
        assert change.ticket.get("note", []) == [*stored, *added]

    @pytest.mark.parametrize("path", ["/note/-", "/note/0"])
    def test_absent(self, path: str) -> None:
        """An operation creates an absent list; those that follow work on it."""
        operations = [
            add(path, {"text": "a"}),
            {"op": "test", "path": "/note/0", "value": {"text": "a"}},
            add("/note/-", {"text": "b"}),
            replace("/note/1/text", "c"),
        ]
        change = judged(ticket(), operations)
        assert told(change) == []
        assert change.ticket["note"] == [{"text": "a"}, {"text": "c"}]

    @pytest.mark.parametrize(
        "operations",
        [
            [add("/note/1", {"text": "a"})],
            [add("/note/x", {"text": "a"})],
            [replace("/note/-", {"text": "a"})],
            [remove("/note/0")],
            [replace("/note", [])],
            [add("/relatedEntity/-/id", {"text": "a"})],
            [{"op": "add", "path": "/note/-"}],
            [add("/note", "x"), add("/note/-", {"text": "a"})],
        ],
    )
    def test_no_list(self, operations: list[Any]) -> None:
        """Other operations on an absent list have no meaning, as RFC 6902 says."""
        with pytest.raises(ttrules.PatchNotApplicable) as caught:
            ttrules.validate_change(ticket(), operations)
        assert caught.value.index == len(operations) - 1

    @pytest.mark.parametrize("count", [0, 1, 2])
    def test_repeated(self, count: int) -> None:
        """A merge patch that is sent again adds nothing, nor does the list as it was read."""
        current = ticket(note=[note(number, author="Ada") for number in range(count)])
        patch = {**TYPE, "note": [{"text": "a"}, {"text": "a"}, {"text": "b", "author": "Bob"}]}
        after = judged(current, patch).ticket
        assert len(after["note"]) == count + 3
        given = {**after, "note": [{"id": f"x{n}", **e} for n, e in enumerate(after["note"])]}
        assert judged(given, patch).ticket == given
        read = [{k: v for k, v in each.items() if k != "notedate"} for each in given["note"]]
        for order in (read, read[::-1], [{k: e[k] for k in ("id", "text")} for e in read]):
            assert judged(given, {**TYPE, "note": order}).ticket == given

    def test_more_of_the_same(self) -> None:
        """A stored item stands for one sent item: a second equal one is new."""
        current = ticket(note=[note(0)])
        same = {"text": "text 0"}
        assert judged(current, {**TYPE, "note": [same]}).ticket == current
        twice = judged(current, {**TYPE, "note": [same, {**same, "id": "n0"}]}).ticket
        assert twice["note"] == [note(0), same]
        # An operation that adds one item says that it is new.
        assert judged(current, [add("/note/-", same)]).ticket["note"] == [note(0), same]

    def test_same_ids(self) -> None:
        """Stored items that share an id are each their own."""
        current = ticket(note=[note(0), {**note(1), "id": "n0"}])
        sent = [{"id": "n0", "text": each["text"]} for each in current["note"]]
        assert judged(current, {**TYPE, "note": sent}).ticket == current

    def test_other_content(self) -> None:
        """What has another author, or an id that no stored item has, is another item."""
        current = ticket(note=[note(0, author="Ada")])
        for other in (
            {"text": "text 0"},
            {"text": "text 0", "author": "Bob"},
            {"text": "text 0", "author": "Ada", "id": "n9"},
        ):
            after = judged(current, {**TYPE, "note": [other]}).ticket
            assert after["note"] == [note(0, author="Ada"), other]

    def test_attachments(self) -> None:
        """Attachments are known by their content, what is unsupported in them left aside."""
        stored = [file("a.txt", size={}), file("b.txt")]
        current = ticket(attachment=stored)
        again = [file("b.txt", url="x"), file("a.txt", size={"amount": 1})]
        change = judged(current, {**TYPE, "attachment": again})
        assert change.report.valid
        assert change.ticket == current
        new = file("c.txt", content="QQ==")
        for patch in ({**TYPE, "attachment": [new]}, [add("/attachment/-", new)]):
            assert judged(current, patch).ticket["attachment"] == [*stored, new]

    def test_longest(self) -> None:
        """The limit of a list holds for the stored and the new items together."""
        most = shipped().matrix.root_fields["note"].shape["maxItems"]
        current = ticket(note=[note(number) for number in range(most)])
        for patch in ({**TYPE, "note": [{"text": "x"}]}, [add("/note/-", {"text": "x"})]):
            assert told(judged(current, patch)) == [("length", "/note")]
        again = {**TYPE, "note": [{"text": f"text {number}"} for number in range(most)]}
        assert judged(current, again).ticket == current


#: Changes that would alter or remove a stored note, each with its one finding.
REFUSED: list[tuple[Any, str]] = [
    ({**TYPE, "note": None}, "/note"),
    ({**TYPE, "note": [{"id": "n1", "text": "x"}]}, "/note/0/text"),
    ({**TYPE, "note": [{"text": "new"}, {"id": "n1", "text": "x"}]}, "/note/1/text"),
    ({**TYPE, "note": [{"id": "n1", "text": "text 1", "author": "x"}]}, "/note/0/author"),
    ({**TYPE, "note": [{"id": "m", "text": "a"}, {"id": "m", "text": "b"}]}, "/note/1/text"),
    ([replace("/note/1/text", "x")], "/note/1/text"),
    ([add("/note/1/text", "x")], "/note/1/text"),
    ([replace("/note/0/id", "x")], "/note/0/id"),
    ([remove("/note/0/id")], "/note/0/id"),
    ([remove("/note/0/author")], "/note/0/author"),
    ([add("/note/1/author", "x")], "/note/1/author"),
    ([replace("/note/1", {"text": "x"})], "/note/1"),
    ([replace("/note/1", {"id": "n1", "text": "x"})], "/note/1/text"),
    ([remove("/note/1")], "/note/1"),
    ([remove("/note/0")], "/note/0"),
    ([remove("/note")], "/note"),
    ([remove("/note/1"), add("/note/-", {"text": "new"})], "/note/1"),
    ([add("/note/0", {"text": "new"}), replace("/note/2/text", "x")], "/note/2/text"),
    ([add("/note/-", {"id": "n0", "text": "x"})], "/note/2/text"),
    ([add("/note", [{"id": "n0", "text": "x"}])], "/note/0/text"),
    ([replace("/note", [{"id": "n0", "text": "x"}])], "/note/0/text"),
    ([move("copy", "/name", "/note/0/text")], "/note/0/text"),
    ([move("copy", "/note/0/text", "/note/1/text")], "/note/1/text"),
    ([move("move", "/note/0/author", "/description")], "/note/0/author"),
]


class TestStored:
    """No change alters or removes what is stored; each attempt is one finding."""

    current = ticket(note=[note(0, author="Ada"), note(1)])

    @pytest.mark.parametrize(("patch", "pointer"), REFUSED)
    def test_refused(self, patch: Any, pointer: str) -> None:
        """The finding is `immutable` and its params name the list and the path that adds."""
        change = judged(self.current, patch)
        assert told(change) == [("immutable", pointer)]
        assert change.report.violations[0].params == {"list": "note", "append": "/note/-"}

    @pytest.mark.parametrize(
        ("patch", "findings"),
        [
            ([remove("/note/0/text")], [("required", "/note/0/text")]),
            ([replace("/note/0/text", "")], [("empty", "/note/0/text")]),
            ([replace("/note/0/text", 5)], [("type", "/note/0/text")]),
            ([replace("/note/1", 5)], [("type", "/note/1")]),
            ([replace("/note", 5)], [("type", "/note")]),
            ([add("/note", {})], [("type", "/note")]),
            ([replace("/note/0/notedate", "x")], [("prohibited", "/note/0/notedate")]),
            ([remove("/note/0/notedate")], [("prohibited", "/note/0/notedate")]),
            ({**TYPE, "note": "x"}, [("type", "/note")]),
            ({**TYPE, "note": [{"id": "n1"}]}, [("required", "/note/0/text")]),
            ({**TYPE, "note": [{"id": "n1", "text": ""}]}, [("empty", "/note/0/text")]),
            ({**TYPE, "note": [{}]}, [("required", "/note/0/text")]),
            ([add("/note/-", {})], [("required", "/note/2/text")]),
            (
                [remove("/note/0"), remove("/note/0")],
                [("immutable", "/note/0"), ("immutable", "/note/1")],
            ),
        ],
    )
    def test_one_defect_one_finding(self, patch: Any, findings: list[tuple[str, str]]) -> None:
        """What is wrong in itself is not immutable too; each stored item has its own finding."""
        assert told(judged(self.current, patch)) == findings

    @pytest.mark.parametrize(
        "operations",
        [
            [],
            [{"op": "test", "path": "/note/1/text", "value": "text 1"}],
            [replace("/note/1/text", "x"), replace("/note/1/text", "text 1")],
            [replace("/note/1", {"text": "text 1"})],
            [replace("/note/1", {"id": "n1", "text": "text 1"})],
            [remove("/note/1"), add("/note/1", {"id": "n1", "text": "text 1"})],
            [remove("/note"), add("/note", [{"text": "text 1"}])],
            [replace("/note", [])],
            [add("/note/-", {"id": "n1", "text": "text 1"})],
            [add("/note/-", {"text": "x"}), remove("/note/2")],
            [add("/note/0", {"text": "x"}), remove("/note/0")],
            [move("move", "/note/1", "/note/1")],
            [move("move", "/note/1", "/note/0")],
            [move("move", "/note/0", "/note/1")],
            [move("move", "/note/0", "/note/-")],
            [add("/note/1/colour", "red")],
        ],
    )
    def test_same_in_the_end(self, operations: list[Any]) -> None:
        """Operations are judged by their result, as in a merge patch the order does not count."""
        change = judged(self.current, operations)
        assert change.report.valid
        assert change.ticket == self.current

    def test_stored_with_a_fault(self) -> None:
        """A stored item that Add would not take is the fault of the ticket, at its stored index."""
        current = ticket(note=[note(0), {"id": "n1"}])
        for patch in ({**TYPE, "note": [{"text": "x"}]}, [add("/note/-", {"text": "x"})]):
            assert told(judged(current, patch)) == [("required", "/note/1/text")]

    def test_stored_as_something_else(self) -> None:
        """What is stored in a list and is no object is no item."""
        current = ticket(note=[None, note(0), 5])
        change = judged(current, [add("/note/-", {"text": "x"})])
        assert change.ticket["note"] == [note(0), {"text": "x"}]
        change = judged(current, [replace("/note/1/text", "x")])
        assert ("immutable", "/note/1/text") in told(change)

    def test_unnamed(self) -> None:
        """Items without an identity are followed by their place: attachments."""
        current = ticket(attachment=[file("a"), file("b"), file("c")])
        for patch, pointer in (
            ([replace("/attachment/1/name", "x")], "/attachment/1/name"),
            ([replace("/attachment/1/name", "c")], "/attachment/1/name"),
            ([add("/attachment/2/size", {})], "/attachment/2/size"),
            ([remove("/attachment/1")], "/attachment/1"),
            ([replace("/attachment/0", file("x"))], "/attachment/0"),
            ([remove("/attachment")], "/attachment"),
            ({**TYPE, "attachment": None}, "/attachment"),
        ):
            assert told(judged(current, patch)) == [("immutable", pointer)]

    def test_of_the_other_party(self) -> None:
        """The provider's rules protect notes in the same way, and prohibit attachments."""
        current = ticket(note=[note(0, author="Ada"), note(1)], attachment=[file("a")])
        rules = provider_book()
        for patch, pointer in REFUSED[1:-1]:  # the others are refused by the provider's cells too
            change = rules.validate_change(current, patch, by="provider")
            assert told(change) == [("immutable", pointer)]
        for operations in ([remove("/attachment/0")], [replace("/attachment/0/name", "x")]):
            found = told(rules.validate_change(current, operations, by="provider"))
            assert found == [("prohibited", "/attachment")]

    def test_author(self) -> None:
        """A note of the provider that names no author is the provider's, an operator's has none.

        So both may say the same: neither note is taken for the other, and a repeat adds none.
        """
        current = ticket(note=[note(0)])
        rules, sent = provider_book(), {"text": "text 0"}
        for patch in ({"note": [sent]}, [add("/note", [sent])], [add("/note/-", sent)]):
            after = rules.validate_change(current, patch, by="provider").ticket
            assert after["note"] == [note(0), {"author": "provider", "text": "text 0"}]
            if patch != [add("/note/-", sent)]:
                assert rules.validate_change(after, patch, by="provider").ticket == after
            assert judged(after, {**TYPE, "note": [sent]}).ticket == after
        named = {"author": "Bob", "text": "text 0"}
        after = rules.validate_change(current, {"note": [named]}, by="provider").ticket
        assert after["note"] == [note(0), named]
        # A stored note may be repeated without its author, by either party.
        again = {"note": [{"id": "n0", "text": "text 0"}]}
        assert rules.validate_change(current, again, by="provider").ticket == current
        own = judged(ticket(note=[note(0, author="provider")]), {**TYPE, "note": [sent]}).ticket
        assert own["note"] == [note(0, author="provider"), sent]

    @pytest.mark.parametrize("language", ["en", "pl"])
    def test_message(self, language: str) -> None:
        """The sentence says how to add an item."""
        (finding,) = judged(self.current, [remove("/note/1")]).report.violations
        text = finding.message_in(language)
        assert "/note/-" in text
        assert text == catalogue(language).words["stored_item"].format(
            field="note", list="note", append="/note/-"
        )


class TestFinal:
    """A ticket in a final status accepts what lifecycle.yaml lists, from either party."""

    @pytest.mark.parametrize("status", FINAL)
    @pytest.mark.parametrize("process", PROCESSES[::2])
    def test_notes(self, process: str, status: str) -> None:
        """A note is added; members that are sent as they are stored are no change."""
        current = ticket(process, status=status, note=[note(0)], severity="Low")
        added = [note(0), {"text": "x"}]
        sent = senders(current, ROOT, process.replace("Add", "Change"))
        lists: dict[str, Any] = {
            name: each
            for name, each in sent.items()
            if isinstance(each, list) and each == current[name]
        }
        for patch in (
            {**lists, **TYPE, "note": [{"text": "x"}], "status": status, "severity": "Low"},
            [add("/note/-", {"text": "x"}), replace("/severity", "Low")],
        ):
            change = judged(current, patch)
            assert told(change) == []
            assert change.ticket["note"] == added
        for patch in ({"note": [{"text": "x"}]}, [add("/note/-", {"text": "x"})]):
            change = provider_book().validate_change(current, patch, by="provider")
            assert told(change) == []
            assert change.ticket["note"] == [note(0), {"author": "provider", "text": "x"}]

    @pytest.mark.parametrize("status", FINAL)
    @pytest.mark.parametrize(
        ("member", "value"),
        [
            ("severity", "High"),
            ("description", "x"),
            ("attachment", [file("a")]),
            ("status", "inProgress"),
            ("status", "resolved"),
            ("relatedParty", [{"@referredType": "x", "id": "x", "role": "x"}]),
            ("@baseType", "x"),
        ],
    )
    def test_refused(self, status: str, member: str, value: Any) -> None:
        """A change of another member is `transition` at that member, and tells what is accepted."""
        current = ticket(status=status, severity="Low")
        for patch in ({**TYPE, member: value}, [add(f"/{member}", value)]):
            change = judged(current, patch)
            assert told(change) == [("transition", f"/{member}")]
            params = {"from": status, "allowed": [], "accepts": ["note"]}
            assert change.report.violations[0].params == params

    def test_removed(self) -> None:
        """Nothing is removed either."""
        current = ticket(status=FINAL[0], severity="Low")
        for patch in ({**TYPE, "severity": None}, [remove("/severity")]):
            assert told(judged(current, patch)) == [("transition", "/severity")]

    def test_stored_notes(self) -> None:
        """Stored notes stay here too."""
        current = ticket(status=FINAL[0], note=[note(0)])
        assert told(judged(current, [remove("/note/0")])) == [("immutable", "/note/0")]

    def test_provider(self) -> None:
        """The provider's changes are refused in the same way."""
        current = ticket(status=FINAL[0], severity="Low", priority=1)
        rules = provider_book()
        for member, value in (("resolutionCode", "x"), ("priority", 2), ("status", "inProgress")):
            for patch in ({member: value}, [add(f"/{member}", value)]):
                change = rules.validate_change(current, patch, by="provider")
                assert told(change) == [("transition", f"/{member}")]
        assert rules.validate_change(current, {"priority": 1}, by="provider").ticket == current

    def test_never_stored(self) -> None:
        """What is not stored is no change: it is reported as in every other ticket."""
        current = ticket(status=FINAL[0])
        patch = {**TYPE, "channel": {}, "colour": "red"}
        change = judged(current, patch)
        assert told(change) == [("not_supported", "/channel"), ("unknown_field", "/colour")]
        assert change.ticket == current

    @pytest.mark.parametrize("language", ["en", "pl"])
    def test_message(self, language: str) -> None:
        """The sentence names the status and what is still accepted."""
        current = ticket(status=FINAL[0])
        (finding,) = judged(current, {**TYPE, "severity": "High"}).report.violations
        text = finding.message_in(language)
        assert FINAL[0] in text
        assert "note" in text
        nothing = finding._replace(params={**finding.params, "accepts": []})
        words = catalogue(language).words["accepts_nothing"]
        assert nothing.message_in(language) == words.format_map(
            {"field": "severity", "from": FINAL[0]}
        )


class TestAccepted:
    """What is stored of a new ticket: no unsupported and no unknown member, whatever the policy."""

    @pytest.mark.parametrize("process", PROCESSES[::2])
    def test_pruned(self, process: str) -> None:
        """They are left out at every level; the payload stays as it is."""
        payload = payload_of(process)
        sent = {**payload, "channel": {"id": 1}, "colour": "red", "@schemaLocation": {}}
        sent["attachment"] = [{**each, "url": 5, "x": 1} for each in payload["attachment"]]
        sent["attachment"][0]["size"] = {"amount": []}
        before = repr(sent)
        stored = shipped().accepted(sent, process)
        assert repr(sent) == before
        payload["attachment"][0]["size"] = {}
        assert stored == payload
        assert shipped().accepted(payload, process) == payload

    def test_hostile(self) -> None:
        """What is not JSON is NotJSON, as for every other verb."""
        with pytest.raises(ttrules.NotJSON):
            shipped().accepted({**payload_of(PROCESSES[0]), "channel": {1}}, PROCESSES[0])
        with pytest.raises(ttrules.NoSuchProcess):
            shipped().accepted({}, "none")


class TestItems:
    """A sent item is the first free stored one that is equal or has its identity."""

    def test_identity(self) -> None:
        """Of several members the first that both have decides."""
        items = [{"id": "a", "x": 1}, {"externalId": "b"}, {"id": "c", "externalId": "d"}, 5]
        names = ["id", "externalId"]
        for sent, index in (
            ({"id": "a"}, 0),
            ({"externalId": "b", "id": "z"}, 1),
            ({"externalId": "d"}, 2),
            ({"externalId": "d", "id": "z"}, None),
            ({"id": "c", "externalId": "other"}, 2),
            ({"id": True}, None),
            (5, 3),
            (5.0, 3),
            (True, None),
            ({}, None),
        ):
            assert Items(items, names).take(sent) == index

    def test_first_free(self) -> None:
        """Equal items are taken in their order, each once."""
        items = Items([{"id": "a"}, {"id": "b"}, {"id": "a"}], ["id"])
        assert [items.take({"id": "a"}) for _ in range(3)] == [0, 2, None]
        assert items.free == [1]
