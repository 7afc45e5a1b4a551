"""The operations on the hub, and which addresses a callback may have."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from server.callbacks import checked, is_public
from server.errors import Refused
from tests.api.conftest import BASE

if TYPE_CHECKING:
    from tests.api.conftest import Client

#: Addresses that lead into a private network, however they are written.
PRIVATE = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.8.8.8 169.254.0.1
169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.170 192.0.2.1 192.88.99.1 192.168.0.1
192.168.255.255 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255
240.0.0.1 255.255.255.255 192.31.196.1 192.52.193.1 192.175.48.1
:: ::1 ::127.0.0.1 ::10.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254
::ffff:0:127.0.0.1 64:ff9b::127.0.0.1 64:ff9b::10.0.0.1 64:ff9b:1::1 100::1 2001::1 2001:2::1
2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1:: 2002:a00:1:: 3fff::1 5f00::1 fc00::1 fd00::1
fe80::1 fec0::1 ff02::1
""".split()
PUBLIC = (
    "1.1.1.1 8.8.8.8 93.184.216.34 2606:4700:4700::1111 2a00:1450:4001::1 64:ff9b::8.8.8.8".split()
)
REFUSED = """
http://8.8.8.8/ ftp://8.8.8.8/ file:///etc/passwd gopher://8.8.8.8/ //8.8.8.8/ 8.8.8.8 https:// https:///x
https://8.8.8.8:80/ https://8.8.8.8:22/ https://8.8.8.8:99999/ https://8.8.8.8:x/ https://u:p@8.8.8.8/
https://u@8.8.8.8/ https://8.8.8.8/#f https://8.8.8.8/# https://8.8.8.8\\@x/ https://[::1]/ https://[::ffff:127.0.0.1]/
https://127.0.0.1/ https://localhost/ https://2130706433/ https://0x7f000001/ https://0177.0.0.1/ https://127.1/
https://0/ https://[8.8.8.8/ https://8.8.8.8%2f@x/ javascript:alert(1) https://bücher.example/ https://%31%32%37.0.0.1/
https://8.8.8.8/%0d%0a\x0b
""".split("\n")


def test_public() -> None:
    """No address of a special-purpose registry is public, in any notation; public ones are."""
    assert [each for each in PRIVATE if is_public(ipaddress.ip_address(each))] == []
    assert [each for each in PUBLIC if not is_public(ipaddress.ip_address(each))] == []


@pytest.mark.parametrize("url", " ".join(REFUSED).split(" "))
def test_refused(url: str) -> None:
    """An address is https on a usual port of a public host, and nothing is hidden in it."""
    with pytest.raises(Refused) as refused:
        checked(url, allow_loopback=False)
    assert refused.value == Refused("invalidCallback")


@pytest.mark.parametrize(
    "url",
    ["https://8.8.8.8/", "https://8.8.8.8:8443/a?b=c", "https://8.8.8.8", "HTTPS://8.8.8.8/x"],
)
def test_allowed(url: str) -> None:
    """Others are taken as they are."""
    assert checked(url, allow_loopback=False) == url


def test_names() -> None:
    """A name is refused when any of its addresses is private, or it has none."""
    found = {"good": ["8.8.8.8"], "mixed": ["8.8.8.8", "10.0.0.1"], "none": []}
    for name, addresses in found.items():
        url = f"https://{name}.example/x"
        if name == "good":
            assert checked(url, allow_loopback=False, addresses=lambda *_, a=addresses: a) == url
        else:
            with pytest.raises(Refused):
                checked(url, allow_loopback=False, addresses=lambda *_, a=addresses: a)

    def fails(_host: str, _port: int) -> list[str]:
        raise OSError

    with pytest.raises(Refused):
        checked("https://gone.example/", allow_loopback=False, addresses=fails)


def test_loopback() -> None:
    """For development loopback may be allowed, and nothing else with it."""
    for url in ("http://127.0.0.1:9000/x", "https://[::1]:9000/", "http://localhost/"):
        assert checked(url, allow_loopback=True) == url
    for url in ("http://10.0.0.1/", "https://169.254.169.254/", "ftp://127.0.0.1/"):
        with pytest.raises(Refused):
            checked(url, allow_loopback=True)


class TestOperations:
    """POST /hub and DELETE /hub."""

    def test_set(self, api: Client) -> None:
        """Setting an address answers 201 with the subscription; another one replaces it."""
        query = "eventType=TroubleTicketResolvedEvent"
        body = {"callback": "https://8.8.8.8/listener", "query": query}
        first = api.post("/hub", json=body)
        assert first.status_code == 201
        assert first.headers["Location"] == f"{BASE}/hub/{first.json()['id']}"
        assert {key: first.json()[key] for key in body} == body
        second = api.post("/hub", json={"callback": "https://8.8.4.4/"}).json()
        assert second.keys() == {"id", "callback"}
        assert api.delete(f"/hub/{first.json()['id']}").status_code == 404
        assert api.delete(f"/hub/{second['id']}").status_code == 204
        assert api.delete(f"/hub/{second['id']}").status_code == 404

    def test_reset(self, api: Client) -> None:
        """Resetting is a 204 without a body, and a 404 where nothing was set."""
        api.post("/hub", json={"callback": "https://8.8.8.8/"})
        answer = api.delete("/hub")
        assert (answer.status_code, answer.content) == (204, b"")
        assert "Content-Type" not in answer.headers
        assert api.delete("/hub").status_code == 404
        assert api.delete(f"/hub/{uuid4()}").status_code == 404

    @pytest.mark.parametrize(
        "body",
        [
            *({}, [], {"callback": 1}, {"callback": None}, {"callback": ""}, {"callback": "x y"}),
            {"callback": "https://8.8.8.8/", "query": "eventType=X"},
        ],
    )
    def test_wrong(self, api: Client, body: object) -> None:
        """A body of another shape is a 400."""
        assert api.post("/hub", json=body).json()["code"] == "invalidBody"

    def test_missing(self, api: Client) -> None:
        """Where the address is missing, the answer names it."""
        assert "/callback" in api.post("/hub", json={"query": ""}).json()["message"]

    def test_private(self, api: Client) -> None:
        """An address that leads inside is a 400 that does not say where it leads."""
        answer = api.post("/hub", json={"callback": "https://localhost/"})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalidCallback")
        assert "127" not in answer.text
