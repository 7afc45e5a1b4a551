"""What a worker gets and returns, as plain values: options, results of payloads and of chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ttrules.checking.json_text import TextRange
    from ttrules.codes import Engine, Unsupported
    from ttrules.findings import Finding
    from ttrules.message import Message


class CheckOptions(NamedTuple):
    """How each payload is checked.

    `rules` is a directory of compiled rules (None: the shipped ones), `process` a name or slug
    (None: the Add process that each payload selects), `current` the stored ticket that each payload
    changes (None: the payloads are not changes). `shown` asks for the source lines of findings.
    """

    rules: str | None = None
    process: str | None = None
    current: Any = None
    unsupported: Unsupported | None = None
    engine: Engine = "fast"
    shown: bool = False


class PayloadResult(NamedTuple):
    """The result for one payload, the `index`-th of its file from 0.

    `spot` is the text of the payload. If the payload is unreadable, `spot` is the place of the
    error and `reason` its cause.
    """

    index: int  # type: ignore[assignment]  # hides a method of tuples
    spot: TextRange
    process: str | None = None
    findings: tuple[tuple[Finding, TextRange], ...] = ()
    reason: Message | None = None

    @property
    def status(self) -> str:
        """One of ``valid``, ``invalid`` and ``unreadable``."""
        if self.reason is not None:
            return "unreadable"
        invalid = any(finding.severity == "error" for finding, _ in self.findings)
        return "invalid" if invalid else "valid"

    def moved(self, payloads: int, lines: int) -> PayloadResult:
        """Return the same result, `payloads` and `lines` further down in the file."""
        findings = tuple((finding, spot.moved(lines)) for finding, spot in self.findings)
        return self._replace(
            index=self.index + payloads, spot=self.spot.moved(lines), findings=findings
        )


class BatchResult(NamedTuple):
    """The result for some chunks: the number of payloads and of line ends, and the results.

    `judged` has a result for each payload that is unreadable or has findings.
    """

    payloads: int
    lines: int
    judged: list[PayloadResult]
