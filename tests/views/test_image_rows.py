"""Images in captioned rows."""

from __future__ import annotations

import numpy as np
import pytest

from resight.errors import DataError
from resight.views.image_rows import image_rows


def test_every_image_is_there_in_its_row_and_order() -> None:
    colours = {"one": [(255, 0, 0)], "two": [(0, 255, 0), (0, 0, 255)]}
    rows = {caption: [np.full((40, 20, 3), c, np.uint8) for c in found] for caption, found in colours.items()}
    pixels = np.asarray(image_rows(rows, height=80))
    corners = {}
    for colour in [(255, 0, 0), (0, 255, 0), (0, 0, 255)]:
        inside = (pixels == colour).all(2)
        assert inside.sum() == 80 * 40, "40 × 20 at a height of 80"
        corners[colour] = [int(places.min()) for places in inside.nonzero()]
    red, green, blue = corners.values()
    assert red[0] < green[0] == blue[0]
    assert red[1] == green[1] < blue[1]


def test_a_long_caption_fits() -> None:
    rows = {"a caption that is much wider than its one narrow image": [np.zeros((128, 8, 3), np.uint8)]}
    pixels = np.asarray(image_rows(rows))
    assert (pixels[:, -1] == 255).all()
    assert pixels.shape[1] > 200


def test_nothing_to_draw_is_said() -> None:
    with pytest.raises(DataError, match="no image"):
        image_rows({"empty": []})
