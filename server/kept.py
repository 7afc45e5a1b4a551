"""How tickets stand in the database: the only SQL about them.

A ticket is its document, one line of JSON, with the columns of schema.FILTERED beside it. The
content of an attachment is kept apart under its SHA-256, which stands in its place in the document
behind a mark that no base64 has. Every function is given the operator, and reads and writes that
operator's tickets alone; only `page` and `owner` are for those who see the tickets of all.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import sqlalchemy
from sqlalchemy import and_, bindparam, delete, func, select, true, tuple_

from server.engines import Deadline
from server.errors import Refused
from server.filtering import instant_of, select_fields
from server.operators import known
from server.prepared import Prepared, insert_into
from server.schema import FILTERED, content, document, idempotency
from server.schema import operator as operators
from server.schema import ticket as tickets
from server.sentences import Told
from server.validation import SMALL, is_small
from server.wire import Answer, dumps

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from server.ticket_query import Position, Query

_MARK: Final = "sha256:"
_MARKED: Final = f'"{_MARK}'
#: What a page takes at most, in bytes, and how many characters of documents are read at a time.
LARGEST_PAGE: Final = 8 << 20
_CHUNK: Final = 1 << 20
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Earlier(NamedTuple):
    """An answer that was given to an Idempotency-Key, and the fingerprint of what was asked."""

    fingerprint: str
    answer: Answer


def micros(moment: datetime) -> int:
    """Return a moment as microseconds since 1970 in UTC."""
    return (moment - _EPOCH) // _MICROSECOND


def stamp(moment: datetime) -> str:
    """Return a moment as tickets hold it: RFC 3339 in UTC, to the millisecond."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(micros: int) -> str:
    """Return microseconds since 1970 as a moment in the form of `stamp`."""
    return stamp(_EPOCH + timedelta(microseconds=micros))


def columns_of(ticket: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the columns that a ticket is filtered and sorted by.

    PostgreSQL stores no U+0000 in a text; its column has U+FFFD instead, the document has both.
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
    """A ticket as it is stored: its version, its document, and the contents by their digests."""

    version: int
    text: str
    contents: Mapping[str, str]

    @property
    def is_small(self) -> bool:
        """Whether the event loop may handle it itself."""
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
        return dumps(self.ticket()) if self.contents else self.text.encode()


class Row(NamedTuple):
    """A ticket as it is to be stored: its columns, its document, and the contents by digest."""

    number: str
    columns: Mapping[str, Any]
    text: str
    contents: Mapping[str, str]


def row_of(ticket: Mapping[str, Any]) -> Row:
    """Return a ticket as it is to be stored."""
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
    # The address is computed for each answer.
    parted = {name: value for name, value in ticket.items() if name != "href"}
    if contents:
        parted["attachment"] = attachments
    return Row(ticket["id"], columns_of(ticket), dumps(parted).decode(), contents)


_ONE: Final = Prepared(
    select(tickets.c.version, document.c.document)
    .select_from(tickets.join(document, tickets.c.id == document.c.id))
    .where(tickets.c.operator == bindparam("operator"), tickets.c.id == bindparam("number"))
)
#: By the key that begins with the operator, for each of them: they are few.
_OWNER: Final = Prepared(
    select(tickets.c.operator).where(
        tickets.c.operator.in_(select(operators.c.id)), tickets.c.id == bindparam("number")
    )
)
_CONTENTS: Final = Prepared(
    select(content.c.digest, content.c.text).where(content.c.ticket == bindparam("number"))
)


def one(connection: Connection, operator: str, number: str, *, whole: bool) -> Stored | None:
    """Return a ticket, or None. `whole` asks for the contents of its attachments.

    This is two statements: the transaction must read one snapshot.
    """
    row = _ONE.run(connection, {"operator": operator, "number": number}).fetchone()
    if row is None:
        return None
    version, text = row
    has_contents = whole and _MARKED in text
    return Stored(version, text, _contents(connection, number) if has_contents else {})


def _contents(connection: Connection, number: str) -> dict[str, str]:
    return dict(_CONTENTS.run(connection, {"number": number}))


def owner(connection: Connection, number: str) -> str | None:
    """Return the operator whose ticket it is, or None."""
    row = _OWNER.run(connection, {"number": number}).fetchone()
    return None if row is None else row[0]


def owners(connection: Connection, numbers: Sequence[str]) -> list[str]:
    """Return the names of the operators whose tickets have these ids, in their order."""
    found = (
        select(tickets.c.id, operators.c.name)
        .join(operators, operators.c.id == tickets.c.operator)
        .where(tickets.c.operator.in_(select(operators.c.id)), tickets.c.id.in_(numbers))
    )
    names = {row.id: row.name for row in connection.execute(found)}
    return [names[number] for number in numbers]


def owned(name: str, text: bytes) -> bytes:
    """Return a document with the name of its operator, as the provider sees it."""
    return b'{"operator":' + dumps(name) + b"," + text[1:]


class Page(NamedTuple):
    """A page of a list: how many tickets there are in all, its tickets, and where it ends.

    `end` is the position of its last ticket when others follow, else None.
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
    """Return the page that a query asks for, of the tickets of an operator or of all.

    Attachments have their contents only where `fields` names them. The page ends before the ticket
    that would take it beyond `most` bytes, but has one ticket at least; so it does when the time is
    over. Raises Refused(invalidQuery) for an operator or a position that is not there, and
    Refused(unavailable) when the time is over before the first ticket.
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
    """Return the position that a page begins behind; one that is an id is looked up."""
    if query.after is None or len(query.after) > 1:
        return query.after
    where = tickets.c.id == query.after[0]
    if operator is not None:
        where = and_(where, tickets.c.operator == operator)
    row = connection.execute(select(*query.keys()).where(where)).first()
    if row is None:
        raise Refused("invalidQuery", Told("cursor"))
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

    The ids are those of the page and one more.
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
    """Return the tickets of a page as they are answered, as many as fit."""
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
    """Yield ids whose documents are read together: about a megabyte, or one large document."""
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
    """Return a ticket as a list has it: with the members that are asked for."""
    if fields is not None and "attachment" in fields:
        return dumps(select_fields(json.loads(_whole(connection, number, text)), fields))
    if fields is None and _MARKED not in text:
        return text.encode()
    ticket = select_fields(json.loads(text), fields)
    if "attachment" in ticket:
        without = [
            {name: value for name, value in attachment.items() if name != "content"}
            for attachment in ticket["attachment"]
        ]
        ticket = {**ticket, "attachment": without}
    return dumps(ticket)


def _whole(connection: Connection, number: str, text: str) -> bytes:
    """Return a document with the contents of its attachments."""
    return Stored(0, text, _contents(connection, number) if _MARKED in text else {}).document()


_INSERT: Final = Prepared(sqlalchemy.insert(tickets))
_INSERT_DOCUMENT: Final = Prepared(sqlalchemy.insert(document))
_INSERT_CONTENT: Final = Prepared(sqlalchemy.insert(content))


#: A ticket that another transaction is changing is left alone: the writer never waits for one.
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
_FORGET_CONTENT: Final = Prepared(
    delete(content).where(
        content.c.ticket == bindparam("number"), content.c.digest == bindparam("gone")
    )
)


def insert(connection: Connection, operator: str, row: Row) -> None:
    """Store a new ticket as its first version."""
    _INSERT.run(connection, {"operator": operator, "id": row.number, "version": 1, **row.columns})
    _INSERT_DOCUMENT.run(connection, {"id": row.number, "document": row.text})
    _keep(connection, row.number, row.contents)


def update(connection: Connection, operator: str, row: Row, before: Stored) -> bool:
    """Store a ticket as the version after `before`.

    False where it is no longer that version, or is being changed; then nothing is stored.
    """
    about = {"of_operator": operator, "number": row.number, "before": before.version}
    values = {f"new_{name}": value for name, value in row.columns.items()}
    if not _UPDATE.run(connection, {**about, **values}).rowcount:
        return False
    _UPDATE_DOCUMENT.run(connection, {"number": row.number, "text": row.text})
    for digest in before.contents.keys() - row.contents.keys():
        _FORGET_CONTENT.run(connection, {"number": row.number, "gone": digest})
    new = row.contents.keys() - before.contents.keys()
    _keep(connection, row.number, {digest: row.contents[digest] for digest in new})
    return True


def _keep(connection: Connection, number: str, contents: Mapping[str, str]) -> None:
    for digest, text in contents.items():
        _INSERT_CONTENT.run(connection, {"ticket": number, "digest": digest, "text": text})


def answered(connection: Connection, operator: str, key: str, now: int) -> Earlier | None:
    """Return what was answered to an operator's Idempotency-Key, while it is remembered."""
    row = connection.execute(
        select(idempotency).where(
            idempotency.c.operator == operator,
            idempotency.c.key == key,
            idempotency.c.expires > now,
        )
    ).first()
    if row is None:
        return None
    answer = Answer(status=row.status, headers=json.loads(row.headers), body=row.body)
    return Earlier(row.fingerprint, answer)


def remember(  # noqa: PLR0913 - a row
    connection: Connection,
    operator: str,
    key: str,
    fingerprint: str,
    answer: Answer,
    *,
    now: int,
    kept_for: int,
) -> bool:
    """Remember an answer for so many microseconds, and delete expired ones.

    False where there is an answer under the key already. Another process that is about to remember
    one is waited for.
    """
    # What another process deletes meanwhile is left to it.
    expired = select(idempotency.c.operator, idempotency.c.key).where(idempotency.c.expires <= now)
    names = tuple_(idempotency.c.operator, idempotency.c.key)
    connection.execute(
        delete(idempotency).where(names.in_(expired.with_for_update(skip_locked=True)))
    )
    inserted = connection.execute(
        insert_into(connection, idempotency)
        .values(
            operator=operator,
            key=key,
            fingerprint=fingerprint,
            status=answer.status,
            headers=json.dumps(dict(answer.headers)),
            body=answer.body,
            expires=now + kept_for,
        )
        .on_conflict_do_nothing()
        .returning(idempotency.c.key)
    )
    return inserted.first() is not None


def forget(connection: Connection, statuses: Iterable[str], before: int, most: int) -> int:
    """Delete up to `most` tickets in some statuses that last changed before a moment.

    Return how many were deleted. Their events stay until they are purged.
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
