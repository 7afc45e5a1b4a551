"""The file of an embedded database: used by one process, and always the file that was opened.

Two locks exclude other processes: flock on the database file itself, for every name of the file
(symbolic or hard links), and flock on a file next to it, which also covers a database that replaces
this one. SQLite's own locks are of another kind (fcntl). A process loses them when it closes any
descriptor of the file, so these descriptors stay open as long as SQLite has the file open.
"""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path
from typing import Final

from server.storage.faults import Replaced

#: The files that this process has open, by device and inode.
_OPEN: Final[set[tuple[int, int]]] = set()
_OPENING: Final = threading.Lock()
#: The parts of the WAL index that a checkpoint changes: the salts of the log, and the number of
#: frames that were copied to the database (sqlite.org/walformat.html, section 2.1).
_SALTS: Final = slice(32, 40)
_COPIED: Final = slice(96, 100)


class Locked(Exception):
    """Another process uses the SQLite file. `path` is its path."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        """Return the message."""
        return f"Stop the other process that uses {self.path} first."


class SQLiteFile:
    """A database file that is locked for this process. `close` it after SQLite has closed it.

    A new file is accessible only for its owner (mode 0600); SQLite creates its other files with the
    same mode. Raises Locked, and OSError if the file or its folder cannot be written.
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
            # Checked before the file is opened, because closing it again would release locks.
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
        """Record the state of the file, after SQLite has opened it."""
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
        """Raise Replaced if something else deleted, replaced or overwrote the file.

        SQLite writes to the file only in a checkpoint, which also changes the index. If the file
        has changed but the index has not, SQLite did not change it.
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
        """Return the checkpoint state of the index, the size and the time of the file."""
        assert self._index is not None, "SQLite has it open"
        head = os.pread(self._index, _COPIED.stop, 0)
        file = self._path.stat()
        if _identity(file) != self._identity:
            raise FileNotFoundError
        return head[_SALTS] + head[_COPIED], file.st_size, file.st_mtime_ns

    def free(self) -> int:
        """Return the free bytes on the disk of the file."""
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
