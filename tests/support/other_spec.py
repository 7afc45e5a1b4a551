"""The spec of a water works in tests/cases/other/, loaded, and its payloads judged twice over."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import ttrules
from ttrules.spec.load import load_spec

if TYPE_CHECKING:
    from ttrules import Report, Rulebook
    from ttrules.codes import Engine

PATHS = {path.stem: path for path in (Path(__file__).parents[1] / "cases" / "other").iterdir()}
SPEC = load_spec(**PATHS)
BOOK = ttrules.load(**PATHS)
PROCESSES = BOOK.processes()
ENGINES: tuple[Engine, ...] = ("fast", "reference")


def agreed(payload: object, process: str, *books: Rulebook) -> Report:
    """Return the report on a payload, on which both engines and all books agree."""
    reports = [
        book.validate(payload, process, engine=engine)
        for book in (BOOK, *books)
        for engine in ENGINES
    ]
    assert all(report == reports[0] for report in reports)
    return reports[0]
