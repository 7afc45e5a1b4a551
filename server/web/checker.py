"""The checker: the page at / that checks payloads, its files in static/ and its facts.

The files contain no facts of the API. The page requests addresses, processes and examples from
/checker/facts.json, which is made of the profile and, for the shipped one, docs/examples. Nothing
in the page is inline, so its policy forbids every script, style and request that is not from this
server.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import flask

from server import sandbox
from server.api.http import JSON, dumps
from server.profile.reader import SHIPPED
from server.web.fixed import fixed

if TYPE_CHECKING:
    from server.config import Config
    from server.profile.model import Profile

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


def checker_of(config: Config, profile: Profile) -> flask.Blueprint:
    """Return the page, its files and its facts."""
    pages = flask.Blueprint("checker", __name__)
    headers = {"Content-Security-Policy": POLICY}
    for path in _FILES.iterdir():
        rule = "/" if path.name == "index.html" else f"/checker/{path.name}"
        view = fixed(path.read_bytes(), _MEDIA_TYPES[path.suffix], headers)
        pages.add_url_rule(rule, path.name.replace(".", "_"), view)
    body = dumps(facts(profile, config))
    answer = partial(flask.Response, body, headers=headers, content_type=JSON)
    pages.add_url_rule("/checker/facts.json", "facts", answer)
    return pages


def facts(profile: Profile, config: Config) -> dict[str, Any]:
    """Return the facts for the page: addresses, and the processes with their examples."""
    prefix, side = config.path_prefix, profile.operator
    base, check = side.base, side.find("check")
    return {
        "check": "" if check is None else f"{prefix}{base}{check.path}",
        "tickets": f"{prefix}{base}{profile.resource_path}",
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
                "examples": _examples(each.slug) if profile.directory == SHIPPED else {},
            }
            for each in side.book.matrix.processes
        ],
    }


def _examples(slug: str) -> dict[str, str]:
    """Return the texts of the example payloads of a process, by name; {} if it has none."""
    paths = {name: _EXAMPLES / slug / f"{name}.json" for name in ("valid", "broken")}
    return {name: path.read_text("utf-8") for name, path in paths.items() if path.exists()}
