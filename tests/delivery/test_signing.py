"""Signatures: as Standard Webhooks 1.0.0 has them, under keys that change without a gap."""

from __future__ import annotations

import time
from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from server.delivery.signing import OVERLAP, headers, key_of, keys_of, shown

MASTER = bytes(range(32))
#: A moment, in microseconds since 1970.
SINCE = 1_800_000_000_000_000
HOUR = 3_600 * 1_000_000


def test_reference() -> None:
    """The reference vector of Standard Webhooks comes out."""
    key = b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    number, body = "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}'
    assert shown(key) == "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert headers(number, 1_614_265_330, body, [key]) == {
        "webhook-id": number,
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@given(st.binary(), st.uuids().map(str), st.binary(min_size=1, max_size=64))
def test_verified(text: bytes, number: str, key: bytes) -> None:
    """Whatever is signed, a verifier of another hand takes it, and not with one byte changed."""
    body = b'"' + text.hex().encode() + b'"'
    made = headers(number, int(time.time()), body, [key])
    verifier = Webhook(shown(key))
    assert verifier.verify(body, made) == text.hex()
    for changed in ({"webhook-id": f"{number}x"}, {"webhook-timestamp": str(int(time.time()) + 1)}):
        with pytest.raises(WebhookVerificationError):
            verifier.verify(body, {**made, **changed})
    with pytest.raises(WebhookVerificationError):
        verifier.verify(body + b" ", made)


def test_own_keys() -> None:
    """Each operator, version and server has keys of its own, of 32 bytes, always the same."""
    keys = {
        key_of(master, operator, version)
        for master in (MASTER, b"\1" * 32)
        for operator in ("a", "b", "a:1")
        for version in (1, 2, 11)
    }
    assert len(keys) == 2 * 3 * 3
    assert {len(each) for each in keys} == {32}
    assert key_of(MASTER, "a", 1) == key_of(bytes(MASTER), "a", 1)


@pytest.mark.parametrize(
    ("version", "since", "after", "signing"),
    [
        (1, None, 0, [1]),
        (2, SINCE, 0, [2, 1]),
        (2, SINCE, 23 * HOUR, [2, 1]),
        (2, SINCE, 24 * HOUR - 1, [2, 1]),
        (2, SINCE, 24 * HOUR, [2]),
        (2, SINCE, 1_000 * HOUR, [2]),
        # The clock of the one who changed the key may be a little ahead.
        (2, SINCE, -HOUR, [2, 1]),
        (3, SINCE, 0, [3, 2]),
    ],
)
def test_rotation(version: int, since: int | None, after: int, signing: list[int]) -> None:
    """For 24 hours after a change the key before signs too, and either verifies; then only one."""
    assert OVERLAP == 24 * HOUR
    keys = keys_of(MASTER, "a", version=version, since=since, now=SINCE + after)
    assert keys == [key_of(MASTER, "a", each) for each in signing]
    body = b"{}"
    made = headers("e1", int(time.time()), body, keys)
    assert len(made["webhook-signature"].split(" ")) == len(signing)
    for each in range(1, version + 1):
        verifier = Webhook(shown(key_of(MASTER, "a", each)))
        if each in signing:
            assert verifier.verify(body, made) == {}
        else:
            with pytest.raises(WebhookVerificationError):
                verifier.verify(body, made)
