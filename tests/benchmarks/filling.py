"""Databases full of tickets, for the benchmark of lists.

Tickets are put into the tables as kept.insert puts them, in the order of their creation and by
operators that take turns, so that they lie on disk as they would after some years: an operator's
documents are scattered among those of all the others. What is quicker here is only that nothing is
synced and that nobody waits.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import insert

from server.api.http import dumps
from server.storage import operators, tables
from server.storage.database import Database
from server.storage.statements import Prepared
from server.storage.ticket_query import instant_of
from server.storage.tickets import TicketRows, stamp
from tests.benchmarks.tickets import large, small
from tests.support.profiles import SHIPPED

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

OPERATORS: Final = 50
TABLE: Final = TicketRows(SHIPPED.resource)
_FIRST: Final = datetime(2024, 1, 1, tzinfo=UTC)
_YEARS: Final = timedelta(days=730)
_STATUSES: Final = ("closed",) * 12 + (
    "submitted",
    "acknowledged",
    "inProgress",
    "held",
    "pending",
    "resolved",
    "rejected",
    "cancelled",
)
_THINGS: Final = ("access line", "router", "invoice", "number porting", "television", "SIM card")
_TROUBLES: Final = ("lost synchronisation", "is slow", "is wrong", "is late", "went dark", "drops")
_TICKET: Final = Prepared(insert(TABLE.table))
_DOCUMENT: Final = Prepared(insert(tables.document))


def names() -> list[str]:
    """Return the names of the operators."""
    return [f"operator-{number}" for number in range(OPERATORS)]


def fill(file: Path, each: int, *, only: str | None = None) -> dict[str, str]:
    """Make a database in which every operator has `each` tickets, or `only` one of them has.

    The tickets of an operator are the same in both. Returns the secrets by name.
    """
    store = Database(f"sqlite:///{file}")
    store.migrate()
    chosen = names() if only is None else [only]
    with store._writing.connect() as connection:
        for pragma in ("journal_mode=MEMORY", "synchronous=OFF", "cache_size=-2000000"):
            connection.connection.driver_connection.execute(f"PRAGMA {pragma}")  # type: ignore[union-attr]
    with store._writing.begin() as connection:
        secrets = {name: operators.add(connection, name, 0) for name in chosen}
        ids = {}
        for name in chosen:
            found = operators.named(connection, name)
            assert found is not None
            ids[name] = found.id
        draws = [_Draw(name, ids[name], each) for name in chosen]
        for number in range(each):
            for draw in draws:
                draw.put(connection, number)
    with store._writing.connect() as connection:
        connection.connection.driver_connection.execute("PRAGMA journal_mode=WAL")  # type: ignore[union-attr]
    store.close()
    return secrets


def attach(file: Path, name: str, count: int) -> None:
    """Give an operator so many tickets more, each with an attachment of 1 MiB."""
    store = Database(f"sqlite:///{file}")
    ticket = large()
    with store._writing.begin() as connection:
        found = operators.named(connection, name)
        assert found is not None
        for number in range(count):
            dates = dict.fromkeys(("creationDate", "lastUpdate", "statusChangeDate"), stamp(_FIRST))
            own = {"id": f"large-{number}", "status": "submitted", "externalId": "large", **dates}
            store.rows.insert(connection, found.id, store.rows.row_of({**ticket, **own}))
    store.close()


class _Draw:
    """The tickets of an operator, by the time of their creation."""

    def __init__(self, name: str, operator: str, count: int) -> None:
        self._name, self._count = name, count
        self._random = Random(name)
        ticket = small()
        del ticket["attachment"]
        self._row = {"operator": operator, "version": 1, **TABLE.columns_of(ticket)}
        for member in self._varying(0):
            ticket.pop(member, None)
        self._rest = b"," + dumps(ticket)[1:]

    def put(self, connection: Connection, number: int) -> None:
        """Store one of the tickets."""
        varying = self._varying(number)
        dates = {
            name: instant_of(value)
            for name, value in varying.items()
            if name.endswith(("Date", "Update"))
        }
        row = {**self._row, **varying, **dates}
        _TICKET.run(connection, row)
        text = (dumps(varying)[:-1] + self._rest).decode()
        _DOCUMENT.run(connection, {"id": varying["id"], "document": text})

    def _varying(self, number: int) -> dict[str, Any]:
        """Draw what no two tickets have the same."""
        drawn = self._random
        created = _FIRST + _YEARS * number / self._count
        changed = stamp(created + timedelta(hours=drawn.randrange(1, 200)))
        return {
            "id": str(UUID(int=drawn.getrandbits(128), version=4)),
            "ticketType": "Complaint" if drawn.random() < 0.2 else "Customer_Trouble_Ticket",
            "externalId": f"INC-{self._name}-{number:06}",
            "name": f"{drawn.choice(_THINGS)} {number % 997} {drawn.choice(_TROUBLES)}",
            "severity": drawn.choice(("High", "Medium", "Low")),
            "priority": drawn.randint(1, 10),
            "status": drawn.choice(_STATUSES),
            "creationDate": stamp(created),
            "lastUpdate": changed,
            "statusChangeDate": changed,
        }
