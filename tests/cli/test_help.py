"""What --help says is so: every example in it runs."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from docs.generate.reference import commands_of
from tests.support.command_line import OTHER
from ttrules.checking.reporters.base import tool
from ttrules.cli.main import cli
from ttrules.examples.generate import example
from ttrules.rulebook import shipped

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.command_line import Run

pytestmark = pytest.mark.slow

COMMANDS = [(), *((name,) for name in commands_of(cli))]


def examples(text: str) -> list[str]:
    """Return the command lines that a help text shows below its heading for them."""
    lines = iter(text.splitlines())
    for line in lines:
        if line.strip() in {"Example:", "Examples:"}:
            break
    found = []
    for line in lines:
        if not line.strip():
            break
        found.append(line.strip())
    return found


@pytest.fixture
def place(tmp_path: Path, ticket: dict[str, Any], stored: dict[str, Any]) -> Path:
    """Give a directory with the files that the examples speak of."""
    change = example(shipped(), "complaint-change", "minimal")
    order = {"type": "object", "properties": {"a": {"type": "string"}}}
    openapi = {
        "openapi": "3.0.3",
        "info": {"title": "Orders", "version": "1"},
        "paths": {},
        "components": {"schemas": {"Order": order}},
    }
    matrix = {
        "matrix": 1,
        "root": "Order",
        "processes": ["Order Add"],
        "entities": {"Order": {"a": ["R"]}},
    }
    texts = {
        "ticket.json": json.dumps(ticket),
        "stored.json": json.dumps(stored),
        "patch.json": json.dumps({"@type": stored["@type"]}),
        "patches/a.json": json.dumps(change),
        "patches/b.json": json.dumps([change, change]),
        "order.json": '{"a": "b"}',
        "openapi.yaml": yaml.safe_dump(openapi),
        "requirements.yaml": yaml.safe_dump(matrix),
        "bin/ttrules": f'#!/bin/sh\nexec "{sys.executable}" -m ttrules "$@"\n',
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "bin" / "ttrules").chmod(0o755)
    shutil.copytree(OTHER.parents[2] / "spec", tmp_path / "spec")
    (tmp_path / "tickets.jsonl.gz").write_bytes(gzip.compress(json.dumps(ticket).encode()))
    return tmp_path


@pytest.mark.parametrize(
    "command", COMMANDS, ids=lambda command: command[0] if command else "ttrules"
)
def test_examples_run(run: Run, place: Path, command: tuple[str, ...]) -> None:
    """Each command shows how it is used, and every line of that does what it should, in turn."""
    lines = examples(run(*command, "--help").out)
    assert lines
    for line in lines:
        ran = subprocess.run(  # noqa: S602 - the lines of our own help
            line,
            shell=True,
            cwd=place,
            env={**os.environ, "PATH": f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            check=False,
        )
        assert (line, ran.returncode) == (line, 0)
        # The exporters say which operations have rules.
        assert ran.stderr == b"" or b" operations have rules: " in ran.stderr


@pytest.mark.parametrize(
    "command", COMMANDS, ids=lambda command: command[0] if command else "ttrules"
)
def test_short_and_long(run: Run, command: tuple[str, ...]) -> None:
    """Help is asked for by -h or --help, and names every option with what it does."""
    ran = run(*command, "--help")
    assert ran.code == 0
    assert run(*command, "-h") == ran
    options = (commands_of(cli)[command[0]] if command else cli).params
    named = [name for each in options for name in each.opts if name.startswith("--")]
    assert all(f"{name} " in ran.out or f"{name}\n" in ran.out for name in named)


def test_every_command(run: Run) -> None:
    """The help of the whole lists every command."""
    listed = run("--help").out.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    assert {line.split()[0] for line in listed if line[2:3] != " "} == {*commands_of(cli)}


def test_version(run: Run) -> None:
    """The version is that of the package, by its name."""
    assert run("--version") == (0, " ".join(tool().values()) + "\n", "")
