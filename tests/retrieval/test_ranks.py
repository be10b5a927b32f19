"""Ranks as a stable sort gives them, of whole rows and of parts of a gallery."""

from __future__ import annotations

import numpy as np
import pytest

from resight.retrieval import evaluate, ranks
from resight.retrieval.ranks import right_ranks

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("looked_at", "few"), [(1, 0.2), (600, 0), (600, 1), (2**20, 0.2)])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_equal_distances_are_ordered_by_place(
    looked_at: int, few: float, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranks, "_LOOKED_AT", looked_at)
    monkeypatch.setattr(ranks, "_FEW", few)
    tile = RNG.integers(0, 9, (8, 200)).astype(kind)
    shuffled = [RNG.permutation(200) for _ in tile]
    counts = [0, 1, 7, 80, 0, 150, 2, 0]
    good = [np.sort(places[:count]) for places, count in zip(shuffled, counts, strict=True)]
    out = [np.sort(places[count : count + 50]) for places, count in zip(shuffled, counts, strict=True)]
    orders = np.argsort(tile, axis=1, kind="stable")
    found = right_ranks(tile, good, out)
    assert [count for _, count in found] == counts
    for (places, _), order, right, hidden in zip(found, orders, good, out, strict=True):
        wanted = np.flatnonzero(np.isin(order[~np.isin(order, hidden)], right)) + 1
        np.testing.assert_array_equal(places, wanted)


def test_no_image_counts() -> None:
    nothing = [np.empty(0, np.int64)] * 2
    assert [(len(places), count) for places, count in right_ranks(np.empty((2, 0)), nothing, nothing)] == [(0, 0)] * 2


def crowd() -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Features with many exact copies, junk, distractors and a query without a match."""
    pool = RNG.normal(size=(60, 37)).astype(np.float32)
    labels = {
        "query_ids": np.append(RNG.integers(1, 30, 449), 99),
        "gallery_ids": RNG.integers(-1, 30, 900),
        "query_cameras": RNG.integers(1, 5, 450),
        "gallery_cameras": RNG.integers(1, 5, 900),
    }
    return pool[RNG.integers(0, 60, 450)], pool[RNG.integers(0, 60, 900)], labels


@pytest.mark.parametrize(("part", "few"), [(100, 0), (192, 1), (5000, 0.2)])
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("on_a_grid", [False, True])
def test_a_wide_gallery_in_parts_gives_the_figures_of_the_whole(
    metric: str, on_a_grid: bool, part: int, few: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    query, gallery, labels = crowd()
    if on_a_grid:  # where many distances are equal; large, so that those of Euclid take float64
        query, gallery = (np.rint(4000 * side).astype(np.float32) for side in (query, gallery))
    options = {"own": np.append(np.arange(400), np.full(50, -1)), "metric": metric}
    wanted = evaluate(query, gallery, **labels, **options)
    widths = []

    def watched(*given: np.ndarray) -> np.ndarray:
        widths.append(len(given[1]))
        return rows(*given)

    rows = ranks._rows
    for name, value in (("WIDE", 0), ("PART", part), ("_FEW", few), ("_TOGETHER", 100), ("_rows", watched)):
        monkeypatch.setattr(ranks, name, value)
    found = evaluate(query, gallery, **labels, **options, threads=2)
    for name in ("average_precision", "inverse_negative_penalty", "first_rank", "cmc"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))
    assert 0 < max(widths) <= part


def test_no_query_with_a_match_in_a_wide_gallery(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "WIDE", 0)
    query, gallery, labels = crowd()
    found = evaluate(query, gallery, **labels | {"query_ids": np.full(450, 99)})
    assert np.isnan(found.mean_average_precision)
    assert found.without_match == 450
