"""What ttrules raises, and nothing else.

    TTRulesError
    ├── RequirementsNotMet      check() met violations; carries the report
    ├── NotJSON (TypeError)     a payload holds what JSON cannot; carries the place
    ├── NoSuchProcess (KeyError)
    ├── NoSuchCell (KeyError)
    ├── NoSuchLanguage (LookupError)      nothing is said in this language here
    ├── ProcessNotSelected (LookupError)  the rules do not say how a process is chosen
    ├── PatchNotApplicable (ValueError)   a JSON Patch has no meaning for the ticket
    ├── SpecError (ValueError)  a spec file is wrong; carries each problem with its place
    └── EngineFailed (RuntimeError)  an engine broke inside; never a verdict

Errors carry objects and compare by them; their text is for people and may change. Where it tells
why a payload cannot be judged it is a Said, which can be told in other languages too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ttrules.codes import closest
from ttrules.sentences import Said

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ttrules.findings import Report


class TTRulesError(Exception):
    """Base of all errors of this package. Equal when type and attributes are equal."""

    def __eq__(self, other: object) -> bool:
        """Compare type and attributes."""
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        """Hash the type alone: attributes need not be hashable, and equal errors hash alike."""
        return hash(type(self))


class RequirementsNotMet(TTRulesError):  # noqa: N818 - a statement, as the house style asks
    """A payload breaks the rules of its process. `report` is the whole Report."""

    def __init__(self, report: Report) -> None:
        super().__init__(report)
        self.report = report

    def __str__(self) -> str:
        """Count the violations and name the first."""
        violations = self.report.violations
        more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
        return f"{violations[0].pointer or '(the payload)'}: {violations[0].message}{more}"


class NotJSON(TTRulesError, TypeError):  # noqa: N818 - a statement
    """A payload holds something that JSON cannot. `pointer` (RFC 6901) says where."""

    def __init__(self, pointer: str, reason: str) -> None:
        super().__init__(pointer, reason)
        self.pointer = pointer
        self.reason = reason

    def __str__(self) -> str:
        """Name the place and the reason."""
        return Said("not_json_at", place=self.pointer or Said("the_payload"), why=self.reason)


class NoSuchProcess(TTRulesError, KeyError):  # noqa: N818 - a statement
    """No process has this name or slug. `known` are the names."""

    def __init__(self, name: object, known: Sequence[str]) -> None:
        super().__init__(name, tuple(known))
        self.name = name
        self.known = tuple(known)

    def __str__(self) -> str:
        """Name what was asked for and what there is."""
        return f"Name one of the processes {', '.join(self.known)}: {self.name!r} is none."


class NoSuchCell(TTRulesError, KeyError):  # noqa: N818 - a statement
    """The matrix has no such entity or field. `known` are the names there are."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(name, tuple(known))
        self.name = name
        self.known = tuple(known)

    def __str__(self) -> str:
        """Name what was asked for and what there is."""
        return f"Name one of {', '.join(self.known)}: the matrix has no {self.name}."


class NoSuchLanguage(TTRulesError, LookupError):  # noqa: N818 - a statement
    """Nothing is told in this language. `known` are the tags of those that there are."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(name, tuple(known))
        self.name = name
        self.known = tuple(known)

    def __str__(self) -> str:
        """Name the languages that there are, and the one that was most likely meant."""
        nearest = closest(self.name, self.known)
        hint = f" Did you mean {nearest}?" if nearest else ""
        return f"Name one of the languages {', '.join(self.known)}: {self.name!r} is none.{hint}"


class ProcessNotSelected(TTRulesError, LookupError):  # noqa: N818 - a statement
    """No process can be chosen: the rules name no selection, or the stored ticket fits none."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        """Give the reason."""
        return self.reason


class PatchNotApplicable(TTRulesError, ValueError):  # noqa: N818 - a statement
    """A JSON Patch cannot be applied. `index` is that of the operation, from 0."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(index, reason)
        self.index = index
        self.reason = reason

    @property
    def is_failed_test(self) -> bool:
        """Whether the operation is a `test` that found another value."""
        return isinstance(self.reason, Said) and self.reason.key == "another_value"

    def __str__(self) -> str:
        """Name the operation and the reason."""
        return Said("operation", index=self.index, why=self.reason)


class EngineFailed(TTRulesError, RuntimeError):  # noqa: N818 - a statement
    """A validation engine broke inside; there is no verdict. The cause is chained."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a spec file. `line` and `column` count from 1."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        """Render as compilers do."""
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class SpecError(TTRulesError, ValueError):
    """Spec files are wrong. `problems` holds every Problem found, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(tuple(problems))
        self.problems = tuple(problems)

    def __str__(self) -> str:
        """One line a problem."""
        return "\n".join(map(str, self.problems))
