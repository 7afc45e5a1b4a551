"""Writing docs/reference/: pages that say nothing that spec/ or a table of the code does not say.

docs/openapi.json is written beside them: what `ttrules openapi` prints.

`make docs` runs it; tests/test_docs.py compares. A page is a function of the compiled book, the
tables of the code and the command line, so a new code, command or decision is in the docs once it
is in its table.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.testing import CliRunner

from server.__main__ import cli as server
from server.backoffice import book as backoffice
from server.config import SETTINGS
from server.document import load, load_backoffice
from server.errors import KINDS
from server.filtering import FIELDS, OPERATOR, OPERATOR_MEANINGS, OTHERS, SIGNS
from server.polish import GRANT as POLISH_GRANT
from server.polish import KINDS as POLISH_KINDS
from server.polish import SENTENCES as POLISH_SENTENCES
from server.schema import FILTERED
from server.sentences import GRANT, SENTENCES
from ttrules.book import shipped
from ttrules.cli import FORMATS, cli
from ttrules.codes import REQUIREMENTS
from ttrules.languages import TABLES, catalogue
from ttrules.lint import oddities
from ttrules.program import EXITS
from ttrules.publish import shipped_openapi

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from ttrules import Book

REFERENCE: Final = Path(__file__).parent / "reference"
OPENAPI: Final = REFERENCE.with_name("openapi.json")
_NOTE: Final = "<!-- Written by `make docs`; change the source named below, not this page. -->"


def pages() -> dict[str, str]:
    """Return the text of each page by file name."""
    return {name: f"{_NOTE}\n\n{chr(10).join(write())}\n" for name, write in PAGES.items()}


def _matrix() -> Iterator[str]:
    book = shipped()
    yield f"# The matrix of the {book.data['title']} {book.data['version']}"
    yield ""
    yield "From [spec/requirements.yaml](../../spec/requirements.yaml); types and descriptions from"
    yield "[spec/openapi.yaml](../../spec/openapi.yaml)."
    yield ""
    yield from _rows(book)


def _backoffice_matrix() -> Iterator[str]:
    book = backoffice()
    yield "# What the provider may send"
    yield ""
    yield "From [spec/backoffice-requirements.yaml](../../spec/backoffice-requirements.yaml) and"
    yield "[spec/backoffice-interpretation.yaml](../../spec/backoffice-interpretation.yaml), which are ours:"
    yield "the document rules what operators send, and says nothing of how the rest comes to be."
    yield ""
    yield from _rows(book)
    yield "\n## Conditions\n"
    yield from _conditions_of(book.data)
    yield "\n## Decisions\n"
    yield from _decisions_of(book.data)


def _rows(book: Book) -> Iterator[str]:
    """Yield the codes of a matrix, and a table for each entity."""
    names = book.processes()
    yield from _table(("code", "meaning"), ((f"`{c}`", m) for c, m in _used(book.data).items()))
    for entity, rows in book.data["entities"].items():
        yield f"\n## {entity}\n"
        yield from _table(
            ("field", "type", *names, "description"),
            (
                (
                    f"`{field}`",
                    f"`{row['type']}`" if row["type"] else "",
                    *row["requirements"],
                    row["description"],
                )
                for field, row in rows.items()
            ),
        )


def _used(data: Mapping[str, Any]) -> dict[str, str]:
    """Return the codes that the matrix has, with their meaning."""
    codes = {
        code
        for rows in data["entities"].values()
        for row in rows.values()
        for code in row["requirements"]
    }
    return {code: text for code, text in REQUIREMENTS.items() if code in codes}


def _findings() -> Iterator[str]:
    yield "# Findings"
    yield ""
    yield "From [ttrules/codes.py](../../ttrules/codes.py), and in other languages from the modules"
    yield "that [ttrules/languages.py](../../ttrules/languages.py) names. Codes are stable, and the same"
    yield "in every language; sentences are for people and may change. One defect is one finding."
    yield ""
    yield '`finding.message` is in English; `finding.message_in("pl")`, `to_dict("pl")` of a finding or'
    yield "report, `--lang pl` or `TTRULES_LANG=pl` on the command line, and the header `Accept-Language`"
    yield "of a request to the server give the sentences in Polish."
    yield "\n## Finding codes\n"
    yield from _spoken("code", "messages")
    yield "\n## Requirement codes\n"
    yield from _spoken("code", "requirements")
    yield "\n## Relations\n"
    yield "What a condition of a process-dependent cell may ask of the fields of one object."
    yield ""
    yield from _spoken("relation", "relations")
    yield "\n## Formats that are enforced\n"
    yield "What to write, as it stands behind *as*."
    yield ""
    yield from _spoken("format", "formats")


def _spoken(head: str, name: str) -> Iterator[str]:
    """Yield a table of the languages: a key, and its text in each of them."""
    tables = [getattr(catalogue(language), name) for language in TABLES]
    rows = ((f"`{key}`", *(_slots(table[key]) for table in tables)) for key in tables[0])
    yield from _table((head, *TABLES), rows)


def _cli() -> Iterator[str]:
    yield "# The command line"
    yield ""
    yield "From [ttrules/cli.py](../../ttrules/cli.py) and its neighbours."
    yield f"Formats of a report: {', '.join(f'`{name}`' for name in FORMATS)}."
    yield "\n## Exit codes\n"
    yield from _table(("code", "meaning"), ((f"`{c}`", text) for c, text in EXITS.items()))
    for name in ("", *cli.commands):
        yield from _help(cli, "ttrules", *name.split())


def _server_cli() -> Iterator[str]:
    yield "# The commands of the server"
    yield ""
    yield "From [server/__main__.py](../../server/__main__.py) and its neighbours. What a person can"
    yield "mend, wrong use and wrong settings are told in a sentence, and end a command with 2. A refusal"
    yield "of the provider's API ends `ticket` and `events` with 1, a server that is not reached with 3."
    for names in _paths(server):
        yield from _help(server, "python -m server", *names)


def _paths(group: click.Group, *above: str) -> Iterator[tuple[str, ...]]:
    """Yield the names that lead to a group and to each command below it."""
    yield above
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _paths(command, *above, name)
        else:
            yield (*above, name)


def _help(of: click.Command, program: str, *names: str) -> Iterator[str]:
    """Yield the help of a command as a section."""
    yield f"\n## {' '.join([program, *names])}\n"
    yield "```text"
    yield CliRunner().invoke(of, [*names, "--help"], prog_name=program).stdout.rstrip()
    yield "```"


def _settings() -> Iterator[str]:
    yield "# Settings of the server"
    yield ""
    yield "From [server/config.py](../../server/config.py). Each is a variable of the environment; a"
    yield "value that it cannot have stops the start with a sentence. Sizes are bytes, or K, M or G of"
    yield "them."
    yield ""
    yield from _table(
        ("variable", "default", "value", "meaning"),
        (
            (f"`{name}`", f"`{each.default}`" if each.default else "", each.expected, each.meaning)
            for name, (_, each) in SETTINGS.items()
        ),
    )


def _filters() -> Iterator[str]:
    yield "# Filters"
    yield ""
    yield "From [server/filtering.py](../../server/filtering.py): what `GET /troubleTicket` takes."
    yield "Parameters are joined by and. The values of one, separated by commas or given by naming it"
    yield "again, are joined by or, but for `ne`, where none of them may be. A comma behind a backslash"
    yield "belongs to a value. Dates compare as instants, and a bare day stands for all of it in UTC."
    yield "A member that is not there equals nothing, and is sorted last."
    yield "\n## Members that can be filtered and sorted by\n"
    yield from _table(
        ("parameter", "member", "compares as"),
        ((f"`{name}`", f"`{of}`", FILTERED.get(of, "text")) for name, of in FIELDS.items()),
    )
    yield "\n## Operators\n"
    signs: dict[str, list[str]] = {}
    for sign, operator in SIGNS.items():
        signs.setdefault(operator, []).append(f"`{sign}`")
    yield from _table(
        ("written", "or", "asks that"),
        (
            (f"`name.{each}=value`", " ".join(signs.get(each, ())), meaning)
            for each, meaning in OPERATOR_MEANINGS.items()
        ),
    )
    yield "\n## Other parameters\n"
    yield f"`{OPERATOR}` is for the provider, who sees the tickets of all operators."
    yield ""
    shared = load()["components"]["parameters"].values()
    parameters = [*shared, load_backoffice()["components"]["parameters"]["FilterOperator"]]
    yield from _table(
        ("parameter", "meaning"),
        (
            (f"`{each['name']}`", each["description"])
            for each in parameters
            if each["name"] in {*OTHERS, OPERATOR}
        ),
    )


def _errors() -> Iterator[str]:
    yield "# Errors of the server"
    yield ""
    yield "From [server/errors.py](../../server/errors.py). Every answer of 400 or more is one Error"
    yield "object with `code`, `reason`, `message`, `status` and `@type`; findings of ttrules stand in"
    yield "`violations` and `warnings`. Only `/oauth2/token` answers as RFC 6749 has it."
    yield ""
    yield from _table(
        ("status", "code", "reason", "what to do"),
        ((str(k.status), f"`{code}`", k.reason, k.message) for code, k in KINDS.items()),
    )
    yield "\n## What is told of one request\n"
    yield "From [server/sentences.py](../../server/sentences.py). Where one of these fits, it is the"
    yield "`message` in the place of what the code says."
    yield ""
    yield from _table(("key", "what to do"), ((f"`{k}`", _slots(t)) for k, t in SENTENCES.items()))
    yield "\nThe `error_description` of `/oauth2/token` is one of these; RFC 6749 lets it hold ASCII only.\n"
    yield from _table(("key", "what to do"), ((f"`{k}`", _slots(t)) for k, t in GRANT.items()))
    yield "\n## In Polish\n"
    yield "From [server/polish.py](../../server/polish.py): what is told where `Accept-Language` asks for"
    yield "`pl` more than for `en`. `Content-Language` says which one it is."
    yield ""
    kinds = ((f"`{code}`", *POLISH_KINDS[code]) for code in KINDS)
    yield from _table(("code", "reason", "what to do"), kinds)
    for told in (POLISH_SENTENCES, POLISH_GRANT):
        yield ""
        yield from _table(("key", "what to do"), ((f"`{k}`", _slots(t)) for k, t in told.items()))


def _decisions() -> Iterator[str]:
    book = shipped().data
    yield "# What the document leaves open, and what was decided"
    yield ""
    yield "From [spec/interpretation.yaml](../../spec/interpretation.yaml): overrule an entry in a"
    yield "copy of your own and compile again."
    yield "\n## Choice of the process\n"
    yield book["selection"]["reason"]
    yield "\n## Conditions\n"
    yield from _conditions_of(book)
    yield "\n## Decisions\n"
    yield from _decisions_of(book)
    yield "\n## Oddities of the document\n"
    yield "As `ttrules lint` finds them. They are enforced as they stand, not mended."
    yield ""
    yield from _table(
        ("about", "what", "decided under"),
        (
            (f"`{each.about}`", each.text, ", ".join(each.decided))
            for each in oddities(book)
            if each.kind != "decided"
        ),
    )


def _conditions_of(book: Mapping[str, Any]) -> Iterator[str]:
    yield from _table(
        ("entity", "fields", "relation", "why"),
        (
            (each["entity"], ", ".join(each["fields"]), f"`{each['relation']}`", each["reason"])
            for each in book["conditions"]
        ),
    )


def _decisions_of(book: Mapping[str, Any]) -> Iterator[str]:
    yield from _table(
        ("topic", "decision", "why"),
        ((each["topic"], each["decision"], each["reason"]) for each in book["decisions"]),
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for row in (heads, ["---"] * len(heads), *rows):
        cells = (" ".join(cell.split()).replace("|", r"\|") for cell in row)
        yield f"| {' | '.join(cells)} |"


def _slots(text: str) -> str:
    return re.sub(r"\{(\w+)\}", r"*\1*", text)


PAGES: Final[dict[str, Callable[[], Iterator[str]]]] = {
    "matrix.md": _matrix,
    "backoffice-matrix.md": _backoffice_matrix,
    "findings.md": _findings,
    "decisions.md": _decisions,
    "cli.md": _cli,
    "server-cli.md": _server_cli,
    "settings.md": _settings,
    "filters.md": _filters,
    "errors.md": _errors,
}


def main() -> None:
    """Write the pages and the document."""
    REFERENCE.mkdir(exist_ok=True)
    OPENAPI.write_bytes(shipped_openapi())
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
