"""What an evaluation of an autoencoder looks like: its scores' distributions, junk by kind, the best and the worst images."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from resight.recognizer import Recognizer
from resight.records import JUNK, ReidDataset
from resight.tasks.reconstruction.evaluation import Result
from resight.tasks.reconstruction.report import page as make_page
from resight.tasks.reconstruction.report import tables


@pytest.fixture
def result(crowd: ReidDataset) -> Result:
    """Five images with scores by hand; the last two are junk of two kinds."""
    records = [*crowd.query[:3], *(replace(crowd.query[3], identity=JUNK, attributes={"junk_kind": kind}) for kind in ("close", "empty"))]  # fmt: skip
    error = np.array([1, 2, 3, 4, 0], np.float32)
    return Result(records, {"error": error, "relative": error[::-1] * 10}, ["bad.jpg: no image"])


def test_tables_by_hand(result: Result) -> None:
    scores, junk = tables(result)
    assert scores.columns == ["score", "images", "mean", "5 %", "25 %", "50 %", "75 %", "95 %"]
    assert scores.rows == [
        ["error", "5", "2", "0.2", "1", "2", "3", "3.8"],
        ["relative", "5", "20", "2", "10", "20", "30", "38"],
    ]
    # By error the close one has the highest of all scores and the empty one the lowest. By relative both have one of the
    # three that are no junk below them and two above.
    assert junk.columns == ["junk, %", "images", "error ROC-AUC", "error AP", "relative ROC-AUC", "relative AP"]
    assert junk.rows == [
        ["all", "2", "50.0", "70.0", "33.3", "41.7"],
        ["close", "1", "100.0", "100.0", "33.3", "33.3"],
        ["empty", "1", "0.0", "25.0", "33.3", "33.3"],
    ]
    assert "the 2 of 5 images labelled junk" in junk.note


def test_without_labelled_junk_there_is_one_table(result: Result) -> None:
    plain = Result(result.records[:3], {name: values[:3] for name, values in result.scores.items()}, [])
    assert len(tables(plain)) == 1


def test_a_page_shows_the_highest_and_the_lowest_scores(
    result: Result, recognizer: Recognizer, crowd: ReidDataset, tmp_path: Path
) -> None:
    made = make_page(result, recognizer, crowd)
    made.finish(tmp_path / "r.html", command="resight evaluate run", failed=result.failed)
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert page.count("data:image/") == 4
    told = re.findall(r"The (highest|lowest) scores: ([\d., ]+)\.", page)
    assert list(dict.fromkeys(told)) == [
        ("highest", "4, 3, 2, 1, 0"),
        ("lowest", "0, 1, 2, 3, 4"),
        ("highest", "40, 30, 20, 10, 0"),
        ("lowest", "0, 10, 20, 30, 40"),
    ]
    for words in ("Reconstruction on crowd", "ROC-AUC", "resight evaluate run", "bad.jpg: no image"):
        assert words in page, words
