"""Who a receiver must prove to be before an event is sent to it."""

from __future__ import annotations

import socket
from base64 import b64encode
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import pytest

from server.callback_address import Policy
from server.config import read_config
from server.delivery.sender import EventSender
from tests.delivery.receivers import receiving
from tests.support.databases import DATABASES, postgresql
from tests.support.server_commands import delivering
from tests.support.servers import serving
from tests.support.tls import DAY, Authority, made, proof
from tests.support.turns import MASTER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

#: Until the very second of its making.
OVER = ("-days", "0")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Give an authority."""
    return made(tmp_path_factory.mktemp("tls"), "tests.example")


@pytest.fixture
def poster(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[EventSender]:
    """Give a poster that trusts the authority; every name is this machine's."""
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda _host, *rest, **more: real("127.0.0.1", *rest, **more)
    )
    trusting = EventSender(Policy(allow_loopback=True), authorities=str(authority.certificate))
    yield trusting
    trusting.close()


def test_right(authority: Authority, poster: EventSender) -> None:
    """One that is who it should be gets events, and is told by which name it was called."""
    context = authority.signed("right", "hooks.example", *DAY)
    called: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: called.append(name)
    with receiving(context) as receiver:
        url = f"https://hooks.example:{receiver.port}/x"
        assert [poster.post(url, b"{}", {}).status for _ in range(2)] == [201, 201]
        assert called == ["hooks.example"]
        assert receiver.received[0].headers["host"] == f"hooks.example:{receiver.port}"


@pytest.mark.parametrize("wrong", ["host", "expired", "unknown", "itself"])
def test_wrong(authority: Authority, poster: EventSender, tmp_path: Path, wrong: str) -> None:
    """One that is another, was it once, or is vouched for by nobody who is trusted gets none."""
    if wrong == "host":
        context = authority.signed("other", "other.example", *DAY)
    elif wrong == "expired":
        context = authority.signed("old", "hooks.example", *OVER)
    elif wrong == "unknown":
        context = made(tmp_path, "Tests").signed("unknown", "hooks.example", *DAY)
    else:
        context = proof(made(tmp_path, "hooks.example").certificate, tmp_path / "ca.key")
    with receiving(context) as receiver:
        outcome = poster.post(f"https://hooks.example:{receiver.port}/x", b"{}", {})
        assert (outcome.status, outcome.error) == (None, "TLS")
        assert receiver.received == []


@pytest.mark.parametrize("kind", DATABASES)
def test_private(authority: Authority, tmp_path: Path, kind: str) -> None:
    """A server whose settings name an authority, a port and a network sends events to a listener
    that only these allow; with one of them less it does not.
    """
    address = f"sqlite:///{tmp_path}/t.db" if kind == "sqlite" else postgresql()
    context = authority.signed("private", "127.0.0.1", *DAY, kind="IP")
    key = {"TTR_SIGNING_KEY": b64encode(MASTER).decode()}
    with receiving(context) as receiver:
        settings = {
            "TTR_CALLBACK_CA": str(authority.certificate),
            "TTR_CALLBACK_PORTS": f"443,{receiver.port}",
            "TTR_CALLBACK_NETWORKS": "127.0.0.0/24",
        }
        callback = {"callback": f"https://127.0.0.1:{receiver.port}/hook?token=abc"}
        with serving(address, **key, **settings) as running, sending(kind, address, key, settings):
            client = running.client()
            assert client.post("/hub", json=callback).status_code == 201
            number = client.created()["id"]
            change = {"@type": "TroubleTicket", "origin": "Web"}
            client.patch(f"/troubleTicket/{number}", json=change)
            (received,) = receiver.wait_for(1)
            assert received.path.startswith("/hook/TroubleTicket")
            assert received.path.endswith("Event?token=abc")
        # What is stored is judged again by the settings of the process that sends.
        for name, error in (
            ("TTR_CALLBACK_CA", "TLS"),
            ("TTR_CALLBACK_PORTS", "address not allowed"),
            ("TTR_CALLBACK_NETWORKS", "address not allowed"),
        ):
            less = {each: value for each, value in settings.items() if each != name}
            config = read_config(less)
            poster = EventSender(Policy.of(config), authorities=config.callback_ca)
            outcome = poster.post(callback["callback"], b"{}", {})
            poster.close()
            assert (outcome.status, outcome.error) == (None, error)
        assert len(receiver.received) == 1


@contextmanager
def sending(
    kind: str, address: str, key: dict[str, str], settings: dict[str, str]
) -> Iterator[None]:
    """Run what delivers for a server: nothing beside it on SQLite."""
    with delivering(address, {**key, **settings}) if kind == "postgresql" else nullcontext():
        yield
