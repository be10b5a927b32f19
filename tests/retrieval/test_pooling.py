from __future__ import annotations

import numpy as np
import pytest
import torch

from resight.errors import DataError
from resight.retrieval.pooling import pool


def test_the_weighted_mean_by_hand() -> None:
    features = np.array([[1, 0], [0, 1], [9, 9], [0, 1], [3, 4]], np.float32)
    groups, weights = [0, 0, -1, 1, 1], [3, 1, 5, 1, 0]
    np.testing.assert_allclose(pool(features, groups, weights, unit=False), [[0.75, 0.25], [0, 1]])
    pooled = pool(features, groups, weights)
    np.testing.assert_allclose(pooled, [[3 / 10**0.5, 1 / 10**0.5], [0, 1]], rtol=1e-6)
    assert pooled.dtype == np.float32


def test_without_weights_and_with_none_but_0_it_is_the_mean() -> None:
    features = np.array([[1, 0], [0, 3]], np.float32)
    for weights in (None, [0, 0], [1e-300, 1e-300], [1e300, 1e300]):
        np.testing.assert_allclose(pool(torch.from_numpy(features), [0, 0], weights, unit=False), [[0.5, 1.5]])


@pytest.mark.parametrize("unit", [True, False])
def test_it_is_what_a_loop_says(unit: bool) -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(60, 5)).astype(np.float32)
    groups, weights = random.integers(-1, 7, 60), random.random(60)
    expected = []
    for group in range(7):
        total = sum(weight * row for row, at, weight in zip(features, groups, weights, strict=True) if at == group)
        mean = total / weights[groups == group].sum()
        expected.append(mean / np.linalg.norm(mean) if unit else mean)
    np.testing.assert_allclose(pool(features, groups, weights, unit=unit), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("groups", "weights", "told"),
    [
        ([0, 2], None, "group 1 has no image; number the groups without gaps"),
        ([0, 0], [1, -1], "a number of 0 or more is needed for each of 2 images"),
        ([0, 0], [1, np.nan], "a number of 0 or more is needed"),
        ([0, 0], [1], "a number of 0 or more is needed"),
        ([0], None, "groups has shape"),
    ],
)
def test_input_that_does_not_fit_is_refused(groups: list[int], weights: list[float] | None, told: str) -> None:
    with pytest.raises(DataError, match=told):
        pool(np.eye(2), groups, weights)
