"""Tables for a terminal: the matrix, and the oddities that lint finds.

They say the same without colour, and fold where the terminal is narrow. A matrix folds its headings
alone: where these are as narrow as codes, it is wider than the terminal, since no code and no name
is ever cut. What stands in a cell comes from spec files and is freed of everything that a terminal
would obey.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import click
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ttrules.codes import REQUIREMENTS
from ttrules.report import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ttrules.languages import Catalogue
    from ttrules.lint import Oddity

#: The colour of each requirement code; those that are process dependent have one in common.
_COLOURS: Final = {"R": "bold red", "O": "green", "P": "magenta", "-": "dim"}
_DEPENDENT: Final = "bold yellow"
#: How wide a column of codes is at least, and what stands between two columns.
_NARROWEST: Final = max(map(len, REQUIREMENTS))
_BETWEEN: Final = 3


def show_matrix(
    book: Mapping[str, Any],
    entities: Sequence[str],
    processes: Sequence[str],
    words: Catalogue,
    *,
    colours: bool,
) -> None:
    """Print rows and columns of the matrix of a compiled book, with the meaning of their codes."""
    names = [each["name"] for each in book["processes"]]
    columns = [names.index(name) for name in processes]
    table = _table(words.text("field"), *processes)
    table.columns[0].no_wrap = True
    for column in table.columns[1:]:
        column.justify, column.min_width = "center", _NARROWEST
    used: set[str] = set()
    for entity in entities:
        table.add_row(Text(printable(entity), style="bold"))
        for field, row in book["entities"][entity].items():
            codes = [row["requirements"][column] for column in columns]
            cells = [Text(code, style=_colour(code)) for code in codes]
            table.add_row(Text(f"  {printable(field)}"), *cells)
            used.update(codes)
        table.add_section()
    legend = Table.grid(padding=(0, 2))
    for code, meaning in words.requirements.items():
        if code in used:
            legend.add_row(Text(code, style=_colour(code)), meaning)
    names_width = max(cell_len(str(cell)) for cell in table.columns[0].cells)
    least = names_width + len(columns) * (_NARROWEST + _BETWEEN) + _BETWEEN
    _print(table, colours=colours, least=least)
    _print(legend, colours=colours)


def show_oddities(found: Iterable[Oddity], words: Catalogue, *, colours: bool) -> None:
    """Print the oddities of a book, one a row."""
    table = _table(*(words.text(name) for name in ("kind", "about", "what", "decided")))
    for each in found:
        style = "" if each.decided else "yellow"
        cells = (each.kind, each.about, each.text, ", ".join(each.decided))
        table.add_row(*(Text(printable(cell), style=style) for cell in cells))
    _print(table, colours=colours)


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(Text(printable(heading)), overflow="fold")
    return table


def _colour(code: str) -> str:
    return _COLOURS.get(code, _DEPENDENT)


def _print(table: Table, *, colours: bool, least: int = 0) -> None:
    """Print a table as wide as the terminal is, or as it has to be."""
    console = Console(highlight=False, markup=False, emoji=False)
    console.width = max(console.width, least)
    # Written by click, since rich ends the program itself when nobody reads; to the output that is
    # named, since click takes another one where the output is ASCII.
    with console.capture() as told:
        console.print(table)
    click.echo(told.get(), sys.stdout, nl=False, color=colours)
