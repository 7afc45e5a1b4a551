"""The server knows no name of the document: no member, path, status, operation or event."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from server.profile.operations import OPERATIONS
from tests.support.profiles import SHIPPED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.profile.model import Profile

ROOT: Final = Path(__file__).parents[2]
#: Names of the shipped profile that are also words of the server itself, by the reason.
ALLOWED: Final[dict[str, frozenset[str]]] = {
    "columns of its tables, and members of its own answers (events, errors, findings)": (
        frozenset({"id", "name", "role", "event", "ticket", "status", "reason", "severity"})
    ),
    "the class of TM Forum's Error": frozenset({"@type"}),
    "a state of its own events": frozenset({"pending"}),
    "words of HTTP, OpenAPI and its own forms": (
        frozenset({"close", "content", "description", "text", "title", "url"})
    ),
    "what an operation does": frozenset({"check", "redeliverEvent"}),
    "the parameter of a subscription's query (TMF630)": frozenset({"eventType"}),
}


def names_of(profile: Profile) -> set[str]:
    """Return the members, paths, statuses, operations, events and headers of a profile."""
    found: set[str] = set()
    for side in profile.sides:
        for entity, fields in side.book.matrix.entities.items():
            found |= {entity, *fields}
            for row in fields.values():
                found |= {each for each in row.shape.get("enum", ()) if isinstance(each, str)}
        for each in side.operations:
            found |= {each.id, each.parameter, each.path, *re.split(r"[/{}]+", each.path)}
        found |= {*side.listing.filters, side.base, side.state_id, side.unsupported or ""}
    for event in profile.events:
        found |= {event.name, event.path, *event.resource, *(name for name, _ in event.envelope)}
    for command in profile.commands:
        found |= {command.name, *command.arguments, *command.options}
    cycle = profile.lifecycle
    return {each for each in found | {*(cycle.moves if cycle is not None else ())} if each}


def literals(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the texts in a module, with their lines; docstrings are left out."""
    tree = ast.parse(path.read_text("utf-8"))
    told = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.lineno, node.value


def used(names: set[str]) -> set[str]:
    """Return the names that are a text in the server, or a part of a path there."""
    return {
        name
        for path in (ROOT / "server").rglob("*.py")
        for _, text in literals(path)
        for name in {text, *(text.split("/") if "/" in text else ())} & names
    }


def test_no_names() -> None:
    """No text in the server is a name of the shipped profile, except words of its own."""
    assert used(names_of(SHIPPED)) == set().union(*ALLOWED.values())


def test_no_paths() -> None:
    """No longer text in the server contains the path of a resource, or a name with capitals."""
    telling = {name for name in names_of(SHIPPED) if re.search("[a-z][A-Z]", name)}
    telling -= {name for name in telling for does in OPERATIONS if name in does} | {"eventType"}
    texts = [text for path in (ROOT / "server").rglob("*.py") for _, text in literals(path)]
    assert not {name for name in telling for text in texts if name in text}
