"""What is public: the names, how quick they come, and that everything can be shared."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import ttrules
from tests.support.cells import payload_of
from tests.support.oracle import PROCESSES
from ttrules.errors import Problem
from ttrules.message import Message
from ttrules.rulebook import Rulebook, shipped

NAMES = [
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
#: Modules that are large or not everybody's; `import ttrules` needs none of them.
FOREIGN = {
    *("yaml", "click", "rich", "orjson", "hypothesis", "connexion", "flask", "sqlalchemy"),
    *("jsonschema", "jsonpatch", "jsonpointer", "difflib"),
}


class TestNames:
    """The public names are these and no others."""

    def test_all(self) -> None:
        """`__all__` and `dir` list them, sorted, and each is there."""
        assert ttrules.__all__ == NAMES
        assert dir(ttrules) == NAMES
        assert all(hasattr(ttrules, name) for name in NAMES)

    def test_no_other(self) -> None:
        """Another name is an AttributeError that says so."""
        with pytest.raises(AttributeError, match="module 'ttrules' has no attribute 'verify'"):
            _ = ttrules.verify  # type: ignore[attr-defined]  # that is the test

    def test_verbs_are_those_of_the_shipped_book(self) -> None:
        """Each verb is the one of the book that comes with the package."""
        for name in ("cell", "check", "is_valid", "processes", "schema", "validate"):
            assert getattr(ttrules, name) == getattr(shipped(), name)


class TestImport:
    """Importing and validating load nothing that only few need."""

    @pytest.mark.parametrize(
        "program",
        [
            "import ttrules",
            "import ttrules; ttrules.processes()",
            "import ttrules; ttrules.validate({'@type': 'x'}, 'complaint-change')",
            "import ttrules; ttrules.validate({'name': 5, '@type': None}, 'complaint-add')",
            "import ttrules; ttrules.validate_new({'ticketType': 'Complaint'})",
            "import ttrules; ttrules.validate_change({'ticketType': 'Complaint'}, {'@type': 'x'})",
            "import ttrules; ttrules.cell('Note', 'text', 'complaint-add')",
        ],
    )
    def test_fresh_process(self, program: str) -> None:
        """A fresh process has none of the large modules loaded; no YAML is parsed."""
        told = f"{program}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
        ran = subprocess.run(
            [sys.executable, "-c", told], capture_output=True, check=True, text=True
        )
        loaded = {name.partition(".")[0] for name in json.loads(ran.stdout)}
        assert "ttrules" in loaded
        assert loaded & FOREIGN == set()


class TestThreads:
    """A book may be shared between threads, from its first use on."""

    def test_first_use(self) -> None:
        """Eight threads that start with an unused book get the reports that one would."""
        book = Rulebook(shipped().matrix, shipped().schemas)
        asked = [
            (process, {**payload_of(process), **members})
            for process in PROCESSES
            for members in ({}, {"name": 5}, {"nname": 1, "channel": 1}, {"priority": "x"})
        ] * 5

        def judged(case: tuple[str, dict[str, Any]]) -> ttrules.Report:
            """Return a report, the same from every verb and engine."""
            process, payload = case
            report = book.validate(payload, process)
            assert book.is_valid(payload, process) is report.valid
            assert book.validate(payload, process, engine="reference") == report
            return report

        with ThreadPoolExecutor(8) as pool:
            reports = list(pool.map(judged, asked))
        assert reports == [ttrules.validate(payload, process) for process, payload in asked]


#: A reason as errors carry it.
WHY = Message("REASONS", "too_many", "why")


def _report() -> ttrules.Report:
    """Return a report with several violations."""
    return ttrules.validate({}, PROCESSES[0])


def _errors() -> list[ttrules.TTRulesError]:
    """Return an error of each kind, made anew each time."""
    return [
        ttrules.RequirementsNotMet(_report()),
        ttrules.NotJSON("/a", WHY),
        ttrules.NoSuchProcess("x", ["a", "b"]),
        ttrules.NoSuchCell("x", ["a", "b"]),
        ttrules.NoSuchLanguage("pol", ["en", "pl"]),
        ttrules.NoSuchChoice("engine", "fsat", ["fast", "reference"]),
        ttrules.ProcessNotSelected(WHY),
        ttrules.PatchNotApplicable(3, WHY),
        ttrules.EngineFailed("why"),
        ttrules.SpecError([Problem("f", 1, 2, "why"), Problem("g", 3, 4, "what")]),
    ]


PAIRS = list(zip(_errors(), _errors(), strict=True))


class TestErrors:
    """Errors carry objects, and are compared by them."""

    @pytest.mark.parametrize(("one", "same"), PAIRS, ids=lambda each: type(each).__name__)
    def test_equality(self, one: ttrules.TTRulesError, same: ttrules.TTRulesError) -> None:
        """Two errors of one kind with equal objects are equal, with one hash; others are not."""
        assert one == same
        assert hash(one) == hash(same)
        assert one != ttrules.TTRulesError()
        assert one not in [each for each in _errors() if type(each) is not type(one)]
        assert isinstance(one, ttrules.TTRulesError)

    @pytest.mark.parametrize(("one", "_same"), PAIRS, ids=lambda each: type(each).__name__)
    @pytest.mark.parametrize(
        "again",
        [copy.copy, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))],  # noqa: S301 - our own
    )
    def test_copies(self, one: Any, _same: Any, again: Any) -> None:
        """A copy, deep or pickled, is equal and says the same."""
        assert again(one) == one
        assert str(again(one)) == str(one)
        assert type(again(one)) is type(one)

    @pytest.mark.parametrize(
        ("kind", "builtin"),
        [
            (ttrules.NotJSON, TypeError),
            (ttrules.NoSuchProcess, KeyError),
            (ttrules.NoSuchCell, KeyError),
            (ttrules.NoSuchLanguage, LookupError),
            (ttrules.NoSuchChoice, ValueError),
            (ttrules.ProcessNotSelected, LookupError),
            (ttrules.PatchNotApplicable, ValueError),
            (ttrules.SpecError, ValueError),
            (ttrules.EngineFailed, RuntimeError),
        ],
    )
    def test_builtin(self, kind: type[Exception], builtin: type[Exception]) -> None:
        """Each can be caught as the built-in error that it is a kind of."""
        assert issubclass(kind, builtin)

    def test_different_objects(self) -> None:
        """Errors of one kind differ when their objects do."""
        assert ttrules.NotJSON("/a", WHY) != ttrules.NotJSON("/b", WHY)
        assert ttrules.PatchNotApplicable(1, WHY) != ttrules.PatchNotApplicable(2, WHY)

    def test_text(self) -> None:
        """Their text names what they carry, and the place where there is one."""
        texts = [str(error) for error in _errors()]
        first, *others = _report().violations
        assert texts == [
            f"{first.pointer}: {first.message} (and {len(others)} more)",
            "not JSON at /a: why",
            "Unknown process 'x'. Known: a, b.",
            "The matrix has no x. Known: a, b.",
            "Unknown language 'pol'. Did you mean pl? Known: en, pl.",
            "Unknown engine 'fsat'. Did you mean fast? Known: fast, reference.",
            "why",
            "operation 3 cannot be applied: why",
            "why",
            "f:1:2: why\ng:3:4: what",
        ]
        assert str(ttrules.NotJSON("", WHY)) == "not JSON at (the payload): why"
        alone = ttrules.RequirementsNotMet(ttrules.validate(None, PROCESSES[0]))
        assert str(alone) == f"(the payload): {alone.report.violations[0].message}"

    def test_check(self) -> None:
        """`check` raises with the whole report, and is silent on a valid payload."""
        ttrules.check(payload_of(PROCESSES[0]), PROCESSES[0])
        with pytest.raises(ttrules.RequirementsNotMet) as caught:
            ttrules.check({}, PROCESSES[0])
        assert caught.value == ttrules.RequirementsNotMet(_report())
        assert caught.value.report == _report()
