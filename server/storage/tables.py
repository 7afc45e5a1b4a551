"""The tables of the database.

The columns of `ticket` besides its key are the members that are filtered and sorted by (FILTERED,
one row for each member). The ticket itself is its document, in a table of its own, so that a scan
of tickets does not read documents. The contents of attachments are in a third table. A new filter
is a row of FILTERED and a migration that fills its column.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

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
    text,
)

#: How the values of a member compare: as text, as integers, or as instants.
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

#: Text that compares by code points, as in Python, in every locale of the database.
_TEXT: Final = Text().with_variant(Text(collation="C"), "postgresql")

TABLES: Final = MetaData()

operator = Table(
    "operator",
    TABLES,
    Column("id", String(64), primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("secret_hash", Text, nullable=False),
    # Counts the secrets of the operator; tokens of an older secret are invalid.
    Column("version", Integer, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("disabled", BigInteger),
    # An operator with its own tickets, or the provider.
    Column("role", String(16), nullable=False, server_default="operator"),
    # Counts the keys that sign its events, and the time of the current key.
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
    # Their rows are in the default order.
    Index("ticket_status", "operator", "status", "creationDate"),
    Index("ticket_external", "operator", "externalId", "creationDate"),
    # The tickets of an operator are stored together, so a scan reads only them.
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
    # The time since which every attempt has failed, and at which attempts ended.
    Column("failing", BigInteger),
    Column("disabled", BigInteger),
    # The time of the last delivered event, and the result of the last attempt.
    Column("last_success", BigInteger),
    Column("last_status", Integer),
    Column("last_error", Text),
)

event = Table(
    "event",
    TABLES,
    # The events of a ticket are committed in the order of `number` and of `seq`.
    Column(
        "number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    ),
    Column("id", String(64), nullable=False, unique=True),
    Column("operator", ForeignKey("operator.id"), nullable=False),
    Column("ticket", String(64), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("name", String(64), nullable=False),
    # The bytes that are signed and sent, the same in every attempt.
    Column("body", LargeBinary, nullable=False),
    Column("raised", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    # When the next attempt may begin; during an attempt, when it counts as lost.
    Column("due", BigInteger, nullable=False),
    # The attempt in progress; only this attempt may record a result.
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
            # The counts of /metrics.
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
