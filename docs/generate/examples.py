"""Write docs/examples/: a valid and an invalid payload for each process.

A payload that still fits the rules is kept, because people wrote the first ones. It is replaced by
a made-up one if the valid payload has a finding, or the invalid one has none; a new process gets
two made-up payloads. `make docs` runs this module.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Final

from ttrules.examples.exchanges import sample
from ttrules.rulebook import shipped

EXAMPLES: Final = Path(__file__).parents[1] / "examples"


def examples() -> dict[str, str]:
    """Return the text of each file in docs/examples/ by its path there."""
    book = shipped()
    texts = {}
    for process in book.matrix.processes:
        made = sample(book, process.name)
        for name, is_valid in (("valid", True), ("broken", False)):
            path = EXAMPLES / process.slug / f"{name}.json"
            kept = path.read_text("utf-8") if path.exists() else ""
            if kept and _is_clean(json.loads(kept), process.name) is is_valid:
                texts[f"{process.slug}/{name}.json"] = kept
            elif made is not None:
                payload = made.request if is_valid else made.broken
                text = json.dumps(payload, ensure_ascii=False, indent=2)
                texts[f"{process.slug}/{name}.json"] = f"{text}\n"
    return texts


def _is_clean(payload: object, process: str) -> bool:
    """Return whether a payload has no findings, and selects the process if it is a new ticket."""
    book = shipped()
    return list(book.validate(payload, process)) == [] and (
        book.matrix.process(process).operation == "change"
        or book.validate_new(payload).process == process
    )


def main() -> None:
    """Write the files, and remove those of processes that do not exist."""
    texts = examples()
    for path in EXAMPLES.iterdir():
        if path.name not in {text.partition("/")[0] for text in texts}:
            shutil.rmtree(path)
    for name, text in texts.items():
        path = EXAMPLES / name
        if not path.exists() or path.read_text("utf-8") != text:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
