"""`ttrules amend`: the codes of an edited table, back into the matrix file."""

from __future__ import annotations

import csv
import io
import random
import re
import shutil
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import pytest
import yaml
from openpyxl import Workbook, load_workbook
from openpyxl.worksheet.formula import ArrayFormula

from tests.support.command_line import OTHER
from ttrules.codes import REQUIREMENTS
from ttrules.exports.matrix.csv import csv_of
from ttrules.exports.matrix.view import MatrixView
from ttrules.exports.matrix.xlsx import xlsx_of
from ttrules.rulebook import shipped

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.command_line import Ran, Run

pytestmark = pytest.mark.slow

SPEC = Path(__file__).parents[2] / "spec"
#: A row of the shipped matrix: its number, its field, and the columns of its codes.
ORIGIN, CODES = 4, "DEFG"

Rows = list[list[str]]


def rows_of(content: bytes) -> Rows:
    """Return the rows of a CSV file."""
    return [*csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))]


def as_csv(rows: Rows, delimiter: str = ",") -> bytes:
    """Return rows as CSV."""
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue().encode()


def as_xlsx(rows: Rows, sheet: str = "Matrix", *others: str) -> bytes:
    """Return rows as a workbook that somebody else saved; what begins with = is a formula.

    `others` are the names of further sheets, which are empty.
    """
    book = Workbook()
    page: Any = book.active
    page.title = sheet
    for row in rows:
        page.append(row)
    for name in others:
        book.create_sheet(name)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


class Amending:
    """A copy of a spec, and what is done to it."""

    def __init__(self, run: Run, folder: Path, source: Path = SPEC) -> None:
        self.run, self.folder = run, folder
        for name in ("openapi", "requirements", "interpretation", "lifecycle"):
            shutil.copy(source / f"{name}.yaml", folder)
        self.matrix = folder / "requirements.yaml"

    def __call__(self, table: bytes, *args: str | Path, name: str = "table.csv") -> Ran:
        """Amend the matrix by a table."""
        (self.folder / name).write_bytes(table)
        return self.run("amend", self.folder / name, "--into", self.matrix, *args)

    def codes(self) -> dict[tuple[str, str, str], str]:
        """Return the code of every cell as the file now has it."""
        value = yaml.safe_load(self.matrix.read_bytes())
        return {
            (entity, field, process): code
            for entity, fields in value["entities"].items()
            for field, codes in fields.items()
            for process, code in zip(value["processes"], codes, strict=True)
        }


@pytest.fixture
def amending(run: Run, tmp_path: Path) -> Amending:
    """Give a copy of the shipped spec."""
    return Amending(run, tmp_path)


@pytest.fixture
def water(run: Run, tmp_path: Path) -> Amending:
    """Give a copy of the spec of the water works."""
    return Amending(run, tmp_path, OTHER)


def edited(content: bytes, form: str, edits: dict[tuple[int, int], str]) -> bytes:
    """Return a table with other texts in some cells, as a spreadsheet would save it."""
    if form == "csv":
        rows = rows_of(content)
        for (row, column), code in edits.items():
            rows[row - 1][column - 1] = code
        return as_csv(rows, ";")
    book = load_workbook(io.BytesIO(content))
    for (row, column), code in edits.items():
        book["Matrix"].cell(row, column).value = code
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


WRITERS: dict[str, Callable[[MatrixView], bytes]] = {"csv": csv_of, "xlsx": xlsx_of}


class TestRoundTrip:
    """What goes out comes back."""

    @pytest.mark.parametrize("form", WRITERS)
    def test_unchanged(self, amending: Amending, form: str) -> None:
        """A table in which nothing was changed changes no byte."""
        before = amending.matrix.read_bytes()
        assert amending(WRITERS[form](MatrixView.of(shipped())), name=f"t.{form}") == (0, "", "")
        assert amending.matrix.read_bytes() == before

    @pytest.mark.parametrize("form", WRITERS)
    @pytest.mark.parametrize("name", ["shipped", "other"])
    def test_edits(self, run: Run, tmp_path: Path, other: Path, form: str, name: str) -> None:
        """Any codes may change: those are changed, in place, no others, and back again."""
        from ttrules.rulebook import Rulebook

        book = shipped() if name == "shipped" else Rulebook.read(other)
        amending = Amending(run, tmp_path, SPEC if name == "shipped" else OTHER)
        original = WRITERS[form](MatrixView.of(book))
        text, codes = amending.matrix.read_text(), amending.codes()
        draw = random.Random(form + name)
        for count in (1, 7, 60):
            rows = rows_of(csv_of(MatrixView.of(book)))
            cells = [(row, at) for row in range(2, len(rows) + 1) for at in range(4, len(rows[0]))]
            edits = {cell: draw.choice([*REQUIREMENTS]) for cell in draw.sample(cells, count)}
            # A condition must keep the cell that it is about: such cells stay as they are.
            edits = {(r, c): new for (r, c), new in edits.items() if "PD" not in rows[r - 1][c - 1]}
            wanted = {
                (rows[r - 1][0], rows[r - 1][1], rows[0][c - 1]): new
                for (r, c), new in edits.items()
                if new != rows[r - 1][c - 1]
            }
            ran = amending(edited(original, form, edits), name=f"t.{form}")
            assert ran.err == ""
            assert ran.out.splitlines() == [
                f"{entity}.{field}, {process}: {codes[entity, field, process]} -> {new}"
                for (entity, field, process) in codes
                if (new := wanted.get((entity, field, process)))
            ]
            assert amending.codes() == {**codes, **wanted}
            changed = amending.matrix.read_text().splitlines()
            fields = {f"{field}:" for _, field, _ in wanted}
            for old, new in zip(text.splitlines(), changed, strict=True):
                assert old == new or old.split()[0].strip('"').replace('":', ":") in fields
                assert len(old) == len(new) or name == "other"
            assert amending(original, name=f"t.{form}").code == 0
            assert amending.matrix.read_text() == text

    def test_check(self, amending: Amending) -> None:
        """Check tells the same, changes nothing, and ends with 1 where something differs."""
        before = amending.matrix.read_bytes()
        table = csv_of(MatrixView.of(shipped()))
        assert amending(table, "--check") == (0, "", "")
        changed = edited(table, "csv", {(ORIGIN, 4): "O"})
        told = "TroubleTicket.origin, Customer Trouble Ticket Add: R -> O\n"
        assert amending(changed, "--check") == (1, told, "")
        assert amending.matrix.read_bytes() == before
        assert amending(changed) == (0, told, "")
        assert amending.matrix.read_bytes() != before

    @pytest.mark.parametrize(
        "saved",
        [
            lambda rows: as_csv(rows, ";"),
            lambda rows: as_csv(rows, "\t"),
            lambda rows: b"\xef\xbb\xbf" + as_csv(rows, ";"),
            lambda rows: as_csv(rows, "\t").decode().encode("utf-16"),
            lambda rows: (
                as_csv([rows[0], *([*row[:-1], "żółw"] for row in rows[1:])])
                .decode()
                .encode("cp1250")
            ),
            lambda rows: b"sep=;\r\n" + as_csv(rows, ";"),
            lambda rows: as_csv(rows).replace(b"\r\n", b"\n").rstrip(),
            lambda rows: as_csv([*rows[:1], *reversed(rows[1:]), [""] * 3, []]),
            lambda rows: as_csv([row[::-1] for row in rows]),
            lambda rows: as_csv([[f" {cell} " for cell in row] for row in rows]),
            lambda rows: as_csv([[*map(str.upper, rows[0][:3]), *rows[0][3:]], *rows[1:]]),
            lambda rows: as_csv([[*row[:2], *row[3:-1], ""] for row in rows]),
            as_xlsx,
        ],
        ids=[
            *("semicolons", "tabs", "mark", "utf-16", "cp1250", "sep", "line feeds", "sorted"),
            *("reversed", "spaces", "capitals", "few columns", "bare workbook"),
        ],
    )
    def test_as_spreadsheets_save(self, amending: Amending, saved: Callable[[Rows], bytes]) -> None:
        """Whatever a spreadsheet makes of delimiters, encoding, order and space says the same."""
        rows = rows_of(csv_of(MatrixView.of(shipped())))
        rows[ORIGIN - 1][3] = "R/PD"
        ran = amending(saved(rows))
        assert ran[:2] == (0, "TroubleTicket.origin, Customer Trouble Ticket Add: R -> R/PD\n")

    @pytest.mark.parametrize(("column", "name"), [(-1, "description"), (2, "type")])
    def test_what_is_not_read(self, amending: Amending, column: int, name: str) -> None:
        """A changed type or description is named, and changes nothing."""
        rows = rows_of(csv_of(MatrixView.of(shipped())))
        rows[ORIGIN - 1][column] += " more"
        before = amending.matrix.read_bytes()
        ran = amending(as_csv(rows))
        assert (ran.code, ran.out) == (0, "")
        assert ran.err.splitlines()[0] == f"ttrules: TroubleTicket.origin: the {name} differs"
        assert "openapi.yaml" in ran.err.splitlines()[1]
        assert amending.matrix.read_bytes() == before

    def test_other_sheet(self, amending: Amending) -> None:
        """A workbook with one sheet is read, whatever the sheet is called."""
        rows = rows_of(csv_of(MatrixView.of(shipped())))
        rows[ORIGIN - 1][3] = "R/PD"
        ran = amending(as_xlsx(rows, "Sheet1"))
        assert ran == (0, "TroubleTicket.origin, Customer Trouble Ticket Add: R -> R/PD\n", "")

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            *(("\u041e", "O"), ("\u039f", "O"), ("\uff2f", "O"), ("\u0420", "P"), ("\u2013", "-")),
            *(
                ("\u2212", "-"),
                ("P\u200b", "P"),
                ("R\u00a0/\u00a0PD".replace("\u00a0", "\ufeff"), "R/PD"),
            ),
        ],
    )
    def test_lookalike(self, amending: Amending, text: str, code: str) -> None:
        """A character that looks like another one is named, with what to write."""
        rows = rows_of(csv_of(MatrixView.of(shipped())))
        rows[ORIGIN - 1][3] = text
        ran = amending(as_csv(rows))
        assert ran.code == 3
        assert f"another character than in {code!r}: write {code!r}" in ran.err

    def test_new_row(self, amending: Amending) -> None:
        """A row of a field that nobody has defined says where a field is defined."""
        rows = rows_of(csv_of(MatrixView.of(shipped())))
        rows.append(["TroubleTicket", "zzzz", *rows[1][2:]])
        ran = amending(as_csv(rows))
        assert ran.code == 3
        assert "define a new field in the OpenAPI document and in the matrix file" in ran.err

    def test_file_keeps_what_it_is(self, amending: Amending) -> None:
        """A byte order mark, line ends, rights and a link to the file stay."""
        text = amending.matrix.read_bytes().replace(b"\n", b"\r\n")
        real = amending.folder / "real.yaml"
        real.write_bytes(b"\xef\xbb\xbf" + text)
        real.chmod(0o640)
        amending.matrix.unlink()
        amending.matrix.symlink_to(real)
        amending(edited(csv_of(MatrixView.of(shipped())), "csv", {(ORIGIN, 4): "O"}))
        assert amending.matrix.is_symlink()
        assert stat.S_IMODE(real.stat().st_mode) == 0o640
        old, new = b"[R,        O,          R", b"[O,        O,          R"
        lines = (b"\xef\xbb\xbf" + text).split(b"\r\n")
        assert real.read_bytes().split(b"\r\n") == [
            line.replace(old, new) if b" origin:" in line else line for line in lines
        ]
        assert {each.suffix for each in amending.folder.iterdir()} == {".yaml", ".csv"}


class TestForms:
    """A matrix may be written in many ways; only codes are changed in it."""

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("[O, O]", "[R/PD, O]"),
            ("[R/PD, O]", "[R,    O]"),
            ("[ R/PD, O ]", "[ R, O ]"),
            ("['O', 'O']", "['P', 'O']"),
            ('["R", "-"]', '["P", "-"]'),
            ('["-", O]', "[P, O]"),
            ("['-', O]", "[P, O]"),
            ('[O, "-"]', '["-", "-"]'),
            ("[O, '-']", "['-', '-']"),
            ("[O, R]", '["-", R]'),
            ("[O,    R  ] # why", "[R/PD, R  ] # why"),
            ("[O,  R  ] # why", "[R/PD, R ] # why"),
            ("[R/PD, R] # why", "[O,    R] # why"),
            ("[R/PD,R]", "[O,R]"),
            ("\n    - O   # one\n    - R\n", "\n    - PD  # one\n    - R\n"),
            ("\n    - O\n    - R # two\n", '\n    - "-"\n    - R # two\n'),
            ("\n    [O,\n     R]\n", "\n    [P,\n     R]\n"),
            ("[O,\tR]", "[R/PD,\tR]"),
        ],
    )
    def test_one_code(self, run: Run, tmp_path: Path, before: str, after: str) -> None:
        """Quotes, spaces, lines and comments stay; columns keep in line where there is room."""
        # The second row is aligned as if there were codes of four letters in the first column.
        text = (
            "matrix: 1\nroot: A\nprocesses: [X Add, X Change]\nentities:\n A:\n"
            f"  b:    {before}\n  c:    [O,    P] # x\n"
        )
        matrix = tmp_path / "m.yaml"
        matrix.write_text(text)
        (tmp_path / "openapi.yaml").write_text(
            "openapi: 3.0.3\ninfo: {title: T, version: '1'}\npaths: {}\ncomponents: {schemas: {A: "
            "{type: object, properties: {b: {type: string}, c: {type: string}}}}}\n"
        )
        wanted = yaml.safe_load(after.replace("\t", " "))
        table = as_csv(
            [["entity", "field", "X Add", "X Change"], ["A", "b", *wanted], ["A", "c", "O", "P"]]
        )
        (tmp_path / "t.csv").write_bytes(table)
        ran = run("amend", tmp_path / "t.csv", "--into", matrix)
        assert (ran.code, ran.err) == (0, "")
        assert matrix.read_text() == text.replace(before, after)

    @pytest.mark.parametrize(
        ("rows", "told"),
        [
            ("  b: &a [O, P]\n  c: *a\n", "m.yaml:6:6: A.b shares its codes with another row"),
            ("  b: [&a O, P]\n  c: [*a, P]\n", "undefined alias"),
        ],
    )
    def test_shared(self, run: Run, tmp_path: Path, rows: str, told: str) -> None:
        """Codes that two rows share are changed for both or not at all."""
        matrix = tmp_path / "m.yaml"
        matrix.write_text(
            f"matrix: 1\nroot: A\nprocesses: [X Add, X Change]\nentities:\n A:\n{rows}"
        )
        (tmp_path / "openapi.yaml").write_text(
            "openapi: 3.0.3\ninfo: {title: T, version: '1'}\npaths: {}\ncomponents: {schemas: {A: "
            "{type: object, properties: {b: {type: string}, c: {type: string}}}}}\n"
        )
        before = matrix.read_text()
        heads = ["entity", "field", "X Add", "X Change"]
        (tmp_path / "t.csv").write_bytes(
            as_csv([heads, ["A", "b", "O", "P"], ["A", "c", "R", "P"]])
        )
        ran = run("amend", tmp_path / "t.csv", "--into", matrix)
        assert (ran.code, ran.out) == (4, "")
        assert told in ran.err
        assert matrix.read_text() == before


def _row(number: int, *cells: str) -> Callable[[Rows], Rows]:
    """Return what replaces a row, or takes it away."""
    return lambda rows: [*rows[: number - 1], *([[*cells]] if cells else []), *rows[number:]]


def _cell(row: int, column: int, text: str) -> Callable[[Rows], Rows]:
    """Return what replaces a cell; both count from 1."""

    def changed(rows: Rows) -> Rows:
        """Replace it."""
        rows[row - 1][column - 1] = text
        return rows

    return changed


#: What is done to the shipped table, and what is then said of it.
WRONG: dict[str, tuple[Callable[[Rows], Rows], list[str]]] = {
    "entity": (
        _cell(ORIGIN, 1, "TroubleTickets"),
        [
            (
                "row 4, column A (entity): 'TroubleTickets' is not known;"
                " did you mean 'TroubleTicket'?"
            ),
            "there is no row for TroubleTicket.origin",
        ],
    ),
    "field": (
        _cell(ORIGIN, 2, "origins"),
        [
            "row 4, column B (field): 'origins' is not known; did you mean 'origin'?",
            "there is no row for TroubleTicket.origin",
        ],
    ),
    "no name": (
        _cell(ORIGIN, 2, " "),
        [
            "row 4, column B (field): the cell is empty",
            "there is no row for TroubleTicket.origin",
        ],
    ),
    "code": (
        _cell(ORIGIN, 4, "M"),
        [
            (
                "row 4, column D (Customer Trouble Ticket Add): 'M' is not known; there are:"
                " R, O, P, PD, R/PD, O/PD, P/PD, -"
            )
        ],
    ),
    "small code": (
        _cell(ORIGIN, 7, "r"),
        [
            (
                "row 4, column G (Complaint Change): 'r' is not known; there are:"
                " R, O, P, PD, R/PD, O/PD, P/PD, -"
            )
        ],
    ),
    "empty": (
        _cell(ORIGIN, 6, ""),
        ["row 4, column F (Complaint Add): the cell is empty"],
    ),
    "formula": (
        _cell(ORIGIN, 6, "=D4"),
        ["row 4, column F (Complaint Add): this is a formula; write its value"],
    ),
    "short row": (
        _row(ORIGIN, "TroubleTicket", "origin", "string", "R", "O", "R"),
        ["row 4, column G (Complaint Change): the cell is empty"],
    ),
    "missing row": (_row(ORIGIN), ["there is no row for TroubleTicket.origin"]),
    "second row": (
        lambda rows: [*rows, rows[ORIGIN - 1]],
        ["row 77: TroubleTicket.origin is already in row 4"],
    ),
    "missing column": (
        lambda rows: [[*row[:4], *row[5:]] for row in rows],
        ["row 1: there is no column for Customer Trouble Ticket Change"],
    ),
    "second column": (
        lambda rows: [[*row, row[3]] for row in rows],
        ["row 1, column I (Customer Trouble Ticket Add): duplicate column"],
    ),
    "process": (
        _cell(1, 6, "Complaints Add"),
        [
            (
                "row 1, column F (Complaints Add): no process has this name; did you mean"
                " 'Complaint Add'?"
            ),
            "row 1: there is no column for Complaint Add",
        ],
    ),
    "strange column": (
        lambda rows: [[*row, *[""] * 20, "zzz"] for row in rows],
        ["row 1, column AC (zzz): no process has this name"],
    ),
    "no heading": (
        lambda rows: [[*rows[0], ""], *([*row, "x"] for row in rows[1:])],
        ["row 1, column I: the heading is missing"],
    ),
    "no headings": (
        lambda rows: rows[1:],
        [
            (
                "is no table of the matrix: its first row must name entity, field, Customer Trouble"
                " Ticket Add, Customer Trouble Ticket Change, Complaint Add, Complaint Change"
            )
        ],
    ),
}


class TestRefused:
    """A wrong table is refused with row and column, and changes nothing."""

    @pytest.mark.parametrize("form", [as_csv, as_xlsx])
    @pytest.mark.parametrize("wrong", WRONG)
    def test_wrong(self, amending: Amending, wrong: str, form: Callable[[Rows], bytes]) -> None:
        """All problems are reported, in whichever file they are."""
        before = amending.matrix.read_bytes()
        rows = rows_of(csv_of(MatrixView.of(shipped())))
        rows[10][3] = "R"  # would change, if anything did
        change, told = WRONG[wrong]
        ran = amending(form(change(rows)))
        table = amending.folder / "table.csv"
        assert (ran.code, ran.out) == (3, "")
        assert ran.err.splitlines() == [f"ttrules: {table}: {each}" for each in told]
        assert amending.matrix.read_bytes() == before

    def test_no_more_than_can_be_read(self, amending: Amending) -> None:
        """Of very many things wrong twenty are told, and how many more there are."""
        rows = rows_of(csv_of(MatrixView.of(shipped())))
        ran = amending(as_csv([rows[0], *([*row[:3], *"xxxx", ""] for row in rows[1:])]))
        assert len(ran.err.splitlines()) == 21
        assert ran.err.endswith(": and 280 more of the kind\n")

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (b"", "is no table of the matrix"),
            (b"\x00" * 100, "is no table of the matrix"),
            (b'entity,field\n"x', "is no table: line 2: unexpected end of data"),
            (b"entity,field\n\x81", "is no table: 'charmap' codec"),
            (b"\xff\xfe\x00", "is no table: 'utf-16-le' codec"),
            (b"entity,field\n" + b"x" * 200_000, "is no table: line 2: field larger than"),
            (b'sep=;\nentity;field\n"x', "is no table: line 3: unexpected end of data"),
            (b"x" * (10 * 1024 * 1024 + 1), "is larger than the 10485760 bytes"),
            (b"\xd0\xcf\x11\xe0" + bytes(500), "is of an old kind"),
            (b"PK\x03\x04", "is no workbook, or only a part of one"),
            (xlsx_of(MatrixView.of(shipped()))[:4000], "is no workbook, or only a part of one"),
            (as_xlsx([], "Sheet1"), "is no table of the matrix"),
            (as_xlsx([["x"] * 1_001]), "has more rows or columns than any matrix"),
            (as_xlsx([], "A", "B"), "has no sheet 'Matrix'; there are: A, B"),
        ],
        ids=lambda each: each if isinstance(each, str) else "",
    )
    def test_no_table(self, amending: Amending, content: bytes, told: str) -> None:
        """What is no table is refused, however it begins."""
        ran = amending(content)
        assert (ran.code, ran.out) == (3, "")
        assert ran.err.startswith(f"ttrules: {amending.folder / 'table.csv'}: {told}")

    def test_name_says_workbook(self, amending: Amending) -> None:
        """A file that is called a workbook is read as one."""
        ran = amending(csv_of(MatrixView.of(shipped())), name="table.XLSX")
        assert (ran.code, ran.err.rpartition(": ")[2]) == (
            3,
            "is no workbook, or only a part of one\n",
        )

    @pytest.mark.parametrize("bomb", ["size", "rows", "document type", "garbage"])
    def test_bad_workbooks(self, amending: Amending, bomb: str) -> None:
        """What unpacks to too much, or is no XML, ends in a sentence and in no time."""
        out = io.BytesIO()
        with (
            ZipFile(io.BytesIO(xlsx_of(MatrixView.of(shipped())))) as made,
            ZipFile(out, "w", 8) as into,
        ):
            for name in made.namelist():
                part = made.read(name)
                if name == "xl/worksheets/sheet1.xml":
                    part = {
                        "size": part + b" " * (65 * 1024 * 1024),
                        "rows": re.sub(rb'<row r="7\d"', b'<row r="1048576"', part, count=1),
                        "document type": b"<!DOCTYPE x>" + part,
                        "garbage": part[:900],
                    }[bomb]
                into.writestr(name, part)
        ran = amending(out.getvalue(), name="table.xlsx")
        assert ran.code == 3
        assert ran.out == ""

    def test_formula_of_many_cells(self, amending: Amending) -> None:
        """A formula is one in whatever way a workbook holds it, and what it came to is not read."""
        book = load_workbook(io.BytesIO(xlsx_of(MatrixView.of(shipped()))))
        book["Matrix"]["E4"] = ArrayFormula("E4", "D4")
        out = io.BytesIO()
        book.save(out)
        ran = amending(out.getvalue(), name="table.xlsx")
        assert ran.code == 3
        assert "row 4, column E (Customer Trouble Ticket Change): this is a formula" in ran.err

    def test_missing(self, run: Run, amending: Amending) -> None:
        """A table that is not there is unreadable."""
        ran = run("amend", amending.folder / "no.csv", "--into", amending.matrix)
        assert ran.code == 3
        assert "cannot be read: No such file" in ran.err

    def test_without_openpyxl(self, amending: Amending, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without what reads workbooks a sentence says how to get it; CSV needs nothing."""
        monkeypatch.setitem(sys.modules, "openpyxl", None)
        assert amending(csv_of(MatrixView.of(shipped()))).code == 0
        ran = amending(b"PK\x03\x04", name="table.xlsx")
        assert ran.code == 2
        assert 'pip install "ttrules[xlsx]"' in ran.err


class TestSpec:
    """What comes of a table is loaded before it is written."""

    def test_condition_without_its_cell(self, amending: Amending) -> None:
        """A table that takes its cell from a condition is refused by the place in the spec."""
        before = amending.matrix.read_bytes()
        rows = rows_of(csv_of(MatrixView.of(shipped())))
        for row in rows:
            if row[:2] in (["RelatedEntity", "id"], ["RelatedEntity", "externalId"]):
                row[3:7] = "RRRR"
        ran = amending(as_csv(rows))
        assert (ran.code, ran.out) == (4, "")
        assert "interpretation.yaml" in ran.err
        assert amending.matrix.read_bytes() == before

    def test_wrong_before(self, amending: Amending) -> None:
        """A spec that is wrong already is told with its own place, and left alone."""
        amending.matrix.write_text("matrix: 2\n")
        ran = amending(csv_of(MatrixView.of(shipped())))
        assert ran.code == 4
        assert f"{amending.matrix}:1:9" in ran.err

    def test_other_files(self, run: Run, amending: Amending, tmp_path: Path) -> None:
        """The other files are those beside it, unless they are named; one must be there."""
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        matrix = elsewhere / "requirements.yaml"
        shutil.move(amending.matrix, matrix)
        (tmp_path / "t.csv").write_bytes(csv_of(MatrixView.of(shipped())))
        args = ("amend", tmp_path / "t.csv", "--into", matrix)
        ran = run(*args)
        assert ran.code == 2
        assert "--openapi" in ran.err
        assert run(*args, "--openapi", tmp_path / "openapi.yaml") == (0, "", "")

    def test_backoffice(self, run: Run, tmp_path: Path) -> None:
        """The provider's matrix goes the same way, beside the same shapes."""
        from tests.support.profiles import PROVIDER

        (tmp_path / "t.csv").write_bytes(csv_of(MatrixView.of(PROVIDER.book)))
        ran = run(
            *("amend", tmp_path / "t.csv", "--check"),
            *("--into", SPEC / "backoffice-requirements.yaml"),
            *("--interpretation", SPEC / "backoffice-interpretation.yaml"),
        )
        assert ran == (0, "", "")

    def test_not_written(self, amending: Amending, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the file cannot be replaced it is as it was, and nothing is left beside it."""
        before, names = amending.matrix.read_bytes(), {*amending.folder.iterdir()}

        def full(*_: object) -> None:
            """Fail as a full disk does."""
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "replace", full)
        ran = amending(edited(csv_of(MatrixView.of(shipped())), "csv", {(ORIGIN, 4): "O"}))
        assert ran.code == 2
        assert "cannot be written: No space left on device" in ran.err
        assert amending.matrix.read_bytes() == before
        assert {*amending.folder.iterdir()} == {*names, amending.folder / "table.csv"}
