"""The file of an embedded database: one process at a time, and always the file that was opened.

Two locks keep other processes out: flock on the database file itself, which any name of the file
leads to (a symbolic or a hard link), and flock on a file beside it, which also counts for a
database that was put in the place of this one. SQLite's own locks are of another kind (fcntl); they
are lost when a process closes any descriptor of the file, so that ours stay open for as long as
SQLite has the file.
"""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path
from typing import Final

from server.faults import Replaced

#: The files that this process has, by device and inode.
_OPEN: Final[set[tuple[int, int]]] = set()
_OPENING: Final = threading.Lock()
#: Where the index of the write-ahead log has what a checkpoint changes: the salts of the log, and
#: how many of its frames are in the database (sqlite.org/walformat.html, section 2.1).
_SALTS: Final = slice(32, 40)
_COPIED: Final = slice(96, 100)


class Locked(Exception):  # noqa: N818 - a statement
    """Another process has the SQLite file. `path` is the file's."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        """Say which file, and what to do."""
        return f"Stop the other process that uses {self.path} first."


class SQLiteFile:
    """A database file that is locked for this process. `close` it after SQLite has closed it.

    A new file is created for its owner alone (mode 0600); SQLite gives the files beside it the same
    mode. Raises Locked, and OSError when the file or its folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._real = real = path.resolve()
        real.parent.mkdir(parents=True, exist_ok=True)
        self._descriptors: list[int] = []
        self._beside: dict[Path, tuple[int, int]] = {}
        self._index: int | None = None
        self._written: tuple[object, ...] = ()
        with _OPENING:
            # Looked up before it is opened: see above for what closing it again would do.
            if real.exists() and _identity(real.stat()) in _OPEN:
                raise Locked(str(path))
            try:
                self._lock(Path(f"{real}.lock"))
                self._lock(real)
            except BlockingIOError:
                self._release()
                raise Locked(str(path)) from None
            except OSError:
                self._release()
                raise
            self._identity = _identity(os.fstat(self._descriptors[-1]))
            _OPEN.add(self._identity)

    def _lock(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._descriptors.append(descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def watch(self) -> None:
        """Remember the file as it is, once SQLite has it open and for as long as it does."""
        index = Path(f"{self._real}-shm")
        self._index = os.open(index, os.O_RDONLY | os.O_CLOEXEC)
        self._descriptors.append(self._index)
        for path in (index, Path(f"{self._real}-wal")):
            self._beside[path] = _identity(path.stat())
        self._written = self._state()

    def is_in_place(self) -> bool:
        """Return whether the path still leads to the file that was opened."""
        try:
            return _identity(self._path.stat()) == self._identity
        except OSError:
            return False

    def check(self) -> None:
        """Raise Replaced when the file was deleted, replaced or overwritten by somebody else.

        Only a checkpoint writes to the file, and it leaves its mark in the index: a file that has
        changed without that mark was not changed by SQLite.
        """
        if self._index is None:
            return
        try:
            state = self._state()
            is_same = all(_identity(path.stat()) == was for path, was in self._beside.items())
        except OSError:
            raise Replaced(str(self._path)) from None
        is_overwritten = state[1:] != self._written[1:] and state[0] == self._written[0]
        if not is_same or is_overwritten:
            raise Replaced(str(self._path))
        self._written = state

    def _state(self) -> tuple[object, ...]:
        """Return the mark of the last checkpoint, then size and time of the file."""
        assert self._index is not None, "SQLite has it open"
        head = os.pread(self._index, _COPIED.stop, 0)
        file = self._path.stat()
        if _identity(file) != self._identity:
            raise FileNotFoundError
        return head[_SALTS] + head[_COPIED], file.st_size, file.st_mtime_ns

    def free(self) -> int:
        """Return how many bytes are free where the file is."""
        disk = os.statvfs(self._real.parent)
        return disk.f_bavail * disk.f_frsize

    def close(self) -> None:
        """Release the locks."""
        with _OPENING:
            _OPEN.discard(self._identity)
            self._release()

    def _release(self) -> None:
        while self._descriptors:
            os.close(self._descriptors.pop())


def _identity(file: os.stat_result) -> tuple[int, int]:
    return file.st_dev, file.st_ino
