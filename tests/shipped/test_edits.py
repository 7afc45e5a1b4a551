"""A wholesaler edits spec/, runs `make schemas docs`, and all tests pass: no other file is edited.

Each edit is made in a copy of the tree. `make thorough` sets TTRULES_EDITS and runs all edits with
all tests that are not slow; `make test` runs one edit with the tests that are derived from spec/.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.spec_edits import EDITS

pytestmark = pytest.mark.slow

ROOT: Final = Path(__file__).parents[2]
#: What is not copied: what `make` or tests have made, and what no file refers to.
LEFT_OUT: Final = shutil.ignore_patterns(
    ".git", ".venv", "build", "dist", "node_modules", "var", ".*_cache", ".coverage*", "__pycache__"
)
#: Whether all edits are tested, with all tests.
ALL: Final = bool(os.environ.get("TTRULES_EDITS"))
#: The tests of a quick run.
DERIVED: Final = (
    *("tests/shipped/test_generated.py", "tests/shipped/test_cells.py"),
    *("-k", "not Customer"),
)


@pytest.mark.parametrize("name", EDITS if ALL else ["field"])
def test_edit(name: str, tmp_path: Path) -> None:
    """After an edit, the generated files can be made, and the tests pass."""
    tree = tmp_path / "tree"
    shutil.copytree(ROOT, tree, ignore=LEFT_OUT)
    EDITS[name](tree / "spec")
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    for variable in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG", "PYTEST_XDIST_WORKER"):
        environment.pop(variable, None)
    venv = sys.prefix
    targets = ["schemas", "docs"] if ALL else ["schemas"]
    made = subprocess.run(
        ["make", f"VENV={venv}", "-o", f"{venv}/.made", *targets],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    chosen = (
        ["-m", "not slow and not postgres and not browser and not node", "-n", "auto"]
        if ALL
        else ["-n", "0", *DERIVED]
    )
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-20_000:] + ran.stderr
