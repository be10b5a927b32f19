"""What an evaluation of masks looks like: the table's figures, and the pictures of a page."""

from __future__ import annotations

from pathlib import Path

import pytest

from resight.recognizer import Recognizer
from resight.records import ReidDataset
from resight.tasks.masks.evaluation import Result, evaluate
from resight.tasks.masks.report import page as make_page
from resight.tasks.masks.report import tables


@pytest.fixture(scope="module")
def result(by_brightness: Recognizer, masked: ReidDataset) -> Result:
    return evaluate(by_brightness, masked, trained_here=False)


def test_the_table_has_a_row_for_each_split_in_per_cent(result: Result) -> None:
    (table,) = tables(Result({"validation": result.judged, "test": result.judged}, []))
    assert table.columns == ["%", "images", "IoU", "Dice", "IoU of the mean mask", "Dice of the mean mask"]
    row = ["3", "50.0", "55.6", "60.6", "74.3"]
    assert table.rows == [["validation", *row], ["test", *row]]


def test_a_page_shows_masks_drawn_at_random_and_the_worst(
    result: Result, by_brightness: Recognizer, masked: ReidDataset, tmp_path: Path
) -> None:
    curves = {"train/loss": [(1.0, 0.7), (2.0, 0.5)]}
    made = make_page(result, by_brightness, masked)
    command = "resight evaluate runs/unet"
    made.finish(tmp_path / "r.html", command=command, failed=["bad.jpg: no image"], curves=curves)
    page = (tmp_path / "r.html").read_text()
    for words in ("Masks on masked", "55.6", "Images drawn at random.", "lowest IoU", "resight evaluate runs/unet", "bad.jpg: no image", "Training"):  # fmt: skip
        assert words in page, words
    assert page.count("data:image/") == 2
