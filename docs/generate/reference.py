"""Write docs/reference/, and the generated files beside it.

These are docs/openapi.json (the output of `ttrules openapi`), the matrix as a page and as a table,
and the diagrams. Every page is a function of the compiled rules, the tables of the code and the
command line: a new code, command or decision is in the docs once it is in its table. `make docs`
runs this script; the tests compare its output with the files.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from click.testing import CliRunner

from docs.generate.diagrams import flow, lifecycle
from docs.generate.events_and_metrics import events, metrics
from docs.generate.http_reference import fields, http
from docs.generate.profile_reference import profiles
from docs.generate.python_api import api
from server.api.query import SIGNS
from server.cli.main import cli as server
from server.config import SETTINGS
from server.messages.en import GRANT, SENTENCES
from server.messages.pl import GRANT as POLISH_GRANT
from server.messages.pl import KINDS as POLISH_KINDS
from server.messages.pl import SENTENCES as POLISH_SENTENCES
from server.problems import KINDS
from server.profile.members import OPERATOR, OTHERS
from server.profile.reader import shipped_profile
from server.storage.ticket_query import OPERATOR_MEANINGS
from ttrules.analysis.lint import oddities
from ttrules.cli.check import FORMATS
from ttrules.cli.exit_codes import EXITS
from ttrules.cli.main import cli
from ttrules.codes import ANNOTATION_FORMATS, FORMAT_BOUNDS
from ttrules.exports.matrix.csv import csv_of
from ttrules.exports.matrix.markdown import markdown_table, sections
from ttrules.exports.matrix.page import page_of
from ttrules.exports.matrix.view import MatrixView
from ttrules.exports.openapi.document import shipped_openapi
from ttrules.messages.catalogue import TABLES, catalogue
from ttrules.rulebook import shipped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ttrules.matrix import Matrix

DOCS: Final = Path(__file__).parents[1]
REFERENCE: Final = DOCS / "reference"
OPENAPI: Final = DOCS / "openapi.json"
_NOTE: Final = "<!-- Written by `make docs`; change the source named below, not this page. -->"


def pages() -> dict[str, str]:
    """Return the text of each page, by file name."""
    return {name: page(write()) for name, write in PAGES.items()}


def page(lines: Iterator[str]) -> str:
    """Return a page. The title is the first line, because MkDocs reads it there."""
    return "\n".join([next(lines), "", _NOTE, *lines, ""])


def commands_of(group: click.Group) -> dict[str, click.Command]:
    """Return the commands of a group by name, including lazily imported ones."""
    context = click.Context(group)
    found = {name: group.get_command(context, name) for name in group.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


def _slots(text: str) -> str:
    """Return a message template for readers: its placeholders in italics."""
    return re.sub(r"\{(\w+)\}", r"*\1*", text)


def _matrix() -> Iterator[str]:
    book = shipped()
    yield f"# Requirement matrix: {book.matrix.title} {book.matrix.version}"
    yield ""
    yield "From [spec/requirements.yaml](../../spec/requirements.yaml); types and descriptions from"
    yield "[spec/openapi.yaml](../../spec/openapi.yaml)."
    yield ""
    yield from sections(MatrixView.of(book))


def _backoffice_matrix() -> Iterator[str]:
    side = shipped_profile().provider
    assert side is not None
    book = side.book
    yield "# Provider matrix"
    yield ""
    yield "From [spec/backoffice-requirements.yaml](../../spec/backoffice-requirements.yaml) and"
    yield "[spec/backoffice-interpretation.yaml](../../spec/backoffice-interpretation.yaml): what"
    yield "the provider's systems may change in a ticket. The API document defines only what"
    yield "operators send, so this project defines these rules itself."
    yield ""
    yield from sections(MatrixView.of(book))
    yield "\n## Conditions\n"
    yield from conditions_of(book.matrix)
    yield "\n## Decisions\n"
    yield from decisions_of(book.matrix)


def _findings() -> Iterator[str]:
    yield "# Findings"
    yield ""
    yield "From [ttrules/codes.py](../../ttrules/codes.py); the other languages are listed in"
    yield "[ttrules/messages/catalogue.py](../../ttrules/messages/catalogue.py). Codes are stable"
    yield "and the same in every language. Messages are for people and may change. One defect is"
    yield "one finding."
    yield ""
    yield "`finding.message` is in English. To get Polish, use"
    yield '`finding.message_in("pl")` or `to_dict("pl")` in Python, `--lang pl` or `TTRULES_LANG=pl` on the'
    yield "command line, and the header `Accept-Language` for the server."
    yield "\n## Finding codes\n"
    yield from _spoken("code", "messages")
    yield "\n## Requirement codes\n"
    yield from _spoken("code", "requirements")
    yield "\n## Relations\n"
    yield "A condition of a process-dependent cell is one of these relations between fields of one"
    yield "object."
    yield ""
    yield from _spoken("relation", "relations")
    yield "\n## Formats\n"
    yield "The formats that are enforced, with the text that a message shows for each."
    yield ""
    yield from _spoken("format", "formats")
    yield ""
    yield "These formats are bounds as well. A narrower bound of the shape replaces them."
    yield ""
    rows = (
        (f"`{name}`", ", ".join(f"`{key}` {limit}" for key, limit in bounds.items()))
        for name, bounds in FORMAT_BOUNDS.items()
    )
    yield from markdown_table(("format", "bounds"), rows)
    yield ""
    names = ", ".join(f"`{name}`" for name in sorted(ANNOTATION_FORMATS))
    yield f"Every value meets {names}. Other formats are not enforced. The published schemas enforce"
    yield "formats by `pattern` and bounds, so every validator gives the same verdict, whether it"
    yield "checks `format` or not."


def _spoken(head: str, name: str) -> Iterator[str]:
    """Yield a table: each key with its text in each language."""
    tables = [getattr(catalogue(language), name) for language in TABLES]
    rows = ((f"`{key}`", *(_slots(table[key]) for table in tables)) for key in tables[0])
    yield from markdown_table((head, *TABLES), rows)


def _cli() -> Iterator[str]:
    yield "# Command line"
    yield ""
    yield "From the modules in [ttrules/cli/](../../ttrules/cli/main.py)."
    yield f"Report formats: {', '.join(f'`{name}`' for name in FORMATS)}."
    yield "\n## Exit codes\n"
    yield from markdown_table(("code", "meaning"), ((f"`{c}`", text) for c, text in EXITS.items()))
    for name in ("", *commands_of(cli)):
        yield from _help(cli, "ttrules", *name.split())


def _server_cli() -> Iterator[str]:
    yield "# Server commands"
    yield ""
    yield "From the modules in [server/cli/](../../server/cli/main.py). A usage error, an"
    yield "invalid setting or another problem that the user can fix prints one sentence and exits"
    yield "with 2. `ticket`, `events` and `hub` exit with 1 if the API rejects the request, and"
    yield "with 3 if the server cannot be reached."
    for names in _paths(server):
        yield from _help(server, "python -m server", *names)


def _paths(group: click.Group, *above: str) -> Iterator[tuple[str, ...]]:
    """Yield the names of a group and of each command below it."""
    yield above
    for name, command in commands_of(group).items():
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
    yield "# Settings"
    yield ""
    yield "From [server/config.py](../../server/config.py). Each setting is an environment"
    yield "variable. The server does not start if a value is invalid or a variable `TTR_...` is"
    yield "not in the table; it prints one sentence that says why. Numbers have digits and at most"
    yield "one decimal point; white space around a value is invalid. Sizes are in bytes, or with"
    yield "K, M or G, up to 1G. Seconds are from 0.1 to less than 86400."
    yield ""
    yield "The server ignores variables that Kubernetes sets for a Service whose name begins with"
    yield "`ttr`, or Docker for such a link: `TTR_SERVICE_HOST`, `TTR_PORT=tcp://...`,"
    yield "`TTR_PORT_80_TCP` and so on."
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
    yield "From [server/api/query.py](../../server/api/query.py) and"
    yield "[server/storage/ticket_query.py](../../server/storage/ticket_query.py): the query parameters of"
    yield "`GET /troubleTicket`. A ticket must match all parameters. It matches a parameter if it"
    yield "matches one of its values; with `ne` it must match none of them. To give several"
    yield "values, separate them with commas or repeat the parameter; write `\\,` for a comma in a"
    yield "value. Dates are compared as instants; a date without a time means the whole day in"
    yield "UTC. A missing member equals no value and is sorted last."
    yield "\n## Fields for filters and sorting\n"
    listing = shipped_profile().operator.listing
    yield from markdown_table(
        ("parameter", "member", "compares as"),
        ((f"`{name}`", f"`{of}`", listing.sorts[of]) for name, of in listing.filters.items()),
    )
    yield "\n## Operators\n"
    signs: dict[str, list[str]] = {}
    for sign, operator in SIGNS.items():
        signs.setdefault(operator, []).append(f"`{sign}`")
    yield from markdown_table(
        ("parameter", "short form", "matches if"),
        (
            (f"`name.{each}=value`", " ".join(signs.get(each, ())), meaning)
            for each, meaning in OPERATOR_MEANINGS.items()
        ),
    )
    yield "\n## Other parameters\n"
    yield f"`{OPERATOR}` is only for the provider, who sees the tickets of all operators."
    yield ""
    profile = shipped_profile()
    assert profile.provider is not None
    shared = profile.operator.document["components"]["parameters"].values()
    others = profile.provider.document["components"]["parameters"]["FilterOperator"]
    parameters = [*shared, others]
    yield from markdown_table(
        ("parameter", "meaning"),
        (
            (f"`{each['name']}`", each["description"])
            for each in parameters
            if each["name"] in {*OTHERS, OPERATOR}
        ),
    )


def _errors() -> Iterator[str]:
    yield "# Errors"
    yield ""
    yield "From [server/problems.py](../../server/problems.py). The body of every response with a"
    yield "status of 400 or more is one Error object with `code`, `reason`, `message`, `status`"
    yield "and `@type`. Findings are in `violations` and `warnings`. The exception is"
    yield "`/oauth2/token`, which uses the error format of RFC 6749."
    yield ""
    yield from markdown_table(
        ("status", "code", "reason", "what to do"),
        ((str(k.status), f"`{code}`", k.reason, k.message) for code, k in KINDS.items()),
    )
    yield "\n## Detailed messages\n"
    yield "From [server/messages/en.py](../../server/messages/en.py). If one of these describes"
    yield "the error, it is the `message`, in place of the general one above."
    yield ""
    yield from markdown_table(
        ("key", "what to do"), ((f"`{k}`", _slots(t)) for k, t in SENTENCES.items())
    )
    yield "\nThe `error_description` of `/oauth2/token` is one of these. RFC 6749 allows only ASCII in it.\n"
    yield from markdown_table(
        ("key", "what to do"), ((f"`{k}`", _slots(t)) for k, t in GRANT.items())
    )
    yield "\n## In Polish\n"
    yield "From [server/messages/pl.py](../../server/messages/pl.py). The server uses Polish if"
    yield "`Accept-Language` prefers `pl` to `en`. `Content-Language` names the language of the"
    yield "response."
    yield ""
    kinds = ((f"`{code}`", *POLISH_KINDS[code]) for code in KINDS)
    yield from markdown_table(("code", "reason", "what to do"), kinds)
    for told in (POLISH_SENTENCES, POLISH_GRANT):
        yield ""
        yield from markdown_table(
            ("key", "what to do"), ((f"`{k}`", _slots(t)) for k, t in told.items())
        )


def _decisions() -> Iterator[str]:
    book = shipped().matrix
    yield "# Decisions"
    yield ""
    yield "The API document leaves some questions open. This page lists them, with the decision"
    yield "and the reason for it. From [spec/interpretation.yaml](../../spec/interpretation.yaml);"
    yield "to decide otherwise, change an entry in your own copy and compile again."
    yield "\n## How the process is selected\n"
    yield book.selection_reason
    yield "\n## Conditions\n"
    yield from conditions_of(book)
    yield "\n## Decisions\n"
    yield from decisions_of(book)
    yield "\n## Oddities of the document\n"
    yield "Found by `ttrules lint`. They are enforced as written, not corrected."
    yield ""
    yield from markdown_table(
        ("about", "what", "decision"),
        (
            (f"`{each.about}`", each.text, ", ".join(each.decided))
            for each in oddities(book)
            if each.kind != "decided"
        ),
    )


def conditions_of(matrix: Matrix) -> Iterator[str]:
    """Yield the table of the conditions of a matrix."""
    yield from markdown_table(
        ("entity", "fields", "relation", "why"),
        (
            (each.entity, ", ".join(each.fields), f"`{each.relation}`", each.reason)
            for each in matrix.conditions
        ),
    )


def decisions_of(matrix: Matrix) -> Iterator[str]:
    """Yield the table of the decisions of a matrix."""
    yield from markdown_table(
        ("topic", "decision", "why"),
        ((each["topic"], each["decision"], each["reason"]) for each in matrix.decisions),
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
    "profiles.md": profiles,
    "http.md": http,
    "errors.md": _errors,
    "events.md": events,
    "metrics.md": metrics,
}


#: Files beside the pages: the matrix as a page and as a table, and the diagrams.
FILES: Final[dict[str, Callable[[MatrixView], bytes]]] = {
    "matrix.html": page_of,
    "matrix.csv": csv_of,
    "images/flow.svg": lambda _: flow(),
    "images/lifecycle.svg": lambda _: lifecycle(shipped().matrix.lifecycle),
}


def main() -> None:
    """Write the pages, the OpenAPI document, the matrix and the diagrams."""
    for name, written in FILES.items():
        (DOCS / name).write_bytes(written(MatrixView.of(shipped())))
    REFERENCE.mkdir(exist_ok=True)
    OPENAPI.write_bytes(shipped_openapi())
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
