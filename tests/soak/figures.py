"""What came of a Site in which processes were killed: it is read from the database and from what
arrived, and neither is taken at its word.
"""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import select, text

from server.storage import tables
from server.storage.database import Database

if TYPE_CHECKING:
    from tests.soak.killed_processes import Site
    from tests.soak.receiver import Arrival

#: How many attempts of one process are under way to one operator at most.
CAP: Final = 32
#: Between the events of one version of a ticket and those of the next: `seq` is version * 16.
_PLACES: Final = 16


class Figures(NamedTuple):
    """What came of it. All but the first four are to be 0, but for duplicates, which have a cap."""

    kills: int
    changes: int
    events: int
    arrivals: int
    duplicates: int
    #: Duplicates that came after a newer event of their ticket.
    stale: int
    lost: int
    disordered: int
    unknown: int
    altered: int
    #: Changes that were answered with a 2xx and are not there, and events without their change.
    forgotten: int
    made_up: int

    def hold(self, caps: int) -> None:
        """Assert that nothing is lost, made up or out of order; `caps` are attempts that died."""
        assert self[6:] == (0,) * len(self[6:]), self
        assert self.duplicates <= caps * CAP, self
        assert self.events > 0, self


def judge(site: Site) -> Figures:
    """Return what came of it. All processes must have ended."""
    store = Database(site.database)
    try:
        return store.read_now(partial(_figures, site))
    finally:
        store.close()


def _figures(site: Site, connection: Any) -> Figures:
    table = tables.event
    columns = (table.c.id, table.c.ticket, table.c.seq, table.c.body)
    events = {
        row.id: row for row in connection.execute(select(*columns).order_by(table.c.seq)).all()
    }
    of_ticket: dict[str, list[Any]] = defaultdict(list)
    for row in events.values():
        of_ticket[row.ticket].append(row)
    arrivals = list(site.receiver.arrivals)
    duplicates, stale, disordered = _walk(arrivals, events, of_ticket)
    known = [each for each in arrivals if each.id in events]
    return Figures(
        kills=site.kills,
        changes=len(site.changed),
        events=len(events),
        arrivals=len(arrivals),
        duplicates=duplicates,
        stale=stale,
        lost=len(events.keys() - site.receiver.accepted),
        disordered=disordered,
        unknown=len(arrivals) - len(known),
        altered=sum(each.body != bytes(events[each.id].body) for each in known),
        forgotten=_forgotten(site, of_ticket),
        made_up=_made_up(connection, of_ticket),
    )


def _walk(
    arrivals: list[Arrival], events: dict[str, Any], of_ticket: dict[str, list[Any]]
) -> tuple[int, int, int]:
    """Return how many arrivals were duplicates, stale, and before what must come before them."""
    accepted: set[str] = set()
    newest: dict[str, int] = defaultdict(int)
    duplicates = stale = disordered = 0
    for each in arrivals:
        if (row := events.get(each.id)) is None:
            continue
        if each.id in accepted:
            duplicates += 1
            stale += row.seq < newest[row.ticket]
            continue
        newest[row.ticket] = max(newest[row.ticket], row.seq)
        before = (other.id for other in of_ticket[row.ticket] if other.seq < row.seq)
        disordered += not accepted.issuperset(before)
        if each.status // 100 == 2:
            accepted.add(each.id)
    return duplicates, stale, disordered


def _forgotten(site: Site, of_ticket: dict[str, list[Any]]) -> int:
    """Return how many changes that were answered have no event that says the same."""
    said = {
        (ticket, row.seq // _PLACES): bytes(row.body)
        for ticket, rows in of_ticket.items()
        for row in rows
    }
    return sum(f'"{word}"'.encode() not in said.get(key, b"") for key, word in site.changed.items())


def _made_up(connection: Any, of_ticket: dict[str, list[Any]]) -> int:
    """Return how many tickets do not have one event for each version after the first."""
    versions = connection.execute(select(tables.ticket.c.id, tables.ticket.c.version)).all()
    wrong = of_ticket.keys() - {row.id for row in versions}
    for row in versions:
        seen = [each.seq // _PLACES for each in of_ticket[row.id]]
        if seen != list(range(2, row.version + 1)):
            wrong.add(row.id)
    return len(wrong)


def integrity(database: str) -> str:
    """Return what SQLite says of a file after all."""
    store = Database(database)
    try:
        said: str = store.read_now(lambda c: c.execute(text("PRAGMA integrity_check")).scalar_one())
        return said
    finally:
        store.close()
