"""What an index needs is measured, on an index that is known to miss; test_lance.py measures a real one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from resight.gallery.cache import Vectors
from resight.gallery.calibrated import measured
from resight.gallery.store import VECTOR, IndexFacts
from resight.records import vector_column

ROWS = 1000


def vectors(folder: Path) -> Vectors:
    made = np.random.default_rng(0).normal(size=(ROWS, 4)).astype(np.float32)
    batch = pa.record_batch({"id": pa.array(range(ROWS)), "stamp": pa.array([1] * ROWS), VECTOR: vector_column(made)})
    return Vectors.read(folder, 1, lambda: np.arange(ROWS), lambda stamp: [batch], ROWS, (4, 0))


def search(all_of: Vectors):
    def exactly(queries, k, ids):
        places = all_of.places(ids)
        return list(all_of.neighbours(products=True).of(queries, k, places))

    return exactly


def test_the_fewest_partitions_that_keep_the_promise_are_chosen(tmp_path: Path) -> None:
    everything, asked = vectors(tmp_path), []
    exactly = search(everything)
    needs = {1.0: 4, 0.5: 4, 0.1: 16, 0.01: 64}

    def by_index(queries, k, condition, effort):
        share = {None: 1.0, '"id" <= 499': 0.5, '"id" <= 99': 0.1, '"id" <= 9': 0.01}[condition]
        kept = None if condition is None else np.arange(round(share * ROWS))
        asked.append((share, effort))
        return [
            (scores, ids if effort >= needs[share] else ids[: len(ids) // 2])
            for scores, ids in exactly(queries, k, kept)
        ]

    facts = measured(exactly, by_index, everything, IndexFacts("kind", 0.9, sample=50, partitions=64), None)
    assert facts.effort == needs
    assert facts.recall == dict.fromkeys(needs, 1.0)
    assert asked[:2] == [(1.0, 2), (1.0, 4)], "from few on, doubled each time"


def test_where_there_is_nothing_to_find_nothing_is_missed(tmp_path: Path) -> None:
    everything = vectors(tmp_path)
    nothing = [(np.empty(0), np.empty(0, np.int64))] * 3
    facts = IndexFacts("kind", 0.9, sample=3, partitions=8)
    found = measured(lambda *_: nothing, lambda *_: nothing, everything, facts, None)
    assert set(found.recall.values()) == {1.0}
    assert set(found.effort.values()) == {1}
