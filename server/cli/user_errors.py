"""Report errors that the user can correct: one sentence and exit code 2, in every command."""

from __future__ import annotations

import os
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final

import click
from sqlalchemy.exc import DBAPIError

from server.cli.processes import CANNOT_START, CannotListen
from server.config import BadSetting, read_config
from server.profile.model import NoProvider
from server.profile.reader import profile_of
from server.sandbox import BadFile
from server.storage.database import Database, NotFitted, NotMigrated
from server.storage.migrations import NewerSchema, OtherProfile
from server.storage.operators import BadName, NoSuchOperator, OperatorExists
from server.storage.sqlite_file import Locked
from ttrules.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from server.config import Config

_REPORTED: Final = (
    BadFile,
    BadSetting,
    CannotListen,
    Locked,
    NoProvider,
    NotFitted,
    NotMigrated,
    NewerSchema,
    OtherProfile,
    NoSuchOperator,
    OperatorExists,
    BadName,
)


@contextmanager
def user_errors() -> Iterator[None]:
    """Print an error that the user can correct as one sentence, and exit."""
    try:
        yield
    except _REPORTED as error:
        _end(str(error))
    except SpecError as error:
        for problem in error.problems:
            click.echo(str(problem), err=True)
        _end("Correct the profile (TTR_PROFILE): the messages above name file, line and column.")
    except DBAPIError as error:
        reason = " ".join(str(error.orig).split())
        _end(f"Check TTR_DATABASE_URL and the database: {reason}")
    except OSError as error:
        _end(f"Check {error.filename}: {error.strerror}." if error.filename else f"{error}.")


def _end(sentence: str) -> None:
    click.echo(f"server: {sentence}", err=True)
    sys.exit(CANNOT_START)


def open_database(config: Config | None = None) -> AbstractContextManager[Database]:
    """Return the database of the settings, which is closed at the end of the `with` block."""
    config = config or read_config(os.environ)
    return closing(Database.of(config, profile_of(config.profile)))
