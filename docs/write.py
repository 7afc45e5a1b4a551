"""Writing docs/reference/: pages that say nothing that spec/ or a table of the code does not say.

Beside them are written docs/openapi.json, which is what `ttrules openapi` prints, and the matrix as
a page and as a table.

`make docs` runs it; tests/test_docs.py compares. A page is a function of the compiled book, the
tables of the code and the command line, so a new code, command or decision is in the docs once it
is in its table.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.testing import CliRunner

from docs.names import api
from docs.operations import fields, http
from docs.outgoing import events, metrics
from docs.tables import slots as _slots
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
from ttrules.languages import TABLES, catalogue
from ttrules.lint import oddities
from ttrules.page import page_of
from ttrules.program import EXITS
from ttrules.publish import shipped_openapi
from ttrules.sheets import Part, csv_of, markdown_table, sections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

DOCS: Final = Path(__file__).parent
REFERENCE: Final = DOCS / "reference"
OPENAPI: Final = DOCS / "openapi.json"
_NOTE: Final = "<!-- Written by `make docs`; change the source named below, not this page. -->"


def pages() -> dict[str, str]:
    """Return the text of each page by file name."""
    return {name: _page(write()) for name, write in PAGES.items()}


def _page(lines: Iterator[str]) -> str:
    """Return a page. Its title comes first, or MkDocs calls it by the name of its file."""
    return "\n".join([next(lines), "", _NOTE, *lines, ""])


def _matrix() -> Iterator[str]:
    book = shipped()
    yield f"# The matrix of the {book.data['title']} {book.data['version']}"
    yield ""
    yield "From [spec/requirements.yaml](../../spec/requirements.yaml); types and descriptions from"
    yield "[spec/openapi.yaml](../../spec/openapi.yaml)."
    yield ""
    yield from sections(Part.of(book))


def _backoffice_matrix() -> Iterator[str]:
    book = backoffice()
    yield "# What the provider may send"
    yield ""
    yield "From [spec/backoffice-requirements.yaml](../../spec/backoffice-requirements.yaml) and"
    yield "[spec/backoffice-interpretation.yaml](../../spec/backoffice-interpretation.yaml), which are ours:"
    yield "the document rules what operators send, and says nothing of how the rest comes to be."
    yield ""
    yield from sections(Part.of(book))
    yield "\n## Conditions\n"
    yield from _conditions_of(book.data)
    yield "\n## Decisions\n"
    yield from _decisions_of(book.data)


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
    yield from markdown_table((head, *TABLES), rows)


def _cli() -> Iterator[str]:
    yield "# The command line"
    yield ""
    yield "From [ttrules/cli.py](../../ttrules/cli.py) and its neighbours."
    yield f"Formats of a report: {', '.join(f'`{name}`' for name in FORMATS)}."
    yield "\n## Exit codes\n"
    yield from markdown_table(("code", "meaning"), ((f"`{c}`", text) for c, text in EXITS.items()))
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
    yield "From [server/config.py](../../server/config.py). Each is an environment variable. An invalid"
    yield "value, or a variable `TTR_...` that is not in the table, stops the start with one sentence."
    yield "Numbers have digits and at most one decimal point; white space around a value is invalid."
    yield "Sizes are bytes, or K, M or G of them, up to 1G; seconds are from 0.1 to less than 86400."
    yield ""
    yield "Variables that Kubernetes sets for a Service whose name begins with `ttr`, or Docker for such"
    yield "a link, are ignored: `TTR_SERVICE_HOST`, `TTR_PORT=tcp://...`, `TTR_PORT_80_TCP` and so on."
    yield ""
    yield from markdown_table(
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
    yield from markdown_table(
        ("parameter", "member", "compares as"),
        ((f"`{name}`", f"`{of}`", FILTERED.get(of, "text")) for name, of in FIELDS.items()),
    )
    yield "\n## Operators\n"
    signs: dict[str, list[str]] = {}
    for sign, operator in SIGNS.items():
        signs.setdefault(operator, []).append(f"`{sign}`")
    yield from markdown_table(
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
    yield from markdown_table(
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
    yield from markdown_table(
        ("status", "code", "reason", "what to do"),
        ((str(k.status), f"`{code}`", k.reason, k.message) for code, k in KINDS.items()),
    )
    yield "\n## What is told of one request\n"
    yield "From [server/sentences.py](../../server/sentences.py). Where one of these fits, it is the"
    yield "`message` in the place of what the code says."
    yield ""
    yield from markdown_table(
        ("key", "what to do"), ((f"`{k}`", _slots(t)) for k, t in SENTENCES.items())
    )
    yield "\nThe `error_description` of `/oauth2/token` is one of these; RFC 6749 lets it hold ASCII only.\n"
    yield from markdown_table(
        ("key", "what to do"), ((f"`{k}`", _slots(t)) for k, t in GRANT.items())
    )
    yield "\n## In Polish\n"
    yield "From [server/polish.py](../../server/polish.py): what is told where `Accept-Language` asks for"
    yield "`pl` more than for `en`. `Content-Language` says which one it is."
    yield ""
    kinds = ((f"`{code}`", *POLISH_KINDS[code]) for code in KINDS)
    yield from markdown_table(("code", "reason", "what to do"), kinds)
    for told in (POLISH_SENTENCES, POLISH_GRANT):
        yield ""
        yield from markdown_table(
            ("key", "what to do"), ((f"`{k}`", _slots(t)) for k, t in told.items())
        )


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
    yield from markdown_table(
        ("about", "what", "decided under"),
        (
            (f"`{each.about}`", each.text, ", ".join(each.decided))
            for each in oddities(book)
            if each.kind != "decided"
        ),
    )


def _conditions_of(book: Mapping[str, Any]) -> Iterator[str]:
    yield from markdown_table(
        ("entity", "fields", "relation", "why"),
        (
            (each["entity"], ", ".join(each["fields"]), f"`{each['relation']}`", each["reason"])
            for each in book["conditions"]
        ),
    )


def _decisions_of(book: Mapping[str, Any]) -> Iterator[str]:
    yield from markdown_table(
        ("topic", "decision", "why"),
        ((each["topic"], each["decision"], each["reason"]) for each in book["decisions"]),
    )


PAGES: Final[dict[str, Callable[[], Iterator[str]]]] = {
    "matrix.md": _matrix,
    "fields.md": fields,
    "backoffice-matrix.md": _backoffice_matrix,
    "findings.md": _findings,
    "api.md": api,
    "decisions.md": _decisions,
    "cli.md": _cli,
    "server-cli.md": _server_cli,
    "settings.md": _settings,
    "filters.md": _filters,
    "http.md": http,
    "errors.md": _errors,
    "events.md": events,
    "metrics.md": metrics,
}


#: What lies beside the pages: the matrix as files of its own.
FILES: Final[dict[str, Callable[[Part], bytes]]] = {"matrix.html": page_of, "matrix.csv": csv_of}


def main() -> None:
    """Write the pages, the document and the matrix."""
    for name, written in FILES.items():
        (DOCS / name).write_bytes(written(Part.of(shipped())))
    REFERENCE.mkdir(exist_ok=True)
    OPENAPI.write_bytes(shipped_openapi())
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
