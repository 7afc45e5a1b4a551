"""Short statements, said as SQLAlchemy has them and carried out as quickly as the driver can.

To compile, cache and wrap a statement costs SQLAlchemy ten times what SQLite needs to find a row by
its key. Here a statement is compiled once for each kind of database, and its text goes to the
driver with plain values: text, whole numbers and None, which no type has to convert. Whoever runs
one has begun a transaction, since nothing here begins any. What is built from a query does not
belong here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ClauseElement, Connection, Dialect, Table


class Prepared:
    """A statement whose values are bound by name."""

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement
        self._texts: dict[str, str] = {}
        #: The values that stand in the statement itself.
        self._own: dict[str, Any] = {}

    def run(self, connection: Connection, values: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 - the driver's cursor
        """Carry the statement out, and return the driver's cursor. Raises DBAPIError."""
        dialect = connection.dialect
        text = self._texts.get(dialect.name) or self._compiled(dialect)
        assert dialect.loaded_dbapi is not None, "the connection came from somewhere"
        try:
            return _driver(connection).execute(text, {**self._own, **(values or {})})
        except dialect.loaded_dbapi.Error as error:
            # Without the values: an error is logged, and what a ticket holds never is.
            raise DBAPIError(text, None, error) from error

    def _compiled(self, dialect: Dialect) -> str:
        # sqlite3 takes names as well as places; psycopg takes names.
        style = "named" if dialect.name == "sqlite" else dialect.paramstyle
        kind: Any = type(dialect)
        compiled: Any = self._statement.compile(dialect=kind(paramstyle=style))
        # Kinds of databases differ in what stands there, and none minds what is another's.
        self._own.update(
            (name, value)
            for name, value in compiled.params.items()
            if not compiled.binds[name].required
        )
        text = self._texts[dialect.name] = str(compiled)
        return text


def insert_into(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT that takes ON CONFLICT; SQLAlchemy has one for each kind of database."""
    is_embedded = connection.dialect.name == "sqlite"
    return sqlite.insert(table) if is_embedded else postgresql.insert(table)


def _driver(connection: Connection) -> Any:  # noqa: ANN401 - sqlite3's or psycopg's
    return connection.connection.driver_connection
