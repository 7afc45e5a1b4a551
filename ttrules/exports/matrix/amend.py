"""`ttrules amend`: write the codes of an edited table into requirements.yaml.

Only codes that differ are changed: comments, order, quotes and line ends stay, and columns stay
aligned where there is room. The new text is written to a temporary file, loaded as a spec and
compared with the requested codes before it replaces the file. So the file is either as the table
says or unchanged.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ttrules.errors import Problem, SpecError
from ttrules.exports.matrix.read_table import codes_in
from ttrules.spec.directory import write_through
from ttrules.spec.load import load_spec
from ttrules.spec.yaml_source import Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ttrules.exports.matrix.read_table import Cell

    #: A part of a text by its start and end, and the text that replaces it.
    Piece = tuple[int, int, str]

_MARK: Final = b"\xef\xbb\xbf"
_CODE: Final = re.compile(r"""(["']?)([A-Z/]+|-)\1""")
#: The text between a code and the next part of its line.
_GAP: Final = re.compile(r",?( *)(?=\S)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A code that differs in the table."""

    entity: str
    field: str
    process: str
    old: str
    new: str

    def __str__(self) -> str:
        """Name the cell, and the codes before and after."""
        return f"{self.entity}.{self.field}, {self.process}: {self.old} -> {self.new}"


def amend(table: str, into: str, others: Mapping[str, str | None], *, check: bool) -> list[Edit]:
    """Change the codes of a matrix file to those of a table, and return what differed.

    `others` are the other spec files, by the parameters of load_spec; with `check` nothing is
    written. Raises SpecError if the files are wrong, or would be; TableRefused and NoOpenpyxl if
    the table cannot be used; OSError if the file cannot be written.
    """
    load_spec(requirements=into, **others)  # type: ignore[arg-type]  # openapi is among them
    source = Source(into)
    edits = [*differences(source.value, codes_in(table, source.value))]
    if edits:
        target = Path(into).resolve()
        mark = _MARK if target.read_bytes().startswith(_MARK) else b""
        content = mark + amended(source, edits).encode()
        _refuse_wrong(content, source, edits, others)
        if not check:
            _replace(target, content)
    return edits


def differences(matrix: Mapping[str, Any], codes: Mapping[Cell, str]) -> Iterator[Edit]:
    """Yield the differences between a table and a matrix, in the order of the matrix."""
    for entity, fields in matrix["entities"].items():
        for field, cells in fields.items():
            for process, old in zip(matrix["processes"], cells, strict=True):
                new = codes[entity, field, process]
                if new != old:
                    yield Edit(entity=entity, field=field, process=process, old=old, new=new)


def amended(source: Source, edits: Sequence[Edit]) -> str:
    """Return the text of a matrix file with changed codes."""
    processes = source.value["processes"]
    wanted: dict[tuple[str, str], dict[int, str]] = defaultdict(dict)
    for each in edits:
        wanted[each.entity, each.field][processes.index(each.process)] = each.new
    widths = _widths(source)
    pieces = {
        piece
        for row, codes in wanted.items()
        for piece in _pieces(source.text, _extents(source, *row), codes, widths)
    }
    text = source.text
    for start, end, new in sorted(pieces, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _extents(source: Source, entity: str, field: str) -> list[tuple[int, int]]:
    """Return the start and end of each code of a row."""
    count = len(source.value["processes"])
    return [source.extent(("entities", entity, field, index)) for index in range(count)]


def _widths(source: Source) -> Mapping[tuple[int, int], set[int]]:
    """Return the widths of the codes after which text begins in the same column.

    The key is the number of the code in its row, and the column. If there are several widths, the
    file is aligned there.
    """
    widths: dict[tuple[int, int], set[int]] = defaultdict(set)
    for entity, fields in source.value["entities"].items():
        for field in fields:
            for index, (start, end) in enumerate(_extents(source, entity, field)):
                if gap := _GAP.match(source.text, end):
                    column = gap.end() - source.text.rfind("\n", 0, end)
                    widths[index, column].add(end - start)
    return widths


def _pieces(
    text: str,
    extents: Sequence[tuple[int, int]],
    codes: Mapping[int, str],
    widths: Mapping[tuple[int, int], set[int]],
) -> Iterator[Piece]:
    """Yield the edits of a row. Missing room is compensated after a later code."""
    texts = [text[start:end] for start, end in extents]
    shift = 0
    for index, (start, end) in enumerate(extents):
        new = _written(codes[index], index, texts) if index in codes else texts[index]
        if new != texts[index]:
            yield start, end, new
        shift += len(new) - len(texts[index])
        gap = _GAP.match(text, end)
        if gap is None:  # the line ends here
            shift = 0
        elif shift:
            room = len(gap[1])
            column = gap.end() - text.rfind("\n", 0, end)
            is_aligned = room > 1 or len(widths[index, column]) > 1
            kept = max(room - shift, min(room, 1)) if is_aligned or shift > 0 else room
            yield gap.start(1), gap.end(1), " " * kept
            shift = shift + kept - room if is_aligned or shift > 0 else 0


def _written(code: str, index: int, texts: Sequence[str]) -> str:
    """Return a code as a row writes its codes; a lone hyphen is not plain text in YAML."""
    here, *others = texts[index], *texts
    found = [_CODE.fullmatch(each) for each in (here, *others)]
    quotes = [each[1] for each in found if each and (each[2] == "-") == (code == "-")]
    quote = quotes[0] if quotes else ""
    return f'"{code}"' if code == "-" and not quote else f"{quote}{code}{quote}"


def _refuse_wrong(
    content: bytes, source: Source, edits: Sequence[Edit], others: Mapping[str, str | None]
) -> None:
    """Reject a matrix that cannot be loaded or that differs from the requested one."""
    wanted = {(each.entity, each.field, each.process): each.new for each in edits}
    processes = source.value["processes"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(source.path).name
        path.write_bytes(content)
        try:
            load_spec(requirements=path, **others)  # type: ignore[arg-type]  # as above
            entities = Source(path).value["entities"]
        except SpecError as error:
            raise SpecError([_moved(each, str(path), source) for each in error.problems]) from error
    for entity, fields in source.value["entities"].items():
        for field, cells in fields.items():
            expected = [
                wanted.get((entity, field, process), old)
                for process, old in zip(processes, cells, strict=True)
            ]
            if entities[entity][field] != expected:
                message = (
                    f"{entity}.{field} shares its codes with another row; write them out first"
                )
                raise SpecError([source.problem(("entities", entity, field), message)])


def _moved(problem: Problem, path: str, source: Source) -> Problem:
    """Return a problem of the temporary file as one of the final file."""
    if problem.file != path:
        return problem
    message = f"{problem.message} (once the codes are changed)"
    return Problem(source.path, problem.line, problem.column, message)


def _replace(target: Path, content: bytes) -> None:
    """Replace a file atomically."""
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        write_through(beside, content)
        shutil.copymode(target, beside)
        beside.replace(target)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
