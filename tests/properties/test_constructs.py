"""Each construct of OpenAPI means the same to both engines and to an oracle that reads it directly.

The documents are small and our own. Their matrix is the one that `ttrules init` drafts, so every
document loads as it is.
"""

from __future__ import annotations

import os
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given

import ttrules
from tests.support.document_oracle import Document, RandomPayloads
from tests.support.specs import few
from ttrules import strategies
from ttrules.examples.defective import broken
from ttrules.examples.generate import example
from ttrules.spec.draft import drafted
from ttrules.spec.yaml_source import Source

if TYPE_CHECKING:
    from ttrules import Finding, Rulebook
    from ttrules.examples.generate import Extent

#: Payloads of each document; `make thorough` draws more.
PAYLOADS = int(os.environ.get("TTRULES_CONSTRUCTS", "60"))

TEXT = {"type": "string"}
BODY = "requestBody/content/application~1json/schema"
NUMBER = {"type": "integer", "minimum": 0, "maximum": 9}


def ref(name: str, **siblings: Any) -> dict[str, Any]:
    """Return a reference to a schema."""
    return {"$ref": f"#/components/schemas/{name}", **siblings}


#: Versions and schemas, of which the root is Order.
DOCUMENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "inline objects, lists and maps": (
        "3.0.3",
        {
            "Order": {
                "type": "object",
                "required": ["kind", "lines", "address", "grid"],
                "properties": {
                    "kind": {"type": "string", "enum": ["plain", "open"]},
                    "address": {
                        "type": "object",
                        "required": ["street"],
                        "additionalProperties": False,
                        "properties": {
                            "street": {**TEXT, "maxLength": 5},
                            "geo": {"type": "object", "properties": {"lat": NUMBER, "a~b/": TEXT}},
                        },
                    },
                    "lines": {
                        "type": "array",
                        "maxItems": 2,
                        "items": {"type": "object", "properties": {"sku": TEXT, "count": NUMBER}},
                    },
                    "grid": {
                        "type": "array",
                        "items": {"type": "array", "maxItems": 2, "items": NUMBER},
                    },
                    "cells": {
                        "type": "array",
                        "items": {"type": "array", "items": ref("Part"), "uniqueItems": True},
                    },
                    "labels": {"type": "object", "additionalProperties": {**TEXT, "minLength": 2}},
                    "parts": {
                        "type": "object",
                        "minProperties": 1,
                        "maxProperties": 2,
                        "additionalProperties": ref("Part"),
                    },
                    "deep": {
                        "type": "object",
                        "additionalProperties": {
                            "type": "array",
                            "items": {"type": "object", "additionalProperties": ref("Part")},
                        },
                    },
                    "free": {"type": "object"},
                    "closed": {"type": "object", "additionalProperties": False},
                    "anything": {},
                    "things": {"type": "array"},
                    "id": {"type": "string", "readOnly": True},
                },
            },
            "Part": {
                "required": ["a"],
                "properties": {"a": NUMBER, "b": {**TEXT, "nullable": True}},
            },
        },
    ),
    "allOf and inheritance": (
        "3.0.3",
        {
            "Base": {
                "type": "object",
                "required": ["type"],
                "discriminator": {"propertyName": "type"},
                "properties": {"type": {**TEXT, "maxLength": 9}, "note": {**TEXT, "minLength": 1}},
            },
            "Extensible": {"type": "object", "properties": {"link": {**TEXT, "pattern": "^a"}}},
            "Party": {
                "allOf": [
                    ref("Base"),
                    ref("Extensible"),
                    {"required": ["name"], "properties": {"name": TEXT, "note": {"maxLength": 2}}},
                ],
            },
            "Level": {"type": "integer", "minimum": 1, "exclusiveMinimum": True},
            "Order": {
                "allOf": [ref("Base"), {"type": "object"}],
                "required": ["party"],
                "properties": {
                    "party": {"allOf": [ref("Party")], "description": "Who orders."},
                    "parties": {"type": "array", "items": {"allOf": [ref("Party")]}},
                    "level": {"allOf": [ref("Level"), {"maximum": 7, "multipleOf": 2}]},
                    "word": {
                        "allOf": [{**TEXT, "enum": ["a", "ab", "b"]}, {"enum": ["ab", "abc"]}]
                    },
                    "both": {"allOf": [{"pattern": "a"}, {"pattern": "b"}], "type": "string"},
                    "site": {
                        "allOf": [ref("Extensible"), {"properties": {"link": {"maxLength": 2}}}]
                    },
                },
            },
        },
    ),
    "types and values of 3.1": (
        "3.1.0",
        {
            "Order": {
                "type": "object",
                "required": ["version", "either", "some"],
                "properties": {
                    "version": {"const": 5},
                    "word": {"type": ["string", "null"], "maxLength": 3},
                    "either": {"type": ["string", "integer"], "minimum": 1, "minLength": 2},
                    "some": {"type": ["array", "string", "null"], "minItems": 1},
                    "maybe": {"type": ["object", "null"], "properties": {"a": NUMBER}},
                    "choice": {"type": ["string", "null"], "enum": ["a", None]},
                    "strict": {"type": "string", "nullable": True, "enum": ["a", "b"]},
                    "above": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 2.5},
                    "short": ref("Word", maxLength=2, description="Short."),
                    "list": {"type": ["array", "null"], "items": {"type": ["integer", "null"]}},
                    "flag": True,
                    "text": {**TEXT, "examples": ["a"], "deprecated": True, "x-ours": 1},
                },
            },
            "Word": {"type": "string", "pattern": "^[a-z ]*$"},
        },
    ),
    "references": (
        "3.0.3",
        {
            "Order": {
                "type": "object",
                "properties": {
                    "mine": ref("My%20T"),
                    "slashed": ref("a~1b"),
                    "lent": ref("Other/properties/inner"),
                    "item": ref("Other/properties/list/items"),
                    "id": {"$ref": "#/components/parameters/Id/schema"},
                    "body": {"$ref": f"#/paths/~1orders~1{{id}}/post/{BODY}"},
                    "alias": ref("Alias"),
                    "part": ref("Joined/allOf/0"),
                    "ignored": ref("Other", maxLength=1, nullable=True),
                },
            },
            "Joined": {"allOf": [{"type": "string", "minLength": 2}]},
            "My T": {"type": "object", "properties": {"t": NUMBER}},
            "a/b": {"type": "string", "maxLength": 2},
            "Alias": ref("Alias2"),
            "Alias2": {"type": "array", "minItems": 1, "items": ref("Other")},
            "Other": {
                "properties": {
                    "inner": {"type": "object", "properties": {"x": TEXT}},
                    "list": {"type": "array", "items": {"properties": {"y": NUMBER}}},
                }
            },
        },
    ),
}


def document_of(name: str) -> dict[str, Any]:
    """Return a document whose requests have its root as their body."""
    version, schemas = DOCUMENTS[name]
    inline = {"type": "object", "properties": {"z": NUMBER}}
    return {
        "openapi": version,
        "info": {"title": "Orders", "version": "1"},
        "paths": {
            "/orders": {
                "post": {
                    "requestBody": {"content": {"application/json": {"schema": ref("Order")}}},
                    "responses": {"201": {"description": "Made."}},
                }
            },
            "/orders/{id}": {
                "post": {
                    "requestBody": {"content": {"application/json": {"schema": inline}}},
                    "responses": {},
                }
            },
        },
        "components": {
            "schemas": schemas,
            "parameters": {"Id": {"name": "id", "in": "path", "schema": {**TEXT, "minLength": 2}}},
        },
    }


@pytest.fixture(scope="module", params=DOCUMENTS)
def case(request: pytest.FixtureRequest) -> tuple[dict[str, Any], Rulebook]:
    """Give a document, and the rulebook of its draft."""
    document = document_of(request.param)
    draft = drafted(Source(document, "openapi"), ["Order"])
    files = {name: yaml.safe_load(content) for name, content in draft.files.items()}
    book = ttrules.load(
        openapi=document,
        requirements=files["requirements.yaml"],
        interpretation=files["interpretation.yaml"],
    )
    return document, book


def test_agreement(case: tuple[dict[str, Any], Rulebook]) -> None:
    """Both engines and the oracle report the same on random payloads."""
    document, book = case
    oracle = Document(document)
    root = document["components"]["schemas"]["Order"]
    valid = 0
    for number in range(PAYLOADS):
        payload = RandomPayloads(oracle, Random(f"{document['openapi']} {number}")).value([root])
        fast = book.validate(payload, "Order Add")
        assert fast == book.validate(payload, "Order Add", engine="reference"), payload
        found = {(each.pointer, each.code) for each in fast}
        assert found == oracle.findings([root], payload), payload
        assert len(found) == len([*fast]), "one finding a place"
        valid += not found
    assert valid < PAYLOADS


def test_large(case: tuple[dict[str, Any], Rulebook]) -> None:
    """A payload that is validated in slices has the same findings."""
    document, book = case
    oracle, root = Document(document), document["components"]["schemas"]["Order"]
    maps = {f"k{number}": {"a": number % 12, "b": None} for number in range(200)}
    payload = {
        "lines": [{"sku": "s", "count": number} for number in range(200)],
        "labels": {f"k{number}": "ab"[: number % 3] for number in range(200)},
        "grid": [[number, 1, 2][: number % 4] for number in range(200)],
        "parts": maps,
        "extra": 1,
    }
    fast = book.validate(payload, "Order Add")
    assert fast == book.validate(payload, "Order Add", engine="reference")
    assert {(each.pointer, each.code) for each in fast} == oracle.findings([root], payload)


def test_examples(case: tuple[dict[str, Any], Rulebook]) -> None:
    """Valid payloads are made up, and payloads with one defect."""
    document, book = case
    oracle, root = Document(document), document["components"]["schemas"]["Order"]
    extents: tuple[Extent, ...] = ("minimal", "typical", "full")
    for extent in extents:
        assert oracle.findings([root], example(book, "Order Add", extent)) == set()
    for sample in broken(book, "Order Add"):
        found = oracle.findings([root], sample.payload)
        assert found == {(sample.pointer, sample.code)}, sample


def test_strategies(case: tuple[dict[str, Any], Rulebook]) -> None:
    """Strategies draw valid payloads, and payloads with one defect and its finding."""
    document, book = case
    oracle, root = Document(document), document["components"]["schemas"]["Order"]

    def is_valid(payload: Any) -> None:
        assert oracle.findings([root], payload) == set()

    def is_broken(drawn: tuple[Any, Finding]) -> None:
        payload, finding = drawn
        assert oracle.findings([root], payload) == {(finding.pointer, finding.code)}

    few(PAYLOADS)(given(strategies.payloads("Order Add", book=book))(is_valid))()
    few(PAYLOADS)(given(strategies.broken("Order Add", book=book))(is_broken))()
