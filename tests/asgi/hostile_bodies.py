"""Bodies that no client should send: each with a name, its bytes and its Content-Type."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tests.support.tickets import complaint

if TYPE_CHECKING:
    from collections.abc import Iterator

JSON: Final = "application/json"
VALID: Final = json.dumps(complaint()).encode()


class Hostile(NamedTuple):
    """A body and its media type; `is_json` says whether it may be read as JSON."""

    name: str
    body: bytes
    media_type: str | None = JSON
    is_json: bool = False


#: Texts that are not JSON.
_BROKEN: Final = [
    *("{", "}", "[", "]", ",", ":", '"', "'", "\\", "/", "-", "+", ".", "e", "#", "<", "(", "\x00"),
    *(
        "{]",
        "[}",
        "{{}}",
        "[[]",
        "[]]",
        "{}{}",
        "[][]",
        "{},",
        "[],",
        ",{}",
        "{}}",
        "[1}",
        '{"a":1]',
    ),
    *('{"a"}', '{"a":}', "{:1}", "{1:2}", "{a:1}", "{'a':1}", '{"a" 1}', '{"a"::1}', '{"a";1}'),
    *('{"a":1,}', '{,"a":1}', '{"a":1,,"b":2}', '{"a":1 "b":2}', '{"a":1;"b":2}', '{"a":1}x'),
    *("[1,]", "[,1]", "[1,,2]", "[1 2]", "[1;2]", "[,]", "[1:2]", '["a" "b"]', "[(1)]", "[1]x"),
    *(
        "true"[:-1],
        "True",
        "TRUE",
        "truee",
        "false"[:-1],
        "False",
        "nul",
        "Null",
        "NULL",
        "None",
        "nil",
        "yes",
    ),
    *("undefined", "NaN", "nan", "-NaN", "Infinity", "-Infinity", "+Infinity", "inf", "-inf"),
    *(
        "01",
        "-01",
        "00",
        "-",
        "--1",
        "+1",
        "1.",
        ".1",
        "-.1",
        "1.e1",
        "1e",
        "1e+",
        "1e-",
        "1E",
        "1ee1",
    ),
    *(
        "0x1F",
        "0b1",
        "0o7",
        "1_000",
        "1,000",
        "1 000",
        "1e1.5",
        "1.2.3",
        "1a",
        "a1",
        "\u0661",
        "\uff11",
    ),
    *("1e400", "-1e400", "1e999999999", "9" * 5_000, "-" + "9" * 5_000, "0." + "9" * 20 + "e999"),
    *(
        '"\\x41"',
        '"\\a"',
        '"\\u"',
        '"\\u1"',
        '"\\u12"',
        '"\\u123"',
        '"\\u123g"',
        '"\\U0041"',
        '"\\\'"',
    ),
    *(
        '"\\ud800"',
        '"\\udc00"',
        '"\\ud800\\ud800"',
        '"\\udc00\\ud800"',
        '"\\ud800a"',
        '"\\ud83d\\u0041"',
    ),
    *(
        '"\\u0000"',
        '"a\\u0000b"',
        '{"\\u0000":1}',
        '"\\\\\\u0000"',
        '"\x00"',
        '"\x01"',
        '"\x1f"',
        '"\t"',
    ),
    *(
        '"\n"',
        '"\r"',
        '"a\nb"',
        '"abc',
        'abc"',
        '"a"b"',
        '"\\',
        '"\\"',
        "'a'",
        "`a`",
        '""""',
        '"a""b"',
    ),
    *(
        "// x\n{}",
        "/* x */{}",
        "{} // x",
        "{} # x",
        "{/**/}",
        "<!-- x -->",
        "<a/>",
        "a=b&c=d",
        "---\na: 1",
    ),
    *(
        "\x0b{}",
        "\x0c{}",
        "\xa0{}",
        "\u2028{}",
        "\ufeff{}",
        "\u200b{}",
        "{}\x00",
        "{}\x1a",
        "\x1e{}\n",
    ),
    *("", " ", "\n", "\t\r\n ", "null x", "[null", '{"a":null', '{"a":[{"b":', "[[[[[[[[[["),
    *(
        '{"a":1,"a":2}',
        '{"a":1,"\\u0061":2}',
        '[{"a":1,"a":1}]',
        '{"":1,"":2}',
        '{"a":{"b":1,"b":2}}',
    ),
    *("[" * 33 + "]" * 33, "[" * 10_000, '{"a":' * 40 + "1" + "}" * 40, "[{}," * 500, "]" * 10_000),
    *('{"a":' * 10_000, '["' + "\\" * 9_999, '"' + "a" * 10_000, "[" + "1," * 9_999, "-" * 10_000),
]
#: Texts in other codings than UTF-8, or in none.
_CODED: Final = {
    **{
        f"as {coding}": VALID.decode().replace("a", "\u0105").encode(coding, "replace")
        for coding in (
            *("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "utf-7"),
            *("iso-8859-2", "cp1250", "cp500", "cp037", "utf-8-sig", "utf-16-be", "cp424"),
        )
    },
    **{
        f"byte {byte:#x} in a text": b'{"name":"a' + bytes([byte]) + b'b"}'
        for byte in (0x80, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xE0, 0xED, 0xF0, 0xF4, 0xF5, 0xFE, 0xFF)
    },
    "overlong slash": b'{"name":"\xc0\xaf"}',
    "overlong NUL": b'{"name":"\xc0\x80"}',
    "overlong in three": b'{"name":"\xe0\x80\xaf"}',
    "half a pair": b'{"name":"\xed\xa0\x80"}',
    "pair as CESU-8": b'{"name":"\xed\xa0\xbd\xed\xb8\x80"}',
    "beyond Unicode": b'{"name":"\xf4\x90\x80\x80"}',
    "five bytes": b'{"name":"\xf8\x88\x80\x80\x80"}',
    "cut in a sign": b'{"name":"\xf0\x9f\x98',
    "bad in a name": b'{"na\xffme":1}',
    "bad between": b'{"name":\xff1}',
    "bad at the end": VALID + b"\xff",
    "mark in front": b"\xef\xbb\xbf" + VALID,
    "two marks": b"\xef\xbb\xbf\xef\xbb\xbf" + VALID,
    "mark alone": b"\xef\xbb\xbf",
    "half a mark": b"\xef\xbb" + VALID,
    "mark of UTF-16": b"\xff\xfe",
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00",
    "zip": b"PK\x03\x04" + bytes(60),
    "PNG": b"\x89PNG\r\n\x1a\n" + bytes(60),
    "PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "CBOR": b"\xa1\x64name\x61a",
    "MessagePack": b"\x81\xa4name\xa1a",
    "BSON": b"\x0f\x00\x00\x00\x02name\x00\x02\x00\x00\x00a\x00\x00",
    "pickle": b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00\x8c\x01a\x94.",
    "zeros": bytes(5_000),
    "all bytes": bytes(range(256)) * 8,
}
#: JSON values that are no tickets, patches or subscriptions.
_VALUES: Final[list[Any]] = [
    *(None, True, False, 0, -1, 1.5, 1e308, -0.0, 2**64, 10**100, "", "x", [], [[]], [{}], [None]),
    *(
        [1, 2, 3],
        ["a"],
        {"": 1},
        {"a": None},
        {"troubleTicket": {}},
        {"__proto__": {}},
        {"@type": 1},
    ),
    *({"$ref": "#/"}, {"name": None}, {"name": {}}, {"name": []}, {"name": 1}, {"note": {}}),
    *({"note": [[]]}, {"note": [None]}, {"note": [1]}, {"note": "x"}, {"relatedEntity": [[[]]]}),
    *({"ticketType": []}, {"ticketType": {}}, {"ticketType": 1}, {"ticketType": "\ufffd"}),
    *({"status": None}, {"status": []}, {"id": "x" * 2_000}, {"severity": {"$gt": ""}}),
    *([{"op": "add"}], [{"op": "add", "path": 1}], [{"op": "x", "path": ""}], [{"path": "/a"}]),
    *([{"op": "add", "path": "a", "value": 1}], [{"op": "add", "path": "/~2", "value": 1}]),
    *([{"op": "move", "from": "/a", "path": "/a/b"}], [{"op": "copy", "from": "", "path": "/a"}]),
    *([{"op": "remove", "path": ""}], [{"op": "replace", "path": "", "value": None}]),
    *(
        [{"op": "test", "path": "/nosuch", "value": {}}],
        [{"op": "add", "path": "/note/99", "value": 1}],
    ),
    *([{"op": "add", "path": "/note/01", "value": {}}], [{"op": "add", "path": "/-", "value": 1}]),
    *({"callback": None}, {"callback": []}, {"callback": "x"}, {"callback": "file:///etc/passwd"}),
    *(
        {"callback": "http://[::1"},
        {"callback": "https://\u0130.example"},
        {"callback": "https://a:b"},
    ),
    *(
        {"callback": "https://" + "a" * 300 + ".example"},
        {"callback": "https://a/\n"},
        {"query": 1},
    ),
]
#: Texts that trouble databases, terminals, logs or other programs.
_TEXTS: Final = [
    *(
        "'; DROP TABLE ticket; --",
        '"; DELETE FROM ticket',
        "\\'; --",
        "%s%n%x",
        "${7*7}",
        "{{7*7}}",
    ),
    *("<script>alert(1)</script>", "../../etc/passwd", "\\\\host\\share", "$(id)", "`id`", "| id"),
    *(
        "\u202egnp.exe",
        "a\u0300" * 200,
        "\ufdfa" * 50,
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    ),
    *(
        "\ufeffx",
        "\u200b",
        "\u2028\u2029",
        "\ufffe",
        "\uffff",
        "\U0010ffff",
        "\x7f",
        "\x80",
        "\x9f",
    ),
    *(
        "\\u0000",
        "\\",
        '"',
        "\x1b[31m",
        "\r\nX: y",
        "a" * 100_000,
        "\u0130i\u0131I",
        "\u1e9e\u00df",
    ),
    *("%00", "%2e%2e", "null", "NaN", "-0", "1e400", "0" * 5_000, " ", "\t", "\n"),
]
_MEDIA_TYPES: Final = [
    *(None, "", " ", "json", "text/json", "text/plain", "text/html", "application/xml", "*/*"),
    *("application/*", "application/json/x", "application", "/json", "application/", "a/b/c"),
    *("application/json, text/plain", "application/json application/json", "application\\json"),
    *("application/json; charset=utf-16", "application/json; charset=iso-8859-1"),
    *(
        "application/json; charset=",
        'application/json; charset="',
        "application/json; charset=utf-9",
    ),
    *("application/problem+json", "application/vnd.api+json", "application/cbor", "image/png"),
    *("multipart/form-data", "multipart/form-data; boundary=x", "application/octet-stream"),
    *("application/x-www-form-urlencoded", "application/jsonp", "application/json5", "\xff/\xff"),
    *("application/json;;;;", "application/json" + "; a=b" * 500, "a" * 5_000 + "/json"),
]


def hostile() -> Iterator[Hostile]:
    """Yield all bodies."""
    for text in _BROKEN:
        is_json = text.startswith(("\ufeff", '{"\\u0000'))
        yield Hostile(f"broken {text[:20]!r} ({len(text)})", text.encode(), is_json=is_json)
    for name, body in _CODED.items():
        yield Hostile(name, body, is_json=body.startswith(b"\xef\xbb\xbf{"))
    for end in (1, 2, 3, len(VALID) // 3, len(VALID) // 2, len(VALID) - 2, len(VALID) - 1):
        yield Hostile(f"cut after {end}", VALID[:end])
    for value in _VALUES:
        text = json.dumps(value)
        yield Hostile(f"value {text[:40]} ({len(text)})", text.encode(), is_json=True)
    for text in _TEXTS:
        for member in ("name", "description", text):
            body = json.dumps({**complaint(), member: text}, ensure_ascii=False).encode()
            kind = "itself" if member is text else member
            yield Hostile(f"text {text[:20]!r} ({len(text)}) as {kind}", body, is_json=True)
    for media_type in _MEDIA_TYPES:
        name = f"typed {(media_type or repr(media_type))[:40]}"
        yield Hostile(name, VALID, media_type, is_json=True)
