"""Report findings as text for people, with the source line and the place underlined.

Messages contain no value of a payload. Only this format shows source lines, and control characters
in them are escaped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.cells import cell_len

from ttrules.checking.reporters.base import lines_in_order
from ttrules.messages.printable import printable

if TYPE_CHECKING:
    from ttrules.checking.json_text import TextRange
    from ttrules.checking.reporters.base import Summary, Write
    from ttrules.checking.results import PayloadResult
    from ttrules.messages.catalogue import Catalogue
    from ttrules.messages.printable import Style


#: The colour of each severity.
_COLOURS: Final = {"error": "red", "warning": "yellow", "undetermined": "cyan"}


class Text:
    """Lines as compilers write them, with the place underlined in its source line."""

    def __init__(self, write: Write, style: Style, words: Catalogue, *, quiet: bool) -> None:
        self._write = write
        self._style = style
        self._words = words
        self._quiet = quiet
        self._name = ""

    def open_source(self, name: str) -> None:
        """Begin with a file."""
        self._name = printable(name)

    def write_result(self, judged: PayloadResult) -> None:
        """Write the findings of a payload, or the reason why it is unreadable."""
        for severity, code, text, spot in lines_in_order(judged, self._words):
            if severity == "error" or not self._quiet:
                place = f"{self._name}:{spot.line}:{spot.column}:"
                name = self._words.severities[severity]
                label = self._style(f"{name} {code}:", fg=_COLOURS[severity], bold=True)
                self._write(f"{self._style(place, bold=True)} {label} {text}\n")
                if spot.source is not None:
                    line, marks = underlined(spot, spot.source)
                    self._write(f"    {line}\n    {self._style(marks, fg=_COLOURS[severity])}\n")

    def close_source(self, payloads: int) -> None:
        """Do nothing: the text of a file has no end."""

    def close(self, summary: Summary) -> None:
        """Write the counts."""
        if not self._quiet:
            self._write(f"{summary.as_text(self._words)}\n")


def underlined(spot: TextRange, source: str) -> tuple[str, str]:
    """Return a source line, safe to show, and the marks below the TextRange."""
    length = spot.end_column - spot.column if spot.line == spot.end_line else len(source)
    parts = source[: spot.offset], source[spot.offset :][:length], source[spot.offset :][length:]
    before, at, after = (printable(part.rstrip("\r").replace("\t", " ")) for part in parts)
    return before + at + after, " " * cell_len(before) + "^" * max(cell_len(at), 1)
