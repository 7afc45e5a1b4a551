"""Tickets in the database, and all SQL about them.

A ticket is its document, one line of JSON, with the columns of tables.FILTERED next to it. The
content of an attachment is stored separately under its SHA-256. In the document the digest replaces
it, after a mark that base64 cannot contain. Every function gets the operator and accesses only its
tickets; `page` and `owner` can access those of all operators, for the provider.
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
from server.storage.tables import FILTERED, content, document
from server.storage.tables import operator as operators
from server.storage.tables import ticket as tickets
from server.storage.ticket_query import instant_of, select_fields
from server.validation import SMALL, is_small

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection

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


def columns_of(ticket: Mapping[str, Any]) -> dict[str, Any]:
    """Return the column values by which a ticket is filtered and sorted.

    PostgreSQL does not store U+0000 in text; the column has U+FFFD instead, the document keeps it.
    """
    values = {
        name: instant_of(ticket[name]) if sort == "instant" and name in ticket else ticket.get(name)
        for name, sort in FILTERED.items()
    }
    for name, value in values.items():
        if isinstance(value, str) and "\0" in value:
            values[name] = value.replace("\0", "\ufffd")
    return values


class Stored(NamedTuple):
    """A stored ticket: its version, its document, and the contents of attachments by digest."""

    version: int
    text: str
    contents: Mapping[str, str]

    @property
    def is_small(self) -> bool:
        """Whether the event loop may handle the ticket itself."""
        return is_small(self.text) and sum(map(len, self.contents.values())) <= SMALL

    def ticket(self) -> dict[str, Any]:
        """Return the ticket with the contents of its attachments."""
        ticket: dict[str, Any] = json.loads(self.text)
        for attachment in ticket.get("attachment", ()) if self.contents else ():
            mark = attachment.get("content", "")
            if mark.startswith(_MARK):
                attachment["content"] = self.contents[mark.removeprefix(_MARK)]
        return ticket

    def document(self) -> bytes:
        """Return the ticket as JSON."""
        return orjson.dumps(self.ticket()) if self.contents else self.text.encode()


class Row(NamedTuple):
    """A ticket to store: its columns, its document, and the contents of attachments by digest."""

    number: str
    columns: Mapping[str, Any]
    text: str
    contents: Mapping[str, str]


def row_of(ticket: Mapping[str, Any]) -> Row:
    """Return the row to store for a ticket."""
    contents: dict[str, str] = {}
    attachments = []
    for attachment in ticket.get("attachment", ()):
        if "content" in attachment:
            text = attachment["content"]
            digest = sha256(text.encode()).hexdigest()
            contents[digest] = text
            attachments.append({**attachment, "content": _MARK + digest})
        else:
            attachments.append(attachment)
    # The URL is computed for each response.
    parted = {name: value for name, value in ticket.items() if name != "href"}
    if contents:
        parted["attachment"] = attachments
    return Row(ticket["id"], columns_of(ticket), orjson.dumps(parted).decode(), contents)


_SELECT_TICKET: Final = Prepared(
    select(tickets.c.version, document.c.document)
    .select_from(tickets.join(document, tickets.c.id == document.c.id))
    .where(tickets.c.operator == bindparam("operator"), tickets.c.id == bindparam("number"))
)
#: Uses the primary key, which begins with the operator, once for each operator: they are few.
_SELECT_OWNER: Final = Prepared(
    select(tickets.c.operator).where(
        tickets.c.operator.in_(select(operators.c.id)), tickets.c.id == bindparam("number")
    )
)
_SELECT_CONTENTS: Final = Prepared(
    select(content.c.digest, content.c.text).where(content.c.ticket == bindparam("number"))
)


def one(connection: Connection, operator: str, number: str, *, whole: bool) -> Stored | None:
    """Return a ticket, or None. `whole` includes the contents of its attachments.

    It runs two statements, so the transaction must read one snapshot.
    """
    row = _SELECT_TICKET.run(connection, {"operator": operator, "number": number}).fetchone()
    if row is None:
        return None
    version, text = row
    has_contents = whole and _MARKED in text
    return Stored(version, text, _contents(connection, number) if has_contents else {})


def _contents(connection: Connection, number: str) -> dict[str, str]:
    return dict(_SELECT_CONTENTS.run(connection, {"number": number}))


def owner(connection: Connection, number: str) -> str | None:
    """Return the operator of a ticket, or None."""
    row = _SELECT_OWNER.run(connection, {"number": number}).fetchone()
    return None if row is None else row[0]


def owners(connection: Connection, numbers: Sequence[str]) -> list[str]:
    """Return the names of the operators of tickets, in the order of the ids."""
    found = (
        select(tickets.c.id, operators.c.name)
        .join(operators, operators.c.id == tickets.c.operator)
        .where(tickets.c.operator.in_(select(operators.c.id)), tickets.c.id.in_(numbers))
    )
    names = {row.id: row.name for row in connection.execute(found)}
    return [names[number] for number in numbers]


def owned(name: str, text: bytes) -> bytes:
    """Return a document with the name of its operator, for the provider."""
    return b'{"operator":' + orjson.dumps(name) + b"," + text[1:]


class Page(NamedTuple):
    """A page of a list: the total number of tickets, the tickets of the page, and its end.

    `end` is the position of its last ticket if more tickets follow, else None.
    """

    total: int
    tickets: list[bytes]
    end: Position | None


def page(
    connection: Connection,
    operator: str | None,
    query: Query,
    *,
    most: int = LARGEST_PAGE,
    deadline: Deadline | None = None,
) -> Page:
    """Return the page of a query, of the tickets of an operator or of all.

    Attachments have contents only if `fields` names them. The page ends before the ticket that
    would exceed `most` bytes, and when the time is over, but contains at least one ticket. Raises
    ApiError(invalidQuery) for an unknown operator or position, and ApiError(unavailable) if the
    time is over before the first ticket.
    """
    deadline = deadline or Deadline()
    known(connection, query.operators)
    deadline.renew(connection)
    after = _after(connection, operator, query)
    if query.matching:
        total, numbers = _matching(connection, operator, query, after, deadline)
    else:
        where = query.where(operator)
        count = select(func.count()).select_from(tickets).where(where)
        total = connection.execute(count).scalar_one()
        numbers = []
        if query.offset < total:
            deadline.renew(connection)
            keys = select(tickets.c.id).where(where).order_by(*query.order())
            if after is not None:
                keys = keys.where(query.behind(after))
            numbers = list(connection.scalars(keys.offset(query.offset).limit(query.limit + 1)))
    texts = _texts(connection, numbers[: query.limit], query.fields, most, deadline)
    end = None
    if texts and len(texts) < len(numbers):
        end = _position(connection, query, numbers[len(texts) - 1])
    return Page(total, texts, end)


def _after(connection: Connection, operator: str | None, query: Query) -> Position | None:
    """Return the position after which a page begins; a position that is an id is looked up."""
    if query.after is None or len(query.after) > 1:
        return query.after
    where = tickets.c.id == query.after[0]
    if operator is not None:
        where = and_(where, tickets.c.operator == operator)
    row = connection.execute(select(*query.keys()).where(where)).first()
    if row is None:
        raise ApiError("invalidQuery", sentence("cursor"))
    return tuple(row)


def _position(connection: Connection, query: Query, number: str) -> Position:
    return tuple(connection.execute(select(*query.keys()).where(tickets.c.id == number)).one())


def _matching(
    connection: Connection,
    operator: str | None,
    query: Query,
    after: Position | None,
    deadline: Deadline,
) -> tuple[int, list[str]]:
    """Return how many tickets match the regular expressions of a query, and the ids of a page.

    The ids are those of the page and of the next ticket.
    """
    columns = [tickets.c[condition.member] for condition in query.matching]
    is_behind = true() if after is None else query.behind(after)
    found = select(tickets.c.id, is_behind.label("is_behind"), *columns)
    found = found.where(query.where(operator)).order_by(*query.order(by_index=False))
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
            text = _listed(connection, number, documents.pop(number), fields)
            size += len(text) + 1
            if texts and (size > most or deadline.is_over):
                return texts
            texts.append(text)
    return texts


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


def _listed(connection: Connection, number: str, text: str, fields: frozenset[str] | None) -> bytes:
    """Return a ticket in the form of a list, with its selected members."""
    if fields is not None and "attachment" in fields:
        return orjson.dumps(select_fields(json.loads(_whole(connection, number, text)), fields))
    if fields is None and _MARKED not in text:
        return text.encode()
    ticket = select_fields(json.loads(text), fields)
    if "attachment" in ticket:
        without = [
            {name: value for name, value in attachment.items() if name != "content"}
            for attachment in ticket["attachment"]
        ]
        ticket = {**ticket, "attachment": without}
    return orjson.dumps(ticket)


def _whole(connection: Connection, number: str, text: str) -> bytes:
    """Return a document with the contents of its attachments."""
    return Stored(0, text, _contents(connection, number) if _MARKED in text else {}).document()


_INSERT: Final = Prepared(sqlalchemy.insert(tickets))
_INSERT_DOCUMENT: Final = Prepared(sqlalchemy.insert(document))
_INSERT_CONTENT: Final = Prepared(sqlalchemy.insert(content))


#: Skips a ticket that another transaction is changing: the writer never waits for one.
_free = (
    select(tickets.c.operator, tickets.c.id)
    .where(
        tickets.c.operator == bindparam("of_operator"),
        tickets.c.id == bindparam("number"),
        tickets.c.version == bindparam("before"),
    )
    .with_for_update(skip_locked=True)
    .cte("free")
)
_UPDATE: Final = Prepared(
    sqlalchemy.update(tickets)
    .where(tickets.c.operator == _free.c.operator, tickets.c.id == _free.c.id)
    .values(
        version=tickets.c.version + 1,
        **{name: bindparam(f"new_{name}") for name in FILTERED},
    )
)
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


def insert(connection: Connection, operator: str, row: Row) -> None:
    """Store a new ticket as its first version."""
    _INSERT.run(connection, {"operator": operator, "id": row.number, "version": 1, **row.columns})
    _INSERT_DOCUMENT.run(connection, {"id": row.number, "document": row.text})
    _insert_contents(connection, row.number, row.contents)


def update(connection: Connection, operator: str, row: Row, before: Stored) -> bool:
    """Store a ticket as the version after `before`.

    Return False, and store nothing, if it has another version or is being changed.
    """
    about = {"of_operator": operator, "number": row.number, "before": before.version}
    values = {f"new_{name}": value for name, value in row.columns.items()}
    if not _UPDATE.run(connection, {**about, **values}).rowcount:
        return False
    _UPDATE_DOCUMENT.run(connection, {"number": row.number, "text": row.text})
    for digest in before.contents.keys() - row.contents.keys():
        _DELETE_CONTENT.run(connection, {"number": row.number, "gone": digest})
    new = row.contents.keys() - before.contents.keys()
    _insert_contents(connection, row.number, {digest: row.contents[digest] for digest in new})
    return True


def _insert_contents(connection: Connection, number: str, contents: Mapping[str, str]) -> None:
    for digest, text in contents.items():
        _INSERT_CONTENT.run(connection, {"ticket": number, "digest": digest, "text": text})


def delete_old(connection: Connection, statuses: Iterable[str], before: int, most: int) -> int:
    """Delete up to `most` tickets with these statuses that last changed before a time.

    Return the number of deleted tickets. Their events remain until they are purged.
    """
    old = (
        select(tickets.c.id)
        .where(tickets.c.status.in_(sorted(statuses)), tickets.c.lastUpdate < before)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    numbers = connection.execute(old).scalars().all()
    for column in (content.c.ticket, document.c.id, tickets.c.id):
        connection.execute(delete(column.table).where(column.in_(numbers)))
    return len(numbers)
