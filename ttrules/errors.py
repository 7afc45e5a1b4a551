"""The exceptions of ttrules.

    TTRulesError
    ├── RequirementsNotMet      check() found violations; carries the report
    ├── NotJSON (TypeError)     a payload contains a value that is not JSON; carries its place
    ├── NoSuchProcess (KeyError)
    ├── NoSuchCell (KeyError)
    ├── NoSuchLanguage (LookupError)      there are no messages in this language
    ├── NoSuchChoice (ValueError)         an argument (engine, unsupported) has no such value
    ├── ProcessNotSelected (LookupError)  no process can be selected
    ├── PatchNotApplicable (ValueError)   a JSON Patch cannot be applied to the ticket
    ├── SpecError (ValueError)  spec files are wrong; carries each problem with its place
    └── EngineFailed (RuntimeError)  an engine failed; there is no verdict

Errors carry objects and compare by them; their text is for people and may change. An error about a
payload carries a Message, which can be rendered in every language.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ttrules.codes import closest, slug
from ttrules.message import reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ttrules.message import Message

#: How many characters of an unknown name are compared with known ones.
_LONGEST: Final = 64


def _hint(name: str, known: Sequence[str]) -> str:
    nearest = closest(name, known)
    return f" Did you mean {nearest}?" if nearest else ""


class TTRulesError(Exception):
    """Base of all errors of this package. Equal when type and attributes are equal."""

    def __eq__(self, other: object) -> bool:
        """Compare type and attributes."""
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        """Hash the type alone: attributes need not be hashable, and equal errors hash alike."""
        return hash(type(self))


class NotJSON(TTRulesError, TypeError):
    """A payload contains a value that is not JSON. `pointer` (RFC 6901) is its place."""

    def __init__(self, pointer: str, why: Message) -> None:
        super().__init__(pointer, why)
        self.pointer = pointer
        self.reason = why

    @property
    def message(self) -> Message:
        """The place and the reason."""
        return reason("not_json_at", place=self.pointer or reason("the_payload"), why=self.reason)

    def __str__(self) -> str:
        """Return the message in English."""
        return str(self.message)


class NoSuchProcess(TTRulesError, KeyError):
    """No process has this name or slug. `known` are the names."""

    def __init__(self, name: object, known: Sequence[str]) -> None:
        super().__init__(name, tuple(known))
        self.name = name
        self.known = tuple(known)

    def __str__(self) -> str:
        """Name the unknown process, the closest one, and all, with their slugs."""
        text, slugs = slug(str(self.name)[:_LONGEST]), [*map(slug, self.known)]
        hint = f" Did you mean {text}?" if text in slugs else _hint(text, slugs)
        names = (each if each == slug(each) else f"{slug(each)} ({each})" for each in self.known)
        return f"Unknown process {self.name!r}.{hint} Known: {', '.join(names)}."


class NoSuchCell(TTRulesError, KeyError):
    """The matrix has no such entity or field. `known` are the names that it has."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(name, tuple(known))
        self.name = name
        self.known = tuple(known)

    def __str__(self) -> str:
        """Name the unknown cell, the closest name, and all."""
        entity, _, field = self.name.partition(".")
        hint = _hint(field or entity, self.known)
        return f"The matrix has no {self.name}.{hint} Known: {', '.join(self.known)}."


class NoSuchLanguage(TTRulesError, LookupError):
    """There are no messages in this language. `known` are the tags of the languages."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(name, tuple(known))
        self.name = name
        self.known = tuple(known)

    def __str__(self) -> str:
        """Name the unknown language, the closest one, and all."""
        hint = _hint(self.name, self.known)
        return f"Unknown language {self.name!r}.{hint} Known: {', '.join(self.known)}."


class NoSuchChoice(TTRulesError, ValueError):
    """An argument has no such value. `known` are the values that it has."""

    def __init__(self, argument: str, value: object, known: Sequence[str]) -> None:
        super().__init__(argument, value, tuple(known))
        self.argument = argument
        self.value = value
        self.known = tuple(known)

    def __str__(self) -> str:
        """Name the argument, the wrong value, the closest one, and all."""
        hint = _hint(str(self.value), self.known)
        return f"Unknown {self.argument} {self.value!r}.{hint} Known: {', '.join(self.known)}."


class ProcessNotSelected(TTRulesError, LookupError):
    """No process can be selected, by the rules or for this stored ticket."""

    def __init__(self, message: Message) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        """Return the message in English."""
        return str(self.message)


class PatchNotApplicable(TTRulesError, ValueError):
    """A JSON Patch cannot be applied. `index` is that of the operation, from 0."""

    def __init__(self, index: int, why: Message) -> None:
        super().__init__(index, why)
        self.index = index
        self.reason = why

    @property
    def message(self) -> Message:
        """The operation and the reason."""
        return reason("operation", index=self.index, why=self.reason)

    @property
    def is_failed_test(self) -> bool:
        """Whether the operation is a `test` that found another value."""
        return self.reason.key == "another_value"

    def __str__(self) -> str:
        """Return the message in English."""
        return str(self.message)


class EngineFailed(TTRulesError, RuntimeError):
    """A validation engine failed; there is no verdict. The cause is chained."""


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
    """Spec files are wrong. `problems` contains all problems found, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(tuple(problems))
        self.problems = tuple(problems)

    def __str__(self) -> str:
        """Return one line for each problem."""
        return "\n".join(map(str, self.problems))


class NoOpenpyxl(TTRulesError):
    """The library that reads and writes XLSX is not installed."""

    def __str__(self) -> str:
        """Name the extra to install."""
        return 'XLSX needs openpyxl: pip install "ttrules[xlsx]"'
