"""Authentication: Basic, bearer tokens, the token endpoint, and wrong secrets."""

from __future__ import annotations

import base64
import hmac
import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
import requests
from argon2 import PasswordHasher
from sqlalchemy import create_engine, text

from server.asgi.security import Challenges
from server.config import Config
from server.storage import operators
from server.storage.database import Database
from tests.support.databases import DATABASES, postgresql
from tests.support.servers import BASE, NAMES, Client, Server, serving, started
from tests.support.tickets import complaint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

CHALLENGES = Challenges.of("Trouble tickets").every
#: Every operation of the document, as method and path.
OPERATIONS = (
    ("GET", "/troubleTicket"),
    ("POST", "/troubleTicket"),
    ("GET", "/troubleTicket/1"),
    ("PATCH", "/troubleTicket/1"),
    ("POST", "/hub"),
    ("DELETE", "/hub"),
    ("DELETE", "/hub/1"),
)
#: Headers that prove nothing.
WORTHLESS = (
    None,
    "",
    "Basic",
    "Basic ???",
    "Basic " + base64.b64encode(b"operator-a").decode(),
    "Basic " + base64.b64encode(b"\xff:\xff").decode(),
    "Basic " + base64.b64encode(b"nobody:x").decode(),
    "Basic " + base64.b64encode(b"\0:\0").decode(),
    "Bearer",
    "Bearer x",
    "Bearer \xe9",
    "Digest x",
    "x",
)


class Header(requests.auth.AuthBase):
    """Sends an Authorization header as it is."""

    def __init__(self, value: str | None) -> None:
        self.value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Set the header."""
        if self.value is not None:
            request.headers["Authorization"] = self.value.encode("latin-1")  # type: ignore[assignment]
        return request


@pytest.fixture(scope="module", params=DATABASES)
def lenient(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Give a server that lets secrets be tried often."""
    folder = tmp_path_factory.mktemp("lenient")
    address = f"sqlite:///{folder}/t.db" if request.param == "sqlite" else postgresql()
    many = {"TTR_FAILED_LOGINS": "100000", "TTR_FAILED_LOGINS_PER_ADDRESS": "100000"}
    with serving(address, **many) as running:
        yield running


@pytest.fixture(params=DATABASES)
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """Give a server of its own, with the usual settings."""
    with serving(f"sqlite:///{tmp_path}/t.db" if request.param == "sqlite" else postgresql()) as it:
        yield it


class TestCredentials:
    """What is no credential opens no operation."""

    @pytest.mark.parametrize(("method", "path"), OPERATIONS)
    def test_worthless(self, lenient: Server, method: str, path: str) -> None:
        """Every operation answers 401 with a challenge, in the one shape (RFC 9110, 15.5.2)."""
        for value in WORTHLESS:
            answer = Client(lenient.root, Header(value))(method, path, json=complaint())
            assert answer.status_code == 401, value
            assert answer.json()["code"] == (
                "invalidCredentials" if value else "missingCredentials"
            )
            expected = 'error="invalid_token"' if (value or "").startswith("Bearer") else CHALLENGES
            assert expected in answer.headers["WWW-Authenticate"]

    def test_schemes_without_case(self, server: Server) -> None:
        """The name of a scheme has no case."""
        name, secret = NAMES[0], server.secrets[NAMES[0]]
        pair = base64.b64encode(f"{name}:{secret}".encode()).decode()
        for scheme in ("Basic", "basic", "BASIC"):
            client = Client(server.root, Header(f"{scheme} {pair}"))
            assert client.get("/troubleTicket?limit=1").status_code == 200

    @pytest.mark.postgres
    def test_changed(self) -> None:
        """A disabled operator is out within a moment, as is a rotated secret; tokens go along."""
        with serving(postgresql()) as running:
            api = running.client()
            token = granted(running)
            bearer = Client(running.root, Header(f"Bearer {token}"))
            assert [each.get("/troubleTicket").status_code for each in (api, bearer)] == [200, 200]
            store = Database(running.database).open()
            try:
                secret = store.submit(lambda c: operators.rotate(c, NAMES[0])).result()
                until(lambda: api.get("/troubleTicket").status_code == 401)
                until(lambda: bearer.get("/troubleTicket").status_code == 401)
                again = Client(running.root, (NAMES[0], secret))
                assert again.get("/troubleTicket").status_code == 200
                store.submit(lambda c: operators.disable(c, NAMES[0], 1)).result()
                until(lambda: again.get("/troubleTicket").status_code == 401)
            finally:
                store.close()

    def test_nothing_is_kept(self, fresh: Server) -> None:
        """The database contains no secret and no token."""
        token = granted(fresh)
        engine = create_engine(fresh.database)
        with engine.connect() as connection:
            rows = [
                str(row)
                for table in ("operator", "token", "ticket", "document", "idempotency")
                for row in connection.execute(text(f"SELECT * FROM {table}"))  # noqa: S608 - our own words
            ]
        engine.dispose()
        for secret in (token, *fresh.secrets.values()):
            assert not any(secret in row for row in rows)


class TestTokens:
    """POST /oauth2/token (RFC 6749)."""

    def test_table(self, server: Server) -> None:
        """Status and error code of every way to ask, as sections 2.3, 3.2 and 5.2 have them."""
        name, secret = NAMES[0], server.secrets[NAMES[0]]
        basic, wrong = (name, secret), (name, "wrong")
        grant = {"grant_type": "client_credentials"}
        body = {"client_id": name, "client_secret": secret}
        cases: list[tuple[Any, Any, int, str | None]] = [
            (basic, grant, 200, None),
            (None, {**grant, **body}, 200, None),
            (basic, {**grant, "client_id": name}, 200, None),
            (basic, {**grant, "client_id": "", "client_secret": "", "scope": ""}, 200, None),
            (wrong, grant, 401, "invalid_client"),
            (wrong, {**grant, "client_id": name}, 401, "invalid_client"),
            (("nobody", "x"), grant, 401, "invalid_client"),
            (None, {**grant, **body, "client_secret": "x"}, 401, "invalid_client"),
            (None, grant, 401, "invalid_client"),
            (None, {**grant, "client_id": name}, 401, "invalid_client"),
            (basic, {}, 400, "invalid_request"),
            (basic, {"grant_type": ""}, 400, "invalid_request"),
            (basic, {"grant_type": "password"}, 400, "unsupported_grant_type"),
            (basic, {**grant, "scope": 'a"b'}, 400, "invalid_scope"),
            (basic, [("grant_type", "client_credentials")] * 2, 400, "invalid_request"),
            (basic, {**grant, **body}, 400, "invalid_request"),
            (basic, {**grant, "client_secret": secret}, 400, "invalid_request"),
            (basic, {**grant, "client_id": NAMES[1]}, 400, "invalid_request"),
        ]
        for auth, data, status, error in cases:
            answer = ask(server, auth=auth, data=data)
            assert (answer.status_code, answer.json().get("error")) == (status, error), data
            assert answer.headers["Cache-Control"] == "no-store"
            if status == 401:
                assert answer.headers["WWW-Authenticate"].startswith("Basic ")
        assert ask(server, auth=basic, json=grant).json()["error"] == "invalid_request"
        query = ask(server, auth=basic, data="", params=grant, headers=FORM)
        assert query.json()["error"] == "invalid_request"

    @pytest.mark.parametrize(
        "parameters",
        [
            "",
            ";",
            "; charset=ISO-8859-1",
            ';charset="utf-16"',
            "; Charset=bogus",
            "; x=y; charset=a",
        ],
    )
    def test_media_type(self, server: Server, parameters: str) -> None:
        """The parameters of the form's media type change nothing: its coding is always UTF-8."""
        answer = ask(
            server,
            auth=(NAMES[0], server.secrets[NAMES[0]]),
            data="grant_type=client_credentials",
            headers={"Content-Type": f"Application/x-www-form-urlencoded{parameters}"},
        )
        assert (answer.status_code, answer.json()["token_type"]) == (200, "Bearer")

    @pytest.mark.parametrize("scope", ["all", "a b", "https://a.example/x !#[]~"])
    def test_scope(self, server: Server, scope: str) -> None:
        """A scope restricts nothing and is returned as it was requested (section 5.1)."""
        grant = {"grant_type": "client_credentials", "scope": scope}
        answer = ask(server, auth=(NAMES[0], server.secrets[NAMES[0]]), data=grant)
        assert (answer.status_code, answer.json()["scope"]) == (200, scope)

    def test_errors(self, server: Server) -> None:
        """An error has the form of section 5.2, whichever layer answers, and a status that fits."""
        basic = (NAMES[0], server.secrets[NAMES[0]])
        pair = {"client_id": basic[0], "client_secret": basic[1]}
        grant = {"grant_type": "client_credentials"}
        address = f"{server.root}/oauth2/token"
        here = {"X-Forwarded-For": "192.0.2.4"}
        for _ in range(10):
            ask(server, auth=(NAMES[1], "wrong"), data=grant, headers=here)
        cases: list[tuple[str, dict[str, Any], int, str]] = [
            *(
                (method, {"params": {**grant, **pair}}, 405, "invalid_request")
                for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS")
            ),
            ("POST", {"params": pair, "data": grant}, 400, "invalid_request"),
            (
                "POST",
                {"auth": basic, "data": "x" * 70_000, "headers": FORM},
                413,
                "invalid_request",
            ),
            ("POST", {"auth": basic, "data": "x"}, 415, "invalid_request"),
            (
                "POST",
                {"auth": basic, "data": "x", "headers": {"Content-Type": "x"}},
                415,
                "invalid_request",
            ),
            ("POST", {"auth": basic, "data": b"\xff", "headers": FORM}, 400, "invalid_request"),
            (
                "POST",
                {"auth": basic, "data": "&".join(f"a{n}=b" for n in range(99)), "headers": FORM},
                400,
                "invalid_request",
            ),
            ("POST", {"data": grant, "headers": {"X": "x" * 20_000}}, 431, "invalid_request"),
            ("POST", {"data": grant, "params": {"x": "x" * 9_000}}, 414, "invalid_request"),
            (
                "POST",
                {"data": grant, "auth": (NAMES[1], "wrong"), "headers": here},
                429,
                "temporarily_unavailable",
            ),
            (
                "POST",
                {"data": grant, "headers": {"Authorization": "Bearer x"}},
                401,
                "invalid_client",
            ),
        ]
        for method, more, status, error in cases:
            answer = requests.request(method, address, timeout=10, **more)
            told = answer.json()
            assert (answer.status_code, told["error"]) == (status, error), (method, more)
            assert told.keys() == {"error", "error_description"}
            assert re.fullmatch(r"[ !#-\[\]-~]+", told["error_description"])
            assert answer.headers["Cache-Control"] == "no-store"
            expected = {405: "Allow", 429: "Retry-After", 401: "WWW-Authenticate"}.get(status)
            assert expected is None or expected in answer.headers

    def test_revoked(self, server: Server) -> None:
        """A client revokes its own tokens, at once, and no others; an unknown one is no error."""
        token, basic = granted(server), (NAMES[0], server.secrets[NAMES[0]])
        bearer = Client(server.root, Header(f"Bearer {token}"))
        theirs = (NAMES[1], server.secrets[NAMES[1]])
        for auth, status in ((theirs, 200), (basic, 401)):
            assert bearer.get("/troubleTicket?limit=1").status_code == 200
            answer = revoke(server, auth=auth, data={"token": token, "token_type_hint": "x"})
            assert (answer.status_code, answer.json()) == (200, {})
            assert bearer.get("/troubleTicket?limit=1").status_code == status
        assert revoke(server, auth=basic, data={"token": "unknown"}).status_code == 200
        assert revoke(server, auth=basic, data={}).json()["error"] == "invalid_request"
        assert revoke(server, data={"token": token}).json()["error"] == "invalid_client"

    def test_unknown_and_wrong(self, server: Server) -> None:
        """A client that is not there is answered to the letter as one with a wrong secret."""
        grant = {"grant_type": "client_credentials"}
        answers = [ask(server, auth=(n, "x"), data=grant) for n in (NAMES[0], "nobody")]
        assert answers[0].content == answers[1].content

    def test_token(self, server: Server) -> None:
        """A token opens its operator's tickets for an hour, and no others'."""
        answer = ask(
            server,
            auth=(NAMES[0], server.secrets[NAMES[0]]),
            data={"grant_type": "client_credentials"},
        ).json()
        assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 3600)
        bearer = Client(server.root, Header(f"Bearer {answer['access_token']}"))
        ticket = server.client().created()
        assert bearer.get(f"/troubleTicket/{ticket['id']}").json() == ticket
        theirs = server.client(NAMES[1]).created()
        assert bearer.get(f"/troubleTicket/{theirs['id']}").status_code == 404

    def test_other_methods(self, server: Server) -> None:
        """Only POST is answered."""
        answer = requests.get(f"{server.root}/oauth2/token", timeout=10)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")

    def test_expired(self, tmp_path: Path) -> None:
        """A token that has expired opens nothing."""
        short = {"TTR_TOKEN_LIFETIME": "1"}
        with serving(f"sqlite:///{tmp_path}/t.db", **short) as running:
            bearer = Client(running.root, Header(f"Bearer {granted(running)}"))
            assert bearer.get("/troubleTicket").status_code == 200
            until(lambda: bearer.get("/troubleTicket").status_code == 401)


class TestWrongSecrets:
    """Trying secrets is slow, counted, and harms nobody else."""

    def test_limited(self, server: Server) -> None:
        """Of 200 tries ten are a 401, the others a 429 that says until when. Others are served."""
        bearer = Client(server.root, Header(f"Bearer {granted(server)}"))
        before = hashed(server)
        with ThreadPoolExecutor(4) as pool:
            tries = pool.map(lambda _: tried(server, NAMES[0], "wrong", "192.0.2.1"), range(200))
            meanwhile = [bearer.get("/troubleTicket?limit=1").status_code for _ in range(50)]
            answers = Counter(tries)
        assert answers == {401: 10, 429: 190}
        assert set(meanwhile) == {200}
        assert hashed(server) == before
        wrong = Client(server.root, (NAMES[0], "wrong"))
        limited = wrong.get("/troubleTicket", headers={"X-Forwarded-For": "192.0.2.1"})
        assert 1 <= int(limited.headers["Retry-After"]) <= 60
        assert limited.json()["code"] == "tooManyRequests"

    def test_neighbours(self, server: Server) -> None:
        """A right secret is accepted, however many wrong ones its address and its name have had."""
        here = "192.0.2.2"
        old = [tried(server, NAMES[1], "ttr_old", here) for _ in range(105)]
        assert Counter(old) == {401: 10, 429: 95}
        assert tried(server, NAMES[0], server.secrets[NAMES[0]], here) == 200
        assert tried(server, NAMES[1], server.secrets[NAMES[1]], here) == 200
        names = [tried(server, f"nobody-{number}", "x", here) for number in range(95)]
        assert Counter(names) == {401: 90, 429: 5}
        for name in NAMES:
            pair = (name, server.secrets[name])
            assert tried(server, *pair, here) == 200
            token = ask(server, auth=pair, data=GRANT, headers={"X-Forwarded-For": here})
            assert token.status_code == 200

    def test_networks(self, server: Server) -> None:
        """Guesses are counted for an IPv4 address, and for the whole /64 of an IPv6 address."""
        inside = [tried(server, NAMES[0], "x", f"2001:db8:1:2::{n:x}") for n in range(30)]
        assert Counter(inside) == {401: 10, 429: 20}
        mapped = [tried(server, NAMES[0], "x", a) for a in ("::ffff:192.0.2.3", "192.0.2.3") * 6]
        assert Counter(mapped) == {401: 10, 429: 2}
        outside = [tried(server, NAMES[0], "x", f"2001:db8:1:{n}::1") for n in (3, 4)]
        assert outside == [401, 401]

    @pytest.mark.postgres
    def test_rotated(self) -> None:
        """Two processes accept a new secret at once, while a client still polls with the old."""
        address = postgresql()
        with serving(address) as one, serving(address) as two:
            servers, old = (one, two), two.secrets[NAMES[0]]  # the second start has rotated it
            assert [tried(each, NAMES[0], old) for each in servers] == [200, 200]
            store = Database(address.replace("postgresql:", "postgresql+psycopg:")).open()
            try:
                new = store.submit(lambda c: operators.rotate(c, NAMES[0])).result()
            finally:
                store.close()
            for each in servers:
                until(lambda each=each: tried(each, NAMES[0], old) == 401)
                polled = [
                    (tried(each, NAMES[0], old), tried(each, NAMES[0], new)) for _ in range(24)
                ]
                assert Counter(polled) == {(401, 200): 9, (429, 200): 15}
            # At once, though the process has just read the operator with the old secret.
            assert tried(one, NAMES[1], two.secrets[NAMES[1]]) == 200

    @pytest.mark.postgres
    def test_slow_hash(self, tmp_path: Path) -> None:
        """A secret that has an argon2id hash is hashed once; tries of it are limited."""
        secret = "ttr_earlier"
        slow = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1).hash(secret)
        for address in (f"sqlite:///{tmp_path}/t.db", postgresql()):
            with serving(address) as running:
                pass
            engine = create_engine(address.replace("postgresql:", "postgresql+psycopg:"))
            given = text("UPDATE operator SET secret_hash = :slow WHERE name = :name")
            with engine.begin() as connection:
                connection.execute(given, {"slow": slow, "name": NAMES[0]})
            with running_again(address) as running:
                wrong = [
                    tried(running, NAMES[0], f"x{number}", "192.0.2.1") for number in range(20)
                ]
                assert Counter(wrong) == {401: 10, 429: 10}
                assert hashed(running) == 10
                with ThreadPoolExecutor(8) as pool:
                    right = pool.map(lambda _: tried(running, NAMES[0], secret), range(40))
                    assert set(right) == {200}
                assert hashed(running) == 11
                assert tried(running, NAMES[0], secret, "192.0.2.1") == 200
            with engine.connect() as connection:
                row = connection.execute(
                    text("SELECT secret_hash FROM operator WHERE name = :name"), {"name": NAMES[0]}
                )
                assert row.scalar_one() == operators.hash_of(secret)
            engine.dispose()

    @pytest.mark.parametrize("state", ["there", "disabled", "not there"])
    def test_same_work(self, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """An unknown or disabled name costs the same one comparison as a wrong secret."""
        compared: list[int] = []
        compare = hmac.compare_digest

        def counted(one: bytes, other: bytes) -> bool:
            """Compare, and note the length."""
            compared.append(len(other))
            return bool(compare(one, other))

        monkeypatch.setattr(hmac, "compare_digest", counted)
        found = operators.Operator(
            id="1",
            name="one",
            version=1,
            disabled=state == "disabled",
            secret_hash=operators.hash_of("right"),
        )
        assert not operators.is_secret_of("wrong", None if state == "not there" else found)
        assert operators.is_secret_of("right", found) is (state != "disabled")
        assert set(compared) == {len("sha256:") + 64}

    def test_broken_hash(self) -> None:
        """An invalid hash matches no secret, whatever it looks like."""
        for broken in ("x", "", "$argon2id$", "sha256:", "$argon2id$v=19$m=1,t=1,p=1$eA$eA"):
            found = operators.Operator(
                id="1", name="one", version=1, disabled=False, secret_hash=broken
            )
            assert not operators.is_secret_of("x", found)
            assert not operators.verify_slowly("x", found)


GRANT = {"grant_type": "client_credentials"}
#: The numbers of the networks that tokens are asked from.
_SENDERS = count()


def tried(server: Server, name: str, secret: str, address: str = "") -> int:
    """Return the status for an operator's list, asked with a secret from an address."""
    return requests.get(
        f"{server.root}{BASE}/troubleTicket?limit=1",
        auth=(name, secret),
        headers={"X-Forwarded-For": address} if address else {},
        timeout=30,
    ).status_code


def revoke(server: Server, **more: Any) -> requests.Response:
    """Ask for a token to be revoked."""
    return requests.post(f"{server.root}/oauth2/revoke", timeout=30, **more)


@contextmanager
def running_again(address: str) -> Iterator[Server]:
    """Run a server on a database as it is."""
    with started(TTR_DATABASE_URL=address) as process:
        assert process.stdout is not None
        root = process.stdout.readline().split()[1].removesuffix(BASE)
        yield Server(root, {}, address, process)


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def ask(server: Server, **more: Any) -> requests.Response:
    """Ask for a token, from an address of its own unless one is given."""
    more["headers"] = {
        "X-Forwarded-For": f"2001:db8:a:{next(_SENDERS):x}::1",
        **more.get("headers", {}),
    }
    return requests.post(f"{server.root}/oauth2/token", timeout=30, **more)


def granted(server: Server) -> str:
    """Return a token of the first operator."""
    data = {"grant_type": "client_credentials"}
    answer = ask(server, auth=(NAMES[0], server.secrets[NAMES[0]]), data=data)
    token: str = answer.json()["access_token"]
    return token


def hashed(server: Server) -> int:
    """Return how many secrets a server has hashed."""
    text = server.stranger().get(f"{server.root}/metrics").text
    return round(float(text.partition("\nttr_secrets_hashed_total ")[2].split()[0]))


def until(holds: Any) -> None:
    """Wait until something holds, as it does within a moment (a second is promised)."""
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_default_lifetime() -> None:
    """A token is valid for an hour, where nothing else is set."""
    assert Config().token_lifetime == 3_600
