"""The matrix as CSV (RFC 4180), which can be edited and read back.

CSV has no types, so a spreadsheet computes text that starts like a formula. Such text gets an
apostrophe in front, which is removed when the table is read.
"""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ttrules.exports.matrix.view import MatrixView

#: Text that spreadsheets compute, or that looks like an escaped one when it is read back. A name
#: after a single @ computes nothing, and the matrix has many of them.
_COMPUTED: Final = re.compile(r"'*(?:[=+\t\r]|-.|@(?![A-Za-z0-9_]*\Z))", re.DOTALL)


_ESCAPED: Final = re.compile(r"'+[=+\-@\t\r]")


def csv_of(part: MatrixView) -> bytes:
    """Return a part as CSV: RFC 4180, UTF-8, headings and then one row for each field.

    If it is not ASCII, it starts with a byte order mark, because Excel assumes another encoding
    otherwise.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    for cells in (part.headings(), *(row.cells() for row in part.rows())):
        writer.writerow(map(_not_computed, cells))
    text = out.getvalue()
    return text.encode("ascii" if text.isascii() else "utf-8-sig")


def _not_computed(text: str) -> str:
    return f"'{text}" if _COMPUTED.match(text) else text


def without_apostrophe(text: str) -> str:
    """Return the text of a CSV cell without the apostrophe that escapes a formula."""
    return text[1:] if _ESCAPED.match(text) else text
