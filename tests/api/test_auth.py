"""Who may ask: Basic, bearer tokens, their endpoint, and what becomes of wrong secrets."""

from __future__ import annotations

import base64
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import requests
from argon2 import PasswordHasher
from sqlalchemy import create_engine, text

from server import operators
from server.auth import CHALLENGES
from server.config import Config
from server.store import Store
from tests.api.conftest import NAMES, Client, complaint, postgresql, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.api.conftest import Server

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


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def lenient(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Give a server that lets secrets be tried often."""
    folder = tmp_path_factory.mktemp("lenient")
    address = f"sqlite:///{folder}/t.db" if request.param == "sqlite" else postgresql()
    many = {"TTR_FAILED_LOGINS": "100000", "TTR_FAILED_LOGINS_PER_ADDRESS": "100000"}
    with serving(address, **many) as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
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

    def test_changed(self) -> None:
        """A disabled operator is out within a moment, as is a rotated secret; tokens go along."""
        with serving(postgresql()) as running:
            api = running.client()
            token = granted(running)
            bearer = Client(running.root, Header(f"Bearer {token}"))
            assert [each.get("/troubleTicket").status_code for each in (api, bearer)] == [200, 200]
            store = Store(running.database).open()
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
        """No secret and no token stands in the database."""
        token = granted(fresh)
        engine = create_engine(fresh.database)
        with engine.connect() as connection:
            rows = [
                str(row)
                for table in ("operator", "token", "ticket", "document", "idempotency")
                for row in connection.execute(text(f"SELECT * FROM {table}"))  # noqa: S608
            ]
        engine.dispose()
        for secret in (token, *fresh.secrets.values()):
            assert not any(secret in row for row in rows)


class TestTokens:
    """POST /oauth2/token (RFC 6749)."""

    def test_table(self, fresh: Server) -> None:
        """Status and error code of every way to ask, as sections 2.3, 3.2 and 5.2 have them."""
        name, secret = NAMES[0], fresh.secrets[NAMES[0]]
        basic, wrong = (name, secret), (name, "wrong")
        grant = {"grant_type": "client_credentials"}
        body = {"client_id": name, "client_secret": secret}
        cases: list[tuple[Any, Any, int, str | None]] = [
            (basic, grant, 200, None),
            (None, {**grant, **body}, 200, None),
            (wrong, grant, 401, "invalid_client"),
            (("nobody", "x"), grant, 401, "invalid_client"),
            (None, {**grant, **body, "client_secret": "x"}, 401, "invalid_client"),
            (None, grant, 401, "invalid_client"),
            (basic, {}, 400, "invalid_request"),
            (basic, {"grant_type": "password"}, 400, "unsupported_grant_type"),
            (basic, {**grant, "scope": "all"}, 400, "invalid_scope"),
            (basic, [("grant_type", "client_credentials")] * 2, 400, "invalid_request"),
            (basic, {**grant, **body}, 400, "invalid_request"),
        ]
        for auth, data, status, error in cases:
            answer = ask(fresh, auth=auth, data=data)
            assert (answer.status_code, answer.json().get("error")) == (status, error), data
            assert answer.headers["Cache-Control"] == "no-store"
            if status == 401:
                assert answer.headers["WWW-Authenticate"].startswith("Basic ")
        assert ask(fresh, auth=basic, json=grant).json()["error"] == "invalid_request"
        query = ask(fresh, auth=basic, data="", params=grant, headers=FORM)
        assert query.json()["error"] == "invalid_request"

    def test_unknown_and_wrong(self, fresh: Server) -> None:
        """A client that is not there is answered to the letter as one with a wrong secret."""
        grant = {"grant_type": "client_credentials"}
        answers = [ask(fresh, auth=(n, "x"), data=grant) for n in (NAMES[0], "nobody")]
        assert answers[0].content == answers[1].content

    def test_token(self, fresh: Server) -> None:
        """A token opens its operator's tickets for an hour, and no others'."""
        answer = ask(
            fresh,
            auth=(NAMES[0], fresh.secrets[NAMES[0]]),
            data={"grant_type": "client_credentials"},
        ).json()
        assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 3600)
        bearer = Client(fresh.root, Header(f"Bearer {answer['access_token']}"))
        ticket = fresh.client().created()
        assert bearer.get(f"/troubleTicket/{ticket['id']}").json() == ticket
        theirs = fresh.client(NAMES[1]).created()
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

    def test_limited(self, fresh: Server) -> None:
        """Of 1,000 tries at most ten are looked at; the others are a 429 that says until when."""
        wrong = Client(fresh.root, (NAMES[0], "wrong"))
        bearer = Client(fresh.root, Header(f"Bearer {granted(fresh)}"))
        assert bearer.get("/troubleTicket?limit=1").status_code == 200

        def attempt(_: int) -> requests.Response:
            return wrong.get("/troubleTicket")

        with ThreadPoolExecutor(4) as pool:
            tries = pool.map(attempt, range(1_000))
            meanwhile = [bearer.get("/troubleTicket?limit=1").status_code for _ in range(100)]
            answers = list(tries)
        counts = {code: sum(a.status_code == code for a in answers) for code in (401, 429)}
        assert hashed(fresh) <= 10 + 1  # and the one for the token
        assert sum(counts.values()) == 1_000
        assert set(meanwhile) == {200}
        limited = next(each for each in answers if each.status_code == 429)
        assert 1 <= int(limited.headers["Retry-After"]) <= 60
        assert limited.json()["code"] == "tooManyRequests"

    def test_right_secret(self, fresh: Server) -> None:
        """A right secret is hashed once, however often and by how many it is sent."""
        clients = [fresh.client() for _ in range(8)]
        with ThreadPoolExecutor(8) as pool:
            answers = pool.map(lambda n: clients[n % 8].get("/troubleTicket?limit=1"), range(500))
            assert {each.status_code for each in answers} == {200}
        assert hashed(fresh) == 1

    @pytest.mark.parametrize("state", ["there", "disabled", "not there"])
    def test_same_work(self, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """A name that is not there, or is shut out, costs the same one hash as a wrong secret."""
        verified: list[str] = []
        verify = PasswordHasher.verify

        def counted(self: PasswordHasher, known: str, secret: str) -> bool:
            """Verify, and note with which parameters."""
            verified.append(known.rpartition("$")[0].rpartition("$")[0])
            return bool(verify(self, known, secret))

        monkeypatch.setattr(PasswordHasher, "verify", counted)
        known = operators._HASHER.hash("right")
        found = operators.Operator(
            id="1", name="one", version=1, disabled=state == "disabled", secret_hash=known
        )
        assert not operators.is_secret_of("wrong", None if state == "not there" else found)
        assert verified == [known.rpartition("$")[0].rpartition("$")[0]]


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def ask(server: Server, **more: Any) -> requests.Response:
    """Ask for a token."""
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
