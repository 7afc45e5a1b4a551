"""Oddities of a book: what a document leaves open, or says in a way that one must stumble over.

Each kind is one row of KINDS, the search for it, and a sentence of the languages' ODDITIES. What is
found is no error: the rules are enforced as they stand. An oddity about which the interpretation
has decided carries the topic of that decision; the decisions that settle nothing found here are
listed as well, since they too are things that the document does not say. Nothing is mended here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ttrules.languages import DEFAULT, catalogue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Book: TypeAlias = Mapping[str, Any]
    #: A field, as Entity.field (or an entity alone), and what is told beside its kind's sentence.
    Found: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Oddity:
    """One thing to know of a book.

    `kind` is one of KINDS, or ``decided`` for a decision that settles no other; `about` names a
    field or an entity, `decided` the topics that settle it.
    """

    kind: str
    about: str
    text: str
    decided: tuple[str, ...] = ()


def oddities(book: Book, language: str = DEFAULT) -> list[Oddity]:
    """Return the oddities of a compiled book in the order of KINDS, then the other decisions.

    Their texts are of the language, but for what the book says. Raises NoSuchLanguage.
    """
    texts = catalogue(language).oddities
    found = [
        Oddity(
            kind=kind,
            about=about,
            text=texts[kind].format(detail=detail),
            decided=tuple(
                each["topic"] for each in book["decisions"] if about in each.get("fields", ())
            ),
        )
        for kind, search in KINDS.items()
        for about, detail in search(book)
    ]
    settled = {topic for each in found for topic in each.decided}
    return found + [
        Oddity(
            kind="decided",
            about=", ".join(each.get("fields", ())),
            text=" ".join(each["decision"].split()),
            decided=(each["topic"],),
        )
        for each in book["decisions"]
        if each["topic"] not in settled
    ]


def _rows(book: Book) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for entity, fields in book["entities"].items():
        for name, row in fields.items():
            yield entity, name, row


def _where(book: Book, row: Mapping[str, Any], codes: Callable[[str], bool]) -> list[str]:
    """Return the processes in which the code of a row is such a one."""
    names = [each["name"] for each in book["processes"]]
    return [name for name, code in zip(names, row["requirements"], strict=True) if codes(code)]


def _undeclared(book: Book) -> Iterator[Found]:
    for entity, name, row in _rows(book):
        declared = {
            process
            for each in book["conditions"]
            if each["entity"] == entity and name in each["fields"]
            for process in each["processes"]
        }
        open_in = [each for each in _where(book, row, _is_pd) if each not in declared]
        if open_in:
            yield f"{entity}.{name}", ", ".join(open_in)


def _hollow(book: Book) -> Iterator[Found]:
    columns = range(len(book["processes"]))
    for entity, name, row in _rows(book):
        below = book["entities"].get(row["entity"], {}).values()
        hollow_in = [
            book["processes"][column]["name"]
            for column in columns
            if row["requirements"][column] in {"O", "R"}
            and below
            and all(each["requirements"][column] in {"-", "P"} for each in below)
        ]
        if hollow_in:
            yield f"{entity}.{name}", row["entity"]


def _untyped(book: Book) -> Iterator[Found]:
    for entity, name, row in _rows(book):
        if row["type"] is None:
            yield f"{entity}.{name}", ""


def _optional_selector(book: Book) -> Iterator[Found]:
    field = book["selection"]["field"]
    if field is not None:
        row = book["entities"][book["root"]][field]
        optional_in = _where(book, row, lambda code: code != "R")
        if optional_in:
            yield f"{book['root']}.{field}", ", ".join(optional_in)


def _unread(book: Book) -> Iterator[Found]:
    held = {row["entity"] for _, _, row in _rows(book)} | {book["root"]}
    for entity in book["entities"]:
        if entity not in held:
            yield entity, ""


def _run_together(book: Book) -> Iterator[Found]:
    """Yield names in small letters made of two words that other names write as such: notedate."""
    names = {*book["entities"], *(name for _, name, _ in _rows(book))}
    starts = {each.casefold() for each in names}
    humps = {each for name in names for each in re.findall(r"(?<=[a-z])[A-Z][a-z]+", name)}
    for entity, name, _ in _rows(book):
        for hump in sorted(humps):
            start = name.removesuffix(hump.casefold())
            if start != name and start in starts:
                yield f"{entity}.{name}", start + hump


def _case_only(book: Book) -> Iterator[Found]:
    seen: dict[str, str] = {}
    for entity, name, _ in _rows(book):
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            yield f"{entity}.{name}", other


def _is_pd(code: str) -> bool:
    return "PD" in code


#: The kinds of oddities, and what finds each.
KINDS: Final[dict[str, Callable[[Book], Iterator[Found]]]] = {
    "undeclared": _undeclared,
    "hollow": _hollow,
    "untyped": _untyped,
    "selector": _optional_selector,
    "unread": _unread,
    "spelling": _run_together,
    "case": _case_only,
}
