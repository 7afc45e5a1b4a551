"""`ttrules check --against`: payloads that are changes of a ticket."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.oracle import MATRIX, PROCESSES, shape_of
from ttrules.checking.worker import stored_ticket

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.command_line import File, Run
    from ttrules.rulebook import Rulebook

Operations = list[dict[str, Any]]


def operation(op: str, path: str, *value: Any) -> dict[str, Any]:
    """Return an operation of a JSON Patch; `value` has none or one."""
    return {"op": op, "path": path, **({"value": value[0]} if value else {})}


#: A text that is required in a new Complaint and optional in a change of one.
REQUIRED = next(
    name
    for name, codes in MATRIX["entities"]["TroubleTicket"].items()
    if [codes[PROCESSES.index(f"Complaint {each}")] for each in ("Add", "Change")] == ["R", "O"]
    and shape_of("TroubleTicket", name)["type"] == "string"
    and "enum" not in shape_of("TroubleTicket", name)
)
FAX = operation("replace", "/origin", "Fax")

#: A JSON Patch, the code of a finding, the text that is shown for it, and how often that text
#: stands in the patch before.
PATCHES: list[tuple[Operations, str, str, int]] = [
    ([FAX], "enum", '"Fax"', 0),
    ([FAX, FAX], "enum", '"Fax"', 1),
    ([FAX, operation("test", "/origin", "Fax")], "enum", '"Fax"', 0),
    ([operation("remove", f"/{REQUIRED}")], "required", f'"/{REQUIRED}"', 0),
    ([operation("add", "/lastUpdate", "2026-03-01T09:00:00Z")], "prohibited", '"value"', 0),
    ([operation("add", "/note/-", {"text": ""})], "empty", '""', 0),
    ([operation("add", "/note/-", {"id": "1"})], "required", "{", 1),
    ([operation("replace", "/status", "closed")], "transition", '"closed"', 0),
    ([operation("remove", "/relatedParty/0/role")], "required", '"/relatedParty/0/role"', 0),
    (
        [{"op": "move", "from": f"/{REQUIRED}", "path": "/href"}],
        "required",
        f'"/{REQUIRED}"',
        0,
    ),
    ([{"op": "copy", "from": "/name", "path": "/severity"}], "enum", '"/severity"', 0),
]


def test_merge_patches(run: Run, file: File, stored: dict[str, Any]) -> None:
    """Merge patches are judged on the ticket as it will be, each on its own."""
    patches = [{"@type": "x", "origin": "Fax"}, {"@type": stored["@type"], REQUIRED: None}, {}]
    current, changes = file("stored.json", stored), file("a.jsonl", "")
    changes.write_text("\n".join(map(json.dumps, patches)))
    ran = run("check", "--format", "json", "--against", current, changes)
    told = [
        [(each["code"], each["pointer"], each["process"]) for each in result["findings"]]
        for result in ran.json["results"]
    ]
    change = "Complaint Change"
    assert told == [
        [("immutable", "/@type", change), ("enum", "/origin", change)],
        [("null", f"/{REQUIRED}", change)],
        [("required", "/@type", change)],
    ]


def test_accepted(run: Run, file: File, stored: dict[str, Any]) -> None:
    """Patches that lead to a ticket within the rules are fine, of both kinds and in one file."""
    current = file("stored.json", stored)
    patches = [
        {"@type": stored["@type"], "status": "held"},
        [operation("add", "/note", [{"text": "It rains in."}])],
        [],
    ]
    lines = "\n".join(map(json.dumps, patches)).encode()
    for content in (lines, gzip.compress(lines)):
        ran = run("check", "--against", current, file("lines", content))
        assert ran == (0, "3 payloads, 3 valid\n", "")
    for patch in patches:
        text = json.dumps(patch, indent=1).encode()
        assert run("check", "--against", current, "-", stdin=text).code == 0


def test_no_new_ticket(
    run: Run, file: File, ticket: dict[str, Any], stored: dict[str, Any]
) -> None:
    """A patch that would be a valid new ticket is judged as the change that it is."""
    change = file("a.jsonl", json.dumps({**ticket, "@type": "Another"}))
    assert run("check", change).code == 0
    ran = run("check", "--format", "json", "--against", file("stored.json", stored), change)
    codes = [each["code"] for each in ran.json["results"][0]["findings"]]
    assert codes == ["immutable"]


@pytest.mark.parametrize("case", PATCHES, ids=repr)
def test_places_in_a_patch(
    run: Run, file: File, stored: dict[str, Any], case: tuple[Operations, str, str, int]
) -> None:
    """A finding on what a JSON Patch made is shown at the last operation that made it."""
    patch, code, shown, before = case
    stored["note"] = []
    text = json.dumps(patch)
    ran = run(
        "check", "--format", "json", "--against", file("stored", stored), "-", stdin=text.encode()
    )
    (result,) = ran.json["results"]
    (finding,) = (each for each in result["findings"] if each["code"] == code)
    start, end = (finding[name] - 1 for name in ("column", "end_column"))
    assert (text[start:end], text[:start].count(shown)) == (shown, before)


def test_nothing_made_it(run: Run, file: File, stored: dict[str, Any]) -> None:
    """A finding that no operation is to blame for is shown at the patch as a whole."""
    del stored["@type"]
    text = json.dumps([operation("replace", "/origin", "Web")]).encode()
    ran = run("check", "--format", "json", "--against", file("stored", stored), "-", stdin=text)
    (finding,) = ran.json["results"][0]["findings"]
    assert (finding["code"], finding["pointer"]) == ("required", "/@type")
    assert (finding["column"], finding["end_column"]) == (1, len(text) + 1)


@pytest.mark.parametrize(
    ("patch", "index"),
    [
        ([operation("test", "/origin", "Fax")], 0),
        ([operation("replace", "/origin", "Web"), operation("remove", "/none")], 1),
        ([1], 0),
    ],
)
def test_not_applicable(
    run: Run, file: File, stored: dict[str, Any], patch: list[Any], index: int
) -> None:
    """A patch without a meaning for the ticket is unreadable, at the operation that has none."""
    current, text = file("stored.json", stored), json.dumps(patch)
    ran = run("check", "--format", "json", "--against", current, "-", stdin=text.encode())
    (result,) = ran.json["results"]
    assert (ran.code, result["status"]) == (3, "unreadable")
    assert result["column"] == text.index(json.dumps(patch[index])) + 1


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"", (1, 1)),
        (b'{"a":\n}', (2, 1)),
        (b'{"ticketType": "Complaint",\n"a": 1, "a": 2}', (2, 9)),
        (b"1", (1, 1)),
        (b'{"ticketType": "Sigh"}', (1, 1)),
        (b'{"a": "\xff"}', (1, 8)),
        (gzip.compress(b"{}", mtime=0)[:-2], (1, 1)),
        (b'{"a":' + b"[" * 500 + b"]" * 500 + b"}", (1, 1)),
    ],
)
def test_no_ticket(run: Run, file: File, content: bytes, place: tuple[int, int]) -> None:
    """A current ticket that cannot be read, or not be changed, is told; no payload is judged."""
    current = file("stored.json", content)
    ran = run("check", "--format", "json", "--against", current, "-", stdin=b"{}")
    (result,) = ran.json["results"]
    assert (ran.code, result["file"], result["status"]) == (3, str(current), "unreadable")
    assert (result["line"], result["column"]) == place
    assert ran.json["summary"]["unreadable"] == 1


def test_no_file(run: Run, file: File, tmp_path: Path) -> None:
    """A current ticket whose file is not there is unreadable."""
    assert run("check", "--against", tmp_path / "none", file("a.json", {})).code == 3


def test_standard_input(run: Run, file: File, stored: dict[str, Any]) -> None:
    """The current ticket may come from standard input, but not together with its changes."""
    change = file("a.json", {"@type": stored["@type"]})
    text = json.dumps(stored).encode()
    assert run("check", "--against", "-", change, stdin=text).code == 0
    for files in (("-", "--against", "-"), ("-", "-")):
        assert run("check", *files, stdin=text).code == 2


def test_process(run: Run, file: File, stored: dict[str, Any]) -> None:
    """The ticket says which process a change belongs to, so that nobody else may."""
    current, change = file("stored.json", stored), file("a.json", {})
    args = ("check", "--against", current, change, "--process")
    assert run(*args, "complaint-change").code == 2
    assert run(*args, "auto").code == 1


def test_other_rules(run: Run, file: File, other: Path, other_book: Rulebook) -> None:
    """Other rules say themselves which stored tickets may be changed."""
    numbers = [f"00000000-0000-4000-8000-00000000000{end}" for end in (1, 2)]
    legacy = {"id": numbers[0], "orderKind": "legacy", "state": "open", "ledger": 1}
    current = file("stored.json", legacy)
    assert stored_ticket(other_book, str(current)) == legacy
    text = json.dumps({"id": numbers[1]}).encode()
    ran = run("check", "--rules", other, "--format", "json", "--against", current, "-", stdin=text)
    codes = [each["code"] for each in ran.json["results"][0]["findings"]]
    assert "immutable" in codes
    burst = file("burst.json", {**legacy, "orderKind": "burst"})
    assert run("check", "--rules", other, "--against", burst, "-", stdin=text).code == 3
