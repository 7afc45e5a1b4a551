"""Lists over HTTP: what they leave out, how their pages follow each other, and what they reject."""

from __future__ import annotations

import asyncio
import re
import threading
from base64 import b64encode
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from sqlalchemy import text

from server.api.query import MOST_INSTRUCTIONS, MOST_PATTERNS, read_query
from server.problems import ApiError
from server.storage.cursors import cursor_of, position_of
from server.storage.database import LISTS_EACH, Database
from server.storage.engines import Deadline
from server.storage.fair_share import FairShare
from server.storage.ticket_query import MOST_VALUES
from tests.support.databases import DATABASES, postgresql
from tests.support.profiles import OPERATOR
from tests.support.servers import serving, without_owner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import requests
    from sqlalchemy import Connection

    from tests.support.servers import Client, Server

pytestmark = pytest.mark.slow

CONTENT = b64encode(b"x" * 3_000).decode()
ATTACHMENT = {"@referredType": "Attachment", "name": "a.txt", "mimeType": "text/plain"}


def following(client: Client, path: str) -> Iterator[requests.Response]:
    """Yield the pages that `next` in the Link header leads to, the first one first."""
    next_path: str | None = path
    while next_path is not None:
        answer = client.get(next_path)
        assert answer.status_code == 200, answer.text
        yield answer
        found = re.search(r'<[^>]*(/troubleTicket\?[^>]*)>; rel="next"', answer.headers["Link"])
        next_path = found[1] if found else None


def ids(answers: Iterator[requests.Response]) -> list[str]:
    """Return the ids of the tickets of pages."""
    return [ticket["id"] for answer in answers for ticket in answer.json()]


class TestContents:
    """A list has no contents of attachments unless they are asked for."""

    def test_left_out(self, api: Client, backoffice: Client) -> None:
        """Contents are left out on both sides, and everything else of an attachment is there."""
        mark = str(uuid4())
        two = [
            {**ATTACHMENT, "content": CONTENT},
            {**ATTACHMENT, "name": "b.txt", "content": "eA=="},
        ]
        whole = api.created(externalId=mark, attachment=two)
        for client in (api, backoffice):
            (listed,) = client.get(f"/troubleTicket?externalId={mark}").json()
            assert CONTENT not in str(listed)
            without = [{k: v for k, v in each.items() if k != "content"} for each in two]
            assert without_owner(listed) == {**whole, "attachment": without}
            (chosen,) = client.get(f"/troubleTicket?externalId={mark}&fields=attachment").json()
            assert chosen["attachment"] == whole["attachment"]
            (named,) = client.get(f"/troubleTicket?externalId={mark}&fields=name").json()
            assert "attachment" not in named

    def test_single(self, api: Client) -> None:
        """One ticket alone has them, also when `fields` names attachments."""
        ticket = api.created(attachment=[{**ATTACHMENT, "content": CONTENT}])
        for query in ("", "?fields=attachment", "?fields=name,attachment"):
            answer = api.get(f"/troubleTicket/{ticket['id']}{query}")
            assert answer.json()["attachment"] == ticket["attachment"]


@pytest.fixture(scope="module", params=DATABASES)
def small(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Give a server whose lists have 10 KB at most."""
    folder = tmp_path_factory.mktemp("lists")
    address = f"sqlite:///{folder}/t.db" if request.param == "sqlite" else postgresql()
    with serving(address, TTR_MAX_ANSWER="10K") as running:
        yield running


class TestSize:
    """An answer has a size limit, and loses nothing by it."""

    @pytest.mark.parametrize(
        "query", ["", "&fields=attachment", "&sort=-name", "&name.regex=large"]
    )
    def test_pages(self, small: Server, query: str) -> None:
        """Pages end early, have one ticket at least, and the next ones have the rest."""
        api = small.client()
        mark = str(uuid4())
        large = {"name": "large", "description": "x" * 12_000, "externalId": mark}
        attached = {**large, "description": "x", "attachment": [{**ATTACHMENT, "content": CONTENT}]}
        made = [api.created(**each)["id"] for each in (large, attached, attached, large, attached)]
        pages = [*following(api, f"/troubleTicket?externalId={mark}&limit=4{query}")]
        assert sorted(ids(iter(pages))) == sorted(made)
        for page in pages:
            assert page.headers["X-Total-Count"] == str(len(made))
            assert page.headers["X-Result-Count"] == str(len(page.json()))
            assert len(page.json()) == 1 or len(page.content) <= 10 << 10
        assert len(pages) >= 2


class TestCursors:
    """The pages of a list follow each other by a cursor."""

    @pytest.mark.parametrize(
        "sort", ["", "&sort=-creationDate", "&sort=name,-severity", "&sort=id"]
    )
    def test_changing(self, api: Client, backoffice: Client, sort: str) -> None:
        """Each ticket is on one page, while tickets are added and changed, on both sides."""
        mark = str(uuid4())
        names = ["b", "a", "c", "a", "b", "c", "a"]
        made = {api.created(externalId=mark, name=name)["id"] for name in names}
        for client in (api, backoffice):
            pages = following(client, f"/troubleTicket?externalId={mark}&limit=2{sort}")
            found = ids(iter([next(pages)]))
            assert len(found) == 2
            # One before, one behind, and a change of one that was seen.
            added = {api.created(externalId=mark, name=name)["id"] for name in ("0", "z")}
            change = {"@type": "TroubleTicket", "description": "changed"}
            assert api.patch(f"/troubleTicket/{found[0]}", json=change).status_code == 200
            found += ids(pages)
            assert len(found) == len(set(found))
            assert made <= set(found) <= made | added
            made |= added

    def test_offset(self, api: Client) -> None:
        """Offsets work as before, and lead to the same next page."""
        mark = str(uuid4())
        made = [api.created(externalId=mark)["id"] for _ in range(5)]
        path = f"/troubleTicket?externalId={mark}&limit=2"
        by_offset = [ids(iter([api.get(f"{path}&offset={n}")])) for n in (0, 2, 4, 6)]
        assert by_offset == [made[:2], made[2:4], made[4:], []]
        pages = following(api, f"{path}&offset=2")
        assert ids(pages) == made[2:]

    def test_refused(self, api: Client) -> None:
        """A cursor that is changed, cut, of another query, or beside an offset is a 400."""
        mark = str(uuid4())
        for _ in range(3):
            api.created(externalId=mark)
        path = f"/troubleTicket?externalId={mark}&limit=1"
        link = api.get(path).headers["Link"]
        cursor = re.findall(r"cursor=([^&>]+)", link)[0]
        assert api.get(f"{path}&cursor={cursor}").status_code == 200
        other = "A" if cursor[4] != "A" else "B"
        for wrong in (
            *("", "x", "%00", "é", "ż" * 50, cursor[:-1], cursor[1:], cursor + "A", cursor + "="),
            cursor[:4] + other + cursor[5:],
            cursor[:-3] + "!" + cursor[-2:],
        ):
            answer = api.get(f"{path}&cursor={wrong}")
            assert (answer.status_code, answer.json()["code"]) == (400, "invalidQuery"), wrong
        for more in ("sort=name", "status=submitted", "offset=0", f"cursor={cursor}"):
            assert api.get(f"{path}&cursor={cursor}&{more}").status_code == 400
        assert api.get(f"/troubleTicket?cursor={cursor}").status_code == 400

    def test_long(self, store: Database) -> None:
        """A position that is too long for an address is that of its ticket, while it is there."""
        query = read_query(b"sort=statusChangeReason", OPERATOR.listing)
        position = ("x" * 30_000, "t1")
        cursor = cursor_of(query, position)
        assert len(cursor) < 100
        assert position_of(query, cursor, OPERATOR.listing.sorts) == ("t1",)
        gone = read_query(f"sort=statusChangeReason&cursor={cursor}".encode(), OPERATOR.listing)
        with pytest.raises(ApiError) as refused:
            store.read_now(lambda c: store.rows.page(c, "nobody", gone))
        assert refused.value.code == "invalidQuery"

    @pytest.mark.parametrize(
        "position", [("x", "t"), (2**63, "t"), (True, "t"), (1.5, "t"), (1, 2), (1, 1, "t"), ()]
    )
    def test_forged(self, position: tuple[Any, ...]) -> None:
        """A forged one reaches the database only with values that its columns can have."""
        query = read_query(b"", OPERATOR.listing)
        with pytest.raises(ApiError):
            position_of(query, cursor_of(query, position), OPERATOR.listing.sorts)


@pytest.fixture(params=DATABASES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Give a store that is open, of each kind in turn; its queries have 0.3 seconds."""
    address = f"sqlite:///{tmp_path}/t.db" if request.param == "sqlite" else postgresql()
    made = Database(address.replace("postgresql://", "postgresql+psycopg://"), query_timeout=0.3)
    made.migrate()
    yield made.open()
    made.close()


#: What takes hours.
ENDLESS = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000000000)"
    " SELECT count(*) FROM n"
)


class TestLimits:
    """What one operator asks for costs the others nothing."""

    def test_statement(self, store: Database) -> None:
        """A statement that takes too long is ended, and the connection works again."""

        async def ask() -> list[str]:
            """Ask for too much twice, for little in between."""
            codes = []
            for _ in range(2):
                with pytest.raises(ApiError) as refused:
                    await store.scan("one", lambda c, _: c.scalar(text(ENDLESS)))
                codes.append(refused.value.code)
                assert refused.value.headers["Retry-After"]
                assert "narrow" in str(refused.value.message).casefold()
                assert await store.scan("one", lambda c, _: c.scalar(text("SELECT 1"))) == 1
            return codes

        assert asyncio.run(ask()) == ["unavailable"] * 2
        store.check()  # the database is well

    def test_code(self) -> None:
        """So is code that goes through rows."""
        times = iter([0.0, 0.5, 0.5, 2.0, 2.0])
        deadline = Deadline(1.0, clock=lambda: next(times))
        deadline.check()
        assert not deadline.is_over
        assert deadline.is_over
        with pytest.raises(ApiError) as refused:
            deadline.check()
        assert refused.value.status == 503

    def test_others(self, store: Database) -> None:
        """While one operator's queries run, another's, reads and changes are answered."""
        go_on = threading.Event()

        def wait(_: Connection, __: object) -> bool:
            """Take as long as the test takes."""
            return go_on.wait(60)

        async def ask() -> list[Any]:
            """Ask for too much as one operator, and for little as others."""
            one = [asyncio.create_task(store.scan("one", wait)) for _ in range(6)]
            await asyncio.sleep(0)
            little = [
                await store.scan("two", lambda c, _: c.scalar(text("SELECT 1"))),
                await store.read(lambda c: c.scalar(text("SELECT 2"))),
                await store.write(lambda c: c.scalar(text("SELECT 3"))),
            ]
            late = await asyncio.gather(*one[LISTS_EACH:], return_exceptions=True)
            assert [each.status for each in late if isinstance(each, ApiError)] == [429] * len(late)
            go_on.set()
            assert await asyncio.gather(*one[:LISTS_EACH]) == [True] * LISTS_EACH
            return little

        assert asyncio.run(ask()) == [1, 2, 3]

    def test_expressions(self, api: Client) -> None:
        """A query has so many expressions, of so many instructions, and so many values at most."""
        many = "&".join(["name.regex=a"] * MOST_PATTERNS)
        assert api.get(f"/troubleTicket?{many}").status_code == 200
        words = ",".join(["a"] * MOST_VALUES)
        for operator in ("eq", "ne", "gt"):
            assert api.get(f"/troubleTicket?name.{operator}={words}").status_code == 200
        for query, limit in (
            (f"{many}&externalId.regex=a", MOST_PATTERNS),
            (f"name.regex={quote('(a?b?){200}')}&name.regex={quote('(a?b?){200}')}", None),
            (f"name.regex={quote('[^a]{1000}')}", MOST_INSTRUCTIONS),
            (f"name.regex={quote(chr(92) + 'pL{30}')}", MOST_INSTRUCTIONS),
            (f"name={words},a", MOST_VALUES),
            (f"priority.gt={'1,' * MOST_VALUES}1", MOST_VALUES),
            ("&".join([f"name.gt={words}"] * 3), MOST_VALUES),
            (f"fields={','.join(['name'] * (MOST_VALUES + 1))}", MOST_VALUES),
        ):
            answer = api.get(f"/troubleTicket?{query}")
            assert answer.status_code == 400, query[:60]
            assert str(limit or MOST_INSTRUCTIONS) in answer.json()["message"]


class TestFairShare:
    """Who runs a query, and who waits."""

    def test_turns(self) -> None:
        """An operator has its share at most; what waits is taken from each in turn."""

        async def run() -> list[str]:
            """Enter as two operators, and leave."""
            share = FairShare(threads=2, each=1, queued=2, seconds=60)
            begun: list[str] = []

            async def enter(who: str) -> None:
                """Wait for a turn and record it."""
                await share.enter(who)
                begun.append(who)

            waiting = [asyncio.create_task(enter(who)) for who in ("a", "a", "a", "b", "b")]
            await asyncio.sleep(0)
            assert begun == ["a", "b"]
            with pytest.raises(ApiError) as refused:
                await share.enter("a")
            assert refused.value.status == 429
            assert refused.value.headers["Retry-After"] == "60"
            for who in ("a", "b", "a", "a", "b"):
                await asyncio.sleep(0)
                share.leave(who)
            await asyncio.gather(*waiting)
            # All places are free again.
            for who in ("a", "b"):
                await share.enter(who)
            return begun

        assert asyncio.run(run()) == ["a", "b", "a", "b", "a"]

    def test_patience(self) -> None:
        """Nobody waits for ever, and who gave up leaves no place taken."""

        async def run() -> None:
            """Wait too long, be cancelled, and enter once there is a place."""
            share = FairShare(threads=1, each=1, queued=2, seconds=0.01)
            await share.enter("a")
            with pytest.raises(ApiError) as refused:
                await share.enter("b")
            assert refused.value.status == 429
            late = asyncio.create_task(share.enter("b"))
            await asyncio.sleep(0)
            late.cancel()
            share.leave("a")
            with pytest.raises(asyncio.CancelledError):
                await late
            await share.enter("c")

        asyncio.run(run())


#: Parameters that are rejected: a path of the operators' side, and what the message names.
REJECTED = [
    ("/troubleTicket?status=Submitted", "submitted"),
    ("/troubleTicket?status.ne=submit", "submitted"),
    ("/troubleTicket?status=submitted,nosuch", "nosuch"),
    ("/troubleTicket?status.gt=zzz", "zzz"),
    ("/troubleTicket?severity=high", "High"),
    ("/troubleTicket?origin=e-mail", "Email"),
    ("/troubleTicket?ticketType=complaint", "Complaint"),
    ("/troubleTicket?ticketSubType=financial", "Financial"),
    ("/troubleTicket?ticketSubtype==financial", "Financial"),
    ("/troubleTicket?status=", "status"),
    ("/troubleTicket?status", "status"),
    ("/troubleTicket?name=", "name"),
    ("/troubleTicket?name=a,,b", "name"),
    ("/troubleTicket?name.ne=", "name"),
    ("/troubleTicket?name.regex=", "name"),
    ("/troubleTicket?name=~", "name"),
    ("/troubleTicket?creationDate=", "creationDate"),
    ("/troubleTicket?priority=", "priority"),
    ("/troubleTicket?id=", "id"),
    ("/troubleTicket?fields=nosuch", "nosuch"),
    ("/troubleTicket?fields=name,Status", "status"),
    ("/troubleTicket?fields=", "fields"),
    ("/troubleTicket?fields=none", "note"),
    ("/troubleTicket?sort=", "sort"),
    ("/troubleTicket?sort=-", "sort"),
    ("/troubleTicket?sort=name,", "sort"),
    ("/troubleTicket?limit=", "limit"),
    ("/troubleTicket?offset=", "offset"),
    ("/troubleTicket?cursor=", "cursor"),
    ("/troubleTicket?operator=operator-a", "operator"),
    ("/troubleTicket/none?fields=nosuch", "nosuch"),
    ("/troubleTicket/none?fields=", "fields"),
    ("/troubleTicket/none?cursor=x", "cursor"),
]
#: Of the provider's side.
REJECTED_THERE = [
    ("/troubleTicket?operator=nosuch", "nosuch"),
    ("/troubleTicket?operator=operator-", "operator-"),
    ("/troubleTicket?operator=", "operator"),
    ("/troubleTicket?status=Closed", "closed"),
    ("/event?operator=nosuch", "nosuch"),
    ("/event?operator=", "operator"),
    ("/event?state=Dead", "dead"),
    ("/event?state=", "state"),
    ("/event?limit=", "limit"),
]
#: Operations without parameters.
WITHOUT = [
    ("POST", "/troubleTicket"),
    ("PATCH", "/troubleTicket/none"),
    ("POST", "/hub"),
    ("DELETE", "/hub"),
    ("DELETE", "/hub/none"),
]


class TestRejected:
    """An unknown value or member is rejected as an unknown parameter is."""

    @pytest.mark.parametrize(("path", "named"), REJECTED)
    def test_operators(self, api: Client, path: str, named: str) -> None:
        """On the operators' side."""
        answer = api.get(path)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalidQuery")
        assert named in answer.json()["message"]

    @pytest.mark.parametrize(("path", "named"), REJECTED_THERE)
    def test_provider(self, backoffice: Client, path: str, named: str) -> None:
        """On the provider's side."""
        answer = backoffice.get(path)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalidQuery")
        assert named in answer.json()["message"]

    @pytest.mark.parametrize(("method", "path"), WITHOUT)
    def test_none(self, api: Client, method: str, path: str) -> None:
        """An operation that has no parameters takes none."""
        answer = api(method, f"{path}?nosuch=1", json={})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalidQuery")

    @pytest.mark.parametrize("query", ["strict=", "strict=maybe", "process=", "nosuch=1"])
    def test_check(self, api: Client, query: str) -> None:
        """Nor does a check take what it does not know."""
        assert api.post(f"/check?{query}", json={}).status_code == 400

    def test_taken(self, api: Client, backoffice: Client) -> None:
        """Every value of an enum and every member is taken, on both sides."""
        for client in (api, backoffice):
            for query in (
                "status=submitted,closed&severity.ne=High&origin=External+System",
                "fields=name,status,@baseType,channel",
                "sort=-status,%2Bname",
            ):
                assert client.get(f"/troubleTicket?limit=1&{query}").status_code == 200
        assert backoffice.get("/troubleTicket?limit=1&operator=operator-a").status_code == 200
