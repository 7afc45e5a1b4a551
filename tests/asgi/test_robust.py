"""Many at once, the slow, the hostile, and the end of the process."""

from __future__ import annotations

import base64
import json
import signal
import socket
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import requests
from urllib3 import Retry

from tests.support.databases import DATABASES, postgresql
from tests.support.servers import BASE, NAMES, Client, serving, started
from tests.support.tickets import complaint

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Server

pytestmark = pytest.mark.slow

MERGE = {"@type": "TroubleTicket"}
TOGETHER = 32
#: Expressions that a backtracking engine would take for ever over, or that are none.
HOSTILE = [
    *("(a+)+$", "(a|aa)+$", "(.*)*x", "(a*)*b", "([a-zA-Z]+)*$", "(x+x+)+y", "^(([a-z])+.)+[A-Z]"),
    *("(?=a)", "(?!a)", "(?<=a)b", r"(a)\1", "(?P=x)", "[", "(", "*", "a{1001}", "a{1000}{1000}"),
    *(f"(a{{0,{n}}}){{0,{n}}}" for n in range(5, 40)),
    *("(" * n + "a" + ")*" * n for n in range(1, 40)),
    "\\C",
    "\\pN{1000}",
]


class TestTogether:
    """Requests at the same time."""

    def test_one_key(self, server: Server) -> None:
        """Of 32 requests with one key one creates a ticket; the others repeat it or are a 409."""
        headers, sent = {"Idempotency-Key": str(uuid4())}, {**complaint(), "name": str(uuid4())}
        clients = [server.client() for _ in range(TOGETHER)]

        def ask(client: Client) -> requests.Response:
            return client.post("/troubleTicket", json=sent, headers=headers)

        with ThreadPoolExecutor(TOGETHER) as pool:
            answers = list(pool.map(ask, clients))
        assert {each.status_code for each in answers} <= {201, 409}
        created = {each.json()["id"] for each in answers if each.status_code == 201}
        assert len(created) == 1
        found = clients[0].get("/troubleTicket", params={"name": sent["name"]})
        assert [each["id"] for each in found.json()] == list(created)

    def test_one_version(self, server: Server) -> None:
        """Of 32 changes of one version one is made, and 31 are a 412."""
        ticket = server.client().created()
        clients = [server.client() for _ in range(TOGETHER)]

        def ask(each: tuple[int, Client]) -> int:
            number, client = each
            patch = {**MERGE, "description": f"change {number}"}
            path = f"/troubleTicket/{ticket['id']}"
            return client.patch(path, json=patch, headers={"If-Match": '"1"'}).status_code

        with ThreadPoolExecutor(TOGETHER) as pool:
            statuses = sorted(pool.map(ask, enumerate(clients)))
        assert statuses == [200] + [412] * (TOGETHER - 1)
        assert clients[0].get(f"/troubleTicket/{ticket['id']}").headers["ETag"] == '"2"'

    def test_all_notes(self, server: Server) -> None:
        """Notes that are added at the same time are all there."""
        path = f"/troubleTicket/{server.client().created()['id']}"
        clients = [server.client() for _ in range(TOGETHER)]
        first = json.dumps([{"op": "add", "path": "/note", "value": []}])
        headers = {"Content-Type": "application/json-patch+json"}
        assert clients[0].patch(path, data=first, headers=headers).status_code == 200

        def ask(each: tuple[int, Client]) -> int:
            number, client = each
            body = json.dumps([{"op": "add", "path": "/note/-", "value": {"text": str(number)}}])
            return client.patch(path, data=body, headers=headers).status_code

        with ThreadPoolExecutor(TOGETHER) as pool:
            assert set(pool.map(ask, enumerate(clients))) == {200}
        notes = clients[0].get(path).json()["note"]
        assert sorted(int(note["text"]) for note in notes) == list(range(TOGETHER))


class TestHostile:
    """What would keep a server busy does not."""

    def test_expressions(self, server: Server) -> None:
        """Hostile expressions are answered or refused, never with a 5xx."""
        api = server.client()
        api.created(name="a" * 256)
        for each in HOSTILE:
            answer = api.get("/troubleTicket", params={"name.regex": each, "fields": "id"})
            assert answer.status_code in {200, 400}, each

    def test_long_expression(self, server: Server) -> None:
        """An expression has at most 256 characters."""
        params = {"name.regex": "a" * 257}
        assert server.client().get("/troubleTicket", params=params).status_code == 400

    def test_slow_body(self, tmp_path: Path) -> None:
        """A body that does not come is not waited for; others are answered meanwhile."""
        with serving(f"sqlite:///{tmp_path}/t.db", TTR_BODY_TIMEOUT="1") as running:
            address = urlsplit(running.root)
            basic = base64.b64encode(f"{NAMES[0]}:{running.secrets[NAMES[0]]}".encode())
            with ExitStack() as open_wires:
                wires = [
                    open_wires.enter_context(
                        socket.create_connection((address.hostname, address.port or 0), timeout=30)
                    )
                    for _ in range(200)
                ]
                for wire in wires:
                    wire.sendall(
                        b"POST %b/troubleTicket HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
                        b"Authorization: Basic %b\r\n"
                        b"Content-Type: application/json\r\n\r\n{" % (BASE.encode(), basic)
                    )
                assert running.client().created()["status"] == "submitted"
                for wire in wires:
                    assert wire.recv(65_536).startswith(b"HTTP/1.1 408 ")


class TestEnds:
    """What was answered survives however the process ends."""

    @pytest.mark.parametrize("kind", DATABASES)
    def test_killed(self, kind: str, tmp_path: Path) -> None:
        """Every ticket that was answered is there after a SIGKILL; a key is still known."""
        address = f"sqlite:///{tmp_path}/t.db" if kind == "sqlite" else postgresql()
        key, sent = {"Idempotency-Key": "k"}, complaint()
        with serving(address) as running:
            first = running.client().post("/troubleTicket", json=sent, headers=key).json()
            answered: list[dict[str, Any]] = []

            def write(client: Client) -> None:
                while True:
                    try:
                        answered.append(client.created())
                    except requests.RequestException:
                        return

            with ThreadPoolExecutor(8) as pool:
                for _ in range(8):
                    pool.submit(write, running.client())
                while len(answered) < 50:
                    pass
                running.process.send_signal(signal.SIGKILL)
        if kind == "sqlite":
            with sqlite3.connect(tmp_path / "t.db") as connection:
                assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            connection.close()
        with serving(address) as again:
            api = again.client()
            for ticket in answered:
                assert api.get(f"/troubleTicket/{ticket['id']}").json() == ticket
            assert api.post("/troubleTicket", json=sent, headers=key).json() == first

    def test_told_to_stop(self, tmp_path: Path) -> None:
        """A request that is under way when the server is told to stop is finished."""
        with serving(f"sqlite:///{tmp_path}/t.db") as running:
            address = urlsplit(running.root)
            body = json.dumps(complaint()).encode()
            name = NAMES[0]
            request = requests.Request(
                "POST", "http://x", auth=(name, running.secrets[name]), json={}
            ).prepare()
            with socket.create_connection(
                (address.hostname, address.port or 0), timeout=30
            ) as wire:
                wire.sendall(
                    b"POST %b/troubleTicket HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n"
                    b"Content-Type: application/json\r\nAuthorization: %b\r\n\r\n"
                    % (BASE.encode(), len(body), str(request.headers["Authorization"]).encode())
                )
                wire.sendall(body[:10])
                assert running.client().get("/troubleTicket").status_code == 200
                running.process.terminate()
                wire.sendall(body[10:])
                assert wire.recv(65_536).startswith(b"HTTP/1.1 201 ")
            running.process.wait(30)


class TestOneProcess:
    """An SQLite file has one process."""

    def test_second(self, tmp_path: Path) -> None:
        """A second one refuses to start, and says why; so do the commands for operators."""
        address = f"sqlite:///{tmp_path}/t.db"
        with serving(address) as running, started(TTR_DATABASE_URL=address) as second:
            assert second.wait(60) == 2
            assert running.client().get("/troubleTicket").status_code == 200

    def test_workers(self, tmp_path: Path) -> None:
        """Nor may it have several workers."""
        address = f"sqlite:///{tmp_path}/t.db"
        with started(TTR_DATABASE_URL=address, TTR_WORKERS="2") as process:
            assert process.wait(60) == 2


@pytest.mark.postgres
def test_workers_share() -> None:
    """Two workers over one PostgreSQL answer alike, whichever is asked."""
    port = free_port()
    with serving(postgresql(), TTR_WORKERS="2", TTR_PORT=str(port)) as running:
        retried = requests.adapters.HTTPAdapter(
            max_retries=Retry(total=60, connect=60, backoff_factor=0.1)
        )
        session = requests.Session()
        session.mount("http://", retried)
        session.get(f"{running.root}/health/ready", timeout=60)
        headers, sent = {"Idempotency-Key": "k"}, complaint()
        clients = [running.client() for _ in range(16)]
        with ThreadPoolExecutor(16) as pool:
            answers = list(
                pool.map(lambda c: c.post("/troubleTicket", json=sent, headers=headers), clients)
            )
        assert {each.status_code for each in answers} <= {201, 409}
        assert len({each.json()["id"] for each in answers if each.status_code == 201}) == 1


def free_port() -> int:
    """Return a port that is free just now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port
