"""The built wheel, installed alone in an empty environment, is what people get."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import venv
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
BROKEN = ROOT / "docs/examples/complaint-add/broken.json"
#: What importing the library must not bring along.
FOREIGN = (
    *("yaml", "click", "rich", "orjson", "hypothesis", "jsonschema"),
    *("connexion", "flask", "sqlalchemy", "requests"),
)


class Environment(NamedTuple):
    """A virtual environment of its own, and the wheel that goes into it."""

    folder: Path
    wheel: Path
    pins: Path

    def run(self, *args: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment, in a folder that has none of our sources."""
        program, *rest = args
        return subprocess.run(
            [self.folder / "bin" / program, *rest],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def install(self, extra: str = "") -> None:
        """Install the wheel with an extra, at the versions that constraints.txt pins."""
        ran = self.run("pip", "install", "-q", "-c", self.pins, f"{self.wheel}{extra}")
        assert ran.returncode == 0, ran.stderr


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Give an empty environment and the wheel, built from this tree."""
    folder = tmp_path_factory.mktemp("wheel")
    build = ("-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT)
    subprocess.run((sys.executable, *build), check=True, capture_output=True)
    pins = folder / "pins.txt"
    text = (ROOT / "constraints.txt").read_text("utf-8")
    pins.write_text(re.sub(r" \\\n +--hash=\S+", "", text), encoding="utf-8")
    venv.create(folder / "empty", with_pip=True)
    return Environment(folder / "empty", next(folder.glob("*.whl")), pins)


def test_contents(environment: Environment) -> None:
    """The wheel holds the package with its schemas and type marker, its licence, and no more."""
    with ZipFile(environment.wheel) as wheel:
        names = wheel.namelist()
    strangers = [name for name in names if not name.startswith(("ttrules/", "ttrules-"))]
    assert strangers == []
    assert {"ttrules/py.typed", "ttrules/schemas/book.json"} <= set(names)
    assert {f"ttrules/exports/matrix/page.{kind}" for kind in ("html", "css", "js")} <= set(names)
    held = {name.removeprefix("ttrules/") for name in names if name.endswith(".json")}
    shipped = ROOT / "ttrules"
    assert held == {str(path.relative_to(shipped)) for path in shipped.rglob("*.json")}
    assert [name for name in names if name.endswith("LICENSE")]


def test_alone(environment: Environment) -> None:
    """Without an extra the library imports and validates, and loads only what it needs."""
    environment.install()
    program = f"""
import json, sys, ttrules
payload = json.loads(open({str(BROKEN)!r}).read())
report = ttrules.validate(payload, "complaint-add")
loaded = [name for name in {FOREIGN!r} if name in sys.modules]
print(json.dumps([ttrules.__file__, [each.code for each in report], loaded]))
"""
    ran = environment.run("python", "-c", program)
    file, codes, loaded = json.loads(ran.stdout)
    assert Path(file).is_relative_to(environment.folder)
    assert codes == ["prohibited", "empty", "prohibited", "required"]
    assert loaded == []


def test_without_the_extra(environment: Environment) -> None:
    """The command says in a sentence what it lacks."""
    environment.install()
    ran = environment.run("ttrules", "check", BROKEN)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert 'pip install "ttrules[cli]"' in ran.stderr


def test_with_the_extra(environment: Environment) -> None:
    """With the extra the command checks."""
    environment.install("[cli]")
    ran = environment.run("ttrules", "check", "--format", "json", BROKEN)
    assert (ran.returncode, ran.stderr) == (1, "")
    assert json.loads(ran.stdout)["summary"]["errors"] == 4
