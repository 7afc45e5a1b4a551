"""How a command asks the provider's API: where, as whom, and how a refusal is told.

An answer that refuses ends a command with its sentences and exit code 1, a server that is not
reached with 3; wrong use is 2.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import click
import requests
from requests.auth import HTTPBasicAuth

from server import sandbox
from server.config import BadSetting, read_config
from server.mending import mending
from server.received import SHORT, readable
from server.wire import JSON_PATCH

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

#: The path that all paths of the provider's API begin with.
BASE: Final = "/backoffice/v1"
#: The name of the provider in the file of a sandbox.
PROVIDER: Final = "provider"
#: How long a connection may take, and the server to answer, in seconds.
_TIMEOUT: Final = (5, 60)
_IDENTIFIER: Final = re.compile(r"[\w-]+", re.ASCII)


class Refusal(Exception):  # noqa: N818 - a statement
    """The server has refused, or there is not what was asked for. `told` are lines for people."""

    def __init__(self, *told: str) -> None:
        super().__init__(*told)
        self.told = told


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A ticket as it was read, and the entity tag that it had."""

    contents: Mapping[str, Any]
    etag: str | None

    @property
    def short(self) -> str:
        """What is shown of its identifier."""
        number: str = self.contents["id"]
        return number[:SHORT]

    @staticmethod
    def noting(text: str) -> dict[str, Any]:
        """Return the operation that adds a note."""
        return {"op": "add", "path": "/note/-", "value": {"text": text}}


class Backoffice:
    """The provider's API at an address, asked with the credentials NAME:SECRET."""

    def __init__(self, root: str, user: str) -> None:
        self._root = root.rstrip("/") + BASE
        self._session = requests.Session()
        self._session.trust_env = False
        name, _, secret = user.partition(":")
        self._session.auth = HTTPBasicAuth(name.encode(), secret.encode())

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:  # noqa: ANN401
        """Return the answer to a request. Raises Refusal, and what requests raises."""
        answer = self._session.request(
            method, self._root + path, timeout=_TIMEOUT, allow_redirects=False, **more
        )
        if answer.status_code // 100 != 2:  # noqa: PLR2004 - RFC 9110, section 15.3
            raise Refusal(*_told(answer))
        return answer

    def ticket(self, beginning: str) -> Found:
        """Return the one ticket whose identifier begins so. Raises Refusal."""
        if _IDENTIFIER.fullmatch(beginning) is None:
            raise Refusal(f"Give the beginning of an identifier: {readable(beginning)} is none.")
        wanted = {"id.regex": f"^{beginning}", "fields": "id", "limit": 2}
        found = self.ask("GET", "/troubleTicket", params=wanted).json()
        if len(found) != 1:
            which = "more of the" if found else "another"
            many = "several tickets begin" if found else "no ticket begins"
            raise Refusal(f"Give {which} identifier: {many} with {beginning}.")
        answer = self.ask("GET", f"/troubleTicket/{self.quoted(found[0]['id'])}")
        return Found(contents=answer.json(), etag=answer.headers.get("ETag"))

    def change(self, found: Found, changes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return a ticket as it is once it is changed. Raises Refusal."""
        headers = {"Content-Type": JSON_PATCH}
        if found.etag is not None:
            headers["If-Match"] = found.etag
        path = f"/troubleTicket/{self.quoted(found.contents['id'])}"
        after: dict[str, Any] = self.ask("PATCH", path, json=changes, headers=headers).json()
        return after

    @staticmethod
    def quoted(number: str) -> str:
        """Return an identifier as a part of a path."""
        return quote(number, safe="")


def _told(answer: requests.Response) -> list[str]:
    """Return the sentences of an Error."""
    try:
        error = answer.json()
        return [
            f"{error['reason']}. {error.get('message', '')}".rstrip(),
            *(f"{e['code']} {e['pointer']}: {e['message']}" for e in error.get("violations", [])),
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        return [f"the server answered {answer.status_code}, not as its API does"]


def asking(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command a Backoffice as its first argument, and the options that say which one."""

    def asked(*, url: str | None, user: str | None, **given: Any) -> None:  # noqa: ANN401
        """Run the command."""
        with mending():
            backoffice = _backoffice(url, user)
        try:
            command(backoffice, **given)
        except Refusal as refusal:
            for number, line in enumerate(refusal.told):
                click.echo(f"  {line}" if number else f"server: {line}", err=True)
            sys.exit(1)
        except requests.RequestException as error:
            click.echo(f"server: Check --url and the server: {_why(error)}.", err=True)
            sys.exit(3)

    function = command.func if isinstance(command, partial) else command
    asked.__doc__ = function.__doc__
    asked.__name__ = function.__name__
    asked = click.option(
        "--user", metavar="NAME:SECRET", help="As whom to ask; as TTR_BACKOFFICE_USER."
    )(asked)
    return click.option("--url", help="Where the server is; as TTR_BACKOFFICE_URL.")(asked)


def _backoffice(url: str | None, user: str | None) -> Backoffice:
    """Return the API that options, settings and the sandbox's file name. Raises BadSetting."""
    given = {"TTR_BACKOFFICE_URL": url, "TTR_BACKOFFICE_USER": user}
    config = read_config({**os.environ, **{k: v for k, v in given.items() if v is not None}})
    user = config.backoffice_user
    if not user:
        secret = sandbox.kept(config.database_url).get(PROVIDER)
        if secret is None:
            raise BadSetting("TTR_BACKOFFICE_USER", None, "NAME:SECRET, or give it as --user")
        user = f"{PROVIDER}:{secret}"
    return Backoffice(config.backoffice_url, user)


def _why(error: requests.RequestException) -> str:
    """Return in a word why there is no answer."""
    return "it did not answer in time" if isinstance(error, requests.Timeout) else "nobody answers"
