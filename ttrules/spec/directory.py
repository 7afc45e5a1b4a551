"""A directory of compiled rules: write it, and compare it with the rules it should contain.

The directory contains book.json and one <slug>.json for each process; other files are left alone.
`Rulebook.read` reads it. Files are first written under temporary names and then renamed, book.json
last, so a full disk or a missing permission leaves the directory unchanged.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ttrules.codes import slug
from ttrules.errors import Problem, SpecError
from ttrules.spec.compiler import compile_schemas, to_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ttrules.spec.load import Matrix

BOOK: Final = "book.json"


def files_of(spec: Matrix) -> dict[str, bytes]:
    """Return the files of a directory of rules, by name; the same spec gives the same bytes.

    Raises SpecError if the slug of a process is ``book``, the name of the other file.
    """
    files = {f"{slug}.json": to_bytes(each) for slug, each in compile_schemas(spec).items()}
    if BOOK in files:
        message = "no process may be called Book: its schema would take the place of book.json"
        raise SpecError([Problem(spec.source, 1, 1, message)])
    return {**files, BOOK: to_bytes(spec.to_json())}


def differences(files: Mapping[str, bytes], directory: str) -> dict[str, str]:
    """Return the difference of each file that differs in a directory, by file name.

    Line ends do not count: Git may have checked the files out with others.
    """
    different = {}
    for name, content in files.items():
        try:
            if (Path(directory) / name).read_bytes().replace(b"\r\n", b"\n") != content:
                different[name] = "differs"
        except OSError as error:
            different[name] = f"cannot be read: {error.strerror}"
    return different | dict.fromkeys(_stale(files, directory), "belongs to no process any more")


def publish(files: Mapping[str, bytes], directory: str) -> list[str]:
    """Write files to a directory, which is created if needed, and return the changed ones.

    The schema of a removed process is deleted. Raises OSError, with the directory unchanged, if the
    files cannot be written.
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
            write_through(beside, files[name])
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
    """Return the schemas that book.json in a directory names and that `files` do not contain."""
    try:
        book = json.loads((Path(directory) / BOOK).read_bytes())
        slugs = [each["slug"] for each in book["processes"]]
        # A name of another form is not that of a schema; ../x would lead out of the directory.
        named = [f"{each}.json" for each in slugs if each == slug(each)]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return []  # there is no book, so nothing is known to be one of its schemas
    return [name for name in named if name not in files and (Path(directory) / name).is_file()]


def _refuse_directory(path: Path) -> None:
    if path.is_dir():
        raise IsADirectoryError(21, "Is a directory", str(path))


def write_through(path: Path, content: bytes) -> None:
    """Write a file and flush it to the disk. Raises OSError."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
