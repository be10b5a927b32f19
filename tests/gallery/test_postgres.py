"""The store in PostgreSQL: the contract of all stores, which search `auto` makes, and a killed server."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from threading import Thread

import numpy as np
import pyarrow as pa
import pytest

from resight.errors import DataError
from resight.gallery.filters import Between, Equals
from resight.gallery.store import VECTOR, Column, Schema
from tests.support.postgres_server import PASSWORD, PostgresServer, address_of
from tests.support.store_contract import Contract, made_rows, schema_of, vectors_of

pytest.importorskip("psycopg")
from resight.gallery import postgres
from resight.gallery.postgres import PostgresStore


class TestContract(Contract):
    def place_of(self, store) -> str:
        return address_of(store)

    def elsewhere(self, store) -> str:
        return store._database.address.connection + "?table=elsewhere"


def test_long_texts_and_long_vectors_fit(make) -> None:
    store = make(schema_of())
    rows = made_rows(3)
    rows = rows.set_column(rows.column_names.index("select"), "select", pa.array(["é" * 100_000, "x", None]))
    rows = rows.select(["id", "path", "select", VECTOR])
    store.upsert(rows)
    assert store.count(Equals("select", "é" * 100_000)) == 1


def test_a_column_of_the_server_is_refused(make) -> None:
    with pytest.raises(DataError, match="xmin"):
        make(Schema(2, "cosine", (Column("xmin", "int"),)))


def test_auto_is_exact_where_few_match_and_where_the_index_broke_its_promise(indexed, monkeypatch) -> None:
    store, rows = indexed
    query = vectors_of(rows)[:1]
    assert store.search(query, 10).how == "exact"
    monkeypatch.setattr(postgres, "EXACT_ROWS", 500)
    assert store.search(query, 10).how == "ann"
    assert store.search(query, 10, Between("time", 0, 99)).how == "exact"
    facts = store.index
    store._indexed(postgres.replace(facts, promised=1.01))
    assert store.search(query, 10).how == "exact"
    assert store.search(query, 10, how="ann").how == "ann"
    store._indexed(facts)


def test_an_address_in_words(make) -> None:
    store = make(schema_of())
    assert store.where.startswith("postgresql://resight@127.0.0.1:")
    assert PASSWORD not in repr(store._database.address) + str(store._database.address)


# A killed server


WRITER = """
    import sys, time
    from resight.errors import RunError
    from resight.gallery import database
    from resight.gallery.postgres import PostgresStore
    from tests.support.store_contract import made_rows

    def until_done(change, *given):
        while True:
            try:
                return change(*given)
            except RunError:
                time.sleep(0.05)

    database._SECONDS, database._RECONNECTING = 2, 1
    store = PostgresStore.open(sys.argv[1])
    for seed in range(100_000):
        batch = made_rows(50, seed)
        until_done(store.upsert, batch)
        print("written", seed, flush=True)
        if seed % 3 == 0:
            until_done(store.delete, batch["id"].to_pylist())
            print("deleted", seed, flush=True)
"""


@pytest.mark.slow
def test_a_killed_server_has_lost_nothing_it_acknowledged() -> None:
    """SIGKILL to the server and all its processes at any moment, while another process inserts, deletes and repeats."""
    with PostgresServer() as server:
        assert kills(server, 3) >= 3


def kills(server: PostgresServer, times: int, longest: float = 0.6) -> int:
    """Kill `times` times; each time, what was ever acknowledged is there whole. Returns how many batches were."""
    where = server.address("killed")
    PostgresStore.create(where, schema_of(), {}).close()
    command = [sys.executable, "-c", textwrap.dedent(WRITER), where]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    said: list[tuple[str, int]] = []
    listening = Thread(
        target=lambda: said.extend((line.split()[0], int(line.split()[1])) for line in writer.stdout or ())
    )
    listening.start()
    try:
        for _ in range(times):
            before, until = len(said), time.monotonic() + 60
            while len(said) <= before and time.monotonic() < until:
                time.sleep(0.01)
            assert len(said) > before, "it writes"
            time.sleep(np.random.default_rng().uniform(0, longest))
            server.kill()
            server.start()
            require_whole(where, set(said))
    finally:
        writer.kill()
        listening.join(10)
    return len(said)


def require_whole(where: str, said: set[tuple[str, int]]) -> None:
    """No batch is there by half, none of those acknowledged is missing, none that was deleted is back."""
    store = PostgresStore.open(where)
    for seed in range(max(seed for _, seed in said) + 1):
        there = len(store.fetch(made_rows(50, seed)["id"].to_pylist(), ["id"]))
        assert there in (0, 50), f"half of batch {seed}"
        assert there == 50 or ("written", seed) not in said or seed % 3 == 0, f"batch {seed} is lost"
        assert there == 0 or ("deleted", seed) not in said, f"batch {seed} came back"
    store.close()
