"""A rival: Connexion's FlaskApp as it comes, the document mounted, its handlers in its threads.

A body is checked for the document's shape by Connexion's own validator, then against the matrix by
ttrules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import connexion
from connexion.lifecycle import ConnexionResponse
from connexion.resolver import Resolver

from tests.benchmarks.frameworks.rivals import BASE, Shelf, is_known, told
from tests.support.profiles import load
from ttrules.rulebook import shipped

if TYPE_CHECKING:
    from collections.abc import Callable


def basic(name: str, secret: str) -> dict[str, str] | None:
    """Return who asks, as Connexion wants to be told."""
    return {"sub": name} if is_known(name, secret) else None


def bearer(_: str) -> None:
    """Know no token."""


def made(shelf: Shelf) -> connexion.FlaskApp:
    """Return the application."""
    book = shipped()

    def create(body: dict[str, Any]) -> tuple[dict[str, Any], int]:
        report = book.validate_new(body)
        if not report.valid:
            return told(report.violations), 400
        return shelf.keep(body), 201

    def retrieve(troubleTicketId: str) -> Any:  # noqa: N803 - as the document names it
        found = shelf.find(troubleTicketId)
        if found is None:
            return {"code": "notFound"}, 404
        # As bytes, so that what is stored as JSON is not parsed and written once more.
        return ConnexionResponse(200, content_type="application/json", body=found)

    def unwritten() -> tuple[dict[str, Any], int]:
        return {"code": "notWritten"}, 501

    operations: dict[str, Callable[..., Any]] = {
        "createTroubleTicket": create,
        "retrieveTroubleTicket": retrieve,
    }
    document = load()
    schemes = document["components"]["securitySchemes"]
    schemes["basicAuth"]["x-basicInfoFunc"] = f"{__name__}.basic"
    schemes["oauth2"]["x-tokenInfoFunc"] = f"{__name__}.bearer"
    app = connexion.FlaskApp("rival")
    app.add_api(
        document, base_path=BASE, resolver=Resolver(lambda name: operations.get(name, unwritten))
    )
    return app
