"""The results of a validation: Cell, Finding, Report. Frozen, compared by content.

They render themselves for people (`message`, `message_in`) and for programs (`to_dict`).
`validator` and `change` create them; `messages.catalogue` has the texts.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - a NamedTuple's fields are read at run time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ttrules.errors import TTRulesError
from ttrules.messages.catalogue import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ttrules.codes import Severity
    from ttrules.matrix import Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell of the matrix: the requirement of a field in a process.

    `requirement` is the code verbatim; `type` is the type of the field's shape (an entity's name,
    followed by ``[]`` for a list, or None if the document has no type).
    """

    entity: str
    field: str
    process: str
    requirement: str
    type: str | None
    description: str
    source: str

    def to_dict(self) -> dict[str, Any]:
        """Return the cell as plain JSON values."""
        return {name: getattr(self, name) for name in self.__slots__}


class Finding(NamedTuple):
    """One violation, warning or undetermined condition of a payload.

    `pointer` (RFC 6901) is the place of the field, also if it is missing. `entity` and `field` name
    the row of the matrix, `requirement` its code, `process` its column; each is None if it does not
    apply (a payload that is not an object has no field). `params` contains the facts of the message
    for programs and translations, and never a value of the payload.

    A named tuple, because it is created in a fifth of the time of a frozen dataclass.
    """

    severity: Severity
    code: str
    pointer: str
    entity: str | None
    field: str | None
    requirement: str | None
    process: str | None
    params: Mapping[str, Any]

    def __hash__(self) -> int:
        """Hash all members except `params`, which may not be hashable."""
        return hash(self[:-1])

    def __str__(self) -> str:
        """Return the message in English."""
        return self.message

    @property
    def message(self) -> str:
        """The finding as an English sentence. For people; it may change between releases."""
        return self.message_in("en")

    def message_in(self, language: str) -> str:
        """Return the message of the finding in a language, ``en`` or ``pl``.

        Raises NoSuchLanguage.
        """
        return catalogue(language).finding(
            self.code, self.params, entity=self.entity, field=self.field, process=self.process
        )

    def to_dict(self, language: str = "en") -> dict[str, Any]:
        """Return the finding as plain JSON values, with its message in a language.

        Raises NoSuchLanguage.
        """
        return {
            "severity": self.severity,
            "code": self.code,
            "pointer": self.pointer,
            "entity": self.entity,
            "field": self.field,
            "requirement": self.requirement,
            "process": self.process,
            "params": dict(self.params),
            "message": self.message_in(language),
        }


def of_condition(
    condition: Condition, field: str, requirement: str | None, process: str | None
) -> Finding:
    """Return the finding for a field of an object that violates a condition."""
    return Finding(
        severity="error",
        code="process_dependent",
        pointer="",
        entity=condition.entity,
        field=field,
        requirement=requirement,
        process=process,
        params={
            "relation": condition.relation,
            "fields": list(condition.fields),
            "when": None if condition.when is None else condition.when.to_json(),
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All findings for one payload.

    Findings are in the order of their pointers: members by name, items by index. `violations` make
    the payload invalid; `warnings` do not; `undetermined` are cells without a declared condition.
    `process` is None if none could be selected. `left_out` counts the findings that a limit
    (`most`) left out; a report without a limit is complete.
    """

    process: str | None
    violations: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()
    undetermined: tuple[Finding, ...] = ()
    left_out: int = 0

    @classmethod
    def of(
        cls, process: str | None, findings: Iterable[Finding], most: int | None = None
    ) -> Report:
        """Return the Report with these findings in their order, at most `most` of them."""
        sorts: dict[str, list[Finding]] = {"error": [], "warning": [], "undetermined": []}
        for finding in findings:
            sorts[finding.severity].append(finding)
        report = cls(
            process=process,
            violations=tuple(sorts["error"]),
            warnings=tuple(sorts["warning"]),
            undetermined=tuple(sorts["undetermined"]),
        )
        return report if most is None else report.first(most)

    @property
    def valid(self) -> bool:
        """Whether the payload meets every requirement of its process."""
        return not self.violations

    def __bool__(self) -> bool:
        """Return `valid`."""
        return self.valid

    def __iter__(self) -> Iterator[Finding]:
        """Iterate over all findings: violations, then warnings, then undetermined ones."""
        yield from self.violations
        yield from self.warnings
        yield from self.undetermined

    def first(self, most: int) -> Report:
        """Return the report with its first `most` findings; violations come first.

        Raises ValueError if `most` is less than 1, because an empty report would read as valid.
        """
        if most < 1:
            message = f"a report needs at least one finding, not {most}"
            raise ValueError(message)
        count = sum(map(len, (self.violations, self.warnings, self.undetermined)))
        if count <= most:
            return self
        violations = self.violations[:most]
        warnings = self.warnings[: most - len(violations)]
        return Report(
            process=self.process,
            violations=violations,
            warnings=warnings,
            undetermined=self.undetermined[: most - len(violations) - len(warnings)],
            left_out=self.left_out + count - most,
        )

    def to_dict(self, language: str = "en") -> dict[str, Any]:
        """Return the report as plain JSON values, its messages in a language, ``en`` or ``pl``.

        Raises NoSuchLanguage if there is a finding to render.
        """
        return {
            "valid": self.valid,
            "process": self.process,
            "violations": [finding.to_dict(language) for finding in self.violations],
            "warnings": [finding.to_dict(language) for finding in self.warnings],
            "undetermined": [finding.to_dict(language) for finding in self.undetermined],
            "left_out": self.left_out,
        }


class RequirementsNotMet(TTRulesError):
    """A payload violates the rules of its process. `report` is the whole Report."""

    def __init__(self, report: Report) -> None:
        super().__init__(report)
        self.report = report

    def __str__(self) -> str:
        """Count the violations and name the first."""
        violations = self.report.violations
        more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
        return f"{violations[0].pointer or '(the payload)'}: {violations[0].message}{more}"
