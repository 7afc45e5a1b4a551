"""Processes selected in every way: engines, selection and a direct reading of the files agree."""

from __future__ import annotations

import os
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openapi_schema_validator import OAS30WriteValidator

from tests.support.order_spec import ODD, SPECS, Reading, payload
from tests.support.readings import found
from tests.support.specs import few
from ttrules import strategies
from ttrules.codes import ANNOTATION
from ttrules.examples.generate import Extent, example
from ttrules.exports.openapi.schemas import request_schema
from ttrules.spec.compiler import compile_schemas

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ttrules import Finding, Rulebook

#: How many payloads each process gets: more in `make thorough`.
PAYLOADS = int(os.environ.get("TTRULES_SMALL_PAYLOADS", "50"))
#: How many payloads are drawn or compared where that takes longer.
DRAWS = 12
CASES = [(name, process) for name, each in SPECS.items() for process in Reading(each).processes]
EXTENTS: tuple[Extent, ...] = ("minimal", "typical", "full")


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Rulebook]:
    """Return the rulebook of each spec."""
    return {name: each.load(tmp_path_factory.mktemp("spec")) for name, each in SPECS.items()}


@pytest.mark.parametrize("name", SPECS)
def test_engines_and_reading_agree(name: str, books: Mapping[str, Rulebook]) -> None:
    """Both engines report what the files say about a payload, in every process."""
    book, reading = books[name], Reading(SPECS[name])
    for process in book.processes():
        for number in range(PAYLOADS):
            sent = payload(reading.root(process), Random(f"{name} {process} {number}"))
            report = book.validate(sent, process)
            assert book.validate(sent, process, engine="reference") == report, sent
            assert found(report) == reading.findings(sent, process), sent


@pytest.mark.parametrize("name", [name for name in SPECS if name != "roots"])
def test_selection(name: str, books: Mapping[str, Rulebook]) -> None:
    """A new order, and a stored one, select the process that the files name."""
    book, reading = books[name], Reading(SPECS[name])
    for number in range(PAYLOADS):
        draw = Random(f"{name} {number}")
        sent = draw.choice((payload("Order", draw), payload("Order", draw), draw.choice(ODD)))
        report = book.validate_new(sent)
        process = reading.selected(sent, "add")
        assert report.process == process, sent
        if process is None:
            assert len(report.violations) == 1, sent
        else:
            assert report == book.validate(sent, process), sent
        has_changes = any(each["operation"] == "change" for each in reading.rules.values())
        if isinstance(sent, dict) and has_changes:
            assert book.matrix.selector("change").select(sent) == reading.selected(sent, "change")


@pytest.mark.parametrize("name", SPECS)
def test_compiled_form(name: str, books: Mapping[str, Rulebook]) -> None:
    """A matrix that is written as JSON and read again is the same, and has the same schemas."""
    matrix = books[name].matrix
    again = type(matrix).from_json(matrix.to_json())
    assert again == matrix
    assert compile_schemas(again) == books[name].schemas


@pytest.mark.parametrize("name", SPECS)
def test_examples(name: str, books: Mapping[str, Rulebook]) -> None:
    """A made-up payload has no finding by the files, in every process, and selects its process."""
    book, reading = books[name], Reading(SPECS[name])
    for process in book.matrix.processes:
        for seed in range(3):
            for extent in EXTENTS:
                made = example(book, process.name, extent, seed)
                assert not reading.findings(made, process.name), made
                if process.operation == "add":
                    assert book.validate_new(made).process == process.name


@pytest.mark.parametrize(("name", "process"), CASES)
def test_strategies(name: str, process: str, books: Mapping[str, Rulebook]) -> None:
    """What is drawn as valid has no finding by the files, what is broken the one that is told."""
    book, reading = books[name], Reading(SPECS[name])

    @few(DRAWS)
    @given(strategies.payloads(process, book=book))
    def valid(made: dict[str, Any]) -> None:
        assert not reading.findings(made, process), made

    @few(DRAWS)
    @given(strategies.broken(process, book=book))
    def broken(made: tuple[dict[str, Any], Finding]) -> None:
        sent, finding = made
        assert list(book.validate(sent, process)) == [finding]
        assert reading.findings(sent, process) == {(finding.pointer, finding.code)}

    valid()
    broken()


@pytest.mark.parametrize("name", [name for name in SPECS if name not in {"integer", "roots"}])
def test_changes(name: str, books: Mapping[str, Rulebook]) -> None:
    """A change that is drawn is accepted by the stored order."""
    book = books[name]

    @few(DRAWS)
    @given(st.data())
    def accepted(data: st.DataObject) -> None:
        stored = {"id": "1", **example(book, book.processes()[0])}
        if book.matrix.selector("change").select(stored) is not None:
            patch = data.draw(strategies.changes(stored, book=book))
            assert book.validate_change(stored, patch).report.valid

    accepted()


@pytest.mark.parametrize("name", SPECS)
def test_openapi(name: str, books: Mapping[str, Rulebook]) -> None:
    """The schema in an OpenAPI 3.0 document, which lacks keywords, gives the same verdict."""
    book, reading = books[name], Reading(SPECS[name])
    for process in book.processes():
        schema = request_schema(book, process, "3.0.3")
        assert not {"contains", "if"} & {*_keys(schema)}
        accepts = OAS30WriteValidator(schema).is_valid
        for number in range(DRAWS):
            sent = payload(reading.root(process), Random(f"openapi {name} {process} {number}"))
            assert accepts(sent) is book.is_valid(sent, process), sent


def _keys(node: object) -> Iterator[str]:
    """Yield all keys in a schema."""
    if isinstance(node, dict):
        node = {key: each for key, each in node.items() if key != ANNOTATION}
        yield from node
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _keys(each)
