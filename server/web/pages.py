"""The pages: what the server answers beside the operations of its documents.

Health is always there; the setting TTR_PUBLIC selects the metrics, the documents, Swagger UI and
the matrix, TTR_CHECKER the checker. No page needs credentials.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import flask
import prometheus_client

from server.api.http import JSON, dumps
from server.storage import outbox
from server.telemetry import Figures
from server.web.fixed import fixed
from server.web.swagger_ui import add_swagger_ui
from ttrules.exports.matrix.page import page_of, policy
from ttrules.exports.matrix.view import MatrixView

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from server.config import Config
    from server.storage.database import Database
    from server.telemetry import Metrics
    from ttrules import Rulebook


def pages_of(
    store: Database, metrics: Metrics, config: Config, public: Mapping[str, Mapping[str, Any]]
) -> flask.Blueprint:
    """Return the pages that the settings select; `public` has the documents by base path."""
    pages = flask.Blueprint("pages", __name__)
    _add_health(pages, store)
    if "metrics" in config.public:
        _add_metrics(pages, store, metrics)
    if "documents" in config.public:
        _add_documents(pages, public)
    if "ui" in config.public:
        add_swagger_ui(pages, config.path_prefix, public)
    if "matrix" in config.public:
        _add_matrix(pages, store.profile.operator.book)
    return pages


def _add_health(pages: flask.Blueprint, store: Database) -> None:
    @pages.get("/health/live")
    def live() -> flask.Response:
        return flask.jsonify(status="live")

    @pages.get("/health/ready")
    def ready() -> flask.Response:
        store.check()
        return flask.jsonify(
            status="ready", version=str(store.profile.operator.book.matrix.version)
        )


def _add_metrics(pages: flask.Blueprint, store: Database, metrics: Metrics) -> None:
    figures = Figures(lambda: store.ask(outbox.depth))

    @pages.get("/metrics")
    def numbers() -> flask.Response:
        metrics.waiting.set(store.waiting)
        figures.fill(metrics)
        text = prometheus_client.generate_latest(metrics.registry)
        return flask.Response(text, content_type=prometheus_client.CONTENT_TYPE_LATEST)


def _add_documents(pages: flask.Blueprint, public: Mapping[str, Mapping[str, Any]]) -> None:
    """Add each document below its base path, and the first one, the operators', at the root."""
    views = {
        base: partial(flask.Response, dumps(document), content_type=JSON)
        for base, document in public.items()
    }
    for base, view in views.items():
        pages.add_url_rule(f"{base}/openapi.json", f"document {base}".replace(".", "_"), view)
    pages.add_url_rule("/openapi.json", "document", next(iter(views.values())))


def _add_matrix(pages: flask.Blueprint, book: Rulebook) -> None:
    """Add the page of the operators' matrix, which loads nothing and runs its own script only."""
    headers = {"Content-Security-Policy": f"{policy()}; frame-ancestors 'none'"}
    view = fixed(page_of(MatrixView.of(book)), "text/html; charset=utf-8", headers)
    pages.add_url_rule("/matrix", "matrix", view)
