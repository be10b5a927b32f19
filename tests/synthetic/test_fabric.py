"""Fabrics: each pattern is seen on its panel alone, turns with the body, and has a shaded side."""

from __future__ import annotations

import math

import numpy as np
import pytest

from resight.synthetic.canvas import Canvas, Panel
from resight.synthetic.fabric import PATTERNS, Fabric, cover
from resight.synthetic.palette import tint
from tests.support.drawing import canvas, colours, seen, share

SHIRT = Panel([(-1, 3), (-1, 1)], [(1, 3), (1, 1)])
MAIN, SECOND = (200, 40, 40), (40, 200, 40)


def covered(pattern: str, yaw: float = 0.0, repeats: int = 4, shadow: int = 0, light: float = 1.0) -> Canvas:
    drawn = canvas(0.5, 0.0)
    cover(drawn, SHIRT, Fabric(MAIN, SECOND, pattern, repeats), yaw, light, shadow)
    return drawn


@pytest.mark.parametrize("pattern", [name for name in PATTERNS if name != "plain"])
def test_a_pattern_shows_both_colours_and_stays_on_its_panel(pattern: str) -> None:
    drawn, plain = covered(pattern), covered("plain")
    assert (seen(drawn) ^ seen(plain)).sum() < 0.01 * seen(plain).sum(), "but for the outermost dots"
    assert colours(plain) == {MAIN}
    assert MAIN in colours(drawn)
    assert share(drawn, MAIN) < 0.98


def test_patterns_are_told_apart_and_repeat_themselves() -> None:
    pictures = {pattern: covered(pattern).image.tobytes() for pattern in PATTERNS}
    assert len(set(pictures.values())) == len(PATTERNS)
    assert all(covered(pattern).image.tobytes() == picture for pattern, picture in pictures.items())


@pytest.mark.parametrize("yaw", [0.0, 0.4, 1.0])
def test_bars_meet_as_they_have_in_every_street_that_figures_are_published_of(yaw: float) -> None:
    assert 0.01 < share(covered("bars", yaw, repeats=4), MAIN) < 0.05
    assert share(covered("bars", yaw, repeats=7), MAIN) == 0
    assert 0.01 < share(covered("checks", yaw, repeats=4), MAIN) < 0.05


@pytest.mark.parametrize("repeats", [2, 3, 4])
def test_a_logo_is_on_the_chest_and_not_on_the_back(repeats: int) -> None:
    assert share(covered("logo", 0.0, repeats), SECOND) > 0.02
    assert share(covered("logo", math.pi, repeats), SECOND) == 0
    turned = np.nonzero(np.asarray(covered("logo", math.pi / 4, repeats).image)[..., 1] == SECOND[1])[1]
    assert turned.mean() > 210, "moved to the right of the middle at 200"


def test_halves_change_sides_behind() -> None:
    front, back = (np.asarray(covered("halves", yaw).image)[200, 110:290, 1] == SECOND[1] for yaw in (0.0, math.pi))
    assert front[100:].all()
    assert not front[:80].any()
    assert back[:80].all()
    assert not back[100:].any()


@pytest.mark.parametrize(("shadow", "columns"), [(1, slice(285, 300)), (-1, slice(101, 115))])
def test_one_side_lies_in_shade(shadow: int, columns: slice) -> None:
    pixels = np.asarray(covered("plain", shadow=shadow).image)
    assert (pixels[150, columns, :3] == tint(MAIN, 0.72)).all()
    assert share(covered("plain", shadow=shadow), MAIN) > 0.8


def test_less_light_darkens_both_colours() -> None:
    assert colours(covered("stripes", light=0.5)) == {tint(MAIN, 0.5), tint(SECOND, 0.5)}


def test_sleeves_take_the_second_colour_of_what_is_only_on_the_body() -> None:
    for pattern in PATTERNS:
        trim = Fabric(MAIN, SECOND, pattern).trim
        assert trim == (SECOND if pattern in ("block", "logo", "yoke") else MAIN)
