"""Report results as JUnit XML: one test case for each payload."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Final

from ttrules.checking.reporters.base import result_lines
from ttrules.messages.printable import printable

if TYPE_CHECKING:
    from ttrules.checking.reporters.base import Summary, Write
    from ttrules.checking.results import PayloadResult
    from ttrules.messages.catalogue import Catalogue

_XML: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})


class JUnit:
    """JUnit XML: one suite for each file, one case for each payload."""

    def __init__(self, write: Write, words: Catalogue) -> None:
        self._write = write
        self._words = words
        self._name = ""
        self._cases: IO[str]
        self._next = self._failures = self._errors = 0
        write('<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="ttrules check">\n')

    def open_source(self, name: str) -> None:
        """Begin a suite: its cases are kept aside until their number is known."""
        # Imported here because no other format needs it.
        from tempfile import SpooledTemporaryFile

        self._name = _xml(name)
        self._cases = SpooledTemporaryFile(1 << 20, "w+", encoding="utf-8")  # noqa: SIM115 - closed at the end of the suite
        self._next = self._failures = self._errors = 0

    def write_result(self, judged: PayloadResult) -> None:
        """Write the case of a payload, after those of the payloads before it."""
        self._pass(judged.index)
        self._next += 1
        self._cases.write(f"    {self._case(judged.index)}>\n")
        lines: dict[bool, list[str]] = {True: [], False: []}
        first: dict[bool, tuple[str, str]] = {}
        for severity, code, text, spot in result_lines(judged, self._words):
            is_error = severity == "error"
            first.setdefault(is_error, (code, text))
            lines[is_error].append(f"{spot.line}:{spot.column}: {severity} {code}: {text}")
        if lines[True]:
            kind = "failure" if judged.reason is None else "error"
            self._failures += kind == "failure"
            self._errors += kind == "error"
            code, text = first[True]
            head = f'<{kind} type="{code}" message="{_xml(text)}">'
            self._cases.write(f"      {head}{_xml_lines(lines[True])}</{kind}>\n")
        if lines[False]:
            self._cases.write(f"      <system-out>{_xml_lines(lines[False])}</system-out>\n")
        self._cases.write("    </testcase>\n")

    def close_source(self, payloads: int) -> None:
        """Write the suite."""
        self._pass(payloads)
        counts = f'tests="{payloads}" failures="{self._failures}" errors="{self._errors}"'
        self._write(f'  <testsuite name="{self._name}" {counts}>\n')
        with self._cases as cases:
            cases.seek(0)
            while chunk := cases.read(1 << 16):
                self._write(chunk)
        self._write("  </testsuite>\n")

    def close(self, summary: Summary) -> None:  # noqa: ARG002 - as every Writer takes it
        """Write the end; the suites have the counts."""
        self._write("</testsuites>\n")

    def _pass(self, index: int) -> None:
        for each in range(self._next, index):
            self._cases.write(f"    {self._case(each)}/>\n")
        self._next = index

    def _case(self, index: int) -> str:
        return f'<testcase classname="{self._name}" name="payload {index + 1}"'


def _xml(text: str) -> str:
    return printable(text).translate(_XML)


def _xml_lines(lines: list[str]) -> str:
    return "\n".join(map(_xml, lines))
