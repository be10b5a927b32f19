"""Scores become probabilities: by hand, against a search over all monotone fits, and where the truth is known."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from resight.errors import DataError
from resight.retrieval.calibration import (
    Calibration,
    Curve,
    FittedOn,
    brier_score,
    expected_calibration_error,
    growth_between,
)


def test_by_hand_and_cameras_apart() -> None:
    scores = [0.1, 0.2, 0.3, 0.4, 0.1, 0.2]
    same, near = [0, 1, 0, 1, 0, 1], [0, 0, 0, 0, 1, 1]
    found = Calibration.fit(scores, same, near)
    # With a pair that matches at 0.1 and one that does not at 0.4: halves everywhere.
    assert found.probability([0.0, 0.2, 0.3, 0.35, 0.9], [False] * 5).tolist() == pytest.approx([0.5] * 5)
    assert found.probability([0.1, 0.15, 0.2], [True] * 3).tolist() == pytest.approx([0.5] * 3)


def test_is_the_best_monotone_fit_by_the_max_min_formula() -> None:
    rng = np.random.default_rng(3)
    scores, same = rng.permutation(40) / 40, rng.random(40) < np.linspace(0, 1, 40)
    same = same[np.argsort(np.argsort(scores))]
    found = Calibration.fit(scores, same, np.zeros(40, bool)).probability(np.sort(scores), np.zeros(40, bool))
    right, of = same[np.argsort(scores)].astype(float), np.ones(40)
    right[0] += 1
    of[[0, -1]] += 1
    best = [
        max(
            min(right[low : high + 1].sum() / of[low : high + 1].sum() for high in range(place, 40))
            for low in range(place + 1)
        )
        for place in range(40)
    ]
    assert found == pytest.approx(best)
    assert all(before <= after for before, after in pairwise(found))
    assert found[0] < 0.3
    assert found[-1] > 0.7


def test_nothing_is_certain_however_many_pairs_never_failed() -> None:
    same = np.repeat([False, True], 100)
    found = Calibration.fit(np.arange(200) / 200, same, np.zeros(200, bool))
    low, high = found.probability([-1.0, 2.0], [False, False])
    assert (low, high) == pytest.approx((1 / 101, 100 / 101))


def test_odds_fall_in_a_larger_gallery_and_do_not_rise_in_a_smaller_one() -> None:
    curve = Curve((0.0, 1.0), (0.25, 0.75))
    found = Calibration(None, curve, growth=0.5, fitted_on=FittedOn("street", "f", images=100))
    told = {images: found.probability([0.0, 1.0], [False] * 2, images) for images in (None, 10, 100, 400)}
    for images in (None, 10, 100):
        assert told[images].tolist() == [0.25, 0.75]
    assert told[400].tolist() == pytest.approx([1 / 7, 3 / 5])  # odds 1/3 and 3, by 2
    assert Calibration(None, curve, 0.5).probability([1.0], [False], 400).tolist() == [0.75]


def test_the_score_of_a_probability_is_the_lowest_that_reaches_it() -> None:
    curve = Curve((0.0, 0.2, 0.4, 0.6, 1.0), (0.1, 0.1, 0.5, 0.5, 0.9))
    found = Calibration(None, curve, growth=0.5, fitted_on=FittedOn("street", "f", images=100))
    for probability, score in ((0.05, 0), (0.1, 0), (0.3, 0.3), (0.5, 0.4), (0.7, 0.8), (0.9, 1)):
        assert found.score(probability) == pytest.approx(score)
    # Odds of 1, of 2 where all are halved.
    assert found.score(0.5, 400) == pytest.approx(0.6 + 0.4 * (2 / 3 - 0.5) / 0.4)
    for images in (100, 400):
        assert found.probability([found.score(0.4, images)], [False], images).tolist() == pytest.approx([0.4])
    with pytest.raises(DataError, match=r"no score has a probability of 0\.95; the highest is 0\.900"):
        found.score(0.95)
    with pytest.raises(DataError, match=r"no score has a probability of 0\.9; the highest is 0\.818"):
        found.score(0.9, 400)


def test_tracklets_and_several_pictures_have_their_own_where_these_were_fitted() -> None:
    plain, tracklets, together = (Calibration(None, Curve((0.0,), (share,))) for share in (0.1, 0.2, 0.3))
    both = replace(plain, tracklets=tracklets, together=together)
    assert both.of() is both
    assert both.of(tracklets=True) is tracklets
    assert both.of(together=True) is together
    assert both.of(tracklets=True, together=True) is tracklets
    assert plain.of(tracklets=True, together=True) is plain
    assert replace(plain, together=together).of(tracklets=True, together=True) is together
    assert Calibration.from_json(both.to_json()) == both


def test_growth_is_found_where_the_truth_is_known() -> None:
    rng = np.random.default_rng(11)
    scores, nowhere = rng.uniform(-3, 3, 40000), np.zeros(40000, bool)
    for growth in (0.0, 0.6, 1.0):
        # In a gallery of four times the images, odds exp(score) become exp(score) / 4 ** growth.
        small = rng.random(40000) < 1 / (1 + np.exp(-scores))
        large = rng.random(40000) < 1 / (1 + np.exp(-scores) * 4**growth)
        fitted = Calibration.fit(scores, small, nowhere)
        assert growth_between(fitted, scores, large, nowhere, 4) == pytest.approx(growth, abs=0.06)


def test_a_population_whose_truth_is_known_is_calibrated() -> None:
    rng = np.random.default_rng(5)
    scores, near = rng.uniform(-1, 1, 20000), rng.random(20000) < 0.5
    truth = 1 / (1 + np.exp(-6 * scores + 3 * near))
    same = rng.random(20000) < truth
    found = Calibration.fit(scores[:10000], same[:10000], near[:10000])
    told = found.probability(scores[10000:], near[10000:])
    assert np.abs(told - truth[10000:]).mean() < 0.03
    assert expected_calibration_error(told, same[10000:]) < 0.02
    assert brier_score(told, same[10000:]) < brier_score(np.full(10000, same[:10000].mean()), same[10000:]) / 2


def test_errors_by_hand() -> None:
    assert brier_score([0.5, 1.0], [True, True]) == 0.125
    assert expected_calibration_error([0.25, 0.25, 1.0, 1.0], [True, False, True, False]) == pytest.approx(0.375)


def test_json_gives_the_same_to_the_last_bit() -> None:
    rng = np.random.default_rng(7)
    found = Calibration.fit(rng.random(99), rng.random(99) < 0.5, np.zeros(99, bool))
    assert found.within is None
    assert Calibration.from_json(found.to_json()) == found
    whole = replace(
        found, growth=0.7, fitted_on=FittedOn("street", "f", "Street", (1, 2), 75, 750, 10, 1859, "2026-11-26")
    )
    assert Calibration.from_json(whole.to_json()) == whole
    alone = json.dumps(json.loads(found.to_json())["curves"])  # as older galleries have it
    assert Calibration.from_json(alone) == found
    assert np.isnan(found.probability([0.5], [True])).all()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"fitted on": {}, "curves": {"within": null, "across": null}}',
        '{"within": null, "across": {"scores": [1, 0], "probabilities": [0, 1]}}',
        '{"within": null, "across": {"scores": [0.1], "probabilities": [0.5]}, "growth": -50}',
        '{"within": null, "across": {"scores": [0.1], "probabilities": [0.5]}, "growth": NaN}',
    ],
)
def test_damaged_json_is_refused(text: str) -> None:
    with pytest.raises(DataError):
        Calibration.from_json(text)


def test_pairs_that_tell_nothing_are_refused() -> None:
    with pytest.raises(DataError, match="that match and pairs that do not"):
        Calibration.fit([0.1, 0.2], [True, True], [False, False])
    with pytest.raises(DataError, match="nan or infinity"):
        Calibration.fit([0.1, np.nan], [True, False], [False, False])
    with pytest.raises(DataError, match="ascend"):
        Curve((0.0, 1.0), (0.5, 0.2))
