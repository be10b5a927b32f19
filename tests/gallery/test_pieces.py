"""Small pieces are joined, large ones seldom; the condition finds the rows of a piece and no others."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from resight.gallery.pieces import counted, few, many, small_ones


def test_what_is_large_beside_the_others_is_left() -> None:
    assert small_ones({0: 60_000, 1: 500, 2: 8, 3: 8, 4: 8}) == [2, 3, 4]
    assert small_ones({0: 60_000, 1: 24, 2: 8, 3: 8, 4: 8}) == [1, 2, 3, 4], "as much as those before it together"
    assert small_ones({7: 5, 9: 5}) == [7, 9]
    assert small_ones({0: 1, 1: 2, 2: 4}) == [], "each is larger than those before it"
    assert small_ones({0: 20_000, 1: 20_000, 2: 20_000}) == [], "too much for memory"
    assert small_ones({}) == []


@pytest.mark.parametrize(("first", "batch"), [(0, 1), (60_000, 8), (3_000_000, 32), (0, 1024), (0, 4096)])
def test_a_row_is_written_few_times_and_pieces_stay_few(first: int, batch: int) -> None:
    """LanceDB's part, a compaction, is played: pieces of less than 2**20 rows become such."""
    rows = {number: min(2**20, first - start) for number, start in enumerate(range(0, first, 2**20))}
    written, batches, compactions = 0, 3000, 0
    for number in range(batches):
        rows[100 + 2 * number] = batch
        total = sum(rows.values())
        if len(rows) <= many(total):
            continue
        joined = small_ones(rows)
        if len(rows) - len(joined) > few(total):
            joined, compactions = [one for one, size in rows.items() if size < 2**20], compactions + 1
        size = sum(rows.pop(one) for one in joined)
        written += size
        for part in range(0, size, 2**20):
            rows[101 + 2 * number + 10**6 * part] = min(2**20, size - part)
        assert len(rows) <= few(total) + 1
    assert sum(rows.values()) == first + batches * batch
    assert written <= 6 * batches * batch
    assert compactions <= 6


def test_pieces_are_counted_by_addresses() -> None:
    places = np.array([0, 1, 5 << 32, (5 << 32) + 7, 7 << 32], np.uint64)
    batches = [pa.record_batch({"_rowaddr": part}) for part in (places[:3], places[3:])]
    assert counted(batches) == Counter({5: 2, 0: 2, 7: 1})
