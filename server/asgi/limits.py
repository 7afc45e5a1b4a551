"""The layer of limits: what no request may exceed, and what every answer has.

It runs before any framework. It finds the route of a request, checks the sizes and media types that
the headers declare, and reads the body only when a layer within asks for it, up to a size and a
time. Every answer gets a request id; every error has the one shape of errors. This layer also logs
and counts the answers. It knows nothing of tickets.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import secrets
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from server.api.http import FORM, refusal_at
from server.asgi.routing import MATCH
from server.messages.en import sentence
from server.problems import ApiError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence

    from server.api.http import Response
    from server.asgi.routing import Match, Routes
    from server.config import Config
    from server.telemetry import Metrics

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]
    Headers = Sequence[tuple[bytes, bytes]]

#: The key in a scope where the layers within note the operation and its caller, for the log.
NOTED: Final = "ttr.noted"
#: The key in a scope where the connection notes that the request is invalid HTTP: an ApiError.
REFUSED: Final = "ttr.refused"
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
#: The parts of a generated request id: random for each process, and a counter.
_PROCESS: Final = secrets.token_hex(8)
_COUNT: Final = itertools.count(1)
_CHARSET: Final = re.compile(r"""charset\s*=\s*"?([^\s";]+)""", re.IGNORECASE)
_CHARSETS: Final = {"utf-8", "utf8", "us-ascii"}
_MEDIA_TYPE: Final = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+", re.ASCII)
_NOT_ASCII: Final = re.compile(rb"[\x80-\xff]")
_LENGTH: Final = re.compile(r"[0-9]{1,18}")
_ALWAYS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
#: The headers that describe the body; all others are passed on unchanged.
_TYPE: Final = b"content-type"
_SIZE: Final = b"content-length"
_CODING: Final = b"transfer-encoding"
_EXPECT: Final = b"expect"
_FRAMING: Final = frozenset({_TYPE, _SIZE, _CODING, _EXPECT})
#: The methods whose bodies have a meaning.
_WITH_BODY: Final = frozenset({"POST", "PATCH", "PUT"})
#: The paths that monitoring requests every few seconds.
_PROBES: Final = ("/health/", "/metrics")
_BODILESS: Final = {204, 304}
#: The size of the pieces in which a large answer is passed to the connection.
_PIECE: Final = 256 << 10
access = logging.getLogger("server.access")
log = logging.getLogger(__name__)


class Limits:
    """An ASGI layer."""

    def __init__(self, app: App, config: Config, metrics: Metrics, routes: Routes) -> None:
        self.app = app
        self.config = config
        self.metrics = metrics
        self.routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = _Exchange(self, scope, receive, send)
        self.metrics.under_way.inc()
        try:
            await exchange.run()
        finally:
            self.metrics.under_way.dec()
            exchange.record()


class _Exchange:
    """One request and its answer."""

    def __init__(self, limits: Limits, scope: Scope, receive: Receive, send: Send) -> None:
        self._limits = limits
        self._config = limits.config
        self._given = scope
        self._receive = receive
        self._send_on = send
        self._is_head = scope["method"] == "HEAD"
        self._target: bytes = scope.get("raw_path") or scope["path"].encode()
        self._path = self._target.decode("latin-1")
        self._id = self._request_id(scope["headers"])
        self._noted = {"request": self._id}
        self._scope: Scope = {
            **scope,
            "method": "GET" if self._is_head else scope["method"],
            NOTED: self._noted,
        }
        #: The largest size of the body; None after it was read, and if there is none.
        self._unread: int | None = None
        self._is_given = False
        self._is_typed = True
        self._waits_for_go = False
        self._begun = time.perf_counter()
        self.status = 0

    def _request_id(self, headers: Headers) -> str:
        for name, value in headers:
            if name == b"x-request-id" and _ID.fullmatch(text := value.decode("latin-1")):
                return text
        return f"{_PROCESS}-{next(_COUNT):x}"

    async def run(self) -> None:
        """Answer the request."""
        try:
            if REFUSED in self._given:
                raise self._given[REFUSED]  # noqa: TRY301 - answered like every ApiError
            self._check(self._match())
            await self._limits.app(self._scope, self._body, self.send)
        except ApiError as refused:
            await self._refuse(refused)
        except Exception:
            log.exception("a request failed", extra={"request": self._id})
            await self._refuse(ApiError("internalError"))

    def _match(self) -> Match:
        """Find the route, and replace the path in the scope by that of the routing table."""
        match = self._limits.routes.match(self._target, self._scope["method"])
        self._path = match.path
        self._scope.update({"path": match.path, "raw_path": match.path.encode(), MATCH: match})
        if match.operation:
            self._noted["operation"] = match.operation
        return match

    def _check(self, match: Match) -> None:
        """Check the headers, and normalise those that describe the body."""
        headers = self._scope["headers"]
        if sum(len(name) + len(value) + 4 for name, value in headers) > self._config.max_headers:
            raise ApiError("headersTooLarge", headers={"Connection": "close"})
        if len(self._scope["query_string"]) > self._config.max_query:
            raise ApiError("uriTooLong", headers={"Connection": "close"})
        # A query is ASCII (RFC 3986, section 3.4), and the WSGI adapter accepts nothing else.
        query = _NOT_ASCII.sub(lambda found: b"%%%02X" % found[0][0], self._scope["query_string"])
        self._scope["query_string"] = query
        about = {name: value.decode("latin-1") for name, value in headers if name in _FRAMING}
        takes_body = self._scope["method"] in _WITH_BODY
        media_type = _media_type(about[_TYPE]) if takes_body and _TYPE in about else None
        length = _length(about.get(_SIZE, "0"))
        if _CODING in about or length:
            self._unread = match.route.bound
            self._is_typed = media_type is not None or not takes_body
            self._waits_for_go = _EXPECT in about
            if length > self._unread:
                raise _too_large(self._unread)
            if length and not self._is_typed:
                raise ApiError("unsupportedMediaType", sentence("typed"))
        accept = [value.decode("latin-1") for name, value in headers if name == b"accept"]
        if match.route.is_api and not _accepts(accept):
            raise ApiError("notAcceptable")
        kept = [each for each in headers if each[0] not in _FRAMING]
        kept += [(_TYPE, media_type.encode())] if media_type is not None else []
        kept += [(_SIZE, about[_SIZE].encode())] if length else []
        self._scope["headers"] = kept

    async def _body(self) -> Message:
        """Return the whole body in one message; after that, the messages of the connection."""
        if self._unread is None:
            if self._is_given:
                return await self._receive()
            self._is_given = True
            return {"type": "http.request", "body": b"", "more_body": False}
        bound, self._unread, self._is_given = self._unread, None, True
        body = await self._read(bound)
        if body and not self._is_typed:
            raise ApiError("unsupportedMediaType", sentence("typed"))
        return {"type": "http.request", "body": body, "more_body": False}

    async def _read(self, bound: int) -> bytes:
        """Return the body. Raises ApiError if it is too large or arrives too slowly."""
        clock = asyncio.get_running_loop().time
        begun, patience = clock(), self._config.body_timeout
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(patience) as limit:
                while True:
                    message = await self._receive()
                    if REFUSED in self._given:  # what came is not HTTP
                        raise self._given[REFUSED]
                    if message["type"] == "http.disconnect":
                        raise ApiError("requestTimeout")
                    part = message.get("body", b"")
                    size += len(part)
                    if size > bound:
                        raise _too_large(bound)
                    parts.append(part)
                    if not message.get("more_body", False):
                        return b"".join(parts)
                    limit.reschedule(begun + patience + size / self._config.min_rate)
        except TimeoutError:
            raise ApiError("requestTimeout", headers={"Connection": "close"}) from None

    async def send(self, message: Message) -> None:
        """Send a part of the answer, with the headers that every answer has."""
        if message["type"] == "http.response.start":
            status = message["status"]
            self.status = status
            dropped = {b"content-type", b"content-length"} if status in _BODILESS else set()
            headers = [each for each in message["headers"] if each[0].lower() not in dropped]
            headers += self._accepts(status)
            if not any(name.lower() == b"cache-control" for name, _ in headers):
                headers.append((b"cache-control", b"no-store"))
            headers += [*_ALWAYS, (b"x-request-id", self._id.encode())]
            if self._waits_for_go and self._unread is not None:
                # The client may or may not send the body now (RFC 9110, section 10.1.1).
                headers.append((b"connection", b"close"))
            message = {**message, "headers": headers}
        elif self._is_head:
            message = {**message, "body": b""}
        elif len(message.get("body", b"")) > _PIECE:
            await self._send_in_pieces(message)
            return
        await self._send_on(message)

    async def _send_in_pieces(self, message: Message) -> None:
        """Send a large body as fast as the client reads it, so that no copy is buffered."""
        body = memoryview(message["body"])
        for start in range(0, len(body), _PIECE):
            is_last = start + _PIECE >= len(body) and not message.get("more_body", False)
            piece = body[start : start + _PIECE]
            await self._send_on({**message, "body": piece, "more_body": not is_last})

    def _accepts(self, status: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield the headers that name the media types of the path.

        Accept-Patch (RFC 5789, section 3.1), and for a 415 Accept (RFC 9110, section 12.5.1).
        """
        if MATCH not in self._scope:
            return
        types, method = self._scope[MATCH].route.media_types, self._scope["method"]
        is_unsupported = status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE
        if "PATCH" in types and (is_unsupported or method == "PATCH"):
            yield b"accept-patch", types["PATCH"].encode()
        if is_unsupported and method in types:
            yield b"accept", types[method].encode()

    async def _refuse(self, refused: ApiError) -> None:
        """Answer with an error, unless an answer was already started."""
        if self.status == 0:
            refused = with_media_types(refused, self._scope)
            answer = refusal_at(self._path, refused, self._scope["headers"])
            await send_answer(answer, self.send)

    def record(self) -> None:
        """Log and count the exchange."""
        seconds = time.perf_counter() - self._begun
        operation = self._noted.get("operation", "none")
        self._limits.metrics.answered(operation, self.status, seconds)
        # Successful probes would fill the log.
        is_quiet = self._path.startswith(_PROBES) and self.status < HTTPStatus.BAD_REQUEST
        level = logging.DEBUG if is_quiet else logging.INFO
        if access.isEnabledFor(level):
            fields = {
                "method": "HEAD" if self._is_head else self._scope["method"],
                "path": self._path,
                "status": self.status,
                "milliseconds": round(seconds * 1000, 2),
                "client": (self._scope.get("client") or ("", 0))[0],
                **self._noted,
            }
            access.log(level, "answered", extra=fields)


def with_media_types(refused: ApiError, scope: Scope) -> ApiError:
    """Return an error that names the media types of the request's path, if it is a 415.

    A message about the charset stays, because the media type is right then.
    """
    is_about = refused.message is None or refused.message == sentence("typed")
    if refused.code != "unsupportedMediaType" or not is_about or MATCH not in scope:
        return refused
    types = scope[MATCH].route.media_types.get(scope["method"])
    if types is None:
        return refused
    return ApiError(refused.code, sentence("types", types=types), headers=refused.headers)


async def send_answer(answer: Response, send: Send) -> None:
    """Send an answer as ASGI messages."""
    headers: Mapping[str, str] = answer.headers
    sent = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    if "Content-Type" not in headers:
        sent.append((b"content-type", b"application/json"))
    sent.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": sent})
    await send({"type": "http.response.body", "body": answer.body})


def address_of(scope: Scope) -> str:
    """Return the address of the client."""
    address: str = (scope.get("client") or ("", 0))[0]
    return address


def joined(headers: Headers) -> dict[str, str]:
    """Return headers by name; repeated ones are joined into a list (RFC 9110, section 5.3)."""
    found: dict[str, str] = {}
    for name, value in headers:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def _media_type(text: str) -> str:
    """Return a media type in lower case, without parameters (RFC 9110, section 8.3.1)."""
    media_type, _, parameters = text.partition(";")
    media_type = media_type.strip().lower()
    if _MEDIA_TYPE.fullmatch(media_type) is None:
        raise ApiError("unsupportedMediaType")
    if media_type == FORM:
        return media_type  # always UTF-8 (RFC 6749, appendix B)
    charset = _CHARSET.search(parameters)
    if charset is not None and charset[1].lower() not in _CHARSETS:
        raise ApiError("unsupportedMediaType", sentence("charset"))
    return media_type


def _length(text: str) -> int:
    if _LENGTH.fullmatch(text) is None:
        raise ApiError("invalidHeader", sentence("length"))
    return int(text)


def _accepts(accept: Sequence[str]) -> bool:
    """Return whether an Accept header allows JSON (RFC 9110, section 12.5.1)."""
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


def _too_large(bound: int) -> ApiError:
    message = sentence("at_most", bound=bound)
    return ApiError("contentTooLarge", message, headers={"Connection": "close"})
