"""Find open and confusing parts of a document.

Each kind of oddity is one row of KINDS (the search) and one sentence of ODDITIES in each language.
An oddity is not an error: the rules are enforced as they are written. If the interpretation decides
an oddity, the topic of that decision is shown; decisions on no oddity are listed as well.
Nothing is corrected here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from ttrules.messages.catalogue import DEFAULT, catalogue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ttrules.matrix import Field, Matrix

    #: A field, as Entity.field (or an entity alone), and the detail of its message.
    Found: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Oddity:
    """An open or confusing part of a matrix.

    `kind` is one of KINDS, or ``decided`` for a decision on no oddity; `about` names a field
    or an entity, `decided` the topics of its decisions.
    """

    kind: str
    about: str
    text: str
    decided: tuple[str, ...] = ()


def oddities(matrix: Matrix, language: str = DEFAULT) -> list[Oddity]:
    """Return the oddities of a matrix in the order of KINDS, then the other decisions.

    Texts are in the language, except those of the matrix. Raises NoSuchLanguage.
    """
    texts = catalogue(language).oddities
    found = [
        Oddity(
            kind=kind,
            about=about,
            text=texts[kind].format(detail=detail),
            decided=tuple(
                each["topic"] for each in matrix.decisions if about in each.get("fields", ())
            ),
        )
        for kind, search in KINDS.items()
        for about, detail in search(matrix)
    ]
    settled = {topic for each in found for topic in each.decided}
    return found + [
        Oddity(
            kind="decided",
            about=", ".join(each.get("fields", ())),
            text=" ".join(each["decision"].split()),
            decided=(each["topic"],),
        )
        for each in matrix.decisions
        if each["topic"] not in settled
    ]


def _rows(matrix: Matrix) -> Iterator[tuple[str, str, Field]]:
    for entity, fields in matrix.entities.items():
        for name, row in fields.items():
            yield entity, name, row


def _where(row: Field, codes: Callable[[str], bool]) -> list[str]:
    """Return the processes in which the code of a field fulfils `codes`."""
    return [name for name, code in row.requirements.items() if codes(code)]


def _undeclared(matrix: Matrix) -> Iterator[Found]:
    for entity, name, row in _rows(matrix):
        declared = {
            process
            for each in matrix.conditions
            if each.entity == entity and name in each.fields
            for process in each.processes
        }
        open_in = [each for each in _where(row, _is_pd) if each not in declared]
        if open_in:
            yield f"{entity}.{name}", ", ".join(open_in)


def _hollow(matrix: Matrix) -> Iterator[Found]:
    for entity, name, row in _rows(matrix):
        below = matrix.entities[row.entity].values() if row.entity is not None else ()
        hollow_in = [
            process
            for process, code in row.requirements.items()
            if code in {"O", "R"}
            and below
            and all(each.requirements[process] in {"-", "P"} for each in below)
        ]
        if hollow_in:
            yield f"{entity}.{name}", str(row.entity)


def _untyped(matrix: Matrix) -> Iterator[Found]:
    for entity, name, row in _rows(matrix):
        if row.type is None:
            yield f"{entity}.{name}", ""


def _optional_selector(matrix: Matrix) -> Iterator[Found]:
    field = matrix.selection_field
    if field is not None:
        row = matrix.root_fields[field]
        optional_in = _where(row, lambda code: code != "R")
        if optional_in:
            yield f"{matrix.root}.{field}", ", ".join(optional_in)


def _unread(matrix: Matrix) -> Iterator[Found]:
    held = {row.entity for _, _, row in _rows(matrix)} | {matrix.root}
    for entity in matrix.entities:
        if entity not in held:
            yield entity, ""


def _run_together(matrix: Matrix) -> Iterator[Found]:
    """Yield lower-case names of two words that other names write in camel case: notedate."""
    names = {*matrix.entities, *(name for _, name, _ in _rows(matrix))}
    starts = {each.casefold() for each in names}
    humps = {each for name in names for each in re.findall(r"(?<=[a-z])[A-Z][a-z]+", name)}
    for entity, name, _ in _rows(matrix):
        for hump in sorted(humps):
            start = name.removesuffix(hump.casefold())
            if start != name and start in starts:
                yield f"{entity}.{name}", start + hump


def _case_only(matrix: Matrix) -> Iterator[Found]:
    seen: dict[str, str] = {}
    for entity, name, _ in _rows(matrix):
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            yield f"{entity}.{name}", other


def _is_pd(code: str) -> bool:
    return "PD" in code


#: The kinds of oddities, with the function that finds each.
KINDS: Final[dict[str, Callable[[Matrix], Iterator[Found]]]] = {
    "undeclared": _undeclared,
    "hollow": _hollow,
    "untyped": _untyped,
    "selector": _optional_selector,
    "unread": _unread,
    "spelling": _run_together,
    "case": _case_only,
}
