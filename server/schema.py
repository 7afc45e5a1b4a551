"""The tables, and how a database comes to have them.

TABLES is what the code asks for; MIGRATIONS how a database of any earlier release gets there, one
entry a release, never edited once released. The columns of `ticket` beside its key are those that
are filtered and sorted by (FILTERED, one row a member); a ticket itself is its document, kept in
another table so that what scans tickets does not read them, and the content of attachments in a
third one. A new member to filter by is a row of FILTERED and a migration that fills its column.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    inspect,
    select,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

#: How the values of a member compare: as text, as whole numbers, or as instants.
Sort: TypeAlias = Literal["text", "number", "instant"]

#: The members of a ticket that have a column, and how they compare.
FILTERED: Final[dict[str, Sort]] = {
    "ticketType": "text",
    "ticketSubtype": "text",
    "correlationId": "text",
    "name": "text",
    "resolutionDate": "instant",
    "statusChangeDate": "instant",
    "statusChangeReason": "text",
    "lastUpdate": "instant",
    "creationDate": "instant",
    "status": "text",
    "externalId": "text",
    "severity": "text",
    "priority": "number",
    "origin": "text",
}

#: Comparing text by its code points, as Python does, whatever the database's locale.
_TEXT: Final = Text().with_variant(Text(collation="C"), "postgresql")

TABLES: Final = MetaData()

operator = Table(
    "operator",
    TABLES,
    Column("id", String(64), primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("secret_hash", Text, nullable=False),
    # Counts the secrets that the operator has had; what was proven with an older one is void.
    Column("version", Integer, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("disabled", BigInteger),
    # Whose side it is on: an operator's, with tickets of its own, or the provider's.
    Column("role", String(16), nullable=False, server_default="operator"),
    # Counts the keys that events to it were signed with, and since when there is this one.
    Column("signing_version", Integer, nullable=False, server_default="1"),
    Column("signing_since", BigInteger),
)

token = Table(
    "token",
    TABLES,
    Column("digest", String(64), primary_key=True),
    Column("operator", ForeignKey("operator.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Index("token_expires", "expires"),
)

ticket = Table(
    "ticket",
    TABLES,
    Column("operator", ForeignKey("operator.id"), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("version", Integer, nullable=False),
    *(Column(name, _TEXT if sort == "text" else BigInteger) for name, sort in FILTERED.items()),
    CheckConstraint("version >= 1", name="ticket_version"),
    Index("ticket_created", "operator", "creationDate", "id"),
    # What they find stands in the usual order already.
    Index("ticket_status", "operator", "status", "creationDate"),
    Index("ticket_external", "operator", "externalId", "creationDate"),
    # An operator's tickets stand together, so that a scan of them reads no others'.
    sqlite_with_rowid=False,
)

document = Table(
    "document",
    TABLES,
    Column("id", String(64), primary_key=True),
    Column("document", Text, nullable=False),
)

content = Table(
    "content",
    TABLES,
    Column("ticket", String(64), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("text", Text, nullable=False),
)

subscription = Table(
    "subscription",
    TABLES,
    Column("operator", ForeignKey("operator.id"), primary_key=True),
    Column("id", String(64), nullable=False),
    Column("callback", Text, nullable=False),
    Column("query", Text),
    # Since when every attempt has failed, and since when none is made any more.
    Column("failing", BigInteger),
    Column("disabled", BigInteger),
    # When an event last arrived, and how the last attempt ended.
    Column("last_success", BigInteger),
    Column("last_status", Integer),
    Column("last_error", Text),
)

event = Table(
    "event",
    TABLES,
    # In the order of these are the events of a ticket committed; so are those of `seq`.
    Column(
        "number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    ),
    Column("id", String(64), nullable=False, unique=True),
    Column("operator", ForeignKey("operator.id"), nullable=False),
    Column("ticket", String(64), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("name", String(64), nullable=False),
    # What is signed and sent, the same bytes at every attempt.
    Column("body", LargeBinary, nullable=False),
    Column("raised", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    # When the next attempt may begin; while one is under way, when it counts as lost.
    Column("due", BigInteger, nullable=False),
    # Which attempt is under way; nobody else may say how it ended.
    Column("lease", String(64)),
    Column("settled", BigInteger),
    Column("last_status", Integer),
    Column("last_error", Text),
    UniqueConstraint("ticket", "seq", name="event_order"),
    Index("event_operator", "operator", "number"),
    CheckConstraint("state IN ('pending', 'delivered', 'dead')", name="event_state"),
    CheckConstraint("(state = 'pending') = (settled IS NULL)", name="event_settled_once"),
    CheckConstraint("state = 'pending' OR lease IS NULL", name="event_lease"),
    *(
        Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))
        for name, columns, where in (
            ("event_due", ("operator", "due", "number"), "state = 'pending'"),
            ("event_first", ("ticket", "seq"), "state = 'pending'"),
            ("event_settled", ("settled",), "state <> 'pending'"),
            # What /metrics counts.
            ("event_waiting", ("raised",), "state = 'pending'"),
            ("event_dead", ("number",), "state = 'dead'"),
        )
    ),
)

idempotency = Table(
    "idempotency",
    TABLES,
    Column("operator", ForeignKey("operator.id"), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("headers", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Index("idempotency_expires", "expires"),
)

schema_version = Table("schema_version", TABLES, Column("version", Integer, primary_key=True))


def _first(connection: Connection) -> None:
    """Make all tables as they are now: what follows is for databases that have earlier ones."""
    TABLES.create_all(connection)


def _second(connection: Connection) -> None:
    """Let there be events, the provider's side, and keys that are changed."""
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
    """Let a subscription say how attempts ended; list and count events by indexes."""
    for column in ("last_success BIGINT", "last_status INTEGER", "last_error TEXT"):
        connection.execute(text(f"ALTER TABLE subscription ADD COLUMN {column}"))
    for index in event.indexes:
        index.create(connection, checkfirst=True)


#: What each version of the schema does to one of the version before it.
MIGRATIONS: Final[tuple[Callable[[Connection], None], ...]] = (_first, _second, _third)


def version_of(connection: Connection) -> int:
    """Return the version of a database's schema; 0 where it has none."""
    if not inspect(connection).has_table(schema_version.name):
        return 0
    return connection.execute(select(schema_version.c.version)).scalar() or 0


def migrate(connection: Connection) -> list[int]:
    """Bring a database to the newest version, in the transaction at hand; return those gone to.

    Raises NewerSchema when the database is of a later release than this code.
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
    """A database was written by a later release. `version` is its schema's."""

    def __init__(self, version: int) -> None:
        super().__init__(version)
        self.version = version

    def __str__(self) -> str:
        """Say which release is needed."""
        return (
            f"Run the newer release: the database has schema version {self.version},"
            f" this one knows {len(MIGRATIONS)}."
        )
