"""The steps that bring a database of any earlier release to the tables of this one.

MIGRATIONS has one entry for each version of the schema. An entry is never changed once released.
The columns and indexes of the table `ticket` are those of the profile: `fit` adds, fills and drops
them. What is in the database is noted in the table `profile`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    BigInteger,
    Double,
    String,
    bindparam,
    insert,
    inspect,
    select,
    text,
    update,
)

from server.storage.tables import TABLES, TYPES, document, event, profile, schema_version, ticket

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection

    from server.storage.tickets import TicketRows

#: How many documents are read at a time to fill a column.
_BATCH: Final = 500
#: The columns of `ticket` that every profile has.
_OWN: Final = frozenset(ticket.c.keys())


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


def _fourth(connection: Connection) -> None:
    """Add the note about the profile."""
    profile.create(connection)


#: The step to each version of the schema from the previous one.
MIGRATIONS: Final[tuple[Callable[[Connection], None], ...]] = (_first, _second, _third, _fourth)


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


class NewerSchema(Exception):
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


class OtherProfile(Exception):
    """The database contains resources of another root. `root` is that root."""

    def __init__(self, root: str, wanted: str) -> None:
        super().__init__(root, wanted)
        self.root, self.wanted = root, wanted

    def __str__(self) -> str:
        """Return the message."""
        return (
            f"Set TTR_DATABASE_URL to another database, or TTR_PROFILE to another profile: the"
            f" database contains {self.root}, the profile defines {self.wanted}."
        )


def fits(connection: Connection, rows: TicketRows) -> bool:
    """Return whether a database of the newest version has the columns of a profile.

    Raises OtherProfile if it contains resources of another root.
    """
    return _noted(connection, rows) == rows.layout


def _noted(connection: Connection, rows: TicketRows) -> dict[str, Any] | None:
    """Return the columns and indexes that a database has, or None if nothing is noted."""
    row = connection.execute(select(profile.c.root, profile.c.layout)).first()
    if row is None:
        return None
    if row.root != rows.root and connection.execute(select(ticket.c.id).limit(1)).first():
        raise OtherProfile(row.root, rows.root)
    noted: dict[str, Any] = json.loads(row.layout)
    return noted if row.root == rows.root else {**noted, "columns": {}}


def fit(connection: Connection, rows: TicketRows) -> list[str]:
    """Give `ticket` the columns and indexes of a profile; return the names of the new columns.

    A column of a member that has another type is made anew. New columns are filled from the
    documents. Raises OtherProfile if the database contains resources of another root.
    """
    noted, wanted = _noted(connection, rows), rows.layout["columns"]
    if noted == rows.layout:
        return []
    found = {
        each["name"]: each["type"]
        for each in inspect(connection).get_columns(ticket.name)
        if each["name"] not in _OWN
    }
    has = {
        name: wanted.get(name)
        if noted is None and _is_like(found[name], wanted.get(name))
        else sort
        for name, sort in {
            **dict.fromkeys(found),
            **({} if noted is None else noted["columns"]),
        }.items()
        if name in found
    }
    quote = connection.dialect.identifier_preparer.quote
    new = [name for name, sort in wanted.items() if has.get(name) != sort]
    gone = [name for name, sort in has.items() if wanted.get(name) != sort]
    _drop_indexes(connection, rows, gone)
    for name in gone:
        connection.execute(text(f"ALTER TABLE ticket DROP COLUMN {quote(name)}"))
    for name in new:
        kind = TYPES[wanted[name]].compile(connection.dialect)
        connection.execute(text(f"ALTER TABLE ticket ADD COLUMN {quote(name)} {kind}"))
    if new:
        _fill(connection, rows, new)
    have = {each["name"] for each in inspect(connection).get_indexes(ticket.name)}
    for name, columns in rows.layout["indexes"].items():
        if name not in have:
            listed = ", ".join(map(quote, columns))
            connection.execute(text(f"CREATE INDEX {quote(name)} ON ticket ({listed})"))
    connection.execute(profile.delete())
    connection.execute(insert(profile).values(root=rows.root, layout=json.dumps(rows.layout)))
    return new


def _is_like(kind: object, sort: str | None) -> bool:
    """Return whether the type of a column is that of a sort."""
    kinds = {"text": String, "number": BigInteger, "instant": BigInteger, "decimal": Double}
    return sort is not None and isinstance(kind, kinds[sort])


def _drop_indexes(connection: Connection, rows: TicketRows, gone: list[str]) -> None:
    """Drop the indexes of columns that are dropped, and those of an earlier profile."""
    quote = connection.dialect.identifier_preparer.quote
    for each in inspect(connection).get_indexes(ticket.name):
        name, columns = str(each["name"]), each["column_names"]
        is_ours = name.startswith("ticket_")
        is_old = is_ours and list(rows.layout["indexes"].get(name, ())) != columns
        if is_old or set(columns) & set(gone):
            connection.execute(text(f"DROP INDEX {quote(name)}"))


def _fill(connection: Connection, rows: TicketRows, new: list[str]) -> None:
    """Compute new columns from the documents."""
    numbers = connection.scalars(select(document.c.id)).all()
    change = (
        update(rows.table)
        .where(rows.table.c.id == bindparam("number"))
        .values({name: bindparam(f"new_{name}") for name in new})
    )
    for start in range(0, len(numbers), _BATCH):
        some = numbers[start : start + _BATCH]
        texts = connection.execute(
            select(document.c.id, document.c.document).where(document.c.id.in_(some))
        )
        values: list[Mapping[str, Any]] = []
        for number, written in texts.all():
            columns = rows.columns_of(json.loads(written))
            values.append({"number": number, **{f"new_{name}": columns[name] for name in new}})
        connection.execute(change, values)
