"""Changes of colour: each stays within the range it is told, and the random colour follows ImageNet's components."""

from __future__ import annotations

import colorsys
import math

import pytest
import torch

from resight.data.augmentations.colour import EIGENVALUES, EIGENVECTORS
from tests.support.augmenting import build, draws

STILL = {"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0}


def test_brightness_is_a_factor_within_its_range() -> None:
    grey = torch.full((3, 8, 8), 100, dtype=torch.uint8)
    change = build(8, 8, jitter=STILL | {"brightness": 0.2})
    values = [int(made[0, 0, 0]) for made in draws(change, grey, 200)]
    assert 79 <= min(values) < 85
    assert 115 < max(values) <= 121


def test_contrast_moves_values_from_their_mean_by_a_factor_within_its_range() -> None:
    image = torch.full((3, 8, 8), 50, dtype=torch.uint8)
    image[:, :4] = 150
    change = build(8, 8, jitter=STILL | {"contrast": 0.5})
    spans = [int(made.max()) - int(made.min()) for made in draws(change, image, 200)]
    assert 49 <= min(spans) < 60
    assert 140 < max(spans) <= 151


def test_saturation_changes_no_grey_and_hue_turns_by_at_most_its_share_of_a_turn() -> None:
    grey = torch.full((3, 8, 8), 90, dtype=torch.uint8)
    saturated = build(8, 8, jitter=STILL | {"saturation": 0.9})
    assert all((made.int() - 90).abs().max() <= 1 for made in draws(saturated, grey, 20))
    red = torch.zeros(3, 8, 8, dtype=torch.uint8)
    red[0] = 200
    turned = draws(build(8, 8, jitter=STILL | {"hue": 0.1}), red, 200)
    hues = [(colorsys.rgb_to_hsv(*made[:, 0, 0].tolist())[0] + 0.5) % 1 - 0.5 for made in turned]
    assert -0.105 < min(hues) < -0.08
    assert 0.08 < max(hues) < 0.105


def test_pca_colour_adds_one_colour_to_all_pixels() -> None:
    image = torch.randint(100, 150, (3, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    change = build(8, 8, pca_colour={"probability": 1})
    shifts = [(made.int() - image.int()).flatten(1) for made in draws(change, image, 40)]
    assert all((shift == shift[:, :1]).all() for shift in shifts)
    assert any(shift.any() for shift in shifts)


def test_pca_colour_spreads_along_the_components_by_their_eigenvalues() -> None:
    change = build(8, 8, pca_colour={"probability": 1, "sigma": 1})
    grey = torch.full((3, 8, 8), 128, dtype=torch.uint8)
    shifts = torch.stack([made[:, 0, 0].double() - 128 for made in draws(change, grey, 1000)])
    along = (shifts @ torch.tensor(EIGENVECTORS, dtype=torch.float64)).std(0)
    # 55.5, 4.8 and 1.15 of 255; whole numbers add a deviation of 0.29
    expected = [math.hypot(255 * value, 0.29) for value in EIGENVALUES]
    assert along.tolist() == pytest.approx(expected, rel=0.08)


def test_the_eigenvectors_are_orthogonal_units_the_first_nearly_grey() -> None:
    vectors = torch.tensor(EIGENVECTORS)
    torch.testing.assert_close(vectors.T @ vectors, torch.eye(3), atol=2e-3, rtol=0)
    assert vectors[:, 0].std() < 0.01


def test_equalise_uses_the_whole_range() -> None:
    dull = torch.randint(100, 120, (3, 32, 32), dtype=torch.uint8)
    made = build(32, 32, equalise={"probability": 1})(dull)
    assert (int(made.min()), int(made.max())) == (0, 255)
