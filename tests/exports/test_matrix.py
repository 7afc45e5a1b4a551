"""The matrix as files: `ttrules matrix --format markdown|csv|xlsx|html`."""

from __future__ import annotations

import csv
import io
import re
import sys
from base64 import b64encode
from hashlib import sha256
from html import unescape
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import pytest
from openpyxl import load_workbook
from openpyxl.utils import get_column_letter

from tests.support.command_line import OTHER_MATRIX, rows_of
from tests.support.oracle import MATRIX, PROCESSES
from ttrules.analysis.lint import oddities
from ttrules.cli.matrix import MATRIX_FORMATS
from ttrules.codes import REQUIREMENTS, slug
from ttrules.exports.matrix.csv import csv_of, without_apostrophe
from ttrules.exports.matrix.markdown import markdown_of
from ttrules.exports.matrix.page import page_of, policy
from ttrules.exports.matrix.view import MatrixView, fit
from ttrules.exports.matrix.xlsx import xlsx_of
from ttrules.rulebook import Rulebook, shipped

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.support.command_line import Run, Spec

#: Texts that would do something in a spreadsheet or in a page, if they were let.
HOSTILE = [
    "=1+1",
    "+1",
    "-2",
    "-",
    "@SUM(A1)",
    "@type",
    "'=1",
    "''@x(",
    "\t=1",
    'a,b;"c"\nd',
    "</script><img src=x onerror=alert(1)>",
    "<!--<script>",
    '"><svg onload=alert(1)>',
    "&amp;|`x`",
    "#NAME?",
    "1e5",
    "Żółć 漢字",
]


@pytest.fixture
def hostile(run: Run, spec: Spec, tmp_path: Path) -> Rulebook:
    """Give a book whose names and descriptions are HOSTILE."""
    shapes = {
        name: {text: {"type": "string", "description": text} for text in HOSTILE}
        for name in ("Order", *HOSTILE[-6:])
    }
    for name in HOSTILE[-6:]:
        shapes["Order"][f"a {name}"] = {"$ref": f"#/components/schemas/{name}"}
    rows = {name: {field: ["R", "-"] for field in fields} for name, fields in shapes.items()}
    options = spec(shapes, rows, ("</script><b>Add", "=Order Change"))
    ran = run("compile", *options, "--out", tmp_path / "rules")
    assert ran.code == 0, ran.err
    return Rulebook.read(tmp_path / "rules")


def by_rows(matrix: Mapping[str, Any], book: Rulebook) -> list[list[str]]:
    """Return the rows of a matrix as it is written by hand, with types and descriptions."""
    told = []
    for entity, field, codes in rows_of(matrix):
        row = book.matrix.entities[entity][field]
        told.append([entity, field, row.type or "", *codes, row.description])
    return told


def read_csv(content: bytes) -> list[list[str]]:
    """Return the rows of a CSV file as they are meant."""
    text = content.decode("utf-8-sig")
    return [[*map(without_apostrophe, row)] for row in csv.reader(io.StringIO(text, newline=""))]


def lines_of(content: bytes) -> str:
    """Return a text as click's runner gives it, which makes one line feed of every end of line."""
    return content.decode().replace("\r\n", "\n")


class Page(HTMLParser):
    """What a page holds: its cells by id, its elements, and all that it would load."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.cells: dict[str, str] = {}
        self.ids: list[str] = []
        self.tags: set[str] = set()
        self.loads: list[str] = []
        self.handlers: list[str] = []
        self._cell: str | None = None
        self.feed(content.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        told = {name: value or "" for name, value in attrs}
        self.tags.add(tag)
        self.ids += [told["id"]] if "id" in told else []
        self.handlers += [name for name in told if name.startswith("on") or name == "style"]
        self.loads += [
            told[name] for name in ("src", "href") if name in told and told[name][:1] != "#"
        ]
        self._cell = told.get("id") if tag == "a" else self._cell

    def handle_endtag(self, tag: str) -> None:
        """Note that a cell is over."""
        self._cell = None if tag == "a" else self._cell

    def handle_data(self, data: str) -> None:
        """Note the text of a cell."""
        if self._cell is not None:
            self.cells[self._cell] = self.cells.get(self._cell, "") + data


def cells_of(matrix: Mapping[str, Any]) -> dict[str, str]:
    """Return the code of each cell of a matrix by the cell's anchor."""
    return {
        f"{entity}.{field}/{slug(process)}": code
        for entity, field, codes in rows_of(matrix)
        for process, code in zip(matrix["processes"], codes, strict=True)
    }


class TestAll:
    """Every format holds every cell, and the same matrix gives the same bytes."""

    @pytest.mark.parametrize("form", MATRIX_FORMATS)
    def test_out(self, run: Run, form: str, tmp_path: Path) -> None:
        """A file is written with --out, without any colour, and twice the same."""
        for name in "ab":
            assert run("matrix", "--format", form, "--out", tmp_path / name) == (0, "", "")
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
        assert b"\x1b[" not in (tmp_path / "a").read_bytes()

    @pytest.mark.parametrize("form", [each for each in MATRIX_FORMATS if each != "xlsx"])
    def test_standard_output(self, run: Run, form: str, tmp_path: Path) -> None:
        """Without --out the same goes to standard output."""
        run("matrix", "--format", form, "--out", tmp_path / "file", COLUMNS="80")
        ran = run("matrix", "--format", form, COLUMNS="80")
        assert ran.out == lines_of((tmp_path / "file").read_bytes())

    def test_workbook_for_a_terminal(self, run: Run) -> None:
        """A workbook is for no terminal: a file must be named."""
        ran = run("matrix", "--format", "xlsx")
        assert (ran.code, ran.out) == (2, "")
        assert "--out" in ran.err

    def test_not_written(self, run: Run, tmp_path: Path) -> None:
        """A file that cannot be written is wrong usage."""
        ran = run("matrix", "--format", "csv", "--out", tmp_path / "no" / "file")
        assert ran.code == 2
        assert "cannot be written: No such file" in ran.err

    def test_without_openpyxl(
        self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where what writes workbooks is missing, a sentence says how to get it."""
        monkeypatch.setitem(sys.modules, "openpyxl", None)
        ran = run("matrix", "--format", "xlsx", "--out", tmp_path / "file")
        assert (ran.code, ran.out) == (2, "")
        assert 'pip install "ttrules[xlsx]"' in ran.err
        assert not (tmp_path / "file").exists()

    @pytest.mark.parametrize("form", ["csv", "html", "markdown"])
    def test_part(self, run: Run, form: str) -> None:
        """A part is asked for by entities and processes, and its order is kept."""
        processes = ["complaint-change", "customer-trouble-ticket-add"]
        args = [f"--process={name}" for name in processes]
        ran = run("matrix", "--format", form, "--entity", "Note", *args, "--entity", "Quantity")
        part = MatrixView.of(shipped(), ["Note", "Quantity"], processes)
        written = {"csv": csv_of, "html": page_of, "markdown": markdown_of}[form]
        assert ran.out == lines_of(written(part))
        assert [row.field for row in part.rows()] == [
            field for entity in ("Note", "Quantity") for field in MATRIX["entities"][entity]
        ]
        assert part.headings()[3:5] == ("Complaint Change", "Customer Trouble Ticket Add")
        assert run("matrix", "--format", form, "--entity", "Nobody").code == 2

    def test_unfit(self) -> None:
        """What no file can hold is escaped; a book made by others might have it."""
        assert fit("a\x00b\x1b\ud800\tc\U0001f600") == "a\\x00b\\x1b\\ud800\tc\U0001f600"


class TestCSV:
    """CSV is RFC 4180 in UTF-8, and gives back what it was given."""

    def test_every_cell(self, run: Run, other: Path, other_book: Rulebook) -> None:
        """Every row has entity, field, type, codes and description, below their headings."""
        for args, matrix, book in (
            ((), MATRIX, shipped()),
            (("--rules", other), OTHER_MATRIX, other_book),
        ):
            told = read_csv(run("matrix", "--format", "csv", *args).out.encode())
            heads = ["entity", "field", "type", *matrix["processes"], "description"]
            assert told == [heads, *by_rows(matrix, book)]

    def test_lines(self) -> None:
        """Lines end in CR LF; a mark stands before what is more than ASCII, for Excel."""
        content = csv_of(MatrixView.of(shipped()))
        rows = sum(len(fields) for fields in MATRIX["entities"].values())
        assert content.count(b"\n") == content.count(b"\r\n") == rows + 1
        assert content.isascii() is not content.startswith(b"\xef\xbb\xbf")

    def test_hostile(self, hostile: Rulebook) -> None:
        """What a spreadsheet would compute has an apostrophe before it, and comes back without."""
        content = csv_of(MatrixView.of(hostile))
        assert content.startswith(b"\xef\xbb\xbf")
        cells = [
            each for row in csv.reader(io.StringIO(content.decode("utf-8-sig"))) for each in row
        ]
        assert {each for each in cells if re.match(r"[=+\t\r@-]", each)} == {"-", "@type"}
        assert {row[1] for row in read_csv(content)[1:]} >= {*HOSTILE}
        assert {row[-1] for row in read_csv(content)[1:]} == {*HOSTILE, ""}


class TestXLSX:
    """A workbook holds the matrix as text, ready to be edited."""

    def test_every_cell(self, other_book: Rulebook) -> None:
        """Every row is there, below headings that stay in view and can be filtered by."""
        for matrix, book in ((MATRIX, shipped()), (OTHER_MATRIX, other_book)):
            sheet = load_workbook(io.BytesIO(xlsx_of(MatrixView.of(book))))["Matrix"]
            told = [[cell.value or "" for cell in row] for row in sheet.iter_rows()]
            heads = ["entity", "field", "type", *matrix["processes"], "description"]
            assert told == [heads, *by_rows(matrix, book)]
            assert sheet.freeze_panes == "D2"
            assert sheet.auto_filter.ref == sheet.dimensions

    def test_codes_are_offered(self) -> None:
        """In the cells of codes, and in no others, the codes that there are can be chosen."""
        sheet = load_workbook(io.BytesIO(xlsx_of(MatrixView.of(shipped()))))["Matrix"]
        (choice,) = sheet.data_validations.dataValidation
        assert choice.formula1 == f'"{",".join(REQUIREMENTS)}"'
        last = get_column_letter(3 + len(PROCESSES))
        rows = sum(len(fields) for fields in MATRIX["entities"].values())
        assert str(choice.sqref) == f"D2:{last}{rows + 1}"
        (colours,) = sheet.conditional_formatting
        assert str(colours.sqref) == f"D2:{last}{rows + 1}"
        assert [rule.formula for rule in colours.rules] == [[f'"{code}"'] for code in REQUIREMENTS]

    def test_legend(self) -> None:
        """A second sheet says what the codes mean."""
        legend = load_workbook(io.BytesIO(xlsx_of(MatrixView.of(shipped()))))["Codes"]
        rows = [tuple(cell.value for cell in row) for row in legend.iter_rows(min_row=2)]
        assert rows == [*REQUIREMENTS.items()]

    def test_hostile(self, hostile: Rulebook) -> None:
        """Nothing is a formula, a number or an error: all is text, and as it was."""
        sheet = load_workbook(io.BytesIO(xlsx_of(MatrixView.of(hostile))))["Matrix"]
        cells = [cell for row in sheet.iter_rows() for cell in row if cell.value is not None]
        assert {cell.data_type for cell in cells} == {"s"}
        assert {cell.number_format for cell in cells} == {"@"}
        assert {row[1].value for row in sheet.iter_rows(min_row=2)} >= {*HOSTILE}

    def test_no_time(self, tmp_path: Path) -> None:
        """No time is in it, neither of its parts nor of the whole."""
        (tmp_path / "file").write_bytes(xlsx_of(MatrixView.of(shipped())))
        with ZipFile(tmp_path / "file") as archive:
            assert {each.date_time for each in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
            properties = archive.read("docProps/core.xml").decode()
        assert set(re.findall(r"\d{4}-\d\d-\d\dT[\d:]+Z", properties)) == {"1980-01-01T00:00:00Z"}


class TestMarkdown:
    """Markdown has a table for each entity, and no element of HTML."""

    def test_every_cell(self, other_book: Rulebook) -> None:
        """Every code is in its row."""
        for matrix, book in ((MATRIX, shipped()), (OTHER_MATRIX, other_book)):
            told = markdown_of(MatrixView.of(book)).decode()
            rows = [
                [cell.strip(" `") for cell in line.split(" | ")]
                for line in told.partition("\n## ")[2].splitlines()
                if line.startswith("| `")
            ]
            assert [(row[0].strip("| `"), row[2:-1]) for row in rows] == [
                (field, codes) for _, field, codes in rows_of(matrix)
            ]

    def test_hostile(self, hostile: Rulebook) -> None:
        """Names stay in their cells and spans of code, and markup is told as text."""
        told = markdown_of(MatrixView.of(hostile)).decode()
        assert "<" not in re.sub(r"(`+).+?\1", "", told)
        assert "| `` &amp;\\|`x` `` |" in told


class TestHTML:
    """The page holds all there is, needs nothing beside it, and takes no text for markup."""

    def test_every_cell(self, other_book: Rulebook) -> None:
        """Each cell has its code, under an anchor of its own."""
        for matrix, book in ((MATRIX, shipped()), (OTHER_MATRIX, other_book)):
            page = Page(page_of(MatrixView.of(book)))
            assert page.cells == cells_of(matrix)
            assert len({*page.ids}) == len(page.ids)

    def test_all_that_is_known(self, other_book: Rulebook) -> None:
        """It contains descriptions, conditions, decisions and oddities with their reasons."""
        for book in (shipped(), other_book):
            told = re.sub(
                r"<[^>]+>", " ", page_of(MatrixView.of(book)).decode().replace("<wbr>", "")
            )
            words = " ".join(unescape(told).split())
            rows = [row for fields in book.matrix.entities.values() for row in fields.values()]
            decided = [each for each in book.matrix.decisions if each.get("fields")]
            wanted = [
                *(row.description for row in rows),
                *(each.reason for each in book.matrix.conditions),
                *(each["reason"] for each in decided),
                *(each.text for each in oddities(book.matrix) if each.kind != "decided"),
                *(f"{book.matrix.source}: row {number} " for number in range(1, len(rows) + 1)),
            ]
            assert [text for text in wanted if " ".join(text.split()) not in words] == []

    def test_alone(self, other_book: Rulebook) -> None:
        """It loads nothing, has no handler and no style in an attribute; its policy says so."""
        for book in (shipped(), other_book):
            content = page_of(MatrixView.of(book))
            page = Page(content)
            assert [each[:5] for each in page.loads] == ["data:"]
            assert page.handlers == []
            assert not {"iframe", "object", "embed", "img", "base"} & page.tags
            assert f'content="{policy()}"'.encode() in content
        for tag, kind in (("script", "script-src"), ("style", "style-src")):
            (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>".encode(), content, re.DOTALL)
            assert f"{kind} 'sha256-{b64encode(sha256(inside).digest()).decode()}'" in policy()
        assert policy().startswith("default-src 'none'; ")

    def test_hostile(self, hostile: Rulebook) -> None:
        """Names and descriptions are text, whatever they look like."""
        content = page_of(MatrixView.of(hostile))
        page = Page(content)
        assert page.tags == Page(page_of(MatrixView.of(shipped()))).tags
        assert page.handlers == []
        assert content.count(b"</script>") == 1
        assert {each.partition(".")[2].rpartition("/")[0] for each in page.cells} >= {*HOSTILE}

    def test_in_some_processes(self, other_book: Rulebook) -> None:
        """A condition, and what is not supported, say where they hold when that is not all."""
        for book in (other_book, shipped()):
            content = page_of(MatrixView.of(book)).decode().partition("<script>")[0]
            names = book.processes()
            conditions = [each.processes for each in book.matrix.conditions]
            unsupported = [
                [name for name, code in row.requirements.items() if code == "-"]
                for rows in book.matrix.entities.values()
                for row in rows.values()
            ]
            assert {*re.findall(r'data-in="([^"]*)"', content)} == {
                " ".join(map(slug, each))
                for each in [*conditions, *unsupported]
                if 0 < len(each) < len(names)
            }
