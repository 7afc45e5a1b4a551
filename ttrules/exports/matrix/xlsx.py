"""The matrix as an XLSX workbook, and the cells of an edited workbook. Needs openpyxl.

Every cell is text, so a lone hyphen stays a code and nothing is computed. The same MatrixView gives
the same bytes, so the file contains no times. A workbook that is read is untrusted: the size of its
parts is limited before they are unpacked, document types are rejected, and a formula is read as its
text, which is never a code.
"""

from __future__ import annotations

import io
import re
import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from ttrules.codes import REQUIREMENTS
from ttrules.errors import NoOpenpyxl, TTRulesError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from openpyxl.worksheet.worksheet import Worksheet

    from ttrules.exports.matrix.view import Grid, MatrixView

#: The sheet with the matrix, and the one with the meaning of codes.
MATRIX: Final = "Matrix"
LEGEND: Final = "Codes"

#: Fill and font colour of each code; process dependent codes share one pair.
_COLOURS: Final = {
    "R": ("2B4591", "FFFFFF"),
    "O": ("E2F3E8", "17552F"),
    "P": ("FCE7E9", "8C1D2B"),
    "-": ("FFFFFF", "57606C"),
}
_DEPENDENT: Final = ("FFF2D4", "6A4300")
_WIDTHS: Final = {"entity": 28, "field": 28, "type": 26, "description": 90}
_CODE_WIDTH: Final = 15
#: The time of all parts of a workbook: the earliest one of a zip archive.
_TIME: Final = (1980, 1, 1, 0, 0, 0)
_MODIFIED: Final = re.compile(rb"(<dcterms:(created|modified)[^>]*>)[^<]*")
#: Far above any matrix, far below the memory of a machine.
_MOST_UNPACKED: Final = 64 * 1024 * 1024
_MOST_ROWS: Final = 20_000
_MOST_COLUMNS: Final = 1_000


class NotAWorkbook(TTRulesError, ValueError):
    """A file is not a workbook that can be read. `reason` is the cause."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _need_openpyxl() -> None:
    if find_spec("openpyxl") is None:
        raise NoOpenpyxl


def xlsx_of(part: MatrixView) -> bytes:
    """Return a part as a workbook. Raises NoOpenpyxl."""
    _need_openpyxl()
    from openpyxl import Workbook

    book = Workbook()
    sheet, legend = book.worksheets[0], book.create_sheet(LEGEND)
    sheet.title = MATRIX
    rows = [row.cells() for row in part.rows()]
    _fill(sheet, [part.headings(), *rows])
    _arrange(sheet, part, len(rows) + 1)
    _fill(legend, [("code", "meaning"), *REQUIREMENTS.items()])
    legend.column_dimensions["B"].width = _WIDTHS["description"]
    _colour(legend, f"A2:A{len(REQUIREMENTS) + 1}")
    book.properties.creator = "ttrules"
    book.properties.title = f"{part.matrix.title} {part.matrix.version}"
    out = io.BytesIO()
    book.save(out)
    return _timeless(out.getvalue())


def _fill(sheet: Worksheet, rows: Sequence[Sequence[str]]) -> None:
    """Write rows as text, the first of them as headings."""
    from openpyxl.styles import Alignment, Font

    for number, texts in enumerate(rows, 1):
        for column, text in enumerate(texts, 1):
            cell: Any = sheet.cell(number, column, text)
            # Never a formula, also if it starts like one.
            cell.data_type, cell.number_format = "s", "@"
            cell.quotePrefix = text.startswith(("=", "+", "-", "@"))
            cell.alignment = Alignment(vertical="top", wrap_text=number == 1)
            if number == 1:
                cell.font = Font(bold=True)


def _arrange(sheet: Worksheet, part: MatrixView, last: int) -> None:
    """Freeze headings and names, add a filter, and a drop-down list of codes."""
    from openpyxl.styles import Alignment
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation
    from openpyxl.worksheet.properties import PageSetupProperties

    heads = part.headings()
    first = heads.index("type") + 2
    letters = [get_column_letter(first + index) for index in range(len(part.processes))]
    for number, head in enumerate(heads, 1):
        width = _WIDTHS[head] if get_column_letter(number) not in letters else _CODE_WIDTH
        sheet.column_dimensions[get_column_letter(number)].width = width
    sheet.freeze_panes = f"{letters[0]}2"
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(heads))}{last}"
    area = f"{letters[0]}2:{letters[-1]}{last}"
    for row in sheet[area]:
        for cell in row:
            cell.alignment = Alignment(horizontal="center", vertical="top")
    choice = DataValidation(
        type="list",
        formula1=f'"{",".join(REQUIREMENTS)}"',
        allow_blank=False,
        showErrorMessage=True,
    )
    choice.error, choice.errorTitle = f"Choose one of: {', '.join(REQUIREMENTS)}", "No such code"
    choice.add(area)
    sheet.add_data_validation(choice)
    _colour(sheet, area)
    sheet.page_setup.orientation, sheet.page_setup.fitToHeight = "landscape", 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    sheet.print_title_rows = "1:1"


def _colour(sheet: Worksheet, area: str) -> None:
    """Colour each code, also one that is chosen later."""
    from openpyxl.formatting.rule import CellIsRule
    from openpyxl.styles import Font, PatternFill

    for code in REQUIREMENTS:
        fill, letters = _COLOURS.get(code, _DEPENDENT)
        rule = CellIsRule(  # type: ignore[no-untyped-call]  # its stub has no types
            operator="equal",
            formula=[f'"{code}"'],
            fill=PatternFill(bgColor=fill, fill_type="solid"),
            font=Font(color=letters, bold=True),
        )
        sheet.conditional_formatting.add(area, rule)


def _timeless(content: bytes) -> bytes:
    """Return a workbook with the same time everywhere."""
    out = io.BytesIO()
    with ZipFile(io.BytesIO(content)) as made, ZipFile(out, "w", ZIP_DEFLATED) as written:
        for name in made.namelist():
            info = ZipInfo(name, _TIME)
            info.compress_type = ZIP_DEFLATED
            part = _MODIFIED.sub(rb"\g<1>1980-01-01T00:00:00Z", made.read(name))
            written.writestr(info, part)
    return out.getvalue()


def cells_of(content: bytes) -> Grid:
    """Return the cells of a workbook's matrix as texts. Raises NoOpenpyxl and NotAWorkbook."""
    _need_openpyxl()
    try:
        _refuse_bombs(content)
        return _cells(content)
    except NotAWorkbook:
        raise
    except Exception as error:
        # What claims to be a workbook breaks zipfile, expat and openpyxl in many ways.
        raise NotAWorkbook("is no workbook, or only a part of one") from error


def _refuse_bombs(content: bytes) -> None:
    """Reject an archive that unpacks to too much, or has XML document types."""
    with ZipFile(io.BytesIO(content)) as archive:
        parts = archive.infolist()
        if sum(each.file_size for each in parts) > _MOST_UNPACKED:
            raise NotAWorkbook("unpacks to more than any matrix needs")
        if any(b"<!DOCTYPE" in archive.read(each) for each in parts):
            raise NotAWorkbook("contains a document type, which no workbook needs")


def _cells(content: bytes) -> Grid:
    from openpyxl import load_workbook

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what a spreadsheet added that is not read here
        book = load_workbook(io.BytesIO(content), read_only=True)
        sheets = {sheet.title: sheet for sheet in book.worksheets}
        if MATRIX not in sheets and len(sheets) > 1:
            raise NotAWorkbook(f"has no sheet {MATRIX!r}; there are: {', '.join(sheets)}")
        sheet = sheets[MATRIX] if MATRIX in sheets else book.worksheets[0]
        sheet.reset_dimensions()
        return [*_rows(sheet)]


def _rows(sheet: Any) -> Iterator[list[str]]:
    for number, cells in enumerate(sheet.iter_rows(), 1):
        if number > _MOST_ROWS or len(cells) > _MOST_COLUMNS:
            raise NotAWorkbook("has more rows or columns than any matrix")
        yield [_said(cell.value, cell.data_type) for cell in cells]


def _said(value: object, kind: str) -> str:
    if value is None:
        return ""
    text = str(value)
    return f"={text}" if kind == "f" and not text.startswith("=") else text
