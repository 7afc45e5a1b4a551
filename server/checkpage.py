"""The page at / that checks payloads: files in server/pages/, and the facts that they need.

The files hold no fact of the API: addresses, processes and examples are asked for when the page
opens, from what is made of the spec and of docs/examples here. Nothing on it is inline, so that its
policy lets nothing run or load that is not one of these files.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import flask

from server import sandbox
from server.wire import JSON, dumps
from ttrules.book import shipped

if TYPE_CHECKING:
    from server.config import Config
    from ttrules.book import Book

_FILES: Final = Path(__file__).with_name("pages")
_EXAMPLES: Final = Path(__file__).parents[1] / "docs" / "examples"
#: Where each file is found, and of which media type it is.
_SERVED: Final = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/checker/check.css": ("check.css", "text/css; charset=utf-8"),
    "/checker/check.js": ("check.js", "text/javascript; charset=utf-8"),
    "/checker/lines.js": ("lines.js", "text/javascript; charset=utf-8"),
    "/checker/texts.js": ("texts.js", "text/javascript; charset=utf-8"),
    "/checker/icon.svg": ("icon.svg", "image/svg+xml"),
}
#: Content-Security-Policy: what the page may do (CSP level 3).
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def add_checker(pages: flask.Flask, config: Config, base: str) -> None:
    """Add the page, its files and its facts. `base` is the base path of the operators' API."""
    given = dumps(facts(shipped(), config, base))
    for path, (name, media_type) in _SERVED.items():
        text = (_FILES / name).read_bytes()
        pages.add_url_rule(path, f"page {path}", partial(_answer, text, media_type))
    pages.add_url_rule("/checker/facts.json", "page facts", partial(_answer, given, JSON))


def _answer(text: bytes, media_type: str) -> flask.Response:
    headers = {"Content-Security-Policy": POLICY}
    return flask.Response(text, headers=headers, content_type=media_type)


def facts(book: Book, config: Config, base: str) -> dict[str, Any]:
    """Return what the page knows of the API: addresses, processes, and examples of each."""
    prefix = config.path_prefix
    return {
        "check": f"{prefix}{base}/check",
        "tickets": f"{prefix}{base}/troubleTicket",
        "document": f"{prefix}{base}/openapi.json",
        "matrix": f"{prefix}/matrix",
        "try": f"{prefix}/ui/",
        "operator": sandbox.NAMES[0] if config.sandbox else "OPERATOR",
        "largest": config.max_checked_body,
        "processes": [
            {
                "name": each["name"],
                "slug": each["slug"],
                "operation": each["operation"],
                "examples": _examples(each["slug"]),
            }
            for each in book.data["processes"]
        ],
    }


def _examples(slug: str) -> dict[str, str]:
    """Return the example payloads of a process as texts; none where there are no examples."""
    paths = {name: _EXAMPLES / slug / f"{name}.json" for name in ("valid", "broken")}
    return {name: path.read_text("utf-8") for name, path in paths.items() if path.exists()}
