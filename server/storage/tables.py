"""The tables of the database.

The table `ticket` has a column for each member that is filtered and sorted by. They come from the
profile: `TicketTable` is the table with these columns, and `migrations.fit` brings a database to
it. The resource itself is its document, in a table of its own, so that a scan does not read
documents. Texts that are stored apart are in a third table.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Double,
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

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.types import TypeEngine

    from server.profile.model import Resource, Sort

#: Text that compares by code points, as in Python, in every locale of the database.
TEXT: Final = Text().with_variant(Text(collation="C"), "postgresql")
#: The type of a column, by how its values compare.
TYPES: Final[dict[Sort, TypeEngine[Any]]] = {
    "text": TEXT,
    "number": BigInteger(),
    "decimal": Double(),
    "instant": BigInteger(),
}
#: A member that can be the name of a column: others get a name of their own.
_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,50}")

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
    CheckConstraint("version >= 1", name="ticket_version"),
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

#: The root of the profile whose resources are in the database, and the columns and indexes of
#: `ticket` that it needed, as JSON; one row.
profile = Table(
    "profile",
    TABLES,
    Column("root", Text, primary_key=True),
    Column("layout", Text, nullable=False),
)


class TicketTable:
    """The table `ticket` with the columns of a profile.

    `columns` maps each member that has a column to it, the identifier to the key `id`. `indexes`
    are the columns of each index by its name.
    """

    def __init__(self, resource: Resource) -> None:
        self.table = ticket.to_metadata(MetaData())
        reserved = {each.name.lower() for each in self.table.c}
        self.columns: dict[str, Column[Any]] = {resource.identifier: self.table.c.id}
        for each in resource.columns:
            name = _column_name(each.member, reserved)
            reserved.add(name.lower())
            self.columns[each.member] = Column(name, TYPES[each.sort])
            self.table.append_column(self.columns[each.member])
        self.indexes = dict(self._indexes(resource))

    def _indexes(self, resource: Resource) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield the name and the columns of each index: first that of the default order."""
        order = () if resource.order is None else (self.columns[resource.order].name,)
        if order:
            yield "ticket_created", ("operator", *order, "id")
        taken = {"ticket_created"}
        for each in resource.columns:
            if each.is_indexed:
                name = self.columns[each.member].name
                # The beginning of a name is enough, such as external of externalId.
                short = re.match("[a-z]*", name)
                index = f"ticket_{short[0] if short and short[0] else name}"
                index = f"ticket_{name}" if index in taken else index
                taken.add(index)
                # Its rows are in the default order.
                yield index, ("operator", name, *(each for each in order if each != name))


def _column_name(member: str, reserved: set[str]) -> str:
    """Return the name of a member's column; databases may ignore the case of names."""
    if _PLAIN.fullmatch(member) and member.lower() not in reserved:
        return member
    return f"member_{sha256(member.encode()).hexdigest()[:16]}"
