"""What `ttrules check` writes for machines: JSON, JSON lines, JUnit XML and SARIF.

Each is written as it goes. JSON and JSON lines carry the version of their form, which is published
as a JSON Schema in schemas/report/; a new member there needs no new version, a member that goes or
changes its meaning does. They list the payloads that there is something to say about, and count the
others; JUnit names every payload. No format but text shows a line of a payload. Only messages and
reasons are of the language that was asked for.
"""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from ttrules.languages import DEFAULT
from ttrules.report import located, place_of, printable, said

if TYPE_CHECKING:
    from typing import IO

    from ttrules.judging import Judged
    from ttrules.languages import Catalogue
    from ttrules.report import Summary, Write

#: The version of the forms of JSON and JSON lines.
VERSION: Final = 1

_SARIF_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_SARIF_LEVEL: Final = {"error": "error", "warning": "warning", "undetermined": "note"}
_XML: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})


def tool() -> dict[str, str]:
    """Return name and version of this package."""
    # Imported here since it takes a tenth of the time of a whole run that does not ask for it.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return {"name": "ttrules", "version": version("ttrules")}
    except PackageNotFoundError:  # run from a checkout that is not installed
        return {"name": "ttrules", "version": "unknown"}


def written(value: object) -> str:
    """Return a value as one line of JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class JSONLines:
    """One object a payload, and one with the counts at the end."""

    def __init__(self, write: Write, words: Catalogue) -> None:
        self._write = write
        self._words = words
        self._name = ""

    def open_source(self, name: str) -> None:
        """Begin with a file."""
        self._name = name

    def tell(self, judged: Judged) -> None:
        """Write one object."""
        self._write(
            written({"version": VERSION, **_result(self._name, judged, self._words)}) + "\n"
        )

    def close_source(self, payloads: int) -> None:
        """Do nothing: each line stands alone."""

    def close(self, summary: Summary) -> None:
        """Write the counts."""
        self._write(written({"version": VERSION, "summary": summary.to_dict()}) + "\n")


class JSON:
    """One object with all results and the counts."""

    def __init__(self, write: Write, words: Catalogue) -> None:
        self._write = write
        self._words = words
        self._name = ""
        self._before = "\n"
        head = written({"version": VERSION, "tool": tool()})
        write(f'{head[:-1]},"results":[')

    def open_source(self, name: str) -> None:
        """Begin with a file."""
        self._name = name

    def tell(self, judged: Judged) -> None:
        """Write one result."""
        self._write(self._before + written(_result(self._name, judged, self._words)))
        self._before = ",\n"

    def close_source(self, payloads: int) -> None:
        """Do nothing: each result names its file."""

    def close(self, summary: Summary) -> None:
        """Write the counts and the end."""
        self._write(f'\n],"summary":{written(summary.to_dict())}}}\n')


def _result(name: str, judged: Judged, words: Catalogue) -> dict[str, Any]:
    result: dict[str, Any] = {
        "file": name,
        "index": judged.index,
        "status": judged.status,
        **place_of(judged.spot),
        "process": judged.process,
        "findings": located(judged, words.language),
    }
    if judged.reason is not None:
        result["reason"] = words.reason(judged.reason)
    return result


class Sarif:
    """SARIF 2.1.0: one run, one result a finding."""

    def __init__(self, write: Write, words: Catalogue) -> None:
        self._write = write
        self._words = words
        self._uri = ""
        self._before = "\n"
        rules = [
            {"id": code, "shortDescription": {"text": text.replace("{", "<").replace("}", ">")}}
            for code, text in {**words.messages, "unreadable": words.text("unreadable")}.items()
        ]
        driver = {**tool(), "rules": rules}
        # Left out where it is what SARIF takes for granted (section 3.14.7).
        language = {} if words.language == DEFAULT else {"language": words.language}
        run = written({"tool": {"driver": driver}, **language, "columnKind": "unicodeCodePoints"})
        head = written({"$schema": _SARIF_SCHEMA, "version": "2.1.0"})
        write(f'{head[:-1]},"runs":[{run[:-1]},"results":[')

    def open_source(self, name: str) -> None:
        """Begin with a file."""
        # Imported here since no other format writes a URI.
        from urllib.parse import quote

        path = PurePath(name)
        self._uri = path.as_uri() if path.is_absolute() else quote(path.as_posix())
        self._uri = "stdin" if name == "-" else self._uri

    def tell(self, judged: Judged) -> None:
        """Write one result a finding."""
        details = [
            {"logicalLocations": [{"fullyQualifiedName": finding.pointer}]}
            for finding, _ in judged.findings
        ] or [{}]
        for (severity, code, text, spot), more in zip(
            said(judged, self._words), details, strict=True
        ):
            region = {
                "startLine": spot.line,
                "startColumn": spot.column,
                "endLine": spot.end_line,
                "endColumn": spot.end_column,
            }
            place = {"artifactLocation": {"uri": self._uri}, "region": region}
            result = {
                "ruleId": code,
                "level": _SARIF_LEVEL[severity],
                "message": {"text": text},
                "locations": [{"physicalLocation": place, **more}],
            }
            self._write(self._before + written(result))
            self._before = ",\n"

    def close_source(self, payloads: int) -> None:
        """Do nothing: each result names its file."""

    def close(self, summary: Summary) -> None:
        """Write how the run ended."""
        ended = [{"executionSuccessful": summary.unreadable == 0}]
        counts = {"summary": summary.to_dict()}
        self._write(f'\n],"invocations":{written(ended)},"properties":{written(counts)}}}]}}\n')


class JUnit:
    """JUnit XML: a suite a file, a case a payload; only those with something to say hold it."""

    def __init__(self, write: Write, words: Catalogue) -> None:
        self._write = write
        self._words = words
        self._name = ""
        self._cases: IO[str]
        self._next = self._failures = self._errors = 0
        write('<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="ttrules check">\n')

    def open_source(self, name: str) -> None:
        """Begin a suite: its cases are kept aside until their number is known."""
        # Imported here since no other format needs it.
        from tempfile import SpooledTemporaryFile

        self._name = _xml(name)
        self._cases = SpooledTemporaryFile(1 << 20, "w+", encoding="utf-8")  # noqa: SIM115
        self._next = self._failures = self._errors = 0

    def tell(self, judged: Judged) -> None:
        """Write the case of a payload, after those of the payloads before it."""
        self._pass(judged.index)
        self._next += 1
        self._cases.write(f"    {self._case(judged.index)}>\n")
        lines: dict[bool, list[str]] = {True: [], False: []}
        first: dict[bool, tuple[str, str]] = {}
        for severity, code, text, spot in said(judged, self._words):
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
        """Write the end; the counts stand at the suites."""
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
