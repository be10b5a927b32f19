"""The store in a folder: what is LanceDB's own affair there, such as readers beside a writer, files, and the index."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from resight.errors import DataError, RunError
from resight.files import locked
from resight.gallery.filters import Between, In
from resight.gallery.lance import LanceStore
from resight.gallery.store import VECTOR, Column, Schema
from resight.records import vector_column, vectors_of
from tests.house import ROOT
from tests.support import store_writer
from tests.support.store_contract import Contract

KILLS = int(os.environ.get("RESIGHT_KILLS", "4"))
"""More are made by hand: each starts a process, which imports for seconds."""
SCHEMA = Schema(8, "cosine", (Column("path", "text"), Column("camera", "int"), Column("time", "time")))


def rows(ids: range | list[int], seed: int = 0) -> pa.Table:
    """Unit vectors that are the same for the same id and seed."""
    vectors = np.stack([np.random.default_rng([seed, number]).normal(size=8) for number in ids]).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "path": pa.array([f"/{number}.jpg" for number in ids]),
            "camera": pa.array([number % 7 for number in ids], pa.int64()),
            VECTOR: vector_column(vectors),
        }
    )


@pytest.fixture
def store(tmp_path: Path) -> LanceStore:
    return LanceStore.create(str(tmp_path / "g"), SCHEMA, {"model": "runs/street"})


class TestContract(Contract):
    """What every store keeps."""

    @pytest.fixture
    def make(self, tmp_path: Path):
        numbers = itertools.count()
        return lambda schema, facts=None: LanceStore.create(str(tmp_path / f"g{next(numbers)}"), schema, facts or {})

    @pytest.fixture
    def again(self):
        return lambda store: LanceStore.open(store.where)

    def place_of(self, store: LanceStore) -> str:
        return store.where

    def elsewhere(self, store: LanceStore) -> str:
        return store.where + "-elsewhere"


QUERIES = np.random.default_rng(9).normal(size=(5, 8)).astype(np.float32)


def best(table: pa.Table, query: np.ndarray, k: int) -> list[int]:
    products = vectors_of(table[VECTOR]).astype(np.float64) @ query.astype(np.float64)
    return table["id"].to_numpy()[np.lexsort((table["id"].to_numpy(), -products))][:k].tolist()


def test_every_new_file_and_its_folder_is_synced_before_a_change_returns(
    store: LanceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[str] = set()
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (synced.add(os.readlink(f"/proc/self/fd/{handle}")), real(handle)))

    def names() -> set[str]:
        return {str(path) for path in (store.folder / "rows.lance").rglob("*")}

    changes = (
        lambda: store.upsert(rows(range(20))),
        lambda: store.upsert(rows(range(10, 30), seed=1)),
        lambda: store.update([3], pa.table({"camera": [5]})),
        lambda: store.delete([4, 5]),
        lambda: store.add_columns([Column("name", "text")]),
        lambda: store.compact(),
    )
    for change in changes:
        before = names()
        synced.clear()
        change()
        new = {path for path in names() - before if not path.endswith("latest_version_hint.json")}
        assert new, "each of them is a commit"
        assert new <= synced
        assert {str(Path(path).parent) for path in new} <= synced


@pytest.mark.parametrize("many", [False, True])
def test_a_cache_follows_every_change_and_can_be_deleted(
    store: LanceStore, many: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if many:
        monkeypatch.setattr("resight.gallery.cache._WORTH", 1)
    table = rows(range(500))
    store.upsert(table)
    cache = store.folder / "cache"

    def check(handle: LanceStore, there: pa.Table) -> None:
        for where, mask in ((None, slice(None)), (Between("id", 100, 130), None)):
            kept = (
                there
                if mask is not None
                else there.filter((pa.compute.field("id") >= 100) & (pa.compute.field("id") <= 130))
            )
            found = handle.search(QUERIES, 9, where, "exact")
            assert [ids.tolist() for ids in found.ids] == [best(kept, query, 9) for query in QUERIES]
            assert found.matching == len(kept)

    check(store, table)
    assert cache.exists() == many
    store.upsert(rows(range(490, 510), seed=3))  # some anew, some new
    table = pa.concat_tables([table.slice(0, 490), rows(range(490, 510), seed=3)])
    check(store, table)
    check(LanceStore.open(store.where), table)
    store.delete(In("id", tuple(range(0, 300))))
    table = table.filter(pa.compute.field("id") >= 300)
    check(store, table)
    store.compact(timedelta(0))
    check(LanceStore.open(store.where), table)
    if many:
        assert len(list(cache.iterdir())) == 3, "the older version's files are gone"
        for file in cache.glob("*.f32"):
            file.write_bytes(file.read_bytes()[:-1])
        check(LanceStore.open(store.where), table)
        shutil.rmtree(cache)
        check(LanceStore.open(store.where), table)
        assert cache.exists()


def test_the_index_finds_what_was_promised_and_exactly_as_many_as_asked(
    store: LanceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resight.gallery.lance.EXACT_ROWS", 0)
    monkeypatch.setattr("resight.gallery.lance._QUICK", 0)
    store.upsert(rows(range(4000)))
    with pytest.raises(RunError, match="has no index"):
        store.search(QUERIES, 5, how="ann")
    facts = store.build_index(0.95, sample=100)
    assert facts.partitions == 63
    assert set(facts.effort) == {1.0, 0.5, 0.1, 0.01}
    queries = np.random.default_rng(1).normal(size=(100, 8)).astype(np.float32)
    for handle in (store, LanceStore.open(store.where)):
        assert handle.index == facts
        for where in (None, In("camera", (1, 3, 5)), Between("id", 0, 399), Between("id", 1000, 1039)):
            true, found = (handle.search(queries, 10, where, how) for how in ("exact", "auto"))
            assert (true.how, found.how) == ("exact", "ann")
            hits = sum(len(np.intersect1d(a, b)) for a, b in zip(true.ids, found.ids, strict=True))
            assert hits / 1000 >= 0.95
            assert [len(ids) for ids in found.ids] == [10] * 100
        few = handle.search(queries[:3], 10, In("id", (5, 3999)), "ann")
        assert [sorted(ids.tolist()) for ids in few.ids] == [[5, 3999]] * 3
    store.upsert(rows(range(4000, 4050)))
    assert store.search(vectors_of(rows([4020])[VECTOR]), 1, how="ann").ids[0].tolist() == [4020]
    store.delete(list(range(400)))
    store.compact(timedelta(0))
    assert store.index is not None
    assert (store.index.rows, store.index.version) == (3650, store.index.version)
    true, found = (store.search(queries, 10, None, how) for how in ("exact", "auto"))
    assert sum(len(np.intersect1d(a, b)) for a, b in zip(true.ids, found.ids, strict=True)) / 1000 >= 0.95


def test_what_was_measured_of_another_index_is_not_believed(store: LanceStore) -> None:
    store.upsert(rows(range(300)))
    store.build_index()
    file = store.folder / "gallery.json"
    document = json.loads(file.read_text())
    document["index"]["uuid"] = "another"
    file.write_text(json.dumps(document))
    opened = LanceStore.open(store.where)
    assert opened.index is None
    assert opened.search(QUERIES, 3).how == "exact"


def test_readers_see_whole_batches_while_another_writes_and_compacts(store: LanceStore) -> None:
    store.upsert(rows(range(50)))
    pinned = LanceStore.open(store.where)
    seen: list[int] = []
    stop = threading.Event()

    def read() -> None:
        reader = LanceStore.open(store.where)
        while (not seen or seen[-1] < 400) and not stop.is_set():
            reader.refresh()
            ids = np.concatenate([batch.column(0).to_numpy() for batch in reader.scan(["id"])])
            assert len(ids) % 50 == 0
            assert reader.search(QUERIES, 3, None, "exact").ids[0].tolist() == best(
                rows(sorted(ids.tolist())), QUERIES[0], 3
            )
            seen.append(len(ids))

    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(read)
        try:
            for start in range(50, 400, 50):
                store.upsert(rows(range(start, start + 50)))
                if start % 150 == 0:
                    store.compact()
            reading.result(60)
        finally:
            stop.set()
    assert seen == sorted(seen), "no step back"
    assert pinned.count() == 50, "what was opened stays readable beside compaction"
    assert pinned.search(QUERIES, 50).matching == 50


def test_small_additions_are_joined_and_change_nothing(store: LanceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resight.gallery.pieces._MANY", 6)
    monkeypatch.setattr("resight.gallery.lance._INDEXED", 100)
    monkeypatch.setattr("resight.gallery.lance.EXACT_ROWS", 10)
    store.upsert(rows(range(300)))
    facts = store.build_index(0.9, sample=20)
    pinned, most = LanceStore.open(store.where), 0
    for start in range(300, 360, 3):
        store.upsert(rows(range(start, start + 3)))
        most = max(most, store.storage.pieces)
    assert 2 < most <= 6
    store.update(list(range(0, 300, 50)), pa.table({"camera": [99] * 6}))
    store.upsert(rows([310], seed=1))
    there = pa.concat_tables([rows([*range(310), *range(311, 360)]), rows([310], seed=1)]).sort_by("id")
    assert store.storage.pieces <= 6
    assert store.count() == 360
    assert store.count(In("camera", (99,))) == 6
    assert store.fetch(list(range(360)), ["id", "path", VECTOR]).to_pylist() == there.drop(["camera"]).to_pylist()
    assert store.index == facts, "the large piece has its index still"
    for handle in (store, LanceStore.open(store.where)):
        for how in ("exact", "auto"):
            found = handle.search(QUERIES, 9, Between("id", 290, 400), how)
            assert [ids.tolist() for ids in found.ids] == [best(there.slice(290), query, 9) for query in QUERIES]
    assert pinned.count() == len(pinned.fetch(list(range(400)))) == 300


def test_old_versions_are_cleared_by_an_addition(store: LanceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resight.gallery.pieces._MANY", 4)
    store.upsert(rows(range(100)))
    versions = store.folder / "rows.lance" / "_versions"
    for start in range(100, 160):
        if start == 140:
            monkeypatch.setattr("resight.gallery.lance.KEPT", timedelta(0))
            monkeypatch.setattr("resight.gallery.lance._VERSIONS", 20)
            assert len(list(versions.iterdir())) > 40
        store.upsert(rows([start]))
    assert len(list(versions.iterdir())) <= 30
    assert store.count() == 160


def test_a_reader_whose_version_is_gone_goes_on_with_the_newest(store: LanceStore) -> None:
    store.upsert(rows(range(50)))
    old = LanceStore.open(store.where)
    store.upsert(rows(range(40, 80), seed=1))
    store.compact(timedelta(0))
    unread = LanceStore.open(store.where)
    assert len(old.fetch([3, 79], ["id", VECTOR])) in (1, 2)
    store.upsert(rows(range(80, 90)))
    store.compact(timedelta(0))
    assert sum(map(len, unread.scan(["id"]))) == 90
    found = old.search(QUERIES, 2, Between("id", 0, 10), "exact")
    assert all(len(ids) == 2 for ids in found.ids)


def test_a_second_writer_is_refused_by_a_sentence_that_names_the_first(
    store: LanceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resight.gallery.lance._PATIENCE", 0.1)
    with locked(store.folder, RunError):
        for change in (lambda: store.upsert(rows([1])), lambda: store.delete([1]), store.compact):
            with pytest.raises(RunError, match=rf"g is in use by another process \(number {os.getpid()}\); wait"):
                change()
        assert store.count() == 0
    store.upsert(rows([1]))


def test_readers_of_a_handle_do_not_wait_where_it_waits_to_write(
    store: LanceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.upsert(rows(range(5)))
    waiting = threading.Event()

    def awaited(*given):
        waiting.set()
        return locked(*given)

    monkeypatch.setattr("resight.gallery.lance.locked", awaited)
    with ThreadPoolExecutor(2) as threads:
        with locked(store.folder, RunError):
            change = threads.submit(store.delete, [1])
            assert waiting.wait(60)
            assert threads.submit(lambda: (store.refresh(), store.search(QUERIES, 9).matching)).result(60)[1] == 5
            assert not change.done()
        assert change.result(60) == 1


def test_rows_that_were_written_are_there_though_pieces_could_not_be_joined(
    store: LanceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(pieces: object) -> list[int]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("resight.gallery.pieces._MANY", 2)
    monkeypatch.setattr("resight.gallery.pieces.small_ones", full)
    store.upsert(rows([0]))
    store.upsert(rows([1]))
    with pytest.warns(UserWarning, match="small pieces are not joined"):
        assert store.upsert(rows([2])).inserted == 1
    with pytest.warns(UserWarning, match="small pieces are not joined"):
        assert store.update([2], pa.table({"camera": [9]})) == 1
    for handle in (store, LanceStore.open(store.where)):
        assert handle.fetch([0, 1, 2], ["camera"])["camera"].to_pylist() == [0, 1, 9]
    monkeypatch.undo()
    monkeypatch.setattr("resight.gallery.pieces._MANY", 2)
    store.upsert(rows([3]))
    assert store.storage.pieces <= 2, "the next one joins them"


def test_many_ids_are_deleted_some_at_a_time(store: LanceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resight.gallery.lance._DELETED", 7)
    store.upsert(rows(range(60)))
    assert store.delete([*range(0, 40, 2), *range(0, 40, 2), 999]) == 20
    assert store.delete(np.array([2, 4])) == store.delete([]) == 0
    assert sorted(store.fetch(list(range(60)), ["id"])["id"].to_pylist()) == [*range(1, 40, 2), *range(40, 60)]


def test_an_index_of_few_rows_is_measured_on_more_when_there_are_more(store: LanceStore) -> None:
    store.upsert(rows(range(12)))
    assert store.build_index(0.9).sample == 12
    store.upsert(rows(range(12, 300)))
    store.compact()
    assert store.index is not None
    assert store.index.sample == 200
    assert store.build_index(0.9, sample=20).sample == 20
    store.compact()
    assert store.index.sample == 20, "as was asked for"


def test_two_paths_of_one_number_are_refused_and_nothing_is_written(store: LanceStore) -> None:
    store.upsert(rows(range(3)))
    batch = rows([5, 2])
    batch = batch.set_column(1, "path", pa.array(["/5.jpg", "/other.jpg"]))
    with pytest.raises(DataError, match=r"/other\.jpg and /2\.jpg have one number, 2; rename one"):
        store.upsert(batch)
    assert store.count() == 3


def test_many_threads_search_one_handle(store: LanceStore) -> None:
    table = rows(range(300))
    store.upsert(table)
    answers: list[bool] = []

    def ask() -> None:
        for _ in range(5):
            found = store.search(QUERIES, 5, Between("id", 10, 290))
            answers.append(found.ids[1].tolist() == best(table.slice(10, 281), QUERIES[1], 5))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    store.refresh()
    for thread in threads:
        thread.join()
    assert answers == [True] * 30


@pytest.mark.slow
def test_a_kill_at_any_moment_loses_nothing_that_was_acknowledged_and_leaves_no_half_batch(tmp_path: Path) -> None:
    folder, journal, random = tmp_path / "g", tmp_path / "journal", np.random.default_rng()
    LanceStore.create(str(folder), store_writer.SCHEMA, {})
    journal.touch()
    for kill in range(KILLS):
        words = [sys.executable, "-m", "tests.support.store_writer", str(folder), str(journal), str(kill)]
        before, awaited = journal.stat().st_size, "begun" if kill % 2 else "done upsert"
        writer = subprocess.Popen(words, cwd=ROOT, start_new_session=True)
        while awaited not in journal.read_text()[before:] and writer.poll() is None:
            time.sleep(0.01)
        time.sleep(random.uniform(0, 0.6))
        assert writer.poll() is None, "it goes on until it is killed"
        writer.kill()
        writer.wait()
        assert store_writer.broken_promises(folder, journal) == []
    assert journal.read_text().count("done upsert") >= KILLS / 2
