"""Scenes: each paints its ground down to the lower edge, repeats itself, and is told apart from the others."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from resight.synthetic.scenes import SCENES

WIDE, TALL, HORIZON = 160, 60, 24.0
BARE = (255, 0, 255)


def painted(place: str, seed: int = 0) -> np.ndarray:
    image = Image.new("RGB", (WIDE, TALL), BARE)
    SCENES[place](ImageDraw.Draw(image), np.random.default_rng(seed), WIDE, TALL, HORIZON)
    return np.asarray(image)


@pytest.mark.parametrize("place", SCENES)
def test_the_ground_is_painted_to_the_edges(place: str) -> None:
    for seed in range(3):
        ground = painted(place, seed)[int(HORIZON) + 1 :]
        assert not (ground == BARE).all(2).any()


@pytest.mark.parametrize("place", SCENES)
def test_a_scene_is_a_function_of_its_random_numbers(place: str) -> None:
    np.testing.assert_array_equal(painted(place, 1), painted(place, 1))
    assert not np.array_equal(painted(place, 1), painted(place, 2)) or place in ("tunnel", "bridge"), "nothing random"


def test_places_are_told_apart() -> None:
    pictures = {place: painted(place).astype(int) for place in SCENES}
    names = list(pictures)
    for number, name in enumerate(names):
        for other in names[:number]:
            assert np.abs(pictures[name] - pictures[other]).mean() > 8, (name, other)
