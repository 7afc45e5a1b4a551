"""Tables for a terminal: the matrix, and the findings of lint.

Tables contain the same without colour, and wrap in a narrow terminal. In a matrix only headings
wrap; codes and names are never cut, so a matrix may be wider than the terminal. Cells come from
spec files, so control characters are escaped.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ttrules.codes import REQUIREMENTS
from ttrules.messages.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ttrules.analysis.lint import Oddity
    from ttrules.matrix import Matrix
    from ttrules.messages.catalogue import Catalogue

#: The colour of each requirement code; process dependent codes share one.
_COLOURS: Final = {"R": "bold red", "O": "green", "P": "magenta", "-": "dim"}
_DEPENDENT: Final = "bold yellow"
#: The minimum width of a column of codes, and the width between two columns.
_NARROWEST: Final = max(map(len, REQUIREMENTS))
_BETWEEN: Final = 3


def matrix_table(
    matrix: Matrix,
    entities: Sequence[str],
    processes: Sequence[str],
    words: Catalogue,
) -> str:
    """Return rows and columns of the matrix, with the meaning of their codes.

    It is coloured if standard output is a terminal.
    """
    table = _table(words.text("field"), *processes)
    table.columns[0].no_wrap = True
    for column in table.columns[1:]:
        column.justify, column.min_width = "center", _NARROWEST
    used: set[str] = set()
    for entity in entities:
        table.add_row(Text(printable(entity), style="bold"))
        for field, row in matrix.entities[entity].items():
            codes = [row.requirements[name] for name in processes]
            cells = [Text(code, style=_colour(code)) for code in codes]
            table.add_row(Text(f"  {printable(field)}"), *cells)
            used.update(codes)
        table.add_section()
    legend = Table.grid(padding=(0, 2))
    for code, meaning in words.requirements.items():
        if code in used:
            legend.add_row(Text(code, style=_colour(code)), meaning)
    names_width = max(cell_len(str(cell)) for cell in table.columns[0].cells)
    least = names_width + len(processes) * (_NARROWEST + _BETWEEN) + _BETWEEN
    return _rendered(table, least) + _rendered(legend)


def show_oddities(found: Iterable[Oddity], words: Catalogue, *, colours: bool) -> None:
    """Print the oddities of a rulebook, one in each row."""
    table = _table(*(words.text(name) for name in ("kind", "about", "what", "decided")))
    for each in found:
        style = "" if each.decided else "yellow"
        cells = (each.kind, each.about, each.text, ", ".join(each.decided))
        table.add_row(*(Text(printable(cell), style=style) for cell in cells))
    # Written by click, because rich exits when the reader closes the output. The stream is named,
    # because click otherwise uses another one if the output is ASCII.
    click.echo(_rendered(table), sys.stdout, nl=False, color=colours)


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(Text(printable(heading)), overflow="fold")
    return table


def _colour(code: str) -> str:
    return _COLOURS.get(code, _DEPENDENT)


def _rendered(table: Table, least: int = 0) -> str:
    """Return a table as wide as the terminal, or wider if it has to be."""
    console = Console(highlight=False, markup=False, emoji=False)
    console.width = max(console.width, least)
    with console.capture() as captured:
        console.print(table)
    return captured.get()
