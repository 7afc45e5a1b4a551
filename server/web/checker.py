"""The checker: the page at / that checks payloads, its files in static/ and its facts.

The files contain no facts of the API. The page requests addresses, processes and examples from
/checker/facts.json, which is made of the compiled rules and of docs/examples. Nothing in the page
is inline, so its policy forbids every script, style and request that is not from this server.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import flask

from server import sandbox
from server.api.http import JSON, dumps
from server.web.fixed import fixed
from ttrules.rulebook import shipped

if TYPE_CHECKING:
    from server.config import Config
    from ttrules.rulebook import Rulebook

_FILES: Final = Path(__file__).with_name("static")
_EXAMPLES: Final = Path(__file__).parents[2] / "docs" / "examples"
_MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
#: The Content-Security-Policy of the page and its files (CSP level 3).
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def checker_of(config: Config, base: str) -> flask.Blueprint:
    """Return the page, its files and its facts; `base` is the base path of the operators' API."""
    pages = flask.Blueprint("checker", __name__)
    headers = {"Content-Security-Policy": POLICY}
    for path in _FILES.iterdir():
        rule = "/" if path.name == "index.html" else f"/checker/{path.name}"
        view = fixed(path.read_bytes(), _MEDIA_TYPES[path.suffix], headers)
        pages.add_url_rule(rule, path.name.replace(".", "_"), view)
    body = dumps(facts(shipped(), config, base))
    answer = partial(flask.Response, body, headers=headers, content_type=JSON)
    pages.add_url_rule("/checker/facts.json", "facts", answer)
    return pages


def facts(book: Rulebook, config: Config, base: str) -> dict[str, Any]:
    """Return the facts for the page: addresses, and the processes with their examples."""
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
                "name": each.name,
                "slug": each.slug,
                "operation": each.operation,
                "examples": _examples(each.slug),
            }
            for each in book.matrix.processes
        ],
    }


def _examples(slug: str) -> dict[str, str]:
    """Return the texts of the example payloads of a process, by name; {} if it has none."""
    paths = {name: _EXAMPLES / slug / f"{name}.json" for name in ("valid", "broken")}
    return {name: path.read_text("utf-8") for name, path in paths.items() if path.exists()}
