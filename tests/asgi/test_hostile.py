"""Hostile bodies for every operation: no 5xx, one shape of errors, at most two log lines."""

from __future__ import annotations

import json
import os
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from server import documents
from tests.asgi.hostile_bodies import JSON, Hostile, hostile
from tests.asgi.wires import Wire, basic, request
from tests.support.contract import BACKOFFICE_BASE
from tests.support.databases import DATABASES, postgresql
from tests.support.profiles import load, load_backoffice
from tests.support.servers import BASE, NAMES, PROVIDER, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.servers import Server

pytestmark = pytest.mark.slow

BODIES = list(dict.fromkeys(hostile()))
SIDES = {BASE: load(), BACKOFFICE_BASE: load_backoffice()}
#: The operations that read their bodies.
WITH_BODY = frozenset().union(*(documents.with_body(each) for each in SIDES.values()))
#: Whether operations that read no body, and PostgreSQL, get all bodies too (`make thorough`);
#: otherwise such an operation gets one in eight, and PostgreSQL one in forty.
IS_THOROUGH = "TTRULES_HOSTILE" in os.environ
#: A check tells of what is no ticket; that is no error.
CHECK = "checkTroubleTicket"


def operations() -> Iterator[tuple[str, str, str, str]]:
    """Yield each operation: its name, its method, its path as a template, and who asks."""
    for base, name in ((BASE, NAMES[0]), (BACKOFFICE_BASE, PROVIDER)):
        for template, methods in documents.operations(SIDES[base]).items():
            for method, operation in methods.items():
                yield operation, method, base + template, name


def media_types(body: Hostile, method: str) -> Iterator[str | None]:
    """Yield the media types that a body is sent with."""
    yield body.media_type
    if method == "PATCH" and body.media_type == JSON:
        yield "application/json-patch+json"


def tickets(server: Server) -> str:
    """Return what is stored, as it is listed."""
    return server.backoffice().get("/troubleTicket?limit=100").text


@pytest.mark.parametrize("kind", DATABASES)
def test_hostile(kind: str, tmp_path: Path) -> None:
    """Every operation answers every body: below 500, with an Error, and with two log lines at most.

    What is not JSON changes nothing.
    """
    assert len(BODIES) >= 300
    bodies = BODIES if kind == "sqlite" or IS_THOROUGH else BODIES[::40]
    database = f"sqlite:///{tmp_path}/t.db" if kind == "sqlite" else postgresql()
    log = tmp_path / "log"
    settings = {"TTR_LOG_LEVEL": "INFO", "TTR_CHECKS_PER_MINUTE": "999999"}
    asked = 0
    with log.open("w") as errors, serving(database, stderr=errors, **settings) as running:
        number = running.client().created()["id"]
        before = tickets(running)
        with Wire(running) as wire:
            for turn, body in enumerate(sorted(bodies, key=lambda each: each.is_json)):
                if body.is_json and before:
                    assert tickets(running) == before
                    before = ""
                for at, (operation, method, template, name) in enumerate(operations()):
                    if operation not in WITH_BODY and not IS_THOROUGH and (turn + at) % 8:
                        continue
                    path = template.replace("{troubleTicketId}", number).replace("{", "")
                    for media_type in media_types(body, method):
                        typed = [] if media_type is None else [
                            b"Content-Type: " + media_type.encode("latin-1")
                        ]  # fmt: skip
                        target = path.replace("}", "")
                        target += "?process=complaint-add" if operation == CHECK else ""
                        data = request(
                            method,
                            target,
                            b"X-Request-Id: n-%d" % asked,
                            *typed,
                            auth=basic(running, name),
                            body=body.body,
                        )
                        answer = wire.ask(data, method)
                        asked += 1
                        what = (body.name, operation, media_type, answer)
                        assert answer.status < 500, what
                        if answer.status >= 400:
                            answer.error()
                        elif operation in WITH_BODY and operation != CHECK:
                            assert body.is_json, what
    lines = Counter(json.loads(line).get("request") for line in log.read_text().splitlines())
    assert {lines[f"n-{turn}"] for turn in range(asked)} <= {1, 2}
    assert lines[None] <= 20  # of the start and the end
