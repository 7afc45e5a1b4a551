"""Both engines and a direct reading agree on recursive entities and on variants."""

from __future__ import annotations

import os
from random import Random

import jsonschema_rs
import pytest

from tests.support.small_matrix import PROCESSES, book_of, oracle, payload
from tests.support.variants import MATRICES
from ttrules.codes import PRECEDENCE

#: How many payloads are compared for each matrix and process.
PAYLOADS = int(os.environ.get("TTRULES_CONSTRUCTS", "50"))
#: How much of a payload is replaced, left out or added: nothing, little, or much.
RATES = (0.0, 0.02, 0.1, 0.3)


@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize("name", MATRICES)
def test_readings_agree(name: str, process: str) -> None:
    """Random payloads have the same findings, and the published schema gives the verdict."""
    matrix = MATRICES[name]
    book = book_of(matrix)
    accepts = jsonschema_rs.Draft202012Validator(book.schema(process)).is_valid
    for number in range(PAYLOADS):
        draw = Random(f"{name} {process} {number}")
        made = payload(matrix, process, draw, draw.choice(RATES))
        fast = book.validate(made, process)
        told = sorted((each.pointer, each.code) for each in fast if each.severity != "undetermined")
        assert told == sorted(oracle(matrix, process, made)), (number, made)
        assert book.validate(made, process, engine="reference") == fast, (number, made)
        assert fast.valid is accepts(made), (number, made)
        assert book.is_valid(made, process) is fast.valid


def test_codes_are_met() -> None:
    """The payloads of these tests have findings of all codes of values, and are often valid."""
    met: dict[str, int] = {}
    for name, matrix in MATRICES.items():
        for number in range(60):
            draw = Random(f"{name} {number}")
            made = payload(matrix, PROCESSES[0], draw, draw.choice(RATES))
            for code in {code for _, code in oracle(matrix, PROCESSES[0], made)} or {"valid"}:
                met[code] = met.get(code, 0) + 1
    assert {*PRECEDENCE, "required", "prohibited", "not_supported", "unknown_field"} <= met.keys()
    assert met["valid"] > 10
