"""The matrix as one self-contained HTML page: `ttrules matrix --format html`.

Without a script the page shows the table and a note for each field; its script filters, moves, and
shows the note beside its cell. Template, style and script are the page.* files of this folder,
inserted as they are; the page's Content-Security-Policy allows their hashes only. Texts from spec
files are escaped wherever they are inserted. The same rulebook gives the same bytes.
"""

from __future__ import annotations

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Final

from ttrules.analysis.explain import Point, points_on, shape_of
from ttrules.analysis.lint import oddities
from ttrules.codes import REQUIREMENTS, slug
from ttrules.exports.matrix.view import fit
from ttrules.messages.catalogue import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ttrules.analysis.lint import Oddity
    from ttrules.exports.matrix.view import MatrixView
    from ttrules.matrix import Field, Matrix

_PAGE: Final = Path(__file__).parent
#: The prefix of a field's name in the anchor of its note. The script uses the name without it.
_NOTE: Final = "about:"
_HUMP: Final = re.compile(r"(?<=[a-z0-9.])(?=[A-Z@])")
#: The CSS class of each code; process dependent codes share one.
_CLASSES: Final = {"R": "r", "O": "o", "P": "p", "-": "n"}


def page_of(part: MatrixView) -> bytes:
    """Return a part of a matrix as a page."""
    matrix = part.matrix
    rows = sum(len(matrix.entities[entity]) for entity in part.entities)
    counts = f"{_counted(rows, 'field')} · {_counted(len(part.processes), 'process', 'es')}"
    name = f"{matrix.title} {matrix.version}"
    numbers = _numbers(matrix)
    odd = [each for each in oddities(matrix) if each.kind != "decided"]
    text = Template(_face("html")).substitute(
        policy=policy(),
        title=_text(f"Requirement matrix · {name}"),
        subtitle=_text(f"{name} · {counts}"),
        style=_face("css"),
        script=_face("js"),
        entity_options="".join(_option(each, each) for each in part.entities),
        process_options="".join(_option(slug(each), each) for each in part.processes),
        process_heads="".join(
            f'<th scope="col" data-process="{_text(slug(each))}">{_text(each)}</th>'
            for each in part.processes
        ),
        chips="\n".join(_chip(code) for code in part.used()),
        legend="".join(
            f"<dt>{_code(code)}</dt><dd>{_text(meaning)}</dd>"
            for code, meaning in part.used().items()
        ),
        bodies="\n".join(_body(part, entity) for entity in part.entities),
        notes="\n".join(
            _note(part, entity, field, numbers[entity, field], odd)
            for entity in part.entities
            for field in matrix.entities[entity]
        ),
    )
    return text.encode()


@cache
def policy() -> str:
    """Return the Content-Security-Policy of every page: only its own style and script."""
    style, script = (
        b64encode(sha256(_face(kind).encode()).digest()).decode() for kind in ("css", "js")
    )
    return (
        f"default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}';"
        " img-src data:; base-uri 'none'; form-action 'none'"
    )


@cache
def _face(kind: str) -> str:
    return (_PAGE / f"page.{kind}").read_text("utf-8")


def _text(text: str) -> str:
    return escape(fit(text))


def _name(text: str) -> str:
    """Return a name that may wrap between its words: troubleTicket|Relationship."""
    return "<wbr>".join(map(_text, _HUMP.split(text)))


def _counted(count: int, one: str, more: str = "s") -> str:
    return f"{count} {one}{more if count != 1 else ''}"


def _numbers(matrix: Matrix) -> dict[tuple[str, str], int]:
    """Return the number of each row in the whole matrix, from 1."""
    rows = ((entity, field) for entity, fields in matrix.entities.items() for field in fields)
    return {row: number for number, row in enumerate(rows, 1)}


def _option(value: str, text: str) -> str:
    return f'<option value="{_text(value)}">{_text(text)}</option>'


def _short(code: str) -> str:
    """Return the meaning of a code in a few words."""
    return REQUIREMENTS[code].partition(":")[0]


def _code(code: str) -> str:
    return f'<b class="code {_CLASSES.get(code, "d")}">{code}</b>'


def _chip(code: str) -> str:
    box = f'<input type="checkbox" name="code" value="{code}">'
    return f'<label class="chip">{box}{_code(code)} {_short(code)}</label>'


def _body(part: MatrixView, entity: str) -> str:
    """Return the rows of an entity."""
    span = len(part.processes) + 2
    head = f'<th scope="rowgroup" colspan="{span}"><span>{_text(entity)}</span></th>'
    lines = [f'<tbody data-entity="{_text(entity)}">', f'<tr class="entity">{head}</tr>']
    for field, row in part.matrix.entities[entity].items():
        name = f"{entity}.{field}"
        cells = "".join(
            f"<td>{_link(name, slug(process), code)}</td>" for process, code in _codes(part, row)
        )
        kind = row.type or catalogue().text("no_type")
        lines.append(
            f'<tr data-field="{_text(field)}"><th scope="row"><code>{_name(field)}</code>'
            f'<span class="type">{_name(kind)}</span></th>{cells}'
            f'<td class="about">{_text(row.description)}</td></tr>'
        )
    return "\n".join([*lines, "</tbody>"])


def _link(name: str, process: str, code: str) -> str:
    """Return a code that links to its note."""
    meaning = REQUIREMENTS[code]
    return (
        f'<a id="{_text(f"{name}/{process}")}" href="#{_NOTE}{_text(name)}"'
        f' class="code {_CLASSES.get(code, "d")}"'
        f' title="{meaning}" aria-label="{code}: {_short(code)}">{code}</a>'
    )


def _codes(part: MatrixView, row: Field) -> Iterator[tuple[str, str]]:
    """Yield the processes of a part with the code that a row has in each."""
    for process in part.processes:
        yield process, row.requirements[process]


def _note(part: MatrixView, entity: str, field: str, number: int, odd: Iterable[Oddity]) -> str:
    """Return the note of a field."""
    matrix, words = part.matrix, catalogue()
    row = matrix.entities[entity][field]
    name = f"{entity}.{field}"
    kind, limits, values = shape_of(row)
    source = f"{matrix.title} {matrix.version}, {matrix.source}: row {number} ({name})"
    facts: dict[str, list[Point]] = {
        "Type": [Point(kind or words.text("no_type"))],
        "Values": [Point(", ".join(values))] if values else [],
        "Limits": [Point(", ".join(limits))] if limits else [],
        **points_on(matrix, entity, field, words),
        "Oddities": [_as_point(each) for each in odd if each.about in {name, entity}],
        "Source": [Point(source)],
    }
    codes = "".join(
        f'<li data-process="{_text(slug(process))}">{_code(code)}'
        f'<span class="process">{_text(process)}</span>'
        f'<span class="meaning">{_text(REQUIREMENTS[code])}</span></li>'
        for process, code in _codes(part, row)
    )
    described = f'<p class="description">{_text(row.description)}</p>' if row.description else ""
    told = "".join(
        f"<div><dt>{title}</dt>{''.join(_fact(each, part) for each in points)}</div>"
        for title, points in facts.items()
        if points
    )
    return (
        f'<article class="note" id="{_NOTE}{_text(name)}"><h3>{_name(name)}</h3>'
        f"{described}"
        f'<ul class="codes">{codes}</ul><dl class="facts">{told}</dl></article>'
    )


def _as_point(oddity: Oddity) -> Point:
    decided = f" Decided under: {', '.join(oddity.decided)}." if oddity.decided else ""
    return Point(oddity.text + decided)


def _fact(point: Point, part: MatrixView) -> str:
    """Return a point; if it applies to some processes only, they are named, also in `data-in`."""
    text, where = point.text, ""
    if set(point.processes) < set(part.book.processes()) and point.processes:
        text = f"{text} ({', '.join(point.processes)})"
        where = f' data-in="{_text(" ".join(map(slug, point.processes)))}"'
    why = f'<p class="why">Why: {_text(point.reason)}</p>' if point.reason else ""
    return f"<dd{where}>{_text(text)}{why}</dd>"
