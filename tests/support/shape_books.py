"""Rulebooks of one or two entities, made from shapes: for tests of values and member names."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ttrules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ttrules import Report, Rulebook

#: The only process of such a book.
PROCESS = "Item Add"


def book_of(
    shapes: Mapping[str, Any], code: str = "O", part: Mapping[str, Any] | None = None
) -> Rulebook:
    """Return the rulebook of an entity Item with these members, all with one code.

    `part` are the members of an entity Part, all required, to which shapes may refer.
    """
    entities = {"Item": shapes, **({"Part": part} if part else {})}
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Items", "version": "1"},
        "paths": {},
        "components": {
            "schemas": {
                name: {"type": "object", "properties": members}
                for name, members in entities.items()
            }
        },
    }
    matrix = {
        "matrix": 1,
        "root": "Item",
        "processes": [PROCESS],
        "entities": {
            name: {each: [code if name == "Item" else "R"] for each in members}
            for name, members in entities.items()
        },
    }
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder, "openapi.yaml"), Path(folder, "requirements.yaml")
        for path, content in zip(files, (document, matrix), strict=True):
            path.write_text(json.dumps(content, ensure_ascii=False), "utf-8")
        return ttrules.load(openapi=files[0], requirements=files[1])


def report_of(book: Rulebook, payload: object) -> Report:
    """Return the report on a payload, once both engines have been seen to agree on it."""
    report = book.validate(payload, PROCESS)
    assert book.validate(payload, PROCESS, engine="reference") == report
    assert book.is_valid(payload, PROCESS) is report.valid
    return report


def codes_of(book: Rulebook, payload: object) -> list[tuple[str, str]]:
    """Return pointer and code of every finding that both engines report."""
    return [(finding.pointer, finding.code) for finding in report_of(book, payload)]
