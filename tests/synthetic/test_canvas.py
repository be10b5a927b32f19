"""Panels and the canvas: points of a surface by hand, and pixels where the subject's units say."""

from __future__ import annotations

import numpy as np
import pytest

from resight.synthetic.canvas import Canvas, Panel, limb
from tests.support.drawing import canvas, colours, seen

# A trapezium: 2 wide at the top (y 1), 4 wide at the bottom (y 0).
TRAPEZIUM = Panel([(-1, 1), (-2, 0)], [(1, 1), (2, 0)])


@pytest.mark.parametrize(
    ("u", "v", "point"),
    [(0, 0, (-1, 1)), (1, 0, (1, 1)), (0, 1, (-2, 0)), (1, 1, (2, 0)), (0.5, 0.5, (0, 0.5)), (0.25, 0.5, (-0.75, 0.5))],
)
def test_points_of_a_panel_by_hand(u: float, v: float, point: tuple[float, float]) -> None:
    assert TRAPEZIUM.at(u, v) == pytest.approx(point)


def test_v_follows_the_length_of_the_edges() -> None:
    # Edges of three points: the first part is 1 long, the second 3, so a quarter of the way is at the bend.
    panel = Panel([(0, 4), (0, 3), (0, 0)], [(1, 4), (1, 3), (1, 0)])
    assert panel.at(0, 0.25) == pytest.approx((0, 3))
    assert panel.at(1, 0.625) == pytest.approx((1, 1.5))
    assert panel.patch(0, 1, 0, 1) == [(0, 4), (0, 3), (0, 0), (1, 0), (1, 3), (1, 4)] == panel.outline
    assert panel.patch(0, 1, 0.5, 1)[:2] == [pytest.approx((0, 2)), pytest.approx((0, 0))]


def test_a_panel_without_extent_has_points_all_the_same() -> None:
    assert Panel([(1, 1), (1, 1)], [(1, 1), (1, 1)]).at(0.3, 0.7) == pytest.approx((1, 1))


def test_a_limb_has_its_widths_across_its_direction() -> None:
    down = limb((0, 1), (0, 0), 0.4, 0.2)
    assert sorted([down.at(0, 0)[0], down.at(1, 0)[0]]) == pytest.approx([-0.2, 0.2])
    assert sorted([down.at(0, 1)[0], down.at(1, 1)[0]]) == pytest.approx([-0.1, 0.1])
    assert down.at(0.5, 0.5) == pytest.approx((0, 0.5))
    across = limb((0, 0), (1, 0), 0.4, 0.4)
    assert sorted([across.at(0, 0.5)[1], across.at(1, 0.5)[1]]) == pytest.approx([-0.2, 0.2])


def test_a_polygon_fills_its_pixels_and_nothing_else() -> None:
    drawn = canvas(0.5, 0.5, unit=10)  # 40 × 40 pixels, (0, 0) in the middle
    drawn.polygon([(-1, 0.5), (1, 0.5), (1, -1), (-1, -1)], (9, 8, 7))
    rows, columns = np.nonzero(seen(drawn))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (15, 30, 10, 30)
    assert seen(drawn).sum() == 16 * 21
    assert colours(drawn) == {(9, 8, 7)}
    assert set(np.unique(drawn.image.getchannel("A"))) == {0, 255}


def test_an_ellipse_has_its_radii_and_its_stretch() -> None:
    wide = Canvas(100, 100, lambda x, y: (50 + 20 * x, 50 - 10 * y), 10, stretch=2)
    wide.ellipse((0, 0), 1.5, 1.5, (1, 2, 3))
    rows, columns = np.nonzero(seen(wide))
    assert (np.ptp(columns), np.ptp(rows)) == (60, 30)


def test_what_lies_outside_of_the_canvas_is_cut_off() -> None:
    drawn = canvas(0.5, 0.5, unit=10)
    drawn.polygon([(-9, -9), (9, -9), (9, 9), (-9, 9)], (1, 1, 1))
    drawn.line([(-99, 0), (99, 0)], 0.2, (2, 2, 2))
    drawn.ellipse((50, 50), 1, 1, (3, 3, 3))
    assert seen(drawn).all()
    assert colours(drawn) == {(1, 1, 1), (2, 2, 2)}


def test_a_line_is_as_wide_as_told_and_never_invisible() -> None:
    for width, pixels in ((0.4, 4), (0.0001, 1)):
        drawn = canvas(0.5, 0.5, unit=10)
        drawn.line([(0, 1), (0, -1)], width, (5, 5, 5))
        assert seen(drawn).any(0).sum() == pixels
