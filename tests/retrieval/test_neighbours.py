"""Neighbours among all images: those of a full sort, from half of the products, whatever the blocks and threads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from resight.retrieval import neighbours as module
from resight.retrieval.distance import normalised
from resight.retrieval.neighbours import Neighbours, neighbours, smallest
from resight.retrieval.tiles import PAD

K = 9


def exact(count: int, seed: int = 0) -> np.ndarray:
    """[count, 16] of length 1, whose similarities are whole eighths without rounding: most are equal to others."""
    return np.random.default_rng(seed).choice([-0.25, 0.25], (count, 16)).astype(np.float32)


def found_in(values: np.ndarray, k: int = K, **options: object) -> Neighbours:
    return neighbours(normalised(values), len(values), k, **options)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", PAD)


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
@pytest.mark.parametrize("count", [1, 2, K, PAD, PAD + 1, 5 * PAD - 7])
@pytest.mark.usefixtures("small_blocks")
def test_nearest_are_those_of_a_sort_and_equal_ones_by_position(kind: Callable, count: int) -> None:
    values = exact(count)
    products = values @ values.T
    found = found_in(kind(values))
    np.testing.assert_array_equal(found.positions, np.argsort(-products, axis=1, kind="stable")[:, :K])
    np.testing.assert_array_equal(found.least, products.min(1))
    assert found.positions.shape == (count, min(K, count))


def test_more_neighbours_than_groups_of_a_block() -> None:
    values = exact(PAD)
    found = found_in(values, 100)
    np.testing.assert_array_equal(found.positions, np.argsort(-(values @ values.T), axis=1, kind="stable")[:, :100])


def test_images_that_are_all_the_same_are_ordered_by_position(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", PAD)
    monkeypatch.setattr(module, "_SORTED", 1000)  # a few rows at a time
    found = found_in(np.ones((3 * PAD, 4), np.float32))
    np.testing.assert_array_equal(found.positions, np.tile(np.arange(K), (3 * PAD, 1)))


def test_nothing_depends_on_blocks_or_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=(1500, 33)).astype(np.float32)
    whole = found_in(values, threads=1)
    for block in (PAD, 3 * PAD):
        monkeypatch.setattr(module, "BLOCK", block)
        for wanted, found in zip(whole, found_in(values, threads=3), strict=True):
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("queries", [1, PAD, 300, 3 * PAD])
@pytest.mark.usefixtures("small_blocks")
def test_similarities_of_the_first_to_the_others_are_kept(queries: int) -> None:
    values = exact(5 * PAD - 7)
    kept = np.full((queries, len(values) - queries), np.nan, np.float32)
    found_in(values, kept=kept)
    np.testing.assert_array_equal(kept, values[:queries] @ values[queries:].T)


def test_smallest_are_those_of_a_stable_sort() -> None:
    tile = np.random.default_rng(0).integers(0, 6, (40, 300)).astype(np.float32)
    for count in (1, 7, 300):
        np.testing.assert_array_equal(smallest(tile, count), np.argsort(tile, axis=1, kind="stable")[:, :count])
