"""The pages beside the operations: what they escape, and what a client may keep."""

from __future__ import annotations

import flask
import pytest

from server.web.fixed import fixed
from server.web.swagger_ui import FILES, add_swagger_ui

TITLE = "</title><script>alert(1)</script>"


@pytest.fixture(scope="module")
def client() -> flask.testing.FlaskClient:
    """Give a client of Swagger UI for one document behind a proxy."""
    pages = flask.Blueprint("pages", __name__)
    add_swagger_ui(pages, "/gateway", {"/api": {"info": {"title": TITLE}}})
    pages.add_url_rule("/fixed", "fixed", fixed(b"body", "text/plain", {"X-Own": "1"}))
    app = flask.Flask(__name__)
    app.register_blueprint(pages)
    return app.test_client()


def test_escaped(client: flask.testing.FlaskClient) -> None:
    """The title of a document is text: it adds no element to the page and no script."""
    page = client.get("/ui/")
    assert page.content_type == "text/html; charset=utf-8"
    assert "<title>&lt;/title&gt;&lt;script&gt;alert(1)" in page.text
    assert "alert(1)</script>" not in page.text
    assert '"/gateway/api/openapi.json"' in page.text


@pytest.mark.parametrize("name", FILES)
def test_files(client: flask.testing.FlaskClient, name: str) -> None:
    """Every file of Swagger UI is served from here, and not sent again to a client that has it."""
    first = client.get(f"/ui/{name}")
    assert (first.status_code, first.headers["Cache-Control"]) == (200, "no-cache")
    again = client.get(f"/ui/{name}", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_fixed(client: flask.testing.FlaskClient) -> None:
    """A fixed answer has its own headers, in a 304 too."""
    first = client.get("/fixed")
    assert (first.data, first.content_type, first.headers["X-Own"]) == (b"body", "text/plain", "1")
    again = client.get("/fixed", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.headers["X-Own"]) == (304, "1")
