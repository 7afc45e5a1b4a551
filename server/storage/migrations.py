"""The steps that bring a database of any earlier release to the tables of this one.

MIGRATIONS has one entry for each version of the schema. An entry is never changed once released.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import inspect, select, text

from server.storage.tables import TABLES, event, schema_version

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection


def _first(connection: Connection) -> None:
    """Create all current tables; the later steps are for existing databases."""
    TABLES.create_all(connection)


def _second(connection: Connection) -> None:
    """Add events, the provider, and key rotation."""
    for statement in (
        "ALTER TABLE operator ADD COLUMN role VARCHAR(16) NOT NULL DEFAULT 'operator'",
        "ALTER TABLE operator ADD COLUMN signing_version INTEGER NOT NULL DEFAULT '1'",
        "ALTER TABLE operator ADD COLUMN signing_since BIGINT",
        "ALTER TABLE subscription ADD COLUMN failing BIGINT",
        "ALTER TABLE subscription ADD COLUMN disabled BIGINT",
    ):
        connection.execute(text(statement))
    event.create(connection)


def _third(connection: Connection) -> None:
    """Add the results of attempts to subscriptions; add indexes to list and count events."""
    for column in ("last_success BIGINT", "last_status INTEGER", "last_error TEXT"):
        connection.execute(text(f"ALTER TABLE subscription ADD COLUMN {column}"))
    for index in event.indexes:
        index.create(connection, checkfirst=True)


#: The step to each version of the schema from the previous one.
MIGRATIONS: Final[tuple[Callable[[Connection], None], ...]] = (_first, _second, _third)


def version_of(connection: Connection) -> int:
    """Return the schema version of a database; 0 without a schema."""
    if not inspect(connection).has_table(schema_version.name):
        return 0
    return connection.execute(select(schema_version.c.version)).scalar() or 0


def migrate(connection: Connection) -> list[int]:
    """Migrate a database to the newest version in the current transaction.

    Return the versions that were reached. Raises NewerSchema if a later release wrote the database.
    """
    before = version_of(connection)
    if before > len(MIGRATIONS):
        raise NewerSchema(before)
    for step in MIGRATIONS[before:] if before else MIGRATIONS[:1]:
        step(connection)
    if before < len(MIGRATIONS):
        connection.execute(schema_version.delete())
        connection.execute(schema_version.insert().values(version=len(MIGRATIONS)))
    return [*range(before + 1, len(MIGRATIONS) + 1)]


class NewerSchema(Exception):  # noqa: N818 - a statement
    """A later release wrote the database. `version` is its schema version."""

    def __init__(self, version: int) -> None:
        super().__init__(version)
        self.version = version

    def __str__(self) -> str:
        """Return the message."""
        return (
            f"Use a newer release: the database has schema version {self.version},"
            f" this release supports {len(MIGRATIONS)}."
        )
