"""`ttrules openapi`: the document that carries the rules, of the shipped API and of one's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import ttrules
from tests.support.command_line import OTHER

if TYPE_CHECKING:
    from tests.support.command_line import Run, Spec

NAMES = ("openapi", "requirements", "interpretation", "lifecycle")
SHIPPED = Path(ttrules.__file__).parent / "schemas" / "openapi.json"


def files(folder: Path) -> list[str]:
    """Return the options that name the spec files of a folder."""
    return [part for name in NAMES for part in (f"--{name}", str(folder / f"{name}.yaml"))]


def test_shipped(run: Run, tmp_path: Path) -> None:
    """Without files it is the shipped one, which is what the spec compiles to, byte for byte."""
    printed = run("openapi")
    assert (printed.code, printed.out) == (0, SHIPPED.read_text("utf-8"))
    out = tmp_path / "openapi.json"
    assert run("openapi", "--out", out).out == ""
    assert out.read_bytes() == SHIPPED.read_bytes()
    compiled = run("openapi", *files(OTHER.parents[2] / "spec"))
    assert (compiled.code, compiled.out == printed.out) == (0, True)


def test_other(run: Run, tmp_path: Path) -> None:
    """With files it is theirs, in the version of OpenAPI that they are written in."""
    out = tmp_path / "works.json"
    ran = run("openapi", *files(OTHER), "--out", out)
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == "ttrules: 0 of 0 operations have rules: none\n"
    document = json.loads(out.read_bytes())
    assert document["openapi"] == "3.1.0"
    assert "BurstReport" in document["components"]["schemas"]


@pytest.mark.parametrize("left", [("--openapi",), ("--requirements",), ("--lifecycle",)])
def test_needed(run: Run, left: tuple[str, ...]) -> None:
    """Shapes and matrix go together."""
    given = files(OTHER)
    at = given.index(left[0])
    ran = run("openapi", *given[at : at + 2])
    assert (ran.code, ran.out) == (2, "")
    assert "--requirements" in ran.err


def test_wrong_spec(run: Run, spec: Spec) -> None:
    """What is wrong with the files is told with its place, and nothing is printed."""
    given = spec({"Order": {"a": {"type": "string"}}}, {"Order": {"b": ["R"]}})
    ran = run("openapi", *given)
    assert (ran.code, ran.out) == (4, "")
    assert "openapi.yaml:" in ran.err


def test_not_written(run: Run, tmp_path: Path) -> None:
    """A place where nothing can be written is a wrong use."""
    ran = run("openapi", "--out", tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert "--out" in ran.err
