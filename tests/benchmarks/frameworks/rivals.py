"""The servers that ours is measured beside, each written the way that its framework teaches.

Both keep the same rows in the same tables through the same SQLAlchemy engine (WAL, every commit
synced), judge every ticket by ttrules as ours does, and ask for Basic credentials, which they only
compare: no hash is computed, no standing looked up. They log what uvicorn logs, a line for each
request; they have no request ids, no limits, no numbers and no idempotency. What each checks of a
body:

- connexion: the document's shape by Connexion's own validator, then the matrix by ttrules.
- fastapi: the document's shape by models of pydantic 2, then the matrix by ttrules.

Each has two ways to store: `own`, a transaction for each request, as handlers usually do it, and
`grouped`, through the writer of our store, which commits for all that wait.

    python tests/benchmarks/frameworks/rivals.py FRAMEWORK STORING DATABASE
"""

from __future__ import annotations

import hmac
import os
import socket
import sys
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import uvicorn

from server.api.tickets import new_number
from server.storage import operators
from server.storage.database import Database
from server.storage.tickets import stamp
from tests.support.profiles import base_path, load

if TYPE_CHECKING:
    from sqlalchemy import Connection

NAME = "operator-a"
SECRET = "a-secret-to-compare-with"
BASE = base_path(load())


class Shelf:
    """Where the rivals keep tickets: one operator's, by functions that block."""

    def __init__(self, database: str, storing: str) -> None:
        self.store = Database(database).open()
        self.is_grouped = storing == "grouped"
        self.store.submit(partial(operators.add, name=NAME, now=0)).result()
        found = self.store.read_now(partial(operators.named, name=NAME))
        assert found is not None
        self.operator = found.id

    def keep(self, sent: dict[str, Any]) -> dict[str, Any]:
        """Store a ticket, and return it once that is durable."""
        moment = datetime.now(UTC)
        number, now = new_number(moment), stamp(moment)
        ticket = {
            **sent,
            "id": number,
            "href": f"{BASE}/troubleTicket/{number}",
            "status": "submitted",
            "creationDate": now,
            "lastUpdate": now,
            "statusChangeDate": now,
        }
        if self.is_grouped:
            self.store.submit(partial(self._insert, ticket)).result()
        else:
            with self.store._writing.begin() as connection:
                self._insert(ticket, connection)
        return ticket

    def _insert(self, ticket: dict[str, Any], connection: Connection) -> None:
        self.store.rows.insert(connection, self.operator, self.store.rows.row_of(ticket))

    def find(self, number: str) -> bytes | None:
        """Return a ticket as it is sent, or None."""
        found = self.store.read_now(
            lambda connection: self.store.rows.one(connection, self.operator, number, whole=True)
        )
        return None if found is None else found.document()


def is_known(name: str, secret: str) -> bool:
    """Say whether these are the credentials."""
    return name == NAME and hmac.compare_digest(secret.encode(), SECRET.encode())


def told(violations: tuple[Any, ...]) -> dict[str, Any]:
    """Return what is answered of a ticket that breaks rules."""
    return {"code": "requirementsNotMet", "violations": [each.to_dict() for each in violations]}


def main(framework: str, storing: str, database: str) -> None:
    """Serve on a port of this machine that is free, and print which."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(2048)
    print(listener.getsockname()[1], flush=True)
    os.dup2(2, 1)  # uvicorn logs each request to standard output, which nobody reads any more
    app = import_module(f"tests.benchmarks.frameworks.rival_{framework}").made(
        Shelf(database, storing)
    )
    uvicorn.Server(uvicorn.Config(app)).run(sockets=[listener])


if __name__ == "__main__":
    main(*sys.argv[1:])
