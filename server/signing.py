"""Signing events as Standard Webhooks 1.0.0 has it (its section on signature schemes).

An operator's key is not kept anywhere: it is derived from the server's one key, the operator's id
and a version that counts up, so that a copy of the database gives nobody a key. For a day after a
change both keys sign. Pure.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX: Final = "whsec_"
#: For how long the key before the present one signs too, in microseconds.
OVERLAP: Final = 24 * 3_600 * 1_000_000


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


def headers(number: str, seconds: int, body: bytes, keys: Iterable[bytes]) -> dict[str, str]:
    """Return the headers of one attempt to deliver an event: identifier, time, signatures."""
    signed = f"{number}.{seconds}.".encode() + body
    signatures = [
        "v1," + b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys
    ]
    return {
        "webhook-id": number,
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(signatures),
    }
