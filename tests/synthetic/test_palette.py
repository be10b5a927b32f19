"""Named colours: they are the names of the annotations, and no shade could go by another name."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from resight.data.attributes import MARKET_SCHEMA, MULTI, VERI_SCHEMA
from resight.synthetic.palette import PAINTS, blend, choose, pick, shade, tint


def test_every_colour_that_the_annotations_name_can_be_painted() -> None:
    named = {*MARKET_SCHEMA.classes["upper_color"], *MARKET_SCHEMA.classes["lower_color"]} - {MULTI}
    assert named | {*VERI_SCHEMA.classes["color"]} == set(PAINTS)


def distance(point: np.ndarray, first: np.ndarray, second: np.ndarray) -> float:
    """From a colour to the nearest one on the line between two others."""
    line = second - first
    along = np.clip((point - first) @ line / (line @ line), 0, 1)
    return float(np.linalg.norm(first + along * line - point))


def test_no_shade_is_near_the_shades_of_another_name() -> None:
    for name, ends in PAINTS.items():
        for place in np.linspace(0, 1, 11):
            color = np.array(blend(*ends, place), float)
            others = {o: distance(color, *(np.array(end, float) for end in PAINTS[o])) for o in PAINTS if o != name}
            assert min(others.values()) > 40, f"{name} is near {min(others, key=others.get)}"


@pytest.mark.parametrize("name", PAINTS)
def test_shades_lie_between_the_two_ends(name: str) -> None:
    rng = np.random.default_rng(0)
    shades = np.array([shade(rng, name) for _ in range(200)])
    ends = np.array(PAINTS[name])
    assert (shades >= ends.min(0)).all()
    assert (shades <= ends.max(0)).all()
    assert (np.ptp(shades, axis=0) > 0.9 * np.ptp(ends, axis=0)).all(), "from one end to the other"


def test_blend_and_tint_by_hand() -> None:
    assert blend((0, 100, 200), (100, 0, 201), 0) == (0, 100, 200)
    assert blend((0, 100, 200), (100, 0, 201), 1) == (100, 0, 201)
    assert blend((0, 100, 200), (100, 0, 210), 0.25) == (25, 75, 202)
    assert tint((10, 100, 200), 1.5) == (15, 150, 255)
    assert tint((10, 100, 200), 0.5) == (5, 50, 100)


def test_choices_follow_their_shares_and_picks_are_even() -> None:
    rng = np.random.default_rng(0)
    found = Counter(choose(rng, {"a": 1, "b": 3, "never": 0}) for _ in range(2000))
    assert set(found) == {"a", "b"}
    assert abs(found["a"] - 500) < 80, "a deviation is 19"
    picked = Counter(
        "red" if color[0] > color[2] else "blue" for color in (pick(rng, "red", "blue") for _ in range(1000))
    )
    assert abs(picked["red"] - 500) < 70, "a deviation is 16"
