"""Equal distances are equal where the features lie on a grid, and far features keep their digits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from resight.retrieval import distances, evaluate, nearest
from resight.retrieval.rounding import exact_type, middle_of
from tests.support import brute

GRIDS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "halves": lambda rng, count: (rng.integers(-3, 6, (count, 5)) / 2).astype(np.float32),
    "whole numbers": lambda rng, count: rng.integers(0, 4, (count, 4)),
    "binary codes": lambda rng, count: rng.random((count, 12)) < 0.5,
    "float16": lambda rng, count: (rng.integers(1, 5, (count, 6)) / 4).astype(np.float16),
    "far whole numbers": lambda rng, count: rng.integers(0, 4, (count, 4)).astype(np.float32) + 100_003,
    # 2,048 squares of up to 255²: more digits than float32 has.
    "wide int8": lambda rng, count: np.repeat(rng.choice([-128, 1, 127], (count, 3)), 683, 1).astype(np.int8),
}


@pytest.mark.parametrize("name", GRIDS)
def test_features_on_a_grid_are_ranked_as_the_definition_ranks_them(name: str) -> None:
    for seed in range(60):
        rng = np.random.default_rng(seed)
        query, gallery = GRIDS[name](rng, 5), GRIDS[name](rng, 24)
        labels = {
            "query_ids": rng.integers(1, 4, 5),
            "gallery_ids": rng.integers(-1, 4, 24),
            "query_cameras": rng.integers(-1, 3, 5),
            "gallery_cameras": rng.integers(-1, 3, 24),
        }
        exact = cdist(query.astype(np.float64), gallery.astype(np.float64))
        np.testing.assert_array_equal(distances(query, gallery, "euclidean"), exact.astype(np.float32))
        places = nearest(query, gallery, 24, "euclidean")[1]
        np.testing.assert_array_equal(places, np.argsort(exact, axis=1, kind="stable"))
        found = evaluate(query, gallery, **labels, metric="euclidean")
        rows, _ = brute.evaluate(exact, *labels.values())
        wanted = [np.nan if row is None else row[0] for row in rows]
        np.testing.assert_allclose(found.average_precision, wanted, rtol=1e-12)
        assert found.first_rank.tolist() == [0 if row is None else row[3] for row in rows]


def test_the_middle_lies_on_the_features_grid_and_near_their_mean() -> None:
    features = np.array([[0.5, 7, 1000.5], [1.5, 7, 1001], [2.0, 7, 1001]], np.float32)
    assert middle_of(features).tolist() == [1, 7, 1001]


def test_the_type_is_the_narrowest_that_holds_every_digit() -> None:
    small = np.array([[0, 1], [1, 1]], np.float32)
    nothing = np.zeros(2)
    assert exact_type(small, small, nothing) is np.float32
    # 4 · (2 · 4097²) counts of the step need 28 bits.
    assert exact_type(4097 * small, small, nothing) is np.float64
    drawn = np.random.default_rng(0).normal(size=(20, 64)).astype(np.float32)
    assert exact_type(drawn, drawn, nothing.repeat(32)) is np.float32
