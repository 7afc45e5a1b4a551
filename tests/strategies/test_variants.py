"""Payloads are made for recursive entities and for variants: strategies, examples, defects."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from hypothesis import Phase, given, settings

from tests.support.small_matrix import NAME, PROCESSES, book_of, many, matrix_of, row
from tests.support.variants import MATRICES
from ttrules import Finding, strategies
from ttrules.examples.defective import broken, likely
from ttrules.examples.exchanges import sample
from ttrules.examples.generate import NoExample, example
from ttrules.keywords import expanded
from ttrules.strategies.defects import cells

if TYPE_CHECKING:
    from ttrules.matrix import Field

BOOKS = {name: book_of(matrix) for name, matrix in MATRICES.items()}
FEW = settings(
    deadline=None, max_examples=8, database=None, derandomize=True, phases=[Phase.generate]
)
every = pytest.mark.parametrize("name", MATRICES)
both = pytest.mark.parametrize("process", PROCESSES)


@every
@both
def test_payloads(name: str, process: str) -> None:
    """Drawn payloads are valid for both engines."""
    book = BOOKS[name]

    @FEW
    @given(strategies.payloads(process, book=book))
    def check(payload: dict[str, Any]) -> None:
        assert book.is_valid(payload, process)
        assert book.is_valid(payload, process, engine="reference")

    check()


@every
@both
def test_broken(name: str, process: str) -> None:
    """A broken payload has the finding that comes with it, and no other."""
    book = BOOKS[name]

    @FEW
    @given(strategies.broken(process, book=book))
    def check(drawn: tuple[dict[str, Any], Finding]) -> None:
        payload, finding = drawn
        report = book.validate(payload, process)
        assert [*report.violations, *report.warnings] == [finding]

    check()


@pytest.mark.parametrize(
    ("name", "entity", "field"),
    [
        ("tree", "Node", "name"),
        ("mutual recursion", "Part", "size"),
        ("discriminator", "Bike", "gears"),
        ("expressions", "Leaf", "size"),
        ("scalars", "Order", "ip"),
        ("scalars and entities", "Car", "doors"),
    ],
)
def test_cells(name: str, entity: str, field: str) -> None:
    """Cells of variants, and below them, can be broken."""
    book = BOOKS[name]

    @FEW
    @given(strategies.broken(PROCESSES[0], cell=(entity, field), book=book))
    def check(drawn: tuple[dict[str, Any], Finding]) -> None:
        payload, finding = drawn
        assert (finding.entity, finding.field) == (entity, field)
        assert [*book.validate(payload, PROCESSES[0]).violations] == [finding]

    check()


@every
@both
def test_examples(name: str, process: str) -> None:
    """There are an example of each extent, an exchange, and payloads with one defect."""
    book = BOOKS[name]
    assert not [*book.validate(example(book, process, "minimal"), process)]
    full = example(book, process, "full")
    assert {*full} >= {*book.schema(process).get("required", ())}
    assert sample(book, process) is not None
    for made in broken(book, process):
        report = book.validate(made.payload, process)
        found = [*report.violations, *report.warnings]
        assert process == PROCESSES[1] or [(e.code, e.pointer) for e in found] == [
            (made.code, made.pointer)
        ]


def test_every_entity() -> None:
    """A full example, and the cells, have objects of all entities that a payload can contain."""
    for name in ("mutual recursion", "discriminator", "expressions"):
        book = BOOKS[name]
        known = {each.owner["x-ttrules"]["entity"] for each in cells(book.schemas["plain-add"])}
        assert known == {*book.matrix.entities}


def test_likely() -> None:
    """A realistic value of a recursive field ends."""
    for name, book in BOOKS.items():
        for entity, rows in book.matrix.entities.items():
            for field in rows:
                made = likely(book, entity, field)
                assert made is not None or name.startswith("scalars"), (entity, field)


class TestWithoutEnd:
    """Entities of which no object ends."""

    ENTITIES: ClassVar[dict[str, dict[str, Field]]] = {
        "Root": {"name": row("R O", NAME), "a": row("O O", None, "A"), "list": many("O O", "A")},
        "A": {"b": row("R R", None, "B")},
        "B": {"a": row("R R", None, "A")},
    }

    def test_left_out(self) -> None:
        """An optional member that has no end is left out."""
        book = book_of(matrix_of(self.ENTITIES))
        assert {*example(book, PROCESSES[0], "full")} == {"kind", "name"}
        schema = expanded(book.schemas["plain-add"])
        assert schema["properties"]["a"]["x-ttrules"]["requirement"] == ""

        @FEW
        @given(strategies.payloads(PROCESSES[0], book=book))
        def check(payload: dict[str, Any]) -> None:
            assert {*payload} <= {"kind", "name"}

        check()

    def test_required(self) -> None:
        """If a payload must have it, there is no example."""
        entities = {**self.ENTITIES, "Root": {"a": row("R R", None, "A")}}
        with pytest.raises(NoExample):
            example(book_of(matrix_of(entities)), PROCESSES[0])


def test_expanded() -> None:
    """A flat schema is itself; a recursive one is expanded within a limit."""
    flat = BOOKS["scalars"].schemas["plain-add"]
    assert expanded(flat) is flat
    entities: dict[str, Any] = {"Root": {"all": many("O O", "E0")}}
    for number in range(12):
        below = {f"to{each}": row("O O", None, f"E{(number + 1) % 12}") for each in range(9)}
        entities[f"E{number}"] = below
    made = json.dumps(expanded(book_of(matrix_of(entities)).schemas["plain-add"]))
    assert '"$ref"' not in made
    assert len(made) < 1_000_000
