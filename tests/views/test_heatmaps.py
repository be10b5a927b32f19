"""Maps as pictures: the brightest place is the greatest value, and what is 0 shows the image."""

from __future__ import annotations

import numpy as np

from resight.views.heatmaps import coloured, overlay, strongest_channels


def brightness(picture: np.ndarray) -> np.ndarray:
    return np.asarray(picture).astype(int).sum(2)


def test_coloured_is_darkest_at_the_least_and_brightest_at_the_greatest() -> None:
    values = np.random.default_rng(0).normal(size=(6, 4))
    assert coloured(values, (12, 8)).shape == (12, 8, 3)
    bright = brightness(coloured(values, (12, 8)))[::2, ::2]
    assert bright.argmax() == values.argmax()
    assert bright.argmin() == values.argmin()


def test_overlay_leaves_the_image_where_nothing_speaks_for_the_match() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (32, 16, 3)).astype(np.uint8)
    np.testing.assert_array_equal(np.asarray(overlay(pixels, np.zeros((4, 2)))), pixels)
    np.testing.assert_array_equal(np.asarray(overlay(pixels, np.full((4, 2), -3.0))), pixels)


def test_overlay_is_bright_where_the_map_is_greatest() -> None:
    values = np.zeros((4, 2))
    values[3, 1] = 0.2
    bright = brightness(overlay(np.zeros((32, 16, 3), np.uint8), values))
    assert bright[28:, 12:].min() > 3 * bright[:16].max() + 100
    assert bright[:16].max() == 0


def test_flat_maps_are_drawn_too() -> None:
    assert (coloured(np.ones((3, 3)), (6, 6)) == coloured(np.zeros((3, 3)), (6, 6))).all()


def test_strongest_channels_vary_most() -> None:
    maps = np.zeros((4, 2, 2))
    maps[1, 0, 0], maps[3, 0, 0], maps[2] = 5, 9, 100
    assert strongest_channels(maps, 2).tolist() == [3, 1]
    assert len(strongest_channels(maps, 9)) == 4


def test_a_place_of_a_coarse_map_stays_one_patch() -> None:
    picture = coloured(np.array([[0.0, 1.0], [2.0, 3.0]]), (8, 12))
    for row in (0, 1):
        for column in (0, 1):
            patch = picture[4 * row : 4 * row + 4, 6 * column : 6 * column + 6].reshape(-1, 3)
            assert len(np.unique(patch, axis=0)) == 1
