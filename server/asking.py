"""How a command calls the provider's API: where, as whom, and how a failure is reported.

A refusal, an answer that is not of the API, and a change that was not made as asked end a command
with exit code 1 and sentences; a server that is not reached ends it with 3, a usage error with 2.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
import sys
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

import click
import requests
from requests.auth import HTTPBasicAuth

from server import sandbox
from server.config import BadSetting, read_config
from server.mending import mending
from server.received import SHORT, readable
from server.wire import JSON_PATCH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

#: The path that all paths of the provider's API begin with.
BASE: Final = "/backoffice/v1"
#: The name of the provider in the file of a sandbox.
PROVIDER: Final = "provider"
#: How long a connection may take, and the server to answer, in seconds.
_TIMEOUT: Final = (5, 60)
#: The header that names the members that were not stored.
_DROPPED: Final = "Ticket-Unsupported-Members"
_IDENTIFIER: Final = re.compile(r"[\w-]+", re.ASCII)


class Refusal(Exception):  # noqa: N818 - a statement
    """The server has refused, or has not done what was asked for. `told` are lines for people."""

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
        """Return the operation that adds a note, whether there are notes or not."""
        return {"op": "add", "path": "/note/-", "value": {"text": text}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A ticket after a change, and the pointers of the members that the server has not stored."""

    contents: Mapping[str, Any]
    dropped: tuple[str, ...]

    @property
    def complaint(self) -> str | None:
        """What to tell of the members that were not stored, if there are any."""
        if not self.dropped:
            return None
        names = ", ".join(readable(each) for each in self.dropped)
        return f"Not stored: {names}. The process of this ticket does not support them."


class Backoffice:
    """The provider's API at an address, called with the credentials NAME:SECRET.

    `authorities` is a file of certificate authorities to trust in place of the public ones.
    """

    def __init__(self, root: str, user: str, authorities: str = "") -> None:
        self._root = root.rstrip("/") + BASE
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = authorities or True
        name, _, secret = user.partition(":")
        self._session.auth = HTTPBasicAuth(name.encode(), secret.encode())

    def ask(
        self,
        method: str,
        path: str,
        *,
        about: str | None = None,
        **more: Any,  # noqa: ANN401 - what requests takes
    ) -> requests.Response:
        """Return the answer to a request. Raises Refusal, and what requests raises.

        `about` names what the request is about, for a 404.
        """
        answer = self._session.request(
            method, self._root + path, timeout=_TIMEOUT, allow_redirects=False, **more
        )
        if answer.status_code // 100 != 2:  # noqa: PLR2004 - RFC 9110, section 15.3
            is_missing = about is not None and answer.status_code == HTTPStatus.NOT_FOUND
            raise Refusal(*([f"There is no {about}."] if is_missing else _told(answer)))
        if answer.status_code != HTTPStatus.NO_CONTENT and not _is_json(answer):
            raise Refusal(_stranger(answer))
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

    def change(self, found: Found, changes: Sequence[Mapping[str, Any]]) -> Changed:
        """Return what became of a ticket by a change. Raises Refusal."""
        headers = {"Content-Type": JSON_PATCH}
        if found.etag is not None:
            headers["If-Match"] = found.etag
        path = f"/troubleTicket/{self.quoted(found.contents['id'])}"
        answer = self.ask("PATCH", path, json=changes, headers=headers)
        dropped = answer.headers.get(_DROPPED, "")
        pointers = tuple(unquote(each.strip()) for each in dropped.split(",") if each.strip())
        return Changed(contents=answer.json(), dropped=pointers)

    @staticmethod
    def quoted(number: str) -> str:
        """Return an identifier as a part of a path."""
        return quote(number, safe="")


def _is_json(answer: requests.Response) -> bool:
    try:
        answer.json()
    except ValueError:
        return False
    return True


def _told(answer: requests.Response) -> list[str]:
    """Return the sentences of an Error."""
    try:
        error = answer.json()
        return [
            f"{error['reason']}. {error.get('message', '')}".rstrip(),
            *(f"{e['code']} {e['pointer']}: {e['message']}" for e in error.get("violations", [])),
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        return [_stranger(answer)]


def _stranger(answer: requests.Response) -> str:
    """Return what to tell of an answer that the API does not give, such as that of a proxy."""
    place = answer.headers.get("Location")
    media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
    what = f" with {readable(media_type)}" if media_type else ""
    what += f" and redirects to {readable(place)}" if place else ""
    return (
        f"Check --url (TTR_BACKOFFICE_URL): the answer is {answer.status_code}{what}, not one of"
        " the provider's API. Is it another server, or a proxy in front?"
    )


def asking(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command a Backoffice as its first argument, and the options that say which one."""

    def asked(*, url: str | None, user: str | None, ca: str | None, **given: Any) -> None:  # noqa: ANN401
        """Run the command."""
        with mending():
            backoffice = _backoffice(url, user, ca)
        try:
            command(backoffice, **given)
        except Refusal as refusal:
            for number, line in enumerate(refusal.told):
                click.echo(f"  {line}" if number else f"server: {line}", err=True)
            sys.exit(1)
        except requests.RequestException as error:
            click.echo(f"server: {_why(error)}", err=True)
            sys.exit(3)

    function = command.func if isinstance(command, partial) else command
    asked.__doc__ = function.__doc__
    asked.__name__ = function.__name__
    asked = click.option(
        "--user", metavar="NAME:SECRET", help="As whom to ask; as TTR_BACKOFFICE_USER."
    )(asked)
    asked = click.option(
        "--ca",
        metavar="FILE",
        help="Certificate authorities (PEM) to trust, and no others; as TTR_BACKOFFICE_CA.",
    )(asked)
    return click.option("--url", help="Where the server is; as TTR_BACKOFFICE_URL.")(asked)


def _backoffice(url: str | None, user: str | None, authorities: str | None) -> Backoffice:
    """Return the API that options, settings and the sandbox's file name. Raises BadSetting."""
    given = {
        "TTR_BACKOFFICE_URL": url,
        "TTR_BACKOFFICE_USER": user,
        "TTR_BACKOFFICE_CA": authorities,
    }
    config = read_config({**os.environ, **{k: v for k, v in given.items() if v is not None}})
    user = config.backoffice_user
    if not user:
        secret = sandbox.kept(config.database_url).get(PROVIDER)
        if secret is None:
            raise BadSetting("TTR_BACKOFFICE_USER", None, "NAME:SECRET, or give it as --user")
        user = f"{PROVIDER}:{secret}"
    return Backoffice(config.backoffice_url, user, config.backoffice_ca)


def _why(error: requests.RequestException) -> str:
    """Return why the server was not reached, and what to check."""
    causes = list(_causes(error))
    for kind, sentence in _UNREACHED:
        for each in causes:
            if isinstance(each, kind):
                return sentence.format(error=each)
    return "Check --url and the server: the connection broke before there was an answer."


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, and those behind it as requests and urllib3 chain them."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        each = waiting.pop(0)
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            yield each
            inner = [getattr(each, "reason", None), *each.args]
            waiting += [one for one in inner if isinstance(one, BaseException)]
            waiting += [each.__cause__, each.__context__]


#: Why a server was not reached, by the errors that say so, the most particular first.
_UNREACHED: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (
        ssl.SSLCertVerificationError,
        (
            "Check the server's certificate ({error.verify_message}). If it is of a private"
            " certificate authority, name that with --ca (TTR_BACKOFFICE_CA)."
        ),
    ),
    (
        ssl.SSLError,
        (
            "Check --url: the server does not speak TLS there, or not the same version; does its"
            " address begin with http:// instead of https://?"
        ),
    ),
    (
        socket.gaierror,
        "Check the host name in --url: it has no address.",
    ),
    (
        ConnectionRefusedError,
        "Start the server, or check host and port in --url: the connection was refused.",
    ),
    (
        requests.ConnectTimeout,
        "Check --url and firewalls: there was no connection within 5 seconds.",
    ),
    (
        requests.Timeout,
        "Check the server: it is connected, but did not answer within 60 seconds.",
    ),
    (
        HTTPException,
        (
            "Check --url: the server closed the connection, or does not speak HTTP there; does its"
            " address begin with https:// instead of http://?"
        ),
    ),
)
