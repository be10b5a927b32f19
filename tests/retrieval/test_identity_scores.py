from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from resight.errors import DataError
from resight.retrieval.identity_scores import IdentityScores, score_identities


def by_definition(computed: np.ndarray, true: np.ndarray) -> tuple[int, int, int]:
    """Of all ways to match identities one to one, IDTP, IDFP and IDFN of the one with the least IDFP + IDFN."""
    found, names = sorted(set(computed[computed > 0])), sorted(set(true[true > 0]))
    rows = found + [None] * len(names)  # a true identity may also be matched with nothing
    best = (0, 0, 10**9)
    for chosen in set(permutations(rows, len(names))):
        matched = sum(
            int(((computed == row) & (true == name)).sum())
            for row, name in zip(chosen, names, strict=True)
            if row is not None
        )
        errors = (matched, int((computed > 0).sum()) - matched, int((true > 0).sum()) - matched)
        if sum(errors[1:]) < sum(best[1:]):
            best = errors
    return best


@pytest.mark.parametrize("seed", range(12))
def test_equal_to_the_definition_over_all_matches(seed: int) -> None:
    random = np.random.default_rng(seed)
    computed, true = random.integers(0, 4, 30), random.integers(0, 4, 30)
    found = score_identities(computed, true)
    positives, false, missed = by_definition(computed, true)
    assert (found.true_positives, found.false_positives, found.false_negatives) == (positives, false, missed)
    assert found.precision == positives / (positives + false)
    assert found.recall == positives / (positives + missed)
    assert found.f1 == 2 * positives / (2 * positives + false + missed)


def test_by_hand() -> None:
    # Seven detections of person 7 and three of person 8; one is lost, one is nobody, and 8 goes on as 7.
    true = [7, 7, 7, 7, 7, 7, 7, 8, 8, 8, 0]
    computed = [1, 1, 1, 1, 2, 2, -1, 2, 1, 1, 3]
    assert score_identities(computed, true) == IdentityScores(5, 5, 5)
    assert score_identities(true, true).f1 == 1.0
    nothing = score_identities([0, -1], [1, 2])
    assert (nothing.precision, nothing.recall, nothing.f1) == (0, 0, 0)


def test_identities_are_kept_over_cameras_or_not() -> None:
    """Perfect within each of two cameras, and each person two: half of the detections keep their identity."""
    true = np.tile([1, 2, 3], 4)
    camera = np.repeat([0, 1], 6)
    assert score_identities(true + 3 * camera, true).f1 == 0.5


def test_without_truth_there_is_no_score() -> None:
    with pytest.raises(DataError, match="no detection has a true identity from 1"):
        score_identities([1, 2], [0, -2])
