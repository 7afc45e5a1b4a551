"""Following a page of the docs word for word, as somebody does who has only what it asks for.

A page is its blocks, in their order. Each is done in one folder that is empty but for what stands
in a clone beside the sources, by one shell that keeps what was exported:

    console     typed, and what is printed must be what is shown (`...` stands for anything)
    sh          typed; it must succeed. A command of LASTING is left running, as in another
                terminal; the same command again ends the one before. Several in one block are
                alternatives: they must be commands that there are
    python      executed: as doctests where it has prompts, else as a program
    listener    what `python -m server listen` prints next
    yaml, json, ini                    read as what it is; other tests make more of some
    those of LEFT                      left to other tests
    title="…"   of any block that is a file: written there, under this name

What a page cannot know is put in its place: ports, secrets that a sandbox printed, the address of
a database (`postgresql://tickets:…@db.example.com/NAME`). `pip install` is what the tests of the
wheel do. Nothing else is left out.
"""

from __future__ import annotations

import configparser
import doctest
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import chdir, contextmanager, suppress
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click
import yaml

from docs.generate.reference import commands_of
from server.cli.main import cli as server
from ttrules.cli.main import cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
_BLOCK: Final = re.compile(r"^(`{3,})([\w-]*)[ ]?(.*)\n((?:.*\n)*?)\1$", re.MULTILINE)
_TITLE: Final = re.compile(r'title="([^"]+)"')
_MARK: Final = "--- end of output ---"
#: How long a program may take to be there, or to print what is waited for, in seconds.
_PATIENCE: Final = 60.0
#: How long a page may take.
_LONGEST: Final = 300.0
#: What is another each time: moments, identifiers, addresses.
_VARYING: Final = (
    (re.compile(r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z"), "MOMENT"),
    (re.compile(r"^[0-9]{2}:[0-9]{2}:[0-9]{2} ", re.MULTILINE), "TIME "),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}\b"), "ID"),
)
_UUID: Final = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
#: Commands that go on until they are ended, by what they begin with: what is typed in their place,
#: and what they print once they are there.
LASTING: Final = {
    "make run": (
        "TTR_SANDBOX=1 TTR_ALLOW_LOOPBACK_CALLBACKS=1 exec python -m server serve",
        "To look at it: ",
    ),
    "python -m server serve": ("exec python -m server serve", "To look at it: "),
    "python -m server deliver": ("exec python -m server deliver", "Delivering events"),
    "python -m server listen": ("exec python -m server listen --port {listener}", "Listening at "),
}
#: Blocks that are no words to type, and none that a test of a page could run.
LEFT: Final = frozenset({"nginx", "caddy", "text", "js", "java", "go", "csharp"})


class Block(NamedTuple):
    """A block of a page: what it is told to be, the file that it is, its text, and its line."""

    kind: str
    title: str | None
    text: str
    line: int


def blocks(text: str) -> list[Block]:
    """Return the blocks of a page of Markdown, in their order."""
    found = []
    for each in _BLOCK.finditer(text):
        title = _TITLE.search(each[3])
        line = text.count("\n", 0, each.start()) + 1
        found.append(Block(each[2], title and title[1], each[4], line))
    return found


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a console block, with what is shown below it."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        first, *rest = part.splitlines()
        more = [line[2:] for line in takewhile(lambda line: line.startswith("> "), rest)]
        yield "\n".join([first, *more]), "\n".join(rest[len(more) :])


def matches(shown: str, printed: str) -> bool:
    """Say whether what was printed is what is shown, three dots standing for anything."""
    for pattern, word in _VARYING:
        shown, printed = pattern.sub(word, shown), pattern.sub(word, printed)
    return re.fullmatch(re.escape(shown).replace(r"\.\.\.", ".*"), printed) is not None


def read(block: Block) -> Any:
    """Return what a block of a format of data says. Raises what its parser raises."""
    if block.kind == "yaml":
        return yaml.safe_load(block.text)
    if block.kind == "json":
        return json.loads(block.text)
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # as its own docs do
    parser.read_string(block.text)
    return parser


def is_command(line: str) -> bool:
    """Say whether a line calls a command of ours, with options that it has."""
    words = shlex.split(line, comments=True)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words.pop(0)
    command: click.Command
    if words[:1] == ["ttrules"]:
        command, words = cli, words[1:]
    elif words[:3] == ["python", "-m", "server"]:
        command, words = server, words[3:]
    else:
        return False
    while isinstance(command, click.Group):
        found = commands_of(command).get(words.pop(0)) if words else None
        if found is None:
            return False
        command = found
    try:
        # Click keeps the option for help that it makes here, so it is to be the usual one.
        context = click.Context(command, help_option_names=["-h", "--help"])
        command.make_parser(context).parse_args(words)
    except click.UsageError:
        return False
    return True


class Program(NamedTuple):
    """A program that goes on, and what it has printed so far."""

    number: int
    printed: Path

    def wait(self, done: Callable[[str], bool]) -> str:
        """Return what is printed, once it is as it should be."""
        until = time.monotonic() + _PATIENCE
        while not done(text := self.printed.read_text("utf-8")):
            assert time.monotonic() < until, text
            time.sleep(0.02)
        return text

    def end(self) -> None:
        """End it, and wait until it has ended."""
        with suppress(ProcessLookupError):
            os.kill(self.number, signal.SIGTERM)
            until = time.monotonic() + _PATIENCE
            while time.monotonic() < until:
                os.kill(self.number, 0)
                time.sleep(0.02)
            os.kill(self.number, signal.SIGKILL)


class Site(NamedTuple):
    """What there is where somebody follows a page: programs, variables, and a database.

    `database` is the address of one of PostgreSQL, with a place for its name.
    """

    programs: tuple[str, ...] = ()
    variables: Mapping[str, str] = {}
    database: str = ""


class _Doctests(doctest.DocTestRunner):
    """Runs doctests, and collects the examples whose output differs, each with its output."""

    def __init__(self) -> None:
        super().__init__(optionflags=doctest.ELLIPSIS)
        self.said: list[str] = []
        self.different: list[tuple[doctest.Example, str]] = []
        self.raised: list[doctest.Example] = []

    def report_failure(
        self, _out: object, _test: object, example: doctest.Example, got: str
    ) -> None:
        """Collect an example that printed something else."""
        self.different.append((example, got))

    def report_unexpected_exception(
        self, out: Any, test: doctest.DocTest, example: doctest.Example, exc_info: Any
    ) -> None:
        """Collect an example that raised an exception that is not shown."""
        self.raised.append(example)
        super().report_unexpected_exception(out, test, example, exc_info)


class Follower:
    """Somebody who follows a page, in a folder and with a shell of its own."""

    def __init__(self, folder: Path, site: Site) -> None:
        self.folder = folder
        self.port, self._listener = free_port(), free_port()
        self._names: dict[str, Any] = {"__name__": "page"}
        self._heard = 0
        self._site = site
        self._running: dict[str, Program] = {}
        bins = [*site.programs, str(Path(sys.executable).parent)]
        self._shell = subprocess.Popen(
            ["bash"],
            cwd=folder,
            env={
                **os.environ,
                "PATH": os.pathsep.join([*bins, os.environ["PATH"]]),
                "PYTHONPATH": str(ROOT),
                "COLUMNS": "80",
                # Whoever has only what the page asks for has none of our plugins.
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
                "TTR_PORT": str(self.port),
                "TTR_LOG_LEVEL": "WARNING",
                "TTR_BACKOFFICE_URL": f"http://127.0.0.1:{self.port}",
                **site.variables,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._end_late = threading.Timer(_LONGEST, self._shell.kill)
        self._end_late.start()

    def end(self) -> None:
        """End all that runs."""
        for each in self._running.values():
            each.end()
        self._shell.communicate(timeout=_PATIENCE)
        self._end_late.cancel()

    def typed(self, command: str) -> tuple[str, int]:
        """Return what a shell prints when a command is typed, and its exit code."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        # Braces make no other shell; without them a program could read what is to be typed next.
        typed = f"{{\n{command}\n}} < /dev/null\nprintf '\\n%s %s\\n' $? '{_MARK}'\n"
        self._shell.stdin.write(typed)
        self._shell.stdin.flush()
        printed: list[str] = []
        while not (line := self._shell.stdout.readline()).endswith(f"{_MARK}\n"):
            assert line, f"the shell has ended: {command}"
            printed.append(line)
        return "".join(printed).removesuffix("\n").strip("\n"), int(line.split()[0])

    def follow(self, block: Block) -> str:
        """Do what a block says, and return its text with the outputs that really appeared.

        The text is unchanged if they match those of the page. Raises AssertionError if a command
        of a block without outputs fails.
        """
        if block.title is not None:
            path = self.folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.filled(block.text), encoding="utf-8")
        if block.kind == "console":
            return self._console(block)
        if block.kind == "listener":
            return self._hear(block)
        if block.kind == "python":
            return self._execute(block)
        if block.kind == "sh":
            self._typed_in(block)
        elif block.kind in {"yaml", "json", "ini"}:
            assert read(block), block.line
        else:
            assert block.kind in LEFT, (block.line, block.kind)
        return block.text

    def _console(self, block: Block) -> str:
        """Type the commands of a block."""
        text = block.text
        for command, shown in commands(block.text):
            printed, _ = self.typed(self.filled(command))
            if not matches(self.filled(shown).strip("\n"), printed):
                typed = "$ " + command.replace("\n", "\n> ")
                old, new = (
                    f"{typed}\n{each}".rstrip("\n") for each in (shown, self.shown(printed))
                )
                assert old in text, (block.line, command)
                text = text.replace(old, new, 1)
        return text

    def _typed_in(self, block: Block) -> None:
        """Type the lines of a block, and leave running what goes on."""
        text = self.filled(block.text).replace("\\\n", " ")
        lines = [line for line in text.splitlines() if not line.startswith("pip install ")]
        at_once = [line for line in lines if not line.startswith(tuple(LASTING))]
        around = ("failed=0; trap 'failed=1' ERR", *at_once, "trap - ERR; (exit $failed)")
        printed, code = self.typed("\n".join(around))
        assert code == 0, (block.line, printed)
        lasting = [line for line in lines if line.startswith(tuple(LASTING))]
        for line in lasting:
            if len(lasting) == 1:
                self._start(next(each for each in LASTING if line.startswith(each)), line)
            else:  # one or the other
                assert is_command(line), (block.line, line)

    def _start(self, lasting: str, text: str) -> None:
        """Leave a command running once it is there; the same one from before is ended."""
        if lasting in self._running:
            self._running.pop(lasting).end()
        typed, ready = LASTING[lasting]
        command = typed.format(listener=self._listener) + text.removeprefix(lasting).rstrip()
        file = self.folder / f".printed-{time.monotonic_ns()}"
        file.touch()
        self._heard = 0 if ready.startswith("Listening") else self._heard
        number, _ = self.typed(f"( {command}\n) > {file.name} 2>&1 & echo $!")
        running = self._running[lasting] = Program(int(number), file)
        running.wait(lambda text: ready in text)
        if ready == LASTING["make run"][1]:
            self._reach()

    def _reach(self) -> None:
        """Wait until connections are taken: several workers are told of before they are there."""
        until = time.monotonic() + _PATIENCE
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            assert time.monotonic() < until
            time.sleep(0.02)

    def _hear(self, block: Block) -> str:
        """Return what the listener prints next, as many lines as are shown."""
        shown, many = self.filled(block.text), block.text.count("\n")
        listener = self._running["python -m server listen"]
        printed = listener.wait(lambda text: text.count("\n") >= self._heard + many)
        lines = "".join(printed.splitlines(keepends=True)[self._heard : self._heard + many])
        self._heard += many
        return block.text if matches(shown, lines) else self.shown(lines)

    def _execute(self, block: Block) -> str:
        """Execute a block of Python, beside the names of those before it."""
        if block.title is not None:
            compile(block.text, block.title, "exec")  # it is run where the page says how
            return block.text
        with chdir(self.folder):
            if ">>> " not in block.text:
                exec(compile(block.text, "page", "exec"), self._names)  # noqa: S102 - our own page
                return block.text
            examples = doctest.DocTestParser().get_doctest(
                block.text, self._names, "page", None, block.line
            )
            runner = _Doctests()
            runner.run(examples, out=runner.said.append, clear_globs=False)
            self._names.update(examples.globs)
            assert runner.raised == [], "".join(runner.said)
        lines = block.text.splitlines(keepends=True)
        for example, got in reversed(runner.different):
            begin = example.lineno + example.source.count("\n")
            lines[begin : begin + example.want.count("\n")] = [
                re.sub(r"^(?=\n)", "<BLANKLINE>", self.shown(got), flags=re.MULTILINE)
            ]
        return "".join(lines)

    def shown(self, printed: str) -> str:
        """Return a printed text as a page shows it: with its ports, and three dots for ids."""
        for told, port in (("8080", self.port), ("8090", self._listener)):
            printed = re.sub(rf"\b(127\.0\.0\.1|localhost):{port}\b", rf"\1:{told}", printed)
        return _UUID.sub("...", printed)

    def filled(self, text: str) -> str:
        """Return a text of the page with what the page cannot know in its place."""
        for told, port in (("8080", self.port), ("8090", self._listener)):
            text = re.sub(rf"\b(127\.0\.0\.1|localhost):{told}\b", rf"\1:{port}", text)
        if "postgresql://tickets:…" in text:
            text = re.sub(
                r"postgresql://tickets:…@db\.example\.com/(\w+)",
                lambda found: self._site.database.format(found[1]),
                text,
            )
        if "ttr_…" in text or "whsec_…" in text:
            kept = json.loads((self.folder / "var/sandbox-operators.json").read_text("utf-8"))
            text = re.sub(r"\b([\w-]+):ttr_…", lambda found: f"{found[1]}:{kept[found[1]]}", text)
            text = text.replace("whsec_…", kept["signing"]["operator-a"])
        return text


@contextmanager
def following(folder: Path, site: Site = Site()) -> Iterator[Follower]:  # noqa: B008 - frozen
    """Give somebody who follows pages in a folder, until all is ended."""
    shutil.copytree(DOCS / "examples", folder / "docs" / "examples")
    for name in ("spec", "server/rules"):
        shutil.copytree(ROOT / name, folder / name)
    follower = Follower(folder, site)
    try:
        yield follower
    finally:
        follower.end()


def free_port() -> int:
    """Return a port of this machine that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def nav(node: Any = None) -> list[str]:
    """Return the pages that can be chosen, in their order."""
    node = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"] if node is None else node
    if isinstance(node, str):
        return [node]
    values = node.values() if isinstance(node, dict) else node
    return [page for each in values for page in nav(each)]
