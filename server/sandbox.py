"""Who may ask a sandbox, and the file beside its database that keeps their secrets.

The secret of each stands in the file by the name; `signing` has, by the same names, the
secrets that events to them are signed with. The file is for whoever plays on this machine: nobody
else may read it.
"""

from __future__ import annotations

import json
import os
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import make_url

from server import operators
from server.signing import key_of, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from server.operators import Role
    from server.store import Store

#: Who there is, and on whose side.
ROLES: Final[dict[str, Role]] = {
    "operator-a": "operator",
    "operator-b": "operator",
    "provider": "provider",
}
NAMES: Final = tuple(ROLES)
#: The member of the file that has the secrets that events are signed with.
SIGNING: Final = "signing"
_FILE: Final = "sandbox-operators.json"


def kept(database: str) -> dict[str, Any]:
    """Return what the file beside a database keeps; nothing where there is none."""
    path = _file(database)
    found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return found


def prepare(store: Store, master: bytes) -> dict[str, Any]:
    """Return what the file keeps, once it is there and its secrets are those of the operators."""
    database = str(store.url)
    before = kept(database)
    secrets = dict(before)
    for name in NAMES:
        if not store.read_now(partial(_is_known, name, secrets.get(name, ""))):
            secrets[name] = store.submit(partial(_new_secret, name)).result()
    secrets[SIGNING] = store.read_now(partial(_signing, master))
    if secrets != before:
        write_privately(_file(database), json.dumps(secrets, indent=2))
    return secrets


def write_privately(path: Path, text: str) -> None:
    """Write a file that nobody else may read, as a whole or not at all."""
    aside = path.with_name(f"{path.name}.new")
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    aside.rename(path)


def told(secrets: Mapping[str, Any]) -> list[str]:
    """Return a line for each who may ask a sandbox."""
    keys = secrets.get(SIGNING, {})
    return [
        f"{ROLES[name].capitalize()} {name}, secret {secret}"
        + (f", events signed with {keys[name]}" if name in keys else "")
        for name, secret in secrets.items()
        if name != SIGNING
    ]


def _file(database: str) -> Path:
    return Path(make_url(database).database or "").parent / _FILE


def _is_known(name: str, secret: str, connection: Connection) -> bool:
    """Say whether a secret is still that of somebody who may ask the sandbox."""
    return operators.is_secret_of(secret, operators.named(connection, name))


def _new_secret(name: str, connection: Connection) -> str:
    """Return a new secret of somebody who may ask the sandbox."""
    if operators.named(connection, name) is None:
        return operators.add(connection, name, time.time_ns() // 1_000, ROLES[name])
    return operators.rotate(connection, name)


def _signing(master: bytes, connection: Connection) -> dict[str, str]:
    """Return the secret that events to each operator of the sandbox are signed with."""
    return {
        each.name: shown(key_of(master, each.id, each.signing_version))
        for each in operators.everyone(connection)
        if each.name in NAMES and each.role == "operator"
    }
