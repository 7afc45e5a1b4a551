"""What the documents show is what happens."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from docs.write import OPENAPI, PAGES, REFERENCE, pages
from ttrules.publish import openapi_of
from ttrules.spec import load_spec

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")})
#: Their commands need a server or Node.js: see api/test_tutorial.py, api/test_receiving.py and
#: test_other_validators.py.
_SERVED = {"tutorial.md", "receive-events.md", "other-languages.md"}
_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


class Shown(NamedTuple):
    """A command of a document, and the output that is shown below it."""

    document: str
    command: str
    output: str


def shown() -> list[Shown]:
    """Return every command that a console block of a document shows."""
    found = []
    for document in DOCUMENTS:
        if document.name in _SERVED:
            continue
        for block in _BLOCK.findall(document.read_text("utf-8")):
            for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, _, output = part.partition("\n")
                found.append(Shown(document.name, command, output))
    return found


@pytest.mark.parametrize("example", shown(), ids=lambda example: example.command)
def test_console(example: Shown) -> None:
    """A command that a document shows prints what stands below it, to the letter."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(  # noqa: S602 - our own documents
        example.command,
        shell=True,
        cwd=ROOT,
        env={**os.environ, "PATH": path, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout + ran.stderr == example.output


def test_console_blocks_are_found() -> None:
    """The first screen of the README has a command with its output."""
    assert "ttrules check docs/examples/complaint-add/broken.json" in [e.command for e in shown()]


def test_reference() -> None:
    """The pages of the reference are what `make docs` writes, and no others lie there."""
    assert {path.name: path.read_text("utf-8") for path in REFERENCE.iterdir()} == pages()
    assert PAGES.keys() == pages().keys()


def test_openapi() -> None:
    """docs/openapi.json is what the spec compiles to, byte for byte."""
    spec = ROOT / "spec"
    names = ("openapi", "requirements", "interpretation", "lifecycle")
    files = {name: spec / f"{name}.yaml" for name in names}
    assert openapi_of(files["openapi"], load_spec(**files)) == OPENAPI.read_bytes()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links(document: Path) -> None:
    """A link within the project leads somewhere."""
    for target in _LINK.findall(document.read_text("utf-8")):
        assert (document.parent / target).exists(), target


def test_make_targets() -> None:
    """Every target of make that a document names is one."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for document in DOCUMENTS:
        named = re.findall(r"(?:^|`)make ([a-z]+)", document.read_text("utf-8"), re.MULTILINE)
        assert set(named) <= targets, document
