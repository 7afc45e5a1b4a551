"""Signing events as Standard Webhooks 1.0.0 has it (its section on signature schemes).

An operator's key is not kept anywhere: it is derived from the server's one key, the operator's id
and a version that counts up, so that a copy of the database gives nobody a key. For a day after a
change both keys sign. Whoever receives an event verifies it here, too. Pure.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PREFIX: Final = "whsec_"
#: For how long the key before the present one signs too, in microseconds.
OVERLAP: Final = 24 * 3_600 * 1_000_000
#: How far the time of an attempt may be from a receiver's own clock, in seconds.
TOLERANCE: Final = 300
_HEADERS: Final = ("webhook-id", "webhook-timestamp", "webhook-signature")
_SECONDS: Final = re.compile(r"[0-9]{1,12}")

#: What is wrong with a signature: a header is missing or is none, the time is not near, or none of
#: the signatures is one of these bytes by a key that is known.
Fault: TypeAlias = Literal["missing", "untimely", "wrong"]


class NotVerified(Exception):  # noqa: N818 - a statement
    """An event is not known to come from whoever has the key."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


def key_of(master: bytes, operator: str, version: int) -> bytes:
    """Return a signing key of an operator: 32 bytes."""
    return hmac.digest(master, f"webhook:{operator}:{version}".encode(), hashlib.sha256)


def keys_of(
    master: bytes, operator: str, *, version: int, since: int | None, now: int
) -> list[bytes]:
    """Return the keys that sign at a moment, the present one first; times are in microseconds."""
    keys = [key_of(master, operator, version)]
    if since is not None and now < since + OVERLAP:
        keys.append(key_of(master, operator, version - 1))
    return keys


def shown(key: bytes) -> str:
    """Return a key as it is given to people: whsec_ and base64."""
    return PREFIX + b64encode(key).decode()


def read_key(text: str) -> bytes:
    """Return the key that is shown as `text`. Raises ValueError."""
    key = b64decode(text.removeprefix(PREFIX), validate=True)
    if not text.startswith(PREFIX) or not key:
        raise ValueError
    return key


def headers(number: str, seconds: int, body: bytes, keys: Iterable[bytes]) -> dict[str, str]:
    """Return the headers of one attempt to deliver an event: identifier, time, signatures."""
    signatures = [_signature(key, number, str(seconds), body) for key in keys]
    return dict(zip(_HEADERS, (number, str(seconds), " ".join(signatures)), strict=True))


def verify(given: Mapping[str, str], body: bytes, keys: Iterable[bytes], now: int) -> None:
    """Return when an event that came with these headers is signed with one of the keys.

    `given` has the names of headers in small letters, `now` is in seconds. Raises NotVerified.
    """
    number, seconds, signatures = (given.get(name, "") for name in _HEADERS)
    if not number or not signatures or _SECONDS.fullmatch(seconds) is None:
        raise NotVerified("missing")
    if abs(int(seconds) - now) > TOLERANCE:
        raise NotVerified("untimely")
    expected = [_signature(key, number, seconds, body).encode() for key in keys]
    # All are compared, each in the same time, so that nobody learns how near a guess was.
    found = [
        hmac.compare_digest(each.encode("utf-8", "replace"), one)
        for each in signatures.split(" ")
        for one in expected
    ]
    if not any(found):
        raise NotVerified("wrong")


def _signature(key: bytes, number: str, seconds: str, body: bytes) -> str:
    signed = f"{number}.{seconds}.".encode("utf-8", "replace") + body
    return "v1," + b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
