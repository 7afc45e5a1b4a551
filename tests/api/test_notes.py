"""Notes, attachments and ended tickets over HTTP, from both sides and on both databases.

Every published example of a change is applied to lists of several lengths.
"""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml

from tests.support.cells import payload_of
from tests.support.exchanges import MERGE, OPERATIONS, status_and_code, told
from tests.support.oracle import FINAL, SELECTED
from tests.support.servers import without_owner
from ttrules.rulebook import shipped

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

    from tests.support.servers import Client

ROOT = Path(__file__).parents[2]
TYPE = {"@type": "TroubleTicket"}
LISTS = ("note", "attachment")


def change(client: Client, ticket: dict[str, Any], patch: Any) -> requests.Response:
    """Send a patch by the media type of its kind."""
    headers = OPERATIONS if isinstance(patch, list) else MERGE
    return client.patch(f"/troubleTicket/{ticket['id']}", data=json.dumps(patch), headers=headers)


def changed(client: Client, ticket: dict[str, Any], patch: Any) -> dict[str, Any]:
    """Send a patch that is accepted and return the ticket."""
    answer = change(client, ticket, patch)
    assert answer.status_code == 200, answer.text
    return without_owner(answer.json())


def file(name: str) -> dict[str, Any]:
    """Return an attachment."""
    about = {"@referredType": "Attachment", "name": name, "mimeType": "text/plain"}
    return {**about, "content": "QUJD"}


def started(api: Client, backoffice: Client, count: int, /, **members: Any) -> dict[str, Any]:
    """Return a ticket with so many attachments and notes; the last note is the provider's."""
    ticket = api.created(**members)
    if count:
        ticket = changed(api, ticket, {**TYPE, "attachment": [file(f"f{n}") for n in range(count)]})
        own = [{"author": "Ada", "text": f"note {number}"} for number in range(count - 1)]
        ticket = changed(api, ticket, {**TYPE, "note": own}) if own else ticket
        ticket = changed(
            backoffice, ticket, [add("/note/-", {"author": "NOC", "text": "Which line?"})]
        )
    assert [len(ticket.get(name, ())) for name in LISTS] == [count, count]
    return ticket


def moved(backoffice: Client, ticket: dict[str, Any], status: str) -> dict[str, Any]:
    """Return the ticket once the provider has moved it to a status."""
    cycle = shipped().lifecycle
    assert cycle is not None
    for each in cycle.way(ticket["status"], status):
        ticket = changed(backoffice, ticket, {"status": each})
    return ticket


def add(path: str, value: Any) -> dict[str, Any]:
    """Return an operation that adds."""
    return {"op": "add", "path": path, "value": value}


class Example(NamedTuple):
    """A published change: where it stands, whose it is, and the patch."""

    where: str
    is_providers: bool
    patch: Any

    def __str__(self) -> str:
        return self.where

    @property
    def members(self) -> dict[str, Any]:
        """The members that the patch sets, as a merge patch would have them."""
        if isinstance(self.patch, dict):
            return self.patch
        found: dict[str, Any] = {}
        for each in self.patch:
            _, name, *end = each["path"].split("/")
            found[name] = [*found.get(name, []), each["value"]] if end else each.get("value")
        return found


def of_documents() -> Iterator[Example]:
    """Yield the examples of the specs: of what operators and of what the provider sends."""
    for name in ("openapi", "backoffice"):
        document = yaml.safe_load((ROOT / "spec" / f"{name}.yaml").read_text("utf-8"))
        for path in document["paths"].values():
            content = path.get("patch", {}).get("requestBody", {}).get("content", {})
            for media_type, each in content.items():
                for title, example in each.get("examples", {}).items():
                    where = f"{name} {media_type.rpartition('/')[2]} {title}"
                    yield Example(where, name == "backoffice", example["value"])


def of_compiled_documents() -> Iterator[Example]:
    """Yield the examples of the document that clients get, which has those of each process."""
    document = json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8"))
    for path in document["paths"].values():
        content = path.get("patch", {}).get("requestBody", {}).get("content", {})
        for media_type, each in content.items():
            for title, example in each.get("examples", {}).items():
                if "broken" not in title.lower():
                    where = f"docs/openapi.json {media_type.rpartition('/')[2]} {title}"
                    yield Example(where, is_providers=False, patch=example["value"])


def of_pages() -> Iterator[Example]:
    """Yield the changes that the pages of the docs send."""
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        for line in page.read_text("utf-8").splitlines():
            sent = re.search(r"curl .*-X PATCH (\S+) .*-d '(.+?)'(?: |$)", line)
            if sent is not None:
                where = f"{page.name} {sent[2][:40]}"
                yield Example(where, "$BACK" in sent[1], json.loads(sent[2]))


def of_postman(node: dict[str, Any] | None = None, above: str = "") -> Iterator[Example]:
    """Yield the changes in the Postman collection that are meant to be accepted."""
    if node is None:
        (file_,) = (ROOT / "docs" / "postman").glob("Trouble*collection.json")
        node = json.loads(file_.read_text("utf-8"))
    for item in node["item"]:
        if "item" in item:
            yield from of_postman(item, item["name"])
        elif item["request"]["method"] == "PATCH":
            name, body = item["name"], item["request"].get("body", {}).get("raw", "")
            if above == "troubleTicket" or name.startswith("valid"):
                yield Example(f"Postman {above} {name}", is_providers=False, patch=json.loads(body))


FOUND = [
    each
    for each in (*of_documents(), *of_compiled_documents(), *of_pages(), *of_postman())
    if any(name in each.members for name in LISTS) and "Never mind" not in str(each.patch)
]


#: Each change once, though it is published in several places.
EXAMPLES = list({json.dumps(each[1:]): each for each in reversed(FOUND)}.values())


def test_examples_are_found() -> None:
    """There are examples of each kind and in each place."""
    places = {each.where.split()[0] for each in FOUND}
    assert places >= {"openapi", "backoffice", "tutorial.md", "receive-events.md", "Postman"}
    assert {type(each.patch) for each in EXAMPLES} == {dict, list}
    assert {each.is_providers for each in EXAMPLES} == {False, True}


@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_example(api: Client, backoffice: Client, example: Example, count: int) -> None:
    """Each published example adds its items, whatever items there are, and nothing is lost."""
    members = example.members
    where = str(example).replace(" ", "").lower()
    adding = [name for name, each in SELECTED.items() if each["operation"] == "add"]
    named = [each for each in adding if each.replace(" ", "")[:-3].lower() in where]
    payload = payload_of([*named, adding[0]][0])
    ticket = started(
        api, backoffice, count, **{name: payload[name] for name in payload if name not in LISTS}
    )
    if "status" in members:
        cycle = shipped().lifecycle
        assert cycle is not None
        before = next(s for s in cycle.moves if members["status"] in cycle.followers(s))
        ticket = moved(backoffice, ticket, before)
    after = changed(backoffice if example.is_providers else api, ticket, example.patch)
    for name in LISTS:
        stored, sent = ticket.get(name, []), members.get(name) or []
        assert after.get(name, [])[: len(stored)] == stored
        added = after.get(name, [])[len(stored) :]
        assert len(added) == len(sent)
        for item, each in zip(added, sent, strict=True):
            assert {key: item[key] for key in each if key in item} == {
                key: value for key, value in each.items() if key in item
            }
            assert name != "note" or item["notedate"] == after["lastUpdate"]
    assert api.get(f"/troubleTicket/{ticket['id']}").json() == after


class TestStored:
    """What one side has written stays, whatever the other side sends."""

    @pytest.mark.parametrize("by", ["operator", "provider"])
    def test_refused(self, api: Client, backoffice: Client, by: str) -> None:
        """Every way to alter or to remove a note is a 400 at its place, and changes nothing."""
        ticket = started(api, backoffice, 2)
        side, more = (api, TYPE) if by == "operator" else (backoffice, {})
        number = ticket["note"][1]["id"]
        for patch, pointer in (
            ([{"op": "replace", "path": "/note/1/text", "value": "x"}], "/note/1/text"),
            ([{"op": "replace", "path": "/note/0/author", "value": "x"}], "/note/0/author"),
            ([add("/note/0/text", "x")], "/note/0/text"),
            ([{"op": "remove", "path": "/note/1"}], "/note/1"),
            ([{"op": "remove", "path": "/note"}], "/note"),
            ([{"op": "replace", "path": "/note/1", "value": {"text": "x"}}], "/note/1"),
            ([add("/note", [{"id": number, "text": "x"}])], "/note/0/text"),
            ({**more, "note": [{"id": number, "text": "x"}]}, "/note/0/text"),
        ):
            answer = change(side, ticket, patch)
            assert told(answer) == [("immutable", pointer)]
            assert answer.status_code == 400
        null = change(side, ticket, {**more, "note": None})
        assert told(null) == [("immutable" if by == "operator" else "null", "/note")]
        for same in (
            {**more, "note": []},
            [{"op": "replace", "path": "/note", "value": []}],
            [{"op": "move", "from": "/note/1", "path": "/note/0"}],
            {**more, "note": [{"id": number, "text": "Which line?"}]},
        ):
            assert changed(side, ticket, same) == ticket
        assert api.get(f"/troubleTicket/{ticket['id']}").json() == ticket

    def test_attachments(self, api: Client, backoffice: Client) -> None:
        """Attachments stay, too; the provider may not touch them at all."""
        ticket = started(api, backoffice, 2)
        for patch, pointer in (
            ([{"op": "remove", "path": "/attachment/0"}], "/attachment/0"),
            ([{"op": "replace", "path": "/attachment/1/content", "value": "QQ=="}],
             "/attachment/1/content"),
            ({**TYPE, "attachment": None}, "/attachment"),
        ):  # fmt: skip
            assert told(change(api, ticket, patch)) == [("immutable", pointer)]
            found = told(change(backoffice, ticket, patch))
            assert ("prohibited", "/attachment") in found
        again = {**TYPE, "attachment": [file("f1"), file("new"), file("f0")]}
        after = changed(api, ticket, again)
        assert after["attachment"] == [*ticket["attachment"], file("new")]
        assert changed(api, after, again) == after
        assert api.get(f"/troubleTicket/{ticket['id']}").json() == after

    def test_both_at_once(self, api: Client, backoffice: Client) -> None:
        """Notes that both sides add at the same time are all there, each with its own author."""
        ticket = started(api, backoffice, 1)
        sides = {"Ada": api, "NOC": backoffice}

        def write(number: int) -> None:
            author = ("Ada", "NOC")[number % 2]
            made = {"author": author, "text": f"{author} {number}"}
            patch: Any = [add("/note/-", made)]
            if number % 3:
                patch = {"note": [made], **(TYPE if author == "Ada" else {})}
            changed(sides[author], ticket, patch)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, range(12)))
        notes = api.get(f"/troubleTicket/{ticket['id']}").json()["note"]
        assert notes[0] == ticket["note"][0]
        written = sorted(f"{('Ada', 'NOC')[n % 2]} {n}" for n in range(12))
        assert sorted(each["text"] for each in notes[1:]) == written
        assert all(each["text"].startswith(each["author"]) for each in notes[1:])


class TestEnded:
    """A ticket in a final status accepts notes only."""

    @pytest.mark.parametrize("status", FINAL)
    def test_ended(self, api: Client, backoffice: Client, status: str) -> None:
        """Both sides add notes, in both formats; every other change is a 409 that says so."""
        ticket = moved(backoffice, started(api, backoffice, 1), status)
        for side, more, members in (
            (api, TYPE, {"severity": "High", "attachment": [file("x")], "status": "inProgress"}),
            (backoffice, {}, {"priority": 3, "resolutionCode": "X", "status": "inProgress"}),
        ):
            for name, value in members.items():
                for patch in ({**more, name: value}, [add(f"/{name}", value)]):
                    answer = change(side, ticket, patch)
                    assert status_and_code(answer) == (409, "transitionNotAllowed")
                    assert told(answer) == [("transition", f"/{name}")]
                    params = {"from": status, "allowed": [], "accepts": ["note"]}
                    assert answer.json()["violations"][0]["params"] == params
            note = {"text": f"by {more}"}
            for adding in ({**more, "note": [note], "status": status}, [add("/note/-", note)]):
                after = changed(side, ticket, adding)
                assert after["note"][: len(ticket["note"])] == ticket["note"]
                assert len(after["note"]) == len(ticket["note"]) + 1
                ticket = after
        assert api.get(f"/troubleTicket/{ticket['id']}").json() == ticket
