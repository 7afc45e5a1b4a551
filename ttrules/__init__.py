"""Requirement rules of the Trouble Ticket API, enforced: see README.md.

    >>> import ttrules
    >>> report = ttrules.validate({"@type": "TroubleTicket"}, "complaint-change")
    >>> report.valid
    True

The verbs here are those of the shipped book; `load` gives another. Whatever is not in `__all__`, of
this module and of ttrules.strategies, is not public and may change in any release.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ttrules.errors import (
    EngineFailed,
    NoSuchCell,
    NoSuchLanguage,
    NoSuchProcess,
    NotJSON,
    PatchNotApplicable,
    Problem,
    ProcessNotSelected,
    RequirementsNotMet,
    SpecError,
    TTRulesError,
)
from ttrules.findings import Cell, Finding, Report

if TYPE_CHECKING:
    from os import PathLike

#: The verbs of the shipped book.
_VERBS: Final = frozenset(
    {
        "cell",
        "check",
        "is_valid",
        "processes",
        "schema",
        "validate",
        "validate_change",
        "validate_new",
    }
)

if TYPE_CHECKING:
    from ttrules.book import Book
    from ttrules.change import Change

    _book = Book.read("")
    cell = _book.cell
    check = _book.check
    is_valid = _book.is_valid
    processes = _book.processes
    schema = _book.schema
    validate = _book.validate
    validate_change = _book.validate_change
    validate_new = _book.validate_new
else:  # a type checker would take any name for one of this module

    def __getattr__(name: str) -> Any:  # noqa: ANN401 - a verb or a class
        """Return a verb, Book or Change; rules and engines are read when one is asked for."""
        if name not in _VERBS | {"Book", "Change"}:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        from ttrules import book

        found = getattr(book, name) if name not in _VERBS else getattr(book.shipped(), name)
        globals()[name] = found
        return found


def load(
    *,
    openapi: str | PathLike[str],
    requirements: str | PathLike[str],
    interpretation: str | PathLike[str] | None = None,
    lifecycle: str | PathLike[str] | None = None,
) -> Book:
    """Return the Book of your own spec files: the same verbs, your rules.

    Raises SpecError with every problem of the files, each with its line and column.
    """
    # Imported here since the shipped rules need no YAML and no compiler.
    from ttrules.book import Book
    from ttrules.compile import compile_book, compile_schemas
    from ttrules.spec import load_spec

    spec = load_spec(openapi, requirements, interpretation, lifecycle)
    return Book(compile_book(spec), compile_schemas(spec))


def __dir__() -> list[str]:
    return __all__


__all__ = [
    "Book",
    "Cell",
    "Change",
    "EngineFailed",
    "Finding",
    "NoSuchCell",
    "NoSuchLanguage",
    "NoSuchProcess",
    "NotJSON",
    "PatchNotApplicable",
    "Problem",
    "ProcessNotSelected",
    "Report",
    "RequirementsNotMet",
    "SpecError",
    "TTRulesError",
    "cell",
    "check",
    "is_valid",
    "load",
    "processes",
    "schema",
    "validate",
    "validate_change",
    "validate_new",
]
