"""Another set of rules gets all that the shipped one gets: nothing is made for one API alone.

The spec in tests/cases/other/ is that of a water works: eight processes, other entities, and every
relation under every kind of test. It is compiled, published, read back, and held against payloads.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

import ttrules
from tests.support.other_spec import BOOK, ENGINES, PATHS, PROCESSES, SPEC, agreed
from ttrules import Rulebook, SpecError
from ttrules.examples.generate import Extent, example
from ttrules.pointers import path_of
from ttrules.spec.directory import files_of, publish

if TYPE_CHECKING:
    from pathlib import Path

EXTENTS: tuple[Extent, ...] = ("minimal", "typical", "full")
GONE: Any = object()


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a directory with the compiled rules."""
    folder = tmp_path_factory.mktemp("rules")
    publish(files_of(SPEC), str(folder))
    return folder


@pytest.fixture(scope="module")
def again(published: Path) -> Rulebook:
    """Give the book that is read back from the directory."""
    return Rulebook.read(published)


class TestBook:
    """The book of another spec has the same verbs."""

    def test_processes(self) -> None:
        """Its processes are the columns, in order; each is known by its short form as well."""
        assert PROCESSES == (
            "Repair Add",
            "Repair Change",
            "Connection Add",
            "Connection Change",
            "Meter Swap Add",
            "Meter Swap Change",
            "Burst Report",
            "Legacy Correction",
        )
        assert [BOOK.process(BOOK.slug(process)) for process in PROCESSES] == list(PROCESSES)

    def test_cell(self) -> None:
        """A cell is told verbatim, with the type of its field and where it comes from."""
        cell = BOOK.cell("Meter", "removed", "repair-add")
        assert (cell.requirement, cell.type, cell.process) == ("P/PD", "string", "Repair Add")
        assert cell.source == "Service Orders of a Water Works 0.3, Table 4"

    def test_types(self) -> None:
        """The type of a field is its format's, its entity's or its own; [] stands for many."""
        fields = SPEC.entities["ServiceOrder"]
        names = ("id", "placedOn", "dueAt", "flow", "pressure", "depth", "tags", "visits",
                 "photo", "ledger", "access", "contact", "charges")  # fmt: skip
        assert {name: fields[name].type for name in names} == {
            "id": "uuid",
            "placedOn": "date",
            "dueAt": "date-time",
            "flow": "double",
            "pressure": "number",
            "depth": "integer",
            "tags": "string[]",
            "visits": "date[]",
            "photo": "byte",
            "ledger": None,
            "access": "string",
            "contact": "Contact",
            "charges": "Charge[]",
        }

    def test_counterparts(self) -> None:
        """A change has the addition of the same kind as its counterpart, where there is one."""
        pairs = {each.name: SPEC.counterpart(each) for each in SPEC.processes}
        assert {name: other.name for name, other in pairs.items() if other} == {
            "Repair Change": "Repair Add",
            "Connection Change": "Connection Add",
            "Meter Swap Change": "Meter Swap Add",
        }

    def test_read_back(self, again: Rulebook) -> None:
        """What is published and read back is the same book."""
        assert again.matrix == BOOK.matrix
        assert again.schemas == BOOK.schemas

    def test_valid_schemas(self) -> None:
        """Every schema is valid JSON Schema 2020-12."""
        for process in PROCESSES:
            jsonschema.Draft202012Validator.check_schema(BOOK.schema(process))

    def test_without_the_other_files(self) -> None:
        """Shapes and matrix alone make a book: PD cells are undetermined then."""
        book = ttrules.load(openapi=PATHS["openapi"], requirements=PATHS["requirements"])
        report = book.validate({"prepaid": True}, "repair-change")
        assert report.valid
        assert {each.pointer for each in report.undetermined} == {
            "/prepaid",
            "/deposit",
            "/depositedOn",
            "/in~1out~0",
        }
        assert book.lifecycle is None
        with pytest.raises(ttrules.ProcessNotSelected):
            book.validate_new({})


class TestPayloads:
    """Payloads are judged alike by both engines, by the loaded book and by the one read back."""

    @pytest.mark.parametrize("extent", EXTENTS)
    @pytest.mark.parametrize("process", PROCESSES)
    def test_valid(self, process: str, extent: Extent, again: Rulebook) -> None:
        """Valid payloads have nothing to report."""
        for seed in range(5):
            payload = example(BOOK, process, extent, seed)
            report = agreed(payload, process, again)
            assert [*report.violations, *report.warnings] == []
            assert example(again, process, extent, seed) == payload

    #: Process, pointer, the value put there, and the pointer and code that are found, if any.
    CASES: tuple[tuple[str, str, Any, str | None], ...] = (
        ("repair-add", "/summary", GONE, "/summary required"),
        ("repair-add", "/summary", None, "/summary null"),
        ("repair-add", "/summary", " \u2003 ", "/summary empty"),
        ("repair-add", "/summary", 5, "/summary type"),
        ("repair-add", "/summary", "ab", "/summary length"),
        ("repair-add", "/summary", "x" * 41, "/summary length"),
        ("repair-add", "/summary", "x" * 40, None),
        ("repair-change", "/summary", "   ", None),
        ("repair-add", "/orderKind", "swap", "/orderKind enum"),
        ("repair-add", "/id", "x", "/id prohibited"),
        ("repair-change", "/id", "x", "/id format"),
        ("repair-change", "/id", "00000000-0000-0000-0000-00000000000A", None),
        ("repair-change", "/id", None, "/id null"),
        ("repair-add", "/flow", 0, "/flow range"),
        ("repair-add", "/flow", 100, "/flow range"),
        ("repair-add", "/flow", 0.001, None),
        ("repair-add", "/pressure", 0, "/pressure range"),
        ("repair-add", "/pressure", 16, "/pressure range"),
        ("repair-add", "/pressure", 0.75, "/pressure range"),
        ("repair-add", "/pressure", 15.5, None),
        ("repair-add", "/depth", 0, None),
        ("repair-add", "/depth", 7, "/depth range"),
        ("repair-add", "/depth", -5, "/depth range"),
        ("repair-add", "/account", "PL-12345", "/account format"),
        ("repair-add", "/account", "PL-1234\n", "/account format"),
        ("repair-add", "/tags", [], None),
        ("repair-add", "/tags", ["a", "b", "a"], "/tags length"),
        ("repair-add", "/tags", ["a", "b", "c", "d"], "/tags length"),
        ("repair-add", "/tags", ["a", ""], "/tags/1 length"),
        ("repair-add", "/tags", ["a", None], "/tags/1 null"),
        ("repair-add", "/visits", ["2024-02-29"], "/visits length"),
        ("repair-add", "/visits", ["2024-02-29", "2025-02-29"], "/visits/1 format"),
        ("connection-add", "/visits", [], "/visits empty"),
        ("repair-add", "/levels", [0, None, 2], None),
        ("repair-add", "/levels", [0, -1], "/levels/1 range"),
        ("repair-add", "/nickname", None, None),
        ("meter-swap-add", "/nickname", None, "/nickname null"),
        ("repair-add", "/grade", None, None),
        ("repair-add", "/grade", "c", "/grade enum"),
        ("repair-add", "/photo", "QQ=", "/photo format"),
        ("repair-add", "/photo", "QQ==", None),
        ("repair-add", "/dueAt", "2026-01-01T00:00:00", "/dueAt format"),
        ("repair-change", "/tags", None, None),
        ("repair-change", "/state", None, None),
        ("repair-change", "/account", None, "/account null"),
        ("repair-change", "/levels", None, None),
        ("repair-add", "/levels", None, "/levels null"),
        ("repair-add", "/colour", 1, "/colour unknown_field"),
        ("repair-add", "/ledger", {"a": [None]}, None),
        ("repair-add", "/in~1out~0", "x", None),
        ("repair-add", "/in~1out~0", 5, "/in~1out~0 type"),
        ("connection-add", "/in~1out~0", 5, "/in~1out~0 type"),
        ("burst-report", "/visits", [], "/visits prohibited"),
        ("burst-report", "/urgency", 6, "/urgency range"),
        ("legacy-correction", "/ledger", None, "/ledger null"),
        ("legacy-correction", "/ledger", "", "/ledger empty"),
        ("legacy-correction", "/ledger", [], "/ledger empty"),
        ("legacy-correction", "/ledger", 0, None),
        ("legacy-correction", "/ledger", {}, None),
        ("legacy-correction", "/summary", 5, None),
        ("connection-add", "/site/meters", [], "/site/meters prohibited"),
        ("connection-add", "/site/street", GONE, "/site/street required"),
        ("connection-add", "/site/parcel", "", "/site/parcel empty"),
        ("connection-add", "/site/position", [1], "/site/position length"),
        ("connection-add", "/site", [], "/site type"),
        ("meter-swap-add", "/site/meters", [], "/site/meters empty"),
        ("meter-swap-add", "/site/meters/0", 5, "/site/meters/0 type"),
    )  # fmt: skip

    @pytest.mark.parametrize(("process", "where", "value", "found"), CASES)
    def test_case(
        self, process: str, where: str, value: object, found: str | None, again: Rulebook
    ) -> None:
        """One change of a valid payload is one finding, or none."""
        payload = example(BOOK, process, "full", 3)
        *way, name = path_of(where)
        owner: Any = payload
        for part in way:
            owner = owner[int(part) if isinstance(owner, list) else part]
        key: Any = int(name) if isinstance(owner, list) else name
        if value is GONE:
            del owner[key]
        else:
            owner[key] = value
        report = agreed(payload, process, again)
        told = [*report.violations, *report.warnings]
        assert [f"{each.pointer} {each.code}" for each in told] == ([found] if found else [])

    def test_undetermined(self, again: Rulebook) -> None:
        """A PD cell whose condition nobody has declared binds nothing, and each object tells it."""
        payload = example(BOOK, "repair-add", "full", 3)
        report = agreed(payload, "repair-add", again)
        assert {each.pointer for each in report.undetermined} >= {"/in~1out~0", "/charges/0/note"}
        assert not {each.pointer for each in report.undetermined} & {"/prepaid", "/deposit"}

    def test_unsupported(self) -> None:
        """What is not supported is left unsaid, as this interpretation has it, unless asked."""
        payload = {**example(BOOK, "burst-report", "minimal"), "account": 1}
        assert agreed(payload, "burst-report").warnings == ()
        for engine in ENGINES:
            report = BOOK.validate(payload, "burst-report", unsupported="error", engine=engine)
            assert [(each.pointer, each.code) for each in report.violations] == [
                ("/account", "not_supported")
            ]

    def test_new_and_change(self) -> None:
        """The process is chosen by the order's own kind; a fixed member may not be altered."""
        assert BOOK.validate_new({"orderKind": "burst"}).process == "Burst Report"
        assert BOOK.validate_new({"orderKind": "legacy"}).process is None
        order = {**example(BOOK, "repair-add", "full"), "state": "open"}
        order["id"] = "00000000-0000-0000-0000-000000000001"
        change = BOOK.validate_change(order, {"id": "00000000-0000-0000-0000-000000000002"})
        assert [each.code for each in change.report.violations] == ["immutable"]
        change = BOOK.validate_change(order, {"state": "done"})
        assert [each.code for each in change.report.violations] == ["transition"]
        assert BOOK.validate_change(order, {"state": "dropped"}).report.valid


class TestDamaged:
    """A directory that holds no compiled rules is a SpecError that names the file."""

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("book.json", None),
            ("burst-report.json", None),
            ("book.json", b""),
            ("book.json", b"{"),
            ("book.json", b"\xff\xfe"),
            ("burst-report.json", b"nonsense"),
            ("book.json", b"{}"),
            ("book.json", b"[]"),
            ("book.json", b"null"),
            ("book.json", b'{"book": 2, "processes": []}'),
            ("book.json", b'{"book": 0}'),
            ("book.json", b'{"book": 1}'),
            ("book.json", b'{"book": 1, "processes": [{"slug": "burst-report"}]}'),
            ("book.json", b'{"book": 1, "processes": 5}'),
            ("book.json", b'{"book": 1, "processes": []}'),
        ],
    )
    def test_file(self, name: str, content: bytes | None, published: Path, tmp_path: Path) -> None:
        """A file that is missing, no JSON, of another form, or not whole."""
        folder = tmp_path / "rules"
        shutil.copytree(published, folder)
        (folder / name).unlink()
        if content is not None:
            (folder / name).write_bytes(content)
        with pytest.raises(SpecError) as caught:
            Rulebook.read(folder)
        assert [each.file for each in caught.value.problems] == [str(folder / name)]

    def test_no_directory(self, tmp_path: Path) -> None:
        """A directory that is not there."""
        with pytest.raises(SpecError) as caught:
            Rulebook.read(tmp_path / "gone")
        assert caught.value.problems[0].file == str(tmp_path / "gone" / "book.json")
