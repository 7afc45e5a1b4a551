"""Copy docs/ to build/pages, with the project files that its pages link to.

A page in docs/ may link to any file of the project, such as `../../spec/requirements.yaml`. On
GitHub the link opens the file. MkDocs only reads one folder, so this script writes a page that shows
the file and changes the link; `mkdocs --strict` can then report every broken link. Other files that
pages link to, such as images, are copied unchanged. `make site` runs this script before MkDocs.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Final
from urllib.parse import unquote

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
PAGES: Final = ROOT / "build" / "pages"
#: The folder of the site for these pages.
SOURCE: Final = "source"
_LINK: Final = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)")
#: The language for syntax highlighting, by file extension.
_LANGUAGES: Final = {"py": "python", "yaml": "yaml", "json": "json", "md": "markdown"}


class NoSuchFile(Exception):
    """A page links to a file that does not exist or is outside the project."""

    def __init__(self, page: Path, target: str) -> None:
        super().__init__(page, target)
        self.page, self.target = page, target

    def __str__(self) -> str:
        """Return the page and its broken link."""
        return f"{self.page}: no file {self.target}"


def stage(docs: Path = DOCS, pages: Path = PAGES, root: Path = ROOT) -> None:
    """Write all pages. Raises NoSuchFile."""
    shutil.rmtree(pages, ignore_errors=True)
    docs, root = docs.resolve(), root.resolve()
    shown: set[Path] = set()
    beside: set[Path] = set()
    for page in sorted(docs.rglob("*.md")):
        staged = pages / page.relative_to(docs)

        def led(link: re.Match[str], page: Path = page, staged: Path = staged) -> str:
            """Return the target of a link in the site."""
            file = (page.parent / unquote(link[1])).resolve()
            if file.is_relative_to(docs):
                if file.is_file() and file.suffix != ".md":
                    beside.add(file.relative_to(docs))
                return link[1]
            if not file.is_file() or not file.is_relative_to(root):
                raise NoSuchFile(page, link[1])
            shown.add(path := file.relative_to(root))
            return Path(os.path.relpath(_place(pages, path), staged.parent)).as_posix()

        _write(staged, _LINK.sub(led, page.read_text("utf-8")))
    for path in beside:
        (pages / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(docs / path, pages / path)
    for path in shown:
        _write(_place(pages, path), _as_page(path, (root / path).read_text("utf-8")))


def _write(page: Path, text: str) -> None:
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text, encoding="utf-8")


def _place(pages: Path, path: Path) -> Path:
    """Return the path of the page for a project file."""
    return pages / SOURCE / f"{path}.md"


def _as_page(path: Path, text: str) -> str:
    """Return a page that shows a file and is excluded from the search."""
    language = _LANGUAGES.get(path.suffix[1:], "text")
    fence = "`" * (1 + max(2, *map(len, re.findall("`+", text)), 0))
    return f"---\nsearch:\n  exclude: true\n---\n\n# {path}\n\n{fence}{language}\n{text.rstrip()}\n{fence}\n"


if __name__ == "__main__":
    stage()
