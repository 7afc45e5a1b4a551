"""Bodies, headers and errors as the operations see them, without HTTP."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import zlib
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest

from server.api.http import dumps, refusal
from server.api.json_body import loads
from server.documents import as_json_schema
from server.messages.en import sentence
from server.problems import BY_STATUS, KINDS, ApiError, error_body
from tests.support.profiles import load
from ttrules.codes import MAX_DEPTH, MAX_VALUES
from ttrules.json_values import measured
from ttrules.rulebook import shipped

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Texts that are no JSON to us, each with the line and the column where that shows.
PLACES: list[tuple[str, tuple[int, int]]] = [
    ("{", (1, 2)),
    ('{"a": 1,\n}', (2, 1)),
    ("\ufeff\ufeff{}", (1, 1)),
    ("\ufeff{]", (1, 2)),
    ('["\U0001f422", NaN]', (1, 7)),
    ('["NaN", -Infinity]', (1, 9)),
    ("[NaNcy]", (1, 2)),
    ('["1e999",\n 1e999]', (2, 2)),
    ("[" + "1" * 5_000 + "]", (1, 2)),
    ('["' + "1" * 5_000 + '", 1.5, ' + "1" * 5_000 + ".", (1, 5_011)),
    ('{"a": {"b": 1, "b": 2}, "a": 1}', (1, 16)),
    ('{"b": {}, "b": {"a": 1,\n "\\u0061": 2}}', (2, 2)),
    ('["\\ud83d\\udc22", "\\ud800"]', (1, 18)),
    ('{"ż": ' + "[" * MAX_DEPTH, (1, 7 + MAX_DEPTH - 1)),
]


class TestLoads:
    """`loads` reads JSON as RFC 8259 has it, and no more."""

    @pytest.mark.parametrize(
        "value",
        [
            {},
            [],
            "text",
            "żółw \U0001f422",
            0,
            -1.5,
            10**300,
            True,
            None,
            {"a": [{"b": None}], "\\": '"[{'},
            "\\u0000",
            "\0\x7f\u2028",
            {"\0": 2**63, "a": [-(2**63) - 1, 1e300]},
            {'"': '"', "b": '\\"'},
        ],
    )
    def test_values(self, value: Any) -> None:
        """Every JSON value comes as it was sent, however it was escaped."""
        for escaped in (True, False):
            assert loads(json.dumps(value, ensure_ascii=escaped).encode()) == value

    @pytest.mark.parametrize(("text", "place"), PLACES)
    def test_places(self, text: str, place: tuple[int, int]) -> None:
        """What is wrong is told with its line and column."""
        with pytest.raises(ApiError) as refused:
            loads(text.encode())
        assert (refused.value.code, refused.value.at) == ("invalidBody", place)
        body = error_body(refused.value)
        assert (body["line"], body["column"]) == place

    def test_place_of_bytes(self) -> None:
        """So are bytes that are no UTF-8; a body that is missing has no place."""
        for raw, place in ((b'"\xc5\xbc\n"\xff', (2, 2)), (b"", None), (b" \n", None)):
            with pytest.raises(ApiError) as refused:
                loads(raw)
            assert refused.value.at == place

    @pytest.mark.parametrize(("opened", "closed"), [("[", "]"), ('{"a":', "}")])
    def test_depth(self, opened: str, closed: str) -> None:
        """Arrays and objects may stand so deep in one another, and not deeper."""
        for depth in (MAX_DEPTH, MAX_DEPTH + 1):
            raw = (opened * depth + ("1" if closed == "}" else "") + closed * depth).encode()
            if depth > MAX_DEPTH:
                with pytest.raises(ApiError) as refused:
                    loads(raw)
                assert refused.value.code == "invalidBody"
            else:
                loads(raw)

    @pytest.mark.parametrize(
        ("body", "coding"),
        [
            ("{}".encode("utf-16"), "UTF-16"),
            ("{}".encode("utf-16-le"), "UTF-16"),
            ("{}".encode("utf-16-be"), "UTF-16"),
            ("{}".encode("utf-32"), "UTF-32"),
            ("{}".encode("utf-32-le"), "UTF-32"),
            ("{}".encode("utf-32-be"), "UTF-32"),
            (b"\0\0\xfe\xff", "UTF-32"),
            (gzip.compress(b"{}", mtime=0), "gzip"),
            (zlib.compress(b"{}", 1), "zlib"),
            (zlib.compress(b"{}", 9), "zlib"),
            (bz2.compress(b"{}"), "bzip2"),
            (lzma.compress(b"{}"), "xz"),
            (b"PK\x03\x04", "zip"),
            (b"\x28\xb5\x2f\xfd", "zstd"),
        ],
    )
    def test_codings(self, body: bytes, coding: str) -> None:
        """A body in another coding, or compressed, is refused with the name of what it is."""
        with pytest.raises(ApiError) as refused:
            loads(body)
        assert refused.value == ApiError("invalidBody", sentence("coded", coding=coding), at=(1, 1))

    def test_byte_order_mark(self) -> None:
        """A body may begin with the byte order mark of UTF-8, which is no part of its text."""
        assert loads(b'\xef\xbb\xbf{"a": "\xef\xbb\xbf"}') == {"a": "\ufeff"}

    @pytest.mark.parametrize(
        ("first", "each", "last"),
        [
            (b"[1", b",1", b"]"),
            (b"[{}", b', { \n} , "a,[{"', b"]"),
            (b"[[ ]", b',[[], "\\",[{"]', b"]"),
            (b'{"a": 1', b',"\\",%d": {"x,": ","}', b"}"),
            (b'["' + b"\\\\,[" * 300_000 + b'"', b",[1.5]", b"]"),
            (b'["' + b",[{" * 300_000 + b'"', b"," + b" " * 40 + b"null", b"]"),
        ],
    )
    def test_number_of_values(self, first: bytes, each: bytes, last: bytes) -> None:
        """A body may have up to MAX_VALUES values, regardless of the characters in its texts."""
        values = [
            measured(loads(first + b"".join(_numbered(each, count)) + last))[2] for count in (1, 2)
        ]
        step = values[1] - values[0]
        count = (MAX_VALUES - values[0]) // step + 1
        assert measured(loads(first + b"".join(_numbered(each, count)) + last))[2] <= MAX_VALUES
        with pytest.raises(ApiError) as refused:
            loads(first + b"".join(_numbered(each, count + 1)) + last)
        assert refused.value == ApiError("contentTooLarge", sentence("values", most=MAX_VALUES))

    @pytest.mark.parametrize(
        "value", [["[{" * 99], {'"\\"[{' * 99: "]}" * 99}, [{"a": 1}] * 99, ["\\", "[" * 99]]
    )
    def test_brackets(self, value: Any) -> None:
        """Brackets within texts, and those that stand beside one another, are not counted."""
        assert loads(json.dumps(value).encode()) == value

    @pytest.mark.parametrize(
        "raw",
        [
            b'{"a": "\\ud800"}',
            b'{"\\udc00": 1}',
            b'"\0"',
            b'{"a": 1, "b": 2, "a": "\\u0022"}',
            b'{"\\u0022": 1, "\\"": 2}',
            b'{"a": 1, "a": "\\""}',
            b'["\\',
            b'"" "" "" ""',
            b"1e999",
            b"-1e999",
            b"[Infinity]",
            b"[NaN]",
            b'{"a": 1, "a": 1}',
            b'{"a": 1, "\\u0061": 1}',
            b"1" * 5_000,
            b"01",
            b"",
            b"\xff",
        ],
    )
    def test_refused(self, raw: bytes) -> None:
        """What a database could not hold, or readers would read differently, is refused."""
        with pytest.raises(ApiError) as refused:
            loads(raw)
        assert refused.value.code == "invalidBody"
        assert refused.value.message


def _numbered(each: bytes, count: int) -> Iterator[bytes]:
    """Yield a part of a body so often, with the number of each in its place for one."""
    for number in range(count):
        yield each.replace(b"%d", b"%d" % number)


class TestErrors:
    """KINDS is what there is to refuse a request for, and the one shape tells it."""

    def test_kinds(self) -> None:
        """Every kind has a status of HTTP's, and sentences; the table is in order of statuses."""
        statuses = [kind.status for kind in KINDS.values()]
        assert statuses == sorted(statuses)
        for kind in KINDS.values():
            assert HTTPStatus(kind.status) >= 400
            assert kind.reason
            assert kind.message.endswith(".")

    def test_by_status(self) -> None:
        """Every status of the table has a kind that is told when somebody else decides on it."""
        assert BY_STATUS.keys() == {kind.status for kind in KINDS.values()}
        for status, code in BY_STATUS.items():
            assert KINDS[code].status == status
        assert (BY_STATUS[400], BY_STATUS[401], BY_STATUS[409]) == (
            "invalidBody",
            "invalidCredentials",
            "conflict",
        )

    @pytest.mark.parametrize("code", KINDS)
    def test_shape(self, code: str) -> None:
        """The body of every kind is the document's Error, and says what the table says."""
        found = shipped().validate({"no such": 1}, "Complaint Add")
        document = load()["components"]["schemas"]
        shape = {**document["Error"], "components": {"schemas": document}}
        for refused in (
            ApiError(code),
            ApiError(code, sentence("body"), violations=found.violations, warnings=found.warnings),
        ):
            body = error_body(refused)
            jsonschema_rs.validate(as_json_schema(shape), body)
            kind = KINDS[code]
            assert (body["code"], body["reason"]) == (code, kind.reason)
            assert (body["status"], body["@type"]) == (str(kind.status), "Error")
            assert body["message"] == str(refused.message or kind.message)
            answer = refusal(refused, ())
            assert (answer.status, json.loads(answer.body)) == (kind.status, body)
        assert len(body["violations"]) == len(found.violations)
        assert [each["pointer"] for each in body["warnings"]] == ["/no such"]

    @pytest.mark.parametrize("size", [10, 5_000, 100_000])
    def test_many_findings(self, size: int) -> None:
        """An Error lists 100 findings or 64 KB of them, errors first, and says how many there are.

        Names that are too long are cut.
        """
        names = [f"{number:0{size}}" for number in range(90)]
        payload = {"note": [{}] * 50, **dict.fromkeys(names, 1)}
        found = shipped().validate(payload, "Complaint Add")
        refused = ApiError(
            "requirementsNotMet", violations=found.violations, warnings=found.warnings
        )
        body = error_body(refused)
        count = len(found.violations) + 90
        assert body["findingCount"] == count > 140
        shown = len(body["violations"]) + len(body["warnings"])
        assert len(body["violations"]) == len(found.violations)
        assert shown == 100 if size == 10 else len(found.violations) < shown < 100
        assert all(len(each["pointer"]) <= 1_025 for each in body["warnings"])
        assert len(dumps(body)) < 65_536
        assert size == 10 or len(dumps(body)) > 50_000
        assert body["message"] == str(sentence("some_listed", listed=shown, count=count))
        assert error_body(refused, "pl")["findingCount"] == count

    def test_equality(self) -> None:
        """A refusal is another one when code and particulars are the same."""
        assert ApiError("conflict", headers={"a": "b"}) == ApiError("conflict", headers={"a": "b"})
        for other in (
            ApiError("notFound"),
            ApiError("conflict"),
            ApiError("conflict", sentence("body")),
            "x",
        ):
            assert ApiError("conflict", headers={"a": "b"}) != other
        assert len({ApiError("conflict"), ApiError("conflict")}) == 1


def test_dumps() -> None:
    """JSON is written as one line of UTF-8, members in their order."""
    assert dumps({"ż": [1, 1.5, None], "a": "\n"}) == '{"ż":[1,1.5,null],"a":"\\n"}'.encode()
