"""Scores become probabilities: by hand, against a search over all monotone fits, and where the truth is known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from resight.errors import DataError
from resight.retrieval.calibration import Calibration, Curve, brier_score, expected_calibration_error


def test_by_hand_and_cameras_apart() -> None:
    scores = [0.1, 0.2, 0.3, 0.4, 0.1, 0.2]
    same, near = [0, 1, 0, 1, 0, 1], [0, 0, 0, 0, 1, 1]
    found = Calibration.fit(scores, same, near)
    assert found.probability([0.0, 0.2, 0.3, 0.35, 0.9], [False] * 5).tolist() == pytest.approx([0, 0.5, 0.5, 0.75, 1])
    assert found.probability([0.1, 0.15, 0.2], [True] * 3).tolist() == pytest.approx([0, 0.5, 1])


def test_is_the_best_monotone_fit_by_the_max_min_formula() -> None:
    rng = np.random.default_rng(3)
    scores, same = rng.permutation(40) / 40, rng.random(40) < 0.4
    found = Calibration.fit(scores, same, np.zeros(40, bool)).probability(np.sort(scores), np.zeros(40, bool))
    truth = same[np.argsort(scores)].astype(float)
    best = [
        max(min(truth[low : high + 1].mean() for high in range(place, 40)) for low in range(place + 1))
        for place in range(40)
    ]
    assert found == pytest.approx(best)
    assert all(before <= after for before, after in pairwise(found))


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
    assert np.isnan(found.probability([0.5], [True])).all()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"within": null, "across": {"scores": [1, 0], "probabilities": [0, 1]}}']
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
