"""`ttrules postman`: a document and its rules in, files for Postman out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from tests.support.command_line import FILES, NAMES

if TYPE_CHECKING:
    import pytest

    from tests.support.command_line import Run, Spec

ROOT = Path(__file__).parents[2]


def test_shipped(ttrules: Run) -> None:
    """The committed files are those that the command writes, whatever the order of hashes."""
    files = [part for name in NAMES for part in (f"--{name}", ROOT / "spec" / f"{name}.yaml")]
    out = ROOT / "docs" / "postman"
    ran = ttrules("postman", *files, "--out", out, "--check", PYTHONHASHSEED="7")
    assert ran == (0, "", "")
    assert len([*out.iterdir()]) == 3


def test_written(run: Run, tmp_path: Path) -> None:
    """The files are written once; a difference ends a check with 1."""
    out = tmp_path / "postman"
    assert run("postman", *FILES, "--out", out, "--check").code == 1
    assert run("postman", *FILES, "--out", out).out == f"{out}: 2 files, 2 of them changed\n"
    assert run("postman", *FILES, "--out", out, "--check").code == 0


def test_contradiction(run: Run, spec: Spec, tmp_path: Path) -> None:
    """Rules that no payload meets are told, as bad ones."""
    never = {"type": "string", "enum": [""]}
    kind = {"type": "string", "enum": ["a"]}
    chosen = {"Order Add": {"operation": "add", "value": "a"}}
    files = spec(
        {"Order": {"kind": kind, "a": never}},
        {"Order": {"kind": ["R"], "a": ["R"]}},
        selection={"field": "kind", "reason": "It says so.", "processes": chosen},
    )
    document = yaml.safe_load(Path(files[1]).read_text("utf-8"))
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}}
    done = {"200": {"description": "Done."}}
    post = {"requestBody": {"content": content}, "responses": done}
    document["paths"] = {"/orders": {"post": post}}
    Path(files[1]).write_text(yaml.safe_dump(document), "utf-8")
    ran = run("postman", *files, "--out", tmp_path / "out")
    assert (ran.code, ran.out) == (4, "")
    assert "Order Add" in ran.err


def test_extra(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Hypothesis the command says what to install."""
    monkeypatch.setattr("ttrules.cli.postman.find_spec", lambda _: None)
    ran = run("postman", *FILES, "--out", tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert "ttrules[cli,hypothesis]" in ran.err
