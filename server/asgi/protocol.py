"""One connection: limits for requests before the application reads them.

uvicorn's protocol limits neither the size of headers, nor the time in which they arrive, nor how
long a client may leave its answer unread; this one does. Input that is not HTTP is passed to the
application as a request that it must reject, so that the answer has an id and is counted and logged
like all others.
"""

from __future__ import annotations

import asyncio
import math
import re
import socket
import struct
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.utils import get_remote_addr, is_ssl

from server.asgi.connections import CONNECTIONS, State
from server.asgi.limits import REFUSED
from server.messages.en import sentence
from server.problems import ApiError

if TYPE_CHECKING:
    import ssl

    from uvicorn._types import ASGI3Application
    from uvicorn.config import Config as ServerConfig
    from uvicorn.server import ServerState

    from server.asgi.connections import Connections

#: How many requests of one connection may wait for the answer to an earlier one.
_PIPELINED: Final = 16
#: How many bytes of an invalid request's target are logged.
_LOGGED: Final = 256
#: The type of a TLS record with a ClientHello (RFC 8446, section 5.1).
_TLS: Final = b"\x16\x03"
_REQUEST_LINE: Final = re.compile(
    rb"([!#$%&'*+.^_`|~\w-]{1,32}) (/[!-~]{0,1024}) HTTP/1\.[01]\r?\n"
)
#: SO_LINGER with no time to wait.
_AT_ONCE: Final = struct.pack("ii", 1, 0)
_HOST: Final = re.compile(rb"[\w.~!$&'()*+;=%-]*(?::[0-9]*)?|\[[\w:.%]+\](?::[0-9]*)?", re.ASCII)


class _Transport:
    """A transport that lets the connection decide how to close."""

    def __init__(self, transport: asyncio.Transport, connection: Connection) -> None:
        self._transport = transport
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = connection.finish

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the given transport."""
        return getattr(self._transport, name)


class _TooManyRequestsError(Exception):
    """The client has sent more pipelined requests than may wait."""


class Connection(HttpToolsProtocol):
    """One connection: uvicorn's, with limits."""

    def __init__(
        self,
        config: ServerConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._all: Connections = app_state[CONNECTIONS]
        self._config = self._all.config
        self._raw: asyncio.Transport
        self._handshake: asyncio.Task[None] | None = None
        self._running: RequestResponseCycle | None = None
        self._state = State.WAITING
        self._deadline = math.inf
        #: How many bytes were read since the parser last called back, and whether it did.
        self._unused = 0
        self._is_used = False
        #: Whether a new parser is reading headers that the old one has already read.
        self._is_reframing = False
        #: The Host headers of an earlier request, which were valid.
        self._hosts = [b"-"]
        #: How many bytes are still discarded.
        self._left = self._config.max_body
        #: How many bytes were unsent when the client last read enough of them, and the time.
        self._unsent = 0
        self._read_at = 0.0

    # Called by the transport.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection, then begin with HTTP or with TLS."""
        refused = None
        if not is_ssl(transport):
            address = get_remote_addr(transport)
            refused = self._all.add(self, address[0] if address else "")
            if self._all.tls is not None:
                self._secure(transport, self._all.tls, is_refused=refused is not None)
                return
        self._raw = transport
        super().connection_made(_Transport(transport, self))  # type: ignore[arg-type]
        if refused is None:
            self._wait(self._config.header_timeout)
        else:
            self._answer(refused)

    def _secure(
        self, transport: asyncio.Transport, context: ssl.SSLContext, *, is_refused: bool
    ) -> None:
        """Start TLS on the same socket.

        If asyncio's server did it, this class would be called after the handshake only, and
        unfinished handshakes would not be counted.
        """
        accepted = transport.get_extra_info("socket").dup()
        transport.abort()  # nothing has been read
        if is_refused:
            accepted.close()
            self._all.remove(self)
            return
        self._all.idle[self] = None
        self._handshake = self.loop.create_task(self._shake_hands(accepted, context))

    async def _shake_hands(self, accepted: socket.socket, context: ssl.SSLContext) -> None:
        try:
            await self.loop.connect_accepted_socket(
                lambda: self,
                accepted,
                ssl=context,
                ssl_handshake_timeout=self._config.header_timeout,
                ssl_shutdown_timeout=self._config.header_timeout,
            )
        except (OSError, asyncio.CancelledError):  # TLS errors are OSErrors
            self._all.remove(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the connection."""
        if self.transport is None:  # the plain transport that TLS has replaced
            return
        self._state = State.CLOSING
        self._all.remove(self)
        self.pipeline.clear()
        if self._running is not None:  # others may be waiting after it
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """Answer a request that has arrived, although the client has closed its side."""
        if self._state is not State.ANSWERING or self.scheme == "https":
            return None  # over TLS the transport closes anyway
        last = self.pipeline[0][0] if self.pipeline else self.cycle
        last.keep_alive = False
        return True

    def data_received(self, data: bytes) -> None:
        """Parse the input, or discard it after the last request."""
        if self._state >= State.DRAINING:
            self._left -= len(data)
            if self._left < 0:
                self.cut("unread body")
            if self._state is not State.DRAINING:
                return
        self._is_used = False
        before = self._state
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            is_new = before in (State.WAITING, State.ANSWERING) and not self.url
            self._reject(error, data if is_new else b"")
        else:
            self._unused = 0 if self._is_used else self._unused + len(data)
            if self._unused > self._all.largest_head:
                is_target = len(self.url or b"") > self._config.max_query
                self._refuse(ApiError("uriTooLong" if is_target else "headersTooLarge"))

    # Called by the parser.

    def on_message_begin(self) -> None:
        """Begin a request."""
        if self._is_reframing:
            return
        if len(self.pipeline) >= _PIPELINED:
            raise _TooManyRequestsError
        super().on_message_begin()
        self._state = State.HEADERS
        self._is_used = True
        self._deadline = self._all.now + self._config.header_timeout

    def on_headers_complete(self) -> None:
        """Let the application answer, unless it must reject the request."""
        if self._is_reframing:
            return
        if (refused := self._invalid()) is not None:
            self.scope[REFUSED] = refused  # type: ignore[typeddict-unknown-key]
        super().on_headers_complete()
        self.headers = []  # trailers are not headers
        self._all.idle.pop(self, None)
        self._state = State.BODY
        self._is_used = True
        self._deadline = math.inf

    def _invalid(self) -> ApiError | None:
        """Return the error of a request that is invalid despite its syntax (RFC 9112, 3.2)."""
        hosts = [value for name, value in self.headers if name == b"host"]
        if hosts != self._hosts:
            is_old = not hosts and self.parser.get_http_version() == "1.0"
            if not is_old and (len(hosts) != 1 or _HOST.fullmatch(hosts[0]) is None):
                return ApiError("invalidRequest", sentence("host"), headers={"Connection": "close"})
            self._hosts = hosts
        if self.parser.should_upgrade() and self._get_upgrade() == b"websocket":
            return ApiError("invalidRequest", sentence("websocket"))
        return None

    def on_body(self, body: bytes) -> None:
        """Receive a part of a body."""
        self._is_used = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Record that a request has arrived completely."""
        self._is_used = True
        super().on_message_complete()
        if self._state is State.BODY:
            self._state = State.ANSWERING
        elif self._state is State.DRAINING:
            self._wait(self._config.keep_alive_timeout)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    # Called when a request is answered.

    def on_response_complete(self) -> None:
        """Continue with the next request."""
        self.server_state.total_requests += 1
        if self.transport.is_closing() or self._state >= State.LINGERING:
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._state is State.ANSWERING:
            self._wait(self._config.keep_alive_timeout)
        elif self._state is State.BODY:
            self._left = self._config.max_body
            self._discard(State.DRAINING)
        elif self._state is State.HEADERS:
            self._deadline = self._all.now + self._config.header_timeout

    def finish(self) -> None:
        """Close the connection after the client could read its answer.

        Closing a socket with unread input resets the connection, and the client loses the unread
        part of its answer. So only one direction is closed at first.
        """
        if self._state in (State.BODY, State.DRAINING, State.BROKEN):
            self.flow.resume_reading()
            if self._raw.can_write_eof():
                self._raw.write_eof()
            self._discard(State.LINGERING)
        elif not self._raw.is_closing():
            self._close()

    def _close(self) -> None:
        """Close the connection when everything is sent."""
        self._state = State.CLOSING
        self._deadline = self._all.now + self._config.send_timeout
        self._all.idle.pop(self, None)
        self._raw.close()

    # Time.

    def _wait(self, timeout: float) -> None:
        """Wait for a request."""
        self._state = State.WAITING
        self._deadline = self._all.now + timeout
        self._all.idle[self] = None

    def _discard(self, state: State) -> None:
        """Discard input for a limited time."""
        self._state = state
        self._deadline = self._all.now + self._config.body_timeout
        self._all.idle[self] = None

    def check(self, now: float) -> None:
        """Compare the connection with the clock; a TLS handshake has its own timeout."""
        if self.transport is None:
            return
        unsent = self._raw.get_write_buffer_size()
        if unsent and not self._is_reading(unsent, now):
            self.cut("unread answer")
        elif unsent == 0:
            self._unsent = 0
            if now >= self._deadline:
                self._expire()

    def _is_reading(self, unsent: int, now: float) -> bool:
        """Return whether the client reads its answer fast enough."""
        least = round(self._config.min_rate * self._config.send_timeout)
        if not self._unsent or unsent <= self._unsent - min(least, self._unsent):
            self._unsent, self._read_at = unsent, now
        self._unsent = max(self._unsent, unsent)
        return bool(now - self._read_at < self._config.send_timeout)

    def _expire(self) -> None:
        """End a state that has lasted too long."""
        if self._state is State.HEADERS:
            # If an earlier request is in progress, the server itself has paused reading.
            if self._running is None or self._running.response_complete:
                self.metrics_cut("slow headers")
                self._refuse(ApiError("requestTimeout"))
        elif self._state is State.WAITING:
            self.metrics_cut("idle")
            self.finish()
        elif self._state is State.CLOSING:
            self.cut("slow close")
        else:
            self.metrics_cut("unsent body")
            self._close()

    def metrics_cut(self, cause: str) -> None:
        """Count a connection that the server ends."""
        self._all.metrics.cut.labels(cause).inc()

    def cut(self, cause: str) -> None:
        """End the connection at once."""
        self.metrics_cut(cause)
        self._state = State.CLOSING
        self._deadline = math.inf
        self._all.remove(self)
        if self.transport is None:
            if self._handshake is not None:
                self._handshake.cancel()
            return
        if (wire := self._raw.get_extra_info("socket")) is not None:
            # Otherwise the system would keep the unsent output.
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self._raw.abort()

    # Input that is not HTTP.

    def _reject(self, error: httptools.HttpParserError, begin: bytes) -> None:
        """Reject input that the parser rejects; `begin` is the start of the request, if known."""
        line = _REQUEST_LINE.match(begin)
        if isinstance(error.__context__, _TooManyRequestsError):
            self._end_with(self.pipeline[0][0])
        elif isinstance(error, httptools.HttpParserInvalidMethodError) and line is not None:
            self.scope["method"] = line[1].decode()
            self.scope["raw_path"] = line[2].partition(b"?")[0]
            self._run()
        elif begin.startswith(_TLS):
            self._refuse(ApiError("invalidRequest", sentence("tls")))
        elif isinstance(error, httptools.HttpParserInvalidURLError) or isinstance(
            error.__context__, UnicodeDecodeError | httptools.HttpParserInvalidURLError
        ):
            self._refuse(ApiError("invalidRequest", sentence("target")))
        else:
            self._refuse(ApiError("invalidRequest", sentence("http")))

    def _go_on(self, rest: bytes) -> None:
        """Ignore the offer to upgrade (RFC 9110, section 7.8), and continue with HTTP/1.1.

        After an upgrade the parser treats the rest as another protocol, even the body. So a new
        parser gets the headers that frame the body, and then the rest.
        """
        if self.scope.get(REFUSED) is not None:
            self._end_with(self.cycle)
            return
        framing = [
            b"%b: %b\r\n" % (name, value)
            for name, value in self.scope["headers"]
            if name in {b"content-length", b"transfer-encoding"}
        ]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._is_reframing = True
        self._state = State.BODY
        self.cycle.more_body = True
        self.parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n" % b"".join(framing))
        self._is_reframing = False
        if rest:
            self.data_received(rest)

    def _end_with(self, cycle: RequestResponseCycle) -> None:
        """Make a request the last one of the connection."""
        cycle.keep_alive = False
        self._state = State.BROKEN
        if cycle.response_complete:
            self.finish()

    def _refuse(self, refused: ApiError) -> None:
        """Answer with an error if possible, and close."""
        if self._state in (State.WAITING, State.HEADERS, State.ANSWERING):
            self._answer(refused)
            return
        is_open = self._state is State.BODY and not self.cycle.response_started
        self._state = State.BROKEN
        self.cycle.keep_alive = False
        if is_open:
            # Reading the body raises the error; a request that does not read it is not affected.
            self.cycle.scope[REFUSED] = refused  # type: ignore[typeddict-unknown-key]
            self.cycle.more_body = False
            self.cycle.message_event.set()
        elif self.cycle.response_complete:
            self.finish()

    def _answer(self, refused: ApiError) -> None:
        """Answer input that is not a request with an error."""
        if self._state is not State.HEADERS:
            self._begin()
        self.scope[REFUSED] = refused  # type: ignore[typeddict-unknown-key]
        target = self.url.partition(b"?")[0][:_LOGGED]
        self.scope["raw_path"] = quote(target, safe="/%:;=@,+~!$&'()*").encode()
        # The method comes before the target.
        self.scope["method"] = self.parser.get_method().decode() if target else "-"
        self._run()

    def _begin(self) -> None:
        """Start an empty request."""
        super().on_message_begin()

    def _run(self) -> None:
        """Let the application answer the last request of the connection."""
        self.scope["path"] = ""
        self.scope["query_string"] = b""
        self._state = State.BROKEN
        self._deadline = math.inf
        self._left = self._config.max_body
        self._all.idle.pop(self, None)
        self.cycle = RequestResponseCycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=False,
            on_response=self.on_response_complete,
        )
        self.cycle.more_body = False
        if self._running is None or self._running.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.pipeline.appendleft((self.cycle, self.app))
