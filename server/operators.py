"""Operators, their secrets and their tokens, as they stand in the database.

A secret is made here, is shown once, and is kept as an argon2id hash (RFC 9106, with the memory and
passes that OWASP names as least); a token is kept as its SHA-256, which suffices for random bits.
Changing the secret, or disabling the operator, counts its version up, so that nothing that was
proven before counts any more. Which credentials a request has is the business of auth.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, TypeAlias
from uuid import uuid4

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, func, insert, select, update

from server.schema import TABLES
from server.schema import content as contents
from server.schema import document as documents
from server.schema import operator as operators
from server.schema import ticket as tickets
from server.schema import token as tokens
from server.setting_types import DAY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

#: Whose side somebody is on: an operator has tickets, the provider works on those of all.
Role: TypeAlias = Literal["operator", "provider"]

#: So that a scanner that finds one somewhere knows what it is.
SECRET_PREFIX: Final = "ttr_"  # noqa: S105 - no secret
#: The longest lifetime of a token, and an hour in which clocks of machines may differ.
_LONGEST_TOKEN: Final = (DAY + 3_600) * 1_000_000
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
#: What the secret of an operator that is not there is held against, so that it takes as long.
_NOBODY: Final = _HASHER.hash(secrets.token_urlsafe(32))


class NoSuchOperator(Exception):  # noqa: N818 - a statement
    """There is no operator of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        """Say which name."""
        return f"Name an operator that there is: {self.name!r} is none."


class OperatorExists(Exception):  # noqa: N818 - a statement
    """There is an operator of this name already."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        """Say which name."""
        return f"Choose another name: there is an operator {self.name!r} already."


class BadName(Exception):  # noqa: N818 - a statement
    """A name is none that an operator can have: Basic authentication has no colon in it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        """Say what a name may be."""
        letters = "1 to 64 letters, digits, dots, dashes and underscores"
        return f"Choose a name of {letters}: {self.name!r} is none."


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """An operator as it stands. `version` counts its secrets; `disabled` says that none counts."""

    id: str
    name: str
    version: int
    disabled: bool
    secret_hash: str
    role: Role = "operator"
    signing_version: int = 1
    signing_since: int | None = None


def add(connection: Connection, name: str, now: int, role: Role = "operator") -> str:
    """Add an operator, or a system of the provider's, and return its secret.

    Raises OperatorExists and BadName.
    """
    if _NAME.fullmatch(name) is None:
        raise BadName(name)
    if named(connection, name) is not None:
        raise OperatorExists(name)
    secret = new_secret()
    connection.execute(
        insert(operators).values(
            id=str(uuid4()),
            name=name,
            secret_hash=_HASHER.hash(secret),
            version=1,
            created=now,
            role=role,
        )
    )
    return secret


def rotate(connection: Connection, name: str) -> str:
    """Give an operator a new secret, enable it, and return the secret. Raises NoSuchOperator."""
    secret = new_secret()
    _change(connection, name, secret_hash=_HASHER.hash(secret), disabled=None)
    return secret


def disable(connection: Connection, name: str, now: int) -> None:
    """Let no secret and no token of an operator count any more. Raises NoSuchOperator."""
    _change(connection, name, disabled=now)


def rename(connection: Connection, name: str, new: str) -> None:
    """Give an operator another name; its secret stays, its tokens are void.

    Raises NoSuchOperator, BadName and OperatorExists.
    """
    if _NAME.fullmatch(new) is None:
        raise BadName(new)
    if named(connection, name) is not None and named(connection, new) is not None:
        raise OperatorExists(new)
    _change(connection, name, name=new)


def remove(connection: Connection, name: str) -> None:
    """Remove an operator with its tickets, events, keys and tokens. Raises NoSuchOperator."""
    found = _existing(connection, name)
    if connection.dialect.name == "sqlite":  # what is deleted is overwritten in the file too
        connection.exec_driver_sql("PRAGMA secure_delete=ON")
    # Requests that still insert rows of this operator wait, and fail.
    connection.execute(select(operators.c.id).where(operators.c.id == found.id).with_for_update())
    mine = select(tickets.c.id).where(tickets.c.operator == found.id)
    connection.execute(delete(contents).where(contents.c.ticket.in_(mine)))
    connection.execute(delete(documents).where(documents.c.id.in_(mine)))
    for table in reversed(TABLES.sorted_tables):
        if "operator" in table.c:
            connection.execute(delete(table).where(table.c.operator == found.id))
    connection.execute(delete(operators).where(operators.c.id == found.id))


def count_tickets(connection: Connection, name: str) -> int:
    """Return how many tickets an operator has. Raises NoSuchOperator."""
    found = _existing(connection, name)
    count = select(func.count()).select_from(tickets).where(tickets.c.operator == found.id)
    return connection.execute(count).scalar_one()


def _existing(connection: Connection, name: str) -> Operator:
    found = named(connection, name)
    if found is None:
        raise NoSuchOperator(name)
    return found


def _change(connection: Connection, name: str, /, **values: object) -> None:
    found = _existing(connection, name)
    changed = {**values, "version": found.version + 1}
    connection.execute(update(operators).where(operators.c.id == found.id).values(changed))
    connection.execute(delete(tokens).where(tokens.c.operator == found.id))


def rotate_signing(connection: Connection, name: str, now: int) -> Operator:
    """Let events to an operator be signed with a new key; the one before it signs for a day too.

    Raises NoSuchOperator.
    """
    found = named(connection, name)
    if found is None:
        raise NoSuchOperator(name)
    version = found.signing_version + 1
    changed = {"signing_version": version, "signing_since": now}
    connection.execute(update(operators).where(operators.c.id == found.id).values(changed))
    return replace(found, signing_version=version, signing_since=now)


def everyone(connection: Connection) -> Sequence[Operator]:
    """Return all operators by name."""
    return [_operator(row) for row in connection.execute(select(operators).order_by("name"))]


def named(connection: Connection, name: str) -> Operator | None:
    """Return the operator of a name."""
    row = connection.execute(select(operators).where(operators.c.name == name)).first()
    return None if row is None else _operator(row)


def numbered(connection: Connection, number: str) -> Operator | None:
    """Return the operator of an id."""
    row = connection.execute(select(operators).where(operators.c.id == number)).first()
    return None if row is None else _operator(row)


def _operator(row: Row[tuple[object, ...]]) -> Operator:
    return Operator(
        id=row.id,
        name=row.name,
        version=row.version,
        disabled=row.disabled is not None,
        secret_hash=row.secret_hash,
        role=row.role,
        signing_version=row.signing_version,
        signing_since=row.signing_since,
    )


def new_secret() -> str:
    """Return a secret that nobody has had: 256 random bits."""
    return SECRET_PREFIX + secrets.token_urlsafe(32)


def is_secret_of(secret: str, found: Operator | None) -> bool:
    """Say whether `secret` is that of an operator. Slow, and as slow where there is no operator."""
    known = _NOBODY if found is None or found.disabled else found.secret_hash
    try:
        _HASHER.verify(known, secret)
    except (VerificationError, InvalidHashError):
        return False
    return known is not _NOBODY


def grant(connection: Connection, found: Operator, now: int, lifetime: int) -> str:
    """Return a new access token of an operator, valid for `lifetime` microseconds from `now`."""
    token = secrets.token_urlsafe(32)
    connection.execute(delete(tokens).where(tokens.c.expires <= now))
    connection.execute(
        insert(tokens).values(
            digest=_digest(token), operator=found.id, version=found.version, expires=now + lifetime
        )
    )
    return token


def holder(connection: Connection, token: str, now: int) -> Operator | None:
    """Return the operator that a token was granted to, while it counts."""
    joined = tokens.join(operators, tokens.c.operator == operators.c.id)
    row = connection.execute(
        select(operators)
        .select_from(joined)
        .where(
            tokens.c.digest == _digest(token),
            tokens.c.expires > now,
            # Granted while a clock was ahead, it would otherwise be valid until that time.
            tokens.c.expires <= now + _LONGEST_TOKEN,
            tokens.c.version == operators.c.version,
            operators.c.disabled.is_(None),
        )
    ).first()
    return None if row is None else _operator(row)


def revoke(connection: Connection, token: str) -> None:
    """Let a token count no more."""
    connection.execute(delete(tokens).where(tokens.c.digest == _digest(token)))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
