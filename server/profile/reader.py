"""Read a profile: its directory becomes one frozen Profile, or one SpecError with every problem.

The order is: profile.yaml, the matrix of each side (ttrules), then what the server needs beyond
that: the operations (`operations`), the members that it fills, stores apart and filters by
(`members`), and the events (`events`). What the server cannot serve is a problem here, with
file, line and column.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from server.profile.events import commands_of, events_of, state_id_of
from server.profile.files import Files, combined
from server.profile.members import columns_of, listing_of, resource_of
from server.profile.model import Profile, Side
from server.profile.operations import base_of, check_operations, operations_of
from ttrules.rulebook import Rulebook
from ttrules.spec.compiler import compile_schemas
from ttrules.spec.load import load_spec

if TYPE_CHECKING:
    from os import PathLike

    from server.profile.files import Node
    from server.profile.model import Role

#: The directory of the profile that is served by default.
SHIPPED: Final = Path(__file__).parents[2] / "spec"
FILE: Final = "profile.yaml"
#: The files that make up the rules of a side, besides the document.
_RULES: Final = ("requirements", "interpretation", "lifecycle")
#: What a quoted realm cannot contain (RFC 9110, section 5.6.4).
_UNQUOTED: Final = re.compile(r"[^ !#-\[\]-~]+")


@cache
def shipped_profile() -> Profile:
    """Return the profile in spec/. Raises SpecError."""
    return read_profile(SHIPPED)


def profile_of(directory: str) -> Profile:
    """Return the profile of a directory, or the shipped one for an empty text. Raises SpecError."""
    return read_profile(directory) if directory else shipped_profile()


def read_profile(directory: str | PathLike[str]) -> Profile:
    """Return the profile of a directory.

    Raises SpecError with the problems of the first stage that has any: files that cannot be read or
    have another form, then rules, then facts that the server needs.
    """
    folder, files = Path(directory), Files()
    root = files.open(folder / FILE)
    root.fits(None)
    files.report()
    named: dict[Role, Node] = {
        role: root.at("sides", role)
        for role in ("operator", "provider")
        if role in root.at("sides")
    }
    documents = {role: files.open(folder / each.value["openapi"]) for role, each in named.items()}
    for each in documents.values():
        each.fits("document")
    files.report()
    for each in documents.values():
        each.check_openapi()
    files.report()
    # The types of both matrices are those of the operators' document.
    types = folder / named["operator"].value["openapi"]
    books = {role: _book(folder, types, each) for role, each in named.items()}
    sides = {role: _side(role, documents[role], books[role]) for role in named}
    check_operations(documents, sides)
    files.report()
    operator, provider = sides["operator"], sides.get("provider")
    if provider is not None and "contact" in documents["operator"].at("info"):
        contact = documents["operator"].value["info"]["contact"]
        provider.document["info"].setdefault("contact", contact)
    document, book = documents["operator"], operator.book
    listed = [
        columns for role, side in sides.items() for columns in columns_of(documents[role], side)
    ]
    resource = resource_of(document, operator, listed)
    cycle = root.at("sides", "operator").get("lifecycle")
    source = files.open(folder / cycle) if cycle else None
    own = (resource.identifier, resource.url, resource.moment)
    always = book.matrix.lifecycle.get("always", [each for each in own if each is not None])
    profile = Profile(
        directory=folder,
        title=book.matrix.title,
        realm=_realm(document),
        noun=_noun(document),
        operator=operator,
        provider=provider,
        resource=resource,
        events=events_of(document, source, operator),
        always=tuple(always),
        commands=commands_of(source),
    )
    files.report()
    return profile


def _book(folder: Path, types: Path, side: Node) -> Rulebook:
    """Return the compiled rules of a side. Raises SpecError."""
    paths = {name: folder / side.value[name] for name in _RULES if name in side}
    matrix = load_spec(types, **paths)
    return Rulebook(matrix, compile_schemas(matrix))


def _side(role: Role, document: Node, book: Rulebook) -> Side:
    """Return a side; problems of its document are recorded."""
    whole = combined(document)
    operations = operations_of(document)
    shown = next((each for each in operations if each.does == "list"), None)
    listing, columns = listing_of(document, shown, book)
    headers = whole["components"].get("headers", {}).items()
    marked = [name for name, each in headers if each.get("x-unsupported-members") is True]
    return Side(
        role=role,
        document=whole,
        book=book,
        base=base_of(document),
        operations=operations,
        listing=listing,
        state_id=state_id_of(document, operations),
        unsupported=next(iter(marked), None),
        shown=columns,
    )


def _realm(document: Node) -> str:
    """Return the realm of authentication: `x-realm`, or the title in ASCII."""
    info = document.at("info")
    given = info.get("x-realm")
    if given is not None and info.fits("text", "x-realm"):
        return str(given)
    return " ".join(_UNQUOTED.sub(" ", info.value["title"]).split()) or "API"


def _noun(document: Node) -> str:
    """Return the English name of a resource: `x-noun`, or "resource"."""
    info = document.at("info")
    if "x-noun" in info and info.fits("noun", "x-noun"):
        return str(info.value["x-noun"]["en"])
    return "resource"
