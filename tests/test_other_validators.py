"""The published schemas give the same verdict in a validator of another language: Ajv."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from random import Random

import pytest

import ttrules
from tests.injecting import inject
from ttrules.book import shipped
from ttrules.example import Extent, example

NODE = Path(__file__).parent / "node"
SCHEMAS = Path(ttrules.__file__).parent / "schemas"
EXTENTS: tuple[Extent, ...] = ("minimal", "typical", "full")
PAYLOADS = 1_500

# Where continuous integration runs there is a Node.js, or something is wrong with it.
needs_ajv = pytest.mark.skipif(
    not (os.environ.get("CI") or (shutil.which("node") and (NODE / "node_modules/.made").exists())),
    reason="needs node and npm",
)


@needs_ajv
@pytest.mark.parametrize("process", ttrules.processes())
def test_same_verdict(process: str) -> None:
    """Ajv, in its strict mode, finds valid what ttrules finds valid, and nothing else."""
    book = shipped()
    payloads = []
    for number in range(PAYLOADS):
        draw = Random(f"ajv {process} {number}")
        payload = example(book, process, EXTENTS[number % 3], number)
        inject(payload, process, number % 4, draw)
        payloads.append(payload)
    ran = subprocess.run(  # noqa: S603 - our own script
        ["node", NODE / "verdicts.mjs", SCHEMAS / f"{book.slug(process)}.json"],  # noqa: S607
        input="\n".join(map(json.dumps, payloads)),
        capture_output=True,
        check=True,
        text=True,
    )
    verdicts = [verdict == "1" for verdict in ran.stdout.split()]
    assert verdicts == [ttrules.is_valid(payload, process) for payload in payloads]
    assert 0 < sum(verdicts) < PAYLOADS
