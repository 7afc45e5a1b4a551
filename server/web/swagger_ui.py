"""Swagger UI: the page that shows each operation of the documents and sends requests.

The page loads nothing from other hosts: its files come from the package flask-swagger-ui.
"""

from __future__ import annotations

import mimetypes
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import flask

from server.web.fixed import fixed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from werkzeug import Response

#: The files that the page loads.
FILES: Final = (
    "swagger-ui.css",
    "swagger-ui-bundle.js",
    "swagger-ui-standalone-preset.js",
    "favicon-32x32.png",
)
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{{ documents[0].name }}</title>
<link rel="stylesheet" href="swagger-ui.css">
<link rel="icon" href="favicon-32x32.png">
</head>
<body>
<div id="ui"></div>
<script src="swagger-ui-bundle.js"></script>
<script src="swagger-ui-standalone-preset.js"></script>
<script>
SwaggerUIBundle({urls: {{ documents | tojson }}, dom_id: "#ui", deepLinking: true,
  validatorUrl: null, presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
  layout: "StandaloneLayout"});
</script>
</body>
</html>
"""


def add_swagger_ui(
    pages: flask.Blueprint, prefix: str, public: Mapping[str, Mapping[str, Any]]
) -> None:
    """Add the page; `prefix` is the proxy's path, `public` has the documents by base path."""
    documents = [
        {"name": each["info"]["title"], "url": f"{prefix}{base}/openapi.json"}
        for base, each in public.items()
    ]

    @pages.get("/ui")
    def without_slash() -> Response:
        return flask.redirect(f"{prefix}/ui/", 308)

    @pages.get("/ui/")
    def swagger_ui() -> str:
        return flask.render_template_string(_PAGE, documents=documents)

    for name in FILES:
        media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        view = fixed(_folder().joinpath(name).read_bytes(), media_type)
        pages.add_url_rule(f"/ui/{name}", f"swagger-ui {name}".replace(".", "_"), view)


def _folder() -> Path:
    """Return the folder of the files; the package itself is not imported."""
    spec = find_spec("flask_swagger_ui")
    assert spec is not None, "flask-swagger-ui is a dependency"
    assert spec.origin is not None, "a package has a file"
    return Path(spec.origin).with_name("dist")
