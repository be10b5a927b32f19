"""A PostgreSQL server for the tests of this folder that ask for one, and stores in it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from resight.gallery.store import Column, Schema
from tests.support.postgres_server import PostgresServer, address_of, why_not
from tests.support.store_contract import hard_rows

NAMES = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """One a process of the tests, since it takes a second to start."""
    if reason := why_not():
        pytest.skip(f"no PostgreSQL server can be started: {reason}")
    with PostgresServer() as server:
        yield server


@pytest.fixture
def make(server):
    """Makes a store in a new table."""
    from resight.gallery.postgres import PostgresStore

    stores = []

    def made(schema, facts=None):
        stores.append(PostgresStore.create(server.address(f"Crops {next(NAMES)} 100%25"), schema, facts or {}))
        return stores[-1]

    yield made
    for store in stores:
        store.close()


@pytest.fixture
def again():
    """Opens a store another time."""
    from resight.gallery.postgres import PostgresStore

    stores = []

    def opened(store):
        stores.append(PostgresStore.open(address_of(store)))
        return stores[-1]

    yield opened
    for store in stores:
        store.close()


@pytest.fixture(scope="session")
def indexed(server):
    """A store with an index of rows that are hard for it, and the rows."""
    from resight.gallery.postgres import PostgresStore

    rows = hard_rows(3000, 32)
    columns = (Column("path", "text"), Column("camera", "int"), Column("time", "time"))
    store = PostgresStore.create(server.address("indexed"), Schema(32, "cosine", columns), {})
    store.upsert(rows)
    store.build_index(0.95, 30)
    yield store, rows
    store.close()
