"""Wiring: Connexion mounts the documents, and each operation is answered by its one function.

A request passes, from outside: Limits, Connexion's routing and security, Dispatch, and only what is
no operation of a document goes on to Flask. Dispatch stands before Flask since handing a request
to a thread and back costs more than answering it; the operations do not know. Connexion validates
nothing: a body is parsed strictly in wire and judged by ttrules, a query read in filtering.
"""

from __future__ import annotations

import asyncio
import logging
import mimetypes
from contextlib import asynccontextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import flask
import prometheus_client
import swagger_ui_bundle
from connexion import FlaskApp
from connexion.exceptions import ProblemException
from connexion.lifecycle import ConnexionResponse
from connexion.middleware import MiddlewarePosition
from connexion.options import SwaggerUIOptions
from connexion.resolver import Resolver
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from server import backoffice, checkpage, document, outbox
from server.auth import CHALLENGES, Auth, security_map
from server.checker import Checker
from server.connections import CONNECTIONS, Connections
from server.dispatch import Dispatch, Operations, Shortcut, Side, address_of
from server.errors import BY_STATUS, Refused
from server.events import Events
from server.hrefs import Hrefs
from server.hub import AnyHub, Hub
from server.limits import NOTED, Limits, send_answer, with_media_types
from server.observe import Figures, Metrics
from server.routing import MATCH, Route, Routes
from server.tickets import Tickets
from server.token_endpoint import OPERATIONS, TokenEndpoint
from server.validation import Validation, prepare_process
from server.wire import dumps, refusal
from ttrules.book import shipped
from ttrules.page import page_of, policy
from ttrules.sheets import Part

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

    from connexion.lifecycle import ConnexionRequest
    from werkzeug import Response
    from werkzeug.routing import Rule

    from server.config import Config
    from server.delivery import Delivery
    from server.limits import App, Receive, Scope, Send
    from server.operators import Role
    from server.store import Store
    from server.wire import Operation

log = logging.getLogger(__name__)
#: The paths of a document that are sent tickets, and the one where anybody may send them.
_TAKE_TICKETS: Final = "/troubleTicket"
_CHECK: Final = "/check"
#: The files of Swagger UI that its page needs.
_ASSETS: Final = (
    "swagger-ui.css",
    "swagger-ui-bundle.js",
    "swagger-ui-standalone-preset.js",
    "favicon-32x32.png",
)

#: The headers that a page of another origin may send, and those that it may read.
_CORS_REQUEST: Final = (
    *("Authorization", "Content-Type", "Accept-Language", "Idempotency-Key"),
    *("If-Match", "If-None-Match", "X-Request-Id"),
)
_CORS_ANSWER: Final = (
    *("Accept-Patch", "Allow", "Content-Language", "ETag", "Link", "Location", "Retry-After"),
    *("Ticket-Unsupported-Members", "WWW-Authenticate", "X-Request-Id"),
    *("X-Result-Count", "X-Total-Count"),
)


def make(
    config: Config, store: Store, metrics: Metrics | None = None, delivery: Delivery | None = None
) -> App:
    """Return the server as an ASGI application, over a store that is open.

    `delivery` is what delivers events in this process, if it is this one. It begins with the
    application's lifespan and ends with it, as the store does. Raises what Connexion raises of a
    document that it cannot mount.
    """
    written = document.load(), document.load_backoffice()
    specs = [document.offered(each, config.switches) for each in written]
    bases = tuple(document.base_path(spec) for spec in specs)
    metrics = metrics or Metrics()
    wake = delivery.wake if delivery is not None else _nothing
    auth = Auth(store, config, metrics)
    validation = Validation()
    operations = Operations(validation, *_sides(store, config, specs, wake, validation))

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[dict[str, Any]]:
        """Let everything go once the last request is answered."""
        prepare_process()
        if delivery is not None:
            delivery.start()
        yield {CONNECTIONS: Connections(config, metrics)}
        if delivery is not None:
            await asyncio.get_running_loop().run_in_executor(None, delivery.stop)
        auth.close()
        validation.close()
        store.close()

    app = FlaskApp(
        "server",
        lifespan=lifespan,
        swagger_ui_options=SwaggerUIOptions(swagger_ui=False),
        server_args={"static_folder": None},
    )
    for spec, base in zip(specs, bases, strict=True):
        app.add_api(
            spec,
            base_path=base,
            resolver=Resolver(lambda name: operations[name]),
            security_map=security_map(auth),
            validator_map={"parameter": _Unchecked, "body": {}, "response": {}},
            swagger_ui_options=SwaggerUIOptions(swagger_ui=False, serve_spec=False),
        )
    app.add_middleware(
        Dispatch,
        MiddlewarePosition.BEFORE_CONTEXT,
        operations=operations,
    )
    for kind in (Refused, ProblemException, HTTPException, Exception):
        app.add_error_handler(kind, _refused)
    books = shipped(), backoffice.book()
    public = {
        base: document.served(spec, book, config.path_prefix)
        for spec, base, book in zip(specs, bases, books, strict=True)
    }
    _add_pages(app.app, store, metrics, config, public)
    if config.has_checker:
        checkpage.add_checker(app.app, config, bases[0])
    # Connexion adds a view for each operation when it is built: what is there before are pages.
    routes = [_page(rule, bases, config) for rule in app.app.url_map.iter_rules()]
    # Built now, so that a document which cannot be mounted stops the start and not a request.
    stack = app.middleware
    stack.app, stack.middleware_stack = stack._build_middleware_stack()  # noqa: SLF001
    small = config.max_small_body
    routes += [Route(path, {"POST": name}, small) for path, name in OPERATIONS.items()]
    for spec, base in zip(specs, bases, strict=True):
        routes += _routes(spec, base, config)
    table = Routes(routes, config.path_prefix)
    endpoint = TokenEndpoint(auth, store, config)
    tokens = _Tokens(Shortcut(app, operations, auth), endpoint)
    limits = Limits(tokens, config, metrics, table)
    return with_cors(limits, config, table) if config.cors_origins else limits


def _page(rule: Rule, bases: tuple[str, ...], config: Config) -> Route:
    """Return the route of a page that Flask answers."""
    methods = dict.fromkeys(sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}), "")
    return Route(rule.rule, methods, config.max_small_body, rule.rule.startswith(bases))


def _routes(spec: Mapping[str, Any], base: str, config: Config) -> Iterator[Route]:
    """Yield the routes of the paths of a document."""
    types = document.media_types(spec)
    for template, operations in document.operations(spec).items():
        is_large = template.startswith(_TAKE_TICKETS)
        bound = config.max_body if is_large else config.max_small_body
        bound = config.max_checked_body if template == _CHECK else bound
        yield Route(base + template, operations, bound, is_api=True, media_types=types[template])


def _nothing() -> None:
    """Wake nobody: others look at the outbox by themselves."""


def _sides(
    store: Store,
    config: Config,
    specs: Sequence[Mapping[str, Any]],
    wake: Callable[[], None],
    validation: Validation,
) -> Iterator[Side]:
    """Yield the sides, with the function of each operation by its operationId."""
    shapes = specs[0]["components"]["schemas"]
    events = Events(shipped().data["lifecycle"], shapes)
    hrefs = Hrefs(config.path_prefix, document.base_path(specs[0]))
    known, most = document.known(specs[0]), config.max_answer
    tickets = Tickets(store, shipped(), events, wake, validation, hrefs, known=known, most=most)
    checker = Checker(shipped(), config, validation)
    hub = Hub(store, config, shapes, events, wake)
    any_tickets = Tickets(
        store,
        backoffice.book(),
        events,
        wake,
        validation,
        hrefs,
        by="provider",
        known=known,
        most=most,
    )
    own = backoffice.Outgoing(store, wake, by="operator")
    outgoing = backoffice.Outgoing(store, wake, by="provider")
    any_hub = AnyHub(store)
    roles: dict[Role, dict[str, Operation]] = {
        "operator": {
            "listTroubleTicket": tickets.list,
            "createTroubleTicket": tickets.create,
            "retrieveTroubleTicket": tickets.retrieve,
            "patchTroubleTicket": tickets.patch,
            "registerListener": hub.register,
            "retrieveListener": hub.retrieve,
            "retrieveListenerById": hub.retrieve,
            "unregisterListener": hub.unregister,
            "unregisterListenerById": hub.unregister,
            "listOwnEvent": own.list,
            "retrieveOwnEvent": own.retrieve,
            "redeliverOwnEvent": own.redeliver,
            "checkTroubleTicket": checker.check,
        },
        "provider": {
            "listAnyTroubleTicket": any_tickets.list,
            "retrieveAnyTroubleTicket": any_tickets.retrieve,
            "patchAnyTroubleTicket": any_tickets.patch,
            "listAnyListener": any_hub.list,
            "retrieveAnyListener": any_hub.retrieve,
            "unregisterAnyListener": any_hub.unregister,
            "listEvent": outgoing.list,
            "retrieveEvent": outgoing.retrieve,
            "redeliverEvent": outgoing.redeliver,
            "purgeEvent": outgoing.purge,
        },
    }
    for spec, (role, operations) in zip(specs, roles.items(), strict=True):
        address = config.path_prefix + document.base_path(spec)
        takes, public = document.with_body(spec), document.public(spec)
        yield Side(role, address, operations, takes, public, document.with_query(spec))


def with_cors(app: App, config: Config, routes: Routes) -> App:
    """Return an application whose API may be used from pages of other origins (CORS).

    The layer is the outermost, so that a page can read every answer, a refusal included; it answers
    a preflight itself. Health, numbers and pages are not for pages of other origins.
    """
    shared = CORSMiddleware(
        app,
        allow_origins=config.cors_origins,
        allow_methods=("GET", "POST", "PATCH", "DELETE"),
        allow_headers=_CORS_REQUEST,
        expose_headers=_CORS_ANSWER,
    )

    async def choose(scope: Scope, receive: Receive, send: Send) -> None:
        """Let the layer answer for the paths of the API only."""
        is_shared = scope["type"] == "http" and routes.is_shared(
            scope.get("raw_path") or scope["path"].encode()
        )
        await (shared if is_shared else app)(scope, receive, send)

    return choose


class _Unchecked:
    """In the place of Connexion's parameter validator, which reads names in a way of its own."""

    def __init__(self, *_: object, **__: object) -> None:
        """Take what Connexion gives."""

    def validate(self, _scope: object) -> None:
        """Leave the parameters to the operations."""


class _Tokens:
    """An ASGI application that answers the addresses of OAuth 2.0, which no document has."""

    def __init__(self, app: App, endpoint: TokenEndpoint) -> None:
        self._app = app
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request about tokens; let others pass."""
        if scope["type"] != "http" or scope[MATCH].path not in OPERATIONS:
            await self._app(scope, receive, send)
            return
        answer = await self._endpoint.answer(
            scope["method"],
            scope["path"],
            query=scope["query_string"],
            given=scope["headers"],
            raw=(await receive())["body"],
            address=address_of(scope),
        )
        await send_answer(answer, send)


async def _refused(request: ConnexionRequest, error: Exception) -> ConnexionResponse:
    """Tell any error in the one shape."""
    refused = error if isinstance(error, Refused) else _as_refused(error)
    refused = with_media_types(refused, request.scope)
    if refused.status >= 500 and refused is not error:  # noqa: PLR2004
        log.error("a request failed", exc_info=error, extra=request.scope[NOTED])
    answer = refusal(refused, request.scope["headers"])
    return ConnexionResponse(
        status_code=answer.status,
        headers=dict(answer.headers),
        content_type="application/json",
        body=answer.body,
    )


def _as_refused(error: Exception) -> Refused:
    status = getattr(error, "status_code", getattr(error, "status", 500))
    headers = {"WWW-Authenticate": CHALLENGES} if status == 401 else {}  # noqa: PLR2004
    return Refused(BY_STATUS.get(status, "notFound"), headers=headers)


def _add_pages(
    pages: flask.Flask,
    store: Store,
    metrics: Metrics,
    config: Config,
    public: Mapping[str, Mapping[str, Any]],
) -> None:
    """Add what is no operation: health, and the pages that the settings make public.

    `public` has the documents by their base paths.
    """
    figures = Figures(lambda: store.ask(outbox.depth))

    @pages.get("/health/live")
    def live() -> flask.Response:
        return flask.jsonify(status="live")

    @pages.get("/health/ready")
    def ready() -> flask.Response:
        store.check()
        return flask.jsonify(status="ready", version=_version())

    if "metrics" in config.public:

        @pages.get("/metrics")
        def numbers() -> flask.Response:
            metrics.waiting.set(store.waiting)
            figures.fill(metrics)
            shown = prometheus_client.generate_latest(metrics.registry)
            return flask.Response(shown, content_type=prometheus_client.CONTENT_TYPE_LATEST)

    if "documents" in config.public:
        _add_documents(pages, public)
    if "ui" in config.public:
        _add_ui(pages, config.path_prefix, public)
    if "matrix" in config.public:
        _add_matrix(pages)


def _add_documents(pages: flask.Flask, public: Mapping[str, Mapping[str, Any]]) -> None:
    """Add the documents below their base paths."""
    for base, each in public.items():
        view = partial(flask.Response, dumps(each), content_type="application/json")
        pages.add_url_rule(f"{base}/openapi.json", f"document of {base}", view)
        if base == next(iter(public)):  # that of the operators, for who knows no base path
            pages.add_url_rule("/openapi.json", "document", view)


def _add_ui(pages: flask.Flask, prefix: str, public: Mapping[str, Mapping[str, Any]]) -> None:
    """Add the page to try the documents with."""
    offered = [
        {"name": each["info"]["title"], "url": f"{prefix}{base}/openapi.json"}
        for base, each in public.items()
    ]

    @pages.get("/ui")
    def without_slash() -> Response:
        return flask.redirect(f"{prefix}/ui/", 308)

    @pages.get("/ui/")
    def page() -> str:
        return _UI.format(title=offered[0]["name"], documents=dumps(offered).decode())

    for name in _ASSETS:
        # As one text: a file that is sent piece by piece keeps a thread until it is read.
        text = Path(swagger_ui_bundle.swagger_ui_path, name).read_bytes()
        view = partial(flask.Response, text, content_type=mimetypes.guess_type(name)[0])
        pages.add_url_rule(f"/ui/{name}", f"page /ui/{name}", view)


def _add_matrix(pages: flask.Flask) -> None:
    """Add the page of the operators' matrix, which loads nothing and runs its own script only."""
    text = page_of(Part.of(shipped()))
    tag = sha256(text).hexdigest()[:32]
    headers = {
        "Content-Security-Policy": f"{policy()}; frame-ancestors 'none'",
        "Cache-Control": "no-cache",  # kept, but asked for again: the rules may be others by then
    }

    @pages.get("/matrix")
    def matrix() -> Response:
        answer = flask.Response(text, headers=headers, content_type="text/html; charset=utf-8")
        answer.set_etag(tag)
        return answer.make_conditional(flask.request)


def _version() -> str:
    return str(shipped().data["version"])


#: Swagger UI's own page, with nothing fetched from elsewhere.
_UI: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<link rel="stylesheet" href="swagger-ui.css">
<link rel="icon" href="favicon-32x32.png">
</head>
<body>
<div id="ui"></div>
<script src="swagger-ui-bundle.js"></script>
<script src="swagger-ui-standalone-preset.js"></script>
<script>
SwaggerUIBundle({{urls: {documents}, dom_id: "#ui", deepLinking: true, validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset], layout: "StandaloneLayout"}});
</script>
</body>
</html>
"""
