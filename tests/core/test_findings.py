"""Reports and findings: their codes, places, order and words; frozen, compared by content."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

import ttrules
from tests.support.cells import ROOT, payload_of, stored
from tests.support.oracle import MATRIX, PROCESSES
from tests.support.readings import agreed
from ttrules import Finding, Report
from ttrules.codes import MESSAGES

PROCESS = PROCESSES[2]
SECRET = "Kilroy"


def broken() -> dict[str, Any]:
    """Return a payload with something wrong of most kinds, a secret in every value."""
    payload = payload_of(PROCESS)
    del payload["name"]
    payload |= {
        "id": SECRET,
        "channel": SECRET,
        "colour": SECRET,
        "description": None,
        "externalId": " ",
        "origin": SECRET,
        "priority": [SECRET],
        "note": [{"text": SECRET * 6_000}, {"text": SECRET, "txet": SECRET}],
        "relatedEntity": [{"@referredType": SECRET, "role": SECRET}],
    }
    payload["attachment"][0]["content"] = SECRET + "!"
    return payload


#: The requirements of the members of the ticket that are broken, as the matrix has them.
CODES = {name: codes[PROCESSES.index(PROCESS)] for name, codes in MATRIX["entities"][ROOT].items()}
BROKEN = [
    ("format", "/attachment/0/content", "AttachmentRefOrValue", "content", "R"),
    ("null", "/description", "TroubleTicket", "description", CODES["description"]),
    ("empty", "/externalId", "TroubleTicket", "externalId", CODES["externalId"]),
    ("prohibited", "/id", "TroubleTicket", "id", "P"),
    ("required", "/name", "TroubleTicket", "name", CODES["name"]),
    ("length", "/note/0/text", "Note", "text", "R"),
    ("enum", "/origin", "TroubleTicket", "origin", CODES["origin"]),
    ("type", "/priority", "TroubleTicket", "priority", CODES["priority"]),
    ("process_dependent", "/relatedEntity/0/id", "RelatedEntity", "id", "R/PD"),
    ("not_supported", "/channel", "TroubleTicket", "channel", "-"),
    ("unknown_field", "/colour", "TroubleTicket", "colour", None),
    ("unknown_field", "/note/1/txet", "Note", "txet", None),
]


class TestFindings:
    """One defect is one finding, with the place of the field and the cell that it breaks."""

    def test_all_at_once(self) -> None:
        """All that is wrong is told at once: violations, then warnings, each by pointer."""
        report = agreed(broken(), PROCESS)
        assert [each[1:6] for each in report] == BROKEN
        assert {each.severity for each in report.violations} == {"error"}
        assert {each.severity for each in report.warnings} == {"warning"}
        assert {each.process for each in report} == {PROCESS}
        assert not report.valid

    def test_no_values_in_messages(self) -> None:
        """No message, parameter or error shows a value of the payload."""
        report = ttrules.validate(broken(), PROCESS)
        with pytest.raises(ttrules.RequirementsNotMet) as caught:
            ttrules.check(broken(), PROCESS)
        assert SECRET not in json.dumps(report.to_dict())
        assert SECRET not in repr(report)
        assert SECRET not in repr(caught.value) + str(caught.value)
        assert SECRET not in str(ttrules.validate_new({"ticketType": SECRET}).to_dict())
        ticket = {**stored(PROCESS), "status": SECRET}
        patch = {"@type": SECRET, "href": SECRET, "status": "closed"}
        assert SECRET not in str(ttrules.validate_change(ticket, patch).report.to_dict())

    def test_every_message_is_a_sentence(self) -> None:
        """Each finding says what to do, in one sentence at least, nothing left to fill in."""
        ticket = stored(PROCESS)
        patch = {"@type": "other", "status": "closed", "priority": 11}
        reports = [ttrules.validate(broken(), PROCESS), ttrules.validate_change(ticket, patch)[0]]
        findings = [finding for report in reports for finding in report]
        assert {finding.code for finding in findings} | {"variant"} == set(MESSAGES)
        for finding in findings:
            assert finding.message[-1] in ".?"
            assert not {"{", "}"} & set(finding.message)
            if finding.field and finding.code != "process_dependent":
                assert finding.field in finding.message

    def test_order_of_items(self) -> None:
        """Items come by number: the third before the eleventh."""
        payload = payload_of(PROCESS)
        payload["note"] = [{} for _ in range(12)]
        pointers = [each.pointer for each in agreed(payload, PROCESS)]
        assert pointers == [f"/note/{index}/text" for index in range(12)]

    @pytest.mark.parametrize(
        ("name", "meant", "pointer"),
        [
            ("descriptions", "description", "/descriptions"),
            ("DESCRIPTION", "description", "/DESCRIPTION"),
            ("ticketSubType", "ticketSubtype", "/ticketSubType"),
            ("a/b~c", None, "/a~1b~0c"),
            ("", None, "/"),
            ("x" * 100_000, None, "/" + "x" * 100_000),
            ("~", None, "/~0"),
        ],
    )
    def test_unknown(self, name: str, meant: str | None, pointer: str) -> None:
        """An unknown member is told with the known name that was most likely meant."""
        (finding,) = agreed({**payload_of(PROCESS), name: 1}, PROCESS)
        assert (finding.code, finding.pointer, finding.field) == ("unknown_field", pointer, name)
        assert finding.params == ({"suggestion": meant} if meant else {})
        assert ("Did you mean" in finding.message) is bool(meant)

    def test_many_unknown(self) -> None:
        """Thousands of unknown members are all told; only the first get a suggestion."""
        payload = {**payload_of(PROCESS), **{f"namee{index:04}": 1 for index in range(3_000)}}
        report = ttrules.validate(payload, PROCESS)
        assert len(report.warnings) == 3_000
        assert sum("suggestion" in each.params for each in report.warnings) == 20

    def test_unknown_is_an_error_when_strict(self) -> None:
        """The policy for unsupported members makes unknown ones errors too, or leaves them."""
        payload = {**payload_of(PROCESS), "colour": 1, "channel": 1}
        strict = ttrules.validate(payload, PROCESS, unsupported="error")
        assert [each.code for each in strict.violations] == ["not_supported", "unknown_field"]
        lenient = ttrules.validate(payload, PROCESS, unsupported="ignore")
        assert [each.code for each in lenient.warnings] == ["unknown_field"]


class TestValues:
    """Findings, reports and cells are values: frozen, comparable, and plain JSON on demand."""

    def test_to_dict(self) -> None:
        """A report is plain JSON values: its verdict, its process and each finding in full."""
        report = ttrules.validate(broken(), PROCESS)
        made = json.loads(json.dumps(report.to_dict()))
        assert list(made) == [
            "valid",
            "process",
            "violations",
            "warnings",
            "undetermined",
            "left_out",
        ]
        assert made["valid"] is False
        assert made["process"] == PROCESS
        told = made["violations"] + made["warnings"] + made["undetermined"]
        assert [(each["code"], each["pointer"]) for each in told] == [each[:2] for each in BROKEN]
        for each, finding in zip(told, report, strict=True):
            assert list(each) == [*Finding._fields, "message"]
            assert each["message"] == finding.message

    def test_frozen(self) -> None:
        """Nothing of a value can be set."""
        report = ttrules.validate(broken(), PROCESS)
        cell = ttrules.cell("Note", "text", PROCESS)
        with pytest.raises(FrozenInstanceError):
            report.process = "x"  # type: ignore[misc]  # that is the test
        with pytest.raises(FrozenInstanceError):
            cell.field = "x"  # type: ignore[misc]  # that is the test
        with pytest.raises(AttributeError):
            report.violations[0].code = "x"  # type: ignore[misc]  # that is the test

    @pytest.mark.parametrize(
        "again",
        [copy.copy, copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))],  # noqa: S301 - our own
    )
    def test_copies_are_equal(self, again: Any) -> None:
        """A copy, deep or pickled, is the same value with the same hash."""
        report = ttrules.validate(broken(), PROCESS)
        values: list[Any] = [report, *report, ttrules.cell("Note", "text", PROCESS)]
        for value in values:
            assert again(value) == value
            assert hash(again(value)) == hash(value)

    def test_different_values_differ(self) -> None:
        """A finding differs from another by any of its parts, its params included."""
        report = ttrules.validate(broken(), PROCESS)
        one = report.violations[0]
        assert one != one._replace(pointer="/x")
        assert one != one._replace(params={})
        assert hash(one) != hash(one._replace(code="x"))
        assert report != Report(process=PROCESS)
        assert len({*report, *report}) == len(BROKEN)

    def test_empty_report(self) -> None:
        """A report without violations is valid, and says so."""
        report = Report(process=None)
        assert report.valid
        assert list(report) == []
        assert Report(process=None, warnings=ttrules.validate(broken(), PROCESS).warnings).valid


class TestConditions:
    """A broken condition is told in words, its test included."""

    @pytest.mark.parametrize(
        ("params", "words"),
        [
            ({"relation": "at_least_one", "fields": ["a", "b"]}, "send at least one of a, b"),
            (
                {"relation": "if_then_all", "fields": ["a", "b", "c"]},
                "when a is sent, send all of b, c",
            ),
            ({}, "the condition on a is not declared"),
            (
                {
                    "relation": "all_or_none",
                    "fields": ["a", "b"],
                    "when": {"of": "self", "field": "c", "exists": True},
                },
                "when c is sent, send all of a, b, or none of them",
            ),
            (
                {
                    "relation": "all_or_none",
                    "fields": ["a", "b"],
                    "when": {"of": "parent", "field": "c", "exists": False},
                },
                "when c of the parent is not sent, send all of a, b, or none of them",
            ),
            (
                {
                    "relation": "exactly_one",
                    "fields": ["a", "b"],
                    "when": {"of": "root", "field": "c", "equals": 5},
                },
                "when c of the root is 5, send exactly one of a, b",
            ),
            (
                {
                    "relation": "at_most_one",
                    "fields": ["a", "b"],
                    "when": {"of": "self", "field": "c", "in": [1, "x"]},
                },
                "when c is one of 1, x, send at most one of a, b",
            ),
        ],
    )
    def test_words(self, params: dict[str, Any], words: str) -> None:
        """The sentence names the fields, what is asked of them, and when."""
        finding = Finding("error", "process_dependent", "/a", "E", "a", "PD", "P", params)
        assert finding.message == f"In E, {words}."


def test_truth_and_text() -> None:
    """A report is true if it is valid, and a finding as text is its message."""
    report = ttrules.validate({}, "complaint-add")
    assert not report
    assert bool(report.first(1)) is False
    assert [str(each) for each in report] == [each.message for each in report]
    assert ttrules.validate(payload_of("Complaint Add"), "complaint-add")
