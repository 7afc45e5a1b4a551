"""A small set of spec files that is right, and ways to make it wrong at a known place.

The files are texts, so that a test can say exactly what stands where: an edit replaces a piece of
one of them, and the sign » in it, which is taken away, marks the place of a problem.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from ttrules.errors import SpecError
from ttrules.spec.load import load_spec

if TYPE_CHECKING:
    from pathlib import Path

    from ttrules.spec.load import Matrix

MARK = "»"

OPENAPI = """\
openapi: 3.0.3
info: {title: Parcels, version: "7"}
paths: {}
components:
  schemas:
    Parcel:
      type: object
      properties:
        kind: {$ref: "#/components/schemas/Kind"}
        state: {type: string, enum: [posted, lost, found]}
        label: {type: string, pattern: "^[A-Z]+$"}
        weight: {type: number}
        size: {$ref: "#/components/schemas/Size"}
        stops: {type: array, items: {$ref: "#/components/schemas/Stop"}}
    Size:
      type: object
      properties:
        width: {type: integer}
        height: {type: integer}
    Stop:
      type: object
      properties:
        place: {type: string}
        code: {type: string}
        sign: {type: string}
    Kind: {type: string, enum: [letter, box]}
"""

REQUIREMENTS = """\
matrix: 1
root: Parcel
processes: [Letter Add, Letter Change, Box Add]
entities:
  Parcel:
    kind: [R, O, R]
    state: [P, O, P]
    label: [O, O, O]
    weight: ["-", "-", R]
    size: [O, O, R]
    stops: [O, O, O]
  Size:
    width: [R, R, R]
    height: [O, O, O]
  Stop:
    place: [R, R, R]
    code: [PD, PD, O]
    sign: [PD, PD, O]
"""

INTERPRETATION = """\
interpretation: 1
selection:
  field: kind
  reason: A parcel is of a kind.
  processes:
    Letter Add: {operation: add, value: letter}
    Letter Change: {operation: change, value: letter}
    Box Add: {operation: add, value: box}
conditions:
  - entity: Stop
    fields: [code, sign]
    relation: at_least_one
    processes: [Letter Add]
    when: {field: weight, of: parent, exists: true}
    reason: A stop is known by one of them.
unsupported: {policy: warn, reason: As it is.}
immutable: {fields: {Parcel: [label]}, reason: It is printed.}
identity: {fields: [place, code], reason: Places are known by both.}
removal: {allowed_when: never, reason: Nothing goes away.}
decisions:
  - {topic: Signs, decision: They are texts., reason: They are read., fields: [Stop.sign]}
"""

LIFECYCLE = """\
lifecycle: 1
field: state
initial: posted
moves:
  posted:
    - to: lost
  lost:
    - {to: found, by: [provider]}
    - to: posted
  found: []
events:
  ParcelLost: {to: lost}
  ParcelMoved: {any: true}
carries:
  ParcelLost: [state]
always: [kind]
"""

TEXTS = {
    "openapi": OPENAPI,
    "requirements": REQUIREMENTS,
    "interpretation": INTERPRETATION,
    "lifecycle": LIFECYCLE,
}


class Edit(NamedTuple):
    """A piece of a file that occurs there once, and its replacement."""

    file: str
    old: str
    new: str


class Refused(NamedTuple):
    """What a set of files is refused with: the places that were marked, and what was told."""

    marked: list[tuple[str, int, int]]
    told: list[tuple[str, int, int]]
    messages: list[str]


def loaded(folder: Path, *edits: Edit, without: tuple[str, ...] = ()) -> Matrix:
    """Write the edited files into a folder and return the Spec they state."""
    texts = {name: text.replace(MARK, "") for name, text in _edited(edits).items()}
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return load_spec(**{name: folder / f"{name}.yaml" for name in texts if name not in without})


def refused(folder: Path, *edits: Edit) -> Refused:
    """Return what the edited files are refused with, by names of files without a folder.

    Places are in the order of file, line and column, the marked ones as well as those told.
    """
    with pytest.raises(SpecError) as caught:
        loaded(folder, *edits)
    problems = caught.value.problems
    names = {str(folder / f"{name}.yaml"): name for name in TEXTS}
    return Refused(
        sorted(place for name, text in _edited(edits).items() for place in _marks(name, text)),
        [(names[each.file], each.line, each.column) for each in problems],
        [each.message for each in problems],
    )


def _edited(edits: tuple[Edit, ...]) -> dict[str, str]:
    """Return the texts of all files with the edits made, marks and all."""
    texts = dict(TEXTS)
    for file, old, new in edits:
        assert texts[file].count(old) == 1, f"{old!r} stands once in {file}"
        texts[file] = texts[file].replace(old, new)
    return texts


def _marks(name: str, text: str) -> list[tuple[str, int, int]]:
    """Return the places that are marked in a text, as they are without the marks."""
    places = []
    for line, written in enumerate(text.split("\n"), 1):
        before, *rest = written.split(MARK)
        for piece in rest:
            places.append((name, line, len(before) + 1))
            before += piece
    return places
