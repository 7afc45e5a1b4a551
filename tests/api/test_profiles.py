"""An API that is not about tickets, served by its profile alone, on both databases.

The profile is tests/profiles/parcel: other paths, members, statuses and events than the shipped
one, names that the server uses itself, and a provider's side that deletes.
"""

from __future__ import annotations

import base64
import json
import shutil
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest
from click.testing import CliRunner
from sqlalchemy import inspect

from server.api.query import read_query
from server.cli.main import cli
from server.profile.reader import read_profile
from server.storage import operators
from server.storage.database import Database, NotFitted
from server.storage.migrations import MIGRATIONS, OtherProfile
from tests.delivery.receivers import receiving
from tests.support.databases import DATABASES, postgresql
from tests.support.profiles import PROFILES, SHIPPED
from tests.support.servers import delivering, serving
from tests.support.tickets import complaint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection

    from server.profile.model import Profile
    from tests.support.servers import Client, Server

pytestmark = pytest.mark.slow

PARCEL: Final = read_profile(PROFILES / "parcel")
LISTENING: Final = {
    "TTR_ALLOW_LOOPBACK_CALLBACKS": "1",
    "TTR_SIGNING_KEY": base64.b64encode(bytes(32)).decode(),
}
BOX: Final = {"kind": "box", "label": "A"}


@pytest.fixture(scope="module", params=DATABASES)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Return a server of parcels, whose operators may listen on this machine."""
    folder = tmp_path_factory.mktemp("parcels")
    address = f"sqlite:///{folder}/t.db" if request.param == "sqlite" else postgresql()
    with serving(address, PARCEL, **LISTENING) as running:
        yield running


@pytest.fixture
def api(server: Server) -> Client:
    """Return a client of the first operator."""
    return server.client()


@pytest.fixture
def staff(server: Server) -> Client:
    """Return a client of the provider."""
    return server.backoffice()


def booked(api: Client, **members: Any) -> dict[str, Any]:
    """Create a parcel and return it."""
    answer = api.post("/parcels", json={**BOX, **members})
    assert answer.status_code == 201, answer.text
    parcel: dict[str, Any] = answer.json()
    return parcel


def codes(api: Client, query: str, path: str = "/parcels") -> list[str]:
    """Return the codes of the parcels that a query lists."""
    answer = api.get(f"{path}?{query}")
    assert answer.status_code == 200, answer.text
    return [each["code"] for each in answer.json()]


class TestCreate:
    """POST: the profile says what the server fills in."""

    def test_filled(self, api: Client) -> None:
        """The identifier, the URL, the first status, times and defaults are there."""
        answer = api.post(
            "/parcels", json={**BOX, "stops": [{"place": "X"}, {"id": "s", "place": "Y"}]}
        )
        parcel = answer.json()
        assert answer.status_code == 201
        assert (
            parcel["self"] == f"/parcels/v3/parcels/{parcel['code']}" == answer.headers["Location"]
        )
        assert (parcel["stage"], parcel["priority"], parcel["fragile"]) == ("booked", "low", False)
        assert parcel["booked"] == parcel["touched"] == parcel["stops"][0]["at"]
        assert parcel["stops"][0]["id"] != parcel["stops"][1]["id"] == "s"
        assert "handed" not in parcel
        assert api.get(f"/parcels/{parcel['code']}").json() == parcel

    def test_sent(self, api: Client) -> None:
        """What the sender sets is never overwritten: a time, a default, the time of an item."""
        moment = "2020-01-02T03:04:05Z"
        given = {"booked": moment, "priority": "high", "fragile": True}
        parcel = booked(api, **given, stops=[{"place": "X", "at": moment}])
        assert parcel.items() >= given.items()
        assert parcel["stops"][0]["at"] == moment

    def test_refused(self, api: Client) -> None:
        """The rules are those of the profile, and what the server sets may not be sent."""
        answer = api.post("/parcels", json={"kind": "box", "stage": "there"})
        found = {(each["code"], each["pointer"]) for each in answer.json()["violations"]}
        assert answer.status_code == 400
        assert found == {("prohibited", "/stage"), ("required", "/label")}

    def test_repeated(self, api: Client) -> None:
        """A repeated request gets the first answer."""
        first, again = (
            api.post("/parcels", json=BOX, headers={"Idempotency-Key": "k-1"}) for _ in range(2)
        )
        assert first.json() == again.json()
        assert first.headers["Location"] == again.headers["Location"]


class TestList:
    """GET: filters, order and `fields` are those of the profile."""

    def test_filters(self, api: Client) -> None:
        """Texts, integers, numbers, booleans and times are compared as what they are."""
        one = booked(api, label="F1", version=3, weight=1.5, fragile=True, priority="p1")
        two = booked(api, label="F2", version=20, weight=10, booked="2031-01-01T00:00:00Z")
        both = [one["code"], two["code"]]
        assert codes(api, "label=F1,F2") == both
        assert codes(api, "label=F1,F2&sort=-version") == both[::-1]
        assert codes(api, "label=F1,F2&version.gt=3") == both[1:]
        assert codes(api, "label=F1,F2&weight.gte=1.5&weight.lt=9.75") == both[:1]
        assert codes(api, "label=F1,F2&weight=10") == both[1:]
        assert codes(api, "label=F1,F2&fragile=true") == both[:1]
        assert codes(api, "label=F1,F2&booked_at.gte=2031-01-01") == both[1:]
        assert codes(api, "label=F1,F2&@priority=p1") == both[:1]
        assert codes(api, "label.regex=^F[12]$&code=" + one["code"]) == both[:1]

    def test_huge(self, api: Client) -> None:
        """A number that no column can have is stored, and compares as the greatest one."""
        parcel = booked(api, label="H", version=2**70, weight=1e300)
        assert parcel["version"] == 2**70
        assert codes(api, "label=H&version.gt=999999999999999999") == [parcel["code"]]

    @pytest.mark.parametrize("query", ["weight=x", "weight=1e3", "booked=2031-01-01", "kind=box"])
    def test_refused(self, api: Client, query: str) -> None:
        """A value of another type, and a name that is no filter, are refused."""
        assert api.get(f"/parcels?{query}").status_code == 400

    def test_cursor(self, api: Client) -> None:
        """Without a default order a list is ordered by identifier; cursors lead through it."""
        made = [booked(api, label="C", weight=number / 3)["code"] for number in range(3)]
        found, path = [], "/parcels?label=C&limit=1&sort=weight"
        while path:
            answer = api.get(path)
            found += [each["code"] for each in answer.json()]
            links = answer.links
            path = links["next"]["url"].removeprefix("/parcels/v3") if "next" in links else ""
        assert found == made == codes(api, "label=C")

    def test_fields(self, api: Client) -> None:
        """Exactly the named members are answered, of one parcel and in a list."""
        parcel = booked(api, label="E")
        wanted = {"label": "E", "stage": "booked"}
        assert api.get(f"/parcels/{parcel['code']}?fields=label,stage").json() == wanted
        assert api.get("/parcels?label=E&fields=label,stage").json() == [wanted]
        own = {"code": parcel["code"], "self": parcel["self"]}
        assert api.get("/parcels?label=E&fields=code,self").json() == [own]
        assert api.get("/parcels?label=E&fields=handed").json() == [{}]

    def test_apart(self, api: Client, staff: Client) -> None:
        """Texts that are stored apart are whole in one parcel, and in a list that asks for them."""
        photo, sender = "x" * 9_000, {"name": "N", "signature": "sha256:" + "y" * 74}
        parcel = booked(api, label="P", photo=photo, sender=sender)
        assert (parcel["photo"], parcel["sender"]) == (photo, sender)
        assert api.get(f"/parcels/{parcel['code']}").json() == parcel
        (listed,) = api.get("/parcels?label=P").json()
        assert "photo" not in listed
        assert listed["sender"] == {"name": "N"}
        asked = api.get("/parcels?label=P&fields=photo,sender").json()
        assert asked == [{"photo": photo, "sender": sender}]
        changed = staff.patch(f"/all/{parcel['code']}", json={"photo": "z"}).json()
        assert (changed["photo"], changed["sender"]) == ("z", sender)


class TestChange:
    """PATCH and DELETE, and the events that they raise."""

    def test_moves(self, api: Client, staff: Client) -> None:
        """Statuses move as the lifecycle says; a move may set a time, every change sets one."""
        parcel = booked(api)
        path = f"/all/{parcel['code']}"
        assert api.patch(f"/parcels/{parcel['code']}", json={"stage": "there"}).status_code == 409
        moving = staff.patch(path, json={"stage": "moving"}).json()
        assert "handed" not in moving
        there = staff.patch(path, json={"stage": "there"}).json()
        assert there["handed"] == there["touched"] > parcel["touched"]
        assert there["operator"] == "operator-a"

    def test_set_by_sender(self, api: Client, staff: Client) -> None:
        """A time that the same change sets is kept."""
        parcel = booked(api)
        path, moment = f"/all/{parcel['code']}", "2020-01-01T00:00:00Z"
        staff.patch(path, json={"stage": "moving"})
        assert (
            staff.patch(path, json={"stage": "there", "handed": moment}).json()["handed"] == moment
        )

    def test_items(self, api: Client) -> None:
        """A new item is filled in, a stored one is left alone."""
        parcel = booked(api, stops=[{"place": "X"}])
        stops = [*parcel["stops"], {"place": "Y"}]
        changed = api.patch(f"/parcels/{parcel['code']}", json={"stops": stops}).json()
        assert changed["stops"][0] == parcel["stops"][0]
        assert changed["stops"][1].keys() == {"id", "place", "at"}
        same = api.patch(f"/parcels/{parcel['code']}", json={"stops": changed["stops"]})
        assert same.json() == changed

    def test_delete(self, api: Client, staff: Client) -> None:
        """The provider deletes a parcel of the version that it knows; an operator cannot."""
        parcel = booked(api)
        path = f"/all/{parcel['code']}"
        assert api.delete(f"/parcels/{parcel['code']}").status_code == 405
        assert staff.delete(path, headers={"If-Match": '"2"'}).status_code == 412
        answer = staff.delete(path, headers={"If-Match": '"1"'})
        assert (answer.status_code, answer.content) == (204, b"")
        for client, place in ((api, f"/parcels/{parcel['code']}"), (staff, path)):
            assert client.get(place).status_code == 404
        assert staff.delete(path).status_code == 404

    def test_events(self, server: Server, api: Client, staff: Client) -> None:
        """Each event is sent to its own path, with the envelope of its schema."""
        with receiving() as receiver, delivering(server, PARCEL, **LISTENING):
            answer = api.post("/subscriptions", json={"callback": f"{receiver.url}/h?k=1"})
            assert answer.status_code == 201, answer.text
            parcel = booked(api, label="V", photo="secret")
            path = f"/all/{parcel['code']}"
            staff.patch(path, json={"stage": "moving", "weight": 2})
            staff.patch(path, json={"stage": "there"})
            staff.delete(path)
            arrived = receiver.wait_for(7)
        assert [each.path for each in arrived] == [
            f"/h/in/{name}?k=1"
            for name in ("booked", "moved", "changed", "moved", "there", "changed", "gone")
        ]
        bodies = [json.loads(each.body) for each in arrived]
        assert [each["what"] for each in bodies] == [
            f"Parcel{name}"
            for name in ("Booked", "Moved", "Changed", "Moved", "There", "Changed", "Gone")
        ]
        whole = {name: value for name, value in parcel.items() if name != "photo"}
        assert bodies[0]["data"]["after"] == whole
        assert bodies[1]["data"]["after"].keys() == {"code", "self", "touched", "stage"}
        assert (bodies[2]["paths"], bodies[2]["data"]["after"]["weight"]) == ("weight", 2)
        states = staff.get("/sent?limit=7").json()
        assert [each["resource"] for each in states] == [parcel["code"]] * 7

    def test_not_there(self, server: Server) -> None:
        """What the profile does not have is not there: the checker, and other operations."""
        stranger = server.stranger()
        for path in ("/", "/checker/facts.json"):
            assert stranger.get(f"{server.root}{path}").status_code == 404
        assert stranger.get("/check").status_code == 404
        answer = stranger.get("/parcels")
        assert answer.headers["WWW-Authenticate"].startswith('Basic realm="Parcels fast"')


#: Edits of the shipped profile: by file, the old text and the new one.
EDITS: Final[dict[str, list[tuple[str, str]]]] = {
    "interpretation.yaml": [
        ("  policy: warn", "  policy: ignore"),
        ("    Complaint Add: {", "    Complaint New: {"),
    ],
    "requirements.yaml": [("  - Complaint Add", "  - Complaint New")],
    "lifecycle.yaml": [
        ('always: ["@type", id, href, lastUpdate]\n', ""),
        (
            (
                "  TroubleTicketInformationRequiredEvent: [status, statusChangeDate, "
                "statusChangeReason, note]\n"
            ),
            "",
        ),
    ],
    "openapi.yaml": [
        ("  contact:\n    name: Nexera\n", ""),
        (
            (
                "        priority:\n          type: integer\n          minimum: 1\n          "
                "maximum: 10\n"
            ),
            "        priority:\n          type: string\n",
        ),
    ],
}


@pytest.fixture(scope="module")
def edited_profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """Return the edited profile."""
    folder = tmp_path_factory.mktemp("edited") / "profile"
    shutil.copytree(SHIPPED.directory, folder)
    for name, edits in EDITS.items():
        text = (folder / name).read_text("utf-8")
        for old, new in edits:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        (folder / name).write_text(text, "utf-8")
    return read_profile(folder)


@pytest.fixture(scope="module", params=DATABASES)
def edited(
    request: pytest.FixtureRequest,
    edited_profile: Profile,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    """Return a server of the edited profile."""
    folder = tmp_path_factory.mktemp("edited")
    address = f"sqlite:///{folder}/t.db" if request.param == "sqlite" else postgresql()
    with serving(address, edited_profile, **LISTENING) as running:
        yield running


class TestEdits:
    """The shipped profile, edited as its owner may edit it."""

    def test_unsupported(self, edited: Server) -> None:
        """What a process does not support is not stored, also if it is ignored in silence."""
        answer = edited.client().post(
            "/troubleTicket", json={**complaint(), "channel": {"anything": ["x"]}}
        )
        assert answer.status_code == 201
        assert "channel" not in answer.json()
        assert "Ticket-Unsupported-Members" not in answer.headers

    def test_priority(self, edited: Server) -> None:
        """A member of another type is stored and filtered as that type."""
        client, sent = edited.client(), {**complaint(), "priority": "urgent"}
        made = client.post("/troubleTicket", json=sent, held=False).json()
        assert made["priority"] == "urgent"
        found = client.get("/troubleTicket?priority=urgent", held=False).json()
        assert [each["id"] for each in found] == [made["id"]]

    def test_events(self, edited: Server, edited_profile: Profile) -> None:
        """An event without an entry carries the status; without `always` it has what identifies."""
        with receiving() as receiver, delivering(edited, edited_profile, **LISTENING):
            assert edited.client().post("/hub", json={"callback": receiver.url}).status_code == 201
            path = f"/troubleTicket/{edited.client().created()['id']}"
            for status in ("acknowledged", "inProgress", "pending"):
                assert edited.backoffice().patch(path, json={"status": status}).status_code == 200
            arrived = receiver.wait_for(4)
        body = json.loads(arrived[-1].body)
        assert body["eventType"] == "TroubleTicketInformationRequiredEvent"
        assert body["event"]["troubleTicket"].keys() == {"id", "href", "lastUpdate", "status"}


class TestDatabase:
    """The columns of a database are those of the profile."""

    @pytest.fixture(params=DATABASES)
    def address(self, request: pytest.FixtureRequest, tmp_path: Path) -> str:
        """Return the URL of an empty database."""
        return f"sqlite:///{tmp_path}/t.db" if request.param == "sqlite" else postgresql()

    def test_fitted(self, address: str, tmp_path: Path) -> None:
        """Columns and indexes are added, filled, made anew and dropped as the profile changes."""
        edited = tmp_path / "edited"
        shutil.copytree(PROFILES / "parcel", edited)
        document = edited / "openapi.yaml"
        text = document.read_text("utf-8")
        for old, new in (
            (
                "- {name: weight, in: query, x-filters: weight, schema: {type: string}}",
                "- {name: kind, in: query, x-filters: kind, x-indexed: true, schema: {}}",
            ),
            (
                "x-indexed: true, schema: {type: string}}\n        - {name: version",
                "schema: {type: string}}\n        - {name: version",
            ),
            ("version: {type: integer}", "version: {type: number}"),
        ):
            assert text.count(old) == 1
            text = text.replace(old, new)
        document.write_text(text, "utf-8")
        parcels = [
            {**BOX, "code": f"p{number:04}", "version": number, "touched": "2026-01-01T00:00:00Z"}
            for number in range(700)
        ]
        filled(address, PARCEL, parcels)
        other = read_profile(edited)
        store = Database(address, other)
        if not store.is_embedded:
            with pytest.raises(NotFitted):
                store.open()
        assert not store.migrate()
        assert sorted(store.added) == sorted(
            [store.rows.columns["version"].name, store.rows.columns["kind"].name]
        )
        assert not store.migrate()
        assert not store.added
        store.open()
        names, indexes = store.read_now(shape_of)
        columns = {each.name for each in store.rows.table.c}
        assert names == columns
        assert indexes == {
            "ticket_member": [*("operator", store.rows.columns["version"].name)],
            "ticket_kind": ["operator", "kind"],
        }
        query = read_query(b"version.gte=698.5&kind=box", other.operator.listing)
        page = store.read_now(lambda c: store.rows.page(c, None, query))
        assert page.numbers == ["p0699"]
        store.close()

    def test_other(self, address: str) -> None:
        """A database with resources of another profile is refused, an empty one is not."""
        for profile in (SHIPPED, PARCEL):
            store = Database(address, profile)
            store.migrate()
            store.open()
            store.close()
        filled(address, PARCEL, [{**BOX, "code": "p1"}])
        store = Database(address)
        with pytest.raises(OtherProfile) as refused:
            store.migrate()
        assert (refused.value.root, refused.value.wanted) == ("Parcel", "TroubleTicket")
        with pytest.raises(OtherProfile):
            store.open()
        store.close()

    def test_commands(self, address: str) -> None:
        """`migrate --profile` does it, tells what it did, and `serve` names it where it is due."""
        run = partial(CliRunner().invoke, cli, env={"TTR_DATABASE_URL": address})
        directory = str(PROFILES / "parcel")
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("TTR_PROFILE", "")
            first = run(["migrate", "--profile", directory])
            again = run(["migrate", "--profile", directory])
        assert first.output == f"schema version {len(MIGRATIONS)} reached\n"
        assert again.output == "nothing to do\n"


def filled(address: str, profile: Profile, resources: list[dict[str, Any]]) -> None:
    """Put resources of one operator into a database."""
    store = Database(address, profile)
    store.migrate()
    store.open()

    def job(connection: Connection) -> None:
        operators.add(connection, "o", 0)
        found = operators.named(connection, "o")
        assert found is not None
        for each in resources:
            store.rows.insert(connection, found.id, store.rows.row_of(each))

    store.submit(job).result()
    store.close()


def shape_of(connection: Connection) -> tuple[set[str], dict[str, Any]]:
    """Return the columns of the table of resources, and those of its indexes."""
    found = inspect(connection)
    columns = {each["name"] for each in found.get_columns("ticket")}
    indexes = {str(each["name"]): each["column_names"] for each in found.get_indexes("ticket")}
    return columns, indexes
