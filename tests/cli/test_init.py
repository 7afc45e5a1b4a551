"""`ttrules init`: from somebody's document to rules that can be used at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.command_line import Run

DOCUMENT = {
    "openapi": "3.0.3",
    "info": {"title": "Orders", "version": "1"},
    "paths": {},
    "components": {
        "schemas": {
            "Order": {
                "type": "object",
                "required": ["kind"],
                "properties": {
                    "kind": {"type": "string", "format": "iban"},
                    "id": {"type": "string", "readOnly": True},
                    "to": {"type": "object", "properties": {"street": {"type": "string"}}},
                },
            }
        }
    },
}


def test_first_finding(run: Run, tmp_path: Path) -> None:
    """The drafted files compile, and the rules find what the document does not allow."""
    document, out = tmp_path / "openapi.json", tmp_path / "spec"
    document.write_text(json.dumps(DOCUMENT))
    ran = run("init", document, "--root", "Order", "--out", out)
    assert ran.code == 0
    assert "2 entities, 4 fields" in ran.out
    assert f"{document}:1:" in ran.err
    assert "iban" in ran.err
    options: list[str | Path] = [
        *("--openapi", document, "--requirements", out / "requirements.yaml"),
        *("--interpretation", out / "interpretation.yaml"),
    ]
    assert run("compile", *options, "--out", tmp_path / "rules").code == 0
    payload = tmp_path / "order.json"
    payload.write_text('{"id": "1", "to": {"street": 5}}')
    checked = run(
        *("check", "--rules", tmp_path / "rules", "--process", "order-add"),
        *("--format", "jsonl", payload),
    )
    assert checked.code == 1
    assert run("example", "order-add", "--rules", tmp_path / "rules").code == 0
    linted = run("lint", *options)
    assert linted.code == 0
    assert "format iban" in " ".join(linted.out.split())
    assert run("lint", *options, "--strict").code == 1


def test_existing_files(run: Run, tmp_path: Path) -> None:
    """Files that are there are not replaced, unless that is asked for."""
    document = tmp_path / "openapi.json"
    document.write_text(json.dumps(DOCUMENT))
    (tmp_path / "requirements.yaml").write_text("mine")
    init = ("init", document, "--root", "Order", "--out", tmp_path)
    ran = run(*init)
    assert ran.code == 2
    assert "--force" in ran.err
    assert (tmp_path / "requirements.yaml").read_text() == "mine"
    assert not (tmp_path / "interpretation.yaml").exists()
    assert run(*init, "--force").code == 0
    assert (tmp_path / "requirements.yaml").read_text() != "mine"


def test_refused(run: Run, tmp_path: Path) -> None:
    """A wrong document, an unknown root and a directory that cannot be written are told."""
    document = tmp_path / "openapi.json"
    assert run("init", document, "--root", "Order").code == 4
    document.write_text(json.dumps(DOCUMENT))
    assert run("init", document, "--root", "Ordr").code == 4
    assert run("init", document, "--root", "Order", "--out", document / "x").code == 2
    assert run("init", document).code == 2
