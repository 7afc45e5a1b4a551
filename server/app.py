"""The application: Connexion mounts the documents, and ASGI layers stand around it.

Connexion routes a request by its document, checks its credentials and calls the Flask view of the
operation. It validates nothing else: the operations parse queries and bodies, and ttrules validates
tickets. `create_app` lists the layers, outermost first.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from connexion import FlaskApp
from connexion.exceptions import ProblemException
from connexion.options import SwaggerUIOptions
from connexion.resolver import Resolver
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from server import documents
from server.api.operations import operations_of
from server.asgi.connections import CONNECTIONS, Connections
from server.asgi.cors import Cors
from server.asgi.fast_path import FastPath
from server.asgi.limits import Limits
from server.asgi.routing import Route, Routes, document_routes, page_routes
from server.asgi.security import Auth, Challenges, security_map
from server.asgi.token_endpoint import OPERATIONS, TokenEndpoint
from server.asgi.views import LOOP, Unparsed, error_response_of, mark_end_of_body, operation_views
from server.problems import ApiError
from server.telemetry import Metrics
from server.validation import Validation, prepare_process
from server.web.checker import checker_of
from server.web.pages import pages_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from server.asgi.limits import App
    from server.config import Config
    from server.delivery.worker import Delivery
    from server.storage.database import Database


def create_app(
    config: Config,
    store: Database,
    metrics: Metrics | None = None,
    delivery: Delivery | None = None,
) -> App:
    """Return the server as an ASGI application over an open store, for the profile of the store.

    The application's lifespan starts and stops `delivery`, if this process delivers events, and
    closes the store. Connexion mounts the documents when the lifespan begins.
    """
    profile = store.profile
    specs = {side: documents.offered(side.document, config.switches) for side in profile.sides}
    metrics = metrics or Metrics()
    challenges = Challenges.of(profile.realm)
    auth, validation = Auth(store, config, metrics, challenges), Validation()
    wake = delivery.wake if delivery is not None else _nothing
    operations = operations_of(store, config, profile, wake, validation)

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[dict[str, Any]]:
        """Start what the process needs; release it after the last answer."""
        prepare_process()
        loop = asyncio.get_running_loop()
        if delivery is not None:
            delivery.start()
        yield {CONNECTIONS: Connections(config, metrics), LOOP: loop}
        if delivery is not None:
            await loop.run_in_executor(None, delivery.stop)
        auth.close()
        validation.close()
        store.close()

    mount = FlaskApp(
        "server",
        lifespan=lifespan,
        resolver=Resolver(operation_views(operations).__getitem__),
        security_map=security_map(auth),
        uri_parser_class=Unparsed,
        validator_map={"parameter": Unparsed, "body": {}, "response": {}},
        swagger_ui_options=SwaggerUIOptions(swagger_ui=False, serve_spec=False),
        server_args={"static_folder": None},
    )
    for side, spec in specs.items():
        mount.add_api(spec, base_path=side.base)
    for kind in (ApiError, ProblemException, HTTPException, Exception):
        mount.add_error_handler(kind, error_response_of(challenges))

    public = {
        side.base: documents.served(side, config.path_prefix, spec) for side, spec in specs.items()
    }
    mount.app.before_request(mark_end_of_body)
    mount.app.register_blueprint(pages_of(store, metrics, config, public))
    if config.has_checker and profile.operator.find("check") is not None:
        mount.app.register_blueprint(checker_of(config, profile))

    routes = [
        # Connexion adds the views of its operations later: so far Flask's rules are the pages.
        *page_routes(mount.app.url_map.iter_rules(), public, config),
        *(Route(path, {"POST": name}, config.max_small_body) for path, name in OPERATIONS.items()),
        *(route for side, spec in specs.items() for route in document_routes(side, spec, config)),
    ]
    table = Routes(routes, config.path_prefix)
    named = [side.unsupported for side in profile.sides if side.unsupported is not None]

    layers = [
        *([Middleware(Cors, config.cors_origins, table, named)] if config.cors_origins else []),
        Middleware(Limits, config, metrics, table),
        Middleware(TokenEndpoint, auth, store, config),
        *([Middleware(FastPath, operations, auth)] if config.fast_path else []),
    ]
    app: App = mount
    for layer in reversed(layers):
        app = layer.cls(app, *layer.args, **layer.kwargs)
    return app


def _nothing() -> None:
    """Wake nobody: another process delivers events and looks for them itself."""
