"""How deep the imports among our own modules are, and how large our folders."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
FILES = [file for package in ("ttrules", "server") for file in (ROOT / package).rglob("*.py")]
#: The file of each module. A package is the module of its `__init__`.
MODULES = {
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
    for file in FILES
}
#: How many modules the longest chain may have: with imports for types only, and without them.
LONGEST = {"ttrules.cli.main": (13, 10), "ttrules.rulebook": (7, 7)}
#: The same for `main` with a command, which it imports by name.
COMMANDS = (14, 12)
MOST_MODULES = 16


def imports(tree: ast.AST, *, typed: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the imports of a module, those of its functions included."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        elif isinstance(node, ast.If) and getattr(node.test, "id", None) == "TYPE_CHECKING":
            for each in node.body if typed else node.orelse:
                yield from imports(ast.Module([each], []), typed=typed)
        else:
            yield from imports(node, typed=typed)


@cache
def imported(module: str, *, typed: bool) -> tuple[str, ...]:
    """Return the modules of ours that a module imports."""
    found = set()
    for node in imports(ast.parse(MODULES[module].read_bytes()), typed=typed):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        else:
            assert node.level == 0, "imports are absolute"
            inner = {f"{node.module}.{each.name}" for each in node.names}
            found |= (inner & MODULES.keys()) or {node.module or ""}
    return tuple(sorted((found & MODULES.keys()) - {module}))


def chain(module: str, above: tuple[str, ...] = (), *, typed: bool) -> tuple[str, ...]:
    """Return the longest chain of imports from a module on. A cycle fails."""
    assert module not in above, f"a cycle: {(*above[above.index(module) :], module)}"
    return _chain(module, (*above, module), typed)


_known: dict[tuple[str, bool], tuple[str, ...]] = {}


def _chain(module: str, above: tuple[str, ...], typed: bool) -> tuple[str, ...]:
    if (module, typed) not in _known:
        below = [chain(each, above, typed=typed) for each in imported(module, typed=typed)]
        _known[module, typed] = (module, *max(below, key=len, default=()))
    return _known[module, typed]


@pytest.mark.parametrize("typed", [True, False])
def test_cycles(typed: bool) -> None:
    """No module imports itself through others, for types neither."""
    for module in MODULES:
        chain(module, typed=typed)


@pytest.mark.parametrize("typed", [True, False])
@pytest.mark.parametrize("module", LONGEST)
def test_chains(module: str, typed: bool) -> None:
    """The command line and the core are few steps deep."""
    found = chain(module, typed=typed)
    assert len(found) <= LONGEST[module][not typed], found


@pytest.mark.parametrize("typed", [True, False])
def test_commands(typed: bool) -> None:
    """So are the commands, which `main` imports by name."""
    from ttrules.cli.main import COMMANDS as NAMES

    for name in NAMES:
        found = ("ttrules.cli.main", *chain(f"ttrules.cli.{name}", typed=typed))
        assert len(found) <= COMMANDS[not typed], found


def test_folders() -> None:
    """A folder has so few modules that its list is read at once."""
    for folder in {file.parent for file in FILES}:
        modules = [each for each in FILES if each.parent == folder and each.stem[:2] != "__"]
        assert len(modules) <= MOST_MODULES, folder
