"""The commands `python -m server`: looking after the database and after operators."""

from __future__ import annotations

import base64
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from sqlalchemy import create_engine, func, insert, select, update

from server.cli.main import cli
from server.config import read_config
from server.storage import tables
from server.storage.database import Database
from server.storage.migrations import MIGRATIONS
from server.storage.operators import add, grant, holder, is_secret_of, named
from server.storage.tables import schema_version
from tests.support.databases import DATABASES, postgresql
from tests.support.server_commands import closed_port, command, is_sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

NEWEST = f"schema version {len(MIGRATIONS)} reached\n"


@pytest.fixture(params=DATABASES)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the address of an empty database, of each kind in turn."""
    return f"sqlite:///{tmp_path}/t.db" if request.param == "sqlite" else postgresql()


def knows(address: str, name: str, secret: str) -> bool:
    """Say whether a database has an operator with this secret."""
    store = Database(read_config({"TTR_DATABASE_URL": address}).database_url)
    try:
        return is_secret_of(secret, store.read_now(lambda c: named(c, name)))
    finally:
        store.close()


def filled(address: str, names: Sequence[str]) -> list[str]:
    """Add operators, each with a row in every table of theirs; return their ids."""
    store = Database(read_config({"TTR_DATABASE_URL": address}).database_url)

    def job(connection: Connection) -> list[str]:
        """Insert the rows."""
        numbers = []
        for name in names:
            add(connection, name, 0)
            found = named(connection, name)
            assert found is not None
            grant(connection, found, 0, 1)
            owned = {"operator": found.id}
            about = {"ticket": name, "digest": "d", "text": f"secret of {name}"}
            moments = {"raised": 0, "due": 0, "expires": 0}
            event_of = {"id": name, "ticket": name, "seq": 1, "name": "n", "body": b"", **moments}
            answer = {"key": "k", "fingerprint": "", "status": 201, "headers": "", "body": b""}
            for table, row in (
                (tables.ticket, {**owned, "id": name, "version": 1}),
                (tables.document, {"id": name, "document": f"secret of {name}"}),
                (tables.content, about),
                (tables.subscription, {**owned, "id": name, "callback": "c"}),
                (tables.event, {**owned, **event_of, "state": "pending", "attempts": 0}),
                (tables.idempotency, {**owned, **answer, **moments}),
            ):
                columns = {key: value for key, value in row.items() if key in table.c}
                connection.execute(insert(table).values(columns))
            numbers.append(found.id)
        return numbers

    try:
        return store.open().submit(job).result()
    finally:
        store.close()


def counts(address: str, number: str) -> dict[str, int]:
    """Return how many rows an operator has in each table; a ticket has the operator's name."""
    engine = create_engine(read_config({"TTR_DATABASE_URL": address}).database_url)
    found: dict[str, int] = {}
    with engine.connect() as connection:
        operators = {row.id: row.name for row in connection.execute(select(tables.operator))}
        name = NAMED.setdefault(number, operators.get(number, ""))
        for table in tables.TABLES.sorted_tables:
            column = next(
                (table.c[each] for each in ("operator", "ticket", "id") if each in table.c), None
            )
            if column is not None and table.name != "schema_version":
                is_his = column.in_([number, name])
                count = select(func.count()).select_from(table).where(is_his)
                found[table.name] = connection.execute(count).scalar_one()
    engine.dispose()
    return found


#: The names of operators by their ids, also once they are removed.
NAMED: dict[str, str] = {}


def set_version(address: str, version: int) -> None:
    """Let a database say that it is of another release."""
    engine = create_engine(read_config({"TTR_DATABASE_URL": address}).database_url)
    with engine.begin() as connection:
        connection.execute(update(schema_version).values(version=version))
    engine.dispose()


class TestMigrate:
    """`migrate`."""

    def test_twice(self, address: str) -> None:
        """It brings a database to the newest schema, and then has nothing to do."""
        assert command(address, "migrate").stdout == NEWEST
        assert command(address, "migrate").stdout == "nothing to do\n"

    def test_newer(self, address: str) -> None:
        """A database of a later release is left alone, by every command."""
        command(address, "migrate")
        set_version(address, len(MIGRATIONS) + 1)
        for arguments in (["migrate"], ["operator", "list"], ["operator", "add", "a"], ["serve"]):
            assert is_sentence(command(address, *arguments)), arguments

    @pytest.mark.postgres
    def test_not_migrated(self) -> None:
        """A shared database is migrated by nobody in passing."""
        address = postgresql()
        for arguments in (["operator", "list"], ["operator", "add", "a"], ["serve"]):
            assert is_sentence(command(address, *arguments)), arguments
        assert command(address, "migrate").stdout == NEWEST


class TestOperator:
    """`operator add`, `list`, `rotate` and `disable`."""

    def test_life(self, address: str) -> None:
        """An operator is added, gets another secret, is disabled, and is let in again."""
        command(address, "migrate")
        secret = command(address, "operator", "add", "one").stdout.strip()
        assert knows(address, "one", secret)
        other = command(address, "operator", "rotate", "one").stdout.strip()
        assert (knows(address, "one", secret), knows(address, "one", other)) == (False, True)
        disabled = command(address, "operator", "disable", "one")
        assert (disabled.exit_code, disabled.output) == (0, "")
        assert not knows(address, "one", other)
        again = command(address, "operator", "rotate", "one").stdout.strip()
        assert knows(address, "one", again)

    def test_signing_secret(self, address: str) -> None:
        """The secret that events are signed with is shown; a new one before the old one."""
        command(address, "migrate")
        command(address, "operator", "add", "one")
        key = {"TTR_SIGNING_KEY": base64.b64encode(b"m" * 32).decode()}
        shown = [
            command(address, "operator", "signing-secret", "one", *more, **key).stdout.split()
            for more in ([], [], ["--rotate"], [], ["--rotate"])
        ]
        (first,) = shown[0]
        assert first.startswith("whsec_")
        assert [len(each) for each in shown] == [1, 1, 2, 2, 2]
        assert shown[1] == [first]
        assert shown[2] == shown[3] == [shown[2][0], first]
        assert shown[4][1] == shown[2][0]
        assert is_sentence(command(address, "operator", "signing-secret", "two", **key))

    def test_list(self, address: str) -> None:
        """The list has each name, whether it is enabled and whose side it is on, and no secret."""
        command(address, "migrate")
        assert command(address, "operator", "list").output == ""
        for name in ("two", "one"):
            command(address, "operator", "add", name)
        command(address, "operator", "add", "three", "--provider")
        command(address, "operator", "disable", "two")
        assert command(address, "operator", "list").output.splitlines() == [
            "one\tenabled\toperator",
            "three\tenabled\tprovider",
            "two\tdisabled\toperator",
        ]

    def test_rename(self, address: str) -> None:
        """A renamed operator keeps its secret; the old name is free."""
        command(address, "migrate")
        secret = command(address, "operator", "add", "one").stdout.strip()
        renamed = command(address, "operator", "rename", "one", "two")
        assert (renamed.exit_code, renamed.output) == (0, "")
        assert knows(address, "two", secret)
        assert not knows(address, "one", secret)
        assert command(address, "operator", "list").output == "two\tenabled\toperator\n"
        assert command(address, "operator", "add", "one").exit_code == 0

    def test_remove(self, address: str) -> None:
        """Removing an operator deletes its rows in every table, and no other's; it asks first."""
        command(address, "migrate")
        names = ("one", "two")
        numbers = dict(zip(names, filled(address, names), strict=True))
        everything = counts(address, numbers["one"]), counts(address, numbers["two"])
        assert all(everything[0].values())
        assert everything[0] == everything[1]
        assert command(address, "operator", "remove", "one").exit_code == 1, "nobody answers"
        answered = CliRunner().invoke(
            cli, ["operator", "remove", "one"], input="n\n", env={"TTR_DATABASE_URL": address}
        )
        assert answered.exit_code == 1
        assert counts(address, numbers["one"]) == everything[0]
        assert command(address, "operator", "remove", "one", "--yes").output == ""
        assert not any(counts(address, numbers["one"]).values())
        assert counts(address, numbers["two"]) == everything[1]
        assert command(address, "operator", "list").output == "two\tenabled\toperator\n"
        if address.startswith("sqlite"):
            whole = Path(address.removeprefix("sqlite:///")).read_bytes()
            assert b"secret of two" in whole
            assert b"secret of one" not in whole

    def test_mistakes(self, address: str) -> None:
        """A name that is taken, unknown, or no name is told in a sentence."""
        command(address, "migrate")
        command(address, "operator", "add", "one")
        for arguments in (
            ["add", "one"],
            ["add", ""],
            ["add", "a:b"],
            ["add", "-"],
            ["add", "x" * 65],
            ["rotate", "two"],
            ["disable", "two"],
            ["rename", "two", "three"],
            ["rename", "one", "one"],
            ["rename", "one", "a:b"],
            ["remove", "two"],
            ["remove", "two", "--yes"],
        ):
            assert is_sentence(command(address, "operator", *arguments)), arguments
        assert command(address, "operator", "list").output == "one\tenabled\toperator\n"


def test_token_ahead(address: str) -> None:
    """A token that was granted by a clock far ahead is not valid until that time."""
    command(address, "migrate")
    day = 24 * 3_600 * 1_000_000
    store = Database(read_config({"TTR_DATABASE_URL": address}).database_url).open()

    def job(connection: Connection) -> dict[int, bool]:
        """Return whether a token that a clock granted so much later is valid now."""
        add(connection, "one", 0)
        found = named(connection, "one")
        assert found is not None
        return {
            ahead: holder(connection, grant(connection, found, ahead, day), 0) is not None
            for ahead in (0, 3_600 * 1_000_000, 2 * day)
        }

    try:
        assert list(store.submit(job).result().values()) == [True, True, False]
    finally:
        store.close()


class TestDatabase:
    """A database that cannot be used is told of in a sentence, by every command."""

    @pytest.mark.parametrize("arguments", [["migrate"], ["operator", "list"], ["serve"]])
    def test_unusable(self, arguments: list[str], tmp_path: Path) -> None:
        """One that does not answer, is no database, cannot be written, or is in use."""
        (tmp_path / "no.db").write_text("no database" * 99)
        (tmp_path / "folder").mkdir()
        for address in (
            f"postgresql://nobody:geheim@127.0.0.1:{closed_port()}/none",
            f"sqlite:///{tmp_path}/no.db",
            f"sqlite:///{tmp_path}/folder",
            f"sqlite:///{tmp_path}/no.db/below.db",
            "sqlite:///:memory:",
        ):
            result = command(address, *arguments)
            assert is_sentence(result), (address, result.output)
            assert "geheim" not in result.stderr
        used = Database(f"sqlite:///{tmp_path}/used.db")
        try:
            assert is_sentence(command(f"sqlite:///{tmp_path}/used.db", *arguments))
        finally:
            used.close()
        assert command(f"sqlite:///{tmp_path}/used.db", "migrate").stdout == NEWEST


class TestProcess:
    """`python -m server` as a process of its own."""

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run it."""
        return subprocess.run(
            [sys.executable, "-m", "server", *arguments],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def test_bad_setting(self, tmp_path: Path) -> None:
        """A setting that means nothing ends it with 2 and one sentence, before anything is made."""
        for name, value in (("TTR_PORT", "http"), ("TTR_UNHEARD_OF", "1")):
            database = f"sqlite:///{tmp_path}/made/t.db"
            ended = self.run("serve", **{"TTR_DATABASE_URL": database, name: value})
            assert (ended.returncode, ended.stdout) == (2, "")
            assert re.match(rf"server: (Set|Unset) {name}\b", ended.stderr)
            assert ended.stderr.count("\n") == 1
            assert not (tmp_path / "made").exists()

    def test_port_taken(self, tmp_path: Path) -> None:
        """So does an address that another process listens at, or that is not this machine's."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            for more in ({"TTR_PORT": port}, {"TTR_HOST": "203.0.113.1", "TTR_PORT": "0"}):
                database = {"TTR_DATABASE_URL": f"sqlite:///{tmp_path}/t.db"}
                result = CliRunner().invoke(cli, ["serve"], env={**database, **more})
                assert is_sentence(result), result.output

    def test_help(self) -> None:
        """Each command tells what it does."""
        ended = self.run("--help")
        assert (ended.returncode, ended.stderr) == (0, "")
        for name in ("serve", "migrate", "operator", "listen", "ticket", "events"):
            assert name in ended.stdout
            assert CliRunner().invoke(cli, [name, "-h"]).exit_code == 0
        assert self.run("fly").returncode == 2
