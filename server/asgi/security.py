"""Authentication: HTTP Basic (RFC 7617) and bearer tokens (RFC 6750).

A secret has 256 random bits and is verified with one SHA-256. The right secret is always accepted,
even while somebody tries wrong ones. Wrong secrets are counted for each name and network and for
each network; too many are answered with 429. Only a secret stored by an earlier release needs a
slow hash, once, which runs in a thread and is limited by both counts. `security_map` connects this
to Connexion.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from connexion.security import NO_VALUE

from server.problems import ApiError
from server.rate_limit import RateLimit, network_of
from server.storage.operators import (
    has_slow_hash,
    holder,
    is_secret_of,
    named,
    replace_slow_hash,
    verify_slowly,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from connexion.lifecycle import ConnexionRequest

    from server.config import Config
    from server.storage.database import Database
    from server.storage.operators import Operator
    from server.telemetry import Metrics


class Challenges(NamedTuple):
    """The challenges of RFC 9110, section 11.6.1.

    `every` is sent with a 401 of the API, `invalid_token` for a wrong token, `basic` by the token
    endpoint.
    """

    every: str
    invalid_token: str
    basic: str

    @classmethod
    def of(cls, realm: str) -> Challenges:
        """Return the challenges of a realm."""
        basic, bearer = f'Basic realm="{realm}", charset="UTF-8"', f'Bearer realm="{realm}"'
        return cls(f"{basic}, {bearer}", f'{bearer}, error="invalid_token"', basic)


#: How long an operator or a token is cached, in seconds.
_FRESH: Final = 0.5
_REMEMBERED: Final = 1_000
_LONGEST: Final = 512
#: How many slow hashes may run or wait, for all clients together.
_MOST_HASHES: Final = 16


class Remembered:
    """A cache whose values expire after some seconds; when it is full, the oldest are removed."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self.now = clock
        self._known: dict[object, tuple[float, Any]] = {}

    def get(self, key: object) -> Any:
        """Return the cached value of a key, or None."""
        until, value = self._known.get(key, (0.0, None))
        return value if self.now() < until else None

    def put(self, key: object, value: object, since: float) -> None:
        """Cache a value that was read at `since` or later."""
        self._known.pop(key, None)
        while len(self._known) >= _REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[key] = (since + self._seconds, value)

    def forget(self, key: object) -> None:
        """Remove a value, if it is cached."""
        self._known.pop(key, None)


class Auth:
    """Authenticates requests. One for each process; lives in its event loop."""

    def __init__(
        self, store: Database, config: Config, metrics: Metrics, challenges: Challenges
    ) -> None:
        self._store = store
        self.challenges = challenges
        self._metrics = metrics
        self._key = secrets.token_bytes(32)
        self._operators = Remembered(_FRESH)
        self._tokens = Remembered(_FRESH)
        self._looking: dict[bytes, asyncio.Future[bool]] = {}
        self._hashing = ThreadPoolExecutor(1, "hash")
        self._by_name = RateLimit(config.failed_logins)
        self._by_network = RateLimit(config.failed_logins_per_address)

    def close(self) -> None:
        """Release the thread."""
        self._hashing.shutdown(wait=False, cancel_futures=True)

    def _digest(self, material: bytes) -> bytes:
        """Return the cache key of credentials, from which they cannot be recovered."""
        return hashlib.blake2b(material, key=self._key, digest_size=32).digest()

    async def caller(self, authorization: str, address: str) -> Operator:
        """Return the operator whose credentials an Authorization header has. Raises ApiError."""
        if not authorization:
            raise ApiError(
                "missingCredentials", headers={"WWW-Authenticate": self.challenges.every}
            )
        if (token := read_bearer(authorization)) is not None:
            return await self.bearer(token)
        if (pair := read_basic(authorization)) is None:
            raise ApiError(
                "invalidCredentials", headers={"WWW-Authenticate": self.challenges.every}
            )
        return await self.basic(*pair, address)

    async def basic(self, name: str, secret: str, address: str) -> Operator:
        """Return the operator that has this secret.

        The right secret is accepted whatever was tried before. Raises ApiError: invalidCredentials,
        or tooManyRequests after too many wrong secrets.
        """
        found: Operator | None = self._operators.get(name)
        if not is_secret_of(secret, found):
            # The secret may have been rotated: read the database before rejecting it.
            found = await self._named(name)
        if is_secret_of(secret, found):
            assert found is not None, "nobody has a secret without a name"
            return found
        network = network_of(address)
        if has_slow_hash(found):
            if await self._is_proven(found, secret, network):
                return found
        else:
            self._count(name, network)
        raise ApiError("invalidCredentials", headers={"WWW-Authenticate": self.challenges.every})

    async def _named(self, name: str) -> Operator | None:
        """Read the operator of a name from the database, and cache it."""
        since = self._operators.now()
        found = await self._store.read(lambda c: named(c, name), by_key=True)
        if found is not None:
            self._operators.put(name, found, since)
        return found

    async def _is_proven(self, found: Operator, secret: str, network: str) -> bool:
        """Return whether the slow hash of an operator is that of `secret`.

        Simultaneous requests with the same secret share one hash.
        """
        digest = self._digest(f"{found.name}\0{secret}".encode("utf-8", "replace"))
        if digest not in self._looking:
            if len(self._looking) >= _MOST_HASHES:
                raise ApiError("tooManyRequests", headers={"Retry-After": "1"})
            self._count(found.name, network)
            looking = asyncio.ensure_future(self._hash(found, secret))
            self._looking[digest] = looking
            looking.add_done_callback(lambda _: self._looking.pop(digest, None))
        return await asyncio.shield(self._looking[digest])

    async def _hash(self, found: Operator, secret: str) -> bool:
        """Hash a secret slowly; if it is right, store its quick hash for the next time."""
        self._metrics.hashed.inc()
        loop = asyncio.get_running_loop()
        if not await loop.run_in_executor(self._hashing, verify_slowly, secret, found):
            return False
        with suppress(ApiError):
            job = self._store.submit(lambda c: replace_slow_hash(c, found, secret))
            await asyncio.wait([asyncio.wrap_future(job)])  # if it fails the hash stays slow
        return True

    async def bearer(self, token: str) -> Operator:
        """Return the operator of a token. Raises ApiError(invalidCredentials)."""
        digest = self._digest(token.encode("utf-8", "replace"))
        found: Operator | None = self._tokens.get(digest)
        if found is None:
            now, since = time.time_ns() // 1000, self._tokens.now()
            found = await self._store.read(lambda c: holder(c, token, now), by_key=True)
            if found is None:
                headers = {"WWW-Authenticate": self.challenges.invalid_token}
                raise ApiError("invalidCredentials", headers=headers)
            self._tokens.put(digest, found, since)
        return found

    def forget(self, token: str) -> None:
        """Remove a revoked token from the cache."""
        self._tokens.forget(self._digest(token.encode("utf-8", "replace")))

    def _count(self, name: str, network: str) -> None:
        """Count a wrong secret, or one that needs a slow hash. Raises ApiError(tooManyRequests).

        An attempt that is rejected because of its name does not count for the network, so a client
        that repeats an old secret does not lock out its neighbours.
        """
        key = (name[:_LONGEST], network)
        if seconds := self._by_name.wait(key) or self._by_network.wait(network):
            raise ApiError("tooManyRequests", headers={"Retry-After": str(seconds)})
        self._by_name.add(key)
        self._by_network.add(network)


def read_basic(authorization: str) -> tuple[str, str] | None:
    """Return name and secret of a Basic header (RFC 7617, section 2); None for other headers."""
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
    """Return the token of a Bearer header (RFC 6750, section 2.1); None for other headers."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


class _Scheme:
    """A security handler in the form of Connexion: it returns an async function of a request."""

    def __init__(self, check: Callable[[ConnexionRequest], Awaitable[Any]]) -> None:
        self._check = check

    def get_fn(
        self, _scheme: object, _scopes: object
    ) -> Callable[[ConnexionRequest], Awaitable[Any]]:
        """Return the function (Connexion calls this method)."""
        return self._check


def _token_info(caller: Operator) -> dict[str, Any]:
    """Return the caller as the `token_info` of Connexion, from which the views take it."""
    return {"sub": caller.id, "operator": caller}


def security_map(auth: Auth) -> dict[str, Callable[[], _Scheme]]:
    """Return Connexion's handlers of the security schemes in the documents."""

    async def basic(request: ConnexionRequest) -> Any:
        """Check a name and a secret, unless the request has a token."""
        authorization = request.headers.get("authorization", "")
        if read_bearer(authorization) is not None:
            return NO_VALUE
        address = (request.scope.get("client") or ("", 0))[0]
        return _token_info(await auth.caller(authorization, address))

    async def bearer(request: ConnexionRequest) -> Any:
        """Check the token, if the request has one."""
        token = read_bearer(request.headers.get("authorization", ""))
        return NO_VALUE if token is None else _token_info(await auth.bearer(token))

    return {"basic": lambda: _Scheme(basic), "oauth2": lambda: _Scheme(bearer)}
