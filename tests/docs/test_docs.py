"""The documents show what happens, and leave out nothing that is public.

What runs in the pages of docs/ is run by api/test_following.py; here are the documents beside it,
the reference, and whether each public thing has its place in it.
"""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, get_args
from urllib.parse import unquote

import click
import flask
import pytest
from click.testing import CliRunner

import ttrules
from docs.generate import profiles
from docs.generate.events_and_metrics import registered, shown
from docs.generate.examples import EXAMPLES, examples
from docs.generate.http_reference import BESIDES, DOCUMENTS
from docs.generate.reference import FILES, OPENAPI, PAGES, REFERENCE, commands_of, pages
from server.cli.main import cli as server
from server.config import SETTINGS, Config
from server.delivery import signing, worker
from server.problems import KINDS
from server.profile.members import OPERATOR, OTHERS
from server.profile.reader import shipped_profile
from server.retry import STEPS, Fate
from server.storage.ticket_query import OPERATOR_MEANINGS
from server.telemetry import Metrics
from server.web.pages import pages_of
from server.web.swagger_ui import FILES as SWAGGER_UI
from tests.benchmarks.delivering import FLOORS
from tests.support.docs_runner import DOCS, ROOT, blocks, is_command, nav
from ttrules import strategies
from ttrules.cli.check import FORMATS
from ttrules.cli.exit_codes import EXITS
from ttrules.cli.main import cli
from ttrules.codes import FORMATS as STRING_FORMATS
from ttrules.codes import MESSAGES, RELATIONS, REQUIREMENTS
from ttrules.exports.matrix.view import MatrixView
from ttrules.exports.openapi.document import openapi_of
from ttrules.rulebook import shipped
from ttrules.spec.load import load_spec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: The documents beside docs/, whose commands are run where they stand.
FIELDS = shipped_profile().operator.listing.filters
BESIDE: Final = sorted(ROOT.glob("*.md"))
DOCUMENTS_ALL: Final = [*BESIDE, *sorted(DOCS.rglob("*.md"))]
#: What a block of a page may be, and who sees that it holds.
KINDS_OF_BLOCKS: Final = {
    *("console", "sh", "python", "yaml", "json", "ini", "listener"),  # tests/support/docs_runner.py
    *("nginx", "caddy"),  # api/test_proxy.py
    "js",  # run where its page says how
    *("java", "go", "csharp"),  # nobody: there are no such compilers and packages where tests run
}
#: Pages whose text blocks are drawings. docs/generate/reference.py writes those of the reference.
DRAWN: Final = {"ARCHITECTURE.md", "docs/explanation/delivery.md"}
_LINK: Final = re.compile(r"\]\((?!https?:|#)([^)#]+)")


@pytest.mark.parametrize("document", BESIDE, ids=lambda path: path.name)
def test_lines(document: Path) -> None:
    """A line that is to be typed calls what there is: those of docs/ are typed by other tests.

    Outputs are shown in the README only; test_docs_runner.py compares them.
    """
    found = blocks(document.read_text("utf-8"))
    assert document.name == "README.md" or "console" not in {block.kind for block in found}
    for block in found:
        for line in block.text.splitlines() if block.kind == "sh" else ():
            known = line.startswith(("pip install ", "make ", "export TTR_")) or is_command(line)
            assert known, (block.line, line)


@pytest.mark.parametrize("document", DOCUMENTS_ALL, ids=lambda path: str(path.relative_to(ROOT)))
def test_blocks(document: Path) -> None:
    """A block is of a kind that some test sees through, or is a drawing that is known as one."""
    name = str(document.relative_to(ROOT))
    allowed = KINDS_OF_BLOCKS | ({"text"} if name in DRAWN or "reference" in name else set())
    found = blocks(document.read_text("utf-8"))
    assert [each for each in found if each.kind not in allowed] == []
    assert document.read_text("utf-8").count("\n```") == 2 * len(found)


def test_reference() -> None:
    """The pages of the reference are what `make docs` writes, and no others lie there."""
    assert {path.name: path.read_text("utf-8") for path in REFERENCE.iterdir()} == pages()
    assert PAGES.keys() == pages().keys()


@pytest.mark.parametrize("name", FILES)
def test_matrix_files(name: str) -> None:
    """So are the matrix as a page and as a table, byte for byte."""
    assert (DOCS / name).read_bytes() == FILES[name](MatrixView.of(shipped()))


def test_examples() -> None:
    """docs/examples/ has two payloads for each process, one that is valid and one that is not."""
    paths = [path for path in EXAMPLES.rglob("*") if path.is_file()]
    assert {
        str(path.relative_to(EXAMPLES)): path.read_text("utf-8") for path in paths
    } == examples()


def test_openapi() -> None:
    """docs/openapi.json is what the spec compiles to, byte for byte."""
    spec = ROOT / "spec"
    names = ("openapi", "requirements", "interpretation", "lifecycle")
    files = {name: spec / f"{name}.yaml" for name in names}
    assert openapi_of(files["openapi"], load_spec(**files)) == OPENAPI.read_bytes()


def test_profile() -> None:
    """So are the files of the other profile, and the collection made of it."""
    written = {path.name: path.read_bytes() for path in profiles.DOCS.iterdir() if path.is_file()}
    assert written.keys() == {"index.md", *profiles.files()}
    assert profiles.files().items() <= written.items()
    document = json.loads(written["openapi.json"])
    assert document["servers"] == [{"url": "/tmf-api/troubleTicket/v4"}]
    names = ("openapi", "requirements", "interpretation", "lifecycle")
    given = [part for name in names for part in (f"--{name}", profiles.PROFILE / f"{name}.yaml")]
    made = CliRunner().invoke(
        cli, ["postman", *map(str, given), "--out", str(profiles.DOCS / "postman"), "--check"]
    )
    assert made.exit_code == 0, made.output


def _options(group: click.Group, name: str) -> Iterator[str]:
    """Yield the commands of a group with their options, as the reference has them."""
    for command in commands_of(group).values():
        full = f"{name} {command.name}"
        if isinstance(command, click.Group):
            yield f"## {full}\n"
            yield from _options(command, full)
            continue
        yield f"## {full}\n"
        for each in command.params:
            if isinstance(each, click.Option):
                yield f"## {full}\n {each.opts[-1]}"


def _fields() -> Iterator[str]:
    for document, _ in DOCUMENTS.values():
        for name, shape in document["components"]["schemas"].items():
            yield f"## {name}\n"
            for field in shape.get("properties", {}):
                yield f"## {name}\n | `{field}` |"


def _operations() -> Iterator[str]:
    for document, _ in DOCUMENTS.values():
        for path, item in document["paths"].items():
            for method, operation in item.items():
                if method != "parameters":
                    yield f"### {method.upper()} {path}\n `{operation['operationId']}`"
                    for status in operation["responses"]:
                        yield f"### {method.upper()} {path}\n | {status} |"


def _ticked(names: Any) -> list[str]:
    return [f"`{name}`" for name in names]


#: What is public, where it stands, and how: what follows a line break stands in that section.
PUBLIC: Final[dict[str, tuple[str, list[str]]]] = {
    "names": (
        "api.md",
        [
            *(f"### ttrules.{name}\n" for name in ttrules.__all__),
            *(f"### ttrules.strategies.{name}\n" for name in strategies.__all__),
        ],
    ),
    "commands": ("cli.md", [*_options(cli, "ttrules"), *_ticked(EXITS), *_ticked(FORMATS)]),
    "commands of the server": ("server-cli.md", [*_options(server, "python -m server")]),
    "settings": ("settings.md", _ticked(SETTINGS)),
    "codes": (
        "findings.md",
        _ticked([*MESSAGES, *REQUIREMENTS, *RELATIONS, *STRING_FORMATS]),
    ),
    "errors": ("errors.md", _ticked(KINDS)),
    "filters": (
        "filters.md",
        [*_ticked([*FIELDS, *OTHERS, OPERATOR]), *(f"`name.{e}=value`" for e in OPERATOR_MEANINGS)],
    ),
    "fields": ("fields.md", [*_fields()]),
    "operations": ("http.md", [*_operations(), *_ticked(BESIDES)]),
    "events": (
        "events.md",
        [
            *(f"## {name}\n" for name in shipped().matrix.lifecycle["events"]),
            *_ticked(signing.headers("", 0, b"", [])),
            *(f"| {number} | {step:,} |" for number, step in enumerate(STEPS, 1)),
        ],
    ),
    "numbers": (
        "metrics.md",
        [
            *(f"`{family.name}" for family in Metrics().registry.collect()),
            *_ticked([*get_args(Fate), "lost"]),
        ],
    ),
    "processes and rows": (
        "matrix.md",
        [
            *shipped().processes(),
            *(
                f"## {entity}\n | `{field}` |"
                for entity, rows in shipped().matrix.entities.items()
                for field in rows
            ),
        ],
    ),
}


@pytest.mark.parametrize("what", PUBLIC)
def test_public(what: str) -> None:
    """Whatever is public stands on a page of the reference that can be chosen in the site."""
    page, names = PUBLIC[what]
    text = (REFERENCE / page).read_text("utf-8")
    assert names
    assert [name for name in names if not _stands(name, text)] == []
    assert f"reference/{page}" in nav()


def _stands(name: str, text: str) -> bool:
    """Return whether a text contains a name, under its heading if it has one."""
    heading, _, rest = name.partition("\n")
    if "\n" not in name:
        return name in text
    level = heading.partition(" ")[0]
    sections = re.split(rf"^(?={level} )", text, flags=re.MULTILINE)
    return any(part.startswith(f"{heading}\n") and rest.strip() in part for part in sections)


def test_numbers() -> None:
    """The names of numbers are those that Prometheus reads."""
    families = Metrics().registry.collect()
    names = [each.name + "_total" * (each.type == "counter") for each in families]
    assert sorted(map(shown, registered())) == sorted(names)


def test_besides() -> None:
    """What the server answers beside its operations is told, and nothing else."""
    app = flask.Flask("pages")
    public = {doc["servers"][0]["url"]: doc for doc, _ in DOCUMENTS.values()}
    store: Any = SimpleNamespace(profile=shipped_profile())
    app.register_blueprint(pages_of(store, None, Config(), public))  # type: ignore[arg-type]  # nothing is asked of it
    parts = {"/ui", "/static/<path:filename>"} | {f"/ui/{name}" for name in SWAGGER_UI}
    rules = {f"GET {rule.rule}" for rule in app.url_map.iter_rules() if rule.rule not in parts}
    assert rules == {each for each in BESIDES if not each.startswith("POST /oauth2/")}


def test_figures() -> None:
    """The figures of the page about delivery are those of the code."""
    text = (DOCS / "explanation/delivery.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| (.*?) \| ([0-9]+)", text, re.MULTILINE))
    assert list(map(int, rows.values())) == [FLOORS["sqlite"], FLOORS["postgresql"], 1]
    assert f"more than {worker._MOST} attempts" in text
    assert worker._FEWEST == 2
    assert len(STEPS) == 10


@pytest.mark.parametrize("document", DOCUMENTS_ALL, ids=lambda path: str(path.relative_to(ROOT)))
def test_links(document: Path) -> None:
    """A link within the project leads somewhere."""
    for target in _LINK.findall(document.read_text("utf-8")):
        assert (document.parent / unquote(target)).exists(), target


def test_make_targets() -> None:
    """Every target of make that a document names is one."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for document in DOCUMENTS_ALL:
        named = re.findall(r"(?:^|`)make ([a-z]+)", document.read_text("utf-8"), re.MULTILINE)
        assert set(named) <= targets, document
