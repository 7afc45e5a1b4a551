"""Answers that stay the same while the server runs."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import flask

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from werkzeug import Response

    View = Callable[[], Response]


def fixed(body: bytes, media_type: str, headers: Mapping[str, str] | None = None) -> View:
    """Return a view that answers with `body`, and 304 to a client that has it (ETag).

    The body is one piece: Flask's static files are sent in many, and each occupies a thread until
    the client has read it.
    """
    tag = sha256(body).hexdigest()[:32]
    sent = {"Cache-Control": "no-cache", **(headers or {})}  # stored, but revalidated

    def view() -> Response:
        answer = flask.Response(body, headers=sent, content_type=media_type)
        answer.set_etag(tag)
        return answer.make_conditional(flask.request)

    return view
