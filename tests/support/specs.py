"""Three specs, and what the tests of the strategies need of each of their processes.

The shipped spec is read by the oracle too. `OTHER` is a made-up API with all relations under all
kinds of tests, `ODD` has rules at the edge of what may be written.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hypothesis import Phase, given, seed, settings

import ttrules
from tests.support.readings import agreed
from ttrules.rulebook import shipped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from hypothesis.strategies import SearchStrategy

    from ttrules import Finding, Rulebook

CASES = Path(__file__).parents[1] / "cases"
OTHER, ODD = (
    ttrules.load(
        openapi=CASES / name / "openapi.yaml",
        requirements=CASES / name / "requirements.yaml",
        interpretation=CASES / name / "interpretation.yaml",
        lifecycle=CASES / "other" / "lifecycle.yaml" if name == "other" else None,
    )
    for name in ("other", "odd")
)


class Case(NamedTuple):
    """A process of a book."""

    book: Rulebook
    process: str

    def __str__(self) -> str:
        return self.process

    @property
    def schema(self) -> Mapping[str, Any]:
        """The compiled schema of the process."""
        return self.book.schemas[self.book.slug(self.process)]


ALL = [Case(book, process) for book in (shipped(), OTHER, ODD) for process in book.processes()]
CELLS = [
    (case, entity, field)
    for case in ALL
    for entity, rows in case.book.matrix.entities.items()
    for field in rows
]


def few(count: int) -> settings:
    """Return settings for a fixed and small number of examples, since cells are many."""
    return settings(
        deadline=None, max_examples=count, database=None, derandomize=True, phases=[Phase.generate]
    )


def look(
    strategy: SearchStrategy[Any], see: Callable[[Any], None], *done: Callable[[], bool]
) -> None:
    """Show what a strategy draws, 40 values at a time, until all is done or 800 were seen."""
    for number in range(20):
        seed(number)(few(40)(given(strategy)(_shown_to(see))))()
        if number and all(each() for each in done):
            return


def _shown_to(see: Callable[[Any], None]) -> Callable[[Any], None]:
    def show(value: Any) -> None:
        see(value)

    return show


def told(case: Case, payload: object) -> list[Finding]:
    """Return what both engines say of a payload, what is undetermined left aside.

    For the shipped spec the oracle says it too.
    """
    if case.book is shipped():
        return list(agreed(payload, case.process))
    fast = case.book.validate(payload, case.process, unsupported="warn")
    reference = case.book.validate(payload, case.process, unsupported="warn", engine="reference")
    assert reference == fast
    return [*fast.violations, *fast.warnings]


def reached(
    case: Case, entity: str | None = None, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], str, str, str]]:
    """Yield path, entity, field and code of the cells that payloads reach, by the book's rows."""
    entity = entity or case.book.matrix.root
    for field, row in case.book.matrix.entities[entity].items():
        code, here = row.requirements[case.process], (*path, field)
        yield here, entity, field, code
        if row.entity is not None and code not in {"P", "-"}:
            yield from reached(case, row.entity, here)
