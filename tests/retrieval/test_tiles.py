"""Tiles: they cover all rows once, equal the plain product, and depend on neither threads nor the place of a copy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from resight.retrieval import tiles
from resight.retrieval.tiles import BLOCKS, PAD, Products, _in_blocks, over_tiles, padded, whole

RNG = np.random.default_rng(0)


def as_they_are(features):
    """Features padded to whole blocks, unchanged."""

    def write(rows, result) -> None:
        result[:] = rows

    return padded(features, features.shape[1], write)


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_tiles_are_the_plain_product(kind: Callable) -> None:
    left, right = (RNG.normal(size=(rows, 21)).astype(np.float32) for rows in (500, 77))
    product = Products(as_they_are(kind(left)), 500, as_they_are(kind(right)), 77)
    assert (product.rows, product.columns) == (500, 77)
    whole = np.concatenate([product(start, min(start + PAD, 500)) for start in range(0, 500, PAD)])
    np.testing.assert_allclose(whole, left @ right.T, atol=1e-5)
    np.testing.assert_array_equal(product(0, 500), whole)


def test_a_tile_is_the_callers_to_write_into() -> None:
    left = RNG.normal(size=(4, 3)).astype(np.float32)
    product = Products(as_they_are(left), 4, as_they_are(left), 4)
    before = product(0, 4).copy()
    product(0, 4)[:] = np.inf
    np.testing.assert_array_equal(product(0, 4), before)


def test_equal_rows_give_equal_columns_wherever_they_stand() -> None:
    originals = RNG.normal(size=(40, 33)).astype(np.float32)
    places = RNG.integers(0, 40, 1000)
    product = Products(as_they_are(originals), 40, as_they_are(originals[places]), 1000)
    tile = product(0, 40)
    firsts = [int(np.flatnonzero(places == place)[0]) for place in places]
    np.testing.assert_array_equal(tile, tile[:, firsts])


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("width", [5, 37, 2048])
def test_equal_rows_give_equal_columns_in_any_product(width: int, kind: type[np.floating]) -> None:
    """As parts of a gallery need, of which each is a product of its own."""
    left, row = (RNG.normal(size=(rows, width)).astype(kind) for rows in (200, 1))

    def columns(rows: int, places: np.ndarray) -> np.ndarray:
        right = RNG.normal(size=(rows, width)).astype(kind)
        right[places] = row
        padding = np.zeros((whole(rows) - rows, width), kind)
        product = Products(padded_left, 200, np.concatenate([right, padding]), rows, even=True)
        made = product(0, 200)
        np.testing.assert_allclose(made, left @ right.T, atol=1e-3)
        return made[:, places]

    padded_left = np.concatenate([left, np.zeros((whole(200) - 200, width), kind)])
    found = [columns(rows, np.unique(RNG.integers(0, rows, 40))) for rows in (1, 192, 700, 3000)]
    together = np.concatenate(found, axis=1)
    np.testing.assert_array_equal(together, together[:, [0]].repeat(together.shape[1], axis=1))


def test_blocks_are_the_plain_product() -> None:
    left, right = (RNG.normal(size=(rows, 21)).astype(np.float32) for rows in (PAD, 700))
    for columns in BLOCKS:
        np.testing.assert_allclose(_in_blocks(left, right, columns), left @ right.T, atol=1e-5)


def test_rows_that_differ_in_one_number_are_no_copies() -> None:
    right = np.tile(RNG.normal(size=33).astype(np.float32), (3, 1))
    right[1, 32] += 1
    tile = Products(as_they_are(right), 3, as_they_are(right), 3)(0, 3)
    assert tile[0, 0] == tile[0, 2] != tile[0, 1]


def test_padded_sides_are_whole_blocks_and_end_in_zeros() -> None:
    for length, size in ((1, PAD), (PAD, PAD), (PAD + 1, 2 * PAD)):
        found = as_they_are(np.ones((length, 5), np.float64))
        assert found.shape == (size, 5)
        assert found.dtype == np.float32
        assert (found[:length] == 1).all()
        assert not found[length:].any()


@pytest.mark.parametrize("threads", [1, 2, 5, None])
@pytest.mark.parametrize("rows", [0, 1, PAD - 1, 5 * PAD + 7])
def test_every_row_is_worked_on_once_and_results_are_in_order(threads: int | None, rows: int) -> None:
    parts = over_tiles(lambda start, stop: (start, stop), rows, 100, threads)
    assert [row for start, stop in parts for row in range(start, stop)] == list(range(rows))
    assert all(start % PAD == 0 for start, _ in parts)


def test_many_columns_make_lower_tiles_and_never_less_than_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "HELD_BYTES", 4 * 2 * PAD * 1000)
    heights = [over_tiles(lambda start, stop: stop - start, 9 * PAD, columns, 1)[0] for columns in (1, 1000, 10**6)]
    assert heights == [tiles.ROWS, 2 * PAD, PAD]


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("rows", [1, 18 * PAD, 31 * PAD + 5])
def test_all_threads_end_at_about_the_same_time(threads: int, rows: int) -> None:
    heights = over_tiles(lambda start, stop: tiles.whole(stop - start) // PAD, rows, 1, threads)
    ends = [0] * threads
    for height in heights:  # each is taken by whoever is free first
        ends[int(np.argmin(ends))] += height
    assert max(ends) <= -(-sum(heights) // threads) + 1
