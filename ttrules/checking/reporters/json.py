"""Report results as JSON: one document, or JSON lines.

Both carry the version of their form, which is published as a JSON Schema in schemas/report/. A new
member needs no new version; a member that is removed or changes its meaning does. The results list
the payloads that have findings and count the others.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from ttrules.checking.reporters.base import findings_to_json, range_to_json, tool

if TYPE_CHECKING:
    from ttrules.checking.reporters.base import Summary, Write
    from ttrules.checking.results import PayloadResult
    from ttrules.messages.catalogue import Catalogue

#: The version of the JSON formats.
VERSION: Final = 1


def written(value: object) -> str:
    """Return a value as one line of JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class JSONLines:
    """One object for each payload, and one with the counts at the end."""

    def __init__(self, write: Write, words: Catalogue) -> None:
        self._write = write
        self._words = words
        self._name = ""

    def open_source(self, name: str) -> None:
        """Begin with a file."""
        self._name = name

    def write_result(self, judged: PayloadResult) -> None:
        """Write one object."""
        self._write(
            written({"version": VERSION, **_result(self._name, judged, self._words)}) + "\n"
        )

    def close_source(self, payloads: int) -> None:
        """Do nothing: each line is complete."""

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

    def write_result(self, judged: PayloadResult) -> None:
        """Write one result."""
        self._write(self._before + written(_result(self._name, judged, self._words)))
        self._before = ",\n"

    def close_source(self, payloads: int) -> None:
        """Do nothing: each result names its file."""

    def close(self, summary: Summary) -> None:
        """Write the counts and the end."""
        self._write(f'\n],"summary":{written(summary.to_dict())}}}\n')


def _result(name: str, judged: PayloadResult, words: Catalogue) -> dict[str, Any]:
    result: dict[str, Any] = {
        "file": name,
        "index": judged.index,
        "status": judged.status,
        **range_to_json(judged.spot),
        "process": judged.process,
        "findings": findings_to_json(judged, words.language),
    }
    if judged.reason is not None:
        result["reason"] = words.render(judged.reason)
    return result
