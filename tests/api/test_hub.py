"""The operations on the hub, and which addresses a callback may have."""

from __future__ import annotations

import asyncio
import ipaddress
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from server.callback_address import LookUps, Policy, check, event_url, is_public, resolve
from server.config import read_config
from server.messages.en import SENTENCES
from server.messages.pl import SENTENCES as POLISH
from server.problems import ApiError
from tests.support.exchanges import PRIVATE, PUBLIC
from tests.support.servers import BASE, NAMES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from tests.support.servers import Client, Server

#: Callback URLs that are refused, each with the key of the reason.
REFUSED = [
    *(
        (url, reason)
        for reason, urls in {
            "callback_scheme": "http://8.8.8.8/ ftp://8.8.8.8/ file:///etc/passwd gopher://8.8.8.8/"
            " javascript:alert(1)",
            "callback_url": "//8.8.8.8/ 8.8.8.8 https:// https:///x https:x https://[8.8.8.8/ /x",
            "callback_port": "https://8.8.8.8:80/ https://8.8.8.8:22/ https://8.8.8.8:99999/"
            " https://8.8.8.8:x/ https://8.8.8.8:0/ https://8.8.8.8:-1/",
            "callback_credentials": "https://u:p@8.8.8.8/ https://u@8.8.8.8/ https://@8.8.8.8/"
            " https://8.8.8.8%2f@x/",
            "callback_fragment": "https://8.8.8.8/#f https://8.8.8.8/# https://8.8.8.8#?x=y",
            "callback_characters": "https://8.8.8.8\\@x/ https://bücher.example/"
            " https://%31%32%37.0.0.1/ https://8.8.8.8/%0d%0a\x0b https://8.8.8.8/%zz https://8.8.8.8/%"
            ' https://8.8.8.8/"x" https://8.8.8.8/<x> https://[fe80::1%25eth0]/',
            "callback_private": "https://[::1]/ https://[::ffff:127.0.0.1]/ https://127.0.0.1/"
            " https://localhost/ https://2130706433/ https://0x7f000001/ https://0177.0.0.1/"
            " https://127.1/ https://0/ https://10.0.0.1/ https://169.254.169.254/latest/meta-data",
            "callback_unresolved": "https://no-such-name.invalid/",
        }.items()
        for url in urls.split(" ")
    ),
    ("https://8.8.8.8/a b", "callback_characters"),
    ("", "callback_url"),
    (f"https://8.8.8.8/{'x' * 2_048}", "callback_long"),
]


def test_public() -> None:
    """No address of a special-purpose registry is public, in any notation; public ones are."""
    assert [each for each in PRIVATE if is_public(ipaddress.ip_address(each))] == []
    assert [each for each in PUBLIC if not is_public(ipaddress.ip_address(each))] == []


def refused(url: str, found: Sequence[str] | None = None, **policy: Any) -> str | None:
    """Return the key of the reason why a callback is refused, or None; `found` are its addresses,
    None asks the resolver of this machine.
    """

    async def look_up(host: str, port: int) -> Sequence[str]:
        """Return the given addresses, or resolve the host."""
        return resolve(host, port) if found is None else found

    try:
        asyncio.run(check(url, Policy(**policy), look_up))
    except ApiError as error:
        return getattr(error.message, "key", error.code)
    return None


@pytest.mark.parametrize(("url", "reason"), REFUSED)
def test_refused(url: str, reason: str) -> None:
    """Each reason why a callback is not allowed has a message of its own."""
    assert refused(url) == reason


@pytest.mark.parametrize(
    "url",
    [
        *("https://8.8.8.8/", "https://8.8.8.8:8443/a?b=c", "https://8.8.8.8", "HTTPS://8.8.8.8/x"),
        *("https://8.8.8.8:/", "https://8.8.8.8?a=b", "https://8.8.8.8/a%2Fb/@:;,!$&'()*+=~"),
        "https://[2606:4700:4700::1111]:443/x",
    ],
)
def test_allowed(url: str) -> None:
    """An https URL of a public host on an allowed port is accepted."""
    assert refused(url) is None


def test_names() -> None:
    """A name is refused when any of its addresses is private, or it has none."""
    url = "https://name.example/x"
    assert refused(url, ["8.8.8.8"]) is None
    assert refused(url, ["8.8.8.8", "10.0.0.1"]) == "callback_private"
    assert refused(url, []) == "callback_unresolved"
    assert refused("https://no-such-name.invalid/") == "callback_unresolved"


def test_loopback() -> None:
    """For development loopback may be allowed, with http and any port, and nothing else with it."""
    for url in ("http://127.0.0.1:9000/x", "https://[::1]:9000/", "http://localhost/"):
        assert refused(url, allow_loopback=True) is None
    for url, reason in (
        ("http://10.0.0.1/", "callback_scheme"),
        ("https://10.0.0.1:9000/", "callback_port"),
        ("https://169.254.169.254/", "callback_private"),
        ("ftp://127.0.0.1/", "callback_scheme"),
    ):
        assert refused(url, allow_loopback=True) == reason


def test_ports() -> None:
    """The allowed ports are those of the setting."""
    ports = read_config({"TTR_CALLBACK_PORTS": "9443, 8080"}).callback_ports
    assert refused("https://8.8.8.8:9443/", ports=ports) is None
    assert refused("https://8.8.8.8:8080/", ports=ports) is None
    assert refused("https://8.8.8.8/", ports=ports) == "callback_port"


@pytest.mark.parametrize(
    ("networks", "allowed", "closed"),
    [
        (
            "10.20.0.0/16",
            ["10.20.0.1", "::ffff:10.20.3.4"],
            ["10.21.0.1", "192.168.0.1", "fc00::1"],
        ),
        ("10.0.0.0/8, fd12::/16", ["10.1.1.1", "fd12::1"], ["fd13::1", "127.0.0.1"]),
        (
            "0.0.0.0/0, ::/0",
            ["10.0.0.1", "192.168.0.1", "fc00::1", "100.64.0.1"],
            [
                *("127.0.0.1", "169.254.169.254", "0.1.2.3", "224.0.0.1", "::1", "fe80::1"),
                *("::ffff:127.0.0.1", "64:ff9b::169.254.169.254", "100.100.100.200", "ff02::1"),
                *("fd00:ec2::254", "::127.0.0.1", "192.0.0.192"),
            ],
        ),
        ("127.0.0.0/8", ["127.0.0.1", "::ffff:127.0.0.1"], ["::1", "10.0.0.1"]),
        ("169.254.169.254", ["169.254.169.254"], ["169.254.169.253"]),
        ("100.64.0.0/10", ["100.64.0.1"], ["100.100.100.200"]),
        ("", [], ["10.0.0.1"]),
    ],
)
def test_networks(networks: str, allowed: list[str], closed: list[str]) -> None:
    """Private networks are open where a setting lists them; loopback, link-local, multicast and
    metadata addresses only where it lists a part of their networks.
    """
    listed = read_config({"TTR_CALLBACK_NETWORKS": networks}).callback_networks
    for each in allowed:
        assert refused("https://name.example/", [each], networks=listed) is None, each
        assert refused("http://name.example/", [each], networks=listed) == "callback_scheme"
    for each in closed:
        assert refused("https://name.example/", [each], networks=listed) == "callback_private", each
    assert refused("https://8.8.8.8/", networks=listed) is None


@pytest.mark.parametrize(
    ("callback", "expected"),
    [
        ("https://h.example", "https://h.example/E"),
        ("https://h.example/", "https://h.example/E"),
        ("https://h.example/hook", "https://h.example/hook/E"),
        ("https://h.example/hook/", "https://h.example/hook/E"),
        ("https://h.example/hook?token=abc", "https://h.example/hook/E?token=abc"),
        ("https://h.example/hook/?token=abc", "https://h.example/hook/E?token=abc"),
        ("https://h.example?token=abc", "https://h.example/E?token=abc"),
        ("https://h.example/?a=/b/&c=?", "https://h.example/E?a=/b/&c=?"),
        ("https://h.example/a%2Fb%3F/c", "https://h.example/a%2Fb%3F/c/E"),
        ("https://h.example/hook;v=1?", "https://h.example/hook;v=1/E?"),
    ],
)
def test_event_url(callback: str, expected: str) -> None:
    """The path of an event, if it has one, is added to that of the callback, before its query."""
    assert event_url(callback, "E") == expected
    assert event_url(callback, "") == callback


class TestLookUps:
    """Host names are looked up a few at a time for each operator, and within a time limit."""

    @staticmethod
    async def outcome(found: Awaitable[list[str]]) -> str:
        """Return how a look-up ended: the first address, or the code of the error."""
        try:
            return (await found)[0]
        except ApiError as error:
            return error.code

    def test_slow(self) -> None:
        """Slow names of one operator end in time, and delay no other operator."""
        released = threading.Event()
        threads: list[int] = []

        def slowly(host: str, _port: int) -> list[str]:
            threads.append(threading.active_count())
            if host == "slow.example":
                released.wait(60)
            return ["8.8.8.8"]

        async def run() -> tuple[list[str], str, str]:
            """Run the look-ups in one event loop."""
            look_ups = LookUps(slowly, seconds=0.3)
            slow = [
                asyncio.ensure_future(self.outcome(look_ups.find("a", "slow.example", 443)))
                for _ in range(40)
            ]
            await asyncio.sleep(0)
            other = await self.outcome(look_ups.find("b", "quick.example", 443))
            literal = await self.outcome(look_ups.find("a", "9.9.9.9", 443))
            assert not any(each.done() for each in slow)
            return await asyncio.gather(*slow), other, literal

        slow, other, literal = asyncio.run(run())
        assert (other, literal) == ("8.8.8.8", "9.9.9.9")
        assert Counter(slow) == {"invalidCallback": 2, "tooManyRequests": 38}
        assert len(threads) == 3  # a thread each for two slow names, and one for the other operator
        released.set()

    def test_full(self) -> None:
        """When every place is taken by slow names, other look-ups are a 503 at once."""
        released = threading.Event()

        def slowly(_host: str, _port: int) -> list[str]:
            released.wait(60)
            return []

        async def run() -> tuple[str, str]:
            """Run the look-ups in one event loop."""
            look_ups = LookUps(slowly, seconds=0.3)
            slow = [
                asyncio.ensure_future(self.outcome(look_ups.find(str(number // 2), "x", 443)))
                for number in range(32)
            ]
            await asyncio.sleep(0)
            full = await self.outcome(look_ups.find("another", "x", 443))
            await asyncio.gather(*slow)
            released.set()
            quick = LookUps(lambda *_: ["8.8.8.8"])
            return full, await self.outcome(quick.find("another", "x", 443))

        assert asyncio.run(run()) == ("unavailable", "8.8.8.8")

    def test_turns(self) -> None:
        """Many quick names of one operator wait for their turns, and all are found."""

        async def run() -> list[str]:
            """Run the look-ups in one event loop."""
            look_ups = LookUps(lambda *_: ["8.8.8.8"])
            found = (self.outcome(look_ups.find("a", "x.example", 443)) for _ in range(50))
            return await asyncio.gather(*found)

        assert asyncio.run(run()) == ["8.8.8.8"] * 50

    def test_fails(self) -> None:
        """What the resolver raises is raised, and its place is free again."""

        def fails(_host: str, _port: int) -> list[str]:
            raise OSError

        async def run() -> None:
            """Run the look-ups in one event loop."""
            look_ups = LookUps(fails)
            for _ in range(40):
                with pytest.raises(OSError):  # noqa: PT011 - that of the resolver
                    await look_ups.find("a", "x.example", 443)

        asyncio.run(run())


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

    @pytest.mark.parametrize(("url", "reason"), REFUSED)
    def test_reasons(self, api: Client, url: str, reason: str) -> None:
        """Each reason is told in the language that is asked for, and nothing is set."""
        slots = {"ports": "443, 8443", "most": 2_048}
        api.delete("/hub")
        for language, table in (("en", SENTENCES), ("pl", POLISH)):
            headers = {"Accept-Language": language}
            answer = api.post("/hub", json={"callback": url}, headers=headers)
            assert answer.status_code == 400
            assert answer.json()["code"] in {"invalidCallback", "invalidBody"}
            assert answer.json()["message"] == table[reason].format(**slots)
        assert api.get("/hub").status_code == 404

    def test_read(self, api: Client) -> None:
        """GET /hub answers the subscription with its state, also by its id; else it is a 404."""
        api.delete("/hub")
        assert api.get("/hub").status_code == 404
        query = "eventType=TroubleTicketResolvedEvent"
        body = {"callback": "https://8.8.8.8/hook?token=abc", "query": query}
        made = api.post("/hub", json=body).json()
        expected = {**made, "state": "active", "pending": 0}
        for path in ("/hub", f"/hub/{made['id']}"):
            answer = api.get(path)
            assert (answer.status_code, answer.json()) == (200, expected)
            assert api("HEAD", path).status_code == 200
            assert api.get(f"{path}?x=1").json()["code"] == "invalidQuery"
        assert api.get(f"/hub/{uuid4()}").status_code == 404

    def test_provider(self, server: Server, api: Client, backoffice: Client) -> None:
        """The provider lists the subscriptions of all operators, and removes one."""
        made = {
            name: server.client(name)
            .post("/hub", json={"callback": f"https://8.8.8.8/{name}"})
            .json()
            for name in NAMES
        }
        listed = backoffice.get("/hub").json()
        assert [each["operator"] for each in listed] == [*NAMES]
        for each in listed:
            assert each == {
                **made[each["operator"]],
                "operator": each["operator"],
                "state": "active",
                "pending": 0,
            }
            assert backoffice.get(f"/hub/{each['id']}").json() == each
        some = backoffice.get("/hub", params={"operator": f"{NAMES[2]},{NAMES[0]}", "limit": "1"})
        assert [each["operator"] for each in some.json()] == [NAMES[0]]
        for query in ("operator=nosuch", "limit=0", "x=1", "state=active"):
            assert backoffice.get(f"/hub?{query}").json()["code"] == "invalidQuery"
        address = f"/hub/{made[NAMES[1]]['id']}"
        assert server.client(NAMES[1]).get(address).status_code == 200
        assert backoffice.delete(address).status_code == 204
        for gone in (backoffice.delete(address), backoffice.get(address)):
            assert gone.status_code == 404
        assert server.client(NAMES[1]).get("/hub").status_code == 404
        assert api.get("/hub").status_code == 200
        for name in NAMES:
            server.client(name).delete("/hub")

    def test_private(self, api: Client) -> None:
        """An address that leads inside is a 400 that does not say where it leads."""
        answer = api.post("/hub", json={"callback": "https://localhost/"})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalidCallback")
        assert "127" not in answer.text
