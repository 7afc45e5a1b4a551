"""Ways to run the commands of `python -m server`, in this process and in processes of their own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import requests
from click.testing import CliRunner

from server.cli.main import cli

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from click.testing import Result

#: The event that a listener gets unless a test names another.
NAME = "TroubleTicketStatusChangeEvent"


def command(address: str, *arguments: str, **environment: str) -> Result:
    """Run a command on a database."""
    given = {"TTR_DATABASE_URL": address, **environment}
    return CliRunner().invoke(cli, arguments, env=given)


def is_sentence(result: Result) -> bool:
    """Return whether a command has failed with one sentence, as a usage error does."""
    # What is logged are lines of JSON; of SQLite's fault something may be.
    told = [line for line in result.stderr.splitlines() if not line.startswith("{")]
    return (
        result.exit_code == 2
        and result.stdout == ""
        and len(told) == 1
        and told[0].startswith("server: ")
    )


def closed_port() -> int:
    """Return a port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


class Running:
    """A listener that runs: where it listens, and what it says."""

    def __init__(self, process: subprocess.Popen[str], root: str) -> None:
        self.process = process
        self.root = root
        self._session = requests.Session()
        self._session.trust_env = False

    def post(
        self, event: Any, given: Mapping[str, str] | None = None, name: str = NAME
    ) -> requests.Response:
        """Send an event, as bytes or as what they hold, with these headers."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        told = {"Content-Type": "application/json", **(given or {})}
        return self._session.post(f"{self.root}/{name}", data=body, headers=told, timeout=60)

    def line(self) -> str:
        """Return the next line that it says; the process is ended when it says none for long."""
        assert self.process.stdout is not None
        timer = threading.Timer(60, self.process.kill)
        timer.start()
        line = self.process.stdout.readline()
        timer.cancel()
        return line.rstrip("\n")

    def said(self) -> dict[str, Any]:
        """Return the next event that it tells of as JSON."""
        told: dict[str, Any] = json.loads(self.line())
        return told


@contextmanager
def listener(*options: str) -> Iterator[Running]:
    """Run a listener that tells of events as JSON, until it is left."""
    process = subprocess.Popen(
        [sys.executable, "-m", "server", "listen", "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    told = process.stderr if "--json" in options else process.stdout
    try:
        root = told.readline().split()[-1]
        for line in iter(told.readline, "\n"):
            if line.startswith("  -d "):
                assert json.loads(line.strip()[4:-1]) == {"callback": root}
            elif line == "To have events sent here:\n":
                told.readline()
        yield Running(process, root)
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()
        process.stderr.close()


@contextmanager
def delivering(address: str, environment: dict[str, str]) -> Iterator[None]:
    """Run `python -m server deliver`, and end it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "server", "deliver"],
        env={
            **os.environ,
            "TTR_LOG_LEVEL": "ERROR",
            "TTR_DATABASE_URL": address,
            **environment,
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "Delivering events\n"
        yield
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait(60)
        assert process.stdout is not None
        process.stdout.close()
