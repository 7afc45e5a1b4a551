"""Database faults: which driver errors mean that the database is unavailable, and their log lines.

A fault is a word (see FAULTS). The response to a request that meets one is 503. An outage writes
one log line when it begins, one a minute while it lasts, and one when it ends.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

#: Every fault, with the remedy for the administrator.
FAULTS: Final[dict[str, str]] = {
    "unreachable": "Check that the database server runs and is reachable.",
    "busy": "Allow more connections, or use fewer processes.",
    "locked": "Stop the other process that locks the database.",
    "full": "Free space on the disk of the database.",
    "read_only": "Make the database writable.",
    "io": "Check the disk of the database and its quota.",
    "damaged": "Restore the database from a backup.",
    "replaced": "Restart the server: the database file was deleted, moved or overwritten.",
    # These two affect one statement only.
    "row_locked": "End the transaction that locks the row.",
    "too_slow": "Narrow the query.",
}
#: The faults of one statement.
_OF_ONE_STATEMENT: Final = frozenset({"row_locked", "too_slow"})
#: By SQLite's primary result code (sqlite.org/rescode.html).
_SQLITE: Final = {
    5: "locked",
    6: "locked",
    7: "io",
    8: "read_only",
    9: "too_slow",
    10: "io",
    11: "damaged",
    13: "full",
    14: "io",
    15: "locked",
    26: "damaged",
}
#: By SQLSTATE or its class (PostgreSQL, appendix A); the longer one counts.
_POSTGRESQL: Final = {
    "08": "unreachable",
    "25006": "read_only",
    "40": "busy",
    "53": "busy",
    "53100": "full",
    "55P03": "row_locked",
    "57": "unreachable",
    "57014": "too_slow",
    "58": "io",
    "XX001": "damaged",
    "XX002": "damaged",
}
#: How often an outage is logged while it lasts, in seconds.
_EVERY: Final = 60.0


class Replaced(Exception):
    """The database file was deleted, replaced or overwritten. `path` is its path."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


def fault_of(error: BaseException) -> str | None:
    """Return the fault that an error reports, or None if it is not a fault of the database."""
    if isinstance(error, Replaced):
        return "replaced"
    if isinstance(error, PoolTimeout):
        return "busy"
    if not isinstance(error, DBAPIError):
        return None
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return _SQLITE.get(code & 0xFF)
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return _POSTGRESQL.get(state, _POSTGRESQL.get(state[:2]))
    # A driver reports a lost connection without a code; PEP 249 defines the class.
    kinds = {each.__name__ for each in type(error.orig).__mro__}
    return "unreachable" if kinds & {"OperationalError", "InterfaceError"} else None


class Outage:
    """The last known state of the database. Thread-safe.

    `fault` is the current fault, or None.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.fault: str | None = None
        self._clock = clock
        self._logged = 0.0
        self._unlogged = 0

    def seen(self, fault: str, error: BaseException) -> None:
        """Record a fault; log it if it is new or was logged a minute ago."""
        if fault in _OF_ONE_STATEMENT:
            return
        now = self._clock()
        if fault == self.fault and now - self._logged < _EVERY:
            self._unlogged += 1
            return
        more, self._unlogged = self._unlogged, 0
        self.fault, self._logged = fault, now
        details = {
            "fault": fault,
            "remedy": FAULTS[fault],
            "error": type(getattr(error, "orig", error)).__name__,
            "not_logged": more,
        }
        log.warning("the database cannot be used", extra=details)

    def over(self) -> None:
        """Record that a change was committed."""
        if self.fault is not None:
            details = {"fault": self.fault, "not_logged": self._unlogged}
            self.fault, self._unlogged = None, 0
            log.warning("the database can be used again", extra=details)
