"""The tutorial, command by command, against the sandbox."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.api.conftest import BASE, started
from tests.api.contract import BACKOFFICE_BASE

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.md"
_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
_MARK = "--- end of output ---"


def commands() -> Iterator[tuple[str, str]]:
    """Yield each command of the tutorial with the output that is shown below it."""
    for block in _BLOCK.findall(TUTORIAL.read_text("utf-8")):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            first, *rest = part.splitlines()
            more = [line[2:] for line in rest if line.startswith("> ")]
            shown = [line for line in rest if not line.startswith("> ")]
            yield "\n".join([first, *more]), "\n".join(shown)


def matches(shown: str, printed: str) -> bool:
    """Say whether what was printed is what is shown, three dots standing for anything."""
    return re.fullmatch(re.escape(shown).replace(r"\.\.\.", ".*"), printed) is not None


def test_tutorial(tmp_path: Path) -> None:
    """Every command prints what the tutorial shows."""
    shutil.copytree(ROOT / "docs" / "examples", tmp_path / "docs" / "examples")
    database = f"sqlite:///{tmp_path}/var/tickets.db"
    with started(TTR_DATABASE_URL=database, TTR_SANDBOX="1") as process:
        assert process.stdout is not None
        root = process.stdout.readline().split()[1].removesuffix(BASE)
        secrets = json.loads((tmp_path / "var/sandbox-operators.json").read_text("utf-8"))
        given = {
            "API": root + BASE,
            "BACK": root + BACKOFFICE_BASE,
            "A": f"operator-a:{secrets['operator-a']}",
            "B": f"operator-b:{secrets['operator-b']}",
            "P": f"provider:{secrets['provider']}",
        }
        listed = list(commands())
        script = f"\necho '{_MARK}'\n".join(command for command, _ in listed)
        ran = subprocess.run(
            ["bash"],  # noqa: S607 - the shell of whoever follows it
            input=script,
            cwd=tmp_path,
            env={**os.environ, **given},
            capture_output=True,
            text=True,
            check=True,
        )
        assert ran.stderr == ""
        printed = [each.strip("\n") for each in ran.stdout.split(_MARK)]
        assert len(printed) == len(listed)
        for (command, shown), each in zip(listed, printed, strict=True):
            assert matches(shown, each), (command, shown, each)
