"""Report findings as SARIF 2.1.0, for code scanning."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from ttrules.checking.reporters.base import result_lines, tool
from ttrules.checking.reporters.json import written
from ttrules.messages.catalogue import DEFAULT

if TYPE_CHECKING:
    from ttrules.checking.reporters.base import Summary, Write
    from ttrules.checking.results import PayloadResult
    from ttrules.messages.catalogue import Catalogue

_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


_LEVEL: Final = {"error": "error", "warning": "warning", "undetermined": "note"}


class Sarif:
    """SARIF 2.1.0: one run, one result for each finding."""

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
        head = written({"$schema": _SCHEMA, "version": "2.1.0"})
        write(f'{head[:-1]},"runs":[{run[:-1]},"results":[')

    def open_source(self, name: str) -> None:
        """Begin with a file."""
        # Imported here because no other format writes a URI.
        from urllib.parse import quote

        path = PurePath(name)
        self._uri = path.as_uri() if path.is_absolute() else quote(path.as_posix())
        self._uri = "stdin" if name == "-" else self._uri

    def write_result(self, judged: PayloadResult) -> None:
        """Write one result for each finding."""
        details = [
            {"logicalLocations": [{"fullyQualifiedName": finding.pointer}]}
            for finding, _ in judged.findings
        ] or [{}]
        for (severity, code, text, spot), more in zip(
            result_lines(judged, self._words), details, strict=True
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
                "level": _LEVEL[severity],
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
