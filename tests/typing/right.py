"""How programs use ttrules, as type checkers must let them; it is run by none, only read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, assert_type

import ttrules

payload: object = {"@type": "TroubleTicket"}

report = ttrules.validate(payload, "complaint-add")
assert_type(report, ttrules.Report)
assert_type(report.valid, bool)
assert_type(report.process, str | None)
assert_type(report.violations, tuple[ttrules.Finding, ...])
assert_type(report.to_dict(), dict[str, Any])
assert_type(report.to_dict(language="pl"), dict[str, Any])
for finding in report:
    assert_type(finding, ttrules.Finding)
    assert_type(finding.pointer, str)
    assert_type(finding.field, str | None)
    assert_type(finding.params, Mapping[str, Any])
    assert_type(finding.message, str)
    assert_type(finding.message_in("pl"), str)
    assert_type(finding.to_dict("pl"), dict[str, Any])

ttrules.validate(payload, "complaint-add", unsupported="error", engine="reference")
ttrules.validate(payload, "complaint-add", unsupported=None)
assert_type(ttrules.is_valid(payload, "complaint-add"), bool)
assert_type(ttrules.validate_new([1, 2]), ttrules.Report)
assert_type(ttrules.processes(), tuple[str, ...])
assert_type(ttrules.schema("complaint-add"), dict[str, Any])
assert_type(ttrules.cell("Note", "text", "complaint-add"), ttrules.Cell)
assert_type(ttrules.cell("Note", "text", "complaint-add").type, str | None)

change = ttrules.validate_change({}, [{"op": "remove", "path": "/note"}], by="operator")
assert_type(change, ttrules.Change)
assert_type(change.report, ttrules.Report)
assert_type(change.ticket, dict[str, Any])
whole, ticket = change
assert_type(ticket, dict[str, Any])

book = ttrules.load(openapi="openapi.yaml", requirements=Path("requirements.yaml"))
assert_type(book, ttrules.Rulebook)
assert_type(book.validate(payload, "order-add"), ttrules.Report)
assert_type(ttrules.Rulebook.read("rules"), ttrules.Rulebook)

try:
    ttrules.check(payload, "complaint-add")
except ttrules.RequirementsNotMet as error:
    assert_type(error.report, ttrules.Report)
except ttrules.NotJSON as error:
    assert_type(error.pointer, str)
except ttrules.SpecError as error:
    assert_type(error.problems, tuple[ttrules.Problem, ...])
