"""Prepared statements: written in SQLAlchemy, executed directly by the driver.

Compiling, caching and wrapping a statement costs SQLAlchemy ten times what SQLite needs to find a
row by key. Here a statement is compiled once for each kind of database. Its text goes to the driver
with plain values (text, integers and None) that need no conversion. The caller must have started a
transaction. Statements that are built from a query do not belong here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ClauseElement, Connection, Dialect, Table


class Prepared:
    """A statement with named parameters."""

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement
        self._texts: dict[str, str] = {}
        #: The values of the statement itself.
        self._own: dict[str, Any] = {}

    def run(self, connection: Connection, values: Mapping[str, Any] | None = None) -> Any:
        """Execute the statement and return the driver's cursor. Raises DBAPIError."""
        dialect = connection.dialect
        text = self._texts.get(dialect.name) or self._compiled(dialect)
        assert dialect.loaded_dbapi is not None, "a connection has a driver"
        try:
            return _driver(connection).execute(text, {**self._own, **(values or {})})
        except dialect.loaded_dbapi.Error as error:
            # Without the values: errors are logged, and logs never contain ticket data.
            raise DBAPIError(text, None, error) from error

    def _compiled(self, dialect: Dialect) -> str:
        # sqlite3 supports named and positional parameters, psycopg named ones.
        style = "named" if dialect.name == "sqlite" else dialect.paramstyle
        kind: Any = type(dialect)
        compiled: Any = self._statement.compile(dialect=kind(paramstyle=style))
        # Databases differ in these values, and ignore those of another database.
        self._own.update(
            (name, value)
            for name, value in compiled.params.items()
            if not compiled.binds[name].required
        )
        text = self._texts[dialect.name] = str(compiled)
        return text


def insert_into(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT that supports ON CONFLICT, for the database of the connection."""
    is_embedded = connection.dialect.name == "sqlite"
    return sqlite.insert(table) if is_embedded else postgresql.insert(table)


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection
