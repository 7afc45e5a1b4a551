"""The page that checks payloads, in a real browser, against a sandbox that runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

import ttrules
from tests.support.browsers import VIEWS, shoot, violations
from tests.support.servers import BASE, Client, started
from tests.support.tickets import complaint
from ttrules.messages.catalogue import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Locator, Page

    Look = Callable[..., Page]

pytestmark = [pytest.mark.browser, pytest.mark.slow]

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
COMPLAINT = complaint()
#: A payload that a shell, a quoting or an encoding might spoil; one member is wrong.
ODD = {**COMPLAINT, "name": 'It\'s "$HOME" `id` \\ 100% \U0001f422 ż!', "origin": "Fax"}


class Sandbox(NamedTuple):
    """A sandbox that runs: its root, and its secrets."""

    root: str
    secrets: dict[str, Any]

    def operator(self) -> Client:
        """Return a client that is the operator whom the page names."""
        return Client(self.root, ("operator-a", self.secrets["operator-a"]))


@pytest.fixture(scope="module")
def sandbox(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:  # noqa: ARG001 - no server where there is no browser
    """Give a sandbox that runs."""
    folder = tmp_path_factory.mktemp("sandbox")
    database = f"sqlite:///{folder}/t.db"
    settings = {"TTR_DATABASE_URL": database, "TTR_SANDBOX": "1", "TTR_CHECKS_PER_MINUTE": "150"}
    with started(**settings) as process:
        assert process.stdout is not None
        root = process.stdout.readline().split()[1].removesuffix(BASE)
        yield Sandbox(root, json.loads((folder / "sandbox-operators.json").read_text("utf-8")))


def report_of(slug: str) -> ttrules.Report:
    """Return the report on the invalid example of a process."""
    text = (EXAMPLES / slug / "broken.json").read_text("utf-8")
    return ttrules.validate(json.loads(text), slug)


def opened(look: Look, sandbox: Sandbox, view: str = "desktop", **more: Any) -> Page:
    """Return the page once it can be used."""
    page = look(f"{sandbox.root}/", view, **more)
    page.wait_for_selector("#example-list button", state="attached")
    return page


def reached(page: Page, state: str) -> str:
    """Return what the verdict says once it is of a state."""
    page.wait_for_selector(f"#verdict[data-state={state}]")
    return page.inner_text("#said")


def focused(page: Page) -> Locator:
    """Return what has the focus."""
    return page.locator(":focus")


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until something has the focus."""
    for _ in range(30):
        if page.locator(f"{selector}:focus").count():
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {selector}")


def fits(page: Page) -> bool:
    """Say whether the page is no wider than its window."""
    width: bool = page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    return width


def test_by_keyboard(look: Look, sandbox: Sandbox) -> None:
    """By keyboard alone an invalid payload is read, corrected, found valid, copied and sent."""
    page = opened(look, sandbox, permissions=["clipboard-read", "clipboard-write"])
    assert page.inner_text("#said") == "Nothing to check yet"
    page.evaluate(
        "text => navigator.clipboard.writeText(text)", json.dumps(ODD, indent=2, ensure_ascii=False)
    )
    tab_to(page, "#payload")
    page.keyboard.press("Control+V")
    assert reached(page, "invalid") == "1 violation"
    page.keyboard.press("Tab")  # the editor lets go of it
    finding = focused(page)
    assert "Set origin to one of" in finding.inner_text()
    why = page.locator("#findings .why:visible")
    assert "TroubleTicket.origin" in why.inner_text()
    link = why.locator("a")
    assert link.get_attribute("href") == "/matrix#TroubleTicket.origin/complaint-add"
    page.keyboard.press("Enter")
    chosen = page.evaluate(
        "() => { const e = document.activeElement;"
        " return [e.id, e.value.slice(e.selectionStart, e.selectionEnd)]; }"
    )
    assert chosen == ["payload", '"Fax"']
    page.keyboard.insert_text('"Email"')
    assert reached(page, "valid") == "VALID"
    assert page.locator("#findings li").count() == 0
    page.keyboard.press("Shift+Tab")
    assert focused(page).get_attribute("id") == "copy"
    page.keyboard.press("Enter")
    page.locator("#told:not(:empty)").wait_for()
    line: str = page.evaluate("navigator.clipboard.readText()")
    created = run(line, sandbox)
    assert created["name"] == ODD["name"]
    assert sandbox.operator().get(f"/troubleTicket/{created['id']}").json()["origin"] == "Email"


def run(line: str, sandbox: Sandbox, **environment: str) -> dict[str, Any]:
    """Return the ticket that a copied command is answered."""
    ran = subprocess.run(
        ["bash", "-c", line.replace("curl ", "curl -sS --fail-with-body ", 1)],
        env={**os.environ, "SECRET": sandbox.secrets["operator-a"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    ticket: dict[str, Any] = json.loads(ran.stdout)
    return ticket


def test_change(look: Look, sandbox: Sandbox) -> None:
    """The command of a change changes a ticket, whose id is named beside the secret."""
    page = opened(look, sandbox, permissions=["clipboard-read", "clipboard-write"])
    page.select_option("#process", "complaint-change")
    page.fill("#payload", '{"@type": "TroubleTicket", "severity": "High"}')
    assert reached(page, "valid") == "VALID"
    page.click("#copy")
    page.locator("#told:not(:empty)").wait_for()
    number = sandbox.operator().created()["id"]
    changed = run(page.evaluate("navigator.clipboard.readText()"), sandbox, ID=number)
    assert (changed["id"], changed["severity"]) == (number, "High")


@pytest.mark.parametrize("view", VIEWS)
def test_states(look: Look, sandbox: Sandbox, view: str) -> None:
    """Empty, broken and valid, in each window: nothing for axe to find, and nothing too wide."""
    page = opened(look, sandbox, view, reduced_motion="reduce")
    assert violations(page) == []
    assert fits(page)
    shoot(page, f"checker-{view}-empty")
    page.click("#examples summary")
    assert fits(page)
    page.get_by_role("button", name="Customer Trouble Ticket Add, broken").click()
    report = report_of("customer-trouble-ticket-add")
    wrong, warned = len(report.violations), len(report.warnings)
    assert reached(page, "invalid") == f"{wrong} violations"
    more = f" {warned} warnings." if warned else ""
    assert page.inner_text("#more") == f"By the rules of Customer Trouble Ticket Add.{more}"
    assert violations(page) == []
    assert fits(page)
    marks = [int(each) for each in page.locator("#gutter .found").all_inner_texts()]
    assert marks == sorted(set(marks)) != []
    shoot(page, f"checker-{view}-broken")
    page.locator("#findings button").nth(wrong - 1).click()
    assert page.evaluate("document.activeElement.id") == "payload"
    assert page.locator("#findings .current .kind").inner_text() == "Violation"
    shoot(page, f"checker-{view}-place")
    page.click("#examples summary")
    page.get_by_role("button", name="Customer Trouble Ticket Change, valid").click()
    assert reached(page, "valid") == "VALID"
    assert page.input_value("#process") == "customer-trouble-ticket-change"
    assert violations(page) == []
    page.evaluate("scrollTo(0, 0)")
    shoot(page, f"checker-{view}-valid")


def test_marks(look: Look, sandbox: Sandbox) -> None:
    """A mark is where its text is, also behind characters that take more room, and far away."""
    page = opened(look, sandbox)
    lines = "\n".join(f'"note{number}": 1,' for number in range(90))
    selected = '"ticketType": "Complaint"'
    page.fill(
        "#payload", f'{{{selected}, {lines}\n"name": "\U0001f422\U0001f422", "origin": "Fax"}}'
    )
    assert reached(page, "invalid")
    page.locator("#findings button", has_text="Set origin").click()
    assert page.locator("#layer mark.current").inner_text() == '"Fax"'
    box = page.locator("#layer mark.current").bounding_box()
    area = page.locator("#paper").bounding_box()
    assert box is not None
    assert area is not None
    assert area["y"] <= box["y"] <= area["y"] + area["height"]
    assert page.locator("#gutter .current").inner_text() == "91"
    # A click on a mark in the gutter leads to its finding as well.
    page.locator("#gutter .found", has_text="90").click()
    assert page.locator("#layer mark.current").inner_text() == '"note89"'


def test_files(look: Look, sandbox: Sandbox, tmp_path: Path) -> None:
    """A file is opened, or dropped on the page; one that is too large is not even read."""
    page = opened(look, sandbox)
    broken = EXAMPLES / "complaint-add" / "broken.json"
    page.set_input_files("#file", broken)
    assert reached(page, "invalid") == f"{len(report_of('complaint-add').violations)} violations"
    assert page.inner_text("#told") == "broken.json is loaded."
    dropped = (EXAMPLES / "complaint-add" / "valid.json").read_text("utf-8")
    page.evaluate(
        """text => {
          const data = new DataTransfer();
          data.items.add(new File([text], "valid.json", {type: "application/json"}));
          const send = name => document.getElementById("payload").dispatchEvent(
            new DragEvent(name, {dataTransfer: data, bubbles: true, cancelable: true}));
          send("dragover"); window.wasOver = document.querySelector(".over") !== null; send("drop");
        }""",
        dropped,
    )
    assert reached(page, "valid") == "VALID"
    assert page.evaluate("window.wasOver") is True
    assert page.input_value("#payload") == dropped
    assert page.locator(".over").count() == 0
    large = tmp_path / "large.json"
    with large.open("wb") as file:
        file.truncate((2 << 20) + 1)
    page.set_input_files("#file", large)
    assert reached(page, "large") == "Too large"
    assert page.inner_text("#more") == "Send at most 2 MB at a time."
    assert page.input_value("#payload") == dropped


def test_format(look: Look, sandbox: Sandbox) -> None:
    """Layout changes and values do not, as they were written; what is no JSON is left alone."""
    page = opened(look, sandbox)
    page.fill("#payload", '{"a":[1.0,12345678901234567890,{}],"b":[],"c":"\\u00e9, {x}: \\""}')
    page.click("#format")
    assert page.input_value("#payload").splitlines() == [
        "{",
        '  "a": [',
        "    1.0,",
        "    12345678901234567890,",
        "    {}",
        "  ],",
        '  "b": [],',
        '  "c": "\\u00e9, {x}: \\""',
        "}",
    ]
    assert page.inner_text("#told") == "Formatted."
    page.keyboard.press("Control+Z")
    assert page.input_value("#payload").startswith('{"a":[1.0')
    reached(page, "invalid")


def test_strict(look: Look, sandbox: Sandbox) -> None:
    """What is only warned of is an error once it is asked for strictly."""
    page = opened(look, sandbox)
    page.fill("#payload", json.dumps({**COMPLAINT, "serverity": "Low"}))
    assert reached(page, "valid") == "VALID"
    assert page.inner_text("#more") == "Every rule of Complaint Add is met. 1 warning."
    page.check("#strict")
    assert reached(page, "invalid") == "1 violation"


class TestLanguages:
    """The page speaks the language of the browser, or the one that its address asks for."""

    def test_same_keys(self, look: Look, sandbox: Sandbox) -> None:
        """Every language that reports are told in has every text, with the same slots."""
        page = opened(look, sandbox)
        texts = page.evaluate(
            "async () => (await import(new URL('checker/texts.js', location))).TEXTS"
        )
        assert texts.keys() == TABLES.keys()

        def shape(of: dict[str, Any]) -> dict[str, list[str]]:
            """Return the slots of each text; of several plural forms those of the last."""
            last = {
                key: each if isinstance(each, str) else each["other"] for key, each in of.items()
            }
            return {key: sorted(re.findall(r"{\w+}", each)) for key, each in last.items()}

        shapes = {language: shape(each) for language, each in texts.items()}
        assert all(each == shapes["en"] for each in shapes.values())
        plurals = {
            language: {tuple(each) for each in of.values() if not isinstance(each, str)}
            for language, of in texts.items()
        }
        assert plurals == {"en": {("one", "other")}, "pl": {("one", "few", "many", "other")}}

    def test_polish(self, look: Look, sandbox: Sandbox) -> None:
        """In Polish the page, its findings and their numbers are."""
        page = opened(look, sandbox, locale="pl-PL")
        assert page.get_attribute("html", "lang") == "pl"
        page.fill("#payload", json.dumps(ODD))
        assert reached(page, "invalid") == "1 naruszenie"
        payload = {**ODD, "href": "/x", "status": "submitted"}
        page.fill("#payload", json.dumps(payload))
        page.wait_for_selector("#findings > li:nth-child(3)")
        assert page.inner_text("#said") == "3 naruszenia"
        report = ttrules.validate(payload, "complaint-add")
        shown = page.inner_text("#findings")
        for finding in report.violations:
            assert finding.message_in("pl") in shown
        assert violations(page) == []
        shoot(page, "checker-desktop-polish")

    def test_asked_for(self, look: Look, sandbox: Sandbox) -> None:
        """The address decides before the browser does; what there is not decides nothing."""
        for asked, language in (("en", "en"), ("constructor", "pl")):
            page = look(f"{sandbox.root}/?lang={asked}", locale="pl-PL")
            page.wait_for_selector("#example-list button", state="attached")
            assert page.get_attribute("html", "lang") == language


class TestTrouble:
    """What the browser's console tells of too, so that no page of these is held to its silence."""

    @pytest.fixture
    def page(self, browser: Browser) -> Iterator[Page]:
        """Give a page in a window of its own."""
        context = browser.new_context(**VIEWS["desktop"])
        yield context.new_page()
        context.close()

    def test_no_json(self, page: Page, sandbox: Sandbox) -> None:
        """What is no JSON is shown at its line, and is no reason to stop."""
        page.goto(f"{sandbox.root}/")
        page.wait_for_selector("#example-list button", state="attached")
        page.fill("#payload", '{\n"ticketType": "Complaint",\n"priority": NaN\n}')
        assert reached(page, "nojson") == "Not JSON"
        assert page.inner_text("#more") == "It cannot be read at line 3, column 13."
        assert page.locator("#gutter .found").all_inner_texts() == ["3"]
        page.locator("#findings button").click()
        assert page.evaluate("document.getElementById('payload').selectionStart") == 41
        assert violations(page) == []
        page.fill("#payload", "")
        assert reached(page, "empty") == "Nothing to check yet"
        assert page.locator("#findings li").count() == 0

    def test_away(self, page: Page, sandbox: Sandbox) -> None:
        """A server that is away is told of, and found again with the next change."""
        page.goto(f"{sandbox.root}/")
        page.wait_for_selector("#example-list button", state="attached")
        page.context.set_offline(True)
        page.fill("#payload", json.dumps(COMPLAINT))
        assert reached(page, "away") == "The server cannot be reached"
        assert violations(page) == []
        page.context.set_offline(False)
        page.press("#payload", "Control+Enter")
        assert reached(page, "valid") == "VALID"

    def test_busy(self, page: Page, sandbox: Sandbox) -> None:
        """Who asks too often is told when it goes on. The last test here: nobody may ask then."""
        page.goto(f"{sandbox.root}/")
        page.wait_for_selector("#example-list button", state="attached")
        stranger = Client(sandbox.root, None)
        headers = {"Content-Type": "application/json"}
        while stranger.post("/check", data=b"{}", headers=headers).status_code == 200:
            pass
        page.fill("#payload", "{}")
        assert reached(page, "busy") == "A moment, please"
        assert "It goes on in" in page.inner_text("#more")
        assert violations(page) == []
