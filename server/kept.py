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
from sqlalchemy import and_, bindparam, delete, func, select

from server.filtering import instant_of
from server.prepared import Prepared
from server.schema import FILTERED, content, document, idempotency
from server.schema import operator as operators
from server.schema import ticket as tickets
from server.wire import Answer, dumps

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection

    from server.filtering import Query

_MARK: Final = "sha256:"
_MARKED: Final = f'"{_MARK}'
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Earlier(NamedTuple):
    """An answer that was given to an Idempotency-Key, and the fingerprint of what was asked."""

    fingerprint: str
    answer: Answer


def micros(moment: datetime) -> int:
    """Return a moment as microseconds since 1970 in UTC."""
    return (moment - _EPOCH) // _MICROSECOND


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


_ASKED: Final = (
    select(tickets.c.version, document.c.document)
    .select_from(tickets.join(document, tickets.c.id == document.c.id))
    .where(tickets.c.operator == bindparam("operator"), tickets.c.id == bindparam("number"))
)
_ONE: Final = Prepared(_ASKED)
_ONE_TO_CHANGE: Final = Prepared(_ASKED.with_for_update(of=tickets))
#: By the key that begins with the operator, for each of them: they are few.
_OWNER: Final = Prepared(
    select(tickets.c.operator).where(
        tickets.c.operator.in_(select(operators.c.id)), tickets.c.id == bindparam("number")
    )
)
_CONTENTS: Final = Prepared(
    select(content.c.digest, content.c.text).where(content.c.ticket == bindparam("number"))
)


def one(
    connection: Connection, operator: str, number: str, *, whole: bool, to_change: bool = False
) -> tuple[int, bytes] | None:
    """Return the version and the document of a ticket, or None.

    `whole` asks for the contents of its attachments; `to_change` keeps it from others until the
    transaction ends.
    """
    statement = _ONE_TO_CHANGE if to_change else _ONE
    row = statement.run(connection, {"operator": operator, "number": number}).fetchone()
    if row is None:
        return None
    version, text = row
    return version, _whole(connection, number, text) if whole else text.encode()


def owner(connection: Connection, number: str) -> str | None:
    """Return the operator whose ticket it is, or None."""
    row = _OWNER.run(connection, {"number": number}).fetchone()
    return None if row is None else row[0]


def page(connection: Connection, operator: str | None, query: Query) -> tuple[int, list[bytes]]:
    """Return how many tickets a query has, and the documents of the page that it asks for.

    They are those of an operator, or of all.
    """
    if query.matching:
        numbers = _matching(connection, operator, query)
        total, numbers = len(numbers), numbers[query.offset :][: query.limit]
    else:
        where = query.where(operator)
        count = select(func.count()).select_from(tickets).where(where)
        total = connection.execute(count).scalar_one()
        numbers = []
        if query.offset < total:
            keys = select(tickets.c.id).where(where).order_by(*query.order())
            numbers = list(connection.scalars(keys.offset(query.offset).limit(query.limit)))
    texts = _documents(connection, numbers)
    whole = query.fields is None or "attachment" in query.fields
    return total, [
        _whole(connection, number, texts[number]) if whole else texts[number].encode()
        for number in numbers
    ]


def _matching(connection: Connection, operator: str | None, query: Query) -> list[str]:
    """Return the ids of the tickets whose texts match the regular expressions of a query."""
    columns = [tickets.c[condition.member] for condition in query.matching]
    found = select(tickets.c.id, *columns).where(query.where(operator))
    rows: Iterable[Any] = connection.execute(found.order_by(*query.order(by_index=False)))
    # One expression after the other, since this runs once for each of the tickets.
    for at, condition in enumerate(query.matching, 1):
        matches = condition.matches
        rows = [row for row in rows if matches(row[at])]
    return [row[0] for row in rows]


def _documents(connection: Connection, numbers: list[str]) -> dict[str, str]:
    found = select(document.c.id, document.c.document).where(document.c.id.in_(numbers))
    return {row.id: row.document for row in connection.execute(found)} if numbers else {}


def _whole(connection: Connection, number: str, text: str) -> bytes:
    """Return a document with the contents of its attachments."""
    if _MARKED not in text:
        return text.encode()
    contents = dict(_CONTENTS.run(connection, {"number": number}))
    ticket = json.loads(text)
    for attachment in ticket.get("attachment", ()):
        mark = attachment.get("content", "")
        if mark.startswith(_MARK):
            attachment["content"] = contents[mark.removeprefix(_MARK)]
    return dumps(ticket)


def _parted(ticket: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """Return the document of a ticket, and the contents of its attachments by their digests."""
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
    return dumps(parted).decode(), contents


_INSERT: Final = Prepared(sqlalchemy.insert(tickets))
_INSERT_DOCUMENT: Final = Prepared(sqlalchemy.insert(document))
_INSERT_CONTENT: Final = Prepared(sqlalchemy.insert(content))


def insert(connection: Connection, operator: str, ticket: Mapping[str, Any]) -> None:
    """Store a new ticket as its first version."""
    text, contents = _parted(ticket)
    row = {"operator": operator, "id": ticket["id"], "version": 1, **columns_of(ticket)}
    _INSERT.run(connection, row)
    _INSERT_DOCUMENT.run(connection, {"id": ticket["id"], "document": text})
    _keep(connection, ticket["id"], contents)


def update(connection: Connection, operator: str, ticket: Mapping[str, Any], version: int) -> None:
    """Store a ticket as a version that follows the one before it."""
    text, contents = _parted(ticket)
    number = ticket["id"]
    changed = connection.execute(
        sqlalchemy.update(tickets)
        .where(
            and_(
                tickets.c.operator == operator,
                tickets.c.id == number,
                tickets.c.version == version - 1,
            )
        )
        .values(version=version, **columns_of(ticket))
    )
    assert changed.rowcount == 1, "the ticket was read in this transaction"
    connection.execute(
        sqlalchemy.update(document).where(document.c.id == number).values(document=text)
    )
    known = set(connection.scalars(select(content.c.digest).where(content.c.ticket == number)))
    if gone := known - contents.keys():
        connection.execute(
            delete(content).where(content.c.ticket == number, content.c.digest.in_(gone))
        )
    _keep(connection, number, {key: contents[key] for key in contents.keys() - known})


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
) -> None:
    """Remember an answer for so many microseconds, and forget those whose time is over.

    Raises IntegrityError when another process has remembered one under the key meanwhile.
    """
    connection.execute(delete(idempotency).where(idempotency.c.expires <= now))
    connection.execute(
        sqlalchemy.insert(idempotency).values(
            operator=operator,
            key=key,
            fingerprint=fingerprint,
            status=answer.status,
            headers=json.dumps(dict(answer.headers)),
            body=answer.body,
            expires=now + kept_for,
        )
    )


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
