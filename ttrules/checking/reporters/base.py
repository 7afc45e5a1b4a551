"""What the formats of `ttrules check` share: the calls that a reporter gets, and the final counts.

A reporter receives the results source by source, in order, and writes as it goes, so its memory
does not depend on the number of payloads. Each format is one module of this package and one row of
`FORMATS` in `checking.run`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from ttrules.messages.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ttrules.checking.json_text import TextRange
    from ttrules.checking.results import BatchResult, PayloadResult
    from ttrules.findings import Finding
    from ttrules.messages.catalogue import Catalogue

    Write: TypeAlias = Callable[[str], object]


@dataclass(slots=True)
class Summary:
    """The final counts: payloads by status, findings by severity."""

    valid: int = 0
    invalid: int = 0
    unreadable: int = 0
    errors: int = 0
    warnings: int = 0
    undetermined: int = 0

    def count(self, tally: BatchResult) -> None:
        """Add the results of some payloads."""
        self.valid += tally.payloads - len(tally.judged)
        for judged in tally.judged:
            setattr(self, judged.status, getattr(self, judged.status) + 1)
            for finding, _ in judged.findings:
                self.errors += finding.severity == "error"
                self.warnings += finding.severity == "warning"
                self.undetermined += finding.severity == "undetermined"

    def to_dict(self) -> dict[str, int]:
        """Return the counts by name. ``payloads`` are those validated, valid or not."""
        return {"payloads": self.valid + self.invalid, **asdict(self)}

    def as_text(self, words: Catalogue) -> str:
        """Return the counts as text, without those that are 0."""
        counts = self.to_dict()
        names = [name for name in words.counts if counts[name] or name == "payloads"]
        return ", ".join(words.counted(name, counts[name]) for name in names)


class Reporter(Protocol):
    """A format. The first three methods are called for each source, the last one at the end."""

    def open_source(self, name: str) -> None:
        """Begin with a file."""

    def write_result(self, judged: PayloadResult) -> None:
        """Write the result of a payload."""

    def close_source(self, payloads: int) -> None:
        """End a file with a number of payloads."""

    def close(self, summary: Summary) -> None:
        """End the report."""


def result_lines(
    judged: PayloadResult, words: Catalogue
) -> Iterator[tuple[str, str, str, TextRange]]:
    """Yield severity, code, text and place of each finding of a payload."""
    if judged.reason is not None:
        yield "error", "unreadable", printable(words.render(judged.reason)), judged.spot
    for finding, spot in judged.findings:
        yield finding.severity, finding.code, sentence(finding, words), spot


def lines_in_order(
    judged: PayloadResult, words: Catalogue
) -> list[tuple[str, str, str, TextRange]]:
    """Return the lines of a payload in the order of their places in the file."""
    return sorted(result_lines(judged, words), key=lambda each: (each[3].line, each[3].column))


def sentence(finding: Finding, words: Catalogue) -> str:
    """Return the message of a finding followed by its pointer, safe to show."""
    text = finding.message_in(words.language)
    if changes := finding.params.get("changes"):
        text += " " + words.text("as_a_change", process=changes[-1])
    where = f" ({finding.pointer})" if finding.pointer else ""
    return printable(text + where)


def findings_to_json(judged: PayloadResult, language: str) -> list[dict[str, Any]]:
    """Return the findings of a payload as plain JSON values, each with its place."""
    return [
        {**finding.to_dict(language), **range_to_json(spot)} for finding, spot in judged.findings
    ]


def range_to_json(spot: TextRange) -> dict[str, int]:
    """Return line, column and their ends by name."""
    return {name: getattr(spot, name) for name in ("line", "column", "end_line", "end_column")}


def tool() -> dict[str, str]:
    """Return name and version of this package."""
    # Imported here because it takes a tenth of the time of a run that does not need it.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return {"name": "ttrules", "version": version("ttrules")}
    except PackageNotFoundError:  # run from a checkout that is not installed
        return {"name": "ttrules", "version": "unknown"}
