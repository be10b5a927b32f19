"""The picture of a search: a row for each query, its hits to the right in their order, framed as nobody has judged them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resight.errors import DataError
from resight.gallery import Hit
from resight.gallery.picture import search_picture
from resight.records import Record
from resight.views.grids import FRAMES

COLOURS = {"red": (250, 10, 10), "lime": (10, 250, 10), "cyan": (10, 250, 250), "pink": (250, 120, 200)}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """One file in each of COLOURS."""
    paths = {name: str(tmp_path / f"{name}.png") for name in COLOURS}
    for name, path in paths.items():
        Image.new("RGB", (20, 40), COLOURS[name]).save(path)
    return paths


def hit(path: str, score: float) -> Hit:
    return Hit(0, score, None, Record(path, camera=2))


def area(page: np.ndarray, colour: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the pixels in a colour."""
    return np.nonzero((page == colour).all(2))


def test_each_query_has_a_row_with_its_hits_in_order(files: dict[str, str], tmp_path: Path) -> None:
    answers = [
        ([files["red"]], [hit(files["lime"], 0.9), hit(files["cyan"], 0.8)]),
        ([files["pink"]], [hit(files["cyan"], 0.7)]),
    ]
    search_picture(answers, tmp_path / "found.png")
    page = np.asarray(Image.open(tmp_path / "found.png"))
    (upper, left), (_, middle), (_, right), (lower, _) = (
        area(page, COLOURS[name]) for name in ("red", "lime", "cyan", "pink")
    )
    first_row = slice(0, upper.max() + 1)
    assert left.max() < middle.min() < middle.max() < area(page[first_row], COLOURS["cyan"])[1].min()
    assert upper.max() < lower.min()
    assert np.ptp(upper) > np.ptp(left), "images keep their shape"
    # The second row's only hit stands below the first row's first.
    below = area(page[lower.min() :], COLOURS["cyan"])[1]
    assert (below.min(), below.max()) == (middle.min(), middle.max())
    assert right.max() > below.max()


def test_pictures_of_one_query_stand_below_each_other(files: dict[str, str], tmp_path: Path) -> None:
    search_picture([([files["red"], files["pink"]], [hit(files["lime"], 0.9)])], tmp_path / "found.png")
    page = np.asarray(Image.open(tmp_path / "found.png"))
    (upper, left), (beside, _), (lower, below) = (area(page, COLOURS[name]) for name in ("red", "lime", "pink"))
    assert upper.max() < lower.min()
    assert (left.min(), left.max()) == (below.min(), below.max())
    assert (beside.min(), beside.max()) == (upper.min(), upper.max())


def test_hits_have_the_frame_of_what_nobody_has_judged(files: dict[str, str], tmp_path: Path) -> None:
    search_picture([([files["red"]], [hit(files["lime"], 0.9)])], tmp_path / "found.png")
    page = np.asarray(Image.open(tmp_path / "found.png"))
    assert not any(len(area(page, FRAMES[verdict])[0]) for verdict in ("right", "wrong"))
    frame, inside = area(page, FRAMES["unknown"]), area(page, COLOURS["lime"])
    for of, within in zip(frame, inside, strict=True):
        assert of.min() < within.min()
        assert of.max() > within.max()
    query = area(page, COLOURS["red"])[1]
    assert query.max() < frame[1].min(), "the query has none"


def test_a_name_that_is_no_pictures_is_refused(files: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"found\.txt: name a picture that ends in \.png"):
        search_picture([([files["red"]], [hit(files["lime"], 0.9)])], tmp_path / "found.txt")
    assert not (tmp_path / "found.txt").exists()
    with pytest.raises(DataError, match="no ranked list"):
        search_picture([], tmp_path / "found.png")
