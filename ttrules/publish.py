"""Compiled rules in a directory: how they get there, and whether they are what they should be.

A directory of rules is book.json and one <slug>.json a process, with whatever else lies there left
alone; Book.read reads it. Everything is written under other names first, so that a full disk or a
missing right leaves the directory as it was, and only then put in its place, the book last. What
the files hold is the business of compile.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ttrules.book import Book
from ttrules.codes import slug
from ttrules.compile import compile_book, compile_schemas, to_bytes
from ttrules.errors import Problem, SpecError
from ttrules.openapi import document
from ttrules.source import Source

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    from ttrules.spec import Spec

BOOK: Final = "book.json"


def files_of(spec: Spec) -> dict[str, bytes]:
    """Return the files of a directory of rules, by name; the same spec gives the same bytes.

    Raises SpecError when a process has the short form that the book's own file has.
    """
    files = {f"{slug}.json": to_bytes(each) for slug, each in compile_schemas(spec).items()}
    if BOOK in files:
        message = "no process may be called Book: its schema would take the place of book.json"
        raise SpecError([Problem(spec.source, 1, 1, message)])
    return {**files, BOOK: to_bytes(compile_book(spec))}


def openapi_of(openapi: str | PathLike[str], spec: Spec) -> bytes:
    """Return the OpenAPI document that carries the rules of a spec; `openapi` is its file.

    The same files give the same bytes. Raises SpecError when the file cannot be read.
    """
    book = Book(compile_book(spec), compile_schemas(spec))
    return to_bytes(document(Source(openapi).value, book))


def shipped_openapi() -> bytes:
    """Return the OpenAPI document of the Trouble Ticket API that comes with this package."""
    return (Path(__file__).parent / "schemas" / "openapi.json").read_bytes()


def differences(files: Mapping[str, bytes], directory: str) -> dict[str, str]:
    """Return what is not as it should be in a directory, by file name: what to tell of it."""
    told = {}
    for name, content in files.items():
        try:
            if (Path(directory) / name).read_bytes() != content:
                told[name] = "differs"
        except OSError as error:
            told[name] = f"cannot be read: {error.strerror}"
    return told | dict.fromkeys(_stale(files, directory), "belongs to no process any more")


def publish(files: Mapping[str, bytes], directory: str) -> list[str]:
    """Write files into a directory, made where there is none, and return what has changed.

    A schema whose process is gone is removed. Raises OSError, with the directory as it was, when
    the files cannot be written.
    """
    folder = Path(directory)
    changed = [*differences(files, directory)]
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    prepared: list[tuple[Path, Path]] = []
    try:
        for name in files.keys() & set(changed):
            _refuse_directory(folder / name)
            beside = folder / f".{name}.{os.getpid()}.part"
            prepared.append((beside, folder / name))
            _write(beside, files[name])
        for beside, target in sorted(prepared, key=lambda each: each[1].name == BOOK):
            beside.replace(target)
    except OSError:
        for beside, _ in prepared:
            beside.unlink(missing_ok=True)
        if is_new:
            folder.rmdir()
        raise
    for name in changed:
        if name not in files:
            (folder / name).unlink()
    return changed


def _stale(files: Mapping[str, bytes], directory: str) -> list[str]:
    """Return the schemas that the book in a directory names and `files` do not hold."""
    try:
        book = json.loads((Path(directory) / BOOK).read_bytes())
        slugs = [each["slug"] for each in book["processes"]]
        # No other name is that of a schema; one like ../x would lead out of the directory.
        named = [f"{each}.json" for each in slugs if each == slug(each)]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return []  # there is no book, so nothing is known to be one of its schemas
    return [name for name in named if name not in files and (Path(directory) / name).is_file()]


def _refuse_directory(path: Path) -> None:
    if path.is_dir():
        raise IsADirectoryError(21, "Is a directory", str(path))


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
