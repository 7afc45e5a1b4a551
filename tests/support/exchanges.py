"""Requests that several tests send, and what they read in the responses."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import TYPE_CHECKING, Any

from server.problems import KINDS
from tests.support.tickets import complaint

if TYPE_CHECKING:
    import requests

#: Addresses that lead into a private network, however they are written.
PRIVATE = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.8.8.8 169.254.0.1
169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.170 192.0.2.1 192.88.99.1 192.168.0.1
192.168.255.255 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255
240.0.0.1 255.255.255.255 192.31.196.1 192.52.193.1 192.175.48.1
:: ::1 ::127.0.0.1 ::10.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254
::ffff:0:127.0.0.1 64:ff9b::127.0.0.1 64:ff9b::10.0.0.1 64:ff9b:1::1 100::1 2001::1 2001:2::1
2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1:: 2002:a00:1:: 3fff::1 5f00::1 fc00::1 fd00::1
fe80::1 fec0::1 ff02::1
""".split()
PUBLIC = (
    "1.1.1.1 8.8.8.8 93.184.216.34 2606:4700:4700::1111 2a00:1450:4001::1 64:ff9b::8.8.8.8".split()
)
#: Headers of a merge patch.
MERGE = {"Content-Type": "application/merge-patch+json"}
#: Headers of a JSON Patch.
OPERATIONS = {"Content-Type": "application/json-patch+json"}
VALID = json.dumps(complaint()).encode()
#: Bodies that are no JSON to us, each named.
MALFORMED: dict[str, bytes] = {
    "empty": b"",
    "blank": b"  \n",
    "cut off": VALID[:-1],
    "two values": VALID + b"{}",
    "duplicate member": b'{"name":"a","name":"b"}',
    "duplicate below": b'{"note":[{"text":"a","t\\u0065xt":"b"}]}',
    "NaN": b'{"priority":NaN}',
    "infinity": b'{"priority":-Infinity}',
    "too large a number": b'{"priority":1e400}',
    "too long a number": b'{"priority":' + b"1" * 5_000 + b"}",
    "lone surrogate": b'{"name":"\\ud800"}',
    "raw NUL": b'{"name":"a\0b"}',
    "not UTF-8": b'{"name":"\xff"}',
    "UTF-16": '{"name":"a"}'.encode("utf-16"),
    "UTF-32": '{"name":"a"}'.encode("utf-32"),
    "UTF-16 without a mark": VALID.decode().encode("utf-16-be"),
    "UTF-32 without a mark": VALID.decode().encode("utf-32-le"),
    "gzip": gzip.compress(VALID),
    "zlib": zlib.compress(VALID),
    "two byte order marks": b"\xef\xbb\xbf" * 2 + VALID,
    "deep": b"[" * 33 + b"]" * 33,
    "very deep": b"[" * 15_000,
    "deep objects": b'{"a":' * 33 + b"1" + b"}" * 33,
    "single quotes": b"{'a': 1}",
    "comment": b'{"a": 1} // x',
}


def status_and_code(answer: requests.Response) -> tuple[int, str]:
    """Return status and code of a refusal."""
    return answer.status_code, answer.json()["code"]


def told(answer: requests.Response) -> list[tuple[str, str]]:
    """Return code and pointer of the violations that an answer tells."""
    if answer.ok:
        return []
    assert answer.status_code in {400, 409}, answer.text
    return [(each["code"], each["pointer"]) for each in answer.json()["violations"]]


def one_shape(answer: Any) -> dict[str, Any]:
    """Return the error that an answer is, once it is seen to have the one shape."""
    error: dict[str, Any] = answer.json()
    kind = KINDS[error["code"]]
    assert answer.headers["Content-Type"] == "application/json"
    assert error["status"] == str(answer.status_code) == str(kind.status)
    assert (error["reason"], error["@type"]) == (kind.reason, "Error")
    return error
