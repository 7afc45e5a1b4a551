"""Bodies, headers and errors as the operations see them, without HTTP."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

import jsonschema_rs
import pytest

from server.document import as_json_schema, load
from server.errors import BY_STATUS, KINDS, Refused, error_body
from server.sentences import Told
from server.wire import MAX_DEPTH, dumps, loads, refusal
from ttrules.book import shipped


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
            "\x7f\u2028",
        ],
    )
    def test_values(self, value: Any) -> None:
        """Every JSON value comes as it was sent, however it was escaped."""
        for escaped in (True, False):
            assert loads(json.dumps(value, ensure_ascii=escaped).encode()) == value

    @pytest.mark.parametrize(("opened", "closed"), [("[", "]"), ('{"a":', "}")])
    def test_depth(self, opened: str, closed: str) -> None:
        """Arrays and objects may stand so deep in one another, and not deeper."""
        for depth in (MAX_DEPTH, MAX_DEPTH + 1):
            raw = (opened * depth + ("1" if closed == "}" else "") + closed * depth).encode()
            if depth > MAX_DEPTH:
                with pytest.raises(Refused) as refused:
                    loads(raw)
                assert refused.value.code == "invalidBody"
            else:
                loads(raw)

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
            b'{"a": "\\u0000"}',
            b'{"a\\u0000": 1}',
            b'"\0"',
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
        with pytest.raises(Refused) as refused:
            loads(raw)
        assert refused.value.code == "invalidBody"
        assert refused.value.message


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
            Refused(code),
            Refused(code, Told("body"), violations=found.violations, warnings=found.warnings),
        ):
            body = error_body(refused)
            jsonschema_rs.validate(as_json_schema(shape), body)
            kind = KINDS[code]
            assert (body["code"], body["reason"]) == (code, kind.reason)
            assert (body["status"], body["@type"]) == (str(kind.status), "Error")
            assert body["message"] == (refused.message or kind.message)
            answer = refusal(refused, ())
            assert (answer.status, json.loads(answer.body)) == (kind.status, body)
        assert len(body["violations"]) == len(found.violations)
        assert [each["pointer"] for each in body["warnings"]] == ["/no such"]

    def test_equality(self) -> None:
        """A refusal is another one when code and particulars are the same."""
        assert Refused("conflict", headers={"a": "b"}) == Refused("conflict", headers={"a": "b"})
        for other in (
            Refused("notFound"),
            Refused("conflict"),
            Refused("conflict", Told("body")),
            "x",
        ):
            assert Refused("conflict", headers={"a": "b"}) != other
        assert len({Refused("conflict"), Refused("conflict")}) == 1


def test_dumps() -> None:
    """JSON is written as one line of UTF-8, members in their order."""
    assert dumps({"ż": [1, 1.5, None], "a": "\n"}) == '{"ż":[1,1.5,null],"a":"\\n"}'.encode()
