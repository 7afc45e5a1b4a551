"""A real browser: the Chromium of the system, driven by Playwright, and axe-core inside it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

_AXE: Final = Path(__file__).parents[1] / "node" / "node_modules" / "axe-core" / "axe.min.js"
_CHROMIUM: Final = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
#: Where the pictures are left that the tests take.
SHOTS: Final = Path(__file__).parents[2] / "build" / "screenshots"
#: What is looked at: the size of the window, and which colours the system prefers.
VIEWS: Final[dict[str, dict[str, Any]]] = {
    "desktop": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light"},
}
_OPTIONS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start Chromium. Without it, or without axe, what needs it is left out; never in CI."""
    if not os.environ.get("CI") and (_CHROMIUM is None or not _AXE.exists()):
        pytest.skip("needs Chromium and npm")  # never in continuous integration
    assert _CHROMIUM is not None, "there is no Chromium"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=_CHROMIUM, args=list(_OPTIONS))
        yield running
        running.close()


@pytest.fixture
def look(browser: Browser) -> Iterator[Callable[[str, str], Page]]:
    """Return what opens an address in one of VIEWS.

    A page may not say anything on its console, nor ask anything of another host.
    """
    contexts, said = [], []

    def looked(url: str, view: str = "desktop", **more: Any) -> Page:
        """Open an address in a window of its own."""
        context = browser.new_context(**VIEWS[view], **more)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        host = url.split("/")[2]
        page.on(
            "request",
            lambda request: (
                said.append(request.url)
                if request.url.startswith("http") and request.url.split("/")[2] != host
                else None
            ),
        )
        page.goto(url)
        return page

    yield looked
    for context in contexts:
        context.close()
    assert said == []


def violations(page: Page) -> list[str]:
    """Return what axe finds wrong with a page: the rule, and the first element that breaks it."""
    page.evaluate(_AXE.read_text("utf-8"))
    found: dict[str, Any] = page.evaluate("() => axe.run()")
    return [f"{each['id']}: {each['nodes'][0]['html']}" for each in found["violations"]]


def shoot(page: Page, name: str) -> None:
    """Take a picture of a page, as it is seen."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png")
