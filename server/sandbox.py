"""Files next to the database: the key that signs events, and the secrets of a sandbox.

The sandbox file maps the name of each operator to its secret. Its member `signing` maps the same
names to the secrets that sign their events. Only the user that runs the server can read the files.
"""

from __future__ import annotations

import json
import os
import secrets as randomness
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import make_url

from server.config import BadSetting
from server.delivery.signing import key_of, shown
from server.storage import operators

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from server.config import Config
    from server.profile.model import Role
    from server.storage.database import Database

#: The operators of a sandbox and their roles.
ROLES: Final[dict[str, Role]] = {
    "operator-a": "operator",
    "operator-b": "operator",
    "provider": "provider",
}
NAMES: Final = tuple(ROLES)
#: The member of the file with the secrets that sign events.
SIGNING: Final = "signing"
_FILE: Final = "sandbox-operators.json"
_KEY_FILE: Final = "signing.key"
_KEY_SIZE: Final = 32


class BadFile(Exception):
    """A file next to the database has invalid contents."""

    def __init__(self, path: Path, expected: str) -> None:
        super().__init__(path, expected)
        self.path, self.expected = path, expected

    def __str__(self) -> str:
        """Return the message."""
        return f"Restore {self.path} from a backup, or remove it: it must contain {self.expected}."


def master_key(config: Config, store: Database) -> bytes:
    """Return the key that signing keys are derived from. Raises BadSetting and BadFile."""
    if config.signing_key:
        return config.signing_key
    if not store.is_embedded:
        expected = "a key of at least 32 random bytes in base64, the same for all processes"
        raise BadSetting("TTR_SIGNING_KEY", None, expected)
    path = Path(store.url.database or "").parent / _KEY_FILE
    if not path.exists():
        write_privately(path, randomness.token_bytes(_KEY_SIZE).hex())
    try:
        key = bytes.fromhex(path.read_text("ascii"))
    except ValueError:
        key = b""
    if len(key) < _KEY_SIZE:
        raise BadFile(path, f"{2 * _KEY_SIZE} hexadecimal digits")
    return key


def read_secrets(database: str) -> dict[str, Any]:
    """Return the contents of the sandbox file, or an empty dict without a file. Raises BadFile."""
    path = _file(database)
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(
        isinstance(value, dict if name == SIGNING else str) for name, value in found.items()
    ):
        raise BadFile(path, "a JSON object of secrets")
    return found


def prepare(store: Database, master: bytes) -> dict[str, Any]:
    """Create or update the operators and the file of a sandbox; return the contents of the file."""
    database = str(store.url)
    before = read_secrets(database)
    secrets = dict(before)
    for name in NAMES:
        if not store.read_now(partial(_is_known, name, secrets.get(name, ""))):
            secrets[name] = store.submit(partial(_new_secret, name)).result()
    secrets[SIGNING] = store.read_now(partial(_signing, master))
    if secrets != before:
        write_privately(_file(database), json.dumps(secrets, indent=2))
    return secrets


def write_privately(path: Path, text: str) -> None:
    """Write a file atomically, with read access for this user only."""
    aside = path.with_name(f"{path.name}.new")
    aside.unlink(missing_ok=True)  # left by a process that died; it may have another owner or mode
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.rename(path)


def secret_lines(secrets: Mapping[str, Any]) -> list[str]:
    """Return a line with the secrets of each operator of a sandbox."""
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
    """Return whether a secret is the current one of an operator of the sandbox."""
    return operators.is_secret_of(secret, operators.named(connection, name))


def _new_secret(name: str, connection: Connection) -> str:
    """Return a new secret of an operator of the sandbox, which is added if it is missing."""
    if operators.named(connection, name) is None:
        return operators.add(connection, name, time.time_ns() // 1_000, ROLES[name])
    return operators.rotate(connection, name)


def _signing(master: bytes, connection: Connection) -> dict[str, str]:
    """Return the secrets that sign the events of each operator of the sandbox."""
    return {
        each.name: shown(key_of(master, each.id, each.signing_version))
        for each in operators.everyone(connection)
        if each.name in NAMES and each.role == "operator"
    }
