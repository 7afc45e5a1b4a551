"""Report findings as workflow commands of GitHub, shown beside the lines of a pull request.

GitHub shows up to ten errors, ten warnings and ten notices of a step as annotations. So each
finding is also a line of text, which the log shows with its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ttrules.checking.reporters.base import lines_in_order
from ttrules.messages.printable import printable

if TYPE_CHECKING:
    from ttrules.checking.reporters.base import Summary, Write
    from ttrules.checking.results import PayloadResult
    from ttrules.messages.catalogue import Catalogue

#: The workflow command of each severity.
_COMMANDS: Final = {"error": "error", "warning": "warning", "undetermined": "notice"}
_PROPERTY: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


_DATA: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})


class GitHub:
    """Workflow commands, which GitHub shows beside the lines of a pull request."""

    def __init__(self, write: Write, words: Catalogue, *, quiet: bool) -> None:
        self._write = write
        self._words = words
        self._quiet = quiet
        self._name = self._shown = ""

    def open_source(self, name: str) -> None:
        """Begin with a file."""
        self._name, self._shown = name.translate(_PROPERTY), printable(name)

    def write_result(self, judged: PayloadResult) -> None:
        """Write a line of text and a command for each finding.

        GitHub shows no place of a command in the log, and not more than ten of each kind.
        """
        for severity, code, text, spot in lines_in_order(judged, self._words):
            if severity == "error" or not self._quiet:
                # The severity comes first, because a line that begins with :: is a command.
                name = self._words.severities[severity]
                self._write(f"{name} {self._shown}:{spot.line}:{spot.column}: {code}: {text}\n")
                place = f"file={self._name},line={spot.line},endLine={spot.end_line}"
                if spot.line == spot.end_line:
                    place += f",col={spot.column},endColumn={spot.end_column}"
                title = code.translate(_PROPERTY)
                data = text.translate(_DATA)
                self._write(f"::{_COMMANDS[severity]} {place},title={title}::{data}\n")

    def close_source(self, payloads: int) -> None:
        """Do nothing: each command names its file."""

    def close(self, summary: Summary) -> None:
        """Write the counts."""
        if not self._quiet:
            self._write(f"{summary.as_text(self._words)}\n")
