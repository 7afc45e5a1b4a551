"""The docs as a site: built without a warning, with nothing of elsewhere, and every link holds."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote, urlsplit

import pytest
import yaml

from docs.generate.stage_site import DOCS, SOURCE, NoSuchFile, stage
from tests.support.docs_runner import ROOT, nav

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

_CONFIG: Final = ROOT / "mkdocs.yml"
#: What fetches by itself, with the attribute that says what.
_ASSETS: Final = {
    **dict.fromkeys(("script", "img", "iframe", "source", "video", "audio", "embed"), "src"),
    "link": "href",
    "object": "data",
    "use": "href",
}


class Page(HTMLParser):
    """A page of the site: where its links lead, what it fetches, and its anchors."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.assets: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag has."""
        has = {name: value or "" for name, value in attrs}
        self.anchors.update(has[name] for name in ("id", "name") if name in has)
        if tag == "a" and "href" in has:
            self.links.append(has["href"])
        if (name := _ASSETS.get(tag)) in has and name is not None:
            self.assets.append(has[name])
        self.assets += re.findall(r"url\((.*?)\)", has.get("style", ""))


class Site(NamedTuple):
    """The site as it was built: its folder, what was said, and its pages."""

    folder: Path
    said: str
    pages: dict[Path, Page]


def built(folder: Path) -> Site:
    """Build the site in a folder, as `make site` does."""
    stage(pages=folder / "pages")
    config = folder / "mkdocs.yml"
    own = {"INHERIT": str(_CONFIG), "docs_dir": "pages", "site_dir": "site"}
    config.write_text(yaml.safe_dump(own), encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", config],
        env={**os.environ, **settings()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    site = folder / "site"
    return Site(site, ran.stdout + ran.stderr, {each: Page(each) for each in site.rglob("*.html")})


def settings() -> dict[str, str]:
    """Return the variables that `make site` sets."""
    (line,) = re.findall(r"^\t(.+) \$\(BIN\)/mkdocs build --strict #", _makefile(), re.MULTILINE)
    return dict(each.split("=") for each in line.split())


def _makefile() -> str:
    return (ROOT / "Makefile").read_text("utf-8")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Give the site."""
    return built(tmp_path_factory.mktemp("site"))


def test_strict(site: Site) -> None:
    """It is built in the strict mode without a warning."""
    assert "Documentation built" in site.said
    assert "WARNING" not in site.said


def test_nav() -> None:
    """Every page of docs/ can be chosen, once, and no other."""
    assert sorted(nav()) == sorted(str(each.relative_to(DOCS)) for each in DOCS.rglob("*.md"))


def test_titles(site: Site) -> None:
    """A page is chosen by its title."""
    text = html.unescape(re.sub("<[^>]+>", "", (site.folder / "index.html").read_text("utf-8")))
    titles = [(DOCS / page).read_text("utf-8").partition("\n")[0] for page in nav()]
    assert [
        title for title in titles if f"\n{title.removeprefix('# ')}\n" not in _lines(text)
    ] == []


def _lines(text: str) -> str:
    """Return a text without the white space around its lines."""
    return "\n".join(line.strip() for line in text.splitlines())


def test_alone(site: Site) -> None:
    """No page, and no style sheet, fetches anything of another host."""
    fetched = [asset for page in site.pages.values() for asset in page.assets]
    for sheet in site.folder.rglob("*.css"):
        text = sheet.read_text("utf-8")
        fetched += re.findall(r"url\([\"']?(.*?)[\"']?\)", text)
        assert "@import" not in text
    assert len(fetched) > len(site.pages)
    assert [each for each in fetched if urlsplit(each).netloc] == []


def test_links(site: Site) -> None:
    """A link within the site leads to a page, and to an anchor where it names one."""
    wrong, seen = [], 0
    for path, page in site.pages.items():
        for link in page.links:
            parts = urlsplit(link)
            # The page for what is not found cannot know where it is shown.
            if parts.scheme or path.name == "404.html":
                continue
            target = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
            seen += 1
            if target.is_file() and target.suffix != ".html":
                continue  # a file that a page offers
            found = site.pages.get(target)
            anchor = unquote(parts.fragment)
            if found is None or (anchor and anchor not in found.anchors):
                wrong.append((path.relative_to(site.folder), link))
    assert wrong == []
    assert seen > 1_000


def test_source(site: Site) -> None:
    """What pages link to elsewhere in the project is shown, as it is."""
    page = (site.folder / SOURCE / "spec" / "lifecycle.yaml.html").read_text("utf-8")
    assert "transition" not in page
    assert "The lifecycle of a trouble ticket" in re.sub("<[^>]+>", "", page)


def test_same(site: Site, tmp_path: Path) -> None:
    """Built again it is the same, to the byte."""
    again = built(tmp_path).folder
    files = {each.relative_to(site.folder) for each in site.folder.rglob("*") if each.is_file()}
    assert files == {each.relative_to(again) for each in again.rglob("*") if each.is_file()}
    differ = [
        each for each in files if (site.folder / each).read_bytes() != (again / each).read_bytes()
    ]
    assert differ == []


@pytest.mark.parametrize("link", ["../nowhere.yaml", "..", "../../outside.md"])
def test_stage(link: str, tmp_path: Path) -> None:
    """A page that links to what is no file of the project is refused."""
    docs = tmp_path / "project" / "docs"
    docs.mkdir(parents=True)
    (tmp_path / "outside.md").touch()
    (docs / "page.md").write_text(f"[there]({link})", encoding="utf-8")
    with pytest.raises(NoSuchFile) as refused:
        stage(docs, tmp_path / "pages", tmp_path / "project")
    assert (refused.value.page, refused.value.target) == (docs / "page.md", link)
