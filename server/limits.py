"""The outermost layer: what no request may exceed, and what every answer has.

It sees a request before any framework does and an answer after all of them, so that what a
framework would do in its own way is done in ours: sizes and times are bounded before a byte is
parsed, media types are made comparable, a body arrives in one piece with its length, a path may end
in a slash, and every answer has a request id and, from 400 on, the one shape of errors. Nothing
here knows tickets.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import secrets
import time
from typing import TYPE_CHECKING, Any, Final

from server.errors import Refused
from server.sentences import Told
from server.wire import FORM, refusal_at

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence

    from server.config import Config
    from server.observe import Metrics
    from server.wire import Answer

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]
    Headers = Sequence[tuple[bytes, bytes]]

#: Where in a scope the layers within note which operation it was, and who asked.
NOTED: Final = "ttr.noted"
#: Where a scope has the function that returns the media types of a path and a method.
MEDIA_TYPES: Final = "ttr.media_types"
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
#: What the ids that are given here are made of: something no other process has, and a count.
_PROCESS: Final = secrets.token_hex(8)
_COUNT: Final = itertools.count(1)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_CHARSET: Final = re.compile(r"""charset\s*=\s*"?([^\s";]+)""", re.IGNORECASE)
_CHARSETS: Final = {"utf-8", "utf8", "us-ascii"}
_MEDIA_TYPE: Final = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+", re.ASCII)
_LENGTH: Final = re.compile(r"[0-9]{1,18}")
_ALWAYS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
#: The headers that say what a body is; all others are passed on as they are.
_TYPE: Final = b"content-type"
_SIZE: Final = b"content-length"
_CODING: Final = b"transfer-encoding"
_FRAMING: Final = frozenset({_TYPE, _SIZE, _CODING})
#: The methods whose bodies mean something; of others a body is read, and left alone.
_WITH_BODY: Final = frozenset({"POST", "PATCH", "PUT"})
#: The paths, behind a base path, that are sent tickets.
_TAKE_TICKETS: Final = ("/troubleTicket", "/check")
#: The paths that are asked every few seconds by what watches the server.
_PROBES: Final = ("/health/", "/metrics")
#: The statuses that tell which media types a path takes.
_TELL_TYPES: Final = {405, 415}
_BODILESS: Final = {204, 304}
_REDIRECTS: Final = {301, 302, 307, 308}
access = logging.getLogger("server.access")
log = logging.getLogger(__name__)


class Limits:
    """An ASGI application around another one.

    `allow` has, for each path of the documents, what matches it and its Allow header, `media_types`
    what matches it and the media types of its bodies by method; `bases` are the paths that they
    begin with.
    """

    def __init__(  # noqa: PLR0913 - what it limits, and what it knows of the documents
        self,
        app: App,
        config: Config,
        metrics: Metrics,
        *,
        bases: tuple[str, ...],
        allow: Sequence[tuple[re.Pattern[str], str]],
        media_types: Sequence[tuple[re.Pattern[str], Mapping[str, str]]],
    ) -> None:
        self._app = app
        self._config = config
        self._metrics = metrics
        self._bases = bases
        self._take_tickets = tuple(f"{base}{path}" for base in bases for path in _TAKE_TICKETS)
        self._allow = allow
        self._media_types = media_types

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(self, scope, send)
        self._metrics.under_way.inc()
        try:
            await exchange.run(receive)
        finally:
            self._metrics.under_way.dec()
            exchange.tell()

    def allowed(self, path: str) -> str | None:
        """Return the methods that the documents have for a path."""
        return next((names for each, names in self._allow if each.fullmatch(path)), None)

    def media_types(self, path: str) -> Mapping[str, str]:
        """Return the media types that a path takes, by method."""
        found = (types for each, types in self._media_types if each.fullmatch(path))
        return next(found, {})

    def bound(self, path: str) -> int:
        """Return how large a body may be that is sent to a path."""
        takes_tickets = path.startswith(self._take_tickets)
        return self._config.max_body if takes_tickets else self._config.max_small_body

    def is_api(self, path: str) -> bool:
        """Say whether a path is below a document's."""
        return path.startswith(self._bases)


class _Exchange:
    """One request and its answer."""

    def __init__(self, limits: Limits, scope: Scope, send: Send) -> None:
        self._limits = limits
        self._config = limits._config  # noqa: SLF001 - one thought in two classes
        self._send_on = send
        self._is_head = scope["method"] == "HEAD"
        self._path = self._normal(scope["path"])
        self._id = self._request_id(scope["headers"])
        self._noted = {"request": self._id}
        self._scope: Scope = {
            **scope,
            "method": "GET" if self._is_head else scope["method"],
            "path": self._path,
            "raw_path": self._path.encode(),
            NOTED: self._noted,
            MEDIA_TYPES: limits.media_types,
        }
        self._begun = time.perf_counter()
        self._is_replaced = False
        self.status = 0

    def _normal(self, path: str) -> str:
        """Return a path without a prefix that a proxy has left on it, and without a last slash."""
        prefix = self._config.path_prefix
        if prefix and path.startswith(f"{prefix}/"):
            path = path[len(prefix) :]
        if path.endswith("/") and self._limits.is_api(path):
            path = path[:-1]
        return path

    def _request_id(self, headers: Headers) -> str:
        for name, value in headers:
            if name == b"x-request-id" and _ID.fullmatch(text := value.decode("latin-1")):
                return text
        return f"{_PROCESS}-{next(_COUNT):x}"

    async def run(self, receive: Receive) -> None:
        """Answer the request."""
        try:
            body = await self._body(receive)
            await self._limits._app(self._scope, _replay(body, receive), self.send)  # noqa: SLF001
        except Refused as refused:
            await self._refuse(refused)
        except Exception:
            log.exception("a request failed", extra={"request": self._id})
            await self._refuse(Refused("internalError"))

    async def _body(self, receive: Receive) -> bytes:
        """Return the body, once it is known that the request may be answered at all."""
        headers = self._scope["headers"]
        if _CONTROL.search(self._path):  # no address of ours has one; routers differ on a last \n
            raise Refused("notFound")
        if sum(len(name) + len(value) + 4 for name, value in headers) > self._config.max_headers:
            raise Refused("headersTooLarge", headers={"Connection": "close"})
        if len(self._scope["query_string"]) > self._config.max_query:
            raise Refused("uriTooLong", headers={"Connection": "close"})
        about = {name: value.decode("latin-1") for name, value in headers if name in _FRAMING}
        takes_body = self._scope["method"] in _WITH_BODY
        media_type = _media_type(about[_TYPE]) if takes_body and _TYPE in about else None
        body = b""
        if _CODING in about or _length(about.get(_SIZE, "0")):
            body = await self._read(receive, _length(about.get(_SIZE, "0")))
        if body and takes_body and media_type is None:
            raise Refused("unsupportedMediaType", Told("typed"))
        accept = [value.decode("latin-1") for name, value in headers if name == b"accept"]
        if self._limits.is_api(self._path) and not _accepts(accept):
            raise Refused("notAcceptable")
        kept = [each for each in headers if each[0] not in _FRAMING]
        kept += [(_TYPE, media_type.encode())] if media_type is not None else []
        kept += [(_SIZE, str(len(body)).encode())] if body else []
        self._scope["headers"] = kept
        return body

    async def _read(self, receive: Receive, declared: int) -> bytes:
        """Return the body, which may be neither too large nor too slow."""
        bound = self._limits.bound(self._path)
        if declared > bound:
            raise _too_large(bound)
        try:
            async with asyncio.timeout(self._config.body_timeout):
                return await _read(receive, bound)
        except TimeoutError:
            raise Refused("requestTimeout", headers={"Connection": "close"}) from None

    async def send(self, message: Message) -> None:
        """Send a part of the answer on, unless it is replaced by one of ours."""
        is_redirect = message["type"] == "http.response.start" and message["status"] in _REDIRECTS
        if is_redirect and self._limits.is_api(self._path):
            # A framework's idea of a path; here every address has one spelling.
            self._is_replaced = True
            await send_answer(
                refusal_at(self._path, Refused("notFound"), self._scope["headers"]),
                self._send_as_ours,
            )
        elif not self._is_replaced:
            await self._send_as_ours(message)

    async def _send_as_ours(self, message: Message) -> None:
        """Send a part of the answer on, with what every answer has."""
        if message["type"] == "http.response.start":
            status = message["status"]
            self.status = status
            dropped = {b"content-type", b"content-length"} if status in _BODILESS else set()
            headers = [each for each in message["headers"] if each[0].lower() not in dropped]
            if status == 405:  # noqa: PLR2004
                headers = self._with_allow(headers)
            if status in _TELL_TYPES or self._scope["method"] == "PATCH":
                headers = [*headers, *self._accepts(status)]
            if not any(name.lower() == b"cache-control" for name, _ in headers):
                headers.append((b"cache-control", b"no-store"))
            headers += [*_ALWAYS, (b"x-request-id", self._id.encode())]
            message = {**message, "headers": headers}
        elif self._is_head:
            message = {**message, "body": b""}
        await self._send_on(message)

    def _with_allow(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Return headers with all methods of the path: Connexion names those of one only."""
        allowed = self._limits.allowed(self._path)
        if allowed is None:
            return headers
        kept = [each for each in headers if each[0].lower() != b"allow"]
        return [*kept, (b"allow", allowed.encode())]

    def _accepts(self, status: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield the headers that say which media types the path takes, by the method that takes it.

        Accept-Patch (RFC 5789, section 3.1), and for a 415 Accept (RFC 9110, section 12.5.1).
        """
        types = self._limits.media_types(self._path)
        if "PATCH" in types:
            yield b"accept-patch", types["PATCH"].encode()
        if status == 415 and self._scope["method"] in types:  # noqa: PLR2004
            yield b"accept", types[self._scope["method"]].encode()

    async def _refuse(self, refused: Refused) -> None:
        """Answer with a refusal, unless an answer has begun: then nothing can be said any more."""
        if self.status == 0:
            refused = with_media_types(refused, self._scope)
            answer = refusal_at(self._path, refused, self._scope["headers"])
            await send_answer(answer, self.send)

    def tell(self) -> None:
        """Log the exchange, and count it."""
        seconds = time.perf_counter() - self._begun
        operation = self._noted.get("operation", "none")
        self._limits._metrics.answered(operation, self.status, seconds)  # noqa: SLF001
        # A probe that succeeds comes every few seconds and says nothing new.
        is_quiet = self._path.startswith(_PROBES) and self.status < 400  # noqa: PLR2004
        level = logging.DEBUG if is_quiet else logging.INFO
        if access.isEnabledFor(level):
            told = {
                "method": "HEAD" if self._is_head else self._scope["method"],
                "path": self._path,
                "status": self.status,
                "milliseconds": round(seconds * 1000, 2),
                "client": (self._scope.get("client") or ("", 0))[0],
                **self._noted,
            }
            access.log(level, "answered", extra=told)


def with_media_types(refused: Refused, scope: Scope) -> Refused:
    """Return a refusal whose message names the media types of the request's path, if it is a 415.

    A message about the charset stays: the media type is not at fault then.
    """
    is_about = refused.message is None or refused.message == Told("typed")
    types = scope[MEDIA_TYPES](scope["path"]).get(scope["method"])
    if refused.code != "unsupportedMediaType" or not is_about or types is None:
        return refused
    return Refused(refused.code, Told("types", types=types), headers=refused.headers)


async def send_answer(answer: Answer, send: Send) -> None:
    """Send an answer as ASGI messages."""
    headers: Mapping[str, str] = answer.headers
    sent = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    if "Content-Type" not in headers:
        sent.append((b"content-type", b"application/json"))
    sent.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": sent})
    await send({"type": "http.response.body", "body": answer.body})


def _media_type(text: str) -> str:
    """Return a media type in small letters, without parameters (RFC 9110, section 8.3.1)."""
    media_type, _, parameters = text.partition(";")
    media_type = media_type.strip().lower()
    if _MEDIA_TYPE.fullmatch(media_type) is None:
        raise Refused("unsupportedMediaType")
    if (
        media_type == FORM
    ):  # its coding is UTF-8, whatever the parameters say (RFC 6749, appendix B)
        return media_type
    charset = _CHARSET.search(parameters)
    if charset is not None and charset[1].lower() not in _CHARSETS:
        raise Refused("unsupportedMediaType", Told("charset"))
    return media_type


def _length(text: str) -> int:
    if _LENGTH.fullmatch(text) is None:
        raise Refused("invalidHeader", Told("length"))
    return int(text)


def _accepts(accept: Sequence[str]) -> bool:
    """Say whether JSON is among what is accepted (RFC 9110, section 12.5.1)."""
    ranges = [part for text in accept for part in text.split(",") if part.strip()]
    weights = {}
    for part in ranges:
        name, *parameters = (word.strip().lower() for word in part.split(";"))
        quality = next((word[2:].strip() for word in parameters if word.startswith("q=")), "1")
        weights[name] = re.fullmatch(r"0(?:\.0*)?", quality) is None
    for name in ("application/json", "application/*", "*/*"):
        if name in weights:
            return weights[name]
    return not ranges


def _too_large(bound: int) -> Refused:
    told = Told("at_most", bound=bound)
    return Refused("contentTooLarge", told, headers={"Connection": "close"})


async def _read(receive: Receive, bound: int) -> bytes:
    """Return a body that is no larger than its bound."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused("requestTimeout")
        part = message.get("body", b"")
        size += len(part)
        if size > bound:
            raise _too_large(bound)
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body in one message, and then what there is."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return messages.pop() if messages else await receive()

    return replayed
