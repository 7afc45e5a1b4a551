"""What `ttrules check` writes for people: text, and the workflow commands of GitHub.

A writer is told what was judged, source by source and in order, and writes as it goes, so that its
memory does not depend on how much there is. The writers for machines are in machine. Findings are
told by their messages, which hold no value of a payload; only text shows source lines, and what it
shows is freed of everything that a terminal would obey.
"""

from __future__ import annotations

import unicodedata
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ttrules.findings import Finding
    from ttrules.judging import Judged, Tally
    from ttrules.languages import Catalogue
    from ttrules.positions import Spot

    Write: TypeAlias = Callable[[str], object]
    #: Gives a text a colour or weight: (text, fg=…, bold=…).
    Style: TypeAlias = Callable[..., str]

#: How each severity is shown: its colour in text, its command in GitHub's.
_SHOWN: Final = {
    "error": ("red", "error"),
    "warning": ("yellow", "warning"),
    "undetermined": ("cyan", "notice"),
}
_PROPERTY: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})
_DATA: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})


@dataclass(slots=True)
class Summary:
    """The counts at the end: payloads by what became of them, findings by severity."""

    valid: int = 0
    invalid: int = 0
    unreadable: int = 0
    errors: int = 0
    warnings: int = 0
    undetermined: int = 0

    def count(self, tally: Tally) -> None:
        """Add what came of some payloads."""
        self.valid += tally.payloads - len(tally.judged)
        for judged in tally.judged:
            setattr(self, judged.status, getattr(self, judged.status) + 1)
            for finding, _ in judged.findings:
                self.errors += finding.severity == "error"
                self.warnings += finding.severity == "warning"
                self.undetermined += finding.severity == "undetermined"

    def to_dict(self) -> dict[str, int]:
        """Return the counts by name. ``payloads`` are those judged, valid or not."""
        return {"payloads": self.valid + self.invalid, **asdict(self)}

    def told(self, words: Catalogue) -> str:
        """Return the counts as a person reads them, those of nothing left out."""
        counts = self.to_dict()
        names = [name for name in words.counts if counts[name] or name == "payloads"]
        return ", ".join(words.counted(name, counts[name]) for name in names)


class Writer(Protocol):
    """A format. The first three methods are called for each source, the last one at the end."""

    def open_source(self, name: str) -> None:
        """Begin with a file."""

    def tell(self, judged: Judged) -> None:
        """Write what there is to say about a payload."""

    def close_source(self, payloads: int) -> None:
        """End a file that held so many payloads."""

    def close(self, summary: Summary) -> None:
        """End the whole."""


class Text:
    """Lines as compilers write them, with the place underlined where its source is known."""

    def __init__(self, write: Write, style: Style, words: Catalogue, *, quiet: bool) -> None:
        self._write = write
        self._style = style
        self._words = words
        self._quiet = quiet
        self._name = ""

    def open_source(self, name: str) -> None:
        """Begin with a file."""
        self._name = printable(name)

    def tell(self, judged: Judged) -> None:
        """Write the findings of a payload, or why it is unreadable."""
        for severity, code, text, spot in said(judged, self._words):
            if severity == "error" or not self._quiet:
                place = f"{self._name}:{spot.line}:{spot.column}:"
                name = self._words.severities[severity]
                label = self._style(f"{name} {code}:", fg=_SHOWN[severity][0], bold=True)
                self._write(f"{self._style(place, bold=True)} {label} {text}\n")
                if spot.source is not None:
                    line, marks = underlined(spot, spot.source)
                    self._write(f"    {line}\n    {self._style(marks, fg=_SHOWN[severity][0])}\n")

    def close_source(self, payloads: int) -> None:
        """Do nothing: text has no frame around a file."""

    def close(self, summary: Summary) -> None:
        """Write the counts."""
        if not self._quiet:
            self._write(f"{summary.told(self._words)}\n")


class GitHub:
    """Workflow commands, which GitHub shows beside the lines of a pull request."""

    def __init__(self, write: Write, words: Catalogue, *, quiet: bool) -> None:
        self._write = write
        self._words = words
        self._quiet = quiet
        self._name = ""

    def open_source(self, name: str) -> None:
        """Begin with a file."""
        self._name = name.translate(_PROPERTY)

    def tell(self, judged: Judged) -> None:
        """Write one command a finding."""
        for severity, code, text, spot in said(judged, self._words):
            if severity == "error" or not self._quiet:
                place = f"file={self._name},line={spot.line},endLine={spot.end_line}"
                if spot.line == spot.end_line:
                    place += f",col={spot.column},endColumn={spot.end_column}"
                title = code.translate(_PROPERTY)
                data = text.translate(_DATA)
                self._write(f"::{_SHOWN[severity][1]} {place},title={title}::{data}\n")

    def close_source(self, payloads: int) -> None:
        """Do nothing: commands stand alone."""

    def close(self, summary: Summary) -> None:
        """Write the counts."""
        if not self._quiet:
            self._write(f"{summary.told(self._words)}\n")


def said(judged: Judged, words: Catalogue) -> Iterator[tuple[str, str, str, Spot]]:
    """Yield severity, code, text and place of all that is to be said about a payload."""
    if judged.reason is not None:
        yield "error", "unreadable", printable(words.reason(judged.reason)), judged.spot
    for finding, spot in judged.findings:
        yield finding.severity, finding.code, sentence(finding, words), spot


def sentence(finding: Finding, words: Catalogue) -> str:
    """Return a finding's message with its pointer behind it, safe to show."""
    where = f" ({finding.pointer})" if finding.pointer else ""
    return printable(words.message(finding) + where)


def printable(text: str) -> str:
    r"""Return the text with what is not for printing escaped: ``\x1b``, ``\u202e``."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def underlined(spot: Spot, source: str) -> tuple[str, str]:
    """Return a source line, safe to show, and the marks beneath what the Spot is about."""
    length = spot.end_column - spot.column if spot.line == spot.end_line else len(source)
    parts = source[: spot.offset], source[spot.offset :][:length], source[spot.offset :][length:]
    before, at, after = (printable(part.rstrip("\r").replace("\t", " ")) for part in parts)
    return before + at + after, " " * _width(before) + "^" * max(_width(at), 1)


def _width(text: str) -> int:
    """Return how many columns of a terminal a text takes (UAX #11)."""
    marks = sum(unicodedata.category(each) in {"Mn", "Me"} for each in text)
    wide = sum(unicodedata.east_asian_width(each) in "WF" for each in text)
    return len(text) - marks + wide


def located(judged: Judged, language: str) -> list[dict[str, Any]]:
    """Return the findings of a payload as plain JSON values, each with its place."""
    return [{**finding.to_dict(language), **place_of(spot)} for finding, spot in judged.findings]


def place_of(spot: Spot) -> dict[str, int]:
    """Return line, column and their ends by name."""
    return {name: getattr(spot, name) for name in ("line", "column", "end_line", "end_column")}
