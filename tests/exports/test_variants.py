"""Exports of recursive entities and of variants."""

from __future__ import annotations

import warnings
from random import Random
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from openapi_schema_validator import OAS30Validator

from tests.support.small_matrix import PROCESSES, book_of, payload
from tests.support.variants import MATRICES
from ttrules.analysis.explain import type_of
from ttrules.analysis.lint import oddities
from ttrules.exports.matrix.markdown import markdown_of
from ttrules.exports.matrix.view import MatrixView
from ttrules.exports.openapi.schemas import hoisted, request_schema
from ttrules.messages.catalogue import catalogue

if TYPE_CHECKING:
    from collections.abc import Callable

    from ttrules.rulebook import Rulebook

COUNT = 15


def accepting(book: Rulebook, process: str, version: str) -> Callable[[object], bool]:
    """Return the test of a payload by the components of an OpenAPI document."""
    shapes = hoisted(request_schema(book, process, version), "Body")
    document: dict[str, Any] = {"components": {"schemas": shapes}}
    root = {"$ref": "#/components/schemas/Body"}
    if version.startswith("3.1"):
        return jsonschema_rs.Draft202012Validator({**document, **root}).is_valid
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        validator = OAS30Validator({**document, "allOf": [root]})

    def accepts(value: object) -> bool:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return bool(validator.is_valid(value))

    return accepts


@pytest.mark.parametrize("version", ["3.0.3", "3.1.0"])
@pytest.mark.parametrize("name", MATRICES)
def test_components(name: str, version: str) -> None:
    """The shapes of a document, in the dialect of its version, give the verdicts of the rules."""
    book = book_of(MATRICES[name])
    for process in PROCESSES:
        accepts = accepting(book, process, version)
        for number in range(COUNT):
            draw = Random(f"{name} {number}")
            made = payload(book.matrix, process, draw, draw.choice((0.0, 0.02, 0.1)))
            made = _whole(made)
            assert accepts(made) is book.is_valid(made, process), made


def _whole(value: Any) -> Any:
    """Return a value without 3.0, which OpenAPI 3.0's validator takes for no whole number."""
    if isinstance(value, dict):
        return {name: _whole(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def test_names() -> None:
    """Definitions become components that have the name of their shape in front."""
    shapes = hoisted(request_schema(book_of(MATRICES["tree"]), PROCESSES[1], "3.1.0"), "TreeChange")
    assert {*shapes} == {"TreeChange", "TreeChange.Node", "TreeChange.Node-change"}
    assert shapes["TreeChange"]["properties"]["next"]["$ref"] == (
        "#/components/schemas/TreeChange.Node-change"
    )


def test_matrix() -> None:
    """The type of a field names its variants, in all forms of the matrix."""
    book = book_of(MATRICES["scalars and entities"])
    text = markdown_of(MatrixView.of(book)).decode()
    assert r"| `what` | `Car \| Bike \| integer` | O | O |  |" in text
    row = book_of(MATRICES["scalars"]).matrix.root_fields["size"]
    assert type_of(row, catalogue("en")) == ("string | integer, minimum 0, maximum 9; one of: a, x")


def test_lint() -> None:
    """Variants are reachable, and hollow only if none of them may be sent."""
    for name, matrix in MATRICES.items():
        kinds = {each.kind for each in oddities(matrix)}
        assert not kinds & {"unread", "hollow"}, name
