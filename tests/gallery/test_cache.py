"""Vectors of one version: from the store, from a file, and from an older file and what came after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from resight.gallery.cache import STAMP, Vectors
from resight.gallery.store import PROBABILITIES, VECTOR
from resight.records import vector_column


class Kept:
    """A store's rows: id -> stamp. A vector says both, so that an old one is told from a new one."""

    def __init__(self, rows: dict[int, int]) -> None:
        self.rows, self.read = rows, 0

    def ids(self) -> np.ndarray:
        return np.array(list(self.rows), np.int64)

    def batches(self, later: int) -> Iterator[pa.RecordBatch]:
        found = [(number, stamp) for number, stamp in self.rows.items() if stamp > later]
        self.read += len(found)
        for start in range(0, len(found), 7):
            numbers, stamps = (np.array(column) for column in zip(*found[start : start + 7], strict=True))
            vectors = np.stack([numbers, stamps], axis=1).astype(np.float32)
            yield pa.record_batch(
                {
                    "id": pa.array(numbers),
                    STAMP: pa.array(stamps),
                    VECTOR: vector_column(vectors),
                    PROBABILITIES: vector_column(vectors[:, :1] / 2),
                }
            )


def check(vectors: Vectors, kept: Kept) -> None:
    ids = np.sort(kept.ids())
    assert vectors.ids.tolist() == ids.tolist()
    places = vectors.by_id(vectors.places(ids))
    assert vectors.of(places).tolist() == [[number, kept.rows[number]] for number in ids]
    assert vectors.attributes_of(places).ravel().tolist() == (ids / 2).tolist()
    products = next(vectors.neighbours(products=True).of(np.array([[0, 1]], np.float32), 3, vectors.places()))
    assert products[0].tolist() == sorted(kept.rows.values(), reverse=True)[:3]


@pytest.fixture(params=[True, False], ids=["in a file", "in memory"])
def read(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Vectors]:
    if request.param:
        monkeypatch.setattr("resight.gallery.cache._WORTH", 1)
    return lambda version, kept: Vectors.read(tmp_path / "cache", version, kept.ids, kept.batches, 30, (2, 1))


def test_later_versions_are_read_as_an_older_one_and_what_came_after(read: Callable[..., Vectors], tmp_path) -> None:
    (tmp_path / "cache").mkdir()
    kept = Kept(dict.fromkeys(range(1, 31), 1))
    vectors = read(2, kept)
    check(vectors, kept)
    kept.rows = {number: stamp for number, stamp in kept.rows.items() if number != 4} | {7: 3, 99: 4}
    kept.read = 0
    followed = vectors.brought_to(5, kept.ids, kept.batches, tmp_path / "cache")
    assert kept.read == 2, "the others are known"
    check(followed, kept)
    check(read(5, kept), kept)
    check(vectors, Kept(dict.fromkeys(range(1, 31), 1)))


def test_ids_that_are_not_there_have_no_place(read: Callable[..., Vectors]) -> None:
    vectors = read(1, Kept({5: 1, 3: 1}))
    assert vectors.ids.tolist() == [3, 5]
    assert vectors.of(vectors.places(np.array([5, 4, 99]))).tolist() == [[5, 1]]
    empty = read(1, Kept({}))
    assert empty.places(np.array([1])).tolist() == []


def test_a_file_is_made_anew_where_much_has_changed_and_where_it_is_damaged(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("resight.gallery.cache._WORTH", 1)
    cache, kept = tmp_path / "cache", Kept(dict.fromkeys(range(1, 31), 1))
    Vectors.read(cache, 1, kept.ids, kept.batches, 30, (2, 1))
    kept.rows |= {99: 2}
    Vectors.read(cache, 2, kept.ids, kept.batches, 30, (2, 1))
    assert sorted(file.name for file in cache.glob("rows*")) == ["rows-000000000001.npy"], "little has changed"
    kept.rows |= dict.fromkeys(range(100, 130), 3)
    check(Vectors.read(cache, 3, kept.ids, kept.batches, 30, (2, 1)), kept)
    assert sorted(file.name for file in cache.iterdir()) == [
        "attributes-000000000003.f32",
        "rows-000000000003.npy",
        "vectors-000000000003.f32",
    ]
    for file in cache.iterdir():
        whole = file.read_bytes()
        for damage in (b"", whole[:-3], b"nonsense"):
            file.write_bytes(damage)
            check(Vectors.read(cache, 3, kept.ids, kept.batches, 30, (2, 1)), kept)


def test_where_no_file_can_be_written_memory_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resight.gallery.cache._WORTH", 1)
    (tmp_path / "cache").write_text("in the way")
    kept = Kept(dict.fromkeys(range(1, 31), 1))
    check(Vectors.read(tmp_path / "cache", 1, kept.ids, kept.batches, 30, (2, 1)), kept)
