"""The responses that were given to Idempotency-Keys, and all SQL about them.

A response is stored as plain values in the transaction of the change that it reports, and deleted
when it has expired. A key belongs to one operator.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import delete, select, tuple_

from server.storage.statements import insert_into
from server.storage.tables import idempotency

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection


class Remembered(NamedTuple):
    """The response that was given to a key, and the fingerprint of its request."""

    fingerprint: str
    status: int
    headers: Mapping[str, str]
    body: bytes


def find(connection: Connection, operator: str, key: str, now: int) -> Remembered | None:
    """Return the response to an operator's key, or None if there is none or it has expired."""
    row = connection.execute(
        select(idempotency).where(
            idempotency.c.operator == operator,
            idempotency.c.key == key,
            idempotency.c.expires > now,
        )
    ).first()
    if row is None:
        return None
    return Remembered(row.fingerprint, row.status, json.loads(row.headers), row.body)


def remember(
    connection: Connection,
    operator: str,
    key: str,
    response: Remembered,
    *,
    now: int,
    kept_for: int,
) -> bool:
    """Store a response for `kept_for` microseconds, and delete expired ones.

    Return False if there is a response to this key already. If another process is storing one for
    the same key, wait for it.
    """
    # Rows that another process is deleting are skipped.
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
            fingerprint=response.fingerprint,
            status=response.status,
            headers=json.dumps(dict(response.headers)),
            body=response.body,
            expires=now + kept_for,
        )
        .on_conflict_do_nothing()
        .returning(idempotency.c.key)
    )
    return inserted.first() is not None
