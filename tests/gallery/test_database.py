"""The server: who writes takes turns, what is acknowledged is on its disk, and no message shows a password."""

from __future__ import annotations

import logging
import time
from threading import Thread

import pytest

from resight.errors import ResightError, RunError
from resight.gallery.filters import Between
from tests.support.postgres_server import PASSWORD, PostgresServer, address_of
from tests.support.store_contract import made_rows, same, schema_of, vectors_of

pytest.importorskip("psycopg")
from resight.gallery import database
from resight.gallery.postgres import PostgresStore


def test_who_writes_is_named_to_whom_it_keeps_waiting(make, monkeypatch) -> None:
    store, rows = make(schema_of()), made_rows(3)
    monkeypatch.setattr(database, "PATIENCE", 1)
    with store._database.writing(store._table), pytest.raises(RunError) as refused:
        store.upsert(rows)
    assert "is being written to by resight on" in str(refused.value)
    assert "server process" in str(refused.value)
    assert store.upsert(rows).inserted == 3


def test_those_who_write_take_turns(make, again) -> None:
    store = make(schema_of())
    others = [again(store) for _ in range(3)]
    threads = [Thread(target=other.upsert, args=(made_rows(20, seed),)) for seed, other in enumerate(others)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (store.count(), store.refresh()) == (60, 3)


def test_only_one_builds_an_index(make) -> None:
    store = make(schema_of())
    with store._database.building(store._table), pytest.raises(RunError, match="is being indexed by resight on"):
        store.build_index()


def test_a_role_that_need_not_wait_for_the_disk_waits(make, server) -> None:
    store = make(schema_of())
    with store._database.connection() as connection:
        connection.execute("ALTER ROLE resight SET synchronous_commit = off")
    try:
        again = PostgresStore.open(address_of(store))
        with again._database.writing(again._table) as connection:
            assert connection.execute("SHOW synchronous_commit").fetchone() == ("on",)
        again.close()
    finally:
        with store._database.connection() as connection:
            connection.execute("ALTER ROLE resight RESET synchronous_commit")


# What is never shown


QUOTED = "tr%2Fu%24t%20n%40%201%20%2541"


@pytest.mark.parametrize(
    "change",
    [
        ("41@", "41Zq9Wx@"),
        ("/postgres?", "/nowhere?"),
        ("resight:", "nobody:"),
        ("127.0.0.1", "[::1"),
        ("127.0.0.1", "name with blanks"),
        (QUOTED, PASSWORD),
        (QUOTED, "Zq/9Wx@"),
        (QUOTED, "Zq#9Wx"),
        (QUOTED, "Zq?9Wx"),
        (QUOTED, "Zq:9Wx@"),
        (QUOTED, "Zq%9Wx"),
        ("?table=", "?password=Zq9Wx&table="),
        ("?table=", "?pasword=Zq9Wx&table="),
    ],
)
def test_no_password_in_any_message(server, change, caplog, capfd) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ResightError) as refused:
        PostgresStore.open(server.address("crops").replace(*change))
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
    shown = str(refused.value) + caplog.text + "".join(capfd.readouterr())
    assert "\n" not in str(refused.value)
    for secret in ("u$t", "u%24t", "n@ 1", "tr/", "Zq", "9Wx"):
        assert secret not in shown


def test_no_pgvector_is_said(server) -> None:
    with PostgresStore.create(server.address("any"), schema_of(), {})._database.connection() as connection:
        connection.execute("CREATE DATABASE bare")
    with pytest.raises(RunError, match="has no pgvector; its owner adds it by: CREATE EXTENSION vector"):
        PostgresStore.open(server.address("any").replace("/postgres?", "/bare?"))
    with pytest.raises(RunError, match="is no gallery; make one with `resight index`"):
        PostgresStore.open(server.address("none"))


def test_a_store_goes_on_when_its_server_has_come_back(monkeypatch) -> None:
    monkeypatch.setattr(database, "_SECONDS", 2)
    monkeypatch.setattr(database, "_RECONNECTING", 1)
    with PostgresServer() as server:
        store = PostgresStore.create(server.address("crops"), schema_of(), {})
        rows = made_rows(20)
        store.upsert(rows)
        server.kill()
        with pytest.raises(RunError, match="postgresql://resight@127.0.0.1"):
            store.upsert(made_rows(5, seed=1))
        server.start()
        store._database._pool.timeout = 60  # two seconds are few on a busy machine
        same(store, rows)
        store.upsert(made_rows(5, seed=1))
        assert store.count() == 25
        store.close()


@pytest.mark.slow
def test_a_replica_answers_and_refuses_to_be_written(indexed, server) -> None:
    """The same rows by the same searches; a writer with both hosts in its address finds the primary."""
    store, rows = indexed
    query, where = vectors_of(rows)[:1], Between("time", 0, 499)
    with PostgresServer(replica_of=server) as replica:
        reader = PostgresStore.open(replica.address("indexed"))
        for how in ("exact", "ann"):
            ours, theirs = (each.search(query, 10, where, how) for each in (store, reader))
            assert (ours.how, ours.matching, ours.ids[0].tolist()) == (
                theirs.how,
                theirs.matching,
                theirs.ids[0].tolist(),
            )
        with pytest.raises(RunError, match="read-only|recovery"):
            reader.upsert(rows.slice(0, 1))
        both = server.address("indexed").replace("127.0.0.1:", f"127.0.0.1:{replica.port},127.0.0.1:")
        writer = PostgresStore.open(both + "&target_session_attrs=read-write")
        assert writer.upsert(rows.slice(0, 1)) == (0, 1, store.refresh())
        until = time.monotonic() + 30
        while reader.refresh() < store.version and time.monotonic() < until:
            time.sleep(0.05)
        assert reader.version == store.version
        reader.close()
        writer.close()
