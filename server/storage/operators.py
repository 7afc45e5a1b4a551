"""Operators, their secrets and their tokens in the database.

Secrets and tokens are 256 random bits each, stored as SHA-256. Nobody can search 2^256 values, so a
slow hash would only add work for the server, which an attacker can cause. An argon2id hash of an
earlier release is still verified, and replaced by a SHA-256 when its secret is used. A new secret,
and disabling the operator, increment its version; tokens and logins of earlier versions become
invalid. asgi.security reads the credentials of requests.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeGuard
from uuid import uuid4

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import and_, delete, func, insert, select, update

from server.messages.en import near, sentence
from server.problems import ApiError
from server.setting_types import DAY
from server.storage.statements import insert_into
from server.storage.tables import TABLES
from server.storage.tables import content as contents
from server.storage.tables import document as documents
from server.storage.tables import operator as operators
from server.storage.tables import ticket as tickets
from server.storage.tables import token as tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

    from server.profile.model import Role


#: The prefix by which secret scanners recognise a secret.
SECRET_PREFIX: Final = "ttr_"  # noqa: S105 - no secret
#: The maximum lifetime of a token, plus an hour for differences between clocks.
_LONGEST_TOKEN: Final = (DAY + 3_600) * 1_000_000
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HASHER: Final = PasswordHasher()  # each hash names its own parameters
#: The prefixes of stored hashes: SHA-256, or argon2id from an earlier release.
_SHA256: Final = "sha256:"
_ARGON2: Final = "$argon2id$"
#: The hash that is compared for an unknown name; no secret has it.
_NOBODY: Final = _SHA256 + secrets.token_hex(32)


class NoSuchOperator(Exception):
    """There is no operator with this name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        """Return the message."""
        return f"Unknown operator {self.name!r}."


class OperatorExists(Exception):
    """An operator with this name exists."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        """Return the message."""
        return f"Choose another name: operator {self.name!r} already exists."


class BadName(Exception):
    """An invalid name: Basic authentication allows no colon in it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        """Return the message."""
        letters = "1 to 64 letters, digits, dots, dashes and underscores"
        return f"Invalid name {self.name!r}: use {letters}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """A row of an operator. `version` counts its secrets; `disabled` makes all of them invalid."""

    id: str
    name: str
    version: int
    disabled: bool
    secret_hash: str
    role: Role = "operator"
    signing_version: int = 1
    signing_since: int | None = None


def add(connection: Connection, name: str, now: int, role: Role = "operator") -> str:
    """Add an operator, or a system of the provider, and return its secret.

    Raises OperatorExists and BadName.
    """
    if _NAME.fullmatch(name) is None:
        raise BadName(name)
    secret = new_secret()
    added = connection.execute(
        insert_into(connection, operators)
        .values(
            id=str(uuid4()),
            name=name,
            secret_hash=hash_of(secret),
            version=1,
            created=now,
            role=role,
        )
        .on_conflict_do_nothing(index_elements=["name"])
        .returning(operators.c.id)
    )
    if added.first() is None:
        raise OperatorExists(name)
    return secret


def rotate(connection: Connection, name: str) -> str:
    """Give an operator a new secret, enable it, and return the secret. Raises NoSuchOperator."""
    secret = new_secret()
    _change(connection, name, secret_hash=hash_of(secret), disabled=None)
    return secret


def disable(connection: Connection, name: str, now: int) -> None:
    """Make the secret and all tokens of an operator invalid. Raises NoSuchOperator."""
    _change(connection, name, disabled=now)


def rename(connection: Connection, name: str, new: str) -> None:
    """Rename an operator. It keeps its secret; its tokens become invalid.

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
    if connection.dialect.name == "sqlite":  # also overwrite the deleted data in the file
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
    """Return the number of tickets of an operator. Raises NoSuchOperator."""
    found = _existing(connection, name)
    count = select(func.count()).select_from(tickets).where(tickets.c.operator == found.id)
    return connection.execute(count).scalar_one()


def _existing(connection: Connection, name: str) -> Operator:
    found = named(connection, name)
    if found is None:
        raise NoSuchOperator(name)
    return found


def _change(connection: Connection, name: str, /, **values: object) -> None:
    """Change an operator and increment its version in the same statement."""
    found = connection.execute(
        update(operators)
        .where(operators.c.name == name)
        .values(version=operators.c.version + 1, **values)
        .returning(operators.c.id)
    ).scalar()
    if found is None:
        raise NoSuchOperator(name)
    connection.execute(delete(tokens).where(tokens.c.operator == found))


def rotate_signing(connection: Connection, name: str, now: int) -> Operator:
    """Sign the events of an operator with a new key, and for one day also with the previous key.

    Raises NoSuchOperator.
    """
    row = connection.execute(
        update(operators)
        .where(operators.c.name == name)
        .values(signing_version=operators.c.signing_version + 1, signing_since=now)
        .returning(operators)
    ).first()
    if row is None:
        raise NoSuchOperator(name)
    return _operator(row)


def everyone(connection: Connection) -> Sequence[Operator]:
    """Return all operators by name."""
    return [_operator(row) for row in connection.execute(select(operators).order_by("name"))]


def named(connection: Connection, name: str) -> Operator | None:
    """Return the operator with a name, or None, also for an invalid name."""
    if _NAME.fullmatch(name) is None:
        return None
    row = connection.execute(select(operators).where(operators.c.name == name)).first()
    return None if row is None else _operator(row)


def known(connection: Connection, names: frozenset[str] | None) -> None:
    """Raise ApiError(invalidQuery) if one of the names is not the name of an operator."""
    if names is None:
        return
    with_tickets = select(operators.c.name).where(operators.c.role == "operator")
    every = sorted(connection.scalars(with_tickets))
    for name in sorted(names - {*every}):
        raise ApiError("invalidQuery", sentence("no_operator", name=name, near=near(name, every)))


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
    """Return a new secret: 256 random bits."""
    return SECRET_PREFIX + secrets.token_urlsafe(32)


def hash_of(secret: str) -> str:
    """Return the stored form of a secret."""
    return _SHA256 + _digest(secret)


def has_slow_hash(found: Operator | None) -> TypeGuard[Operator]:
    """Return whether an operator has a slow hash, from an earlier release."""
    return found is not None and not found.disabled and found.secret_hash.startswith(_ARGON2)


def is_secret_of(secret: str, found: Operator | None) -> bool:
    """Return whether `secret` is that of an operator, in the same time for an unknown one."""
    known = _NOBODY if found is None or found.disabled else found.secret_hash
    return hmac.compare_digest(hash_of(secret).encode(), known.encode())


def verify_slowly(secret: str, found: Operator) -> bool:
    """Return whether `secret` is that of an operator with a slow hash."""
    try:
        return _HASHER.verify(found.secret_hash, secret)
    except (VerificationError, InvalidHashError):
        return False


def replace_slow_hash(connection: Connection, found: Operator, secret: str) -> None:
    """Store the fast hash of a verified secret, unless the secret has changed meanwhile."""
    is_same = and_(operators.c.id == found.id, operators.c.secret_hash == found.secret_hash)
    quick = {"secret_hash": hash_of(secret)}
    connection.execute(update(operators).where(is_same).values(quick))


def grant(connection: Connection, found: Operator, now: int, lifetime: int) -> str:
    """Return a new access token of an operator, valid for `lifetime` microseconds from `now`."""
    token = secrets.token_urlsafe(32)
    # Rows that another process is deleting are skipped.
    expired = select(tokens.c.digest).where(tokens.c.expires <= now)
    connection.execute(
        delete(tokens).where(tokens.c.digest.in_(expired.with_for_update(skip_locked=True)))
    )
    connection.execute(
        insert(tokens).values(
            digest=_digest(token), operator=found.id, version=found.version, expires=now + lifetime
        )
    )
    return token


def holder(connection: Connection, token: str, now: int) -> Operator | None:
    """Return the operator of a valid token, or None."""
    joined = tokens.join(operators, tokens.c.operator == operators.c.id)
    row = connection.execute(
        select(operators)
        .select_from(joined)
        .where(
            tokens.c.digest == _digest(token),
            tokens.c.expires > now,
            # A token that was issued while a clock was ahead is not valid longer than others.
            tokens.c.expires <= now + _LONGEST_TOKEN,
            tokens.c.version == operators.c.version,
            operators.c.disabled.is_(None),
        )
    ).first()
    return None if row is None else _operator(row)


def revoke(connection: Connection, found: Operator, token: str) -> None:
    """Revoke a token of an operator; another operator's token stays valid."""
    is_own = and_(tokens.c.digest == _digest(token), tokens.c.operator == found.id)
    connection.execute(delete(tokens).where(is_own))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
