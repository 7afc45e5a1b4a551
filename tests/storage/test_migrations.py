"""A database of the release before comes to the same schema as a new one, and keeps what it has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, inspect, select, text

from server.storage import operators, outbox
from server.storage.database import Database
from server.storage.migrations import MIGRATIONS, version_of
from server.storage.tables import TABLES
from tests.support.databases import postgresql

if TYPE_CHECKING:
    from sqlalchemy import Connection

CASES = Path(__file__).parents[1] / "cases"
#: Rows of every table of version 1, by its columns.
ROWS: dict[str, dict[str, Any]] = {
    "operator": {"id": "o1", "name": "one", "secret_hash": "x", "version": 3, "created": 1},
    "token": {"digest": "d", "operator": "o1", "version": 3, "expires": 2},
    "ticket": {"operator": "o1", "id": "t1", "version": 4, "status": "held", "priority": 2},
    "document": {"id": "t1", "document": '{"id": "t1"}'},
    "content": {"ticket": "t1", "digest": "d", "text": "x"},
    "subscription": {
        "operator": "o1",
        "id": "s1",
        "callback": "https://8.8.8.8/",
        "query": "whatever was asked",
    },
    "idempotency": {
        "operator": "o1",
        "key": "k",
        "fingerprint": "f",
        "status": 201,
        "headers": "{}",
        "body": b"{}",
        "expires": 5,
    },
    "schema_version": {"version": 1},
}


def first(address: str) -> None:
    """Make a database as the first release made it, with a row in each table."""
    engine = create_engine(address)
    script = CASES / f"schema-1.{engine.dialect.name}.sql"
    with engine.begin() as connection:
        for statement in script.read_text("utf-8").split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement)
        for name, row in ROWS.items():
            names = [f'"{column}"' for column in row]
            places = [f":{column}" for column in row]
            said = f"INSERT INTO {name} ({', '.join(names)}) VALUES ({', '.join(places)})"  # noqa: S608 - our own words
            connection.execute(text(said), row)
    engine.dispose()


def schema_of(connection: Connection) -> dict[str, Any]:
    """Return all that a database says of its tables."""
    said = inspect(connection)
    found: dict[str, Any] = {}
    for table in sorted(said.get_table_names()):
        found[table] = {
            "columns": [{**each, "type": str(each["type"])} for each in said.get_columns(table)],
            "key": said.get_pk_constraint(table)["constrained_columns"],
            "foreign": sorted(map(repr, said.get_foreign_keys(table))),
            "unique": sorted(map(repr, said.get_unique_constraints(table))),
            "checks": sorted(map(repr, said.get_check_constraints(table))),
            "indexes": sorted(map(_told, said.get_indexes(table))),
        }
        if connection.dialect.name == "sqlite":
            found[table]["options"] = said.get_table_options(table)
    return found


def _told(index: Any) -> str:
    """Return what there is to say of an index, where its condition is a text."""
    options = {name: str(value) for name, value in index.pop("dialect_options", {}).items()}
    return f"{sorted(index.items())} {sorted(options.items())}"


def test_same(address: str) -> None:
    """Tables, columns, keys, constraints and indexes are those of a new database."""
    first(address)
    old = Database(address)
    assert old.read_now(version_of) == 1
    assert old.migrate() == [*range(2, len(MIGRATIONS) + 1)]
    assert old.migrate() == []
    migrated = old.read_now(schema_of)
    old.close()
    fresh = f"{address}.new" if old.is_embedded else postgresql()
    new = Database(fresh.replace("postgresql://", "postgresql+psycopg://"))
    new.migrate()
    assert migrated == new.read_now(schema_of)
    assert migrated.keys() == TABLES.tables.keys()
    new.close()


def test_kept(address: str) -> None:
    """What it had is there, what is new has its default, and the code works with it."""
    first(address)
    store = Database(address)
    store.migrate()
    store.open()

    def look(connection: Connection) -> None:
        """Hold each row against what was there."""
        for name, row in ROWS.items():
            table = store.rows.table if name == "ticket" else TABLES.tables[name]
            found = dict(connection.execute(select(table)).mappings().one())
            expected = {**row, "version": len(MIGRATIONS)} if name == "schema_version" else row
            assert found.items() >= expected.items()
        (operator,) = operators.everyone(connection)
        assert (operator.role, operator.signing_version, operator.signing_since) == (
            *("operator", 1),
            None,
        )
        assert outbox.query_of(connection, "o1") == (True, "whatever was asked")
        assert outbox.depth(connection) == (0, 0.0, 0)

    store.submit(look).result(30)
    store.close()


def test_fails(address: str) -> None:
    """A migration that fails leaves the database as it was."""
    first(address)
    store = Database(address)
    with store._writing.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE event (number INTEGER)")
    before = store.read_now(schema_of)
    failed = False
    try:
        store.migrate()
    except Exception:  # noqa: BLE001 - of either driver
        failed = True
    assert failed
    assert store.read_now(schema_of) == before
    assert store.read_now(version_of) == 1
    store.close()


def test_rows_of_all() -> None:
    """The rows of these tests are of every table of version 1."""
    new = {"event", "profile"}
    assert ROWS.keys() == TABLES.tables.keys() - new
