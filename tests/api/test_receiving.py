"""The how-to about events, command by command, against the sandbox and a listener."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.signing import headers, key_of, shown
from tests.api.conftest import BASE, started

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/howto/receive-events.md").read_text("utf-8")
_BLOCK = re.compile(r"^```(console|listener)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_MARK = "--- end of output ---"
#: What is another each time: moments, identifiers, addresses, secrets.
_VARYING = (
    (re.compile(r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z"), "MOMENT"),
    (re.compile(r"^[0-9]{2}:[0-9]{2}:[0-9]{2} ", re.MULTILINE), "TIME "),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}\b"), "ID"),
    (re.compile(r"http://127\.0\.0\.1:[0-9]+"), "ADDRESS"),
)


def matches(expected: str, printed: str) -> bool:
    """Say whether what was printed is what the page shows, three dots standing for anything."""
    for pattern, word in _VARYING:
        expected, printed = pattern.sub(word, expected), pattern.sub(word, printed)
    return re.fullmatch(re.escape(expected).replace(r"\.\.\.", ".*"), printed) is not None


@contextmanager
def running(*command: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program that is written to and read from, for two minutes at most."""
    process = subprocess.Popen(  # noqa: S603 - commands of ours
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    timer = threading.Timer(120, process.kill)
    timer.start()
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=60)
        timer.cancel()


def typed(shell: subprocess.Popen[str], command: str) -> str:
    """Return what a shell prints when a command is typed."""
    assert shell.stdin is not None
    assert shell.stdout is not None
    shell.stdin.write(f"{command}\nprintf '\\n%s\\n' '{_MARK}'\n")
    shell.stdin.flush()
    printed = list(iter(shell.stdout.readline, f"{_MARK}\n"))
    assert shell.poll() is None
    return "".join(printed).strip("\n")


def lines(process: subprocess.Popen[str], many: int) -> str:
    """Return as many lines as a listener prints next."""
    assert process.stdout is not None
    return "".join(process.stdout.readline() for _ in range(many))


def test_page(tmp_path: Path) -> None:
    """Every command prints what the page shows, and so does the listener after each of them."""
    database = {"TTR_DATABASE_URL": f"sqlite:///{tmp_path}/var/tickets.db"}
    with started(**database, TTR_SANDBOX="1", TTR_ALLOW_LOOPBACK_CALLBACKS="1") as sandbox:
        assert sandbox.stdout is not None
        root = sandbox.stdout.readline().split()[1].removesuffix(BASE)
        secrets = json.loads((tmp_path / "var/sandbox-operators.json").read_text("utf-8"))
        given = {**database, "TTR_BACKOFFICE_URL": root, "API": root + BASE}
        given["A"] = f"operator-a:{secrets['operator-a']}"
        given["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        listen = [sys.executable, "-m", "server", "listen", "--port", "0"]
        listen += ["--secret", secrets["signing"]["operator-a"]]
        with running(*listen, **given) as listener, running("bash", **given) as shell:
            for kind, block in _BLOCK.findall(PAGE):
                if kind == "listener":
                    printed = lines(listener, block.count("\n"))
                    assert matches(block, printed), (block, printed)
                    if address := re.match(r"Listening at (\S+)", printed):
                        typed(shell, f"export LISTENER={address[1]}")
                    continue
                for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                    command, _, expected = part.partition("\n")
                    printed = typed(shell, command)
                    assert matches(expected.strip("\n"), printed), (command, expected, printed)
            listener.terminate()
            assert listener.communicate(timeout=60)[0] == ""


def test_program() -> None:
    """The program of the page knows what is signed now by the secret from what is not."""
    (program,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(program, names)  # noqa: S102 - our own page
    is_signed, now, body = names["is_signed"], int(time.time()), b'{"eventId": "e1"}'
    old, new, other = (key_of(b"m" * 32, "operator", version) for version in (1, 2, 3))
    given = headers("e1", now, body, [new, old])
    assert is_signed(shown(new), given, body)
    assert is_signed(shown(old), given, body)
    assert not is_signed(shown(other), given, body)
    assert not is_signed(shown(new), given, body + b" ")
    assert not is_signed(shown(new), headers("e1", now - 301, body, [new]), body)
