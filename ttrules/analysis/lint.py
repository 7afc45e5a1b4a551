"""Find open and confusing parts of a document.

Each kind of oddity is a row of KINDS (the search) or of NOTES (found when the document is read),
and one sentence of ODDITIES in each language.
An oddity is not an error: the rules are enforced as they are written. If the interpretation decides
an oddity, the topic of that decision is shown; decisions on no oddity are listed as well.
Nothing is corrected here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ttrules.codes import relation_holds
from ttrules.matrix import reached
from ttrules.messages.catalogue import DEFAULT, catalogue, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from ttrules.matrix import Condition, Field, Matrix

    #: A field, as Entity.field (or an entity alone), and the detail of its message.
    Found: TypeAlias = tuple[str, str]

#: Whether a member must be sent, or must not, by its code.
_IS_SENT: Final = {"R": True, "P": False}
#: Conditions on more fields are not searched for contradictions, which takes 2**n steps.
_MOST_FIELDS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Oddity:
    """An open or confusing part of a matrix.

    `kind` is one of KINDS or NOTES, or ``decided`` for a decision on no oddity; `about` names a
    field or an entity, `decided` the topics of its decisions.
    """

    kind: str
    about: str
    text: str
    decided: tuple[str, ...] = ()


def oddities(
    matrix: Matrix, language: str = DEFAULT, notes: Iterable[tuple[str, str, str]] = ()
) -> list[Oddity]:
    """Return the oddities of a matrix in the order of KINDS, then the other decisions.

    `notes` are oddities of the document: one of NOTES, what it is about, and a detail. Texts are in
    the language, except those of the matrix. Raises NoSuchLanguage.
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
        for kind, about, detail in (
            *((kind, *found) for kind, search in KINDS.items() for found in search(matrix)),
            *notes,
        )
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
        below = [each for entity in row.entities for each in matrix.entities[entity].values()]
        hollow_in = [
            process
            for process, code in row.requirements.items()
            if code in {"O", "R"}
            and below
            and all(each.requirements[process] in {"-", "P"} for each in below)
        ]
        if hollow_in:
            yield f"{entity}.{name}", " | ".join(row.entities)


def _untyped(matrix: Matrix) -> Iterator[Found]:
    for entity, name, row in _rows(matrix):
        if row.type is None:
            yield f"{entity}.{name}", ""


def _optional_selector(matrix: Matrix) -> Iterator[Found]:
    found: dict[str, list[str]] = {}
    for operation in ("add", "change"):
        selector = matrix.selector(operation)
        for process in selector.processes if selector.absent is None and selector.path else ():
            for entity, name in matrix.selecting_cells(process.name):
                if matrix.entities[entity][name].requirements[process.name] != "R":
                    found.setdefault(f"{entity}.{name}", []).append(process.name)
    for about, names in found.items():
        yield about, ", ".join(name for name in matrix.names if name in names)


def _unselecting(matrix: Matrix) -> Iterator[Found]:
    for operation in ("add", "change"):
        selector = matrix.selector(operation)
        for process in selector.processes[:1] if selector.path else ():
            entity, name = matrix.selecting_cells(process.name)[-1]
            shape = matrix.entities[entity][name].shape
            known = [value for each in selector.processes for value in each.values]
            values = shape.get("enum", [False, True] if shape.get("type") == "boolean" else [])
            left = [shown(value) for value in values if value is not None and value not in known]
            if left and selector.unmatched is None:
                yield f"{entity}.{name}", f"{', '.join(left)} ({operation})"


def _unread(matrix: Matrix) -> Iterator[Found]:
    held = {each for _, _, row in _rows(matrix) for each in row.entities} | {*matrix.roots}
    for entity in matrix.entities:
        if entity not in held:
            yield entity, ""


def _unreached(matrix: Matrix) -> Iterator[Found]:
    reach = {name: reached(matrix.entities, matrix.root_of(name)) for name in matrix.names}
    for entity, fields in matrix.entities.items():
        if any(entity in each for each in reach.values()):
            coded = [
                name
                for name in matrix.names
                if entity not in reach[name]
                and any(row.requirements[name] != "-" for row in fields.values())
            ]
            if coded:
                yield entity, ", ".join(coded)


def _untestable(matrix: Matrix) -> Iterator[Found]:
    parents: dict[str | None, list[str]] = {}
    for entity, _, row in _rows(matrix):
        parents.setdefault(row.entity, []).append(entity)
    for each in matrix.conditions:
        if each.when is None:
            continue
        owners = {"self": [each.entity], "parent": parents.get(each.entity, ())}
        for process in each.processes:
            rows = [
                matrix.entities[owner].get(each.when.field)
                for owner in owners.get(each.when.of, [matrix.root_of(process)])
            ]
            if all(row is None or row.requirements[process] == "P" for row in rows):
                yield _rows_of(each.entity, each.fields), f"{each.when.field} ({process})"


def _contradictory(matrix: Matrix) -> Iterator[Found]:
    found: dict[str, dict[str, None]] = {}
    for entity, fields in matrix.entities.items():
        for process in matrix.names:
            rules = [e for e in matrix.conditions_of(process, entity) if e.relation != "optional"]
            codes = {name: row.requirements[process] for name, row in fields.items()}
            for tested, owner in _situations(rules):
                applied = [
                    each
                    for each in rules
                    if each.when is None
                    or ((each.when.of, each.when.field) == tested and each.when.holds(owner))
                ]
                is_sent = {name: _IS_SENT.get(code) for name, code in codes.items()}
                if tested is not None and tested[0] == "self":
                    is_sent[tested[1]] = tested[1] in owner
                if not _can_be_met(applied, is_sent):
                    names = tuple(dict.fromkeys(name for each in applied for name in each.fields))
                    found.setdefault(_rows_of(entity, names), {})[process] = None
    for about, processes in found.items():
        yield about, ", ".join(processes)


def _situations(
    rules: Sequence[Condition],
) -> Iterator[tuple[tuple[str, str] | None, dict[str, Any]]]:
    """Yield each tested field, or None, with an owner for each value that a test names."""
    yield None, {}
    for when in dict.fromkeys((each.when.of, each.when.field) for each in rules if each.when):
        values: list[Any] = [object()]
        for each in rules:
            if each.when is not None and (each.when.of, each.when.field) == when:
                named = each.when.allowed or [each.when.value]
                is_list = each.when.test.endswith("contains")
                values += [[value] if is_list else value for value in named]
        yield when, {}
        yield from ((when, {when[1]: value}) for value in values)


def _can_be_met(rules: Sequence[Condition], is_sent: Mapping[str, bool | None]) -> bool:
    """Return whether an object can meet all rules; too many fields are not tried."""
    names = sorted({name for each in rules for name in each.fields})
    if len(names) > _MOST_FIELDS:
        return True
    for sent in product((True, False), repeat=len(names)):
        here = dict(zip(names, sent, strict=True))
        if all(is_sent[name] in {None, here[name]} for name in names) and all(
            relation_holds(each.relation, tuple(here[name] for name in each.fields))
            for each in rules
        ):
            return True
    return False


def _rows_of(entity: str, names: Sequence[str]) -> str:
    return ", ".join(f"{entity}.{name}" for name in names)


def _initial(matrix: Matrix) -> Iterator[Found]:
    cycle = matrix.lifecycle
    for process in matrix.processes if cycle else ():
        entity = matrix.root_of(process.name)
        row = matrix.entities[entity].get(cycle["field"])
        is_sent = row is not None and row.requirements[process.name] not in {"P", "-"}
        if process.operation == "add" and is_sent:
            yield f"{entity}.{cycle['field']}", f"{cycle['initial']} ({process.name})"


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
    "unselecting": _unselecting,
    "initial": _initial,
    "unread": _unread,
    "unreached": _unreached,
    "untestable": _untestable,
    "contradictory": _contradictory,
    "spelling": _run_together,
    "case": _case_only,
}

#: The kinds of oddities that the reading of a document finds (`ttrules.spec.shapes`).
NOTES: Final = ("default", "overruled", "unenforced")
