"""The values a validation gives: Cell, Finding, Report. Frozen, compared by content.

They know how to say themselves to a person (`message`, `message_in`) and to a machine (`to_dict`);
how they came to be is the business of rules and change, and what they are told with that of
languages.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - a NamedTuple's fields are read at run time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ttrules.languages import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ttrules.codes import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell of the matrix: what a field owes to a process.

    `requirement` is the code verbatim; `type` is the field's type as the shape gives it (an
    entity's name, with ``[]`` behind it for a list, or None when the document names none).
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
    """One thing that a payload owes to its process.

    `pointer` (RFC 6901) is that of the field itself, also when it is missing. `entity` and `field`
    name the row of the matrix, `requirement` its code, `process` its column; each is None where
    there is no such thing (a payload that is no object has no field). `params` holds what a
    program or a translation needs to tell the finding; it never holds a value of the payload.

    A named tuple, since it takes a fifth of the time of a frozen dataclass to make one.
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
        """Hash all but `params`, which the rest nearly decides."""
        return hash(self[:-1])

    @property
    def message(self) -> str:
        """The finding as an English sentence. For people; it may change between releases."""
        return self.message_in("en")

    def message_in(self, language: str) -> str:
        """Return the finding as a sentence of a language, ``en`` or ``pl``.

        Raises NoSuchLanguage.
        """
        return catalogue(language).message(self)

    def to_dict(self, language: str = "en") -> dict[str, Any]:
        """Return the finding as plain JSON values, its message included.

        Only the message is of the language. Raises NoSuchLanguage.
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
    condition: Mapping[str, Any], field: str, requirement: str | None, process: str | None
) -> Finding:
    """Return the finding on a field of an object that breaks a condition of a compiled book."""
    return Finding(
        severity="error",
        code="process_dependent",
        pointer="",
        entity=condition["entity"],
        field=field,
        requirement=requirement,
        process=process,
        params={key: condition[key] for key in ("relation", "fields", "when")},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that validation has to say about one payload.

    Findings are in the order of their pointers: members by name, items by index. `violations` make
    the payload invalid; `warnings` do not; `undetermined` are cells whose condition nobody has
    declared. `process` is None when none could be chosen. `left_out` counts the findings that a
    limit (`most`) left out; a report without a limit is complete.
    """

    process: str | None
    violations: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()
    undetermined: tuple[Finding, ...] = ()
    left_out: int = 0

    @property
    def valid(self) -> bool:
        """Whether the payload meets every requirement of its process."""
        return not self.violations

    def __iter__(self) -> Iterator[Finding]:
        """Iterate over all findings: violations, then warnings, then undetermined ones."""
        yield from self.violations
        yield from self.warnings
        yield from self.undetermined

    def first(self, most: int) -> Report:
        """Return the report with its first `most` findings; violations come first.

        Raises ValueError if `most` is less than 1: without its violations no report is true.
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

        Raises NoSuchLanguage where there is a finding to be told.
        """
        return {
            "valid": self.valid,
            "process": self.process,
            "violations": [finding.to_dict(language) for finding in self.violations],
            "warnings": [finding.to_dict(language) for finding in self.warnings],
            "undetermined": [finding.to_dict(language) for finding in self.undetermined],
            "left_out": self.left_out,
        }
