"""Matrices as pictures: what is masked, marked and framed, worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba

from resight.views.charts import raster
from resight.views.matrices import MaskedMatrix, masked_matrices
from tests.support.grids import plain_image

NAN = np.nan
BEFORE = np.array([[NAN, 3.0, 2.0], [3.0, NAN, NAN], [2.0, NAN, NAN]])
AFTER = np.array([[NAN, -1.0, 2.0], [-1.0, NAN, NAN], [2.0, NAN, NAN]])
SAME_CAMERA = np.array([[True, True, False], [True, True, False], [False, False, True]])


@pytest.fixture(scope="module")
def panels(tmp_path_factory: pytest.TempPathFactory) -> list[Axes]:
    folder = tmp_path_factory.mktemp("images")
    colours = [(250, 0, 0), (0, 250, 0)]
    images = [plain_image(str(folder / f"{number}.png"), colour) for number, colour in enumerate(colours)]
    rows = [
        [
            MaskedMatrix("before", BEFORE, np.array([1, 0, -1])),
            MaskedMatrix("after", AFTER, np.array([2, 0, 0])),
        ]
    ]
    figure = masked_matrices(
        rows, [*images, str(Path(folder / "no.png"))], ["1 c1", "1 c1", "1 c2"], SAME_CAMERA, "same camera"
    )
    raster(figure)
    return figure.axes


def test_the_chosen_of_each_row_is_framed(panels: list[Axes]) -> None:
    framed = [[(patch.get_y() + 0.5, patch.get_x() + 0.5) for patch in axes.patches] for axes in panels]
    assert framed == [[(0, 1), (1, 0)], [(0, 2), (1, 0), (2, 0)]]


def test_a_row_of_matrices_has_one_scale_and_masked_cells_are_grey(panels: list[Axes]) -> None:
    for axes in panels:
        shown = axes.images[0]
        assert (shown.norm.vmin, shown.norm.vmax) == (-1, 3)
        grey = shown.to_rgba(shown.get_array())[1, 1]
        assert grey == pytest.approx(to_rgba("#dcdcdc"))
    assert [[text.get_text() for text in axes.texts] for axes in panels] == [
        ["3", "2", "3", "2"],
        ["-1", "2", "-1", "2"],
    ]


def test_marked_cells_have_a_dot_unless_they_are_masked(panels: list[Axes]) -> None:
    for axes in panels:
        places = np.rint(axes.collections[0].get_offsets()).astype(int).tolist()
        assert sorted(places) == [[0, 1], [1, 0]]


def test_a_legend_says_what_dot_grey_and_frame_are(panels: list[Axes]) -> None:
    (legend,) = panels[0].figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["same camera", "masked", "chosen in its row"]
    shown = legend.legend_handles
    assert shown[1].get_facecolor() == pytest.approx(to_rgba("#dcdcdc"))
    assert shown[2].get_edgecolor() == panels[0].patches[0].get_edgecolor()


def test_the_images_stand_along_both_sides_and_an_unreadable_one_is_a_box(panels: list[Axes]) -> None:
    _, above, left = panels[0].images
    top, side = np.asarray(above.get_array()), np.asarray(left.get_array())
    assert [tuple(top[64, 64 * place + 32]) for place in (0, 1)] == [(250, 0, 0), (0, 250, 0)]
    assert [tuple(side[128 * place + 64, 32]) for place in (0, 1)] == [(250, 0, 0), (0, 250, 0)]
    assert len(np.unique(top[:, 128:].reshape(-1, 3), axis=0)) > 1
    assert [label.get_text() for label in panels[0].get_xticklabels()] == ["1 c1", "1 c1", "1 c2"]


def test_large_matrices_are_drawn_without_numbers() -> None:
    count = 24
    matrix = MaskedMatrix("many", np.ones((count, count)), np.full(count, -1))
    figure = masked_matrices([[matrix]], ["no.png"] * count, ["–"] * count, np.zeros((count, count), bool), "same")
    assert not figure.axes[0].texts
    assert not figure.axes[0].patches
