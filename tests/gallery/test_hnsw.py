"""pgvector's index: its traps, the effort that a recall needs, widths, and one whose building was killed."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from resight.errors import DataError
from resight.gallery.filters import Between
from resight.gallery.store import VECTOR, Column, Schema
from tests.support.store_contract import WIDTH, brute, made_rows, schema_of, vectors_of

pytest.importorskip("psycopg")
from resight.gallery import hnsw


def test_exact_never_reads_the_index(indexed) -> None:
    """Ten times the same, since psycopg prepares a statement at the fifth and a kept plan reads the index."""
    store, rows = indexed
    query = vectors_of(rows)[:1]
    for _ in range(10):
        assert store.search(query, 10, None, "exact").ids[0].tolist() == brute(rows, query[0], 10)[0].tolist()
    with store._database.reading() as connection:
        connection.execute("SET LOCAL enable_seqscan = off")
        used = scans(connection, "resight")
        store._exactly(connection, query[0], 10, "TRUE", ())
        assert scans(connection, "resight") == used
        store._hnsw.candidates(connection, query[0], 10, "TRUE", (), 40)
        assert scans(connection, "resight") == used + 1


def scans(connection, _: str) -> int:
    """How often this transaction's connection has read an HNSW."""
    statement = (
        "SELECT coalesce(sum(pg_stat_get_xact_numscans(indexrelid)), 0) FROM pg_stat_user_indexes "
        "WHERE relname = 'indexed' AND indexrelname LIKE 'indexed_hnsw%%'"
    )
    return connection.execute(statement, ()).fetchone()[0]


def test_a_condition_leaves_as_many_as_asked(indexed, monkeypatch) -> None:
    """pgvector applies conditions to what the index gave: without iterative scans most of it is lost."""
    store, rows = indexed
    query, where = vectors_of(rows)[:1], Between("time", 0, 14)
    assert store.search(query, 10, where).matching >= 30
    with store._database.reading() as connection:
        connection.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        connection.execute("SET LOCAL hnsw.ef_search = 40; SET LOCAL enable_sort = off")
        naive = connection.execute(
            "SELECT id FROM indexed WHERE time <= 14 ORDER BY (vector::halfvec(32)) <#> %s::vector::halfvec(32) LIMIT 10",
            (query[0],),
        ).fetchall()
    assert len(naive) < 10
    assert len(store.search(query, 10, where, "ann").ids[0]) == 10
    monkeypatch.setattr(hnsw, "_SCAN", 1)  # an index that gives up: what it did not find is searched exactly
    for effort in (1, 40):
        with store._database.reading() as connection:
            connection.execute(
                "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off"
            )
            ids, _ = store._nearest(connection, query[0], 10, "time <= %s", [14], effort)
        assert ids.tolist() == brute(rows, query[0], 10, where)[0].tolist()


def test_the_effort_is_what_the_recall_needs(indexed, monkeypatch) -> None:
    """With a low effort alone to choose from, the recall measured is low, and said to be."""
    store, _ = indexed
    monkeypatch.setattr(hnsw, "EFFORTS", (1,))
    monkeypatch.setattr(hnsw, "SPARE", 0)
    assert store._hnsw.measured(0.99, 30).recall[1.0] < store.index.recall[1.0]


def test_more_dimensions_than_an_index_of_full_precision_takes(make) -> None:
    """A ResNet-50 has 2,048; pgvector indexes 2,000 in full precision, 4,000 in half."""
    store = make(Schema(2048, "euclidean", (Column("path", "text"),)))
    vectors = np.random.default_rng(0).normal(size=(60, 2048)).astype(np.float32)
    flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 2048)
    rows = pa.table({"id": range(60), "path": [str(number) for number in range(60)], VECTOR: flat})
    store.upsert(rows)
    store.build_index(0.9, 10)
    found = store.search(vectors[:2], 5, how="ann")
    assert [ids.tolist() for ids in found.ids] == [
        brute(rows, query, 5, metric="euclidean")[0].tolist() for query in vectors[:2]
    ]
    wide = make(Schema(4001, "cosine"))
    with pytest.raises(DataError, match="up to 4000 numbers, not of 4001; search exactly"):
        wide.build_index()


def test_an_index_whose_building_was_killed_is_built_anew(make) -> None:
    store = make(schema_of())
    store.upsert(made_rows(50))
    with store._database.connection() as connection:
        store._hnsw.build(connection)
        connection.execute("UPDATE pg_index SET indisvalid = false FROM pg_class WHERE pg_class.oid = indexrelid AND relname LIKE %s", (f"{store._table}_hnsw%",))  # fmt: skip
        store.build_index(0.9, 10)
        assert len(store._hnsw._names(connection)) == 1
    assert len(store.search(np.ones((1, WIDTH), np.float32), 5, how="ann").ids[0]) == 5
