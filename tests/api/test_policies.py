"""Members that the matrix marks - are never stored, whatever the policy and the way they came."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy

from server.profile.reader import read_profile
from tests.support.cells import payload_of, places
from tests.support.databases import postgresql
from tests.support.exchanges import OPERATIONS, told
from tests.support.oracle import MATRIX, PROCESSES
from tests.support.profiles import SHIPPED
from tests.support.servers import serving

if TYPE_CHECKING:
    from pathlib import Path

    from server.profile.model import Profile
    from ttrules.codes import Unsupported

pytestmark = pytest.mark.slow

MARK = "never-to-be-stored"
TYPE = {"@type": "TroubleTicket"}


def marked(process: str) -> tuple[dict[str, Any], set[str]]:
    """Return a new ticket with every unsupported member, and one unknown; and their pointers."""
    payload, pointers = payload_of(process), set()
    column = PROCESSES.index(process)
    for attachment in payload["attachment"]:
        attachment["size"] = {}
    for entity, place in [*places(payload, process)]:
        for name, codes in MATRIX["entities"][entity].items():
            if codes[column] == "-":
                place.owner[name] = [{"id": MARK}]
                pointers.add(f"{place.at}/{name}")
        place.owner["colour"] = MARK
    return payload, pointers


def stored_texts(database: str) -> str:
    """Return all that the tables of a database hold, as one text."""
    engine = sqlalchemy.create_engine(database.replace("postgresql://", "postgresql+psycopg://"))
    tables = sqlalchemy.MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        rows = [
            [bytes(e) if isinstance(e, memoryview) else e for e in row]
            for table in tables.sorted_tables
            for row in connection.execute(sqlalchemy.select(table))
        ]
    engine.dispose()
    return repr(rows)


def copied(folder: Path, policy: str) -> Profile:
    """Return a copy of the shipped profile with another policy on both sides."""
    shutil.copytree(SHIPPED.directory, folder)
    for name in ("interpretation", "backoffice-interpretation"):
        path = folder / f"{name}.yaml"
        text = path.read_text("utf-8")
        assert "policy: warn" in text
        path.write_text(text.replace("policy: warn", f"policy: {policy}"), "utf-8")
    return read_profile(folder)


@pytest.mark.parametrize(
    ("policy", "kind"),
    [
        ("ignore", "sqlite"),
        pytest.param("warn", "postgresql", marks=pytest.mark.postgres),
        ("error", "sqlite"),
    ],
)
def test_never_stored(policy: Unsupported, kind: str, tmp_path: Path) -> None:
    """With each policy tickets of both types are created and changed, from both sides, and no
    unsupported or unknown member is in the database or in an answer; `error` refuses them.
    """
    profile = copied(tmp_path / "profile", policy)
    database = f"sqlite:///{tmp_path}/tickets.db" if kind == "sqlite" else postgresql()
    with serving(database, profile) as server:
        api, provider = server.client(), server.backoffice()
        hook = {"callback": "https://operator.example/hook"}
        assert api.post("/hub", json=hook).status_code in {201, 400}
        for process in PROCESSES[::2]:
            sent, pointers = marked(process)
            headers = {"Idempotency-Key": process.replace(" ", "-")}
            answer = api.post("/troubleTicket", json=sent, headers=headers)
            if policy == "error":
                found = set(told(answer))
                assert {("not_supported", each) for each in pointers} <= found
                assert ("unknown_field", "/colour") in found
                sent = payload_of(process)
                answer = api.post("/troubleTicket", json=sent, headers=headers)
            assert answer.status_code == 201
            named = answer.headers.get("Ticket-Unsupported-Members", "")
            assert ("/channel" in named) is (policy == "warn")
            assert MARK not in answer.text
            ticket = answer.json()
            address = f"/troubleTicket/{ticket['id']}"
            note = {"text": "x", "colour": MARK}
            attachment = {**payload_of(process)["attachment"][0], "name": "new", "url": MARK}
            members = {"channel": {"id": MARK}, "colour": MARK, "note": [note]}
            for side, more, listed in (
                (api, TYPE, {"attachment": [attachment]}),
                (provider, {}, {}),
            ):
                operations = [
                    {"op": "add", "path": "/channel", "value": {"id": MARK}},
                    {"op": "add", "path": "/note/-", "value": note},
                    {"op": "add", "path": "/note/0/colour", "value": MARK},
                ]
                for body, by in (
                    (
                        json.dumps({**more, **members, **listed}),
                        {"Content-Type": "application/json"},
                    ),
                    (json.dumps(operations), OPERATIONS),
                ):
                    answer = side.patch(address, data=body, headers=by)
                    if policy == "error":
                        assert answer.status_code == 400
                        assert {code for code, _ in told(answer)} == {
                            "not_supported",
                            "unknown_field",
                        }
                    else:
                        assert answer.status_code == 200
                        assert MARK not in answer.text
            for asked in (api.get(address), provider.get(address), api.get("/troubleTicket")):
                assert MARK not in asked.text
            after = api.get(address).json()
            assert ("channel" in after, "colour" in after) == (False, False)
            added = 0 if policy == "error" else 4
            assert len(after["note"]) == len(sent["note"]) + added
        assert api.get("/troubleTicket").headers["X-Total-Count"] == "2"
    assert MARK not in stored_texts(database)
