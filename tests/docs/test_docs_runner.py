"""The pages of the docs, followed word for word: see tests/support/docs_runner.py.

`make docs` sets TTRULES_UPDATE_DOCS: then outputs that differ are written to the pages.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

import pytest
import yaml

from server.delivery.signing import headers, key_of, shown
from tests.support.databases import postgresql_server
from tests.support.docs_runner import (
    DOCS,
    ROOT,
    Follower,
    Site,
    blocks,
    following,
    is_command,
    read,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.slow

_HOOKS: Final = ".pre-commit-hooks.yaml"
#: Pages that are followed in one go, since a later one begins where the earlier one ends, and what
#: is typed before them, since they begin where something is running.
JOURNEYS: Final[dict[tuple[str, ...], str]] = {
    ("howto/run-on-postgresql.md", "howto/rotate-secrets.md"): "",
    ("howto/back-up-and-restore.md",): """\
createuser tickets && createdb --owner tickets tickets
TTR_DATABASE_URL="postgresql://tickets:…@db.example.com/tickets" python -m server migrate
""",
}
#: Those that need PostgreSQL; others run without.
_TOGETHER: Final = {page for pages in JOURNEYS for page in pages}
#: Pages that need Node.js and what npm brings; in continuous integration there is both.
NODE: Final = {"howto/other-languages.md"}
_MODULES: Final = ROOT / "tests" / "node" / "node_modules"
#: Pages whose commands another test types.
ELSEWHERE: Final = {"howto/postman.md": "tests/tools/test_newman.py"}
PAGES: Final = [
    *JOURNEYS,
    *(
        (name,)
        for name in sorted(str(each.relative_to(DOCS)) for each in DOCS.rglob("*.md"))
        if name not in {*_TOGETHER, *ELSEWHERE} and not name.startswith("reference/")
    ),
]
#: Hypothesis tries less, and knows no hurry, where it is the page that is tried.
CALM: Final = """\
from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "page",
    max_examples=8,
    phases=[Phase.generate],
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("page")
"""


def postgresql_site() -> Site:
    """Return a place where PostgreSQL runs as it was made: by socket, and trusting everybody."""
    running = postgresql_server()
    for kind, name in (("DATABASE", "tickets"), ("DATABASE", "restored"), ("ROLE", "tickets")):
        running.psql(f"DROP {kind} IF EXISTS {name}")
    address = running.get_uri("{}").replace("//postgres:", "//tickets:")
    return Site(
        programs=(str(running.bin_path),),
        variables={"PGHOST": address.partition("host=")[2], "PGUSER": "postgres"},
        database=address,
    )


def marks_of(pages: tuple[str, ...]) -> list[pytest.MarkDecorator]:
    """Return the markers of what pages need."""
    marks = [pytest.mark.postgres] if pages in JOURNEYS else []
    return [*marks, pytest.mark.node] if NODE.intersection(pages) else marks


def text_of(page: str) -> str:
    """Return a page of the docs."""
    return (DOCS / page).read_text("utf-8")


#: Whether pages are updated to show what really appeared, as `make docs` does.
UPDATING: Final = bool(os.environ.get("TTRULES_UPDATE_DOCS"))


def followed(follower: Follower, text: str, *kinds: str) -> str:
    """Return a page with the outputs that appeared when blocks of some kinds were followed."""
    chosen = [each for each in blocks(text) if not kinds or each.kind in kinds]
    appeared = [follower.follow(block) for block in chosen]
    lines = text.splitlines(keepends=True)
    for block, new in reversed(list(zip(chosen, appeared, strict=True))):
        lines[block.line : block.line + block.text.count("\n")] = [new]
    return "".join(lines)


def assert_or_update(page: Path, text: str, appeared: str) -> None:
    """Compare a page with what appeared when it was followed, or write the latter."""
    if UPDATING and text != appeared:
        page.write_text(appeared, encoding="utf-8")
    else:
        assert appeared == text


def test_readme(tmp_path: Path) -> None:
    """The outputs that the README shows are those of its commands and of its Python code."""
    readme = ROOT / "README.md"
    text = readme.read_text("utf-8")
    with following(tmp_path) as follower:
        assert_or_update(readme, text, followed(follower, text, "console", "python"))


@pytest.mark.parametrize(
    "pages", [pytest.param(each, id=" then ".join(each), marks=marks_of(each)) for each in PAGES]
)
def test_page(pages: tuple[str, ...], tmp_path: Path) -> None:
    """What a page says happens, from its first block to its last, in an empty folder."""
    if NODE.intersection(pages):
        if not os.environ.get("CI") and not (shutil.which("node") and _MODULES.exists()):
            pytest.skip("needs node and npm")  # never in continuous integration
        (tmp_path / "node_modules").symlink_to(_MODULES)
    site = postgresql_site() if pages in JOURNEYS else Site()
    (tmp_path / "conftest.py").write_text(CALM, encoding="utf-8")
    with following(tmp_path, site) as follower:
        for line in JOURNEYS.get(pages, "").splitlines():
            assert follower.typed(follower.filled(line))[1] == 0
        for page in pages:
            text = text_of(page)
            assert_or_update(DOCS / page, text, followed(follower, text))
        if pages[-1] in AFTERWARDS:
            AFTERWARDS[pages[-1]](follower)


def _workflows(follower: Follower) -> None:
    """Run what continuous integration is told to run; it fails where a ticket is broken."""
    read_as = {
        e.title: read(e) for e in blocks(text_of("howto/check-in-ci.md")) if e.kind == "yaml"
    }
    steps = read_as[".github/workflows/tickets.yml"]["jobs"]["check"]["steps"]
    lines = [each["run"] for each in steps if "run" in each]
    lines += read_as[".gitlab-ci.yml"]["tickets"]["script"]
    shipped = {each["id"]: each for each in yaml.safe_load((ROOT / _HOOKS).read_text("utf-8"))}
    (repository,) = read_as[".pre-commit-config.yaml"]["repos"]
    for each in repository["hooks"]:
        hook = {**shipped[each["id"]], **each}
        assert hook["additional_dependencies"] == [".[cli]"], "the command needs the extra"
        files = [str(path.relative_to(follower.folder)) for path in follower.folder.rglob("*.json")]
        chosen = [file for file in sorted(files) if re.search(hook["files"], file)]
        assert chosen
        lines.append(" ".join([hook["entry"], *hook.get("args", []), *chosen]))
    lines = [line for line in lines if not line.startswith("pip install")]
    assert [follower.typed(line)[1] for line in lines] == [0] * 5
    results = ET.parse(follower.folder / "tickets.xml").getroot()  # noqa: S314 - written by our own program, a line above
    assert len(list(results.iter("testcase"))) == 2
    report = json.loads((follower.folder / "tickets.sarif").read_text("utf-8"))
    assert report["version"] == "2.1.0"
    shutil.copy(DOCS / "examples/complaint-add/broken.json", follower.folder / "tickets")
    assert [follower.typed(line)[1] for line in lines if "tickets/*" in line] == [1, 1]


def _units(_: Follower) -> None:
    """See that what the services are told to run are commands of ours."""
    found = [read(e) for e in blocks(text_of("howto/run-on-postgresql.md")) if e.kind == "ini"]
    assert [
        is_command(unit["Service"]["ExecStart"].removeprefix("/opt/ttrules/.venv/bin/"))
        for unit in found
    ] == [True, True]


#: What is asked of a page once it was followed.
AFTERWARDS: Final[dict[str, Callable[[Follower], None]]] = {
    "howto/check-in-ci.md": _workflows,
    "howto/rotate-secrets.md": _units,
}


def test_program() -> None:
    """The program of a page knows what is signed now by the secret from what is not."""
    (program,) = (e.text for e in blocks(text_of("howto/receive-events.md")) if e.kind == "python")
    names: dict[str, Any] = {}
    exec(program, names)  # noqa: S102 - the page's own program is what is tested
    is_signed, now, body = names["is_signed"], int(time.time()), b'{"eventId": "e1"}'
    old, new, other = (key_of(b"m" * 32, "operator", version) for version in (1, 2, 3))
    given = headers("e1", now, body, [new, old])
    assert is_signed(shown(new), given, body)
    assert is_signed(shown(old), given, body)
    assert not is_signed(shown(other), given, body)
    assert not is_signed(shown(new), given, body + b" ")
    assert not is_signed(shown(new), headers("e1", now - 301, body, [new]), body)
