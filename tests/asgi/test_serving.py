"""`python -m server serve`: the sandbox, a proxy's prefix, HTTPS, what is logged and counted."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import requests
from sqlalchemy import create_engine, text

from tests.support.contract import BACKOFFICE_BASE
from tests.support.databases import DATABASES, postgresql
from tests.support.server_commands import command, is_sentence
from tests.support.servers import BASE, NAMES, PROVIDER, Client, serving, started
from tests.support.tickets import complaint
from tests.support.tls import certificate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.servers import Server

pytestmark = pytest.mark.slow

PREFIX = "/gateway/tickets"


class TestSandbox:
    """TTR_SANDBOX=1: two operators, a provider, and a command that works."""

    def test_command(self, tmp_path: Path) -> None:
        """The first start prints secrets and a command that creates a ticket; so does the next."""
        environment = {"TTR_DATABASE_URL": f"sqlite:///{tmp_path}/var/t.db", "TTR_SANDBOX": "1"}
        kept = tmp_path / "var/sandbox-operators.json"
        told = []
        for _ in range(2):
            with started(**environment) as process:
                secrets, command = told_by(process)
                ran = subprocess.run(
                    ["bash", "-c", command],
                    capture_output=True,
                    text=True,
                    check=True,
                )
                assert json.loads(ran.stdout)["status"] == "submitted"
            written = json.loads(kept.read_text("utf-8"))
            assert written.pop("signing").keys() == secrets.keys() - {"provider"}
            assert secrets == written
            assert stat.S_IMODE(kept.stat().st_mode) == 0o600
            told.append(secrets)
        assert told[0] == told[1]
        assert list(told[0]) == ["operator-a", "operator-b", "provider"]

    def test_other_database(self, tmp_path: Path) -> None:
        """Secrets of a database that is gone are not printed for a new one."""
        environment = {"TTR_DATABASE_URL": f"sqlite:///{tmp_path}/t.db", "TTR_SANDBOX": "1"}
        with started(**environment) as process:
            before, _ = told_by(process)
        for each in tmp_path.glob("t.db*"):
            each.unlink()
        with started(**environment) as process:
            after, command = told_by(process)
            root = re.findall(r"(http://\S+?)/api/", command)[0]
            for name in after:
                base = BACKOFFICE_BASE if name == PROVIDER else BASE
                answer = Client(root, (name, after[name]), base).get("/troubleTicket")
                assert answer.status_code == 200
        assert not set(before.values()) & set(after.values())

    def test_private(self, tmp_path: Path) -> None:
        """Only the server's user can read the files beside the database, whatever was there."""
        left = tmp_path / "sandbox-operators.json.new"
        left.write_text("of a process that died")
        left.chmod(0o666)
        before = os.umask(0)
        try:
            environment = {"TTR_DATABASE_URL": f"sqlite:///{tmp_path}/t.db", "TTR_SANDBOX": "1"}
            with started(**environment) as process:
                told_by(process)
        finally:
            os.umask(before)
        for name in ("signing.key", "sandbox-operators.json"):
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
        assert not left.exists()


#: Contents that the files beside a database cannot have.
DAMAGED = {
    "signing.key": [b"", b"zz", b"00" * 31, b"\xff" * 64],
    "sandbox-operators.json": [b"", b'{"operator-a":', b"[]", b'{"operator-a": 1}', b"\xff\xfe"],
}


@pytest.mark.parametrize(
    ("name", "text"), [(name, each) for name in DAMAGED for each in DAMAGED[name]]
)
def test_damaged(name: str, text: bytes, tmp_path: Path) -> None:
    """A damaged file beside the database ends the start in one sentence that names the file."""
    (tmp_path / name).write_bytes(text)
    address = f"sqlite:///{tmp_path}/t.db"
    ended = command(address, "serve", TTR_SANDBOX="1", TTR_PORT="0")
    assert is_sentence(ended), ended.output
    assert str(tmp_path / name) in ended.stderr
    assert (tmp_path / name).read_bytes() == text


#: The addresses of what a server can show without credentials.
ADDRESSES = {
    "documents": ["/openapi.json", f"{BASE}/openapi.json", f"{BACKOFFICE_BASE}/openapi.json"],
    "ui": ["/ui", "/ui/", "/ui/swagger-ui.css"],
    "matrix": ["/matrix"],
    "metrics": ["/metrics"],
}


@pytest.mark.parametrize("public", ["none", "matrix,metrics", "documents,ui"])
def test_public(public: str, tmp_path: Path) -> None:
    """A page that TTR_PUBLIC does not list is a 404, with or without credentials."""
    address = f"sqlite:///{tmp_path}/t.db"
    with serving(address, TTR_PUBLIC=public) as running:
        for client in (running.stranger(), running.client()):
            for name, paths in ADDRESSES.items():
                for path in paths:
                    answer = client.get(running.root + path)
                    is_shown = name in public.split(",")
                    assert answer.status_code in ({200, 308} if is_shown else {404}), path
            assert client.get(f"{running.root}/health/ready").status_code == 200
        running.client().created()


def told_by(process: subprocess.Popen[str]) -> tuple[dict[str, str], str]:
    """Return the secrets and the command that a sandbox prints."""
    assert process.stdout is not None
    secrets = {}
    for line in iter(process.stdout.readline, "To create a ticket:\n"):
        told = r"(?:Operator|Provider) (\S+), secret ([^\s,]+)(?:, .*)?\n"
        if found := re.fullmatch(told, line):
            secrets[found[1]] = found[2]
    assert process.stdout.readline() == "\n"
    return secrets, "".join(iter(process.stdout.readline, "\n"))


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give a server behind a proxy's prefix."""
    folder = tmp_path_factory.mktemp("prefix")
    with serving(f"sqlite:///{folder}/t.db", TTR_PATH_PREFIX=PREFIX) as running:
        yield running


@pytest.mark.parametrize("left_on", ["", PREFIX], ids=["taken off", "left on"])
class TestPrefix:
    """TTR_PATH_PREFIX: returned addresses begin with it, whether or not a proxy removes it."""

    def test_tickets(self, behind: Server, left_on: str) -> None:
        """href, Location, Link and a subscription's Location."""
        api = Client(behind.root + left_on, (NAMES[0], behind.secrets[NAMES[0]]))
        answer = api.post("/troubleTicket", json=complaint())
        href = answer.json()["href"]
        assert href == answer.headers["Location"]
        assert href == f"{PREFIX}{BASE}/troubleTicket/{answer.json()['id']}"
        listed = api.get("/troubleTicket", params={"limit": 1, "name": complaint()["name"]})
        links = re.findall(r"<([^>]*)>", listed.headers["Link"])
        assert len(links) >= 3
        assert all(each.startswith(f"{PREFIX}{BASE}/troubleTicket?") for each in links)
        hub = api.post("/hub", json={"callback": "https://8.8.8.8/x"})
        assert hub.headers["Location"] == f"{PREFIX}{BASE}/hub/{hub.json()['id']}"

    def test_pages(self, behind: Server, left_on: str) -> None:
        """The document's addresses, and where its page gets the document and itself from."""
        stranger = Client(behind.root + left_on, None)
        document = stranger.get("/openapi.json").json()
        assert document["servers"] == [{"url": PREFIX + BASE}]
        flows = document["components"]["securitySchemes"]["oauth2"]["flows"]
        assert flows["clientCredentials"]["tokenUrl"] == f"{PREFIX}/oauth2/token"
        page = stranger.get(f"{behind.root}{left_on}/ui/")
        assert f'"{PREFIX}{BASE}/openapi.json"' in page.text
        without_slash = stranger.get(f"{behind.root}{left_on}/ui")
        assert without_slash.is_redirect
        assert without_slash.headers["Location"] == f"{PREFIX}/ui/"

    def test_other_paths(self, behind: Server, left_on: str) -> None:
        """Health and tokens are found as well; what only looks like the prefix is not."""
        stranger = Client(behind.root + left_on, None)
        assert stranger.get(f"{behind.root}{left_on}/health/live").status_code == 200
        pair = (NAMES[0], behind.secrets[NAMES[0]])
        form = {"grant_type": "client_credentials"}
        granted = requests.post(
            f"{behind.root}{left_on}/oauth2/token", auth=pair, data=form, timeout=30
        )
        assert granted.status_code == 200
        for path in (f"{PREFIX}x{left_on}/health/live", f"{PREFIX}{PREFIX}/health/live"):
            assert stranger.get(behind.root + path).status_code == 404


def test_https(tmp_path: Path) -> None:
    """With a certificate and its key the server speaks HTTPS, and nothing else."""
    pem, key = certificate(tmp_path, "own")
    # A connection that never became one is waited for at the end, as long as any other.
    tls = {"TTR_TLS_CERTIFICATE": pem, "TTR_TLS_KEY": key, "TTR_SHUTDOWN_TIMEOUT": "1"}
    with serving(f"sqlite:///{tmp_path}/t.db", **tls) as running:
        assert running.root.startswith("https://127.0.0.1:")
        answer = running.client().post("/troubleTicket", json=complaint(), verify=pem)
        assert answer.status_code == 201
        with pytest.raises(requests.exceptions.SSLError):
            running.client().get("/troubleTicket")
        with pytest.raises(requests.ConnectionError):
            requests.get(running.root.replace("https", "http"), timeout=30)


class TestLog:
    """A line is one JSON object, has the request's id, and holds nothing that was sent."""

    @pytest.mark.parametrize("kind", DATABASES)
    @pytest.mark.parametrize("level", ["DEBUG", "INFO"])
    def test_lines(self, kind: str, level: str, tmp_path: Path) -> None:
        """No value of a query, a body, a header or a secret is logged, not even by a failure."""
        marks = [f"geheim{uuid4().hex}" for _ in range(6)]
        address = f"sqlite:///{tmp_path}/t.db" if kind == "sqlite" else postgresql()
        with (tmp_path / "log").open("w+") as log:
            with serving(address, stderr=log, TTR_LOG_LEVEL=level) as running:
                answers = talk(running, marks)
                secrets = list(running.secrets.values())
            log.seek(0)
            whole = log.read()
        assert [each.status_code for each in answers] == [201, 200, 400, 400, 400, 401, 500, 500]
        for secret in [*marks, *secrets]:
            assert secret not in whole
        lines = [json.loads(line) for line in whole.splitlines()]
        assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
        asked = [line for line in lines if line["logger"] == "server.access"]
        told = {line["request"]: (line["method"], line["status"]) for line in asked}
        for answer in answers:
            expected = answer.request.method, answer.status_code
            assert told[answer.headers["X-Request-Id"]] == expected
        failures = [line for line in lines if line["level"] == "ERROR"]
        assert failures
        assert all("exception" in line for line in failures)

    def test_level(self, tmp_path: Path) -> None:
        """At WARNING nothing is said of what goes well."""
        with (tmp_path / "log").open("w+") as log:
            with serving(f"sqlite:///{tmp_path}/t.db", stderr=log) as running:
                running.client().created()
            log.seek(0)
            assert log.read() == ""


def talk(running: Server, marks: list[str]) -> list[requests.Response]:
    """Send marks in every place that there is, the last two requests to a broken database."""
    api = running.client()
    key = {"Idempotency-Key": marks[0], "X-Other": marks[1]}
    ticket = {**complaint(), "description": marks[2], "externalId": marks[3]}
    answers = [
        api.post("/troubleTicket", json=ticket, headers=key),
        api.get("/troubleTicket", params={"externalId": marks[3], "name.regex": marks[4]}),
        api.get(f"/troubleTicket?fields={marks[5]}"),
        api.post("/troubleTicket", data=marks[2], headers={"Content-Type": "application/json"}),
        api.get("/troubleTicket", params={marks[4]: marks[5]}),
        Client(running.root, (NAMES[0], marks[1])).get("/troubleTicket"),
    ]
    engine = create_engine(running.database)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE ticket"))
    engine.dispose()
    other = {"Idempotency-Key": marks[1]}
    answers.append(api.post("/troubleTicket", json=ticket, headers=other))
    answers.append(api.get("/troubleTicket", params={"externalId": marks[3]}))
    return answers


class TestNumbers:
    """/metrics."""

    def test_counts(self, tmp_path: Path) -> None:
        """Requests are counted by operation and status, slow hashes and waiting jobs by number."""
        with serving(f"sqlite:///{tmp_path}/t.db") as running:
            api = running.client()
            number = api.created()["id"]
            for path in (f"/troubleTicket/{number}", f"/troubleTicket/{uuid4()}", "/nothing"):
                api.get(path)
            api.get("/troubleTicket?x=1")
            numbers = metrics(running)
            for operation, status in (
                ("createTroubleTicket", 201),
                ("retrieveTroubleTicket", 200),
                ("retrieveTroubleTicket", 404),
                ("listTroubleTicket", 400),
                ("none", 404),
            ):
                name = f'ttr_requests_total{{operation="{operation}",status="{status}"}}'
                assert numbers[name] == 1
            assert numbers["ttr_secrets_hashed_total"] == 0  # a new secret needs no slow hash
            assert numbers["ttr_jobs_waiting"] == 0
            assert numbers["ttr_requests_under_way"] == 1  # this one
            assert numbers['ttr_request_seconds_count{operation="createTroubleTicket"}'] == 1


def metrics(running: Server) -> dict[str, float]:
    """Return the numbers of a server by their names."""
    shown = running.stranger().get(f"{running.root}/metrics")
    assert shown.headers["Content-Type"].startswith("text/plain")
    lines = [line.rsplit(" ", 1) for line in shown.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}
