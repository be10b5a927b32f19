"""Thresholds, precision and recall, by hand and against every threshold there is."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from resight.errors import DataError
from resight.records import JUNK, Record
from resight.tasks.detection import detection, junk_figures, threshold_for_precision

SCORES = np.array([0.9, 0.8, 0.8, 0.5, 0.1])
WANTED = np.array([True, True, False, True, False])


def test_figures_by_hand() -> None:
    found = detection(SCORES, WANTED, 0.8)
    assert (found.images, found.wanted, found.found) == (5, 3, 3)
    assert (found.precision, found.recall) == (2 / 3, 2 / 3)
    # Six pairs of one wanted and one not: 0.9 beats both, 0.8 ties with one and beats the other, 0.5 beats one.
    assert found.auc == pytest.approx((2 + 1.5 + 1) / 6)
    nothing = detection(SCORES, WANTED, 2)
    assert nothing.found == 0
    assert math.isnan(nothing.precision)
    assert nothing.recall == 0
    assert math.isnan(detection(SCORES, np.zeros(5, bool), 0.5).recall)


def test_threshold_for_a_precision_by_hand() -> None:
    assert threshold_for_precision(SCORES, WANTED, 1) == 0.9
    # Two of the three images at 0.8 or more are wanted, three of the four at 0.5: the lower threshold finds more.
    assert threshold_for_precision(SCORES, WANTED, 0.66) == 0.5
    assert threshold_for_precision(SCORES, WANTED, 0.5) == 0.1


@pytest.mark.parametrize("seed", range(10))
def test_no_lower_threshold_is_precise_enough(seed: int) -> None:
    rng = np.random.default_rng(seed)
    wanted = rng.random(60) < 0.4
    scores = np.round(rng.normal(size=60) + 2 * wanted, 1)
    chosen = threshold_for_precision(scores, wanted, 0.8)
    assert detection(scores, wanted, chosen).precision >= 0.8
    assert all(detection(scores, wanted, lower).precision < 0.8 for lower in np.unique(scores[scores < chosen]))


def test_what_cannot_be_reached_is_named() -> None:
    with pytest.raises(DataError, match="none of the labelled images is junk"):
        threshold_for_precision(SCORES, np.zeros(5, bool), 0.5)
    with pytest.raises(DataError, match=r"no threshold has precision 0.9 on the labelled images; the best is 0\.667"):
        threshold_for_precision(np.array([3, 2, 1]), np.array([False, True, True]), 0.9)


def test_kinds_of_junk_are_each_told_from_all_that_is_none() -> None:
    kinds = [None, None, "close", "close", "empty"]
    records = [
        *(
            Record(f"{i}.jpg", 5 if k is None else JUNK, attributes={"junk_kind": k} if k else {})
            for i, k in enumerate(kinds)
        ),
        Record("stranger.jpg", 0),
    ]
    scores = np.array([0.2, 0.5, 0.9, 0.3, 0.1, 0.4])
    figures = junk_figures(records, scores)
    assert list(figures) == ["all", "close", "empty"]
    # Of close's 2 × 3 pairs with the others (0.2, 0.5, 0.4), 0.9 wins three and 0.3 one.
    assert figures["close"].auc == pytest.approx(4 / 6)
    assert figures["close"].average_precision == pytest.approx((1 / 1 + 2 / 4) / 2)
    assert figures["empty"] == (1, 0.0, pytest.approx(1 / 4))
    assert figures["all"].images == 3
    plain = [replace(record, attributes={}) for record in records]
    assert list(junk_figures(plain, scores)) == ["junk"]
    assert junk_figures(records[:2], scores[:2]) == {}, "no image is labelled junk"
    assert junk_figures(records[2:5], scores[2:5]) == {}, "all images are"
