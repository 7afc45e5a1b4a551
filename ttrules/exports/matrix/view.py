"""The part of a matrix that is exported, and its rows.

A MatrixView selects entities and processes of a matrix and their order; each format is a function
of a MatrixView. The columns are those of COLUMNS with the processes between them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from ttrules.codes import REQUIREMENTS
from ttrules.errors import NoSuchCell, TTRulesError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ttrules.matrix import Matrix
    from ttrules.rulebook import Rulebook

    #: A table as it was read: its rows from the first on, each as the texts of its cells.
    Grid: TypeAlias = Sequence[Sequence[str]]

#: The columns before and after the processes; reading a table back needs the first two.
COLUMNS: Final = (("entity", "field", "type"), ("description",))

#: Characters that neither XML nor UTF-8 allows, and no spec file; other book.json files might.
_UNFIT: Final = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class TableRefused(TTRulesError, ValueError):
    """A table does not match the matrix. `problems` has all errors with their places."""

    def __init__(self, table: str, problems: Sequence[str]) -> None:
        super().__init__(table, tuple(problems))
        self.table = table
        self.problems = tuple(problems)

    def __str__(self) -> str:
        """Return one line for each problem."""
        return "\n".join(f"{self.table}: {each}" for each in self.problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A field with its codes, one for each process of the MatrixView."""

    entity: str
    field: str
    type: str
    codes: tuple[str, ...]
    description: str

    def cells(self) -> tuple[str, ...]:
        """Return the cells of the row."""
        return (self.entity, self.field, self.type, *self.codes, self.description)


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixView:
    """Some entities and processes of a matrix, by name, in a given order."""

    book: Rulebook
    entities: tuple[str, ...]
    processes: tuple[str, ...]

    @classmethod
    def of(
        cls, book: Rulebook, entities: Iterable[str] = (), processes: Iterable[str] = ()
    ) -> MatrixView:
        """Return a part of a matrix; all of it if nothing is named.

        Processes are given by name or slug. Raises NoSuchCell and NoSuchProcess.
        """
        known = tuple(book.matrix.entities)
        for entity in entities:
            if entity not in known:
                raise NoSuchCell(entity, known)
        return cls(
            book=book,
            entities=tuple(dict.fromkeys(entities)) or known,
            processes=tuple(dict.fromkeys(map(book.process, processes))) or book.processes(),
        )

    @property
    def matrix(self) -> Matrix:
        """The whole matrix."""
        return self.book.matrix

    def rows(self) -> Iterator[Row]:
        """Yield the rows, with characters escaped that no file allows."""
        for entity in self.entities:
            for field, row in self.matrix.entities[entity].items():
                yield Row(
                    entity=fit(entity),
                    field=fit(field),
                    type=fit(row.type or ""),
                    codes=tuple(row.requirements[process] for process in self.processes),
                    description=fit(row.description),
                )

    def headings(self) -> tuple[str, ...]:
        """Return the headings of the columns."""
        before, after = COLUMNS
        return (*before, *map(fit, self.processes), *after)

    def used(self) -> dict[str, str]:
        """Return the codes that the rows have, with their meaning."""
        codes = {code for row in self.rows() for code in row.codes}
        return {code: text for code, text in REQUIREMENTS.items() if code in codes}


def fit(text: str) -> str:
    r"""Return a text with characters escaped that no file allows, as ``\x1b``."""
    return _UNFIT.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
