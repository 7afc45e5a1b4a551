"""What the tests of delivery share: databases of both kinds, stores, and events in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from server.store import Store
from tests.api.conftest import postgresql
from tests.delivery.turning import operator, subscribe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the address of an empty database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/t.db"
    return postgresql().replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    """Give a store that is open."""
    made = Store(address)
    made.migrate()
    yield made.open()
    made.close()


@pytest.fixture
def one(store: Store) -> str:
    """Give an operator with an address."""
    number = operator(store)
    subscribe(store, number)
    return number
