"""Requirement rules of the Trouble Ticket API, enforced: see README.md.

    >>> import ttrules
    >>> report = ttrules.validate({"@type": "TroubleTicket"}, "complaint-change")
    >>> report.valid
    True

The functions here are those of the shipped rulebook; `load` returns another one. Only the names in
`__all__` of this module and of ttrules.strategies are public; all others may change in any release.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from ttrules.errors import (
    EngineFailed,
    NoSuchCell,
    NoSuchChoice,
    NoSuchLanguage,
    NoSuchProcess,
    NotJSON,
    PatchNotApplicable,
    Problem,
    ProcessNotSelected,
    SpecError,
    TTRulesError,
)
from ttrules.findings import Cell, Finding, Report, RequirementsNotMet

if TYPE_CHECKING:
    from ttrules.spec.yaml_source import SpecFile

#: Classes that are imported at first use, with their modules.
_CLASSES: Final = {"Change": "ttrules.change", "Rulebook": "ttrules.rulebook"}
#: The functions of the shipped rulebook.
_FUNCTIONS: Final = frozenset(
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
    from ttrules.change import Change
    from ttrules.rulebook import Rulebook

    _book = Rulebook.read("")
    cell = _book.cell
    check = _book.check
    is_valid = _book.is_valid
    processes = _book.processes
    schema = _book.schema
    validate = _book.validate
    validate_change = _book.validate_change
    validate_new = _book.validate_new
else:  # a type checker would accept any name

    def __getattr__(name: str) -> Any:
        """Return a function of the shipped rulebook, or a class; rules are read at first use."""
        if name in _CLASSES:
            found = getattr(import_module(_CLASSES[name]), name)
        elif name in _FUNCTIONS:
            from ttrules.rulebook import shipped

            found = getattr(shipped(), name)
        else:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        globals()[name] = found
        return found


def load(
    *,
    openapi: SpecFile,
    requirements: SpecFile,
    interpretation: SpecFile | None = None,
    lifecycle: SpecFile | None = None,
) -> Rulebook:
    """Return the Rulebook of your own spec files: the same functions with your rules.

    Each argument is the path of a YAML or JSON file, or a mapping with the content of one. Raises
    SpecError with all problems of the files, each with its line and column.
    """
    # Imported here because the shipped rules need no YAML and no compiler.
    from ttrules.rulebook import Rulebook
    from ttrules.spec.compiler import compile_schemas
    from ttrules.spec.load import load_spec

    spec = load_spec(openapi, requirements, interpretation, lifecycle)
    return Rulebook(spec, compile_schemas(spec))


def __dir__() -> list[str]:
    return __all__


__all__ = [
    "Cell",
    "Change",
    "EngineFailed",
    "Finding",
    "NoSuchCell",
    "NoSuchChoice",
    "NoSuchLanguage",
    "NoSuchProcess",
    "NotJSON",
    "PatchNotApplicable",
    "Problem",
    "ProcessNotSelected",
    "Report",
    "RequirementsNotMet",
    "Rulebook",
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
