"""Law 5: SQL finds the same tickets as plain Python, and its text never contains values."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from functools import cmp_to_key
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateTable

from server.api.query import read_query
from server.storage import operators
from server.storage import tickets as ticket_rows
from server.storage.cursors import cursor_of, position_of
from server.storage.database import Database
from server.storage.tables import TicketTable
from server.storage.ticket_query import OPERATOR_MEANINGS, OPERATORS
from server.storage.tickets import TicketRows
from tests.support.databases import DATABASES
from tests.support.databases import postgresql as new_postgresql
from tests.support.profiles import OPERATOR, SHIPPED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from server.storage.ticket_query import Condition, Query

WORDS = ("", "a", "A", "ab", "b", "a,b", "é", "ź", "中", "%", "_", "a%b", "'; --", "\\", "x y")
MOMENTS = (
    "2026-01-01T00:00:00Z",
    "2026-01-01T00:00:00.000001Z",
    "2026-01-01T23:59:59.999999Z",
    "2026-01-02T00:00:00Z",
    "2026-01-01T23:30:00-01:00",
    "2026-01-02T01:00:00+01:30",
    "2016-12-31T23:59:60Z",
)
DAYS = ("2026-01-01", "2026-01-02", "2016-12-31", "2017-01-01")
ROWS = 120
#: Any text is a value, also of the members that are enums.
LISTING = replace(OPERATOR.listing, values={})
#: The filter parameters, and the members with a column, with how they compare.
FIELDS = LISTING.filters
FILTERED = {each.member: each.sort for each in SHIPPED.resource.columns}
TABLE = TicketRows(SHIPPED.resource)
TICKET = TicketTable(SHIPPED.resource)


def value_of(name: str, draw: Random) -> Any:
    """Return a value of a member, or None where it is not there."""
    if draw.random() < 0.2:
        return None
    choices = {"text": WORDS, "instant": MOMENTS, "number": range(1, 11)}[FILTERED[name]]
    return draw.choice(choices)


def tickets() -> list[dict[str, Any]]:
    """Return tickets whose members are often equal, sometimes missing, always the same."""
    draw = Random(7)
    rows = []
    for number in range(ROWS):
        members = {name: value_of(name, draw) for name in FILTERED}
        sent = {name: value for name, value in members.items() if value is not None}
        rows.append({"id": f"{number:03}", **sent})
    return rows


TICKETS = tickets()
COLUMNS = [{"id": each["id"], **TABLE.columns_of(each)} for each in TICKETS]


@pytest.fixture(scope="module", params=DATABASES)
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """Give a store that holds the tickets for one operator, and others for another."""
    folder: Path = tmp_path_factory.mktemp("filtering")
    url = f"sqlite:///{folder}/t.db" if request.param == "sqlite" else new_postgresql()
    opened = Database(url)
    opened.migrate()
    opened.open()

    def job(connection: Any) -> str:
        for name in ("one", "two"):
            operators.add(connection, name, 0)
        one, two = (operators.named(connection, name) for name in ("one", "two"))
        assert one is not None
        assert two is not None
        for each in TICKETS:
            TABLE.insert(connection, one.id, TABLE.row_of(each))
            other = {**each, "id": f"other {each['id']}"}
            TABLE.insert(connection, two.id, TABLE.row_of(other))
        return one.id

    operator = opened.submit(job).result()
    yield lambda query: opened.read_now(lambda c: TABLE.page(c, operator, query))
    opened.close()


@st.composite
def queries(draw: Any) -> str:
    """Draw query strings that are taken."""
    parts = []
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from(sorted(FIELDS)))
        sort = FILTERED.get(FIELDS[name], "text")
        known = [*OPERATORS, "ne"] + (["regex"] if sort == "text" else [])
        operator = draw(st.sampled_from(known))
        choices = {
            "text": st.sampled_from([*WORDS[1:], "000", "007", "050"]),
            "instant": st.sampled_from([*MOMENTS, *DAYS]),
            "number": st.integers(0, 11).map(str),
        }[sort]
        if operator == "regex":
            value = draw(st.sampled_from(["a", "^a$", "[ab]+", "a*", "^$", "é|中", "0.5", "(?i)A"]))
        else:
            values = draw(st.lists(choices, min_size=1, max_size=3))
            value = ",".join(each.replace(",", "\\,") for each in values if not each.endswith("\\"))
            value = value or values[0].replace("\\", "b") if sort == "text" else ",".join(values)
        written = quote(value, safe=draw(st.sampled_from(["", ","])))
        sign = draw(st.sampled_from([f".{operator}="] + (["="] if operator == "eq" else [])))
        parts.append(f"{name}{sign}{written}")
    if draw(st.booleans()):
        names = draw(st.lists(st.sampled_from(sorted(FIELDS)), min_size=1, max_size=3, unique=True))
        parts.append("sort=" + ",".join(draw(st.sampled_from(["", "-", "%2B"])) + n for n in names))
    if draw(st.booleans()):
        parts += [f"offset={draw(st.integers(0, ROWS))}", f"limit={draw(st.integers(1, 50))}"]
    return "&".join(draw(st.permutations(parts)))


def holds(condition: Condition, value: Any) -> bool:  # noqa: PLR0911 - a return an operator
    """Say whether a value is asked for: what each operator means, written down once more."""
    if value is None:
        return condition.operator == "ne"
    spans = [range(low, high + 1) for low, high in condition.ranges if not isinstance(low, str)]
    texts = [low for low, _ in condition.ranges if isinstance(low, str)]
    match condition.operator:
        case "eq" | "ne":
            is_one = value in texts or any(value in span for span in spans)
            return is_one is (condition.operator == "eq")
        case "gt":
            return any(value > text for text in texts) or any(value >= s.stop for s in spans)
        case "gte":
            return any(value >= text for text in texts) or any(value >= s.start for s in spans)
        case "lt":
            return any(value < text for text in texts) or any(value < s.start for s in spans)
        case "lte":
            return any(value <= text for text in texts) or any(value < s.stop for s in spans)
        case _:
            return any(re.search(pattern.pattern, value) for pattern in condition.patterns)


def expected(query: Query) -> list[str]:
    """Return the ids of the tickets that a query asks for, in order, in plain Python."""
    found = [
        each
        for each in COLUMNS
        if all(holds(condition, each[condition.member]) for condition in query.conditions)
    ]

    def compare(one: dict[str, Any], two: dict[str, Any]) -> int:
        for name, down in [*(query.sort or (("creationDate", False),)), ("id", False)]:
            a, b = one[name], two[name]
            if a != b:
                if a is None or b is None:
                    return 1 if a is None else -1
                return (1 if a > b else -1) * (-1 if down else 1)
        return 0

    return [each["id"] for each in sorted(found, key=cmp_to_key(compare))]


class TestAgreement:
    """'the SQL result equals the same predicate in plain Python over the same rows'"""

    @settings(max_examples=4 * settings().max_examples)
    @given(text=queries())
    def test_same(self, store: Any, text: str) -> None:
        """The same tickets, in the same order, as many in all, on both databases."""
        query = read_query(text.encode(), LISTING)
        total, documents, _, end = store(query)
        ids = expected(query)
        found = [document.split(b'"')[3].decode() for document in documents]
        assert total == len(ids)
        assert found == ids[query.offset :][: query.limit]
        assert (end is not None) is (bool(found) and query.offset + len(found) < total)

    @settings(max_examples=settings().max_examples)
    @given(text=queries(), limit=st.integers(20, 60))
    def test_cursors(self, store: Any, text: str, limit: int) -> None:
        """The pages that cursors lead to have every ticket once, in the same order."""
        query = replace(read_query(text.encode(), LISTING), offset=0, limit=limit)
        ids = expected(query)
        found: list[str] = []
        while True:
            _, documents, _, end = store(query)
            found += [document.split(b'"')[3].decode() for document in documents]
            if end is None:
                break
            cursor = cursor_of(query, end)
            query = replace(query, after=position_of(query, cursor, LISTING.sorts))
        assert found == ids

    @given(text=queries())
    def test_values_are_bound(self, text: str) -> None:
        """The text of the SQL does not depend on the values: 'values never appear' in it."""
        query = read_query(text.encode(), LISTING)
        dialects: tuple[Any, ...] = (sqlite.dialect, postgresql.dialect)
        for dialect in (each() for each in dialects):
            statement = (
                select(TICKET.table.c.id)
                .where(query.where(TICKET, "operator's"))
                .order_by(*query.order(TICKET))
            )
            written = str(statement.compile(dialect=dialect))
            for word in ("operator's", *WORDS[1:]):
                if len(word) > 1:
                    assert word not in written


@pytest.mark.parametrize(
    ("operator", "moments"),
    [
        ("eq", {1, 2, 3, 5}),
        ("ne", {4, 6, 7}),
        ("gt", {4, 6}),
        ("gte", {1, 2, 3, 4, 5, 6}),
        ("lt", {7}),
        ("lte", {1, 2, 3, 5, 7}),
    ],
)
def test_days(operator: str, moments: set[int]) -> None:
    """A bare day is all of it in UTC: after it is past its end, up to it includes its end."""
    texts = (
        "2026-01-01T00:00:00Z",
        "2026-01-01T23:59:59.999999Z",
        "2026-01-02T01:00:00+01:30",
        "2026-01-02T00:00:00Z",
        "2025-12-31T22:00:00-02:00",
        "2026-01-01T23:00:00-01:00",
        "2025-12-31T23:59:59.999999Z",
    )
    (condition,) = read_query(f"creationDate.{operator}=2026-01-01".encode(), LISTING).conditions
    instants = [TABLE.columns_of({"creationDate": each})["creationDate"] for each in texts]
    database = create_engine("sqlite://")
    with database.begin() as connection:
        connection.execute(CreateTable(TICKET.table, include_foreign_key_constraints=[]))
        rows = [
            {"operator": "o", "id": str(number), "version": 1, "creationDate": instant}
            for number, instant in enumerate(instants, 1)
        ]
        connection.execute(insert(TICKET.table), rows)
        found = connection.scalars(select(TICKET.table.c.id).where(condition.clause(TICKET)))
        assert {int(each) for each in found} == moments
    database.dispose()


def test_every_operator_is_drawn() -> None:
    """The operators drawn here are all there are."""
    assert {*OPERATORS, "ne", "regex"} == OPERATOR_MEANINGS.keys()


def test_instants() -> None:
    """Instants compare as such, to the microsecond, whatever their offset; a leap second is one."""
    columns = TABLE.columns_of({"creationDate": "2026-01-02T01:00:00+01:30"})
    assert columns["creationDate"] == ticket_rows.micros(datetime(2026, 1, 1, 23, 30, tzinfo=UTC))
    leap = TABLE.columns_of({"creationDate": "2016-12-31T23:59:60.5Z"})["creationDate"]
    assert leap == ticket_rows.micros(datetime(2017, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC))
