"""Ways to misuse ttrules that type checkers must refuse: each line with the error that it gets."""

from __future__ import annotations

import ttrules
from ttrules import strategies

payload: object = {}
report = ttrules.validate(payload, "complaint-add")

ttrules.validate(payload)  # error: call-arg
ttrules.validate(payload, 5)  # error: arg-type
ttrules.validate(payload, None)  # error: arg-type
ttrules.validate(payload, "complaint-add", "error")  # error: call-arg
ttrules.validate(payload, "complaint-add", unsupported="strict")  # error: arg-type
ttrules.validate(payload, "complaint-add", engine="slow")  # error: arg-type
ttrules.validate(payload, "complaint-add", strict=True)  # error: call-arg
ttrules.is_valid(payload, "complaint-add", unsupported=True)  # error: arg-type
answer: bool = ttrules.check(payload, "complaint-add")  # error: assignment
ttrules.validate_new()  # error: call-arg
ttrules.validate_change(payload)  # error: call-arg
ttrules.validate_change(payload, {}, by=5)  # error: arg-type
ttrules.cell("Note", "text")  # error: call-arg
str(ttrules.cell("Note", "text", "complaint-add").code)  # error: attr-defined
ttrules.load()  # error: call-arg
ttrules.load("openapi.yaml", "requirements.yaml")  # error: call-arg
ttrules.verify(payload)  # error: attr-defined
ttrules.Report()  # error: call-arg
ttrules.Report(None)  # error: call-arg
report.process.upper()  # error: union-attr
report.valid = True  # error: misc
report.process = "x"  # error: misc
report.violations[0].code = "x"  # error: misc
str(report.errors)  # error: attr-defined
report.violations.append(None)  # error: attr-defined
str(report["valid"])  # error: index
strategies.payloads("complaint-add", extent="full")  # error: call-arg
strategies.payloads()  # error: call-arg
