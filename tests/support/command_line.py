"""What the tests of the command line share: ways to run it, payloads, and made-up spec files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import pytest
import yaml
from click.testing import CliRunner

from tests.support.tickets import complaint
from ttrules.cli.main import cli
from ttrules.rulebook import Rulebook
from ttrules.spec.directory import files_of, publish
from ttrules.spec.load import load_spec

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The spec files of another API than the shipped one: a water works and its eight processes.
OTHER = Path(__file__).parents[1] / "cases" / "other"
OTHER_MATRIX = yaml.safe_load((OTHER / "requirements.yaml").read_bytes())
NAMES = ("openapi", "requirements", "interpretation", "lifecycle")
#: The options that name these files.
FILES = [part for name in NAMES for part in (f"--{name}", str(OTHER / f"{name}.yaml"))]


class Ran(NamedTuple):
    """What a run of the command line gave: exit code and both outputs."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The standard output as JSON."""
        return json.loads(self.out)


class Run(Protocol):
    """Runs the command line with arguments, in this process or in another one."""

    def __call__(self, *args: str | Path, stdin: bytes = b"", **env: str) -> Ran: ...


@pytest.fixture
def run() -> Run:
    """Give what runs the command line in this process."""

    def ran(*args: str | Path, stdin: bytes = b"", **env: str) -> Ran:
        """Run it here."""
        result = CliRunner().invoke(
            cli, [str(arg) for arg in args], input=stdin, env=env, prog_name="ttrules"
        )
        return Ran(result.exit_code, result.stdout, result.stderr)

    return ran


@pytest.fixture
def ttrules() -> Run:
    """Give what runs the command line as a user does, in a process of its own."""

    def ran(*args: str | Path, stdin: bytes = b"", **env: str) -> Ran:
        """Run it there."""
        result = subprocess.run(
            [sys.executable, "-m", "ttrules", *map(str, args)],
            input=stdin,
            capture_output=True,
            env={**os.environ, **env},
            check=False,
        )
        return Ran(result.returncode, result.stdout.decode(), result.stderr.decode())

    return ran


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a directory with the compiled rules of the water works."""
    names = ("openapi", "requirements", "interpretation", "lifecycle")
    spec = load_spec(**{name: OTHER / f"{name}.yaml" for name in names})
    rules = tmp_path_factory.mktemp("other") / "rules"
    publish(files_of(spec), str(rules))
    return rules


@pytest.fixture(scope="session")
def other_book(other: Path) -> Rulebook:
    """Give the book of the water works."""
    return Rulebook.read(other)


@pytest.fixture
def ticket() -> dict[str, Any]:
    """Give a new Complaint that meets every rule."""
    return complaint()


@pytest.fixture
def wrong(ticket: dict[str, Any]) -> dict[str, Any]:
    """Give a Complaint with an error at /origin and a warning at /colour."""
    return {"colour": "red", **ticket, "origin": "Fax"}


@pytest.fixture
def stored(ticket: dict[str, Any]) -> dict[str, Any]:
    """Give a Complaint as its server holds it, which may be changed."""
    return {**ticket, "id": "1", "href": "/troubleTicket/1", "status": "inProgress"}


@pytest.fixture
def file(tmp_path: Path) -> File:
    """Give what writes a file: bytes and text as they are, other values as JSON."""

    def written(name: str, content: object) -> Path:
        """Write one file."""
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            text = content if isinstance(content, str) else json.dumps(content)
            path.write_text(text, encoding="utf-8")
        return path

    return written


class File(Protocol):
    """Writes a file below the test's directory."""

    def __call__(self, name: str, content: object) -> Path: ...


def write_spec(
    folder: Path,
    shapes: dict[str, dict[str, Any]],
    rows: dict[str, dict[str, list[str]]],
    processes: tuple[str, ...],
    *,
    root: str = "Order",
    **interpretation: Any,
) -> dict[str, Path]:
    """Write the spec files of a made-up API, and return their paths by name."""
    files = {
        "openapi": {
            "openapi": "3.0.3",
            "info": {"title": "Orders", "version": "7"},
            "paths": {},
            "components": {
                "schemas": {
                    name: {"type": "object", "properties": members}
                    for name, members in shapes.items()
                }
            },
        },
        "requirements": {
            "matrix": 1,
            "root": root,
            "processes": list(processes),
            "entities": rows,
        },
        "interpretation": {"interpretation": 1, **interpretation},
    }
    for name, value in files.items():
        (folder / f"{name}.yaml").write_text(json.dumps(value), encoding="utf-8")
    return {name: folder / f"{name}.yaml" for name in files}


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    """Give what writes spec files of a made-up API, and returns the options that name them."""

    def written(
        shapes: dict[str, dict[str, Any]],
        rows: dict[str, dict[str, list[str]]],
        processes: tuple[str, ...] = ("Order Add",),
        *,
        root: str = "Order",
        **interpretation: Any,
    ) -> list[str]:
        """Write the files of one API."""
        paths = write_spec(tmp_path, shapes, rows, processes, root=root, **interpretation)
        return [part for name, path in paths.items() for part in (f"--{name}", str(path))]

    return written


class Spec(Protocol):
    """Writes spec files and returns the options that name them."""

    def __call__(
        self,
        shapes: dict[str, dict[str, Any]],
        rows: dict[str, dict[str, list[str]]],
        processes: tuple[str, ...] = ...,
        *,
        root: str = ...,
        **interpretation: Any,
    ) -> list[str]: ...


def rows_of(matrix: Mapping[str, Any]) -> list[tuple[str, str, list[str]]]:
    """Return the rows of a matrix as it is written by hand."""
    return [
        (entity, field, codes)
        for entity, fields in matrix["entities"].items()
        for field, codes in fields.items()
    ]
