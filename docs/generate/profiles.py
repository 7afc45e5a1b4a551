"""Write the generated files of docs/tmf621-v4/: the matrix and the OpenAPI document of that profile.

`make docs` runs this script, and `ttrules postman` for the collection beside them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from docs.generate.reference import conditions_of, decisions_of, page
from ttrules.exports.matrix.markdown import sections
from ttrules.exports.matrix.page import page_of
from ttrules.exports.matrix.view import MatrixView
from ttrules.exports.openapi.document import openapi_of
from ttrules.rulebook import Rulebook
from ttrules.spec.compiler import compile_schemas
from ttrules.spec.load import load_spec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ttrules.matrix import Matrix

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs" / "tmf621-v4"
PROFILE: Final = ROOT / "spec" / "profiles" / "tmf621-v4"
_SPEC: Final = {
    name: PROFILE / f"{name}.yaml"
    for name in ("openapi", "requirements", "interpretation", "lifecycle")
}


def files() -> dict[str, bytes]:
    """Return the content of each file, by name."""
    matrix = load_spec(**_SPEC)
    view = MatrixView.of(Rulebook(matrix, compile_schemas(matrix)))
    return {
        "matrix.md": page(_matrix(matrix, view)).encode(),
        "matrix-page.html": page_of(view),
        "openapi.json": openapi_of(_SPEC["openapi"], matrix),
    }


def _matrix(matrix: Matrix, view: MatrixView) -> Iterator[str]:
    yield f"# Requirement matrix: {matrix.title} {matrix.version}"
    yield ""
    yield "From [requirements.yaml](../../spec/profiles/tmf621-v4/requirements.yaml); types and"
    yield "descriptions from [openapi.yaml](../../spec/profiles/tmf621-v4/openapi.yaml); conditions"
    yield "and decisions from"
    yield "[interpretation.yaml](../../spec/profiles/tmf621-v4/interpretation.yaml)."
    yield ""
    yield from sections(view)
    yield "\n## Conditions\n"
    yield from conditions_of(matrix)
    yield "\n## Decisions\n"
    yield from decisions_of(matrix)


def main() -> None:
    """Write the files."""
    for name, content in files().items():
        (DOCS / name).write_bytes(content)


if __name__ == "__main__":
    main()
