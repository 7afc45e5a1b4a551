"""The page of the matrix, as people use it: by keyboard, on a phone, in the dark, on paper."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.browsers import shoot, violations
from tests.support.oracle import MATRIX
from ttrules.codes import REQUIREMENTS, slug
from ttrules.rulebook import shipped

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator, Page

    Look = Callable[..., Page]

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAGE = (Path(__file__).parents[2] / "docs" / "matrix.html").as_uri()
STATUS = "TroubleTicket.status/complaint-change"
ROWS = sum(map(len, MATRIX["entities"].values()))
CELLS = ROWS * len(MATRIX["processes"])


def cell(page: Page, anchor: str) -> Locator:
    """Return the code of a cell."""
    return page.locator(f'a[id="{anchor}"]')


def focused(page: Page) -> str:
    """Return the anchor of the cell that has the focus, or the id of what else has it."""
    found: str = page.evaluate("() => document.activeElement.id")
    return found


def shown(page: Page) -> list[str]:
    """Return the fields that are shown."""
    rows = page.locator("tr[data-field]:visible th code").all_text_contents()
    assert page.locator("#count").inner_text() == f"{len(rows)} of {ROWS} fields"
    return rows


def asked(page: Page) -> dict[str, list[str]]:
    """Return the filters that the address names."""
    return parse_qs(urlsplit(page.url).query)


def is_in_view(page: Page, anchor: str) -> bool:
    """Say whether a cell can be seen: nothing lies over its middle."""
    seen: bool = cell(page, anchor).evaluate(
        """(link) => {
            const box = link.getBoundingClientRect();
            const middle = [box.x + box.width / 2, box.y + box.height / 2];
            return link === document.elementFromPoint(...middle);
        }"""
    )
    return seen


class TestKeyboard:
    """The page is used by keyboard alone."""

    def test_whole_way(self, look: Look) -> None:
        """Search, go to a cell, read of it, go back; the Tab key stops once in the table."""
        page = look(PAGE)
        page.keyboard.press("/")
        assert focused(page) == "search"
        page.keyboard.type("status STRING")
        found = shown(page)
        assert {"status", "statusChangeReason", "provisioningStatus"} <= {*found}
        assert not {"name", "priority"} & {*found}
        while not focused(page).startswith("TroubleTicket.status/"):
            page.keyboard.press("Tab")
        for _ in range(3):
            page.keyboard.press("ArrowRight")
        assert focused(page) == STATUS
        panel = page.locator("#details")
        assert panel.is_hidden()
        page.keyboard.press("Enter")
        assert panel.is_visible()
        assert focused(page) == STATUS
        assert urlsplit(page.url).fragment == STATUS
        said = page.locator("#said").inner_text()
        assert said == (
            f"TroubleTicket.status, Complaint Change: {REQUIREMENTS['O']} Details are open."
        )
        page.keyboard.press("Tab")
        assert focused(page) == "close"
        page.keyboard.press("Escape")
        assert panel.is_hidden()
        assert focused(page) == STATUS
        assert not urlsplit(page.url).fragment

    def test_arrows(self, look: Look) -> None:
        """Arrows move by a cell, over what is filtered out; Home, End and pages move further."""
        page = look(f"{PAGE}?entity=Note&entity=&process=")
        fields, processes = list(MATRIX["entities"]["Note"]), MATRIX["processes"]
        for key, row, column in (
            ("ArrowDown", 1, 0),
            ("ArrowRight", 1, 1),
            ("ArrowUp", 0, 1),
            ("ArrowUp", 0, 1),
            ("End", 0, -1),
            ("ArrowRight", 0, -1),
            ("PageDown", -1, -1),
            ("ArrowLeft", -1, -2),
            ("Home", -1, 0),
            ("Control+End", -1, -1),
            ("PageUp", 0, -1),
            ("Control+Home", 0, 0),
        ):
            if not focused(page).startswith("Note."):
                page.locator("td a[tabindex='0']").focus()
            page.keyboard.press(key)
            assert focused(page) == f"Note.{fields[row]}/{slug(processes[column])}"
        assert page.locator("td a[tabindex='0']").count() == 1

    def test_details_follow(self, look: Look) -> None:
        """Open details are those of the cell that the arrows reach, and so is the address."""
        page = look(f"{PAGE}#{STATUS}")
        page.keyboard.press("ArrowUp")
        fields = list(MATRIX["entities"]["TroubleTicket"])
        above = fields[fields.index("status") - 1]
        assert page.locator("#details-name").inner_text() == f"TroubleTicket.{above}"
        assert page.url.endswith(f"#TroubleTicket.{above}/complaint-change")
        page.keyboard.press("ArrowLeft")
        assert page.locator("#details .current .process").inner_text() == "Complaint Add"
        assert page.locator("thead .current").inner_text() == "Complaint Add"


class TestAnchors:
    """A cell has an address, which opens it."""

    @pytest.mark.parametrize("view", ["desktop", "phone"])
    def test_opens(self, look: Look, view: str) -> None:
        """It opens and focuses the cell, which is in view, with the at sign as it is or escaped."""
        for written in (
            STATUS,
            "TroubleTicket.@type/customer-trouble-ticket-add",
            "TroubleTicket.%40type/complaint-add",
            "TroubleTicketRelationship.relationshipType/complaint-change",
        ):
            page, anchor = look(f"{PAGE}#{written}", view), written.replace("%40", "@")
            assert focused(page) == anchor
            assert page.locator("#details-name").inner_text() == anchor.partition("/")[0]
            assert is_in_view(page, anchor)

    def test_of_a_field(self, look: Look) -> None:
        """The address of a field opens its first cell; what names nothing opens nothing."""
        page = look(f"{PAGE}#Note.text")
        assert focused(page) == "Note.text/customer-trouble-ticket-add"
        for nothing in ("Note.nothing/complaint-add", "%", "matrix", ""):
            assert look(f"{PAGE}#{nothing}").locator("#details").is_hidden()

    def test_later(self, look: Look) -> None:
        """A link to another cell, followed on the page, does the same and clears filters."""
        page = look(f"{PAGE}?entity=Note")
        page.evaluate(f"() => {{ location.hash = '{STATUS}' }}")
        cell(page, STATUS).wait_for(state="visible")
        page.locator("#details").wait_for(state="visible")
        assert focused(page) == STATUS
        assert asked(page) == {}
        assert len(shown(page)) == ROWS


class TestDetails:
    """What is known of a cell is told beside it."""

    def test_every_cell(self, look: Look) -> None:
        """Each opens with its own code, meaning, type and source."""
        page = look(PAGE)
        told = page.evaluate(
            """() => [...document.querySelectorAll("td > a")].map((link) => {
                link.click();
                const inside = (part) => [...document.querySelectorAll(`#details ${part}`)]
                    .filter((each) => !each.closest("[hidden]")).map((each) => each.textContent);
                return [link.id, inside("h2"), inside(".current > *"), inside("dl > div > *")];
            })"""
        )
        rows = [
            (entity, field, codes)
            for entity, fields in MATRIX["entities"].items()
            for field, codes in fields.items()
        ]
        wanted = [
            (number, f"{entity}.{field}", process, code)
            for number, (entity, field, codes) in enumerate(rows, 1)
            for process, code in zip(MATRIX["processes"], codes, strict=True)
        ]
        for (number, name, process, code), (anchor, head, current, facts) in zip(
            wanted, told, strict=True
        ):
            assert (anchor, head) == (f"{name}/{slug(process)}", [name])
            assert current == [code, process, REQUIREMENTS[code]]
            entity, _, field = name.partition(".")
            kind = shipped().cell(entity, field, process).type
            assert facts[:2] == ["Type", kind or "no type"]
            assert facts[-1].endswith(f"Fields Description: row {number} ({name})")

    def test_reasons(self, look: Look) -> None:
        """The page contains conditions, decisions and oddities with their reasons."""
        page = look(f"{PAGE}#RelatedEntity.id/complaint-add")
        told = page.locator("#details").inner_text()
        (condition,) = (each for each in shipped().matrix.conditions if "id" in each.fields)
        assert "CONDITIONS\nIn RelatedEntity, send at least one of id, externalId." in told
        assert f"Why: {condition.reason}" in told
        assert "DECISIONS\nRequired/Process dependent members that are sent: " in told
        page = look(f"{PAGE}#AttachmentRefOrValue.size/complaint-add")
        told = page.locator("#details").inner_text()
        assert (
            "ODDITIES\nIt may be sent, but no member of Quantity may be sent and used."
            " Decided under: The size of an attachment." in told
        )

    @pytest.mark.parametrize("view", ["desktop", "phone"])
    def test_by_mouse(self, look: Look, view: str) -> None:
        """A click anywhere in a cell opens it, the button closes it."""
        page = look(PAGE, view)
        page.locator('td:has([id="TroubleTicket.origin/complaint-add"])').click(
            position={"x": 3, "y": 3}
        )
        assert page.locator("#details-name").inner_text() == "TroubleTicket.origin"
        page.get_by_role("button", name="Close the details").click()
        assert page.locator("#details").is_hidden()
        assert focused(page) == "TroubleTicket.origin/complaint-add"


class TestFilters:
    """Filters narrow the table together, and the address has them."""

    def test_together(self, look: Look) -> None:
        """Entity, process, codes and text are joined by and; codes by or."""
        page = look(PAGE)
        page.locator("select[name=entity]").select_option("TroubleTicket")
        assert shown(page) == [*MATRIX["entities"]["TroubleTicket"]]
        page.locator("select[name=process]").select_option("complaint-add")
        column = MATRIX["processes"].index("Complaint Add")
        assert page.locator("thead th:visible").all_inner_texts() == [
            *("Field", "Complaint Add", "Description")
        ]
        for codes in ("R", "RO"):
            page.locator(f".chip:has([value={codes[-1]}])").click()
            assert shown(page) == [
                field
                for field, row in MATRIX["entities"]["TroubleTicket"].items()
                if row[column] in codes
            ]
        page.locator("#search").fill("when")
        assert shown(page) == []
        assert page.locator("#none").is_visible()
        page.locator("#search").fill("ticket")
        fields = shown(page)
        assert fields
        assert asked(page) == {
            "q": ["ticket"],
            "entity": ["TroubleTicket"],
            "process": ["complaint-add"],
            "code": ["R", "O"],
        }
        again = look(page.url)
        assert shown(again) == fields
        again.locator("#reset").click()
        again.locator("#count").filter(has_text=re.compile(f"^{ROWS} of")).wait_for()
        assert len(shown(again)) == ROWS
        assert asked(again) == {}

    @pytest.mark.parametrize("code", ["-", "R/PD"])
    def test_every_code(self, look: Look, code: str) -> None:
        """A code is looked for in all processes; the address may name it."""
        page = look(f"{PAGE}?code={code}")
        assert shown(page) == [
            field
            for fields in MATRIX["entities"].values()
            for field, row in fields.items()
            if code in row
        ]

    def test_announced(self, look: Look) -> None:
        """How many fields there are is told to those who do not see it."""
        count = look(PAGE).locator("#count")
        assert count.get_attribute("aria-live") == "polite"
        assert count.get_attribute("role") == "status"

    def test_nothing_is_run(self, look: Look) -> None:
        """What an address or a person writes is text; of another page's filters nothing is kept."""
        page = look(f"{PAGE}?q=<img src=x onerror=alert(1)>&entity=Nobody&code=X&x=1")
        assert shown(page) == []
        assert page.locator("img").count() == 0


class TestLook:
    """It is readable everywhere."""

    @pytest.mark.parametrize("view", ["desktop", "dark", "phone"])
    def test_pictures(self, look: Look, view: str) -> None:
        """Axe finds nothing wrong, with details and filters; the body never scrolls sideways."""
        for name, there in {
            "": "",
            "-details": f"#{STATUS}",
            "-filters": "?entity=RelatedEntity&code=R/PD&code=P#RelatedEntity.id/complaint-add",
        }.items():
            page = look(PAGE + there, view)
            if view == "phone" and name == "-filters":
                page.get_by_text("Filters (3)", exact=True).click()
            shoot(page, f"matrix-{view}{name}")
            if name == "-filters":  # axe takes its time over all cells
                assert violations(page) == []
            wide = page.evaluate("() => document.documentElement.scrollWidth")
            assert wide == page.evaluate("() => innerWidth")

    def test_every_kind_of_code(self, look: Look) -> None:
        """Axe finds nothing wrong without details either, nor with a code that is not supported."""
        assert violations(look(f"{PAGE}?entity=AttachmentRefOrValue")) == []

    def test_phone(self, look: Look) -> None:
        """On a phone the table moves under its first column and its headings, which stay."""
        page = look(PAGE, "phone")
        region = page.locator("#region")
        region.evaluate("region => region.scrollTo(10_000, 900)")
        field = page.locator("tr[data-field]:visible th code").nth(25)
        left = "each => each.getBoundingClientRect().left"
        top = "each => each.getBoundingClientRect().top"
        assert field.evaluate(left) == pytest.approx(16, abs=1)
        assert page.locator("thead th").nth(3).evaluate(top) == region.evaluate(top) + 1
        page.set_viewport_size({"width": 320, "height": 256})
        assert page.evaluate("() => document.documentElement.scrollWidth") == 320

    def test_theme(self, look: Look) -> None:
        """Colours are the system's until somebody chooses, and the choice is kept."""
        page = look(f"{PAGE}?entity=RelatedEntity", "dark")
        paint = "() => getComputedStyle(document.body).backgroundColor"
        dark = page.evaluate(paint)
        page.get_by_role("button", name="Light colours").click()
        assert page.evaluate(paint) == "rgb(255, 255, 255)" != dark
        page.reload()
        assert page.evaluate(paint) == "rgb(255, 255, 255)"
        page.get_by_role("button", name="Dark colours").click()
        assert page.evaluate(paint) == dark

    def test_print(self, look: Look) -> None:
        """On paper there are table, codes and notes in black, the heading again on each page."""
        page = look(f"{PAGE}#{STATUS}", "dark")
        page.emulate_media(media="print")
        for hidden in ("#filters", "#details", "#theme"):
            assert page.locator(hidden).is_hidden()
        assert page.locator("td > a:visible").count() == CELLS
        assert page.locator(".note:visible").count() == ROWS
        assert page.locator(".legend").is_visible()
        styles = page.evaluate(
            """() => [...document.querySelectorAll("td a, td, .note *")].map((each) => {
                const style = getComputedStyle(each);
                return `${style.color} ${style.backgroundColor}`;
            })"""
        )
        assert {each.partition(") ")[2] for each in styles} == {"rgba(0, 0, 0, 0)"}
        assert {each.partition(") ")[0] for each in styles} <= {"rgb(0, 0, 0", "rgb(26, 31, 38"}
        head = "() => getComputedStyle(document.querySelector('thead')).display"
        assert page.evaluate(head) == "table-header-group"
        shoot(page, "matrix-print")
        pages = re.findall(rb"/Type /Page\b", page.pdf(prefer_css_page_size=True))
        assert 8 <= len(pages) <= 40

    def test_without_script(self, look: Look) -> None:
        """Without a script every code is there, each leads to its field's note, nothing is dead."""
        page = look(PAGE, java_script_enabled=False)
        assert page.locator("td > a:visible").count() == CELLS
        for hidden in ("#filters", "#theme", "#details"):
            assert page.locator(hidden).is_hidden()
        cell(page, STATUS).click()
        assert page.url.endswith("#about:TroubleTicket.status")
        note = page.locator('[id="about:TroubleTicket.status"]')
        assert note.is_visible()
        assert "Held and pending" in note.inner_text()

    def test_semantics(self, look: Look) -> None:
        """It is a table with a caption, and every heading says what it heads."""
        page = look(PAGE)
        assert page.get_by_role("table", name="What each field owes to each process").count() == 1
        assert page.get_by_role("columnheader").count() == 2 + len(MATRIX["processes"])
        scopes = page.locator("tbody th").evaluate_all("all => all.map(each => each.scope)")
        assert scopes.count("row") == ROWS
        assert scopes.count("rowgroup") == len(MATRIX["entities"])
        link = page.get_by_role("link", name="O: Optional").first
        assert link.inner_text() == "O"
