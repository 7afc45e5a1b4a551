"""Sign and verify events (Standard Webhooks 1.0.0, section on signature schemes).

The key of an operator is not stored. It is derived from the master key of the server, the id of the
operator and a version number, so a copy of the database contains no key. For a day after a rotation
both keys sign. Pure.
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
#: How long the previous key also signs, in microseconds.
OVERLAP: Final = 24 * 3_600 * 1_000_000
#: The maximum difference between the timestamp of an attempt and the receiver's clock, in seconds.
TOLERANCE: Final = 300
_HEADERS: Final = ("webhook-id", "webhook-timestamp", "webhook-signature")
_SECONDS: Final = re.compile(r"[0-9]{1,12}")

#: The error of a signature: a header is missing or invalid, the timestamp differs too much from the
#: clock, or no signature of this body matches a known key.
Fault: TypeAlias = Literal["missing", "untimely", "wrong"]


class NotVerified(Exception):
    """The signature of an event is not valid."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


def key_of(master: bytes, operator: str, version: int) -> bytes:
    """Return a signing key of an operator: 32 bytes."""
    return hmac.digest(master, f"webhook:{operator}:{version}".encode(), hashlib.sha256)


def keys_of(
    master: bytes, operator: str, *, version: int, since: int | None, now: int
) -> list[bytes]:
    """Return the keys that sign at a time, the current one first; times are in microseconds."""
    keys = [key_of(master, operator, version)]
    if since is not None and now < since + OVERLAP:
        keys.append(key_of(master, operator, version - 1))
    return keys


def shown(key: bytes) -> str:
    """Return a key as text: whsec_ and base64."""
    return PREFIX + b64encode(key).decode()


def read_key(text: str) -> bytes:
    """Return the key of a text. Raises ValueError."""
    key = b64decode(text.removeprefix(PREFIX), validate=True)
    if not text.startswith(PREFIX) or not key:
        raise ValueError
    return key


def headers(number: str, seconds: int, body: bytes, keys: Iterable[bytes]) -> dict[str, str]:
    """Return the headers of one delivery attempt: id, timestamp, signatures."""
    signatures = [_signature(key, number, str(seconds), body) for key in keys]
    return dict(zip(_HEADERS, (number, str(seconds), " ".join(signatures)), strict=True))


def verify(given: Mapping[str, str], body: bytes, keys: Iterable[bytes], now: int) -> None:
    """Verify that an event is signed with one of the keys. Raises NotVerified.

    `given` are the headers with lower-case names, `now` is in seconds.
    """
    number, seconds, signatures = (given.get(name, "") for name in _HEADERS)
    if not number or not signatures or _SECONDS.fullmatch(seconds) is None:
        raise NotVerified("missing")
    if abs(int(seconds) - now) > TOLERANCE:
        raise NotVerified("untimely")
    expected = [_signature(key, number, seconds, body).encode() for key in keys]
    # All are compared in constant time, so that the time reveals nothing about a guess.
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
