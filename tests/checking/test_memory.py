"""However much is checked, memory does not grow with it."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ttrules.checking.files import Reading
from ttrules.checking.pool import tasks_of
from ttrules.checking.results import CheckOptions
from ttrules.checking.worker import PayloadChecker

STATUS = Path("/proc/self/status")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not STATUS.exists(), reason="needs to be told of memory"),
]

SIZE = 30 << 20
MOST = 150 << 20
#: Runs the command line and writes the most memory that it or a worker held, in KiB, to standard
#: error. Its own is not asked of getrusage, which counts what the process before exec held.
BEGIN = f"""
import re, resource, sys
from ttrules.__main__ import main
try:
    main()
finally:
    own = int(re.search("VmHWM: *([0-9]+)", open("{STATUS}").read().replace("\t", " "))[1])
    sys.stderr.write(str(max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)))
"""


def peak(*args: str | Path) -> tuple[int, bytes, int]:
    """Run the command line; return its exit code, its output, and the memory it took in bytes."""
    ran = subprocess.run([sys.executable, "-c", BEGIN, *args], capture_output=True, check=False)
    return ran.returncode, ran.stdout, int(ran.stderr) * 1024


@pytest.fixture
def large(tmp_path: Path, ticket: dict[str, Any], request: pytest.FixtureRequest) -> Path:
    """Give a large file of valid payloads, whose kind is that of its name."""
    name: str = request.param
    path = tmp_path / name
    ticket["note"] = [{"text": "x" * 2_000}] * 5
    text = json.dumps(ticket).encode()
    lines = b"\n".join([text] * (SIZE // len(text)))
    if ".jsonl" not in name:
        lines = b"[" + lines.replace(b"\n", b",\n") + b"]"
    path.write_bytes(gzip.compress(lines, 1) if path.suffix == ".gz" else lines)
    return path


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("large", ["a.jsonl", "a.json", "a.jsonl.gz", "a.json.gz"], indirect=True)
def test_constant(large: Path, jobs: str) -> None:
    """A file of 30 MB is checked in less than 150 MB, interpreter and rules included."""
    code, out, memory = peak("check", "--jobs", jobs, large)
    assert (code, out.partition(b", ")[2][-6:]) == (0, b"valid\n")
    assert memory < MOST


def test_few_at_a_time(tmp_path: Path) -> None:
    """No more than 128 KB are judged at once, since each payload in them may have its findings."""
    row = b'{"a": "%s"}' % (b"x" * 9_990)
    rows = [row] * 600
    judge = PayloadChecker(CheckOptions())
    for name, content in {
        "lines": b"\n".join(rows),
        "a.jsonl": b"\n".join(rows),
        "array": b"[" + b",".join(rows) + b"]",
    }.items():
        for text in (content, gzip.compress(content)):
            path = tmp_path / name
            path.write_bytes(text)
            counts = [judge.judge(task.parts).payloads for task in tasks_of(Reading(str(path)))]
            assert sum(counts) == len(rows)
            assert max(counts) <= (1 << 17) // len(row) + 1
