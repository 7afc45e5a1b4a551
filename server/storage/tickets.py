"""Tickets in the database, and all SQL about them: the resources of the profile.

A ticket is its document, one line of JSON, with the columns of tables.TicketTable next to it. A
text that is stored apart is in a table of its own under its SHA-256. In the document the digest
replaces it, after a mark that no such text begins with. Every function gets the operator and
accesses only its tickets; `page` and `owner` can access those of all operators, for the provider.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson
import sqlalchemy
from sqlalchemy import and_, bindparam, delete, func, select, true

from server.messages.en import sentence
from server.problems import ApiError
from server.storage.engines import Deadline
from server.storage.operators import known
from server.storage.statements import Prepared
from server.storage.tables import TicketTable, content, document
from server.storage.tables import operator as operators
from server.storage.ticket_query import column_value, select_fields
from server.validation import SMALL, is_small, to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from server.profile.model import Resource
    from server.storage.ticket_query import Position, Query

_MARK: Final = "sha256:"
_MARKED: Final = f'"{_MARK}'
#: The maximum size of a page in bytes, and how many characters of documents are read at a time.
LARGEST_PAGE: Final = 8 << 20
_CHUNK: Final = 1 << 20
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def micros(moment: datetime) -> int:
    """Return a time in microseconds since 1970 (UTC)."""
    return (moment - _EPOCH) // _MICROSECOND


def stamp(moment: datetime) -> str:
    """Return a time in the form of tickets: RFC 3339 in UTC, in milliseconds."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(micros: int) -> str:
    """Return microseconds since 1970 in the form of `stamp`."""
    return stamp(_EPOCH + timedelta(microseconds=micros))


class Stored(NamedTuple):
    """A stored ticket: its version, its document, and its texts that are stored apart, by digest.

    `apart` says where these texts belong (Resource.apart).
    """

    version: int
    text: str
    contents: Mapping[str, str]
    apart: Mapping[str, str | None]

    @property
    def is_small(self) -> bool:
        """Whether the event loop may handle the ticket itself."""
        return is_small(self.text) and sum(map(len, self.contents.values())) <= SMALL

    def ticket(self) -> dict[str, Any]:
        """Return the ticket with the texts that are stored apart."""
        ticket: dict[str, Any] = json.loads(self.text)
        if self.contents:
            for holder, name in _texts_apart(ticket, self.apart):
                if holder[name].startswith(_MARK):
                    holder[name] = self.contents[holder[name].removeprefix(_MARK)]
        return ticket

    def document(self) -> bytes:
        """Return the ticket as JSON."""
        return to_json(self.ticket()) if self.contents else self.text.encode()


def _texts_apart(
    ticket: dict[str, Any], apart: Mapping[str, str | None]
) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield each object with a text that is stored apart, and the member that is the text."""
    for name, inner in apart.items():
        value = ticket.get(name)
        holders: list[Any] = [ticket] if inner is None else _listed(value)
        key = name if inner is None else inner
        for holder in holders:
            if isinstance(holder, dict) and isinstance(holder.get(key), str):
                yield holder, key


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


class Row(NamedTuple):
    """A ticket to store: its columns, its document, and its texts that are stored apart."""

    number: str
    columns: Mapping[str, Any]
    text: str
    contents: Mapping[str, str]


class Page(NamedTuple):
    """A page of a list: the total number of tickets, the tickets of the page, and its end.

    `numbers` are the ids of the tickets. `end` is the position of its last ticket if more tickets
    follow, else None.
    """

    total: int
    tickets: list[bytes]
    numbers: list[str]
    end: Position | None


def owned(name: str, text: bytes) -> bytes:
    """Return a document with the name of its operator, for the provider."""
    return b'{"operator":' + orjson.dumps(name) + (b"," if text != b"{}" else b"") + text[1:]


_SELECT_CONTENTS: Final = Prepared(
    select(content.c.digest, content.c.text).where(content.c.ticket == bindparam("number"))
)
_INSERT_DOCUMENT: Final = Prepared(sqlalchemy.insert(document))
_INSERT_CONTENT: Final = Prepared(sqlalchemy.insert(content))
_UPDATE_DOCUMENT: Final = Prepared(
    sqlalchemy.update(document)
    .where(document.c.id == bindparam("number"))
    .values(document=bindparam("text"))
)
_DELETE_CONTENT: Final = Prepared(
    delete(content).where(
        content.c.ticket == bindparam("number"), content.c.digest == bindparam("gone")
    )
)


class TicketRows:
    """The rows of the tickets of a profile.

    `table` and `columns` are those of tables.TicketTable; `layout` is what `migrations.fit` notes
    of them. `status` is the member with the status, None if there is none.
    """

    def __init__(self, resource: Resource, status: str | None = None) -> None:
        made = self._tickets = TicketTable(resource)
        self.root = resource.root
        self.table, self.columns = made.table, made.columns
        self.layout: dict[str, Any] = {
            "columns": {made.columns[each.member].name: each.sort for each in resource.columns},
            "indexes": {name: list(columns) for name, columns in made.indexes.items()},
        }
        self._resource = resource
        self._status = status
        sorts = [
            (made.columns[each.member].name, each.member, each.sort) for each in resource.columns
        ]
        self._texts_of = [(name, member) for name, member, sort in sorts if sort == "text"]
        self._others = [each for each in sorts if each[2] != "text"]
        self._apart = frozenset(resource.apart)
        tickets = self.table
        self._select_ticket = Prepared(
            select(tickets.c.version, document.c.document)
            .select_from(tickets.join(document, tickets.c.id == document.c.id))
            .where(tickets.c.operator == bindparam("operator"), tickets.c.id == bindparam("number"))
        )
        # Uses the primary key, which begins with the operator, once for each of the few operators.
        self._select_owner = Prepared(
            select(tickets.c.operator).where(
                tickets.c.operator.in_(select(operators.c.id)), tickets.c.id == bindparam("number")
            )
        )
        self._insert = Prepared(sqlalchemy.insert(tickets))
        # Skips a ticket that another transaction is changing: the writer never waits for one.
        free = (
            select(tickets.c.operator, tickets.c.id)
            .where(
                tickets.c.operator == bindparam("of_operator"),
                tickets.c.id == bindparam("number"),
                tickets.c.version == bindparam("before"),
            )
            .with_for_update(skip_locked=True)
            .cte("free")
        )
        self._update = Prepared(
            sqlalchemy.update(tickets)
            .where(tickets.c.operator == free.c.operator, tickets.c.id == free.c.id)
            .values(
                version=tickets.c.version + 1,
                **{name: bindparam(f"new_{name}") for name, _, _ in sorts},
            )
        )
        self._delete = Prepared(
            delete(tickets).where(
                tickets.c.operator == select(free.c.operator).scalar_subquery(),
                tickets.c.id == select(free.c.id).scalar_subquery(),
            )
        )

    def columns_of(self, ticket: Mapping[str, Any]) -> dict[str, Any]:
        """Return the column values by which a ticket is filtered and sorted, by column."""
        values = {name: ticket.get(member) for name, member in self._texts_of}
        for name, value in values.items():
            if value is not None and (type(value) is not str or "\0" in value):
                values[name] = column_value(value, "text")
        for name, member, sort in self._others:
            values[name] = column_value(ticket[member], sort) if member in ticket else None
        return values

    def row_of(self, ticket: Mapping[str, Any]) -> Row:
        """Return the row to store for a ticket."""
        # The URL is computed for each response.
        parted = {name: value for name, value in ticket.items() if name != self._resource.url}
        contents: dict[str, str] = {}
        if not self._apart.isdisjoint(parted):
            for name, inner in self._resource.apart.items():
                if inner is not None and name in parted:
                    value = parted[name]
                    is_list = isinstance(value, list)
                    parted[name] = [*map(_copied, value)] if is_list else _copied(value)
            for holder, name in _texts_apart(parted, self._resource.apart):
                digest = sha256(holder[name].encode()).hexdigest()
                contents[digest] = holder[name]
                holder[name] = _MARK + digest
        number: str = ticket[self._resource.identifier]
        return Row(number, self.columns_of(ticket), to_json(parted).decode(), contents)

    def one(
        self, connection: Connection, operator: str, number: str, *, whole: bool
    ) -> Stored | None:
        """Return a ticket, or None. `whole` includes the contents of its attachments.

        It runs two statements, so the transaction must read one snapshot.
        """
        row = self._select_ticket.run(
            connection, {"operator": operator, "number": number}
        ).fetchone()
        if row is None:
            return None
        version, text = row
        has_contents = whole and _MARKED in text
        contents = _contents(connection, number) if has_contents else {}
        return Stored(version, text, contents, self._resource.apart)

    def owner(self, connection: Connection, number: str) -> str | None:
        """Return the operator of a ticket, or None."""
        row = self._select_owner.run(connection, {"number": number}).fetchone()
        return None if row is None else row[0]

    def owners(self, connection: Connection, numbers: Sequence[str]) -> list[str]:
        """Return the names of the operators of tickets, in the order of the ids."""
        found = (
            select(self.table.c.id, operators.c.name)
            .join(operators, operators.c.id == self.table.c.operator)
            .where(self.table.c.operator.in_(select(operators.c.id)), self.table.c.id.in_(numbers))
        )
        names = {row.id: row.name for row in connection.execute(found)}
        return [names[number] for number in numbers]

    def page(
        self,
        connection: Connection,
        operator: str | None,
        query: Query,
        *,
        always: frozenset[str] = frozenset(),
        most: int = LARGEST_PAGE,
        deadline: Deadline | None = None,
    ) -> Page:
        """Return the page of a query, of the tickets of an operator or of all.

        Texts that are stored apart are included only if `fields` names their member. A ticket has
        the members in `fields`, those in `always` and its identifier. The page ends before the
        ticket that would exceed `most` bytes, and when the time is over, but contains at least one
        ticket. Raises ApiError(invalidQuery) for an unknown operator or position, and
        ApiError(unavailable) if the time is over before the first ticket.
        """
        deadline = deadline or Deadline()
        known(connection, query.operators)
        deadline.renew(connection)
        after = self._after(connection, operator, query)
        if query.matching:
            total, numbers = self._matching(connection, operator, query, after, deadline)
        else:
            where = query.where(self._tickets, operator)
            count = select(func.count()).select_from(self.table).where(where)
            total = connection.execute(count).scalar_one()
            numbers = []
            if query.offset < total:
                deadline.renew(connection)
                keys = select(self.table.c.id).where(where).order_by(*query.order(self._tickets))
                if after is not None:
                    keys = keys.where(query.behind(self._tickets, after))
                numbers = list(connection.scalars(keys.offset(query.offset).limit(query.limit + 1)))
        fields = query.fields
        if fields is not None:
            fields |= always | {self._resource.identifier}
        texts = self._texts(connection, numbers[: query.limit], fields, most, deadline)
        end = None
        if texts and len(texts) < len(numbers):
            end = self._position(connection, query, numbers[len(texts) - 1])
        return Page(total, texts, numbers[: len(texts)], end)

    def _after(self, connection: Connection, operator: str | None, query: Query) -> Position | None:
        """Return the position after which a page begins; a position that is an id is looked up."""
        if query.after is None or len(query.after) > 1:
            return query.after
        where = self.table.c.id == query.after[0]
        if operator is not None:
            where = and_(where, self.table.c.operator == operator)
        row = connection.execute(select(*query.keys(self._tickets)).where(where)).first()
        if row is None:
            raise ApiError("invalidQuery", sentence("cursor"))
        return tuple(row)

    def _position(self, connection: Connection, query: Query, number: str) -> Position:
        return tuple(
            connection.execute(
                select(*query.keys(self._tickets)).where(self.table.c.id == number)
            ).one()
        )

    def _matching(
        self,
        connection: Connection,
        operator: str | None,
        query: Query,
        after: Position | None,
        deadline: Deadline,
    ) -> tuple[int, list[str]]:
        """Return how many tickets match the regular expressions of a query, and the ids of a page.

        The ids are those of the page and of the next ticket.
        """
        columns = [self.columns[condition.member] for condition in query.matching]
        is_behind = true() if after is None else query.behind(self._tickets, after)
        found = select(self.table.c.id, is_behind.label("is_behind"), *columns)
        found = found.where(query.where(self._tickets, operator)).order_by(
            *query.order(self._tickets, by_index=False)
        )
        matches = [(at, condition.matches) for at, condition in enumerate(query.matching, 2)]
        total = passed = 0
        numbers: list[str] = []
        for row in connection.execute(found):
            deadline.check()
            if all(fits(row[at]) for at, fits in matches):
                total += 1
                if row[1]:
                    passed += 1
                    if query.offset < passed <= query.offset + query.limit + 1:
                        numbers.append(row[0])
        return total, numbers

    def _texts(
        self,
        connection: Connection,
        numbers: list[str],
        fields: frozenset[str] | None,
        most: int,
        deadline: Deadline,
    ) -> list[bytes]:
        """Return the tickets of a page as JSON, as many as fit."""
        texts: list[bytes] = []
        size = 2
        for chunk in _chunks(connection, numbers):
            if deadline.is_over and texts:
                return texts
            deadline.renew(connection)
            documents = _documents(connection, chunk)
            for number in chunk:
                text = self._listed(connection, number, documents.pop(number), fields)
                size += len(text) + 1
                if texts and (size > most or deadline.is_over):
                    return texts
                texts.append(text)
        return texts

    def _listed(
        self, connection: Connection, number: str, text: str, fields: frozenset[str] | None
    ) -> bytes:
        """Return a ticket in the form of a list, with its selected members."""
        if fields is not None and fields & self._apart:
            contents = _contents(connection, number) if _MARKED in text else {}
            stored = Stored(0, text, contents, self._resource.apart)
            return to_json(select_fields(stored.ticket(), fields))
        if fields is None and _MARKED not in text:
            return text.encode()
        ticket = select_fields(json.loads(text), fields)
        if self._apart & ticket.keys():
            outside = self._resource.outside
            shown = {name: outside(name, value) for name, value in ticket.items()}
            ticket = {name: value for name, value in shown.items() if value is not None}
        return to_json(ticket)

    def insert(self, connection: Connection, operator: str, row: Row) -> None:
        """Store a new ticket as its first version."""
        self._insert.run(
            connection, {"operator": operator, "id": row.number, "version": 1, **row.columns}
        )
        _INSERT_DOCUMENT.run(connection, {"id": row.number, "document": row.text})
        _insert_contents(connection, row.number, row.contents)

    def update(self, connection: Connection, operator: str, row: Row, before: Stored) -> bool:
        """Store a ticket as the version after `before`.

        Return False, and store nothing, if it has another version or is being changed.
        """
        about = {"of_operator": operator, "number": row.number, "before": before.version}
        values = {f"new_{name}": value for name, value in row.columns.items()}
        if not self._update.run(connection, {**about, **values}).rowcount:
            return False
        _UPDATE_DOCUMENT.run(connection, {"number": row.number, "text": row.text})
        for digest in before.contents.keys() - row.contents.keys():
            _DELETE_CONTENT.run(connection, {"number": row.number, "gone": digest})
        new = row.contents.keys() - before.contents.keys()
        _insert_contents(connection, row.number, {digest: row.contents[digest] for digest in new})
        return True

    def delete(self, connection: Connection, operator: str, before: Stored, number: str) -> bool:
        """Delete a ticket; return False, and delete nothing, if it has another version."""
        about = {"of_operator": operator, "number": number, "before": before.version}
        if not self._delete.run(connection, about).rowcount:
            return False
        for column in (content.c.ticket, document.c.id):
            connection.execute(delete(column.table).where(column == number))
        return True

    def delete_old(
        self, connection: Connection, statuses: Iterable[str], before: int, most: int
    ) -> int:
        """Delete up to `most` tickets with these statuses that last changed before a time.

        Return the number of deleted tickets. Their events remain until they are purged.
        """
        if self._status is None or self._resource.moment is None:
            return 0  # nothing says which tickets are old
        status, moment = self.columns[self._status], self.columns[self._resource.moment]
        old = (
            select(self.table.c.id)
            .where(status.in_(sorted(statuses)), moment < before)
            .limit(most)
            .with_for_update(skip_locked=True)
        )
        numbers = connection.execute(old).scalars().all()
        for column in (content.c.ticket, document.c.id, self.table.c.id):
            connection.execute(delete(column.table).where(column.in_(numbers)))
        return len(numbers)


def _contents(connection: Connection, number: str) -> dict[str, str]:
    return dict(_SELECT_CONTENTS.run(connection, {"number": number}))


def _chunks(connection: Connection, numbers: list[str]) -> Iterator[list[str]]:
    """Yield lists of ids whose documents are read together: about 1 MB, or one large document."""
    length = func.length(document.c.document)
    found = select(document.c.id, length).where(document.c.id.in_(numbers))
    lengths = {row[0]: row[1] for row in connection.execute(found)} if numbers else {}
    chunk: list[str] = []
    size = 0
    for number in numbers:
        size += lengths[number]
        if chunk and size > _CHUNK:
            yield chunk
            chunk, size = [], lengths[number]
        chunk.append(number)
    if chunk:
        yield chunk


def _documents(connection: Connection, numbers: list[str]) -> dict[str, str]:
    found = select(document.c.id, document.c.document).where(document.c.id.in_(numbers))
    return {row.id: row.document for row in connection.execute(found)}


def _insert_contents(connection: Connection, number: str, contents: Mapping[str, str]) -> None:
    for digest, text in contents.items():
        _INSERT_CONTENT.run(connection, {"ticket": number, "digest": digest, "text": text})


def _copied(value: Any) -> Any:
    return dict(value) if isinstance(value, dict) else value
