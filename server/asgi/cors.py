"""Cross-origin requests (CORS): the API may be used from pages of other origins.

This layer is the outermost, so that a page can read every answer, including the errors of the other
layers. It answers preflight requests. Health, metrics and pages stay closed to other origins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.middleware.cors import CORSMiddleware

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from server.asgi.limits import App, Receive, Scope, Send
    from server.asgi.routing import Routes

#: The headers that a page of another origin may send.
_REQUEST_HEADERS: Final = (
    *("Authorization", "Content-Type", "Accept-Language", "Idempotency-Key"),
    *("If-Match", "If-None-Match", "X-Request-Id"),
)
#: The response headers that such a page may read.
_RESPONSE_HEADERS: Final = (
    *("Accept-Patch", "Allow", "Content-Language", "ETag", "Link", "Location", "Retry-After"),
    *("WWW-Authenticate", "X-Request-Id", "X-Result-Count", "X-Total-Count"),
)


class Cors:
    """An ASGI layer that adds the CORS headers to the answers of the API.

    `headers` are further response headers that a page may read.
    """

    def __init__(
        self, app: App, origins: Sequence[str], routes: Routes, headers: Iterable[str]
    ) -> None:
        self._app = app
        self._routes = routes
        self._shared = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_methods=("GET", "POST", "PATCH", "DELETE"),
            allow_headers=_REQUEST_HEADERS,
            expose_headers=sorted({*_RESPONSE_HEADERS, *headers}),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with CORS headers if the path is one of the API."""
        is_shared = scope["type"] == "http" and self._routes.is_shared(
            scope.get("raw_path") or scope["path"].encode()
        )
        await (self._shared if is_shared else self._app)(scope, receive, send)
