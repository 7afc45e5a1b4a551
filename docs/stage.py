"""Staging the pages of the site: build/pages is docs/, and what its pages link to beyond it.

A page of docs/ may link to any file of the project, as `../../spec/requirements.yaml`. On GitHub
that leads to the file. In the site it leads to a page that shows the file's text, made here, since
MkDocs knows the files below one folder only; to let it overlook such links would let it overlook
wrong ones, too. What pages link to beside them (the matrix as a page, say) comes along as it is.
Nothing else of a page is changed. `make site` runs this before MkDocs.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Final
from urllib.parse import unquote

ROOT: Final = Path(__file__).parents[1]
DOCS: Final = ROOT / "docs"
PAGES: Final = ROOT / "build" / "pages"
#: The folder of the site that has the pages of such files.
SOURCE: Final = "source"
_LINK: Final = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)")
#: How a file is told to be coloured, by its ending.
_LANGUAGES: Final = {"py": "python", "yaml": "yaml", "json": "json", "md": "markdown"}


class NoSuchFile(Exception):  # noqa: N818 - a statement
    """A page links to a file that is not there, or is none of the project's."""

    def __init__(self, page: Path, target: str) -> None:
        super().__init__(page, target)
        self.page, self.target = page, target

    def __str__(self) -> str:
        """Say which page, and what it links to."""
        return f"{self.page}: no file {self.target}"


def stage(docs: Path = DOCS, pages: Path = PAGES, root: Path = ROOT) -> None:
    """Write the pages anew. Raises NoSuchFile."""
    shutil.rmtree(pages, ignore_errors=True)
    docs, root = docs.resolve(), root.resolve()
    shown: set[Path] = set()
    beside: set[Path] = set()
    for page in sorted(docs.rglob("*.md")):
        staged = pages / page.relative_to(docs)

        def led(link: re.Match[str], page: Path = page, staged: Path = staged) -> str:
            """Return where a link leads in the site."""
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
    """Return the page of a file of the project."""
    return pages / SOURCE / f"{path}.md"


def _as_page(path: Path, text: str) -> str:
    """Return a page that shows a text as it is, and that searches pass over."""
    language = _LANGUAGES.get(path.suffix[1:], "text")
    fence = "`" * (1 + max(2, *map(len, re.findall("`+", text)), 0))
    return f"---\nsearch:\n  exclude: true\n---\n\n# {path}\n\n{fence}{language}\n{text.rstrip()}\n{fence}\n"


if __name__ == "__main__":
    stage()
