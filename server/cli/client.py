"""The HTTP client of the commands `ticket`, `events` and `hub`: URL, credentials and errors.

If the server rejects a request, the response is not one of the API, or a change was not stored
completely, the command prints messages and exits with code 1. If the server cannot be reached the
exit code is 3, for a usage error 2.
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
from server.api.http import JSON_PATCH
from server.cli.journal import SHORT, readable
from server.cli.user_errors import user_errors
from server.config import BadSetting, read_config
from server.profile.model import NoProvider
from server.profile.reader import profile_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from server.profile.model import Profile

#: The name of the provider in the sandbox file.
PROVIDER: Final = "provider"
#: The timeouts of the connection and of the response, in seconds.
_TIMEOUT: Final = (5, 60)
_IDENTIFIER: Final = re.compile(r"[\w-]+", re.ASCII)


class Refusal(Exception):
    """The server rejected a request or did not store all of it. `lines` are shown to the user."""

    def __init__(self, *lines: str) -> None:
        super().__init__(*lines)
        self.lines = lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A ticket, its id and its entity tag."""

    number: str
    contents: Mapping[str, Any]
    etag: str | None

    @property
    def short(self) -> str:
        """The part of its id that is shown."""
        return self.number[:SHORT]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A ticket after a change, and the pointers of the members that the server has not stored."""

    contents: Mapping[str, Any]
    dropped: tuple[str, ...]

    @property
    def complaint(self) -> str | None:
        """A message about the members that were not stored, or None."""
        if not self.dropped:
            return None
        names = ", ".join(readable(each) for each in self.dropped)
        return f"Not stored: {names}. The process of this ticket does not support them."


class Backoffice:
    """The provider's API at a URL, called with the credentials NAME:SECRET.

    `authorities` is a file of certificate authorities to trust instead of the public ones. Raises
    NoProvider if the profile has no such side.
    """

    def __init__(self, root: str, user: str, profile: Profile, authorities: str = "") -> None:
        if profile.provider is None:
            raise NoProvider(profile.directory)
        self.profile, self.side = profile, profile.provider
        self._root = root.rstrip("/") + self.side.base
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
        **more: Any,
    ) -> requests.Response:
        """Return the response to a request. Raises Refusal and the errors of requests.

        `about` is the name of the requested resource, for the message of a 404.
        """
        response = self._session.request(
            method, self._root + path, timeout=_TIMEOUT, allow_redirects=False, **more
        )
        if response.status_code // 100 != 2:  # noqa: PLR2004 - RFC 9110, section 15.3
            is_missing = about is not None and response.status_code == HTTPStatus.NOT_FOUND
            raise Refusal(*([f"Unknown {about}."] if is_missing else _error_lines(response)))
        if response.status_code != HTTPStatus.NO_CONTENT and not _is_json(response):
            raise Refusal(_not_of_api(response))
        return response

    def path(self, does: str, number: str = "") -> str:
        """Return the path of an operation, for an id. Raises Refusal if there is none."""
        every = self.side.all_of(does)
        found = next((each for each in every if bool(each.parameter) is bool(number)), None)
        if found is None:
            raise Refusal(f"The API has no operation for this: no path has `x-does: {does}`.")
        return found.path_of(self.quoted(number))

    def ticket(self, beginning: str) -> Found:
        """Return the only ticket whose id begins with a text. Raises Refusal."""
        noun = self.profile.noun
        if _IDENTIFIER.fullmatch(beginning) is None:
            raise Refusal(
                f"Invalid {noun} id {readable(beginning)}: give the first characters of an id."
            )
        own = self.profile.resource.identifier
        filters = self.side.listing.filters
        by = next((name for name, member in filters.items() if member == own), None)
        number = beginning
        if by is not None:
            wanted = {f"{by}.regex": f"^{beginning}", "fields": own, "limit": 2}
            found = self.ask("GET", self.path("list"), params=wanted).json()
            if len(found) != 1:
                if found:
                    several = f"Several {noun} ids begin with {beginning}: give more characters."
                    raise Refusal(several)
                title = noun[:1].upper() + noun[1:]
                raise Refusal(f"{title} not found: no {noun} id begins with {beginning}.")
            number = found[0][own]
        response = self.ask("GET", self.path("read", number), about=f"{noun} {number}")
        return Found(number=number, contents=response.json(), etag=response.headers.get("ETag"))

    def change(self, found: Found, changes: Sequence[Mapping[str, Any]]) -> Changed:
        """Return a ticket after a change. Raises Refusal."""
        headers = {"Content-Type": JSON_PATCH}
        if found.etag is not None:
            headers["If-Match"] = found.etag
        response = self.ask(
            "PATCH", self.path("change", found.number), json=changes, headers=headers
        )
        dropped = response.headers.get(self.side.unsupported or "", "")
        pointers = tuple(unquote(each.strip()) for each in dropped.split(",") if each.strip())
        return Changed(contents=response.json(), dropped=pointers)

    @staticmethod
    def quoted(number: str) -> str:
        """Return an id as a path segment."""
        return quote(number, safe="")


def _is_json(response: requests.Response) -> bool:
    try:
        response.json()
    except ValueError:
        return False
    return True


def _error_lines(response: requests.Response) -> list[str]:
    """Return the lines that show an Error object."""
    try:
        error = response.json()
        return [
            f"{error['reason']}. {error.get('message', '')}".rstrip(),
            *(f"{e['code']} {e['pointer']}: {e['message']}" for e in error.get("violations", [])),
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        return [_not_of_api(response)]


def _not_of_api(response: requests.Response) -> str:
    """Return a message about a response that is not from the API, for example of a proxy."""
    place = response.headers.get("Location")
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
    what = f" with {readable(media_type)}" if media_type else ""
    what += f" and redirects to {readable(place)}" if place else ""
    return (
        f"Check --url (TTR_BACKOFFICE_URL): the response {response.status_code}{what} is not from"
        " the provider's API. It may come from another server or from a proxy."
    )


def backoffice_command(command: Callable[..., None]) -> Callable[..., None]:
    """Pass a Backoffice to a command as its first argument, and add the options that select it."""

    def run(*, url: str | None, user: str | None, ca: str | None, **given: Any) -> None:
        """Run the command."""
        with user_errors():
            backoffice = _backoffice(url, user, ca)
        try:
            command(backoffice, **given)
        except Refusal as refusal:
            for number, line in enumerate(refusal.lines):
                click.echo(f"  {line}" if number else f"server: {line}", err=True)
            sys.exit(1)
        except requests.RequestException as error:
            click.echo(f"server: {_why(error)}", err=True)
            sys.exit(3)

    function = command.func if isinstance(command, partial) else command
    run.__doc__ = function.__doc__
    run.__name__ = function.__name__
    decorated: Callable[..., None] = click.option(
        "--user", metavar="NAME:SECRET", help="Credentials; overrides TTR_BACKOFFICE_USER."
    )(run)
    decorated = click.option(
        "--ca",
        metavar="FILE",
        help="Certificate authorities (PEM) to trust, and no others; overrides TTR_BACKOFFICE_CA.",
    )(decorated)
    return click.option("--url", help="URL of the server; overrides TTR_BACKOFFICE_URL.")(decorated)


def _backoffice(url: str | None, user: str | None, authorities: str | None) -> Backoffice:
    """Return the API for the options, the settings and the sandbox file. Raises BadSetting."""
    given = {
        "TTR_BACKOFFICE_URL": url,
        "TTR_BACKOFFICE_USER": user,
        "TTR_BACKOFFICE_CA": authorities,
    }
    config = read_config({**os.environ, **{k: v for k, v in given.items() if v is not None}})
    user = config.backoffice_user
    if not user:
        secret = sandbox.read_secrets(config.database_url).get(PROVIDER)
        if secret is None:
            raise BadSetting("TTR_BACKOFFICE_USER", None, "NAME:SECRET, or use --user")
        user = f"{PROVIDER}:{secret}"
    profile = profile_of(config.profile)
    return Backoffice(config.backoffice_url, user, profile, config.backoffice_ca)


def _why(error: requests.RequestException) -> str:
    """Return why the server could not be reached, and what to check."""
    causes = list(_causes(error))
    for kind, sentence in _UNREACHED:
        for each in causes:
            if isinstance(each, kind):
                return sentence.format(error=each)
    return "Check --url and the server: the connection was closed before a response arrived."


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and its causes, in the ways that requests and urllib3 chain them."""
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


#: Why a server was not reached, by exception class, the most specific first.
_UNREACHED: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (
        ssl.SSLCertVerificationError,
        (
            "Check the server's certificate ({error.verify_message}). If a private"
            " certificate authority issued it, pass that with --ca (TTR_BACKOFFICE_CA)."
        ),
    ),
    (
        ssl.SSLError,
        (
            "Check --url: the TLS handshake failed. If the server does not use TLS, its URL begins"
            " with http:// instead of https://."
        ),
    ),
    (
        socket.gaierror,
        "Check the host name in --url: it has no IP address.",
    ),
    (
        ConnectionRefusedError,
        "Start the server, or check host and port in --url: the connection was refused.",
    ),
    (
        requests.ConnectTimeout,
        "Check --url and firewalls: the connection timed out after 5 seconds.",
    ),
    (
        requests.Timeout,
        "Check the server: it accepted the connection but did not respond within 60 seconds.",
    ),
    (
        HTTPException,
        (
            "Check --url: the server closed the connection or does not speak HTTP. If it uses TLS,"
            " its URL begins with https:// instead of http://."
        ),
    ),
)
