"""Who asks: HTTP Basic (RFC 7617), and bearer tokens (RFC 6750) from /oauth2/token (RFC 6749).

What is proven by a slow hash is remembered for a minute under a keyed digest, so that an operator
pays for it once; tries that need the hash are counted by name and address, and by address alone,
and too many of them are answered with 429. Nothing here blocks the event loop: hashes run in
threads, as many as there are cores. How Connexion comes to ask is at the end.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import os
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote

from connexion.security import NO_VALUE
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from server.errors import Refused
from server.languages import granting_in, language_of, spoken
from server.operators import grant, holder, is_secret_of, named, numbered
from server.sentences import Grant
from server.wire import FORM, JSON, Answer, dumps, refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from connexion.lifecycle import ConnexionRequest

    from server.config import Config
    from server.languages import Headers
    from server.observe import Metrics
    from server.operators import Operator
    from server.store import Store

REALM: Final = "Trouble tickets"
#: The challenges of RFC 9110, section 11.6.1, sent with every 401.
CHALLENGES: Final = f'Basic realm="{REALM}", charset="UTF-8", Bearer realm="{REALM}"'
INVALID_TOKEN: Final = f'Bearer realm="{REALM}", error="invalid_token"'

#: How long a proven secret is believed, and how long it is believed of an operator that it is as it
#: was, in seconds.
_PROVEN: Final = 60.0
_FRESH: Final = 1.0
_REMEMBERED: Final = 1_000
_LONGEST: Final = 512


class Remembered:
    """What was found out, for some seconds: at most so many things, the oldest forgotten first."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._known: dict[object, tuple[float, Any]] = {}

    def get(self, key: object) -> Any:  # noqa: ANN401 - what was put there
        """Return what is known under a key, or None."""
        until, value = self._known.get(key, (0.0, None))
        return value if self._clock() < until else None

    def put(self, key: object, value: object) -> None:
        """Remember a value under a key."""
        self._known.pop(key, None)
        while len(self._known) >= _REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[key] = (self._clock() + self._seconds, value)


class Auth:
    """The answers to who asks. One for each process; lives in its event loop."""

    def __init__(self, store: Store, config: Config, metrics: Metrics) -> None:
        self._store = store
        self._config = config
        self._metrics = metrics
        self._key = secrets.token_bytes(32)
        self._proven = Remembered(_PROVEN)
        self._standing = Remembered(_FRESH)
        self._tokens = Remembered(_FRESH)
        self._looking: dict[bytes, asyncio.Future[Operator | None]] = {}
        self._hashing = ThreadPoolExecutor(os.cpu_count() or 1, "hash")
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._by_name = RateLimitItemPerMinute(config.failed_logins)
        self._by_address = RateLimitItemPerMinute(config.failed_logins_per_address)

    def close(self) -> None:
        """Let the threads go."""
        self._hashing.shutdown(wait=False, cancel_futures=True)

    def _digest(self, material: bytes) -> bytes:
        """Return what credentials are remembered under; it tells nothing without the key."""
        return hashlib.blake2b(material, key=self._key, digest_size=32).digest()

    async def caller(self, authorization: str, address: str) -> Operator:
        """Return the operator that an Authorization header proves. Raises Refused."""
        if not authorization:
            raise Refused("missingCredentials", headers={"WWW-Authenticate": CHALLENGES})
        if (token := read_bearer(authorization)) is not None:
            return await self.bearer(token)
        if (pair := read_basic(authorization)) is None:
            raise Refused("invalidCredentials", headers={"WWW-Authenticate": CHALLENGES})
        return await self.basic(*pair, address)

    async def basic(self, name: str, secret: str, address: str) -> Operator:
        """Return the operator that has this secret.

        Raises Refused: invalidCredentials, or tooManyRequests when too many were tried.
        """
        material = f"{name}\0{secret}".encode("utf-8", "replace")
        digest = self._digest(material)
        if (proven := self._proven.get(digest)) is not None:
            found = await self._standing_of(proven.id)
            if found is not None and found.version == proven.version and not found.disabled:
                return found
        if digest not in self._looking:
            self._count(name, address)
            looking = asyncio.ensure_future(self._look(name, secret, digest))
            self._looking[digest] = looking
            looking.add_done_callback(lambda _: self._looking.pop(digest, None))
        # Requests that come together with the same secret wait for one hash of it.
        found = await asyncio.shield(self._looking[digest])
        if found is None:
            raise Refused("invalidCredentials", headers={"WWW-Authenticate": CHALLENGES})
        return found

    async def _look(self, name: str, secret: str, digest: bytes) -> Operator | None:
        """Return the operator that has this secret, once it is hashed, and remember it."""
        found = None if "\0" in name else await self._store.read(lambda c: named(c, name))
        self._metrics.hashed.inc()
        loop = asyncio.get_running_loop()
        if not await loop.run_in_executor(self._hashing, is_secret_of, secret, found):
            return None
        self._proven.put(digest, found)
        return found

    async def bearer(self, token: str) -> Operator:
        """Return the operator that holds a token. Raises Refused(invalidCredentials)."""
        digest = self._digest(token.encode("utf-8", "replace"))
        found: Operator | None = self._tokens.get(digest)
        if found is None:
            now = time.time_ns() // 1000
            found = await self._store.read(lambda c: holder(c, token, now))
            if found is None:
                headers = {"WWW-Authenticate": INVALID_TOKEN}
                raise Refused("invalidCredentials", headers=headers)
            self._tokens.put(digest, found)
        return found

    async def _standing_of(self, number: str) -> Operator | None:
        """Return an operator as it was at most a moment ago."""
        found: Operator | None = self._standing.get(number)
        if found is None:
            found = await self._store.read(lambda c: numbered(c, number))
            self._standing.put(number, found)
        return found

    def _count(self, name: str, address: str) -> None:
        """Count a try that needs the hash. Raises Refused(tooManyRequests)."""
        for item, keys in (
            (self._by_address, ("address", address)),
            (self._by_name, ("name", name[:_LONGEST], address)),
        ):
            if not self._limiter.hit(item, *keys):
                reset = self._limiter.get_window_stats(item, *keys).reset_time
                seconds = max(1, round(reset - time.time()))
                raise Refused("tooManyRequests", headers={"Retry-After": str(seconds)})

    async def token(self, given: Headers, raw: bytes, address: str) -> Answer:
        """Answer POST /oauth2/token: the client-credentials grant (RFC 6749, section 4.4)."""
        headers = {name.decode(): value.decode("latin-1") for name, value in given}
        try:
            return await self._granted(headers, raw, address)
        except OAuthError as error:
            return error.answer(language_of(given))
        except Refused as refused:
            if refused.code == "invalidCredentials":
                unknown = OAuthError("invalid_client", Grant("unknown"))
                return unknown.answer(language_of(given))
            return refusal(refused, given)

    async def _granted(self, headers: Mapping[str, str], raw: bytes, address: str) -> Answer:
        if headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
            raise OAuthError("invalid_request", Grant("form", media_type=FORM))
        form = _form(raw)
        name, secret = self._client(headers.get("authorization"), form)
        if (grant_type := form.get("grant_type")) is None:
            raise OAuthError("invalid_request", Grant("type"))
        if grant_type != "client_credentials":
            raise OAuthError("unsupported_grant_type", Grant("only"))
        if form.get("scope"):
            raise OAuthError("invalid_scope", Grant("scope"))
        found = await self.basic(name, secret, address)
        now, lifetime = time.time_ns() // 1000, int(self._config.token_lifetime)
        granted = await self._store.write(lambda c: grant(c, found, now, lifetime * 1_000_000))
        body = {"access_token": granted, "token_type": "Bearer", "expires_in": lifetime}
        return Answer(status=200, headers=_UNCACHED, body=dumps(body))

    def _client(self, authorization: str | None, form: Mapping[str, str]) -> tuple[str, str]:
        """Return name and secret of the client, by its one way to say them (section 2.3)."""
        in_body = "client_id" in form or "client_secret" in form
        if authorization is None:
            if "client_id" not in form or "client_secret" not in form:
                raise OAuthError("invalid_client", Grant("client"))
            return form["client_id"], form["client_secret"]
        if in_body:
            raise OAuthError("invalid_request", Grant("twice"))
        pair = read_basic(authorization)
        if pair is None:
            raise OAuthError("invalid_client", Grant("basic"))
        # Section 2.3.1: both are form-encoded before they are joined.
        return unquote(pair[0]), unquote(pair[1])


_UNCACHED: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class OAuthError(Exception):
    """An error of the token endpoint (RFC 6749, section 5.2)."""

    def __init__(self, code: str, description: Grant) -> None:
        super().__init__(code, description)
        self.code = code
        self.description = description

    def answer(self, language: str) -> Answer:
        """Return the answer, in the shape that section 5.2 gives."""
        is_client = self.code == "invalid_client"
        headers = {**_UNCACHED, "Content-Type": JSON, **spoken(language)}
        if is_client:
            headers["WWW-Authenticate"] = f'Basic realm="{REALM}", charset="UTF-8"'
        body = {"error": self.code, "error_description": granting_in(self.description, language)}
        return Answer(status=401 if is_client else 400, headers=headers, body=dumps(body))


def _form(raw: bytes) -> dict[str, str]:
    """Return the parameters of a form. Raises OAuthError where one stands twice (section 3.2)."""
    try:
        pairs = parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=32)
    except (UnicodeDecodeError, ValueError):
        raise OAuthError("invalid_request", Grant("readable")) from None
    form = dict(pairs)
    if len(form) < len(pairs):
        raise OAuthError("invalid_request", Grant("once"))
    return form


def read_basic(authorization: str) -> tuple[str, str] | None:
    """Return name and secret of a Basic header (RFC 7617, section 2), None where it is none."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(value.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    name, colon, secret = text.partition(":")
    return (name, secret) if colon else None


def read_bearer(authorization: str) -> str | None:
    """Return the token of a Bearer header (RFC 6750, section 2.1), None where it is none."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


class _Scheme:
    """What Connexion makes of a security scheme of the document: an async function of a request."""

    def __init__(self, check: Callable[[ConnexionRequest], Awaitable[Any]]) -> None:
        self._check = check

    def get_fn(
        self, _scheme: object, _scopes: object
    ) -> Callable[[ConnexionRequest], Awaitable[Any]]:
        """Return the function; Connexion's own name for it."""
        return self._check


def _as_connexion_has_it(caller: Operator) -> dict[str, Any]:
    """Return what Connexion keeps as its token_info until Dispatch reads it."""
    return {"sub": caller.id, "operator": caller}


def security_map(auth: Auth) -> dict[str, Callable[[], _Scheme]]:
    """Return the handlers of the document's security schemes, as Connexion takes them."""

    async def basic(request: ConnexionRequest) -> Any:  # noqa: ANN401 - a dict or NO_VALUE
        """Ask for a name and a secret, unless there is a token."""
        authorization = request.headers.get("authorization", "")
        if read_bearer(authorization) is not None:
            return NO_VALUE
        address = (request.scope.get("client") or ("", 0))[0]
        return _as_connexion_has_it(await auth.caller(authorization, address))

    async def bearer(request: ConnexionRequest) -> Any:  # noqa: ANN401 - a dict or NO_VALUE
        """Ask for a token, if there is one."""
        token = read_bearer(request.headers.get("authorization", ""))
        return NO_VALUE if token is None else _as_connexion_has_it(await auth.bearer(token))

    return {"basic": lambda: _Scheme(basic), "oauth2": lambda: _Scheme(bearer)}
