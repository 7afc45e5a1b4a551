"""What a value may be: dates, base64, choices, ranges and lengths, each at its edges.

Every value is judged by both engines and by the oracle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.cells import payload_of
from tests.support.oracle import PROCESSES, SHAPES
from tests.support.readings import agreed
from ttrules.codes import FORMATS, MESSAGES
from ttrules.rulebook import Rulebook, shipped

if TYPE_CHECKING:
    from ttrules.findings import Report

PROCESS = PROCESSES[2]

GOOD_DATES = [
    "2026-03-01T09:00:00Z",
    "2026-03-01t09:00:00z",
    "2026-03-01T09:00:00+00:00",
    "2026-03-01T09:00:00-23:59",
    "2026-03-01T23:59:59.999999999+05:30",
    "2026-12-31T00:00:00.1Z",
    "2024-02-29T00:00:00Z",
    "2000-02-29T00:00:00Z",
    "2016-12-31T23:59:60Z",
    "0000-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
]
BAD_DATES = [
    "",
    " ",
    "yesterday",
    "2026-03-01",
    "2026-03-01T09:00:00",
    "2026-03-01 09:00:00Z",
    "2026-03-01T09:00Z",
    "2026-03-01T09:00:00.Z",
    "2026-03-01T09:00:00,5Z",
    "2026-03-01T09:00:00+0100",
    "2026-03-01T09:00:00+01",
    "2026-03-01T09:00:00+24:00",
    "2026-03-01T09:00:00+01:60",
    "2026-03-01T24:00:00Z",
    "2026-03-01T09:60:00Z",
    "2026-03-01T09:00:61Z",
    "2026-02-29T09:00:00Z",
    "1900-02-29T09:00:00Z",
    "2026-02-30T09:00:00Z",
    "2026-04-31T09:00:00Z",
    "2026-13-01T09:00:00Z",
    "2026-00-01T09:00:00Z",
    "2026-03-00T09:00:00Z",
    "26-03-01T09:00:00Z",
    "12026-03-01T09:00:00Z",
    "2026-3-1T09:00:00Z",
    "20260301T090000Z",
    "2026-W09-7T09:00:00Z",
    "2026-060T09:00:00Z",
    "2026-03-01T09:00:00Z\n",
    " 2026-03-01T09:00:00Z",
    "\u0662026-03-01T09:00:00Z",
    "2026-03-01T09:00:00Z\x00",
]


@pytest.fixture(scope="module")
def dated() -> Rulebook:
    """Give the shipped rules with a date that may be sent: what a ticket's dates are, all are P."""
    book = shipped()
    schema = book.schema(PROCESS)
    node = schema["properties"]["creationDate"]
    schema["properties"]["creationDate"] = {
        "type": "string",
        "pattern": FORMATS["date-time"][0],
        **{key: value for key, value in node.items() if key != "not"},
    }
    schema["properties"]["creationDate"]["x-ttrules"]["requirement"] = "O"
    return Rulebook(book.matrix, {**book.schemas, book.slug(PROCESS): schema})


def judged(book: Rulebook, **members: Any) -> Report:
    """Return the report on a payload with other members, the same from both engines."""
    payload = {**payload_of(PROCESS), **members}
    report = book.validate(payload, PROCESS)
    assert book.validate(payload, PROCESS, engine="reference") == report
    assert book.is_valid(payload, PROCESS) is report.valid
    return report


class TestDates:
    """A DateTime is RFC 3339 date-time: a real day, seconds, and an offset or Z."""

    @pytest.mark.parametrize("text", GOOD_DATES)
    def test_good(self, text: str) -> None:
        """The grammar's every freedom is taken."""
        assert list(judged(self.book, creationDate=text)) == []

    @pytest.mark.parametrize("text", BAD_DATES)
    def test_bad(self, text: str) -> None:
        """What strays from it is `format`, which tells the form that is meant."""
        (finding,) = judged(self.book, creationDate=text)
        assert (finding.code, finding.pointer) == ("format", "/creationDate")
        assert finding.params == {"format": "date-time", "expected": FORMATS["date-time"][1]}

    @pytest.fixture(autouse=True)
    def _book(self, dated: Rulebook) -> None:
        """Give each test the rules under which a date may be sent."""
        self.book = dated


class TestBase64:
    """Attachment content is base64 with padding and without line breaks."""

    @pytest.mark.parametrize("text", ["QQ==", "QUI=", "QUJD", "+/+/", "QR==", "QUJDQQ=="])
    def test_good(self, text: str) -> None:
        """Any number of bytes may be sent."""
        assert list(self.report(text)) == []

    @pytest.mark.parametrize(
        "text",
        [
            *("Q", "QQ", "QQ=", "QQ===", "QUI", "QUJD=", "QQ==QQ==", "QUI=QUJD", "=", "===="),
            *("-_-_", "QU JD", "QQ==\n", "\nQQ==", "QUJD\r\nQUJD", "QUJ\u00c4", "QUJ\u0394"),
            *("\uff21\uff21\uff21\uff21", "data:text/plain;base64,QUJD"),
        ],
    )
    def test_bad(self, text: str) -> None:
        """What is no base64 is `format`; it is not also of a wrong length."""
        (finding,) = self.report(text)
        assert (finding.code, finding.pointer) == ("format", "/attachment/0/content")
        assert finding.params["format"] == "byte"

    def test_none(self) -> None:
        """No content at all is `empty`, since content is required."""
        assert [finding.code for finding in self.report("")] == ["empty"]

    def report(self, content: str) -> Report:
        """Return the report on a payload with this attachment."""
        payload = payload_of(PROCESS)
        payload["attachment"][0]["content"] = content
        return judged(shipped(), attachment=payload["attachment"])


def _choices() -> list[tuple[str, list[str]]]:
    """Return the fields that are choices and may be sent, with their values."""
    members = SHAPES["TroubleTicket"]["properties"]
    return [(name, members[name]["enum"]) for name in ("origin", "severity", "ticketSubtype")]


class TestChoices:
    """A choice is taken exactly as it is written."""

    @pytest.mark.parametrize(("field", "allowed"), _choices())
    def test_allowed(self, field: str, allowed: list[str]) -> None:
        """Each value of the document is taken; another case or a blank beside it is not."""
        for value in allowed:
            assert list(agreed({**payload_of(PROCESS), field: value}, PROCESS)) == []
            for other in (value.lower(), value.upper(), f" {value}", f"{value}\n", value[:-1]):
                (finding,) = agreed({**payload_of(PROCESS), field: other}, PROCESS)
                assert (finding.code, finding.pointer) == ("enum", f"/{field}")
                assert finding.params == {"allowed": allowed}


class TestPriority:
    """The priority is a whole number from 1 to 10."""

    @pytest.mark.parametrize("value", [1, 2, 5, 9, 10, 1.0, 10.0])
    def test_in_range(self, value: float) -> None:
        """Its ends are allowed, and a whole number may be written with a point."""
        assert list(agreed({**payload_of(PROCESS), "priority": value}, PROCESS)) == []

    @pytest.mark.parametrize("value", [0, 11, -1, 0.0, 11.0, 10**30, -(10**30), 1e300])
    def test_out_of_range(self, value: float) -> None:
        """Beyond them is `range`, which tells both ends."""
        (finding,) = agreed({**payload_of(PROCESS), "priority": value}, PROCESS)
        assert (finding.code, finding.params) == ("range", {"minimum": 1, "maximum": 10})

    @pytest.mark.parametrize("value", [1.5, 10.5, "5", True, False, [5], {}, "", 0.1])
    def test_no_number(self, value: Any) -> None:
        """What is no whole number is `type`, and not also out of range."""
        (finding,) = agreed({**payload_of(PROCESS), "priority": value}, PROCESS)
        assert (finding.code, finding.params) == ("type", {"expected": ["integer"]})


class TestLengths:
    """A text has a longest length, counted in characters; a list a largest number of items."""

    @pytest.mark.parametrize("letter", ["x", "é", "\U0001f4de"])
    def test_text(self, letter: str) -> None:
        """A character is one, whatever its bytes."""
        assert list(agreed({**payload_of(PROCESS), "name": letter * 256}, PROCESS)) == []
        (finding,) = agreed({**payload_of(PROCESS), "name": letter * 257}, PROCESS)
        assert (finding.code, finding.params) == ("length", {"maxLength": 256})

    def test_list(self) -> None:
        """A list that is too long is one finding, and its items are not looked at."""
        payload = payload_of(PROCESS)
        payload["note"] = [{"text": "x"}] * 2_500
        assert list(agreed(payload, PROCESS)) == []
        payload["note"].append({})
        report = agreed(payload, PROCESS)
        assert [(each.code, each.pointer) for each in report] == [("length", "/note")]
        assert report.violations[0].params == {"maxItems": 2_500}


@pytest.mark.parametrize(
    ("member", "value", "code"),
    [
        ("name", " " * 300, "empty"),
        ("ticketSubtype", " ", "empty"),
        ("ticketSubtype", "", "empty"),
        ("origin", "x", "enum"),
        ("priority", 10.5, "type"),
        ("priority", None, "null"),
        ("severity", None, "null"),
        ("relatedParty", None, "null"),
        ("relatedParty", {}, "type"),
    ],
)
def test_first_of_several(member: str, value: Any, code: str) -> None:
    """Of several things that are wrong with one value the first is told, and no other."""
    report = agreed({**payload_of(PROCESS), member: value}, PROCESS)
    assert [(each.code, each.pointer) for each in report] == [(code, f"/{member}")]


def test_every_code_is_known() -> None:
    """Each finding code has its sentence, and these are all the codes there are."""
    assert set(MESSAGES) == {
        "required",
        "prohibited",
        "not_supported",
        "process_dependent",
        "unknown_field",
        "null",
        "empty",
        "type",
        "enum",
        "format",
        "range",
        "length",
        "variant",
        "immutable",
        "transition",
    }
