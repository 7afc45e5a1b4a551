"""What a person can mend, told in one sentence with exit code 2, by every command."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import click
from sqlalchemy.exc import DBAPIError

from server.config import BadSetting
from server.operators import BadName, NoSuchOperator, OperatorExists
from server.processes import CANNOT_START, CannotListen
from server.sandbox import BadFile
from server.schema import NewerSchema
from server.sqlite_file import Locked
from server.store import NotMigrated

if TYPE_CHECKING:
    from collections.abc import Iterator

_MENDABLE: Final = (
    BadFile,
    BadSetting,
    CannotListen,
    Locked,
    NotMigrated,
    NewerSchema,
    NoSuchOperator,
    OperatorExists,
    BadName,
)


@contextmanager
def mending() -> Iterator[None]:
    """Turn what a person can mend into a sentence, and end the command."""
    try:
        yield
    except _MENDABLE as error:
        _end(str(error))
    except DBAPIError as error:
        said = " ".join(str(error.orig).split())
        _end(f"Check TTR_DATABASE_URL and the database: {said}")
    except OSError as error:
        _end(f"Check {error.filename}: {error.strerror}." if error.filename else f"{error}.")


def _end(sentence: str) -> None:
    click.echo(f"server: {sentence}", err=True)
    sys.exit(CANNOT_START)
