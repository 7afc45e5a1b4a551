"""The page of Swagger UI, in a real browser: what it sends when nothing is filled in."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from tests.api.conftest import BASE, NAMES, serving

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Request

_LIST = "#operations-troubleTicket-listTroubleTicket"


def test_execute(browser: Browser, tmp_path: Path) -> None:
    """Execute on the list, with every field as it is offered, finds all tickets, in English."""
    with serving(f"sqlite:///{tmp_path}/t.db") as running:
        api = running.client()
        made = {api.created()["id"] for _ in range(3)}
        context = browser.new_context(
            locale="en-US",
            http_credentials={"username": NAMES[0], "password": running.secrets[NAMES[0]]},
        )
        page = context.new_page()
        asked: list[Request] = []
        page.on("request", lambda request: asked.append(request))
        page.goto(f"{running.root}/ui/")
        page.locator(_LIST).get_by_role("button").first.click()
        page.locator(f"{_LIST} .try-out__btn").click()
        with page.expect_response(lambda answer: f"{BASE}/troubleTicket" in answer.url) as caught:
            page.locator(f"{_LIST} .execute").click()
        answer = caught.value
        assert answer.status == 200
        assert {each["id"] for each in answer.json()} == made
        query = dict(parse_qsl(urlsplit(answer.url).query))
        assert query.keys() <= {"offset", "limit"}
        (sent,) = [each for each in asked if f"{BASE}/troubleTicket" in each.url]
        assert not sent.all_headers().get("accept-language", "en").startswith("pl")
        assert {urlsplit(each.url).netloc for each in asked} == {urlsplit(running.root).netloc}
        context.close()
